use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use cliffwatch_model::{Device, DeviceName};

use crate::{SecretRef, Settings};

/// A device and everything that is needed to reach it. Secrets are references: it can be compared,
/// so that a reload touches only what changed.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// What the engine and the rules know of it.
    pub device: Arc<Device>,
    /// The login.
    pub credential: Option<Arc<Credential>>,
    /// SSH as the way to it.
    pub ssh: SshOptions,
    /// The host that connections go through.
    pub jump: Option<Arc<JumpHost>>,
    /// The address of ours that connections start from.
    pub source_address: Option<IpAddr>,
    /// The platform's own settings.
    pub settings: Settings,
    /// Who looks from behind it whether new connections still pass.
    pub canary: Option<Canary>,
}

/// One held and one new connection through a device, made from a host behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Canary {
    /// Where they lead. An address: a name would make its lookup a part of the test.
    pub target: SocketAddr,
    /// Where they start.
    pub from: CanaryFrom,
}

/// Where a canary's connections start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CanaryFrom {
    /// On the machine that Cliffwatch runs on.
    Local,
    /// On a device of the inventory.
    Device(DeviceName),
}

impl fmt::Display for CanaryFrom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local => f.write_str("local"),
            Self::Device(name) => name.fmt(f),
        }
    }
}

/// A login, shared by devices under one name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Credential {
    /// Its name in the inventory: breakers and messages use it.
    pub name: Arc<str>,
    /// The user.
    pub username: Option<String>,
    /// A private key in OpenSSH or PEM form.
    pub private_key: Option<SecretRef>,
    /// What the private key is encrypted with.
    pub passphrase: Option<SecretRef>,
    /// A password.
    pub password: Option<SecretRef>,
    /// Whether the SSH agent of our environment signs.
    pub agent: bool,
}

/// How a device proves over SSH that it is the one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostKey {
    /// Fingerprints as OpenSSH prints them, `SHA256:…`; several for floating addresses.
    Pinned(Vec<String>),
    /// A known_hosts file.
    KnownHosts(PathBuf),
}

/// SSH as the way to a device.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SshOptions {
    /// What the host key must be. Without it no login is made; the error shows the key to pin.
    pub host_key: Option<HostKey>,
    /// Whether old key exchanges and ciphers are offered as well. A standing warning.
    pub legacy: bool,
}

/// A host that connections to devices go through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JumpHost {
    /// Its name in the inventory.
    pub name: Arc<str>,
    /// Where it is.
    pub address: Arc<str>,
    /// The login on it.
    pub credential: Arc<Credential>,
    /// What its host key must be.
    pub host_key: Option<HostKey>,
}
