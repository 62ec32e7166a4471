//! The table of a comparison: a column a group of runs, a row a figure, a parameter or a fact about the node.

use std::collections::BTreeMap;

use hpl_spec::api::insight::{RunGroup, ScoreSummary};
use hpl_spec::api::results::ResultDetail;
use hpl_spec::report::{Phases, SweepReport};
use serde_json::Value;

use super::super::words;
use crate::ops::insight;
use crate::picture::text;

/// A row: its name, what it means, and a cell a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) name: String,
    pub(super) about: &'static str,
    pub(super) cells: Vec<String>,
    /// Whether the cells say different things where the same could stand.
    pub(super) differs: bool,
    /// Whether it is the row that one looks at first.
    pub(super) first: bool,
}

impl Row {
    fn new(name: impl Into<String>, about: &'static str, cells: Vec<String>) -> Row {
        Row { name: name.into(), about, cells, differs: false, first: false }
    }

    fn marked(mut self) -> Row {
        self.differs = self.cells.windows(2).any(|pair| pair[0] != pair[1]);
        self
    }
}

/// Rows under a heading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) title: &'static str,
    pub(super) rows: Vec<Row>,
    /// What is said below them; empty where there is nothing to say.
    pub(super) note: String,
}

/// A group and the run of it that stands for all where only one can be shown.
pub(super) struct Side<'a> {
    pub(super) group: &'a RunGroup,
    /// None where it cannot be read any more.
    pub(super) run: Option<ResultDetail>,
}

impl Side<'_> {
    /// The id of the node where that run was.
    pub(super) fn node(&self) -> Option<&str> {
        self.run.as_ref()?.row.node.as_ref().map(|node| node.id.as_str())
    }
}

