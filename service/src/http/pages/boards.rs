//! Leaderboards.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use hpl_spec::api::results::{BoardEntry, Category, Measure, Standing};
use hpl_spec::benchmark::{self, BENCHMARKS};

use super::forms::{Fields, query};
use super::visitor::{Frame, Visitor};
use super::words::{self, When};
use crate::app::Shared;
use crate::error::{Code, Error, Result};
use crate::http::caller::Scope;
use crate::http::extract::Path;
use crate::ops::results::{self, BoardQuery};

/// Entries of each board on the page of all of them.
const FIRST: u32 = 5;

#[derive(Template)]
#[template(path = "leaderboards.html")]
struct BoardsPage {
    frame: Frame,
    boards: Vec<Short>,
}

/// The top of a leaderboard.
struct Short {
    benchmark: &'static str,
    title: &'static str,
    about: &'static str,
    lines: Vec<Line>,
}

#[derive(Template)]
#[template(path = "leaderboard.html")]
struct BoardPage {
    frame: Frame,
    benchmark: &'static str,
    unit: &'static str,
    by_percent: bool,
    kind: String,
    kinds: Vec<String>,
    cores: String,
    cores_choices: Vec<u32>,
    lines: Vec<Line>,
    entries: String,
    own: String,
    own_job: String,
    next: String,
    first: String,
    csv: String,
}

struct Line {
    rank: u32,
    owner: String,
    own: bool,
    score: String,
    percent: String,
    label: String,
    kind: String,
    cores: u32,
    tier: &'static str,
    tier_class: &'static str,
    job: String,
    when: When,
}

impl Line {
    fn new(entry: BoardEntry, me: Option<&str>, now: i64) -> Line {
        let row = entry.result;
        let owner = row.owner.unwrap_or_default();
        Line {
            rank: entry.rank,
            own: me == Some(owner.as_str()),
            owner,
            score: words::score(&row.benchmark, row.score),
            percent: words::percent(row.percent),
            label: row.label,
            kind: row.kind,
            cores: row.cores,
            tier: words::tier(row.tier),
            tier_class: words::tier_class(row.tier),
            job: row.job.to_string(),
            when: When::new(row.created_at, now),
        }
    }
}

pub(super) fn routes() -> Router<Shared> {
    Router::new().route("/leaderboard", get(boards)).route("/leaderboard/{benchmark}", get(board))
}

async fn boards(State(app): State<Shared>, visitor: Visitor) -> Result<Response> {
    let now = app.clock.now();
    let mut boards = vec![];
    for row in BENCHMARKS {
        let wanted = BoardQuery { limit: Some(FIRST), ..BoardQuery::default() };
        let board = results::leaderboard(&app, row.name, &wanted).await?;
        let lines = board.entries.into_iter().map(|entry| Line::new(entry, visitor.name(), now)).collect();
        boards.push(Short { benchmark: row.name, title: row.title, about: row.about, lines });
    }
    super::page(&BoardsPage { frame: visitor.frame("Leaderboards", "/leaderboard"), boards })
}

/// What the address asks for.
fn wanted(asked: &Fields) -> Result<BoardQuery> {
    let offered = |name: &str| Error::field(name, "expected one of those that the page offers");
    let measure = match asked.get("measure") {
        "" | "score" => Measure::Score,
        "percent" => Measure::Percent,
        _ => return Err(offered("measure")),
    };
    let cores = asked.filled("cores").map(|n| n.parse().map_err(|_| offered("cores"))).transpose()?;
    let after = asked.filled("after").map(|id| id.parse().map_err(|_| offered("after"))).transpose()?;
    Ok(BoardQuery { measure, kind: asked.filled("kind").map(str::to_owned), cores, after, limit: None })
}

/// The CPU models and the numbers of cores that a benchmark has entries for.
fn choices(categories: &[Category], benchmark: &str) -> (Vec<String>, Vec<u32>) {
    let of = || categories.iter().filter(|category| category.benchmark == benchmark);
    let mut kinds: Vec<String> = of().filter_map(|category| category.kind.clone()).collect();
    let mut cores: Vec<u32> = of().filter_map(|category| category.cores).collect();
    kinds.sort();
    kinds.dedup();
    cores.sort_unstable();
    cores.dedup();
    (kinds, cores)
}

/// Where the visitor stands, in a sentence, and the job that brought them there.
fn own(standing: Standing) -> (String, String) {
    let Some(entry) = standing.entry else {
        return ("You have no result in this leaderboard yet.".to_owned(), String::new());
    };
    let text = format!(
        "You are number {} of {}: as good as or better than {:.0} % of all.",
        entry.rank,
        standing.category.entries,
        standing.percentile.unwrap_or(0.0)
    );
    (text, entry.result.job.to_string())
}

async fn board(
    State(app): State<Shared>,
    visitor: Visitor,
    Path(name): Path<String>,
    asked: Fields,
) -> Result<Response> {
    let row = benchmark::find(&name).ok_or_else(|| Error::new(Code::NotFound, "no benchmark of that name is there"))?;
    let wanted = wanted(&asked)?;
    let board = results::leaderboard(&app, row.name, &wanted).await?;
    let (kinds, cores_choices) = choices(&results::leaderboards(&app).await?, row.name);
    let (own, own_job) = match visitor.caller.user(Scope::Read) {
        Ok(_) => own(results::standing(&app, &visitor.caller, row.name, &wanted).await?),
        Err(_) => Default::default(),
    };
    let now = app.clock.now();
    let pairs = ["measure", "kind", "cores"].map(|name| (name, asked.get(name)));
    let here = |after: &str| format!("/leaderboard/{name}{}", query(&[&pairs[..], &[("after", after)]].concat()));
    super::page(&BoardPage {
        frame: visitor.frame(format!("Leaderboard: {}", row.title), "/leaderboard"),
        benchmark: row.name,
        unit: row.unit,
        by_percent: wanted.measure == Measure::Percent,
        kind: asked.get("kind").to_owned(),
        kinds,
        cores: asked.get("cores").to_owned(),
        cores_choices,
        lines: board.entries.into_iter().map(|entry| Line::new(entry, visitor.name(), now)).collect(),
        entries: words::count(board.category.entries, "person", "people"),
        own,
        own_job,
        next: board.next.map(|id| here(id.as_str())).unwrap_or_default(),
        first: if wanted.after.is_some() { here("") } else { String::new() },
        csv: format!("/api/v1/leaderboards/{name}.csv{}", query(&pairs)),
    })
}
