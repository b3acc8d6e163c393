use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use cliffwatch_model::Severity;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::span;
use crate::{ActiveTime, RULE_ID_BYTES_MAX, RuleKind, RuleSpec, Selector, Zone};

/// Rules that may be configured: more than a person oversees, few enough that all can look at every reading.
pub const RULES_MAX: usize = 64;

/// The rules in force: valid, with unique ids.
#[derive(Clone, Debug, PartialEq)]
pub struct RuleSet {
    rules: Vec<Arc<RuleSpec>>,
}

/// A rule as `rules.yaml` has it: what is absent keeps the value of the rule with this id, or of the
/// kind's built-in rule.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct RuleEntry {
    /// The rule to change, or the name of a new one.
    pub id: String,
    /// The kind; needed for a new rule.
    #[serde(default)]
    pub kind: Option<String>,
    /// Replaces the kind's own severity.
    #[serde(default)]
    pub severity: Option<Severity>,
    /// How long the condition must hold.
    #[serde(default, rename = "for", deserialize_with = "span::optional")]
    pub for_: Option<Duration>,
    /// How long it must be measured as over.
    #[serde(default, deserialize_with = "span::optional")]
    pub hold: Option<Duration>,
    /// How long the alert stays firing after the condition was last held.
    #[serde(default, deserialize_with = "span::optional")]
    pub keep_firing_for: Option<Duration>,
    /// When it may raise, in local time.
    #[serde(default)]
    pub active_time: Option<ActiveTime>,
    /// Whom it is for.
    #[serde(default, rename = "match")]
    pub matches: Option<Selector>,
    /// Whom of those it is not for.
    #[serde(default)]
    pub except: Option<Selector>,
    /// `false` switches it off.
    #[serde(default)]
    pub enabled: Option<bool>,
    /// The kind's parameters: `raise`, `clear`, …
    #[serde(flatten)]
    pub parameters: Map<String, Value>,
}

/// Why rules cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// An id that would be ambiguous in alert ids, labels or files.
    #[error("rule `{0}`: an id is 1 to {RULE_ID_BYTES_MAX} of a-z, 0-9 and `-`")]
    Id(String),
    /// Two rules under one name.
    #[error("rule `{0}`: the id is taken; ids are unique")]
    Duplicate(String),
    /// A new rule that does not say what it watches for.
    #[error("rule `{0}`: there is no built-in rule of this name, so a kind is needed: one of {kinds}", kinds = kinds())]
    KindMissing(String),
    /// A kind that does not exist.
    #[error("rule `{id}`: `{kind}` is not a kind; the kinds are {kinds}", kinds = kinds())]
    KindUnknown {
        /// The rule.
        id: String,
        /// What it names.
        kind: String,
    },
    /// A kind that differs from that of the rule with this id.
    #[error("rule `{id}`: this rule is of kind `{kind}`; give a rule of another kind its own id")]
    KindChanged {
        /// The rule.
        id: String,
        /// The kind it has.
        kind: RuleKind,
    },
    /// A parameter that is unknown, has the wrong type or contradicts another.
    #[error("rule `{id}`: {problem}")]
    Parameter {
        /// The rule.
        id: String,
        /// What is wrong.
        problem: String,
    },
    /// More than [`RULES_MAX`].
    #[error("{0} rules are configured; at most {RULES_MAX} are possible")]
    TooMany(usize),
}

fn kinds() -> String {
    RuleKind::ALL.map(RuleKind::as_str).join(", ")
}

impl RuleSet {
    /// Takes rules that are valid and have unique ids.
    ///
    /// # Errors
    /// Names the first rule that is not, and why.
    pub fn new(rules: Vec<RuleSpec>) -> Result<Self, RuleError> {
        if rules.len() > RULES_MAX {
            return Err(RuleError::TooMany(rules.len()));
        }
        let mut ids = BTreeSet::new();
        for rule in &rules {
            check_id(&rule.id)?;
            if !ids.insert(Arc::clone(&rule.id)) {
                return Err(RuleError::Duplicate(rule.id.to_string()));
            }
            let parameter = |problem| RuleError::Parameter { id: rule.id.to_string(), problem };
            rule.condition.check().map_err(parameter)?;
        }
        Ok(Self { rules: rules.into_iter().map(Arc::new).collect() })
    }

