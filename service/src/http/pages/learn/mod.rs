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
    super::page(&GlossaryPage { frame: visitor.frame("Glossary", "/learn").with_call("GET", "/api/v1/benchmarks/hpl") })
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

#[cfg(test)]
mod tests {
    use super::numbers::Numbers;
    use super::shown::Shown;
    use super::*;
    use crate::ops::nodes::Largest;
    use crate::picture::tests::check;

    fn all(numbers: Numbers) -> Vec<Shown> {
        let last = numbers.panels() - 1;
        let largest = Largest::default();
        let mut all = vec![
            draw::n(numbers, &largest),
            draw::nb(numbers),
            draw::grid(numbers),
            draw::storage(numbers),
            draw::work(numbers),
            passed::panel(numbers),
            passed::broadcast(numbers, last),
            passed::depth(numbers),
            passed::swap(numbers),
        ];
        for slug in ["panel", "work"] {
            all.push(Shown { frames: Some(frames::frames(slug, numbers, last / 2)), ..Shown::default() });
        }
        all
    }

    /// Every picture of every topic is well-formed, says what it shows, and has its words inside, for numbers that are
    /// far apart.
    #[test]
    fn pictures_are_whole_for_all_numbers() {
        for (n, nb) in [(1, 1), (1, 10_000), (29, 4), (8000, 128), (50_000_000, 256), (1_000_000, 1)] {
            for (p, q) in [(1, 1), (1, 64), (64, 1), (2, 3), (7, 5), (64, 64)] {
                for shown in all(Numbers { n, nb, p, q }) {
                    let figures = shown.figures.iter().chain(shown.frames.iter().map(|frames| &frames.figure));
                    for figure in figures {
                        for svg in figure.picture.split("<svg").skip(1) {
                            check(&format!("<svg{}</svg>", svg.split("</svg>").next().unwrap()));
                        }
                    }
                    for table in &shown.tables {
                        let whole = table.rows.iter().all(|row| row.cells.len() == table.head.len());
                        assert!(whole && !table.rows.is_empty(), "{}", table.caption);
                    }
                    for run in &shown.tries {
                        assert!(run.address.starts_with("/submit?n="), "{}", run.address);
                    }
                }
            }
        }
        let others = [
            picture::blocks::system(50_000_000),
            picture::blocks::bars(
                "Parts",
                &[("a name that is far too long for its line ".repeat(9), 250.0), (String::new(), 0.0)],
            ),
            picture::scale::picture(LIMIT, &[]),
            picture::scale::picture(LIMIT, &[0.0, 1e-9, 0.0172, 15.9, 1e30, f64::NAN]),
        ];
        for picture in others {
            for svg in picture.split("<svg").skip(1) {
                check(&format!("<svg{}</svg>", svg.split("</svg>").next().unwrap()));
            }
        }
    }
}
