//! High Performance Linpack: the first row of the registry.
//!
//! - [`fields`]: its parameters on the wire and their schema.
//! - [`plan`]: what a run takes; HPL.dat in both directions.
//! - [`judge`]: what a report is worth.

mod fields;
mod judge;
mod plan;

use super::Benchmark;
use crate::advice::fraction_done;
use crate::event::RunEvent;
use crate::job::Progress;
use crate::node::NodeInfo;

/// Residuals below it pass: HPL's custom. A run cannot choose its own.
const THRESHOLD: f64 = 16.0;
/// The report that people read, beside the JSON one. A run cannot choose its name.
const OUTPUT: &str = "HPL.out";

/// The row.
pub(super) const ROW: Benchmark = Benchmark {
    name: "hpl",
    title: "High Performance Linpack",
    about: "Solves a dense system of linear equations by LU factorization with row pivoting, and checks the answer.",
    unit: "Gflop/s",
    size_name: "N",
    output: OUTPUT,
    schema: fields::schema,
    plan: plan::plan,
    parse_input: plan::parse_input,
    peak,
    progress,
    judge: judge::judge,
};

fn peak(info: &NodeInfo) -> Option<f64> {
    info.peak.map(|peak| peak.gflops).filter(|gflops| gflops.is_finite() && *gflops > 0.0)
}

fn progress(line: &str) -> Option<Progress> {
    let Ok(RunEvent::Panel { panel, panels, seconds, gflops, gflops_step, .. }) = RunEvent::from_line(line) else {
        return None;
    };
    let sane = [seconds, gflops, gflops_step].iter().all(|v| v.is_finite() && *v >= 0.0);
    (sane && panel <= panels).then(|| Progress {
        fraction: fraction_done(panel, panels),
        seconds,
        score: gflops,
        score_now: gflops_step,
    })
}
