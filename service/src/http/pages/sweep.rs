//! Sweeps: put together, priced and started; then what they have found so far.

mod grid;
mod new;
mod surface;

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::{get, post};
use hpl_spec::api::sweeps::{SweepPoint, SweepRun, SweepView};
use hpl_spec::benchmark;
use hpl_spec::id::SweepId;
use hpl_spec::job::JobState;
use serde_json::{Map, Value};

use self::surface::Axis;
use super::forms::{Fields, on_to, query};
use super::visitor::{Frame, Visitor};
use super::words::{self, When};
use crate::app::Shared;
use crate::error::Result;
use crate::http::extract::Path;
use crate::ops::jobs;

/// Seconds after which the page of a sweep that goes on is loaded again, where no script keeps it fresh.
const RENEW_S: u32 = 5;

#[derive(Template)]
#[template(path = "sweep.html")]
struct SweepPage {
    frame: Frame,
    csrf: String,
    id: String,
    title: String,
    owner: String,
    when: When,
    points: String,
    runs: String,
    repeats: u32,
    predicted: String,
    hours: String,
    walltime: String,
    drafts: usize,
    drafts_words: String,
    over: u32,
    total: u32,
    seed: String,
    stops: bool,
    mine: bool,
    may_cancel: bool,
    /// Whether it goes on by itself.
    lives: bool,
    /// Whether the page is loaded again by itself.
    renews: bool,
    best: Option<BestView>,
    picture: String,
    axes: Vec<Axis>,
    lines: Vec<PointLine>,
    unit: &'static str,
}

struct BestView {
    title: String,
    label: String,
    at: Vec<(String, String)>,
    score: String,
    rests: String,
    /// The form filled with its parameters.
    take: String,
}

/// A point in the table.
struct PointLine {
    best: bool,
    label: String,
    at: Vec<String>,
    runs: Vec<RunView>,
    score: String,
    predicted: String,
}

struct RunView {
    job: String,
    turn: u32,
    class: &'static str,
    words: String,
    /// Why it was stopped, or how it failed.
    why: String,
}

pub(super) fn routes() -> Router<Shared> {
    Router::new()
        .route("/sweeps/new", get(new::form).post(new::send))
        .route("/sweeps/{id}", get(look))
        .route("/sweeps/{id}/submit", post(start))
        .route("/sweeps/{id}/cancel", post(cancel))
}

async fn look(State(app): State<Shared>, visitor: Visitor, Path(id): Path<SweepId>, asked: Fields) -> Result<Response> {
    let view = jobs::sweep(&app, &visitor.caller, &id).await?;
    let row = benchmark::find(&view.benchmark);
    let axes = row.map(|row| surface::axes(&view, &(row.schema)())).unwrap_or_default();
    let unit = row.map_or("", |row| row.unit);
    let mine = visitor.name() == Some(view.owner.as_str());
    let may_change = visitor.may_change(&view.owner);
    let waits = view.over + view.drafts < view.cost.runs;
    let renews = waits && asked.get("still").is_empty();
    let runs = words::count(view.cost.runs, "run", "runs");
    let heading = if view.title.is_empty() { format!("Sweep of {runs}") } else { view.title.clone() };
    let mut frame =
        visitor.frame(heading.clone(), "/jobs").with_script("sweep").with_call("GET", format!("/api/v1/sweeps/{id}"));
    frame.refresh = renews.then(|| format!("{RENEW_S}; url=/sweeps/{id}"));
    super::page(&SweepPage {
        frame,
        csrf: if may_change { visitor.token() } else { String::new() },
        id: id.to_string(),
        title: heading,
        owner: view.owner.clone(),
        when: When::new(view.created_at, app.clock.now()),
        points: words::count(view.points.len() as u64, "point", "points"),
        runs,
        repeats: view.repeats,
        predicted: view.cost.seconds.map(words::duration).unwrap_or_default(),
        // Of less than that the seconds tell more.
        hours: view
            .cost
            .node_hours
            .filter(|hours| *hours >= 0.01)
            .map(|hours| format!("{hours:.2} node hours"))
            .unwrap_or_default(),
        walltime: words::duration(view.cost.walltime_s as f64),
        drafts: view.drafts as usize,
        drafts_words: words::count(view.drafts, "run", "runs"),
        over: view.over,
        total: view.cost.runs,
        seed: view.seed.map(|seed| seed.to_string()).unwrap_or_default(),
        stops: view.stop_hopeless,
        mine,
        may_cancel: may_change && view.over < view.cost.runs,
        lives: waits,
        renews,
        best: best(&view, &axes, unit),
        picture: if view.best.is_some() { surface::picture(&view, &axes) } else { String::new() },
        lines: lines(&view, &axes, unit),
        axes,
        unit,
    })
}

