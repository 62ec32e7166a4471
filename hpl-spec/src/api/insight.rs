//! What the service makes of results: why a run was slow, how runs compare, what was tried before.
//!
//! | asked by | answered with |
//! |---|---|
//! | `GET /api/v1/results/{id}/diagnosis` | [`Diagnosis`] |
//! | `GET /api/v1/results/{id}/previous` | [`Previous`] |
//! | `GET /api/v1/jobs/{id}/metrics` | [`MetricsPage`] |
//! | `GET /api/v1/compare?results=…` | [`Comparison`] |
//! | `GET /api/v1/explore` | [`Exploration`] |

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::api::agent::Sample;
use crate::api::jobs::NodeRef;
use crate::api::results::{ResultRow, ResultTier};
use crate::id::{AttemptId, JobId};

/// Why a run was as slow as it was.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Diagnosis {
    /// The result.
    pub result: AttemptId,
    /// A sentence over all causes.
    pub summary: String,
    /// The score.
    pub score: f64,
    /// Its unit.
    pub unit: String,
    /// The score in per cent of the node's measured peak, where that is known.
    pub percent: Option<f64>,
    /// What stands out, what cost most first. Empty if nothing does.
    pub causes: Vec<Cause>,
    /// Every rule, in the order in which they are looked at, and what it saw.
    pub rules: Vec<RuleLook>,
}

/// How much a cause cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// A tenth of the time or more, or the run is not worth its time.
    Severe,
    /// At least three hundredths.
    Notable,
    /// It cannot be computed.
    Unknown,
    /// Less.
    Minor,
}

impl Severity {
    /// The word for it, the same as on the wire.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Severity::Severe => "severe",
            Severity::Notable => "notable",
            Severity::Unknown => "unknown",
            Severity::Minor => "minor",
        }
    }
}

/// One thing that made a run slow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Cause {
    /// A stable word: that of the rule.
    pub code: String,
    /// How much it cost.
    pub severity: Severity,
    /// The same as an estimate, in per cent of the time of the solve. None where it cannot be computed.
    pub cost_percent: Option<f64>,
    /// What happened, in plain words.
    pub headline: String,
    /// What speaks for it, with numbers of this run; never empty.
    pub facts: Vec<Fact>,
    /// Why it matters, in a sentence.
    pub why: String,
    /// The second of the run at which it began, where that shows.
    pub at_s: Option<f64>,
    /// What to try next.
    pub next: Vec<NextTry>,
}

/// A number that speaks for a cause.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Fact {
    /// What it is, in a few words.
    pub name: String,
    /// The number, in `unit`.
    pub value: f64,
    /// Its unit; empty for what is counted.
    pub unit: String,
    /// Both for people, rounded.
    pub text: String,
}

/// Something to try.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NextTry {
    /// In words.
    pub text: String,
    /// The parameters of such a run as the query of the submit page, e.g. `?n=8000&nb=192&p=1&q=2`. None where the
    /// advice is not about parameters.
    pub query: Option<String>,
}

/// What a rule found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum RuleOutcome {
    /// It is among the causes.
    Fired,
    /// All is well.
    Clear,
    /// What it looks at is not known of this run.
    Unknown,
}

/// A rule and what it saw.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RuleLook {
    /// A stable word.
    pub code: String,
    /// What it looks at, in a few words.
    pub title: String,
    /// From where on it speaks.
    pub threshold: String,
    /// Why from there.
    pub reason: String,
    /// What it found.
    pub outcome: RuleOutcome,
    /// What it saw, with numbers; or what is missing.
    pub seen: String,
}

/// Figures of a node while a job ran, in its latest attempt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MetricsPage {
    /// The job.
    pub job: JobId,
    /// The attempt; None if none was made yet.
    pub attempt: Option<AttemptId>,
    /// Where this page begins, in bytes of what is kept.
    pub offset: u64,
    /// Give this as `offset` to read on; None at the present end.
    pub next: Option<u64>,
    /// Bytes kept.
    pub total: u64,
    /// Samples in this answer, or in the chart.
    pub count: u32,
    /// Lines that could not be read.
    pub unreadable: u32,
    /// The samples, as they came. Empty where a chart was asked for.
    pub samples: Vec<Sample>,
    /// All samples thinned out; None unless `points` was given.
    pub chart: Option<MetricsChart>,
}

/// Figures over time, thinned out to stretches of equal length; those without a sample are left out.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MetricsChart {
    /// Milliseconds of a stretch.
    pub step_ms: u64,
    /// The mean moment of the samples of each stretch, in milliseconds since the attempt began.
    pub at_ms: Vec<u64>,
    /// By the name of the figure, as samples have it.
    pub series: BTreeMap<String, MetricsSeries>,
}

/// One figure, an entry for each of [`MetricsChart::at_ms`]; None where it was not measured.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MetricsSeries {
    /// The least.
    pub min: Vec<Option<f64>>,
    /// The mean.
    pub mean: Vec<Option<f64>>,
    /// The most.
    pub max: Vec<Option<f64>>,
}

