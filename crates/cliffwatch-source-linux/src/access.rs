//! The list for change control: everything that can ever be sent to a device, and when.

use cliffwatch_source::{Access, AccessWhen, Target};
use cliffwatch_transport::ssh::{ENVELOPES, Script};

use crate::config::{ConntrackStats, LinuxSettings, NETNS_SUDO_RULE, NamespacesFrom, SUDO_RULE};
use crate::fetch::{self, Part};
use crate::{evidence, log, login, paths, probe};

const FILES: &str = "none: every file is readable for everybody, unless something hides it";

const RIGHTS: &str = "none; sudo may log that it was asked for what is not allowed";

/// Whatever the settings are. What a setting adds to a script is listed as the lines that it adds.
pub(crate) fn of_platform() -> Vec<Access> {
    let stats = ConntrackStats::Procfs;
    let mut list = session("HOST:PORT", None);
    list.extend(scripts(stats, NamespacesFrom::Files));
    let only = |setting: &str, right: String| format!("{right}; only with `{setting}`");
    let command = only("conntrack_stats: command", command_right(ConntrackStats::Command, "LOGIN"));
    let sudo = only("conntrack_stats: sudo", command_right(ConntrackStats::Sudo, "LOGIN"));
    list.push(access("one line more in both scripts", fetch::COMMAND.trim_end(), command, AccessWhen::Poll));
    let unless = "none; not with `evidence: false`";
    list.push(access("one line more in both scripts", fetch::SUDO.trim_end(), sudo, AccessWhen::Poll));
    let namespaces = only("namespaces: sudo", namespaces_right("LOGIN"));
    list.extend(
        root_census(NamespacesFrom::Sudo, "LOGIN").map(|it| Access { right: namespaces.clone(), ..it }),
    );
    list.extend(questions(None, "LOGIN"));
    list.extend(probes(RIGHTS, Some(unless)));
    list
}

/// The questions that this setting allows; all of them where it is not known.
fn questions(setting: Option<Option<bool>>, login: &str) -> Vec<Access> {
    let allowed = |script: &&Script| match setting {
        None => true,
        Some(setting) => evidence::may_send(setting, script),
    };
    let log = (setting != Some(Some(false))).then(|| (&log::SCRIPT, log::RIGHT.to_owned()));
    let all = evidence::scripts(login).into_iter().filter(|(it, _)| allowed(it)).chain(log);
    all.map(|(it, right)| script(it, right, AccessWhen::Ask)).collect()
}

/// What this device's settings let be sent; with settings that cannot be used, whatever they were.
pub(crate) fn of_device(target: &Target) -> Vec<Access> {
    let Ok(settings) = target.settings.read::<LinuxSettings>() else { return of_platform() };
    if login::is_local(target) {
        return of_this_machine(settings);
    }
    let address = target.device.address.as_deref().unwrap_or("HOST:PORT");
    let mut list = session(address, Some(target));
    list.extend(scripts(settings.conntrack_stats, settings.namespaces));
    let login = target.credential.as_ref().and_then(|credential| credential.username.as_deref());
    let login = login.unwrap_or("LOGIN");
    list.extend(command(settings.conntrack_stats, login));
    list.extend(root_census(settings.namespaces, login));
    list.extend(questions(Some(settings.evidence), login));
    list.extend(probes(RIGHTS, (settings.evidence != Some(false)).then_some(RIGHTS)));
    list
}

/// The machine's own files are read without SSH and without a shell.
fn of_this_machine(settings: LinuxSettings) -> Vec<Access> {
    let each = [paths::BOOT_ID].into_iter().chain(paths::COUNT).chain(paths::MAX).chain(paths::STAT);
    let names = |files: Vec<String>| format!("read {}", files.join("\nread "));
    let minute = paths::SLOW.into_iter().map(str::to_owned);
    let sysctls = paths::SETTINGS.iter().flat_map(|(folder, prefix)| {
        ["buckets", "expect_max", "acct", "tcp_loose", "tcp_be_liberal", "*timeout*"]
            .map(|name| format!("{folder}{prefix}{name}"))
    });
    let mut list = vec![
        access("files", names(each.map(str::to_owned).collect()), FILES, AccessWhen::Poll),
        access("files", names(minute.chain(sysctls).collect()), FILES, AccessWhen::Minute),
    ];
    let ourselves = "the user that Cliffwatch runs as";
    list.extend(command(settings.conntrack_stats, ourselves));
    if settings.namespaces != NamespacesFrom::Nowhere {
        let files = ["net/stat/nf_conntrack", "stat", "cgroup", "mounts", "ns/net"];
        let files =
            files.map(|name| format!("/proc/PID/{name}")).into_iter().chain(["/run/netns/*".to_owned()]);
        list.push(access("census", names(files.collect()), FILES, AccessWhen::Minute));
        let table = names(vec!["/proc/PID/net/stat/nf_conntrack".to_owned()]);
        list.push(access("namespaces", table, FILES, AccessWhen::Poll));
    }
    let direct = "sudo -n /usr/local/sbin/cliffwatch-netns".to_owned();
    list.extend(
        root_census(settings.namespaces, ourselves).map(|it| Access { action: direct.clone(), ..it }),
    );
    list.extend(questions(Some(settings.evidence), ourselves));
    let evidence = (settings.evidence != Some(false)).then_some(RIGHTS);
    list.extend(probes(RIGHTS, evidence).into_iter().filter(|access| !access.action.contains("times")));
    list
}

