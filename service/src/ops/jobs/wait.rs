//! Why a job waits, in words.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hpl_spec::api::jobs::{QuotaLeft, Waits};
use hpl_spec::job::JobState;

use super::queue::Forecast;
use super::{eta_left, queue};
use crate::app::App;
use crate::db::forecast::Line;
use crate::db::jobs::JobRow;
use crate::db::nodes::{self, Seen};
use crate::db::{self, Conn, Db, quotas};
use crate::error::Result;
use crate::schedule::{Needs, gib};

/// A node that was not heard of for so long, in milliseconds, counts as away.
const AWAY: i64 = 5 * 60 * 1000;
// These three were chosen by reasoning: reading a node costs microseconds, so that few are read within a millisecond, and
// a large fleet takes a reader a fiftieth of its time. The submissions of `cargo bench -p benches --bench load`, which has
// 10,000 nodes, would show another choice.
/// A fleet of more nodes than this is not looked at anew for every question...
const FEW_NODES: usize = 256;
/// ...but when the last look is so old, ...
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// ...and so many times as old as it took.
const SHARE: u32 = 50;

/// A forecast that is out of date is still told for so long, while somebody makes another one.
const OVERLAP: Duration = Duration::from_secs(10);

/// A forecast, and until when it is good enough.
type Kept = (Instant, Arc<Forecast>);

/// What was last seen of a large fleet. Only predictions and explanations rest on it: who gets which job is decided by
/// the database alone.
#[derive(Debug, Default, Clone)]
pub struct Fleet {
    last: Arc<Mutex<Look>>,
    /// Held by who looks while others have to wait for it.
    looking: Arc<tokio::sync::Mutex<()>>,
    /// What a long queue was last seen to come to, and until when that is good enough.
    forecast: Arc<Mutex<Option<Kept>>>,
    /// Held by who makes another one of a long queue.
    foreseeing: Arc<tokio::sync::Mutex<()>>,
}

/// Whether a forecast has to be made.
pub(super) enum Known {
    /// No: it is good enough.
    Fresh(Arc<Forecast>),
    /// It is, by whoever comes first; this one serves all others.
    Old(Arc<Forecast>),
    /// It is, and there is none to tell meanwhile.
    Nothing,
}

#[derive(Debug, Default)]
struct Look {
    nodes: Arc<[Seen]>,
    /// When the next one is due; None before the first.
    next: Option<Instant>,
}

impl Fleet {
    /// The nodes there are. Of a large fleet, as it was some seconds ago: whoever asks when a look is due starts it, and
    /// nobody waits for it but those who come before the first.
    async fn look(&self, db: &Db, conn: &mut Conn) -> Result<Arc<[Seen]>> {
        if let Some(nodes) = self.remembered(db) {
            return Ok(nodes);
        }
        let _one_by_one = self.looking.lock().await;
        match self.remembered(db) {
            Some(nodes) => Ok(nodes),
            None => self.look_now(conn).await,
        }
    }

    fn remembered(&self, db: &Db) -> Option<Arc<[Seen]>> {
        let mut last = self.last();
        let next = last.next.filter(|_| last.nodes.len() > FEW_NODES)?;
        if Instant::now() >= next {
            last.next = Some(Instant::now() + LOOK_EVERY);
            tokio::spawn(self.clone().look_again(db.clone()));
        }
        Some(last.nodes.clone())
    }

    /// A panic elsewhere leaves it usable: every change is one assignment.
    fn last(&self) -> MutexGuard<'_, Look> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The last forecast.
    pub(super) fn known(&self) -> Known {
        let last = self.forecast.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        match last.as_ref() {
            Some((until, forecast)) if now < *until => Known::Fresh(forecast.clone()),
            Some((until, forecast)) if now < *until + OVERLAP => Known::Old(forecast.clone()),
            _ => Known::Nothing,
        }
    }

    /// The turn to make a forecast of a long queue: one at a time, however many ask.
    pub(super) fn foreseeing(&self) -> &tokio::sync::Mutex<()> {
        &self.foreseeing
    }

    /// Keeps a forecast that was begun at `began`, if making it took some trouble.
    pub(super) fn keep(&self, forecast: &Arc<Forecast>, began: Instant) {
        if forecast.jobs.len() + forecast.nodes.all.len() > FEW_NODES {
            let until = Instant::now() + LOOK_EVERY.max(SHARE * began.elapsed());
            *self.forecast.lock().unwrap_or_else(PoisonError::into_inner) = Some((until, forecast.clone()));
        }
    }

