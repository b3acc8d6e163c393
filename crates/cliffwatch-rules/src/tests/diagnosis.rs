//! What a table suffers from now, and the way to it.

use cliffwatch_model::CounterClass::{Evicted, PolicyLimit, Pressure, Refused};
use cliffwatch_model::{
    Bound, Confidence, Diagnosis, ErrorKind, EvidenceItem, Finding, NewConnection, Pattern, Reachability,
    Remedy, Role, Setting, Severity, Standing, TableState,
};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::lab::Lab;
use super::made_up::{engine, name, observations, observe, steps};
use super::raw::raw_observation;

impl Lab {
    pub(super) fn diagnosis(&mut self) -> Diagnosis {
        self.diagnosed().diagnosis
    }

    pub(super) fn remedies(&mut self) -> Vec<(Pattern, Remedy)> {
        self.diagnosed().remedies
    }

    fn diagnosed(&mut self) -> crate::Diagnosed {
        let table = self.table().table.clone();
        self.engine.diagnose(&table.device, table.id()).unwrap()
    }

    /// What the device answers with its next poll.
    pub(super) fn gathered(&mut self, items: &[(&str, Value)]) {
        let id = self.table().table.id();
        let item = |(what, value): &(&str, Value)| EvidenceItem {
            what: (*what).into(),
            table_id: Some(id),
            value: value.clone(),
        };
        self.evidence = items.iter().map(item).collect();
    }
}

pub(super) fn found(diagnosis: &Diagnosis, pattern: Pattern) -> &Finding {
    let found = diagnosis.findings.iter().find(|finding| finding.pattern == pattern);
    found.unwrap_or_else(|| panic!("no {pattern} in {diagnosis:#?}"))
}

pub(super) fn value(finding: &Finding, name: &str) -> f64 {
    let figure = finding.figures.iter().find(|figure| figure.name == name);
    figure.unwrap_or_else(|| panic!("no {name} in {finding:?}")).value
}

#[test]
fn a_full_table_that_refuses_is_hard_full() {
    let mut lab = Lab::new();
    lab.run("500x30 1000x12", &[("drop", Refused, "0x30 0+8x11"), ("insert_failed", Refused, "0")]);
    let diagnosis = lab.diagnosis();
    assert_eq!((diagnosis.pattern, diagnosis.confidence), (Pattern::HardFull, Confidence::High));
    assert_eq!(diagnosis.severity, Some(Severity::Critical));
    let full = found(&diagnosis, Pattern::HardFull);
    assert_eq!((value(full, "used"), value(full, "limit"), value(full, "drop")), (1_000.0, 1_000.0, 88.0));
    assert!(!full.refuted_by.is_empty());
    assert!(full.summary.contains("1,000 of 1,000 entries (100.0 %)"), "{}", full.summary);
    assert!(!diagnosis.is_fine());
    let remedies = lab.remedies();
    assert!(remedies.contains(&(Pattern::HardFull, Remedy::RaiseLimit { peak: 1_000, entries: 4_000 })));
    assert!(remedies.contains(&(Pattern::HardFull, Remedy::ExemptPoller)));
}

#[test]
fn full_to_the_last_entry_refuses_the_next() {
    let mut lab = Lab::new();
    lab.run("1000x40", &[("drop", Refused, "0")]);
    let diagnosis = lab.diagnosis();
    assert_eq!((diagnosis.pattern, diagnosis.confidence), (Pattern::HardFull, Confidence::Medium));
    assert!(diagnosis.summary.contains("nothing was refused yet"), "{}", diagnosis.summary);
}

#[test]
fn a_table_that_throws_entries_out_sheds_and_is_not_calm() {
    let mut lab = Lab::new();
    lab.run("944x60", &[("early_drop", Evicted, "0+300x59"), ("drop", Refused, "0")]);
    let diagnosis = lab.diagnosis();
    assert_eq!((diagnosis.pattern, diagnosis.confidence), (Pattern::Shedding, Confidence::High));
    assert!(diagnosis.summary.contains("that is no calm"), "{}", diagnosis.summary);
}

#[test]
fn a_swept_table_has_not_recovered() {
    let mut lab = Lab::new();
    lab.run("1000x30 949x3", &[("drop", Refused, "0+9x29 261x3"), ("early_drop", Evicted, "0")]);
    let diagnosis = lab.diagnosis();
    assert_eq!((diagnosis.pattern, diagnosis.severity), (Pattern::Swept, Some(Severity::Critical)));
    assert!(diagnosis.summary.contains("no recovery"), "{}", diagnosis.summary);
}

