//! What can become of a job: its states, its events, and the one function that says which event leads from
//! which state to which (section 3.2 of the service reference).
//!
//! ```text
//!  draft ─► queued ─► claimed ─► preparing ─► running ─► finishing ─► verifying ─► done | failed
//!             ▲ │         │          │           │            │
//!        held ┘ │         └────┬─────┘           └─────┬──────┘
//!               │   lease lost │ nothing was measured  │ lease lost: it may still run
//!               └──────◄───────┘                       ▼
//!                      ◄──── given up, or retried ─── lost ─► running | finishing   (it speaks again)
//!                                                      └────► expired               (its time is over)
//! ```
//! Any state that is not final can end in `cancelled`; those with an attempt can end in `failed`.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::id::{AttemptId, NodeId};

/// Where a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// Written down, its cost shown, not submitted yet.
    Draft,
    /// Waits for something other than a node: its turn in a sweep, or an administrator.
    Held,
    /// Waits for a node.
    Queued,
    /// A node has it.
    Claimed,
    /// The node makes ready.
    Preparing,
    /// It runs.
    Running,
    /// The program has ended; log, artifacts and result are on their way.
    Finishing,
    /// The service looks at the result.
    Verifying,
    /// Contact is lost while it ran: how it ends is not known yet, and no second run starts.
    Lost,
    /// It ended with a result that passed its check.
    Done,
    /// It ended without one.
    Failed,
    /// Somebody ended it.
    Cancelled,
    /// Its time was over.
    Expired,
}

impl JobState {
    /// All states, in the order of a job's life, the final ones last.
    pub const ALL: [JobState; 13] = [
        JobState::Draft,
        JobState::Held,
        JobState::Queued,
        JobState::Claimed,
        JobState::Preparing,
        JobState::Running,
        JobState::Finishing,
        JobState::Verifying,
        JobState::Lost,
        JobState::Done,
        JobState::Failed,
        JobState::Cancelled,
        JobState::Expired,
    ];

    /// The word for it, the same as on the wire and in the database.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            JobState::Draft => "draft",
            JobState::Held => "held",
            JobState::Queued => "queued",
            JobState::Claimed => "claimed",
            JobState::Preparing => "preparing",
            JobState::Running => "running",
            JobState::Finishing => "finishing",
            JobState::Verifying => "verifying",
            JobState::Lost => "lost",
            JobState::Done => "done",
            JobState::Failed => "failed",
            JobState::Cancelled => "cancelled",
            JobState::Expired => "expired",
        }
    }

    /// The state of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<JobState> {
        JobState::ALL.into_iter().find(|s| s.name() == name)
    }

    /// Whether nothing will ever change again.
    #[must_use]
    pub fn is_final(self) -> bool {
        matches!(self, JobState::Done | JobState::Failed | JobState::Cancelled | JobState::Expired)
    }

    /// Whether a node has, or may still have, an attempt at it that may write.
    #[must_use]
    pub fn has_attempt(self) -> bool {
        matches!(
            self,
            JobState::Claimed | JobState::Preparing | JobState::Running | JobState::Finishing | JobState::Lost
        )
    }

    /// Where `event` leads from here.
    ///
    /// # Errors
    /// An event that cannot happen in this state.
    pub fn after(self, event: &JobEvent) -> Result<JobState, IllegalStep> {
        use JobState::{
            Cancelled, Claimed, Done, Draft, Expired, Failed, Finishing, Held, Lost, Preparing, Queued, Running,
            Verifying,
        };
        let next = match (event, self) {
            (JobEvent::Submitted, Draft) => Queued,
            (JobEvent::Held { .. }, Draft | Queued) => Held,
            (JobEvent::Released, Held) => Queued,
            (JobEvent::Claimed { .. }, Queued) => Claimed,
            (JobEvent::Preparing, Claimed) => Preparing,
            (JobEvent::Started, Claimed | Preparing) => Running,
            (JobEvent::Progress(_), Running | Finishing) => self,
            (JobEvent::Finishing, Running) => Finishing,
            (JobEvent::ResultReceived, Running | Finishing) => Verifying,
            (JobEvent::Verified { passed: true, .. }, Verifying) => Done,
            (JobEvent::Verified { passed: false, .. }, Verifying) => Failed,
            // Nothing was measured yet, so a second run cannot overlap with a first one that counts.
            (JobEvent::LeaseLost, Claimed | Preparing) => Queued,
            (JobEvent::LeaseLost, Running | Finishing) => Lost,
            (JobEvent::Returned { finishing: false }, Lost) => Running,
            (JobEvent::Returned { finishing: true }, Lost) => Finishing,
            (JobEvent::Requeued { .. }, Claimed | Preparing | Running | Finishing | Lost) => Queued,
            (JobEvent::Failed { .. }, Claimed | Preparing | Running | Finishing | Verifying | Lost) => Failed,
            (JobEvent::CancelRequested { .. }, Claimed | Preparing | Running | Finishing | Lost) => self,
            (JobEvent::Cancelled { .. }, s) if !s.is_final() && s != Verifying => Cancelled,
            (JobEvent::Expired { .. }, Draft | Held | Queued | Lost) => Expired,
            _ => return Err(IllegalStep { state: self, event: event.kind() }),
        };
        Ok(next)
    }
}

