//! What canaries send. No platform knows them: they look through a device from a host behind it.

use cliffwatch_source::{Access, AccessWhen, CanaryFrom, SourceFactory, Target};

/// A canary that starts on some device of this platform.
pub(super) fn of_platform(factory: &dyn SourceFactory) -> Option<Access> {
    factory.dials(Some("HOST")).then(|| starting_here("TARGET", &["TARGET".to_owned()]))
}

/// The device's own canary, and those of others that start on it.
pub(super) fn of_device(target: &Target, all: &[Target]) -> Vec<Access> {
    let own = target.canary.iter().map(|canary| {
        let right = match &canary.from {
            CanaryFrom::Local => "none: the machine that Cliffwatch runs on connects".to_owned(),
            CanaryFrom::Device(name) => format!("none here; that of {name}: `cliffwatch access {name}`"),
        };
        let to = canary.target.to_string();
        access(format!("through this device, from {}: {}", canary.from, looks(&to)), right)
    });
    let here = CanaryFrom::Device(target.device.name.clone());
    let canaries = all.iter().filter_map(|other| other.canary.as_ref());
    let targets: Vec<String> =
        canaries.filter(|canary| canary.from == here).map(|canary| canary.target.to_string()).collect();
    own.chain(targets.iter().map(|to| starting_here(to, &targets))).collect()
}

/// `restrict` forbids forwarding; `permitopen` allows nothing but the targets.
fn starting_here(to: &str, targets: &[String]) -> Access {
    let opened: Vec<String> = targets.iter().map(|to| format!("permitopen=\"{to}\"")).collect();
    let right = format!(
        "before the login's key, beside restrict: port-forwarding,{}; sshd must allow it (AllowTcpForwarding)",
        opened.join(",")
    );
    access(format!("direct-tcpip to {to} over the held session: {}", looks(to)), right)
}

fn looks(to: &str) -> String {
    format!(
        "a TCP connection to {to}, tried twice at most and held until the next; only where none can be made, on the held one \
         the line:\nHEAD / HTTP/1.0"
    )
}

fn access(action: String, right: String) -> Access {
    Access { name: "canary".to_owned(), action, right, when: AccessWhen::Canary }
}
