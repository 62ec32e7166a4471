//! What rules ask about a run, out of what was told of it.

use hpl_spec::api::insight::NextTry;
use hpl_spec::params::numroc;
use hpl_spec::report::{RunReport, SweepReport};
use serde::Deserialize;
use serde_json::Value;

use super::Case;
use super::watched::Moment;

/// No grid has more ranks.
const MOST_RANKS: u64 = 4096;
/// No matrix is larger: netlib's limit.
const MOST_N: u64 = i32::MAX as u64;

/// The parameters that rules speak of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shape {
    pub(super) n: u64,
    pub(super) nb: u64,
    pub(super) p: u64,
    pub(super) q: u64,
}

impl Shape {
    /// None where one is missing, or is none that a run can have.
    pub(super) fn of(parameters: &Value) -> Option<Shape> {
        let number = |name: &str, most: u64| parameters[name].as_u64().filter(|v| (1..=most).contains(v));
        let shape = Shape {
            n: number("n", MOST_N)?,
            nb: number("nb", MOST_N)?,
            p: number("p", MOST_RANKS)?,
            q: number("q", MOST_RANKS)?,
        };
        (shape.p * shape.q <= MOST_RANKS).then_some(shape)
    }

    pub(super) fn ranks(self) -> u64 {
        self.p * self.q
    }

    /// Bytes of the matrix.
    pub(super) fn bytes(self) -> f64 {
        8.0 * (self.n as f64).powi(2)
    }

    /// By how many per cent the rank with the largest part of the matrix has more than the mean.
    pub(super) fn uneven(self) -> f64 {
        let [n, nb, p, q] = [self.n, self.nb, self.p, self.q].map(|v| usize::try_from(v).unwrap_or(usize::MAX));
        let largest = numroc(n, nb, 0, p) as f64 * numroc(n, nb, 0, q) as f64;
        100.0 * (largest * self.ranks() as f64 / (self.n as f64).powi(2) - 1.0).max(0.0)
    }

    /// A matrix of at most this order in whole blocks, at least one.
    pub(super) fn whole_blocks(self, n: f64) -> u64 {
        let blocks = (n / self.nb as f64).floor().clamp(1.0, MOST_N as f64);
        (blocks as u64 * self.nb).min(MOST_N)
    }
}

/// A case, read.
pub(super) struct Known<'a> {
    pub(super) case: &'a Case<'a>,
    pub(super) shape: Option<Shape>,
    sweep: Option<SweepReport>,
}

impl<'a> Known<'a> {
    pub(super) fn of(case: &'a Case<'a>) -> Known<'a> {
        // One run a job: a report of another shape is not understood, and rules say so.
        let sweep = SweepReport::deserialize(case.report).ok().filter(|sweep| sweep.reports.len() == 1);
        Known { case, shape: Shape::of(case.parameters), sweep }
    }

    pub(super) fn run(&self) -> Option<&RunReport> {
        self.sweep.as_ref()?.reports.first()
    }

    /// Seconds of the solve.
    pub(super) fn seconds(&self) -> Option<f64> {
        Some(self.run()?.seconds).filter(|s| s.is_finite() && *s > 0.0)
    }

    /// The kernel that was chosen.
    pub(super) fn kernel(&self) -> Option<&str> {
        Some(self.sweep.as_ref()?.kernel.as_str())
    }

    /// Threads of all ranks.
    pub(super) fn threads(&self) -> Option<usize> {
        let sweep = self.sweep.as_ref()?;
        Some(sweep.threads.saturating_mul(sweep.ranks)).filter(|threads| *threads > 0)
    }

    /// Threads of each rank.
    pub(super) fn threads_of_a_rank(&self) -> Option<usize> {
        Some(self.sweep.as_ref()?.threads).filter(|threads| *threads > 0)
    }

    /// The node's physical cores.
    pub(super) fn cores(&self) -> Option<usize> {
        Some(self.case.node?.cores).filter(|cores| *cores > 0)
    }

    /// Bytes of memory: as the samples have it, else as the node said.
    pub(super) fn memory(&self) -> Option<f64> {
        let seen = self.case.watched.all().iter().find_map(|moment| moment.memory_total);
        seen.or_else(|| Some(self.case.node?.memory_total as f64)).filter(|bytes| *bytes > 0.0)
    }

    /// The moments in which the program computed.
    pub(super) fn computing(&self) -> Vec<&Moment> {
        let processors = self.case.node.map(|node| node.pus.max(1) as f64);
        let share = match (self.threads(), processors) {
            (Some(threads), Some(processors)) => threads as f64 / processors,
            _ => 0.5,
        };
        self.case.watched.computing(share)
    }

    /// The part of the solve, in per cent, that a step of the way from the peak to the score took.
    pub(super) fn share(&self, step: &str) -> Option<f64> {
        let way = &self.run()?.account.as_ref()?.waterfall;
        let all: f64 = way.losses.iter().map(|loss| loss.seconds).sum();
        let found = way.losses.iter().find(|loss| loss.what == step)?.seconds;
        // Below zero where the clock was above that of the peak; beyond a whole it is none.
        Some(100.0 * found / all).filter(|share| (-100.0..=100.0).contains(share) && all > 0.0)
    }

    /// The peak that the program measured before it began, if it did.
    pub(super) fn measured_peak(&self) -> Option<f64> {
        let peak = self.run()?.account.as_ref()?.waterfall.peak;
        Some(peak).filter(|peak| peak.is_finite() && *peak > 0.0)
    }

    /// DEPTH, the look-ahead.
    pub(super) fn depth(&self) -> Option<u64> {
        self.case.parameters["depth"].as_u64()
    }

    /// A word among the parameters.
    pub(super) fn word(&self, name: &str) -> Option<&str> {
        self.case.parameters[name].as_str()
    }

    /// A run like this one but for what is named, as a link to the submit page. All other parameters stay, so that one
    /// thing changes at a time.
    pub(super) fn try_with(&self, text: impl Into<String>, changes: &[(&str, Value)]) -> NextTry {
        NextTry { text: text.into(), query: Some(query(self.case.parameters, changes)) }
    }
}

/// Parameters as the query of the submit page, the four that everybody knows first.
pub(super) fn query(parameters: &Value, changes: &[(&str, Value)]) -> String {
    const FIRST: [&str; 4] = ["n", "nb", "p", "q"];
    let changed = |name: &str| changes.iter().find(|(changed, _)| *changed == name).map(|(_, value)| value);
    let own = parameters.as_object().into_iter().flatten();
    let rest = own.map(|(name, _)| name.as_str()).filter(|name| !FIRST.contains(name));
    let added = changes.iter().map(|(name, _)| *name);
    let added = added.filter(|name| !FIRST.contains(name) && parameters.get(name).is_none());
    let mut pairs = Vec::new();
    for name in FIRST.into_iter().chain(rest).chain(added) {
        let value = match changed(name).unwrap_or(&parameters[name]) {
            Value::String(word) => word.clone(),
            Value::Number(number) => number.to_string(),
            Value::Bool(flag) => flag.to_string(),
            _ => continue,
        };
        // Names and words of parameters need no escape; what does is none of ours.
        let plain = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b));
        if plain(name) && plain(&value) {
            pairs.push(format!("{name}={value}"));
        }
    }
    format!("?{}", pairs.join("&"))
}
