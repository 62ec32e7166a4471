//! The topics: one page each, all of one pattern. A sentence, an explanation, pictures from the reader's numbers, what
//! the service has seen, and runs to try.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use hpl_spec::advice::squarest_grid;
use hpl_spec::api::jobs::Job;

use super::numbers::{Asked, NumberField, Numbers};
use super::shown::{Figure, Frames, Shown, Try};
use super::{draw, frames, latest_job, passed, seen};
use crate::app::{App, Shared};
use crate::error::{Error, Result};
use crate::http::extract::Path;
use crate::http::pages::forms::{Fields, Wrong};
use crate::http::pages::show;
use crate::http::pages::visitor::{Frame, Visitor};
use crate::ops::nodes::{self, Largest};

/// A topic.
pub struct Topic {
    /// Its address below `/learn`.
    pub slug: &'static str,
    /// What it is called in lists.
    pub name: &'static str,
    /// The heading of its page.
    pub title: &'static str,
    /// The whole of it in a sentence.
    pub sentence: &'static str,
    /// Under which heading it stands in the list.
    pub part: Part,
    /// P and Q where none are named: enough to see something.
    grid: (u64, u64),
}

/// The parts of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    First,
    Step,
    Answer,
}

const fn topic(
    slug: &'static str,
    name: &'static str,
    title: &'static str,
    part: Part,
    grid: (u64, u64),
    sentence: &'static str,
) -> Topic {
    Topic { slug, name, title, sentence, part, grid }
}

/// All topics, in the order in which one reads them.
pub const TOPICS: [Topic; 11] = [
    topic(
        "n",
        "N",
        "N: how many equations",
        Part::First,
        (2, 3),
        "N is the size of the problem: the number of equations, and of unknowns.",
    ),
    topic(
        "nb",
        "NB",
        "NB: how wide a block is",
        Part::First,
        (2, 3),
        "NB is the width of the blocks in which the matrix is dealt out and worked on.",
    ),
    topic(
        "grid",
        "P × Q and PMAP",
        "P × Q: the grid of ranks",
        Part::First,
        (2, 3),
        "P and Q say in how many rows and columns the ranks stand that share the matrix.",
    ),
    topic(
        "panel",
        "PFACT, RFACT, NBMIN, NDIV",
        "The panel: PFACT, RFACT, NBMIN, NDIV",
        Part::Step,
        (2, 3),
        "These four say how the panel, the strip of columns whose turn it is, is factored.",
    ),
    topic(
        "broadcast",
        "BCAST",
        "BCAST: who passes the panel to whom",
        Part::Step,
        (2, 6),
        "BCAST chooses the way by which a finished panel reaches the other process columns.",
    ),
    topic(
        "depth",
        "DEPTH",
        "DEPTH: the next panel early",
        Part::Step,
        (2, 3),
        "DEPTH is how many panels are begun early, while the work with an earlier one still goes on.",
    ),
    topic(
        "swap",
        "SWAP, threshold, EQUIL",
        "SWAP: how rows change places",
        Part::Step,
        (8, 8),
        "SWAP chooses the way by which the rows of the pivots travel to the top.",
    ),
    topic(
        "storage",
        "L1, U, ALIGN",
        "L1, U, ALIGN: how it lies in memory",
        Part::Step,
        (2, 3),
        "These say in which order the numbers of two small blocks, and of the columns, lie in memory.",
    ),
    topic(
        "residual",
        "The residual",
        "The residual: is the answer right?",
        Part::Answer,
        (1, 1),
        "The residual is what is left over when the answer is put back into the equations.",
    ),
    topic(
        "peak",
        "Percent of peak",
        "Percent of peak: how good is the score?",
        Part::Answer,
        (1, 1),
        "Percent of peak is your score, measured against the most that the same cores can do.",
    ),
    topic(
        "work",
        "The work",
        "The work: ⅔·N³ operations",
        Part::Answer,
        (2, 3),
        "How much there is to do is known beforehand, and half of the columns are most of it.",
    ),
];

/// N where none is named.
const USUAL_N: u64 = 8000;

