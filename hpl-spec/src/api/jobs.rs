//! What people and the service say to each other about jobs.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::benchmark::Problem;
use crate::id::{JobId, NodeId, SweepId};
use crate::job::{FailClass, JobState, Progress};

/// A job, or with `input` a sweep of jobs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct SubmitRequest {
    /// A row of the registry, e.g. `hpl`.
    pub benchmark: String,
    /// Its parameters; see the schema of the benchmark. Left out where `input` is given.
    #[serde(default)]
    pub parameters: Option<Value>,
    /// An input file in the benchmark's own format, e.g. an HPL.dat. It becomes a sweep: one job per run, all of
    /// them drafts until the sweep is submitted.
    #[serde(default)]
    pub input: Option<String>,
    /// Write it down without submitting it.
    #[serde(default)]
    pub draft: bool,
    /// Who may see it.
    #[serde(default)]
    pub visibility: Visibility,
    /// What the node must have.
    #[serde(default)]
    pub needs: Needs,
    /// Seconds after which the run is ended; left out: from the estimate.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(minimum = 1))]
    pub walltime_s: Option<u32>,
    /// A few words of your own, at most 120 characters.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(max_length = 120))]
    pub title: String,
    /// Of a sweep: end a run early once it can no longer be the best, that is when a quarter of its work or more is
    /// done and its score so far is below 90 % of the best score that a run of the sweep has come to.
    // Left out where it says nothing: a request from before there were these two is the same request.
    #[serde(default, skip_serializing_if = "is_no")]
    pub stop_hopeless: bool,
    /// Of a sweep: how often each point is run, 1 to 5 times.
    #[serde(default = "once", skip_serializing_if = "is_once")]
    #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 5))]
    pub repeats: u32,
}

fn once() -> u32 {
    1
}

fn is_once(repeats: &u32) -> bool {
    *repeats == once()
}

fn is_no(flag: &bool) -> bool {
    !flag
}

/// Who may see a job, its events, logs and result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Visibility {
    /// Everybody; its result is ranked.
    #[default]
    Public,
    /// Its owner and administrators; its result is not ranked.
    Private,
}

/// What the node must have, beyond room for the run itself.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Needs {
    /// This very node.
    #[serde(default)]
    pub node: Option<NodeId>,
    /// Physical cores, at least.
    #[serde(default)]
    pub cores: Option<u32>,
    /// All of these labels; at most 8.
    #[serde(default)]
    pub labels: Vec<String>,
}

/// A job as its readers see it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Job {
    /// Its id.
    pub id: JobId,
    /// Whose it is.
    pub owner: String,
    /// A row of the registry.
    pub benchmark: String,
    /// Every parameter.
    pub parameters: Value,
    /// A few words that tell this run from others.
    pub label: String,
    /// A few words of its owner's.
    pub title: String,
    /// Where it stands.
    pub state: JobState,
    /// Whether somebody wants it to end and the node has not confirmed yet.
    pub cancel_requested: bool,
    /// Who may see it.
    pub visibility: Visibility,
    /// The sweep it belongs to.
    pub sweep: Option<SweepId>,
    /// What the node must have.
    pub needs: Needs,
    /// Whether it may go ahead of long runs.
    pub express: bool,
    /// Seconds after which the run is ended.
    pub walltime_s: u32,
    /// The predicted seconds, where they could be predicted.
    pub estimate_s: Option<f64>,
    /// How many tries there were.
    pub attempts: u32,
    /// The node of the latest try.
    pub node: Option<NodeRef>,
    /// The latest progress of the latest try.
    pub progress: Option<Progress>,
    /// What the node of the latest try had to drop, by kind: `samples` of its metrics, `log_bytes`, `events`.
    #[serde(default)]
    pub dropped: BTreeMap<String, u64>,
    /// Why it waits, where it does.
    pub waits: Option<Waits>,
    /// How it failed, where it did.
    pub failure: Option<Failure>,
    /// Why its sweep ended it early, where it did.
    #[serde(default)]
    pub stopped: Option<Stopped>,
    /// The score, where there is a result that counts.
    pub score: Option<f64>,
    /// When it was written down, milliseconds since the epoch.
    pub created_at: i64,
    /// When it came into its state.
    pub state_at: i64,
    /// When the latest try began to run.
    pub started_at: Option<i64>,
    /// When the latest try ended.
    pub ended_at: Option<i64>,
    /// The number of its latest event.
    pub last_event: i64,
}

/// A node by id and name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NodeRef {
    /// Its id.
    pub id: NodeId,
    /// Its name.
    pub name: String,
}

