//! What is asked of a device, and when.

use std::time::Duration;

use cliffwatch_transport::ssh::Script;
use tokio::time::Instant;

use crate::config::{ConntrackStats, NamespacesFrom};

/// How often the minute's part is read: what it holds moves slowly, and reading it costs two processes. A
/// little less than a minute, so that a tick that comes a moment early is not passed over.
const MINUTE: Duration = Duration::from_secs(55);

/// Lines of one file that are shown. It bounds `/proc/net/dev` on a host with thousands of interfaces:
/// the three files that grow with the host stay together below the transport's 1 MiB.
pub(crate) const LINES_MAX: usize = 2_048;

/// Where this kernel keeps the table: `n` and `s`.
macro_rules! places {
    () => {
        r#"n=/proc/sys/net/netfilter/nf s=/proc/net/stat/nf_conntrack
[ -e ${n}_conntrack_max ] || [ ! -e /proc/sys/net/ipv4/netfilter/ip_conntrack_max ] || n=/proc/sys/net/ipv4/netfilter/ip
[ -e $s ] || [ ! -e /proc/net/stat/ip_conntrack ] || s=/proc/net/stat/ip_conntrack
set --
"#
    };
}

/// Why `f` is not shown.
macro_rules! not_shown {
    () => {
        r#"elif [ -e $f ]; then echo "==> $f <== denied"; else echo "==> $f <== missing"; fi
"#
    };
}

/// Each poll: builtins only, wherever that is possible and cheaper.
///
/// dash and busybox read a file byte by byte. A number under `/proc/sys` gives its first digit to such a
/// reader and then ends (`proc_dointvec` answers only at offset 0), so that `read` must have seen the end
/// of the line to be believed. Where it has not, the count comes from the statistics and the limit waits
/// for the minute; without statistics, or with so many CPUs that bytes cost more than a process, `head`
/// reads all.
macro_rules! fast {
    ($more:expr) => {
        concat!(
            places!(),
            r#"for f in /proc/sys/kernel/random/boot_id ${n}_conntrack_count ${n}_conntrack_max; do
if [ -r $f ]; then if read -r l <$f; then echo "==> $f <=="; echo "$l"; else set -- "$@" $f; fi
"#,
            not_shown!(),
            r#"done
c=; [ ! -r /sys/devices/system/cpu/possible ] || read -r c </sys/devices/system/cpu/possible
f=$s
if [ -r $f ]; then case ${c##*-} in
?|1[0-5]|'') echo "==> $f <=="; while read -r l; do echo "$l"; done <$f
for f; do echo "==> $f <== later"; done; set -- ;;
*) set -- "$@" $f ;;
esac
"#,
            not_shown!(),
            r#"[ $# = 0 ] || head -n 2048 /proc/sys/kernel/random/boot_id "$@"
"#,
            $more,
            r#"echo "==> end <==""#
        )
    };
}

/// Each minute: everything, by one `head` and one `date`.
macro_rules! all {
    ($more:expr) => {
        concat!(
            places!(),
            r#"for f in /proc/sys/kernel/random/boot_id ${n}_conntrack_count ${n}_conntrack_max $s \
${n}_conntrack_buckets ${n}_conntrack_expect_max ${n}_conntrack_acct ${n}_conntrack_tcp_loose ${n}_conntrack_tcp_be_liberal \
/proc/sys/kernel/osrelease /proc/uptime /proc/meminfo /proc/net/softnet_stat /proc/net/dev /proc/net/snmp \
/proc/net/sockstat /proc/net/sockstat6; do
if [ -r $f ]; then set -- "$@" $f
"#,
            not_shown!(),
            r#"done
if [ -e ${n}_conntrack_max ]; then for f in ${n}_conntrack_*timeout*; do [ ! -r $f ] || set -- "$@" $f; done; fi
if read -r l </proc/stat; then echo "==> /proc/stat <=="; echo "$l"; fi
echo "==> date +%s <=="; date +%s
[ -z "$SSH_CONNECTION" ] || { echo "==> SSH_CONNECTION <=="; echo "$SSH_CONNECTION"; }
head -n 2048 "$@"
"#,
            $more,
            r#"echo "==> end <==""#
        )
    };
}

