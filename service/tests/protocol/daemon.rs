//! A node daemon as small as one can be: it keeps its journal across its own restarts, says everything again until it
//! is answered, and does what the answers ask. The network between it and the service is the caller's.

use axum::http::{Method, StatusCode};
use data_encoding::HEXLOWER;
use hpl_spec::api::agent::Assignment;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::world::{Answer, evidence, golden_output, golden_result, node_info};

/// One call to the service.
#[derive(Debug, Clone)]
pub struct Call {
    pub kind: Kind,
    pub method: Method,
    pub path: String,
    pub token: String,
    pub body: Vec<u8>,
    pub json: bool,
}

/// What an answer is an answer to.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    Join,
    Hello,
    Claim,
    Beat,
    Events {
        last: usize,
    },
    Log,
    Artifact,
    Finish,
    Orphan,
    /// A file of an orphan that was kept.
    Late,
    Wait,
}

/// A run on the node.
#[derive(Debug, Clone)]
pub struct Run {
    pub assignment: Assignment,
    /// What happened so far: preparing, started, progress..., finishing.
    events: Vec<Value>,
    pub acked: usize,
    beat: u64,
    pub log: Vec<u8>,
    log_sent: u64,
    log_sealed: bool,
    output_sent: bool,
    /// The process runs.
    pub running: bool,
    /// The service has said yes to `started`.
    pub start_acked: bool,
    /// How it ended, once it has.
    ended: Option<&'static str>,
    /// The service does not know the attempt: nothing more is said until the orphan.
    unknown: bool,
}

/// A run whose result the service has accepted.
pub struct Delivered {
    pub job: String,
    pub attempt: String,
    pub log: Vec<u8>,
}

/// What the journal says of the end of a run.
pub struct Told {
    pub job: String,
    attempt: String,
    /// `completed`, `cancelled`, or the class of its failure.
    pub how: &'static str,
    /// The state that the service answered, once it has.
    pub answered: Option<String>,
}

/// The daemon.
pub struct Daemon {
    pub name: String,
    pub join: String,
    /// The join token has run out.
    pub must_ask: bool,
    pub node: String,
    pub token: String,
    pub boot: u32,
    pub said_hello: bool,
    claim_seq: u64,
    pub run: Option<Run>,
    pub orphans: Vec<Run>,
    /// Orphans that the service has kept, and whose files are on their way.
    pub kept: Vec<Run>,
    /// Orphans that the service has with all their files.
    pub whole: Vec<Delivered>,
    /// Attempts whose end the service has accepted as completed.
    pub delivered: Vec<Delivered>,
    /// Every end that was ever told.
    pub journal: Vec<Told>,
    /// Some runs fail.
    pub clumsy: bool,
}

impl Daemon {
    pub fn new(name: &str, join: String) -> Daemon {
        Daemon {
            name: name.into(),
            join,
            must_ask: false,
            node: String::new(),
            token: String::new(),
            boot: 1,
            said_hello: false,
            claim_seq: 1,
            run: None,
            orphans: vec![],
            kept: vec![],
            whole: vec![],
            delivered: vec![],
            journal: vec![],
            clumsy: false,
        }
    }

    /// The machine is started anew: what ran is gone, the journal of orphans is not.
    pub fn reboot(&mut self) {
        self.boot += 1;
        self.claim_seq = 1;
        self.said_hello = false;
        self.run = None;
    }

    fn boot_id(&self) -> String {
        format!("{}-boot-{}", self.name, self.boot)
    }

    fn call(&self, kind: Kind, method: Method, path: String, token: &str, body: &Value) -> Call {
        let body = if body.is_null() { vec![] } else { body.to_string().into_bytes() };
        Call { kind, method, path, token: token.into(), body, json: true }
    }

