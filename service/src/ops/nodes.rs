//! Looking at nodes.

pub use hpl_spec::api::nodes::NodeView;

use crate::app::App;
use crate::db::{attempts, nodes};
use crate::error::{Error, Result};

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
