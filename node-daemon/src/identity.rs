//! Who this node is: the join string by which it came to a service, and `node.json`, which it keeps.

use std::fmt;
use std::io;
use std::str::FromStr;

pub use ::client::door::Reach;
use ::client::door::is_pin;
use hpl_spec::id::NodeId;
use serde::{Deserialize, Serialize};

use crate::folder::{self, Data};

/// A join string: `hpl-join://TOKEN@HOST:PORT#sha256=PIN`, without `#…` for a service whose certificate an authority
/// vouches for, `hpl-join+http://…` for one without TLS.
#[derive(Clone, PartialEq, Eq)]
pub struct JoinString {
    /// The one-time token.
    pub token: String,
    /// Where the service is.
    pub reach: Reach,
}

impl fmt::Debug for JoinString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinString").field("reach", &self.reach).finish_non_exhaustive()
    }
}

/// What is wrong with a join string.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "this is no join string: {0}; expected hpl-join://TOKEN@HOST:PORT#sha256=PIN, as \
     `hpl-service admin join-token` prints it (in a shell it needs quotes because of the #)"
)]
pub struct BadJoinString(&'static str);

impl FromStr for JoinString {
    type Err = BadJoinString;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        let (scheme, rest) = match (text.strip_prefix("hpl-join://"), text.strip_prefix("hpl-join+http://")) {
            (Some(rest), _) => ("https", rest),
            (None, Some(rest)) => ("http", rest),
            (None, None) => return Err(BadJoinString("it does not begin with hpl-join:// or hpl-join+http://")),
        };
        let (rest, pin) = match rest.split_once('#') {
            Some((rest, pin)) => (rest, Some(pin.strip_prefix("sha256=").ok_or(BadJoinString("no sha256= after #"))?)),
            None => (rest, None),
        };
        let url_safe = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        if pin.is_some_and(|pin| !is_pin(pin)) {
            return Err(BadJoinString("the pin after # is not 43 letters, digits, - and _"));
        }
        if pin.is_some() && scheme == "http" {
            return Err(BadJoinString("a service without TLS has no key to pin"));
        }
        let (token, address) = rest.split_once('@').ok_or(BadJoinString("there is no @ between token and host"))?;
        if token.is_empty() || !token.bytes().all(url_safe) {
            return Err(BadJoinString("the token before @ is empty or has strange characters"));
        }
        let (host, port) = address.rsplit_once(':').ok_or(BadJoinString("there is no port after the host"))?;
        let port: u16 = port.parse().map_err(|_| BadJoinString("the port is no number from 1 to 65535"))?;
        let plain = |b: u8| b.is_ascii_alphanumeric() || b".-_".contains(&b);
        let bracketed = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
        let fits = match bracketed {
            Some(six) => six.parse::<std::net::Ipv6Addr>().is_ok(),
            None => !host.is_empty() && host.bytes().all(plain),
        };
        if port == 0 || !fits {
            return Err(BadJoinString("the host is no name or address"));
        }
        let reach = Reach { url: format!("{scheme}://{host}:{port}"), pin: pin.map(str::to_owned) };
        Ok(JoinString { token: token.to_owned(), reach })
    }
}

/// `node.json`: who this node is to its service. It holds the node's token, so the file has mode 0600.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Where the service is.
    #[serde(flatten)]
    pub reach: Reach,
    /// This node's id there.
    pub node: NodeId,
    /// Its token.
    pub token: String,
    /// What it is called.
    pub name: String,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Identity { reach, node, name, .. } = self;
        f.debug_struct("Identity").field("reach", reach).field("node", node).field("name", name).finish_non_exhaustive()
    }
}

impl Identity {
    /// Who this node is; None if it has not joined.
    ///
    /// # Errors
    /// The file cannot be read, or is broken.
    pub fn load(data: &Data) -> io::Result<Option<Identity>> {
        folder::read_json(&data.node())
    }

    /// Writes it down.
    ///
    /// # Errors
    /// Of the file system.
    pub fn save(&self, data: &Data) -> io::Result<()> {
        folder::write_json(&data.node(), self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PIN: &str = "abcdefghijklmnopqrstuvwxyz-ABCDEFGHIJKLMNO_";

    #[test]
    fn join_strings_are_read() {
        let read = |text: &str| text.parse::<JoinString>();
        let full = read(&format!("hpl-join://hpl_j_T0ken-_@hpl.example.org:443#sha256={PIN}\n")).unwrap();
        assert_eq!(full.token, "hpl_j_T0ken-_");
        assert_eq!(full.reach, Reach { url: "https://hpl.example.org:443".into(), pin: Some(PIN.into()) });
        assert_eq!(read("hpl-join://t@[::1]:8080").unwrap().reach.url, "https://[::1]:8080");
        let plain = read("hpl-join+http://t@127.0.0.1:80").unwrap().reach;
        assert_eq!(plain, Reach { url: "http://127.0.0.1:80".into(), pin: None });
        assert!(!format!("{full:?}").contains("T0ken"));
    }

    #[test]
    fn what_is_no_join_string_is_told() {
        let bad = [
            "",
            "https://t@h:1",
            "hpl-join://h:1",
            "hpl-join://@h:1",
            "hpl-join://t@h",
            "hpl-join://t@h:0",
            "hpl-join://t@h:65536",
            "hpl-join://t@:1",
            "hpl-join://t@a/b:1",
            "hpl-join://t@[::g]:1",
            "hpl-join://t@h:1#",
            "hpl-join://t@h:1#sha256=short",
            "hpl-join://to ken@h:1",
        ];
        for text in bad {
            let why = text.parse::<JoinString>().unwrap_err().to_string();
            assert!(why.contains("hpl-join://TOKEN@HOST:PORT"), "{text}: {why}");
        }
        assert!(format!("hpl-join+http://t@h:1#sha256={PIN}").parse::<JoinString>().is_err());
    }
}