    /// The rules of the design, out of the box: one of each kind.
    pub fn builtin() -> Self {
        Self { rules: RuleKind::ALL.into_iter().map(|kind| Arc::new(RuleSpec::builtin(kind))).collect() }
    }

    /// The built-in rules, changed and added to.
    ///
    /// # Errors
    /// Names the first entry that cannot be used, and why.
    pub fn customised(entries: impl IntoIterator<Item = RuleEntry>) -> Result<Self, RuleError> {
        let mut rules: Vec<RuleSpec> = RuleKind::ALL.into_iter().map(RuleSpec::builtin).collect();
        let mut seen = BTreeSet::new();
        for entry in entries {
            if !seen.insert(entry.id.clone()) {
                return Err(RuleError::Duplicate(entry.id));
            }
            let known = rules.iter_mut().find(|rule| *rule.id == *entry.id);
            let kind = kind_of(&entry, known.as_deref())?;
            match known {
                Some(rule) => entry.apply_to(rule)?,
                None => {
                    let mut rule = RuleSpec { id: entry.id.as_str().into(), ..RuleSpec::builtin(kind) };
                    entry.apply_to(&mut rule)?;
                    rules.push(rule);
                }
            }
        }
        Self::new(rules)
    }

    /// The same with the days and hours of active times counted in this zone; in UTC before.
    #[must_use]
    pub fn in_zone(mut self, zone: &Zone) -> Self {
        for rule in &mut self.rules {
            if let Some(time) = &rule.active_time {
                let active_time = Some(time.in_zone(zone));
                *rule = Arc::new(RuleSpec { active_time, ..RuleSpec::clone(rule) });
            }
        }
        self
    }

    /// The rules, in the order in which a reading meets them.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<RuleSpec>> {
        self.rules.iter()
    }
}

fn kind_of(entry: &RuleEntry, known: Option<&RuleSpec>) -> Result<RuleKind, RuleError> {
    let named = match &entry.kind {
        None => None,
        Some(name) => Some(
            RuleKind::parse(name)
                .ok_or_else(|| RuleError::KindUnknown { id: entry.id.clone(), kind: name.clone() })?,
        ),
    };
    match (known.map(|rule| rule.kind), named) {
        (Some(kind), Some(named)) if kind != named => {
            Err(RuleError::KindChanged { id: entry.id.clone(), kind })
        }
        (Some(kind), _) | (None, Some(kind)) => Ok(kind),
        (None, None) => Err(RuleError::KindMissing(entry.id.clone())),
    }
}

fn check_id(id: &str) -> Result<(), RuleError> {
    let plain = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
    let valid = (1..=RULE_ID_BYTES_MAX).contains(&id.len()) && id.bytes().all(plain);
    if valid { Ok(()) } else { Err(RuleError::Id(id.to_owned())) }
}

impl RuleEntry {
    fn apply_to(self, rule: &mut RuleSpec) -> Result<(), RuleError> {
        let parameter = |problem| RuleError::Parameter { id: self.id.clone(), problem };
        rule.condition = rule.condition.with(&self.parameters).map_err(parameter)?;
        rule.severity = self.severity.or(rule.severity);
        rule.for_ = self.for_.unwrap_or(rule.for_);
        rule.hold = self.hold.unwrap_or(rule.hold);
        rule.keep_firing_for = self.keep_firing_for.unwrap_or(rule.keep_firing_for);
        rule.active_time = self.active_time.or_else(|| rule.active_time.clone());
        rule.matches = self.matches.unwrap_or_else(|| rule.matches.clone());
        rule.except = self.except.or_else(|| rule.except.clone());
        rule.enabled = self.enabled.unwrap_or(rule.enabled);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Condition, Utilization};

    fn customised(json: &str) -> Result<RuleSet, String> {
        let entries: Vec<RuleEntry> = serde_json::from_str(json).map_err(|error| error.to_string())?;
        RuleSet::customised(entries).map_err(|error| error.to_string())
    }

