//! Where the kernel keeps what is read. Old kernels have the `ip_` names beside or instead of the others.

pub(crate) const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";
pub(crate) const COUNT: [&str; 2] =
    ["/proc/sys/net/netfilter/nf_conntrack_count", "/proc/sys/net/ipv4/netfilter/ip_conntrack_count"];
pub(crate) const MAX: [&str; 2] =
    ["/proc/sys/net/netfilter/nf_conntrack_max", "/proc/sys/net/ipv4/netfilter/ip_conntrack_max"];
pub(crate) const STAT: [&str; 2] = ["/proc/net/stat/nf_conntrack", "/proc/net/stat/ip_conntrack"];

/// The section of the statistics command, however it is run.
pub(crate) const STATS_COMMAND: &str = "conntrack -S";

/// The sections of the other network namespaces: the walk over all processes, the same by root, and the
/// tables between two walks.
pub(crate) const NAMESPACES: &str = "namespaces";
pub(crate) const NAMESPACES_SUDO: &str = "cliffwatch-netns";
pub(crate) const NAMESPACE_READERS: &str = "namespace readers";

pub(crate) const KERNEL: &str = "/proc/sys/kernel/osrelease";
pub(crate) const UPTIME: &str = "/proc/uptime";
pub(crate) const DATE: &str = "date +%s";
pub(crate) const CPU: &str = "/proc/stat";
pub(crate) const MEMORY: &str = "/proc/meminfo";
pub(crate) const SOFTNET: &str = "/proc/net/softnet_stat";
pub(crate) const INTERFACES: &str = "/proc/net/dev";
pub(crate) const SNMP: &str = "/proc/net/snmp";
pub(crate) const SOCKETS: [&str; 2] = ["/proc/net/sockstat", "/proc/net/sockstat6"];

/// The folders of the settings, and the prefix of conntrack's names in each.
pub(crate) const SETTINGS: [(&str, &str); 2] =
    [("/proc/sys/net/netfilter/", "nf_conntrack_"), ("/proc/sys/net/ipv4/netfilter/", "ip_conntrack_")];

/// Read once a minute, besides the timeouts.
pub(crate) const SLOW: [&str; 9] =
    [KERNEL, UPTIME, CPU, MEMORY, SOFTNET, INTERFACES, SNMP, "/proc/net/sockstat", "/proc/net/sockstat6"];
