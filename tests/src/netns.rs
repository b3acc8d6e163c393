//! A network namespace with conntrack attached: the device under watch, as the kernel sees it.

use std::net::Ipv4Addr;
use std::path::Path;
use std::process::{self, Command};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::command::{command, run};
use crate::conntrack::Conntrack;
use crate::skip::Need;
use crate::undo::Undo;

/// Names of our namespaces: this, the process that made it, and a number.
const PREFIX: &str = "cwlab";
/// The range for benchmarks of network devices (RFC 2544, RFC 6890): never routed, 32,768 subnets of four addresses.
const LAB_NET: u32 = u32::from_be_bytes([198, 18, 0, 0]);
const LAB_SUBNETS: u32 = 1 << 15;
/// The peer of the lab's TCP flows, see [`crate::flows`].
const PEER: &str = "ip daddr 127.0.0.2 tcp dport 7001";

static MADE: AtomicU32 = AtomicU32::new(0);

/// What happens to the lab's flows inside the namespace.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rules {
    /// The TCP peer drops what it gets: a SYN is tracked on its way out and never answered.
    pub silent_peer: bool,
    /// TCP flows to the peer are translated to one address with so many ports.
    pub snat_ports: Option<u16>,
}

/// A network namespace of its own, reachable from the host over a pair of interfaces. It goes, with everything in it, at
/// drop or with this process.
#[derive(Debug)]
pub struct Netns {
    name: String,
    inside: Ipv4Addr,
    _remove: Undo,
}

impl Netns {
    /// What a machine must have for it.
    pub const NEEDS: &[Need] =
        &[Need::Root, Need::Conntrack, Need::Program("ip"), Need::Program("nft"), Need::Program("conntrack")];

    /// Makes one, with every packet in and out tracked.
    ///
    /// # Panics
    ///
    /// When the kernel or a tool refuses.
    pub fn new(rules: Rules) -> Self {
        sweep();
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let name = format!("{PREFIX}{}-{number}", process::id());
        let remove = Undo::new(remove_script(&name));
        let (outside, inside) = free_subnet(number);
        let host_end = format!("{PREFIX}{}-{number}", process::id() % 1_000_000);
        ip(&["netns", "add", &name]);
        ip(&["-n", &name, "link", "set", "lo", "up"]);
        ip(&["link", "add", &host_end, "type", "veth", "peer", "name", "eth0", "netns", &name]);
        ip(&["addr", "add", &format!("{outside}/30"), "dev", &host_end]);
        ip(&["link", "set", &host_end, "up"]);
        ip(&["-n", &name, "addr", "add", &format!("{inside}/30"), "dev", "eth0"]);
        ip(&["-n", &name, "link", "set", "eth0", "up"]);
        let made = Self { name, inside, _remove: remove };
        run(made.exec("nft").arg(rules.to_nft()));
        made
    }

    /// Its name, as `ip netns` lists it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its address, as seen from the host.
    pub fn address(&self) -> Ipv4Addr {
        self.inside
    }

    /// A command that will run inside, as root. Its process is the program itself.
    pub fn exec(&self, program: impl AsRef<Path>) -> Command {
        let mut ip = command("ip");
        ip.args(["netns", "exec", &self.name]).arg(command(program).get_program());
        ip
    }

    /// What the kernel says of conntrack inside.
    pub fn conntrack(&self) -> Conntrack {
        Conntrack::read(self.exec("cat"))
    }

    /// Forgets all of the lab's flows at once, and leaves the connections from the host alone.
    pub fn drain(&self) {
        // It fails when there is nothing to delete, which is as good.
        self.exec("conntrack").args(["-D", "-s", "127.0.0.1"]).output().expect("conntrack runs");
    }

    /// Sets a `net.*` value inside, such as a timeout: `net/netfilter/nf_conntrack_udp_timeout`.
    pub fn sysctl(&self, path: &str, value: u64) {
        run(self.exec("sh").args(["-c", &format!("echo {value} > /proc/sys/{path}")]));
    }
}

impl Rules {
    fn to_nft(self) -> String {
        let silence = if self.silent_peer { format!("{PEER} counter drop") } else { String::new() };
        let translate = self.snat_ports.map_or_else(String::new, |ports| {
            let last = 40_000 + ports;
            format!(
                "table ip lab_nat {{
                 chain out {{
                   type nat hook postrouting priority 100; policy accept;
                   {PEER} snat to 127.0.0.3:40001-{last}
                 }}
               }}"
            )
        });
        format!(
            "table inet lab {{
               chain in {{
                 type filter hook input priority 0; policy accept;
                 ct state established,related counter accept
                 {silence}
               }}
               chain out {{
                 type filter hook output priority 0; policy accept;
                 ct state new counter
               }}
             }}
             {translate}"
        )
    }
}

/// The first subnet that no interface of the host has: the host's address in it, and the namespace's.
fn free_subnet(number: u32) -> (Ipv4Addr, Ipv4Addr) {
    let taken = run(command("ip").args(["-4", "-o", "addr", "show"]));
    let start = process::id().wrapping_mul(16).wrapping_add(number);
    let candidates = (0..LAB_SUBNETS).map(|step| LAB_NET + (start.wrapping_add(step) % LAB_SUBNETS) * 4);
    let mut pairs = candidates.map(|net| (Ipv4Addr::from(net + 1), Ipv4Addr::from(net + 2)));
    pairs.find(|(outside, _)| !taken.contains(&format!(" {outside}/"))).expect("a free subnet")
}

/// Removes what a killed run left, should its [`Undo`] have been killed as well.
fn sweep() {
    for line in ip(&["netns", "list"]).lines() {
        let name = line.split_whitespace().next().unwrap_or_default();
        let owner = name.strip_prefix(PREFIX).and_then(|rest| rest.split_once('-'));
        if owner.is_some_and(|(pid, _)| !Path::new("/proc").join(pid).exists()) {
            drop(Undo::new(remove_script(name)));
        }
    }
}

/// The interfaces go with their namespace, and the namespace goes when nothing runs in it.
fn remove_script(name: &str) -> String {
    format!("kill -9 $(ip netns pids {name}); ip netns del {name}; true")
}

fn ip(arguments: &[&str]) -> String {
    run(command("ip").args(arguments))
}