/// The tables of the namespaces that the last census found, through one process of each. A held shell keeps
/// the list of them; a shell that is started for one poll has none, and shows none.
macro_rules! readers {
    () => {
        concat!(
            include_str!("fetch/readers.sh"),
            include_str!("fetch/rows.awk"),
            include_str!("fetch/readers.awk"),
            "'\n}\n"
        )
    };
}

/// The census: one process of each network namespace, what it tells of the namespace, and its table.
///
/// An inode of `net/stat/nf_conntrack` is one namespace, whichever process it is seen through. The first awk
/// picks the process, and stays with the one it picked before; the second reads. Bounded: 2 s, 32,768
/// processes, 1,999 namespaces (with the login's own the 2,000 tables that a device may have), 700 kB.
macro_rules! census {
    () => {
        concat!(
            "echo \"==> namespaces <==\"\n",
            include_str!("fetch/walk.sh"),
            include_str!("fetch/pick.awk"),
            include_str!("fetch/describe.sh"),
            include_str!("fetch/rows.awk"),
            include_str!("fetch/describe.awk"),
            "'\nfi\n"
        )
    };
}

/// One line of script more, where the kernel shows no statistics.
macro_rules! command {
    () => {
        r#"[ -r $s ] || { echo "==> conntrack -S <=="; /usr/sbin/conntrack -S 2>&1; }
"#
    };
}
macro_rules! sudo {
    () => {
        r#"[ -r $s ] || { echo "==> conntrack -S <=="; sudo -n /usr/sbin/conntrack -S 2>&1; }
"#
    };
}
pub(crate) const COMMAND: &str = command!();
pub(crate) const SUDO: &str = sudo!();

static FAST: Script = Script::new("linux_fast", fast!(""));
static ALL: Script = Script::new("linux_all", all!(""));
static FAST_COMMAND: Script = Script::new("linux_fast_command", fast!(command!()));
static ALL_COMMAND: Script = Script::new("linux_all_command", all!(command!()));
static FAST_SUDO: Script = Script::new("linux_fast_sudo", fast!(sudo!()));
static ALL_SUDO: Script = Script::new("linux_all_sudo", all!(sudo!()));

static FAST_NETNS: Script = Script::new("linux_fast_netns", fast!(readers!()));
static FAST_COMMAND_NETNS: Script =
    Script::new("linux_fast_command_netns", fast!(concat!(command!(), readers!())));
static FAST_SUDO_NETNS: Script = Script::new("linux_fast_sudo_netns", fast!(concat!(sudo!(), readers!())));
static CENSUS: Script = Script::new("linux_netns", concat!(census!(), "echo \"==> end <==\""));
/// What only root sees, by the one program that a sudo rule allows. A reply of its own: both together may be more
/// than a reply may have.
static CENSUS_SUDO: Script = Script::new(
    "linux_netns_sudo",
    r#"echo "==> cliffwatch-netns <=="
sudo -n /usr/local/sbin/cliffwatch-netns 2>&1
echo "==> end <==""#,
);

/// How much a poll asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// The table.
    Fast,
    /// The table, its settings and the device's load.
    All,
}

/// The script that asks for it.
pub(crate) fn script(part: Part, stats: ConntrackStats, namespaces: NamespacesFrom) -> &'static Script {
    match (part, stats, namespaces) {
        (Part::Fast, ConntrackStats::Procfs, NamespacesFrom::Nowhere) => &FAST,
        (Part::Fast, ConntrackStats::Command, NamespacesFrom::Nowhere) => &FAST_COMMAND,
        (Part::Fast, ConntrackStats::Sudo, NamespacesFrom::Nowhere) => &FAST_SUDO,
        (Part::Fast, ConntrackStats::Procfs, _) => &FAST_NETNS,
        (Part::Fast, ConntrackStats::Command, _) => &FAST_COMMAND_NETNS,
        (Part::Fast, ConntrackStats::Sudo, _) => &FAST_SUDO_NETNS,
        (Part::All, ConntrackStats::Procfs, _) => &ALL,
        (Part::All, ConntrackStats::Command, _) => &ALL_COMMAND,
        (Part::All, ConntrackStats::Sudo, _) => &ALL_SUDO,
    }
}

