use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use cliffwatch_model::series::Point;
use cliffwatch_model::{
    Bound, Capacity, CapacityOrigin, CapacityReason, Counter, CounterBits, CounterKind, CounterName,
    CounterReading, DeviceName, GroupName, Role, Sample, Scope, TableKey, TableKind, TableState, Timestamp,
    Unit,
};

use super::Key;
use super::wave;
use crate::diagnostics::{Problem, Report};
use crate::scenario::file::{CounterFile, LateFile, TableFile};
use crate::scenario::track::Track;
use crate::yaml::At;

/// The length of a cloud provider's period where nothing is said.
const PERIOD: Duration = Duration::from_secs(60);

/// A table of the scenario.
pub(super) struct Table<'a> {
    file: &'a TableFile,
    key: Key,
    group: GroupName,
}

impl<'a> Table<'a> {
    pub(super) fn of(
        file: &'a At<TableFile>,
        device: &DeviceName,
        group: &GroupName,
        report: &mut Report,
    ) -> Option<Self> {
        let At { value: file, .. } = file;
        let Some(mut key) = key_of(&file.table.value, device) else {
            let message = "expected `SCOPE_KIND/SCOPE_NAME/KIND/NAME`";
            let kinds: Vec<&str> = TableKind::ALL.iter().map(|kind| kind.as_str()).collect();
            let hint = format!("such as `netns/host/conntrack/nf_conntrack`; kinds are {}", kinds.join(", "));
            report.push(Problem::error(file.table.at, message).hint(hint));
            return None;
        };
        key.protocol = file.protocol.as_deref().map(Into::into);
        key.part = file.part.iter().map(|(k, v)| (k.as_str().into(), v.as_str().into())).collect();
        for late in &file.late {
            for name in late.counters.keys().filter(|name| !file.counters.contains_key(*name)) {
                let message = format!("`late` has the counter `{name}`, which the table does not have");
                report.push(Problem::error(file.table.at, message));
            }
        }
        Some(Self { file, key: Arc::new(key), group: group.clone() })
    }

    /// How many ticks its longest series has.
    pub(super) fn ticks(&self) -> usize {
        let file = self.file;
        let tracks =
            [&file.capacity, &file.used, &file.setup_rate, &file.teardown_rate].into_iter().flatten();
        tracks.chain(file.counters.values().map(|counter| &counter.series)).map(Track::len).max().unwrap_or(1)
    }

    pub(super) fn lag(&self) -> Duration {
        self.file.lag.map_or(Duration::ZERO, |lag| lag.0)
    }

    pub(super) fn exists(&self, at: Duration) -> bool {
        self.file.from.is_none_or(|from| from.0 <= at) && self.file.until.is_none_or(|until| at < until.0)
    }

    pub(super) fn resets(&self, tick: usize) -> bool {
        self.file.used.as_ref().is_some_and(|used| used.resets(tick))
    }

    /// What a poll reads of it; nothing in a gap.
    pub(super) fn sample(&self, tick: usize, at: Duration, start: Timestamp) -> Option<Sample> {
        let used = match self.file.used.as_ref().map(|used| used.point(tick)) {
            Some(Point::Gap) => return None,
            Some(Point::Value { value, .. }) => Some(value),
            None => None,
        };
        let of = start.plus(at).minus(self.lag());
        let added = self.file.wave.as_ref().map_or(0, |wave| wave::value(wave, of, start));
        let mut sample = self.plain(tick, at, of);
        sample.used = used.map(|used| used.saturating_add(added));
        sample.counters = self
            .file
            .counters
            .iter()
            .filter_map(|(name, file)| Some((name.clone(), counter(file, file.series.value(tick)?))))
            .collect();
        Some(sample)
    }

    /// Readings of earlier instants that the poll at this time holds.
    pub(super) fn late(&self, at: Duration, interval: Duration, start: Timestamp) -> Vec<Sample> {
        let here = |late: &&LateFile| at <= late.at.0 && late.at.0 < at.saturating_add(interval);
        let sample = |late: &LateFile| {
            let tick = usize::try_from(late.of.0.as_millis() / interval.as_millis().max(1)).unwrap_or(0);
            let mut sample = self.plain(tick, at, start.plus(late.of.0));
            sample.used = late.used;
            let counters: BTreeMap<CounterName, Counter> = late
                .counters
                .iter()
                .filter_map(|(name, value)| {
                    Some((name.clone(), counter(self.file.counters.get(name)?, *value)))
                })
                .collect();
            sample.counters = counters;
            sample
        };
        self.file.late.iter().filter(here).map(sample).collect()
    }

    fn plain(&self, tick: usize, at: Duration, of: Timestamp) -> Sample {
        let file = self.file;
        let role = file.role.iter().rfind(|role| role.from.is_none_or(|from| from.0 <= at));
        let origin = file.origin.unwrap_or(CapacityOrigin::Reported);
        let bound = file.bound.unwrap_or(Bound::Hard);
        let limit = file.capacity.as_ref().and_then(|track| track.value(tick)).and_then(NonZeroU64::new);
        #[expect(clippy::cast_precision_loss, reason = "rates per second are far below 2^52")]
        let rate =
            |track: &Option<Track>| track.as_ref().and_then(|t| t.value(tick)).map(|value| value as f64);
        Sample {
            table: Arc::clone(&self.key),
            unit: file.unit.unwrap_or(Unit::Entries),
            group: self.group.clone(),
            state: TableState::Tracking,
            role: role.map_or(Role::Whole, |role| role.role),
            epoch: None,
            observed_at: of,
            used: None,
            capacity: limit.map(|limit| Capacity { limit, origin, bound }).ok_or(CapacityReason::NotTold),
            sheds_at: file.sheds_at,
            setup_rate: rate(&file.setup_rate),
            teardown_rate: rate(&file.teardown_rate),
            counters: BTreeMap::new(),
        }
    }
}

fn key_of(path: &str, device: &DeviceName) -> Option<TableKey> {
    let (scope_kind, rest) = path.split_once('/')?;
    let (scope_name, rest) = rest.split_once('/')?;
    let (kind, name) = rest.split_once('/')?;
    let kind = TableKind::parse(kind)?;
    let all = [scope_kind, scope_name, name];
    let scope = Scope::new(scope_kind, scope_name);
    all.iter().all(|part| !part.is_empty()).then(|| TableKey::new(device.clone(), scope, kind, name))
}

fn counter(file: &CounterFile, value: u64) -> Counter {
    let reading = match file.kind.unwrap_or(CounterKind::Cumulative) {
        CounterKind::Cumulative => {
            let bits = file.bits.as_ref().and_then(|bits| CounterBits::from_u8(bits.value));
            CounterReading::Cumulative { bits: bits.unwrap_or(CounterBits::B64), parts: vec![value] }
        }
        CounterKind::Period => {
            let period = file.period.map_or(PERIOD, |period| period.0);
            CounterReading::Period { value, period, provisional: false }
        }
        CounterKind::Event => CounterReading::Event { value },
    };
    Counter { class: file.class, reading }
}
