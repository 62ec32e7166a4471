//! One job: where it stands, how far and how fast it is, what happened, what came of it, and what its owner may do.
//!
//! The parts of the page that a new state changes are marked `data-part`. The script takes them from this page anew when
//! the job moves; without a script the page is loaded again as a whole.

mod actions;
mod curve;
mod timeline;

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::{get, post};
use hpl_spec::api::jobs::{Expected, Job, Stopped, Visibility};
use hpl_spec::benchmark;
use hpl_spec::id::JobId;
use hpl_spec::job::JobState;

use self::actions::May;
use self::curve::Pace;
use self::timeline::{Station, Told};
use super::forms::Fields;
use super::plain;
use super::result::ResultView;
use super::submit::about::ABOUT;
use super::visitor::{Frame, Visitor};
use super::words::{self, When};
use crate::app::Shared;
use crate::error::{Code, Result};
use crate::http::extract::Path;
use crate::ops::jobs::{self, Watch};
use crate::ops::record::{self, Record};
use crate::ops::results;
use crate::store::{FileName, Listed, Stream};

/// Bytes of a log's end that are shown.
const TAIL: usize = 16 << 10;
/// Seconds after which the page of a job that goes on is loaded again.
const RENEW_S: u32 = 5;

#[derive(Template)]
#[template(path = "job.html")]
struct JobPage {
    frame: Frame,
    csrf: String,
    job: Job,
    name: String,
    benchmark: String,
    unit: &'static str,
    state: &'static str,
    class: &'static str,
    about_state: &'static str,
    /// Whether the page is loaded again by itself.
    renews: bool,
    /// Whether a node has it.
    under_way: bool,
    /// Whether it has come to its end.
    over: bool,
    created: When,
    waits: Option<WaitsView>,
    stations: Vec<Station>,
    pace: Option<Pace>,
    ends: Option<ExpectedView>,
    curve: Option<String>,
    /// The owner's best score beside which the curve is drawn, and what it is called.
    best: Option<(f64, String)>,
    dropped: String,
    walltime: String,
    estimate: String,
    failed: &'static str,
    /// Why its sweep ended it early; empty where it did not.
    stopped: String,
    parameters: Vec<(String, String)>,
    story: Vec<Told>,
    logs: Vec<LogView>,
    artifacts: Vec<(String, String)>,
    /// The output file of the benchmark: its name, what it says, and whether that is only its beginning.
    output: Option<(&'static str, String, bool)>,
    result: Option<ResultView>,
    /// The figure of the result, for what is said aloud.
    score: String,
    may: Option<May>,
    /// Whether the lesson may have led here.
    lesson: bool,
    private: bool,
}

/// Why a job waits and when it starts.
struct WaitsView {
    why: String,
    place: Option<u32>,
    starts: Option<ExpectedView>,
}

/// A predicted moment.
struct ExpectedView {
    text: String,
    at: Option<When>,
}

impl ExpectedView {
    fn new(expected: Expected, now: i64) -> ExpectedView {
        ExpectedView { text: expected.text, at: expected.at.map(|at| When::new(at, now)) }
    }
}

struct LogView {
    stream: String,
    title: &'static str,
    text: String,
    cut: String,
}

pub(super) fn routes() -> Router<Shared> {
    Router::new()
        .route("/jobs/{id}", get(look))
        .route("/jobs/{id}/submit", post(actions::submit))
        .route("/jobs/{id}/cancel", post(actions::cancel))
        .route("/jobs/{id}/requeue", post(actions::requeue))
        .route("/jobs/{id}/delete", post(actions::delete))
        .route("/jobs/{id}/visibility", post(actions::set_visibility))
}

async fn look(State(app): State<Shared>, visitor: Visitor, Path(id): Path<JobId>, asked: Fields) -> Result<Response> {
    let job = jobs::get(&app, &visitor.caller, id.as_str()).await?;
    let watch = jobs::watch(&app, &visitor.caller, id.as_str()).await?;
    let record = record::of_job(&app, &visitor.caller, &id, TAIL).await?;
    let result = match results::of_job(&app, &visitor.caller, id.as_str()).await {
        Ok(result) => Some(ResultView::new(result)),
        Err(error) if error.code == Code::NotFound => None,
        Err(error) => return Err(error),
    };
    // Who reads slowly, or with a screen reader, can have the page stand still.
    let renews = !job.state.is_final() && job.state != JobState::Draft && asked.get("still").is_empty();
    super::page(&page(&visitor, job, watch, record, result, app.clock.now(), renews))
}

fn page(
    visitor: &Visitor,
    job: Job,
    watch: Watch,
    record: Record,
    result: Option<ResultView>,
    now: i64,
    renews: bool,
) -> JobPage {
    let id = &job.id;
    let over = job.state.is_final();
    let name = if job.title.is_empty() { job.label.clone() } else { job.title.clone() };
    let frame = visitor.frame(format!("{name}: {}", words::state(job.state).to_lowercase()), "/jobs");
    let mut frame = frame
        .with_script("live")
        .with_call("GET", format!("/api/v1/jobs/{id}"))
        .with_call("GET", format!("/api/v1/jobs/{id}/events"))
        .with_call("GET", format!("/api/v1/jobs/{id}/history"));
    frame.refresh = renews.then(|| format!("{RENEW_S}; url=/jobs/{id}"));
    let Watch { story, curve, best, left } = watch;
    let best = best.map(|score| {
        let whose = if visitor.name() == Some(&job.owner) { "Your".to_owned() } else { format!("{}’s", job.owner) };
        (score, format!("{whose} best on this kind of node"))
    });
    let running = matches!(job.state, JobState::Running | JobState::Finishing | JobState::Lost);
    let latest = curve.last().copied().or(job.progress).filter(|_| !over);
    let Record { logs, artifacts, output } = record;
    // What was printed as well is not shown twice.
    let output = output.filter(|(bytes, _)| logs.iter().all(|log| log.bytes != *bytes));
    JobPage {
        frame,
        csrf: if visitor.may_change(&job.owner) { visitor.token() } else { String::new() },
        name,
        benchmark: benchmark::find(&job.benchmark).map_or(job.benchmark.clone(), |row| row.title.to_owned()),
        unit: benchmark::find(&job.benchmark).map_or("", |row| row.unit),
        state: words::state(job.state),
        class: words::state_class(job.state),
        about_state: words::about_state(job.state),
        renews,
        under_way: job.state.has_attempt(),
        over,
        created: When::new(job.created_at, now),
        waits: job.waits.clone().map(|waits| WaitsView {
            why: waits.why,
            place: waits.position.map(|before| before + 1),
            starts: waits.starts.map(|starts| ExpectedView::new(starts, now)),
        }),
        stations: timeline::stations(&story, &job, now),
        pace: latest.map(|progress| Pace::of(&job.benchmark, &progress)),
        ends: left.map(|left| ExpectedView::new(jobs::expected(&left, now), now)),
        curve: curve::picture(&job.benchmark, &curve, running, best.clone()),
        best,
        dropped: words::dropped(&job.dropped),
        walltime: words::duration(job.walltime_s.into()),
        estimate: job.estimate_s.map(words::duration).unwrap_or_default(),
        failed: job.failure.as_ref().map_or("", |failure| words::fail_class(failure.class)),
        stopped: job.stopped.as_ref().map(|stopped| stopped_words(&job.benchmark, stopped)).unwrap_or_default(),
        parameters: parameters(&job),
        story: timeline::told(&story, &job, now),
        logs: logs.into_iter().map(log_view).collect(),
        artifacts: artifacts.iter().filter_map(artifact_line).collect(),
        output: output.map(|(bytes, length)| {
            let name = benchmark::find(&job.benchmark).map_or("", |row| row.output);
            (name, plain::text(&bytes), length > bytes.len() as u64)
        }),
        result,
        score: job.score.map(|score| words::score(&job.benchmark, score)).unwrap_or_default(),
        lesson: visitor.name() == Some(&job.owner) && job.sweep.is_none(),
        may: visitor.may_change(&job.owner).then(|| May::with(&job)),
        private: job.visibility == Visibility::Private,
        job,
    }
}

fn stopped_words(benchmark: &str, stopped: &Stopped) -> String {
    format!(
        "Its sweep ended it after {} % of the work: with {} so far it could no longer be the best, which has {}.",
        words::hundredths(stopped.fraction),
        words::score(benchmark, stopped.score),
        words::score(benchmark, stopped.best)
    )
}

/// Name and size of an artifact.
fn artifact_line(file: &Listed) -> Option<(String, String)> {
    match &file.name {
        FileName::Artifact(name) => Some((name.to_string(), words::bytes(file.length))),
        FileName::Log(_) => None,
    }
}

/// The parameters with their names for people, the four that matter most first.
fn parameters(job: &Job) -> Vec<(String, String)> {
    let schema = benchmark::find(&job.benchmark).map(|row| (row.schema)()).unwrap_or_default();
    let title = |name: &str| schema["properties"][name]["title"].as_str().unwrap_or(name).to_owned();
    let place = |name: &str| ABOUT.iter().position(|about| about.name == name).unwrap_or(ABOUT.len());
    let mut values: Vec<_> = job.parameters.as_object().into_iter().flatten().collect();
    values.sort_by_key(|(name, _)| place(name));
    values.into_iter().map(|(name, value)| (title(name), words::plain(value))).collect()
}

fn log_view(tail: record::Tail) -> LogView {
    LogView {
        stream: tail.stream.to_string(),
        title: match tail.stream {
            Stream::Out => "What the program printed",
            Stream::Err => "What it printed as warnings and errors",
        },
        text: plain::text(&tail.bytes),
        cut: if tail.before > 0 { words::bytes(tail.before) } else { String::new() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn why_a_sweep_ended_a_run_is_said_with_its_numbers() {
        let stopped = Stopped { fraction: 0.314, score: 61.234_567, best: 88.0, at: 0 };
        let said = stopped_words("hpl", &stopped);
        assert!(said.contains("after 31 % of the work") && said.contains("61.23 Gflop/s"), "{said}");
        assert!(said.ends_with("which has 88.00 Gflop/s."), "{said}");
    }
}
