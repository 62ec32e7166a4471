//! What a submission would be: checked, planned, priced. Changes nothing.

use std::collections::BTreeMap;

use hpl_spec::api::jobs::{Cost, Estimate, NodeRef, QuotaLeft, RunEstimate, SubmitRequest};
use hpl_spec::benchmark::{self, Benchmark, Plan, Problem};

use super::wait::{Nodes, why_it_would_wait};
use hpl_spec::id::NodeId;

use crate::app::App;
use crate::db::nodes::{self, NodeRow};
use crate::db::quotas::{self, Quota};
use crate::db::{Conn, queue, results};
use crate::error::{Error, Result};
use crate::http::caller::Caller;
use crate::schedule::{self, Needs, gib};

/// The part of its peak that a node is taken to reach while there is no history.
pub(super) const EFFICIENCY: f64 = 0.8;
/// Runs of one sweep.
pub const MOST_RUNS: usize = 200;
/// Runs of one point of a sweep.
pub const MOST_REPEATS: u32 = 5;
/// Points that do not fit are named one by one up to so many.
const MOST_PROBLEMS: usize = 20;
/// Bytes of an input file.
pub const MOST_INPUT: usize = 64 << 10;
/// Characters of a title.
const MOST_TITLE: usize = 120;

/// A submission, checked.
pub(super) struct Prepared {
    pub(super) benchmark: &'static Benchmark,
    pub(super) runs: Vec<Run>,
    pub(super) warnings: Vec<Problem>,
    /// The node that predictions are for.
    pub(super) node: Option<NodeRow>,
    pub(super) basis: &'static str,
    pub(super) nodes: Nodes,
}

/// One run of it.
pub(super) struct Run {
    pub(super) plan: Plan,
    pub(super) needs: Needs,
    pub(super) seconds: Option<f64>,
    pub(super) score: Option<f64>,
    pub(super) walltime_s: u32,
}

/// Checks a submission and plans its runs.
///
/// # Errors
/// Everything that is wrong, field by field; or the database's.
pub(super) async fn prepare(app: &App, conn: &mut Conn, request: &SubmitRequest, quota: &Quota) -> Result<Prepared> {
    let (benchmark, plans) = plans(request)?;
    let nodes = Nodes::load(app, conn).await?;
    let mut problems = check_words(request);
    if let Some(walltime) = request.walltime_s.filter(|w| !(1..=quota.walltime_max_s).contains(w)) {
        let message = format!("found {walltime} s; expected 1 to {}, your longest walltime", quota.walltime_max_s);
        problems.push(Problem::new("walltime_s", message));
    }
    let known = |wanted: &NodeId| nodes.all.iter().any(|n| n.offer.node == wanted.as_str());
    if let Some(wanted) = request.needs.node.as_ref().filter(|n| !known(n)) {
        problems.push(Problem::new("needs.node", format!("there is no node {wanted}; leave it out for any node")));
    }
    let needs: Vec<Needs> = plans.iter().map(|plan| needs(request, plan)).collect();
    let largest = nodes.all.iter().max_by_key(|n| n.offer.memory);
    for (plan, need) in plans.iter().zip(&needs) {
        if problems.len() >= MOST_PROBLEMS {
            break;
        }
        if let Some(node) = largest.filter(|n| need.memory > n.offer.memory) {
            let message = format!(
                "{} needs {} of memory; the largest node, {}, gives a run {} of its {}: make the problem smaller",
                plan.label,
                gib(need.memory),
                node.name,
                gib(node.offer.memory),
                gib(node.memory)
            );
            let problem = Problem::new("parameters", message);
            if !problems.contains(&problem) {
                problems.push(problem);
            }
        }
    }
    if !problems.is_empty() {
        return Err(Error::invalid(problems));
    }
    let best = needs.first().and_then(|need| nodes.best_for(need));
    let node = match best {
        Some(best) => Some(nodes::get(conn, best.key).await?),
        None => None,
    };
    let mut basis = "nothing";
    let mut runs = vec![];
    let mut warnings: Vec<Problem> = vec![];
    for (plan, needs) in plans.into_iter().zip(needs) {
        let score = match &node {
            Some(node) => rate(conn, node, benchmark, plan.size, &mut basis).await?,
            None => None,
        };
        let seconds = score.and_then(|score| plan.seconds(score));
        let walltime_s = request.walltime_s.unwrap_or_else(|| schedule::walltime(seconds, quota.walltime_max_s));
        warn(&mut warnings, &plan, node.as_ref(), seconds, walltime_s);
        runs.push(Run { plan, needs, seconds, score, walltime_s });
    }
    Ok(Prepared { benchmark, runs, warnings, node, basis, nodes })
}

