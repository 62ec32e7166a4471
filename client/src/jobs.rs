//! Jobs, the queue and the nodes: `jobs`, `job`, `queue`, `nodes`, `log`, `cancel`.

use client::door::{Flow, with_query};
use hpl_spec::api::jobs::{Job, JobPage, Visibility};
use hpl_spec::api::nodes::NodeView;
use hpl_spec::api::queue::{Queue, QueuedJob};
use hpl_spec::job::JobState;
use hpl_spec::stage::Stage;
use serde_json::json;

use crate::error::Error;
use crate::look::{Look, Paint, of_state, remark, write, write_answer};
use crate::site::{Site, telling};
use crate::table::{Side, Table};
use crate::watch::failure;
use crate::words::{ago, bytes, duration, fact, now, plural, rate, rough};

/// The list of one's jobs, or of everybody's.
///
/// # Errors
/// There is no such state; the service refuses.
pub async fn list(
    site: &Site,
    look: &Look,
    all: bool,
    state: Option<&str>,
    limit: u32,
    json: bool,
) -> Result<(), Error> {
    if let Some(found) = state.filter(|name| JobState::from_name(name).is_none()) {
        let names = JobState::ALL.map(JobState::name).join(", ");
        return Err(Error::Told(format!("--state: found `{found}`; expected one of {names}")));
    }
    let limit = limit.to_string();
    let mut query = vec![("limit", limit.as_str())];
    query.extend((!all).then_some(("owner", "me")));
    query.extend(state.map(|state| ("state", state)));
    let answer = site.get("list the jobs", &with_query("/api/v1/jobs", &query)).await?;
    if json {
        return write_answer(&answer);
    }
    let page: JobPage = site.read("list the jobs", &answer)?;
    if page.jobs.is_empty() {
        let words = if state.is_some() { "No job is in that state." } else { "No jobs yet: hpl submit --n 4000" };
        return write(format!("{words}\n").as_bytes());
    }
    write(table(&page.jobs, all, look, now()).as_bytes())?;
    if page.next.is_some() {
        remark("  … and older ones: --limit 100 shows more, the pages of the service all");
    }
    Ok(())
}

fn table(jobs: &[Job], owners: bool, look: &Look, now: i64) -> String {
    let ids: Vec<&str> = jobs.iter().map(|job| job.id.as_str()).collect();
    let who = if owners { [("who", Side::Cut)].as_slice() } else { &[] };
    let mut columns = vec![("id", Side::Left)];
    columns.extend(who);
    columns.extend([("run", Side::Cut), ("state", Side::Left), ("Gflop/s", Side::Right), ("when", Side::Right)]);
    let mut table = Table::new(&columns);
    for (job, id) in jobs.iter().zip(telling(&ids)) {
        let state = match (job.state, &job.progress) {
            (JobState::Running, Some(progress)) => format!("running {:.0} %", 100.0 * progress.fraction),
            (state, _) => state.to_string(),
        };
        let score = job.score.map_or_else(|| "-".to_owned(), rate);
        let (run, when) = (job.label.clone(), ago(job.created_at, now));
        let state = (state, of_state(job.state));
        if owners {
            table.painted([(id, None), (job.owner.clone(), None), (run, None), state, (score, None), (when, None)]);
        } else {
            table.painted([(id, None), (run, None), state, (score, None), (when, None)]);
        }
    }
    table.to_text(look)
}

/// One job.
///
/// # Errors
/// There is none.
pub async fn one(site: &Site, id: &str, json: bool) -> Result<(), Error> {
    let answer = site.get("look at the job", &format!("/api/v1/jobs/{id}")).await?;
    if json {
        return write_answer(&answer);
    }
    let job: Job = site.read("look at the job", &answer)?;
    write(told(&job, site.url(), now()).as_bytes())
}

