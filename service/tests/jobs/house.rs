//! People with tokens and nodes that claim, all of them over the routes.

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Method, Request};
use data_encoding::HEXLOWER;
use serde_json::{Value, json};
use service::db::nodes_admin::{self, NewJoinToken};
use service::db::tokens::{self, NewToken};
use service::db::users::{self, NewUser};
use service::secret::{Secret, TokenKind};
use sha2::{Digest, Sha256};
use tower::ServiceExt;

use crate::world::{World, evidence, golden_output, golden_parameters, golden_result, node_info};

pub const SECOND: i64 = 1000;
pub const MINUTE: i64 = 60 * SECOND;
pub const DAY: i64 = 24 * 60 * MINUTE;
/// SHA-256 of the program of these nodes.
const BINARY: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// Somebody with a token; nobody has an empty one.
#[derive(Clone)]
pub struct Person {
    pub name: String,
    token: String,
}

/// An answer.
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Value,
}

impl Answer {
    /// Status and code.
    pub fn verdict(&self) -> (u16, &str) {
        (self.status, self.body["code"].as_str().unwrap_or_default())
    }

    /// The fields that are wrong.
    pub fn fields(&self) -> Vec<&str> {
        fields(&self.body["errors"])
    }
}

/// The names of the fields of problems.
pub fn fields(problems: &Value) -> Vec<&str> {
    problems.as_array().into_iter().flatten().map(|problem| problem["field"].as_str().unwrap()).collect()
}

pub struct House {
    pub world: World,
    pub nobody: Person,
    pub root: Person,
    router: Router,
}

/// What a node is.
pub struct Machine {
    pub cores: u32,
    pub memory: u64,
    pub labels: &'static [&'static str],
}

/// 4 cores, 16 GiB, 120 Gflop/s, no labels.
pub const MACHINE: Machine = Machine { cores: 4, memory: 16 << 30, labels: &[] };

/// A run that is no express one.
pub fn long() -> Value {
    lasting(600)
}

pub fn lasting(walltime_s: u32) -> Value {
    json!({"benchmark": "hpl", "parameters": {"n": 1000, "nb": 100}, "walltime_s": walltime_s})
}

/// `run` with more fields.
pub fn with(mut run: Value, more: Value) -> Value {
    run.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    run
}

impl House {
    pub async fn new(flags: &[&str]) -> House {
        let world = World::new(&[&["--known-binary", BINARY], flags].concat()).await;
        let router = service::http::router(&world.app);
        let nobody = Person { name: "nobody".into(), token: String::new() };
        let mut house = House { world, root: nobody.clone(), nobody, router };
        house.root = house.person_of("root", "", true).await;
        house
    }

    pub async fn person(&self, name: &str) -> Person {
        self.person_of(name, "", false).await
    }

    /// An account with a token for years; no password opens it.
    pub async fn person_of(&self, name: &str, cohort: &str, admin: bool) -> Person {
        let token = Secret::new(TokenKind::User);
        let (hash, expires_at) = (token.hash(), self.world.now() + 1000 * DAY);
        let new = NewUser { name: name.into(), password: "!".into(), admin, cohort: cohort.into() };
        let scopes = if admin { "read submit admin" } else { "read submit" };
        let made = self.world.app.db.write(move |tx| {
            Box::pin(async move {
                let user = users::create(tx, &new).await?;
                tokens::create(tx, &NewToken { user, name: "t".into(), hash, scopes: scopes.into(), expires_at }).await
            })
        });
        made.await.unwrap();
        Person { name: name.into(), token: token.reveal().to_owned() }
    }