    /// The next thing to say. `dice` chooses among what could be said.
    pub fn next(&mut self, dice: u32) -> Option<Call> {
        if self.node.is_empty() {
            let body = json!({ "protocol": 1, "name": self.name, "machine_id": format!("machine {}", self.name) });
            return Some(self.call(Kind::Join, Method::POST, "/agent/v1/join".into(), &self.join, &body));
        }
        if !self.said_hello {
            let holding: Vec<_> = self.run.iter().map(|r| r.assignment.attempt.to_string()).collect();
            let body = json!({
                "protocol": 1, "version": "test", "machine_id": format!("machine {}", self.name),
                "boot_id": self.boot_id(), "info": node_info(&self.name), "free_disk": 1u64 << 40, "holding": holding,
            });
            let path = format!("/agent/v1/nodes/{}/hello", self.node);
            return Some(self.call(Kind::Hello, Method::POST, path, &self.token, &body));
        }
        if let Some(orphan) = self.orphans.first().filter(|_| dice.is_multiple_of(5)) {
            let a = &orphan.assignment;
            let body = json!({
                "assignment": { "job": a.job, "attempt": a.attempt, "token": a.token, "owner": a.owner, "benchmark": a.benchmark,
                                "parameters": a.parameters },
                "finish": self.finish_body(orphan),
            });
            return Some(self.call(Kind::Orphan, Method::POST, "/agent/v1/orphans".into(), &self.token, &body));
        }
        if let Some(kept) = self.kept.first().filter(|_| dice.is_multiple_of(2)) {
            let root = format!("/agent/v1/attempts/{}", kept.assignment.attempt);
            let call = if kept.log_sealed { output_call(kept, &root) } else { log_call(kept, &root, dice) };
            return Some(Call { kind: Kind::Late, ..call });
        }
        if self.run.is_none() {
            let body = json!({ "boot_id": self.boot_id(), "memory_available": 15u64 << 30, "free_disk": 1u64 << 40,
                               "seq": self.claim_seq });
            return Some(self.call(Kind::Claim, Method::POST, "/agent/v1/claim?wait=0".into(), &self.token, &body));
        }
        self.work(dice)
    }

    /// The run goes on, or something is said of it.
    fn work(&mut self, dice: u32) -> Option<Call> {
        let run = self.run.as_mut()?;
        if dice.is_multiple_of(3) || run.unknown {
            run.go_on(dice, self.clumsy);
        }
        if run.unknown {
            if run.ended.is_some() {
                let run = self.run.take()?;
                self.orphans.extend(run.is_result().then_some(run));
            }
            return None;
        }
        let fence = run.assignment.fence;
        let root = format!("/agent/v1/attempts/{}", run.assignment.attempt);
        let token = run.assignment.token.clone();
        let unsaid = run.events.len() > run.acked;
        match dice % 7 {
            0 | 1 => {
                run.beat += 1;
                let phase = if run.ended.is_some() {
                    "finishing"
                } else if run.running {
                    "running"
                } else {
                    "preparing"
                };
                let body = json!({ "fence": fence, "seq": run.beat, "phase": phase });
                Some(self.call(Kind::Beat, Method::POST, format!("{root}/beat"), &token, &body))
            }
            2 if !run.log.is_empty() && !run.log_sealed => Some(log_call(run, &root, dice)),
            3 if run.ended.is_some() && !run.output_sent => Some(output_call(run, &root)),
            _ if unsaid => {
                let last = run.events.len().min(run.acked + 1 + dice as usize % 3);
                let body = json!({ "fence": fence, "events": run.events[run.acked..last] });
                Some(self.call(Kind::Events { last }, Method::POST, format!("{root}/events"), &token, &body))
            }
            4 if dice.is_multiple_of(2) => {
                let path = format!("{root}/wait?fence={fence}&wait=0");
                Some(self.call(Kind::Wait, Method::GET, path, &token, &Value::Null))
            }
            _ if run.ended.is_some() && run.output_sent && run.log_sealed => {
                let (job, attempt) = (run.assignment.job.to_string(), run.assignment.attempt.to_string());
                if self.journal.iter().all(|t| t.attempt != attempt) {
                    self.journal.push(Told { job, attempt, how: run.ended?, answered: None });
                }
                let body = self.finish_body(self.run.as_ref()?);
                Some(self.call(Kind::Finish, Method::POST, format!("{root}/finish"), &token, &body))
            }
            _ => None,
        }
    }

    fn finish_body(&self, run: &Run) -> Value {
        let outcome = match run.ended {
            Some("completed") => json!({ "outcome": "completed", "result": golden_result() }),
            Some("cancelled") => json!({ "outcome": "cancelled" }),
            class => json!({ "outcome": "failed", "class": class, "code": "clumsy", "detail": "it fell" }),
        };
        let hash = HEXLOWER.encode(&Sha256::digest(&run.log));
        json!({
            "fence": run.assignment.fence, "events": run.events.len(), "outcome": outcome,
            "evidence": evidence(&self.boot_id()),
            "files": [{ "path": "log/out", "length": run.log.len(), "sha256": hash }],
        })
    }

