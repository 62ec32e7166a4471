//! The page on which runs are put together: a form out of the registry's schema, a field to paste an input file
//! into, and beside them what either would take.
//!
//! ```text
//!   about   each parameter in words        preset   links that fill the form
//!   choice  a field out of the schema      ask      from fields to a submission, and back to an address
//!   price   an estimate in words
//! ```

pub(super) mod about;
pub(super) mod ask;
pub(super) mod choice;
pub(super) mod preset;
pub(super) mod price;

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use hpl_spec::api::jobs::SubmitRequest;
use hpl_spec::benchmark::{self, Benchmark};
use serde_json::Value;

use self::ask::renamed;
use self::choice::Choice;
use self::preset::{Ground, PRESETS, SIZES};
use self::price::{Price, spaced};
use super::forms::{Fields, Wrong, on_to, query};
use super::visitor::{Frame, Visitor};
use super::words::bytes;
use crate::app::{App, Shared};
use crate::error::{Code, Error, Result};
use crate::ops::jobs;
use crate::ops::nodes::{self, NodeQuery};
use crate::secret::random_id;

/// The benchmark that the page is for; a second row of the registry brings a choice.
pub(super) const BENCHMARK: &str = "hpl";
/// The parameters that a first run needs; all others are folded away.
/// Nodes that the form offers of many.
pub(super) const OFFERED: usize = 50;
const BASIC: [&str; 4] = ["n", "nb", "p", "q"];

#[derive(Template)]
#[template(path = "submit.html")]
struct SubmitPage {
    frame: Frame,
    csrf: String,
    /// Makes sending the same form twice the same as sending it once.
    once: String,
    about: &'static str,
    presets: Vec<PresetLink>,
    /// What the preset has chosen, and why.
    why: Vec<String>,
    basic: Vec<Choice>,
    more: Vec<Choice>,
    /// Whether `more` is unfolded.
    more_open: bool,
    nodes: Vec<NodeChoice>,
    /// The ranks that are asked for, in words.
    ranks: String,
    sent: Fields,
    wrong: Wrong,
    doubts: Wrong,
    price: Price,
    /// Whether an estimate was made.
    asked: bool,
    /// Whether what was sent came from the field to paste into.
    pasted: bool,
    logged_in: bool,
    log_in: String,
}

struct PresetLink {
    address: String,
    title: &'static str,
    about: &'static str,
    here: bool,
}

/// A node to choose.
pub(super) struct NodeChoice {
    pub(super) id: String,
    pub(super) words: String,
    pub(super) name: String,
    pub(super) cores: u32,
}

pub(super) fn routes() -> Router<Shared> {
    Router::new().route("/submit", get(form).post(send))
}

pub(super) fn row() -> Result<&'static Benchmark> {
    benchmark::find(BENCHMARK).ok_or_else(|| Error::internal("the registry has no row for the page"))
}

/// The nodes that a form offers: those heard of last, and those of these ids. Any other is chosen on the page of nodes.
pub(super) async fn node_choices(app: &App, ids: &[&str]) -> Result<Vec<NodeChoice>> {
    let mut nodes = nodes::list(app, NodeQuery { limit: Some(OFFERED as u32), offset: None }).await?;
    for id in ids.iter().filter_map(|id| id.parse().ok()) {
        if nodes.iter().all(|node| node.id != id) {
            nodes.extend(nodes::find(app, &id).await?);
        }
    }
    let choice = |node: nodes::NodeView| NodeChoice {
        id: node.id.to_string(),
        words: format!("{}, {} cores, {}", node.name, node.cores, bytes(node.memory)),
        name: node.name,
        cores: node.cores,
    };
    Ok(nodes.into_iter().map(choice).collect())
}

/// What presets count on: the node that is named, else the one that a run would be predicted for.
pub(super) async fn ground(app: &App, asked: &Fields) -> Result<Ground> {
    let node = asked.filled("node").and_then(|id| id.parse().ok());
    let site = jobs::site(app, node.as_ref(), row()?, &SIZES).await?;
    Ok(Ground::of(site.as_ref()))
}

