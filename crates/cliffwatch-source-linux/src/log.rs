//! The kernel's own words about full tables. Their presence is a fact; the kernel limits how many it writes, so that
//! their number says nothing.

use std::collections::BTreeMap;

use cliffwatch_model::{EvidenceItem, TableKey};
use cliffwatch_transport::ssh::Script;
use serde_json::{Value, json};

use crate::parse::{Section, Sections, decimal};

/// The last lines are shown, of the journal's last hour and of what the kernel still keeps itself.
///
/// The journal is read from its end: where two seconds do not suffice for the hour, its newest part was read.
pub(crate) static SCRIPT: Script = Script::new(
    "linux_log",
    r#"p='nf_conntrack.*table full' g=" $(id -Gn) " w= t= y= c='-n 20000'
timeout 2 true 2>/dev/null && t='timeout 2' c=
nice true 2>/dev/null && y=nice
case "$(id -u)$g" in
'0 '*|*' systemd-journal '*|*' adm '*) ! command -v journalctl >/dev/null || w=journal ;;
esac
[ -d /run/log/journal ] || [ -d /var/log/journal ] || w=
echo "==> kernel log <=="
echo "now $(date +%s)"
read -r u x </proc/uptime; echo "uptime $u"
if [ -n "$w" ]; then
{ $y $t journalctl -k -q -r --no-pager -o short-unix --since -1hour $c; echo "exit journal $?"; } 2>/dev/null |
awk '/^exit journal / { print } /nf_conntrack.*table full/ && ++n <= 40'
fi
{ $y $t dmesg; echo "exit dmesg $?"; } 2>/dev/null | grep -e "$p" -e '^exit dmesg ' | tail -n 40
echo "==> end <==""#,
);

/// The right that it needs.
pub(crate) const RIGHT: &str = "the group systemd-journal or adm, or a kernel that shows dmesg to everybody; never with `evidence: false`";

const WHAT: &str = "kernel_log_table_full";
const SECTION: &str = "kernel log";

/// What the log says, as evidence about a table; nothing where the reply is not our script's.
///
/// `name_of` knows a network namespace by the number that the kernel calls it: its inode in the file system of
/// namespaces. A line without a number is of the initial namespace from 6.17 on, and of any before that.
pub(crate) fn item(
    reply: &[u8],
    table: &TableKey,
    login: &str,
    name_of: impl Fn(u64) -> Option<String>,
) -> Option<EvidenceItem> {
    let sections = Sections::parse(reply).ok()?;
    let Some(Section::Text(text)) = sections.get(SECTION) else { return None };
    let clocks = Clocks { now: figure(text, "now "), uptime: figure(text, "uptime ") };
    let ended = |how: &str| -> Vec<&str> {
        let exits = text.lines().filter_map(|line| line.strip_prefix("exit ")?.split_once(' '));
        exits.filter(|(_, status)| *status == how).map(|(program, _)| program).collect()
    };
    // What `timeout` has stopped has read a part.
    let (whole, part) = (ended("0"), ended("124"));
    let by: Vec<&str> = whole.iter().chain(&part).copied().collect();
    let mut seen: BTreeMap<Option<u64>, Option<f64>> = BTreeMap::new();
    for line in text.lines().filter(|line| line.contains("table full")) {
        let ago = clocks.ago(line);
        let last = seen.entry(netns(line)).or_insert(ago);
        *last = match (*last, ago) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
    }
    let shown = |(netns, ago): (Option<u64>, Option<f64>)| json!({ "netns": netns, "namespace": netns.and_then(&name_of), "seconds_ago": ago });
    let seen: Value = seen.into_iter().map(shown).collect();
    let value = if by.is_empty() {
        json!({
            "readable": false,
            "hint": format!("`usermod -aG systemd-journal {login}` lets the login read the kernel's log"),
        })
    } else {
        json!({ "readable": true, "by": by, "complete": part.is_empty(), "seen": seen })
    };
    Some(EvidenceItem { what: WHAT.to_owned(), table_id: Some(table.id()), value })
}

