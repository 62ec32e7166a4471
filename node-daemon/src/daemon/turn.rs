//! The turn of the main thread: look, ask the agent, do what it says, listen.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use hpl_spec::api::agent::{AgentEvent, Assignment, AttemptOutcome};
use rand::RngExt;

use super::active::{Active, Over};
use super::calls::unreadable;
use super::courier::Courier;
use super::described::Described;
use super::health::Health;
use super::sampler::{Measure, Measuring};
use super::voice::{Shared, Speaking, Voice, locked};
use super::{Ended, Input, Options};
use crate::agent::{Agent, Call, Effect, Fact, Heard, Next, refusal};
use crate::folder::Data;
use crate::host::{self, Holder, RunLock};
use crate::identity::Identity;
use crate::launch::Stop;
use crate::metrics::Spool;
use crate::orphans;
use crate::runner::Failure;
use crate::runner::close::{self, Known};
use crate::runner::prepare::{Programs, Room};
use crate::status::Status;

/// How often a run is looked at.
const LOOK: Duration = Duration::from_millis(250);
/// How often a node without a run looks whether a person wants something.
const IDLE: Duration = Duration::from_secs(1);

/// The daemon.
pub(super) struct Daemon {
    pub options: Options,
    pub data: Data,
    pub identity: Identity,
    pub machine_id: String,
    pub boot_id: String,
    pub described: Described,
    pub environment: BTreeMap<String, String>,
    pub programs: Programs,
    pub agent: Agent,
    pub active: Option<Active>,
    pub shared: Arc<Shared>,
    pub courier: Courier,
    pub voice: Voice,
    pub measuring: Measuring,
    pub status: Status,
    pub status_from: Duration,
    pub health: Health,
    pub clock_offset_ms: Option<i64>,
    /// When the last hello was sent: half of its time is taken off the clock's difference.
    pub greeted_at: Option<i64>,
    pub run_lock: Option<RunLock>,
    pub last_claim: Option<u64>,
}

impl Daemon {
    pub fn turn(mut self, inputs: &Receiver<Input>) -> Result<Ended, String> {
        self.take_up_again();
        loop {
            let now = host::now();
            self.look(now);
            let effects = self.agent.tick(now);
            self.act(effects);
            if let Some(why) = self.agent.dismissed().filter(|_| self.agent.is_idle()) {
                let why = why.to_owned();
                self.leave("dismissed");
                return Ok(Ended::Dismissed(why));
            }
            let until = self.speak(now);
            self.voice_now();
            self.tell_status(now);
            let every = if self.active.is_some() { LOOK } else { IDLE };
            let wait = until.saturating_sub(host::now()).min(every).max(Duration::from_millis(5));
            let mut input = match inputs.recv_timeout(wait) {
                Ok(input) => Some(input),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return Err("the daemon's threads are gone".into()),
            };
            while let Some(one) = input {
                if matches!(one, Input::Stop) {
                    self.leave("stopped");
                    return Ok(Ended::Stopped);
                }
                self.hear(one);
                input = inputs.try_recv().ok();
            }
        }
    }

    fn leave(&mut self, state: &str) {
        self.status.in_contact = false;
        self.status.state = state.into();
        self.write_status();
        if self.active.as_ref().is_some_and(Active::is_running) {
            tracing::info!("the daemon ends; the run goes on, and the next `hpl-node run` takes it up again");
        }
    }

    /// A run that was left by an earlier daemon goes on from where it was.
    fn take_up_again(&mut self) {
        let Some(active) = &self.active else { return };
        if active.is_launched() {
            self.measure(true);
        }
        if active.finish.is_none() && !active.is_launched() {
            self.prepare();
        }
    }

    // Looking.

    fn look(&mut self, now: Duration) {
        let drain = Fact::Drain(self.data.drain().exists());
        self.observe(now, drain);
        let Some(active) = &mut self.active else { return };
        let seen = active.look(now);
        if let Some(progress) = seen.progress.last() {
            *locked(&self.shared.progress) = Some(*progress);
        }
        for progress in seen.progress {
            self.observe(now, Fact::Happened(AgentEvent::Progress(progress)));
        }
        if let Some(lengths) = seen.logs {
            self.observe(now, Fact::Logs(lengths));
        }
        if let Some(over) = seen.over {
            self.over(now, over);
        }
    }

    fn observe(&mut self, now: Duration, fact: Fact) {
        let effects = self.agent.observe(now, fact);
        self.act(effects);
    }

