//! What a node and the service say to each other (section 3.4 of the service reference). The node always
//! speaks first; the service's wishes ride on its answers.
//!
//! ```text
//! POST /agent/v1/join                                JoinRequest  -> JoinReply          join token
//! POST /agent/v1/nodes/{node}/hello                  HelloRequest -> HelloReply         node token
//! POST /agent/v1/claim?wait=55                       ClaimRequest -> Assignment | 204   node token
//! POST /agent/v1/attempts/{attempt}/beat             BeatRequest  -> BeatReply          attempt token
//! GET  /agent/v1/attempts/{attempt}/wait?fence&wait  -> BeatReply | 204                 attempt token
//! PUT  /agent/v1/attempts/{attempt}/log/{stream}?fence&offset[&length&sha256]     bytes -> Stored
//! PUT  /agent/v1/attempts/{attempt}/artifacts/{name}?fence&offset[&length&sha256] bytes -> Stored
//! POST /agent/v1/attempts/{attempt}/events           EventsRequest -> EventsReply       attempt token
//! POST /agent/v1/attempts/{attempt}/finish           FinishRequest -> FinishReply       attempt token
//! POST /agent/v1/orphans                             OrphanRequest -> OrphanReply       node token
//! ```
//! Files of an orphan that was kept go where those of its attempt went, for a day.
//!
//! Every write of an attempt names its fence. What arrives twice is answered as the first time, with
//! `dup` set. A fence that is dead gets 409 `stale_fence`, an ended attempt 410 `ended` with the job's final
//! state, an unknown one 404 `unknown_attempt`; only the first of these three tells the node to kill its run.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::benchmark::Input;
use crate::evidence::Evidence;
use crate::id::{AttemptId, JobId, NodeId};
use crate::job::{FailClass, JobState, Progress};
use crate::node::NodeInfo;

/// Where all agent routes begin.
pub const ROOT: &str = "/agent/v1";

/// A node that wants to belong to the service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct JoinRequest {
    /// See [`crate::api::PROTOCOL`].
    pub protocol: u32,
    /// What the node is called, 1 to 64 characters; its host name serves.
    pub name: String,
    /// What tells this machine from others, e.g. a hash of /etc/machine-id: 1 to 128 characters.
    pub machine_id: String,
}

/// The node belongs to the service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct JoinReply {
    /// Its id from now on.
    pub node: NodeId,
    /// Its token, told until the node has said hello.
    pub token: String,
}

/// What a node is, told when its daemon starts and when something changes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct HelloRequest {
    /// See [`crate::api::PROTOCOL`].
    pub protocol: u32,
    /// The daemon's own version.
    pub version: String,
    /// The same as in [`JoinRequest`]; another one means that the identity was copied.
    pub machine_id: String,
    /// Another one means that the machine was started anew: 1 to 128 characters.
    pub boot_id: String,
    /// The answer of `xhpl describe --peak`.
    pub info: NodeInfo,
    /// What the node can do, e.g. `landlock: yes`, `mpi: Open MPI 4.1.4`; at most 64 entries.
    #[serde(default)]
    pub abilities: BTreeMap<String, String>,
    /// Free bytes where work folders are.
    pub free_disk: u64,
    /// The attempts whose runs this node still holds, running or ended and not delivered; at most 64. One of an
    /// earlier boot that is not among them went down with that boot, and is tried again elsewhere.
    #[serde(default)]
    pub holding: Vec<AttemptId>,
}

/// How the node is to behave.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct HelloReply {
    /// See [`crate::api::PROTOCOL`].
    pub protocol: u32,
    /// How often to speak.
    pub intervals: Intervals,
    /// How much may be sent.
    pub limits: Limits,
    /// What the service knows of the attempts that the node holds.
    pub attempts: BTreeMap<AttemptId, AttemptStanding>,
    /// The service's clock, milliseconds since the epoch, for display only.
    pub now: i64,
}

/// How often to speak, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Intervals {
    /// Between two beats.
    pub beat_s: u32,
    /// Between two samples of the node's metrics.
    pub sample_s: u32,
    /// How long a claim may wait.
    pub claim_wait_s: u32,
    /// How long the service waits for a sign of life.
    pub lease_s: u32,
}