impl fmt::Display for JobState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Whose fault it was that a job failed, which decides whether it is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum FailClass {
    /// The benchmark itself: exit status, failed check, out of memory. Never tried again.
    Benchmark,
    /// Node, launcher, disk, scheduler. Tried again, on another node where there is one.
    Infra,
    /// A rule was broken: sandbox, quota, walltime. Never tried again.
    Policy,
}

impl FailClass {
    /// The word for it, the same as on the wire and in the database.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            FailClass::Benchmark => "benchmark",
            FailClass::Infra => "infra",
            FailClass::Policy => "policy",
        }
    }
}

/// How far a run is, in words that fit any benchmark.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Progress {
    /// The part of the work, from 0 to 1, that is done: of the operations, not of the columns.
    pub fraction: f64,
    /// Seconds since the measured part began.
    pub seconds: f64,
    /// The score so far, in the benchmark's unit.
    pub score: f64,
    /// The score of the latest step alone.
    pub score_now: f64,
}

/// What happened to a job. Each is a row of its history and, where it moves the job, the reason of the move.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum JobEvent {
    /// It was written down; always the first, and never later.
    Created {
        /// The state it began in.
        state: JobState,
    },
    /// Its owner started the draft.
    Submitted,
    /// It waits for something other than a node.
    Held {
        /// For what.
        why: String,
    },
    /// It waits no longer.
    Released,
    /// A node has claimed it.
    Claimed {
        /// Which try.
        attempt: AttemptId,
        /// Which node.
        node: NodeId,
        /// The number that every write of this attempt carries.
        fence: i64,
    },
    /// The node makes ready.
    Preparing,
    /// The program runs.
    Started,
    /// It has come so far.
    Progress(Progress),
    /// The program has ended.
    Finishing,
    /// The node has delivered the result.
    ResultReceived,
    /// The service has judged the result.
    Verified {
        /// Whether its check passed.
        passed: bool,
        /// The check in words.
        check: String,
    },
    /// It ended without a result that counts.
    Failed {
        /// Whose fault it was.
        class: FailClass,
        /// A stable word for the reason.
        code: String,
        /// The reason in words.
        detail: String,
    },
    /// The node has not been heard of for a whole lease.
    LeaseLost,
    /// The node speaks again.
    Returned {
        /// Whether the program had ended meanwhile.
        finishing: bool,
    },
    /// It waits for a node once more; the attempt before can write no longer.
    Requeued {
        /// Why.
        why: String,
    },
    /// Somebody wants it to end.
    CancelRequested {
        /// Who.
        by: String,
    },
    /// Somebody ended it.
    Cancelled {
        /// Who.
        by: String,
    },
    /// Its time was over.
    Expired {
        /// Which time.
        why: String,
    },
}

