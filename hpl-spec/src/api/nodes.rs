//! What the service says to people about nodes.

use serde::{Deserialize, Serialize};

use crate::id::NodeId;

/// A node as everybody may see it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
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
