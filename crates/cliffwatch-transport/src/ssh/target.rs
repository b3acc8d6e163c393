use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use cliffwatch_source::Secret;

use super::host_key::HostKeyPolicy;

/// Port of the SSH service where none is given (RFC 4253 section 4.1).
const DEFAULT_PORT: u16 = 22;
/// Enough for a flapping link, far below what a login log or an account lock-out would mind.
const DEFAULT_LOGINS_PER_MINUTE: u32 = 6;
/// A half-open connection is found dead after at most two of these.
const DEFAULT_KEEPALIVE: Duration = Duration::from_secs(15);

/// Everything that is needed to reach one device and log in there.
#[derive(Clone, Debug)]
pub struct SshTarget {
    /// The device's name in the inventory: the key of its breaker.
    pub device: String,
    /// Where its SSH service listens.
    pub address: Address,
    /// As whom to log in.
    pub login: Login,
    /// Which host keys are trusted.
    pub host_key: HostKeyPolicy,
    /// Offer the old algorithms too (`ssh: { legacy: true }`).
    pub legacy: bool,
    /// The host to go through.
    pub jump: Option<JumpTarget>,
    /// Our own address to connect from: to the device, or to the jump host where there is one.
    pub source_address: Option<IpAddr>,
    /// Logins on this device in any minute.
    pub logins_per_minute: u32,
    /// Silence after which the far end is asked whether it lives; it is dead after twice this time.
    pub keepalive: Duration,
}

impl SshTarget {
    /// A target with the defaults: modern algorithms, no jump host, six logins a minute, keep-alive after
    /// 15 s.
    pub fn new(device: impl Into<String>, address: Address, login: Login, host_key: HostKeyPolicy) -> Self {
        Self {
            device: device.into(),
            address,
            login,
            host_key,
            legacy: false,
            jump: None,
            source_address: None,
            logins_per_minute: DEFAULT_LOGINS_PER_MINUTE,
            keepalive: DEFAULT_KEEPALIVE,
        }
    }
}

/// A host that devices are reached through (`direct-tcpip`, RFC 4254 section 7.2). Devices that name the
/// same jump host share one connection to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JumpTarget {
    /// Its name in the inventory.
    pub name: String,
    /// Where its SSH service listens.
    pub address: Address,
    /// As whom to log in there.
    pub login: Login,
    /// Which host keys of it are trusted.
    pub host_key: HostKeyPolicy,
    /// Offer it the old algorithms too.
    pub legacy: bool,
}

/// A user name and what proves it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// The user name on the device.
    pub username: String,
    /// What proves it.
    pub credential: Credential,
}

/// A secret under the name by which its breaker knows it.
///
/// One name must stand for one secret: where the inventory expands `{device}` in a credential, the
/// expansion belongs into the name. A different secret under a known name is taken as a changed one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential {
    /// The credential's name in the inventory.
    pub name: String,
    /// The secret, or where it is.
    pub auth: Auth,
}

/// How to prove who we are. Exactly one attempt is made with it at a login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Auth {
    /// A private key in OpenSSH, PKCS#8 or PEM form: ed25519, ecdsa or rsa.
    Key {
        /// The key itself, or its file.
        key: KeySource,
        /// Opens an encrypted key.
        passphrase: Option<Secret>,
    },
    /// A password, also given to a keyboard-interactive prompt for one.
    Password(Secret),
    /// A key held by an agent.
    Agent {
        /// The agent's socket; `SSH_AUTH_SOCK` where left out.
        socket: Option<PathBuf>,
        /// `SHA256:…` or comment of the key to use; may be left out where the agent holds exactly one.
        identity: Option<String>,
    },
}

/// Where a private key comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// A file, read again at each login: a rotated key is noticed without a reload.
    File(PathBuf),
    /// The text of the key.
    Text(Secret),
}

/// Host and port of an SSH service: `192.0.2.10`, `nat-gw:2222`, `2001:db8::1`, `[2001:db8::1]:2222`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Address {
    host: String,
    port: u16,
}

/// The text is not an address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an ssh address: write host, host:port, or [ipv6]:port")]
pub struct AddressError(String);

impl Address {
    /// A DNS name or an IP address, without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// TCP port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The host as a known_hosts file names it: in lower case, with its port where that is not 22.
    pub fn in_known_hosts(&self) -> String {
        let host = self.host.to_ascii_lowercase();
        if self.port == DEFAULT_PORT { host } else { format!("[{host}]:{}", self.port) }
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        Self { host: address.ip().to_string(), port: address.port() }
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (host, port) = match text.strip_prefix('[').map(|rest| rest.split_once(']')) {
            Some(Some((host, ""))) => (host, None),
            Some(Some((host, rest))) => (host, Some(rest.strip_prefix(':').unwrap_or("no port"))),
            Some(None) => return Err(AddressError(text.to_owned())),
            // More than one colon without brackets can only be a bare IPv6 address.
            None if text.matches(':').count() > 1 => (text, None),
            None => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
        };
        let port = port.map_or(Ok(DEFAULT_PORT), str::parse);
        let plain = |c: char| c.is_ascii_graphic() && !"/@[]'\"\\".contains(c);
        match port {
            Ok(port) if port != 0 && !host.is_empty() && host.chars().all(plain) => {
                Ok(Self { host: host.to_owned(), port })
            }
            _ => Err(AddressError(text.to_owned())),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_in_every_form() {
        for (text, host, port) in [
            ("192.0.2.10", "192.0.2.10", 22),
            ("nat-gw.example:2222", "nat-gw.example", 2222),
            ("[2001:db8::1]:2222", "2001:db8::1", 2222),
            ("[2001:db8::1]", "2001:db8::1", 22),
            ("2001:db8::1", "2001:db8::1", 22),
        ] {
            let address: Address = text.parse().unwrap();
            assert_eq!((address.host(), address.port()), (host, port), "{text}");
        }
    }

    #[test]
    fn what_is_not_an_address_is_refused_by_name() {
        for text in
            ["", ":22", "host:", "host:0", "host:99999", "[::1", "[::1]22", "a b", "user@host", "h;id'"]
        {
            let error = text.parse::<Address>().unwrap_err();
            assert!(error.to_string().contains(text), "{error}");
        }
    }
}
