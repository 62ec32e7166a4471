//! The compute nodes.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;

use super::forms::{Fields, query};
use super::visitor::{Frame, Visitor};
use super::words::{self, When};
use crate::app::Shared;
use crate::error::Result;
use crate::ops::nodes::{self, NodeQuery, NodeView};

/// Nodes on a page.
const SHOWN: u32 = super::ROWS;

#[derive(Template)]
#[template(path = "nodes.html")]
struct NodesPage {
    frame: Frame,
    lines: Vec<Line>,
    /// The first page, and the next one; empty where that is this one, or there is none.
    first: String,
    next: String,
}

struct Line {
    name: String,
    /// Where a run on it is submitted.
    submit: String,
    kind: String,
    cores: u32,
    memory: String,
    peak: String,
    labels: String,
    trusted: bool,
    state: &'static str,
    class: &'static str,
    /// Why it gets none, by its own account.
    why: String,
    seen: When,
}

impl Line {
    fn new(node: NodeView, now: i64) -> Line {
        let unwell = !node.busy && !node.unhealthy.is_empty();
        let (state, class) = match (node.busy, node.draining) {
            (true, _) => ("Has a job", "live"),
            (false, true) => ("Takes no more jobs", "over"),
            (false, false) if unwell => ("Not well", "doubt"),
            (false, false) => ("Free when last heard of", "waits"),
        };
        Line {
            submit: format!("/submit{}", query(&[("preset", "first"), ("node", node.id.as_str())])),
            name: node.name,
            kind: node.kind,
            cores: node.cores,
            memory: words::bytes(node.memory),
            peak: node
                .peak_gflops
                .map_or_else(|| "not measured".to_owned(), |peak| format!("{} Gflop/s", words::rate(peak))),
            labels: node.labels.join(", "),
            trusted: node.trusted,
            state,
            class,
            why: if unwell { node.unhealthy.join("; ") } else { String::new() },
            seen: When::new(node.seen_at, now),
        }
    }
}

pub(super) fn routes() -> Router<Shared> {
    Router::new().route("/nodes", get(list))
}

async fn list(State(app): State<Shared>, visitor: Visitor, asked: Fields) -> Result<Response> {
    let now = app.clock.now();
    let offset = asked.get("offset").parse().unwrap_or(0_u32);
    // One more than is shown tells whether there is a next page.
    let mut found = nodes::list(&app, NodeQuery { limit: Some(SHOWN + 1), offset: Some(offset) }).await?;
    let more = found.len() > SHOWN as usize;
    found.truncate(SHOWN as usize);
    let [first, next] = super::around("/nodes", offset, more);
    super::page(&NodesPage {
        frame: visitor.frame("Nodes", "/nodes").with_call("GET", "/api/v1/nodes"),
        lines: found.into_iter().map(|node| Line::new(node, now)).collect(),
        first,
        next,
    })
}
