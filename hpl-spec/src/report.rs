//! What came out of a run: no number without its verdict.

use serde::{Deserialize, Serialize};

use crate::account::Account;
use crate::json_f64;
use crate::params::RunParams;
use crate::profile::ProfileUsed;

/// Seconds spent in the phases of a run, each the maximum over the ranks of
/// what that rank added up.
///
/// The phases are counted apart, except that `pivot` is a part of `pfact`.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Phases {
    /// Panel factorization, its pivot exchanges included.
    #[serde(with = "json_f64")]
    pub pfact: f64,
    /// Pivot exchanges down the process column.
    #[serde(with = "json_f64")]
    pub pivot: f64,
    /// Panel broadcast, as far as it was waited for.
    #[serde(with = "json_f64")]
    pub bcast: f64,
    /// Row interchanges.
    #[serde(with = "json_f64")]
    pub swap: f64,
    /// Triangular solve for U and the matrix product.
    #[serde(with = "json_f64")]
    pub update: f64,
    /// Back substitution.
    #[serde(with = "json_f64")]
    pub backsolve: f64,
}

/// The norms that the residual is made of.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Norms {
    /// ||Ax-b||_oo
    #[serde(with = "json_f64")]
    pub residual_oo: f64,
    /// ||A||_oo
    #[serde(with = "json_f64")]
    pub a_oo: f64,
    /// ||A||_1
    #[serde(with = "json_f64")]
    pub a_1: f64,
    /// ||x||_oo
    #[serde(with = "json_f64")]
    pub x_oo: f64,
    /// ||x||_1
    #[serde(with = "json_f64")]
    pub x_1: f64,
    /// ||b||_oo
    #[serde(with = "json_f64")]
    pub b_oo: f64,
}

/// The residual check of one run.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Check {
    /// ||Ax-b||_oo / (eps (||A||_oo ||x||_oo + ||b||_oo) N), a pure number.
    #[serde(with = "json_f64")]
    pub residual: f64,
    /// What it was computed from. Absent only in a report that was read back
    /// from an HPL.out which does not print the norms: that of a passed test,
    /// or of one whose residual is not a number.
    pub norms: Option<Norms>,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The residual is below the threshold.
    Passed(Check),
    /// The residual is not below the threshold.
    Failed(Check),
    /// There was nothing to check.
    Skipped {
        /// What HPL.out says about it: one or more whole messages as
        /// [`crate::netlib`] makes them, line ends included.
        why: String,
    },
    /// A threshold of zero or less asked for no check.
    Unchecked,
}

impl Verdict {
    /// Judges as netlib does: strictly below the threshold is passed, and a
    /// residual (or threshold) that is not a number fails.
    #[must_use]
    pub fn judge(check: Check, threshold: f64) -> Verdict {
        if check.residual < threshold { Verdict::Passed(check) } else { Verdict::Failed(check) }
    }

    /// The check, where there was one.
    #[must_use]
    pub fn check(&self) -> Option<&Check> {
        match self {
            Verdict::Passed(check) | Verdict::Failed(check) => Some(check),
            Verdict::Skipped { .. } | Verdict::Unchecked => None,
        }
    }

    /// How it ended, in a line for a person, e.g. `0.00483 - passed, the limit is 16`. `limit` is the threshold.
    #[must_use]
    pub fn told(&self, limit: f64) -> String {
        match self {
            Verdict::Passed(check) => format!("{} - passed, the limit is {limit}", short(check.residual)),
            Verdict::Failed(check) => format!("{} - FAILED, the limit is {limit}", short(check.residual)),
            Verdict::Skipped { why } => format!("none - skipped: {}", why.trim()),
            Verdict::Unchecked => "none - not checked".to_owned(),
        }
    }
}

/// Two or three digits that matter, without an exponent where one can read it.
fn short(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return value.to_string();
    }
    match 2 - value.abs().log10().floor() as i64 {
        ..0 => format!("{value:.3e}"),
        digits @ 0..=7 => format!("{value:.*}", digits as usize),
        _ => format!("{value:.2e}"),
    }
}

/// Whether a threshold asks for residual checks: all do but those of zero or
/// less. One that is not a number does, and every residual fails it.
#[must_use]
pub fn checks(threshold: f64) -> bool {
    threshold.is_nan() || threshold > 0.0
}

/// Reports of runs on more threads than this do not say how idle each was.
pub const MAX_IDLE: usize = 4096;

