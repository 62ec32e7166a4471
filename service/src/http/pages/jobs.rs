//! The list of jobs, with filters.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use hpl_spec::benchmark::BENCHMARKS;
use hpl_spec::job::JobState;

use super::forms::{Fields, query};
use super::visitor::{Frame, Visitor};
use super::words::{self, JobLine};
use crate::app::Shared;
use crate::error::{Error, Result};
use crate::ops::jobs::{self, ListQuery};

#[derive(Template)]
#[template(path = "jobs.html")]
struct JobsPage {
    frame: Frame,
    jobs: Vec<JobLine>,
    mine: bool,
    owner: String,
    /// The same list of one's own jobs, and of everybody's.
    of_me: String,
    of_all: String,
    state: String,
    states: Vec<(&'static str, &'static str)>,
    benchmark: String,
    benchmarks: Vec<(&'static str, &'static str)>,
    older: String,
    newest: String,
}

pub(super) fn routes() -> Router<Shared> {
    Router::new().route("/jobs", get(list))
}

async fn list(State(app): State<Shared>, visitor: Visitor, asked: Fields) -> Result<Response> {
    let parsed = |name: &str| Error::field(name, "expected one of those that the page offers");
    let mine = asked.get("owner") == "me";
    let wanted = ListQuery {
        owner: asked.filled("owner").map(str::to_owned),
        state: asked.filled("state").map(|s| JobState::from_name(s).ok_or_else(|| parsed("state"))).transpose()?,
        benchmark: asked.filled("benchmark").map(str::to_owned),
        before: asked.filled("before").map(|id| id.parse().map_err(|_| parsed("before"))).transpose()?,
        limit: Some(super::ROWS),
        ..ListQuery::default()
    };
    let found = jobs::list(&app, &visitor.caller, &wanted).await?;
    let now = app.clock.now();
    let pairs = ["owner", "state", "benchmark"].map(|name| (name, asked.get(name)));
    let before = |before: &str| query(&[&pairs[..], &[("before", before)]].concat());
    let here = |id: &str| format!("/jobs{}", before(id));
    let of = |owner: &str| format!("/jobs{}", query(&[&[("owner", owner)], &pairs[1..]].concat()));
    let frame = visitor.frame(if mine { "Your jobs" } else { "Jobs" }, "/jobs");
    super::page(&JobsPage {
        frame: frame.with_call("GET", format!("/api/v1/jobs{}", before(asked.get("before")))),
        jobs: found.jobs.iter().map(|job| JobLine::new(job, now)).collect(),
        mine,
        owner: asked.get("owner").to_owned(),
        of_me: of("me"),
        of_all: of(""),
        state: asked.get("state").to_owned(),
        states: JobState::ALL.map(|state| (state.name(), words::state(state))).to_vec(),
        benchmark: asked.get("benchmark").to_owned(),
        benchmarks: BENCHMARKS.iter().map(|row| (row.name, row.title)).collect(),
        older: found.next.map(|id| here(id.as_str())).unwrap_or_default(),
        newest: if wanted.before.is_some() { here("") } else { String::new() },
    })
}
