//! Remedies in sysctl lines, nft rules and files. They are printed, never applied.

use std::net::IpAddr;

use cliffwatch_model::{ConfigFile, DeviceSettings, Fix, Remedy, Setting};

use crate::parse::{KernelVersion, POLLER_ADDRESS, SSH_PORT};

/// Lines that last stand here: late enough to win over a distribution's own.
const SYSCTL_FILE: &str = "/etc/sysctl.d/90-cliffwatch.conf";
/// sysctl.d is read at boot, when nothing may have loaded the module yet; then its keys do not exist.
const MODULES_FILE: &str = "/etc/modules-load.d/90-cliffwatch.conf";
const MODPROBE_FILE: &str = "/etc/modprobe.d/90-cliffwatch.conf";

/// An entry takes a slot of 256 bytes and an extension area, a bucket a pointer (net/netfilter/nf_conntrack_core.c).
const ENTRY_BYTES: u64 = 300;
const BUCKET_BYTES: u64 = 8;

/// From here on the kernel's own default is as many buckets as entries, before that a fourth or an eighth.
const AS_MANY_BUCKETS: KernelVersion = KernelVersion(5, 15);
/// From here on the number of buckets is a sysctl that can be written.
const BUCKETS_SYSCTL: KernelVersion = KernelVersion(4, 7);

/// A remedy in Linux's words.
pub(crate) fn fix(remedy: &Remedy, settings: &DeviceSettings) -> Fix {
    match remedy {
        Remedy::RaiseLimit { peak, entries } => raise_limit(*peak, *entries, settings),
        Remedy::AddBuckets { advised, .. } => add_buckets(remedy.plain(), *advised, settings),
        Remedy::LowerTimeout { setting, from_seconds, to_seconds, idle_entries, share } => {
            lower_timeout(setting, *from_seconds, *to_seconds, *idle_entries, *share)
        }
        Remedy::ReviewTimeout { .. } => review_timeout(remedy.plain()),
        Remedy::RestoreLimit { before, .. } => restore_limit(remedy.plain(), *before),
        Remedy::FindSources { sources } => find_sources(remedy.plain(), sources),
        Remedy::LimitRate { sources } => limit_rate(remedy.plain(), sources),
        Remedy::GrowPool { .. } => remedy.plain(),
        Remedy::WidenPool { .. } => widen_pool(remedy.plain()),
        Remedy::AddAddresses { address, used_ports, ports_per_address, add } => Fix {
            title: format!(
                "add {add} public address(es) to the pool of {address}: {used_ports} of its {ports_per_address} ports are in \
                 use towards one destination"
            ),
            now: vec![format!(
                "nft add rule ip nat postrouting oifname UPLINK snat to {address}-LAST_ADDRESS fully-random persistent"
            )],
            lasting: Vec::new(),
            notes: vec![
                "put the rule in the place of the one that translates to the single address, and into the firewall's own file".into(),
                "connections fail before the last port is gone: the kernel tries some 240 ports and then gives up".into(),
                "a rule with a port range has only that range: look at lowest_port and highest_port in the evidence".into(),
            ],
        },
        Remedy::ExemptPoller => exempt_poller(settings),
    }
}