/// One run and all that is known of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunReport {
    /// What was run.
    pub params: RunParams,
    /// The threshold of the sweep.
    #[serde(with = "json_f64")]
    pub threshold: f64,
    /// Local time at which the solve began, in the form of C's `ctime` without
    /// its line end: `Thu Oct  2 18:37:13 2023`. Empty if it never began.
    pub started: String,
    /// Local time at which the solve ended, in the same form.
    pub ended: String,
    /// Wall time of the solve, the maximum over the ranks.
    #[serde(with = "json_f64")]
    pub seconds: f64,
    /// The rate in Gflop/s, see [`RunParams::gflops`].
    #[serde(with = "json_f64")]
    pub gflops: f64,
    /// Where the time went.
    pub phases: Phases,
    /// For each rank and each of its threads, the share of the time in which it computed nothing: it waited for
    /// others, or for messages. Empty where it is not known, and where there are more than [`MAX_IDLE`] threads.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub idle: Vec<Vec<f64>>,
    /// Where the time went, in more detail: on rank 0, where it was told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<Account>,
    /// What came before the solve and after it.
    #[serde(default, skip_serializing_if = "Around::is_unknown")]
    pub around: Around,
    /// How it ended.
    pub verdict: Verdict,
}

/// Wall time in seconds of what a run does besides the solve, the maxima over the ranks; no part of
/// [`RunReport::seconds`]. Zero where it is not known.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Around {
    /// Memory for the matrix, and its elements.
    pub generate: f64,
    /// The residual, for which the matrix is generated again.
    pub verify: f64,
}

impl Around {
    fn is_unknown(&self) -> bool {
        *self == Around::default()
    }
}

/// The counters at the end of HPL.out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Tally {
    /// Tests that passed their residual check, or had none to pass.
    pub passed: usize,
    /// Tests that failed it.
    pub failed: usize,
    /// Tests that were skipped.
    pub skipped: usize,
}

impl Tally {
    /// Counts one test. Unchecked counts as passed, as in netlib.
    pub fn count(&mut self, verdict: &Verdict) {
        match verdict {
            Verdict::Passed(_) | Verdict::Unchecked => self.passed += 1,
            Verdict::Failed(_) => self.failed += 1,
            Verdict::Skipped { .. } => self.skipped += 1,
        }
    }

    /// The number of tests, saturating.
    #[must_use]
    pub fn total(&self) -> usize {
        self.passed.saturating_add(self.failed).saturating_add(self.skipped)
    }
}

/// A whole sweep: the content of `xhpl --json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SweepReport {
    /// The program that ran it.
    pub program: String,
    /// Its version.
    pub version: String,
    /// The kernel it chose.
    pub kernel: String,
    /// Threads of each rank.
    pub threads: usize,
    /// MPI ranks.
    pub ranks: usize,
    /// The profile of this CPU that block sizes came from, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<ProfileUsed>,
    /// The most memory the ranks ever had resident, in bytes, added up over all of them.
    pub peak_memory: u64,
    /// One report per test, in the order of the tests.
    pub reports: Vec<RunReport>,
    /// The counters.
    pub tally: Tally,
    /// Why and where it ended before its time, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancelled: Option<Cancelled>,
}

/// How far a sweep had come when it was ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cancelled {
    /// What ended it, in a few words: a signal, or what went wrong.
    pub why: String,
    /// The test that was under way, if one was.
    pub during: Option<CutShort>,
}

/// A test that was not finished: nothing of it counts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CutShort {
    /// Which test, from 1.
    pub test: usize,
    /// Of how many.
    pub tests: usize,
    /// What it ran.
    pub params: RunParams,
    /// Panels that were factored and applied.
    pub panel: usize,
    /// Of how many.
    pub panels: usize,
    /// Seconds of the solve when this was told last.
    #[serde(with = "json_f64")]
    pub seconds: f64,
    /// The rate in Gflop/s so far.
    #[serde(with = "json_f64")]
    pub gflops: f64,
}

impl std::fmt::Display for Cancelled {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Cancelled { why, during } = self;
        let Some(CutShort { test, tests, params, panel, panels, seconds, gflops }) = during else {
            return write!(f, "ended by {why}, between two tests");
        };
        write!(
            f,
            "ended by {why}, in test {test} of {tests} (N={}, NB={}, {}x{}): ",
            params.n, params.nb, params.p, params.q
        )?;
        write!(f, "panel {panel} of {panels}, {seconds:.1} s, {gflops:.1} Gflop/s so far; nothing of this test counts")
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn residuals_are_told_in_few_digits() {
        let shown = [0.0, 0.00212, 1.5, 16.0, 123_456.0, 2.5e-9].map(super::short);
        assert_eq!(shown, ["0", "0.00212", "1.50", "16.0", "1.235e5", "2.50e-9"]);
    }
}
