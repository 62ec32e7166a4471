//! The one run of the node, as the service is told of it.

use std::time::Duration;

use hpl_spec::api::agent::{
    AgentEvent, Assignment, AttemptPhase, EventsReply, FinishReply, Limits, NumberedEvent, OrphanReply, Stored,
};
use hpl_spec::id::AttemptId;
use hpl_spec::job::Progress;

use super::files::Files;
use super::{Call, Effect, Next, say};
use crate::client::{Answer, Proof, Refusal, Said};
use crate::launch::Stop;

/// Progress is told at most this often, and at most [`PROGRESS_EVENTS`] times in the walltime.
const PROGRESS_EVERY: Duration = Duration::from_secs(1);
const PROGRESS_EVENTS: u32 = 4000;
/// Events kept free for what must be told: preparing, started, finishing.
const EVENTS_KEPT: u64 = 8;
/// Events that can wait are told together this often.
const EVENTS_EVERY: Duration = Duration::from_secs(2);
/// How long the service takes files after the end.
const FILES_AFTER_END: Duration = Duration::from_secs(14 * 60);
/// An attempt that is told to be alive and unknown by turns is asked about no more often than this.
const ORPHAN_AGAIN: Duration = Duration::from_secs(5);

/// A run that has ended, all of it written down.
#[derive(Debug, Clone, PartialEq)]
pub struct Ending {
    /// Whether there is a result that somebody may want even if it does not count.
    pub is_result: bool,
    /// Logs and artifacts, those that matter most first.
    pub files: Vec<FileToSend>,
}

/// A file that does not change any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileToSend {
    /// `log/out`, `log/err`, `artifacts/NAME`.
    pub path: String,
    /// Bytes.
    pub length: u64,
    /// SHA-256, 64 hexadecimal digits.
    pub sha256: String,
}

/// What a journal tells of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Resumed {
    /// What was claimed.
    pub assignment: Assignment,
    /// When, by the clock that counts from boot.
    pub taken_at: Duration,
    /// What happened so far.
    pub events: Vec<NumberedEvent>,
    /// Whether its shim was started.
    pub launched: bool,
}

/// Whether the attempt may write, and if not, what becomes of the run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Standing {
    /// It may.
    Live,
    /// The service does not know it: the run goes on and is handed in as an orphan.
    Unknown,
    /// It may not: what comes of it is kept if it is a result.
    Over(String),
}

#[derive(Debug)]
pub(super) struct Run {
    proof: Proof,
    standing: Standing,
    phase: AttemptPhase,
    taken_at: Duration,
    walltime_s: u32,
    events: Vec<NumberedEvent>,
    acked: u64,
    events_from: Duration,
    progress_from: Duration,
    /// The latest progress, while it waits for its time.
    waiting: Option<Progress>,
    pub progress_dropped: u64,
    files: Files,
    ending: Option<Ending>,
    /// The end was answered; files may follow until then.
    finished: Option<Duration>,
    handed_in: bool,
    /// The service says that it has an end: ours, if its answer was lost. The end is told once more to know.
    ask_end: bool,
    cancelled: bool,
    launched: bool,
    pub told_of_update: bool,
}

impl Run {
    pub fn new(now: Duration, assignment: &Assignment) -> Run {
        let Assignment { attempt, fence, token, walltime_s, .. } = assignment;
        Run {
            proof: Proof { attempt: attempt.clone(), fence: *fence, token: token.clone() },
            standing: Standing::Live,
            phase: AttemptPhase::Preparing,
            taken_at: now,
            walltime_s: *walltime_s,
            events: vec![],
            acked: 0,
            events_from: now,
            progress_from: now,
            waiting: None,
            progress_dropped: 0,
            files: Files::new(now),
            ending: None,
            finished: None,
            handed_in: false,
            ask_end: false,
            cancelled: false,
            launched: false,
            told_of_update: false,
        }
    }

    pub fn resume(resumed: Resumed) -> Run {
        let mut run = Run::new(resumed.taken_at, &resumed.assignment);
        for event in &resumed.events {
            run.enter(&event.event);
        }
        run.events = resumed.events;
        run.launched = resumed.launched;
        run
    }