fn raise_limit(peak: u64, entries: u64, settings: &DeviceSettings) -> Fix {
    let kernel = kernel(settings);
    // Fewer than there are would only make chains longer.
    let present = number(settings, "nf_conntrack_buckets").map_or(0, i64::unsigned_abs);
    let buckets = entries.div_ceil(4).max(present);
    let mib = |bytes: u64| bytes.div_ceil(1 << 20);
    let (limit_line, buckets_line) = (
        format!("net.netfilter.nf_conntrack_max={entries}"),
        format!("net.netfilter.nf_conntrack_buckets={buckets}"),
    );
    let writable = kernel.is_none_or(|kernel| kernel >= BUCKETS_SYSCTL);
    let mut notes = vec![
        format!(
            "memory when full: {} MiB for entries and {} MiB for buckets, of the kernel's own",
            mib(entries.saturating_mul(ENTRY_BYTES)),
            mib(buckets.saturating_mul(BUCKET_BYTES)).max(1),
        ),
        "the limit is one number for the kernel, and every network namespace may hold as many".into(),
    ];
    if kernel.is_none_or(|kernel| kernel >= AS_MANY_BUCKETS) {
        notes.push(format!(
            "a quarter as many buckets as entries is four entries to look through; the kernel's own default from 5.15 on is as many \
             ({entries}), for {} MiB",
            mib(entries.saturating_mul(BUCKET_BYTES)).max(1),
        ));
    }
    if buckets == present {
        notes.push(format!("the device has enough buckets already: {present}"));
    }
    // The buckets first: some kernels move the limit with them.
    let (mut now, mut sysctls, mut options) = (Vec::new(), Vec::new(), Vec::new());
    if buckets > present {
        now.push(set_buckets(buckets, writable));
        match writable {
            true => sysctls.push(buckets_line),
            false => options.push(format!("options nf_conntrack hashsize={buckets}")),
        }
    }
    now.push(format!("sysctl -w {limit_line}"));
    sysctls.push(limit_line);
    let modules = if writable { vec!["nf_conntrack".into()] } else { Vec::new() };
    let files = [(SYSCTL_FILE, sysctls), (MODULES_FILE, modules), (MODPROBE_FILE, options)];
    let files = files.into_iter().filter(|(_, lines)| !lines.is_empty());
    let lasting = files.map(|(path, lines)| ConfigFile { path: path.into(), lines }).collect();
    Fix {
        title: format!(
            "raise the limit to {entries} entries, {} times the {peak} that were seen",
            entries / peak.max(1)
        ),
        now,
        lasting,
        notes,
    }
}

/// What sets the number of buckets now.
fn set_buckets(buckets: u64, writable: bool) -> String {
    if writable {
        format!("sysctl -w net.netfilter.nf_conntrack_buckets={buckets}")
    } else {
        format!("echo {buckets} > /sys/module/nf_conntrack/parameters/hashsize")
    }
}

fn add_buckets(plain: Fix, buckets: u64, settings: &DeviceSettings) -> Fix {
    let writable = kernel(settings).is_none_or(|kernel| kernel >= BUCKETS_SYSCTL);
    let file = if writable {
        let line = format!("net.netfilter.nf_conntrack_buckets={buckets}");
        ConfigFile { path: SYSCTL_FILE.into(), lines: vec![line] }
    } else {
        let line = format!("options nf_conntrack hashsize={buckets}");
        ConfigFile { path: MODPROBE_FILE.into(), lines: vec![line] }
    };
    let mib = buckets.saturating_mul(BUCKET_BYTES).div_ceil(1 << 20).max(1);
    Fix {
        now: vec![set_buckets(buckets, writable)],
        lasting: vec![file],
        notes: vec![
            format!(
                "memory for the buckets: {mib} MiB; every entry is put into its new place at once, which takes a moment"
            ),
            "some kernels move the limit with the buckets: look at nf_conntrack_max afterwards".into(),
        ],
        ..plain
    }
}

fn restore_limit(plain: Fix, before: u64) -> Fix {
    let line = format!("net.netfilter.nf_conntrack_max={before}");
    Fix {
        now: vec![format!("sysctl -w {line}")],
        lasting: vec![ConfigFile { path: SYSCTL_FILE.into(), lines: vec![line] }],
        notes: vec![
            "find out who lowered it: sysctl.d, kube-proxy, a container runtime, or a reload of the module"
                .into(),
        ],
        ..plain
    }
}

fn widen_pool(plain: Fix) -> Fix {
    Fix {
        now: vec![
            "nft add rule ip nat postrouting oifname UPLINK snat to FIRST_ADDRESS-LAST_ADDRESS fully-random persistent".into(),
        ],
        notes: vec![
            "put the rule in the place of the present one, and into the firewall's own file; leave a port range away".into(),
            "connections fail before the last port is gone: the kernel tries some 240 ports and then gives up".into(),
        ],
        ..plain
    }
}