/// How much may be sent for one attempt.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Limits {
    /// Bytes of all logs together.
    pub log_bytes: u64,
    /// Bytes of all artifacts together.
    pub artifact_bytes: u64,
    /// Bytes of one call that sends a log or an artifact.
    pub chunk_bytes: u64,
    /// Events of one call.
    pub events_per_call: u32,
    /// Events of the whole attempt.
    pub events: u32,
    /// Samples of metrics of one call.
    pub samples_per_call: u32,
}

/// What the service knows of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum AttemptStanding {
    /// It may go on.
    Live,
    /// Its fence is dead: kill it and keep what it made.
    Stale,
    /// The job has ended; nothing more is wanted of it.
    Ended,
    /// Nothing is known of it: let it end and keep what it makes.
    Unknown,
}

/// A node that could take a job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ClaimRequest {
    /// The boot id of the last hello.
    pub boot_id: String,
    /// Bytes of memory that a job may take now.
    pub memory_available: u64,
    /// Free bytes where work folders are.
    pub free_disk: u64,
    /// Why the node should not get a job now; empty if it is well. A node that is not well gets none, and people are
    /// shown why: at most 16 reasons of 1 to 256 characters, none of them control characters.
    #[serde(default)]
    pub unhealthy: Vec<String>,
    /// As in [`HelloRequest::holding`], but without what is only kept as an orphan. A node that holds anything gets
    /// nothing more, and an attempt that the service thinks is here and is not among them counts as forgotten.
    #[serde(default)]
    pub holding: Vec<AttemptId>,
    /// Grows from claim to claim within a boot, e.g. the machine's uptime in milliseconds, and is repeated when
    /// the call is repeated: an assignment whose answer was lost is given again, and a copy of an old claim that
    /// arrives late cannot be taken for a new one.
    pub seq: u64,
}

/// A job for a node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Assignment {
    /// Which job.
    pub job: JobId,
    /// Which try.
    pub attempt: AttemptId,
    /// The number that every write of this attempt carries.
    pub fence: i64,
    /// The token for the routes of this attempt.
    pub token: String,
    /// Whose job it is.
    pub owner: String,
    /// The row of the registry.
    pub benchmark: String,
    /// The checked parameters, every one named.
    pub parameters: Value,
    /// The files the program reads.
    pub inputs: Vec<Input>,
    /// MPI ranks.
    pub ranks: usize,
    /// Bytes of memory of the rank that needs most.
    pub bytes_per_rank: u64,
    /// Seconds after `started` at which the run is to be ended.
    pub walltime_s: u32,
}

/// Where the run stands, by the daemon's own account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum AttemptPhase {
    /// The work folder is being made.
    Preparing,
    /// The program runs.
    Running,
    /// The program has ended.
    Finishing,
}

/// A sign of life.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct BeatRequest {
    /// The attempt's fence.
    pub fence: i64,
    /// Counts this attempt's beats from 1. An older beat that arrives later changes nothing.
    pub seq: u64,
    /// Where the run stands.
    pub phase: AttemptPhase,
    /// The latest progress.
    #[serde(default)]
    pub progress: Option<Progress>,
    /// What was measured on the node since the last beat that was answered.
    #[serde(default)]
    pub samples: Vec<Sample>,
    /// What the node had to drop so far, by kind: `samples`, `log_bytes`, `events`. At most 16 kinds.
    #[serde(default)]
    pub dropped: BTreeMap<String, u64>,
}

/// The node's metrics at one moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Sample {
    /// Milliseconds since the attempt began, by the node's monotonic clock.
    pub at_ms: u64,
    /// Figures by name: `[a-z][a-z0-9_]{0,47}`, the unit last, e.g. `memory_used_bytes`; at most 64.
    pub values: BTreeMap<String, f64>,
    /// Figures of each core by name; at most 8 names of at most 1024 cores.
    #[serde(default)]
    pub per_core: BTreeMap<String, Vec<f64>>,
}

/// The answer to a sign of life.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BeatReply {
    /// Whether this beat, or a newer one, had arrived before.
    pub dup: bool,
    /// Seconds for which the attempt is safe without another beat.
    pub lease_s: u32,
    /// What the service wants. Commands are repeated until what they ask for has happened.
    pub commands: Vec<Command>,
}

