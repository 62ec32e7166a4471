//! A node: the real agent, and around it what a disk, a process and a network would be.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::body::Body;
use axum::http::Method;
use data_encoding::HEXLOWER;
use hpl_spec::api::agent::{
    AgentEvent, Assignment, AttemptOutcome, FileDigest, FinishRequest, NumberedEvent, OrphanOf, OrphanRequest,
};
use hpl_spec::job::{FailClass, Progress};
use node_daemon::agent::{Agent, Call, Effect, Ending, Fact, FileToSend, Heard, Next, Resumed};
use node_daemon::client::{Answer, Refusal, Said};
use rand::RngExt;
use rand::rngs::StdRng;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::world::{Answer as Status, World, evidence, golden_output, golden_result, node_info};

/// What a disk would hold of a run.
#[derive(Debug, Clone)]
pub struct Disk {
    pub assignment: Assignment,
    taken_at: Duration,
    events: Vec<NumberedEvent>,
    launched: bool,
    pub log: Vec<u8>,
    pub finish: Option<FinishRequest>,
}

/// A call as it travels.
#[derive(Debug, Clone)]
pub struct Letter {
    pub method: Method,
    pub path: String,
    pub token: String,
    pub body: Vec<u8>,
    pub json: bool,
}

/// The node.
pub struct Node {
    pub name: String,
    pub id: String,
    token: String,
    boot: u32,
    pub agent: Agent,
    pub disk: Option<Disk>,
    claim: Option<u64>,
    /// A process computes.
    pub running: bool,
    beat: u64,
    /// Runs whose end the service has accepted.
    pub delivered: Vec<Disk>,
    /// Runs that were handed in as orphans, whole.
    pub handed_in: Vec<Disk>,
    /// Runs that are kept.
    pub kept: Vec<Disk>,
    /// What it would have logged.
    pub notes: Vec<String>,
    pub dismissed: bool,
    handing_in: bool,
}

impl Node {
    pub async fn join(world: &World, name: &str, token: &str) -> Node {
        let body = json!({ "protocol": 1, "name": name, "machine_id": format!("machine {name}") });
        let (status, body) = world.post("/agent/v1/join", token, &body).await;
        assert!(status.is_success(), "{body}");
        Node {
            name: name.into(),
            id: body["node"].as_str().unwrap().into(),
            token: body["token"].as_str().unwrap().into(),
            boot: 1,
            agent: Agent::new(None, None),
            disk: None,
            claim: None,
            running: false,
            beat: 0,
            delivered: vec![],
            handed_in: vec![],
            kept: vec![],
            notes: vec![],
            dismissed: false,
            handing_in: false,
        }
    }

    fn boot_id(&self) -> String {
        format!("{}-boot-{}", self.name, self.boot)
    }

    /// The daemon is killed and started again; what ran goes on.
    pub fn restart(&mut self, now: Duration) {
        let resumed = self.disk.as_ref().map(|disk| Resumed {
            assignment: disk.assignment.clone(),
            taken_at: disk.taken_at,
            events: disk.events.clone(),
            launched: disk.launched,
        });
        let claim = self.claim.filter(|_| self.disk.is_none());
        self.handing_in = false;
        self.agent = Agent::new(resumed, claim);
        if let Some(finish) = self.disk.as_ref().and_then(|disk| disk.finish.clone()) {
            self.see(now, Fact::Ended(Box::new(ending(&finish))));
        } else if self.disk.as_ref().is_some_and(|disk| !disk.launched) {
            self.prepare(now);
        }
    }

    /// The machine is started anew; what ran is gone.
    pub fn reboot(&mut self, now: Duration) {
        self.boot += 1;
        self.running = false;
        self.claim = None;
        self.disk = self.disk.take().filter(|disk| disk.finish.is_some());
        self.restart(now);
    }

    fn prepare(&mut self, now: Duration) {
        let known = self.agent.events();
        if known == 0 {
            self.see(now, Fact::Happened(AgentEvent::Preparing));
        }
        if known < 2 {
            self.see(now, Fact::Happened(AgentEvent::Started));
        }
    }

    fn see(&mut self, now: Duration, fact: Fact) {
        let effects = self.agent.observe(now, fact);
        self.act(now, effects);
    }

    /// The process computes a while, or ends.
    pub fn compute(&mut self, now: Duration, rng: &mut StdRng) {
        let Some(disk) = &mut self.disk else { return };
        if !self.running || disk.finish.is_some() {
            return;
        }
        let events = disk.events.len();
        if events < 6 || rng.random_bool(0.5) {
            let n = rng.random_range(40..700);
            disk.log.extend(format!("column {events} of many\n").bytes().cycle().take(n));
            let length = disk.log.len() as u64;
            let fraction = (events as f64 / 10.0).min(1.0);
            let progress = Progress { fraction, seconds: 60.0 * fraction, score: 88.0, score_now: 88.0 };
            self.see(now, Fact::Logs([length, 0]));
            return self.see(now, Fact::Happened(AgentEvent::Progress(progress)));
        }
        let outcome = match rng.random_range(0..10) {
            0 => failed(FailClass::Benchmark),
            1 => failed(FailClass::Policy),
            2 => failed(FailClass::Infra),
            _ => AttemptOutcome::Completed { result: golden_result() },
        };
        self.end(now, outcome);
    }

