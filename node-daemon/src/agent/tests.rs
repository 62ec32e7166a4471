//! The agent against a small service of its own kind: whatever is lost, and whenever.

use super::*;

fn assignment() -> Assignment {
    let id = "0190f5fe-7c00-7a3b-8b1e-0123456789ab";
    let assignment = serde_json::json!({
        "job": id, "attempt": id, "fence": 1, "token": "t", "owner": "ada", "benchmark": "hpl", "parameters": {},
        "inputs": [], "ranks": 1, "bytes_per_rank": 1, "walltime_s": 60,
    });
    serde_json::from_value(assignment).unwrap()
}

fn problem(status: u16) -> Refusal {
    let (code, detail) = ("disk_full".to_owned(), String::new());
    Refusal::Problem(Box::new(Said { status, code, detail, offset: None, expected_seq: None, retry_after: None }))
}

/// A beat that a full or stopping service refused once cut its run off, and the result came to nothing.
#[test]
fn a_beat_refused_for_the_moment_changes_nothing() {
    let assignment = assignment();
    let attempt = assignment.attempt.clone();
    let resumed = Resumed { assignment, taken_at: Duration::ZERO, events: vec![], launched: true };
    for status in [429, 500, 502, 503, 504, 507] {
        let mut agent = Agent::new(Some(resumed.clone()), None);
        agent.greeted = true;
        assert_eq!(agent.heard(&attempt, Err(problem(status))), [], "{status}");
        assert!(agent.voice().is_some(), "{status}");
    }
    let mut agent = Agent::new(Some(resumed), None);
    agent.heard(&attempt, Err(problem(400)));
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
        agent.greeted = true;
        let claim = Call::Claim { seq: 1, wait_s: 55, unhealthy: vec![] };
        let at = |ms: u64| from + Duration::from_millis(ms);
        let mut told = agent.hear(at(0), 0.5, &claim, Heard::Claim(Ok(Some(Box::new(assignment())))));
        for (ms, event) in [(10, AgentEvent::Preparing), (20, AgentEvent::Started), (9000, AgentEvent::Finishing)] {
            told.extend(agent.observe(at(ms), Fact::Happened(event)));
        }
        (told, agent.next(at(9001)))
    };
    let day = Duration::from_secs(86_400);
    assert_eq!(life(day), life(day * 400));
}
