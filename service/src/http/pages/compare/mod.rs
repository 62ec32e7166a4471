//! Runs side by side: each column is all runs of the same parameters on the same kind of node. What is said of two
//! columns rests on statistics; one run each never has a winner.

mod dots;
mod rows;
mod verdict;

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use hpl_spec::api::insight::{Comparison, GroupRun, RunGroup};
use hpl_spec::id::AttemptId;

use self::rows::{Part, Side};
use self::verdict::Said;
use super::forms::{Fields, query};
use super::visitor::{Frame, Visitor};
use super::words;
use crate::app::{App, Shared};
use crate::error::{Code, Error, Result};
use crate::ops::insight::{self, CompareQuery};
use crate::ops::results;

/// How many results can stand side by side.
const LEAST: usize = 2;
const MOST: usize = 8;
/// More pairs of which nothing can be said than this are folded away.
const FOLDED: usize = 3;
/// How often the sweep that a verdict offers runs each of two groups: with fewer, chance could do anything.
const REPEATS: u32 = 5;

#[derive(Template)]
#[template(path = "compare.html")]
struct ComparePage {
    frame: Frame,
    /// What is wrong with what was asked for; empty if nothing is.
    wrong: String,
    /// The names in the address, with the address without each.
    chosen: Vec<(String, String)>,
    columns: Vec<Column>,
    /// What can be said, first what was decided.
    verdicts: Vec<Said>,
    /// Pairs of which nothing can be said, folded away where they are many.
    open: Vec<Said>,
    folded: String,
    dots: String,
    parts: Vec<Part>,
    repeats: u32,
}

/// The head of a column.
struct Column {
    number: usize,
    label: String,
    kind: String,
    cores: String,
    median: String,
    runs: String,
    /// The page of the result that named it, or of its run in the middle.
    result: String,
    /// The comparison without it; empty where too little would be left.
    without: String,
    /// The sweep that runs it again; empty where its parameters cannot be read.
    repeat: String,
}

pub(super) fn routes() -> Router<Shared> {
    Router::new().route("/compare", get(look))
}

/// The names in the address, each once: `results=a,b` as links have them, or `results=a&results=b` as forms do.
fn named(asked: &Fields) -> Vec<String> {
    let mut names: Vec<String> = vec![];
    for item in asked.all("results").flat_map(|part| part.split(',')) {
        match names.last_mut() {
            // The key of a group ends with a CPU model, which may have a comma in it.
            Some(key) if key.contains(':') && !item.contains(':') && item.parse::<AttemptId>().is_err() => {
                *key = format!("{key},{item}");
            }
            _ => names.push(item.trim().to_owned()),
        }
    }
    let mut seen = std::collections::HashSet::new();
    names.retain(|name| !name.is_empty() && seen.insert(name.clone()));
    names
}

/// The page with those side by side.
fn address(names: &[String]) -> String {
    format!("/compare{}", listed(names))
}

/// Commas may stand in a query as they are, and are easier to read there.
fn listed(names: &[String]) -> String {
    query(&[("results", &names.join(","))]).replace("%2C", ",")
}

fn without(names: &[String], left_out: usize) -> Vec<String> {
    names.iter().enumerate().filter(|(i, _)| *i != left_out).map(|(_, name)| name.clone()).collect()
}