/// Groups of runs side by side.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Comparison {
    /// The benchmark that all groups ran.
    pub benchmark: String,
    /// The unit of the scores.
    pub unit: String,
    /// The groups, in the order in which they were named.
    pub groups: Vec<RunGroup>,
    /// The parameters that are not the same in all groups, with their values in the order of the groups.
    pub differences: Vec<GroupDifference>,
    /// What can be said of each two groups.
    pub verdicts: Vec<PairVerdict>,
}

/// All runs of the same parameters on the same kind of node that the caller may see.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RunGroup {
    /// A name for this group that `results=` takes, too: it stays the same when more runs come.
    pub key: String,
    /// The result that named it; None where it was named by its key.
    pub result: Option<AttemptId>,
    /// A few words that tell these runs from others.
    pub label: String,
    /// The CPU model.
    pub kind: String,
    /// The node's physical cores.
    pub cores: u32,
    /// The parameters.
    pub parameters: Value,
    /// How many runs.
    pub n: u32,
    /// Whether there are more, older ones, which are left out here.
    pub more: bool,
    /// The scores summed up.
    pub scores: ScoreSummary,
    /// The runs, latest first.
    pub runs: Vec<GroupRun>,
}

/// A run of a group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct GroupRun {
    /// The result.
    pub id: AttemptId,
    /// The score.
    pub score: f64,
    /// When it came, milliseconds since the epoch.
    pub created_at: i64,
}

/// Scores summed up. Nothing is said that so few runs cannot tell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ScoreSummary {
    /// The least.
    pub min: f64,
    /// The first quartile; None of fewer than four runs.
    pub lower_quartile: Option<f64>,
    /// The middle one.
    pub median: f64,
    /// The third quartile; None of fewer than four runs.
    pub upper_quartile: Option<f64>,
    /// The most.
    pub max: f64,
    /// Where the median of all such runs lies; None of fewer than six runs, which cannot tell.
    pub interval: Option<MedianInterval>,
}

/// Between which bounds a median lies.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MedianInterval {
    /// The lower bound, one of the scores.
    pub low: f64,
    /// The upper bound, one of the scores.
    pub high: f64,
    /// In how many of 100 such samples the bounds hold the median, at the least: 95 or more.
    pub confidence_percent: f64,
}

/// A parameter that differs between groups.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct GroupDifference {
    /// The parameter; `kind` and `cores` are the node's.
    pub name: String,
    /// Its value in each group.
    pub values: Vec<Value>,
}

/// What can be said of two groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum PairOutcome {
    /// Whatever these runs had reached, nothing could be told.
    TooFew,
    /// There are enough runs, and they do not differ by more than chance would have it.
    NoDifference,
    /// The first is faster.
    FirstFaster,
    /// The second is faster.
    SecondFaster,
}

/// The verdict on two groups.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PairVerdict {
    /// The first group, counted from 0.
    pub first: u32,
    /// The second group.
    pub second: u32,
    /// What can be said.
    pub outcome: PairOutcome,
    /// How often chance alone would make two such groups differ as much: Mann-Whitney's U, two-sided. None of too few runs.
    pub p_value: Option<f64>,
    /// By how many per cent the median of the second is above that of the first. It says nothing by itself.
    pub median_change_percent: Option<f64>,
    /// The verdict in words, with the numbers of runs.
    pub text: String,
}

/// Results as points, latest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Exploration {
    /// The benchmark.
    pub benchmark: String,
    /// The unit of the scores.
    pub unit: String,
    /// The points. What is flagged is not among them.
    pub points: Vec<ExplorePoint>,
    /// Give this as `before` for older ones; None at the end.
    pub next: Option<AttemptId>,
}

/// A result as a point.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ExplorePoint {
    /// The result.
    pub id: AttemptId,
    /// The job.
    pub job: JobId,
    /// Whose it is.
    pub owner: Option<String>,
    /// The order of the matrix, where the benchmark has one.
    pub n: Option<u64>,
    /// The block size.
    pub nb: Option<u64>,
    /// Process rows.
    pub p: Option<u64>,
    /// Process columns.
    pub q: Option<u64>,
    /// The score.
    pub score: f64,
    /// The score in per cent of the node's measured peak.
    pub percent: Option<f64>,
    /// Wall time in seconds of what was measured.
    pub seconds: f64,
    /// Where it stands.
    pub tier: ResultTier,
    /// Where it ran.
    pub node: Option<NodeRef>,
    /// The CPU model.
    pub kind: String,
    /// The node's physical cores.
    pub cores: u32,
    /// When it came, milliseconds since the epoch.
    pub created_at: i64,
}

/// What changed since the same user's run before, on the same kind of node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Previous {
    /// The result.
    pub now: ResultRow,
    /// The latest before it; None if it is the first, or if there is none that the caller may see.
    pub before: Option<ResultRow>,
    /// By how many per cent the score is above that before. One run each: chance may do as much.
    pub change_percent: Option<f64>,
    /// Parameters that differ.
    pub parameters: Vec<Change>,
    /// Facts about the node and its programs that differ.
    pub environment: Vec<Change>,
}

/// Something that differs between two runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Change {
    /// What.
    pub name: String,
    /// What it was; null where it was not known.
    pub before: Value,
    /// What it is; null where it is not known.
    pub now: Value,
}