/// The runs that are asked for.
fn plans(request: &SubmitRequest) -> Result<(&'static Benchmark, Vec<Plan>)> {
    let Some(row) = benchmark::find(&request.benchmark) else {
        let known: Vec<_> = benchmark::BENCHMARKS.iter().map(|b| b.name).collect();
        let found: String = request.benchmark.chars().take(60).collect();
        return Err(Error::field("benchmark", format!("found `{found}`; expected one of: {}", known.join(", "))));
    };
    let sets = match (&request.parameters, &request.input) {
        (Some(parameters), None) => vec![parameters.clone()],
        (None, Some(input)) if input.len() > MOST_INPUT => {
            return Err(Error::field("input", format!("found {} bytes; expected at most {MOST_INPUT}", input.len())));
        }
        (None, Some(input)) => (row.parse_input)(input).map_err(|problems| under("input", problems))?,
        _ => return Err(Error::field("parameters", "expected either `parameters` or `input`")),
    };
    let repeats = if (1..=MOST_REPEATS).contains(&request.repeats) { request.repeats as usize } else { 1 };
    let runs = sets.len() * repeats;
    if runs > MOST_RUNS {
        let message = format!("it stands for {runs} runs; a sweep has at most {MOST_RUNS}: cut it in parts");
        return Err(Error::field("input", message));
    }
    let plans: Result<Vec<Plan>, Vec<Problem>> = sets.iter().map(|set| (row.plan)(set)).collect();
    let plans = plans.map_err(|problems| under("parameters", problems))?;
    Ok((row, plans.into_iter().flat_map(|plan| std::iter::repeat_n(plan, repeats)).collect()))
}

/// Problems of a field inside another.
fn under(outer: &str, problems: Vec<Problem>) -> Error {
    let name = |inner: &str| if inner.is_empty() { outer.to_owned() } else { format!("{outer}.{inner}") };
    Error::invalid(problems.into_iter().map(|p| Problem::new(name(&p.field), p.message)).collect())
}

fn needs(request: &SubmitRequest, plan: &Plan) -> Needs {
    Needs {
        node: request.needs.node.as_ref().map(ToString::to_string),
        avoid: None,
        cores: request.needs.cores.unwrap_or(0),
        memory: plan.bytes_per_rank.saturating_mul(plan.ranks as u64),
        labels: request.needs.labels.clone(),
    }
}

fn check_words(request: &SubmitRequest) -> Vec<Problem> {
    let mut problems = vec![];
    if request.title.chars().count() > MOST_TITLE || request.title.chars().any(char::is_control) {
        problems.push(Problem::new(
            "title",
            format!("expected at most {MOST_TITLE} characters, none of them control characters"),
        ));
    }
    let word = |label: &String| {
        (1..=32).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
    };
    if request.needs.labels.len() > 8 || !request.needs.labels.iter().all(word) {
        problems.push(Problem::new(
            "needs.labels",
            "expected at most 8 words of 1 to 32 letters, digits, `-`, `_` and `.`",
        ));
    }
    if request.needs.cores.is_some_and(|cores| cores == 0 || cores > 1_000_000) {
        problems.push(Problem::new("needs.cores", "expected 1 to 1000000"));
    }
    if !(1..=MOST_REPEATS).contains(&request.repeats) {
        let message = format!("found {}; expected 1 to {MOST_REPEATS} runs of each point", request.repeats);
        problems.push(Problem::new("repeats", message));
    }
    for (field, given) in [("repeats", request.repeats != 1), ("stop_hopeless", request.stop_hopeless)] {
        if given && request.input.is_none() {
            problems.push(Problem::new(field, "counts only for a sweep: give it with `input`, or leave it out"));
        }
    }
    problems
}

/// What a node is expected to reach.
async fn rate(conn: &mut Conn, node: &NodeRow, row: &Benchmark, size: f64, basis: &mut &str) -> Result<Option<f64>> {
    if let Some(rate) = results::recent_rate(conn, node.key, row.name, size).await? {
        *basis = "history";
        return Ok(Some(rate));
    }
    let peak = node.peak(row);
    if peak.is_some() && *basis == "nothing" {
        *basis = "peak";
    }
    Ok(peak.map(|peak| EFFICIENCY * peak))
}

