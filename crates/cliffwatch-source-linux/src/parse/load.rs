use std::collections::BTreeMap;

use crate::fetch::LINES_MAX;

use super::number::{decimal, hexadecimal, in_32_bits, not};

/// The kernel's own times of all CPUs, in clock ticks since boot (proc_stat(5)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CpuTimes {
    pub(super) total: u64,
    pub(super) idle: u64,
    pub(super) softirq: u64,
}

/// The first line of `/proc/stat`.
pub(super) fn cpu_times(text: &str) -> Result<CpuTimes, String> {
    let line =
        text.lines().find_map(|line| line.strip_prefix("cpu ")).ok_or_else(|| not("CPU times", text))?;
    let times: Option<Vec<u64>> = line.split_whitespace().map(decimal).collect();
    // user nice system idle iowait irq softirq steal; guest times are part of user and nice.
    match times.as_deref() {
        Some([user, nice, system, idle, iowait, irq, softirq, rest @ ..]) => {
            let steal = rest.first().unwrap_or(&0);
            let idle = idle.saturating_add(*iowait);
            let busy = [user, nice, system, irq, softirq, steal];
            let total = busy.into_iter().fold(idle, |sum, time| sum.saturating_add(*time));
            Ok(CpuTimes { total, idle, softirq: *softirq })
        }
        _ => Err(not("CPU times", text)),
    }
}

/// The share of memory that is not available without swapping, in percent; nothing on kernels before
/// 3.14, which do not tell `MemAvailable`.
pub(super) fn memory_percent(text: &str) -> Result<Option<f64>, String> {
    let kib = |name: &str| {
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        Some(value.split_whitespace().next().and_then(decimal).ok_or_else(|| not("a size", value)))
    };
    let total = kib("MemTotal").ok_or_else(|| not("a list of sizes", text))??;
    let Some(available) = kib("MemAvailable").transpose()? else { return Ok(None) };
    if total == 0 || available > total {
        return Err(format!("{available} of {total} KiB cannot be available"));
    }
    Ok(Some(percent(total - available, total)))
}

/// Packets that a CPU's backlog refused, and how often it ran out of time: columns 2 and 3, 32 bits each
/// (`softnet_seq_show` in net/core/net-procfs.c).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Softnet {
    pub(super) dropped: u32,
    pub(super) squeezed: u32,
}

/// `/proc/net/softnet_stat`: one line of hexadecimal numbers per CPU that is online.
pub(super) fn softnet(text: &str) -> Result<Vec<Softnet>, String> {
    let cpu = |line: &str| {
        let mut columns = line.split_whitespace().skip(1).map(hexadecimal);
        let mut next = || u32::try_from(columns.next()??).ok();
        Some(Softnet { dropped: next()?, squeezed: next()? })
    };
    let cpus: Vec<_> = text
        .lines()
        .filter(|line| !line.trim().is_empty())
        .map(cpu)
        .collect::<Option<_>>()
        .unwrap_or_default();
    if cpus.is_empty() { Err(not("a line per CPU", text)) } else { Ok(cpus) }
}

/// Packets that each interface dropped, received and sent together; nothing where there are more
/// interfaces than are shown.
pub(super) fn interface_drops(text: &str) -> Result<Option<BTreeMap<String, u64>>, String> {
    // Two lines of headings; then 8 columns received and 8 sent, the fourth of each is `drop`.
    let interface = |line: &str| {
        let (name, figures) = line.split_once(':')?;
        let figures: Vec<u64> = figures.split_whitespace().map(decimal).collect::<Option<_>>()?;
        match figures.as_slice() {
            [_, _, _, received, _, _, _, _, _, _, _, sent, ..] => {
                Some((name.trim().to_owned(), received.saturating_add(*sent)))
            }
            _ => None,
        }
    };
    if text.lines().count() >= LINES_MAX {
        return Ok(None);
    }
    let interfaces = text.lines().skip(2).filter(|line| !line.trim().is_empty());
    interfaces
        .map(|line| interface(line).ok_or_else(|| not("an interface", line)))
        .collect::<Result<_, _>>()
        .map(Some)
}

/// The host's own TCP sockets: `inuse` (bound or connected; both families), `orphan`, `tw` and `alloc`.
pub(super) fn sockets(text: &str) -> Result<BTreeMap<String, u64>, String> {
    let mut states = BTreeMap::new();
    for line in text.lines() {
        let Some(rest) = line.strip_prefix("TCP: ").or_else(|| line.strip_prefix("TCP6: ")) else { continue };
        let words: Vec<&str> = rest.split_whitespace().collect();
        for pair in words.chunks(2) {
            let [name, value] = pair else { return Err(not("pairs of name and number", line)) };
            let value = decimal(value).ok_or_else(|| not("pairs of name and number", line))?;
            let name = match *name {
                "tw" => "time_wait",
                "inuse" | "orphan" | "alloc" => name,
                // Pages of memory, not sockets.
                _ => continue,
            };
            states.insert(name.to_owned(), value);
        }
    }
    if states.is_empty() { Err(not("TCP sockets", text)) } else { Ok(states) }
}

