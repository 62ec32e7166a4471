//! One job: where it stands, what happened, what came of it, and what its owner may do with it.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::{get, post};
use hpl_spec::api::jobs::{Job, Visibility};
use hpl_spec::benchmark;
use hpl_spec::id::JobId;
use hpl_spec::job::{JobEvent, JobState};
use serde_json::Value;

use super::forms::{Fields, on_to};
use super::plain;
use super::result::ResultView;
use super::visitor::{Frame, Visitor};
use super::words::{self, When};
use crate::app::Shared;
use crate::error::{Code, Error, Result};
use crate::http::extract::Path;
use crate::ops::record::{self, Happened, Record};
use crate::ops::{jobs, results};
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
    state: &'static str,
    class: &'static str,
    about_state: &'static str,
    /// Whether the page is loaded again by itself.
    renews: bool,
    created: When,
    progress: Option<ProgressView>,
    dropped: String,
    walltime: String,
    estimate: String,
    failed: &'static str,
    parameters: Vec<(String, String)>,
    story: Vec<Step>,
    logs: Vec<LogView>,
    artifacts: Vec<(String, String)>,
    result: Option<ResultView>,
    may: Option<May>,
    private: bool,
}

struct ProgressView {
    percent: u32,
    took: String,
    score: String,
}

/// What happened, in words.
struct Step {
    when: When,
    text: String,
    detail: String,
}

struct LogView {
    stream: String,
    title: &'static str,
    text: String,
    cut: String,
}

/// What the owner may do now, as the states say it.
struct May {
    submit: bool,
    cancel: bool,
    give_up: bool,
    again: bool,
    delete: bool,
}

pub(super) fn routes() -> Router<Shared> {
    Router::new()
        .route("/jobs/{id}", get(look))
        .route("/jobs/{id}/submit", post(submit))
        .route("/jobs/{id}/cancel", post(cancel))
        .route("/jobs/{id}/requeue", post(requeue))
        .route("/jobs/{id}/delete", post(delete))
        .route("/jobs/{id}/visibility", post(set_visibility))
}

async fn look(State(app): State<Shared>, visitor: Visitor, Path(id): Path<JobId>, asked: Fields) -> Result<Response> {
    let job = jobs::get(&app, &visitor.caller, id.as_str()).await?;
    let record = record::of_job(&app, &visitor.caller, &id, TAIL).await?;
    let result = match results::of_job(&app, &visitor.caller, id.as_str()).await {
        Ok(result) => Some(ResultView::new(result)),
        Err(error) if error.code == Code::NotFound => None,
        Err(error) => return Err(error),
    };
    let now = app.clock.now();
    let over = job.state.is_final();
    // Who reads slowly, or with a screen reader, can have the page stand still.
    let renews = !over && job.state != JobState::Draft && asked.get("still").is_empty();
    let name = if job.title.is_empty() { job.label.clone() } else { job.title.clone() };
    let mut frame = visitor.frame(format!("{name}: {}", words::state(job.state).to_lowercase()), "/jobs");
    frame.refresh = renews.then(|| format!("{RENEW_S}; url=/jobs/{id}"));
    let Record { events, logs, artifacts } = record;
    super::page(&JobPage {
        frame,
        csrf: if visitor.may_change(&job.owner) { visitor.token() } else { String::new() },
        name,
        benchmark: benchmark::find(&job.benchmark).map_or(job.benchmark.clone(), |row| row.title.to_owned()),
        state: words::state(job.state),
        class: words::state_class(job.state),
        about_state: words::about_state(job.state),
        renews,
        created: When::new(job.created_at, now),
        progress: job.progress.filter(|_| !over).map(|p| ProgressView {
            percent: words::hundredths(p.fraction),
            took: words::duration(p.seconds),
            score: words::score(&job.benchmark, p.score),
        }),
        dropped: words::dropped(&job.dropped),
        walltime: words::duration(job.walltime_s.into()),
        estimate: job.estimate_s.map(words::duration).unwrap_or_default(),
        failed: job.failure.as_ref().map_or("", |failure| words::fail_class(failure.class)),
        parameters: parameters(&job),
        story: story(events, &job, now),
        logs: logs.into_iter().map(log_view).collect(),
        artifacts: artifacts.iter().filter_map(artifact_line).collect(),
        result,
        may: visitor.may_change(&job.owner).then(|| may(&job)),
        private: job.visibility == Visibility::Private,
        job,
    })
}

/// Name and size of an artifact.
fn artifact_line(file: &Listed) -> Option<(String, String)> {
    match &file.name {
        FileName::Artifact(name) => Some((name.to_string(), words::bytes(file.length))),
        FileName::Log(_) => None,
    }
}

/// What can be done is what the states allow.
fn may(job: &Job) -> May {
    let state = job.state;
    let by = String::new;
    let over = state.is_final();
    let ends = state.after(&JobEvent::Cancelled { by: by() }).is_ok();
    May {
        submit: job.sweep.is_none() && state.after(&JobEvent::Submitted).is_ok(),
        cancel: ends && !job.cancel_requested && state != JobState::Draft,
        give_up: state == JobState::Lost,
        again: over,
        delete: over || state == JobState::Draft,
    }
}

