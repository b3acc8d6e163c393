[ -z "$cw_netns" ] || {
echo "==> namespace readers <=="
ls -i $cw_netns 2>/dev/null | LC_ALL=C awk '