    /// What an answer changes. None stands for one that never came.
    pub fn hear(&mut self, call: &Call, answer: Option<&Answer>) {
        let Some((status, body)) = answer else { return };
        let code = body["code"].as_str().unwrap_or_default();
        match (&call.kind, status.as_u16()) {
            (Kind::Join, 201) => {
                self.node = body["node"].as_str().unwrap().into();
                self.token = body["token"].as_str().unwrap().into();
            }
            (Kind::Hello, 200) => self.said_hello = true,
            (Kind::Claim, 200) if self.run.is_none() => {
                self.claim_seq += 1;
                self.run = Some(Run::new(serde_json::from_value(body.clone()).unwrap()));
            }
            (Kind::Claim, 204) => self.claim_seq += 1,
            (Kind::Claim, _) if code == "identity_in_use" => self.said_hello = false,
            (Kind::Orphan, 200) => {
                let orphan = self.orphans.remove(0);
                let there = body["incomplete"].as_array().unwrap().is_empty();
                if there && orphan.output_sent { self.whole.push(orphan.delivered()) } else { self.kept.push(orphan) }
            }
            (Kind::Orphan, 410) => drop(self.orphans.remove(0)),
            // The service says that the attempt may write after all: it was revived meanwhile.
            (Kind::Orphan, _) => (),
            (Kind::Beat | Kind::Wait | Kind::Events { .. } | Kind::Log | Kind::Artifact | Kind::Finish, _) => {
                self.hear_of_run(call, *status, body, code);
            }
            (Kind::Late, status) => self.hear_of_kept(call, status, body),
            (Kind::Join, 401) => self.must_ask = true,
            (kind, status) => assert!(status == 409, "{kind:?}: {status} {body}"),
        }
    }

    fn hear_of_kept(&mut self, call: &Call, status: u16, body: &Value) {
        let Some(at) = self.kept.iter().position(|k| call.path.contains(k.assignment.attempt.as_str())) else { return };
        let kept = &mut self.kept[at];
        match status {
            200 if call.path.contains("/log/") => {
                kept.log_sent = body["length"].as_u64().unwrap();
                kept.log_sealed = body["complete"] == true;
            }
            416 | 422 => kept.log_sent = body["offset"].as_u64().unwrap(),
            200 | 409 if call.path.contains("/artifacts/") => kept.output_sent = true,
            // The day for it is over, or the service was restored once more.
            404 | 409 | 410 => return drop(self.kept.remove(at)),
            status => panic!("{:?} of {}: {status} {body}", call.kind, self.name),
        }
        if kept.log_sealed && kept.output_sent {
            let kept = self.kept.remove(at);
            self.whole.push(kept.delivered());
        }
    }

    fn hear_of_run(&mut self, call: &Call, status: StatusCode, body: &Value, code: &str) {
        // An answer may be to a call for a run that is over.
        let Some(run) = self.run.as_mut().filter(|r| call.path.contains(r.assignment.attempt.as_str())) else { return };
        match (&call.kind, status.as_u16(), code) {
            (Kind::Beat | Kind::Wait, 200, _) => {
                let cancel = |c: &Value| c["command"] == "cancel";
                if body["commands"].as_array().unwrap().iter().any(cancel) && run.ended.is_none() {
                    run.end("cancelled");
                }
            }
            (Kind::Wait, 204, _) => (),
            (Kind::Events { .. }, 200, _) => {
                run.acked = run.acked.max(body["seq"].as_u64().unwrap() as usize);
                run.start_acked = run.events[..run.acked].iter().any(|e| e["event"]["kind"] == "started");
            }
            (Kind::Events { .. } | Kind::Finish, 409, "missing_events") => {
                run.acked = body["expected_seq"].as_u64().unwrap() as usize - 1;
            }
            (Kind::Log, 200, _) => {
                run.log_sent = body["length"].as_u64().unwrap();
                run.log_sealed = body["complete"] == true;
            }
            (Kind::Log, 416 | 422, _) => run.log_sent = body["offset"].as_u64().unwrap(),
            (Kind::Artifact, 200, _) => run.output_sent = true,
            (Kind::Artifact, 409, "conflict") => run.output_sent = true,
            (Kind::Finish, 200, _) => {
                let run = self.run.take().unwrap();
                let told = self.journal.iter_mut().find(|t| t.attempt == run.assignment.attempt.as_str());
                told.unwrap().answered = body["state"].as_str().map(str::to_owned);
                if run.is_result() {
                    self.delivered.push(run.delivered());
                }
            }
            (_, 409, "stale_fence") => {
                let mut run = self.run.take().unwrap();
                run.running = false;
                // Only what ended by itself is a result.
                self.orphans.extend(run.is_result().then_some(run));
            }
            (_, 410, _) => drop(self.run.take()),
            (_, 404, "unknown_attempt") => run.unknown = true,
            _ => panic!("{:?} of {}: {status} {body}", call.kind, self.name),
        }
    }
}

