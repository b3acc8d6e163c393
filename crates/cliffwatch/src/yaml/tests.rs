use std::collections::BTreeMap;

use serde::Deserialize;

use super::parse::parse;
use super::*;
use crate::diagnostics::Report;

#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "what matters of some fields is only whether they can be read")]
struct Sheep {
    name: At<String>,
    #[serde(default)]
    wool: Option<f64>,
    #[serde(default)]
    ears: Option<u8>,
    #[serde(default)]
    marks: BTreeMap<String, String>,
    #[serde(default)]
    food: OneOrMany<At<String>>,
}

#[track_caller]
fn flock(text: &str) -> (Option<Vec<Sheep>>, String) {
    let mut report = Report::default();
    let file = report.add_file("flock.yaml", text.into());
    let flock = parse(file, text, &mut report).and_then(|node| read(&node, &mut report));
    let said: Vec<String> = report
        .problems()
        .iter()
        .map(|p| {
            let place = p.at.map(|at| format!("{}:{} ", at.line, at.column)).unwrap_or_default();
            let hint = p.hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
            format!("{place}{}{hint}", p.message)
        })
        .collect();
    (flock, said.join("\n"))
}

#[test]
fn values_know_their_place() {
    let (flock, said) =
        flock("# comment\n- { name: dolly, food: grass }\n- name: molly\n  food: [hay, oats]\n");
    assert_eq!(said, "");
    let flock = flock.unwrap();
    assert_eq!((flock[0].name.at.line, flock[0].name.at.column), (2, 11));
    assert_eq!(flock[0].food.0[0].value, "grass");
    assert_eq!((flock[1].food.0[1].at.line, flock[1].food.0[1].at.column), (4, 15));
}

#[test]
fn every_mistake_is_found_in_one_run() {
    let (flock, said) = flock(
        "- naem: dolly\n- name: 5\n- name: molly\n  wool: thick\n  ears: two\n  marks: { a: 1, b: x }\n  earz: 2\n- name: a\n  name: b\n",
    );
    assert_eq!(flock.unwrap().len(), 2);
    assert_eq!(
        said,
        "1:3 `name` is missing\n\
         1:3 unknown key `naem` (did you mean `name`?)\n\
         2:9 expected text, found a whole number (put it in quotes)\n\
         4:9 expected a number, found text\n\
         5:9 expected a whole number, found text\n\
         6:15 expected text, found a whole number (put it in quotes)\n\
         7:3 unknown key `earz` (did you mean `ears`?)\n\
         9:3 duplicate key `name`: it stands in line 8 as well (keep one of them)"
    );
}

#[test]
fn what_is_not_yaml_is_placed() {
    let (_, said) = flock("- name: [a\n- b");
    assert!(said.starts_with("1:9 this is not YAML: unclosed bracket"), "{said}");
    let (_, said) = flock("- name: a\n---\n- name: b\n");
    assert!(said.contains("a file holds one YAML document"), "{said}");
}

#[test]
fn an_empty_file_is_nothing() {
    let mut report = Report::default();
    let file = report.add_file("x", "# nothing\n".into());
    assert_eq!(parse(file, "# nothing\n", &mut report).unwrap().value, Value::Null);
}

#[test]
fn an_alias_bomb_ends_early() {
    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for n in 1..12 {
        let list = vec![format!("*a{}", n - 1); 10].join(", ");
        bomb.push_str(&format!("a{n}: &a{n} [{list}]\n"));
    }
    let mut report = Report::default();
    let file = report.add_file("bomb.yaml", bomb.as_str().into());
    assert!(parse(file, &bomb, &mut report).is_none());
    let said = &report.problems()[0].message;
    assert!(said.starts_with("the file asks for more than is read"), "{said}");
}

#[test]
fn depth_is_bounded() {
    for text in [
        format!("{}{}", "[".repeat(100), "]".repeat(100)),
        (0..100).map(|n| format!("{}a:\n", " ".repeat(n))).collect(),
    ] {
        let mut report = Report::default();
        let file = report.add_file("deep.yaml", text.as_str().into());
        assert!(parse(file, &text, &mut report).is_none());
        assert_eq!(report.errors(), 1, "{}", report.to_text());
    }
}

#[test]
fn suggestions_are_close() {
    assert_eq!(nearest("intervall", ["interval", "timeout"]), Some("interval"));
    assert_eq!(nearest("zzz", ["interval", "timeout"]), None);
}

proptest::proptest! {
    /// What an operator's editor, or an attacker, may leave in a file.
    #[test]
    fn no_text_panics(text in "[-a-z:,{}\\[\\]&*<>|#'\" \n\té!%@`0-9.]{0,80}") {
        let mut report = Report::default();
        let file = report.add_file("x.yaml", text.as_str().into());
        if let Some(node) = parse(file, &text, &mut report) {
            let _sheep: Option<Vec<Sheep>> = read(&node, &mut report);
        }
        let shown = report.to_text();
        proptest::prop_assert_eq!(report.errors() == 0, shown.is_empty());
    }
}
