f=net/stat/nf_conntrack
[ -e /proc/self/$f ] || f=net/dev
set -- $({
a=0 b= l= n=0 cut=-
echo "held $cw_netns"
ls -i /proc/self/$f
read -r a b </proc/uptime
echo "from $a"
t=$((${a%%.*} + 2))
for p in /proc/[0-9]*; do
    l="$l $p/$f" n=$((n + 1))
    case $n in
    32768) cut=processes; break ;;
    *[05]00)
        ls -i $l; l=
        read -r a b </proc/uptime
        [ ${a%%.*} -lt $t ] || { cut=time; break; } ;;
    esac
done
[ -z "$l" ] || ls -i $l
read -r a b </proc/uptime
echo "to $a $cut"
} 2>/dev/null | LC_ALL=C awk '