/// What the service wants of a node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "command", rename_all = "snake_case")]
pub enum Command {
    /// End the run.
    Cancel {
        /// Why, for the log.
        why: String,
    },
    /// Claim nothing more.
    Drain,
    /// The run may take longer.
    Extend {
        /// Seconds after `started`, instead of what the assignment said.
        walltime_s: u32,
    },
    /// Install another version of the daemon when idle.
    Update {
        /// Which version.
        version: String,
    },
}

/// The answer to a piece of a log or an artifact.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Stored {
    /// How many bytes the service has.
    pub length: u64,
    /// Whether it had these before.
    pub dup: bool,
    /// Whether it is whole: length and hash were named and are right.
    pub complete: bool,
}

/// What happened on the node, in order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct EventsRequest {
    /// The attempt's fence.
    pub fence: i64,
    /// The events, their numbers without a gap.
    pub events: Vec<NumberedEvent>,
}

/// An event and its number.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NumberedEvent {
    /// Counts this attempt's events from 1. What the service has is passed over; a gap is refused with 409
    /// `missing_events` and `expected_seq`.
    pub seq: u64,
    /// Milliseconds since the attempt began, by the node's monotonic clock.
    pub at_ms: u64,
    /// What happened.
    pub event: AgentEvent,
}

/// What can happen on the node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum AgentEvent {
    /// The work folder is being made.
    Preparing,
    /// The program runs.
    Started,
    /// It has come so far.
    Progress(Progress),
    /// The program has ended.
    Finishing,
}

/// The answer to events.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EventsReply {
    /// The number of the last event the service has.
    pub seq: u64,
    /// Whether it had all of these before.
    pub dup: bool,
}

/// The end of an attempt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct FinishRequest {
    /// The attempt's fence.
    pub fence: i64,
    /// How many events the attempt had. If the service has fewer it answers 409 `missing_events`.
    pub events: u64,
    /// How it ended.
    pub outcome: AttemptOutcome,
    /// What speaks for it. Absent only where nothing ran.
    pub evidence: Option<Evidence>,
    /// Logs and artifacts that the service should have, whole. What it has not is said in the answer.
    #[serde(default)]
    pub files: Vec<FileDigest>,
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum AttemptOutcome {
    /// The program has written its report.
    Completed {
        /// The report, in the form that the benchmark's row of the registry reads.
        result: Value,
    },
    /// It has not.
    Failed {
        /// Whose fault it was.
        class: FailClass,
        /// A stable word: lower-case letters, digits and underscores, at most 48.
        code: String,
        /// In words.
        detail: String,
    },
    /// It was ended because the service said so.
    Cancelled,
}

/// A log or an artifact.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct FileDigest {
    /// `log/out`, `log/err` or `artifacts/NAME`.
    pub path: String,
    /// Its length in bytes.
    pub length: u64,
    /// Its SHA-256, 64 hexadecimal digits.
    pub sha256: String,
}

/// The end is written down.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FinishReply {
    /// Where the job stands now.
    pub state: JobState,
    /// Whether this end had arrived before.
    pub dup: bool,
    /// Files that the service has not got whole. They may be sent for a quarter of an hour more.
    pub incomplete: Vec<String>,
}

/// The end of an attempt that may write no longer, or that the service does not know.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct OrphanRequest {
    /// The assignment it came from.
    pub assignment: OrphanOf,
    /// How it ended.
    pub finish: FinishRequest,
}

/// What an orphan belonged to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct OrphanOf {
    /// Which job.
    pub job: JobId,
    /// Which try.
    pub attempt: AttemptId,
    /// The token of that try: it shows, also to a service that has forgotten the try, that it was dealt.
    pub token: String,
    /// Whose job it was.
    pub owner: String,
    /// The row of the registry.
    pub benchmark: String,
    /// Its parameters.
    pub parameters: Value,
}

/// The orphan is kept, unranked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct OrphanReply {
    /// Whether the service knows the job.
    pub job_known: bool,
    /// Whether it had this orphan before.
    pub dup: bool,
    /// Files that the service has not got whole. They may be sent for a day more, as those of the attempt were.
    pub incomplete: Vec<String>,
}
