use std::path::{Path, PathBuf};

use super::*;

fn library() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/scenarios");
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|e| e == "yaml")).collect();
    files.sort();
    files
}

/// Every scenario of the library holds: which rule fires when, and that nothing else does.
#[test]
fn the_library_holds() {
    let files = library();
    assert!(files.len() >= 15, "scenarios were lost: {}", files.len());
    let mut wrong = Vec::new();
    for path in files {
        let mut report = Report::default();
        match load(&path, &mut report) {
            Some(scenario) => {
                let outcome = scenario.play(&path, &report);
                wrong.extend(outcome.failures.iter().map(|failure| {
                    let Failure { place, expected, got } = failure;
                    format!("{place}\n  expected: {expected}\n  got: {got}")
                }));
            }
            None => wrong.push(report.to_text()),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn played(text: &str) -> Outcome {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.yaml");
    std::fs::write(&path, text).unwrap();
    let mut report = Report::default();
    let scenario = load(&path, &mut report);
    scenario.unwrap_or_else(|| panic!("{}", report.to_text())).play(Path::new("s.yaml"), &report)
}

const FULL: &str = "
devices:
  - name: gw
    tables: [{ table: netns/host/conntrack/nf_conntrack, capacity: 1000, used: 100x30 950x60 }]
expect:
  pages: 1
  lead_time: 1m
  alerts: [{ at: 5m, open: [{ rule: shedding }] }]
  events:
    - { at: 6m10s, rule: utilization-critical, severity: critical }
    - { at: 7m, rule: refusing }
";

#[test]
fn what_is_not_as_expected_is_told_with_its_place() {
    let outcome = played(FULL);
    let told: Vec<String> = outcome
        .failures
        .iter()
        .map(|f| {
            let place = f.place.rsplit_once("s.yaml:").unwrap().1;
            format!("{place} {} / {}", f.expected, f.got)
        })
        .collect();
    assert_eq!(
        told,
        [
            "11:7 at 7m refusing firing / nothing of refusing",
            "2:1 nothing else / at 10m10s utilization-high firing warning on gw netns/host/conntrack/nf_conntrack",
            "8:29 open at 5m: shedding firing / nothing is open",
            "7:14 a lead time of at least 1m / nothing warned and then refused",
        ]
    );
    assert_eq!(outcome.summary.pages, 1);
}

#[test]
fn a_diagnosis_is_asked_for_at_its_time() {
    let wrong = format!(
        "{FULL}  only: false
  diagnoses:
    - {{ at: 4m, pattern: calm }}
    - {{ at: 5m30s, cause: surge, confidence: high }}
    - {{ pattern: leak }}
    - {{ table: netns/blue, pattern: calm }}
"
    );
    let outcome = played(&wrong);
    let told: Vec<String> =
        outcome.failures.iter().map(|failure| format!("{} / {}", failure.expected, failure.got)).collect();
    let table = "on gw netns/host/conntrack/nf_conntrack";
    assert_eq!(
        told[..3],
        [
            format!(
                "at 5m30s the diagnosis by surge, high confidence / surge, medium confidence, critical {table}"
            ),
            format!("at the end the diagnosis leak / failover, low confidence, critical {table}"),
            "at the end the diagnosis calm / no table of that name".to_owned(),
        ]
    );
}

#[test]
fn what_cannot_be_read_is_told_with_its_place() {
    let text = "
devices:
  - name: gw
    tables: [{ table: netns/host/nonsense, used: 5-9x3 }]
    fails: [{ from: 5m, until: 6m, error: tiemout }]
expect: { evnets: [] }
";
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.yaml");
    std::fs::write(&path, text).unwrap();
    let mut report = Report::default();
    assert!(load(&path, &mut report).is_none());
    let said = report.to_text();
    for part in [
        "`5-9x3`: a value leaves the range of a counter",
        "s.yaml:4:50",
        "did you mean `timeout`?",
        "unknown key `evnets`",
        "expected `SCOPE_KIND/SCOPE_NAME/KIND/NAME`",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
}
