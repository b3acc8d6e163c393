' 2>/dev/null)
cw_netns=
[ -e /proc/1/net/dev ] || echo hidden
if [ $# -ge 6 ]; then
    echo "walk $f $1 $2 $3 $4 $5 $6"
    shift 6
    [ $f = net/dev ] || cw_netns=$*
    l=
    if [ -r /proc/1/environ ]; then for p; do l="$l ${p%/$f}/ns/net"; done; fi
    {
        cd /run/netns && ls -iL . | head -n 4096
        ls -iL /proc/self/ns/net $l
        [ $# = 0 ] || ls -i "$@"
    } 2>/dev/null | LC_ALL=C awk '
