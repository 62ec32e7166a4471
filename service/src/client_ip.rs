//! Who calls: the address at the other end of the connection or, behind a proxy that the operator named, the
//! address that this proxy saw.
//!
//! `X-Forwarded-For` grows to the right, and whoever calls may begin it with anything. So it is read from the
//! right, and only as far as each hop is a trusted proxy: the first address that is not trusted is the caller.

use std::net::{IpAddr, SocketAddr};

use axum::http::HeaderMap;
use ipnet::IpNet;

use crate::serve::Peer;

/// The header's name.
const FORWARDED_FOR: &str = "x-forwarded-for";
/// Where a proxy says by what protocol it was asked.
const FORWARDED_PROTO: &str = "x-forwarded-proto";
/// Hops that are looked at; a chain of proxies is never longer.
const HOPS: usize = 16;

/// The address of the caller.
///
/// `peer` is the other end of the connection, `trusted` the networks of the operator's proxies. The header is
/// not looked at unless `peer` is one of them. An entry that is no address ends the walk: then the last
/// trusted hop is the caller, as nothing beyond it can be believed.
#[must_use]
pub fn client_ip(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let mut caller = peer.to_canonical();
    let hops = headers
        .get_all(FORWARDED_FOR)
        .iter()
        .rev()
        .flat_map(|value| value.to_str().unwrap_or_default().rsplit(','))
        .take(HOPS);
    for hop in hops {
        if !is_trusted(caller, trusted) {
            break;
        }
        match parse_hop(hop) {
            Some(address) => caller = address,
            None => break,
        }
    }
    caller
}

/// Whether the caller's connection is encrypted: the one that the request came on, or else the one that a trusted
/// proxy says it came on to the proxy.
#[must_use]
pub fn is_encrypted(peer: Peer, headers: &HeaderMap, trusted: &[IpNet]) -> bool {
    let last = headers.get_all(FORWARDED_PROTO).iter().next_back().and_then(|value| value.to_str().ok());
    let said = || last.and_then(|text| text.rsplit(',').next()).is_some_and(|p| p.trim().eq_ignore_ascii_case("https"));
    peer.tls || (is_trusted(peer.addr.ip(), trusted) && said())
}

/// Is the address within one of the networks?
#[must_use]
pub fn is_trusted(address: IpAddr, trusted: &[IpNet]) -> bool {
    let address = address.to_canonical();
    trusted.iter().any(|network| network.contains(&address))
}

/// One entry: `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]` or `[2001:db8::1]:80`.
fn parse_hop(text: &str) -> Option<IpAddr> {
    let text = text.trim_ascii();
    let bare = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')).unwrap_or(text);
    let address =
        bare.parse::<IpAddr>().or_else(|_| text.parse::<SocketAddr>().map(|with_port| with_port.ip())).ok()?;
    Some(address.to_canonical())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn caller(peer: &str, lines: &[&[u8]], trusted: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(FORWARDED_FOR, HeaderValue::from_bytes(line).unwrap());
        }
        let trusted: Vec<IpNet> = trusted.iter().map(|t| t.parse().unwrap()).collect();
        client_ip(peer.parse().unwrap(), &headers, &trusted).to_string()
    }

    #[test]
    fn without_a_trusted_proxy_the_header_is_nothing() {
        assert_eq!(caller("192.0.2.7", &[b"203.0.113.9"], &[]), "192.0.2.7");
        assert_eq!(caller("192.0.2.7", &[b"203.0.113.9"], &["10.0.0.0/8"]), "192.0.2.7");
        assert_eq!(caller("::ffff:192.0.2.7", &[], &[]), "192.0.2.7");
    }

    #[test]
    fn the_rightmost_stranger_is_the_caller() {
        let trusted = ["10.0.0.0/8", "2001:db8:1::/48"];
        for (line, expected) in [
            (&b"203.0.113.9"[..], "203.0.113.9"),
            (b"1.1.1.1, 203.0.113.9", "203.0.113.9"),
            (b"1.1.1.1, 203.0.113.9, 10.2.3.4", "203.0.113.9"),
            (b" 203.0.113.9:4711 ,10.2.3.4", "203.0.113.9"),
            (b"2001:db8:2::5", "2001:db8:2::5"),
            (b"[2001:db8:2::5]:443, 2001:db8:1::1", "2001:db8:2::5"),
            (b"[2001:db8:2::5]", "2001:db8:2::5"),
            (b"::ffff:203.0.113.9", "203.0.113.9"),
            (b"10.9.9.9, 10.2.3.4", "10.9.9.9"),
        ] {
            assert_eq!(caller("10.0.0.1", &[line], &trusted), expected, "{}", String::from_utf8_lossy(line));
        }
        assert_eq!(caller("::ffff:10.0.0.1", &[b"203.0.113.9"], &trusted), "203.0.113.9");
        // header lines are one list
        assert_eq!(caller("10.0.0.1", &[b"1.1.1.1", b"203.0.113.9", b"10.2.3.4"], &trusted), "203.0.113.9");
    }

    #[test]
    fn garbage_ends_the_walk_at_the_last_known_hop() {
        let trusted = ["10.0.0.0/8"];
        for line in
            [&b""[..], b"unknown", b"_hidden", b"203.0.113.9, ", b"203.0.113.9, 999.1.1.1", b"\xff\xfe", b"1.1.1.1\xff"]
        {
            assert_eq!(caller("10.0.0.1", &[line], &trusted), "10.0.0.1", "{}", String::from_utf8_lossy(line));
        }
        assert_eq!(caller("10.0.0.1", &[b"1.1.1.1, x, 10.2.3.4"], &trusted), "10.2.3.4");
        let long = "10.2.3.4, ".repeat(5000) + "10.2.3.4";
        assert_eq!(caller("10.0.0.1", &[long.as_bytes()], &trusted), "10.2.3.4");
    }

    #[test]
    fn only_a_trusted_proxy_may_say_that_it_was_asked_over_tls() {
        let encrypted = |peer: &str, tls: bool, said: &[&str]| {
            let mut headers = HeaderMap::new();
            for line in said {
                headers.append(FORWARDED_PROTO, HeaderValue::from_str(line).unwrap());
            }
            let peer = Peer { addr: SocketAddr::new(peer.parse().unwrap(), 1), tls };
            is_encrypted(peer, &headers, &["10.0.0.0/8".parse().unwrap()])
        };
        assert!(encrypted("192.0.2.1", true, &["http"]));
        assert!(encrypted("10.0.0.1", false, &["https"]) && encrypted("::ffff:10.0.0.1", false, &["http, HTTPS"]));
        for said in [&[][..], &["http"], &["https, http"], &["https", "http"], &[""]] {
            assert!(!encrypted("10.0.0.1", false, said), "{said:?}");
        }
        assert!(!encrypted("192.0.2.1", false, &["https"]));
    }

    proptest! {
        #[test]
        fn whatever_a_stranger_begins_the_header_with_he_cannot_choose_his_address(forged in "[ -~]{0,60}") {
            let line = format!("{forged}, 203.0.113.9, 10.2.3.4");
            prop_assert_eq!(caller("10.0.0.1", &[line.as_bytes()], &["10.0.0.0/8"]), "203.0.113.9");
        }
    }
}
