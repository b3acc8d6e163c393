//! One observation through what is remembered of its device: the engine's straight line.

mod doubt;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use cliffwatch_model::{
    AlertState, Ask, AskKind, ErrorKind, Observation, Outcome, PollHeader, Severity, TableId, TableKey,
    TableObservation, Timestamp, Trigger,
};

use self::doubt::patience;
use crate::coverage::Thin;
use crate::device::{Device, DeviceMemory, DeviceView};
use crate::event::{About, event};
use crate::lifecycle::{Change, Moment, Progress};
use crate::maintenance::{Maintenance, maintained_until, paused_until};
use crate::phase::Phase;
use crate::signals::Signals;
use crate::table::{Table, TableView};
use crate::tracks::{Track, Tracks};
use crate::trend::Course;
use crate::verdict::{Explanation, Verdict};
use crate::{Condition, DeviceFacts, RuleKind, RuleSet, RuleSpec, Verdicts};

/// Evidence costs the device more than a poll: one device is not asked more often.
const ASK_EVERY: Duration = Duration::from_secs(300);

/// The label of devices that are run fuller: carrier-grade NAT.
const CGN: &str = "cgn";

/// What stays the same through one observation.
#[derive(Clone, Copy)]
struct Pass<'a> {
    rules: &'a RuleSet,
    facts: &'a DeviceFacts,
    header: &'a PollHeader,
    generation: u64,
    maintenance: &'a [Maintenance],
    /// Not backfilled: people are told, unless the device is worked on.
    live: bool,
}

/// What is configured beside the devices.
#[derive(Clone, Copy)]
pub(crate) struct Setup<'a> {
    pub(crate) rules: &'a RuleSet,
    pub(crate) maintenance: &'a [Maintenance],
}

/// Takes an observation up; gives back the tables that are gone.
pub(crate) fn observe(
    device: &mut Device,
    setup: Setup<'_>,
    o: &Observation,
    out: &mut Verdicts,
) -> Vec<TableId> {
    device.unsaved = true;
    device.sight.take(o);
    let Device { facts, memory, tracks, tables, generation, .. } = device;
    let facts = facts.get_or_insert_with(|| DeviceFacts {
        name: o.header.device.clone(),
        platform: o.header.platform.clone(),
        labels: BTreeMap::new(),
    });
    let live = o.header.trigger != Trigger::Backfill;
    let Setup { rules, maintenance } = setup;
    let pass = Pass { rules, facts, header: &o.header, generation: *generation, maintenance, live };
    memory.take(o, pass.is_paused(o.outcome));
    let view = DeviceView { poll: o, memory };
    if pass.device(tracks, &view, out) {
        pass.doubt_device(tracks, &view, out);
        for (id, table) in &mut *tables {
            pass.doubt_table(*id, table, memory.failing_for(o.header.finished_at), out);
        }
    }
    let mut trouble = false;
    for reading in &o.tables {
        let table = tables.entry(reading.id).or_insert_with(|| Box::new(Table::new(&reading.table.path())));
        pass.table(table, reading, memory, out);
        trouble |= table.tracks.bound.iter().any(is_trouble);
    }
    pass.try_new_connection(tracks, memory, trouble, out);
    if o.header.trigger == Trigger::Tick {
        pass.doubt_unseen(tables, memory.ticks, o.outcome, out);
    }
    pass.gone(tables, o, out)
}

/// Closes everything that is open on a device that left the inventory.
pub(crate) fn retire(device: &mut Device, header: &PollHeader, out: &mut Verdicts) {
    let Some(facts) = &device.facts else { return };
    let now = Moment { at: header.finished_at, live: header.trigger != Trigger::Backfill };
    let why = "the device left the inventory";
    end(&mut device.tracks, About { facts, table: None }, now, why, out);
    for (id, table) in &mut device.tables {
        end(&mut table.tracks, About { facts, table: Some((*id, &table.path)) }, now, why, out);
    }
}

