//! What operators and the service say to each other about nodes, join strings, quotas and invitations.

use serde::{Deserialize, Serialize};

use crate::id::NodeId;

/// A node as its operator sees it, revoked ones included.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct OperatorNode {
    /// Its id.
    pub id: NodeId,
    /// Its name, which others may have too.
    pub name: String,
    /// Labels that jobs can ask for.
    pub labels: Vec<String>,
    /// Whether its results can be Verified.
    pub trusted: bool,
    /// The CPU model.
    pub kind: String,
    /// Physical cores.
    pub cores: u32,
    /// Bytes of memory.
    pub memory: u64,
    /// The version of its daemon.
    pub version: String,
    /// Whether it gets no new jobs.
    pub draining: bool,
    /// Whether it has a job.
    pub busy: bool,
    /// Its own reasons not to get a job, when it last asked for one; empty if it was well.
    pub unhealthy: Vec<String>,
    /// When it was last heard of between jobs, milliseconds since the epoch.
    pub seen_at: i64,
    /// When it was revoked, if it was.
    pub revoked_at: Option<i64>,
}

/// A text by which nodes join is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct JoinTokenRequest {
    /// Labels of the nodes: at most 16 of 1 to 32 of a-z, 0-9, ., _ and -.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(max_items = 16))]
    pub labels: Vec<String>,
    /// Whether results of these nodes can be Verified.
    #[serde(default)]
    pub trusted: bool,
    /// How many nodes may join by it, 1 to 10000; left out: 1.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 10000))]
    pub nodes: Option<u32>,
    /// After how many minutes it ends, 1 to 525600; left out: 15.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 525600))]
    pub minutes: Option<u32>,
}

/// A new text by which nodes join.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NewJoinToken {
    /// What `hpl-node join` takes. It is shown this once.
    pub join_string: String,
    /// What is known about it from now on.
    pub info: JoinTokenInfo,
}

/// What is known about a join token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct JoinTokenInfo {
    /// Its number, by which it can be revoked; it opens nothing.
    pub id: i64,
    /// How many nodes may still join by it.
    pub nodes_left: u32,
    /// Whether results of its nodes can be Verified.
    pub trusted: bool,
    /// Labels of its nodes.
    pub labels: Vec<String>,
    /// When it ends, milliseconds since the epoch.
    pub expires_at: i64,
    /// Who made it: a username or `console`.
    pub created_by: String,
}

/// What is set for a user or a cohort.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct QuotaSet {
    /// `user:NAME` or `cohort:NAME`.
    pub subject: String,
    /// Runs at the same time; none: as the cohort or the service has it.
    pub running_max: Option<u32>,
    /// Waiting jobs and sweeps; none: as the cohort or the service has it.
    pub queued_max: Option<u32>,
    /// The longest walltime of a job in seconds; none: as the cohort or the service has it.
    pub walltime_max_s: Option<u32>,
    /// When it was set, milliseconds since the epoch.
    pub changed_at: i64,
}

/// What is known about an invitation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct InviteInfo {
    /// Its number, by which it can be revoked; it opens nothing.
    pub id: i64,
    /// How many accounts it is still good for.
    pub uses_left: u32,
    /// The cohort of those accounts, or nothing.
    pub cohort: String,
    /// Who made it: a username or `console`.
    pub created_by: String,
    /// When it ends, milliseconds since the epoch.
    pub expires_at: i64,
}
