//! The one run of the node, as the service is told of it.

use std::time::Duration;

use hpl_spec::api::agent::{
    AgentEvent, Assignment, AttemptPhase, EventsReply, FinishReply, Limits, NumberedEvent, OrphanReply, Stored,
};
use hpl_spec::id::AttemptId;
use hpl_spec::job::Progress;

use super::{Call, Effect, Next, say};
use crate::client::{Answer, Piece, Proof, Refusal, Said};
use crate::launch::Stop;

/// Progress is told at most this often, and at most [`PROGRESS_EVENTS`] times in the walltime.
const PROGRESS_EVERY: Duration = Duration::from_secs(1);
const PROGRESS_EVENTS: u32 = 4000;
/// Events kept free for what must be told: preparing, started, finishing.
const EVENTS_KEPT: u64 = 8;
/// Events that can wait are told together this often.
const EVENTS_EVERY: Duration = Duration::from_secs(2);
/// New bytes of a log are sent this often, or when there are [`LOG_ENOUGH`] of them.
const LOGS_EVERY: Duration = Duration::from_secs(1);
const LOG_ENOUGH: u64 = 64 << 10;
/// A file for which the service has no room is tried again after this time.
const NO_ROOM_AGAIN: Duration = Duration::from_secs(10);
/// So often before the end is told without it.
const NO_ROOM_TRIES: u32 = 3;
/// How long the service takes files after the end.
const FILES_AFTER_END: Duration = Duration::from_secs(14 * 60);
/// An attempt that is told to be alive and unknown by turns is asked about no more often than this.
const ORPHAN_AGAIN: Duration = Duration::from_secs(5);
/// How often a file is begun anew because its hash was not right.
const HASH_TRIES: u32 = 5;

/// The logs, in the order of [`super::Fact::Logs`].
const LOGS: [&str; 2] = ["log/out", "log/err"];

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

/// A file on its way.
#[derive(Debug)]
struct Sending {
    path: String,
    sent: u64,
    /// Length and hash, once it does not change any more.
    whole: Option<(u64, String)>,
    sealed: bool,
    /// Why it is not sent any more.
    given_up: Option<String>,
    no_room: u32,
    hashes: u32,
    from: Duration,
}

impl Sending {
    fn new(path: &str) -> Sending {
        let path = path.to_owned();
        Sending {
            path,
            sent: 0,
            whole: None,
            sealed: false,
            given_up: None,
            no_room: 0,
            hashes: 0,
            from: Duration::ZERO,
        }
    }

