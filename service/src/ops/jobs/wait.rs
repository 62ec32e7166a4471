//! Why a job waits, in words.

use std::collections::HashSet;

use hpl_spec::api::jobs::{QuotaLeft, Waits};
use hpl_spec::job::JobState;

use super::prepare::capacity;
use crate::app::App;
use crate::db::jobs::JobRow;
use crate::db::nodes::{self, NodeRow};
use crate::db::{Conn, attempts, queue, quotas};
use crate::error::Result;
use crate::schedule::{Needs, Offer};

/// A node that was not heard of for so long, in milliseconds, counts as away.
const AWAY: i64 = 5 * 60 * 1000;
/// Nodes that are looked at, those heard of last.
const MOST_NODES: u32 = 1000;

/// The nodes there are, and which of them are busy.
pub(super) struct Nodes {
    pub(super) all: Vec<NodeRow>,
    busy: HashSet<i64>,
    now: i64,
}

impl Nodes {
    pub(super) async fn load(conn: &mut Conn, now: i64) -> Result<Nodes> {
        let mut all = nodes::list(conn, MOST_NODES).await?;
        // A node that has joined and not said hello has not said what it is.
        all.retain(|n| n.info.is_some());
        Ok(Nodes { busy: attempts::busy_nodes(conn).await?, all, now })
    }

    /// Whether a job fits on a node if the node has nothing else to do.
    fn fits(node: &NodeRow, needs: &Needs) -> Result<(), String> {
        Offer { memory: capacity(node), ..node.offer() }.fits(needs)
    }

    fn is_here(&self, node: &NodeRow) -> bool {
        self.busy.contains(&node.key) || self.now - node.seen_at < AWAY
    }

    /// The node that a prediction is made for: one that fits; of those one that is here and free, then the largest.
    pub(super) fn best_for(&self, needs: &Needs) -> Option<&NodeRow> {
        let free = |n: &&NodeRow| self.is_here(n) && !self.busy.contains(&n.key) && !n.draining;
        let fitting = self.all.iter().filter(|n| Nodes::fits(n, needs).is_ok());
        fitting.max_by_key(|n| (self.is_here(n), free(n), n.cores, n.memory))
    }
}

fn waits(code: &str, why: String, position: Option<u32>) -> Option<Waits> {
    Some(Waits { code: code.into(), why, position })
}

/// Why a job with these needs would wait.
pub(super) fn why_it_would_wait(nodes: &Nodes, needs: &Needs, quota: &QuotaLeft, position: u32) -> Option<Waits> {
    if quota.running >= quota.running_max {
        let why = format!("{} of your runs are under way, {} may be at once", quota.running, quota.running_max);
        return waits("quota_running", why, Some(position));
    }
    let (fitting, others): (Vec<_>, Vec<_>) = nodes.all.iter().partition(|n| Nodes::fits(n, needs).is_ok());
    if fitting.is_empty() {
        let why = match others.first() {
            None => "no node has joined yet".to_owned(),
            Some(node) => {
                let reason = Nodes::fits(node, needs).err().unwrap_or_default();
                format!("none of {} nodes fits; {}, for one: {reason}", others.len(), node.name)
            }
        };
        return waits("no_node_fits", why, None);
    }
    let here = fitting.iter().filter(|n| nodes.is_here(n) && !n.draining).count();
    let busy = fitting.iter().filter(|n| nodes.busy.contains(&n.key) && !n.draining).count();
    if here == 0 {
        let why = format!("of the {} nodes it fits on none was heard of in the last minutes", fitting.len());
        return waits("nodes_busy", why, Some(position));
    }
    if busy == here {
        let why = format!("all {here} nodes it fits on are busy; {position} jobs are before it");
        return waits("nodes_busy", why, Some(position));
    }
    waits("next", format!("{position} jobs are before it"), Some(position))
}

/// Why a job waits; None if it does not.
pub(super) async fn why_it_waits(app: &App, conn: &mut Conn, job: &JobRow) -> Result<Option<Waits>> {
    let now = app.clock.now();
    match job.state {
        JobState::Held if job.hold == "sweep" => {
            Ok(waits("sweep_turn", "the runs of a sweep go one by one; another one has its turn".into(), None))
        }
        JobState::Held => Ok(waits("held", format!("it is held by the {}", job.hold), None)),
        JobState::Queued if job.not_before > now => {
            let seconds = (job.not_before - now + 999) / 1000;
            Ok(waits("not_before", format!("the last try failed; the next may start in {seconds} s"), None))
        }
        JobState::Queued => {
            let quota = quotas::of(conn, job.owner, &app.config).await?;
            let (_, running) = queue::line(conn, job.owner).await?;
            let left = QuotaLeft {
                running_max: quota.running_max,
                running,
                queued_max: quota.queued_max,
                queued: 0,
                walltime_max_s: quota.walltime_max_s,
                recent_node_hours: 0.0,
            };
            let nodes = Nodes::load(conn, now).await?;
            let position = queue::position(conn, job.owner, Some(job.key)).await?;
            Ok(why_it_would_wait(&nodes, &job.needs, &left, position))
        }
        _ => Ok(None),
    }
}
