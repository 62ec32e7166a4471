//! What the node says next, and what an answer changes: decided here, done elsewhere. No clock, no file, no socket.
//!
//! ```text
//!   facts (the run started, its log grew, it ended)  ──► observe ─┐
//!   answers of the service ─────────────────────────────► hear ───┼──► effects (take, stop, keep, forget, …)
//!   answers to beats ──────────────────────────────────► heard ───┘
//!                                                     next ──► the one call to make now, or until when to wait
//! ```
//! A node has one run at a time and brings it to its end before it asks for another. Whatever is not answered is said
//! again, in the same words; the service knows copies by their numbers (section 3.3 of the service reference).

mod files;
mod pause;
mod run;
mod words;

use std::time::Duration;

use hpl_spec::api::agent::{
    Assignment, AttemptPhase, AttemptStanding, BeatReply, Command, HelloReply, Intervals, Limits,
};
use hpl_spec::id::AttemptId;

use crate::client::{Answer, Proof, Refusal, Said};
use pause::Pause;
use run::Run;
pub use run::{Ending, FileToSend, Resumed};
use words::say;
pub use words::{Call, Effect, Fact, Heard, Next, refusal};

/// Between two claims at least so long, in case they are answered at once.
const BETWEEN_CLAIMS: Duration = Duration::from_secs(1);
/// A node that is not well says so this often, unless it is told otherwise.
const UNWELL_AGAIN: Duration = Duration::from_secs(55);

/// The node as it decides.
#[derive(Debug)]
pub struct Agent {
    greeted: bool,
    dismissed: Option<String>,
    intervals: Intervals,
    limits: Limits,
    run: Option<Run>,
    draining: bool,
    unhealthy: Vec<String>,
    open_claim: Option<u64>,
    claim_from: Duration,
    pause: Pause,
    contact: bool,
}

impl Agent {
    /// A daemon that starts, with what its journal still holds: a run, or the number of a claim of this boot whose
    /// answer it does not know.
    #[must_use]
    pub fn new(resumed: Option<Resumed>, open_claim: Option<u64>) -> Agent {
        Agent {
            greeted: false,
            dismissed: None,
            intervals: Intervals { beat_s: 10, sample_s: 5, claim_wait_s: 55, lease_s: 90 },
            limits: Limits {
                log_bytes: 8 << 20,
                artifact_bytes: 64 << 20,
                chunk_bytes: 256 << 10,
                events_per_call: 1000,
                events: 20_000,
                samples_per_call: 120,
            },
            run: resumed.map(Run::resume),
            draining: false,
            unhealthy: vec![],
            open_claim,
            claim_from: Duration::ZERO,
            pause: Pause::default(),
            contact: false,
        }
    }

    /// How often to speak, as the service wants it.
    #[must_use]
    pub fn intervals(&self) -> Intervals {
        self.intervals
    }

    /// How much may be sent.
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// Whether the service has answered the last call.
    #[must_use]
    pub fn in_contact(&self) -> bool {
        self.contact
    }

    /// Why this node cannot go on without a person, once that is so.
    #[must_use]
    pub fn dismissed(&self) -> Option<&str> {
        self.dismissed.as_deref()
    }

