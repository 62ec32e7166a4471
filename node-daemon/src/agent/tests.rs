//! What the agent says, step by step. Against the real service, with everything lost that can be lost, it is tested in
//! `validation/tests/agent/`.

use hpl_spec::api::agent::{AgentEvent, EventsReply, FinishReply, NumberedEvent, OrphanReply, Stored};
use hpl_spec::job::{JobState, Progress};
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::launch::Stop;

const ID: &str = "0190f5fe-7c00-7a3b-8b1e-0123456789ab";

fn assignment() -> Assignment {
    serde_json::from_value(json!({
        "job": ID, "attempt": ID, "fence": 7, "token": "t", "owner": "ada", "benchmark": "hpl", "parameters": {},
        "inputs": [], "ranks": 1, "bytes_per_rank": 1, "walltime_s": 60,
    }))
    .unwrap()
}

fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn no<T>(status: u16, code: &str) -> Answer<T> {
    let (code, detail) = (code.to_owned(), "why".to_owned());
    let said = Said { status, code, detail, ..Said::default() };
    Err(Refusal::Problem(Box::new(said)))
}

fn hello(standing: Option<AttemptStanding>) -> Heard {
    let agent = Agent::new(None, None);
    let attempts = standing.map(|s| (ID.parse().unwrap(), s)).into_iter().collect();
    let (intervals, limits) = (agent.intervals(), agent.limits());
    Heard::Hello(Ok(HelloReply { protocol: 1, intervals, limits, attempts, now: 0 }))
}

fn next(agent: &Agent, now: Duration) -> Call {
    match agent.next(now) {
        Next::Say(call) => *call,
        Next::Wait(until) => panic!("it waits until {until:?}: {agent:#?}"),
    }
}

/// An agent that knows its service and has a job, its start told.
fn running() -> Agent {
    let mut agent = Agent::new(None, None);
    let now = at(10);
    let call = next(&agent, now);
    agent.hear(now, 0.5, &call, hello(None));
    let call = next(&agent, now);
    let Call::Claim { seq: 10_000, wait_s: 55, .. } = call else { panic!("{call:?}") };
    let taken = agent.hear(now, 0.5, &call, Heard::Claim(Ok(Some(Box::new(assignment())))));
    assert_eq!(taken, [Effect::Take(Box::new(assignment()))]);
    agent.observe(now, Fact::Happened(AgentEvent::Preparing));
    agent.observe(now, Fact::Happened(AgentEvent::Started));
    for seq in 1..=2 {
        let call = next(&agent, now);
        let Call::Events { events, .. } = &call else { panic!("{call:?}") };
        assert_eq!(events.iter().map(|e| e.seq).collect::<Vec<_>>(), [seq], "the start is told alone");
        let effects = agent.hear(now, 0.5, &call, Heard::Events(Ok(EventsReply { seq, dup: false })));
        assert_eq!(
            effects,
            if seq == 2 { vec![Effect::Launch] } else { vec![] },
            "no launch before the start is known"
        );
    }
    agent
}

fn ended(is_result: bool) -> Fact {
    let file = FileToSend { path: "artifacts/HPL.out".into(), length: 3, sha256: "00".into() };
    Fact::Ended(Box::new(Ending { is_result, files: vec![file] }))
}

/// The same, its program over.
fn finishing(is_result: bool) -> Agent {
    let mut agent = running();
    agent.observe(at(20), Fact::Happened(AgentEvent::Finishing));
    agent.observe(at(20), ended(is_result));
    let call = next(&agent, at(20));
    agent.hear(at(20), 0.5, &call, Heard::Events(Ok(EventsReply { seq: 3, dup: false })));
    agent
}

fn is_note(effect: &Effect) -> bool {
    matches!(effect, Effect::Note(_))
}

fn without_notes(effects: Vec<Effect>) -> Vec<Effect> {
    effects.into_iter().filter(|e| !is_note(e)).collect()
}