/// What is added to `best` while not all runs have ended.
fn so_far(view: &SweepView) -> &'static str {
    if view.over < view.cost.runs { " so far" } else { "" }
}

fn best(view: &SweepView, axes: &[Axis], unit: &str) -> Option<BestView> {
    let best = view.best.as_ref()?;
    let point = view.points.get(best.point as usize)?;
    let runs = words::count(best.runs, "run", "runs");
    let so_far = so_far(view);
    let rests = match (best.sure, best.runs) {
        (true, _) => {
            format!("The median of {runs}. Even the slowest of them is above every run of another point{so_far}.")
        }
        (false, 1) => {
            "From one run. The same run again differs by a few per cent, so this names no winner yet: run the \
                       first few points again."
                .to_owned()
        }
        (false, _) => format!(
            "The median of {runs}. Runs of another point come close or are above the slowest of them: between those \
             points there is no clear winner."
        ),
    };
    Some(BestView {
        title: format!("Best{so_far}"),
        label: point.label.clone(),
        at: axes.iter().map(|axis| (axis.title.clone(), axis.at(point))).collect(),
        score: words::rate(best.score),
        rests: if view.points.len() == 1 { format!("The median of {runs} {unit}.") } else { rests },
        take: format!("/submit{}", parameters_query(&point.parameters)),
    })
}

/// All parameters of a point, by their names on the wire.
fn parameters_query(parameters: &Value) -> String {
    let none = Map::new();
    let pairs: Vec<(&str, String)> = parameters
        .as_object()
        .unwrap_or(&none)
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str().map_or_else(|| value.to_string(), str::to_owned)))
        .collect();
    query(&pairs.iter().map(|(name, value)| (*name, value.as_str())).collect::<Vec<_>>())
}

fn lines(view: &SweepView, axes: &[Axis], unit: &str) -> Vec<PointLine> {
    let best = view.best.as_ref().map(|best| best.point as usize);
    let number = |value: Option<f64>| value.map(words::rate).unwrap_or_default();
    let line = |(at, point): (usize, &SweepPoint)| PointLine {
        best: best == Some(at),
        label: point.label.clone(),
        at: axes.iter().map(|axis| axis.at(point)).collect(),
        runs: point.runs.iter().map(|run| run_view(run, unit)).collect(),
        score: number(point.score),
        predicted: number(point.predicted),
    };
    view.points.iter().enumerate().map(line).collect()
}

fn run_view(run: &SweepRun, unit: &str) -> RunView {
    let state = words::state(run.state);
    let percent = |fraction: f64| words::hundredths(fraction);
    let (words, why) = match (run.state, run.score, &run.stopped) {
        (JobState::Done, Some(score), _) => (words::rate(score), String::new()),
        (_, _, Some(stopped)) => (
            "Stopped early".to_owned(),
            format!(
                "at {} % it made {} of the best {} {unit}",
                percent(stopped.fraction),
                words::rate(stopped.score),
                words::rate(stopped.best)
            ),
        ),
        (JobState::Running, _, _) => {
            let far = run.progress.map(|far| format!("{state}, {} %", percent(far.fraction)));
            (far.unwrap_or_else(|| state.to_owned()), String::new())
        }
        (JobState::Failed, _, _) => {
            (state.to_owned(), run.failure.as_ref().map(|failure| failure.detail.clone()).unwrap_or_default())
        }
        _ => (state.to_owned(), String::new()),
    };
    RunView { job: run.job.to_string(), turn: run.turn, class: words::state_class(run.state), words, why }
}

async fn start(State(app): State<Shared>, visitor: Visitor, Path(id): Path<SweepId>, sent: Fields) -> Result<Response> {
    visitor.guard.check(sent.get("csrf"))?;
    jobs::submit_sweep(&app, &visitor.caller, &id).await?;
    Ok(on_to(&format!("/sweeps/{id}"), "started"))
}

async fn cancel(
    State(app): State<Shared>,
    visitor: Visitor,
    Path(id): Path<SweepId>,
    sent: Fields,
) -> Result<Response> {
    visitor.guard.check(sent.get("csrf"))?;
    jobs::cancel_sweep(&app, &visitor.caller, &id).await?;
    Ok(on_to(&format!("/sweeps/{id}"), "sweep_cancelled"))
}
