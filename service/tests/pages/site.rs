//! A service in a scratch folder with a clock that is moved by hand, a browser, and a node that runs one job.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use clap::{Args, FromArgMatches};
use data_encoding::HEXLOWER;
use serde_json::{Value, json};
use service::app::{App, Shared};
use service::clock::Clock;
use service::config::Config;
use service::db::nodes_admin::{self, NewJoinToken};
use service::secret::{Secret, TokenKind};
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use tower::ServiceExt;

/// The report of the program.
pub const REPORT: &[u8] = include_bytes!("../../../hpl-spec/tests/golden/hpl_result.out");

/// 2026-11-01, in milliseconds.
const NOW: i64 = 1_793_491_200_000;
pub const PASSWORD: &str = "seven purple kettles";

pub struct Site {
    pub app: Shared,
    hand: Arc<AtomicI64>,
    pub router: Router,
    _folder: TempDir,
}

/// A page as a browser gets it.
pub struct Page {
    pub status: StatusCode,
    pub location: String,
    pub text: String,
}

impl Page {
    /// The value of the first field `csrf` in `main`: that of the page's own forms.
    pub fn token(&self) -> String {
        self.field("csrf")
    }

    pub fn field(&self, name: &str) -> String {
        let main = self.text.split("<main").nth(1).unwrap_or_default();
        let after = main.split(&format!("name=\"{name}\" value=\"")).nth(1);
        after.and_then(|text| text.split('"').next()).unwrap_or_else(|| panic!("no field {name}: {main}")).to_owned()
    }

    /// The page without the scripts of the service's own, which it has where they were built in.
    pub fn without_scripts(&self) -> String {
        let mut text = String::new();
        let mut rest = self.text.as_str();
        while let Some((before, after)) = rest.split_once("<script type=\"module\" src=\"/static/") {
            text.push_str(before);
            rest = after.split_once("\"></script>").map_or("", |(_, rest)| rest);
        }
        text + rest
    }

    pub fn has(&self, text: &str) -> bool {
        self.text.contains(text)
    }
}

/// A browser: keeps cookies, sends forms as browsers do.
pub struct Browser<'s> {
    site: &'s Site,
    cookies: Vec<(String, String)>,
}

pub async fn site(flags: &[&str]) -> Site {
    let folder = tempfile::tempdir().unwrap();
    let command = Config::augment_args(clap::Command::new("serve"));
    let data = folder.path().to_str().unwrap();
    let given = ["serve", "--data", data, "--plain-http", "--disk-low", "0", "--disk-critical", "0"];
    let matches = command.get_matches_from(given.iter().chain(flags));
    let config = Config::from_arg_matches(&matches).unwrap();
    let (clock, hand) = Clock::manual(NOW);
    let app = App::open(config, clock).await.unwrap();
    Site { router: service::http::router(&app), app, hand, _folder: folder }
}

fn encode(text: &str) -> String {
    text.bytes()
        .map(|b| if b.is_ascii_alphanumeric() { char::from(b).to_string() } else { format!("%{b:02X}") })
        .collect()
}

