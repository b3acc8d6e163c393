//! An engine that watches tables, and a list of what it told.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use cliffwatch_model::{
    AlertState, Capacity, CapacityReason, DeviceName, GroupName, Load, Marks, Observation, Outcome, Platform,
    PollHeader, PollerName, Reachability, Role, Scope, Severity, TableKey, TableKind, TableObservation,
    TableState, Timestamp, Trigger, Unit,
};
use cliffwatch_rules::{DeviceFacts, Engine, RuleSet};

/// 2026-03-02T00:00:00Z, a Monday.
const START: i64 = 1_772_409_600;

/// What people were told.
#[derive(Default)]
pub(crate) struct Told {
    /// By rule and severity: how often an alert began or rose to it.
    pub(crate) firing: BTreeMap<(String, Severity), u64>,
    /// Warnings and pages, in words.
    pub(crate) warned: Vec<String>,
    /// Seconds since the start.
    pub(crate) first_warning: Option<i64>,
    pub(crate) first_page: Option<i64>,
}

pub(crate) struct Watch {
    engine: Engine,
    observation: Observation,
}

impl Watch {
    pub(crate) fn new(limits: Vec<u64>, interval: i64) -> Self {
        let device = DeviceName::new("gw").unwrap();
        let platform = Platform::new("linux").unwrap();
        let mut engine = Engine::new(Arc::new(RuleSet::builtin()));
        engine.know(DeviceFacts {
            name: device.clone(),
            platform: platform.clone(),
            labels: BTreeMap::new(),
        });
        let tables = limits.into_iter().enumerate().map(|(n, limit)| table(&device, n, limit)).collect();
        let header = PollHeader {
            device,
            platform,
            poller: PollerName::new("p").unwrap(),
            seq: 0,
            trigger: Trigger::Tick,
            started_at: Timestamp::default(),
            finished_at: Timestamp::default(),
            interval: Duration::from_secs(interval.unsigned_abs()),
            late: false,
            lag: Duration::ZERO,
        };
        Self { engine, observation: observation(header, tables) }
    }

    pub(crate) fn poll(&mut self, at: i64, used: &[u64], told: &mut Told) {
        let now = Timestamp::from_secs(START + at);
        let o = &mut self.observation;
        o.header.seq += 1;
        (o.header.started_at, o.header.finished_at) = (now, now);
        for (table, used) in o.tables.iter_mut().zip(used) {
            (table.observed_at, table.used) = (now, Some(*used));
        }
        for event in self.engine.observe(o).events {
            if event.state != AlertState::Firing
                || !(event.seq == 1 || event.previous_severity.is_some() || event.onset != event.at)
            {
                continue;
            }
            *told.firing.entry((event.rule.clone(), event.severity)).or_default() += 1;
            if event.severity >= Severity::Warning {
                told.warned.push(format!(
                    "day {} {:05}: {} {}: {}; usual {}",
                    at / 86_400,
                    at % 86_400,
                    event.rule,
                    event.severity,
                    event.summary,
                    event.evidence.get("usual_peak").unwrap_or(&"unknown".into())
                ));
                told.first_warning.get_or_insert(at);
            }
            if event.severity == Severity::Critical {
                told.first_page.get_or_insert(at);
            }
        }
    }
}

fn table(device: &DeviceName, number: usize, limit: u64) -> TableObservation {
    let scope = Scope::new("netns", &format!("ns-{number}"));
    let key = Arc::new(TableKey::new(device.clone(), scope, TableKind::Conntrack, "nf_conntrack"));
    TableObservation {
        id: key.id(),
        table: key,
        unit: Unit::Entries,
        group: GroupName::new("conntrack").unwrap(),
        state: TableState::Tracking,
        role: Role::Whole,
        epoch: None,
        observed_at: Timestamp::default(),
        revision: 0,
        marks: Marks::default(),
        used: None,
        capacity: Capacity::reported(limit).ok_or(CapacityReason::NotTold),
        sheds_at: None,
        setup_rate: None,
        teardown_rate: None,
        counters: BTreeMap::new(),
        increases: Vec::new(),
    }
}

fn observation(header: PollHeader, tables: Vec<TableObservation>) -> Observation {
    Observation {
        header,
        outcome: Outcome::Ok,
        error: None,
        epoch: None,
        tables,
        gone: Vec::new(),
        complete: Vec::new(),
        load: Load::default(),
        device_settings: Arc::default(),
        reachability: Reachability::default(),
        evidence: Vec::new(),
        faults: Vec::new(),
    }
}