fn find_sources(plain: Fix, sources: &[(IpAddr, u64)]) -> Fix {
    let list = |(address, _): &(IpAddr, u64)| format!("conntrack -L --orig-src {address} | head -n 50");
    // The first address of a line is the one that opened the connection.
    let all = "conntrack -L | head -n 100000 | grep -o '^[^=]*src=[^ ]*' | grep -o 'src=.*' | sort | uniq -c | sort -rn | head -n 20";
    Fix {
        now: if sources.is_empty() { vec![all.into()] } else { sources.iter().map(list).collect() },
        notes: vec![
            "look for connection pools without a limit, clients that never close, and keepalives that keep dead peers".into(),
            "connections that are closed properly leave the table within two minutes; established idle ones stay for days".into(),
        ],
        ..plain
    }
}

/// In the raw hook, where a packet that is dropped has not made an entry yet.
fn limit_rate(plain: Fix, sources: &[(IpAddr, u64)]) -> Fix {
    let rule = |(address, _): &(IpAddr, u64)| {
        let family = if address.is_ipv4() { "ip" } else { "ip6" };
        format!(
            "nft 'add rule inet cliffwatch limit {family} saddr {address} tcp flags & (syn | ack) == syn limit rate over \
             RATE/second drop'"
        )
    };
    let mut now = vec![
        "nft add table inet cliffwatch".to_owned(),
        "nft 'add chain inet cliffwatch limit { type filter hook prerouting priority -310; }'".to_owned(),
    ];
    now.extend(sources.iter().map(rule));
    let upstream =
        "on the router before this one is better: what is dropped there costs nothing here".to_owned();
    if sources.is_empty() {
        return Fix { notes: vec![upstream], ..plain };
    }
    let rate = "RATE is in new TCP connections and yours to choose: a few times what the source makes when all is well";
    Fix { now, notes: vec![rate.to_owned(), upstream], ..plain }
}

fn review_timeout(plain: Fix) -> Fix {
    Fix {
        notes: vec![
            "a lower one frees what has been idle for longer, and breaks connections that are silent for longer than it".into(),
        ],
        ..plain
    }
}

fn lower_timeout(setting: &str, from: u64, to: u64, idle: u64, share: f64) -> Fix {
    let line = format!("net.netfilter.{setting}={to}");
    let percent = share * 100.0;
    Fix {
        title: format!(
            "lower {setting} from {from} to {to} s: {idle} entries ({percent:.0} % of those listed) are idle for longer"
        ),
        now: vec![format!("sysctl -w {line}")],
        lasting: vec![ConfigFile { path: SYSCTL_FILE.into(), lines: vec![line] }],
        notes: vec![
            "an entry keeps the time that its last packet gave it: idle ones leave as that runs out, or by conntrack -D".into(),
            format!("a connection that is silent for {to} s loses its entry: keepalives below that, or it hangs"),
            "each network namespace has timeouts of its own".into(),
        ],
    }
}

/// Our own packets past connection tracking: `POLLER` and `PORT` are for the operator to fill in.
/// In figures where the device has told where it sees us come from.
fn exempt_poller(settings: &DeviceSettings) -> Fix {
    let told = match settings.get(POLLER_ADDRESS) {
        Some(Setting::Text(address)) => address.parse::<IpAddr>().ok(),
        _ => None,
    };
    let (family, poller) = match told {
        Some(address) if address.is_ipv6() => ("ip6", address.to_string()),
        Some(address) => ("ip", address.to_string()),
        None => ("ip", "POLLER".to_owned()),
    };
    let port = number(settings, SSH_PORT).map_or_else(|| "PORT".to_owned(), |port| port.to_string());
    let mut notes = vec![
        "a filter that accepts established traffic only must accept these packets by address: they have no state".into(),
        "put the same lines into the firewall's own file to make them last".into(),
    ];
    if told.is_none() {
        notes.insert(0, "POLLER is the address that Cliffwatch connects from; ip6 for an IPv6 one; PORT is the sshd's, 22 unless the device's `address` says another".into());
    }
    let rule = |line: &str| format!("nft add rule inet cliffwatch {line} notrack");
    Fix {
        title: "let a new session of the poller in while the table is full".into(),
        now: vec![
            "nft add table inet cliffwatch".into(),
            "nft 'add chain inet cliffwatch in { type filter hook prerouting priority raw; }'".into(),
            "nft 'add chain inet cliffwatch out { type filter hook output priority raw; }'".into(),
            rule(&format!("in {family} saddr {poller} tcp dport {port}")),
            rule(&format!("out {family} daddr {poller} tcp sport {port}")),
        ],
        lasting: Vec::new(),
        notes,
    }
}

