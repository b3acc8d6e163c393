use std::time::Duration;

use cliffwatch_source::{PollCost, ProbeContext, own_cpu_time};
use tokio::time::Instant;

use super::scripts::COST;
use crate::fetch::Part;
use crate::parse::Sections;
use crate::source::{Held, LinuxSource, Way};

/// Polls that are measured: enough that one disturbed poll does not make the figure.
const POLLS: u32 = 20;
/// No further poll is begun after that: behind a slow line fewer are enough.
const TIME_MAX: Duration = Duration::from_secs(2);

/// The cost, and the last reply that was measured.
#[derive(Default)]
pub(super) struct Measured {
    pub(super) cost: Option<PollCost>,
    pub(super) last: Option<Sections>,
}

/// Polls a few times in a row and looks at the clocks of both ends.
pub(super) async fn measure(source: &LinuxSource, cx: &ProbeContext<'_>) -> Measured {
    let began = Instant::now();
    let before = Books::of(source.way(), cx).await;
    let ours = own_cpu_time().filter(|_| cx.alone);
    let mut times = Vec::new();
    let mut last = None;
    for _ in 0..POLLS {
        if began.elapsed() > TIME_MAX {
            break;
        }
        let asked = Instant::now();
        let Ok(answer) = source.read(Some(Part::Fast), &cx.poll).await else { break };
        times
            .push(answer.reading.reachability.held_ms.unwrap_or_else(|| asked.elapsed().as_secs_f64() * 1e3));
        last = Some(answer.sections);
    }
    let ours = ours.zip(own_cpu_time()).map(|(before, after)| after.saturating_sub(before));
    let after = Books::of(source.way(), cx).await;
    times.sort_by(f64::total_cmp);
    let Some(median) = times.get(times.len() / 2) else { return Measured { cost: None, last } };
    let polls = u32::try_from(times.len()).unwrap_or(u32::MAX);
    let each = |total: Duration| total.as_secs_f64() * 1e3 / f64::from(polls);
    let device = match source.way() {
        Way::Local(_) => Err("this machine is the device: our own figure has all of it".to_owned()),
        Way::Ssh(_) => Books::between(before.as_ref(), after.as_ref(), polls),
    };
    let (device_cpu, device_cpu_of) = match device {
        Ok((total, of)) => (Some(each(total)), of),
        Err(why) => (None, why),
    };
    let cost = PollCost {
        polls,
        round_trip_ms: *median,
        our_cpu_ms: ours.map(each),
        device_cpu_ms: device_cpu,
        device_cpu_of,
    };
    Measured { cost: Some(cost), last }
}

/// What the device's kernel has booked on our session's processes.
#[derive(Debug, PartialEq, Eq)]
struct Books {
    /// The shell, then its parent where that may be seen.
    processes: Vec<Process>,
    /// CPU time of the processes that the shell started and that have ended, in steps of 10 ms.
    children: Option<Duration>,
}

#[derive(Debug, PartialEq, Eq)]
struct Process {
    pid: u32,
    cpu: Duration,
    name: String,
}

impl Books {
    async fn of(way: &Way, cx: &ProbeContext<'_>) -> Option<Self> {
        let Way::Ssh(held) = way else { return None };
        Self::ask(held, Instant::now() + cx.poll.deadline).await
    }

    async fn ask(held: &Held, deadline: Instant) -> Option<Self> {
        let reply = held.ask(&COST, deadline).await.ok()?;
        Self::told(&Sections::parse(&reply.stdout).ok()?)
    }

    /// Nothing where something else than our script has answered, which says nothing of the kernel.
    fn told(sections: &Sections) -> Option<Self> {
        sections.get("cpu").map(|_| Self::parse(sections))
    }

    fn parse(sections: &Sections) -> Self {
        let process = |line: &str| {
            let (pid, rest) = line.split_once(' ')?;
            let (cpu, name) = rest.split_once(' ')?;
            let cpu = Duration::from_nanos(cpu.parse().ok()?);
            Some(Process { pid: pid.parse().ok()?, cpu, name: name.trim().to_owned() })
        };
        let lines = sections.text("cpu").unwrap_or_default().lines();
        let times = sections.text("times").and_then(|text| text.lines().nth(1));
        let children = times.and_then(|line| line.split_whitespace().map(clock).sum());
        Self { processes: lines.filter_map(process).collect(), children }
    }

