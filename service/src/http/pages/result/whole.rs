//! The address of this service as others reach it: for links that are shared, and for commands that are copied.

use axum::extract::FromRequestParts;
use axum::http::header::HOST;
use axum::http::request::Parts;
use axum::http::uri::Authority;

use crate::app::Shared;
use crate::client_ip::is_encrypted;
use crate::error::Error;
use crate::http::session::secure;
use crate::serve::Peer;

/// The longest name of a host, and a port.
const LONGEST: usize = 253 + 6;

/// Scheme and host, e.g. `https://hpl.example.org`; nothing where the request names no host that can be one.
pub(super) struct Whole(pub(super) String);

impl FromRequestParts<Shared> for Whole {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &Shared) -> Result<Self, Error> {
        let config = &app.config;
        let tls = match parts.extensions.get::<Peer>() {
            Some(peer) => is_encrypted(*peer, &parts.headers, &config.trusted_proxies),
            None => secure(app),
        };
        // HTTP/2 says the host in the address, HTTP/1.1 in the header.
        let asked = || parts.uri.authority().map(Authority::as_str);
        let header = || parts.headers.get(HOST).and_then(|host| host.to_str().ok());
        let host = config.public_name.as_deref().or_else(asked).or_else(header).filter(|host| is_host(host));
        let scheme = if tls { "https" } else { "http" };
        Ok(Whole(host.map(|host| format!("{scheme}://{host}")).unwrap_or_default()))
    }
}

/// Whether this is a host with or without a port, and nothing else: who sends it could have written anything.
fn is_host(text: &str) -> bool {
    let Ok(authority) = text.parse::<Authority>() else { return false };
    let (host, port) = (authority.host(), authority.port_u16());
    let rest = text.len() - host.len();
    let named = host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-'));
    let number = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let numbered = number.is_some_and(|number| number.parse::<std::net::Ipv6Addr>().is_ok());
    let whole = rest == 0 || (port.is_some() && rest == text.len() - text.rfind(':').unwrap_or(0));
    text.len() <= LONGEST && text.starts_with(host) && whole && !host.is_empty() && (named || numbered)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_host_is_a_host() {
        for good in ["hpl.example.org", "127.0.0.1:8080", "localhost", "[::1]:443", "[2001:db8::1]", "a-b.example:1"] {
            assert!(is_host(good), "{good}");
        }
        let long = "a".repeat(300);
        for bad in [
            "",
            "a b",
            "me@evil.example",
            "evil.example/x",
            "\"><script>",
            "evil.example:80x",
            "evil.example:",
            "x:99999",
            "[::1",
            "[evil]",
            "evil_example$",
            ":80",
            &long,
        ] {
            assert!(!is_host(bad), "{bad}");
        }
    }
}
