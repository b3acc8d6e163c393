use serde::Deserialize;

/// What follows the login's name in the sudoers line that the counters need on a kernel without the
/// statistics file. sudo compares the arguments literally: nothing but this can be run with it.
pub(crate) const SUDO_RULE: &str = "ALL=(root) NOPASSWD: /usr/sbin/conntrack -S";

/// A Linux device's `settings`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LinuxSettings {
    /// Where the counters come from on a kernel without the statistics file.
    pub conntrack_stats: ConntrackStats,
    /// Whether the tables of other network namespaces are wanted. Not read yet.
    pub namespaces: bool,
    /// Whether the table may be searched for who fills it. Not done yet.
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