    fn rule<'a>(set: &'a RuleSet, id: &str) -> &'a RuleSpec {
        set.iter().find(|rule| *rule.id == *id).unwrap()
    }

    #[test]
    fn the_built_in_rules_are_valid_and_of_every_kind() {
        let specs = RuleSet::builtin().iter().map(|rule| (**rule).clone()).collect();
        assert_eq!(RuleSet::new(specs), Ok(RuleSet::builtin()));
        for kind in RuleKind::ALL {
            assert_eq!(RuleKind::parse(kind.as_str()), Some(kind));
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
    }

    #[test]
    fn a_rule_is_changed_added_and_switched_off() {
        let set = customised(
            r#"[{"id":"utilization-high","for":"10m","raise":80},
                {"id":"dns","kind":"utilization-high","clear":40,"raise":50,"severity":"info",
                 "match":{"labels":{"role":"dns"},"table":"conntrack"}},
                {"id":"shedding","enabled":false}]"#,
        )
        .unwrap();
        let high = rule(&set, "utilization-high");
        assert_eq!(high.for_, Duration::from_secs(600));
        assert_eq!(
            high.condition,
            Condition::Utilization(Utilization { raise: 80.0, ..Utilization::high() })
        );
        assert_eq!(rule(&set, "dns").severity, Some(Severity::Info));
        assert!(!rule(&set, "shedding").enabled);
        let office =
            customised(r#"[{"id":"refusing","active_time":"mon-fri 08:00-18:00","keep_firing_for":"10m"}]"#);
        let shown = serde_json::to_value(rule(&office.unwrap(), "refusing")).unwrap();
        assert_eq!(shown["active_time"], serde_json::json!(["mon,tue,wed,thu,fri 08:00-18:00"]));
        assert_eq!(shown["keep_firing_for"], "10m");
        assert_eq!(set.iter().count(), RuleKind::ALL.len() + 1);
    }

    #[test]
    fn mistakes_are_named() {
        let error = |json| customised(json).unwrap_err();
        assert_eq!(
            error(r#"[{"id":"Bad id","kind":"stale"}]"#),
            "rule `Bad id`: an id is 1 to 64 of a-z, 0-9 and `-`"
        );
        assert_eq!(
            error(r#"[{"id":"stale"},{"id":"stale"}]"#),
            "rule `stale`: the id is taken; ids are unique"
        );
        assert!(error(r#"[{"id":"mine"}]"#).starts_with("rule `mine`: there is no built-in rule of this name, so a kind is needed: one of utilization-critical, "));
        assert!(
            error(r#"[{"id":"mine","kind":"full"}]"#)
                .starts_with("rule `mine`: `full` is not a kind; the kinds are ")
        );
        assert_eq!(
            error(r#"[{"id":"stale","kind":"shedding"}]"#),
            "rule `stale`: this rule is of kind `stale`; give a rule of another kind its own id"
        );
        assert_eq!(
            error(r#"[{"id":"utilization-high","clear":75}]"#),
            "rule `utilization-high`: clear (75) must not be above raise (70)"
        );
        assert_eq!(
            error(r#"[{"id":"clock-skew","rise":5}]"#),
            "rule `clock-skew`: unknown field `rise`, expected `raise` or `clear`"
        );
        assert!(
            error(r#"[{"id":"clock-skew","for":"5 minutes"}]"#).starts_with("`5 minutes` is not a duration")
        );
        assert!(
            error(r#"[{"id":"clock-skew","active_time":"nights"}]"#)
                .starts_with("`nights` is not a time\nwrite ")
        );
        assert!(error(r#"[{"id":"clock-skew","match":{"role":"nat"}}]"#).starts_with("unknown field `role`"));
    }

    #[test]
    fn rules_have_a_number() {
        let one = RuleSpec::builtin(RuleKind::Stale);
        let many = (0..=RULES_MAX).map(|n| RuleSpec { id: format!("r{n}").into(), ..one.clone() }).collect();
        assert_eq!(RuleSet::new(many), Err(RuleError::TooMany(65)));
    }

    #[test]
    fn a_rule_shows_its_parameters() {
        let shown = serde_json::to_value(RuleSpec::builtin(RuleKind::UtilizationHigh)).unwrap();
        assert_eq!(shown["raise"], 70.0);
        assert_eq!(shown["for"], "5m");
        assert_eq!(serde_json::to_value(RuleSpec::builtin(RuleKind::Shedding)).unwrap()["hold"], "5m");
    }
}
