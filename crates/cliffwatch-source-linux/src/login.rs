//! From the inventory's words to what the transport needs.

use std::sync::Arc;

use cliffwatch_source::{Credential, HostKey, SecretError, SecretRef, SettingsError, Target};
use cliffwatch_transport::ssh::{
    Address, Auth, Credential as SshCredential, HostKeyPin, HostKeyPinError, HostKeyPolicy, JumpTarget,
    KeySource, Login, SshTarget,
};

/// The address of the machine that Cliffwatch runs on.
pub(crate) const LOCAL: &str = "local";

const ADDRESS_HELP: &str =
    "a linux device needs one: host, host:port, [ipv6]:port, or `local` for this machine";

/// The way to a device, with its secrets still where they are kept: it can be read again and again.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    device: String,
    far: Far,
    jump: Option<(Arc<str>, Far)>,
    source_address: Option<std::net::IpAddr>,
}

/// One host to log in on.
#[derive(Clone, Debug)]
struct Far {
    address: Address,
    username: String,
    credential: Arc<str>,
    proof: Proof,
    host_key: HostKeyPolicy,
    legacy: bool,
}

#[derive(Clone, Debug)]
enum Proof {
    Key { key: SecretRef, passphrase: Option<SecretRef> },
    Password(SecretRef),
    Agent,
}

impl Plan {
    /// # Errors
    /// With the first field that cannot be used, or is missing.
    pub(crate) fn new(target: &Target) -> Result<Self, SettingsError> {
        let credential = target.credential.as_deref();
        let (username, proof) = login(credential, "credential")?;
        let far = Far {
            address: address(target.device.address.as_deref())?,
            username,
            credential: credential.map(|credential| Arc::clone(&credential.name)).unwrap_or_default(),
            proof,
            host_key: host_key(target.ssh.host_key.as_ref(), "host_key")?,
            legacy: target.ssh.legacy,
        };
        let jump = target.jump.as_deref().map(|jump| {
            let (username, proof) = login(Some(&jump.credential), "jump_host.credential")?;
            let far = Far {
                address: parse_address(&jump.address, "jump_host.address")?,
                username,
                credential: Arc::clone(&jump.credential.name),
                proof,
                host_key: host_key(jump.host_key.as_ref(), "jump_host.host_key")?,
                // An old appliance does not make the bastion in front of it old: one connection serves all.
                legacy: false,
            };
            Ok((Arc::clone(&jump.name), far))
        });
        let device = target.device.name.to_string();
        Ok(Self { device, far, jump: jump.transpose()?, source_address: target.source_address })
    }

    /// Reads the secrets from where they are now.
    ///
    /// # Errors
    /// When one cannot be read.
    pub(crate) fn target(&self) -> Result<SshTarget, SecretError> {
        let far = &self.far;
        let mut target =
            SshTarget::new(self.device.clone(), far.address.clone(), far.login()?, far.host_key.clone());
        target.legacy = far.legacy;
        target.source_address = self.source_address;
        if let Some((name, far)) = &self.jump {
            target.jump = Some(JumpTarget {
                name: name.to_string(),
                address: far.address.clone(),
                login: far.login()?,
                host_key: far.host_key.clone(),
                legacy: far.legacy,
            });
        }
        Ok(target)
    }
}

impl Plan {
    /// Where the device is.
    pub(crate) fn address(&self) -> &Address {
        &self.far.address
    }

    /// The jump host before it, and where that is.
    pub(crate) fn jump(&self) -> Option<(&str, &Address)> {
        self.jump.as_ref().map(|(name, far)| (&**name, &far.address))
    }
}

impl Far {
    fn login(&self) -> Result<Login, SecretError> {
        // One name must stand for one secret: a reference with `{device}` in it leads to another place on
        // each device.
        let named = |place: &SecretRef| format!("{} ({place})", self.credential);
        let (name, auth) = match &self.proof {
            Proof::Key { key, passphrase } => {
                let name = named(key);
                let passphrase = passphrase.as_ref().map(SecretRef::read).transpose()?;
                let key = match key {
                    // The transport reads the file itself, at each login.
                    SecretRef::File(path) => KeySource::File(path.clone()),
                    SecretRef::Env(_) | SecretRef::Command(_) => KeySource::Text(key.read()?),
                };
                (name, Auth::Key { key, passphrase })
            }
            Proof::Password(place) => (named(place), Auth::Password(place.read()?)),
            Proof::Agent => (self.credential.to_string(), Auth::Agent { socket: None, identity: None }),
        };
        Ok(Login { username: self.username.clone(), credential: SshCredential { name, auth } })
    }
}

/// Everything that is wrong with the way to a device.
pub(crate) fn errors(target: &Target) -> Vec<SettingsError> {
    let jump = target.jump.as_deref();
    let checks = [
        address(target.device.address.as_deref()).err(),
        login(target.credential.as_deref(), "credential").err(),
        host_key(target.ssh.host_key.as_ref(), "host_key").err(),
        jump.and_then(|jump| parse_address(&jump.address, "jump_host.address").err()),
        jump.and_then(|jump| login(Some(&jump.credential), "jump_host.credential").err()),
        jump.and_then(|jump| host_key(jump.host_key.as_ref(), "jump_host.host_key").err()),
    ];
    checks.into_iter().flatten().collect()
}

/// Whether the device is the machine that Cliffwatch runs on.
pub(crate) fn is_local(target: &Target) -> bool {
    target.device.address.as_deref() == Some(LOCAL)
}

pub(crate) fn address(text: Option<&str>) -> Result<Address, SettingsError> {
    parse_address(text.ok_or_else(|| SettingsError::new("address", ADDRESS_HELP))?, "address")
}

fn parse_address(text: &str, field: &str) -> Result<Address, SettingsError> {
    text.parse().map_err(|error: cliffwatch_transport::ssh::AddressError| {
        SettingsError::new(field, error.to_string())
    })
}

fn login(credential: Option<&Credential>, field: &str) -> Result<(String, Proof), SettingsError> {
    let fail = |message: String| Err(SettingsError::new(field, message));
    let Some(credential) = credential else {
        return fail("a linux device needs one: `credential: NAME`, with a username and a private_key, password or agent".into());
    };
    let name = &credential.name;
    let Some(username) = credential.username.clone() else {
        return fail(format!("credential `{name}` needs a username to log in over SSH"));
    };
    let proof = match (&credential.private_key, &credential.password, credential.agent) {
        (Some(key), None, false) => {
            Proof::Key { key: key.clone(), passphrase: credential.passphrase.clone() }
        }
        (None, Some(password), false) => Proof::Password(password.clone()),
        (None, None, true) => Proof::Agent,
        (None, None, false) => {
            return fail(format!(
                "credential `{name}` has nothing to log in with over SSH: add private_key, password or agent"
            ));
        }
        _ => {
            return fail(format!(
                "credential `{name}` must have only one of private_key, password and agent"
            ));
        }
    };
    Ok((username, proof))
}

pub(crate) fn host_key(key: Option<&HostKey>, field: &str) -> Result<HostKeyPolicy, SettingsError> {
    match key {
        None => Ok(HostKeyPolicy::Unset),
        Some(HostKey::KnownHosts(path)) => Ok(HostKeyPolicy::KnownHosts(path.clone())),
        Some(HostKey::Pinned(pins)) => {
            let pins: Result<Vec<HostKeyPin>, HostKeyPinError> = pins.iter().map(|pin| pin.parse()).collect();
            pins.map(HostKeyPolicy::Pinned).map_err(|error| SettingsError::new(field, error.to_string()))
        }
    }
}