fn told(job: &Job, url: &str, now: i64) -> String {
    let mut text = fact("run", &job.label);
    if !job.title.is_empty() {
        text += &fact("title", &job.title);
    }
    text += &fact("id", job.id.as_str());
    text += &fact("page", &format!("{url}/jobs/{}", job.id));
    let private = if job.visibility == Visibility::Private { ", private" } else { "" };
    text += &fact("owner", &format!("{}{private}", job.owner));
    let stage = Stage::of(job).to_string();
    let name = job.state.name();
    let stage = if stage == name { stage } else { format!("{name} - {stage}") };
    text += &(fact("state", &stage) + &fact("since", &ago(job.state_at, now)));
    if let Some(starts) = job.waits.as_ref().and_then(|waits| waits.starts.as_ref()) {
        text += &fact("starts", &starts.text);
    }
    if let Some(node) = &job.node {
        text += &fact("node", &format!("{}, try {}", node.name, job.attempts));
    }
    if let Some(score) = job.score {
        text += &fact("score", &format!("{} Gflop/s", rate(score)));
    }
    let limit = format!("ended after {} at the latest", duration(job.walltime_s.into()));
    let predicted = job.estimate_s.map(|seconds| format!("{} predicted, ", rough(seconds))).unwrap_or_default();
    text += &fact("time", &format!("{predicted}{limit}"));
    if let Some(sweep) = &job.sweep {
        text += &fact("sweep", sweep.as_str());
    }
    if job.state.is_final() && job.state != JobState::Done {
        text += &failure(job);
    }
    text
}

/// What runs and what waits.
///
/// # Errors
/// The service refuses.
pub async fn queue(site: &Site, look: &Look, json: bool) -> Result<(), Error> {
    let answer = site.get("look at the queue", "/api/v1/queue").await?;
    if json {
        return write_answer(&answer);
    }
    let queue: Queue = site.read("look at the queue", &answer)?;
    write(waiting(&queue, look).as_bytes())
}

fn waiting(queue: &Queue, look: &Look) -> String {
    let name = |job: &QueuedJob| job.name.clone().unwrap_or_else(|| "a private job".to_owned());
    let owner = |job: &QueuedJob| {
        let own = job.own.then_some(Paint::Live);
        (job.owner.clone().unwrap_or_else(|| "-".to_owned()), own)
    };
    let mut text = String::new();
    if queue.running.is_empty() {
        text += "Nothing runs.\n";
    } else {
        let mut table = Table::new(&[
            ("node", Side::Left),
            ("who", Side::Cut),
            ("run", Side::Cut),
            ("state", Side::Left),
            ("free again", Side::Cut),
        ]);
        for running in &queue.running {
            let state = match &running.progress {
                Some(progress) => format!("{:.0} %", 100.0 * progress.fraction),
                None => running.job.state.to_string(),
            };
            table.painted([
                (running.node.name.clone(), None),
                owner(&running.job),
                (name(&running.job), None),
                (state, of_state(running.job.state)),
                (running.ends.text.clone(), None),
            ]);
        }
        text += &table.to_text(look);
    }
    if queue.waiting.is_empty() {
        return text + "Nothing waits.\n";
    }
    let mut table = Table::new(&[
        ("place", Side::Right),
        ("who", Side::Cut),
        ("run", Side::Cut),
        ("starts", Side::Cut),
        ("why it waits", Side::Cut),
    ]);
    for waiting in &queue.waiting {
        let more = if waiting.more_of_sweep > 0 {
            format!(" (+{} of its sweep)", waiting.more_of_sweep)
        } else {
            String::new()
        };
        let starts = waiting.waits.starts.as_ref().map_or_else(|| "-".to_owned(), |starts| starts.text.clone());
        table.painted([
            (waiting.place.map_or_else(|| "-".to_owned(), |place| place.to_string()), None),
            owner(&waiting.job),
            (name(&waiting.job) + &more, None),
            (starts, None),
            (waiting.waits.why.clone(), None),
        ]);
    }
    text += "\n";
    text += &table.to_text(look);
    if queue.more > 0 {
        text += &format!("  and {} more\n", queue.more);
    }
    text
}

