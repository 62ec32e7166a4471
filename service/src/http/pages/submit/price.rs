//! What a submission would take, in words.

use hpl_spec::api::jobs::Estimate;
use hpl_spec::benchmark::{Benchmark, figure};

use super::super::forms::Wrong;
use super::super::words::{bytes, count, duration, score};
use crate::error::Error;

/// An estimate as the page shows it.
pub(super) struct Price {
    pub(super) ok: bool,
    pub(super) wrong: Wrong,
    pub(super) warnings: Vec<String>,
    /// What it takes, line by line.
    pub(super) lines: Vec<(&'static str, String)>,
    /// The runs of a sweep, each with its predicted time.
    pub(super) runs: Vec<(String, String)>,
    /// The files that the first run would read.
    pub(super) inputs: Vec<(String, String)>,
}

impl Price {
    pub(super) fn new(estimate: Estimate, row: &Benchmark, renamed: fn(&str) -> String) -> Price {
        let wrong = match estimate.errors.is_empty() {
            true => Wrong::default(),
            false => Wrong::of(&Error::invalid(estimate.errors.clone()), renamed),
        };
        Price {
            ok: estimate.ok,
            warnings: estimate.warnings.iter().map(|warning| warning.message.clone()).collect(),
            lines: lines(&estimate, row),
            runs: match estimate.runs.as_slice() {
                [] | [_] => vec![],
                runs => runs.iter().map(|run| (run.label.clone(), predicted(run.seconds))).collect(),
            },
            inputs: estimate.runs.first().map(|run| run.inputs.clone().into_iter().collect()).unwrap_or_default(),
            wrong,
        }
    }
}

fn predicted(seconds: Option<f64>) -> String {
    seconds.map_or_else(|| "cannot be predicted yet".to_owned(), |seconds| format!("about {}", duration(seconds)))
}

/// What the prediction rests on.
fn basis(estimate: &Estimate) -> String {
    let node = estimate.node.as_ref().map_or("a node", |node| node.name.as_str());
    match estimate.basis.as_str() {
        "history" => format!("earlier runs of about this size on {node}"),
        "peak" => format!("what the cores of {node} can reach at most; there is no earlier run to go by"),
        _ => "nothing: no node that fits has been measured yet".to_owned(),
    }
}

fn lines(estimate: &Estimate, row: &Benchmark) -> Vec<(&'static str, String)> {
    let Some(first) = estimate.runs.first() else { return vec![] };
    let single = estimate.runs.len() == 1;
    let work: f64 = estimate.runs.iter().map(|run| run.work).sum();
    let of_node = first.node_bytes.map(|all| format!(" of {}", bytes(all))).unwrap_or_default();
    let mut lines = vec![];
    if !single {
        lines.push(("Runs", count(estimate.cost.runs, "run", "runs")));
    }
    lines.extend([
        ("Memory of each rank", bytes(first.bytes_per_rank)),
        ("Memory on the node", format!("{}{of_node}", bytes(first.bytes_per_node))),
        ("Work", format!("{} {}", figure(work), row.unit.strip_suffix("/s").unwrap_or(row.unit))),
        ("Predicted time", predicted(estimate.cost.seconds)),
    ]);
    if let (true, Some(value)) = (single, first.score) {
        lines.push(("Predicted score", format!("about {}", score(row.name, value))));
    }
    let quota = &estimate.quota;
    lines.extend([
        ("The prediction rests on", basis(estimate)),
        ("Ended at the latest after", duration(estimate.cost.walltime_s as f64)),
        ("Before it in the queue", count(estimate.position, "job", "jobs")),
        (
            "It would wait because",
            estimate.waits.as_ref().map_or_else(|| "it would not wait".to_owned(), |w| w.why.clone()),
        ),
        ("Your quota: waiting", format!("{} of {} used", quota.queued, quota.queued_max)),
        ("Your quota: running", format!("{} of {} used", quota.running, quota.running_max)),
        ("Node hours you used lately", figure((quota.recent_node_hours * 1000.0).round() / 1000.0)),
    ]);
    lines
}
