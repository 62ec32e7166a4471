//! A service in one process: a real database and real files in a scratch folder, the real router, and a clock that
//! stands still until it is moved.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request, StatusCode, header};
use clap::{Args, FromArgMatches};
use hpl_spec::api::jobs::{SubmitRequest, Submitted};
use serde_json::{Value, json};
use service::app::{App, Shared};
use service::clock::Clock;
use service::config::Config;
use service::db::nodes_admin::{self, NewJoinToken};
use service::db::users::{self, NewUser};
use service::http::caller::{Caller, Known, Proof};
use service::limits::Rates;
use service::ops;
use service::password::Passwords;
use service::reaper;
use service::secret::{Secret, TokenKind};
use tempfile::TempDir;
use tower::ServiceExt;

/// 2026-11-01, in milliseconds.
const BEGIN: i64 = 1_793_491_200_000;

/// Settings for tests, with the flags given.
pub fn config(folder: &TempDir, flags: &[&str]) -> Config {
    let command = Config::augment_args(clap::Command::new("serve"));
    let data = folder.path().to_str().unwrap();
    // Where nothing else is said, a full disk of the machine is no matter.
    let disk = ["--disk-low", "0", "--disk-critical", "0"];
    let disk = if flags.contains(&"--disk-low") { &disk[..0] } else { &disk[..] };
    let given = ["serve", "--data", data, "--no-rate-limits"];
    let matches = command.get_matches_from(given.iter().chain(disk).chain(flags));
    Config::from_arg_matches(&matches).unwrap()
}

/// An answer: status, and the body as JSON (null if there was none).
pub type Answer = (StatusCode, Value);

/// The service and its world.
pub struct World {
    folder: TempDir,
    flags: Vec<String>,
    rates: Rates,
    clock: Clock,
    hand: Arc<AtomicI64>,
    pub app: Shared,
    router: Router,
}

async fn open(folder: &TempDir, flags: &[String], rates: &Rates, clock: Clock) -> (Shared, Router) {
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let passwords = Passwords::new(1).unwrap();
    let app = App::open_with(config(folder, &flags), clock, passwords, rates).await.unwrap();
    reaper::reconcile(&app).await.unwrap();
    let router = service::http::router(&app);
    (app, router)
}

impl World {
    pub async fn new(flags: &[&str]) -> World {
        World::with_rates(flags, Rates::unlimited()).await
    }

    /// One in which callers are counted.
    pub async fn with_rates(flags: &[&str], rates: Rates) -> World {
        // What goes wrong inside is in the output of a test that fails.
        let level = tracing_subscriber::EnvFilter::new("warn");
        let _ = tracing_subscriber::fmt().with_env_filter(level).with_test_writer().try_init();
        let folder = tempfile::tempdir().unwrap();
        let flags: Vec<String> = flags.iter().map(ToString::to_string).collect();
        let (clock, hand) = Clock::manual(BEGIN);
        let (app, router) = open(&folder, &flags, &rates, clock.clone()).await;
        World { folder, flags, rates, clock, hand, app, router }
    }

    /// Stops the service and starts it again on the same folder, `away` milliseconds later.
    pub async fn restart(&mut self, away: i64) {
        self.app.db.close().await;
        self.advance(away);
        (self.app, self.router) = open(&self.folder, &self.flags, &self.rates, self.clock.clone()).await;
    }

    pub fn advance(&self, ms: i64) {
        self.hand.fetch_add(ms, Ordering::SeqCst);
    }

    pub fn now(&self) -> i64 {
        self.clock.now()
    }

    /// Lets the reaper do all that is due.
    pub async fn reap(&self) {
        while reaper::tick(&self.app).await.unwrap() > 0 {}
    }

    /// Nothing in the database breaks a rule.
    pub async fn check(&self, context: &str) {
        let broken = service::db::check::broken(&mut self.app.db.read().await.unwrap()).await.unwrap();
        assert!(broken.is_empty(), "{context}: {broken:#?}");
    }