/// The scripts that are run behind [`Part::All`], where other namespaces are wanted.
pub(crate) fn census(namespaces: NamespacesFrom) -> &'static [&'static Script] {
    match namespaces {
        NamespacesFrom::Files => &BY_LOGIN,
        NamespacesFrom::Sudo => &WITH_ROOT,
        NamespacesFrom::Nowhere => &[],
    }
}
static BY_LOGIN: [&Script; 1] = [&CENSUS];
static WITH_ROOT: [&Script; 2] = [&CENSUS, &CENSUS_SUDO];

/// Keeps the minute.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    all_at: Option<Instant>,
}

impl Pace {
    /// What is due now.
    pub(crate) fn due(&self, now: Instant) -> Part {
        match self.all_at {
            Some(at) if now < at + MINUTE => Part::Fast,
            _ => Part::All,
        }
    }

    /// Notes what was read.
    pub(crate) fn done(&mut self, part: Part, asked: Instant) {
        if part == Part::All {
            self.all_at = Some(asked);
        }
    }
}

/// Every script of this file.
#[cfg(test)]
pub(crate) const SCRIPTS: [&Script; 11] = [
    &FAST,
    &ALL,
    &FAST_COMMAND,
    &ALL_COMMAND,
    &FAST_SUDO,
    &ALL_SUDO,
    &FAST_NETNS,
    &FAST_COMMAND_NETNS,
    &FAST_SUDO_NETNS,
    &CENSUS,
    &CENSUS_SUDO,
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::paths;

    #[test]
    fn scripts_ask_for_what_the_parser_knows() {
        for name in paths::SLOW.into_iter().chain([
            paths::DATE,
            paths::SESSION,
            paths::STAT[0],
            paths::STAT[1],
            paths::BOOT_ID,
        ]) {
            assert!(ALL.text().contains(name), "{name}");
        }
        for script in SCRIPTS {
            let reads = [
                format!("head -n {LINES_MAX} "),
                "for p in /proc/[0-9]*; do".to_owned(),
                "sudo -n /usr/local/sbin/cliffwatch-netns".to_owned(),
            ];
            assert!(reads.iter().any(|line| script.text().contains(line)), "{}", script.name());
            assert!(script.text().ends_with("echo \"==> end <==\""), "{}", script.name());
        }
    }

    /// The limits that the shell's texts hold are those of the design.
    #[test]
    fn the_census_is_bounded() {
        let text = CENSUS.text();
        for limit in
            ["32768) cut=processes", "+ 2))", "others <= 4000", "shown < 1999", "bytes > 700000", "<= 250000"]
        {
            assert!(text.contains(limit), "{limit}");
        }
    }

    /// What an operator installs for root is what the login runs, word for word.
    #[test]
    fn the_program_for_root_is_the_same_census() {
        let program = include_str!("../../../deploy/linux/cliffwatch-netns");
        let census = CENSUS.text().strip_prefix("echo \"==> namespaces <==\"\n").unwrap();
        assert!(program.contains(census.strip_suffix("echo \"==> end <==\"").unwrap()));
        assert!(program.contains(include_str!("fetch/rows.awk")));
        assert!(program.contains(crate::config::NETNS_SUDO_RULE));
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_poll_asks_for_all_and_then_one_a_minute() {
        let mut pace = Pace::default();
        let mut asked = Vec::new();
        for _ in 0..13 {
            let now = Instant::now();
            let part = pace.due(now);
            pace.done(part, now);
            asked.push(part);
            tokio::time::advance(Duration::from_secs(10)).await;
        }
        let all: Vec<usize> = (0..13).filter(|n| asked[*n] == Part::All).collect();
        assert_eq!(all, [0, 6, 12]);
    }
}