/// The nodes.
///
/// # Errors
/// The service refuses.
pub async fn nodes(site: &Site, look: &Look, json: bool) -> Result<(), Error> {
    let what = "list the nodes";
    if json {
        return write_answer(&site.get(what, "/api/v1/nodes").await?);
    }
    let nodes = site.nodes(what).await?;
    if nodes.is_empty() {
        return write(b"No node has joined yet: what is submitted waits.\n");
    }
    let mut table = Table::new(&[
        ("node", Side::Left),
        ("state", Side::Left),
        ("cores", Side::Right),
        ("memory", Side::Right),
        ("peak Gflop/s", Side::Right),
        ("heard of", Side::Right),
        ("CPU", Side::Cut),
    ]);
    let now = now();
    let mut notes = String::new();
    for node in &nodes {
        let (state, paint) = match node {
            NodeView { draining: true, .. } => ("takes no more", None),
            NodeView { busy: true, .. } => ("busy", Some(Paint::Live)),
            NodeView { unhealthy, .. } if !unhealthy.is_empty() => ("not well", Some(Paint::Bad)),
            _ => ("free", Some(Paint::Good)),
        };
        if !node.unhealthy.is_empty() {
            notes += &fact(&node.name, &node.unhealthy.join("; "));
        }
        table.painted([
            (node.name.clone(), None),
            (state.to_owned(), paint),
            (node.cores.to_string(), None),
            (bytes(node.memory), None),
            (node.peak_gflops.map_or_else(|| "-".to_owned(), rate), None),
            (ago(node.seen_at, now), None),
            (node.kind.clone(), None),
        ]);
    }
    write((table.to_text(look) + &notes).as_bytes())
}

/// What a run wrote.
///
/// # Errors
/// There is no such log.
pub async fn log(site: &Site, look: &Look, id: &str, err: bool, follow: bool) -> Result<(), Error> {
    let stream = if err { "err" } else { "out" };
    let path = format!("/api/v1/jobs/{id}/log/{stream}");
    let query = if follow { [("follow", "true")].as_slice() } else { &[] };
    let mut flow = site.open("look at the log", &with_query(&path, query)).await?;
    let missing: u64 = flow.header("x-log-missing").and_then(|n| n.parse().ok()).unwrap_or(0);
    let any = pour(site, look, &mut flow).await?;
    if !any && look.terminal {
        let other = if err { "" } else { "; see `--err`, and `--file HPL.out` for the report" };
        remark(&format!("The log is empty{other}."));
    }
    if missing > 0 {
        remark(&format!("{} of it did not arrive.", plural(missing, "byte")));
    }
    Ok(())
}

/// A file that a run left behind.
///
/// # Errors
/// There is none of that name.
pub async fn file(site: &Site, look: &Look, id: &str, name: &str) -> Result<(), Error> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
    if !name.bytes().all(plain) {
        return Err(Error::Told(format!("--file: found `{name}`; expected the name of a file, such as HPL.out")));
    }
    let mut flow = site.open("look at the file", &format!("/api/v1/jobs/{id}/artifacts/{name}")).await?;
    pour(site, look, &mut flow).await.map(drop)
}

/// Writes what comes, as it comes; whether anything did. What a program wrote is no order for a terminal.
async fn pour(site: &Site, look: &Look, flow: &mut Flow) -> Result<bool, Error> {
    let mut any = false;
    while let Some(mut bytes) = flow.next().await.map_err(|refusal| site.refused("look at the log", &refusal))? {
        any |= !bytes.is_empty();
        if look.terminal {
            bytes.retain(|b| !b.is_ascii_control() || matches!(b, b'\n' | b'\t'));
        }
        write(&bytes)?;
    }
    Ok(any)
}

/// Ends a job.
///
/// # Errors
/// There is none, or it has ended.
pub async fn cancel(site: &Site, id: &str, json: bool) -> Result<(), Error> {
    let answer = site.post("cancel the job", &format!("/api/v1/jobs/{id}/cancel"), &json!({})).await?;
    if json {
        return write_answer(&answer);
    }
    let job: Job = site.read("cancel the job", &answer)?;
    let words = match job.state {
        JobState::Cancelled => format!("Cancelled {}, {}.\n", job.label, job.id),
        ended if ended.is_final() => format!("{} has ended already: {ended}.\n", job.label),
        _ => format!("{} is told to end: the node confirms it within seconds.\n", job.label),
    };
    write(words.as_bytes())
}
