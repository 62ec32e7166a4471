//! Looking at nodes.

use hpl_spec::id::NodeId;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::db::{attempts, nodes};
use crate::error::{Error, Result};

/// A node as everybody may see it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct NodeView {
    /// Its id.
    pub id: NodeId,
    /// Its name.
    pub name: String,
    /// Its CPU model.
    pub kind: String,
    /// Physical cores.
    pub cores: u32,
    /// Bytes of memory.
    pub memory: u64,
    /// Labels that jobs can ask for.
    pub labels: Vec<String>,
    /// Gflop/s of all cores in a loop of nothing but fused multiply-adds, if it was measured.
    pub peak_gflops: Option<f64>,
    /// Whether its results can be Verified.
    pub trusted: bool,
    /// Whether it has a job.
    pub busy: bool,
    /// Whether it takes no more jobs.
    pub draining: bool,
    /// Its own reasons not to get a job, when it last asked for one; empty if it was well.
    pub unhealthy: Vec<String>,
    /// When it was last heard of between jobs, milliseconds since the epoch.
    pub seen_at: i64,
}

/// All nodes, the one heard of last first; at most 1000.
///
/// # Errors
/// Of the database.
pub async fn list(app: &App) -> Result<Vec<NodeView>> {
    let conn = &mut *app.db.read().await?;
    let busy = attempts::busy_nodes(conn).await?;
    let rows = nodes::list(conn, 1000).await?;
    let view = |row: nodes::NodeRow| {
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
    };
    rows.into_iter().map(view).collect()
}
