//! What xhpl says while it runs: one JSON object a line.

use serde::{Deserialize, Serialize};

use crate::json_f64;
use crate::params::RunParams;
use crate::report::{Cancelled, Phases, RunReport, Tally};

/// One line of the events file. Tests and panels are counted from 1, times are
/// in seconds, rates in Gflop/s.
// A few are made a second, and none is kept.
#[allow(clippy::large_enum_variant)]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum RunEvent {
    /// HPL.dat is read and legal; the tests begin.
    SweepStarted {
        /// Tests of the sweep.
        tests: usize,
        /// MPI ranks.
        ranks: usize,
        /// Threads of each rank.
        threads: usize,
        /// The kernel chosen.
        kernel: String,
        /// The host of rank 0.
        host: String,
    },
    /// A test begins.
    Started {
        /// Which test.
        test: usize,
        /// Of how many.
        tests: usize,
        /// What it runs.
        params: RunParams,
    },
    /// A panel and its update are done.
    Panel {
        /// Which test.
        test: usize,
        /// Which panel.
        panel: usize,
        /// Of how many.
        panels: usize,
        /// Seconds since the solve began.
        #[serde(with = "json_f64")]
        seconds: f64,
        /// The rate since the solve began.
        #[serde(with = "json_f64")]
        gflops: f64,
        /// The rate of this step alone.
        #[serde(with = "json_f64")]
        gflops_step: f64,
        /// Where the time went so far.
        phases: Phases,
    },
    /// The solve is over; its check is still to come.
    Phases {
        /// Which test.
        test: usize,
        /// Wall time of the solve.
        #[serde(with = "json_f64")]
        seconds: f64,
        /// Its rate.
        #[serde(with = "json_f64")]
        gflops: f64,
        /// Where the time went.
        phases: Phases,
    },
    /// A test is over.
    Verdict {
        /// Which test.
        test: usize,
        /// All about it.
        report: RunReport,
    },
    /// The sweep is over.
    SweepEnded {
        /// The counters.
        tally: Tally,
    },
    /// The sweep was ended before its time: the last line.
    Cancelled(Cancelled),
}

impl RunEvent {
    /// The event as one line of JSON, without the line end.
    #[must_use]
    pub fn to_line(&self) -> String {
        // No map with keys that are not strings, no number JSON lacks: this cannot fail.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Reads one line; blanks and the line end around it do no harm.
    ///
    /// # Errors
    /// What serde_json says of a line that is no event.
    pub fn from_line(line: &str) -> Result<RunEvent, serde_json::Error> {
        serde_json::from_str(line)
    }
}
