use std::collections::BTreeMap;
use std::sync::Arc;

use cliffwatch_model::{
    Capacity, CapacityReason, Counter, CounterName, ErrorKind, Fault, FaultKind, GroupName, Role, Sample,
    SourceError, TableKey, TableState, Timestamp, Unit,
};

use super::cpu_table::CpuTable;
use super::number::{Lookup, counted};
use super::{KernelVersion, Section, Sections, complaint};
use crate::config::SUDO_RULE;
use crate::paths;

/// What helps where nothing of the reply can be used.
const WHOLE_REPLY: &str =
    "it was cut off, or a forced command does not print the sections that the README describes";
const ONE_NUMBER: &str = "the kernel shows one number there: see what the login's own `cat` of it prints";

/// What a reply says about the conntrack table of the login's own network namespace.
pub(super) struct TableReply {
    count: Lookup<u64>,
    max: Lookup<u64>,
    stats: Lookup<CpuTable>,
    /// Whether a command printed the statistics, and not the kernel.
    is_printed: bool,
    /// Whether the login sees nothing of `/proc/sys`, so that a file which is missing there proves nothing.
    is_hidden: bool,
}

/// The table, and what could not be read of it.
pub(super) struct TableReading {
    pub(super) sample: Sample,
    /// Whether the table's presence or absence is certain.
    pub(super) complete: bool,
    pub(super) faults: Vec<Fault>,
}

impl TableReply {
    pub(super) fn new(sections: &Sections) -> Self {
        // The command is only run where there is no file to read.
        let printed = sections.get(paths::STATS_COMMAND);
        let stats = match printed {
            Some(_) => Lookup::of(printed, CpuTable::command),
            None => Lookup::of(sections.first_of(&paths::STAT), CpuTable::procfs),
        };
        Self {
            count: Lookup::of(sections.first_of(&paths::COUNT), counted),
            max: Lookup::of(sections.first_of(&paths::MAX), counted),
            stats,
            is_printed: printed.is_some(),
            is_hidden: sections.get(paths::BOOT_ID) == Some(&Section::Missing),
        }
    }

    /// # Errors
    /// When the reply holds nothing that can be understood about the table.
    pub(super) fn read(
        &self,
        table: &Arc<TableKey>,
        login: &str,
        kernel: Option<KernelVersion>,
        observed_at: Timestamp,
    ) -> Result<TableReading, SourceError> {
        // The statistics' own `entries` is the same counter of the kernel.
        let used = self.count.value().copied().or_else(|| self.stats.value()?.entries());
        let counters = self.stats.value().map(|stats| stats.counters(kernel)).unwrap_or_default();
        let state = self.state(used, &counters);
        let capacity = self.capacity(state);
        if used.is_none() && capacity.is_err() && counters.is_empty() && state == TableState::Unknown {
            self.ensure_intelligible()?;
        }
        let faults = self.faults(used, state, login);
        let sample = Sample {
            table: Arc::clone(table),
            unit: Unit::Entries,
            group: group(),
            state,
            role: Role::Whole,
            epoch: None,
            observed_at,
            used,
            sheds_at: capacity.ok().and_then(|capacity| sheds_at(capacity.limit.get())),
            capacity,
            setup_rate: None,
            teardown_rate: None,
            counters,
        };
        let complete = used.is_some() || state == TableState::NotTracking;
        Ok(TableReading { sample, complete, faults })
    }

    /// Whether anything feeds the table.
    ///
    /// Without the module neither sysctls nor statistics exist, while the rest of `/proc/sys` does. With it, the kernel tracks in a namespace
    /// only where a rule needs it, and does not tell: a count of 0 under counters that never moved proves
    /// neither an idle gateway nor that nothing is tracked.
    fn state(&self, used: Option<u64>, counters: &BTreeMap<CounterName, Counter>) -> TableState {
        match used {
            Some(0) if counters.values().all(|counter| counter.value() == 0) => TableState::Unknown,
            Some(_) => TableState::Tracking,
            None if self.is_absent() => TableState::NotTracking,
            None => TableState::Unknown,
        }
    }

    fn is_absent(&self) -> bool {
        let no_sysctls = (&self.count, &self.max) == (&Lookup::Missing, &Lookup::Missing);
        let no_statistics = self.is_printed || matches!(self.stats, Lookup::Missing | Lookup::NotShown);
        no_sysctls && no_statistics && !self.is_hidden
    }

    fn capacity(&self, state: TableState) -> Result<Capacity, CapacityReason> {
        match self.max {
            // `nf_conntrack_max` 0 means no limit up to 6.18; later kernels do not take a 0.
            Lookup::Value(max) => Capacity::reported(max).ok_or(CapacityReason::Unlimited),
            Lookup::Later => Err(CapacityReason::NotRead),
            Lookup::Denied => Err(CapacityReason::Denied),
            Lookup::Missing if self.is_hidden => Err(CapacityReason::Denied),
            Lookup::Missing if state != TableState::NotTracking => Err(CapacityReason::Unsupported),
            Lookup::Missing | Lookup::NotShown | Lookup::Bad(_) => Err(CapacityReason::NotTold),
        }
    }

