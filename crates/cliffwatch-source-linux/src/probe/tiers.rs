use cliffwatch_model::{Fault, FaultKind, Reading, TableState};
use cliffwatch_source::{Tier, TierState};

use super::checks::{Checks, Told};
use crate::config::{ConntrackStats, LinuxSettings, NETNS_SUDO_RULE, NamespacesFrom, SUDO_RULE};
use crate::evidence::LIST_RULE;

/// The fault that tells why namespaces are missing.
const NAMESPACES: &str = "per-namespace counts";
/// Groups whose members read the kernel's lines in the journal (journalctl(1)).
const JOURNAL_GROUPS: [&str; 2] = ["systemd-journal", "adm"];

/// What can be read on this host, step by step.
pub(super) fn of(reading: &Reading, checks: &Checks, settings: LinuxSettings, login: &str) -> Vec<Tier> {
    vec![
        count_and_limit(reading),
        counters(reading, checks, settings, login),
        namespaces(reading, checks, settings, login),
        log_lines(checks, login),
        entries(checks, settings, login),
    ]
}

fn count_and_limit(reading: &Reading) -> Tier {
    let tier = |state, detail| Tier { number: 0, name: "count and limit", state, detail };
    let Some(sample) = reading.samples.first() else {
        return tier(TierState::Unknown, "no table was read".to_owned());
    };
    match (sample.used, &sample.capacity) {
        (Some(used), Ok(capacity)) => tier(TierState::Available, format!("{used} of {}", capacity.limit)),
        (Some(used), Err(reason)) => tier(TierState::Available, format!("{used}; the limit: {reason}")),
        (None, _) if sample.state == TableState::NotTracking => {
            let why = "nothing is tracked: the conntrack module is not loaded";
            tier(TierState::Unsupported, why.to_owned())
        }
        (None, _) => {
            let (state, detail) = of_fault(reading, "conntrack count");
            tier(state, detail)
        }
    }
}

fn counters(reading: &Reading, checks: &Checks, settings: LinuxSettings, login: &str) -> Tier {
    let tier = |state, detail| Tier { number: 1, name: "counters", state, detail };
    let counters = reading.samples.first().map(|sample| &sample.counters);
    if let Some(counters) = counters.filter(|counters| !counters.is_empty()) {
        let names = counters.keys().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        return tier(TierState::Available, names);
    }
    let (state, detail) = of_fault(reading, "conntrack counters");
    match settings.conntrack_stats {
        ConntrackStats::Procfs if checks.told("sudo conntrack -S") == Told::Yes => {
            let setting = "settings: { conntrack_stats: sudo }".to_owned();
            tier(TierState::Off { setting }, format!("{detail}; sudo allows /usr/sbin/conntrack -S"))
        }
        ConntrackStats::Procfs if state != TierState::Unknown => {
            let right = format!("sudoers: {login} {SUDO_RULE}\nthen: settings: {{ conntrack_stats: sudo }}");
            tier(TierState::Missing { right }, detail)
        }
        ConntrackStats::Sudo if checks.told("sudo conntrack -S") == Told::No => {
            tier(TierState::Missing { right: format!("sudoers: {login} {SUDO_RULE}") }, detail)
        }
        _ => tier(state, detail),
    }
}

fn namespaces(reading: &Reading, checks: &Checks, settings: LinuxSettings, login: &str) -> Tier {
    let tier = |state, detail| Tier { number: 2, name: "namespaces", state, detail };
    if settings.namespaces == NamespacesFrom::Nowhere {
        let detail = match checks.told("/proc/1/net/stat/nf_conntrack") {
            Told::Yes => "`namespaces: false`; they could be read",
            Told::No | Told::Absent | Told::Nothing => "`namespaces: false`",
        };
        return tier(
            TierState::Off { setting: "settings: { namespaces: true }".to_owned() },
            detail.to_owned(),
        );
    }
    let figure = |name: &str| reading.load.figures.get(name).map(|number| format!("{number:.0}"));
    let found = figure("namespaces").map(|found| {
        let idle = figure("namespaces_untracked").unwrap_or_else(|| "?".to_owned());
        format!("{found} beside the login's own, {idle} of them without tracking")
    });
    let lacking = reading.faults.iter().find(|fault| fault.what == NAMESPACES);
    match (lacking, found) {
        (Some(Fault { kind: FaultKind::Denied | FaultKind::Unsupported, message, .. }), found) => {
            let right = format!(
                "deploy/linux/cliffwatch-netns as /usr/local/sbin/cliffwatch-netns (root, mode 0755)\n\
                 sudoers: {login} {NETNS_SUDO_RULE}\nthen: settings: {{ namespaces: sudo }}"
            );
            let found = found.map(|found| format!("; {found}")).unwrap_or_default();
            tier(TierState::Missing { right }, format!("{message}{found}"))
        }
        (_, Some(found)) => tier(TierState::Available, found),
        (Some(fault), None) => tier(TierState::Unknown, fault.message.clone()),
        (None, None) => tier(TierState::Unknown, "the reply does not tell".to_owned()),
    }
}

