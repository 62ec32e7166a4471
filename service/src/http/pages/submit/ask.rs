//! From the fields of a form to what is asked of the service, and to an address that fills the form again.

use hpl_spec::api::jobs::{Estimate, Needs, SubmitRequest, Submitted, Visibility};
use hpl_spec::benchmark::Problem;
use serde_json::{Map, Value};

use super::super::forms::{Fields, query};
use super::super::visitor::Visitor;
use super::{BENCHMARK, about};
use crate::app::App;
use crate::error::{Error, Result};
use crate::ops::jobs;

/// What an address holds besides the parameters.
const AROUND: [&str; 12] = [
    "way",
    "seen",
    "grid",
    "repeats",
    "stop_hopeless",
    "title",
    "visibility",
    "walltime_s",
    "node",
    "cores",
    "labels",
    "input",
];
/// Characters of an address that still comes through everywhere.
const MOST_ADDRESS: usize = 6000;

/// The field of the form that a problem is about. What is said of the parameters as a whole is about memory: it stands
/// at N.
pub(in super::super) fn renamed(field: &str) -> String {
    let inner = field.strip_prefix("parameters.").or_else(|| field.strip_prefix("needs."));
    match inner {
        Some(inner) => inner.to_owned(),
        None if field == "parameters" => "n".to_owned(),
        None if field.starts_with("input") => "input".to_owned(),
        None => field.to_owned(),
    }
}

/// What the form asks for besides the parameters.
pub(in super::super) fn around(
    sent: &Fields,
    parameters: Option<Value>,
    input: Option<String>,
) -> Result<SubmitRequest> {
    let mut problems = vec![];
    let labels = sent.get("labels").split([',', ' ']).filter(|label| !label.is_empty()).map(str::to_owned).collect();
    let node = match sent.filled("node").map(str::parse).transpose() {
        Ok(node) => node,
        Err(_) => {
            problems.push(Problem::new("needs.node", "expected a node of the list"));
            None
        }
    };
    let sweep = input.is_some();
    let request = SubmitRequest {
        benchmark: BENCHMARK.to_owned(),
        parameters,
        input,
        draft: false,
        visibility: if sent.get("visibility") == "private" { Visibility::Private } else { Visibility::Public },
        needs: Needs { node, cores: sent.number("cores", &mut problems), labels },
        walltime_s: sent.number("walltime_s", &mut problems),
        title: sent.get("title").trim().to_owned(),
        stop_hopeless: sweep && sent.get("stop_hopeless") == "true",
        repeats: sent.number("repeats", &mut problems).filter(|_| sweep).unwrap_or(1),
    };
    if problems.is_empty() { Ok(request) } else { Err(Error::invalid(problems)) }
}

/// What came of a form that was sent.
pub(in super::super) enum Came {
    /// It was only to be checked.
    Checked(Box<Estimate>),
    /// It was submitted.
    Made(Submitted),
}

/// Does what the button of a form asks for: checks `request`, or submits it, the same form once.
///
/// # Errors
/// The form is not of our pages; the request is wrong; it cannot be submitted.
pub(in super::super) async fn sent(
    app: &App,
    visitor: &Visitor,
    sent: &Fields,
    request: impl Fn(&Fields) -> Result<SubmitRequest>,
) -> Result<Came> {
    visitor.guard.check(sent.get("csrf"))?;
    let request = request(sent)?;
    if sent.get("do") != "submit" {
        return Ok(Came::Checked(Box::new(jobs::estimate(app, &visitor.caller, &request).await?)));
    }
    let once = sent.filled("once").map(str::to_owned);
    let body = jobs::submit(app, &visitor.caller, &request, once).await?;
    Ok(Came::Made(serde_json::from_str(&body).map_err(Error::internal)?))
}

/// The parameters. What is no number is left as it was typed, so that the registry says what is wrong.
pub(super) fn parameters(sent: &Fields, schema: &Value) -> Map<String, Value> {
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

/// Whether all that was typed fits an address.
pub(in super::super) fn fits(path: &str, sent: &Fields) -> bool {
    sent.filled("input").is_none() || address(path, sent).contains("input=")
}

/// The address of the page at `path` with all that was typed; a pasted file only where it is short.
pub(in super::super) fn address(path: &str, sent: &Fields) -> String {
    let kept = |name: &str| about::of(name).is_some() || AROUND.contains(&name);
    let mut pairs: Vec<(&str, &str)> = sent.pairs().filter(|(name, _)| kept(name)).collect();
    let whole = query(&pairs);
    if whole.len() <= MOST_ADDRESS {
        return format!("{path}{whole}");
    }
    pairs.retain(|(name, _)| *name != "input");
    let rest = query(&pairs);
    if rest.len() <= MOST_ADDRESS { format!("{path}{rest}") } else { path.to_owned() }
}

/// Where to log in, and come back to the form as it is.
pub(in super::super) fn log_in(path: &str, sent: &Fields) -> String {
    format!("/login{}", query(&[("next", &address(path, sent))]))
}
