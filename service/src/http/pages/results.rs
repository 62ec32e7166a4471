//! The list of results, with filters and the same list as a file.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use hpl_spec::api::results::{ResultRow, ResultTier};
use hpl_spec::benchmark::{BENCHMARKS, Problem};

use super::forms::{Fields, Wrong, query};
use super::visitor::{Frame, Visitor};
use super::words::{self, When};
use crate::app::Shared;
use crate::error::{Error, Result};
use crate::ops::results::{self, ResultQuery};

/// The filters of the form, as they are named in the address and for programs.
const FILTERS: [&str; 7] = ["benchmark", "user", "kind", "cores", "tier", "min_score", "min_size"];

#[derive(Template)]
#[template(path = "results.html")]
struct ResultsPage {
    frame: Frame,
    asked: Fields,
    wrong: Wrong,
    benchmarks: Vec<(&'static str, &'static str)>,
    tiers: Vec<(&'static str, &'static str)>,
    lines: Vec<Line>,
    older: String,
    newest: String,
    csv: String,
    json: String,
    /// The same results as a picture.
    explore: String,
    /// The same list with the visitor's results alone; empty where nobody is logged in, or it is that list.
    mine: String,
    /// The same list with everybody's results; empty where it is that list.
    everybodys: String,
}

struct Line {
    id: String,
    /// Whether it can stand beside others: what counts for nothing cannot.
    comparable: bool,
    label: String,
    owner: String,
    score: String,
    percent: String,
    took: String,
    node: String,
    kind: String,
    cores: u32,
    tier: &'static str,
    tier_class: &'static str,
    when: When,
}

impl Line {
    fn new(row: ResultRow, now: i64) -> Line {
        Line {
            comparable: matches!(row.tier, ResultTier::Verified | ResultTier::Reported),
            id: row.id.to_string(),
            score: words::score(&row.benchmark, row.score),
            label: row.label,
            owner: row.owner.unwrap_or_default(),
            percent: words::percent(row.percent),
            took: words::duration(row.seconds),
            node: row.node.map(|node| node.name).unwrap_or_default(),
            kind: row.kind,
            cores: row.cores,
            tier: words::tier(row.tier),
            tier_class: words::tier_class(row.tier),
            when: When::new(row.created_at, now),
        }
    }
}

pub(super) fn routes() -> Router<Shared> {
    Router::new().route("/results", get(list))
}

/// What the address asks for.
fn wanted(asked: &Fields) -> Result<ResultQuery> {
    let mut problems = vec![];
    let tier = asked.filled("tier").map(|name| {
        ResultTier::from_name(name).ok_or_else(|| Problem::new("tier", "expected one of those that the page offers"))
    });
    let before =
        asked.filled("before").map(|id| id.parse().map_err(|_| Problem::new("before", "expected the id of a result")));
    let tier = tier.and_then(|tier| tier.map_err(|why| problems.push(why)).ok());
    let query = ResultQuery {
        // Among what was accepted there is none of these.
        all: matches!(tier, Some(ResultTier::Pending | ResultTier::Failed | ResultTier::Orphan)),
        benchmark: asked.filled("benchmark").map(str::to_owned),
        user: asked.filled("user").map(str::to_owned),
        kind: asked.filled("kind").map(str::to_owned),
        cores: asked.number("cores", &mut problems),
        min_score: asked.number("min_score", &mut problems),
        min_size: asked.number("min_size", &mut problems),
        tier,
        before: before.and_then(|id| id.map_err(|why| problems.push(why)).ok()),
        limit: Some(super::ROWS),
        ..ResultQuery::default()
    };
    if problems.is_empty() { Ok(query) } else { Err(Error::invalid(problems)) }
}

/// The page that shows what the address asks for as a picture.
fn explore_of(asked: &Fields) -> String {
    let same = [("user", "user"), ("kind", "kind"), ("cores", "cores"), ("tier", "tier"), ("min_n", "min_size")];
    format!("/explore{}", query(&same.map(|(there, here)| (there, asked.get(here)))))
}

async fn list(State(app): State<Shared>, visitor: Visitor, asked: Fields) -> Result<Response> {
    let found = async {
        let query = wanted(&asked)?;
        Ok::<_, Error>((results::list(&app, &visitor.caller, &query).await?, query.all))
    };
    let (found, all, error) = match found.await {
        Ok((found, all)) => (Some(found), all, None),
        Err(error) if !error.errors.is_empty() => (None, false, Some(error)),
        Err(error) => return Err(error),
    };
    let now = app.clock.now();
    let (rows, next) = found.map(|page| (page.results, page.next)).unwrap_or_default();
    let pairs = FILTERS.map(|name| (name, asked.get(name)));
    let filters = query(&[&pairs[..], if all { &[("all", "true")] } else { &[] }].concat());
    let here = |before: &str| format!("/results{}", query(&[&pairs[..], &[("before", before)]].concat()));
    let of = |user: &str| {
        let pairs = pairs.map(|(name, value)| (name, if name == "user" { user } else { value }));
        format!("/results{}", query(&pairs))
    };
    let json = format!("/api/v1/results{filters}");
    let page = ResultsPage {
        frame: visitor.frame("Results", "/results").with_script("explore").with_call("GET", json.as_str()),
        explore: explore_of(&asked),
        mine: visitor.name().filter(|me| *me != asked.get("user")).map(of).unwrap_or_default(),
        everybodys: asked.filled("user").map(|_| of("")).unwrap_or_default(),
        wrong: error.as_ref().map(|error| Wrong::of(error, str::to_owned)).unwrap_or_default(),
        benchmarks: BENCHMARKS.iter().map(|row| (row.name, row.title)).collect(),
        tiers: ResultTier::ALL.map(|tier| (tier.name(), words::tier(tier))).to_vec(),
        lines: rows.into_iter().map(|row| Line::new(row, now)).collect(),
        older: next.map(|id| here(id.as_str())).unwrap_or_default(),
        newest: if asked.filled("before").is_some() { here("") } else { String::new() },
        csv: format!("/api/v1/results.csv{filters}"),
        json,
        asked,
    };
    super::show(error.as_ref().map_or(axum::http::StatusCode::OK, super::status), &page)
}