#[test]
fn a_run_is_delivered_files_first_and_then_forgotten() {
    let mut agent = finishing(true);
    let call = next(&agent, at(20));
    assert!(matches!(&call, Call::Piece { length: 3, .. }), "{call:?}");
    agent.hear(at(20), 0.5, &call, Heard::Piece(Ok(Stored { length: 3, dup: false, complete: true })));
    let call = next(&agent, at(20));
    assert!(matches!(call, Call::Finish { .. }), "{call:?}");
    let reply = FinishReply { state: JobState::Verifying, dup: false, incomplete: vec![] };
    let effects = agent.hear(at(21), 0.5, &call, Heard::Finish(Ok(reply)));
    assert_eq!(without_notes(effects), [Effect::Forget]);
    assert!(agent.is_idle() && matches!(next(&agent, at(21)), Call::Claim { .. }));
}

#[test]
fn an_end_whose_answer_was_lost_is_told_once_more() {
    let mut agent = finishing(true);
    let beat = agent.heard(&ID.parse().unwrap(), no(410, "ended"));
    assert!(beat.is_empty(), "{beat:?}");
    assert!(matches!(next(&agent, at(20)), Call::Finish { .. }));
    let effects =
        agent.hear(at(20), 0.5, &Call::Finish { by: agent.voice().unwrap().0 }, Heard::Finish(no(410, "ended")));
    assert!(matches!(&without_notes(effects)[..], [Effect::Keep(_)]), "another end was accepted: ours is kept");
}

#[test]
fn a_dead_fence_ends_the_run_and_keeps_a_result() {
    let mut agent = running();
    let id = ID.parse().unwrap();
    let effects = agent.heard(&id, no(409, "stale_fence"));
    assert_eq!(without_notes(effects), [Effect::Stop(Stop::Stale)]);
    assert!(agent.voice().is_none(), "it gives no sign of life any more");
    assert_eq!(agent.next(at(30)), Next::Wait(Duration::MAX));
    let kept = agent.observe(at(30), ended(true));
    assert!(matches!(&without_notes(kept)[..], [Effect::Keep(_)]));
    assert!(agent.is_idle());
    let gone = finishing(false).heard(&id, no(409, "stale_fence"));
    assert_eq!(without_notes(gone), [Effect::Forget], "without a result there is nothing to keep");
}

#[test]
fn an_unknown_attempt_runs_on_and_is_handed_in() {
    let mut agent = running();
    let effects = agent.heard(&ID.parse().unwrap(), no(404, "unknown_attempt"));
    assert!(without_notes(effects).is_empty(), "it goes on");
    assert!(agent.voice().is_none());
    agent.observe(at(30), ended(true));
    let call = next(&agent, at(30));
    assert!(matches!(call, Call::Orphan { .. }), "{call:?}");
    let reply = OrphanReply { job_known: false, dup: false, incomplete: vec!["artifacts/HPL.out".into()] };
    agent.hear(at(30), 0.5, &call, Heard::Orphan(Ok(reply)));
    let call = next(&agent, at(30));
    assert!(matches!(call, Call::Piece { .. }), "its files follow: {call:?}");
    let effects = agent.hear(at(31), 0.5, &call, Heard::Piece(Ok(Stored { length: 3, dup: false, complete: true })));
    assert_eq!(without_notes(effects), [Effect::Forget]);
}

#[test]
fn an_orphan_that_is_one_too_many_is_kept_here() {
    let mut agent = running();
    agent.heard(&ID.parse().unwrap(), no(404, "unknown_attempt"));
    agent.observe(at(30), ended(true));
    let call = next(&agent, at(30));
    let effects = agent.hear(at(30), 0.5, &call, Heard::Orphan(no(429, "quota_exceeded")));
    assert!(matches!(&without_notes(effects)[..], [Effect::Keep(_)]));
    assert!(matches!(next(&agent, at(31)), Call::Claim { .. }), "the node is free again");
}

