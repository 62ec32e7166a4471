//! A user who submits and nodes that run, all of it retried until answered; and the account of what was acknowledged.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use reqwest::{Method, StatusCode};
use serde_json::Value;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::client::{Caller, api_token, ask, client, submission};
use crate::daemon::{Call, Daemon, Kind};
use crate::world::golden_output;

/// Flags under which one user keeps several nodes busy.
pub const FLAGS: &[&str] =
    &["--plain-http", "--no-rate-limits", "--disk-low", "0", "--disk-critical", "0", "--running-max", "4"];

/// So many jobs of the user are under way at a time.
const UNDER_WAY: usize = 4;

/// Work on.
const GO_ON: u8 = 0;
/// End the runs that have begun, and begin nothing more.
const END: u8 = 1;
/// Stop in the middle.
const DROP_ALL: u8 = 2;

/// What is over, in a job.
pub fn is_over(state: &str) -> bool {
    matches!(state, "done" | "failed" | "cancelled" | "expired")
}

/// A node: its daemon and how it talks.
pub struct Node {
    pub daemon: Daemon,
    caller: Caller,
    dice: StdRng,
    /// What the service has said yes to: the last event of each attempt.
    acked: BTreeMap<String, usize>,
    /// An end that was told and not answered. Said again before all else: it may have been heard.
    unanswered: Option<Call>,
}

impl Node {
    pub fn new(name: &str, join: &str, caller: Caller) -> Node {
        let seed = name.bytes().map(u64::from).sum();
        let dice = StdRng::seed_from_u64(seed);
        Node { daemon: Daemon::new(name, join.into()), caller, dice, acked: BTreeMap::new(), unanswered: None }
    }

    /// Says the next thing and hears what comes; the answer, if one came.
    pub async fn talk(&mut self) -> Option<(Kind, StatusCode, Value)> {
        let call = match self.unanswered.take() {
            Some(call) => call,
            None => self.daemon.next(self.dice.random())?,
        };
        let answer = self.deliver(&call).await;
        // An answer of the kind "come again" changes nothing, as none at all.
        let heard = answer.filter(|(status, _)| !status.is_server_error());
        self.daemon.hear(&call, heard.as_ref());
        let Some((status, body)) = heard else {
            self.unanswered = Some(call).filter(|call| call.kind == Kind::Finish);
            return None;
        };
        Some((call.kind, status, body))
    }

    async fn deliver(&self, call: &Call) -> Option<(StatusCode, Value)> {
        let method = Method::from_bytes(call.method.as_str().as_bytes()).unwrap();
        let mut request = self.caller.request(method, &call.path).body(call.body.clone());
        if !call.token.is_empty() {
            request = request.bearer_auth(&call.token);
        }
        let kind = if call.json { "application/json" } else { "application/octet-stream" };
        ask(request.header("content-type", kind)).await
    }

    /// What a service that forgets nothing may answer.
    fn nothing_was_forgotten(&mut self, kind: &Kind, status: StatusCode, body: &Value, attempt: Option<String>) {
        let said = format!("{}: {kind:?}: {status} {body}", self.daemon.name);
        match kind {
            Kind::Join => assert_eq!(status, 201, "{said}"),
            Kind::Claim | Kind::Wait => assert!(status == 200 || status == 204, "{said}"),
            Kind::Orphan => panic!("{said}"),
            Kind::Events { last } => {
                assert_eq!(status, 200, "{said}");
                let known = self.acked.entry(attempt.unwrap()).or_default();
                assert!(body["seq"].as_u64().unwrap() as usize >= *known, "an event was forgotten; {said}");
                *known = (*known).max(*last);
            }
            _ => assert_eq!(status, 200, "{said}"),
        }
    }

