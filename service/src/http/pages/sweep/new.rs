//! The page on which a sweep is put together: lists, or a pasted file, and its cost before anything is written down.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use hpl_spec::api::jobs::{Estimate, RunEstimate, SubmitRequest};
use serde_json::Value;

use super::super::forms::{Fields, Wrong, on_to};
use super::super::submit::ask::{self, renamed};
use super::super::submit::preset;
use super::super::submit::price::{basis, predicted, waits};
use super::super::submit::{NodeChoice, about, choice, ground, in_words, node_choices, row};
use super::super::visitor::{Frame, Visitor};
use super::super::words::{bytes, count, duration};
use super::grid;
use crate::app::{App, Shared};
use crate::error::{Error, Result};
use crate::ops::jobs::{self, MOST_REPEATS, MOST_RUNS};
use crate::secret::random_id;

/// Lists of numbers, with an example each.
const LISTS: [(&str, &str); 3] = [("n", "4000 8000"), ("nb", "128 192 256"), ("grid", "1x4 2x2")];
/// Lists that few people need.
const MORE_LISTS: [(&str, &str); 3] = [("depth", "0 1"), ("nbmin", "4 8"), ("ndiv", "2")];
/// Words of which several may be chosen.
const WORDS: [&str; 3] = ["bcast", "pfact", "rfact"];
#[derive(Template)]
#[template(path = "sweep_new.html")]
struct NewPage {
    frame: Frame,
    csrf: String,
    once: String,
    why: Vec<String>,
    lists: Vec<List>,
    more: Vec<List>,
    words: Vec<Words>,
    more_open: bool,
    repeats: u32,
    most_repeats: u32,
    most_runs: usize,
    stops: bool,
    nodes: Vec<NodeChoice>,
    sent: Fields,
    wrong: Wrong,
    doubts: Wrong,
    cost: Option<Cost>,
    logged_in: bool,
    log_in: String,
}

/// A list of numbers to type.
struct List {
    name: &'static str,
    title: String,
    unit: &'static str,
    about: String,
    topic: &'static str,
    example: &'static str,
    value: String,
    wrong: String,
}

/// Words to choose from.
struct Words {
    name: &'static str,
    title: String,
    about: &'static str,
    topic: &'static str,
    words: Vec<(String, String, bool)>,
    wrong: String,
}

