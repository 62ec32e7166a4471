//! One run on this node: from what was claimed to what is told of its end. No shell, no path from a job: a job is
//! numbers, and the files that the service made of them.
//!
//! - [`prepare`]: the attempt's folder, its input files, and what the shim is to start.
//! - [`program`]: how each benchmark of the registry is started, and where its report lies.
//! - [`follow`]: progress, as the program says it.
//! - [`outcome`]: how it ended, in the words of the protocol.
//! - [`close`]: files with their hashes, evidence, and the end as it is told.

pub mod close;
pub mod follow;
pub mod outcome;
pub mod prepare;
pub mod program;

use hpl_spec::api::agent::AttemptOutcome;
use hpl_spec::job::FailClass;

/// Why a run came to nothing on this node.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {detail}")]
pub struct Failure {
    /// Whose fault it was.
    pub class: FailClass,
    /// A stable word.
    pub code: &'static str,
    /// In words.
    pub detail: String,
}

/// The protocol takes so many bytes of a detail.
const DETAIL: usize = 4000;

impl Failure {
    /// The node's own fault: the job is tried again.
    pub fn infra(code: &'static str, detail: impl Into<String>) -> Failure {
        Failure { class: FailClass::Infra, code, detail: detail.into() }
    }

    /// As the end of an attempt.
    #[must_use]
    pub fn outcome(self) -> AttemptOutcome {
        let mut detail = self.detail;
        if detail.len() > DETAIL {
            let end = (0..=DETAIL).rev().find(|&at| detail.is_char_boundary(at)).unwrap_or(0);
            detail.truncate(end);
        }
        AttemptOutcome::Failed { class: self.class, code: self.code.into(), detail }
    }
}