#[test]
fn ports_run_out_in_a_table_that_is_empty() {
    let mut lab = Lab::new();
    lab.limit(5_000);
    let counters = [
        ("insert_failed", Refused, "0+24x60"),
        ("drop", Refused, "0+24x60"),
        ("clash_resolve", Pressure, "0"),
    ];
    lab.run("20x60", &counters);
    let diagnosis = lab.diagnosis();
    assert_eq!(
        (diagnosis.pattern, diagnosis.cause),
        (Pattern::PortExhaustion, Some(Pattern::PortExhaustion))
    );
    assert_eq!(diagnosis.confidence, Confidence::Medium);
    assert!(!diagnosis.findings.iter().any(|it| it.pattern == Pattern::HardFull), "{diagnosis:#?}");
    // The ports themselves prove it, and say what to add.
    lab.gathered(&[
        ("listing", json!({"entries_listed": 20})),
        (
            "snat_ports",
            json!([{"address": "198.51.100.1", "used_ports": 20, "ports": 64_512, "share": 0.0003,
                    "lowest_port": 40_000, "highest_port": 40_019}]),
        ),
    ]);
    lab.poll();
    assert_eq!(lab.diagnosis().confidence, Confidence::High);
    let address = "198.51.100.1".parse().unwrap();
    let add = Remedy::AddAddresses { address, used_ports: 20, ports_per_address: 20, add: 3 };
    assert_eq!(lab.remedies(), [(Pattern::PortExhaustion, add)]);
}

#[test]
fn a_clash_now_and_then_is_no_shortage() {
    let mut lab = Lab::new();
    lab.limit(262_144);
    lab.run("40000x60", &[("insert_failed", Refused, "0+1x60"), ("drop", Refused, "0+1x60")]);
    let diagnosis = lab.diagnosis();
    assert_eq!((diagnosis.pattern, diagnosis.confidence), (Pattern::Clash, Confidence::Low));
    assert_eq!(diagnosis.cause, None);
}

#[test]
fn a_provider_that_allocates_no_port_is_out_of_ports_whatever_the_fill() {
    let mut lab = Lab::new();
    lab.limit(55_000);
    lab.bound(Bound::PerDestination);
    lab.table().used = Some(9_000);
    (1..=5).for_each(|minute| lab.period("ErrorPortAllocation", Refused, minute * 60, 7));
    let diagnosis = lab.diagnosis();
    assert_eq!((diagnosis.pattern, diagnosis.confidence), (Pattern::PortExhaustion, Confidence::High));
}

#[test]
fn a_worst_case_that_is_passed_harms_nobody() {
    let mut lab = Lab::new();
    lab.limit(55_000);
    lab.bound(Bound::PerDestination);
    lab.run("60000x60", &[("ErrorPortAllocation", Refused, "0")]);
    let diagnosis = lab.diagnosis();
    assert_eq!((diagnosis.pattern, diagnosis.severity), (Pattern::PerDestination, Some(Severity::Info)));
    assert!(diagnosis.is_fine());
}

#[test]
fn refusals_at_a_low_fill_are_not_called_full() {
    let mut lab = Lab::new();
    lab.run("100x60", &[("drop", Refused, "0+3x60"), ("insert_failed", Refused, "0")]);
    let diagnosis = lab.diagnosis();
    assert_eq!((diagnosis.pattern, diagnosis.confidence), (Pattern::Refusing, Confidence::Low));
    assert!(diagnosis.summary.contains("the fill does not explain it"), "{}", diagnosis.summary);
}

#[test]
fn long_chains_are_the_hash() {
    let mut lab = Lab::new();
    lab.limit(262_144);
    lab.settings = [("nf_conntrack_buckets".to_owned(), Setting::Number(4_096))].into();
    lab.run("80000x60", &[("chaintoolong", Pressure, "0+5x60"), ("drop", Refused, "0")]);
    let diagnosis = lab.diagnosis();
    assert_eq!((diagnosis.pattern, diagnosis.severity), (Pattern::HashSick, Some(Severity::Warning)));
    let few = Remedy::AddBuckets { buckets: 4_096, limit: 262_144, advised: 65_536 };
    assert!(lab.remedies().contains(&(Pattern::HashSick, few)), "{:?}", lab.remedies());
}