    pub fn attempt(&self) -> &AttemptId {
        &self.proof.attempt
    }

    pub fn proof(&self) -> Proof {
        self.proof.clone()
    }

    pub fn phase(&self) -> AttemptPhase {
        self.phase
    }

    pub fn events(&self) -> u64 {
        self.events.len() as u64
    }

    pub fn may_write(&self) -> bool {
        self.standing == Standing::Live && self.finished.is_none()
    }

    fn enter(&mut self, event: &AgentEvent) {
        match event {
            AgentEvent::Started => self.phase = AttemptPhase::Running,
            AgentEvent::Finishing => self.phase = AttemptPhase::Finishing,
            AgentEvent::Preparing | AgentEvent::Progress(_) => (),
        }
    }

    // What is seen.

    pub fn happened(&mut self, now: Duration, event: AgentEvent, limit: u64) -> Vec<Effect> {
        let mut effects = vec![];
        match event {
            AgentEvent::Progress(progress) => {
                let full = self.events() + EVENTS_KEPT >= limit;
                if now < self.progress_from || full {
                    // The latest stands for those before it; only what the limit keeps back is missed.
                    self.progress_dropped += u64::from(full);
                    self.waiting = Some(progress);
                    return effects;
                }
                self.waiting = None;
                let spread = Duration::from_secs(self.walltime_s.into()) / PROGRESS_EVENTS;
                self.progress_from = now + PROGRESS_EVERY.max(spread);
                effects.push(self.number(now, AgentEvent::Progress(progress)));
            }
            event => {
                // The last progress leads to the result, so it is told in any case.
                if let Some(progress) = self.waiting.take() {
                    effects.push(self.number(now, AgentEvent::Progress(progress)));
                }
                self.enter(&event);
                effects.push(self.number(now, event));
                self.events_from = now;
            }
        }
        effects
    }

    fn number(&mut self, now: Duration, event: AgentEvent) -> Effect {
        let at_ms = u64::try_from(now.saturating_sub(self.taken_at).as_millis()).unwrap_or(u64::MAX);
        // After a restart of the machine its clock begins anew.
        let at_ms = at_ms.max(self.events.last().map_or(0, |e| e.at_ms));
        let event = NumberedEvent { seq: self.events() + 1, at_ms, event };
        self.events.push(event.clone());
        Effect::Record(event)
    }

    pub fn grew(&mut self, lengths: [u64; 2]) {
        self.files.grew(lengths);
    }

    pub fn ended(&mut self, ending: Ending) -> Vec<Effect> {
        self.phase = AttemptPhase::Finishing;
        self.files.settle(&ending.files);
        let is_result = ending.is_result;
        self.ending = Some(ending);
        match &self.standing {
            Standing::Over(why) => leave(is_result, why),
            Standing::Unknown if !is_result => vec![note("the service does not know this attempt"), Effect::Forget],
            Standing::Live | Standing::Unknown => vec![],
        }
    }

    pub fn tick(&mut self, now: Duration) -> Vec<Effect> {
        let late = self.finished.is_some_and(|until| now >= until);
        if late { vec![note("the service did not take all files of the run in time"), Effect::Forget] } else { vec![] }
    }

    // What the service wants.

    pub fn cancel(&mut self, why: &str) -> Vec<Effect> {
        if self.cancelled || self.phase == AttemptPhase::Finishing {
            return vec![];
        }
        self.cancelled = true;
        vec![note(&format!("the run is cancelled: {why}")), Effect::Stop(Stop::Cancelled)]
    }

    pub fn extend(&mut self, walltime_s: u32) -> Vec<Effect> {
        if walltime_s == self.walltime_s {
            return vec![];
        }
        self.walltime_s = walltime_s;
        vec![Effect::Extend(walltime_s)]
    }

    /// The service says no to a call of the attempt.
    pub fn refused(&mut self, said: &Said) -> Vec<Effect> {
        match (said.status, said.code.as_str()) {
            (409, "stale_fence") => self.stale(),
            (404, "unknown_attempt") => self.unknown(),
            (410, _) => self.has_ended(&said.detail),
            _ => self.cut_off(&format!("the service refused a call: {} {}: {}", said.status, said.code, said.detail)),
        }
    }

