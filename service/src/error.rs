//! What can go wrong towards the outside: one table of codes, one shape. What it was inside is logged with the
//! request's id and never sent.

use std::collections::BTreeMap;
use std::fmt;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use hpl_spec::api::{PROBLEM_JSON, Problem};
use hpl_spec::benchmark::Problem as FieldProblem;
use hpl_spec::job::IllegalStep;
use serde_json::Value;

use crate::limits::RetryAfter;

/// Short for what every fallible function here returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

macro_rules! codes {
    ($($(#[$about:meta])* $variant:ident = $name:literal $status:literal $title:literal,)*) => {
        /// A stable word for a kind of error.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Code {
            $($(#[$about])* #[doc = $title] $variant,)*
        }

        impl Code {
            /// Every code.
            pub const ALL: &'static [Code] = &[$(Code::$variant,)*];

            /// The word on the wire, the HTTP status, and what it means.
            #[must_use]
            pub fn row(self) -> (&'static str, u16, &'static str) {
                match self {
                    $(Code::$variant => ($name, $status, $title),)*
                }
            }
        }
    };
}

codes! {
    BadRequest = "bad_request" 400 "The request cannot be read",
    MalformedJson = "malformed_json" 400 "The body is not JSON of the expected shape",
    Unauthenticated = "unauthenticated" 401 "Nobody is logged in, or the token is not known",
    TokenExpired = "token_expired" 401 "The token is no longer valid",
    WrongPassword = "wrong_password" 401 "Username or password are wrong",
    Forbidden = "forbidden" 403 "This is not yours to do",
    WrongScope = "wrong_scope" 403 "The token lacks the scope for this",
    CrossOrigin = "cross_origin" 403 "The request came from another site",
    SignupClosed = "signup_closed" 403 "Sign-up is closed, or needs an invitation",
    NotFound = "not_found" 404 "There is no such thing, or it is not yours to see",
    UnknownAttempt = "unknown_attempt" 404 "The service does not know this attempt",
    MethodNotAllowed = "method_not_allowed" 405 "This address does not take that method",
    Conflict = "conflict" 409 "It is not in a state that allows this",
    UsernameTaken = "username_taken" 409 "Somebody else has that username",
    StaleFence = "stale_fence" 409 "The attempt's fence is dead: end the run and keep what it made",
    MissingEvents = "missing_events" 409 "Events before these are missing",
    IdentityInUse = "identity_in_use" 409 "Another machine speaks as this node",
    NodeUnhealthy = "node_unhealthy" 409 "A node that is not well gets no job",
    NodeBusy = "node_busy" 409 "The node holds an attempt already",
    Ended = "ended" 410 "The attempt has ended",
    TooLarge = "too_large" 413 "The body is larger than allowed here",
    TooLong = "too_long" 413 "The attempt's quota for logs or artifacts is used up",
    UnsupportedMediaType = "unsupported_media_type" 415 "The body's type is not taken here",
    OffsetMismatch = "offset_mismatch" 416 "The service has another length; go on from its offset",
    RangeNotSatisfiable = "range_not_satisfiable" 416 "There is no such part of the file",
    Invalid = "invalid" 422 "Some fields are wrong",
    HashMismatch = "hash_mismatch" 422 "What was stored has another hash; send it again from 0",
    IdempotencyMismatch = "idempotency_mismatch" 422 "This idempotency key was used for another request",
    UpgradeRequired = "upgrade_required" 426 "The node speaks another protocol than the service",
    RateLimited = "rate_limited" 429 "Too many requests; come again later",
    QuotaExceeded = "quota_exceeded" 429 "The quota is used up",
    Internal = "internal" 500 "Something went wrong inside the service; it is in its log",
    Unavailable = "unavailable" 503 "The service is busy or stopping; come again",
    DiskFull = "disk_full" 507 "The service has no room left on its disk",
}

/// An error as it will be told.
#[derive(Debug, Clone, PartialEq)]
pub struct Error {
    /// Which kind.
    pub code: Code,
    /// What happened this time, and what to do.
    pub detail: String,
    /// What is wrong, field by field.
    pub errors: Vec<FieldProblem>,
    /// What a program needs to go on.
    pub more: BTreeMap<String, Value>,
    /// Seconds after which to come again.
    pub retry_after: Option<u32>,
}

impl Error {
    /// An error of that kind.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Error { code, detail: detail.into(), errors: vec![], more: BTreeMap::new(), retry_after: None }
    }

    /// Fields that are wrong.
    pub fn invalid(errors: Vec<FieldProblem>) -> Self {
        let detail = errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
        Error { errors, ..Error::new(Code::Invalid, detail) }
    }

    /// One field that is wrong.
    pub fn field(field: &str, message: impl Into<String>) -> Self {
        Error::invalid(vec![FieldProblem::new(field, message)])
    }

    /// There is no such `what`.
    pub fn not_found(what: &str) -> Self {
        Error::new(Code::NotFound, format!("no {what} of that name is there for you to see"))
    }

    /// Something that must not happen did: logged here, not sent.
    pub fn internal(cause: impl fmt::Display) -> Self {
        tracing::error!(%cause, "internal error");
        Error::new(Code::Internal, "the cause is in the service's log, under this request's id")
    }

    /// Adds what a program needs to go on.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.more.insert(name.to_owned(), value.into());
        self
    }

    /// Adds when to come again.
    #[must_use]
    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after = Some(seconds.max(1));
        self
    }

    /// The document on the wire, without the request's id, which the outermost layer fills in.
    #[must_use]
    pub fn to_problem(&self) -> Problem {
        let (code, status, title) = self.code.row();
        Problem {
            kind: format!("urn:hpl:problem:{code}"),
            title: title.into(),
            status,
            code: code.into(),
            detail: self.detail.clone(),
            request_id: String::new(),
            errors: self.errors.clone(),
            more: self.more.clone(),
        }
    }
}

impl From<RetryAfter> for Error {
    fn from(wait: RetryAfter) -> Self {
        Error::new(Code::RateLimited, wait.to_string()).retry_after(wait.0)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code.row().0, self.detail)
    }
}

impl std::error::Error for Error {}

impl From<IllegalStep> for Error {
    fn from(step: IllegalStep) -> Self {
        Error::new(Code::Conflict, step.to_string()).with("state", step.state.name())
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let problem = self.to_problem();
        let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&problem).unwrap_or_default();
        let mut response = (status, [(header::CONTENT_TYPE, PROBLEM_JSON)], body).into_response();
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response.extensions_mut().insert(self);
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_words_with_a_status() {
        let mut names: Vec<_> = Code::ALL.iter().map(|c| c.row().0).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Code::ALL.len());
        for code in Code::ALL {
            let (name, status, _) = code.row();
            assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{name}");
            assert!((400..600).contains(&status), "{name}");
        }
    }

    #[test]
    fn a_problem_says_what_a_program_needs() {
        let error = Error::new(Code::OffsetMismatch, "the log has 17 bytes").with("offset", 17).retry_after(0);
        let response = error.into_response();
        assert_eq!(response.status(), 416);
        assert_eq!(response.headers()["retry-after"], "1");
        assert_eq!(response.headers()["content-type"], PROBLEM_JSON);
    }
}