impl Site {
    pub fn browser(&self) -> Browser<'_> {
        Browser { site: self, cookies: vec![] }
    }

    pub fn advance(&self, ms: i64) {
        self.hand.fetch_add(ms, Ordering::SeqCst);
    }

    pub async fn call(&self, request: Request<Body>) -> (StatusCode, Value) {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let status = response.status();
        let bytes = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
        (status, serde_json::from_slice(&bytes).unwrap_or_default())
    }

    /// What a node says.
    pub async fn agent(&self, method: &str, path: &str, token: &str, body: impl Into<Body>) -> Value {
        let request = Request::builder().method(method).uri(format!("/agent/v1/{path}"));
        let request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        let kind = if method == "PUT" { "application/octet-stream" } else { "application/json" };
        let request = request.header(header::CONTENT_TYPE, kind).body(body.into()).unwrap();
        let (status, answer) = self.call(request).await;
        assert!(status.is_success(), "{path}: {status} {answer}");
        answer
    }

    /// A node joins and says hello. Its token.
    pub async fn join_node(&self) -> String {
        let join = Secret::new(TokenKind::Join);
        let new = NewJoinToken {
            hash: join.hash(),
            labels: vec![],
            trusted: true,
            uses: 1,
            created_by: "test".into(),
            expires_at: self.app.clock.now() + 1000,
        };
        let made = self.app.db.write(move |tx| Box::pin(async move { nodes_admin::create_join_token(tx, &new).await }));
        made.await.unwrap();
        let body = json!({ "protocol": 1, "name": "node-one", "machine_id": "m" }).to_string();
        let joined = self.agent("POST", "join", join.reveal(), body).await;
        let token = joined["token"].as_str().unwrap().to_owned();
        let hello = json!({ "protocol": 1, "version": "test", "machine_id": "m", "boot_id": "b", "info": node_info(),
                            "free_disk": 1u64 << 40, "holding": [] });
        let node = joined["node"].as_str().unwrap();
        self.agent("POST", &format!("nodes/{node}/hello"), &token, hello.to_string()).await;
        token
    }

    /// A node joins, takes the next job, says what `log` holds, and delivers the result that the job was made for.
    pub async fn run_next_job(&self, log: &[u8]) {
        self.run_next_job_with(log, None).await;
    }

    /// The same on a node that measures so many joules; None where it cannot.
    pub async fn run_next_job_with(&self, log: &[u8], energy_j: Option<f64>) {
        let token = self.join_node().await;
        let claim = json!({ "boot_id": "b", "memory_available": 15u64 << 30, "free_disk": 1u64 << 40, "seq": 1 });
        let got = self.agent("POST", "claim?wait=0", &token, claim.to_string()).await;
        let root = format!("attempts/{}", got["attempt"].as_str().unwrap());
        let (token, fence) = (got["token"].as_str().unwrap(), &got["fence"]);
        let hash = |bytes: &[u8]| HEXLOWER.encode(&Sha256::digest(bytes));
        for (path, bytes) in [("log/out", log), ("artifacts/HPL.out", REPORT)] {
            let whole = format!("offset=0&length={}&sha256={}", bytes.len(), hash(bytes));
            self.agent("PUT", &format!("{root}/{path}?fence={fence}&{whole}"), token, bytes.to_vec()).await;
        }
        for (i, kind) in ["preparing", "started", "finishing"].into_iter().enumerate() {
            let event = json!({ "seq": i + 1, "at_ms": 33_000 * i, "event": { "kind": kind } });
            let body = json!({ "fence": fence, "events": [event] }).to_string();
            self.agent("POST", &format!("{root}/events"), token, body).await;
            self.advance(33_000 * i64::try_from(i).unwrap());
        }
        let dropped = json!({ "samples": 2, "log_bytes": 0 });
        let beat = json!({ "fence": fence, "seq": 1, "phase": "finishing", "dropped": dropped });
        self.agent("POST", &format!("{root}/beat"), token, beat.to_string()).await;
        let mut finish = finish(fence, 3);
        finish["evidence"]["energy_j"] = json!(energy_j);
        finish["files"] = json!([{ "path": "log/out", "length": log.len(), "sha256": hash(log) }]);
        self.agent("POST", &format!("{root}/finish"), token, finish.to_string()).await;
        while service::reaper::tick(&self.app).await.unwrap() > 0 {}
    }
}

/// The end of an attempt that came to the golden result.
pub fn finish(fence: &Value, events: u32) -> Value {
    let result: Value = serde_json::from_str(include_str!("../../../hpl-spec/tests/golden/hpl_result.json")).unwrap();
    json!({ "fence": fence, "events": events, "outcome": { "outcome": "completed", "result": result },
            "evidence": evidence() })
}