/// What a sweep costs.
struct Cost {
    ok: bool,
    lines: Vec<(&'static str, String)>,
    points: Vec<PointCost>,
}

struct PointCost {
    label: String,
    runs: u32,
    seconds: String,
    score: String,
    memory: String,
    percent: String,
}

/// The form; an address may fill it, by the names of the wire, or by the preset that tunes NB.
pub(super) async fn form(State(app): State<Shared>, visitor: Visitor, mut asked: Fields) -> Result<Response> {
    let mut why = vec![];
    if asked.get("preset") == "tune" {
        let longest = jobs::quota(&app, &visitor.caller).await?.walltime_max_s;
        if let Some(filled) = preset::fill("tune", &ground(&app, &asked).await?, longest) {
            let value = |name| filled.fields.iter().find(|(field, _)| *field == name).map(|(_, value)| value.clone());
            value("n").into_iter().for_each(|n| asked.prefill("n", n));
            asked.prefill("nb", preset::TUNE_NB);
            asked.prefill("grid", "1x1");
            why = filled.why;
        }
    }
    // An address names a single grid as the API does.
    if let (Some(p), Some(q)) = (asked.filled("p"), asked.filled("q")) {
        let single = format!("{p}x{q}");
        asked.prefill("grid", single);
    }
    if asked.get("seen").is_empty() {
        asked.prefill("stop_hopeless", "true");
        asked.prefill("repeats", "2");
    }
    let full = asked.filled("n").is_some() || asked.filled("input").is_some();
    let shown = match request(&asked).map(|request| full.then_some(request)) {
        Ok(None) => Ok(None),
        Ok(Some(request)) => jobs::estimate(&app, &visitor.caller, &request).await.map(Some),
        Err(wrong) if full => Err(wrong),
        Err(_) => Ok(None),
    };
    render(&app, &visitor, asked, why, shown, StatusCode::OK).await
}

/// What the form asks for: the pasted file where there is one, else what the lists stand for.
fn request(sent: &Fields) -> Result<SubmitRequest> {
    let input = match sent.filled("input") {
        Some(_) => sent.get("input").to_owned(),
        None => grid::dat(sent).map_err(Error::invalid)?,
    };
    ask::around(sent, None, Some(input))
}

pub(super) async fn send(State(app): State<Shared>, visitor: Visitor, sent: Fields) -> Result<Response> {
    match ask::sent(&app, &visitor, &sent, request).await {
        Ok(ask::Came::Checked(estimate)) => {
            render(&app, &visitor, sent, vec![], Ok(Some(*estimate)), StatusCode::OK).await
        }
        Ok(ask::Came::Made(made)) => match &made.sweep {
            Some(sweep) => Ok(on_to(&format!("/sweeps/{sweep}"), "written")),
            None => Err(Error::internal("no sweep was written down")),
        },
        Err(error) => {
            let error = in_words(error, ask::fits("/sweeps/new", &sent));
            // To check is to ask what is wrong: that something is, is the answer.
            let checked = sent.get("do") != "submit" && !error.errors.is_empty();
            let status = if checked { StatusCode::OK } else { super::super::status(&error) };
            render(&app, &visitor, sent, vec![], Err(error), status).await
        }
    }
}

async fn render(
    app: &App,
    visitor: &Visitor,
    sent: Fields,
    why: Vec<String>,
    shown: Result<Option<Estimate>>,
    status: StatusCode,
) -> Result<Response> {
    let said = |problems: &[hpl_spec::benchmark::Problem]| match problems {
        [] => Wrong::default(),
        some => Wrong::of(&Error::invalid(some.to_vec()), place_of),
    };
    let (wrong, doubts, cost) = match &shown {
        Ok(None) => (Wrong::default(), Wrong::default(), None),
        Ok(Some(estimate)) => (said(&estimate.errors), said(&estimate.warnings), Some(cost_of(estimate))),
        Err(error) => (Wrong::of(error, place_of), Wrong::default(), None),
    };
    let schema = (row()?.schema)();
    let list = |&(name, example): &(&'static str, &'static str)| list(&schema, name, example, &sent, &wrong);
    let words: Vec<Words> = WORDS.iter().map(|name| words_of(&schema, name, &sent, &wrong)).collect();
    let more: Vec<List> = MORE_LISTS.iter().map(list).collect();
    let nodes = node_choices(app, &[sent.get("node")]).await?;
    let page = NewPage {
        frame: visitor
            .frame("New sweep", "/submit")
            .with_script("sweep")
            .with_call("POST", "/api/v1/estimate")
            .with_call("POST", "/api/v1/jobs"),
        csrf: visitor.token(),
        once: random_id::<hpl_spec::id::JobId>(app.clock.now()).to_string(),
        why,
        lists: LISTS.iter().map(list).collect(),
        more_open: more.iter().any(|list| !list.value.is_empty() || !list.wrong.is_empty())
            || words.iter().any(|words| !words.wrong.is_empty() || words.words.iter().any(|(_, _, chosen)| *chosen)),
        more,
        words,
        repeats: sent.get("repeats").parse().unwrap_or(2),
        most_repeats: MOST_REPEATS,
        most_runs: MOST_RUNS,
        stops: sent.get("stop_hopeless") == "true",
        nodes,
        log_in: ask::log_in("/sweeps/new", &sent),
        sent,
        wrong,
        doubts,
        cost,
        logged_in: visitor.name().is_some(),
    };
    super::super::show(status, &page)
}

/// The field that a problem is about. Grids are typed as one list.
fn place_of(field: &str) -> String {
    match renamed(field).as_str() {
        "p" | "q" => "grid".to_owned(),
        other => other.to_owned(),
    }
}

fn list(schema: &Value, name: &'static str, example: &'static str, sent: &Fields, wrong: &Wrong) -> List {
    let (title, known) = match name {
        "grid" => ("P × Q".to_owned(), about::of("p")),
        name => (schema["properties"][name]["title"].as_str().unwrap_or(name).to_owned(), about::of(name)),
    };
    List {
        name,
        title,
        unit: if name == "grid" { "grids of ranks" } else { known.map_or("", |about| about.unit) },
        about: known.map_or_else(String::new, |about| about.sentence.to_owned()),
        topic: known.map_or("", |about| about.topic),
        example,
        value: sent.get(name).to_owned(),
        wrong: wrong.at(name),
    }
}

fn words_of(schema: &Value, name: &'static str, sent: &Fields, wrong: &Wrong) -> Words {
    let field = &schema["properties"][name];
    let known = about::of(name);
    let chosen: Vec<&str> = sent.all(name).collect();
    let words = choice::words(field).into_iter().map(|(word, called)| {
        let is = chosen.contains(&word.as_str());
        (word, called, is)
    });
    Words {
        name,
        title: field["title"].as_str().unwrap_or(name).to_owned(),
        about: known.map_or("", |about| about.sentence),
        topic: known.map_or("", |about| about.topic),
        words: words.collect(),
        wrong: wrong.at(name),
    }
}

/// The points of an estimate, each with how often it runs. Runs of a point follow each other.
fn points(estimate: &Estimate) -> Vec<(&RunEstimate, u32)> {
    let mut points: Vec<(&RunEstimate, u32)> = vec![];
    for run in &estimate.runs {
        match points.last_mut() {
            Some((point, runs)) if point.parameters == run.parameters => *runs += 1,
            _ => points.push((run, 1)),
        }
    }
    points
}

fn cost_of(estimate: &Estimate) -> Cost {
    let points = points(estimate);
    let longest =
        estimate.runs.iter().filter_map(|run| run.seconds).fold(None, |a: Option<f64>, b| Some(a.unwrap_or(b).max(b)));
    let walltime = estimate.runs.iter().map(|run| run.walltime_s).max().unwrap_or_default();
    let hours = estimate.cost.node_hours.map(|hours| format!("{hours:.2}"));
    let row = |(run, runs): &(&RunEstimate, u32)| PointCost {
        label: run.label.clone(),
        runs: *runs,
        seconds: predicted(run.seconds),
        score: run.score.map(super::words::rate).unwrap_or_default(),
        memory: bytes(run.bytes_per_node),
        percent: run
            .node_bytes
            .map(|all| format!("{:.0} %", 100.0 * run.bytes_per_node as f64 / all as f64))
            .unwrap_or_default(),
    };
    let quota = &estimate.quota;
    let lines = if points.is_empty() {
        vec![]
    } else {
        vec![
            ("Points", count(points.len() as u64, "point", "points")),
            ("Runs", count(estimate.cost.runs, "run", "runs")),
            ("Predicted time of all", predicted(estimate.cost.seconds)),
            ("Node hours", hours.unwrap_or_else(|| "cannot be predicted yet".to_owned())),
            ("Predicted time of the longest run", predicted(longest)),
            ("Longest time of a run", duration(f64::from(walltime))),
            ("Longest time of all", format!("{} of computing", duration(estimate.cost.walltime_s as f64))),
            ("The prediction rests on", basis(estimate)),
            ("Before it in the queue", count(estimate.position, "job", "jobs")),
            ("Would it wait?", waits(estimate)),
            ("Your quota: waiting", format!("{} of {} used; a sweep counts as one", quota.queued, quota.queued_max)),
        ]
    };
    Cost { ok: estimate.ok, lines, points: points.iter().map(row).collect() }
}