#[test]
fn a_cancel_is_heard_once() {
    let mut agent = running();
    let (id, cancel) = (ID.parse().unwrap(), Command::Cancel { why: "by ada".into() });
    let reply = || Ok(Some(BeatReply { dup: false, lease_s: 90, commands: vec![cancel.clone()] }));
    assert_eq!(without_notes(agent.heard(&id, reply())), [Effect::Stop(Stop::Cancelled)]);
    assert!(without_notes(agent.heard(&id, reply())).is_empty());
    let other = "0190f5fe-7c00-7a3b-8b1e-000000000000".parse().unwrap();
    assert!(running().heard(&other, reply()).is_empty(), "it was for another attempt");
}

#[test]
fn a_claim_that_was_lost_is_repeated_and_a_node_that_is_not_well_says_so() {
    let mut agent = Agent::new(None, Some(77));
    let call = next(&agent, at(10));
    agent.hear(at(10), 0.5, &call, hello(None));
    let call = next(&agent, at(10));
    assert!(matches!(call, Call::Claim { seq: 77, .. }), "{call:?}");
    agent.hear(at(11), 1.0, &call, Heard::Claim(Err(Refusal::NoAnswer("x".into()))));
    assert_eq!(agent.next(at(11)), Next::Wait(at(11) + Duration::from_millis(500)));
    assert!(matches!(next(&agent, at(12)), Call::Claim { seq: 77, .. }));
    agent.hear(at(12), 0.5, &call, Heard::Claim(Ok(None)));
    agent.observe(at(12), Fact::Health(vec!["no disk".into()]));
    agent.observe(at(12), Fact::Drain(true));
    let call = next(&agent, at(12));
    let Call::Claim { wait_s: 0, unhealthy, .. } = &call else { panic!("{call:?}") };
    assert_eq!(unhealthy.len(), 2);
    agent.hear(at(12), 0.5, &call, Heard::Claim(no(409, "node_unhealthy")));
    assert_eq!(agent.next(at(13)), Next::Wait(at(12) + UNWELL_AGAIN));
    agent.observe(at(13), Fact::Drain(false));
    assert!(matches!(next(&agent, at(13)), Call::Claim { .. }), "what changes is told at once");
}

#[test]
fn a_refused_node_ends_in_order() {
    for (status, code) in
        [(401, "token_expired"), (403, "forbidden"), (426, "upgrade_required"), (409, "identity_in_use")]
    {
        let mut agent = Agent::new(None, None);
        let call = next(&agent, at(1));
        agent.hear(at(1), 0.5, &call, Heard::Hello(no(status, code)));
        assert!(agent.dismissed().unwrap().starts_with(code) && agent.is_idle());
        assert_eq!(agent.next(at(2)), Next::Wait(Duration::MAX));
    }
    // Its run goes on, and is kept.
    let resumed = Resumed { assignment: assignment(), taken_at: at(1), events: vec![], launched: true };
    let mut agent = Agent::new(Some(resumed), None);
    let call = next(&agent, at(2));
    assert!(without_notes(agent.hear(at(2), 0.5, &call, Heard::Hello(no(401, "token_expired")))).is_empty());
    assert!(agent.dismissed().is_some() && !agent.is_idle());
    assert!(matches!(&without_notes(agent.observe(at(3), ended(true)))[..], [Effect::Keep(_)]));
}

#[test]
fn another_boot_that_spoke_a_moment_ago_is_waited_for() {
    let resumed = Resumed { assignment: assignment(), taken_at: at(1), events: vec![], launched: true };
    let mut agent = Agent::new(Some(resumed), None);
    let call = next(&agent, at(2));
    assert_eq!(call, Call::Hello { holding: vec![ID.parse().unwrap()] });
    assert!(agent.voice().is_none(), "a beat would keep the other boot alive");
    let said = Said { status: 409, code: "identity_in_use".into(), retry_after: Some(30), ..Said::default() };
    agent.hear(at(2), 0.0, &call, Heard::Hello(Err(Refusal::Problem(Box::new(said)))));
    assert!(agent.dismissed().is_none() && matches!(agent.next(at(31)), Next::Wait(_)));
    assert_eq!(next(&agent, at(34)), call);
}

