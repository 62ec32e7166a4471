//! Learn: a lesson that ends with the reader's own entry on the board, a page for each parameter and each figure, and
//! the words of the field.
//!
//! - [`topic`]: the pages of the topics; [`draw`], [`passed`], [`seen`] say what they show, from the reader's numbers and
//!   from the database; [`frames`] steps through the panels.
//! - [`lesson`]: the lesson in six steps.
//! - [`numbers`]: N, NB, P and Q as they were asked for. [`picture`]: drawings.

pub mod draw;
pub mod frames;
pub mod lesson;
pub mod numbers;
pub mod passed;
pub mod picture;
pub mod seen;
pub mod shown;
pub mod topic;

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use hpl_spec::api::jobs::Job;

use self::lesson::Marked;
use self::topic::{Part, TOPICS, Topic};
use super::visitor::{Frame, Visitor};
use crate::app::{App, Shared};
use crate::error::Result;
use crate::http::caller::Scope;
use crate::ops::jobs::{self, ListQuery};

/// The benchmark that is explained.
pub const BENCHMARK: &str = "hpl";
/// Residuals below it pass.
pub const LIMIT: f64 = 16.0;

#[derive(Template)]
#[template(path = "learn/index.html")]
struct IndexPage {
    frame: Frame,
    marks: Vec<Marked>,
    /// How many steps of the lesson are done, and where to go on.
    done: usize,
    go_on: String,
    parts: Vec<(&'static str, Vec<&'static Topic>)>,
}

#[derive(Template)]
#[template(path = "learn/glossary.html")]
struct GlossaryPage {
    frame: Frame,
}

pub(in crate::http::pages) fn routes() -> Router<Shared> {
    Router::new()
        .route("/learn", get(index))
        .route("/learn/glossary", get(glossary))
        .route("/learn/first-linpack", get(lesson::page))
        .route("/learn/{topic}", get(topic::page))
}

async fn index(State(app): State<Shared>, visitor: Visitor) -> Result<Response> {
    let known = lesson::Known::load(&app, &visitor).await?;
    let marks = known.marks(0, "");
    let parts = [("Choose first", Part::First), ("Inside a step", Part::Step), ("Understand the answer", Part::Answer)];
    let parts = parts.map(|(title, part)| (title, TOPICS.iter().filter(|topic| topic.part == part).collect()));
    super::page(&IndexPage {
        frame: visitor.frame("Learn", "/learn").with_call("GET", "/api/v1/benchmarks/hpl"),
        done: marks.iter().filter(|mark| mark.done).count(),
        go_on: marks.iter().find(|mark| !mark.done).map_or_else(String::new, |mark| mark.address.clone()),
        marks,
        parts: parts.into(),
    })
}

async fn glossary(visitor: Visitor) -> Result<Response> {
    super::page(&GlossaryPage { frame: visitor.frame("Glossary", "/learn") })
}

/// The visitor's latest job; None for strangers.
///
/// # Errors
/// The database fails.
pub async fn latest_job(app: &App, visitor: &Visitor) -> Result<Option<Job>> {
    Ok(own_jobs(app, visitor, 1).await?.into_iter().next())
}

/// The visitor's latest jobs; none for strangers.
///
/// # Errors
/// The database fails.
pub async fn own_jobs(app: &App, visitor: &Visitor, limit: u32) -> Result<Vec<Job>> {
    if visitor.caller.user(Scope::Read).is_err() {
        return Ok(vec![]);
    }
    let query = ListQuery { owner: Some("me".to_owned()), limit: Some(limit), ..ListQuery::default() };
    Ok(jobs::list(app, &visitor.caller, &query).await?.jobs)
}