fn log_call(run: &Run, root: &str, dice: u32) -> Call {
    let from = run.log_sent as usize;
    let to = run.log.len().min(from + 1 + (dice as usize >> 3) % 900);
    let mut path = format!("{root}/log/out?fence={}&offset={from}", run.assignment.fence);
    if run.ended.is_some() && to == run.log.len() {
        let hash = HEXLOWER.encode(&Sha256::digest(&run.log));
        path += &format!("&length={to}&sha256={hash}");
    }
    let (token, body) = (run.assignment.token.clone(), run.log[from..to].to_vec());
    Call { kind: Kind::Log, method: Method::PUT, path, token, body, json: false }
}

fn output_call(run: &Run, root: &str) -> Call {
    let hash = HEXLOWER.encode(&Sha256::digest(golden_output()));
    let (length, fence) = (golden_output().len(), run.assignment.fence);
    let path = format!("{root}/artifacts/HPL.out?fence={fence}&offset=0&length={length}&sha256={hash}");
    let (token, body) = (run.assignment.token.clone(), golden_output().to_vec());
    Call { kind: Kind::Artifact, method: Method::PUT, path, token, body, json: false }
}

impl Run {
    fn is_result(&self) -> bool {
        self.ended == Some("completed")
    }

    fn delivered(self) -> Delivered {
        let Assignment { job, attempt, .. } = &self.assignment;
        Delivered { job: job.to_string(), attempt: attempt.to_string(), log: self.log }
    }

    fn new(assignment: Assignment) -> Run {
        Run {
            assignment,
            events: vec![],
            acked: 0,
            beat: 0,
            log: vec![],
            log_sent: 0,
            log_sealed: false,
            output_sent: false,
            running: false,
            start_acked: false,
            ended: None,
            unknown: false,
        }
    }

    fn happen(&mut self, event: Value) {
        let seq = self.events.len() + 1;
        self.events.push(json!({ "seq": seq, "at_ms": seq * 1000, "event": event }));
    }

    /// One step of the run itself.
    fn go_on(&mut self, dice: u32, clumsy: bool) {
        match self.events.len() {
            0 => self.happen(json!({ "kind": "preparing" })),
            1 => {
                self.running = true;
                self.happen(json!({ "kind": "started" }));
            }
            2..=5 if self.ended.is_none() && clumsy && dice.is_multiple_of(11) => {
                self.end(["benchmark", "infra", "policy"][dice as usize / 33 % 3]);
            }
            2..=5 if self.ended.is_none() => {
                let fraction = (self.events.len() - 1) as f64 / 5.0;
                self.log.extend(format!("column {dice} of many\n").bytes().cycle().take(40 + dice as usize % 700));
                let seconds = 60.0 * fraction;
                self.happen(json!({ "kind": "progress", "fraction": fraction, "seconds": seconds, "score": 88.0,
                                    "score_now": 88.0 }));
            }
            _ if self.ended.is_none() => self.end("completed"),
            _ => (),
        }
    }

    fn end(&mut self, how: &'static str) {
        self.log.extend(b"the last line\n");
        self.ended = Some(how);
        if self.running {
            self.happen(json!({ "kind": "finishing" }));
        }
        self.running = false;
        // There is no output to send of what did not complete.
        self.output_sent = !self.is_result();
    }
}
