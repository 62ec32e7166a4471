//! A service as a process of its own, its accounts, and what their owners ask of it.

use std::fs::File;
use std::io::Write;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use reqwest::Method;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;
use validation::program;

use super::http::{Answer, Ask, Http};

/// How long the service may take to start and to stop, and a job to come to its end. Other builds may run here.
pub const PATIENCE: Duration = Duration::from_secs(120);
const PASSWORD: &str = "a slow brown dog sleeps";
const FINAL: [&str; 4] = ["done", "failed", "cancelled", "expired"];

/// A service, with the folder of its test; killed when dropped.
pub struct Site {
    pub folder: TempDir,
    pub http: Http,
    pub port: u16,
    flags: Vec<String>,
    tls: bool,
    child: Option<Child>,
}

/// An account.
#[derive(Debug, Clone)]
pub struct User {
    pub name: String,
    pub token: String,
}

/// A port below those that the system gives to those who dial out: nobody takes it while the service is away.
fn free_port() -> u16 {
    for _ in 0..1000 {
        let port = 18_000 + rand::random::<u16>() % 14_000;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("no free port below 32000")
}

impl Site {
    /// A service on plain HTTP, with these flags of `serve` beside those that every test has.
    pub fn start(flags: &[&str]) -> Site {
        Site::start_as(flags, false)
    }

    /// The same with TLS and a certificate of its own making.
    pub fn start_tls(flags: &[&str]) -> Site {
        Site::start_as(flags, true)
    }

    fn start_as(flags: &[&str], tls: bool) -> Site {
        let folder = tempfile::Builder::new().prefix("chain-").tempdir().unwrap();
        let port = free_port();
        let scheme = if tls { "https" } else { "http" };
        let http = Http::new(&format!("{scheme}://127.0.0.1:{port}"));
        let flags = flags.iter().map(|&f| f.to_owned()).collect();
        let mut site = Site { folder, http, port, flags, tls, child: None };
        site.serve();
        site
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn data(&self) -> PathBuf {
        self.path().join("service")
    }

    /// Starts the service on the folder and the port that it had, and waits until it takes requests.
    pub fn serve(&mut self) {
        assert!(self.child.is_none(), "it runs");
        let ready = self.path().join("ready");
        let _ = std::fs::remove_file(&ready);
        let log = File::options().append(true).create(true).open(self.path().join("service.log")).unwrap();
        let mut command = Command::new(program::hpl_service());
        command.args([
            "serve",
            "--no-rate-limits",
            "--signup",
            "open",
            "--log",
            "info,service::http::layers=warn",
            "--listen",
        ]);
        command.arg(format!("127.0.0.1:{}", self.port)).arg("--data").arg(self.data()).arg("--ready-file").arg(&ready);
        if !self.tls {
            command.arg("--plain-http");
        }
        // The first named holds where a flag is named twice, and clap refuses that: so ours come only if absent.
        for (flag, value) in [("--disk-low", "0"), ("--disk-critical", "0"), ("--beat", "2"), ("--lease", "20")] {
            if !self.flags.iter().any(|f| f == flag) {
                command.args([flag, value]);
            }
        }
        command.args(&self.flags).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let mut child = command.spawn().expect("hpl-service starts");
        let began = Instant::now();
        while !ready.exists() {
            let ended = child.try_wait().unwrap();
            assert!(ended.is_none() && began.elapsed() < PATIENCE, "{ended:?}\n{}", self.log_of_service());
            std::thread::sleep(Duration::from_millis(20));
        }
        self.child = Some(child);
    }

    /// Changes the flags for the next [`Site::serve`].
    pub fn set_flags(&mut self, flags: &[&str]) {
        self.flags = flags.iter().map(|&f| f.to_owned()).collect();
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        let mut child = self.child.take().expect("it runs");
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Asks it to stop, which it has to do well.
    pub fn stop(&mut self) {
        let mut child = self.child.take().expect("it runs");
        kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
        let status = wait(&mut child, PATIENCE).expect("the service stops");
        assert!(status.success(), "{status}\n{}", self.log_of_service());
    }

    pub fn log_of_service(&self) -> String {
        std::fs::read_to_string(self.path().join("service.log")).unwrap_or_default()
    }

    /// `hpl-service admin …`, which must go well; what it printed.
    #[track_caller]
    pub fn admin(&self, arguments: &[&str], input: &str) -> String {
        let mut command = Command::new(program::hpl_service());
        command.arg("admin").arg("--data").arg(self.data()).args(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("hpl-service starts");
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let said = child.wait_with_output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(said.status.success(), "{arguments:?}: {}{}", text(&said.stdout), text(&said.stderr));
        text(&said.stdout)
    }

    /// A join string for so many nodes.
    pub fn join_string(&self, arguments: &[&str]) -> String {
        let mut all = vec!["join-token"];
        all.extend(arguments);
        let said = self.admin(&all, "");
        let line = said.lines().find(|line| line.trim().starts_with("hpl-join"));
        line.unwrap_or_else(|| panic!("no join string in {said}")).trim().to_owned()
    }

    /// Makes an account with an API token.
    pub fn user(&self, name: &str) -> User {
        self.admin(&["create-user", name], &format!("{PASSWORD}\n"));
        self.log_in(name, &["read", "submit"])
    }

    /// Makes an administrator with an API token.
    pub fn administrator(&self, name: &str) -> User {
        self.admin(&["create-admin", name], &format!("{PASSWORD}\n"));
        self.log_in(name, &["read", "submit", "admin"])
    }

    fn log_in(&self, name: &str, scopes: &[&str]) -> User {
        // Of its own, so that it holds the cookie of this account alone.
        let scheme = if self.tls { "https" } else { "http" };
        let http = Http::new(&format!("{scheme}://127.0.0.1:{}", self.port));
        let post = |path: &str, body: Value| {
            http.ask(&Method::POST, &Ask { path: path.into(), body: Some(body), session: true, ..Ask::default() })
                .good()
        };
        post("/api/v1/login", json!({ "username": name, "password": PASSWORD }));
        let scopes = json!({ "name": "test", "scopes": scopes });
        let token = post("/api/v1/me/tokens", scopes)["token"].as_str().unwrap().to_owned();
        User { name: name.to_owned(), token }
    }

    fn post(&self, user: &User, path: &str, body: Option<Value>, key: Option<String>) -> Answer {
        let ask = Ask { path: path.to_owned(), token: Some(&user.token), body, key, session: false };
        self.http.ask(&Method::POST, &ask)
    }

    /// Submits a run of order `n` on a grid of one rank; its id.
    #[track_caller]
    pub fn submit(&self, user: &User, n: u32) -> String {
        self.submit_with(user, json!({ "n": n, "nb": 64, "p": 1, "q": 1 }), 300)
    }

    /// Submits a run with these parameters and this walltime.
    #[track_caller]
    pub fn submit_with(&self, user: &User, parameters: Value, walltime_s: u32) -> String {
        let body = json!({ "benchmark": "hpl", "parameters": parameters, "walltime_s": walltime_s });
        // The service may die between its deed and its answer.
        let key = format!("{:032x}", rand::random::<u128>());
        let said = self.post(user, "/api/v1/jobs", Some(body), Some(key)).good();
        said["jobs"][0]["id"].as_str().unwrap_or_else(|| panic!("{said}")).to_owned()
    }

    /// Submits a run of order `n` that has to be made on this very node.
    #[track_caller]
    pub fn submit_on(&self, user: &User, n: u32, node: &str) -> String {
        let parameters = json!({ "n": n, "nb": 64, "p": 1, "q": 1 });
        let needs = json!({ "node": node });
        let body = json!({ "benchmark": "hpl", "parameters": parameters, "walltime_s": 300, "needs": needs });
        let said = self.post(user, "/api/v1/jobs", Some(body), None).good();
        said["jobs"][0]["id"].as_str().unwrap_or_else(|| panic!("{said}")).to_owned()
    }

    /// What the service thinks of a run before it is submitted.
    #[track_caller]
    pub fn estimate(&self, user: &User, parameters: &Value) -> Value {
        let body = json!({ "benchmark": "hpl", "parameters": parameters });
        self.post(user, "/api/v1/estimate", Some(body), None).good()
    }

    /// Cancels a job, which may have ended meanwhile; whether the wish was taken.
    pub fn cancel(&self, user: &User, job: &str) -> bool {
        self.post(user, &format!("/api/v1/jobs/{job}/cancel"), None, None).status == 200
    }

    /// Gives an attempt up and lets the job run again.
    #[track_caller]
    pub fn requeue(&self, user: &User, job: &str) -> String {
        self.post(user, &format!("/api/v1/jobs/{job}/requeue"), None, None).good()["id"].as_str().unwrap().to_owned()
    }

    /// An administrator gives a job more time.
    #[track_caller]
    pub fn extend(&self, user: &User, job: &str, walltime_s: u32) {
        let body = json!({ "walltime_s": walltime_s });
        self.post(user, &format!("/api/v1/jobs/{job}/extend"), Some(body), None).good();
    }

    #[track_caller]
    pub fn job(&self, job: &str) -> Value {
        self.http.get(&format!("/api/v1/jobs/{job}")).good()
    }

    /// Every event of a job, as `(kind, event)`.
    #[track_caller]
    pub fn history(&self, job: &str) -> Vec<(String, Value)> {
        let mut all: Vec<(String, Value)> = vec![];
        let mut after = 0;
        loop {
            let page = self.http.get(&format!("/api/v1/jobs/{job}/history?after={after}")).good();
            let page = page.as_array().cloned().unwrap_or_default();
            let Some(last) = page.last() else { return all };
            after = last["seq"].as_i64().unwrap_or_else(|| panic!("{last}"));
            all.extend(page.into_iter().map(|event| (kind_of(&event), event)));
        }
    }

    /// The kinds of a job's events, progress left out.
    pub fn kinds(&self, job: &str) -> Vec<String> {
        self.history(job).into_iter().map(|(kind, _)| kind).filter(|kind| kind != "progress").collect()
    }

    pub fn result(&self, job: &str) -> Answer {
        self.http.get(&format!("/api/v1/jobs/{job}/result"))
    }

    pub fn log(&self, job: &str, stream: &str) -> Answer {
        self.http.get(&format!("/api/v1/jobs/{job}/log/{stream}"))
    }

    /// All results of a user, orphans and flagged ones too.
    #[track_caller]
    pub fn results(&self, user: &User) -> Vec<Value> {
        let path = format!("/api/v1/results?user={}&all=true&limit=100", user.name);
        let said = self.http.ask(&Method::GET, &Ask { path, token: Some(&user.token), ..Ask::default() }).good();
        said["results"].as_array().cloned().unwrap_or_default()
    }

    /// Waits until a job is in one of these states; the job.
    #[track_caller]
    pub fn until(&self, job: &str, states: &[&str]) -> Value {
        self.until_within(job, states, PATIENCE)
    }

    #[track_caller]
    fn until_within(&self, job: &str, states: &[&str], patience: Duration) -> Value {
        let began = Instant::now();
        loop {
            let seen = self.job(job);
            let state = seen["state"].as_str().unwrap_or_default();
            if states.contains(&state) {
                return seen;
            }
            let hopeless = FINAL.contains(&state) || began.elapsed() > patience;
            assert!(!hopeless, "waited for {states:?}: {seen:#}\n{:?}", self.kinds(job));
            // Asking costs some milliseconds of a core: the longer it lasts, the rarer, so that a long run is not slowed
            // down by those who wait for it.
            std::thread::sleep((began.elapsed() / 5).clamp(Duration::from_millis(50), Duration::from_secs(5)));
        }
    }

    /// Waits until a job has ended.
    #[track_caller]
    pub fn until_final(&self, job: &str) -> Value {
        self.until(job, &FINAL)
    }

    /// Waits until a long job has ended.
    #[track_caller]
    pub fn until_final_within(&self, job: &str, seconds: u64) -> Value {
        self.until_within(job, &FINAL, Duration::from_secs(seconds))
    }
}

fn kind_of(event: &Value) -> String {
    let kind = event["kind"].as_str();
    kind.unwrap_or_else(|| panic!("an event without a kind: {event}")).to_owned()
}

/// Waits for the end of a process; None if it does not come.
pub fn wait(child: &mut Child, patience: Duration) -> Option<std::process::ExitStatus> {
    let began = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return Some(status);
        }
        if began.elapsed() > patience {
            return None;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Waits until something is so.
#[track_caller]
pub fn eventually(what: &str, mut so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !so() {
        assert!(began.elapsed() < PATIENCE, "it never came that {what}");
        std::thread::sleep(Duration::from_millis(30));
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        if std::thread::panicking() {
            let log = self.log_of_service();
            let from = log.len().saturating_sub(4000);
            eprintln!("---- the service said:\n{}", log.get(from..).unwrap_or(&log));
        }
    }
}