/// Established connections of the host itself: `CurrEstab` (ESTABLISHED and CLOSE_WAIT, RFC 4022).
pub(super) fn established(text: &str) -> Result<u64, String> {
    let mut lines = text.lines().filter_map(|line| line.strip_prefix("Tcp: "));
    let (names, values) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    let mut pairs = names.split_whitespace().zip(values.split_whitespace());
    let value = pairs.find(|(name, _)| *name == "CurrEstab").and_then(|(_, value)| decimal(value));
    // A sum over CPUs that went below 0 is shown as a number of 64 bits.
    value.and_then(in_32_bits).ok_or_else(|| not("TCP counters", text))
}

/// Seconds since boot; the second number is idle time.
pub(super) fn uptime(text: &str) -> Result<f64, String> {
    let seconds = text.split_whitespace().next().and_then(|word| {
        let (whole, fraction) = word.split_once('.').unwrap_or((word, "0"));
        decimal(whole).and(decimal(fraction))?;
        word.parse::<f64>().ok().filter(|seconds| seconds.is_finite())
    });
    seconds.ok_or_else(|| not("an uptime", text))
}

/// A part of a whole that is not 0.
#[expect(clippy::cast_precision_loss, reason = "a share needs no 53 bits")]
pub(super) fn percent(part: u64, whole: u64) -> f64 {
    part as f64 / whole as f64 * 100.0
}

/// Events per second, over a time that is not 0.
#[expect(clippy::cast_precision_loss, reason = "a rate needs no 53 bits")]
pub(super) fn rate(events: u64, seconds: f64) -> f64 {
    events as f64 / seconds
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_times_of_old_and_new_kernels() {
        let new = cpu_times("cpu  10 1 5 80 4 1 2 3 9 9\n").unwrap();
        assert_eq!(new, CpuTimes { total: 106, idle: 84, softirq: 2 });
        assert_eq!(cpu_times("cpu 10 1 5 80 4 1 2\n").unwrap().total, 103);
        assert!(cpu_times("cpu 10 1 5 80\n").is_err() && cpu_times("cpu 1 1 1 1 1 1 -1\n").is_err());
    }

    #[test]
    fn memory_without_mem_available_is_not_known() {
        assert_eq!(memory_percent("MemTotal: 100 kB\nMemAvailable:  75 kB\n"), Ok(Some(25.0)));
        assert_eq!(memory_percent("MemTotal: 100 kB\nMemFree: 75 kB\n"), Ok(None));
        assert!(memory_percent("MemTotal: 100 kB\nMemAvailable: 101 kB\n").is_err());
        assert!(memory_percent("MemTotal: x kB\n").is_err() && memory_percent("").is_err());
    }

    #[test]
    fn interfaces_with_and_without_a_space() {
        let text = "Inter-|\n face |\n  lo: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\neth0:1 2 3 40 5 6 7 8 9 10 11 0 13 14 15 16\n";
        assert_eq!(
            interface_drops(text).unwrap(),
            Some(BTreeMap::from([("lo".into(), 16), ("eth0".into(), 40)]))
        );
        assert!(interface_drops("\n\nlo 1 2\n").is_err());
        assert_eq!(interface_drops(&"x\n".repeat(LINES_MAX)), Ok(None));
    }

    #[test]
    fn sockets_have_honest_names() {
        let text = "sockets: used 15\nTCP: inuse 1 orphan 0 tw 7 alloc 2 mem 397\nUDP: inuse 9 mem 0\n";
        let states = sockets(text).unwrap();
        let wanted = [("alloc", 2), ("inuse", 1), ("orphan", 0), ("time_wait", 7)];
        assert_eq!(states, wanted.map(|(name, value)| (name.to_owned(), value)).into());
        assert!(sockets("TCP: inuse x\n").is_err() && sockets("UDP: inuse 1\n").is_err());
        assert_eq!(established("Ip: A\nIp: 1\nTcp: A CurrEstab\nTcp: -1 12\n"), Ok(12));
        assert!(established("Tcp: CurrEstab\nTcp: 18446744073709551615\n").is_err());
    }

    #[test]
    fn softnet_reads_the_second_and_third_column() {
        let cpus = softnet("00001c2f 00000002 0000000a 0\n00003d6c 00000000 00000001 0\n").unwrap();
        assert_eq!(cpus, [Softnet { dropped: 2, squeezed: 10 }, Softnet { dropped: 0, squeezed: 1 }]);
        assert!(softnet("1 2\n").is_err() && softnet("1 100000000 0\n").is_err() && softnet("").is_err());
        assert_eq!(uptime("1836.28 2957.00\n"), Ok(1836.28));
        assert!(uptime("nan 1\n").is_err() && uptime("-1 1").is_err() && uptime("1e9").is_err());
    }
}