    pub async fn send(&self, method: Method, path: &str, token: &str, body: Option<Body>, json: bool) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        if !token.is_empty() {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        if json {
            request = request.header(header::CONTENT_TYPE, "application/json");
        } else {
            request = request.header(header::CONTENT_TYPE, "application/octet-stream");
        }
        let request = request.body(body.unwrap_or_default()).unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        let status = response.status();
        let bytes = axum::body::to_bytes(response.into_body(), 64 << 20).await.unwrap();
        (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
    }

    pub async fn post(&self, path: &str, token: &str, body: &Value) -> Answer {
        self.send(Method::POST, path, token, Some(Body::from(body.to_string())), true).await
    }

    /// A user, straight into the database; no password opens the account.
    pub async fn user(&self, name: &str) -> Caller {
        let new = NewUser { name: name.into(), password: "!".into(), admin: false, cohort: String::new() };
        let key = self.app.db.write(move |tx| Box::pin(async move { users::create(tx, &new).await })).await.unwrap();
        let proof = Proof::Session("test".into());
        let user = Some(Known { key, name: name.into(), admin: false, proof });
        Caller { user, address: [127, 0, 0, 1].into() }
    }

    /// A join token for so many nodes.
    pub async fn join_token(&self, nodes: u32) -> String {
        let token = Secret::new(TokenKind::Join);
        let new = NewJoinToken {
            hash: token.hash(),
            labels: vec![],
            trusted: true,
            uses: nodes,
            created_by: "test".into(),
            expires_at: self.now() + 900_000,
        };
        let write =
            self.app.db.write(move |tx| Box::pin(async move { nodes_admin::create_join_token(tx, &new).await }));
        write.await.unwrap();
        token.reveal().to_owned()
    }

    /// Submits the run that the golden result belongs to. Returns the job's id.
    pub async fn submit(&self, caller: &Caller) -> String {
        self.submit_for(caller, 600).await
    }

    /// [`World::submit`] with another walltime.
    pub async fn submit_for(&self, caller: &Caller, walltime_s: u32) -> String {
        let request: SubmitRequest = serde_json::from_value(json!({
            "benchmark": "hpl", "parameters": golden_parameters(), "walltime_s": walltime_s
        }))
        .unwrap();
        let body = ops::jobs::submit(&self.app, caller, &request, None).await.unwrap();
        let made: Submitted = serde_json::from_str(&body).unwrap();
        made.jobs[0].id.to_string()
    }

    /// The state of a job.
    pub async fn state(&self, caller: &Caller, job: &str) -> String {
        ops::jobs::get(&self.app, caller, job).await.unwrap().state.to_string()
    }

    /// What the service has of a log.
    pub async fn log(&self, attempt: &str) -> Vec<u8> {
        let file = service::store::FileName::Log(service::store::Stream::Out);
        let part = self.app.store.read(&attempt.parse().unwrap(), &file, 0, 16 << 20).await;
        part.map(|p| p.bytes.to_vec()).unwrap_or_default()
    }
}

/// A result that is right, made with hpl-spec's own types.
pub fn golden_result() -> Value {
    serde_json::from_str(include_str!("../../../hpl-spec/tests/golden/hpl_result.json")).unwrap()
}

/// HPL.out of that result.
pub fn golden_output() -> &'static [u8] {
    include_bytes!("../../../hpl-spec/tests/golden/hpl_result.out")
}

/// The parameters of that result.
pub fn golden_parameters() -> Value {
    json!({ "n": 20000, "nb": 192, "p": 2, "q": 2 })
}

/// What `xhpl describe` would say of a node.
pub fn node_info(name: &str) -> Value {
    json!({
        "hostname": name, "os": "Debian GNU/Linux 13", "kernel_release": "6.12.4", "cpu_model": "Test CPU",
        "packages": 1, "cores": 4, "pus": 4, "numa_nodes": 1, "caches": [], "memory_total": 16u64 << 30,
        "memory_available": 15u64 << 30, "huge_pages": "madvise", "kernel": "avx2", "kernels": ["avx2"],
        "peak": { "gflops": 120.0, "cores": 4, "seconds": 1.0 }, "program": "xhpl", "version": "0.1.0"
    })
}

/// Evidence that fits the golden result.
pub fn evidence(boot: &str) -> Value {
    json!({
        "elapsed_s": 66.0, "cpu_s": 256.0, "memory_peak": { "bytes": 3_300_000_000u64, "source": "cgroup_v2" },
        "energy_j": null, "binary_sha256": "0".repeat(64), "launch": ["mpirun", "-np", "4", "xhpl"],
        "environment": {}, "boot_id": boot, "clock_offset_ms": 3, "oversubscribed": false, "network_open": false,
        "sandbox": {}, "daemon_cpu_s": 0.1, "log_missing_bytes": 0, "dropped_samples": 0
    })
}
