//! What people and the service say to each other about results and leaderboards.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::api::agent::FileDigest;
use crate::api::jobs::{NodeRef, Visibility};
use crate::benchmark::Finding;
use crate::evidence::{Evidence, Tier};
use crate::id::{AttemptId, JobId};

/// Where a result stands: a [`Tier`], or none yet, or never one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ResultTier {
    /// It has come and was not looked at yet.
    Pending,
    /// See [`Tier::Verified`].
    Verified,
    /// See [`Tier::Reported`].
    Reported,
    /// See [`Tier::Flagged`].
    Flagged,
    /// It did not pass the benchmark's check, or could not be read: it counts for nothing.
    Failed,
    /// See [`Tier::Orphan`].
    Orphan,
}

impl ResultTier {
    /// All of them.
    pub const ALL: [ResultTier; 6] = [
        ResultTier::Pending,
        ResultTier::Verified,
        ResultTier::Reported,
        ResultTier::Flagged,
        ResultTier::Failed,
        ResultTier::Orphan,
    ];

    /// The word for it, the same as on the wire and in the database.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            ResultTier::Pending => "pending",
            ResultTier::Verified => Tier::Verified.name(),
            ResultTier::Reported => Tier::Reported.name(),
            ResultTier::Flagged => Tier::Flagged.name(),
            ResultTier::Failed => "failed",
            ResultTier::Orphan => Tier::Orphan.name(),
        }
    }

    /// The one of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<ResultTier> {
        ResultTier::ALL.into_iter().find(|t| t.name() == name)
    }
}

impl From<Tier> for ResultTier {
    fn from(tier: Tier) -> ResultTier {
        match tier {
            Tier::Verified => ResultTier::Verified,
            Tier::Reported => ResultTier::Reported,
            Tier::Flagged => ResultTier::Flagged,
            Tier::Orphan => ResultTier::Orphan,
        }
    }
}

impl fmt::Display for ResultTier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A result as lists show it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ResultRow {
    /// Its id: that of the attempt it came from.
    pub id: AttemptId,
    /// The job.
    pub job: JobId,
    /// Whose it is; None of an orphan whose job is not known any more.
    pub owner: Option<String>,
    /// A row of the registry.
    pub benchmark: String,
    /// A few words that tell this run from others.
    pub label: String,
    /// Where it stands.
    pub tier: ResultTier,
    /// Whether it is the one result of its job that counts.
    pub accepted: bool,
    /// Whether it is in the leaderboards.
    pub ranked: bool,
    /// Who may see it.
    pub visibility: Visibility,
    /// The score, in the benchmark's unit, computed by the service.
    pub score: f64,
    /// Wall time in seconds of what was measured.
    pub seconds: f64,
    /// How large the problem was.
    pub size: f64,
    /// The score in per cent of the node's measured peak, where that is known.
    pub percent: Option<f64>,
    /// The score over the mean power of the processors, in the benchmark's unit per watt. None unless the node measured
    /// their energy, the figures are such as processors take, most of the run was what the score is of, and the result
    /// may be ranked. The power is that of the whole run, by the processors' own counters: memory, disks, fans and
    /// losses of the power supply are not in it, so that it does not compare with what is measured at the wall socket.
    pub per_watt: Option<f64>,
    /// Where it ran.
    pub node: Option<NodeRef>,
    /// The node's CPU model.
    pub kind: String,
    /// The node's physical cores.
    pub cores: u32,
    /// Why it is flagged; empty if it is not.
    pub flag_why: String,
    /// When it came, milliseconds since the epoch.
    pub created_at: i64,
}

impl ResultRow {
    /// What it is worth by a measure, in that measure's unit; None where that is not known.
    #[must_use]
    pub fn value(&self, measure: Measure) -> Option<f64> {
        match measure {
            Measure::Score => Some(self.score),
            Measure::Percent => self.percent,
            Measure::PerWatt => self.per_watt,
        }
    }

    /// How far the result is trusted, and why, e.g. `reported - nothing speaks against it, but not all could be told`.
    #[must_use]
    pub fn trust(&self) -> String {
        let why = match self.tier {
            ResultTier::Verified => "a known program on a trusted node, and nothing speaks against it".to_owned(),
            ResultTier::Reported => "nothing speaks against it, but not all could be told".to_owned(),
            ResultTier::Flagged => format!("it does not count: {}", self.flag_why),
            ResultTier::Failed => "its check did not pass".to_owned(),
            ResultTier::Pending => "nobody has looked at it yet".to_owned(),
            ResultTier::Orphan => "its attempt could write no longer".to_owned(),
        };
        format!("{} - {why}", self.tier)
    }
}

