//! The home page: what this is, what runs now, the record, how to begin.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use hpl_spec::benchmark::BENCHMARKS;
use hpl_spec::job::JobState;

use super::visitor::{Frame, Visitor};
use super::words::{self, JobLine};
use crate::app::Shared;
use crate::config::Signup;
use crate::error::Result;
use crate::ops::jobs::{self, ListQuery};
use crate::ops::results::{self, BoardQuery};

/// Jobs of each state that are shown.
const SHOWN: u32 = 10;

#[derive(Template)]
#[template(path = "home.html")]
struct HomePage {
    frame: Frame,
    now: Vec<JobLine>,
    records: Vec<Record>,
    can_sign_up: bool,
}

/// The best result of a benchmark.
struct Record {
    benchmark: &'static str,
    title: &'static str,
    score: String,
    percent: String,
    owner: String,
    job: String,
    node: String,
}

pub(super) fn routes() -> Router<Shared> {
    Router::new().route("/", get(home))
}

async fn home(State(app): State<Shared>, visitor: Visitor) -> Result<Response> {
    let now = app.clock.now();
    let mut lines = vec![];
    let active = [
        JobState::Running,
        JobState::Finishing,
        JobState::Verifying,
        JobState::Preparing,
        JobState::Claimed,
        JobState::Queued,
    ];
    for state in active {
        let query = ListQuery { state: Some(state), limit: Some(SHOWN), ..ListQuery::default() };
        let page = jobs::list(&app, &visitor.caller, &query).await?;
        lines.extend(page.jobs.iter().map(|job| JobLine::new(job, now)));
    }
    let mut records = vec![];
    for row in BENCHMARKS {
        let query = BoardQuery { limit: Some(1), ..BoardQuery::default() };
        let board = results::leaderboard(&app, &visitor.caller, row.name, &query).await?;
        records.extend(board.entries.into_iter().map(|entry| Record {
            benchmark: row.name,
            title: row.title,
            score: words::score(row.name, entry.result.score),
            percent: words::percent(entry.result.percent),
            owner: entry.result.owner.unwrap_or_default(),
            job: entry.result.job.to_string(),
            node: entry.result.node.map(|node| node.name).unwrap_or_default(),
        }));
    }
    let can_sign_up = app.config.signup() != Signup::Closed;
    super::page(&HomePage {
        frame: visitor.frame("High Performance Linpack as a service", "/"),
        now: lines,
        records,
        can_sign_up,
    })
}