fn warn(warnings: &mut Vec<Problem>, plan: &Plan, node: Option<&NodeRow>, seconds: Option<f64>, walltime_s: u32) {
    let mut add = |problem: Problem| {
        if !warnings.contains(&problem) && warnings.len() < 20 {
            warnings.push(problem);
        }
    };
    plan.warnings.iter().cloned().for_each(&mut add);
    if let Some(node) = node.filter(|n| n.cores > 0 && plan.ranks > n.cores as usize) {
        let message = format!(
            "{} ranks take turns on the {} cores of {}: it runs, but slowly, and is not ranked",
            plan.ranks, node.cores, node.name
        );
        add(Problem::new("parameters", message));
    }
    if let Some(seconds) = seconds.filter(|s| *s > f64::from(walltime_s)) {
        let message = format!(
            "{} is predicted to take {seconds:.0} s and would be ended after {walltime_s} s: make it smaller",
            plan.label
        );
        add(Problem::new("walltime_s", message));
    }
}

/// What runs take together, of which each is known by its predicted seconds and its longest ones.
pub(super) fn cost(runs: impl Iterator<Item = (Option<f64>, u32)>) -> Cost {
    let (seconds, longest): (Vec<Option<f64>>, Vec<u32>) = runs.unzip();
    let known: Option<Vec<f64>> = seconds.into_iter().collect();
    let seconds = known.map(|mut seconds| {
        // In whatever order they come, the sum is the same to its last digit.
        seconds.sort_by(f64::total_cmp);
        seconds.iter().sum::<f64>()
    });
    Cost {
        runs: longest.len() as u32,
        seconds,
        node_hours: seconds.map(|s| s / 3600.0),
        walltime_s: longest.into_iter().map(u64::from).sum(),
    }
}

/// What is left of the caller's quota; the settings' own for somebody who is not known.
pub(super) async fn quota_left(app: &App, conn: &mut Conn, caller: &Caller) -> Result<(Quota, QuotaLeft)> {
    let key = caller.key().unwrap_or(0);
    let quota = quotas::of(conn, key, &app.config).await?;
    let (share, running) = queue::line(conn, key).await?;
    let left = QuotaLeft {
        running_max: quota.running_max,
        running,
        queued_max: quota.queued_max,
        queued: queue::waiting(conn, key).await?,
        walltime_max_s: quota.walltime_max_s,
        recent_node_hours: schedule::recent_seconds(share, app.clock.now()) / 3600.0,
    };
    Ok((quota, left))
}

/// What would happen to a submission now. Changes nothing.
///
/// # Errors
/// Of the database; what is wrong with the submission is part of the answer.
pub async fn estimate(app: &App, caller: &Caller, request: &SubmitRequest) -> Result<Estimate> {
    let conn = &mut *app.db.snapshot().await?;
    let (quota, left) = quota_left(app, conn, caller).await?;
    let position = queue::position(conn, caller.key().unwrap_or(0), None).await?;
    let mut answer = Estimate {
        ok: false,
        errors: vec![],
        warnings: vec![],
        runs: vec![],
        cost: Cost::default(),
        node: None,
        basis: "nothing".into(),
        position,
        waits: None,
        quota: left,
    };
    let prepared = match prepare(app, conn, request, &quota).await {
        Ok(prepared) => prepared,
        Err(wrong) if !wrong.errors.is_empty() => {
            answer.errors = wrong.errors;
            return Ok(answer);
        }
        Err(other) => return Err(other),
    };
    if answer.quota.queued >= answer.quota.queued_max {
        let message = format!("{} jobs of yours wait already, {} may", answer.quota.queued, answer.quota.queued_max);
        answer.errors.push(Problem::new("", message));
    }
    answer.ok = answer.errors.is_empty();
    answer.waits = match prepared.runs.first() {
        Some(run) => why_it_would_wait(&prepared.nodes, &run.needs, &answer.quota, position),
        None => None,
    };
    answer.node = prepared.node.as_ref().map(node_ref).transpose()?;
    answer.basis = prepared.basis.into();
    answer.cost = cost(prepared.runs.iter().map(|run| (run.seconds, run.walltime_s)));
    answer.warnings = prepared.warnings;
    answer.runs = prepared.runs.into_iter().map(|run| run_estimate(run, prepared.node.as_ref())).collect();
    Ok(answer)
}

pub(super) fn node_ref(node: &NodeRow) -> Result<NodeRef> {
    Ok(NodeRef { id: node.id.parse().map_err(Error::internal)?, name: node.name.clone() })
}

fn run_estimate(run: Run, node: Option<&NodeRow>) -> RunEstimate {
    RunEstimate {
        bytes_per_rank: run.plan.bytes_per_rank,
        bytes_per_node: run.needs.memory,
        node_bytes: node.map(|n| n.memory),
        work: run.plan.work,
        seconds: run.seconds,
        score: run.score,
        walltime_s: run.walltime_s,
        inputs: run.plan.inputs.into_iter().map(|i| (i.name, i.text)).collect::<BTreeMap<_, _>>(),
        label: run.plan.label,
        parameters: run.plan.parameters,
    }
}