#[test]
fn progress_is_thinned_and_its_last_word_is_told() {
    let mut agent = running();
    let progress = |seconds: f64| AgentEvent::Progress(Progress { seconds, ..Progress::default() });
    let mut told = vec![];
    for tenth in 0..30 {
        let now = at(11) + Duration::from_millis(tenth * 100);
        told.extend(agent.observe(now, Fact::Happened(progress(tenth as f64))));
    }
    assert_eq!(told.len(), 3, "{told:?}");
    let last = agent.observe(at(15), Fact::Happened(AgentEvent::Finishing));
    let [Effect::Record(before), Effect::Record(end)] = &last[..] else { panic!("{last:?}") };
    assert_eq!((&before.event, &end.event), (&progress(29.0), &AgentEvent::Finishing));
    assert_eq!(agent.progress_dropped(), 0);
}

#[test]
fn a_service_that_forgot_events_gets_them_again() {
    let mut agent = finishing(true);
    let said = Said { status: 409, code: "missing_events".into(), expected_seq: Some(2), ..Said::default() };
    let finish = Call::Finish { by: agent.voice().unwrap().0 };
    agent.hear(at(20), 0.5, &finish, Heard::Finish(Err(Refusal::Problem(Box::new(said)))));
    let Call::Events { events, .. } = next(&agent, at(20)) else { panic!() };
    assert_eq!(events[0].seq, 2);
}

/// A beat that a full or stopping service refused once cut its run off, and the result came to nothing.
#[test]
fn a_beat_refused_for_the_moment_changes_nothing() {
    let id = ID.parse().unwrap();
    for status in [429, 500, 502, 503, 504, 507] {
        let mut agent = running();
        assert_eq!(agent.heard(&id, no(status, "disk_full")), [], "{status}");
        assert!(agent.voice().is_some(), "{status}");
    }
    let mut agent = running();
    agent.heard(&id, no(400, "malformed_json"));
    assert!(agent.voice().is_none(), "what is refused for good is not said again");
}

/// A daemon that was killed between the end and its answer does not know which events were heard. It told them after the
/// end, was refused, asked for the end again, and so on without a pause.
#[test]
fn after_the_end_no_event_is_told() {
    let event = |seq, event| NumberedEvent { seq, at_ms: seq, event };
    let events = vec![event(1, AgentEvent::Preparing), event(2, AgentEvent::Started), event(3, AgentEvent::Finishing)];
    let resumed = Resumed { assignment: assignment(), taken_at: Duration::ZERO, events, launched: true };
    let attempt = resumed.assignment.attempt.clone();
    let mut agent = Agent::new(Some(resumed), None);
    let now = Duration::from_secs(100);
    let sha256 = "0".repeat(64);
    let file = FileToSend { path: "log/out".into(), length: 5, sha256 };
    agent.observe(now, Fact::Ended(Box::new(Ending { is_result: true, files: vec![file] })));
    let hello = Call::Hello { holding: vec![attempt.clone()] };
    let reply = HelloReply {
        now: 0,
        intervals: agent.intervals(),
        limits: agent.limits(),
        protocol: 1,
        attempts: [(attempt, AttemptStanding::Ended)].into(),
    };
    agent.hear(now, 0.5, &hello, Heard::Hello(Ok(reply)));
    let Next::Say(finish) = agent.next(now) else { panic!() };
    assert!(matches!(*finish, Call::Finish { .. }), "{finish:?}");
    let reply = FinishReply { state: hpl_spec::job::JobState::Done, dup: true, incomplete: vec!["log/out".into()] };
    agent.hear(now, 0.5, &finish, Heard::Finish(Ok(reply)));
    // What is left is the file.
    let Next::Say(piece) = agent.next(now) else { panic!() };
    assert!(matches!(*piece, Call::Piece { .. }), "{piece:?}");
    let stored = Stored { length: 5, dup: false, complete: true };
    assert!(agent.hear(now, 0.5, &piece, Heard::Piece(Ok(stored))).contains(&Effect::Forget));
}

