//! The queue as a whole: what runs where, what waits, in which order it goes on and when.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use hpl_spec::api::jobs::NodeRef;
use hpl_spec::api::queue::{Queue, QueuedJob, RunningJob, WaitingJob};
use hpl_spec::job::{JobState, Progress};

use super::eta::{self, JobNow, NodeNow, OwnerNow, Place};
use super::eta_left::{self, Left, Run};
use super::visible;
use super::wait::{self, Known, Nodes};
use crate::app::App;
use crate::db::forecast::{self, Line, Which};
use crate::db::jobs::JobRow;
use crate::db::queue::AVOID;
use crate::db::{Conn, events};
use crate::error::{Error, Result};
use crate::http::caller::{Caller, Scope};

/// Waiting jobs that are looked at: what comes after them is too far off to be told.
const AHEAD: u32 = 500;
/// Runs that are looked at.
const RUNS: u32 = 2000;
/// Rows of each list that are shown.
const SHOWN: usize = 200;

/// What the queue comes to, seen from `now`.
#[derive(Debug)]
pub struct Forecast {
    pub(super) now: i64,
    /// What waits for a node, the oldest first.
    pub(super) jobs: Vec<JobRow>,
    /// What nodes have, and for how long.
    runs: Vec<(JobRow, Left)>,
    /// Places in the order in which nodes are given the jobs.
    places: Vec<Place>,
    lines: BTreeMap<i64, Line>,
    pub(super) nodes: Nodes,
}

impl Forecast {
    /// How many jobs are given to nodes before that one, and when it starts; None where it has no place.
    pub(super) fn place_of(&self, key: i64) -> Option<(u32, &Left)> {
        let place = self.places.iter().position(|place| self.jobs[place.job].key == key)?;
        Some((u32::try_from(place).unwrap_or(u32::MAX), &self.places[place].starts))
    }
}

/// The forecast of now, or of a moment ago where it takes some trouble to make. Of a long queue one is made at a time:
/// readers are few, and all who look at the queue look at the same.
pub(super) async fn forecast(app: &App, conn: &mut Conn) -> Result<Arc<Forecast>> {
    let turn = app.fleet.foreseeing().try_lock();
    match app.fleet.known() {
        Known::Fresh(forecast) => Ok(forecast),
        Known::Old(forecast) if turn.is_err() => Ok(forecast),
        // Where there is none to tell meanwhile, all make one who have a connection to read with; those are few.
        Known::Old(_) | Known::Nothing => make(app, conn).await,
    }
}

async fn make(app: &App, conn: &mut Conn) -> Result<Arc<Forecast>> {
    let (began, now) = (Instant::now(), app.clock.now());
    let jobs = forecast::jobs(conn, Which::Waiting, AHEAD).await?;
    let runs = forecast::jobs(conn, Which::Running, RUNS).await?;
    let nodes = Nodes::load(app, conn).await?;
    let mut owners: Vec<i64> = jobs.iter().chain(&runs).map(|job| job.owner).collect();
    owners.sort_unstable();
    owners.dedup();
    let lines = forecast::lines(conn, &owners, app.config.running_max).await?;
    let runs: Vec<(JobRow, Left)> =
        runs.into_iter().map(|job| (left_of(&job, now), job)).map(|(l, j)| (j, l)).collect();
    let on: BTreeMap<&str, &(JobRow, Left)> =
        runs.iter().filter_map(|run| Some((run.0.latest.as_ref()?.node.as_str(), run))).collect();
    let nodes_now: Vec<NodeNow> = nodes
        .all
        .iter()
        .map(|node| NodeNow {
            offer: node.offer.clone(),
            memory_now: node.memory_available,
            takes: nodes.takes_jobs(node),
            busy: on.get(node.offer.node.as_str()).map(|(job, left)| (job.owner, left.clone())),
        })
        .collect();
    let jobs_now: Vec<JobNow> = jobs.iter().map(|job| job_now(job, now)).collect();
    let owner = |line: &Line| OwnerNow { share: line.share, running: line.running, running_max: line.running_max };
    let owners = lines.iter().map(|(key, line)| (*key, owner(line))).collect();
    // A long queue takes some hundredths of a second: not for the threads that serve.
    let play = move || eta::forecast(now, &nodes_now, &owners, &jobs_now);
    let places = tokio::task::spawn_blocking(play).await.map_err(Error::internal)?;
    let made = Arc::new(Forecast { now, jobs, runs, places, lines, nodes });
    app.fleet.keep(&made, began);
    Ok(made)
}

fn job_now(job: &JobRow, now: i64) -> JobNow {
    let seconds = |at: i64| (at.saturating_sub(now)).max(0) as f64 / 1000.0;
    JobNow {
        owner: job.owner,
        needs: job.needs.clone(),
        express: job.express,
        not_before: seconds(job.not_before),
        avoids_for: if job.needs.avoid.is_some() { seconds(job.state_at + AVOID) } else { 0.0 },
        run: eta_left::whole(job.estimate_s, job.walltime_s),
    }
}

fn progress_of(job: &JobRow) -> Option<Progress> {
    job.latest.as_ref().and_then(|latest| serde_json::from_str(latest.progress.as_deref()?).ok())
}