    /// The program is over: that is said, then the end is written down, then it is told.
    fn over(&mut self, now: Duration, over: Over) {
        self.observe(now, Fact::Happened(AgentEvent::Finishing));
        let energy_j = self.measuring.energy();
        self.measure(false);
        self.run_lock = None;
        let known = self.known(energy_j);
        let limits = self.agent.limits();
        let Some(active) = &mut self.active else { return };
        let finish = active.close(over, known, &limits);
        let how = match &finish.outcome {
            AttemptOutcome::Completed { .. } => "it has a result".to_owned(),
            AttemptOutcome::Failed { class, code, .. } => format!("it failed: {} {code}", class.name()),
            AttemptOutcome::Cancelled => "it was ended because it was wanted".to_owned(),
        };
        tracing::info!(job = %active.taken.assignment.job, "the run is over: {how}");
        self.observe(now, Fact::Ended(Box::new(close::ending(&finish))));
    }

    fn known(&self, energy_j: Option<f64>) -> Known {
        let mut environment = self.environment.clone();
        for (name, how) in &self.status.protected {
            environment.insert(format!("daemon_{name}"), how.clone());
        }
        environment.insert("daemon".into(), env!("CARGO_PKG_VERSION").into());
        environment.insert("shared".into(), if self.options.shared { "yes" } else { "no" }.into());
        environment.insert("longest_beat_gap_s".into(), format!("{:.1}", *locked(&self.shared.gap_s)));
        let ranks = self.active.as_ref().map_or(1, |a| a.taken.assignment.ranks);
        Known {
            fence: self.active.as_ref().map_or(0, |a| a.taken.assignment.fence),
            events: self.agent.events(),
            binary_sha256: String::new(),
            environment,
            clock_offset_ms: self.clock_offset_ms,
            oversubscribed: ranks > self.cores(),
            energy_j,
            daemon_cpu_s: 0.0,
            dropped_samples: locked(&self.shared.spool).dropped() + self.agent.progress_dropped(),
        }
    }

    /// Cores that a run may use: those of the machine, within this process's own mask.
    fn cores(&self) -> usize {
        let mask = std::thread::available_parallelism().map_or(1, usize::from);
        self.described.info.cores.min(mask).max(1)
    }

    // Speaking.

    /// Makes the next call, if the courier is at home and there is one; until when there is nothing to do.
    fn speak(&mut self, now: Duration) -> Duration {
        if self.courier.is_out() {
            let well = self.health.reasons.is_empty() && !self.data.drain().exists();
            if !well {
                self.courier.drop_claim();
            }
            return Duration::MAX;
        }
        let call = match self.agent.next(now) {
            Next::Wait(until) => return until,
            Next::Say(call) => *call,
        };
        // What is well now may have been unwell a minute ago, and the other way round.
        if matches!(call, Call::Claim { .. })
            && let Some(fact) = self.health.look(now, &self.data, &self.options, &self.agent)
        {
            self.observe(host::now(), fact);
            return Duration::ZERO;
        }
        match self.payload(&call) {
            Ok(payload) => self.courier.go(call, payload),
            Err(why) => {
                tracing::error!(%why, "a call cannot be made");
                let heard = unreadable(&call, why);
                self.heard(call, heard);
            }
        }
        Duration::MAX
    }

    /// The voice says what is so now.
    fn voice_now(&self) {
        let limits = self.agent.limits();
        *locked(&self.shared.progress_dropped) = self.agent.progress_dropped();
        let speaking = self.agent.voice().zip(self.active.as_ref()).map(|((by, phase), active)| Speaking {
            by,
            phase,
            taken_at: active.taken_at(),
            intervals: self.agent.intervals(),
            samples: limits.samples_per_call as usize,
        });
        self.voice.speak(speaking);
    }

    // Hearing.

    fn hear(&mut self, input: Input) {
        match input {
            Input::Said(both) => {
                let (call, heard) = *both;
                self.courier.back();
                self.heard(call, heard);
            }
            Input::Dropped(seq) => {
                self.courier.back();
                self.observe(host::now(), Fact::ClaimDropped(seq));
            }
            Input::Heard(attempt, answer) => {
                let effects = self.agent.heard(&attempt, answer);
                self.act(effects);
            }
            Input::Stop => (),
        }
    }

    fn heard(&mut self, call: Call, heard: Heard) {
        if let (Heard::Hello(Ok(reply)), Some(sent)) = (&heard, self.greeted_at) {
            let here = (sent + host::wall_ms()) / 2;
            self.clock_offset_ms = Some(here - reply.now);
            tracing::info!(
                service = self.identity.reach.url,
                clock_offset_ms = here - reply.now,
                "the service knows this node"
            );
        }
        let contact = self.agent.in_contact();
        let why = refusal(&heard).map(ToString::to_string);
        let dice = rand::rng().random_range(0.0..1.0);
        let effects = self.agent.hear(host::now(), dice, &call, heard);
        match (contact, self.agent.in_contact(), why) {
            (_, false, Some(why)) if contact => tracing::warn!(%why, "the service cannot be reached; trying again"),
            (false, true, _) => tracing::info!("the service answers"),
            (_, true, Some(why)) => tracing::info!(%why, "the service says no"),
            _ => (),
        }
        self.act(effects);
    }