    fn end(&mut self, now: Duration, outcome: AttemptOutcome) {
        if self.running {
            self.see(now, Fact::Happened(AgentEvent::Finishing));
        }
        self.running = false;
        let (boot, events) = (self.boot_id(), self.agent.events());
        let Some(disk) = &mut self.disk else { return };
        let digest = |path: &str, bytes: &[u8]| {
            let sha256 = HEXLOWER.encode(&Sha256::digest(bytes));
            FileDigest { path: path.into(), length: bytes.len() as u64, sha256 }
        };
        let files = vec![digest("artifacts/HPL.out", golden_output()), digest("log/out", &disk.log)];
        let fence = disk.assignment.fence;
        let evidence = serde_json::from_value(evidence(&boot)).unwrap();
        let finish = FinishRequest { fence, events, outcome, evidence: Some(evidence), files };
        disk.finish = Some(finish.clone());
        self.see(now, Fact::Ended(Box::new(ending(&finish))));
    }

    fn act(&mut self, now: Duration, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Take(assignment) => {
                    assert!(self.disk.is_none(), "{} takes a job while it has one", self.name);
                    self.disk = Some(Disk {
                        assignment: *assignment,
                        taken_at: now,
                        events: vec![],
                        launched: false,
                        log: vec![],
                        finish: None,
                    });
                    self.prepare(now);
                }
                Effect::Launch => {
                    let disk = self.disk.as_mut().expect("a run to launch");
                    assert!(!disk.launched, "{} launches twice", self.name);
                    disk.launched = true;
                    self.running = true;
                }
                Effect::Record(event) => {
                    let disk = self.disk.as_mut().expect("a run to record");
                    assert_eq!(event.seq, disk.events.len() as u64 + 1);
                    disk.events.push(event);
                }
                Effect::Stop(_) => self.end(now, AttemptOutcome::Cancelled),
                Effect::Extend(_) => (),
                Effect::Note(text) => self.notes.push(text),
                Effect::Keep(why) => {
                    let disk = self.part();
                    let attempt = disk.as_ref().map(|d| d.assignment.attempt.to_string()).unwrap_or_default();
                    self.notes.push(format!("{attempt} is kept: {why}"));
                    self.kept.extend(disk);
                }
                Effect::Forget => {
                    let handed_in = self.handing_in;
                    let disk = self.part();
                    let result = disk.filter(|d| d.finish.as_ref().is_some_and(is_result));
                    if handed_in { self.handed_in.extend(result) } else { self.delivered.extend(result) }
                }
            }
        }
    }

    fn part(&mut self) -> Option<Disk> {
        self.handing_in = false;
        assert!(!self.running, "{} parts from a run that goes on", self.name);
        self.disk.take()
    }

    /// The next call, if there is one.
    pub fn next(&mut self, now: Duration) -> Option<(Call, Letter)> {
        let effects = self.agent.tick(now);
        self.act(now, effects);
        if self.agent.dismissed().is_some() && self.agent.is_idle() {
            self.dismissed = true;
        }
        let Next::Say(call) = self.agent.next(now) else { return None };
        let letter = self.letter(&call);
        Some((*call, letter))
    }

    fn letter(&mut self, call: &Call) -> Letter {
        let of = |attempt: &dyn std::fmt::Display, what: &str| format!("/agent/v1/attempts/{attempt}/{what}");
        let post = |path: String, token: &str, body: Value| Letter {
            method: Method::POST,
            path,
            token: token.to_owned(),
            body: body.to_string().into_bytes(),
            json: true,
        };
        match call {
            Call::Hello { holding } => {
                let body = json!({
                    "protocol": 1, "version": "test", "machine_id": format!("machine {}", self.name),
                    "boot_id": self.boot_id(), "info": node_info(&self.name), "free_disk": 1u64 << 40,
                    "holding": holding,
                });
                post(format!("/agent/v1/nodes/{}/hello", self.id), &self.token, body)
            }
            Call::Claim { seq, unhealthy, .. } => {
                self.claim = Some(*seq);
                let body = json!({ "boot_id": self.boot_id(), "memory_available": 15u64 << 30,
                                   "free_disk": 1u64 << 40, "seq": seq, "unhealthy": unhealthy });
                post("/agent/v1/claim?wait=0".into(), &self.token, body)
            }
            Call::Events { by, events } => {
                post(of(&by.attempt, "events"), &by.token, json!({ "fence": by.fence, "events": events }))
            }
            Call::Piece { by, piece, length } => {
                let disk = self.disk.as_ref().expect("a run with files");
                let whole = if piece.path == "log/out" { &disk.log[..] } else { golden_output() };
                let from = (piece.offset as usize).min(whole.len());
                let to = (from + *length as usize).min(whole.len());
                let mut path = format!("{}?fence={}&offset={from}", of(&by.attempt, &piece.path), by.fence);
                if let Some((length, sha256)) = &piece.whole {
                    path += &format!("&length={length}&sha256={sha256}");
                }
                let body = whole[from..to].to_vec();
                Letter { method: Method::PUT, path, token: by.token.clone(), body, json: false }
            }
            Call::Finish { by } => post(of(&by.attempt, "finish"), &by.token, json!(self.finish())),
            Call::Orphan { .. } => {
                self.handing_in = true;
                let Assignment { job, attempt, token, owner, benchmark, parameters, .. } =
                    self.disk.as_ref().expect("a run to hand in").assignment.clone();
                let assignment = OrphanOf { job, attempt, token, owner, benchmark, parameters };
                let body = json!(OrphanRequest { assignment, finish: self.finish() });
                post("/agent/v1/orphans".into(), &self.token, body)
            }
        }
    }

    fn finish(&self) -> FinishRequest {
        self.disk.as_ref().and_then(|disk| disk.finish.clone()).expect("an end to tell")
    }

    /// What an answer changes; None stands for one that never came.
    pub fn hear(&mut self, now: Duration, rng: &mut StdRng, call: &Call, answer: Option<Status>) {
        let lost = || Refusal::NoAnswer("lost".into());
        let answer = answer.ok_or_else(lost);
        let heard = match call {
            Call::Hello { .. } => Heard::Hello(read(answer)),
            Call::Claim { .. } => Heard::Claim(match answer {
                Ok((status, _)) if status == 204 => Ok(None),
                answer => read(answer).map(Some),
            }),
            Call::Events { .. } => Heard::Events(read(answer)),
            Call::Piece { .. } => Heard::Piece(read(answer)),
            Call::Finish { .. } => Heard::Finish(read(answer)),
            Call::Orphan { .. } => Heard::Orphan(read(answer)),
        };
        let effects = self.agent.hear(now, rng.random_range(0.0..1.0), call, heard);
        self.act(now, effects);
    }

    /// A sign of life, if there is one to give.
    pub async fn beat(&mut self, now: Duration, world: &World, lost: bool) {
        let Some((by, phase)) = self.agent.voice() else { return };
        self.beat = self.beat.max(u64::try_from(now.as_millis()).unwrap()) + 1;
        let body = json!({ "fence": by.fence, "seq": self.beat, "phase": phase });
        let path = format!("/agent/v1/attempts/{}/beat", by.attempt);
        let answer = if lost { None } else { Some(world.post(&path, &by.token, &body).await) };
        let answer = answer.ok_or(Refusal::NoAnswer("lost".into()));
        let effects = self.agent.heard(&by.attempt, read(answer).map(Some));
        self.act(now, effects);
    }
}