/// The parameters with their names for people.
fn parameters(job: &Job) -> Vec<(String, String)> {
    let schema = benchmark::find(&job.benchmark).map(|row| (row.schema)()).unwrap_or_default();
    let title = |name: &str| schema["properties"][name]["title"].as_str().unwrap_or(name).to_owned();
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), |word| word.replace('_', " "));
    job.parameters.as_object().into_iter().flatten().map(|(name, value)| (title(name), text(value))).collect()
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

/// What happened, without the progress.
fn story(events: Vec<Happened>, job: &Job, now: i64) -> Vec<Step> {
    let steps = events.into_iter().filter_map(|happened| {
        let (text, detail) = told(happened.event, job)?;
        Some(Step { when: When::new(happened.at, now), text, detail })
    });
    steps.collect()
}

fn told(event: JobEvent, job: &Job) -> Option<(String, String)> {
    let none = String::new;
    Some(match event {
        JobEvent::Progress(_) => return None,
        JobEvent::Created { state: JobState::Draft } => ("It was written down as a draft.".into(), none()),
        JobEvent::Created { .. } => ("It was submitted and began to wait for a computer.".into(), none()),
        JobEvent::Submitted => ("The draft was started.".into(), none()),
        JobEvent::Held { why } => ("It was put on hold.".into(), why),
        JobEvent::Released => ("It is on hold no longer.".into(), none()),
        JobEvent::Claimed { node, .. } => {
            let name = job.node.as_ref().filter(|known| known.id == node).map(|known| known.name.clone());
            (format!("The node {} took it.", name.unwrap_or_else(|| node.to_string())), none())
        }
        JobEvent::Preparing => ("The node made ready.".into(), none()),
        JobEvent::Started => ("The program began to compute.".into(), none()),
        JobEvent::Finishing => ("The program ended.".into(), none()),
        JobEvent::ResultReceived => ("The result came in.".into(), none()),
        JobEvent::Verified { passed: true, check } => ("The answer was checked: it passed.".into(), check),
        JobEvent::Verified { passed: false, check } => ("The answer was checked: it did not pass.".into(), check),
        JobEvent::Failed { class, detail, .. } => (format!("{}.", words::fail_class(class)), detail),
        JobEvent::LeaseLost => ("The node was not heard of any more.".into(), none()),
        JobEvent::Returned { .. } => ("The node was heard of again.".into(), none()),
        JobEvent::Requeued { why } => ("It waits for a node once more.".into(), why),
        JobEvent::CancelRequested { by } => (format!("{by} asked for its end."), none()),
        JobEvent::Cancelled { by } => (format!("{by} ended it."), none()),
        JobEvent::Expired { why } => ("Its time was over.".into(), why),
    })
}

async fn submit(State(app): State<Shared>, visitor: Visitor, Path(id): Path<JobId>, sent: Fields) -> Result<Response> {
    visitor.guard.check(sent.get("csrf"))?;
    jobs::submit_draft(&app, &visitor.caller, id.as_str()).await?;
    Ok(on_to(&format!("/jobs/{id}"), "submitted"))
}

async fn cancel(State(app): State<Shared>, visitor: Visitor, Path(id): Path<JobId>, sent: Fields) -> Result<Response> {
    visitor.guard.check(sent.get("csrf"))?;
    jobs::cancel(&app, &visitor.caller, id.as_str()).await?;
    Ok(on_to(&format!("/jobs/{id}"), "cancelled"))
}

async fn requeue(State(app): State<Shared>, visitor: Visitor, Path(id): Path<JobId>, sent: Fields) -> Result<Response> {
    visitor.guard.check(sent.get("csrf"))?;
    let job = jobs::requeue(&app, &visitor.caller, id.as_str()).await?;
    let note = if job.id == id { "submitted" } else { "again" };
    Ok(on_to(&format!("/jobs/{}", job.id), note))
}

async fn delete(State(app): State<Shared>, visitor: Visitor, Path(id): Path<JobId>, sent: Fields) -> Result<Response> {
    visitor.guard.check(sent.get("csrf"))?;
    jobs::delete(&app, &visitor.caller, id.as_str()).await?;
    Ok(on_to("/jobs?owner=me", "deleted"))
}

async fn set_visibility(
    State(app): State<Shared>,
    visitor: Visitor,
    Path(id): Path<JobId>,
    sent: Fields,
) -> Result<Response> {
    visitor.guard.check(sent.get("csrf"))?;
    let visibility = match sent.get("visibility") {
        "public" => Visibility::Public,
        "private" => Visibility::Private,
        _ => return Err(Error::field("visibility", "expected `public` or `private`")),
    };
    jobs::set_visibility(&app, &visitor.caller, id.as_str(), visibility).await?;
    Ok(on_to(&format!("/jobs/{id}"), "visibility"))
}