#[test]
fn packets_of_no_connection_are_a_storm_only_in_numbers() {
    let mut lab = Lab::new();
    lab.limit(262_144);
    lab.run("8000x60", &[("invalid", Pressure, "0+20x60"), ("drop", Refused, "0")]);
    assert_eq!(lab.diagnosis().pattern, Pattern::Calm);
    lab.run("8000x60", &[("invalid", Pressure, "1200+2000x60"), ("drop", Refused, "0")]);
    assert_eq!(lab.diagnosis().pattern, Pattern::InvalidStorm);
}

#[test]
fn a_quota_is_not_the_tables_fault() {
    let mut lab = Lab::new();
    lab.run("200x60", &[("quota", PolicyLimit, "0+4x60"), ("drop", Refused, "0")]);
    assert_eq!(lab.diagnosis().pattern, Pattern::Quota);
}

#[test]
fn a_limit_that_was_lowered_is_the_cause() {
    let mut lab = Lab::new();
    lab.limit(4_000);
    lab.run("980x60", &[("drop", Refused, "0")]);
    lab.limit(1_000);
    lab.run("980x6 1000x6", &[("drop", Refused, "0x6 0+7x5")]);
    let diagnosis = lab.diagnosis();
    assert_eq!((diagnosis.pattern, diagnosis.cause), (Pattern::HardFull, Some(Pattern::LimitLowered)));
    let restore = (Pattern::LimitLowered, Remedy::RestoreLimit { before: 4_000, now: 1_000 });
    assert!(lab.remedies().contains(&restore));
}

#[test]
fn a_standby_and_a_table_out_of_use_are_inactive() {
    let mut lab = Lab::new();
    lab.table().role = Role::Standby;
    lab.run("950x60", &[("drop", Refused, "0")]);
    assert_eq!(lab.diagnosis().pattern, Pattern::Inactive);
    assert_eq!(lab.remedies(), []);
    lab.table().role = Role::Whole;
    lab.table().state = TableState::NotTracking;
    lab.run("0x60", &[]);
    assert!(lab.diagnosis().is_fine());
}

#[test]
fn a_calm_table_is_calm_and_says_what_it_does_not_know() {
    let mut lab = Lab::new();
    lab.run("200x60", &[("drop", Refused, "7")]);
    let diagnosis = lab.diagnosis();
    assert_eq!((diagnosis.pattern, diagnosis.confidence), (Pattern::Calm, Confidence::High));
    assert_eq!((diagnosis.findings.len(), diagnosis.severity), (0, None));
    assert_eq!(diagnosis.steps.len(), 6);
    let missing: Vec<&str> = diagnosis.unjudged.iter().map(|missing| &*missing.what).collect();
    assert!(missing.contains(&"whether new connections fail while existing ones work"), "{missing:?}");
    assert!(missing.contains(&"whether this is usual at this hour"), "{missing:?}");
}

#[test]
fn of_a_table_without_limit_and_counters_nothing_is_claimed() {
    let mut lab = Lab::new();
    lab.limit(0);
    lab.table().used = None;
    lab.poll();
    let diagnosis = lab.diagnosis();
    assert_eq!(diagnosis.pattern, Pattern::Unknown);
    assert!(!diagnosis.is_fine());
    let figures: Vec<_> = diagnosis.steps.iter().flat_map(|step| &step.figures).collect();
    assert!(figures.is_empty(), "{figures:?}");
    assert!(!diagnosis.summary.contains(|c: char| c.is_ascii_digit()), "{}", diagnosis.summary);
    assert!(diagnosis.unjudged.iter().any(|missing| missing.what == "how full the table is"));
}

#[test]
fn the_first_step_tells_exhaustion_from_an_outage() {
    let mut lab = Lab::new();
    let first = |lab: &mut Lab| lab.diagnosis().steps[0].clone();
    lab.run("1000x3", &[]);
    assert_eq!(first(&mut lab).standing, Standing::Unknown);
    let new = |connect_ms, error| Some(NewConnection { connect_ms, error, waited_ms: Some(5_000.0) });
    lab.reachability =
        Reachability { held_ms: Some(0.4), new: new(None, Some(ErrorKind::Timeout)), canary: None };
    lab.poll();
    let step = first(&mut lab);
    assert_eq!(step.standing, Standing::Wrong);
    assert!(step.answer.contains("exhaustion, and no outage"), "{}", step.answer);
    lab.reachability.new = new(Some(0.9), None);
    lab.poll();
    assert_eq!(first(&mut lab).standing, Standing::Fine);
    lab.reachability.new = None;
    lab.run("_x12", &[]);
    assert!(first(&mut lab).answer.contains("an outage of the device"), "{:?}", first(&mut lab));
}

