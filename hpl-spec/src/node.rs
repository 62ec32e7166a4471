//! What a node is: the answer of `xhpl describe`.

use serde::{Deserialize, Serialize};

use crate::json_f64;

/// One node, as its own operating system and hwloc see it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NodeInfo {
    /// Name of the host.
    pub hostname: String,
    /// Operating system, e.g. `Debian GNU/Linux 13`.
    pub os: String,
    /// Release of the operating system's kernel, e.g. `6.12.4`.
    pub kernel_release: String,
    /// CPU model, e.g. `AMD EPYC 9654 96-Core Processor`.
    pub cpu_model: String,
    /// Sockets.
    pub packages: usize,
    /// Physical cores of all packages.
    pub cores: usize,
    /// Processing units (hardware threads) of all cores.
    pub pus: usize,
    /// NUMA nodes.
    pub numa_nodes: usize,
    /// The caches above the first core, nearest first.
    pub caches: Vec<Cache>,
    /// Memory in bytes; already lowered to the limit of a cgroup.
    pub memory_total: u64,
    /// Memory in bytes that a program may still take; already lowered to the
    /// limit of a cgroup.
    pub memory_available: u64,
    /// The state of transparent huge pages, e.g. `madvise`.
    pub huge_pages: String,
    /// The kernel that was chosen.
    pub kernel: String,
    /// All kernels that run here.
    pub kernels: Vec<String>,
    /// The FMA peak of this node. None unless it was measured.
    pub peak: Option<Peak>,
    /// The program that looked.
    pub program: String,
    /// Its version.
    pub version: String,
}

/// What a cache holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum CacheKind {
    /// Data only.
    Data,
    /// Instructions only.
    Instruction,
    /// Both.
    Unified,
}

/// One kind of cache on one level. Where the cores differ, the smallest speaks for all: what fits there
/// fits everywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Cache {
    /// 1 is the nearest to the core.
    pub level: u8,
    /// What it holds.
    pub kind: CacheKind,
    /// Size in bytes.
    pub bytes: u64,
    /// Length of a line in bytes; 0 if unknown.
    pub line: u32,
    /// Associativity; 0 if unknown.
    pub ways: u32,
    /// How many cores (not PUs) share one such cache; 1 for a core's own.
    pub shared_by: usize,
}

/// What a loop of independent fused multiply-adds reaches on all cores at once: the only "peak" that
/// rates are divided by.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Peak {
    /// Gflop/s of all cores used together.
    #[serde(with = "json_f64")]
    pub gflops: f64,
    /// Cores used.
    pub cores: usize,
    /// How long was measured, in seconds.
    #[serde(with = "json_f64")]
    pub seconds: f64,
}
