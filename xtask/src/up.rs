//! `cargo xtask up`: from nothing to a verified result on a leaderboard, in one command.
//!
//! Builds and looks at the machine, starts the whole chain (`chain`), submits a run as any user would (`api`), follows
//! it (`follow`, `bar`), tells what became of it (`show`), and stays until Ctrl-C.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use hpl_spec::api::jobs::Job;
use hpl_spec::job::JobState;
use hpl_spec::node::NodeInfo;
use hpl_spec::params::RunParams;
use hpl_spec::stage::Stage;

use crate::account::Account;
use crate::api::User;
use crate::bar::Bar;
use crate::build::{self, NODE, Profile, SERVICE, XHPL};
use crate::chain::{self, Chain, Programs};
use crate::child::quoted;
use crate::error::Error;
use crate::follow;
use crate::needs::Purpose;
use crate::place::{self, Place, shortest};
use crate::plan::{self, Wish};
use crate::setup;
use crate::show::{self, say};
use crate::stop::Stop;

/// How often the job is looked at, and after a minute: a token may ask 6000 times an hour.
const LOOK: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(1));
/// How long the service may give no answer while it runs.
const SILENCE: Duration = Duration::from_secs(60);
/// How long the node may leave a job that waits for nothing else.
const UNCLAIMED: Duration = Duration::from_secs(60);

/// What a person asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// The run.
    pub wish: Wish,
    /// End after the first result.
    pub once: bool,
    /// The port of the service.
    pub port: Option<u16>,
    /// The data folder, if not the usual one.
    pub data: Option<PathBuf>,
}

/// Builds, looks at the machine, starts the chain, runs, reports, and stays.
///
/// # Errors
/// Whatever stops it; [`Error::NotPassed`] if it ran and its result does not count.
pub fn up(options: &Options) -> Result<(), Error> {
    let wish = options.wish;
    if wish.ranks == 0 || !(wish.seconds > 0.0 && wish.seconds.is_finite()) {
        return Err(Error::Options("--ranks and --seconds must be above 0".into()));
    }
    setup::ensure(Purpose::Run)?;
    let place = Place::open(&options.data.clone().unwrap_or_else(|| build::target_dir().join("up")))?;
    say("Building hpl-service, hpl-node and xhpl");
    let [service, node, xhpl] = build::programs(Profile::Release, [SERVICE, NODE, XHPL])?;
    let programs = Programs { service, node, xhpl };
    say("Looking at this machine\n");
    let info = describe(&programs.xhpl)?;
    say(&show::machine(&info));
    let peak = info.peak.ok_or_else(|| strange("xhpl describe --peak", "no peak"))?.gflops;
    let params = plan::choose(&info, peak, wish);
    params.check().map_err(|e| Error::Options(e.to_string()))?;
    let seconds = plan::expected_seconds(&params, peak);

    let stop = Stop::on_signals()?;
    say(&format!("Starting a service and a node; their data is in {}\n", shortest(place.folder()).display()));
    let mut chain = Chain::start(&place, &programs, port(&place, options.port), seconds, &stop)?;
    let run = Run { place: &place, programs: &programs, params: &params, seconds, peak };
    let ended = run.go(&mut chain, &stop);
    let result = match ended {
        Ok(ran) if options.once => ran.result,
        Ok(ran) => {
            say(&show::staying(&chain.api.url, &ran.job, &ran.account, &place));
            stay(&mut chain, &stop).and(ran.result)
        }
        Err(why) => Err(why),
    };
    if !options.once || stop.is_raised() {
        say("\nStopping the node, then the service");
    }
    drop(chain);
    result
}

/// A run that is to go through the chain.
struct Run<'a> {
    place: &'a Place,
    programs: &'a Programs,
    params: &'a RunParams,
    seconds: f64,
    peak: f64,
}

/// A run that did.
struct Ran {
    account: Account,
    job: Job,
    /// Whether its result counts.
    result: Result<(), Error>,
}