#[test]
fn why_nothing_was_gathered_is_told_with_what_would_help() {
    let mut lab = Lab::new();
    let why = json!({"kind": "auth", "message": "the table cannot be listed", "hint": "allow it"});
    lab.run("950x30", &[]);
    lab.gathered(&[("not_gathered", why)]);
    lab.poll();
    let diagnosis = lab.diagnosis();
    let missing = diagnosis.unjudged.iter().find(|missing| missing.why == "the table cannot be listed");
    assert_eq!(missing.unwrap().how, "allow it");
}

/// Finite, and what is called used or limit is what was read.
fn check(diagnosis: &Diagnosis) -> Result<(), TestCaseError> {
    let figures = diagnosis.findings.iter().flat_map(|it| &it.figures);
    for figure in figures.chain(diagnosis.steps.iter().flat_map(|it| &it.figures)) {
        prop_assert!(figure.value.is_finite(), "{figure:?}");
    }
    let text = serde_json::to_string(diagnosis).unwrap();
    prop_assert!(!text.contains("NaN") && !text.contains("inf "), "{text}");
    for finding in &diagnosis.findings {
        prop_assert!(!finding.refuted_by.is_empty(), "{finding:?}");
        prop_assert!(finding.pattern != Pattern::Calm && finding.pattern != Pattern::Unknown);
    }
    prop_assert_eq!(diagnosis.steps.len(), if diagnosis.at.is_some() { 6 } else { 1 });
    Ok(())
}

fn level(diagnosis: &Diagnosis, name: &str) -> Option<f64> {
    diagnosis.steps.get(1)?.figures.iter().find(|figure| figure.name == name).map(|figure| figure.value)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// A number that was not read is not there; one that was is the one that was read.
    #[test]
    fn a_diagnosis_tells_what_was_read(steps in steps()) {
        let mut engine = engine();
        for observation in observations(&steps) {
            observe(&mut engine, &observation);
            for (id, _) in engine.tables_of(&name()) {
                let diagnosis = engine.diagnose(&name(), id).unwrap().diagnosis;
                check(&diagnosis)?;
                let text = serde_json::to_string(&diagnosis).unwrap();
                prop_assert_eq!(&serde_json::from_str::<Diagnosis>(&text).unwrap(), &diagnosis);
                let Some(at) = diagnosis.at else { continue };
                let read = observation.tables.iter().find(|it| it.id == id && it.observed_at == at);
                if let Some(reading) = read.filter(|reading| reading.revision == 0 && !reading.marks.late) {
                    prop_assert_eq!(level(&diagnosis, "used"), reading.used.map(|used| used as f64));
                    let limit = reading.capacity.ok().map(|capacity| capacity.limit.get() as f64);
                    prop_assert_eq!(level(&diagnosis, "limit"), limit);
                }
            }
        }
    }

    /// Observations that no ingest would make, and evidence that no device would give.
    #[test]
    fn nothing_panics(raw in prop::collection::vec(raw_observation(), 1..40), said in any_value()) {
        let mut engine = engine();
        for (seq, mut observation) in raw.into_iter().enumerate() {
            observation.header.seq = seq as u64;
            let id = observation.tables.first().map(|table| table.id);
            for what in ["listing", "top_sources", "top_destinations", "shares", "lower_timeouts", "snat_ports", "not_gathered"] {
                observation.evidence.push(EvidenceItem { what: what.into(), table_id: id, value: said.clone() });
            }
            let device = observation.header.device.clone();
            observe(&mut engine, &observation);
            for (id, _) in engine.tables_of(&device) {
                let diagnosed = engine.diagnose(&device, id).unwrap();
                check(&diagnosed.diagnosis)?;
                for (_, remedy) in diagnosed.remedies {
                    prop_assert!(!remedy.plain().title.is_empty());
                }
            }
        }
    }
}

/// Evidence that is nearly right: known keys with any values.
fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<u64>().prop_map(Value::from),
        (-2.0..2.0f64).prop_map(Value::from),
        Just(json!("198.51.100.1")),
        Just(json!("x")),
    ];
    let keys = prop::sample::select(vec![
        "entries_listed",
        "addresses",
        "address",
        "entries",
        "share",
        "distinct_addresses",
        "port",
        "unreplied",
        "setting",
        "timeout_seconds",
        "to_seconds",
        "entries_idle_longer",
        "share_idle_longer",
        "used_ports",
        "ports",
        "lowest_port",
        "highest_port",
        "message",
        "hint",
    ]);
    leaf.prop_recursive(3, 24, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::btree_map(keys.clone().prop_map(str::to_owned), inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}