    async fn look_now(&self, conn: &mut Conn) -> Result<Arc<[Seen]>> {
        let began = Instant::now();
        let nodes: Arc<[Seen]> = nodes::fleet(conn).await?.into();
        let next = Some(Instant::now() + LOOK_EVERY.max(SHARE * began.elapsed()));
        *self.last() = Look { nodes: nodes.clone(), next };
        Ok(nodes)
    }

    async fn look_again(self, db: Db) {
        let looked = match db.read().await {
            Ok(mut conn) => self.look_now(&mut conn).await.map(drop),
            Err(why) => Err(why),
        };
        if let Err(why) = looked {
            tracing::warn!(%why, "the nodes could not be looked at; what is told of them is old");
        }
    }
}

/// The nodes there are.
#[derive(Debug)]
pub(super) struct Nodes {
    pub(super) all: Arc<[Seen]>,
    now: i64,
}

impl Nodes {
    pub(super) async fn load(app: &App, conn: &mut Conn) -> Result<Nodes> {
        Ok(Nodes { all: app.fleet.look(&app.db, conn).await?, now: app.clock.now() })
    }

    fn is_here(&self, node: &Seen) -> bool {
        node.busy || self.now - node.seen_at < AWAY
    }

    pub(super) fn takes_jobs(&self, node: &Seen) -> bool {
        self.is_here(node) && !node.draining && !node.unwell
    }

    /// The node that a prediction is made for: one that fits; of those one that is here and free, then the largest.
    pub(super) fn best_for(&self, needs: &Needs) -> Option<&Seen> {
        let free = |n: &&Seen| self.takes_jobs(n) && !n.busy;
        let fitting = self.all.iter().filter(|n| n.offer.fits(needs).is_ok());
        fitting.max_by_key(|n| (self.is_here(n), free(n), n.offer.cores, n.offer.memory))
    }
}

fn waits(code: &str, why: String, position: Option<u32>) -> Option<Waits> {
    Some(Waits { code: code.into(), why, position, starts: None })
}

/// Why a job with these needs would wait.
pub(super) fn why_it_would_wait(nodes: &Nodes, needs: &Needs, quota: &QuotaLeft, position: u32) -> Option<Waits> {
    if quota.running >= quota.running_max {
        let (running, runs) = (quota.running, if quota.running == 1 { "run" } else { "runs" });
        let why = format!("this account has {running} {runs} under way and may have {} at a time", quota.running_max);
        return waits("quota_running", why, Some(position));
    }
    let (fitting, others): (Vec<_>, Vec<_>) = nodes.all.iter().partition(|n| n.offer.fits(needs).is_ok());
    if fitting.is_empty() {
        let why = match others.first() {
            None => "no node has joined yet".to_owned(),
            Some(node) => {
                let reason = node.offer.fits(needs).err().unwrap_or_default();
                match others.len() {
                    1 => format!("the only node, {}, does not fit: {reason}", node.name),
                    all => format!("none of {all} nodes fits; {}, for one: {reason}", node.name),
                }
            }
        };
        return waits("no_node_fits", why, None);
    }
    let here: Vec<_> = fitting.iter().filter(|n| nodes.takes_jobs(n)).collect();
    if here.is_empty() {
        return waits("nodes_busy", why_none_takes_jobs(nodes, &fitting), Some(position));
    }
    let avoided = |n: &Seen| needs.avoid.as_ref() == Some(&n.offer.node) && needs.node.as_ref() != Some(&n.offer.node);
    if here.iter().all(|n| avoided(n)) {
        let why = "the last try failed on the only node it fits on, which gets it again after five minutes";
        return waits("avoids_node", why.into(), Some(position));
    }
    let Some(free) = here.iter().filter(|n| !n.busy && !avoided(n)).max_by_key(|n| n.memory_available) else {
        let busy = match here.len() {
            1 => "the node it fits on is busy".to_owned(),
            nodes => format!("all {nodes} nodes it fits on are busy"),
        };
        let why = format!("{busy}; {}", before(position));
        return waits("nodes_busy", why, Some(position));
    };
    if free.memory_available < needs.memory {
        let (has, wants) = (gib(free.memory_available), gib(needs.memory));
        let why = format!("of the free nodes, {} has most memory to give: {has} now; it needs {wants}", free.name);
        return waits("memory_taken", why, Some(position));
    }
    waits("next", before(position), Some(position))
}