    pub fn stale(&mut self) -> Vec<Effect> {
        self.over("its fence is dead: the job was given to another run or given up")
    }

    /// The service has an end of the attempt.
    pub fn has_ended(&mut self, detail: &str) -> Vec<Effect> {
        if self.ending.is_some() && self.standing == Standing::Live {
            self.ask_end = true;
            return vec![];
        }
        self.over(&format!("the job has ended: {detail}"))
    }

    /// Nothing is wanted of it any more: it is ended.
    pub fn over(&mut self, why: &str) -> Vec<Effect> {
        if matches!(self.standing, Standing::Over(_)) {
            return vec![];
        }
        self.standing = Standing::Over(why.to_owned());
        match &self.ending {
            Some(ending) => leave(ending.is_result, why),
            None => vec![note(&format!("the run is ended: {why}")), Effect::Stop(Stop::Stale)],
        }
    }

    /// It may not be spoken of any more, but it may go on.
    pub fn cut_off(&mut self, why: &str) -> Vec<Effect> {
        if matches!(self.standing, Standing::Over(_)) {
            return vec![];
        }
        self.standing = Standing::Over(why.to_owned());
        match &self.ending {
            Some(ending) => leave(ending.is_result, why),
            None => vec![note(&format!("the run goes on and will be kept as an orphan: {why}"))],
        }
    }

    pub fn unknown(&mut self) -> Vec<Effect> {
        if self.standing != Standing::Live {
            return vec![];
        }
        self.standing = Standing::Unknown;
        let said = note("the service does not know this attempt, perhaps it was restored: it goes on as an orphan");
        match &self.ending {
            Some(ending) if !ending.is_result => vec![said, Effect::Forget],
            _ => vec![said],
        }
    }

    // What is said.

    pub fn next(&self, now: Duration, limits: &Limits) -> Next {
        let handing_in = self.standing == Standing::Unknown && self.ending.is_some();
        if handing_in && !self.handed_in {
            return say(Call::Orphan { attempt: self.attempt().clone() });
        }
        if self.standing != Standing::Live && !handing_in {
            return Next::Wait(Duration::MAX);
        }
        if self.ask_end && self.finished.is_none() {
            return say(Call::Finish { by: self.proof() });
        }
        let mut until = Duration::MAX;
        if !handing_in && self.acked < self.events() {
            if now >= self.events_from {
                return say(self.tell(limits));
            }
            until = self.events_from;
        }
        match self.files.next(now, &self.proof, limits) {
            Next::Say(call) => return Next::Say(call),
            // Before the end is told, files that can wait are waited for; after it there is nothing else.
            Next::Wait(at) => until = until.min(at),
        }
        let told = self.finished.is_some() || handing_in;
        if self.ending.is_some() && !told && self.acked >= self.events() && !self.files.hold_up() {
            return say(Call::Finish { by: self.proof() });
        }
        Next::Wait(until.min(self.finished.unwrap_or(Duration::MAX)))
    }

    /// The start is told alone: together with what happened later it would be no start by the service's clock.
    fn tell(&self, limits: &Limits) -> Call {
        let from = usize::try_from(self.acked).unwrap_or(usize::MAX).min(self.events.len());
        let most = (limits.events_per_call as usize).max(1);
        let ends = |e: &NumberedEvent| matches!(e.event, AgentEvent::Preparing | AgentEvent::Started);
        let alone = self.events[from..].iter().position(ends).map_or(most, |at| at + 1);
        let to = self.events.len().min(from + most.min(alone));
        Call::Events { by: self.proof(), events: self.events[from..to].to_vec() }
    }

    // What is answered.

    /// The program is started once the service knows: from then on a silent node is lost and not forgotten, and the job
    /// is given to nobody else.
    fn launch(&mut self) -> Vec<Effect> {
        let told = self.events.iter().any(|e| e.event == AgentEvent::Started && e.seq <= self.acked);
        let wanted = !self.cancelled && self.ending.is_none() && self.standing == Standing::Live;
        if !told || self.launched || !wanted {
            return vec![];
        }
        self.launched = true;
        vec![Effect::Launch]
    }

