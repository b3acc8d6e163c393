//! Replies that may leave the house.
//!
//! Only sections that the parser knows are written. In those the names of interfaces, namespaces and
//! containers, addresses of every kind and the words of programs are replaced, the same by the same, so that a reading made of them has
//! the same numbers. What stays: the kernel's release, its boot id (a random number), sizes and counters.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};

use crate::parse::{Owner, Section, Sections, is_sudos, owner};
use crate::paths;

/// What programs say when a right or the program is missing; the parser looks for these.
const PHRASES: [&str; 10] = [
    "unable to resolve host",
    "must be root",
    "password is required",
    "not allowed",
    "not in the sudoers",
    "not permitted",
    "permission denied",
    "not found",
    "no such file",
    "sorry",
];

/// What stands for words that are nobody else's business.
const REDACTED: &str = "(redacted)";

/// What was replaced by what.
#[derive(Debug, Default)]
pub(super) struct Redaction {
    interfaces: HashMap<String, String>,
    addresses: HashMap<String, String>,
    names: HashMap<String, String>,
    groups: HashMap<String, String>,
}

impl Redaction {
    /// A reply, in the form in which a device sends it.
    pub(super) fn text(&mut self, sections: &Sections) -> String {
        let mut text = String::new();
        for (name, section) in sections.iter().filter(|(name, _)| is_known(name)) {
            let state = match section {
                Section::Text(body) => {
                    text.push_str(&format!("==> {name} <==\n"));
                    body.lines().for_each(|line| text.push_str(&format!("{}\n", self.line(name, line))));
                    continue;
                }
                Section::Missing => "missing",
                Section::Denied => "denied",
                Section::Later => "later",
                // Its end is not known, and a later one would take its place.
                Section::Cut => continue,
            };
            text.push_str(&format!("==> {name} <== {state}\n"));
        }
        text.push_str("==> end <==\n");
        text
    }

    fn line(&mut self, section: &str, line: &str) -> String {
        match section {
            paths::INTERFACES => self.interface(line),
            paths::NAMESPACES | paths::NAMESPACES_SUDO | paths::NAMESPACE_READERS => self.namespace(line),
            paths::STATS_COMMAND if !line.trim_start().starts_with("cpu=") => complaint(line),
            paths::SESSION if !line.chars().all(|c| is_of_a_number(c) || c == ':') => REDACTED.to_owned(),
            _ if holds_numbers(section) && !line.chars().all(is_of_a_number) => REDACTED.to_owned(),
            _ => self.addresses(line),
        }
    }

    /// `eth0: 1 2 3 …`; headings have no colon.
    fn interface(&mut self, line: &str) -> String {
        let Some((name, figures)) = line.split_once(':') else {
            let is_heading = line.contains('|');
            return if is_heading { self.addresses(line) } else { complaint(line) };
        };
        if !figures.chars().all(is_of_a_number) {
            return REDACTED.to_owned();
        }
        let name = name.trim();
        let next = format!("if{}", self.interfaces.len());
        let known = match name {
            "lo" => "lo",
            _ => self.interfaces.entry(name.to_owned()).or_insert(next),
        };
        format!("{known:>6}:{figures}")
    }

    /// A line of the census: names of namespaces and the control groups that name containers are replaced,
    /// numbers stay.
    fn namespace(&mut self, line: &str) -> String {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match (word, rest.split('\t').collect::<Vec<_>>().as_slice()) {
            ("hidden" | "walk" | "now" | "ownnet" | "columns" | "left", _) => line.to_owned(),
            ("run", [inode, name]) => format!("run {inode}\t{}", self.name(name)),
            ("ns", [inode, reader, start, net, executed, row, groups @ ..]) => {
                let executed = self.name(executed);
                let groups = self.groups(groups);
                format!("ns {inode}\t{reader}\t{start}\t{net}\t{executed}\t{row}\t{groups}")
            }
            _ if line.starts_with(|c: char| c.is_ascii_digit()) && line.contains('\t') => line.to_owned(),
            _ => complaint(line),
        }
    }

    /// A name under `/run/netns`.
    fn name(&mut self, name: &str) -> String {
        let next = format!("ns{}", self.names.len());
        if name.is_empty() {
            String::new()
        } else {
            self.names.entry(name.to_owned()).or_insert(next).clone()
        }
    }

