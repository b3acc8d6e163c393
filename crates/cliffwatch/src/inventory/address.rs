/// The platforms' default ports, so that `host` and `host:22` are known as one address.
const SSH_PORT: &str = "22";

/// One spelling for every way to write the same address, to find two devices with one address. It is
/// compared, never connected to.
pub(super) fn canonical(address: &str) -> String {
    let lower = address.trim().to_ascii_lowercase();
    let (scheme, rest) = lower.split_once("://").map_or(("", &*lower), |(scheme, rest)| (scheme, rest));
    let rest = rest.trim_end_matches('/');
    let (host, port) = split_port(rest);
    let default = match scheme {
        "https" => "443",
        "http" => "80",
        _ => SSH_PORT,
    };
    let host = host
        .parse::<std::net::IpAddr>()
        .map_or_else(|_| host.trim_end_matches('.').to_owned(), |ip| ip.to_canonical().to_string());
    format!("{host} {}", port.unwrap_or(default))
}

fn split_port(text: &str) -> (&str, Option<&str>) {
    if let Some((host, rest)) = text.strip_prefix('[').and_then(|text| text.split_once(']')) {
        return (host, rest.strip_prefix(':'));
    }
    match text.split_once(':') {
        // Two colons without brackets are a bare IPv6 address.
        Some((_, rest)) if rest.contains(':') => (text, None),
        Some((host, port)) => (host, Some(port)),
        None => (text, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_has_one_spelling() {
        for (a, b) in [
            ("192.0.2.1", "192.0.2.1:22"),
            ("NAT-GW.example.net.", "nat-gw.example.net"),
            ("[2001:db8::1]:22", "2001:DB8:0::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("https://192.0.2.1/", "https://192.0.2.1:443"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("LOCAL", "local"),
        ] {
            assert_eq!(canonical(a), canonical(b), "{a} {b}");
        }
        assert_ne!(canonical("192.0.2.1:2222"), canonical("192.0.2.1"));
        assert_ne!(canonical("https://192.0.2.1"), canonical("192.0.2.1"));
    }
}
