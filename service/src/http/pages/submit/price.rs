//! What a submission would take, in words.

use hpl_spec::api::jobs::Estimate;
use hpl_spec::benchmark::{Benchmark, figure};

use super::super::forms::Wrong;
use super::super::words::{bytes, count, duration, score};
use crate::error::Error;

/// An estimate as the page shows it. The script fills the same places by their keys.
#[derive(Default)]
pub(in super::super) struct Price {
    pub(in super::super) ok: bool,
    pub(in super::super) wrong: Wrong,
    pub(in super::super) doubts: Wrong,
    /// What it takes, line by line.
    pub(in super::super) lines: Vec<Line>,
    /// The part of the node's memory that it takes, in percent of its width.
    pub(in super::super) memory_percent: f64,
    /// The runs of a sweep, each with its predicted time.
    pub(in super::super) runs: Vec<(String, String)>,
    /// The files that the first run would read.
    pub(in super::super) inputs: Vec<(String, String)>,
}

/// A line of it.
pub(in super::super) struct Line {
    /// Its name for the script.
    pub(in super::super) key: &'static str,
    pub(in super::super) title: &'static str,
    pub(in super::super) value: String,
}

/// What stands where nothing is known.
const NOTHING: &str = "–";
/// All lines, whether there is anything to say in them or not: so nothing moves when there is.
const LINES: [(&str, &str); 12] = [
    ("seconds", "Predicted time"),
    ("score", "Predicted score"),
    ("basis", "The prediction rests on"),
    ("rank_memory", "Memory of each rank"),
    ("node_memory", "Memory on the node"),
    ("work", "Work"),
    ("walltime", "Longest time"),
    ("position", "Before it in the queue"),
    ("waits", "Would it wait?"),
    ("queued", "Your quota: waiting"),
    ("running", "Your quota: running"),
    ("used", "Node hours you used lately"),
];

impl Price {
    /// What is shown before anything was asked.
    pub(in super::super) fn nothing() -> Price {
        Price { lines: lines(|_| None), ..Price::default() }
    }

    pub(in super::super) fn new(estimate: &Estimate, row: &Benchmark, renamed: fn(&str) -> String) -> Price {
        let wrong = match estimate.errors.is_empty() {
            true => Wrong::default(),
            false => Wrong::of(&Error::invalid(estimate.errors.clone()), renamed),
        };
        // A warning about parameters as a whole is about how many ranks there are.
        let doubtful = |field: &str| if field == "parameters" { "q".to_owned() } else { renamed(field) };
        let doubts = match estimate.warnings.is_empty() {
            true => Wrong::default(),
            false => Wrong::of(&Error::invalid(estimate.warnings.clone()), doubtful),
        };
        let of_node = estimate.runs.first().and_then(|run| Some(run.bytes_per_node as f64 / run.node_bytes? as f64));
        Price {
            ok: estimate.ok,
            doubts,
            lines: lines(|key| value(key, estimate, row)),
            memory_percent: (100.0 * of_node.unwrap_or(0.0)).clamp(0.0, 100.0).round(),
            runs: match estimate.runs.as_slice() {
                [] | [_] => vec![],
                runs => runs.iter().map(|run| (run.label.clone(), predicted(run.seconds))).collect(),
            },
            inputs: estimate.runs.first().map(|run| run.inputs.clone().into_iter().collect()).unwrap_or_default(),
            wrong,
        }
    }

    /// The text of a file that the first run would read.
    pub(in super::super) fn input(&self) -> &str {
        self.inputs.first().map_or("", |(_, text)| text.as_str())
    }
}

fn lines(value: impl Fn(&str) -> Option<String>) -> Vec<Line> {
    let line = |(key, title)| Line { key, title, value: value(key).unwrap_or_else(|| NOTHING.to_owned()) };
    LINES.map(line).into_iter().collect()
}

pub(in super::super) fn predicted(seconds: Option<f64>) -> String {
    seconds.map_or_else(|| "cannot be predicted yet".to_owned(), |seconds| format!("about {}", duration(seconds)))
}

/// What the prediction rests on.
pub(in super::super) fn basis(estimate: &Estimate) -> String {
    let node = estimate.node.as_ref().map_or("a node", |node| node.name.as_str());
    match estimate.basis.as_str() {
        "history" => format!("earlier runs of about this size on {node}"),
        "peak" => format!("80 % of what the cores of {node} can reach at most; there is no earlier run to go by"),
        _ => "nothing: no node that fits has been measured yet".to_owned(),
    }
}

/// Whether a run would wait, and why.
pub(in super::super) fn waits(estimate: &Estimate) -> String {
    match &estimate.waits {
        None => "no".to_owned(),
        Some(waits) if waits.code == "next" && waits.position == Some(0) => "no: a node is free".to_owned(),
        Some(waits) => format!("yes: {}", waits.why),
    }
}

/// A number with blanks between its thousands, which do not break.
pub(in super::super) fn spaced(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

/// What stands in a line.
fn value(key: &str, estimate: &Estimate, row: &Benchmark) -> Option<String> {
    let quota = &estimate.quota;
    match key {
        "queued" => return Some(format!("{} of {} used", quota.queued, quota.queued_max)),
        "running" => return Some(format!("{} of {} used", quota.running, quota.running_max)),
        "used" => return Some(figure((quota.recent_node_hours * 1000.0).round() / 1000.0)),
        "position" => return Some(count(estimate.position, "job", "jobs")),
        _ => {}
    }
    let first = estimate.runs.first()?;
    let single = estimate.runs.len() == 1;
    Some(match key {
        "seconds" if single => predicted(estimate.cost.seconds),
        "seconds" => {
            format!("{}: {}", count(estimate.cost.runs, "run", "runs"), predicted(estimate.cost.seconds))
        }
        "score" if single => format!("about {}", score(row.name, first.score?)),
        "basis" => basis(estimate),
        "rank_memory" => bytes(first.bytes_per_rank),
        "node_memory" => match first.node_bytes {
            Some(all) => {
                let percent = 100.0 * first.bytes_per_node as f64 / all as f64;
                format!("{} of {}: {percent:.0} %", bytes(first.bytes_per_node), bytes(all))
            }
            None => bytes(first.bytes_per_node),
        },
        "work" => {
            let work: f64 = estimate.runs.iter().map(|run| run.work).sum();
            format!("{} {}", figure(work), row.unit.strip_suffix("/s").unwrap_or(row.unit))
        }
        "walltime" => duration(estimate.cost.walltime_s as f64),
        "waits" => waits(estimate),
        _ => return None,
    })
}