    fn is_open(&self) -> bool {
        !self.sealed && self.given_up.is_none()
    }
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
    logs: [u64; 2],
    logs_from: Duration,
    files: Vec<Sending>,
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
            logs: [0; 2],
            logs_from: now,
            files: LOGS.map(Sending::new).into(),
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
        self.logs = lengths;
    }

    pub fn ended(&mut self, ending: Ending) -> Vec<Effect> {
        self.phase = AttemptPhase::Finishing;
        for file in &ending.files {
            let at = self.files.iter().position(|f| f.path == file.path);
            let at = at.unwrap_or_else(|| {
                self.files.push(Sending::new(&file.path));
                self.files.len() - 1
            });
            self.files[at].whole = Some((file.length, file.sha256.clone()));
        }
        // In the order in which they matter; a log that is not there was never written.
        let order = |path: &str| ending.files.iter().position(|f| f.path == path);
        self.files.retain(|f| order(&f.path).is_some());
        self.files.sort_by_key(|f| order(&f.path));
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
        match self.piece(now, limits) {
            Next::Say(call) => return Next::Say(call),
            // Before the end is told, files that can wait are waited for; after it there is nothing else.
            Next::Wait(at) => until = until.min(at),
        }
        let told = self.finished.is_some() || handing_in;
        // The output file comes first and is looked at with the end; the others can follow it.
        let holds_up = |(i, f): (usize, &Sending)| f.is_open() && f.no_room < if i == 0 { NO_ROOM_TRIES } else { 1 };
        let all_there = !self.files.iter().enumerate().any(holds_up);
        if self.ending.is_some() && !told && self.acked >= self.events() && all_there {
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

    /// The next piece of a file, or until when there is none.
    fn piece(&self, now: Duration, limits: &Limits) -> Next {
        let mut until = Duration::MAX;
        for (file, grown) in self.files.iter().zip(self.logs.iter().map(Some).chain(std::iter::repeat(None))) {
            if !file.is_open() {
                continue;
            }
            let length = match (&file.whole, grown) {
                (Some((length, _)), _) => *length,
                (None, Some(length)) => *length,
                (None, None) => continue,
            };
            let ready = if file.whole.is_some() {
                file.from
            } else if length <= file.sent {
                continue;
            } else if length - file.sent >= LOG_ENOUGH {
                file.from
            } else {
                file.from.max(self.logs_from)
            };
            if now < ready {
                until = until.min(ready);
                continue;
            }
            let sent = file.sent.min(length);
            let bytes = (length - sent).min(limits.chunk_bytes.max(1));
            let whole = file.whole.clone().filter(|_| sent + bytes == length);
            let piece = Piece { path: file.path.clone(), offset: sent, whole };
            return say(Call::Piece { by: self.proof(), piece, length: bytes });
        }
        Next::Wait(until)
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
        let Some(file) = self.files.iter_mut().find(|f| f.path == piece.path) else { return vec![] };
        match answer {
            Ok(stored) => {
                file.sent = stored.length;
                file.sealed |= stored.complete;
                file.no_room = 0;
                if file.whole.is_none() {
                    self.logs_from = now + LOGS_EVERY;
                }
            }
            Err(Refusal::Problem(said)) => match (said.status, said.code.as_str(), said.offset) {
                (416, _, Some(offset)) => {
                    // What the service has beyond our file is not of this run: begun anew, its hash will tell.
                    let ours = file.whole.as_ref().map(|(length, _)| *length);
                    file.sent = if ours.is_some_and(|length| offset > length) { 0 } else { offset };
                    file.hashes += u32::from(file.sent == 0);
                    if file.hashes > HASH_TRIES {
                        file.given_up = Some(said.detail);
                    }
                }
                (422, "hash_mismatch", _) => {
                    file.sent = said.offset.unwrap_or(0);
                    file.hashes += 1;
                    if file.hashes > HASH_TRIES {
                        file.given_up = Some(said.detail);
                    }
                }
                (507, _, _) => {
                    file.no_room += 1;
                    file.from = now + NO_ROOM_AGAIN;
                }
                // It is there, sealed, from a time that our journal does not tell of.
                (409, "conflict", _) => file.sealed = true,
                (413 | 415 | 422, _, _) => file.given_up = Some(said.detail),
                // The time for files is over, or the orphan was not kept: the end itself was told.
                (404 | 409 | 410, _, _) if self.finished.is_some() || self.handed_in => return vec![Effect::Forget],
                _ => return self.refused(&said),
            },
            Err(Refusal::NoAnswer(_)) => (),
        }
        self.all_sent()
    }

    /// Once the end is told and no file is on its way, nothing is left to do.
    fn all_sent(&self) -> Vec<Effect> {
        let told = self.finished.is_some() || self.handed_in;
        if !told || self.files.iter().any(Sending::is_open) {
            return vec![];
        }
        let refused: Vec<_> = self.files.iter().filter_map(|f| Some((&f.path, f.given_up.as_ref()?))).collect();
        let notes = refused.iter().map(|(path, why)| note(&format!("the service did not take {path}: {why}")));
        notes.chain([Effect::Forget]).collect()
    }

    pub fn finish_answered(&mut self, now: Duration, answer: Answer<FinishReply>) -> Vec<Effect> {
        match answer {
            Ok(reply) => {
                self.finished = Some(now + FILES_AFTER_END);
                // It takes no end before it has every event, and no event after it.
                self.acked = self.events();
                // What the service lacks is sent again, whatever we believed.
                for file in &mut self.files {
                    if file.sealed && reply.incomplete.contains(&file.path) {
                        file.sealed = false;
                    }
                }
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
                for file in &mut self.files {
                    file.sealed = !reply.incomplete.contains(&file.path);
                    file.sent = 0;
                }
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