/// What makes a session and carries the scripts.
fn session(address: &str, target: Option<&Target>) -> Vec<Access> {
    let mut list = Vec::new();
    let jump = target.and_then(|target| target.jump.as_deref());
    if let Some(jump) = jump {
        let (name, at) = (&jump.name, &jump.address);
        list.push(access(
            format!("jump host {name}"),
            format!("SSH login on {at}; direct-tcpip to {address}"),
            "a login on the jump host that may forward (AllowTcpForwarding, PermitOpen); no shell",
            AccessWhen::Session,
        ));
    }
    list.push(access(
        "session",
        format!("SSH login on {address}; keepalive requests"),
        "a login with a POSIX shell, or a forced command instead",
        AccessWhen::Session,
    ));
    list.push(access(
        "new connection",
        format!("TCP connection to {address} as far as the server's SSH identification; no login"),
        "none; sshd logs that the connection was closed: what counts such lines (fail2ban, aggressive) needs our address in its ignoreip",
        AccessWhen::Ask,
    ));
    list.extend(ENVELOPES.map(|(what, text)| access(what, text, "the same login", AccessWhen::Session)));
    list
}

fn scripts(stats: ConntrackStats, namespaces: NamespacesFrom) -> Vec<Access> {
    let mut list: Vec<Access> = [(Part::Fast, AccessWhen::Poll), (Part::All, AccessWhen::Minute)]
        .map(|(part, when)| script(fetch::script(part, stats, namespaces), FILES, when))
        .into();
    list.extend(fetch::census(namespaces).iter().take(1).map(|it| script(it, FILES, AccessWhen::Minute)));
    list
}

/// The other right beyond a login's own: the program that reads the namespaces which files do not show.
fn root_census(namespaces: NamespacesFrom, login: &str) -> impl Iterator<Item = Access> {
    let root = fetch::census(namespaces).iter().skip(1);
    root.map(move |it| script(it, namespaces_right(login), AccessWhen::Minute))
}

fn namespaces_right(login: &str) -> String {
    format!("sudoers: {login} {NETNS_SUDO_RULE}; the program is deploy/linux/cliffwatch-netns")
}

/// What only a probe sends; what would be allowed is asked and not done.
fn probes(right: &str, evidence: Option<&str>) -> Vec<Access> {
    let rest = [(&probe::RIGHTS, Some(right)), (&probe::EVIDENCE, evidence), (&probe::COST, Some(FILES))];
    let sent = rest.into_iter().filter_map(|(text, right)| Some((text, right?)));
    sent.map(|(text, right)| script(text, right, AccessWhen::Probe)).collect()
}

/// The one right beyond a login's own that a device's settings may ask for.
fn command(stats: ConntrackStats, login: &str) -> Option<Access> {
    let line = match stats {
        ConntrackStats::Procfs => return None,
        ConntrackStats::Command => "/usr/sbin/conntrack -S",
        ConntrackStats::Sudo => "sudo -n /usr/sbin/conntrack -S",
    };
    let right =
        format!("{}; run only where the kernel has no {}", command_right(stats, login), paths::STAT[0]);
    Some(access("a command of the scripts", line, right, AccessWhen::Poll))
}

fn command_right(stats: ConntrackStats, login: &str) -> String {
    match stats {
        ConntrackStats::Procfs => FILES.to_owned(),
        ConntrackStats::Command => "CAP_NET_ADMIN".to_owned(),
        ConntrackStats::Sudo => format!("sudoers: {login} {SUDO_RULE}"),
    }
}

fn script(script: &Script, right: impl Into<String>, when: AccessWhen) -> Access {
    access(format!("script {}", script.name()), script.text(), right, when)
}

fn access(
    name: impl Into<String>,
    action: impl Into<String>,
    right: impl Into<String>,
    when: AccessWhen,
) -> Access {
    Access { name: name.into(), action: action.into(), right: right.into(), when }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fetch::SCRIPTS;

    /// How often a constructor of scripts stands in this crate's sources.
    fn constructed(folder: &std::path::Path) -> usize {
        let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let count = |path: std::path::PathBuf| match path.is_dir() {
            true => constructed(&path),
            false => std::fs::read_to_string(path).unwrap().matches(concat!("Script::", "new(")).count(),
        };
        entries.map(count).sum()
    }

    /// A script that is not in the list for change control fails here.
    #[test]
    fn every_script_of_this_crate_is_listed() {
        let sources = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let questions = evidence::scripts("LOGIN").map(|(script, _)| script);
        let scripts: Vec<_> =
            SCRIPTS.into_iter().chain(probe::SCRIPTS).chain(questions).chain([&log::SCRIPT]).collect();
        assert_eq!(constructed(&sources), scripts.len(), "each script stands in a list of scripts");
        let listed = of_platform();
        let known: Vec<&str> = listed.iter().flat_map(|access| access.action.lines()).collect();
        for script in scripts {
            let unknown: Vec<&str> = script.text().lines().filter(|line| !known.contains(line)).collect();
            assert!(unknown.is_empty(), "{}: {unknown:?}", script.name());
        }
    }
}
