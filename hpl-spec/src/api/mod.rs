//! What crosses the wire, one struct pair per endpoint: [`agent`] between node and service, [`jobs`] between
//! people and service.
//!
//! Errors are [`Problem`] documents (RFC 9457) whose `code` is stable.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub mod accounts;
pub mod agent;
pub mod insight;
pub mod jobs;
pub mod nodes;
pub mod operator;
pub mod queue;
pub mod results;
pub mod sweeps;

/// The protocol between node and service. A node that speaks another one is refused when it joins or says
/// hello, before it can claim anything.
pub const PROTOCOL: u32 = 1;

/// The media type of errors.
pub const PROBLEM_JSON: &str = "application/problem+json";

/// An error on the wire.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Problem {
    /// `urn:hpl:problem:` and the code.
    #[serde(rename = "type")]
    pub kind: String,
    /// The meaning of the code, the same for every occurrence.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// A stable word for programs.
    pub code: String,
    /// What happened this time, and what to do.
    pub detail: String,
    /// The id of the request, as it stands in the service's log.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub request_id: String,
    /// What is wrong, field by field, where it is about fields.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<crate::benchmark::Problem>,
    /// What a program needs to go on, e.g. `offset`, `state`, `expected_seq`.
    #[serde(flatten)]
    pub more: BTreeMap<String, Value>,
}
