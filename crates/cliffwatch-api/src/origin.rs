//! Whether a request without a token comes from this machine, and not from a web page in its browser.

use std::net::{IpAddr, SocketAddr};

use axum::http::{HeaderMap, header};

/// Headers that a proxy adds: behind one, the peer is the proxy and says nothing about who asks.
const PROXIED: [&str; 3] = ["forwarded", "x-forwarded-for", "x-real-ip"];

/// Why the request may not change anything, or nothing when it may.
///
/// A page on the web can make a browser send requests to loopback (RFC 6454 origin), and can give loopback
/// a name of its own (DNS rebinding): so the origin must be ours, and the host an address or `localhost`.
pub(crate) fn refusal(peer: SocketAddr, headers: &HeaderMap) -> Option<&'static str> {
    if !peer.ip().to_canonical().is_loopback() {
        return Some("without tokens only this machine itself may change anything");
    }
    if PROXIED.iter().any(|name| headers.contains_key(*name)) {
        return Some("the request came through a proxy, so it may not be from this machine");
    }
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let Some(host) = host.filter(|host| is_ours(host)) else {
        return Some("the Host header names neither `localhost` nor an address");
    };
    match headers.get(header::ORIGIN) {
        None => None,
        Some(origin) => {
            let origin = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
            let same = origin.is_some_and(|(_, authority)| authority.eq_ignore_ascii_case(host));
            (!same).then_some("the request was made by a web page of another origin")
        }
    }
}

/// Whether a host names itself: `localhost`, or an address, which no DNS server can point elsewhere.
fn is_ours(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|digit| digit.is_ascii_digit()) => name,
        _ => host,
    };
    let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    name.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(peer: &str, headers: &[(&'static str, &'static str)]) -> bool {
        let headers = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
        refusal(peer.parse().unwrap(), &headers.collect()).is_some()
    }

    #[test]
    fn only_this_machine_may_write() {
        let host = ("host", "127.0.0.1:8473");
        for peer in ["127.0.0.1:5", "[::1]:5", "[::ffff:127.0.0.1]:5"] {
            assert!(!refused(peer, &[host]));
        }
        assert!(refused("192.0.2.1:5", &[host]));
        assert!(refused("127.0.0.1:5", &[host, ("x-forwarded-for", "127.0.0.1")]));
    }

    #[test]
    fn a_web_page_may_not_write() {
        let peer = "127.0.0.1:5";
        for host in ["localhost", "LOCALHOST:8473", "127.0.0.1", "[::1]:8473"] {
            assert!(!refused(peer, &[("host", host)]), "{host}");
        }
        for host in ["evil.example:8473", "localhost.evil.example", "127.0.0.1.evil.example", ""] {
            assert!(refused(peer, &[("host", host)]), "{host}");
        }
        assert!(refused(peer, &[]));
        let host = ("host", "localhost:8473");
        assert!(!refused(peer, &[host, ("origin", "http://localhost:8473")]));
        for origin in ["null", "http://localhost:3000", "http://evil.example"] {
            assert!(refused(peer, &[host, ("origin", origin)]), "{origin}");
        }
    }
}