    /// What was booked between two looks, and on whom.
    fn between(
        before: Option<&Self>,
        after: Option<&Self>,
        polls: u32,
    ) -> Result<(Duration, String), String> {
        let (Some(before), Some(after)) = (before, after) else {
            return Err("the device does not tell: the login runs a command of its own".to_owned());
        };
        let pairs = before.processes.iter().zip(&after.processes);
        let same = |(before, after): &(&Process, &Process)| before.pid == after.pid;
        if before.processes.is_empty() {
            return Err("the device's kernel does not tell (no /proc/PID/schedstat)".to_owned());
        }
        if !pairs.clone().all(|pair| same(&pair)) {
            return Err("the login keeps no shell: each poll has processes of its own".to_owned());
        }
        let booked: Duration = pairs.map(|(before, after)| after.cpu.saturating_sub(before.cpu)).sum();
        let children = before.children.zip(after.children);
        let children = children.map(|(before, after)| after.saturating_sub(before)).unwrap_or_default();
        let names: Vec<&str> = after.processes.iter().map(|process| process.name.as_str()).collect();
        let forks = match children {
            Duration::ZERO => String::new(),
            _ => format!(", and the programs it started (± {:.1} ms)", 10.0 / f64::from(polls)),
        };
        let parent = match names.get(1) {
            Some(name) if name.starts_with("sshd") => "",
            _ => "; not sshd, whose time cannot be seen",
        };
        Ok((
            booked + children,
            format!("{}{forks}{parent}; not the kernel's network work", names.join(" and ")),
        ))
    }
}

/// `0m1.230000s`, as the shell's `times` prints it.
fn clock(text: &str) -> Option<Duration> {
    let (minutes, seconds) = text.strip_suffix('s')?.split_once('m')?;
    let minutes: u32 = minutes.parse().ok()?;
    let seconds: f64 = seconds.replace(',', ".").parse().ok()?;
    Duration::try_from_secs_f64(f64::from(minutes) * 60.0 + seconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn books(text: &str) -> Books {
        Books::parse(&Sections::parse(format!("{text}==> end <==\n").as_bytes()).unwrap())
    }

    #[test]
    fn what_was_booked_between_two_looks_is_the_cost() {
        let before = books(
            "==> cpu <==\n7 1000000 sh\n6 9000000 sshd\n==> times <==\n0m0.01s 0m0.00s\n0m0.00s 0m0.00s\n",
        );
        let after = books(
            "==> cpu <==\n7 4000000 sh\n6 9500000 sshd\n==> times <==\n0m0.01s 0m0.00s\n0m0.00s 0m0.01s\n",
        );
        let (total, of) = Books::between(Some(&before), Some(&after), 10).unwrap();
        assert_eq!(total, Duration::from_micros(13_500));
        assert_eq!(of, "sh and sshd, and the programs it started (± 1.0 ms); not the kernel's network work");
    }

    #[test]
    fn another_shell_is_no_measure() {
        let (one, two) = (books("==> cpu <==\n7 1 sh\n"), books("==> cpu <==\n8 1 sh\n"));
        assert!(Books::between(Some(&one), Some(&two), 1).unwrap_err().contains("keeps no shell"));
        assert!(Books::between(Some(&books("")), Some(&two), 1).unwrap_err().contains("schedstat"));
        assert!(Books::between(None, Some(&two), 1).is_err());
        let (total, of) = Books::between(Some(&one), Some(&one), 1).unwrap();
        assert_eq!(total, Duration::ZERO);
        assert!(of.contains("not sshd"), "{of}");
    }

    #[test]
    fn a_bound_command_does_not_speak_for_the_kernel() {
        let told = |text: &str| Books::told(&Sections::parse(text.as_bytes()).unwrap());
        assert_eq!(told("==> /proc/uptime <==\n1.0 1.0\n==> end <==\n"), None);
        assert_eq!(told("==> cpu <==\n==> end <==\n"), Some(Books { processes: Vec::new(), children: None }));
    }

    #[test]
    fn times_of_three_shells() {
        for text in ["0m1.230000s", "0m1.23s", "0m1,230s"] {
            assert_eq!(clock(text), Some(Duration::from_millis(1_230)), "{text}");
        }
        assert_eq!((clock("1m0s"), clock("x"), clock("0m-1s")), (Some(Duration::from_secs(60)), None, None));
    }
}