/// The form; an address may fill it, by the names of the wire or by a preset. What fills it is priced at once.
async fn form(State(app): State<Shared>, visitor: Visitor, mut asked: Fields) -> Result<Response> {
    let mut why = vec![];
    if asked.get("preset") == "tune" {
        return Ok(Redirect::to(&tune(&asked)).into_response());
    }
    if let Some(key) = asked.filled("preset").map(str::to_owned) {
        let longest = jobs::quota(&app, &visitor.caller).await?.walltime_max_s;
        if let Some(filled) = preset::fill(&key, &ground(&app, &asked).await?, longest) {
            filled.fields.into_iter().for_each(|(name, value)| asked.prefill(name, value));
            why = filled.why;
        }
    }
    if asked.filled("n").is_none() && asked.filled("input").is_some() {
        asked.prefill("way", "paste");
    }
    let full = asked.filled(if asked.get("way") == "paste" { "input" } else { "n" }).is_some();
    let shown = match request(&asked).map(|request| full.then_some(request)) {
        Ok(None) => Shown::default(),
        Ok(Some(request)) => {
            let estimate = jobs::estimate(&app, &visitor.caller, &request).await?;
            Shown { price: Some(priced(&estimate)?), ranks: Some(ranks(&estimate)), error: None }
        }
        // What an address holds is no error of the reader's: it is said at its field.
        Err(wrong) => Shown { error: Some(wrong), ..Shown::default() },
    };
    render(&app, &visitor, asked, why, shown, StatusCode::OK).await
}

fn tune(asked: &Fields) -> String {
    format!("/sweeps/new{}", query(&[("preset", "tune"), ("node", asked.get("node"))]))
}

fn priced(estimate: &hpl_spec::api::jobs::Estimate) -> Result<Price> {
    Ok(Price::new(estimate, row()?, renamed))
}

/// What a page shows of what was sent.
#[derive(Default)]
struct Shown {
    price: Option<Price>,
    ranks: Option<(u64, Option<String>)>,
    error: Option<Error>,
}

/// The ranks of the first run, and the node they are counted against.
fn ranks(estimate: &hpl_spec::api::jobs::Estimate) -> (u64, Option<String>) {
    let set = estimate.runs.first().map(|run| &run.parameters);
    let side = |name: &str| set.and_then(|set| set[name].as_u64()).unwrap_or(0);
    (side("p") * side("q"), estimate.node.as_ref().map(|node| node.id.to_string()))
}

fn ranks_in_words(ranks: Option<(u64, Option<String>)>, nodes: &[NodeChoice]) -> String {
    let Some((ranks @ 1.., node)) = ranks else { return String::new() };
    let ranks = format!("P × Q = {} {}", spaced(ranks), if ranks == 1 { "rank" } else { "ranks" });
    match nodes.iter().find(|known| node.as_ref() == Some(&known.id)) {
        Some(node) => format!("{ranks}; {} has {} cores.", node.name, node.cores),
        None => format!("{ranks}."),
    }
}

