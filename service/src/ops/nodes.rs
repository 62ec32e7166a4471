//! Looking at nodes.

use std::collections::HashSet;

pub use hpl_spec::api::nodes::NodeView;
use hpl_spec::id::NodeId;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::app::App;
use crate::db::{attempts, nodes};
use crate::error::{Error, Result};

/// The most nodes that are told at once.
pub const MOST: u32 = 1000;

/// Which part of the nodes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct NodeQuery {
    /// How many: 1 to 1000, 1000 if not said.
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
    /// How many are left out before them.
    pub offset: Option<u32>,
}

/// The nodes, the one heard of last first.
///
/// # Errors
/// Of the database; a limit that is not 1 to 1000.
pub async fn list(app: &App, which: NodeQuery) -> Result<Vec<NodeView>> {
    let limit = which.limit.unwrap_or(MOST);
    if !(1..=MOST).contains(&limit) {
        return Err(Error::field("limit", format!("found {limit}; expected 1 to {MOST}")));
    }
    let conn = &mut *app.db.read().await?;
    let busy = attempts::busy_nodes(conn).await?;
    let rows = nodes::list(conn, limit, which.offset.unwrap_or(0)).await?;
    rows.into_iter().map(|row| view(row, &busy)).collect()
}

/// The node of that id, if there is one and it was not revoked.
///
/// # Errors
/// Of the database.
pub async fn find(app: &App, id: &NodeId) -> Result<Option<NodeView>> {
    let conn = &mut *app.db.read().await?;
    let Some(row) = nodes::find(conn, id.as_str()).await?.filter(|row| !row.revoked) else { return Ok(None) };
    let busy = attempts::busy_nodes(conn).await?;
    view(row, &busy).map(Some)
}

/// How large nodes are.
#[derive(Debug, Default)]
pub struct Largest {
    /// The node with the most memory: its name, and bytes.
    pub roomiest: Option<(String, u64)>,
    /// The most physical cores of a node; 0 without nodes.
    pub most_cores: u32,
}

/// How large the nodes are that were not revoked.
///
/// # Errors
/// Of the database.
pub async fn largest(app: &App) -> Result<Largest> {
    let conn = &mut *app.db.read().await?;
    Ok(Largest { roomiest: nodes::roomiest(conn).await?, most_cores: nodes::most_cores(conn).await? })
}

/// The nodes with the highest measured peaks, at most `limit`, the highest first.
///
/// # Errors
/// Of the database.
pub async fn fastest(app: &App, limit: u32) -> Result<Vec<NodeView>> {
    let conn = &mut *app.db.read().await?;
    let busy = attempts::busy_nodes(conn).await?;
    nodes::fastest(conn, limit).await?.into_iter().map(|row| view(row, &busy)).collect()
}

fn view(row: nodes::NodeRow, busy: &HashSet<i64>) -> Result<NodeView> {
    Ok(NodeView {
        id: row.id.parse().map_err(Error::internal)?,
        name: row.name,
        kind: row.info.as_ref().map(|i| i.cpu_model.clone()).unwrap_or_default(),
        cores: row.cores,
        memory: row.memory,
        labels: row.labels,
        peak_gflops: row.info.as_ref().and_then(|i| i.peak).map(|p| p.gflops),
        trusted: row.trusted,
        busy: busy.contains(&row.key),
        draining: row.draining,
        unhealthy: row.unhealthy,
        seen_at: row.seen_at,
    })
}
