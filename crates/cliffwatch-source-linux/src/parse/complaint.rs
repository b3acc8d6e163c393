//! What a program says instead of doing its work. Its words may be in the device's language.

use cliffwatch_model::FaultKind;

/// Of several lines the one that says why: sudo tells first that it does not know the host's own name, and
/// lectures at the first time.
pub(super) fn telling(text: &str) -> &str {
    let lines = || text.lines().filter(|line| !line.trim().is_empty());
    lines().rfind(|line| kind(line) != FaultKind::Parse).or_else(|| lines().next()).unwrap_or_default()
}

/// What a line complains about.
pub(super) fn kind(line: &str) -> FaultKind {
    let line = line.to_ascii_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| line.contains(word));
    // It goes on nevertheless.
    if says(&["unable to resolve host"]) {
        FaultKind::Parse
    } else if says(&[
        "password is required",
        "not allowed",
        "not in the sudoers",
        "not permitted",
        "permission denied",
        "must be root",
    ]) {
        FaultKind::Denied
    } else if says(&["not found", "no such file"]) {
        FaultKind::Unsupported
    } else if is_sudos(&line) {
        FaultKind::Denied
    } else {
        FaultKind::Parse
    }
}

/// Whether sudo itself speaks, in whatever language: it has not run the program. The line is in small letters.
pub(crate) fn is_sudos(line: &str) -> bool {
    let line = line.trim_start_matches([' ', '`']);
    ["sudo:", "sudo-rs:", "[sudo", "doas:"].iter().any(|name| line.starts_with(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sudos_refusal_is_one_in_every_language() {
        for line in [
            "sudo: a password is required",
            "sudo: Ein Passwort ist notwendig",
            "sudo: il est n\u{e9}cessaire de saisir un mot de passe",
            "sudo: sorry, you must have a tty to run sudo",
            "sudo: The \"no new privileges\" flag is set, which prevents sudo from running as root.",
            "[sudo] password for cliffwatch: ",
            "sudo-rs: interactive authentication is required",
            "Sorry, user cw is not allowed to execute '/usr/sbin/conntrack -S' as root on gw1.",
            "cw is not in the sudoers file.  This incident will be reported.",
            "conntrack v1.4.6 (conntrack-tools): Operation failed: sorry, you must be root or",
        ] {
            assert_eq!(kind(line), FaultKind::Denied, "{line}");
        }
        for line in ["sh: 1: sudo: not found", "sudo: /usr/sbin/conntrack: command not found"] {
            assert_eq!(kind(line), FaultKind::Unsupported, "{line}");
        }
        assert_eq!(kind("bash: sudo: Kommando nicht gefunden."), FaultKind::Parse);
    }

    #[test]
    fn the_line_that_says_why_is_told() {
        let resolve = "sudo: unable to resolve host gw1: Name or service not known\n";
        let refused = "sudo: a password is required";
        assert_eq!(telling(&format!("{resolve}{refused}\n")), refused);
        assert_eq!(
            telling(&format!("\nWe trust you have received the usual lecture\n\n{refused}\n")),
            refused
        );
        assert_eq!(telling(resolve), resolve.trim_end());
        assert_eq!((telling("entries 5\nsearched 6\n"), telling("\n")), ("entries 5", ""));
    }
}
