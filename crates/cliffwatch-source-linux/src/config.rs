use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Visitor};

/// What follows the login's name in the sudoers line that the counters need on a kernel without the
/// statistics file. sudo compares the arguments literally: nothing but this can be run with it.
pub(crate) const SUDO_RULE: &str = "ALL=(root) NOPASSWD: /usr/sbin/conntrack -S";

/// The same for the program that reads the namespaces which the login cannot; `""` allows no argument.
pub(crate) const NETNS_SUDO_RULE: &str = "ALL=(root) NOPASSWD: /usr/local/sbin/cliffwatch-netns \"\"";

/// A Linux device's `settings`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LinuxSettings {
    /// Where the counters come from on a kernel without the statistics file.
    pub conntrack_stats: ConntrackStats,
    /// Whether the tables of other network namespaces are read, and how.
    pub namespaces: NamespacesFrom,
    /// Whether a table may be searched for who fills it when a rule asks: unless said, by ways that leave no trace
    /// where the right is missing; `true`: by sudo as well; `false`: never.
    pub evidence: Option<bool>,
}

/// How the counters are read where the kernel has no `/proc/net/stat/nf_conntrack`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConntrackStats {
    /// They are not: a fault says which right would bring them. A sudo that fails is an entry in the
    /// device's log, so that none is tried unasked.
    #[default]
    Procfs,
    /// By `/usr/sbin/conntrack -S`: the login has CAP_NET_ADMIN.
    Command,
    /// By `sudo -n /usr/sbin/conntrack -S`, which a rule allows exactly.
    Sudo,
}

/// How the tables of other network namespaces are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NamespacesFrom {
    /// `true`: through the files of a process in each, which everybody can read.
    #[default]
    Files,
    /// `sudo`: besides, each minute, by `sudo -n /usr/local/sbin/cliffwatch-netns`, which a rule allows
    /// exactly.
    Sudo,
    /// `false`: only the login's own namespace is read.
    Nowhere,
}

impl<'de> Deserialize<'de> for NamespacesFrom {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Word;

        impl Visitor<'_> for Word {
            type Value = NamespacesFrom;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("true, false or sudo")
            }

            fn visit_bool<E: serde::de::Error>(self, wanted: bool) -> Result<Self::Value, E> {
                Ok(if wanted { NamespacesFrom::Files } else { NamespacesFrom::Nowhere })
            }

            fn visit_str<E: serde::de::Error>(self, word: &str) -> Result<Self::Value, E> {
                match word {
                    "sudo" => Ok(NamespacesFrom::Sudo),
                    _ => Err(E::invalid_value(serde::de::Unexpected::Str(word), &self)),
                }
            }
        }

        deserializer.deserialize_any(Word)
    }
}
