use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;

use crate::device::{Device, Platform};
use crate::fault::{Span, duration};
use crate::linux::{Documented, LinuxHost};
use crate::track::Track;

/// The scenarios that need no file, by name.
pub const BUILTIN: [(&str, &str); 2] =
    [("calm", include_str!("scenarios/calm.yaml")), ("cliff", include_str!("scenarios/cliff.yaml"))];
/// CPUs of one host. Each is a line in every reply.
const CPUS_MAX: u32 = 1_024;

/// What happens in a fleet: groups of devices with their figures over time. The files in `src/scenarios/`
/// show the form.
#[derive(Clone, Debug)]
pub struct Scenario {
    groups: Vec<Group>,
}

/// Why a text is no scenario.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    /// Not the form.
    #[error("{0}")]
    Form(String),
    /// A group whose figures cannot be used.
    #[error("group `{group}`: {what}: {problem}")]
    Group {
        /// Its name.
        group: String,
        /// Which key.
        what: String,
        /// Why.
        problem: String,
    },
}

#[derive(Clone, Debug)]
struct Group {
    name: String,
    share: usize,
    host: LinuxHost,
    faults: Vec<Span>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    step: String,
    groups: Vec<WrittenGroup>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenGroup {
    name: String,
    share: Option<usize>,
    used: String,
    max: Option<Series>,
    buckets: Option<u64>,
    cpus: Option<u32>,
    release: Option<String>,
    #[serde(default)]
    counters: BTreeMap<String, String>,
    #[serde(default)]
    faults: Vec<String>,
}

/// A number that stays, or a series.
#[derive(Deserialize)]
#[serde(untagged)]
enum Series {
    Number(u64),
    Text(String),
}

impl Scenario {
    /// Reads a scenario, YAML.
    ///
    /// # Errors
    /// When it is none; the first problem.
    pub fn parse(text: &str, documented: &Arc<Documented>) -> Result<Self, ScenarioError> {
        let written: Written =
            serde_saphyr::from_str(text).map_err(|error| ScenarioError::Form(error.to_string()))?;
        let step = duration(&written.step).filter(|step| !step.is_zero());
        let step = step.ok_or_else(|| ScenarioError::Form("`step` is a duration such as 10s".to_owned()))?;
        let groups: Vec<Group> =
            written.groups.into_iter().map(|group| group.read(step, documented)).collect::<Result<_, _>>()?;
        if groups.iter().all(|group| group.share == 0) {
            return Err(ScenarioError::Form("a scenario has a group with a share".to_owned()));
        }
        Ok(Self { groups })
    }

    /// So many devices, divided among the groups by their shares: `gw-1`, `gw-2`, `leak-1`.
    pub fn devices(&self, count: usize) -> Vec<Device> {
        let whole: usize = self.groups.iter().map(|group| group.share).sum();
        let mut devices = Vec::with_capacity(count);
        let mut shares = 0;
        for group in &self.groups {
            shares += group.share;
            let through = count * shares / whole.max(1);
            for number in 1..=through.saturating_sub(devices.len()) {
                devices.push(Device {
                    name: format!("{}-{number}", group.name),
                    platform: Platform::Linux(group.host.clone()),
                    faults: group.faults.clone(),
                });
            }
        }
        devices
    }
}

impl WrittenGroup {
    fn read(self, step: Duration, documented: &Arc<Documented>) -> Result<Group, ScenarioError> {
        let Self { name, share, used, max, buckets, cpus, release, counters, faults } = self;
        let fail = |what: &str, problem: String| ScenarioError::Group {
            group: name.clone(),
            what: what.to_owned(),
            problem,
        };
        let track =
            |what: &str, text: &str| Track::parse(text, step).map_err(|error| fail(what, error.to_string()));
        let calm = LinuxHost::calm(Arc::clone(documented));
        let cpus = cpus.unwrap_or(calm.cpus);
        if !(1..=CPUS_MAX).contains(&cpus) {
            return Err(fail("cpus", format!("1 to {CPUS_MAX}")));
        }
        let max = match max {
            None => calm.max,
            Some(Series::Number(max)) => Track::constant(max),
            Some(Series::Text(text)) => track("max", &text)?,
        };
        let counter = |(column, text): (String, String)| {
            if !LinuxHost::has_column(&column) {
                return Err(fail("counters", format!("the statistics have no column `{column}`")));
            }
            let counted = track(&column, &text)?;
            Ok((column, counted))
        };
        let span = |text: &String| text.parse::<Span>().map_err(|error| fail("faults", error.to_string()));
        let host = LinuxHost {
            used: track("used", &used)?,
            max,
            buckets: buckets.unwrap_or(calm.buckets),
            cpus,
            release: release.unwrap_or(calm.release),
            counters: counters.into_iter().map(counter).collect::<Result<_, _>>()?,
            documented: calm.documented,
            namespaces: Vec::new(),
        };
        let faults = faults.iter().map(span).collect::<Result<_, _>>()?;
        Ok(Group { share: share.unwrap_or(1), host, faults, name })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn documented() -> Arc<Documented> {
        Arc::new(Documented::new([]).unwrap())
    }

    #[test]
    fn the_builtin_scenarios_can_be_read_and_divide_the_fleet() {
        for (name, text) in BUILTIN {
            let scenario =
                Scenario::parse(text, &documented()).unwrap_or_else(|error| panic!("{name}: {error}"));
            for count in [0, 1, 7, 1_000] {
                assert_eq!(scenario.devices(count).len(), count, "{name}");
            }
        }
        let cliff = Scenario::parse(BUILTIN[1].1, &documented()).unwrap().devices(100);
        let named = |start: &str| cliff.iter().filter(|device| device.name.starts_with(start)).count();
        assert_eq!([named("gw-"), named("leak-"), named("boot-")], [80, 5, 2]);
    }

    #[test]
    fn problems_are_named() {
        let error = |group: &str| {
            let text = format!("step: 10s\ngroups:\n  - {{ name: gw, {group} }}");
            Scenario::parse(&text, &documented()).unwrap_err().to_string()
        };
        assert!(error("used: \"5 abc\"").contains("group `gw`: used: `abc`"), "{}", error("used: \"5 abc\""));
        assert!(error("used: \"5\", cpus: 0").contains("cpus: 1 to 1024"));
        assert!(error("used: \"5\", counters: { drops: \"1\" }").contains("no column `drops`"));
        assert!(error("used: \"5\", faults: [hang]").contains("is no fault"));
        assert!(error("used: \"5\", color: red").contains("color"));
        assert!(error("used: \"5\", share: 0").contains("a share"));
    }

    #[test]
    fn a_limit_may_be_a_number_or_a_series() {
        for max in ["1000", "\"1000 2000\""] {
            let text = format!("step: 10s\ngroups: [{{ name: gw, used: \"5\", max: {max} }}]");
            let devices = Scenario::parse(&text, &documented()).unwrap().devices(1);
            let Platform::Linux(host) = &devices[0].platform;
            assert_eq!(host.max.at(Duration::ZERO), Some(1_000));
        }
    }
}