    // Doing.

    fn act(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Take(assignment) => self.take(*assignment),
                Effect::Launch => self.launch(),
                Effect::Record(event) => {
                    if let Some(active) = &mut self.active {
                        active.record(&event);
                    }
                }
                Effect::Stop(stop) => self.stop(stop),
                Effect::Extend(walltime_s) => {
                    if let Some(active) = &mut self.active {
                        active.extend(walltime_s);
                    }
                }
                Effect::Keep(why) => self.part(Some(&why)),
                Effect::Forget => self.part(None),
                Effect::Note(text) => tracing::info!("{text}"),
            }
        }
    }

    fn take(&mut self, assignment: Assignment) {
        tracing::info!(
            job = %assignment.job, attempt = %assignment.attempt, owner = assignment.owner, ranks = assignment.ranks,
            "a job was given to this node"
        );
        *locked(&self.shared.progress) = None;
        *locked(&self.shared.spool) = Spool::default();
        let now = host::now();
        self.active = Some(Active::take(&self.data, assignment, &self.boot_id, now, &self.options.xhpl));
        self.prepare();
    }

    /// Makes the run ready and says so; the start is said before it happens, see [`Effect::Launch`].
    fn prepare(&mut self) {
        let room = Room {
            cores: self.cores(),
            memory: host::memory_available(),
            run_as: self.options.run_as,
            root: rustix::process::geteuid().is_root(),
        };
        let limits = self.agent.limits();
        let Some(active) = &mut self.active else { return };
        let prepared = active.prepare(&self.programs, &room, &limits);
        let known = self.agent.events();
        if known == 0 {
            self.observe(host::now(), Fact::Happened(AgentEvent::Preparing));
        }
        match prepared {
            Ok(()) if known < 2 => self.observe(host::now(), Fact::Happened(AgentEvent::Started)),
            Ok(()) => (),
            Err(failure) => self.fail(failure),
        }
    }

    fn launch(&mut self) {
        if !self.options.shared {
            self.run_lock = RunLock::try_take(&Holder::me(self.data.path())).ok();
            if let Some(lock) = &self.run_lock {
                // The shim holds it for as long as the run goes on, whatever becomes of us.
                let _ = lock.inherit(true);
            }
        }
        let Some(active) = &mut self.active else { return };
        let launched = active.launch();
        if let Some(lock) = &self.run_lock {
            let _ = lock.inherit(false);
        }
        match launched {
            Ok(()) => self.measure(true),
            Err(failure) => self.fail(failure),
        }
    }

    fn measure(&self, on: bool) {
        let every = Duration::from_secs(self.agent.intervals().sample_s.max(1).into());
        let taken_at = self.active.as_ref().map(Active::taken_at);
        self.measuring.measure(taken_at.filter(|_| on).map(|taken_at| Measure { taken_at, every }));
    }

    fn fail(&mut self, failure: Failure) {
        tracing::error!(code = failure.code, "{}", failure.detail);
        self.end_early(failure.outcome());
    }

    fn stop(&mut self, stop: Stop) {
        match &mut self.active {
            Some(active) if active.is_launched() => active.stop(stop),
            Some(_) => self.end_early(AttemptOutcome::Cancelled),
            None => (),
        }
    }

    /// A run that never began is over.
    fn end_early(&mut self, outcome: AttemptOutcome) {
        let events = self.agent.events();
        let Some(active) = &mut self.active else { return };
        if active.finish.is_some() {
            return;
        }
        let finish = active.close_early(events, outcome);
        self.observe(host::now(), Fact::Ended(Box::new(close::ending(&finish))));
    }

    /// The run is no longer ours: its folder is kept as an orphan, or goes.
    fn part(&mut self, keep: Option<&str>) {
        let Some(active) = self.active.take() else { return };
        self.health.outdate();
        self.measure(false);
        self.run_lock = None;
        let folder: PathBuf = active.folder.path().to_owned();
        match keep {
            Some(why) => match orphans::keep(&self.data, &active.folder, why) {
                Ok(()) => tracing::warn!(why, "the run is kept as an orphan: see `hpl-node orphans list`"),
                Err(e) => tracing::error!(%e, folder = %folder.display(), "the run cannot be kept among the orphans"),
            },
            None => {
                if let Err(e) = std::fs::remove_dir_all(&folder) {
                    tracing::warn!(%e, folder = %folder.display(), "the folder of the run cannot be removed");
                }
            }
        }
    }
}
