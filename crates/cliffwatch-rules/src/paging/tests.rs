use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use cliffwatch_model::{
    AlertEvent, AlertState, CapacityOverrides, Device, DeviceName, Platform, Severity, Timestamp,
};
use proptest::prelude::*;

use super::*;
use crate::RuleSet;

/// A full hour.
const START: i64 = 1_772_359_200;

fn device(name: &str, peer: Option<&str>, needs: &[&str]) -> Device {
    Device {
        name: DeviceName::new(name).unwrap(),
        platform: Platform::new("linux").unwrap(),
        address: None,
        labels: BTreeMap::new(),
        interval: Duration::from_secs(10),
        timeout: Duration::from_secs(5),
        ha_peer: peer.map(|peer| DeviceName::new(peer).unwrap()),
        depends_on: needs.iter().map(|name| (*name).to_owned()).collect(),
        capacity: CapacityOverrides::default(),
    }
}

/// `fw-a` and `fw-b` are a pair, `leaf` needs `spine` needs `core`.
fn topology() -> Topology {
    let devices = [
        device("fw-a", Some("fw-b"), &[]),
        device("fw-b", None, &[]),
        device("leaf", None, &["spine"]),
        device("spine", None, &["core", "a tcp check"]),
        device("core", None, &[]),
    ];
    Topology::new(&devices, &RuleSet::builtin())
}

fn event(
    at: i64,
    name: &str,
    table: Option<&str>,
    rule: &str,
    state: AlertState,
    severity: Severity,
) -> AlertEvent {
    let fingerprint = format!("{rule}/{name}/{}", table.unwrap_or("-"));
    AlertEvent {
        id: format!("{fingerprint}-{at}"),
        alert_id: fingerprint.clone(),
        seq: 1,
        fingerprint,
        incident_id: None,
        at: Timestamp::from_secs(START + at),
        onset: Timestamp::from_secs(START + at),
        rule: rule.to_owned(),
        severity,
        previous_severity: None,
        device: DeviceName::new(name).unwrap(),
        table_id: None,
        table: table.map(str::to_owned),
        labels: BTreeMap::from([(
            "site".to_owned(),
            if name.starts_with("fw") { "a" } else { "b" }.to_owned(),
        )]),
        state,
        value: None,
        threshold: None,
        unit: String::new(),
        summary: String::new(),
        evidence: serde_json::Map::new(),
        told: state != AlertState::Pending,
    }
}

fn fires(at: i64, name: &str, table: &str) -> AlertEvent {
    event(at, name, Some(table), "utilization-critical", AlertState::Firing, Severity::Critical)
}

fn ends(at: i64, name: &str, table: &str) -> AlertEvent {
    event(at, name, Some(table), "utilization-critical", AlertState::Resolved, Severity::Critical)
}

fn stale(at: i64, name: &str, state: AlertState) -> AlertEvent {
    event(at, name, None, "stale", state, Severity::Critical)
}

const HOST: &str = "netns/host/conntrack/nf_conntrack";

struct Run {
    events: Vec<AlertEvent>,
    notices: Vec<Notice>,
}

fn run(mut events: Vec<AlertEvent>, silences: &[Silence]) -> Run {
    let topology = topology();
    let around = Surroundings { topology: &topology, silences };
    let mut open = Incidents::default();
    let mut notices = paging(&mut events, &mut open, around);
    notices.extend(open.settle(Timestamp::from_secs(START + 1_000_000), around));
    Run { events, notices }
}

impl Run {
    /// `SECOND SUBJECT SCOPE` of each page.
    fn pages(&self) -> Vec<String> {
        let page = |notice: &Notice| match notice {
            Notice::Page { at, subject, scope, .. } => {
                let second = at.as_micros() / 1_000_000 - START;
                Some(format!("{second} {subject} {}", scope.as_deref().unwrap_or("-")))
            }
            Notice::Digest { .. } => None,
        };
        self.notices.iter().filter_map(page).collect()
    }

    fn incidents(&self) -> BTreeSet<&str> {
        self.events.iter().filter_map(|event| event.incident_id.as_deref()).collect()
    }
}

#[test]
fn an_incident_pages_once() {
    let warning = |at, state| event(at, "gw", Some(HOST), "utilization-high", state, Severity::Warning);
    let run = run(
        vec![
            warning(0, AlertState::Pending),
            warning(10, AlertState::Firing),
            fires(20, "gw", HOST),
            event(
                30,
                "gw",
                Some("netns/host/snat-ports/x"),
                "refusing",
                AlertState::Firing,
                Severity::Critical,
            ),
            ends(40, "gw", HOST),
            fires(50, "gw", HOST),
            ends(60, "gw", HOST),
        ],
        &[],
    );
    assert_eq!(run.pages(), ["20 gw netns/host"]);
    assert_eq!(run.incidents().len(), 1);
    assert_eq!(run.events[0].incident_id, None, "nothing had fired");
}