/// The wall clock is set: of what the node decides and tells, nothing rests on it. The agent is handed the clock that
/// counts from boot; two agents that live the same life at other times of that clock say the same.
#[test]
fn what_is_said_depends_on_durations_alone() {
    let life = |from: Duration| {
        let mut agent = Agent::new(None, None);
        let at = |ms: u64| from + Duration::from_millis(ms);
        let call = next(&agent, from);
        agent.hear(from, 0.5, &call, hello(None));
        let claim = Call::Claim { seq: 1, wait_s: 55, unhealthy: vec![] };
        let mut told = agent.hear(at(0), 0.5, &claim, Heard::Claim(Ok(Some(Box::new(assignment())))));
        for (ms, event) in [(10, AgentEvent::Preparing), (20, AgentEvent::Started), (9000, AgentEvent::Finishing)] {
            told.extend(agent.observe(at(ms), Fact::Happened(event)));
        }
        (told, agent.next(at(9001)))
    };
    let day = Duration::from_secs(86_400);
    assert_eq!(life(day), life(day * 400));
}

/// Anything that can be said or seen, at any moment.
#[derive(Debug, Clone)]
enum Any {
    Answer(u16, u8),
    NoAnswer,
    Well(u8),
    Beat(u16),
    Progress,
    End(bool),
    Later(u16),
}

fn anything() -> impl Strategy<Value = Any> {
    let status = prop::sample::select(vec![400u16, 401, 404, 409, 410, 413, 416, 422, 426, 429, 500, 503, 507]);
    prop_oneof![
        (status.clone(), any::<u8>()).prop_map(|(s, c)| Any::Answer(s, c)),
        Just(Any::NoAnswer),
        any::<u8>().prop_map(Any::Well),
        status.prop_map(Any::Beat),
        Just(Any::Progress),
        any::<bool>().prop_map(Any::End),
        any::<u16>().prop_map(Any::Later),
    ]
}

const CODES: [&str; 8] = [
    "stale_fence",
    "conflict",
    "missing_events",
    "identity_in_use",
    "node_unhealthy",
    "unknown_attempt",
    "hash_mismatch",
    "whatever",
];

fn answer(call: &Call, any: &Any) -> Heard {
    macro_rules! refused {
        ($variant:ident) => {
            Heard::$variant(match any {
                Any::Answer(status, code) => no(*status, CODES[usize::from(*code) % CODES.len()]),
                _ => Err(Refusal::NoAnswer("lost".into())),
            })
        };
    }
    match (call, any) {
        (Call::Hello { .. }, Any::Well(_)) => hello(None),
        (Call::Claim { .. }, Any::Well(n)) => Heard::Claim(Ok((n % 2 == 0).then(|| Box::new(assignment())))),
        (Call::Events { events, .. }, Any::Well(n)) => {
            let seq = events.last().map_or(0, |e| e.seq).saturating_sub(u64::from(*n % 3));
            Heard::Events(Ok(EventsReply { seq, dup: false }))
        }
        (Call::Piece { piece, length, .. }, Any::Well(n)) => {
            let complete = piece.whole.is_some() && n % 4 > 0;
            Heard::Piece(Ok(Stored { length: piece.offset + length, dup: false, complete }))
        }
        (Call::Finish { .. }, Any::Well(n)) => {
            let incomplete = if n % 3 == 0 { vec!["artifacts/HPL.out".into()] } else { vec![] };
            Heard::Finish(Ok(FinishReply { state: JobState::Verifying, dup: false, incomplete }))
        }
        (Call::Orphan { .. }, Any::Well(_)) => {
            Heard::Orphan(Ok(OrphanReply { job_known: true, dup: false, incomplete: vec![] }))
        }
        (Call::Hello { .. }, _) => refused!(Hello),
        (Call::Claim { .. }, _) => refused!(Claim),
        (Call::Events { .. }, _) => refused!(Events),
        (Call::Piece { .. }, _) => refused!(Piece),
        (Call::Finish { .. }, _) => refused!(Finish),
        (Call::Orphan { .. }, _) => refused!(Orphan),
    }
}