/// Whether it says that a table was full.
pub(crate) fn tells_something(item: &EvidenceItem) -> bool {
    item.value.get("seen").and_then(Value::as_array).is_some_and(|seen| !seen.is_empty())
}

/// The device's two clocks, when it answered.
struct Clocks {
    now: Option<f64>,
    uptime: Option<f64>,
}

impl Clocks {
    /// How long ago a line was written: the journal tells the time of day, the kernel that since boot.
    fn ago(&self, line: &str) -> Option<f64> {
        let (clock, stamp) = match line.strip_prefix('[') {
            Some(rest) => (self.uptime, seconds(rest.split(']').next()?.trim())),
            None => (self.now, seconds(line.split(' ').next()?)),
        };
        let ago = clock? - stamp?;
        (ago >= -1.0).then(|| ago.max(0.0).round())
    }
}

/// The figure on the line that begins with this word.
fn figure(text: &str, word: &str) -> Option<f64> {
    text.lines().find_map(|line| line.strip_prefix(word)).and_then(seconds)
}

/// `12345.678901`: digits, and a fraction or none.
fn seconds(text: &str) -> Option<f64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    (decimal(whole).is_some() && decimal(fraction).is_some()).then(|| text.parse().ok()).flatten()
}

/// `… table full in netns 4026532177, dropping packet`, with the words before it once or twice.
fn netns(line: &str) -> Option<u64> {
    let (_, rest) = line.split_once("table full in netns ")?;
    decimal(rest.split(|c: char| !c.is_ascii_digit()).next()?)
}

#[cfg(test)]
mod tests {
    use cliffwatch_model::{DeviceName, Scope, TableKind};

    use super::*;

    fn said(text: &str) -> Option<Value> {
        let device = DeviceName::new("gw").unwrap();
        let table = TableKey::new(device, Scope::new("netns", "host"), TableKind::Conntrack, "nf_conntrack");
        let reply = format!("==> kernel log <==\n{text}==> end <==\n");
        let name_of = |netns| (netns == 4_026_532_177).then(|| "blue".to_owned());
        item(reply.as_bytes(), &table, "cw", name_of).map(|item| item.value)
    }

    #[test]
    fn each_namespace_is_named_with_when_it_was_last_said() {
        let value = said(
            "now 1700000100\nuptime 500.25\n\
             1700000000.500000 gw kernel: nf_conntrack: nf_conntrack: table full in netns 4026532177, dropping packet\n\
             exit journal 0\n\
             [  400.250000] nf_conntrack: table full, dropping packet\n\
             [  490.250000] nf_conntrack: nf_conntrack: table full in netns 4026532177, dropping packet\n\
             exit dmesg 0\n",
        );
        let expected = json!({"readable": true, "by": ["journal", "dmesg"], "complete": true, "seen": [
            {"netns": null, "namespace": null, "seconds_ago": 100.0},
            {"netns": 4_026_532_177_u64, "namespace": "blue", "seconds_ago": 10.0},
        ]});
        assert_eq!(value, Some(expected));
    }

    #[test]
    fn a_log_that_cannot_be_read_names_the_group_and_an_empty_one_is_empty() {
        let denied = said("now 1\nuptime 1\nexit journal 127\nexit dmesg 1\n").unwrap();
        assert_eq!(denied["hint"], "`usermod -aG systemd-journal cw` lets the login read the kernel's log");
        assert_eq!(
            said("now 1\nexit journal 1\nexit dmesg 0\n").unwrap(),
            json!({"readable": true, "by": ["dmesg"], "complete": true, "seen": []})
        );
        let cut = said("now 1\nexit journal 124\nexit dmesg 1\n").unwrap();
        assert_eq!(cut, json!({"readable": true, "by": ["journal"], "complete": false, "seen": []}));
        let odd =
            said("now x\nuptime -5\n[abc] nf_conntrack: table full in netns x, dropping\nexit dmesg 0\n")
                .unwrap();
        assert_eq!(odd["seen"], json!([{"netns": null, "namespace": null, "seconds_ago": null}]));
    }
}
