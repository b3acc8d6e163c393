//! What an inventory file may say, as types: the known keys and the schema both come from here.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::value::{Later, SecretSpec, Span};
use crate::yaml::{At, OneOrMany, Unread};

/// The devices that are watched, and how to reach them.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(title = "Cliffwatch inventory", deny_unknown_fields)]
#[expect(dead_code, reason = "each part is read item by item; this names the parts")]
pub(super) struct InventoryFile {
    /// What holds for every device that does not say otherwise.
    defaults: Option<Unread<Layer>>,
    /// What holds for every device of a platform, before `defaults`.
    platform_defaults: Option<Unread<BTreeMap<String, Layer>>>,
    /// Logins by name.
    credentials: Option<Unread<BTreeMap<String, CredentialFile>>>,
    /// Hosts that connections go through, by name.
    jump_hosts: Option<Unread<BTreeMap<String, JumpHostFile>>>,
    /// What devices depend on and that is no device itself, by name.
    dependencies: Option<Unread<BTreeMap<String, DependencyFile>>>,
    /// The devices.
    devices: Option<Unread<Vec<DeviceFile>>>,
}

/// One device.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct DeviceFile {
    /// Its unique name: letters, digits and `- _ . : @ +`.
    pub name: At<String>,
    /// What it is: `linux`, …
    pub platform: At<String>,
    /// `host`, `host:port`, `[ipv6]:port`, or `local` for the machine that Cliffwatch runs on.
    pub address: Option<At<String>>,
    /// The name of the login.
    pub credential: Option<At<String>>,
    /// `SHA256:…` as `ssh-keygen -lf` prints it; a list for floating addresses.
    pub host_key: Option<OneOrMany<At<String>>>,
    /// A `known_hosts` file, instead of `host_key`.
    pub known_hosts: Option<At<String>>,
    /// The operator's labels: rules match on them, metrics and alerts carry them.
    #[serde(default)]
    pub labels: BTreeMap<String, At<String>>,
    /// How often it is polled.
    pub interval: Option<At<Span>>,
    /// How long one poll may take; below the interval.
    pub timeout: Option<At<Span>>,
    /// The address of ours that connections start from.
    pub source_address: Option<At<String>>,
    /// Old key exchange for old appliances.
    pub ssh: Option<SshFile>,
    /// The host that connections go through.
    pub jump_host: Option<At<String>>,
    /// Its high-availability mate: one alert per pair.
    pub ha_peer: Option<At<String>>,
    /// Dependencies and devices that must be up for it to be reachable.
    #[serde(default)]
    pub depends_on: OneOrMany<At<String>>,
    /// Limits that outrank what the device tells: `KIND` or `SCOPE_KIND/SCOPE_NAME/KIND` to a number.
    #[serde(default)]
    pub capacity: BTreeMap<String, At<u64>>,
    /// Whether new connections pass the device, seen from a host behind it.
    pub canary: Option<At<CanaryFile>>,
    /// The platform's own settings.
    #[serde(default)]
    pub settings: serde_json::Map<String, serde_json::Value>,
    pub tls: Option<At<Later>>,
    pub proxy: Option<At<Later>>,
    pub vrf: Option<At<Later>>,
    pub timezone: Option<At<Later>>,
}

/// What devices take over where they do not say otherwise.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct Layer {
    /// The name of the login.
    pub credential: Option<At<String>>,
    /// A `known_hosts` file.
    pub known_hosts: Option<At<String>>,
    /// Labels; a device's own label of the same name wins.
    #[serde(default)]
    pub labels: BTreeMap<String, At<String>>,
    /// How often devices are polled.
    pub interval: Option<At<Span>>,
    /// How long one poll may take; below the interval.
    pub timeout: Option<At<Span>>,
    /// The address of ours that connections start from.
    pub source_address: Option<At<String>>,
    /// Old key exchange for old appliances.
    pub ssh: Option<SshFile>,
    /// The host that connections go through.
    pub jump_host: Option<At<String>>,
    /// Dependencies and devices that must be up for them to be reachable.
    #[serde(default)]
    pub depends_on: OneOrMany<At<String>>,
    /// The platform's own settings; a device's own setting of the same name wins.
    #[serde(default)]
    pub settings: serde_json::Map<String, serde_json::Value>,
    pub tls: Option<At<Later>>,
    pub proxy: Option<At<Later>>,
    pub vrf: Option<At<Later>>,
    pub timezone: Option<At<Later>>,
}

/// One held and one new connection through a device, made from a host behind it.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct CanaryFile {
    /// Address and port of a TCP service on the far side that answers a line that it does not expect: HTTP,
    /// HTTPS, SSH, SMTP.
    pub target: At<String>,
    /// A device of the inventory behind this one, or `local` for the machine that Cliffwatch runs on.
    pub from: Option<At<String>>,
}

/// SSH as the way to a device.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct SshFile {
    /// Whether old key exchanges and ciphers are offered as well: a standing warning.
    pub legacy: Option<bool>,
}

/// A login.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct CredentialFile {
    /// The user.
    pub username: Option<At<String>>,
    /// A private key in OpenSSH or PEM form.
    pub private_key: Option<At<SecretSpec>>,
    /// What the private key is encrypted with.
    pub passphrase: Option<At<SecretSpec>>,
    /// A password.
    pub password: Option<At<SecretSpec>>,
    /// Whether the SSH agent of our environment signs.
    pub agent: Option<bool>,
    // The logins of platforms that come later. What is a secret must be a reference already.
    pub api_key: Option<At<SecretSpec>>,
    pub token: Option<At<SecretSpec>>,
    pub external_id: Option<At<SecretSpec>>,
    pub client_secret: Option<At<SecretSpec>>,
    pub role_arn: Option<At<Later>>,
    pub profile: Option<At<Later>>,
    pub tenant_id: Option<At<Later>>,
    pub client_id: Option<At<Later>>,
    pub managed_identity: Option<At<Later>>,
    pub workload_identity: Option<At<Later>>,
    pub proxy: Option<At<Later>>,
}

/// A host that connections to devices go through.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct JumpHostFile {
    /// `host`, `host:port` or `[ipv6]:port`.
    pub address: At<String>,
    /// The name of the login on it.
    pub credential: At<String>,
    /// `SHA256:…` as `ssh-keygen -lf` prints it; a list for floating addresses.
    pub host_key: Option<OneOrMany<At<String>>>,
    /// A `known_hosts` file, instead of `host_key`.
    pub known_hosts: Option<At<String>>,
}

/// Something that must be up for devices to be reachable.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct DependencyFile {
    /// `host:port` that accepts a TCP connection when it is up.
    pub tcp: At<String>,
}