async fn render(
    app: &App,
    visitor: &Visitor,
    sent: Fields,
    why: Vec<String>,
    shown: Shown,
    status: StatusCode,
) -> Result<Response> {
    let row = row()?;
    let wrong = match (&shown.error, &shown.price) {
        (Some(error), _) => Wrong::of(error, renamed),
        (None, price) => price.as_ref().map(|price| price.wrong.clone()).unwrap_or_default(),
    };
    let asked = shown.price.is_some();
    let price = shown.price.unwrap_or_else(Price::nothing);
    let doubts = price.doubts.clone();
    let choices = choice::all(&(row.schema)(), &sent, &wrong, &doubts);
    let (basic, more): (Vec<Choice>, Vec<Choice>) = choices.into_iter().partition(|c| BASIC.contains(&c.name.as_str()));
    let preset = sent.get("preset").to_owned();
    let expected = shown.ranks.as_ref().and_then(|(_, node)| node.as_deref()).unwrap_or_default();
    let nodes = node_choices(app, &[sent.get("node"), expected]).await?;
    let page = SubmitPage {
        frame: visitor
            .frame("Submit a run", "/submit")
            .with_script("submit")
            .with_call("POST", "/api/v1/estimate")
            .with_call("POST", "/api/v1/jobs"),
        csrf: visitor.token(),
        once: random_id::<hpl_spec::id::JobId>(app.clock.now()).to_string(),
        about: row.about,
        presets: preset_links(&sent, &preset),
        why,
        more_open: preset == "expert" || more.iter().any(|c| !c.wrong.is_empty() || !c.doubt.is_empty()),
        basic,
        more,
        ranks: ranks_in_words(shown.ranks, &nodes),
        nodes,
        pasted: sent.get("way") == "paste" || preset == "paste",
        log_in: ask::log_in("/submit", &sent),
        sent,
        wrong,
        doubts,
        price,
        asked,
        logged_in: visitor.name().is_some(),
    };
    super::show(status, &page)
}

fn preset_links(sent: &Fields, chosen: &str) -> Vec<PresetLink> {
    let link = |preset: &preset::Preset| PresetLink {
        address: match preset.key {
            "tune" => tune(sent),
            // What is typed already stays: it is only unfolded, or leads further down.
            "expert" => {
                let typed = ask::address("/submit", sent);
                format!("{typed}{}preset=expert", if typed.contains('?') { '&' } else { '?' })
            }
            "paste" => format!("/submit{}#paste", query(&[("preset", "paste"), ("node", sent.get("node"))])),
            key => format!("/submit{}", query(&[("preset", key), ("node", sent.get("node"))])),
        },
        title: preset.title,
        about: preset.about,
        here: preset.key == chosen,
    };
    PRESETS.iter().map(link).collect()
}

/// What the form asks for.
fn request(sent: &Fields) -> Result<SubmitRequest> {
    if sent.get("way") == "paste" {
        return ask::around(sent, None, Some(sent.get("input").to_owned()));
    }
    ask::around(sent, Some(Value::Object(ask::parameters(sent, &(row()?.schema)()))), None)
}

async fn send(State(app): State<Shared>, visitor: Visitor, sent: Fields) -> Result<Response> {
    match ask::sent(&app, &visitor, &sent, request).await {
        Ok(ask::Came::Checked(estimate)) => {
            let shown = Shown { price: Some(priced(&estimate)?), ranks: Some(ranks(&estimate)), error: None };
            render(&app, &visitor, sent, vec![], shown, StatusCode::OK).await
        }
        Ok(ask::Came::Made(made)) => match (&made.sweep, made.jobs.first()) {
            (Some(sweep), _) => Ok(on_to(&format!("/sweeps/{sweep}"), "written")),
            (None, Some(job)) => Ok(on_to(&format!("/jobs/{}", job.id), "submitted")),
            (None, None) => Err(Error::internal("nothing was submitted")),
        },
        Err(error) => {
            let error = in_words(error, ask::fits("/submit", &sent));
            let status = super::status(&error);
            render(&app, &visitor, sent, vec![], Shown { error: Some(error), ..Shown::default() }, status).await
        }
    }
}

/// An error as somebody who has a filled form before them should hear it. `fits`: whether all of it fits an address.
pub(super) fn in_words(mut error: Error, fits: bool) -> Error {
    if error.code == Code::Unauthenticated {
        error.detail = match fits {
            true => "you are not logged in. Log in by the link below: all that is typed here comes along".into(),
            false => "you are not logged in; log in in another tab, then press the button here again".into(),
        };
    }
    if error.code == Code::IdempotencyMismatch {
        error.detail = "this form was sent before with other values; press Submit again for a new job".into();
    }
    error
}