impl JobEvent {
    /// The word for it, the same as on the wire and in the database.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            JobEvent::Created { .. } => "created",
            JobEvent::Submitted => "submitted",
            JobEvent::Held { .. } => "held",
            JobEvent::Released => "released",
            JobEvent::Claimed { .. } => "claimed",
            JobEvent::Preparing => "preparing",
            JobEvent::Started => "started",
            JobEvent::Progress(_) => "progress",
            JobEvent::Finishing => "finishing",
            JobEvent::ResultReceived => "result_received",
            JobEvent::Verified { .. } => "verified",
            JobEvent::Failed { .. } => "failed",
            JobEvent::LeaseLost => "lease_lost",
            JobEvent::Returned { .. } => "returned",
            JobEvent::Requeued { .. } => "requeued",
            JobEvent::CancelRequested { .. } => "cancel_requested",
            JobEvent::Cancelled { .. } => "cancelled",
            JobEvent::Expired { .. } => "expired",
        }
    }
}

/// An event that cannot happen in the state a job is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a job that is {state} cannot be {event}")]
pub struct IllegalStep {
    /// The state.
    pub state: JobState,
    /// The event, see [`JobEvent::kind`].
    pub event: &'static str,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn every_event() -> Vec<JobEvent> {
        let id = "0190f5fe-7c00-7a3b-8b1e-0123456789ab";
        let text = String::new;
        vec![
            JobEvent::Created { state: JobState::Queued },
            JobEvent::Submitted,
            JobEvent::Held { why: text() },
            JobEvent::Released,
            JobEvent::Claimed { attempt: id.parse().unwrap(), node: id.parse().unwrap(), fence: 1 },
            JobEvent::Preparing,
            JobEvent::Started,
            JobEvent::Progress(Progress::default()),
            JobEvent::Finishing,
            JobEvent::ResultReceived,
            JobEvent::Verified { passed: true, check: text() },
            JobEvent::Verified { passed: false, check: text() },
            JobEvent::Failed { class: FailClass::Infra, code: text(), detail: text() },
            JobEvent::LeaseLost,
            JobEvent::Returned { finishing: false },
            JobEvent::Returned { finishing: true },
            JobEvent::Requeued { why: text() },
            JobEvent::CancelRequested { by: text() },
            JobEvent::Cancelled { by: text() },
            JobEvent::Expired { why: text() },
        ]
    }

    #[test]
    fn final_stays_final_and_every_other_state_can_end() {
        for state in JobState::ALL {
            let ends = every_event().iter().any(|e| state.after(e).is_ok_and(JobState::is_final));
            assert_eq!(ends, !state.is_final(), "{state}");
            assert!(!state.is_final() || every_event().iter().all(|e| state.after(e).is_err()), "{state}");
        }
    }

    #[test]
    fn only_a_passed_verdict_is_done() {
        for state in JobState::ALL {
            for event in every_event() {
                if state.after(&event) == Ok(JobState::Done) {
                    assert!(matches!(event, JobEvent::Verified { passed: true, .. }), "{event:?}");
                }
            }
        }
    }

    #[test]
    fn what_may_still_run_is_not_run_again_by_a_lost_lease() {
        assert_eq!(JobState::Running.after(&JobEvent::LeaseLost), Ok(JobState::Lost));
        assert_eq!(JobState::Finishing.after(&JobEvent::LeaseLost), Ok(JobState::Lost));
        assert_eq!(JobState::Preparing.after(&JobEvent::LeaseLost), Ok(JobState::Queued));
    }

    #[test]
    fn names_are_the_wire_form() {
        for state in JobState::ALL {
            assert_eq!(serde_json::to_value(state).unwrap(), state.name());
            assert_eq!(JobState::from_name(state.name()), Some(state));
        }
        for event in every_event() {
            let json = serde_json::to_value(&event).unwrap();
            assert_eq!(json["kind"], event.kind());
            assert_eq!(serde_json::from_value::<JobEvent>(json).unwrap(), event);
        }
    }
}