    /// Whether nothing is left of any run.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.run.is_none()
    }

    /// The attempt that may give signs of life, and what they say. None before the node was greeted: after a restart of
    /// the machine a beat would tell the service that the boot before still lives, and it would wait for its silence.
    #[must_use]
    pub fn voice(&self) -> Option<(Proof, AttemptPhase)> {
        self.run.as_ref().filter(|run| self.greeted && run.may_write()).map(|run| (run.proof(), run.phase()))
    }

    /// Events of the run so far.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.run.as_ref().map_or(0, Run::events)
    }

    /// Progress that was not told because there was too much of it.
    #[must_use]
    pub fn progress_dropped(&self) -> u64 {
        self.run.as_ref().map_or(0, |run| run.progress_dropped)
    }

    /// The one call to make now.
    #[must_use]
    pub fn next(&self, now: Duration) -> Next {
        if self.dismissed.is_some() {
            return Next::Wait(Duration::MAX);
        }
        if let Some(until) = self.pause.until(now) {
            return Next::Wait(until);
        }
        if !self.greeted {
            let holding = self.run.iter().map(|run| run.attempt().clone()).collect();
            return say(Call::Hello { holding });
        }
        match &self.run {
            Some(run) => run.next(now, &self.limits),
            None if now < self.claim_from => Next::Wait(self.claim_from),
            None => say(self.claim(now)),
        }
    }

    fn claim(&self, now: Duration) -> Call {
        let mut unhealthy = self.unhealthy.clone();
        if self.draining {
            unhealthy.insert(0, "it is being drained on the node".into());
        }
        let wait_s = if unhealthy.is_empty() { self.intervals.claim_wait_s } else { 0 };
        // A claim that was broken off may have been heard: the same number brings what it was given.
        let seq = self.open_claim.unwrap_or_else(|| u64::try_from(now.as_millis()).unwrap_or(u64::MAX));
        Call::Claim { seq, wait_s, unhealthy }
    }

    /// Something was seen on the node.
    pub fn observe(&mut self, now: Duration, fact: Fact) -> Vec<Effect> {
        match fact {
            Fact::Health(unhealthy) => {
                if self.unhealthy != unhealthy {
                    self.claim_from = Duration::ZERO;
                }
                self.unhealthy = unhealthy;
            }
            Fact::Drain(draining) => {
                if self.draining != draining {
                    self.claim_from = Duration::ZERO;
                }
                self.draining = draining;
            }
            Fact::ClaimDropped(seq) => self.open_claim = Some(seq),
            Fact::Happened(event) => {
                let limit = u64::from(self.limits.events);
                return self.run.as_mut().map(|run| run.happened(now, event, limit)).unwrap_or_default();
            }
            Fact::Logs(lengths) => {
                if let Some(run) = &mut self.run {
                    run.grew(lengths);
                }
            }
            Fact::Ended(ending) => {
                let effects = self.run.as_mut().map(|run| run.ended(*ending)).unwrap_or_default();
                return self.after(effects);
            }
        }
        vec![]
    }

    /// Time has passed: files that were refused are given up at last.
    pub fn tick(&mut self, now: Duration) -> Vec<Effect> {
        let effects = self.run.as_mut().map(|run| run.tick(now)).unwrap_or_default();
        self.after(effects)
    }

    /// What came of a call. `dice` in 0..1 spreads the retries of many nodes.
    pub fn hear(&mut self, now: Duration, dice: f64, call: &Call, heard: Heard) -> Vec<Effect> {
        self.contact = !matches!(refusal(&heard), Some(Refusal::NoAnswer(_)));
        let again = match refusal(&heard) {
            None => None,
            Some(Refusal::NoAnswer(_)) => Some(None),
            Some(Refusal::Problem(said)) => {
                // A full disk of the service is no reason to be silent: only files are put off for it.
                let of_a_file = said.status == 507 && matches!(call, Call::Piece { .. });
                // A quota of orphans is full for a day: they are kept here instead.
                let for_long = said.code == "quota_exceeded";
                (passes(said.status) && !of_a_file && !for_long).then_some(said.retry_after)
            }
        };
        if let Some(retry_after) = again {
            self.pause.longer(now, dice, retry_after);
            if let Call::Claim { seq, .. } = call {
                self.open_claim = Some(*seq);
            }
            return vec![];
        }
        self.pause.over();
        let effects = match heard {
            Heard::Hello(Ok(reply)) => self.greeted_back(reply),
            Heard::Hello(Err(Refusal::Problem(said))) => self.hello_refused(now, dice, &said),
            Heard::Claim(answer) => self.claimed(now, dice, call, answer),
            Heard::Events(answer) => self.of_run(|run| run.events_answered(now, answer)),
            Heard::Piece(answer) => self.of_run(|run| run.piece_answered(now, call, answer)),
            Heard::Finish(answer) => self.of_run(|run| run.finish_answered(now, answer)),
            Heard::Orphan(answer) => self.of_run(|run| run.orphan_answered(now, answer)),
            Heard::Hello(Err(Refusal::NoAnswer(_))) => vec![],
        };
        self.after(effects)
    }

    /// What came of a beat, or of waiting for a command.
    pub fn heard(&mut self, of: &AttemptId, answer: Answer<Option<BeatReply>>) -> Vec<Effect> {
        self.contact = !matches!(answer, Err(Refusal::NoAnswer(_)));
        if self.run.as_ref().is_none_or(|run| run.attempt() != of) {
            return vec![];
        }
        let effects = match answer {
            Ok(reply) => {
                let mut effects = vec![];
                for command in reply.into_iter().flat_map(|r| r.commands) {
                    effects.extend(self.commanded(command));
                }
                effects
            }
            // The beat is said again; that the service is busy, stopping or full changes nothing for the run.
            Err(Refusal::Problem(said)) if passes(said.status) => vec![],
            Err(Refusal::Problem(said)) => self.of_run(|run| run.refused(&said)),
            Err(Refusal::NoAnswer(_)) => vec![],
        };
        self.after(effects)
    }

    fn commanded(&mut self, command: Command) -> Vec<Effect> {
        let Some(run) = &mut self.run else { return vec![] };
        match command {
            Command::Cancel { why } => run.cancel(&why),
            Command::Extend { walltime_s } => run.extend(walltime_s),
            // It gets no further job from the service, whatever it claims.
            Command::Drain => vec![],
            Command::Update { .. } if run.told_of_update => vec![],
            Command::Update { version } => {
                run.told_of_update = true;
                let ours = env!("CARGO_PKG_VERSION");
                vec![Effect::Note(format!("the service wishes for version {version} of the daemon; this is {ours}"))]
            }
        }
    }

    fn of_run(&mut self, act: impl FnOnce(&mut Run) -> Vec<Effect>) -> Vec<Effect> {
        self.run.as_mut().map(act).unwrap_or_default()
    }

    /// A run that is kept or forgotten is no longer ours.
    fn after(&mut self, effects: Vec<Effect>) -> Vec<Effect> {
        if effects.iter().any(|e| matches!(e, Effect::Keep(_) | Effect::Forget)) {
            self.run = None;
            self.claim_from = Duration::ZERO;
        }
        effects
    }

    fn greeted_back(&mut self, reply: HelloReply) -> Vec<Effect> {
        self.greeted = true;
        self.intervals = reply.intervals;
        self.limits = reply.limits;
        let Some(run) = &mut self.run else { return vec![] };
        match reply.attempts.get(run.attempt()) {
            // What it knows not is asked about again by every call of the attempt, and answered there.
            None | Some(AttemptStanding::Live) => vec![],
            Some(AttemptStanding::Unknown) => run.unknown(),
            Some(AttemptStanding::Stale) => run.stale(),
            Some(AttemptStanding::Ended) => run.has_ended("by what the service says"),
        }
    }

    fn hello_refused(&mut self, now: Duration, dice: f64, said: &Said) -> Vec<Effect> {
        if let (409, Some(_)) = (said.status, said.retry_after) {
            self.pause.longer(now, dice, said.retry_after);
            return vec![];
        }
        self.dismiss(said)
    }

    fn dismiss(&mut self, said: &Said) -> Vec<Effect> {
        let why = format!("{}: {}", said.code, said.detail);
        self.dismissed = Some(why.clone());
        match &mut self.run {
            Some(run) => run.cut_off(&format!("the service refused this node ({why})")),
            None => vec![],
        }
    }

    fn claimed(
        &mut self,
        now: Duration,
        dice: f64,
        call: &Call,
        answer: Answer<Option<Box<Assignment>>>,
    ) -> Vec<Effect> {
        self.open_claim = None;
        let unwell = matches!(call, Call::Claim { unhealthy, .. } if !unhealthy.is_empty());
        match answer {
            Ok(Some(assignment)) if self.run.is_none() => {
                self.run = Some(Run::new(now, &assignment));
                return vec![Effect::Take(assignment)];
            }
            Ok(_) => {
                self.claim_from = now + if unwell { UNWELL_AGAIN } else { BETWEEN_CLAIMS.mul_f64(0.1 + 0.9 * dice) };
            }
            Err(Refusal::Problem(said)) => match said.code.as_str() {
                "identity_in_use" | "node_busy" => {
                    self.greeted = false;
                    self.pause.longer(now, dice, said.retry_after);
                }
                "node_unhealthy" => {
                    self.claim_from = now + said.retry_after.map_or(UNWELL_AGAIN, Duration::from_secs);
                }
                "conflict" => self.claim_from = now + BETWEEN_CLAIMS,
                _ if said.status == 401 || said.status == 403 || said.status == 426 => return self.dismiss(&said),
                _ => self.pause.longer(now, dice, Some(said.retry_after.unwrap_or(30))),
            },
            Err(Refusal::NoAnswer(_)) => (),
        }
        vec![]
    }
}

/// Whether a refusal is of the moment: the same call is to be made again.
#[must_use]
pub fn passes(status: u16) -> bool {
    matches!(status, 429 | 500 | 502 | 503 | 504 | 507)
}

#[cfg(test)]
mod tests;