fn node_info() -> Value {
    json!({
        "hostname": "node-one", "os": "Debian GNU/Linux 13", "kernel_release": "6.12.4", "cpu_model": "Test <CPU>",
        "packages": 1, "cores": 4, "pus": 4, "numa_nodes": 1, "caches": [], "memory_total": 16u64 << 30,
        "memory_available": 15u64 << 30, "huge_pages": "madvise", "kernel": "avx2", "kernels": ["avx2"],
        "peak": { "gflops": 120.0, "cores": 4, "seconds": 1.0 }, "program": "xhpl", "version": "0.1.0"
    })
}

fn evidence() -> Value {
    json!({
        "elapsed_s": 66.0, "cpu_s": 256.0, "memory_peak": { "bytes": 3_300_000_000u64, "source": "cgroup_v2" },
        "energy_j": null, "binary_sha256": "0".repeat(64), "launch": ["mpirun", "-np", "4", "xhpl"],
        "environment": {}, "boot_id": "b", "clock_offset_ms": 3, "oversubscribed": false, "network_open": false,
        "sandbox": {}, "daemon_cpu_s": 0.1, "log_missing_bytes": 0, "dropped_samples": 0
    })
}

impl Browser<'_> {
    pub async fn send(&mut self, request: axum::http::request::Builder, body: String) -> Page {
        let cookies: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let request = request
            .header(header::COOKIE, cookies.join("; "))
            .header(header::ACCEPT, "text/html")
            .header(header::HOST, "here.example");
        let response = self.site.router.clone().oneshot(request.body(Body::from(body)).unwrap()).await.unwrap();
        for set in response.headers().get_all(header::SET_COOKIE) {
            let (name, value) = set.to_str().unwrap().split(';').next().unwrap().split_once('=').unwrap();
            self.cookies.retain(|(known, _)| known != name);
            if !value.is_empty() {
                self.cookies.push((name.to_owned(), value.to_owned()));
            }
        }
        let location = response.headers().get(header::LOCATION).map_or("", |v| v.to_str().unwrap()).to_owned();
        let status = response.status();
        let bytes = axum::body::to_bytes(response.into_body(), 4 << 20).await.unwrap();
        Page { status, location, text: String::from_utf8(bytes.to_vec()).unwrap() }
    }

    pub async fn get(&mut self, path: &str) -> Page {
        self.send(Request::get(path), String::new()).await
    }

    pub async fn post_from(&mut self, origin: &str, path: &str, fields: &[(&str, &str)]) -> Page {
        let body: Vec<String> = fields.iter().map(|(name, value)| format!("{name}={}", encode(value))).collect();
        let request = Request::post(path)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(header::ORIGIN, origin);
        self.send(request, body.join("&")).await
    }

    pub async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Page {
        self.post_from("http://here.example", path, fields).await
    }

    /// Signs up, which logs in. Returns the page with the recovery codes.
    pub async fn sign_up(&mut self, name: &str) -> Page {
        let token = self.get("/signup").await.token();
        let page = self.post("/signup", &[("csrf", &token), ("username", name), ("password", PASSWORD)]).await;
        assert_eq!(page.status, StatusCode::CREATED, "{}", page.text);
        page
    }

    /// Submits the run that the golden result belongs to. Returns the path of the job's page.
    pub async fn submit(&mut self, title: &str) -> String {
        let form = self.get("/submit").await;
        let (token, once) = (form.token(), form.field("once"));
        let fields = [
            ("csrf", token.as_str()),
            ("once", &once),
            ("way", "fields"),
            ("do", "submit"),
            ("n", "20000"),
            ("nb", "192"),
            ("p", "2"),
            ("q", "2"),
            ("title", title),
            ("walltime_s", "600"),
        ];
        let page = self.post("/submit", &fields).await;
        assert_eq!(page.status, StatusCode::SEE_OTHER, "{}", page.text);
        page.location.split('?').next().unwrap().to_owned()
    }
}
