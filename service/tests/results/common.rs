//! A service without a door, and runs that were delivered to it.

use std::net::{IpAddr, Ipv4Addr};

use axum::body::Body;
use axum::http::{Request, StatusCode};
use bytes::Bytes;
use clap::Parser;
use hpl_spec::id::AttemptId;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use service::app::{App, Shared};
use service::clock::Clock;
use service::config::Config;
use service::disk::Load;
use service::http::caller::{Caller, Known, Proof};
use service::store::{Chunk, FileName, Quota};
use sha2::{Digest, Sha256};
use tower::ServiceExt;

/// When the node got the job.
pub const CLAIMED: i64 = 1_795_400_000_000;

#[derive(Parser)]
struct Settings {
    #[command(flatten)]
    config: Config,
}

/// The SHA-256 of our program.
pub fn ours() -> String {
    "ab".repeat(32)
}

pub struct Service {
    pub app: Shared,
    pub folder: tempfile::TempDir,
}

impl Service {
    pub async fn start() -> Service {
        let folder = tempfile::tempdir().unwrap();
        let known = ours();
        let data = folder.path().to_str().unwrap();
        let flags = ["serve", "--data", data, "--known-binary", &known, "--disk-low", "0", "--disk-critical", "0"];
        let app = App::open(Settings::parse_from(flags).config, Clock::manual(CLAIMED).0).await.unwrap();
        Service { app, folder }
    }

    /// Writes to the database behind the service's back.
    pub async fn sql(&self, statement: String) {
        let unit = self.app.db.write(move |tx| {
            Box::pin(async move {
                let statement = sqlx::AssertSqlSafe(statement);
                sqlx::raw_sql(statement).execute(&mut tx.conn).await.map_err(service::db::explain)
            })
        });
        unit.await.unwrap();
    }

    pub async fn user(&self, key: i64, name: &str) {
        let statement = "INSERT INTO users (key, name, password, created_at) VALUES";
        self.sql(format!("{statement} ({key}, '{name}', '', 0)")).await;
    }

    /// A trusted node of four cores that reaches 160 Gflop/s.
    pub async fn node(&self, key: i64) {
        let mut info: Value = serde_json::from_str(include_str!("../../../hpl-spec/tests/golden/node.json")).unwrap();
        info["peak"] = json!({"gflops": 160.0, "cores": 4, "seconds": 0.5});
        self.sql(format!(
            "INSERT INTO nodes (key, id, name, token, trusted, machine_id, boot_id, info, kind, cores, joined_at, seen_at)
             VALUES ({key}, '{}', 'node{key}', x'{key:02x}', 1, 'm{key}', 'b', '{info}', 'cpu', 4, 0, 0)",
            id("0d", key)
        ))
        .await;
    }

    /// Delivers a run as job `run.key`, not judged yet.
    pub async fn deliver(&self, run: &Run) {
        let attempt: AttemptId = run.id().parse().unwrap();
        if let Some(output) = &run.output {
            let file: FileName = "HPL.out".parse().map(FileName::Artifact).unwrap();
            let bytes = Bytes::from(output.clone().into_bytes());
            let hash = Sha256::digest(&bytes).into();
            let (length, chunk) = (bytes.len() as u64, Chunk { offset: 0, bytes, load: Load::Result });
            self.app.store.append(&attempt, &file, chunk, Quota::default()).await.unwrap();
            self.app.store.seal(&attempt, &file, length, hash).await.unwrap();
        }
        self.sql(run.rows()).await;
    }

    /// Delivers a run and has it judged.
    pub async fn judged(&self, run: &Run) {
        self.deliver(run).await;
        service::verify::verify(&self.app, run.key).await.unwrap();
    }

    pub async fn ask(&self, who: Option<(i64, bool)>, method: &str, path: &str, body: Value) -> (StatusCode, Bytes) {
        let user =
            who.map(|(key, admin)| Known { key, name: format!("user{key}"), admin, proof: Proof::Session("s".into()) });
        let caller = Caller { user, address: IpAddr::V4(Ipv4Addr::LOCALHOST) };
        let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("content-type", "application/json")
            .extension(caller)
            .body(body)
            .unwrap();
        let (router, _) = service::http::results::routes().with_state(self.app.clone()).split_for_parts();
        let response = router.oneshot(request).await.unwrap();
        (response.status(), response.into_body().collect().await.unwrap().to_bytes())
    }

