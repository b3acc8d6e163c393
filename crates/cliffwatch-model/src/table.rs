use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::DeviceName;

/// Where in a device a table lives: `netns/host`, `vsys/vsys1`, `gateway/nat-0a1b`. Kinds are open.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Scope {
    /// `device`, `netns`, `vsys`, `vdom`, `context`, `zone`, `gateway`, …
    pub kind: Arc<str>,
    /// The name within the kind.
    pub name: Arc<str>,
}

impl Scope {
    /// A scope of this kind and name.
    pub fn new(kind: &str, name: &str) -> Self {
        Self { kind: kind.into(), name: name.into() }
    }
}

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, ::serde::Serialize, ::serde::Deserialize)]
        pub enum $name {
            $($(#[$vdoc])* #[serde(rename = $text)] $variant,)+
        }

        impl $name {
            /// Every value.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The name that users see.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)+
                }
            }

            /// The value with this name, as stored or received.
            pub fn parse(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|value| value.as_str() == name)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}
pub(crate) use words;

words! {
    /// What can run out.
    TableKind {
        /// Linux connection tracking.
        Conntrack = "conntrack",
        /// A firewall's session table.
        Sessions = "sessions",
        /// A firewall's connection table.
        Connections = "connections",
        /// Address translations.
        Xlates = "xlates",
        /// A pool of addresses to translate to.
        NatPool = "nat-pool",
        /// Source ports of translated connections.
        SnatPorts = "snat-ports",
        /// Blocks of ports handed to hosts.
        PortBlocks = "port-blocks",
        /// Half-open (embryonic) connections.
        HalfOpen = "half-open",
        /// Decrypted sessions.
        SslProxy = "ssl-proxy",
    }
}

words! {
    /// What `used` counts.
    Unit {
        /// Entries of a tracking table.
        Entries = "entries",
        /// Connections.
        Connections = "connections",
        /// Sessions.
        Sessions = "sessions",
        /// Ports.
        Ports = "ports",
        /// Blocks of ports.
        Blocks = "blocks",
        /// Addresses.
        Addresses = "addresses",
    }
}

words! {
    /// How a table relates to its siblings.
    Role {
        /// It stands for itself.
        Whole = "whole",
        /// It is one part of a whole that is a table of its own.
        Member = "member",
        /// It mirrors its HA peer and serves nobody now.
        Standby = "standby",
    }
}

words! {
    /// Whether the table is in use at all.
    TableState {
        /// It counts.
        Tracking = "tracking",
        /// It is not loaded or nothing feeds it: neither an error nor 0 %.
        NotTracking = "not_tracking",
        /// The device does not tell.
        Unknown = "unknown",
    }
}

/// What makes a table the same table tomorrow.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TableKey {
    /// The device it lives on.
    pub device: DeviceName,
    /// Where in the device.
    pub scope: Scope,
    /// What runs out.
    pub kind: TableKind,
    /// The vendor's name for it, or the pool's.
    pub name: Arc<str>,
    /// `tcp`, `udp`, … where it holds one protocol only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<Arc<str>>,
    /// Which part of it: address, port tier, dataplane, zone. Empty: all of it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub part: BTreeMap<Arc<str>, Arc<str>>,
}

impl TableKey {
    /// A table without protocol and part.
    pub fn new(device: DeviceName, scope: Scope, kind: TableKind, name: &str) -> Self {
        Self { device, scope, kind, name: name.into(), protocol: None, part: BTreeMap::new() }
    }

    /// The id that stores, replay, REST and metrics share; defined in the contract.
    pub fn id(&self) -> TableId {
        let mut hash = Sha256::new();
        let part = self.part_text();
        let fields = [
            Some(self.device.as_str()),
            Some(&*self.scope.kind),
            Some(&*self.scope.name),
            Some(self.kind.as_str()),
            Some(&*self.name),
            self.protocol.as_deref(),
            part.as_deref(),
        ];
        for (position, field) in fields.into_iter().enumerate() {
            if position > 0 {
                hash.update(b"/");
            }
            hash.update(component(field).as_bytes());
        }
        let digest: [u8; 32] = hash.finalize().into();
        let [a, b, c, d, e, f, g, h, ..] = digest;
        TableId(u64::from_be_bytes([a, b, c, d, e, f, g, h]))
    }

    /// `key=value` pairs in key order joined by `;`, or nothing.
    pub fn part_text(&self) -> Option<String> {
        let pairs: Vec<String> = self.part.iter().map(|(k, v)| format!("{k}={v}")).collect();
        (!pairs.is_empty()).then(|| pairs.join(";"))
    }

    /// How people read it: `netns/host/conntrack/nf_conntrack`, without the device.
    pub fn path(&self) -> String {
        let mut path = format!("{}/{}/{}/{}", self.scope.kind, self.scope.name, self.kind, self.name);
        for extra in [self.protocol.as_deref(), self.part_text().as_deref()].into_iter().flatten() {
            path.push('/');
            path.push_str(extra);
        }
        path
    }
}

/// Percent-encodes all but unreserved characters (RFC 3986, 2.3). Null is `-`, so a literal `-` is `%2D`.
fn component(field: Option<&str>) -> String {
    let text = match field {
        None => return "-".to_owned(),
        Some("-") => return "%2D".to_owned(),
        Some(text) => text,
    };
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

/// The id of a table: the first 64 bits of SHA-256 over its key, shown as 16 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TableId(u64);

impl TableId {
    /// The id as a database integer.
    pub fn as_i64(self) -> i64 {
        self.0.cast_signed()
    }

    /// The id from a database integer.
    pub fn from_i64(value: i64) -> Self {
        Self(value.cast_unsigned())
    }

    /// Reads 16 hex digits.
    pub fn parse(text: &str) -> Option<Self> {
        (text.len() == 16).then(|| u64::from_str_radix(text, 16).ok().map(Self)).flatten()
    }
}

impl fmt::Display for TableId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for TableId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl TryFrom<String> for TableId {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text).ok_or_else(|| format!("`{text}` is not a table id: 16 hex digits are"))
    }
}

impl From<TableId> for String {
    fn from(id: TableId) -> Self {
        id.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(device: &str, scope: Scope, kind: TableKind, name: &str) -> TableKey {
        TableKey::new(DeviceName::new(device).unwrap(), scope, kind, name)
    }

    /// The vectors of the contract.
    #[test]
    fn id_vectors() {
        let linux = key("nat-gw-1", Scope::new("netns", "host"), TableKind::Conntrack, "nf_conntrack");
        assert_eq!(linux.id().to_string(), "42b78ed1f4fb22ed");
        assert_eq!(linux.path(), "netns/host/conntrack/nf_conntrack");
        let mut pool = key("asa-1", Scope::new("context", "blue/dmz"), TableKind::NatPool, "outside pool");
        pool.protocol = Some("tcp".into());
        pool.part.insert("tier".into(), "1024-65535".into());
        pool.part.insert("address".into(), "198.51.100.7".into());
        assert_eq!(pool.id().to_string(), "bdc5e1e29cd9be21");
    }

    #[test]
    fn a_dash_is_not_null() {
        let plain = key("d", Scope::new("netns", "host"), TableKind::Conntrack, "t");
        let mut dash = plain.clone();
        dash.protocol = Some("-".into());
        assert_ne!(plain.id(), dash.id());
    }

    #[test]
    fn id_survives_the_database() {
        let id = TableId::parse("f2b78ed1f4fb22ed").unwrap();
        assert_eq!(TableId::from_i64(id.as_i64()), id);
        assert!(TableId::parse("f2b7").is_none());
    }
}
