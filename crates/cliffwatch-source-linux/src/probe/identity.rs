use cliffwatch_source::{Identity, Trust};
use cliffwatch_transport::ssh::{Address, ShownKey, SshError, SshStatus};

use crate::login::Plan;

/// The key of the held connection.
pub(super) fn trusted(plan: &Plan, status: &SshStatus) -> Option<Identity> {
    Some(identity(None, plan.address(), status.host_key.as_ref()?, Trust::Trusted))
}

/// The keys that an attempt ended at: those of the device, or of the jump host before it.
pub(super) fn refused(plan: &Plan, error: &SshError) -> Vec<Identity> {
    match (error, plan.jump()) {
        (SshError::Jump { source, .. }, Some((name, address))) => shown(Some(name), address, source),
        _ => shown(None, plan.address(), error),
    }
}

fn shown(jump_host: Option<&str>, address: &Address, error: &SshError) -> Vec<Identity> {
    let SshError::HostKey { seen, expected, contradicted, .. } = error else { return Vec::new() };
    let trust = if *contradicted { Trust::Mismatch(expected.clone()) } else { Trust::Unknown };
    seen.iter().map(|key| identity(jump_host, address, key, trust.clone())).collect()
}

fn identity(jump_host: Option<&str>, address: &Address, key: &ShownKey, trust: Trust) -> Identity {
    let family = match key.algorithm.as_str() {
        "ssh-ed25519" => "ed25519",
        name if name.starts_with("ecdsa-") => "ecdsa",
        _ => "rsa",
    };
    Identity {
        jump_host: jump_host.map(str::to_owned),
        address: address.to_string(),
        field: "host_key",
        value: key.fingerprint.clone(),
        algorithm: key.algorithm.clone(),
        trust,
        known_hosts: Some(format!("{} {}", address.in_known_hosts(), key.public)),
        verify: format!("ssh-keygen -lf /etc/ssh/ssh_host_{family}_key.pub"),
    }
}
