use std::collections::BTreeMap;
use std::net::IpAddr;

use cliffwatch_model::{Epoch, Fault, Load, Setting, Timestamp};

use super::load::{self, CpuTimes, Softnet, percent};
use super::number::{Lookup, not, whole};
use super::{KernelVersion, Section, Sections, excerpt};
use crate::paths;

/// The settings that say how the poller comes in.
pub(crate) const POLLER_ADDRESS: &str = "poller_address";
pub(crate) const SSH_PORT: &str = "ssh_port";

/// What the minute's part of a device's replies leaves behind for the next ones.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    epoch: Option<Epoch>,
    kernel: Option<KernelVersion>,
    totals: Option<Totals>,
    /// What could not be read; it holds until it is tried again.
    faults: Vec<Fault>,
}

/// Totals since boot, of which only the increase says something.
#[derive(Debug, Default)]
struct Totals {
    /// The device's own clock between two readings: it does not jump, and is read with them.
    uptime: Option<f64>,
    cpu: Option<CpuTimes>,
    softnet: Option<Vec<Softnet>>,
    interface_drops: Option<BTreeMap<String, u64>>,
}

/// The minute's part of one reply.
#[derive(Debug, Default)]
pub(super) struct SlowReading {
    pub(super) load: Load,
    pub(super) settings: BTreeMap<String, Setting>,
}

impl Memory {
    /// Forgets what was read before the device booted.
    pub(super) fn turn_epoch(&mut self, epoch: Option<&Epoch>) {
        if let Some(epoch) = epoch
            && self.epoch.as_ref() != Some(epoch)
        {
            *self = Self { epoch: Some(epoch.clone()), ..Self::default() };
        }
    }

    /// Whether the minute's part was never read in this life of the device.
    pub(crate) fn is_empty(&self) -> bool {
        self.totals.is_none()
    }

    pub(super) fn kernel(&self) -> Option<KernelVersion> {
        self.kernel
    }

    pub(super) fn faults(&self) -> &[Fault] {
        &self.faults
    }

    /// Reads the minute's part where the reply has it.
    pub(super) fn read(&mut self, sections: &Sections, halfway: Timestamp) -> SlowReading {
        if !paths::SLOW.iter().any(|name| sections.get(name).is_some()) {
            return SlowReading::default();
        }
        self.faults.clear();
        let mut reading =
            SlowReading { settings: settings(sections, &mut self.faults), ..SlowReading::default() };
        if let Some(release) = self.take(sections, "kernel release", paths::KERNEL, release) {
            self.kernel = KernelVersion::parse(&release).or(self.kernel);
            reading.settings.insert("kernel_release".into(), Setting::Text(release));
        }
        if let Some((address, port)) = self.take(sections, "own session", paths::SESSION, session) {
            reading.settings.insert(POLLER_ADDRESS.into(), Setting::Text(address.to_string()));
            reading.settings.insert(SSH_PORT.into(), Setting::Number(port.into()));
        }
        reading.load.clock_skew_seconds =
            self.take(sections, "clock", paths::DATE, whole).map(|date| skew(date, halfway));
        reading.load.tcp_states = self.tcp_states(sections);
        let memory = self.take(sections, "memory", paths::MEMORY, load::memory_percent).flatten();
        let now = Totals {
            uptime: self.take(sections, "uptime", paths::UPTIME, load::uptime),
            cpu: self.take(sections, "CPU load", paths::CPU, load::cpu_times),
            softnet: self.take(sections, "softnet drops", paths::SOFTNET, load::softnet),
            interface_drops: self
                .take(sections, "interface drops", paths::INTERFACES, load::interface_drops)
                .flatten(),
        };
        let since = self.totals.as_ref().map(|before| now.since(before)).unwrap_or_default();
        reading.load.figures = [("memory_percent", memory), ("uptime_seconds", now.uptime)]
            .into_iter()
            .chain(since)
            .filter_map(|(name, figure)| Some((name.to_owned(), figure?)))
            .collect();
        self.totals = Some(now);
        reading
    }