    pub async fn ask(&self, who: &Person, method: &str, path: &str, headers: &[(&str, &str)], body: Value) -> Answer {
        let mut request = Request::builder().method(method).uri(format!("/api/v1{path}"));
        if !who.token.is_empty() {
            request = request.header("authorization", format!("Bearer {}", who.token));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = match body {
            Value::Null => request.body(Body::empty()),
            body => request.header("content-type", "application/json").body(Body::from(body.to_string())),
        };
        let (parts, body) = self.router.clone().oneshot(request.unwrap()).await.unwrap().into_parts();
        let bytes = axum::body::to_bytes(body, 64 << 20).await.unwrap();
        let body = serde_json::from_slice(&bytes)
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&bytes).into_owned()));
        Answer { status: parts.status.as_u16(), headers: parts.headers, body }
    }

    pub async fn get(&self, who: &Person, path: &str) -> Answer {
        self.ask(who, "GET", path, &[], Value::Null).await
    }

    pub async fn post(&self, who: &Person, path: &str, body: Value) -> Answer {
        self.ask(who, "POST", path, &[], body).await
    }

    /// A call that must succeed. What it says.
    #[track_caller]
    pub fn done(answer: Answer) -> Value {
        assert!((200..300).contains(&answer.status), "{}: {}", answer.status, answer.body);
        answer.body
    }

    /// Submits a job, which must be taken. Its id.
    pub async fn submit(&self, who: &Person, run: Value) -> String {
        let made = House::done(self.post(who, "/jobs", run).await);
        made["jobs"][0]["id"].as_str().unwrap().to_owned()
    }

    pub async fn job(&self, who: &Person, id: &str) -> Value {
        House::done(self.get(who, &format!("/jobs/{id}")).await)
    }

    pub async fn state(&self, who: &Person, id: &str) -> String {
        self.job(who, id).await["state"].as_str().unwrap().to_owned()
    }

    /// What an administrator does.
    pub async fn order(&self, method: &str, path: &str, body: Value) -> Value {
        House::done(self.ask(&self.root, method, path, &[], body).await)
    }

    /// A node that has joined and said hello.
    pub async fn node(&self, name: &str, machine: Machine) -> Node {
        let join = Secret::new(TokenKind::Join);
        let new = NewJoinToken {
            hash: join.hash(),
            labels: machine.labels.iter().map(ToString::to_string).collect(),
            trusted: true,
            uses: 1,
            created_by: "test".into(),
            expires_at: self.world.now() + MINUTE,
        };
        let made =
            self.world.app.db.write(move |tx| Box::pin(async move { nodes_admin::create_join_token(tx, &new).await }));
        made.await.unwrap();
        let body = json!({"protocol": 1, "name": name, "machine_id": name});
        let (status, joined) = self.world.post("/agent/v1/join", join.reveal(), &body).await;
        assert_eq!(status, 201, "{joined}");
        let text = |field: &str| joined[field].as_str().unwrap().to_owned();
        let mut info = node_info(name);
        (info["cores"], info["memory_total"]) = (machine.cores.into(), machine.memory.into());
        let node = Node { id: text("node"), token: text("token"), memory: machine.memory, seq: 0 };
        let hello = json!({"protocol": 1, "version": "test", "machine_id": name, "boot_id": node.boot(), "info": info,
                           "free_disk": 1_u64 << 40});
        let (status, said) = self.world.post(&format!("/agent/v1/nodes/{}/hello", node.id), &node.token, &hello).await;
        assert_eq!(status, 200, "{said}");
        node
    }
}

pub struct Node {
    pub id: String,
    token: String,
    memory: u64,
    seq: u64,
}

impl Node {
    fn boot(&self) -> String {
        format!("boot of {}", self.id)
    }

    /// What the service has for this node now.
    pub async fn claim(&mut self, house: &House) -> Option<Held> {
        self.seq += 1;
        let body = json!({"boot_id": self.boot(), "memory_available": self.memory / 16 * 15, "free_disk": 1_u64 << 40,
                          "seq": self.seq});
        let (status, given) = house.world.post("/agent/v1/claim?wait=0", &self.token, &body).await;
        if status == 204 {
            return None;
        }
        assert_eq!(status, 200, "{given}");
        let text = |field: &str| given[field].as_str().unwrap().to_owned();
        Some(Held {
            job: text("job"),
            owner: text("owner"),
            attempt: text("attempt"),
            token: text("token"),
            fence: given["fence"].as_i64().unwrap(),
            boot: self.boot(),
            given,
        })
    }

    /// Asks for a job though it has reasons not to get one. Status and code of the answer.
    pub async fn is_unwell(&mut self, house: &House, why: &[&str]) -> (u16, String) {
        self.seq += 1;
        let body = json!({"boot_id": self.boot(), "memory_available": self.memory / 16 * 15, "free_disk": 1_u64 << 40,
                          "seq": self.seq, "unhealthy": why});
        let (status, said) = house.world.post("/agent/v1/claim?wait=0", &self.token, &body).await;
        (status.as_u16(), said["code"].as_str().unwrap_or_default().to_owned())
    }

    /// The job that this node gets, or "".
    pub async fn gets(&mut self, house: &House) -> String {
        self.claim(house).await.map_or(String::new(), |held| held.job)
    }

    /// Runs what there is, each for so long, until nothing is left. Whose jobs they were, in order.
    pub async fn serve(&mut self, house: &House, ms: i64) -> Vec<String> {
        let mut owners = vec![];
        while let Some(held) = self.claim(house).await {
            held.run(house, ms).await;
            owners.push(held.owner);
        }
        owners
    }
}