impl Pass<'_> {
    fn now(&self) -> Moment {
        self.moment(self.header.finished_at)
    }

    fn moment(&self, at: Timestamp) -> Moment {
        let DeviceFacts { name, labels, .. } = self.facts;
        Moment { at, live: self.live && maintained_until(self.maintenance, name, labels, at).is_none() }
    }

    /// Whether the device was not polled because it is worked on.
    fn is_paused(&self, outcome: Outcome) -> bool {
        let DeviceFacts { name, labels, .. } = self.facts;
        outcome == Outcome::Failed(ErrorKind::Busy)
            && paused_until(self.maintenance, name, labels, self.header.finished_at).is_some()
    }

    fn is_cgn(&self) -> bool {
        self.facts.labels.get(CGN).is_some_and(|value| value != "false")
    }

    /// The rules about the device itself; whether it just turned out to be unreadable.
    fn device(&self, tracks: &mut Tracks, view: &DeviceView<'_>, out: &mut Verdicts) -> bool {
        let about = About { facts: self.facts, table: None };
        self.bind(tracks, about, |rule| rule.is_for_device(self.facts), out);
        let mut unreadable = false;
        let now = self.now();
        for Track { rule, progress } in &mut tracks.bound {
            let verdict = rule.graded(rule.condition.judge_device(view), now.at);
            let now = Moment { live: now.live && rule.is_active(now.at), ..now };
            let Some(change) = progress.step(rule, verdict, 0, now) else { continue };
            unreadable |= rule.kind == RuleKind::Stale && change.state == AlertState::Firing;
            out.events.push(event(&rule.id, about, &change, rule.condition.explain_device(view)));
        }
        unreadable
    }

    /// The rules about one table.
    fn table(
        &self,
        table: &mut Table,
        reading: &TableObservation,
        device: &mut DeviceMemory,
        out: &mut Verdicts,
    ) {
        let Table { path, memory, tracks, sight, unsaved } = table;
        *unsaved = true;
        let about = About { facts: self.facts, table: Some((reading.id, path)) };
        self.bind(tracks, about, |rule| rule.is_for_table(self.facts, reading.table.kind), out);
        let late = memory.is_late(reading);
        let signals = Signals::of(reading);
        sight.take(reading, late || reading.revision > 0);
        memory.take(reading, &signals, self.header, device.ticks);
        let course = Course::new(&memory.trend, reading.observed_at);
        let view = TableView {
            reading,
            signals: &signals,
            memory,
            course: &course,
            sizes: device.sizes(&reading.table.name),
            open: None,
            cgn: self.is_cgn(),
        };
        let now = self.moment(reading.observed_at);
        for Track { rule, progress } in &mut tracks.bound {
            let now = Moment { live: now.live && rule.is_active(now.at), ..now };
            let view = TableView { open: progress.alert.map(|alert| alert.severity), ..view };
            let (change, thin) = if late {
                (self.late(rule, progress, &view, now), None)
            } else {
                self.current(rule, progress, &view, now)
            };
            let Some(change) = change else { continue };
            let mut why = rule.condition.explain_table(&view, change.alert.counted);
            if let Some(thin) = thin {
                say_thin(thin, &mut why);
            }
            if change.state == AlertState::Firing {
                device.loads.tell(&memory.trend, &mut why.evidence, &mut why.text);
            }
            out.events.push(event(&rule.id, about, &change, why));
            if self.should_ask(rule, &change, device.asked_at) {
                device.asked_at = Some(self.header.finished_at);
                progress.asked();
                out.asks.push(self.ask(AskKind::Evidence, Some(&reading.table)));
            }
        }
    }

    /// Too few readings, or readings that say nothing of it, make an alert neither confirmed nor over. One of
    /// a rule without a hold is proved over by a single reading.
    fn current(
        &self,
        rule: &RuleSpec,
        progress: &mut Progress,
        view: &TableView<'_>,
        now: Moment,
    ) -> (Option<Change>, Option<Thin>) {
        let verdict = rule.graded(rule.condition.judge_table(view), now.at);
        let interval = self.header.interval;
        if progress.may_be_doubted() && !rule.hold.is_zero() {
            if verdict == Verdict::Unknown {
                return (progress.unmeasured(patience(interval), now), None);
            }
            let window = progress.wants_covered(rule, now.at).filter(|_| verdict == Verdict::Clear);
            if let Some(thin) = window.and_then(|window| view.memory.coverage.thin(window, interval)) {
                return (progress.doubt(now), Some(thin));
            }
        }
        (progress.step(rule, verdict, rule.condition.amount(view.signals), now), None)
    }

    fn late(
        &self,
        rule: &RuleSpec,
        progress: &mut Progress,
        view: &TableView<'_>,
        now: Moment,
    ) -> Option<Change> {
        let then = now.at;
        let Verdict::Raised(severity) = rule.graded(rule.condition.judge_late(view), then) else {
            return None;
        };
        let now = Moment { at: view.memory.newest.unwrap_or(then), ..now };
        progress.step_late(rule, severity, rule.condition.amount(view.signals), then, now)
    }

    /// Whether an alert that people are now told of is worth a question to the device: once for the alert.
    fn should_ask(&self, rule: &RuleSpec, change: &Change, asked_at: Option<Timestamp>) -> bool {
        let wanted = match rule.condition {
            Condition::Utilization(_) => change.alert.severity == Severity::Critical,
            Condition::Refusing(_) => change.alert.severity >= Severity::Warning,
            _ => false,
        };
        let rested = asked_at.is_none_or(|at| self.header.finished_at.since(at) >= ASK_EVERY);
        wanted && rested && change.told && change.state == AlertState::Firing && !change.alert.asked
    }

    fn ask(&self, kind: AskKind, table: Option<&Arc<TableKey>>) -> Ask {
        Ask { device: self.facts.name.clone(), table: table.cloned(), kind }
    }

    /// Asks whether a new connection gets in, again and again while a table is in trouble or the answer was
    /// no: only an answer ends that alert.
    fn try_new_connection(
        &self,
        tracks: &Tracks,
        memory: &mut DeviceMemory,
        trouble: bool,
        out: &mut Verdicts,
    ) {
        let now = self.header.finished_at;
        let wanted = tracks.bound.iter().any(|Track { rule, progress }| match rule.condition {
            Condition::NewConnections(condition) => {
                (trouble || progress.alert.is_some() || memory.ways.is_refused())
                    && condition.is_due(&memory.ways, memory.tried_at, now)
            }
            _ => false,
        });
        if wanted && self.now().live {
            memory.tried_at = Some(now);
            out.asks.push(self.ask(AskKind::TryNewConnection, None));
        }
    }

    /// Binds the rules in force after a change of configuration.
    fn bind(
        &self,
        tracks: &mut Tracks,
        about: About<'_>,
        wanted: impl Fn(&RuleSpec) -> bool,
        out: &mut Verdicts,
    ) {
        if tracks.is_bound(self.generation) {
            return;
        }
        for mut leftover in tracks.bind(self.rules, self.generation, wanted) {
            if let Some(change) = leftover.progress.end(self.now()) {
                out.events.push(event(&leftover.rule, about, &change, Explanation::of(leftover.why)));
            }
        }
    }

    fn gone(
        &self,
        tables: &mut BTreeMap<TableId, Box<Table>>,
        o: &Observation,
        out: &mut Verdicts,
    ) -> Vec<TableId> {
        let mut gone = Vec::new();
        for key in &o.gone {
            let id = key.id();
            let Some(table) = tables.get_mut(&id) else { continue };
            // The journal knows that it came back after this.
            let after = self.header.finished_at.plus(Duration::from_micros(1));
            if table.tracks.progress().any(|(_, progress)| progress.is_settled(after)) {
                continue;
            }
            let about = About { facts: self.facts, table: Some((id, &table.path)) };
            end(&mut table.tracks, about, self.now(), "it no longer exists", out);
            tables.remove(&id);
            gone.push(id);
        }
        gone
    }
}