async fn look(State(app): State<Shared>, visitor: Visitor, asked: Fields) -> Result<Response> {
    let names = named(&asked);
    if asked.all("results").count() > 1 && !names.is_empty() {
        // A form was sent; this is the address that can be shared.
        return Ok(Redirect::to(&address(&names)).into_response());
    }
    let call =
        if names.is_empty() { "/api/v1/explore".to_owned() } else { format!("/api/v1/compare{}", listed(&names)) };
    let frame = visitor.frame("Compare runs", "/explore").with_call("GET", call);
    let found = match names.len() {
        0..LEAST => Ok(None),
        LEAST..=MOST => {
            let wanted = CompareQuery { results: names.join(",") };
            insight::compare(&app, &visitor.caller, &wanted).await.map(Some)
        }
        many => {
            let message = format!("You chose {many} results, and at most {MOST} fit side by side. Take some away.");
            Err(Error::new(Code::Invalid, message))
        }
    };
    let (found, error) = match found {
        Ok(found) => (found, None),
        Err(error) if error.code == Code::NotFound => (None, Some(unknown(&app, &visitor, &names, error).await)),
        Err(error) if matches!(error.code, Code::Invalid | Code::BadRequest) => (None, Some(error)),
        Err(error) => return Err(error),
    };
    let status = error.as_ref().map_or(StatusCode::OK, super::status);
    let chosen = names.iter().enumerate().map(|(i, name)| (name.clone(), address(&without(&names, i)))).collect();
    let mut page = ComparePage {
        frame,
        wrong: error.map(said_of).unwrap_or_default(),
        chosen,
        columns: vec![],
        verdicts: vec![],
        open: vec![],
        folded: String::new(),
        dots: String::new(),
        parts: vec![],
        repeats: REPEATS,
    };
    if let Some(found) = found {
        page.fill(&app, &visitor, found).await;
    }
    super::show(status, &page)
}

/// The words of an error for the top of the page.
fn said_of(error: Error) -> String {
    let fields: Vec<String> = error.errors.into_iter().map(|problem| problem.message).collect();
    if fields.is_empty() { error.detail } else { fields.join("; ") }
}

/// The error names those that are not there.
async fn unknown(app: &App, visitor: &Visitor, names: &[String], mut error: Error) -> Error {
    let mut missing = vec![];
    for name in names {
        if let Ok(id) = name.parse::<AttemptId>()
            && results::detail(app, &visitor.caller, &id).await.is_err()
        {
            missing.push(name.as_str());
        }
    }
    if !missing.is_empty() {
        let many = if missing.len() == 1 { "There is no result" } else { "There are no results" };
        error.detail = format!("{many} {} for you to see.", missing.join(", "));
    }
    error
}

/// What a column is called, by pictures and verdicts alike: its number from 1, as programs are told, too.
fn number(column: usize) -> usize {
    column + 1
}

/// The run whose score is nearest to the median.
fn middle(group: &RunGroup) -> Option<&GroupRun> {
    let away = |run: &GroupRun| (run.score - group.scores.median).abs();
    group.runs.iter().min_by(|a, b| away(a).total_cmp(&away(b)))
}

impl ComparePage {
    async fn fill(&mut self, app: &App, visitor: &Visitor, found: Comparison) {
        let mut sides = vec![];
        for group in &found.groups {
            let run = match middle(group) {
                // It may be deleted or made private in between; the scores are still those of all runs.
                Some(run) => results::detail(app, &visitor.caller, &run.id).await.ok(),
                None => None,
            };
            sides.push(Side { group, run });
        }
        let keys: Vec<String> = found
            .groups
            .iter()
            .map(|group| group.result.as_ref().map_or_else(|| group.key.clone(), ToString::to_string))
            .collect();
        let columns = found.groups.iter().zip(&sides).enumerate().map(|(i, (group, side))| Column {
            number: number(i),
            label: group.label.clone(),
            kind: group.kind.clone(),
            cores: words::count(group.cores, "core", "cores"),
            median: format!("{} {}", words::rate(group.scores.median), found.unit),
            runs: words::count(group.n, "run", "runs"),
            result: group
                .result
                .as_ref()
                .or_else(|| middle(group).map(|run| &run.id))
                .map(ToString::to_string)
                .unwrap_or_default(),
            without: if keys.len() > LEAST { address(&without(&keys, i)) } else { String::new() },
            repeat: verdict::repeat(&[(i, side)], REPEATS).pop().map(|repeat| repeat.address).unwrap_or_default(),
        });
        self.columns = columns.collect();
        let (open, decided): (Vec<Said>, Vec<Said>) =
            verdict::all(&found.verdicts, &sides, REPEATS).into_iter().partition(|said| said.undecided);
        if open.len() > FOLDED {
            self.folded =
                format!("{} of {} pairs cannot be told yet: too few runs", open.len(), open.len() + decided.len());
        }
        (self.verdicts, self.open) = (decided, open);
        self.dots = dots::draw(&found);
        self.parts = rows::parts(&sides, &found.unit);
    }
}
