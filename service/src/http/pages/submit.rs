//! The page on which runs are put together: a form out of the registry's schema, a field to paste an input file
//! into, and what either would take.

mod choice;
mod price;

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use hpl_spec::api::jobs::{Needs, SubmitRequest, Submitted, Visibility};
use hpl_spec::benchmark::{self, Benchmark};
use serde_json::{Map, Value};

use self::choice::Choice;
use self::price::Price;
use super::forms::{Fields, Wrong, on_to};
use super::visitor::{Frame, Visitor};
use crate::app::{App, Shared};
use crate::error::{Code, Error, Result};
use crate::ops::{jobs, nodes};
use crate::secret::random_id;

/// The benchmark that the page is for; a second row of the registry brings a choice.
const BENCHMARK: &str = "hpl";
/// The parameters that a first run needs; all others are folded away.
const BASIC: [&str; 4] = ["n", "nb", "p", "q"];

#[derive(Template)]
#[template(path = "submit.html")]
struct SubmitPage {
    frame: Frame,
    csrf: String,
    /// Makes sending the same form twice the same as sending it once.
    once: String,
    about: &'static str,
    basic: Vec<Choice>,
    more: Vec<Choice>,
    /// Whether something among `more` is wrong, so that it must be unfolded.
    more_open: bool,
    nodes: Vec<(String, String)>,
    sent: Fields,
    wrong: Wrong,
    warnings: Vec<String>,
    price: Option<Price>,
    /// Whether what was sent came from the field to paste into.
    pasted: bool,
    logged_in: bool,
}

pub(super) fn routes() -> Router<Shared> {
    Router::new().route("/submit", get(form).post(send))
}

fn row() -> Result<&'static Benchmark> {
    benchmark::find(BENCHMARK).ok_or_else(|| Error::internal("the registry has no row for the page"))
}

async fn form(State(app): State<Shared>, visitor: Visitor) -> Result<Response> {
    render(&app, &visitor, Fields::default(), None, None).await
}

/// The field of the form that a problem is about.
fn renamed(field: &str) -> String {
    let inner = field.strip_prefix("parameters.").or_else(|| field.strip_prefix("needs."));
    match inner {
        Some(inner) => inner.to_owned(),
        None if field.starts_with("input") => "input".to_owned(),
        None => field.to_owned(),
    }
}

async fn render(
    app: &App,
    visitor: &Visitor,
    sent: Fields,
    price: Option<Price>,
    error: Option<Error>,
) -> Result<Response> {
    let row = row()?;
    let wrong = match &error {
        Some(error) => Wrong::of(error, renamed),
        None => price.as_ref().map(|price| price.wrong.clone()).unwrap_or_default(),
    };
    let choices = choice::all(&(row.schema)(), &sent, &wrong);
    let (basic, more): (Vec<Choice>, Vec<Choice>) = choices.into_iter().partition(|c| BASIC.contains(&c.name.as_str()));
    let more_open = more.iter().any(|c| !c.wrong.is_empty());
    let mut basic = basic;
    basic.sort_by_key(|c| BASIC.iter().position(|name| *name == c.name));
    let nodes = nodes::list(app).await?;
    let page = SubmitPage {
        frame: visitor.frame("Submit a run", "/submit"),
        csrf: visitor.token(),
        once: random_id::<hpl_spec::id::JobId>(app.clock.now()).to_string(),
        about: row.about,
        basic,
        more,
        more_open,
        nodes: nodes
            .into_iter()
            .map(|node| (node.id.to_string(), format!("{}, {} cores", node.name, node.cores)))
            .collect(),
        pasted: sent.get("way") == "paste",
        sent,
        wrong,
        warnings: price.as_ref().map(|price| price.warnings.clone()).unwrap_or_default(),
        price,
        logged_in: visitor.name().is_some(),
    };
    super::show(error.as_ref().map_or(StatusCode::OK, super::status), &page)
}

/// What the form asks for. What is no number is left as it was typed, so that the registry says what is wrong.
fn request(sent: &Fields) -> Result<SubmitRequest> {
    let mut problems = vec![];
    let (parameters, input) = if sent.get("way") == "paste" {
        (None, Some(sent.get("input").to_owned()))
    } else {
        (Some(Value::Object(parameters(sent, &(row()?.schema)()))), None)
    };
    let labels = sent.get("labels").split([',', ' ']).filter(|label| !label.is_empty()).map(str::to_owned).collect();
    let node =
        sent.filled("node").map(|id| id.parse().map_err(|_| Error::field("needs.node", "expected a node of the list")));
    let request = SubmitRequest {
        benchmark: BENCHMARK.to_owned(),
        parameters,
        input,
        draft: false,
        visibility: if sent.get("visibility") == "private" { Visibility::Private } else { Visibility::Public },
        needs: Needs { node: node.transpose()?, cores: sent.number("cores", &mut problems), labels },
        walltime_s: sent.number("walltime_s", &mut problems),
        title: sent.get("title").trim().to_owned(),
        stop_hopeless: false,
        repeats: 1,
    };
    if problems.is_empty() { Ok(request) } else { Err(Error::invalid(problems)) }
}

fn parameters(sent: &Fields, schema: &Value) -> Map<String, Value> {
    let mut parameters = Map::new();
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let Some(text) = sent.filled(name) else { continue };
        let value = match field["type"].as_str() {
            Some("integer" | "number") => serde_json::from_str::<serde_json::Number>(text).ok().map(Value::Number),
            Some("boolean") => text.parse().ok().map(Value::Bool),
            _ => None,
        };
        parameters.insert(name.clone(), value.unwrap_or_else(|| text.into()));
    }
    parameters
}

async fn send(State(app): State<Shared>, visitor: Visitor, sent: Fields) -> Result<Response> {
    let submitting = sent.get("do") == "submit";
    let done = async {
        visitor.guard.check(sent.get("csrf"))?;
        let request = request(&sent)?;
        if !submitting {
            let estimate = jobs::estimate(&app, &visitor.caller, &request).await?;
            return Ok::<_, Error>(Err(Price::new(estimate, row()?, renamed)));
        }
        let once = sent.filled("once").map(str::to_owned);
        let body = jobs::submit(&app, &visitor.caller, &request, once).await?;
        Ok(Ok(serde_json::from_str::<Submitted>(&body).map_err(Error::internal)?))
    };
    match done.await {
        Ok(Err(price)) => render(&app, &visitor, sent, Some(price), None).await,
        Ok(Ok(made)) => match (&made.sweep, made.jobs.first()) {
            (Some(sweep), _) => Ok(on_to(&format!("/sweeps/{sweep}"), "written")),
            (None, Some(job)) => Ok(on_to(&format!("/jobs/{}", job.id), "submitted")),
            (None, None) => Err(Error::internal("nothing was submitted")),
        },
        Err(mut error) => {
            if error.code == Code::Unauthenticated {
                error.detail = "you are not logged in; log in in another tab, then press the button here again".into();
            }
            if error.code == Code::IdempotencyMismatch {
                error.detail = "this form was sent before with other values; press Submit again for a new job".into();
            }
            render(&app, &visitor, sent, None, Some(error)).await
        }
    }
}