#[test]
fn what_is_over_and_comes_again_is_another_incident() {
    let run = run(vec![fires(0, "gw", HOST), ends(60, "gw", HOST), fires(70, "gw", HOST)], &[]);
    assert_eq!(run.pages(), ["0 gw netns/host", "70 gw netns/host"]);
    assert_eq!(run.incidents().len(), 2);
    assert_eq!(run.events[0].incident_id, run.events[1].incident_id);
}

#[test]
fn a_warning_that_stays_does_not_hide_the_critical_of_the_next_shift() {
    let warning = event(0, "gw", Some(HOST), "utilization-high", AlertState::Firing, Severity::Warning);
    let shift = 8 * 3_600;
    let run = run(
        vec![
            warning,
            fires(10, "gw", HOST),
            ends(100, "gw", HOST),
            fires(shift, "gw", HOST),
            ends(shift + 10, "gw", HOST),
            fires(2 * shift + 10, "gw", HOST),
        ],
        &[],
    );
    assert_eq!(run.pages(), ["10 gw netns/host", "57610 gw netns/host"]);
}

#[test]
fn a_pair_is_paged_for_once() {
    let run = run(
        vec![fires(0, "fw-a", "vsys/vsys1/sessions/all"), fires(5, "fw-b", "vsys/vsys1/sessions/all")],
        &[],
    );
    assert_eq!(run.pages(), ["0 fw-a+fw-b vsys/vsys1"]);
    assert_eq!(run.incidents().len(), 1);
}

#[test]
fn more_than_five_scopes_are_one_incident_of_the_device() {
    let table = |n: usize| format!("netns/pod-{n}/conntrack/nf_conntrack");
    let at_once = run((0..300).map(|n| fires(0, "gw", &table(n))).collect(), &[]);
    assert_eq!(at_once.pages(), ["0 gw -"]);
    let one_by_one = run((0..300).map(|n| fires(10 * n as i64, "gw", &table(n))).collect(), &[]);
    assert_eq!(one_by_one.pages().len(), 6, "{:?}", one_by_one.pages());
    assert_eq!(one_by_one.incidents().len(), 6);
    let five = run((0..5).map(|n| fires(0, "gw", &table(n))).collect(), &[]);
    assert_eq!(five.pages().len(), 5);
}

#[test]
fn what_cannot_be_reached_does_not_page_for_itself() {
    let run_ = run(
        vec![
            stale(0, "leaf", AlertState::Firing),
            stale(0, "core", AlertState::Firing),
            stale(600, "core", AlertState::Resolved),
            stale(700, "leaf", AlertState::Resolved),
        ],
        &[],
    );
    assert_eq!(run_.pages(), ["0 core -", "600 leaf -"], "the core is up again, and the leaf still is not");
    let over = run(
        vec![
            stale(0, "core", AlertState::Firing),
            stale(10, "leaf", AlertState::Firing),
            stale(600, "leaf", AlertState::Resolved),
            stale(700, "core", AlertState::Resolved),
        ],
        &[],
    );
    assert_eq!(over.pages(), ["0 core -"]);
}

fn silence(start: i64, duration_s: u64, matches: Matches) -> Silence {
    let start = Timestamp::from_secs(START + start);
    Silence { matches, start, duration: Duration::from_secs(duration_s), every: None }
}

#[test]
fn a_silence_holds_the_page_back_while_it_lasts() {
    let site = Matches { labels: BTreeMap::from([("site".into(), "b".into())]), ..Matches::default() };
    let silences = [silence(0, 100, site)];
    let silenced = run(vec![fires(10, "gw", HOST), ends(90, "gw", HOST)], &silences);
    assert!(silenced.pages().is_empty());
    assert!(silenced.events.iter().all(|event| event.incident_id.is_some()));
    let outlasted = run(
        vec![fires(10, "gw", HOST), fires(20, "fw-a", "vsys/v/sessions/s"), ends(500, "gw", HOST)],
        &silences,
    );
    assert_eq!(outlasted.pages(), ["20 fw-a+fw-b vsys/v", "100 gw netns/host"]);
}

#[test]
fn warnings_are_told_together_at_the_full_hour() {
    let warning =
        |at, name| event(at, name, Some(HOST), "utilization-high", AlertState::Firing, Severity::Warning);
    let of_gw = silence(0, 3_000, Matches { device: DeviceName::new("gw-3").ok(), ..Matches::default() });
    let run = run(
        vec![warning(10, "gw-1"), warning(20, "gw-2"), warning(30, "gw-3"), warning(4_000, "gw-4")],
        &[of_gw],
    );
    let digests: Vec<(i64, usize)> = run
        .notices
        .iter()
        .filter_map(|notice| match notice {
            Notice::Digest { at, incident_ids } => {
                Some((at.as_micros() / 1_000_000 - START, incident_ids.len()))
            }
            Notice::Page { .. } => None,
        })
        .collect();
    assert_eq!(digests, [(3_600, 2), (7_200, 1)]);
}