    /// The control groups of a process as those of a container or service that tells nothing; nothing where they name
    /// neither, so that no container is seen in the capture that is not on the device.
    fn groups(&mut self, groups: &[&str]) -> String {
        let number = self.groups.len() + 1;
        let other = match owner(groups) {
            Some(Owner::Container(_)) => format!("/docker/{number:012x}{:052x}", 0),
            Some(Owner::Service(_)) => format!("/system.slice/service{number}.service"),
            None => return String::new(),
        };
        self.groups.entry(groups.join("\t")).or_insert(other).clone()
    }

    /// Every address, of whatever kind, by one of the ranges that are kept for documentation (RFC 5737 has
    /// too few, hence RFC 2544's; RFC 3849; RFC 7042).
    fn addresses(&mut self, line: &str) -> String {
        let mut written = String::with_capacity(line.len());
        let is_part = |c: char| c.is_ascii_hexdigit() || c == ':' || c == '.';
        for word in line.split_inclusive(|c| !is_part(c)) {
            let address = word.trim_end_matches(|c| !is_part(c));
            let rest = word.strip_prefix(address).unwrap_or_default();
            written.push_str(&self.address(address));
            written.push_str(rest);
        }
        written
    }

    fn address(&mut self, word: &str) -> String {
        if word.len() < 3 || !word.contains(['.', ':']) {
            return word.to_owned();
        }
        let number = self.addresses.len();
        let plain = word.trim_end_matches(['.', ':']);
        let other = match plain.parse::<IpAddr>() {
            Ok(IpAddr::V4(_)) => format!("198.18.{}.{}", number / 256 % 256, number % 256),
            Ok(IpAddr::V6(_)) => {
                let low = u16::try_from(number).unwrap_or(u16::MAX);
                Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, low).to_string()
            }
            Err(_) if is_mac(plain) => format!("00:00:5e:00:53:{:02x}", number % 256),
            Err(_) => return word.to_owned(),
        };
        let end = word.strip_prefix(plain).unwrap_or_default();
        format!("{}{end}", self.addresses.entry(plain.to_owned()).or_insert(other))
    }
}

fn is_known(name: &str) -> bool {
    let lone = [
        paths::BOOT_ID,
        paths::STATS_COMMAND,
        paths::DATE,
        paths::SESSION,
        paths::NAMESPACES,
        paths::NAMESPACES_SUDO,
        paths::NAMESPACE_READERS,
    ];
    let known =
        || lone.into_iter().chain(paths::COUNT).chain(paths::MAX).chain(paths::STAT).chain(paths::SLOW);
    known().any(|known| known == name) || paths::setting(name).is_some()
}

/// Whether a file holds numbers and nothing else. What stands between them is of somebody else: an error that a
/// bound command lets through, a broadcast.
fn holds_numbers(section: &str) -> bool {
    let lone = [paths::BOOT_ID, paths::DATE, paths::UPTIME, paths::SOFTNET];
    lone.into_iter().chain(paths::COUNT).chain(paths::MAX).any(|known| known == section)
        || paths::setting(section).is_some()
}

fn is_of_a_number(c: char) -> bool {
    c.is_ascii_hexdigit() || c.is_whitespace() || matches!(c, '-' | '.')
}