/// How many jobs go first.
fn before(position: u32) -> String {
    match position {
        0 => "it is next".to_owned(),
        1 => "1 job is before it".to_owned(),
        jobs => format!("{jobs} jobs are before it"),
    }
}

/// Why none of the nodes that a job fits on takes jobs now.
fn why_none_takes_jobs(nodes: &Nodes, fitting: &[&Seen]) -> String {
    let count = |is: &dyn Fn(&Seen) -> bool| fitting.iter().filter(|n| is(n)).count();
    let reasons = [
        (count(&|n| !nodes.is_here(n)), "not heard of in the last minutes"),
        (count(&|n| nodes.is_here(n) && n.draining), "drained by an administrator"),
        (count(&|n| nodes.is_here(n) && !n.draining && n.unwell), "not well, by its own account"),
    ];
    let some = reasons.iter().filter(|(number, _)| *number > 0);
    if fitting.len() == 1 {
        let why = some.map(|(_, what)| *what).collect::<Vec<_>>().join(", ");
        return format!("the only node it fits on takes no jobs now: {why}");
    }
    let some = some.map(|(number, what)| format!("{number} {what}"));
    format!("none of the {} nodes it fits on takes jobs now: {}", fitting.len(), some.collect::<Vec<_>>().join(", "))
}

/// What an owner has left of the runs that may be under way at once.
fn runs_left(line: Option<&Line>, running_max: u32) -> QuotaLeft {
    QuotaLeft {
        running_max: line.map_or(running_max, |line| line.running_max),
        running: line.map_or(0, |line| line.running),
        queued_max: 0,
        queued: 0,
        walltime_max_s: 0,
        recent_node_hours: 0.0,
    }
}

/// Why a job waits that stands at `position`; None if it does not.
pub(super) fn why(nodes: &Nodes, job: &JobRow, line: Option<&Line>, running_max: u32, position: u32) -> Option<Waits> {
    match job.state {
        JobState::Held if job.hold == "sweep" => {
            waits("sweep_turn", "the runs of a sweep go one by one; another one has its turn".into(), None)
        }
        JobState::Held => waits("held", format!("it is held by the {}", job.hold), None),
        JobState::Queued if job.not_before > nodes.now => {
            let seconds = (job.not_before - nodes.now + 999) / 1000;
            waits("not_before", format!("the last try failed; the next may start in {seconds} s"), None)
        }
        JobState::Queued => why_it_would_wait(nodes, &job.needs, &runs_left(line, running_max), position),
        _ => None,
    }
}

/// Why the start of a job that has no place cannot be told.
pub(super) fn why_no_start(waits: &Waits) -> &'static str {
    match waits.code.as_str() {
        "sweep_turn" => "it begins after the runs of its sweep that come before it",
        "held" => "somebody has to release it",
        "no_node_fits" => "no node fits",
        "memory_taken" => "other programs hold the memory of the nodes that are free",
        "nodes_busy" | "avoids_node" => "no node that it fits on takes jobs now",
        _ => "too many jobs are before it",
    }
}

/// Why a job waits and when it starts; None if it does not wait.
pub(super) async fn why_it_waits(app: &App, conn: &mut Conn, job: &JobRow) -> Result<Option<Waits>> {
    if !matches!(job.state, JobState::Held | JobState::Queued) {
        return Ok(None);
    }
    let forecast = queue::forecast(app, conn).await?;
    let place = forecast.place_of(job.key);
    let position = match place {
        Some((position, _)) => position,
        None => db::queue::position(conn, job.owner, Some(job.key)).await?,
    };
    let running_max = quotas::of(conn, job.owner, &app.config).await?.running_max;
    let (share, running) = db::queue::line(conn, job.owner).await?;
    let line = Line { share, running, running_max };
    let nodes = Nodes::load(app, conn).await?;
    let mut waits = why(&nodes, job, Some(&line), running_max, position);
    if let Some(waits) = &mut waits {
        let starts = place.filter(|_| waits.code != "no_node_fits").map(|(_, starts)| starts);
        waits.starts = Some(match starts {
            Some(starts) => eta_left::expected(starts, forecast.now),
            None => eta_left::unknown(why_no_start(waits)),
        });
    }
    Ok(waits)
}
