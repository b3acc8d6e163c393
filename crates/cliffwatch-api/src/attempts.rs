use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Wrong tokens that one peer may present within [`WINDOW`]: a person who pastes the wrong one tries a few
/// times, a program that guesses tries thousands.
const WRONG_MAX: u32 = 10;
/// How long wrong tokens are held against a peer.
pub(crate) const WINDOW: Duration = Duration::from_secs(60);
/// Peers that are remembered. When an attack comes from more, the oldest are forgotten: memory is bounded,
/// and a guess of a random token stays hopeless.
const PEERS_MAX: usize = 1_024;

/// Counts wrong tokens by peer.
#[derive(Debug, Default)]
pub(crate) struct Attempts(Mutex<HashMap<IpAddr, Wrong>>);

#[derive(Clone, Copy, Debug)]
struct Wrong {
    since: Instant,
    count: u32,
}

impl Attempts {
    /// Whether the peer has presented too many wrong tokens of late.
    pub(crate) fn is_blocked(&self, peer: IpAddr) -> bool {
        let peers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        peers.get(&network(peer)).is_some_and(|wrong| wrong.count >= WRONG_MAX && !wrong.is_over())
    }

    /// Notes a wrong token and tells how many there were in this window.
    pub(crate) fn note(&self, peer: IpAddr) -> u32 {
        let mut peers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let peer = network(peer);
        if peers.len() >= PEERS_MAX && !peers.contains_key(&peer) {
            make_room(&mut peers);
        }
        let fresh = Wrong { since: Instant::now(), count: 0 };
        let wrong = peers.entry(peer).or_insert(fresh);
        if wrong.is_over() {
            *wrong = fresh;
        }
        wrong.count = wrong.count.saturating_add(1);
        wrong.count
    }
}

impl Wrong {
    fn is_over(&self) -> bool {
        self.since.elapsed() >= WINDOW
    }
}

fn make_room(peers: &mut HashMap<IpAddr, Wrong>) {
    peers.retain(|_, wrong| !wrong.is_over());
    if peers.len() < PEERS_MAX {
        return;
    }
    let oldest = peers.iter().min_by_key(|(_, wrong)| wrong.since).map(|(peer, _)| *peer);
    if let Some(peer) = oldest {
        peers.remove(&peer);
    }
}

/// One host of IPv6 owns a whole /64 (RFC 4291, 2.5.1), so that counts as one peer.
fn network(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_is_blocked_for_a_while_and_alone() {
        let attempts = Attempts::default();
        for _ in 0..WRONG_MAX {
            assert!(!attempts.is_blocked(peer("2001:db8::1")));
            attempts.note(peer("2001:db8::1"));
        }
        assert!(attempts.is_blocked(peer("2001:db8::2")), "the same /64");
        assert!(!attempts.is_blocked(peer("2001:db8:0:1::1")));
        assert!(!attempts.is_blocked(peer("192.0.2.1")));
        tokio::time::advance(WINDOW).await;
        assert!(!attempts.is_blocked(peer("2001:db8::1")));
        assert_eq!(attempts.note(peer("2001:db8::1")), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn memory_is_bounded() {
        let attempts = Attempts::default();
        for host in 0..3_000_u32 {
            attempts.note(IpAddr::V4((0x0a00_0000 + host).into()));
            tokio::time::advance(Duration::from_millis(1)).await;
        }
        assert_eq!(attempts.0.lock().unwrap().len(), PEERS_MAX);
        assert_eq!(attempts.note(peer("10.0.11.183")), 2, "the newest are kept");
    }
}
