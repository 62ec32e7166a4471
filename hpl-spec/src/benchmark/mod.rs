//! The registry of benchmarks: what the queue, the protocol, the events and the leaderboard may know of a
//! benchmark, and all they may know. A new benchmark is a new row of [`BENCHMARKS`].

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::cformat::sci;
use crate::job::Progress;
use crate::node::NodeInfo;

mod hpl;

/// All benchmarks, in the order in which they are offered.
pub static BENCHMARKS: &[Benchmark] = &[hpl::ROW];

/// The benchmark of that name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Benchmark> {
    BENCHMARKS.iter().find(|b| b.name == name)
}

/// One benchmark: what is needed to check, price, run, judge and rank it.
pub struct Benchmark {
    /// Its name on the wire: lower-case letters, digits and hyphens.
    pub name: &'static str,
    /// Its name for people.
    pub title: &'static str,
    /// What it measures, in a sentence.
    pub about: &'static str,
    /// The unit of its score, in which higher is better.
    pub unit: &'static str,
    /// What `size` of a plan is called.
    pub size_name: &'static str,
    /// The output file that is looked at beside the result, e.g. `HPL.out`.
    pub output: &'static str,
    /// The JSON Schema of its parameters.
    pub schema: fn() -> Value,
    /// Checks parameters, fills in what was not named, and says what a run of them takes.
    pub plan: fn(&Value) -> Result<Plan, Vec<Problem>>,
    /// Reads a pasted input file in the benchmark's own format: one set of parameters per run.
    pub parse_input: fn(&str) -> Result<Vec<Value>, Vec<Problem>>,
    /// The limit of a node, in the unit of the score; None where it was not measured.
    pub peak: fn(&NodeInfo) -> Option<f64>,
    /// Reads one line that the program says while it runs; None if it is no progress.
    pub progress: fn(&str) -> Option<Progress>,
    /// Judges what a node says came out of a run.
    pub judge: fn(&Submitted<'_>) -> Result<Outcome, Problem>,
}

/// One thing wrong, or doubtful, about parameters or a result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
// As `Problem` the document has the error that holds these.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = FieldProblem))]
#[error("{field}: {message}")]
pub struct Problem {
    /// Which field, as it is named on the wire; empty if it is about the whole.
    pub field: String,
    /// What was found, what was expected, what to do.
    pub message: String,
}

impl Problem {
    /// A problem of a field.
    pub fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Problem { field: field.into(), message: message.into() }
    }
}

/// What a run of checked parameters takes.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The parameters, every one named.
    pub parameters: Value,
    /// A few words that tell this run from others, e.g. `N=8000 NB=192 1x2`.
    pub label: String,
    /// How large the problem is, in the words of [`Benchmark::size_name`].
    pub size: f64,
    /// MPI ranks.
    pub ranks: usize,
    /// Memory in bytes that the rank that needs most needs, the program itself included.
    pub bytes_per_rank: u64,
    /// Memory in bytes that must have been held, over all ranks, if the run was what it says. None where
    /// the problem is too small for that to be told.
    pub bytes_held: Option<u64>,
    /// The work, in the unit of the score times seconds: seconds = work / score.
    pub work: f64,
    /// The files the program reads, made by us from the parameters.
    pub inputs: Vec<Input>,
    /// What is legal and probably not meant.
    pub warnings: Vec<Problem>,
}

impl Plan {
    /// How many seconds the run takes at that score; None where no score is known or none is reached.
    #[must_use]
    pub fn seconds(&self, score: f64) -> Option<f64> {
        let seconds = self.work / score;
        (score > 0.0 && seconds.is_finite()).then_some(seconds)
    }
}

/// A file that the program reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Input {
    /// Its name in the work folder; never a path.
    pub name: String,
    /// What it says.
    pub text: String,
}

/// What a node says came out of a run.
#[derive(Debug, Clone, Copy)]
pub struct Submitted<'a> {
    /// What was asked for: [`Plan::parameters`].
    pub parameters: &'a Value,
    /// The program's own report.
    pub result: &'a Value,
    /// The file [`Benchmark::output`], if it came.
    pub output: Option<&'a str>,
}

/// A judged result.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// The score, computed by us from size and time.
    pub score: f64,
    /// Wall time in seconds of what was measured.
    pub seconds: f64,
    /// Whether the result passed the benchmark's own check, by our judgement.
    pub passed: bool,
    /// That check in words.
    pub check: String,
    /// What the registry's row found, one row each.
    pub findings: Vec<Finding>,
}

/// One look at a result.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Finding {
    /// A stable word for what was looked at.
    pub name: String,
    /// What was seen.
    pub colour: Colour,
    /// With its numbers, in words.
    pub text: String,
}

impl Finding {
    /// Everything is as it should be.
    pub fn green(name: &str, text: impl Into<String>) -> Self {
        Finding { name: name.to_owned(), colour: Colour::Green, text: text.into() }
    }

    /// It cannot be told.
    pub fn amber(name: &str, text: impl Into<String>) -> Self {
        Finding { name: name.to_owned(), colour: Colour::Amber, text: text.into() }
    }

    /// It cannot be true.
    pub fn red(name: &str, text: impl Into<String>) -> Self {
        Finding { name: name.to_owned(), colour: Colour::Red, text: text.into() }
    }
}

/// A number for people: six digits, without an exponent where that can be read.
#[must_use]
pub fn figure(value: f64) -> String {
    let size = value.abs();
    if size != 0.0 && !(1e-3..1e9).contains(&size) {
        return sci(value, 4);
    }
    let before = if size < 1.0 { 1 } else { size.log10() as usize + 1 };
    let text = format!("{value:.*}", 6_usize.saturating_sub(before));
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// How a finding speaks for a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Colour {
    /// As it should be.
    Green,
    /// Cannot be told.
    Amber,
    /// Cannot be true.
    Red,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_found_by_names_fit_for_the_wire() {
        for row in BENCHMARKS {
            assert!(find(row.name).is_some_and(|found| std::ptr::eq(found, row)), "{}", row.name);
            assert!(row.name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'));
            assert_eq!((row.schema)()["type"], "object", "{}", row.name);
        }
        assert!(find("HPL").is_none());
    }

    #[test]
    fn figures_can_be_read() {
        let read = [0.0, 16.0, 0.017_25, 123.456_789, 1_234_567.8, 1e-9, 2.5e12, f64::NAN].map(figure);
        assert_eq!(read, ["0", "16", "0.01725", "123.457", "1234568", "1.0000e-09", "2.5000e+12", "nan"]);
    }
}
