//! The compute nodes.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;

use super::visitor::{Frame, Visitor};
use super::words::{self, When};
use crate::app::Shared;
use crate::error::Result;
use crate::ops::nodes::{self, NodeView};

#[derive(Template)]
#[template(path = "nodes.html")]
struct NodesPage {
    frame: Frame,
    lines: Vec<Line>,
}

struct Line {
    name: String,
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

async fn list(State(app): State<Shared>, visitor: Visitor) -> Result<Response> {
    let now = app.clock.now();
    let lines = nodes::list(&app).await?.into_iter().map(|node| Line::new(node, now)).collect();
    super::page(&NodesPage { frame: visitor.frame("Nodes", "/nodes").with_call("GET", "/api/v1/nodes"), lines })
}
