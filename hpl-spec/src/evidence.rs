//! What speaks for a result beside the result itself, and how far a result is trusted (section 5.6 of the
//! service reference).
//!
//! Whoever owns root on a node can forge all of it: a tier says who vouches for a result, not that it is true.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// What the daemon measured and knows of one run, from outside of the program. What could not be measured is
/// absent, never zero.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    /// Seconds from the start of the program to its end, by the daemon's monotonic clock. It holds all of the
    /// program: its start, what the program itself measures, and its check.
    pub elapsed_s: f64,
    /// Processor seconds, user and system, of all ranks together.
    #[serde(default)]
    pub cpu_s: Option<f64>,
    /// The most memory that the ranks held together at one moment.
    #[serde(default)]
    pub memory_peak: Option<MemoryPeak>,
    /// Energy in joules that the node took while the program ran.
    #[serde(default)]
    pub energy_j: Option<f64>,
    /// SHA-256 of the program's file, 64 lower-case hexadecimal digits.
    pub binary_sha256: String,
    /// The line that started the program: the launcher and its arguments.
    pub launch: Vec<String>,
    /// What the run stood on, by name: versions of the program, of MPI, of the operating system's kernel, settings
    /// of the processor.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// The boot id of the node when the run ended.
    pub boot_id: String,
    /// Milliseconds by which the node's wall clock is ahead of the service's; below zero if it is behind.
    #[serde(default)]
    pub clock_offset_ms: Option<i64>,
    /// Whether more threads ran than there are cores.
    pub oversubscribed: bool,
    /// Whether the run could reach the network.
    pub network_open: bool,
    /// How the run was kept apart from the rest of the node, by name, e.g. `landlock: yes`.
    #[serde(default)]
    pub sandbox: BTreeMap<String, String>,
    /// Processor seconds of the daemon itself while the program ran.
    pub daemon_cpu_s: f64,
    /// Bytes of the logs that were dropped.
    pub log_missing_bytes: u64,
    /// Samples of metrics and progress that were dropped.
    pub dropped_samples: u64,
}

/// How much memory was held, and who says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct MemoryPeak {
    /// In bytes, over all ranks.
    pub bytes: u64,
    /// Where the figure comes from.
    pub source: MemorySource,
}

/// Who counted the memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum MemorySource {
    /// `memory.peak` of the run's control group, version 2.
    CgroupV2,
    /// `memory.max_usage_in_bytes` of its control group, version 1.
    CgroupV1,
    /// The resident set sizes of the ranks, added up at every sample.
    Rss,
}

impl MemorySource {
    /// The words for it.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            MemorySource::CgroupV2 => "control group, version 2",
            MemorySource::CgroupV1 => "control group, version 1",
            MemorySource::Rss => "resident set sizes",
        }
    }
}

/// How far a result is trusted. How often it was reproduced is not a tier: it is counted when it is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Tier {
    /// Our program, our node, and nothing that could be looked at was other than it should be.
    Verified,
    /// Nothing contradicts it, but something rests on the word of others.
    Reported,
    /// Something cannot be true: kept in the history, in no ranking, the reason shown.
    Flagged,
    /// It came from an attempt that could write no longer: kept, in no ranking.
    Orphan,
}

impl Tier {
    /// All tiers, the most trusted first.
    pub const ALL: [Tier; 4] = [Tier::Verified, Tier::Reported, Tier::Flagged, Tier::Orphan];

    /// The word for it, the same as on the wire and in the database.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Tier::Verified => "verified",
            Tier::Reported => "reported",
            Tier::Flagged => "flagged",
            Tier::Orphan => "orphan",
        }
    }

    /// The tier of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Tier> {
        Tier::ALL.into_iter().find(|t| t.name() == name)
    }
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_wire_form() {
        for tier in Tier::ALL {
            assert_eq!(serde_json::to_value(tier).unwrap(), tier.name());
            assert_eq!(Tier::from_name(tier.name()), Some(tier));
        }
        assert_eq!(Tier::from_name("gold"), None);
    }

    #[test]
    fn evidence_is_read_strictly() {
        let least = serde_json::json!({
            "elapsed_s": 12.5, "binary_sha256": "00", "launch": ["mpirun"], "boot_id": "b", "oversubscribed": false,
            "network_open": false, "daemon_cpu_s": 0.01, "log_missing_bytes": 0, "dropped_samples": 0,
        });
        let read: Evidence = serde_json::from_value(least.clone()).unwrap();
        assert_eq!((read.cpu_s, read.memory_peak, read.energy_j, read.clock_offset_ms), (None, None, None, None));
        let again = serde_json::from_str::<Evidence>(&serde_json::to_string(&read).unwrap()).unwrap();
        assert_eq!(again, read);
        let mut more = least;
        more["trust_me"] = true.into();
        assert!(serde_json::from_value::<Evidence>(more).is_err());
        assert!(serde_json::from_str::<MemoryPeak>(r#"{"bytes": -1, "source": "rss"}"#).is_err());
    }
}
