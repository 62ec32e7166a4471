//! Results as pictures: the score against N, against NB and against the grid of ranks, NB against N as a heat map, and
//! the same results as a table out of which some are chosen to stand side by side.

mod filter;
mod groups;
mod pictures;
mod table;

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use hpl_spec::api::insight::{Exploration, ExplorePoint};
use hpl_spec::id::NodeId;

use self::filter::{Axis, BENCHMARK, By, Cell, FILTERS, LIMITS, TIERS, Wanted, address};
use self::groups::{HeatCell, Spot};
use self::table::Line;
use super::forms::{Fields, Wrong, query};
use super::visitor::{Frame, Visitor};
use super::words::{self, When};
use crate::app::{App, Shared};
use crate::error::{Error, Result};
use crate::ops::insight::{self, ExploreQuery};
use crate::ops::{jobs, results};

/// Names that a field offers at most while one types.
const OFFERED: usize = 100;

#[derive(Template)]
#[template(path = "explore.html")]
struct ExplorePage {
    frame: Frame,
    asked: Fields,
    wrong: Wrong,
    tiers: Vec<(&'static str, &'static str)>,
    limits: Vec<(u32, bool)>,
    kinds: Vec<String>,
    nodes: Vec<String>,
    /// The same with the visitor's results alone, and with everybody's; empty where that is shown already.
    mine: String,
    everybodys: String,
    filtered: bool,
    axes: Vec<Tab>,
    bys: Vec<Tab>,
    cells: Vec<Tab>,
    /// What is drawn, in a sentence.
    shown: String,
    best: Option<Best>,
    scatter: String,
    /// What stands along the picture, the groups of its points and its unit, for the script that draws it anew.
    along: &'static str,
    along_words: &'static str,
    groups: String,
    logs: String,
    unit: String,
    heat: String,
    heat_columns: Vec<String>,
    heat_rows: Vec<(String, Vec<String>)>,
    lines: Vec<Line>,
    older: String,
    newest: String,
    list: String,
    json: String,
    csv: String,
}

/// A choice that is a link.
struct Tab {
    words: &'static str,
    address: String,
    here: bool,
}

/// The best of what is shown.
struct Best {
    id: String,
    score: String,
    with: String,
}

pub(super) fn routes() -> Router<Shared> {
    Router::new().route("/explore", get(look))
}

async fn look(State(app): State<Shared>, visitor: Visitor, asked: Fields) -> Result<Response> {
    let found = find(&app, &visitor, &asked).await;
    let (wanted, found, error) = match found {
        Ok((wanted, found)) => (wanted, Some(found), None),
        Err(error) if !error.errors.is_empty() => (Wanted::default(), None, Some(error)),
        Err(error) => return Err(error),
    };
    let page = build(&app, &visitor, asked, &wanted, found.unwrap_or_default(), error.as_ref()).await?;
    super::show(error.as_ref().map_or(StatusCode::OK, super::status), &page)
}

/// What was found, and the calls that find the same.
#[derive(Default)]
struct Found {
    points: Vec<ExplorePoint>,
    unit: String,
    next: Option<String>,
    json: String,
    csv: String,
}

async fn find(app: &App, visitor: &Visitor, asked: &Fields) -> Result<(Wanted, Found)> {
    let wanted = Wanted::read(asked)?;
    let node = match asked.filled("node") {
        Some(name) => Some(node_named(app, name).await?),
        None => None,
    };
    let before =
        asked.filled("before").map(|id| id.parse().map_err(|_| Error::field("before", "expected the id of a result")));
    let asks = ExploreQuery {
        benchmark: Some(BENCHMARK.to_owned()),
        user: asked.filled("user").map(str::to_owned),
        kind: asked.filled("kind").map(str::to_owned),
        node: node.clone(),
        cores: wanted.cores,
        limit: Some(wanted.limit),
        before: before.transpose()?,
        tier: wanted.tier,
        min_size: wanted.min_n.map(|n| n as f64),
        max_size: wanted.max_n.map(|n| n as f64),
    };
    let Exploration { points, unit, next, .. } = insight::explore(app, &visitor.caller, &asks).await?;
    let limit = wanted.limit.to_string();
    let json = query(
        &[&filters(asked, node.as_ref())[..], &[("limit", &limit), ("before", asked.get("before").trim())]].concat(),
    );
    let found = Found {
        points,
        unit,
        next: next.map(|id| id.to_string()),
        json: format!("/api/v1/explore{json}"),
        csv: format!("/api/v1/results.csv{}", query(&filters(asked, node.as_ref()))),
    };
    Ok((wanted, found))
}

