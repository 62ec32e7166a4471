//! What a run takes; HPL.dat, written for a run and read from a paste.

use serde_json::Value;

use super::fields::{self, SWAP_THRESHOLD, cut};
use super::{OUTPUT, THRESHOLD};
use crate::benchmark::{Input, Plan, Problem};
use crate::dat::{DatError, Output, Sweep};
use crate::params::{PROCESS, RunParams, Storage};

/// From so many bytes of matrix on, the memory that was held tells something.
const TELLING: u128 = 256_000_000;
/// The most runs of a pasted file.
const RUNS: usize = 1000;
/// The lines of HPL.dat that are ours whatever a file says, and what they say.
const OURS: [(usize, &str); 5] = [(1, ""), (2, ""), (3, OUTPUT), (4, "8"), (13, "16.0")];
/// The lines of HPL.dat.
const LINES: usize = 31;

/// See [`crate::benchmark::Benchmark::plan`].
pub(super) fn plan(value: &Value) -> Result<Plan, Vec<Problem>> {
    let params = fields::read(value)?;
    let mut warnings = warnings(&params);
    let parameters = fields::write(&params);
    let threshold = value.get("swap_threshold").filter(|_| parameters["swap"] != "mix");
    if threshold.is_some_and(|t| t.as_f64() != Some(SWAP_THRESHOLD as f64)) {
        warnings.push(Problem::new("swap_threshold", "counts only where swap is mix; it is left at 64"));
    }
    Ok(Plan {
        label: format!("N={} NB={} {}x{}", params.n, params.nb, params.p, params.q),
        size: params.n as f64,
        ranks: params.processes(),
        bytes_per_rank: params.bytes_per_rank().saturating_add(PROCESS).min(i64::MAX as u64),
        bytes_held: bytes_held(params.n),
        work: params.flops() / 1e9,
        inputs: vec![Input { name: "HPL.dat".to_owned(), text: dat(params) }],
        parameters,
        warnings,
    })
}

/// Nearly all of the matrix: who factors it holds it. At most 2^63 - 1.
fn bytes_held(n: usize) -> Option<u64> {
    let matrix = 8 * (n as u128) * (n as u128);
    (matrix >= TELLING).then(|| u64::try_from(matrix / 20 * 19).map_or(i64::MAX as u64, |b| b.min(i64::MAX as u64)))
}

/// The HPL.dat of one run.
fn dat(params: RunParams) -> String {
    let output = Output::File(OUTPUT.to_owned());
    Sweep { output, file_name: OUTPUT.to_owned(), ..Sweep::of(params, THRESHOLD) }.to_dat()
}

/// What is legal and probably not meant.
fn warnings(params: &RunParams) -> Vec<Problem> {
    let RunParams { n, nb, p, q, .. } = *params;
    let mut warnings = Vec::new();
    let mut warn = |field: &str, message: String| warnings.push(Problem::new(field, message));
    if n == 0 {
        warn("n", "a system of 0 equations takes no work; take N from some thousands up".to_owned());
    } else if nb > n {
        warn("nb", format!("NB {nb} is above N {n}: all of the matrix is one block; take a smaller NB"));
    } else {
        if !n.is_multiple_of(nb) {
            warn("n", format!("N {n} is not a multiple of NB {nb}; {} is", n / nb * nb));
        }
        let usual = nb.saturating_mul(p.max(q)).saturating_mul(20);
        if n < usual {
            warn("n", format!("N {n} is below {usual}, 20 NB for every row or column of the grid: ranks will wait"));
        }
    }
    if p > q {
        warn("p", format!("P {p} is above Q {q}; P at most Q is usually faster"));
    }
    if !(32..=256).contains(&nb) {
        warn("nb", format!("NB {nb} is outside 32 to 256, where it usually serves well"));
    }
    idle_choices(params, &mut warn);
    warnings
}

/// Choices that make no difference.
fn idle_choices(params: &RunParams, warn: &mut impl FnMut(&str, String)) {
    for (field, title, form) in [("l1", "L1", params.l1), ("u", "U", params.u)] {
        if form != Storage::Transposed {
            let message =
                format!("{title} in no-transposed form runs as in transposed form: one storage form serves both");
            warn(field, message);
        }
    }
    if params.depth > 1 && params.q == 1 {
        warn(
            "depth",
            format!("DEPTH {} is read and runs as 1: with one process column no panel travels", params.depth),
        );
    }
}

/// See [`crate::benchmark::Benchmark::parse_input`]. Lines 1 to 4 and 13 are never looked at.
pub(super) fn parse_input(text: &str) -> Result<Vec<Value>, Vec<Problem>> {
    let ours = |(line, text)| OURS.iter().find(|(number, _)| *number == line).map_or(text, |(_, ours)| *ours);
    let lines: Vec<&str> = (1..).zip(text.lines()).take(LINES).map(ours).collect();
    let sweep = Sweep::parse(&lines.join("\n"), usize::MAX).map_err(|error| vec![problem(error)])?;
    let mut problems: Vec<Problem> =
        sweep.grids.iter().filter_map(|&(p, q)| fields::too_many_ranks("line 12", p, q)).collect();
    let tests = sweep.tests();
    if tests > RUNS {
        let message = format!("the lists make {tests} runs, expected at most {RUNS}; make the lists shorter");
        problems.push(Problem::new("", message));
    }
    if problems.is_empty() { Ok(sweep.runs().map(|params| fields::write(&params)).collect()) } else { Err(problems) }
}

/// What is wrong with a pasted file.
fn problem(error: DatError) -> Problem {
    let DatError { line, field, found, expected, advice, .. } = error;
    let message = format!("{field}: found {}, expected {expected}. {advice}", cut(&found));
    Problem::new(format!("line {line}"), message.trim_end())
}
