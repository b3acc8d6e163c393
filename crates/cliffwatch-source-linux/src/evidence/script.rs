//! What is asked of a device when a rule wants to know who fills a table.

use cliffwatch_transport::ssh::Script;

/// What follows the login's name in the sudoers line that lists the table. sudo compares the arguments
/// literally: nothing else can be run with it.
pub(crate) const LIST_RULE: &str = "ALL=(root) NOPASSWD: /usr/sbin/conntrack -L -o extended";

/// Runs `list` through one awk, for five seconds at most.
///
/// What is stopped is the reader: sudo's conntrack is not the login's to stop, and ends when nobody reads on. Of
/// one table 300,000 rows are read, of another namespace's 100,000: the first rows are a fair sample, as
/// `table.awk` says, and what they are of is told.
macro_rules! script {
    ($list:expr) => {
        concat!(
            "n=/proc/sys/net/netfilter/nf_conntrack t= y=\ntimeout 5 true 2>/dev/null && t='timeout 5'\n",
            "nice true 2>/dev/null && y=nice\na='",
            include_str!("table.awk"),
            "'\n",
            $list,
            "{ e=$({ list | $t cat | $y awk -v N=$k \"$a\" >&3; } 2>&1); } 3>&1\n",
            "echo '==> stderr <=='\nprintf '%.300s\\n' \"$e\"\necho '==> end <=='"
        )
    };
}

/// The table of the login's own network namespace, and its timeouts.
macro_rules! host {
    ($choice:expr, $way:expr) => {
        script!(concat!(
            "k=10 c=/usr/sbin/conntrack w=procfs\n",
            "if [ \"$(id -u)\" = 0 ] && [ -x $c ]; then w=conntrack\n",
            $choice,
            "elif [ ! -r /proc/net/nf_conntrack ] && [ -x $c ]; then w=conntrack\n",
            "fi\n",
            "list() {\n",
            "echo listing host\nhead -n 1 /dev/null ${n}_count ${n}_max ${n}_*timeout* 2>/dev/null\necho by $w\n",
            "{ case $w in\n",
            "procfs) $y cat /proc/net/nf_conntrack ;;\n",
            "conntrack) $y /usr/sbin/conntrack -L -o extended ;;\n",
            $way,
            "esac; echo exit $?; } | head -n 300001\n",
            "}\n"
        ))
    };
}

/// By the ways that leave no trace where the right is missing.
static HOST: Script = Script::new("linux_evidence", host!("", ""));
/// By sudo, too: a sudo that fails is an entry in the device's log.
static HOST_SUDO: Script = Script::new(
    "linux_evidence_sudo",
    host!("elif [ -x $c ]; then w=sudo\n", "sudo) $y sudo -n /usr/sbin/conntrack -L -o extended ;;\n"),
);

/// The three fullest tables of other network namespaces, which only root may list.
///
/// The count of a namespace is the first column of its statistics, of fixed width in hexadecimal, so that
/// it sorts as text. Every process is looked at, 500 with each `ls`: a command line is bounded.
static NAMESPACES: Script = Script::new(
    "linux_evidence_namespaces",
    script!(concat!(
        "k=5\n",
        "list() {\n",
        "if [ \"$(id -u)\" != 0 ]; then echo 'root only' >&2; return; fi\n",
        "{ l= m=0\nfor p in /proc/[0-9]*; do l=\"$l $p/net/stat/nf_conntrack\" m=$((m + 1))\n",
        "case $m in *[05]00) ls -iL $l; l= ;; esac; done\n[ -z \"$l\" ] || ls -iL $l; } 2>/dev/null | $y awk '\n",
        "!seen[$1]++ {\nwhile ((getline line <$2) > 0) if (line !~ /^entries/) { split(line, w, \" \"); print w[1], $1, $2; break }\n",
        "close($2)\n}' |\n",
        "sort -r | head -n 4 | while read -r e i f; do\n",
        "[ ! $f -ef /proc/net/stat/nf_conntrack ] || continue\n",
        "echo listing $i\nhead -n 1 /dev/null ${n}_max\necho by procfs\n",
        "{ $y cat ${f%/stat/nf_conntrack}/nf_conntrack; echo exit $?; } | head -n 100001\n",
        "done\n",
        "}\n"
    )),
);

/// Whose table is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whose {
    /// The login's own network namespace's.
    Own,
    /// Another one's.
    Other,
}

/// The script that asks for it.
pub(super) fn script(whose: Whose, sudo: bool) -> &'static Script {
    match (whose, sudo) {
        (Whose::Own, false) => &HOST,
        (Whose::Own, true) => &HOST_SUDO,
        (Whose::Other, _) => &NAMESPACES,
    }
}

/// Whether this setting lets a script be sent.
pub(crate) fn may_send(evidence: Option<bool>, script: &Script) -> bool {
    match evidence {
        Some(false) => false,
        Some(true) => *script != HOST,
        None => *script != HOST_SUDO,
    }
}

/// Every script of this file, with the right that it needs.
pub(crate) fn scripts(login: &str) -> [(&'static Script, String); 3] {
    [
        (
            &HOST,
            "root or CAP_NET_ADMIN, without which it finds nothing; never with `evidence: false`".to_owned(),
        ),
        (&HOST_SUDO, format!("sudoers: {login} {LIST_RULE}; only with `evidence: true`")),
        (
            &NAMESPACES,
            "root; for tables of other network namespaces; never with `evidence: false`".to_owned(),
        ),
    ]
}
