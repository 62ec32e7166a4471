//! `hpl watch`: a job until it has ended. The stream of its events only rings; what is shown is the job itself, asked for
//! anew, so that a stream that breaks, or a service that starts anew, loses nothing.

use std::time::{Duration, Instant};

use client::door::{Flow, Method, Refusal};
use hpl_spec::api::jobs::{Failure, Job};
use hpl_spec::job::JobState;

use crate::bar::Bar;
use crate::error::Error;
use crate::look::{Look, remark, write, write_answer};
use crate::results;
use crate::site::Site;
use crate::words::{broken, fact, rate};

/// The job is asked for at most so often: a token may ask 6000 times an hour.
const LEAST: Duration = Duration::from_millis(900);
/// And at least so often, whether it rings or not.
const MOST: Duration = Duration::from_secs(5);
/// How long a service may be away. Its jobs go on meanwhile.
const AWAY: Duration = Duration::from_secs(30 * 60);

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// As it should.
    Well,
    /// The run did not pass.
    Badly,
    /// What was asked for cannot be done, as the answer says.
    NotDone,
    /// The person typed Ctrl-C.
    Interrupted,
}

/// Watches a job until it has ended, and shows what became of it.
///
/// # Errors
/// There is no such job; the service is away for too long.
pub async fn watch(site: &Site, look: &Look, id: &str, json: bool) -> Result<Ended, Error> {
    let mut bar = Bar::new(json);
    let followed = tokio::select! {
        followed = follow(site, id, &mut bar, json) => Some(followed),
        _ = tokio::signal::ctrl_c() => None,
    };
    bar.clear();
    let Some(followed) = followed else {
        remark(&format!("The run goes on without you: `hpl watch {id}` looks again, `hpl cancel {id}` ends it."));
        return Ok(Ended::Interrupted);
    };
    let job = followed?;
    let well = job.state == JobState::Done;
    if !json && well {
        results::show(site, look, id).await?;
    } else if !json {
        write(failure(&job).as_bytes())?;
    }
    Ok(if well { Ended::Well } else { Ended::Badly })
}

/// The job as it ended.
async fn follow(site: &Site, id: &str, bar: &mut Bar, json: bool) -> Result<Job, Error> {
    let (path, what) = (format!("/api/v1/jobs/{id}"), "look at the job");
    let mut bell = Bell { path: format!("{path}/events"), flow: None, tried: None };
    let mut heard = Instant::now();
    let mut told = vec![];
    let mut first = true;
    loop {
        let asked = Instant::now();
        let pause = match site.send(site.call(Method::Get, &path)).await {
            Ok(answer) => {
                let answer = answer.unwrap_or_default();
                let job: Job = site.read(what, &answer)?;
                if json && answer != told {
                    write_answer(&answer)?;
                    told = answer;
                }
                bar.show(&job);
                if job.state.is_final() {
                    return Ok(job);
                }
                (first, heard) = (false, Instant::now());
                bell.ring(site, job.last_event).await;
                LEAST.saturating_sub(asked.elapsed())
            }
            Err(refusal) => {
                let again = again(&refusal).filter(|_| !first && heard.elapsed() < AWAY);
                let Some(pause) = again else { return Err(site.refused(what, &refusal)) };
                bar.say("the service gives no answer; the run goes on, and so do we");
                bell.flow = None;
                pause
            }
        };
        tokio::time::sleep(pause).await;
    }
}

/// After how long a refused question is asked again; None if that is of no use.
fn again(refusal: &Refusal) -> Option<Duration> {
    match refusal {
        Refusal::NoAnswer(_) => Some(Duration::from_secs(2)),
        Refusal::Problem(said) if matches!(said.status, 429 | 500 | 502 | 503) => {
            Some(Duration::from_secs(said.retry_after.unwrap_or(5).clamp(1, 60)))
        }
        Refusal::Problem(_) => None,
    }
}

/// The stream of a job's events, of which only that something comes is of interest.
struct Bell {
    path: String,
    flow: Option<Flow>,
    tried: Option<Instant>,
}

impl Bell {
    /// Waits until something happened after the event of that number, or for a while.
    async fn ring(&mut self, site: &Site, last: i64) {
        let due = self.tried.is_none_or(|tried| tried.elapsed() > MOST);
        if self.flow.is_none() && due {
            self.tried = Some(Instant::now());
            self.flow = site.try_open(&format!("{}?after={last}", self.path)).await.ok();
        }
        let Some(flow) = &mut self.flow else { return tokio::time::sleep(LEAST).await };
        let rang = tokio::time::timeout(MOST, async {
            loop {
                match flow.next().await {
                    // A line that begins with a colon keeps the connection, and `retry` tells nothing new either.
                    Ok(Some(bytes)) if bytes.starts_with(b":") || bytes.starts_with(b"retry") => (),
                    Ok(Some(_)) => return true,
                    Ok(None) | Err(_) => return false,
                }
            }
        });
        if let Ok(false) = rang.await {
            self.flow = None;
        }
    }
}

/// Why a job did not end well.
pub fn failure(job: &Job) -> String {
    let mut text = match (&job.failure, job.state) {
        (Some(Failure { class, code, detail }), _) => {
            let mut lines = detail.lines();
            let first = lines.next().unwrap_or_default();
            let said: String = lines.map(|line| format!("    {}\n", crate::words::plain(line))).collect();
            format!("The run failed ({}: {code}): {}\n{said}", class.name(), broken(first, 2))
        }
        (None, JobState::Cancelled) => "The run was cancelled.\n".to_owned(),
        (None, JobState::Expired) => "The run expired: its time was over before it had ended.\n".to_owned(),
        (None, state) => format!("The run is {state}.\n"),
    };
    if let Some(stopped) = &job.stopped {
        let (score, best) = (rate(stopped.score), rate(stopped.best));
        text += &fact("stopped", &format!("by its sweep: {score} Gflop/s so far could not reach the best, {best}"));
    }
    text + &fact("next", &format!("hpl log {}", job.id))
}
