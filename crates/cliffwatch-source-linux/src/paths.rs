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
/// What sshd tells of our own session: `CLIENT PORT SERVER PORT` (sshd(8), ENVIRONMENT of ssh(1)).
pub(crate) const SESSION: &str = "SSH_CONNECTION";
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

/// The longest name of a setting: that of a kernel of 6.18 has 43.
const SETTING_NAME_MAX: usize = 64;

/// The name of the setting that a file holds. It becomes a key of ours: one that the kernel cannot have given
/// is none.
pub(crate) fn setting(path: &str) -> Option<&str> {
    let name = SETTINGS
        .iter()
        .find_map(|(folder, prefix)| path.strip_prefix(folder).filter(|name| name.starts_with(prefix)))?;
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    (name.len() <= SETTING_NAME_MAX && name.bytes().all(is_plain)).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_kernel_may_have_named_is_a_setting() {
        let folder = "/proc/sys/net/netfilter/";
        let longest = "nf_conntrack_tcp_timeout_unacknowledged";
        assert_eq!(setting(&format!("{folder}{longest}")), Some(longest));
        assert_eq!(
            setting("/proc/sys/net/ipv4/netfilter/ip_conntrack_udp_timeout"),
            Some("ip_conntrack_udp_timeout")
        );
        for name in [
            "nf_log/2",
            "nf_conntrack_\u{1b}[31mmax",
            "nf_conntrack_a b",
            &format!("nf_conntrack_{}", "x".repeat(60)),
        ] {
            assert_eq!(setting(&format!("{folder}{name}")), None, "{name}");
        }
    }
}
