//! What is said at the door: where a service is, who calls, what a call carries, and how it is refused. Pure.

use std::time::Duration;

use hpl_spec::benchmark::Problem as FieldProblem;
use serde::{Deserialize, Serialize};

/// How long an answer may take, beyond what the call asks the service to wait.
const ANSWER: Duration = Duration::from_secs(30);
/// Characters of a pin: base64url of 32 bytes.
const PIN_CHARS: usize = 43;

/// Where a service is and how it proves itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reach {
    /// Scheme, host and port, e.g. `https://hpl.example.org:443`.
    pub url: String,
    /// base64url(SHA-256(SubjectPublicKeyInfo)) of the key that the service must show. None: its certificate must
    /// be vouched for by an authority of this system.
    pub pin: Option<String>,
}

/// Whether a text can be the hash of a key: 43 letters, digits, `-` and `_`.
#[must_use]
pub fn is_pin(text: &str) -> bool {
    text.len() == PIN_CHARS && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

/// Who dials in, and what they are told where the service shows another key than the pinned one.
#[derive(Debug, Clone, Copy)]
pub struct Caller {
    /// Name and version, for the service's log.
    pub agent: &'static str,
    /// Which key is expected, e.g. `the one this node joined with`.
    pub known: &'static str,
    /// What to do if the service's key was renewed, e.g. `join again with a new join string`.
    pub renew: &'static str,
}

/// Why a call has not brought what it asked for.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// There was no answer, or none that can be understood: it may or may not have arrived.
    #[error("no answer: {0}")]
    NoAnswer(String),
    /// The service says no.
    #[error("{} {}: {}", .0.status, .0.code, .0.detail)]
    Problem(Box<Said>),
}

/// An error that the service told.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Said {
    /// The HTTP status.
    pub status: u16,
    /// The stable word.
    pub code: String,
    /// In words.
    pub detail: String,
    /// What is wrong, field by field, where it is about fields.
    pub errors: Vec<FieldProblem>,
    /// How many bytes of a file the service has.
    pub offset: Option<u64>,
    /// The number of the event that it misses.
    pub expected_seq: Option<u64>,
    /// Seconds after which to come again.
    pub retry_after: Option<u64>,
}

/// What a call does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Looks.
    Get,
    /// Does, or asks in many words.
    Post,
    /// Puts in place.
    Put,
    /// Takes away.
    Delete,
}

/// A call to be made.
#[derive(Debug, Clone)]
pub struct Call {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) token: Option<String>,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Option<Result<Vec<u8>, String>>,
    pub(super) limit: Duration,
}

impl Call {
    /// A call of that path, which begins with `/`. Its answer has 30 seconds to come.
    #[must_use]
    pub fn new(method: Method, path: impl Into<String>) -> Call {
        Call { method, path: path.into(), token: None, headers: vec![], body: None, limit: ANSWER }
    }

    /// Proves who calls.
    #[must_use]
    pub fn token(self, token: &str) -> Call {
        Call { token: Some(token.to_owned()), ..self }
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Call {
        self.headers.push((name, value.into()));
        self
    }

    /// Carries JSON. What cannot be written as JSON is told when the call is made.
    #[must_use]
    pub fn json(self, body: &impl Serialize) -> Call {
        let body = serde_json::to_vec(body).map_err(|e| e.to_string());
        Call { body: Some(body), ..self }.header("content-type", "application/json")
    }

    /// Carries bytes.
    #[must_use]
    pub fn bytes(self, body: Vec<u8>) -> Call {
        Call { body: Some(Ok(body)), ..self }.header("content-type", "application/octet-stream")
    }

    /// Asks the service to wait up to so many seconds, which the answer may take longer by.
    #[must_use]
    pub fn wait(self, seconds: u32) -> Call {
        Call { limit: ANSWER + Duration::from_secs(seconds.into()), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pins_are_known_by_their_look() {
        assert!(is_pin("abcdefghijklmnopqrstuvwxyz-ABCDEFGHIJKLMNO_"));
        assert!(!is_pin("short") && !is_pin(&"+".repeat(43)));
    }
}