/// The node of that name, or of that id.
async fn node_named(app: &App, name: &str) -> Result<NodeId> {
    if let Ok(id) = name.parse() {
        return Ok(id);
    }
    let found = jobs::node_called(app, name).await?;
    found.ok_or_else(|| {
        let shown: String = name.chars().take(60).collect();
        Error::field("node", format!("there is no node called `{shown}`"))
    })
}

/// The filters as they are named for programs.
fn filters<'a>(asked: &'a Fields, node: Option<&'a NodeId>) -> [(&'static str, &'a str); 8] {
    let of = |name| asked.get(name).trim();
    [
        ("benchmark", BENCHMARK),
        ("user", of("user")),
        ("kind", of("kind")),
        ("node", node.map_or("", |id| id.as_str())),
        ("cores", of("cores")),
        ("tier", of("tier")),
        ("min_size", of("min_n")),
        ("max_size", of("max_n")),
    ]
}

/// The processors and the nodes that the fields offer while one types.
async fn offers(app: &App, points: &[ExplorePoint]) -> Result<(Vec<String>, Vec<String>)> {
    let ranked = results::leaderboards(app).await?;
    let kinds = ranked.into_iter().filter_map(|category| category.kind).chain(points.iter().map(|p| p.kind.clone()));
    let nodes = points.iter().filter_map(|point| point.node.as_ref().map(|node| node.name.clone()));
    let few = |mut names: Vec<String>| {
        names.retain(|name| !name.is_empty());
        names.sort();
        names.dedup();
        names.truncate(OFFERED);
        names
    };
    Ok((few(kinds.collect()), few(nodes.collect())))
}

async fn build(
    app: &App,
    visitor: &Visitor,
    asked: Fields,
    wanted: &Wanted,
    found: Found,
    error: Option<&Error>,
) -> Result<ExplorePage> {
    let now = app.clock.now();
    let (kinds, nodes) = offers(app, &found.points).await?;
    let (groups, spots) = groups::grouped(&found.points, wanted.by);
    let grids = groups::grids(&spots);
    let heat = groups::heat(&spots);
    let places = pictures::places(&spots, wanted.axis, &grids);
    let heat_rows =
        heat.rows.iter().map(|(nb, cells)| (nb.words(), cells.iter().map(|c| in_words(*c, wanted.cell)).collect()));
    let me = visitor.name().unwrap_or_default();
    let user = asked.get("user").trim();
    let here = |changes: &[(&str, &str)]| address(&asked, changes);
    let json = if found.json.is_empty() { "/api/v1/explore".to_owned() } else { found.json.clone() };
    Ok(ExplorePage {
        frame: visitor.frame("Explore results", "/explore").with_script("explore").with_call("GET", json.as_str()),
        wrong: error.map(|error| Wrong::of(error, str::to_owned)).unwrap_or_default(),
        tiers: TIERS.map(|tier| (tier.name(), words::tier(tier))).to_vec(),
        limits: LIMITS.map(|limit| (limit, limit == wanted.limit)).to_vec(),
        mine: if me.is_empty() || me == user { String::new() } else { here(&[("user", me), ("before", "")]) },
        everybodys: if user.is_empty() { String::new() } else { here(&[("user", ""), ("before", "")]) },
        filtered: FILTERS.iter().any(|name| asked.filled(name).is_some()),
        axes: tabs(&asked, "x", &AXES, wanted.axis),
        bys: tabs(&asked, "by", &BYS, wanted.by),
        cells: tabs(&asked, "cell", &CELLS, wanted.cell),
        shown: shown(&found.points, spots.len(), now),
        best: spots.iter().max_by(|a, b| a.point.score.total_cmp(&b.point.score)).map(|spot| best(spot, &found.unit)),
        scatter: pictures::scatter(&spots, &groups, wanted, &grids, &found.unit),
        along: pictures::along(wanted.axis),
        along_words: pictures::about(wanted.axis),
        groups: groups.join("\n"),
        logs: pictures::logs(&spots, &places, wanted.axis),
        heat: pictures::heat(&heat, wanted.cell, &found.unit),
        heat_columns: heat.columns.iter().map(|n| n.words()).collect(),
        heat_rows: heat_rows.collect(),
        lines: table::lines(&found.points, &spots, &places, now),
        older: found.next.as_deref().map(|next| here(&[("before", next)])).unwrap_or_default(),
        newest: if asked.filled("before").is_some() { here(&[("before", "")]) } else { String::new() },
        list: list(&asked),
        json,
        csv: found.csv,
        unit: found.unit,
        kinds,
        nodes,
        asked,
    })
}