fn log_lines(checks: &Checks, login: &str) -> Tier {
    let tier = |state, detail: String| Tier { number: 3, name: "kernel log lines", state, detail };
    if !checks.is_told() {
        return tier(TierState::Unknown, "the login runs a command of its own".to_owned());
    }
    let group = checks.groups().into_iter().find(|group| JOURNAL_GROUPS.contains(group));
    match (checks.told("journalctl"), group) {
        (Told::Yes, _) if checks.is_root() => tier(TierState::Available, "the journal, as root".to_owned()),
        (Told::Yes, Some(group)) => {
            tier(TierState::Available, format!("the journal, as a member of group {group}"))
        }
        _ if checks.told("/dev/kmsg") == Told::Yes => {
            tier(TierState::Available, "the kernel's ring buffer (kernel.dmesg_restrict=0)".to_owned())
        }
        (Told::Yes, None) => {
            let right = format!("usermod -aG systemd-journal {login}");
            tier(TierState::Missing { right }, "the login reads only its own lines of the journal".to_owned())
        }
        _ => tier(TierState::Unsupported, "there is no journal on this host".to_owned()),
    }
}

fn entries(checks: &Checks, settings: LinuxSettings, login: &str) -> Tier {
    let tier = |state, detail: &str| Tier { number: 4, name: "table dump", state, detail: detail.to_owned() };
    let off = || TierState::Off { setting: "settings: { evidence: true }".to_owned() };
    if settings.evidence == Some(false) {
        return tier(off(), "`evidence: false`: who fills the table is never searched for");
    }
    if !checks.is_told() {
        return tier(TierState::Unknown, "the login runs a command of its own");
    }
    let right = || {
        let then = if settings.evidence == Some(true) { "" } else { "\nthen: settings: { evidence: true }" };
        TierState::Missing { right: format!("sudoers: {login} {LIST_RULE}{then}") }
    };
    let (sudo, program) = (checks.told("sudo conntrack -L"), checks.told("conntrack"));
    let is_file = checks.told("/proc/net/nf_conntrack") == Told::Yes;
    match (sudo, program) {
        (_, Told::Yes) if checks.is_root() => tier(TierState::Available, "conntrack -L, as root"),
        _ if is_file => tier(TierState::Available, "/proc/net/nf_conntrack can be read"),
        _ if checks.is_root() => {
            let right = "install the package conntrack (conntrack-tools)".to_owned();
            tier(TierState::Missing { right }, "the kernel has no /proc/net/nf_conntrack")
        }
        (Told::Yes, Told::Yes) if settings.evidence == Some(true) => {
            tier(TierState::Available, "sudo allows /usr/sbin/conntrack -L -o extended")
        }
        (Told::Yes, Told::Yes) => {
            tier(off(), "sudo allows /usr/sbin/conntrack -L -o extended, and is not tried unasked")
        }
        (_, Told::Absent) => tier(
            right(),
            "the login is not root; /usr/sbin/conntrack (package conntrack) is not installed either",
        ),
        (Told::No, _) => tier(right(), "the login is not root, and sudo allows no dump"),
        _ => tier(right(), "the login is not root; sudo is not installed"),
    }
}

/// What a fault of this name says of a tier.
fn of_fault(reading: &Reading, what: &str) -> (TierState, String) {
    let fault: Option<&Fault> = reading.faults.iter().find(|fault| fault.what == what);
    match fault {
        Some(fault) => match &fault.hint {
            Some(hint) => (TierState::Missing { right: hint.clone() }, fault.message.clone()),
            None => (TierState::Unsupported, fault.message.clone()),
        },
        None => (TierState::Unknown, "the reply does not tell".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checks(sections: &str) -> Checks {
        let mut checks = Checks::default();
        checks.read(format!("{sections}==> end <==\n").as_bytes());
        checks
    }

    const SUDO: &str = "==> id <==\n1000\ncw\n==> conntrack <==\nthere\n==> sudo conntrack -L <==\n";

    #[test]
    fn a_dump_that_the_settings_do_not_ask_for_is_off() {
        let told = |evidence, sections: &str| {
            let settings = LinuxSettings { evidence, ..LinuxSettings::default() };
            entries(&checks(sections), settings, "cw").state
        };
        let setting = || "settings: { evidence: true }".to_owned();
        let allowed = format!("{SUDO}allowed\n");
        assert_eq!(told(Some(true), &allowed), TierState::Available);
        assert_eq!(told(None, &allowed), TierState::Off { setting: setting() });
        let refused = format!("{SUDO}refused\n");
        let right = format!("sudoers: cw {LIST_RULE}");
        assert_eq!(told(Some(true), &refused), TierState::Missing { right: right.clone() });
        let right = format!("{right}\nthen: {}", setting());
        assert_eq!(told(None, &refused), TierState::Missing { right });
    }

    #[test]
    fn root_needs_no_sudo() {
        let told = |sections: &str| {
            let root = format!("==> id <==\n0\nroot\n==> /proc/net/nf_conntrack <== missing\n{sections}");
            entries(&checks(&root), LinuxSettings::default(), "root")
        };
        assert_eq!(told("==> conntrack <==\nthere\n").state, TierState::Available);
        let bare = told("==> conntrack <== missing\n");
        assert!(matches!(&bare.state, TierState::Missing { right } if right.contains("package conntrack")));
        assert!(!bare.detail.contains("not root"), "{}", bare.detail);
    }

    #[test]
    fn an_open_ring_buffer_is_enough() {
        let told = |sections: &str| {
            log_lines(&checks(&format!("==> id <==\n1000\ncw\n==> journalctl <==\nthere\n{sections}")), "cw")
                .state
        };
        assert_eq!(told("==> /dev/kmsg <==\nreadable\n"), TierState::Available);
        let right = "usermod -aG systemd-journal cw".to_owned();
        assert_eq!(told("==> /dev/kmsg <== denied\n"), TierState::Missing { right });
    }
}
