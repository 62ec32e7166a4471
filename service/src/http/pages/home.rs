//! The home page: what this is, the record, what runs now, how to begin, and for whom is logged in, what is theirs.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use hpl_spec::api::results::{ResultRow, Standing};
use hpl_spec::benchmark::BENCHMARKS;
use hpl_spec::job::JobState;

use super::learn::lesson::ends::standing_words;
use super::learn::{own_jobs, seen};
use super::visitor::{Frame, Visitor};
use super::words::{self, JobLine, When};
use crate::app::{App, Shared};
use crate::config::Signup;
use crate::error::Result;
use crate::ops::jobs::{self, ListQuery};
use crate::ops::results::{self, BoardQuery};

/// Jobs that run, and jobs that wait, which are shown.
const SHOWN: u32 = 6;
/// Jobs of one's own.
const OWN: u32 = 3;

#[derive(Template)]
#[template(path = "home.html")]
struct HomePage {
    frame: Frame,
    records: Vec<Record>,
    running: Vec<JobLine>,
    /// How many wait, at least; and whether there are more.
    waiting: usize,
    more_wait: bool,
    own: Option<Own>,
    can_sign_up: bool,
}

/// The best result of a benchmark.
struct Record {
    benchmark: &'static str,
    title: &'static str,
    best: Best,
}

/// A result in a few words.
struct Best {
    id: String,
    score: String,
    percent: String,
    owner: String,
    node: String,
    label: String,
    when: When,
}

impl Best {
    fn new(row: ResultRow, now: i64) -> Best {
        Best {
            id: row.id.to_string(),
            score: words::score(&row.benchmark, row.score),
            percent: row.percent.map(|percent| words::percent(Some(percent))).unwrap_or_default(),
            owner: row.owner.unwrap_or_default(),
            node: row.node.map(|node| node.name).unwrap_or_default(),
            label: row.label,
            when: When::new(row.created_at, now),
        }
    }
}

/// What belongs to whom is logged in.
struct Own {
    jobs: Vec<JobLine>,
    best: Option<Best>,
    /// Where they stand; empty without an entry.
    place: String,
}

pub(super) fn routes() -> Router<Shared> {
    Router::new().route("/", get(home))
}

async fn home(State(app): State<Shared>, visitor: Visitor) -> Result<Response> {
    let now = app.clock.now();
    let mut running = vec![];
    for state in [JobState::Running, JobState::Finishing, JobState::Verifying, JobState::Preparing, JobState::Claimed] {
        running.extend(in_state(&app, &visitor, state).await?.0);
    }
    let (waiting, more_wait) = in_state(&app, &visitor, JobState::Queued).await?;
    let own = own(&app, &visitor).await?;
    let mut frame = visitor.frame("How fast can a computer solve equations?", "/");
    frame = frame.with_call("GET", "/api/v1/leaderboards/hpl?limit=1").with_call("GET", "/api/v1/jobs?state=running");
    if own.is_some() {
        frame = frame.with_call("GET", "/api/v1/jobs?owner=me").with_call("GET", "/api/v1/leaderboards/hpl/standing");
    }
    super::page(&HomePage {
        frame,
        records: records(&app, &visitor, now).await?,
        running,
        waiting: waiting.len(),
        more_wait,
        own,
        can_sign_up: app.config.signup() != Signup::Closed,
    })
}

/// The first jobs in a state, and whether there are more.
async fn in_state(app: &App, visitor: &Visitor, state: JobState) -> Result<(Vec<JobLine>, bool)> {
    let query = ListQuery { state: Some(state), limit: Some(SHOWN), ..ListQuery::default() };
    let page = jobs::list(app, &visitor.caller, &query).await?;
    let now = app.clock.now();
    Ok((page.jobs.iter().map(|job| JobLine::new(job, now)).collect(), page.next.is_some()))
}

async fn records(app: &App, visitor: &Visitor, now: i64) -> Result<Vec<Record>> {
    let mut records = vec![];
    for row in BENCHMARKS {
        let query = BoardQuery { limit: Some(1), ..BoardQuery::default() };
        let board = results::leaderboard(app, &visitor.caller, row.name, &query).await?;
        records.extend(board.entries.into_iter().map(|entry| Record {
            benchmark: row.name,
            title: row.title,
            best: Best::new(entry.result, now),
        }));
    }
    Ok(records)
}

async fn own(app: &App, visitor: &Visitor) -> Result<Option<Own>> {
    if visitor.name().is_none() {
        return Ok(None);
    }
    let now = app.clock.now();
    let jobs = own_jobs(app, visitor, OWN).await?.iter().map(|job| JobLine::new(job, now)).collect();
    let standing: Option<Standing> = seen::standing(app, visitor).await?;
    let place = standing.as_ref().map(standing_words).unwrap_or_default();
    let best = standing.and_then(|standing| standing.entry).map(|entry| Best::new(entry.result, now));
    Ok(Some(Own { jobs, best, place }))
}