const AXES: [(&str, &str, Axis); 3] = [("n", "N", Axis::N), ("nb", "NB", Axis::Nb), ("grid", "P × Q", Axis::Grid)];
const BYS: [(&str, &str, By); 3] = [("nb", "NB", By::Nb), ("grid", "P × Q", By::Grid), ("kind", "node", By::Kind)];
const CELLS: [(&str, &str, Cell); 2] = [("best", "best", Cell::Best), ("median", "median", Cell::Median)];

/// Choices as links that keep everything else.
fn tabs<T: Copy + PartialEq>(asked: &Fields, name: &str, all: &[(&str, &'static str, T)], now: T) -> Vec<Tab> {
    let tab = |(value, words, choice): &(&str, &'static str, T)| {
        // What stands on the axis decides what a colour says where nothing else is asked for.
        let mut changes = vec![(name, *value)];
        if name == "x" {
            changes.push(("by", ""));
        }
        Tab { words, address: address(asked, &changes), here: *choice == now }
    };
    all.iter().map(tab).collect()
}

/// How many results are shown, and from when on.
fn shown(points: &[ExplorePoint], placed: usize, now: i64) -> String {
    let Some(oldest) = points.last() else { return String::new() };
    let left_out = match points.len() - placed {
        0 => String::new(),
        some => format!(" {some} of them do not say all of N, NB, P and Q, and stand in the table alone."),
    };
    let from = When::new(oldest.created_at, now);
    match points.len() {
        1 => format!("One result, of {}.{left_out}", from.text),
        many => format!("The latest {many} results, from {} on.{left_out}", from.text),
    }
}

fn best(spot: &Spot<'_>, unit: &str) -> Best {
    let place = spot.place;
    Best {
        id: spot.point.id.to_string(),
        score: format!("{} {unit}", words::rate(spot.point.score)),
        with: format!("N = {}, NB = {}, P × Q = {}", place.n, place.nb, place.grid()),
    }
}

/// A cell of the heat map as one of a table.
fn in_words(cell: Option<HeatCell>, says: Cell) -> String {
    cell.map_or_else(String::new, |cell| {
        let score = if says == Cell::Best { cell.best } else { cell.median };
        format!("{} ({})", words::rate(score), words::count(cell.runs as u64, "run", "runs"))
    })
}

/// The list of results with the same filters.
fn list(asked: &Fields) -> String {
    let same = [("user", "user"), ("kind", "kind"), ("cores", "cores"), ("tier", "tier"), ("min_size", "min_n")];
    let pairs = same.map(|(there, here)| (there, asked.get(here).trim()));
    format!("/results{}", query(&[&[("benchmark", BENCHMARK)], &pairs[..]].concat()))
}