    pub async fn get(&self, who: Option<(i64, bool)>, path: &str) -> (StatusCode, Value) {
        let (status, body) = self.ask(who, "GET", path, Value::Null).await;
        (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
    }

    /// The entries of a leaderboard of all kinds and cores.
    pub async fn board(&self, measure: &str) -> Vec<Value> {
        let (status, board) = self.get(None, &format!("/api/v1/leaderboards/hpl?measure={measure}")).await;
        assert_eq!(status, 200, "{board}");
        board["entries"].as_array().unwrap().clone()
    }
}

/// An id that ends in a number.
pub fn id(kind: &str, key: i64) -> String {
    format!("0190f5fe-7c00-7a3b-8b1e-{kind}{key:010x}")
}

/// What a node delivers.
#[derive(Debug, Clone)]
pub struct Run {
    pub key: i64,
    pub owner: i64,
    pub node: i64,
    pub public: bool,
    pub report: Value,
    pub evidence: Value,
    pub output: Option<String>,
    pub started_ms: i64,
    pub ended_ms: i64,
    pub progress: Vec<(i64, Value)>,
}

impl Run {
    /// An honest run of a minute on node 1.
    pub fn honest(key: i64, owner: i64) -> Run {
        let report: Value =
            serde_json::from_str(include_str!("../../../hpl-spec/tests/golden/hpl_result.json")).unwrap();
        let score = report["reports"][0]["gflops"].as_f64().unwrap();
        let progress = (1..6).map(|step| {
            let seconds = f64::from(step) * 10.0;
            let fraction = seconds / 60.0;
            let told = json!({"kind": "progress", "fraction": fraction, "seconds": seconds, "score": score, "score_now": score, "node_ms": 7});
            (CLAIMED + 2000 + i64::from(step) * 10_000, told)
        });
        Run {
            key,
            owner,
            node: 1,
            public: true,
            report,
            evidence: json!({
                "elapsed_s": 63.0, "cpu_s": 249.0, "memory_peak": {"bytes": 3_300_000_000_u64, "source": "cgroup_v2"},
                "energy_j": 3000.0, "binary_sha256": ours(), "launch": ["mpirun", "-n", "4", "xhpl"], "boot_id": "b",
                "clock_offset_ms": 3, "oversubscribed": false, "network_open": false, "daemon_cpu_s": 0.01,
                "log_missing_bytes": 0, "dropped_samples": 0,
            }),
            output: Some(include_str!("../../../hpl-spec/tests/golden/hpl_result.out").to_owned()),
            started_ms: CLAIMED + 1000,
            ended_ms: CLAIMED + 65_000,
            progress: progress.collect(),
        }
    }

    /// The same run, honestly slower: everything that follows from the time says so.
    pub fn slower(mut self, factor: f64) -> Run {
        let run = &mut self.report["reports"][0];
        let seconds = run["seconds"].as_f64().unwrap() * factor;
        run["seconds"] = json!(seconds);
        run["gflops"] = json!(run["gflops"].as_f64().unwrap() / factor);
        self.evidence["elapsed_s"] = json!(seconds + 3.0);
        self.ended_ms = CLAIMED + 1000 + ((seconds + 4.0) * 1e3) as i64;
        self.output = None;
        self.progress.clear();
        self
    }

    pub fn id(&self) -> String {
        id("aa", self.key)
    }

    pub fn job(&self) -> String {
        id("bb", self.key)
    }

    fn rows(&self) -> String {
        let Run { key, owner, node, started_ms, ended_ms, .. } = self;
        let (attempt, job) = (self.id(), self.job());
        let visibility = if self.public { "public" } else { "private" };
        let row = hpl_spec::benchmark::find("hpl").unwrap();
        let parameters = (row.plan)(&json!({"n": 20_000, "nb": 192, "p": 2, "q": 2})).unwrap().parameters;
        let claimed = json!({"kind": "claimed", "attempt": attempt, "node": id("0d", *node), "fence": 1});
        let first = [(CLAIMED, claimed), (*started_ms, json!({"kind": "started"}))];
        let events: Vec<String> = first
            .iter()
            .chain(&self.progress)
            .zip(1..)
            .map(|((at, data), seq)| {
                format!("({key}, {seq}, {at}, {}, 'running', '{data}')", data["kind"].to_string().replace('"', "'"))
            })
            .collect();
        format!(
            "INSERT INTO jobs (key, id, owner, benchmark, parameters, spec_hash, label, title, size, work, ranks,
                bytes_per_rank, bytes, express, walltime_s, visibility, state, due_at, fence, attempts, created_at,
                state_at, last_event)
             VALUES ({key}, '{job}', {owner}, 'hpl', '{parameters}', 'spec', 'label', '', 20000, 1, 4, 1, 4, 0, 600,
                '{visibility}', 'verifying', 1, 1, 1, {CLAIMED}, {ended_ms}, {});
             INSERT INTO attempts (id, job, fence, node, token, boot_id, state, lease_until, beat_at, claimed_at,
                started_at, ended_at, walltime_s)
             VALUES ('{attempt}', {key}, 1, {node}, x'', 'b', 'ended', 0, 0, {CLAIMED}, {started_ms}, {ended_ms}, 600);
             INSERT INTO events (job, seq, at, kind, state, data) VALUES {};
             INSERT INTO results (key, id, job, job_id, owner, benchmark, tier, node, parameters, report, evidence,
                created_at)
             VALUES ({key}, '{attempt}', {key}, '{job}', {owner}, 'hpl', 'pending', {node}, '{parameters}',
                '{}', '{}', {ended_ms});",
            events.len(),
            events.join(", "),
            self.report,
            self.evidence,
        )
    }
}
