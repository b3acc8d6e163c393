#!/bin/sh
# Makes the login that Cliffwatch reads this host with. Run it as root; run it again after a change.
#
#   create-user.sh --key 'ssh-ed25519 AAAA... cliffwatch' [--user cliffwatch] [RIGHTS...]
#   create-user.sh --remove [--user cliffwatch]
#
#   --counters   sudo: /usr/sbin/conntrack -S              (kernels without /proc/net/stat/nf_conntrack)
#   --evidence   sudo: /usr/sbin/conntrack -L -o extended  (who fills the table, when a rule asks)
#   --journal    group systemd-journal, or adm: the kernel's log
#   --bound      the key can do nothing but run /usr/local/lib/cliffwatch-linux, which must be there
#
# Without rights the login reads counts, limits and counters of every namespace: all that everybody may read.
set -eu

user=cliffwatch key= counters= evidence= journal= bound= remove=
program=/usr/local/lib/cliffwatch-linux

say() { echo "create-user: $*"; }
die() { echo "create-user: $*" >&2; exit 2; }

while [ $# -gt 0 ]; do
    case $1 in
    --user) user=${2:?}; shift ;;
    --key) key=${2:?}; shift ;;
    --counters) counters=1 ;;
    --evidence) evidence=1 ;;
    --journal) journal=1 ;;
    --bound) bound=1 ;;
    --remove) remove=1 ;;
    -h | --help) sed -n '2,13s/^# \{0,1\}//p' "$0"; exit 0 ;;
    *) die "unknown option $1; see --help" ;;
    esac
    shift
done

[ "$(id -u)" = 0 ] || die "needs root"
case $user in
'' | [!a-z]* | *[!a-z0-9_-]*) die "a login is a-z, 0-9, - and _, and begins with a letter: $user" ;;
root) die "the login must not be root" ;;
esac
sudoers=/etc/sudoers.d/$user home=/var/lib/$user mark='Cliffwatch poller'
# An account that somebody else made is not ours to change.
entry=$(getent passwd "$user") || entry=
case $entry in
'' | *":$mark:"*) ;;
*) die "the login $user exists and was not made by this script" ;;
esac

if [ -n "$remove" ]; then
    rm -f "$sudoers"
    if [ -n "$entry" ]; then
        userdel "$user"
        rm -f "$home/.ssh/authorized_keys"
        rmdir "$home/.ssh" "$home" 2>/dev/null || say "left $home: there is something else in it"
    fi
    say "removed the login $user and $sudoers"
    exit 0
fi

newline='
'
case $key in
*"$newline"*) die "one key, on one line" ;;
ssh-ed25519\ [A-Za-z0-9+/]* | ssh-rsa\ [A-Za-z0-9+/]* | ecdsa-sha2-*\ [A-Za-z0-9+/]* | sk-*\ [A-Za-z0-9+/]*) ;;
*) die "--key wants a public key without options, as in cliffwatch.pub" ;;
esac
[ -z "$bound" ] || [ -x $program ] || die "--bound: install $program first (0755, owned by root)"
[ -z "$bound" ] || [ -z "$evidence" ] || die "--bound lets the key do nothing else: not with --evidence"
if [ -n "$counters$evidence" ]; then
    command -v visudo >/dev/null || die "--counters and --evidence need sudo"
    [ -x /usr/sbin/conntrack ] || say "note: /usr/sbin/conntrack is not installed yet (package conntrack, or conntrack-tools)"
fi

if [ -n "$entry" ]; then
    say "the login $user is there"
else
    useradd --comment "$mark" --system --user-group --no-create-home --home-dir "$home" --shell /bin/sh "$user"
    say "made the login $user"
fi
# No password opens it. (`!` would, without PAM, lock out the key as well.)
usermod -p '*' "$user"

# What the login may do is root's to change: neither the folder nor the file is its own.
mkdir -p "$home/.ssh"
chown "root:$user" "$home" "$home/.ssh"
chmod 0750 "$home" "$home/.ssh"
options=restrict
[ -z "$bound" ] || options="restrict,command=\"$program\""
printf '%s %s\n' "$options" "$key" >"$home/.ssh/authorized_keys.new"
chown "root:$user" "$home/.ssh/authorized_keys.new"
chmod 0640 "$home/.ssh/authorized_keys.new"
mv "$home/.ssh/authorized_keys.new" "$home/.ssh/authorized_keys"
say "wrote $home/.ssh/authorized_keys: $options"

if [ -n "$counters$evidence" ]; then
    new=$(mktemp)
    trap 'rm -f "$new"' EXIT
    {
        echo "Defaults:$user !requiretty"
        [ -z "$counters" ] || echo "$user ALL=(root) NOPASSWD: /usr/sbin/conntrack -S"
        [ -z "$evidence" ] || echo "$user ALL=(root) NOPASSWD: /usr/sbin/conntrack -L -o extended"
    } >"$new"
    visudo -c -q -f "$new" || die "sudo does not take the rules; nothing was changed"
    install -o root -g root -m 0440 "$new" "$sudoers"
    say "wrote $sudoers:"
    sed 's/^/    /' "$sudoers"
else
    [ ! -e "$sudoers" ] || say "removed $sudoers: no right was asked for"
    rm -f "$sudoers"
fi

group=
if [ -n "$journal" ]; then
    group=systemd-journal
    getent group $group >/dev/null || group=adm
    say "$user is in the group $group"
fi
usermod -G "$group" "$user"

say "in the inventory:"
cat <<INVENTORY
    credential: { username: $user, private_key: { file: ... } }
    settings: {${counters:+ conntrack_stats: sudo,}${evidence:+ evidence: true,} namespaces: $([ -n "$bound" ] && echo false || echo true) }
INVENTORY
for file in /etc/ssh/ssh_host_ed25519_key.pub /etc/ssh/ssh_host_ecdsa_key.pub /etc/ssh/ssh_host_rsa_key.pub; do
    if [ -r $file ]; then
        echo "    host_key: \"$(ssh-keygen -lf $file | cut -d' ' -f2)\""
        break
    fi
done
