use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::net::lookup_host;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout, timeout_at};

use super::error::SshError;
use super::target::Address;

/// Names whose last answer is kept: more than one poller's devices.
const MAX_NAMES: usize = 20_000;
/// Addresses kept and tried per name.
const MAX_ADDRESSES: usize = 8;
/// Lookups at once. Each occupies a thread of the runtime until the system's resolver gives up, which
/// takes tens of seconds when DNS is down.
const MAX_LOOKUPS: usize = 16;
/// With an earlier answer at hand nobody waits longer than this: DNS failing is itself a symptom of the
/// full tables that we look for.
const PATIENCE: Duration = Duration::from_secs(2);

/// Names to addresses, with the last good answer for when DNS fails.
pub(super) struct Resolver {
    last_good: Mutex<HashMap<String, Vec<IpAddr>>>,
    turns: Arc<Semaphore>,
}

impl Default for Resolver {
    fn default() -> Self {
        Self { last_good: Mutex::default(), turns: Arc::new(Semaphore::new(MAX_LOOKUPS)) }
    }
}

impl Resolver {
    pub(super) async fn resolve(
        &self,
        address: &Address,
        deadline: Instant,
    ) -> Result<Vec<SocketAddr>, SshError> {
        let with_port = |ip: &IpAddr| SocketAddr::new(*ip, address.port());
        if let Ok(ip) = address.host().parse::<IpAddr>() {
            return Ok(vec![with_port(&ip)]);
        }
        let known = self.known(address.host());
        let fresh = match &known {
            Some(_) => timeout(PATIENCE, self.look_up(address)).await,
            None => timeout_at(deadline, self.look_up(address)).await,
        };
        let failure = match fresh {
            // The addresses keep the scope of a link-local IPv6 address, which the cache does not need.
            Ok(Ok(addresses)) => {
                self.remember(address.host(), &addresses);
                return Ok(addresses);
            }
            Ok(Err(reason)) => reason,
            Err(_) => "no answer in time".into(),
        };
        match known {
            Some(addresses) => {
                tracing::warn!(
                    host = address.host(),
                    reason = failure,
                    "Name lookup failed; using the last good answer."
                );
                Ok(addresses.iter().map(with_port).collect())
            }
            None => Err(SshError::Resolve { host: address.host().to_owned(), reason: failure }),
        }
    }

    async fn look_up(&self, address: &Address) -> Result<Vec<SocketAddr>, String> {
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(|e| e.to_string())?;
        let (host, port) = (address.host().to_owned(), address.port());
        // The turn is given back when the lookup ends, not when somebody has stopped waiting for it.
        let lookup = tokio::spawn(async move {
            let answer =
                lookup_host((host.as_str(), port)).await.map(|found| found.take(MAX_ADDRESSES).collect());
            drop(turn);
            answer
        });
        let addresses: Vec<_> = lookup.await.map_err(|e| e.to_string())?.map_err(|e| e.to_string())?;
        if addresses.is_empty() { Err("the answer holds no address".into()) } else { Ok(addresses) }
    }

    fn known(&self, host: &str) -> Option<Vec<IpAddr>> {
        self.last_good.lock().unwrap_or_else(PoisonError::into_inner).get(host).cloned()
    }

    fn remember(&self, host: &str, addresses: &[SocketAddr]) {
        let mut names = self.last_good.lock().unwrap_or_else(PoisonError::into_inner);
        if names.len() < MAX_NAMES || names.contains_key(host) {
            names.insert(host.to_owned(), addresses.iter().map(SocketAddr::ip).collect());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_last_good_answer_survives_a_failing_lookup() {
        let resolver = Resolver::default();
        let deadline = Instant::now() + Duration::from_secs(20);
        // RFC 6761 section 6.4: this name never exists.
        let address: Address = "cliffwatch.invalid:2222".parse().unwrap();
        let Err(SshError::Resolve { host, .. }) = resolver.resolve(&address, deadline).await else {
            panic!()
        };
        assert_eq!(host, "cliffwatch.invalid");
        resolver.remember("cliffwatch.invalid", &["192.0.2.7:22".parse().unwrap()]);
        let answer = resolver.resolve(&address, deadline).await.unwrap();
        assert_eq!(answer, ["192.0.2.7:2222".parse().unwrap()]);
    }

    #[tokio::test]
    async fn literals_need_no_lookup() {
        let answer = Resolver::default().resolve(&"[::1]:22".parse().unwrap(), Instant::now()).await.unwrap();
        assert_eq!(answer, ["[::1]:22".parse().unwrap()]);
    }
}