/// The whole table.
pub(super) fn parts(sides: &[Side<'_>], unit: &str) -> Vec<Part> {
    let mut parts = vec![scores(sides, unit), run(sides)];
    parts.extend(phases(sides));
    parts.push(parameters(sides));
    parts.extend(environment(sides));
    parts
}

const NOTHING: &str = "–";

fn each(sides: &[Side<'_>], say: impl Fn(&RunGroup, &ScoreSummary) -> Option<String>) -> Vec<String> {
    let say = |side: &Side<'_>| say(side.group, &side.group.scores).unwrap_or_else(|| NOTHING.to_owned());
    sides.iter().map(say).collect()
}

fn of_run(sides: &[Side<'_>], say: impl Fn(&ResultDetail) -> Option<String>) -> Vec<String> {
    let say = |side: &Side<'_>| side.run.as_ref().and_then(&say).unwrap_or_else(|| NOTHING.to_owned());
    sides.iter().map(say).collect()
}

/// What all runs of each group say together.
fn scores(sides: &[Side<'_>], unit: &str) -> Part {
    let span = |low: f64, high: f64| format!("{} to {}", words::rate(low), words::rate(high));
    let median = each(sides, |_, scores| Some(format!("{} {unit}", words::rate(scores.median))));
    let runs = each(sides, |group, _| Some(format!("{}{}", group.n, if group.more { ", and older ones" } else { "" })));
    let interval = each(sides, |group, scores| match scores.interval {
        Some(it) => Some(format!("{} ({:.0} %)", span(it.low, it.high), it.confidence_percent.floor())),
        None => Some(format!("cannot be told from {}", words::count(group.n, "run", "runs"))),
    });
    let range = each(sides, |group, scores| (group.n > 1).then(|| span(scores.min, scores.max)));
    let quarters = each(sides, |_, scores| Some(span(scores.lower_quartile?, scores.upper_quartile?)));
    let mut rows = vec![
        Row { first: true, ..Row::new("Median", "half of the runs were faster, half slower", median) },
        Row::new("Runs", "all that you may see of these parameters on this kind of node", runs),
        Row::new(
            "Interval of the median",
            "where the median of all such runs lies; in brackets, how sure that is",
            interval,
        ),
        Row::new("Slowest to fastest", "", range),
    ];
    if quarters.iter().any(|cell| cell != NOTHING) {
        rows.push(Row::new("Middle half", "from the first to the third quartile", quarters));
    }
    Part { title: "All runs", rows, note: String::new() }
}

/// What only one run can say.
fn run(sides: &[Side<'_>]) -> Part {
    let percent = of_run(sides, |run| run.row.percent.map(|value| words::percent(Some(value))));
    let watts = of_run(sides, |run| run.row.per_watt.map(|value| words::per_watt(&run.row.benchmark, value)));
    let score = of_run(sides, |run| Some(words::score(&run.row.benchmark, run.row.score)));
    let check = of_run(sides, |run| {
        let word = if run.passed { "Passed" } else { "Not passed" };
        Some(if run.check.is_empty() { word.to_owned() } else { format!("{word}: {}", run.check) })
    });
    let rows = vec![
        Row::new("Score", "", score),
        Row::new("Of peak", "of what the cores reach in nothing but multiply-adds", percent),
        Row::new("Per watt", "score over the mean power of the processors, where the node measured it", watts),
        Row::new("Time", "of the solve", of_run(sides, |run| Some(time(run.row.seconds)))),
        Row::new("Residual", "what is left over when the answer is put back into the equations", check),
        Row::new("Node", "", of_run(sides, |run| run.row.node.as_ref().map(|node| node.name.clone()))),
        Row::new("Who", "", of_run(sides, |run| run.row.owner.clone())),
        Row::new("Trust", "", of_run(sides, |run| Some(words::tier(run.row.tier).to_owned()))),
    ];
    Part { title: "The run in the middle", rows, note: String::new() }
}

/// A span of time, so that short ones can be compared as well.
fn time(seconds: f64) -> String {
    if seconds < 1.0 { text::seconds(seconds) } else { words::duration(seconds) }
}

fn report(run: &ResultDetail) -> Option<SweepReport> {
    serde_json::from_value(run.report.clone()).ok()
}

/// Where the time of that run went; nothing where no run says it.
fn phases(sides: &[Side<'_>]) -> Option<Part> {
    type Pick = fn(&Phases) -> f64;
    const PHASES: [(&str, &str, Pick); 6] = [
        ("Panel factorization", "the pivot exchanges included", |p| p.pfact),
        ("– of it pivoting", "", |p| p.pivot),
        ("Panel broadcast", "as far as it was waited for", |p| p.bcast),
        ("Row swaps", "", |p| p.swap),
        ("Update", "where nearly all of the arithmetic is", |p| p.update),
        ("Back substitution", "", |p| p.backsolve),
    ];
    let reports: Vec<Option<SweepReport>> = sides.iter().map(|side| side.run.as_ref().and_then(report)).collect();
    reports.iter().any(Option::is_some).then(|| {
        let row = |(name, about, pick): (&str, &'static str, Pick)| {
            let cell = |report: &Option<SweepReport>| {
                let run = report.as_ref()?.reports.first()?;
                let seconds = pick(&run.phases);
                let share = 100.0 * seconds / run.seconds;
                share.is_finite().then(|| format!("{} ({share:.1} %)", time(seconds)))
            };
            let cells = reports.iter().map(|report| cell(report).unwrap_or_else(|| NOTHING.to_owned()));
            Row::new(name, about, cells.collect())
        };
        let note = "Each is the time of the slowest rank, so they need not add up to the whole.".to_owned();
        Part { title: "Where its time went", rows: PHASES.map(row).into(), note }
    })
}

/// The parameters in the order of HPL.dat, with the words that stand there.
const PARAMETERS: [(&str, &str, &str); 17] = [
    ("n", "N", "order of the matrix"),
    ("nb", "NB", "width of a column block"),
    ("p", "P", "rows of the grid of ranks"),
    ("q", "Q", "columns of the grid"),
    ("order", "PMAP", "how ranks are numbered"),
    ("depth", "DEPTH", "panels factored ahead"),
    ("bcast", "BCAST", "who passes the panel to whom"),
    ("rfact", "RFACT", "how the panel is split"),
    ("pfact", "PFACT", "how the last columns are factored"),
    ("nbmin", "NBMIN", "where the splitting stops"),
    ("ndiv", "NDIV", "into how many parts it is split"),
    ("swap", "SWAP", "how rows are exchanged"),
    ("swap_threshold", "Swapping threshold", "with the mix: up to so many columns by binary exchange"),
    ("l1", "L1", "how the top of the panel is stored"),
    ("u", "U", "how the block row is stored"),
    ("equil", "EQUIL", "whether the exchange is evened out"),
    ("align", "ALIGN", "alignment of memory, in doubles"),
];

/// The processor, and every parameter; what differs is marked and comes first.
fn parameters(sides: &[Side<'_>]) -> Part {
    let mut rows = vec![
        Row::new("Processor", "", each(sides, |group, _| Some(group.kind.clone()).filter(|k| !k.is_empty()))).marked(),
        Row::new("Cores", "", each(sides, |group, _| Some(group.cores.to_string()))).marked(),
    ];
    let row = |name: &str, words: &str, about| {
        let say = |group: &RunGroup| group.parameters.get(name).filter(|it| !it.is_null()).map(words::plain);
        Row::new(words, about, each(sides, |group, _| say(group))).marked()
    };
    rows.extend(PARAMETERS.map(|(name, words, about)| row(name, words, about)));
    // Whatever the registry may add one day.
    let known = |name: &str| PARAMETERS.iter().any(|(known, ..)| *known == name);
    let mut others: Vec<&String> =
        sides.iter().filter_map(|side| side.group.parameters.as_object()).flat_map(|o| o.keys()).collect();
    others.retain(|name| !known(name));
    others.sort();
    others.dedup();
    rows.extend(others.into_iter().map(|name| row(name, name, "")));
    rows.retain(|row| row.cells.iter().any(|cell| cell != NOTHING));
    rows.sort_by_key(|row| !row.differs);
    let differing = rows.iter().filter(|row| row.differs).count();
    let note = match differing {
        0 => "All groups have the same parameters and the same kind of node.".to_owned(),
        1 => String::new(),
        _ => format!("{differing} of these differ, so no one of them alone explains a difference in speed."),
    };
    Part { title: "Parameters and node", rows, note: if sides.len() > 1 { note } else { String::new() } }
}

/// What else those runs stood on, as far as it differs; nothing where no run says anything.
fn environment(sides: &[Side<'_>]) -> Option<Part> {
    let facts: Vec<BTreeMap<String, String>> =
        sides.iter().map(|side| side.run.as_ref().map(known_of).unwrap_or_default()).collect();
    let mut names: Vec<&String> = facts.iter().flat_map(BTreeMap::keys).collect();
    names.sort();
    names.dedup();
    if names.is_empty() || sides.len() < 2 {
        return None;
    }
    let row = |name: &&String| {
        let cells = facts.iter().map(|facts| facts.get(*name).cloned().unwrap_or_else(|| NOTHING.to_owned()));
        Row::new(words::titled(name), "", cells.collect()).marked()
    };
    let mut rows: Vec<Row> = names.iter().map(row).collect();
    let all = rows.len();
    rows.retain(|row| row.differs);
    let same = words::count((all - rows.len()) as u64, "other fact is", "other facts are");
    let note = match rows.len() {
        0 if all == 1 => "Nothing differs: the one known fact about program, node and launch is the same.".to_owned(),
        0 => format!("Nothing differs: all {all} known facts about program, node and launch are the same."),
        _ => format!("{same} the same in all columns."),
    };
    Some(Part { title: "What else was different", rows, note })
}

/// What is known of the program and its surroundings in a run.
fn known_of(run: &ResultDetail) -> BTreeMap<String, String> {
    let mut facts = BTreeMap::new();
    let mut know = |name: &str, value: String| {
        if !value.is_empty() {
            facts.insert(name.to_owned(), value);
        }
    };
    for (field, name) in [
        ("program", "program"),
        ("version", "version"),
        ("kernel", "kernel of the update"),
        ("threads", "threads of a rank"),
    ] {
        know(name, run.report.get(field).filter(|it| !it.is_null()).map(words::plain).unwrap_or_default());
    }
    if let Some(evidence) = &run.evidence {
        // Enough of a hash that no two programs share it.
        know("program file", evidence.binary_sha256.chars().take(12).collect());
        know("command line", evidence.launch.join(" "));
        know("more threads than cores", words::plain(&Value::Bool(evidence.oversubscribed)));
        know("network open", words::plain(&Value::Bool(evidence.network_open)));
        for (name, value) in insight::telling(evidence).chain(&evidence.sandbox) {
            know(name, value.clone());
        }
    }
    facts
}