#[test]
fn backfilled_history_pages_nobody_and_goes_on_after_a_restart() {
    let untold = AlertEvent { told: false, ..fires(0, "gw", HOST) };
    let mut events = vec![untold, fires(100, "gw", HOST)];
    assert_eq!(run(events.clone(), &[]).pages(), ["100 gw netns/host"]);

    let topology = topology();
    let around = Surroundings { topology: &topology, silences: &[] };
    paging(&mut events, &mut Incidents::default(), around);
    let mut after = Incidents::default();
    after.adopt(&events[1], &topology);
    let mut later = [fires(200, "gw", HOST), ends(300, "gw", HOST)];
    assert!(paging(&mut later, &mut after, around).is_empty(), "paged before the restart");
    assert_eq!(later[1].incident_id, events[0].incident_id);
    after.settle(Timestamp::from_secs(START + 400), around);
    assert!(after.is_empty());
}

/// Small numbers, so that instants are shared and everything meets.
fn made_up() -> impl Strategy<Value = Vec<AlertEvent>> {
    let one = (0i64..12, 0usize..5, 0usize..8, 0usize..6, any::<bool>(), prop::bool::weighted(0.9));
    prop::collection::vec(one, 1..60).prop_map(|mut raw| {
        raw.sort_by_key(|(at, ..)| *at);
        let all = raw.into_iter().map(|(at, name, scope, what, critical, told)| {
            let name = ["fw-a", "fw-b", "leaf", "spine", "core"][name];
            let severity = if critical { Severity::Critical } else { Severity::Warning };
            let state = [
                AlertState::Firing,
                AlertState::Firing,
                AlertState::Recovering,
                AlertState::Resolved,
                AlertState::Stale,
                AlertState::Gone,
            ][what];
            let table = format!("netns/n{scope}/conntrack/t");
            let made = if scope == 7 {
                event(at * 1_000, name, None, "stale", state, severity)
            } else {
                event(at * 1_000, name, Some(&table), "utilization", state, severity)
            };
            AlertEvent { told, ..made }
        });
        all.collect()
    })
}

fn silences() -> impl Strategy<Value = Vec<Silence>> {
    let one = (0i64..12_000, 0u64..5_000, prop::sample::select(vec!["leaf", "core", "fw-a"]));
    prop::collection::vec(one, 0..3).prop_map(|all| {
        let matches = |name| Matches { device: DeviceName::new(name).ok(), ..Matches::default() };
        all.into_iter().map(|(start, duration, name)| silence(start, duration, matches(name))).collect()
    })
}

proptest! {
    #[test]
    fn any_split_is_the_whole(events in made_up(), silences in silences(), cuts in prop::collection::vec(0usize..60, 0..6), settle in 0i64..12_000) {
        let whole = run(events.clone(), &silences);
        let topology = topology();
        let around = Surroundings { topology: &topology, silences: &silences };
        let (mut open, mut notices, mut told) = (Incidents::default(), Vec::new(), Vec::new());
        for (n, mut event) in events.into_iter().enumerate() {
            if cuts.contains(&n) {
                open = open.clone();
                notices.extend(open.settle(event.at.minus(Duration::from_secs(settle.unsigned_abs())), around));
            }
            notices.extend(paging([&mut event], &mut open, around));
            told.push(event);
        }
        notices.extend(open.settle(Timestamp::from_secs(START + 1_000_000), around));
        notices.sort_by(|a, b| (a.at(), a).cmp(&(b.at(), b)));
        let mut expected = whole.notices;
        expected.sort_by(|a, b| (a.at(), a).cmp(&(b.at(), b)));
        prop_assert_eq!(notices, expected);
        prop_assert_eq!(told, whole.events);
    }

    /// Devices report in any order inside an instant; each device's own events keep theirs.
    #[test]
    fn the_order_of_devices_inside_an_instant_changes_no_page(events in made_up(), silences in silences()) {
        let mut by_name = events.clone();
        by_name.sort_by(|a, b| (a.at, &a.device).cmp(&(b.at, &b.device)));
        let mut by_name_back = events;
        by_name_back.sort_by(|a, b| a.at.cmp(&b.at).then(b.device.cmp(&a.device)));
        prop_assert_eq!(run(by_name, &silences).pages(), run(by_name_back, &silences).pages());
    }

    #[test]
    fn a_silence_hides_nothing_from_history(events in made_up(), silences in silences()) {
        let (heard, silenced) = (run(events.clone(), &[]), run(events.clone(), &silences));
        prop_assert_eq!(silenced.events.len(), events.len());
        for (before, after) in events.iter().zip(&silenced.events) {
            prop_assert_eq!(before, &AlertEvent { incident_id: None, ..after.clone() });
        }
        let known = |run: &Run| run.events.iter().map(|event| event.incident_id.is_some()).collect::<Vec<_>>();
        prop_assert_eq!(known(&heard), known(&silenced));
        prop_assert!(silenced.pages().len() <= heard.pages().len());
    }
}
