//! A sweep: the runs that a pasted input file stands for, what they cost, and the button that starts them.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::{get, post};
use hpl_spec::api::jobs::Job;
use hpl_spec::id::SweepId;
use hpl_spec::job::JobState;

use super::forms::{Fields, on_to};
use super::visitor::{Frame, Visitor};
use super::words::{self, JobLine};
use crate::app::{App, Shared};
use crate::error::{Error, Result};
use crate::http::extract::Path;
use crate::ops::jobs::{self, ListQuery};

#[derive(Template)]
#[template(path = "sweep.html")]
struct SweepPage {
    frame: Frame,
    csrf: String,
    id: String,
    owner: String,
    runs: String,
    predicted: String,
    walltime: String,
    drafts: usize,
    drafts_words: String,
    over: usize,
    total: usize,
    mine: bool,
    jobs: Vec<JobLine>,
}

pub(super) fn routes() -> Router<Shared> {
    Router::new().route("/sweeps/{id}", get(look)).route("/sweeps/{id}/submit", post(start))
}

/// All jobs of a sweep that the caller may see, the first first.
async fn all(app: &App, visitor: &Visitor, id: &SweepId) -> Result<Vec<Job>> {
    let mut found = vec![];
    // One's own first: they may be private, which the list of everybody's leaves out.
    for owner in [visitor.name().map(|_| "me".to_owned()), None] {
        let mut query = ListQuery { owner, sweep: Some(id.clone()), limit: Some(100), ..ListQuery::default() };
        loop {
            let page = jobs::list(app, &visitor.caller, &query).await?;
            found.extend(page.jobs);
            match page.next {
                Some(next) => query.before = Some(next),
                None => break,
            }
        }
        if !found.is_empty() {
            break;
        }
    }
    found.reverse();
    Ok(found)
}

async fn look(State(app): State<Shared>, visitor: Visitor, Path(id): Path<SweepId>) -> Result<Response> {
    let found = all(&app, &visitor, &id).await?;
    let first = found.first().ok_or_else(|| Error::not_found("sweep"))?;
    let now = app.clock.now();
    let drafts = found.iter().filter(|job| job.state == JobState::Draft).count();
    let seconds: Option<f64> = found.iter().map(|job| job.estimate_s).sum();
    let owner = first.owner.clone();
    let mine = visitor.name() == Some(owner.as_str());
    let runs = words::count(found.len() as u64, "run", "runs");
    super::page(&SweepPage {
        frame: visitor.frame(format!("Sweep of {runs}"), "/jobs"),
        csrf: if mine { visitor.token() } else { String::new() },
        id: id.to_string(),
        owner,
        runs,
        predicted: seconds.map(words::duration).unwrap_or_default(),
        walltime: words::duration(found.iter().map(|job| f64::from(job.walltime_s)).sum()),
        drafts,
        drafts_words: words::count(drafts as u64, "run", "runs"),
        over: found.iter().filter(|job| job.state.is_final()).count(),
        total: found.len(),
        mine,
        jobs: found.iter().map(|job| JobLine::new(job, now)).collect(),
    })
}

async fn start(State(app): State<Shared>, visitor: Visitor, Path(id): Path<SweepId>, sent: Fields) -> Result<Response> {
    visitor.guard.check(sent.get("csrf"))?;
    jobs::submit_sweep(&app, &visitor.caller, &id).await?;
    Ok(on_to(&format!("/sweeps/{id}"), "started"))
}