    pub fn events_answered(&mut self, now: Duration, answer: Answer<EventsReply>) -> Vec<Effect> {
        match answer {
            Ok(reply) => {
                // A backup may know of fewer than it has acknowledged; of more it cannot know.
                self.acked = reply.seq.min(self.events());
                if self.acked >= self.events() {
                    self.events_from = now + EVENTS_EVERY;
                }
                self.launch()
            }
            Err(Refusal::Problem(said)) => self.missing(&said),
            Err(Refusal::NoAnswer(_)) => vec![],
        }
    }

    fn missing(&mut self, said: &Said) -> Vec<Effect> {
        match (said.code.as_str(), said.expected_seq) {
            ("missing_events", Some(expected)) => {
                self.acked = expected.saturating_sub(1).min(self.events());
                self.events_from = Duration::ZERO;
                vec![]
            }
            _ => self.refused(said),
        }
    }

    pub fn piece_answered(&mut self, now: Duration, call: &Call, answer: Answer<Stored>) -> Vec<Effect> {
        let Call::Piece { piece, .. } = call else { return vec![] };
        match self.files.answered(now, &piece.path, answer) {
            Ok(()) => self.all_sent(),
            // The time for files is over, or the orphan was not kept: the end itself was told.
            Err(said) if self.told() && matches!(said.status, 404 | 409 | 410) => vec![Effect::Forget],
            Err(said) => self.refused(&said),
        }
    }

    fn told(&self) -> bool {
        self.finished.is_some() || self.handed_in
    }

    /// Once the end is told and no file is on its way, nothing is left to do.
    fn all_sent(&self) -> Vec<Effect> {
        if !self.told() || !self.files.are_done() {
            return vec![];
        }
        let notes = self.files.refused().map(|(path, why)| note(&format!("the service did not take {path}: {why}")));
        notes.chain([Effect::Forget]).collect()
    }

    pub fn finish_answered(&mut self, now: Duration, answer: Answer<FinishReply>) -> Vec<Effect> {
        match answer {
            Ok(reply) => {
                self.finished = Some(now + FILES_AFTER_END);
                // It takes no end before it has every event, and no event after it.
                self.acked = self.events();
                self.files.lack(&reply.incomplete);
                let mut effects = vec![note(&format!("the service has the end of the run: {}", reply.state))];
                effects.extend(self.all_sent());
                effects
            }
            // Another end than ours was accepted.
            Err(Refusal::Problem(said)) if said.status == 410 => {
                self.over(&format!("the job has ended: {}", said.detail))
            }
            Err(Refusal::Problem(said)) => self.missing(&said),
            Err(Refusal::NoAnswer(_)) => vec![],
        }
    }

    pub fn orphan_answered(&mut self, now: Duration, answer: Answer<OrphanReply>) -> Vec<Effect> {
        match answer {
            Ok(reply) => {
                self.handed_in = true;
                self.finished = Some(now + FILES_AFTER_END);
                self.files.begin_with(&reply.incomplete);
                let mut effects = vec![note("the service keeps the run as an orphan, in no ranking")];
                effects.extend(self.all_sent());
                effects
            }
            Err(Refusal::Problem(said)) if said.status == 409 => {
                // The attempt may write after all: it was revived meanwhile.
                self.standing = Standing::Live;
                self.events_from = now + ORPHAN_AGAIN;
                vec![]
            }
            Err(Refusal::Problem(said)) => {
                vec![Effect::Keep(format!("the service refused the orphan: {}: {}", said.code, said.detail))]
            }
            Err(Refusal::NoAnswer(_)) => vec![],
        }
    }
}

/// What becomes of a run that has ended and may not be told.
fn leave(is_result: bool, why: &str) -> Vec<Effect> {
    if is_result { vec![Effect::Keep(why.to_owned())] } else { vec![note(why), Effect::Forget] }
}

fn note(text: &str) -> Effect {
    Effect::Note(text.to_owned())
}
