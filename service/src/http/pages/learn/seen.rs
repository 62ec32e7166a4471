//! What the service has seen itself: predictions, results by block size, residuals, peaks. Nothing is shown that is not
//! in the database.

use std::collections::BTreeMap;

use hpl_spec::api::insight::ExplorePoint;
use hpl_spec::api::jobs::{Estimate, Needs, SubmitRequest, Visibility};
use hpl_spec::api::results::{ResultDetail, ResultRow, ResultTier};
use hpl_spec::benchmark::figure;
use hpl_spec::id::AttemptId;
use serde_json::{Value, json};

use super::draw::{all_bytes, gflop, work_words};
use super::numbers::Numbers;
use super::picture::{blocks, scale};
use super::shown::{Shown, Table, row};
use super::{BENCHMARK, LIMIT};
use crate::app::App;
use crate::error::Result;
use crate::http::caller::Caller;
use crate::http::pages::visitor::Visitor;
use crate::http::pages::words::{self, bytes, duration};
use crate::ops::insight::{self, ExploreQuery};
use crate::ops::results::{self, BoardQuery, ResultQuery};
use crate::ops::{jobs, nodes};
use crate::picture::text;

/// Results that are looked at for block sizes, and whose residuals are shown.
const LATEST: u32 = 200;
const RESIDUALS: u32 = 6;
/// Nodes that are listed.
const NODES: u32 = 12;

/// A submission of these numbers, all else as usual.
pub fn request(numbers: Numbers) -> SubmitRequest {
    let Numbers { n, nb, p, q } = numbers;
    SubmitRequest {
        benchmark: BENCHMARK.to_owned(),
        parameters: Some(json!({ "n": n, "nb": nb, "p": p, "q": q })),
        input: None,
        draft: false,
        visibility: Visibility::Public,
        needs: Needs::default(),
        walltime_s: None,
        title: String::new(),
        stop_hopeless: false,
        repeats: 1,
    }
}

/// What a run of these numbers would take.
///
/// # Errors
/// The database fails.
pub async fn estimate(app: &App, caller: &Caller, numbers: Numbers) -> Result<Estimate> {
    jobs::estimate(app, caller, &request(numbers)).await
}

/// The predicted time in words.
pub fn predicted(estimate: &Estimate) -> String {
    match (estimate.cost.seconds, estimate.errors.first()) {
        (_, Some(_)) => "fits on no node".to_owned(),
        (Some(seconds), _) => format!("about {}", duration(seconds)),
        (None, _) => "cannot be told".to_owned(),
    }
}

/// For which node times are predicted, and by what: a sentence.
pub fn basis(estimate: &Estimate) -> String {
    let node = estimate.node.as_ref().map_or("a node", |node| node.name.as_str());
    match estimate.basis.as_str() {
        "history" => format!("Times are predicted for {node} from earlier runs of about this size."),
        "peak" => format!("Times are predicted for {node} from what its cores can reach."),
        _ => "No node that fits has been measured yet, so no time can be told.".to_owned(),
    }
}

/// N half as large, as it is, and twice as large.
///
/// # Errors
/// The database fails.
pub async fn sizes(app: &App, caller: &Caller, numbers: Numbers, shown: &mut Shown) -> Result<()> {
    let mut rows = vec![];
    let mut from = String::new();
    for n in [(numbers.n / 2).max(1), numbers.n, numbers.n * 2] {
        let other = Numbers { n, ..numbers };
        let estimate = estimate(app, caller, other).await?;
        if n == numbers.n {
            from = basis(&estimate);
        }
        let work = work_words(gflop(&other));
        rows.push(row(n == numbers.n, [text::count(n), bytes(all_bytes(&other)), work, predicted(&estimate)]));
    }
    shown.tables.push(Table {
        mark: "yours",
        caption: format!("Half, yours, double. {from}"),
        head: vec!["N", "Memory", "Work", "Time"],
        rows,
    });
    Ok(())
}

/// The latest public results that count.
async fn latest(app: &App, caller: &Caller, limit: u32) -> Result<Vec<ResultRow>> {
    let query = ResultQuery { benchmark: Some(BENCHMARK.to_owned()), limit: Some(limit), ..ResultQuery::default() };
    let page = results::list(app, caller, &query).await?;
    let counts = |row: &ResultRow| matches!(row.tier, ResultTier::Verified | ResultTier::Reported);
    Ok(page.results.into_iter().filter(counts).collect())
}