/// Says that too few readings came to call an alert over.
fn say_thin(Thin { came, due }: Thin, why: &mut Explanation) {
    why.text = format!("{came} of {due} readings came: {}", why.text);
    why.evidence.insert("readings_came".into(), came.into());
    why.evidence.insert("readings_due".into(), due.into());
}

/// Whether an open alert is one under which new connections may be lost: nearly full, or refusing.
fn is_trouble(Track { rule, progress }: &Track) -> bool {
    let Some(alert) = progress.alert.filter(|alert| !matches!(alert.phase, Phase::Pending { .. })) else {
        return false;
    };
    match rule.condition {
        Condition::Utilization(_) => alert.severity == Severity::Critical,
        Condition::Refusing(_) => alert.severity >= Severity::Warning,
        _ => false,
    }
}

/// Closes what is open on something that no longer exists.
fn end(tracks: &mut Tracks, about: About<'_>, now: Moment, why: &str, out: &mut Verdicts) {
    let mut close = |rule: &str, progress: &mut Progress| {
        if let Some(change) = progress.end(now) {
            out.events.push(event(rule, about, &change, Explanation::of(why)));
        }
    };
    tracks.progress_mut().for_each(|(rule, progress)| close(rule, progress));
    tracks.superseded_mut().for_each(|(rule, progress)| close(rule, progress));
}
