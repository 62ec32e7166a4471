//! The queue as a whole: what runs where, and what comes next.

use serde::{Deserialize, Serialize};

use super::jobs::{Expected, NodeRef, Waits};
use crate::id::{JobId, SweepId};
use crate::job::{JobState, Progress};

/// What runs and what waits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Queue {
    /// When it was looked at, milliseconds since the epoch.
    pub now: i64,
    /// What nodes have now, what began first before the others.
    pub running: Vec<RunningJob>,
    /// What waits, in the order in which it is expected to be given to nodes; then what cannot be given to one.
    pub waiting: Vec<WaitingJob>,
    /// Jobs that wait and are not listed.
    pub more: u64,
}

/// A job as the queue shows it. Of others' private jobs only `state` is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct QueuedJob {
    /// Its id; None where it is not for the caller to see.
    pub id: Option<JobId>,
    /// Whose it is.
    pub owner: Option<String>,
    /// Its owner's words for it, or those that tell this run from others.
    pub name: Option<String>,
    /// A row of the registry.
    pub benchmark: Option<String>,
    /// Where it stands.
    pub state: JobState,
    /// Whether it is the caller's own.
    pub own: bool,
}

/// A job that a node has.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RunningJob {
    /// The job.
    pub job: QueuedJob,
    /// The node.
    pub node: NodeRef,
    /// When its program began, milliseconds since the epoch.
    pub started_at: Option<i64>,
    /// How far it is.
    pub progress: Option<Progress>,
    /// When the node is expected to be free again.
    pub ends: Expected,
}

/// A job that waits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct WaitingJob {
    /// Its place, from 1; None where no node can be given it as things stand.
    pub place: Option<u32>,
    /// The job.
    pub job: QueuedJob,
    /// Since when, milliseconds since the epoch.
    pub since: i64,
    /// The predicted seconds of its run.
    pub estimate_s: Option<f64>,
    /// Why it waits and when it is expected to start.
    pub waits: Waits,
    /// The sweep it belongs to, where it waits for its turn in one...
    pub sweep: Option<SweepId>,
    /// ...and how many more of its runs do.
    pub more_of_sweep: u32,
}
