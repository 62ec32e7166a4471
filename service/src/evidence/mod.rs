//! What a result is worth: independent facts about one run, each green, amber or red with its numbers, and the tier
//! that follows from them (section 5.6 of the service reference).
//!
//! ```text
//!   registry's row ── judge ──► score, residual, parameters ... ┐
//!   service ── clock ────────► stopwatch, progress              ├─► findings ─► tier, ranked
//!   node, before ─────────────► roofline, cpu                   │
//!   node, after ── Evidence ──► memory, energy, binary, clock   ┘
//! ```
//! Pure: clocks and files are handed in. Of the benchmark it knows what the registry says, and no more.
//!
//! Whoever owns root on a node can forge what the node says. What the service saw itself, when an attempt began and
//! ended and when its progress came, cannot be forged, and the rest has to fit to it.

mod curve;
mod looks;

use hpl_spec::Progress;
use hpl_spec::benchmark::{Colour, Finding, Outcome, Plan};
use hpl_spec::evidence::{Evidence, Tier};

/// All that is known of one finished run.
pub struct Look<'a> {
    /// What the run takes.
    pub plan: &'a Plan,
    /// The unit of the score, for the texts.
    pub unit: &'a str,
    /// What the registry's row made of the result.
    pub outcome: &'a Outcome,
    /// What the daemon says.
    pub evidence: &'a Evidence,
    /// The node it ran on.
    pub node: Node,
    /// Physical cores that the run was given.
    pub cores_used: usize,
    /// What the service's own clock saw.
    pub stopwatch: Stopwatch,
    /// The progress of this attempt, in the order in which the node told it.
    pub progress: &'a [Arrival],
    /// Whether a SHA-256, in lower-case hexadecimal digits, is that of a program of ours.
    pub known_binary: &'a dyn Fn(&str) -> bool,
    /// Whether the node's boot id at the end is that of the claim.
    pub same_boot: bool,
}

/// What is known of a node.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Node {
    /// What all its cores together reach, in the unit of the score; None if it was never measured.
    pub peak: Option<f64>,
    /// Its physical cores.
    pub cores: usize,
    /// Whether it is ours rather than somebody's.
    pub trusted: bool,
}

/// The service's clock, milliseconds since the epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stopwatch {
    /// When the node got the job.
    pub claimed_ms: i64,
    /// When the node's word came that the program runs. None if that word came late: contact was lost, or the node
    /// told of it together with what happened after.
    pub started_ms: Option<i64>,
    /// When the result came.
    pub finished_ms: i64,
}

/// Progress, and when the service got it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Arrival {
    /// By the service's clock, milliseconds since the epoch.
    pub at_ms: i64,
    /// What the node said.
    pub progress: Progress,
}

/// What a result is worth.
#[derive(Debug, Clone, PartialEq)]
pub struct Assessment {
    /// Everything that was looked at, the registry's findings first.
    pub findings: Vec<Finding>,
    /// The worst colour among them.
    pub colour: Colour,
    /// How far the result is trusted.
    pub tier: Tier,
    /// Whether it belongs in a ranking: it passed, it is not flagged, and no core had to serve two threads.
    pub ranked: bool,
    /// The score over the mean power of the run, in the unit of the score per watt: where the look at the energy was
    /// green, and most of the time was what the score is of.
    pub per_watt: Option<f64>,
}

/// A finding, and whether a node that cannot measure this can still be verified.
struct Seen {
    finding: Finding,
    tolerated: bool,
}

impl From<Finding> for Seen {
    fn from(finding: Finding) -> Self {
        Seen { finding, tolerated: false }
    }
}

/// Looks at a run from all sides.
///
/// Flagged is what has any red finding. Verified is what ran a program of ours on a node of ours with nothing but
/// green findings, save that energy and the offset of the clock need not have been measured: many nodes have no
/// counters of energy, and no time of a node's wall clock counts for anything here. All else is Reported.
#[must_use]
pub fn assess(look: &Look<'_>) -> Assessment {
    let own = [
        looks::stopwatch(look).into(),
        curve::progress(look).into(),
        looks::roofline(look).into(),
        looks::memory(look).into(),
        looks::cpu(look).into(),
        looks::energy(look),
        looks::binary(look).into(),
        looks::clock(look),
    ];
    let seen: Vec<Seen> = look.outcome.findings.iter().cloned().map(Seen::from).chain(own).collect();
    let colour = seen.iter().map(|s| s.finding.colour).max().unwrap_or(Colour::Amber);
    let sound = seen.iter().all(|s| s.finding.colour == Colour::Green || s.tolerated);
    let tier = match colour {
        Colour::Red => Tier::Flagged,
        Colour::Green | Colour::Amber if sound && look.node.trusted => Tier::Verified,
        Colour::Green | Colour::Amber => Tier::Reported,
    };
    let ranked = look.outcome.passed && tier != Tier::Flagged && !look.evidence.oversubscribed;
    let findings = seen.into_iter().map(|s| s.finding).collect();
    Assessment { findings, colour, tier, ranked, per_watt: looks::per_watt(look) }
}

/// Seconds between two moments of the service's clock.
fn seconds_between(from_ms: i64, to_ms: i64) -> f64 {
    to_ms.saturating_sub(from_ms) as f64 / 1e3
}