#[derive(Template)]
#[template(path = "learn/topic.html")]
struct TopicPage {
    frame: Frame,
    topic: &'static Topic,
    fields: Vec<NumberField>,
    wrong: Wrong,
    numbers: Numbers,
    /// What other topics get along.
    carried: String,
    /// The numbers of the visitor's latest run, as an address of this page.
    latest: String,
    frames: Option<Frames>,
    legend: &'static str,
    figures: Vec<Figure>,
    facts: Vec<(&'static str, String)>,
    tables: Vec<super::shown::Table>,
    tries: Vec<Try>,
    /// Why a run of so many ranks would be slow here, and another grid.
    crowded: Option<Try>,
    before: Option<&'static Topic>,
    after: Option<&'static Topic>,
}

pub async fn page(
    State(app): State<Shared>,
    visitor: Visitor,
    Path(slug): Path<String>,
    asked: Fields,
) -> Result<Response> {
    let place = TOPICS.iter().position(|topic| topic.slug == slug).ok_or_else(|| Error::not_found("topic"))?;
    let topic = &TOPICS[place];
    let usual = Numbers::usual(USUAL_N, topic.grid.0, topic.grid.1);
    let mut read = Asked::read(&asked, usual);
    if matches!(topic.part, Part::Answer) && topic.slug != "work" {
        // Only N matters there.
        read.fields.truncate(1);
    }
    let numbers = read.numbers;
    let largest = nodes::largest(&app).await?;
    let shown = shown(&app, &visitor, topic, numbers, &asked, &largest).await?;
    let wrong = !read.wrong.summary.is_empty();
    let latest = latest_job(&app, &visitor).await?.and_then(|job| numbers_of(&job));
    let page = TopicPage {
        frame: frame(&visitor, topic),
        topic,
        carried: read.carried(),
        latest: latest
            .filter(|own| *own != numbers)
            .map(|own| format!("/learn/{slug}{}", own.query()))
            .unwrap_or_default(),
        crowded: crowded(numbers, &largest),
        fields: read.fields,
        wrong: read.wrong,
        numbers,
        frames: shown.frames,
        legend: shown.legend,
        figures: shown.figures,
        facts: shown.facts,
        tables: shown.tables,
        tries: shown.tries,
        before: place.checked_sub(1).map(|at| &TOPICS[at]),
        after: TOPICS.get(place + 1),
    };
    show(if wrong { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK }, &page)
}

fn frame(visitor: &Visitor, topic: &Topic) -> Frame {
    let frame = visitor.frame(topic.title, "/learn").with_script("learn");
    match topic.slug {
        "residual" => frame.with_call("GET", "/api/v1/results?benchmark=hpl"),
        "peak" => frame.with_call("GET", "/api/v1/nodes"),
        "nb" => frame.with_call("GET", "/api/v1/results?benchmark=hpl").with_call("POST", "/api/v1/estimate"),
        _ => frame.with_call("GET", "/api/v1/benchmarks/hpl").with_call("POST", "/api/v1/estimate"),
    }
}

/// The numbers of a job of HPL.
pub fn numbers_of(job: &Job) -> Option<Numbers> {
    let get = |name: &str| job.parameters[name].as_u64().filter(|number| *number > 0);
    Some(Numbers { n: get("n")?, nb: get("nb")?, p: get("p")?, q: get("q")? })
}

/// The way out where there are more ranks than any node has cores.
fn crowded(numbers: Numbers, largest: &Largest) -> Option<Try> {
    let cores = u64::from(largest.most_cores);
    if cores == 0 || numbers.ranks() <= cores {
        return None;
    }
    let (p, q) = squarest_grid(cores as usize);
    let words = format!(
        "{} ranks are more than the {cores} cores of the largest node: they would take turns, and the result is not \
         ranked. On {p} × {q} ranks it runs as it should.",
        numbers.ranks()
    );
    let other = Numbers { p: p as u64, q: q as u64, ..numbers };
    Some(Try { words, address: super::shown::submit(other, &[]) })
}

async fn shown(
    app: &App,
    visitor: &Visitor,
    topic: &Topic,
    numbers: Numbers,
    asked: &Fields,
    largest: &Largest,
) -> Result<Shown> {
    // The curve of the work says most in the middle, a step at the beginning.
    let first = if topic.slug == "work" { (numbers.panels() / 2).saturating_sub(1) } else { 0 };
    let k = asked.filled("k").and_then(|k| k.parse().ok()).unwrap_or(first).min(numbers.panels().saturating_sub(1));
    let mut shown = match topic.slug {
        "n" => draw::n(numbers, largest),
        "nb" => draw::nb(numbers),
        "grid" => draw::grid(numbers),
        "panel" => passed::panel(numbers),
        "broadcast" => passed::broadcast(numbers, k),
        "depth" => passed::depth(numbers),
        "swap" => passed::swap(numbers),
        "storage" => draw::storage(numbers),
        "work" => draw::work(numbers),
        _ => Shown::default(),
    };
    match topic.slug {
        "n" => seen::sizes(app, &visitor.caller, numbers, &mut shown).await?,
        "nb" => seen::block_sizes(app, &visitor.caller, numbers, &mut shown).await?,
        "residual" => seen::residuals(app, visitor, numbers, &mut shown).await?,
        "peak" => seen::peaks(app, visitor, numbers, &mut shown).await?,
        "panel" | "broadcast" | "depth" | "work" => shown.frames = Some(frames::frames(topic.slug, numbers, k)),
        _ => {}
    }
    Ok(shown)
}