/// What the rim would do, and what it would find wrong.
#[derive(Default)]
struct Rim {
    held: bool,
    launched: bool,
    over: bool,
    events: Vec<NumberedEvent>,
}

impl Rim {
    fn act(&mut self, agent: &mut Agent, now: Duration, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Take(_) => {
                    assert!(!self.held, "two runs at a time");
                    *self = Rim { held: true, ..Rim::default() };
                    for event in [AgentEvent::Preparing, AgentEvent::Started] {
                        let effects = agent.observe(now, Fact::Happened(event));
                        self.act(agent, now, effects);
                    }
                }
                Effect::Record(event) => {
                    assert!(self.held && event.seq == self.events.len() as u64 + 1);
                    assert!(self.events.last().is_none_or(|last| last.at_ms <= event.at_ms));
                    self.events.push(event);
                }
                Effect::Launch => {
                    assert!(self.held && !self.launched && !self.over, "launched twice, or after its end");
                    self.launched = true;
                }
                Effect::Stop(_) => {
                    assert!(self.held);
                    self.end(agent, now, false);
                }
                Effect::Keep(_) | Effect::Forget => {
                    assert!(self.held && self.over, "parted from before its end");
                    self.held = false;
                }
                Effect::Extend(_) | Effect::Note(_) => (),
            }
        }
    }

    fn end(&mut self, agent: &mut Agent, now: Duration, is_result: bool) {
        if !self.held || self.over {
            return;
        }
        self.over = true;
        if self.launched {
            let effects = agent.observe(now, Fact::Happened(AgentEvent::Finishing));
            self.act(agent, now, effects);
        }
        let effects = agent.observe(now, ended(is_result));
        self.act(agent, now, effects);
    }
}

proptest! {
    #[test]
    fn whatever_is_heard_there_is_one_run_with_numbered_events(steps in prop::collection::vec(anything(), 1..200)) {
        let (mut agent, mut rim, mut now) = (Agent::new(None, None), Rim::default(), at(1));
        for step in steps {
            match &step {
                Any::Later(ms) => now += Duration::from_millis(u64::from(*ms)),
                Any::Progress if rim.launched && !rim.over => {
                    let progress = AgentEvent::Progress(Progress::default());
                    let effects = agent.observe(now, Fact::Happened(progress));
                    rim.act(&mut agent, now, effects);
                }
                Any::End(is_result) if rim.launched => rim.end(&mut agent, now, *is_result),
                Any::Beat(status) => {
                    if let Some((by, _)) = agent.voice() {
                        let effects = agent.heard(&by.attempt, no(*status, "stale_fence"));
                        rim.act(&mut agent, now, effects);
                    }
                }
                _ => {
                    let effects = agent.tick(now);
                    rim.act(&mut agent, now, effects);
                    if let Next::Say(call) = agent.next(now) {
                        if matches!(*call, Call::Finish { .. } | Call::Orphan { .. }) {
                            prop_assert!(rim.over, "the end is told before it came");
                        }
                        let effects = agent.hear(now, 0.5, &call, answer(&call, &step));
                        rim.act(&mut agent, now, effects);
                    }
                }
            }
            prop_assert_eq!(rim.held, !agent.is_idle());
        }
    }
}