    /// Works until told to stop, and then until nothing is left to say of the last run.
    async fn work(mut self, stop: Arc<AtomicU8>) -> Node {
        loop {
            match stop.load(Ordering::SeqCst) {
                END if self.daemon.run.is_none() => return self,
                DROP_ALL => return self,
                _ => (),
            }
            let attempt = self.daemon.run.as_ref().map(|run| run.assignment.attempt.to_string());
            let idle = match self.talk().await {
                Some((kind, status, body)) => {
                    self.nothing_was_forgotten(&kind, status, &body, attempt);
                    kind == Kind::Claim && status == 204
                }
                None => self.caller.place.borrow().is_empty(),
            };
            if idle {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    }
}

/// A user who keeps some jobs under way, each submitted with a key of its own.
struct User {
    caller: Caller,
    token: String,
    /// The id that each key was answered with.
    submitted: BTreeMap<String, String>,
}

impl User {
    async fn submit(&mut self) -> String {
        let key = format!("key-{}", self.submitted.len());
        let (status, body) = self
            .caller
            .until_answered(|c| {
                let request = c.request(Method::POST, "/api/v1/jobs").bearer_auth(&self.token);
                request.header("idempotency-key", &key).json(&submission())
            })
            .await;
        assert_eq!(status, 201, "{body}");
        let id = body["jobs"][0]["id"].as_str().unwrap().to_owned();
        self.submitted.insert(key, id.clone());
        id
    }

    async fn get(&self, path: &str) -> Value {
        let (status, body) =
            self.caller.until_answered(|c| c.request(Method::GET, path).bearer_auth(&self.token)).await;
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    async fn states(&self) -> BTreeMap<String, Value> {
        let mut all = BTreeMap::new();
        let mut path = "/api/v1/jobs?limit=50".to_owned();
        loop {
            let page = self.get(&path).await;
            for job in page["jobs"].as_array().unwrap() {
                all.insert(job["id"].as_str().unwrap().to_owned(), job.clone());
            }
            match page["next"].as_str() {
                Some(next) => path = format!("/api/v1/jobs?limit=50&before={next}"),
                None => return all,
            }
        }
    }

    async fn work(mut self, stop: Arc<AtomicU8>) -> User {
        while stop.load(Ordering::SeqCst) == GO_ON {
            let states = self.states().await;
            let under_way = states.values().filter(|job| !is_over(job["state"].as_str().unwrap())).count();
            if under_way < UNDER_WAY {
                self.submit().await;
            } else {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        self
    }
}

/// User and nodes at work.
pub struct Load {
    stop: Arc<AtomicU8>,
    user: JoinHandle<User>,
    nodes: Vec<JoinHandle<Node>>,
}

/// What they have at the end.
pub struct Account {
    user: User,
    pub nodes: Vec<Node>,
}

impl Load {
    /// Logs in and begins. The account `ada` and the join token must be there.
    pub async fn begin(place: &watch::Receiver<String>, join: &str, nodes: usize) -> Load {
        let stop = Arc::new(AtomicU8::new(GO_ON));
        let caller = || Caller { client: client(), place: place.clone() };
        let user = User { token: api_token(&caller()).await, caller: caller(), submitted: BTreeMap::new() };
        let nodes = (0..nodes).map(|i| Node::new(&format!("node-{i}"), join, caller()));
        let nodes = nodes.map(|node| tokio::spawn(node.work(stop.clone()))).collect();
        let user = tokio::spawn(user.work(stop.clone()));
        Load { stop, user, nodes }
    }

    /// Fails if somebody's task has panicked.
    pub fn still_well(&self) {
        assert!(!self.user.is_finished() && !self.nodes.iter().any(JoinHandle::is_finished), "somebody panicked");
    }

    /// The user submits no more; the nodes end their runs and take no more.
    pub async fn end(self) -> Account {
        self.stop_as(END).await
    }

    /// Everybody stops in the middle.
    pub async fn abandon(self) -> Account {
        self.stop_as(DROP_ALL).await
    }

    async fn stop_as(self, how: u8) -> Account {
        self.stop.store(how, Ordering::SeqCst);
        let user = self.user.await.unwrap();
        let mut nodes = vec![];
        for node in self.nodes {
            nodes.push(node.await.unwrap());
        }
        Account { user, nodes }
    }
}

impl Account {
    /// Submits one job more. Returns its id.
    pub async fn submit_anew(&mut self) -> String {
        self.user.submit().await
    }

    /// Every job that the service lists.
    pub async fn jobs(&self) -> BTreeMap<String, Value> {
        self.user.states().await
    }

    /// Runs what waits, until all jobs are over.
    pub async fn finish(&mut self, patience: Duration) {
        let began = Instant::now();
        loop {
            for node in &mut self.nodes {
                for _ in 0..20 {
                    node.talk().await;
                }
            }
            let states = self.user.states().await;
            if states.values().all(|job| is_over(job["state"].as_str().unwrap())) {
                return;
            }
            assert!(began.elapsed() < patience, "not over: {states:#?}");
        }
    }

    /// All that was acknowledged is there, each job once, run once, and whole.
    pub async fn everything_happened_once(&self) {
        let states = self.user.states().await;
        let acknowledged: Vec<&String> = self.user.submitted.values().collect();
        assert_eq!(states.len(), acknowledged.len(), "jobs there, jobs acknowledged");
        let delivered = self.delivered();
        assert_eq!(delivered.len(), acknowledged.len(), "runs delivered, jobs acknowledged");
        for id in acknowledged {
            let job = &states[id];
            assert_eq!((&job["state"], &job["attempts"]), (&"done".into(), &1.into()), "{job:#}");
            self.job_is_whole(id, &delivered).await;
        }
    }

    /// The logs of the runs that were delivered, by attempt.
    fn delivered(&self) -> BTreeMap<&String, &Vec<u8>> {
        self.nodes.iter().flat_map(|n| &n.daemon.delivered).map(|d| (&d.attempt, &d.log)).collect()
    }

    /// The log of the run that counts is, for every job, what its node delivered.
    pub async fn logs_are_whole(&self) {
        let delivered = self.delivered();
        for id in self.user.states().await.keys() {
            let files = self.user.get(&format!("/api/v1/jobs/{id}/artifacts")).await;
            let attempt = files["attempt"].as_str().unwrap().to_owned();
            assert_eq!(self.bytes(&format!("/api/v1/jobs/{id}/log/out")).await, *delivered[&attempt], "log of {id}");
        }
    }

    /// The orphans that were kept are shown with their files.
    pub async fn orphans_are_whole(&self) {
        for orphan in self.nodes.iter().flat_map(|n| &n.daemon.whole) {
            let root = format!("/api/v1/results/{}", orphan.attempt);
            assert_eq!(self.user.get(&root).await["tier"], "orphan");
            assert_eq!(self.bytes(&format!("{root}/log/out")).await, orphan.log, "the log of {}", orphan.attempt);
            assert_eq!(self.bytes(&format!("{root}/artifacts/HPL.out")).await, golden_output());
        }
    }

    async fn job_is_whole(&self, id: &str, delivered: &BTreeMap<&String, &Vec<u8>>) {
        let history = self.user.get(&format!("/api/v1/jobs/{id}/history")).await;
        let events = history.as_array().unwrap();
        for kind in ["claimed", "started", "finishing", "verified"] {
            let times = events.iter().filter(|e| e["kind"] == kind).count();
            assert_eq!(times, 1, "{id}: {kind} happened {times} times: {history:#}");
        }
        let files = self.user.get(&format!("/api/v1/jobs/{id}/artifacts")).await;
        let attempt = files["attempt"].as_str().unwrap().to_owned();
        assert_eq!(self.bytes(&format!("/api/v1/jobs/{id}/log/out")).await, *delivered[&attempt], "the log of {id}");
        assert_eq!(self.bytes(&format!("/api/v1/jobs/{id}/artifacts/HPL.out")).await, golden_output());
    }

    async fn bytes(&self, path: &str) -> Vec<u8> {
        let request = self.user.caller.request(Method::GET, path).bearer_auth(&self.user.token);
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200, "{path}");
        response.bytes().await.unwrap().to_vec()
    }
}