    fn ensure_intelligible(&self) -> Result<(), SourceError> {
        let (why, hint) = match (&self.count, &self.max, &self.stats) {
            (Lookup::NotShown, Lookup::NotShown, Lookup::NotShown) => {
                ("the reply does not speak of conntrack".to_owned(), WHOLE_REPLY)
            }
            (Lookup::Bad(why), ..) => (format!("{}: {why}", paths::COUNT[0]), ONE_NUMBER),
            (_, Lookup::Bad(why), _) => (format!("{}: {why}", paths::MAX[0]), ONE_NUMBER),
            _ => return Ok(()),
        };
        Err(SourceError::new(ErrorKind::Parse, why).with_hint(hint))
    }

    fn faults(&self, used: Option<u64>, state: TableState, login: &str) -> Vec<Fault> {
        let tracked = state != TableState::NotTracking;
        let mut faults = Vec::new();
        if used.is_none() || matches!(self.count, Lookup::Bad(_)) {
            faults.extend(self.count.fault("conntrack count", paths::COUNT[0]));
        }
        if tracked && used.is_none() {
            faults.extend(self.no_count());
        }
        faults.extend(self.max.fault("conntrack limit", paths::MAX[0]));
        if tracked && self.max == Lookup::NotShown {
            faults.push(no_section("conntrack limit", paths::MAX[0]));
        }
        if tracked {
            faults.extend(self.stats_fault(login));
        }
        faults
    }

    /// Why there is no count where there may be a table.
    fn no_count(&self) -> Option<Fault> {
        let what = "conntrack count";
        match self.count {
            Lookup::Missing if self.is_hidden => {
                let message = "the login sees nothing of /proc/sys: whether the kernel tracks is not known";
                Some(Fault::new(what, FaultKind::Denied, message).with_hint(
                    "look for a /proc that is mounted with `subset=pid`, as systemd's `ProcSubset=pid` does",
                ))
            }
            Lookup::Missing => {
                let message = format!("{} is not there, and no statistics tell the count", paths::COUNT[0]);
                Some(Fault::new(what, FaultKind::Unsupported, message))
            }
            Lookup::NotShown => Some(no_section(what, paths::COUNT[0])),
            Lookup::Value(_) | Lookup::Denied | Lookup::Later | Lookup::Bad(_) => None,
        }
    }

    /// Why there are no counters, and the right that would bring them.
    fn stats_fault(&self, login: &str) -> Option<Fault> {
        let what = "conntrack counters";
        let (kind, message) = match &self.stats {
            Lookup::Value(_) | Lookup::Later => return None,
            Lookup::Bad(why) if self.is_printed => {
                (complaint::kind(why), format!("{}: {why}", paths::STATS_COMMAND))
            }
            Lookup::Bad(why) => (FaultKind::Parse, format!("{}: {why}", paths::STAT[0])),
            Lookup::Denied => (FaultKind::Denied, format!("the login may not read {}", paths::STAT[0])),
            Lookup::NotShown => return Some(no_section(what, paths::STAT[0])),
            // The count's fault says why.
            Lookup::Missing if self.is_hidden => return None,
            Lookup::Missing => (
                FaultKind::Unsupported,
                format!("this kernel has no {} (CONFIG_NF_CONNTRACK_PROCFS is off)", paths::STAT[0]),
            ),
        };
        let fault = Fault::new(what, kind, message);
        Some(match kind {
            FaultKind::Parse if self.is_printed => fault.with_hint(
                "see what `/usr/sbin/conntrack -S` prints when this login runs it: a line for each CPU is \
                 understood, `cpu=0 found=0 …`",
            ),
            FaultKind::Parse => fault,
            _ => fault.with_hint(sudo_hint(login)),
        })
    }
}

/// Only a command that is not ours leaves one out.
fn no_section(what: &str, file: &str) -> Fault {
    Fault::new(what, FaultKind::Unsupported, format!("the reply has no section {file}"))
        .with_hint("a forced command must print the sections that the README describes")
}

fn sudo_hint(login: &str) -> String {
    format!("allow exactly `{login} {SUDO_RULE}` in sudoers and set `settings: {{ conntrack_stats: sudo }}`")
}

/// From here on, once an allocation has failed, the kernel's background sweep evicts what is not assured:
/// `nf_conntrack_max95` in net/netfilter/nf_conntrack_core.c, in its integer arithmetic. Below a limit of 100
/// that is 0, and the kernel does not sweep.
fn sheds_at(max: u64) -> Option<u64> {
    Some(max / 100 * 95).filter(|floor| *floor > 0)
}

/// All tables of one reply.
pub(super) fn group() -> GroupName {
    #[expect(clippy::expect_used, reason = "the constant is a valid name")]
    GroupName::new("conntrack").expect("a plain word is a group name")
}
