//! The queue: what runs where and until when, what waits, why, and when it starts.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use hpl_spec::api::queue::{QueuedJob, RunningJob, WaitingJob};

use super::forms::Fields;
use super::visitor::{Frame, Visitor};
use super::words::{self, When};
use crate::app::Shared;
use crate::error::Result;
use crate::ops::jobs;

/// Rows of a table, unless all are asked for.
const SHOWN: usize = super::ROWS as usize;
/// Where all are shown.
const ALL: &str = "/queue?all=1";
/// Seconds after which the page is loaded again, where no script keeps it up to date.
const RENEW_S: u32 = 10;

#[derive(Template)]
#[template(path = "queue.html")]
struct QueuePage {
    frame: Frame,
    renews: bool,
    /// The page as it stands, where it renews itself.
    still: &'static str,
    shown: usize,
    running: Vec<RunningLine>,
    own: Vec<WaitingLine>,
    waiting: Vec<WaitingLine>,
    /// Those that no node can be given as things stand.
    others: Vec<WaitingLine>,
    /// How many rows there are that are not shown; empty where all are.
    hidden: String,
    more: String,
}

/// A job by name.
struct JobName {
    /// Its page; empty where it is not to be seen.
    page: String,
    name: String,
    owner: String,
    own: bool,
}

struct RunningLine {
    job: JobName,
    node: String,
    state: &'static str,
    class: &'static str,
    percent: Option<u32>,
    score: String,
    since: Option<When>,
    ends: String,
}

struct WaitingLine {
    place: Option<u32>,
    job: JobName,
    why: String,
    starts: String,
    estimate: String,
    since: When,
    /// More runs of the same sweep.
    more: String,
}

impl JobName {
    fn new(job: QueuedJob) -> JobName {
        JobName {
            page: job.id.map(|id| format!("/jobs/{id}")).unwrap_or_default(),
            name: job.name.unwrap_or_else(|| "A private run".to_owned()),
            owner: job.owner.unwrap_or_default(),
            own: job.own,
        }
    }
}

impl RunningLine {
    fn new(run: RunningJob, now: i64) -> RunningLine {
        let benchmark = run.job.benchmark.clone().unwrap_or_default();
        let progress = run.progress;
        RunningLine {
            node: run.node.name,
            state: words::state(run.job.state),
            class: words::state_class(run.job.state),
            percent: progress.map(|p| words::hundredths(p.fraction)),
            score: progress.map(|p| words::score(&benchmark, p.score)).unwrap_or_default(),
            since: run.started_at.map(|at| When::new(at, now)),
            ends: run.ends.text,
            job: JobName::new(run.job),
        }
    }
}

impl WaitingLine {
    fn new(wait: WaitingJob, now: i64) -> WaitingLine {
        let more = match wait.more_of_sweep {
            0 => String::new(),
            more => format!("and {} of the same sweep", words::count(more, "more run", "more runs")),
        };
        WaitingLine {
            place: wait.place,
            job: JobName::new(wait.job),
            why: wait.waits.why,
            starts: wait.waits.starts.map(|starts| starts.text).unwrap_or_default(),
            estimate: wait.estimate_s.map(words::duration).unwrap_or_default(),
            since: When::new(wait.since, now),
            more,
        }
    }
}

pub(super) fn routes() -> Router<Shared> {
    Router::new().route("/queue", get(look))
}

async fn look(State(app): State<Shared>, visitor: Visitor, asked: Fields) -> Result<Response> {
    let queue = jobs::queue(&app, &visitor.caller).await?;
    let now = app.clock.now();
    let renews = asked.get("still").is_empty();
    let mut frame = visitor.frame("Queue", "/jobs").with_script("queue").with_call("GET", "/api/v1/queue");
    frame = frame.with_call("GET", "/api/v1/events");
    let all = asked.get("all") == "1";
    let here = if all { ALL } else { "/queue" };
    frame.refresh = renews.then(|| format!("{RENEW_S}; url={here}"));
    let shown = if all { usize::MAX } else { SHOWN };
    let mut hidden = 0;
    let mut lines = |which: &dyn Fn(&WaitingJob) -> bool| {
        let found: Vec<&WaitingJob> = queue.waiting.iter().filter(|wait| which(wait)).collect();
        hidden += found.len().saturating_sub(shown);
        found.into_iter().take(shown).map(|wait| WaitingLine::new(wait.clone(), now)).collect::<Vec<_>>()
    };
    let (own, waiting, others) =
        (lines(&|wait| wait.job.own), lines(&|wait| wait.place.is_some()), lines(&|wait| wait.place.is_none()));
    hidden += queue.running.len().saturating_sub(shown);
    super::page(&QueuePage {
        frame,
        renews,
        still: if all { "/queue?still=1&all=1" } else { "/queue?still=1" },
        shown,
        own,
        waiting,
        others,
        hidden: if hidden > 0 { words::count(hidden as u64, "row", "rows") } else { String::new() },
        more: if queue.more > 0 { words::count(queue.more, "more job waits", "more jobs wait") } else { String::new() },
        running: queue.running.into_iter().take(shown).map(|run| RunningLine::new(run, now)).collect(),
    })
}