/// A result with all that speaks for it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ResultDetail {
    /// As lists show it.
    #[serde(flatten)]
    pub row: ResultRow,
    /// The benchmark's own check, in words.
    pub check: String,
    /// Whether that check passed.
    pub passed: bool,
    /// Everything that was looked at.
    pub findings: Vec<Finding>,
    /// On how many other nodes, or days, the same run came within 5 % of this score; counted to 1000.
    pub reproduced: u32,
    /// Every parameter.
    pub parameters: Value,
    /// What the program said.
    pub report: Value,
    /// What the node's daemon said.
    pub evidence: Option<Evidence>,
    /// Logs and artifacts, as they were announced.
    pub files: Vec<FileDigest>,
}

/// A page of results, the latest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ResultPage {
    /// The results. A page may be short, even empty, and not be the last.
    pub results: Vec<ResultRow>,
    /// Give this as `before` to read on; None at the end.
    pub next: Option<AttemptId>,
}

/// By what a leaderboard is ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// The score.
    #[default]
    Score,
    /// The score in per cent of the node's measured peak.
    Percent,
    /// The score over the mean power of the processors, see [`ResultRow::per_watt`].
    PerWatt,
}

impl Measure {
    /// All of them.
    pub const ALL: [Measure; 3] = [Measure::Score, Measure::Percent, Measure::PerWatt];

    /// The word for it, the same as on the wire and in the database.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Measure::Score => "score",
            Measure::Percent => "percent",
            Measure::PerWatt => "per_watt",
        }
    }

    /// The one of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Measure> {
        Measure::ALL.into_iter().find(|measure| measure.name() == name)
    }

    /// The unit of its values, for people, where `score` is the unit of the score.
    #[must_use]
    pub fn unit(self, score: &str) -> String {
        match self {
            Measure::Score => score.to_owned(),
            Measure::Percent => "% of peak".to_owned(),
            Measure::PerWatt => format!("{score} per watt"),
        }
    }
}

/// A leaderboard that has entries.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Category {
    /// A row of the registry.
    pub benchmark: String,
    /// By what it is ordered.
    pub measure: Measure,
    /// The CPU model; None for all.
    pub kind: Option<String>,
    /// The physical cores of the node; None for any number.
    pub cores: Option<u32>,
    /// How many users are in it.
    pub entries: u32,
}

/// A part of a leaderboard, the best first: of each user the best result.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Leaderboard {
    /// Which one, and how many users are in it.
    pub category: Category,
    /// The unit of the score.
    pub unit: String,
    /// The entries.
    pub entries: Vec<BoardEntry>,
    /// Give this as `after` to read on; None at the end.
    pub next: Option<AttemptId>,
}

/// The best result of a user in a category.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BoardEntry {
    /// 1 is the best; equals share a rank, and the ranks after them are left out.
    pub rank: u32,
    /// The result; its owner is the user.
    pub result: ResultRow,
}

/// Where a user stands in a category.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Standing {
    /// Which one, and how many users are in it.
    pub category: Category,
    /// The user's entry; None without one.
    pub entry: Option<BoardEntry>,
    /// The part of the entries, in per cent, that are not better than this one, itself included: 100 for the best.
    pub percentile: Option<f64>,
}

/// How the best of a category grew.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RecordHistory {
    /// Which one, and how many users are in it.
    pub category: Category,
    /// The unit of the score.
    pub unit: String,
    /// The results that were better than all before them, the oldest first; at most the latest 1000. The last is
    /// the present best.
    pub steps: Vec<ResultRow>,
}

/// Why a result is to leave the leaderboards, or to come back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct FlagRequest {
    /// In words, shown with the result: 1 to 500 characters.
    pub why: String,
}

/// The public half of the key that signs certificates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CertificateKey {
    /// Always `ed25519`.
    pub algorithm: String,
    /// A short name for people to compare.
    pub key_id: String,
    /// 64 hexadecimal digits: what `hpl-service verify --key` takes.
    pub public_key: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_wire_form() {
        for tier in ResultTier::ALL {
            assert_eq!(serde_json::to_value(tier).unwrap(), tier.name());
            assert_eq!(ResultTier::from_name(tier.name()), Some(tier));
        }
        for tier in Tier::ALL {
            assert_eq!(ResultTier::from(tier).name(), tier.name());
        }
        for measure in Measure::ALL {
            assert_eq!(serde_json::to_value(measure).unwrap(), measure.name());
            assert_eq!(Measure::from_name(measure.name()), Some(measure));
        }
        assert_eq!(Measure::PerWatt.unit("Gflop/s"), "Gflop/s per watt");
    }
}