impl Run<'_> {
    /// From the running service to the first result.
    fn go(&self, chain: &mut Chain, stop: &Stop) -> Result<Ran, Error> {
        let (account, user) = chain.enter()?;
        say(&show::entrance(&chain.api.url, &account));
        let node = chain.start_node(stop)?;
        say(&show::node(&node));
        say(&show::plan(self.params, self.seconds));
        let id = user.submit(self.params, chain::walltime(self.seconds))?.id.to_string();
        chain.under_way(Some(&id));
        let (job, given_back) = follow(chain, &user, &id, stop)?;
        chain.under_way(None);
        let result = match given_back {
            Some(why) => {
                user.cancel(&id);
                self.failed(&show::failed(&why), &why)
            }
            None => self.tell(&job, &user)?,
        };
        Ok(Ran { account, job, result })
    }

    /// Tells what became of a job. What it is worth is the inner result.
    fn tell(&self, job: &Job, user: &User) -> Result<Result<(), Error>, Error> {
        let id = job.id.to_string();
        // A job without a result says itself why.
        if let Ok(result) = user.result(&id) {
            let standing = user.standing(&job.benchmark)?;
            say(&show::result(&result, &standing, self.peak)?);
        }
        if job.state == JobState::Done {
            return Ok(Ok(()));
        }
        let why = show::failure(job);
        if job.state != JobState::Failed {
            say(&format!("  {why}\n"));
            return Ok(Err(Error::NotPassed(why)));
        }
        Ok(self.failed(&why, &user.log(&id)))
    }

    /// Tells what a failed run has said, and what to try.
    fn failed(&self, why: &str, said: &str) -> Result<(), Error> {
        let lines: Vec<_> = said.trim_end().lines().collect();
        let told = lines[lines.len().saturating_sub(show::TOLD)..].join("\n");
        say(&format!("The last that was said of the run:\n\n{}", quoted(&told)));
        Err(Error::NotPassed(why.to_owned()).advise(chain::node_steps(self.place, self.programs)))
    }
}

/// The port to listen at: any, if somebody else has the one that is wanted.
fn port(place: &Place, wanted: Option<u16>) -> u16 {
    let port = place.port(wanted);
    if place::is_free(port) {
        return port;
    }
    say(&format!("  port {port} is taken by another program: a free one is used instead\n"));
    0
}

fn describe(xhpl: &Path) -> Result<NodeInfo, Error> {
    let program = xhpl.display().to_string();
    let said = Command::new(xhpl).args(["describe", "--peak"]).output().map_err(Error::start(&program))?;
    if !said.status.success() {
        let why = format!("{}\n{}", said.status, String::from_utf8_lossy(&said.stderr).trim_end());
        return Err(strange("xhpl describe --peak", &why));
    }
    serde_json::from_slice(&said.stdout).map_err(|e| strange("xhpl describe --peak", &e.to_string()))
}

fn strange(whom: &str, why: &str) -> Error {
    Error::Strange { whom: whom.into(), why: why.into() }
}

/// A job that was followed, and why it was given back into the queue, if it was.
type Followed = (Job, Option<String>);

/// Follows a job to its end, or until its node has given it back, showing the progress.
fn follow(chain: &mut Chain, user: &User, id: &str, stop: &Stop) -> Result<Followed, Error> {
    let mut bar = Bar::new();
    let followed = follow_on(chain, user, id, stop, &mut bar);
    bar.clear();
    followed
}

fn follow_on(chain: &mut Chain, user: &User, id: &str, stop: &Stop, bar: &mut Bar) -> Result<Followed, Error> {
    let (began, mut heard) = (Instant::now(), Instant::now());
    let mut left_since = None;
    loop {
        match user.job(id) {
            Ok(job) => {
                bar.show(&Stage::of(&job));
                let given_back = user.given_back(&job)?;
                if job.state.is_final() || given_back.is_some() {
                    return Ok((job, given_back));
                }
                let left = follow::left_by_the_node(job.state, job.waits.as_ref(), || chain.api.is_any_node_busy());
                let since = *left_since.get_or_insert_with(Instant::now);
                match left {
                    Some(why) if since.elapsed() > UNCLAIMED => {
                        let why = format!("the node does not take it: {why}\n{}", chain.node_said());
                        return Ok((job, Some(why)));
                    }
                    Some(_) => (),
                    None => left_since = None,
                }
                heard = Instant::now();
            }
            Err(why) => {
                chain.check()?;
                // It runs all the same: this machine is busy.
                if heard.elapsed() > SILENCE {
                    return Err(why);
                }
            }
        }
        chain.check()?;
        stop.sleep(if began.elapsed() < Duration::from_secs(60) { LOOK.0 } else { LOOK.1 })?;
    }
}

/// Stays until Ctrl-C, or until service or node end.
fn stay(chain: &mut Chain, stop: &Stop) -> Result<(), Error> {
    while stop.sleep(Duration::from_millis(200)).is_ok() {
        chain.check()?;
    }
    Ok(())
}