pub async fn deliver(world: &World, letter: &Letter) -> Status {
    let body = Body::from(letter.body.clone());
    world.send(letter.method.clone(), &letter.path, &letter.token, Some(body), letter.json).await
}

fn read<T: DeserializeOwned>(answer: Result<Status, Refusal>) -> Answer<T> {
    let (status, body) = answer?;
    if status.is_success() {
        return Ok(serde_json::from_value(body).unwrap());
    }
    let number = |name: &str| body.get(name).and_then(Value::as_u64);
    let word = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
    let retry_after = matches!(status.as_u16(), 429 | 503).then_some(1);
    // The header does not come through the world; this is the one case in which it decides something.
    let another_boot = word("code") == "identity_in_use" && word("detail").contains("another boot");
    Err(Refusal::Problem(Box::new(Said {
        status: status.as_u16(),
        code: word("code"),
        detail: word("detail"),
        offset: number("offset"),
        expected_seq: number("expected_seq"),
        retry_after: if another_boot { Some(30) } else { retry_after },
        ..Said::default()
    })))
}

fn failed(class: FailClass) -> AttemptOutcome {
    AttemptOutcome::Failed { class, code: "clumsy".into(), detail: "it fell".into() }
}

pub fn is_result(finish: &FinishRequest) -> bool {
    matches!(finish.outcome, AttemptOutcome::Completed { .. })
}

fn ending(finish: &FinishRequest) -> Ending {
    let files =
        finish.files.iter().map(|f| FileToSend { path: f.path.clone(), length: f.length, sha256: f.sha256.clone() });
    Ending { is_result: is_result(finish), files: files.collect() }
}

/// Where each attempt is, for messages.
pub fn attempts(disks: &[Disk]) -> BTreeMap<String, String> {
    disks.iter().map(|d| (d.assignment.attempt.to_string(), d.assignment.job.to_string())).collect()
}
