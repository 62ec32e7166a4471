//! What a sweep is and has come to: its points, each with its runs.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::jobs::{Cost, Failure, Stopped};
use crate::id::{JobId, SweepId};
use crate::job::{JobState, Progress};

/// A sweep: jobs that were submitted together, to see which parameters serve best.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SweepView {
    /// Its id.
    pub id: SweepId,
    /// Whose it is.
    pub owner: String,
    /// A row of the registry.
    pub benchmark: String,
    /// A few words of its owner's.
    pub title: String,
    /// When it was written down, milliseconds since the epoch.
    pub created_at: i64,
    /// What the order of its runs was drawn with; None for a sweep whose runs go in the order of its input file.
    pub seed: Option<u32>,
    /// Whether a run is ended once it can no longer be the best.
    pub stop_hopeless: bool,
    /// How often each point is run.
    pub repeats: u32,
    /// What its runs take together.
    pub cost: Cost,
    /// How many runs are still drafts.
    pub drafts: u32,
    /// How many runs have ended.
    pub over: u32,
    /// The parameters that are not the same in all points, by their names on the wire.
    pub varied: Vec<String>,
    /// The points, by their parameters.
    pub points: Vec<SweepPoint>,
    /// The point with the highest median of its scores, where a run has one.
    pub best: Option<BestPoint>,
}

/// One set of parameters of a sweep.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SweepPoint {
    /// A few words that tell it from others.
    pub label: String,
    /// Every parameter.
    pub parameters: Value,
    /// The predicted score, where it could be predicted.
    pub predicted: Option<f64>,
    /// The median of the scores of its runs, where there is one.
    pub score: Option<f64>,
    /// How many of its runs have a score.
    pub scored: u32,
    /// Its runs, in the order in which they have their turn.
    pub runs: Vec<SweepRun>,
}

/// One run of a point.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SweepRun {
    /// The job.
    pub job: JobId,
    /// Its place in the order of the sweep, from 1.
    pub turn: u32,
    /// Where it stands.
    pub state: JobState,
    /// How far it is, or was.
    pub progress: Option<Progress>,
    /// Its score, where there is a result that counts.
    pub score: Option<f64>,
    /// Why the sweep ended it early, where it did.
    pub stopped: Option<Stopped>,
    /// How it failed, where it did.
    pub failure: Option<Failure>,
}

/// The best point so far.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BestPoint {
    /// Its place in `points`, from 0.
    pub point: u32,
    /// The median of the scores of its runs.
    pub score: f64,
    /// How many runs that rests on.
    pub runs: u32,
    /// Whether it was told from the others: two runs of it or more, and the lowest of them above every score of all
    /// other points. One run each names no winner, since runs of the same parameters differ by a few per cent.
    pub sure: bool,
}