/// Of each block size the best among the latest results, on the CPU model that has most of them.
///
/// # Errors
/// The database fails.
pub async fn block_sizes(app: &App, caller: &Caller, numbers: Numbers, shown: &mut Shown) -> Result<()> {
    let query = ExploreQuery { benchmark: Some(BENCHMARK.to_owned()), limit: Some(LATEST), ..ExploreQuery::default() };
    let points = insight::explore(app, caller, &query).await?.points;
    let mut kinds: BTreeMap<(&str, u32), Vec<&ExplorePoint>> = BTreeMap::new();
    for point in &points {
        kinds.entry((&point.kind, point.cores)).or_default().push(point);
    }
    let Some(((kind, cores), seen)) = kinds.into_iter().max_by_key(|(_, seen)| seen.len()) else { return Ok(()) };
    let mut best: BTreeMap<u64, (u64, &ExplorePoint)> = BTreeMap::new();
    for point in seen {
        let Some(nb) = point.nb else { continue };
        let entry = best.entry(nb).or_insert((0, point));
        entry.0 += 1;
        if point.score > entry.1.score {
            entry.1 = point;
        }
    }
    if best.len() < 2 {
        return Ok(());
    }
    let line = |(nb, (runs, point)): (&u64, &(u64, &ExplorePoint))| {
        let grid = point.p.zip(point.q).map(|(p, q)| format!("{p} × {q}")).unwrap_or_default();
        let n = point.n.map(text::count).unwrap_or_default();
        row(*nb == numbers.nb, [nb.to_string(), runs.to_string(), words::score(BENCHMARK, point.score), n, grid])
    };
    shown.tables.push(Table {
        mark: "yours",
        caption: format!(
            "What was reached here with {kind}, {cores} cores: the best of the latest results for each NB"
        ),
        head: vec!["NB", "Results", "Best score", "with N", "P × Q"],
        rows: best.iter().map(line).collect(),
    });
    Ok(())
}

/// The scaled residual that a report of HPL names.
pub fn residual(report: &Value) -> Option<f64> {
    let verdict = report["reports"][0]["verdict"].as_object()?;
    let check = verdict.get("passed").or_else(|| verdict.get("failed"))?;
    check["residual"].as_f64().filter(|residual| residual.is_finite() && *residual >= 0.0)
}

/// A residual in plain words.
pub fn residual_words(residual: f64) -> String {
    if residual >= LIMIT {
        return format!(
            "{} is not below the limit of {LIMIT}: the answer is wrong by more than rounding",
            figure(residual)
        );
    }
    match (LIMIT / residual.max(f64::MIN_POSITIVE)).floor() {
        times if (2.0..1e6).contains(&times) => {
            let times = text::count(times as u64);
            format!("{} is {times} times below the limit of {LIMIT}: what is left over is rounding", figure(residual))
        }
        _ => format!("{} is below the limit of {LIMIT}: what is left over is rounding", figure(residual)),
    }
}

/// A very small number, as people write it: `1.11 · 10⁻¹⁶`.
fn tiny(value: f64) -> String {
    let text = format!("{value:.2e}");
    let Some((digits, power)) = text.split_once('e') else { return text };
    let raised = power.chars().map(|c| match c {
        '-' => '⁻',
        '1' => '¹',
        '2' => '²',
        '3' => '³',
        digit => digit.to_digit(10).and_then(|d| char::from_u32('⁰' as u32 + d)).unwrap_or(digit),
    });
    format!("{digits} · 10{}", raised.collect::<String>())
}

/// The results to look at: the visitor's own, or else everybody's latest. And whether they are the visitor's.
async fn own_or_latest(app: &App, visitor: &Visitor, limit: u32) -> Result<(Vec<ResultRow>, bool)> {
    if let Some(name) = visitor.name() {
        let query = ResultQuery {
            benchmark: Some(BENCHMARK.to_owned()),
            user: Some(name.to_owned()),
            limit: Some(limit),
            ..ResultQuery::default()
        };
        let page = results::list(app, &visitor.caller, &query).await?;
        if !page.results.is_empty() {
            return Ok((page.results, true));
        }
    }
    Ok((latest(app, &visitor.caller, limit).await?, false))
}

/// A result with all that speaks for it.
///
/// # Errors
/// The database fails, or it is gone.
pub async fn detail(app: &App, caller: &Caller, id: &AttemptId) -> Result<ResultDetail> {
    results::detail(app, caller, id).await
}