/// A job that a node has.
pub struct Held {
    pub job: String,
    pub owner: String,
    pub attempt: String,
    pub fence: i64,
    token: String,
    boot: String,
    /// All that the node was told.
    pub given: Value,
}

/// How a run is delivered.
pub struct Delivery {
    pub report: Value,
    pub evidence: Value,
    pub output: Option<String>,
    /// From the start to the end, by the service's clock.
    pub ms: i64,
    /// Whether progress is told every ten seconds of the run.
    pub progress: bool,
}

impl Delivery {
    /// As an honest node delivers the golden result.
    pub fn honest(held: &Held) -> Delivery {
        let output = String::from_utf8(golden_output().to_vec()).unwrap();
        Delivery {
            report: golden_result(),
            evidence: evidence(&held.boot),
            output: Some(output),
            ms: 66 * SECOND,
            progress: true,
        }
    }
}

impl Held {
    pub async fn call(&self, house: &House, method: Method, path: &str, body: Vec<u8>, json: bool) -> (u16, Value) {
        let path = format!("/agent/v1/attempts/{}/{path}", self.attempt);
        let (status, said) = house.world.send(method, &path, &self.token, Some(Body::from(body)), json).await;
        (status.as_u16(), said)
    }

    async fn post(&self, house: &House, path: &str, body: Value) {
        let (status, said) = self.call(house, Method::POST, path, body.to_string().into_bytes(), true).await;
        assert_eq!(status, 200, "{path}: {said}");
    }

    /// Tells what happened, as events from number `seq` on.
    pub async fn tell(&self, house: &House, seq: u64, events: &[Value]) {
        let events: Vec<Value> =
            (seq..).zip(events).map(|(seq, event)| json!({"seq": seq, "at_ms": seq, "event": event})).collect();
        self.post(house, "events", json!({"fence": self.fence, "events": events})).await;
    }

    /// Begins to run: events 1 and 2.
    pub async fn start(&self, house: &House) {
        self.tell(house, 1, &[json!({"kind": "preparing"}), json!({"kind": "started"})]).await;
    }

    /// Ends without a result, after so many events.
    pub async fn fail(&self, house: &House, events: u64, class: &str) {
        let outcome = json!({"outcome": "failed", "class": class, "code": "exit_1", "detail": "it ended with 1"});
        self.post(
            house,
            "finish",
            json!({"fence": self.fence, "events": events, "outcome": outcome, "evidence": null}),
        )
        .await;
    }

    /// Takes a node for so long, and leaves nothing.
    pub async fn run(&self, house: &House, ms: i64) {
        self.start(house).await;
        house.world.advance(ms);
        self.fail(house, 2, "benchmark").await;
    }

    /// Runs and delivers; the service judges it.
    pub async fn deliver(&self, house: &House, delivery: &Delivery) {
        self.start(house).await;
        let score = golden_result()["reports"][0]["gflops"].as_f64().unwrap();
        let (mut seq, mut at) = (3, 0);
        while delivery.progress && at + 10 * SECOND < 60 * SECOND {
            at += 10 * SECOND;
            house.world.advance(10 * SECOND);
            let seconds = at as f64 / 1e3;
            let told = json!({"kind": "progress", "fraction": seconds / 60.0, "seconds": seconds, "score": score,
                              "score_now": score});
            self.tell(house, seq, &[told]).await;
            seq += 1;
        }
        house.world.advance(delivery.ms - at);
        self.tell(house, seq, &[json!({"kind": "finishing"})]).await;
        if let Some(output) = &delivery.output {
            let (length, hash) = (output.len(), HEXLOWER.encode(&Sha256::digest(output)));
            let path = format!("artifacts/HPL.out?fence={}&offset=0&length={length}&sha256={hash}", self.fence);
            let (status, said) = self.call(house, Method::PUT, &path, output.clone().into_bytes(), false).await;
            assert_eq!(status, 200, "{said}");
        }
        let outcome = json!({"outcome": "completed", "result": delivery.report});
        let finish = json!({"fence": self.fence, "events": seq, "outcome": outcome, "evidence": delivery.evidence});
        self.post(house, "finish", finish).await;
        house.world.reap().await;
    }
}

/// A submission of the run that the golden result belongs to.
pub fn golden() -> Value {
    json!({"benchmark": "hpl", "parameters": golden_parameters(), "walltime_s": 600})
}