    /// The host's own TCP sockets; those of both address families are one number.
    fn tcp_states(&mut self, sections: &Sections) -> BTreeMap<String, u64> {
        let mut states: BTreeMap<String, u64> = BTreeMap::new();
        for file in paths::SOCKETS {
            for (state, count) in self.take(sections, "TCP sockets", file, load::sockets).unwrap_or_default()
            {
                let sum = states.entry(state).or_default();
                *sum = sum.saturating_add(count);
            }
        }
        let established = self.take(sections, "TCP connections", paths::SNMP, load::established);
        states.extend(established.map(|count| ("established".to_owned(), count)));
        states
    }

    /// One section, understood; what cannot be is remembered.
    fn take<T>(
        &mut self,
        sections: &Sections,
        what: &str,
        file: &str,
        read: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let found = Lookup::of(sections.get(file), read);
        self.faults.extend(found.fault(what, file));
        match found {
            Lookup::Value(value) => Some(value),
            _ => None,
        }
    }
}

type Figures = Vec<(&'static str, Option<f64>)>;

impl Totals {
    /// What happened since an earlier reading. What went back, or has other parts now, is not known.
    fn since(&self, before: &Self) -> Figures {
        let [cpu, softirq] = self.shares(before);
        let seconds = match (self.uptime, before.uptime) {
            (Some(now), Some(then)) if now > then => now - then,
            _ => return vec![("cpu_percent", cpu), ("softirq_percent", softirq)],
        };
        let rate = |events: Option<u64>| events.map(|events| load::rate(events, seconds));
        let softnet = |column: fn(&Softnet) -> u32| rate(self.softnet_since(before, column));
        vec![
            ("cpu_percent", cpu),
            ("softirq_percent", softirq),
            ("softnet_dropped_per_second", softnet(|cpu| cpu.dropped)),
            ("softnet_squeezed_per_second", softnet(|cpu| cpu.squeezed)),
            ("interface_dropped_per_second", rate(self.interface_drops_since(before))),
        ]
    }

    /// The share of time that all CPUs together were busy, and were in softirqs.
    fn shares(&self, before: &Self) -> [Option<f64>; 2] {
        let (Some(now), Some(then)) = (self.cpu, before.cpu) else { return [None, None] };
        let Some(total) = now.total.checked_sub(then.total).filter(|total| *total > 0) else {
            return [None, None];
        };
        let share = |part: Option<u64>| part.map(|part| percent(part.min(total), total));
        // `iowait` may go back a little (proc_stat(5)).
        let idle = now.idle.saturating_sub(then.idle).min(total);
        [share(Some(total - idle)), share(now.softirq.checked_sub(then.softirq))]
    }

    fn softnet_since(&self, before: &Self, column: fn(&Softnet) -> u32) -> Option<u64> {
        let (now, then) = (self.softnet.as_ref()?, before.softnet.as_ref()?);
        // A line less or more: a CPU went off or on, and the lines do not say which.
        (now.len() == then.len()).then(|| {
            let moved = now.iter().zip(then).map(|(now, then)| column(now).wrapping_sub(column(then)));
            moved.map(u64::from).sum()
        })
    }

    /// Over the interfaces that were there both times: containers come and go.
    fn interface_drops_since(&self, before: &Self) -> Option<u64> {
        let (now, then) = (self.interface_drops.as_ref()?, before.interface_drops.as_ref()?);
        let moved = now.iter().filter_map(|(name, drops)| drops.checked_sub(*then.get(name)?));
        Some(moved.fold(0, u64::saturating_add))
    }
}

/// Conntrack's own settings: each file that was shown, the unit in the name.
fn settings(sections: &Sections, faults: &mut Vec<Fault>) -> BTreeMap<String, Setting> {
    let mut settings = BTreeMap::new();
    for (path, section) in sections.iter() {
        let Some(name) = paths::setting(path) else { continue };
        // These two are the table itself, not settings of it.
        if name.ends_with("_count") || name.ends_with("conntrack_max") || *section == Section::Later {
            continue;
        }
        let found = Lookup::of(Some(section), setting);
        faults.extend(found.fault("conntrack settings", path));
        let unit = if name.contains("timeout") { "_seconds" } else { "" };
        settings.extend(found.value().map(|value| (format!("{name}{unit}"), Setting::Number(*value))));
    }
    settings
}

/// No setting of conntrack's is below 0.
fn setting(text: &str) -> Result<i64, String> {
    i64::try_from(whole(text)?).map_err(|_| not("a setting", text))
}

fn release(text: &str) -> Result<String, String> {
    Some(excerpt(text)).filter(|release| !release.is_empty()).ok_or_else(|| not("a release", text))
}

/// Where the device sees us come from, and the port of its sshd.
fn session(text: &str) -> Result<(IpAddr, u16), String> {
    let bad = || not("CLIENT PORT SERVER PORT", text);
    let [client, _, _, port] = text.split_whitespace().collect::<Vec<_>>()[..] else { return Err(bad()) };
    // Of an address of the link, the interface stands behind it.
    let (address, _) = client.split_once('%').unwrap_or((client, ""));
    Ok((address.parse().map_err(|_| bad())?, port.parse().map_err(|_| bad())?))
}

/// How far the device's clock is ahead of ours, in whole seconds and right to one: `date +%s` has no
/// fraction, so ours is cut as well.
fn skew(date: u64, ours: Timestamp) -> f64 {
    let theirs = i64::try_from(date).unwrap_or(i64::MAX);
    #[expect(clippy::cast_precision_loss, reason = "a skew in seconds is far below 2^53")]
    let ahead = theirs.saturating_sub(ours.as_micros().div_euclid(1_000_000)) as f64;
    ahead
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn skew_is_as_fine_as_the_devices_seconds() {
        let ours = |millis: i64| Timestamp::from_micros(millis * 1_000);
        for millis in [100_000, 100_400, 100_999] {
            assert_eq!(skew(100, ours(millis)).to_bits(), 0.0_f64.to_bits(), "{millis}");
        }
        assert!((skew(160, ours(100_200)) - 60.0).abs() < 1e-9);
        assert!((skew(40, ours(100_200)) + 60.0).abs() < 1e-9);
        assert!(skew(u64::MAX, ours(0)).is_finite());
    }

    #[test]
    fn our_own_session_is_where_the_device_sees_us_come_from() {
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        assert_eq!(session("192.0.2.3 50022 192.0.2.10 22\n"), Ok((address("192.0.2.3"), 22)));
        assert_eq!(session("fe80::1%eth0 50022 fe80::2%eth0 2222"), Ok((address("fe80::1"), 2_222)));
        for text in ["", "192.0.2.3 50022 192.0.2.10", "host 1 192.0.2.10 22", "192.0.2.3 1 192.0.2.10 70000"]
        {
            assert!(session(text).is_err(), "{text}");
        }
    }

    #[test]
    fn softnet_counters_wrap_at_32_bits() {
        let one =
            |dropped| Totals { softnet: Some(vec![Softnet { dropped, squeezed: 0 }]), ..Totals::default() };
        assert_eq!(one(3).softnet_since(&one(u32::MAX - 1), |cpu| cpu.dropped), Some(5));
        let two = Totals { softnet: Some(vec![Softnet { dropped: 0, squeezed: 0 }; 2]), ..Totals::default() };
        assert_eq!(two.softnet_since(&one(0), |cpu| cpu.dropped), None);
    }

    #[test]
    fn an_interface_that_came_or_was_reset_adds_nothing() {
        let drops = |list: &[(&str, u64)]| Totals {
            interface_drops: Some(list.iter().map(|(name, drops)| ((*name).to_owned(), *drops)).collect()),
            ..Totals::default()
        };
        let before = drops(&[("eth0", 10), ("veth1", 500), ("gone", 7)]);
        assert_eq!(drops(&[("eth0", 14), ("veth1", 2), ("new", 9)]).interface_drops_since(&before), Some(4));
    }
}