/// How long a node still has a job.
fn left_of(job: &JobRow, now: i64) -> Left {
    let latest = job.latest.as_ref();
    let started = latest.and_then(|latest| latest.started_at);
    eta_left::left(&Run {
        state: job.state,
        node: latest.map_or("its node", |latest| latest.node_name.as_str()),
        ran_s: started.map(|at| (now - at) as f64 / 1000.0),
        progress: progress_of(job),
        estimate_s: job.estimate_s,
        walltime_s: job.walltime_s,
    })
}

/// The queue as `caller` may see it.
///
/// # Errors
/// Of the database.
pub async fn queue(app: &App, caller: &Caller) -> Result<Queue> {
    let conn = &mut *app.db.snapshot().await?;
    let forecast = forecast(app, conn).await?;
    let held = forecast::jobs(conn, Which::Held, SHOWN as u32).await?;
    let counts = events::jobs_by_state(conn).await?;
    let count = |of: JobState| counts.iter().find(|(state, _)| *state == of).map_or(0, |(_, number)| *number);
    let all = u64::try_from(count(JobState::Queued) + count(JobState::Held)).unwrap_or(0);

    let mut waiting = vec![];
    for (position, place) in (0..).zip(&forecast.places).take(SHOWN) {
        let job = &forecast.jobs[place.job];
        waiting.extend(row(app, caller, &forecast, job, Some((position, &place.starts))));
    }
    let placed: BTreeSet<usize> = forecast.places.iter().map(|place| place.job).collect();
    let others = forecast.jobs.iter().enumerate().filter(|(n, _)| !placed.contains(n)).map(|(_, job)| job);
    // Those beyond what was looked at have no reason that could be told.
    for job in others.chain(&held).take(SHOWN.saturating_sub(waiting.len())) {
        let mut found = row(app, caller, &forecast, job, None);
        let sweep = job.sweep.as_ref().filter(|_| job.hold == "sweep" && visible(caller, job));
        if let (Some(found), Some(sweep)) = (&mut found, sweep) {
            found.sweep = sweep.parse().ok();
            found.more_of_sweep = forecast::held_of_sweep(conn, sweep).await?.saturating_sub(1);
        }
        waiting.extend(found);
    }
    let told = waiting.iter().map(|row| 1 + u64::from(row.more_of_sweep)).sum::<u64>();
    let mut running: Vec<RunningJob> = forecast
        .runs
        .iter()
        .take(SHOWN)
        .map(|(job, left)| running(caller, &forecast, job, left))
        .collect::<Result<_>>()?;
    running.sort_by_key(|run| run.started_at.unwrap_or(i64::MAX));
    Ok(Queue { now: forecast.now, running, waiting, more: all.saturating_sub(told) })
}

fn queued(caller: &Caller, job: &JobRow) -> QueuedJob {
    let seen = visible(caller, job);
    let own = caller.user.as_ref().is_some_and(|user| user.key == job.owner && user.may(Scope::Read));
    let name = if job.title.is_empty() { &job.label } else { &job.title };
    QueuedJob {
        id: job.id.parse().ok().filter(|_| seen),
        owner: seen.then(|| job.owner_name.clone()),
        name: seen.then(|| name.clone()),
        benchmark: seen.then(|| job.benchmark.clone()),
        state: job.state,
        own,
    }
}

fn running(caller: &Caller, forecast: &Forecast, job: &JobRow, left: &Left) -> Result<RunningJob> {
    let latest = job.latest.as_ref().ok_or_else(|| Error::internal("a job runs without an attempt"))?;
    Ok(RunningJob {
        job: queued(caller, job),
        node: NodeRef { id: latest.node.parse().map_err(Error::internal)?, name: latest.node_name.clone() },
        started_at: latest.started_at,
        progress: progress_of(job).filter(|_| visible(caller, job)),
        ends: eta_left::expected(left, forecast.now),
    })
}

/// A row of what waits; None if the job waits no longer.
fn row(
    app: &App,
    caller: &Caller,
    forecast: &Forecast,
    job: &JobRow,
    place: Option<(u32, &Left)>,
) -> Option<WaitingJob> {
    let line = forecast.lines.get(&job.owner);
    let position = place.map_or(0, |(position, _)| position);
    let mut waits = wait::why(&forecast.nodes, job, line, app.config.running_max, position)?;
    waits.starts = Some(match place {
        Some((_, starts)) => eta_left::expected(starts, forecast.now),
        None => eta_left::unknown(wait::why_no_start(&waits)),
    });
    if place.is_none() {
        waits.position = None;
    }
    let seen = visible(caller, job);
    let who = queued(caller, job);
    if !seen {
        // It may name what the run needs.
        "a private run; why it waits is its owner’s to see".clone_into(&mut waits.why);
    } else if !who.own {
        waits.why = waits.why.replace("of your runs", &format!("of {}’s runs", job.owner_name));
    }
    Some(WaitingJob {
        place: place.map(|(position, _)| position + 1),
        job: who,
        since: job.state_at,
        estimate_s: job.estimate_s.filter(|_| seen),
        waits,
        sweep: None,
        more_of_sweep: 0,
    })
}