/// Why a job waits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Waits {
    /// A stable word: `no_node_fits`, `nodes_busy`, `memory_taken`, `avoids_node`, `quota_running`, `sweep_turn`, `held`,
    /// `not_before`, `next`.
    pub code: String,
    /// In words, with the numbers.
    pub why: String,
    /// How many jobs are to be given to nodes before this one, where that can be told.
    pub position: Option<u32>,
    /// When it is expected to start.
    #[serde(default)]
    pub starts: Option<Expected>,
}

/// A moment that is predicted, with its spread.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Expected {
    /// The likeliest moment, milliseconds since the epoch; None where it cannot be told.
    pub at: Option<i64>,
    /// Hardly before.
    pub earliest: Option<i64>,
    /// Hardly after.
    pub latest: Option<i64>,
    /// The same in words, seen from when it was asked: `in about 12 min (between 8 and 20 min)`, or why it cannot be told.
    pub text: String,
}

/// Why a sweep ended a run early: it could no longer be the best.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Stopped {
    /// The part of its work that was done.
    pub fraction: f64,
    /// Its score so far.
    pub score: f64,
    /// The best score of the sweep's runs that had come to their end.
    pub best: f64,
    /// When, milliseconds since the epoch.
    pub at: i64,
}

/// How a job failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Failure {
    /// Whose fault it was.
    pub class: FailClass,
    /// A stable word for the reason.
    pub code: String,
    /// In words.
    pub detail: String,
}

/// What `POST /jobs` made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Submitted {
    /// The sweep, where an input file was pasted.
    pub sweep: Option<SweepId>,
    /// The jobs.
    pub jobs: Vec<Job>,
    /// What they take together.
    pub cost: Cost,
    /// What is legal and probably not meant.
    pub warnings: Vec<Problem>,
}

/// What jobs take.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Cost {
    /// How many runs.
    pub runs: u32,
    /// Their predicted seconds together; None where one of them could not be predicted.
    pub seconds: Option<f64>,
    /// The same in hours of nodes.
    pub node_hours: Option<f64>,
    /// Seconds after which all of them are over, by their walltimes.
    pub walltime_s: u64,
}

/// A page of jobs, the latest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct JobPage {
    /// The jobs.
    pub jobs: Vec<Job>,
    /// Give this as `before` to read on; None at the end.
    pub next: Option<JobId>,
}

/// What would happen to a job if it were submitted now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Estimate {
    /// Whether it could be submitted.
    pub ok: bool,
    /// What is wrong.
    pub errors: Vec<Problem>,
    /// What is legal and probably not meant.
    pub warnings: Vec<Problem>,
    /// One row per run; empty where something is wrong.
    pub runs: Vec<RunEstimate>,
    /// All together.
    pub cost: Cost,
    /// The node the prediction is for.
    pub node: Option<NodeRef>,
    /// What the prediction rests on: `history`, `peak` or `nothing`.
    pub basis: String,
    /// How many jobs would be given to nodes before it.
    pub position: u32,
    /// Why it would wait.
    pub waits: Option<Waits>,
    /// What is left of the caller's quota.
    pub quota: QuotaLeft,
}

/// What one run takes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RunEstimate {
    /// A few words that tell this run from others.
    pub label: String,
    /// Every parameter.
    pub parameters: Value,
    /// Bytes of memory of the rank that needs most.
    pub bytes_per_rank: u64,
    /// Bytes of memory of the node.
    pub bytes_per_node: u64,
    /// The node's memory, where a node was found.
    pub node_bytes: Option<u64>,
    /// The work, in the unit of the score times seconds (for HPL: Gflop).
    pub work: f64,
    /// The predicted seconds.
    pub seconds: Option<f64>,
    /// The predicted score.
    pub score: Option<f64>,
    /// Seconds after which the run would be ended.
    pub walltime_s: u32,
    /// The files the program would read, by name.
    pub inputs: BTreeMap<String, String>,
}

/// What is left of a quota.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct QuotaLeft {
    /// Runs at the same time: allowed.
    pub running_max: u32,
    /// Runs at the same time: now.
    pub running: u32,
    /// Waiting jobs and sweeps: allowed.
    pub queued_max: u32,
    /// Waiting jobs and sweeps: now.
    pub queued: u32,
    /// The longest walltime of a job, in seconds.
    pub walltime_max_s: u32,
    /// Node hours used, each counting half as much after a week; who has used less goes first.
    pub recent_node_hours: f64,
}
