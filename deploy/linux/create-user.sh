#!/bin/sh
# Makes the login that Cliffwatch reads this host with. Run it as root; run it again after a change.
#
#   create-user.sh --key 'ssh-ed25519 AAAA... cliffwatch' [--user cliffwatch] [RIGHTS...]
#   create-user.sh --remove [--user cliffwatch]
#
#   --counters   sudo: /usr/sbin/conntrack -S              (kernels without /proc/net/stat/nf_conntrack)
#   --evidence   sudo: /usr/sbin/conntrack -L -o extended  (who fills the table, when a rule asks)
#   --namespaces sudo: /usr/local/sbin/cliffwatch-netns    (namespaces that only root sees), which must be there
#   --journal    group systemd-journal, or adm: the kernel's log
#   --bound      the key can do nothing but run /usr/local/lib/cliffwatch-linux, which must be there
#
# Without rights the login reads counts, limits and counters of every namespace: all that everybody may read.
set -eu

user=cliffwatch key= counters= evidence= namespaces= journal= bound= remove=
program=/usr/local/lib/cliffwatch-linux netns=/usr/local/sbin/cliffwatch-netns

say() { echo "create-user: $*"; }
die() { echo "create-user: $*" >&2; exit 2; }

while [ $# -gt 0 ]; do
    case $1 in
    --user) user=${2:?}; shift ;;
    --key) key=${2:?}; shift ;;
    --counters) counters=1 ;;
    --evidence) evidence=1 ;;
    --namespaces) namespaces=1 ;;
    --journal) journal=1 ;;
    --bound) bound=1 ;;
    --remove) remove=1 ;;
    -h | --help) sed -n '2,14s/^# \{0,1\}//p' "$0"; exit 0 ;;
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
header="# $mark: written by create-user.sh"
# An account that somebody else made is not ours to change, nor is a file of rules.
entry=$(getent passwd "$user") || entry=
case $entry in
'' | *":$mark:"*) ;;
*) die "the login $user exists and was not made by this script" ;;
esac
is_theirs() { [ -e "$sudoers" ] && [ "$(head -n 1 "$sudoers")" != "$header" ]; }

# Processes of the login, whatever shows them as root's: sshd's own for a session.
processes() {
    for status in /proc/[0-9]*/status; do
        while read -r key real rest; do
            [ "$key" = Uid: ] || continue
            [ "$real" != "$1" ] || { pid=${status#/proc/}; echo "${pid%/status}"; }
            break
        done <"$status" || :
    done 2>/dev/null
}
# Ends them: a login is not deleted while it has any. Five seconds at most.
end_processes() {
    ! command -v loginctl >/dev/null || loginctl terminate-user "$user" 2>/dev/null || :
    for signal in TERM KILL KILL KILL KILL; do
        running=$(processes "$1")
        [ -n "$running" ] || return 0
        kill -s $signal $running 2>/dev/null || :
        sleep 1
    done
    [ -z "$(processes "$1")" ] || die "processes of $user do not end: $(processes "$1" | tr '\n' ' ')"
}

if [ -n "$remove" ]; then
    if is_theirs; then
        say "left $sudoers: it was not written by this script"
    else
        rm -f "$sudoers"
        say "removed $sudoers"
    fi
    if [ -n "$entry" ]; then
        # First the key, so that nobody logs in again.
        rm -f "$home/.ssh/authorized_keys"
        uid=$(echo "$entry" | cut -d: -f3)
        [ "$uid" -gt 0 ] || die "the login $user is root by another name"
        end_processes "$uid"
        userdel "$user"
        rmdir "$home/.ssh" "$home" 2>/dev/null || say "left $home: there is something else in it"
        say "removed the login $user"
    fi
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
[ -z "$bound" ] || [ -z "$evidence$namespaces" ] || die "--bound lets the key do nothing else: not with --evidence or --namespaces"
# All that can be refused is refused before anything is changed.
if [ -n "$counters$evidence$namespaces" ]; then
    command -v visudo >/dev/null || die "--counters, --evidence and --namespaces need sudo"
    ! is_theirs || die "$sudoers was not written by this script; nothing was changed"
    [ -z "$counters$evidence" ] || [ -x /usr/sbin/conntrack ] ||
        say "note: /usr/sbin/conntrack is not installed yet (package conntrack, or conntrack-tools)"
    # What others can write would be theirs to run as root.
    [ -z "$namespaces" ] || [ -n "$(find $netns -user root ! -perm -020 ! -perm -002 2>/dev/null)" ] ||
        die "--namespaces: install $netns first (0755, owned by root)"
    new=$(mktemp)
    trap 'rm -f "$new"' EXIT
    {
        echo "$header"
        echo "Defaults:$user !requiretty"
        [ -z "$counters" ] || echo "$user ALL=(root) NOPASSWD: /usr/sbin/conntrack -S"
        [ -z "$evidence" ] || echo "$user ALL=(root) NOPASSWD: /usr/sbin/conntrack -L -o extended"
        [ -z "$namespaces" ] || echo "$user ALL=(root) NOPASSWD: $netns \"\""
    } >"$new"
    visudo -c -q -f "$new" || die "sudo does not take the rules; nothing was changed"
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

if [ -n "$counters$evidence$namespaces" ]; then
    install -o root -g root -m 0440 "$new" "$sudoers"
    say "wrote $sudoers:"
    sed 's/^/    /' "$sudoers"
elif is_theirs; then
    say "left $sudoers: it was not written by this script"
elif [ -e "$sudoers" ]; then
    rm -f "$sudoers"
    say "removed $sudoers: no right was asked for"
fi

group=
if [ -n "$journal" ]; then
    group=systemd-journal
    getent group $group >/dev/null || group=adm
    say "$user is in the group $group"
fi
usermod -G "$group" "$user"

others=true
[ -z "$namespaces" ] || others=sudo
[ -z "$bound" ] || others=false
say "in the inventory:"
cat <<INVENTORY
    credential: { username: $user, private_key: { file: ... } }
    settings: {${counters:+ conntrack_stats: sudo,}${evidence:+ evidence: true,} namespaces: $others }
INVENTORY
for file in /etc/ssh/ssh_host_ed25519_key.pub /etc/ssh/ssh_host_ecdsa_key.pub /etc/ssh/ssh_host_rsa_key.pub; do
    if [ -r $file ]; then
        echo "    host_key: \"$(ssh-keygen -lf $file | cut -d' ' -f2)\""
        break
    fi
done
