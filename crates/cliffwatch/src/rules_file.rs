//! `rules.yaml`: the built-in rules, changed and added to. What a rule may say is the rules' own matter; this
//! finds the place in the file for what they object to.

use std::collections::BTreeSet;
use std::sync::Arc;

use cliffwatch_rules::{RuleEntry, RuleSet, Zone};

use crate::diagnostics::{Position, Problem, Report};
use crate::inventory::NamedPath;
use crate::yaml::{self, Node, Value};

/// What every rule may say, beside the parameters of its kind.
const KEYS: [&str; 10] =
    ["id", "kind", "severity", "for", "hold", "keep_firing_for", "active_time", "match", "except", "enabled"];

/// Reads the files in order; the built-in rules where there are none. Active times are counted in the zone.
pub(crate) fn load(paths: &[NamedPath], zone: &Zone, report: &mut Report) -> Arc<RuleSet> {
    let mut entries = Vec::new();
    for named in paths {
        if let Some(root) = yaml::load(&named.path, named.at, report) {
            for node in rules_of(&root, report) {
                entries.extend(entry(node, report));
            }
        }
    }
    in_force(entries, zone, report)
}

/// The rules of a list that stands in another file.
pub(crate) fn from_list(list: &Node, zone: &Zone, report: &mut Report) -> Arc<RuleSet> {
    let nodes = rules_of(list, report);
    let entries = nodes.into_iter().filter_map(|node| entry(node, report)).collect();
    in_force(entries, zone, report)
}

fn in_force(entries: Vec<(Node, RuleEntry)>, zone: &Zone, report: &mut Report) -> Arc<RuleSet> {
    // Each by itself first, so that one run finds every mistake, and then all together.
    let mut usable = Vec::new();
    for (node, entry) in entries {
        match RuleSet::customised([entry.clone()]) {
            Ok(_) => usable.push((node, entry)),
            Err(error) => report.push(problem(&node, &error.to_string())),
        }
    }
    duplicates(&usable, report);
    let mut ids = BTreeSet::new();
    let unique = usable.into_iter().map(|(_, entry)| entry).filter(|entry| ids.insert(entry.id.clone()));
    match RuleSet::customised(unique) {
        Ok(rules) => Arc::new(rules.in_zone(zone)),
        Err(error) => {
            report.push(Problem::error(None, error.to_string()));
            Arc::new(RuleSet::builtin())
        }
    }
}

/// The rules of one file: a list, also under the key `rules`.
fn rules_of(root: &Node, report: &mut Report) -> Vec<Node> {
    let list = match &root.value {
        Value::Null => return Vec::new(),
        Value::List(_) => root,
        Value::Map(_) => match root.entry("rules") {
            Some((_, list)) if root.entries().len() == 1 => list,
            _ => {
                report.push(
                    Problem::error(root.at, "expected a list of rules")
                        .hint("begin each rule with `- id: …`"),
                );
                return Vec::new();
            }
        },
        _ => root,
    };
    if !matches!(list.value, Value::List(_) | Value::Null) {
        let message = format!("expected a list of rules, found {}", list.kind());
        report.push(Problem::error(list.at, message).hint("begin each rule with `- id: …`"));
    }
    list.items().to_vec()
}

fn entry(node: Node, report: &mut Report) -> Option<(Node, RuleEntry)> {
    let entry = yaml::read(&node, report)?;
    Some((node, entry))
}

fn duplicates(rules: &[(Node, RuleEntry)], report: &mut Report) {
    let mut seen: Vec<(&str, Position)> = Vec::new();
    for (node, entry) in rules {
        let at = node.find("id");
        match seen.iter().find(|(id, _)| *id == entry.id) {
            Some((_, first)) => report.push(
                Problem::error(
                    at,
                    format!("duplicate rule `{}`: it stands at {} as well", entry.id, report.place(*first)),
                )
                .hint("each rule has an id of its own"),
            ),
            None => seen.push((&entry.id, at)),
        }
    }
}

/// Points at the key that the message quotes, or at the rule.
fn problem(node: &Node, message: &str) -> Problem {
    let after_id = message.split_once(": ").map_or(message, |(_, rest)| rest);
    let quoted =
        |key: &str| after_id.contains(&format!("`{key}`")) || after_id.starts_with(&format!("{key} "));
    let key = node.entries().iter().map(|(key, _)| key).find(|key| quoted(&key.text));
    let kind = after_id.contains("is not a kind").then(|| node.find("kind"));
    let at = kind.or_else(|| key.map(|key| key.at)).unwrap_or_else(|| node.find("id"));
    let unknown = after_id.strip_prefix("unknown field `").and_then(|rest| rest.split('`').next());
    if let Some(meant) = unknown.and_then(|word| yaml::nearest(word, KEYS)) {
        let message = message.split_once(", ").map_or(message, |(message, _)| message);
        return Problem::error(at, message).hint(format!("did you mean `{meant}`?"));
    }
    match message.split_once("; ") {
        Some((message, hint)) => Problem::error(at, message).hint(hint),
        None => Problem::error(at, message),
    }
}
