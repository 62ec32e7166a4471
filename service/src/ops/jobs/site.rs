//! What can be planned on: a node, and what it reached with problems of some sizes.

use hpl_spec::api::jobs::NodeRef;
use hpl_spec::benchmark::Benchmark;
use hpl_spec::id::NodeId;

use super::prepare::{EFFICIENCY, node_ref};
use super::wait::Nodes;
use crate::app::App;
use crate::db::{nodes, results};
use crate::error::{Error, Result};
use crate::schedule::{self, Needs};

/// A node as somebody who plans a run wants to know it.
#[derive(Debug, Clone)]
pub struct Site {
    /// The node.
    pub node: NodeRef,
    /// Physical cores.
    pub cores: u32,
    /// Bytes of memory in all.
    pub memory: u64,
    /// Bytes of memory that a run may take.
    pub room: u64,
    /// The limit of the node, in the unit of the score, if it was measured.
    pub peak: Option<f64>,
    /// Of sizes near which something was run there lately: the size, and the score to be expected.
    pub history: Vec<(f64, f64)>,
}

impl Site {
    /// The score to be expected where no earlier run tells it, as estimates have it.
    #[must_use]
    pub fn expected(&self) -> Option<f64> {
        self.peak.map(|peak| EFFICIENCY * peak)
    }
}

/// The node that is asked for; else the one that a prediction would be made for. None if there is none.
///
/// # Errors
/// Of the database.
pub async fn site(app: &App, node: Option<&NodeId>, benchmark: &Benchmark, sizes: &[f64]) -> Result<Option<Site>> {
    let conn = &mut *app.db.read().await?;
    let all = Nodes::load(app, conn).await?;
    let needs = Needs { node: node.map(ToString::to_string), ..Needs::default() };
    let Some(seen) = all.best_for(&needs) else { return Ok(None) };
    let row = nodes::get(conn, seen.key).await?;
    let mut history = vec![];
    for &size in sizes {
        if let Some(score) = results::recent_rate(conn, row.key, benchmark.name, size).await? {
            history.push((size, score));
        }
    }
    Ok(Some(Site {
        node: node_ref(&row)?,
        cores: row.cores,
        memory: row.memory,
        room: seen.offer.memory.min(schedule::capacity(row.memory)),
        peak: row.peak(benchmark),
        history,
    }))
}

/// The node of that name, of several the one that was heard of last. None if there is none.
///
/// # Errors
/// Of the database.
pub async fn node_called(app: &App, name: &str) -> Result<Option<NodeId>> {
    let all = Nodes::load(app, &mut *app.db.read().await?).await?;
    let called = all.all.iter().filter(|node| node.name == name).max_by_key(|node| (node.seen_at, node.key));
    called.map(|node| node.offer.node.parse().map_err(Error::internal)).transpose()
}