/// Residuals that runs had.
///
/// # Errors
/// The database fails.
pub async fn residuals(app: &App, visitor: &Visitor, numbers: Numbers, shown: &mut Shown) -> Result<()> {
    let (results, own) = own_or_latest(app, visitor, RESIDUALS).await?;
    let mut rows = vec![];
    let mut found = vec![];
    for result in &results {
        let Some(residual) = residual(&detail(app, &visitor.caller, &result.id).await?.report) else { continue };
        found.push(residual);
        rows.push(row(own, [result.label.clone(), figure(residual), words::score(BENCHMARK, result.score)]));
    }
    let caption = match (found.is_empty(), own) {
        (true, _) => "No result has come yet, so the line is empty.",
        (false, true) => "The dots are your latest results.",
        (false, false) => "The dots are the latest results here.",
    };
    shown.figure("Below 16 it passes", scale::picture(LIMIT, &found), caption);
    if !rows.is_empty() {
        let caption = if own { "Residuals of your latest results" } else { "Residuals of the latest results" };
        shown.tables.push(Table {
            mark: "yours",
            caption: caption.to_owned(),
            head: vec!["Run", "Residual", "Score"],
            rows,
        });
    }
    let n = numbers.n as f64;
    let eps = f64::EPSILON / 2.0;
    shown.fact("ε, the rounding of one operation", tiny(eps));
    shown.fact("ε·N for your N", tiny(eps * n));
    let most = format!("{} of ‖A‖·‖x‖ + ‖b‖", tiny(LIMIT * eps * n));
    shown.fact("The most that may be left over", most);
    shown.try_with(numbers, &[], format!("Run it with N = {} and read its residual", text::count(numbers.n)));
    Ok(())
}

/// Peaks of nodes, and what part of them was reached.
///
/// # Errors
/// The database fails.
pub async fn peaks(app: &App, visitor: &Visitor, numbers: Numbers, shown: &mut Shown) -> Result<()> {
    let (results, own) = own_or_latest(app, visitor, RESIDUALS).await?;
    let line = |result: &ResultRow| result.percent.map(|percent| (result.label.clone(), percent));
    let lines: Vec<(String, f64)> = results.iter().filter_map(line).collect();
    if !lines.is_empty() {
        let whose = if own { "Your latest results" } else { "The latest results here" };
        let caption = format!("{whose}. The full bar is the peak of the node that ran it.");
        shown.figure("What part of the peak was reached", blocks::bars(whose, &lines), caption);
    }
    let fastest = nodes::fastest(app, NODES).await?;
    let measured = fastest.iter().filter_map(|node| Some((node, node.peak_gflops?)));
    let line = |(node, peak): (&nodes::NodeView, f64)| {
        let each = peak / f64::from(node.cores.max(1));
        let cells = [&node.name, &node.kind].map(Clone::clone);
        let numbers = [node.cores.to_string(), format!("{} Gflop/s", words::rate(peak)), words::rate(each)];
        row(false, cells.into_iter().chain(numbers))
    };
    let rows: Vec<_> = measured.clone().map(line).collect();
    if let Some((node, peak)) = measured.clone().next() {
        for (name, part) in [("At 100 % of the highest peak", 1.0), ("At 80 %", 0.8), ("At 50 %", 0.5)] {
            let seconds = gflop(&numbers) / (peak * part);
            shown.fact(name, format!("{} on {}", duration(seconds), node.name));
        }
    }
    if !rows.is_empty() {
        shown.tables.push(Table {
            mark: "yours",
            caption: "The highest peaks of nodes, as measured".to_owned(),
            head: vec!["Node", "Processor", "Cores", "Peak", "Gflop/s of a core"],
            rows,
        });
    }
    let double = Numbers { n: numbers.n * 2, ..numbers };
    shown.try_with(numbers, &[], format!("Run it with N = {}", text::count(numbers.n)));
    shown.try_with(double, &[], format!("A larger N comes nearer to the peak: N = {}", text::count(double.n)));
    Ok(())
}

/// The visitor's best entry and how many are in the board; None for strangers and without one.
///
/// # Errors
/// The database fails.
pub async fn standing(app: &App, visitor: &Visitor) -> Result<Option<hpl_spec::api::results::Standing>> {
    if visitor.name().is_none() || visitor.caller.user(crate::http::caller::Scope::Read).is_err() {
        return Ok(None);
    }
    results::standing(app, &visitor.caller, BENCHMARK, &BoardQuery::default()).await.map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn residuals_are_found_and_said() {
        let report: Value =
            serde_json::from_str(include_str!("../../../../../hpl-spec/tests/golden/hpl_result.json")).unwrap();
        assert_eq!(residual(&report), Some(0.0172));
        assert_eq!(residual(&json!({ "reports": [{ "verdict": "unchecked" }] })), None);
        assert_eq!(residual(&json!({ "reports": [{ "verdict": { "failed": { "residual": "inf" } } }] })), None);
        assert!(residual_words(0.0172).starts_with("0.0172 is 930 times below the limit of 16"));
        assert!(residual_words(0.0).starts_with("0 is below") && residual_words(9.0).starts_with("9 is below"));
        assert_eq!([tiny(f64::EPSILON / 2.0), tiny(5.0)], ["1.11 · 10⁻¹⁶", "5.00 · 10⁰"]);
        assert!(residual_words(16.0).contains("not below the limit"), "{}", residual_words(16.0));
    }
}