fn kernel(settings: &DeviceSettings) -> Option<KernelVersion> {
    match settings.get("kernel_release")? {
        Setting::Text(release) => KernelVersion::parse(release),
        Setting::Number(_) => None,
    }
}

fn number(settings: &DeviceSettings, name: &str) -> Option<i64> {
    match settings.get(name)? {
        Setting::Number(number) => Some(*number),
        Setting::Text(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(release: &str, buckets: i64) -> DeviceSettings {
        DeviceSettings::from([
            ("kernel_release".into(), Setting::Text(release.into())),
            ("nf_conntrack_buckets".into(), Setting::Number(buckets)),
        ])
    }

    /// The mission's example: a peak of 50,000.
    #[test]
    fn four_times_the_peak_and_a_quarter_of_it_in_buckets() {
        let remedy = Remedy::RaiseLimit { peak: 50_000, entries: 200_000 };
        let now = fix(&remedy, &settings("6.1.0-18-amd64", 16_384));
        assert_eq!(now.title, "raise the limit to 200000 entries, 4 times the 50000 that were seen");
        assert_eq!(
            now.now,
            [
                "sysctl -w net.netfilter.nf_conntrack_buckets=50000",
                "sysctl -w net.netfilter.nf_conntrack_max=200000"
            ]
        );
        assert_eq!(now.lasting[0].path, "/etc/sysctl.d/90-cliffwatch.conf");
        assert_eq!(
            now.lasting[0].lines,
            ["net.netfilter.nf_conntrack_buckets=50000", "net.netfilter.nf_conntrack_max=200000"]
        );
        assert_eq!(now.lasting[1].lines, ["nf_conntrack"]);
        assert!(now.notes[0].contains("58 MiB for entries and 1 MiB for buckets"), "{:?}", now.notes);
        assert!(now.notes[2].contains("is as many (200000), for 2 MiB"), "{:?}", now.notes);
        assert_eq!(now.notes.len(), 3);
        let enough = fix(&remedy, &settings("6.1.0-18-amd64", 65_536));
        assert!(enough.notes[3].contains("enough buckets already: 65536"), "{:?}", enough.notes);
        assert_eq!(enough.now, ["sysctl -w net.netfilter.nf_conntrack_max=200000"]);
        assert_eq!(enough.lasting[0].lines, ["net.netfilter.nf_conntrack_max=200000"]);
    }

    #[test]
    fn an_old_kernel_takes_its_buckets_from_the_module() {
        let remedy = Remedy::RaiseLimit { peak: 20_000, entries: 80_000 };
        let old = fix(&remedy, &settings("3.10.0-1160.el7", 16_384));
        assert_eq!(old.now[0], "echo 20000 > /sys/module/nf_conntrack/parameters/hashsize");
        assert_eq!(old.lasting[1].lines, ["options nf_conntrack hashsize=20000"]);
        let enough = fix(&remedy, &settings("3.10.0-1160.el7", 20_000));
        assert_eq!((enough.now.len(), enough.lasting.len()), (1, 1), "{enough:?}");
        assert!(!old.notes.iter().any(|note| note.contains("5.15")), "{:?}", old.notes);
    }

    #[test]
    fn a_lower_timeout_says_what_it_does_not_do() {
        let remedy = Remedy::LowerTimeout {
            setting: "nf_conntrack_tcp_timeout_established".into(),
            from_seconds: 432_000,
            to_seconds: 86_400,
            idle_entries: 120,
            share: 0.4,
        };
        let fix = fix(&remedy, &DeviceSettings::new());
        assert_eq!(fix.now, ["sysctl -w net.netfilter.nf_conntrack_tcp_timeout_established=86400"]);
        assert!(
            fix.title
                .ends_with("from 432000 to 86400 s: 120 entries (40 % of those listed) are idle for longer")
        );
        assert!(fix.notes[0].contains("conntrack -D"));
    }

    #[test]
    fn sources_are_looked_at_and_limited_before_they_make_entries() {
        let sources = vec![("192.0.2.7".parse().unwrap(), 900), ("2001:db8::7".parse().unwrap(), 50)];
        let find = fix(&Remedy::FindSources { sources: sources.clone() }, &DeviceSettings::new());
        assert_eq!(find.now[0], "conntrack -L --orig-src 192.0.2.7 | head -n 50");
        let limit = fix(&Remedy::LimitRate { sources }, &DeviceSettings::new());
        assert!(limit.now[1].contains("priority -310"), "before conntrack, which is at -200");
        assert!(
            limit.now[2]
                .contains("ip saddr 192.0.2.7 tcp flags & (syn | ack) == syn limit rate over RATE/second")
        );
        assert!(limit.now[3].contains("ip6 saddr 2001:db8::7"));
        let unknown = fix(&Remedy::FindSources { sources: Vec::new() }, &DeviceSettings::new());
        assert!(
            unknown.now[0].contains("uniq -c") && unknown.title.contains("list the sources"),
            "{unknown:?}"
        );
        let nobody = fix(&Remedy::LimitRate { sources: Vec::new() }, &DeviceSettings::new());
        assert!(nobody.now.is_empty() && !nobody.notes.is_empty());
    }

    #[test]
    fn buckets_and_a_lowered_limit_are_a_line_each() {
        let few = Remedy::AddBuckets { buckets: 1_024, limit: 262_144, advised: 65_536 };
        let more = fix(&few, &settings("6.1.0-18-amd64", 1_024));
        assert_eq!(more.now, ["sysctl -w net.netfilter.nf_conntrack_buckets=65536"]);
        let old = fix(&few, &settings("3.10.0-1160.el7", 1_024));
        assert_eq!(old.now, ["echo 65536 > /sys/module/nf_conntrack/parameters/hashsize"]);
        let back = fix(&Remedy::RestoreLimit { before: 262_144, now: 4_096 }, &DeviceSettings::new());
        assert_eq!(back.now, ["sysctl -w net.netfilter.nf_conntrack_max=262144"]);
    }

    #[test]
    fn addresses_and_the_pollers_own_way_in() {
        let address = "198.51.100.1".parse().unwrap();
        let remedy = Remedy::AddAddresses { address, used_ports: 60_000, ports_per_address: 64_512, add: 3 };
        let more = fix(&remedy, &DeviceSettings::new());
        assert!(
            more.title
                .starts_with("add 3 public address(es) to the pool of 198.51.100.1: 60000 of its 64512")
        );
        assert!(more.now[0].contains("snat to 198.51.100.1-LAST_ADDRESS"));
        let own = fix(&Remedy::ExemptPoller, &DeviceSettings::new());
        assert!(own.now.iter().filter(|line| line.ends_with("notrack")).count() == 2);
        let told = DeviceSettings::from([
            (POLLER_ADDRESS.into(), Setting::Text("2001:db8::3".into())),
            (SSH_PORT.into(), Setting::Number(2_222)),
        ]);
        let own = fix(&Remedy::ExemptPoller, &told);
        assert_eq!(
            own.now[3],
            "nft add rule inet cliffwatch in ip6 saddr 2001:db8::3 tcp dport 2222 notrack"
        );
    }
}