fn is_mac(word: &str) -> bool {
    word.len() == 17
        && word.split(':').count() == 6
        && word.split(':').all(|byte| byte.len() == 2 && byte.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// sudo names the user, the host and the command: of its words those are kept that tell what is missing.
fn complaint(line: &str) -> String {
    let lower = line.to_ascii_lowercase();
    let said: Vec<&str> = PHRASES.into_iter().filter(|phrase| lower.contains(phrase)).collect();
    match said.as_slice() {
        [] if line.trim().is_empty() => String::new(),
        // In whatever language: it is sudo that refuses.
        [] if is_sudos(&lower) => format!("sudo: {REDACTED}"),
        [] => REDACTED.to_owned(),
        said => said.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redacted(reply: &str) -> String {
        Redaction::default().text(&Sections::parse(reply.as_bytes()).unwrap())
    }

    #[test]
    fn interfaces_and_addresses_are_replaced_the_same_by_the_same() {
        let mut redaction = Redaction::default();
        let reply = "==> /proc/net/dev <==\nInter-| Receive\n face |bytes\n    lo: 1 2\nwg-alice: 3 4\n  eth7:5 6\n==> end <==\n";
        let sections = Sections::parse(reply.as_bytes()).unwrap();
        let text = redaction.text(&sections);
        assert_eq!(
            text,
            "==> /proc/net/dev <==\nInter-| Receive\n face |bytes\n    lo: 1 2\n   if0: 3 4\n   if1:5 6\n==> end <==\n"
        );
        assert_eq!(redaction.text(&sections), text, "the same by the same");
        let line = "src=10.1.2.3 dst=10.1.2.3. peer fe80::1, mac 52:54:00:12:34:56; 1836.28 12:30 ::1";
        assert_eq!(
            redaction.line("x", line),
            "src=198.18.0.0 dst=198.18.0.0. peer 2001:db8::1, mac 00:00:5e:00:53:02; 1836.28 12:30 2001:db8::3"
        );
    }

    #[test]
    fn what_the_parser_does_not_know_is_not_written() {
        let text = redacted(
            "hunter2\n==> /etc/shadow <==\nroot:x\n==> /proc/sys/net/netfilter/hunter2 <==\n1\n==> /proc/uptime <==\n1.0 2.0\n==> date +%s <== denied\n==> end <==\n",
        );
        assert_eq!(text, "==> /proc/uptime <==\n1.0 2.0\n==> date +%s <== denied\n==> end <==\n");
    }

    #[test]
    fn words_among_numbers_are_not_written() {
        let text = redacted(
            "==> /proc/sys/net/netfilter/nf_conntrack_max <==\n262144\nhead: /home/alice: hunter2\n\
             ==> /proc/uptime <==\n1836.28 -1\n==> /proc/net/dev <==\n face |bytes\nhunter2\neth0: 1 hunter2\n\
             ==> /proc/net/softnet_stat <==\nBroadcast message: hunter2\n0000000a 00000001 00000002\n==> end <==\n",
        );
        assert!(!text.contains("hunter2") && !text.contains("alice"), "{text}");
        for kept in
            ["\n262144\n(redacted)\n", "\n1836.28 -1\n", " face |bytes\n", "\n0000000a 00000001 00000002\n"]
        {
            assert!(text.contains(kept), "{kept:?} in {text}");
        }
    }

    #[test]
    fn programs_keep_only_the_words_that_matter() {
        let text = redacted(
            "==> conntrack -S <==\nsudo: alice is not allowed to run it on nat-gw-1\nhunter2\nsudo: Ein Passwort ist notwendig\n\
             sudo: unable to resolve host nat-gw-1: Name or service not known\ncpu=0 found=1\n==> end <==\n",
        );
        assert_eq!(
            text,
            "==> conntrack -S <==\nnot allowed\n(redacted)\nsudo: (redacted)\nunable to resolve host\n\
             cpu=0 found=1\n==> end <==\n"
        );
    }

    #[test]
    fn namespaces_and_containers_lose_their_names() {
        let id = "a".repeat(64);
        let census = format!(
            "==> namespaces <==\nwalk net/stat/nf_conntrack 5 1.0 1.1 - 9 0\nrun 77\tcustomer-x\n\
             ns 6\t12\t34\t\tcustomer-x\t5 1\t\nns 7\t13\t34\t\t\t5 1\t/docker/{id}\n\
             ns 8\t14\t34\t\t\t5 1\t/user.slice/user-1000.slice/session-3.scope\t\n\
             ns 9\t15\t34\t\t\t5 1\t/system.slice/customer.service\t\nbash: alice\n==> end <==\n"
        );
        let text = redacted(&census);
        assert!(text.contains("run 77\tns0\n") && text.contains("ns 6\t12\t34\t\tns0\t5 1\t\n"), "{text}");
        assert!(text.contains("\t/docker/000000000001000"), "{text}");
        assert!(text.contains("ns 8\t14\t34\t\t\t5 1\t\n"), "a session names nothing: {text}");
        assert!(text.contains("ns 9\t15\t34\t\t\t5 1\t/system.slice/service2.service\n"), "{text}");
        for gone in ["customer", "aaaa", "alice", "session"] {
            assert!(!text.contains(gone), "{gone} in {text}");
        }
    }
}
