//! The service as a process, and schemathesis, which reads the committed OpenAPI document and sends what it allows and
//! what it does not. No answer may be an error of the service, and every answer is one that the document tells of.
//!
//! Needs python3 with pip and venv; the fuzzer is installed once into `target/fuzz-venv`, from
//! `validation/fuzz/requirements.txt`. Where that cannot be, the test says so and does nothing, except where `CI=true`:
//! there it fails. `HPL_FUZZ_SECONDS` says for how long.
#![forbid(unsafe_code)]

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use validation::program::hpl_service;

/// How long the service may take to begin.
const BEGIN: Duration = Duration::from_secs(60);
const PASSWORD: &str = "correct horse battery";
/// What is checked of every answer.
const CHECKS: &str = "not_a_server_error,content_type_conformance,response_schema_conformance,status_code_conformance";
/// Answers of these come late or never end; `revoke_token` would end the fuzzer's own token.
const LEFT_OUT: [&str; 4] = ["queue_events", "job_events", "agent_wait", "revoke_token"];

/// The service, ended when dropped.
struct Service {
    process: Child,
    folder: tempfile::TempDir,
    url: String,
}

impl Drop for Service {
    fn drop(&mut self) {
        // What the test found is more than whether the end of the process worked.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Service {
    fn start() -> Service {
        let folder = tempfile::tempdir().expect("a scratch folder");
        let ready = folder.path().join("ready");
        let log = File::create(folder.path().join("log")).expect("a file for the log");
        let mut command = Command::new(hpl_service());
        command.args(["serve", "--listen", "127.0.0.1:0", "--plain-http", "--no-rate-limits", "--log", "warn"]);
        command.args(["--disk-low", "0", "--disk-critical", "0"]);
        command.arg("--data").arg(folder.path().join("data")).arg("--ready-file").arg(&ready);
        let mut process = command.stdin(Stdio::null()).stderr(log).spawn().expect("hpl-service starts");
        let began = Instant::now();
        let url = loop {
            if let Some(url) = fs::read_to_string(&ready).ok().and_then(|text| text.lines().next().map(str::to_owned)) {
                break url;
            }
            let ended = process.try_wait().expect("the state of a child");
            assert!(ended.is_none() && began.elapsed() < BEGIN, "hpl-service does not begin: {ended:?}");
            std::thread::sleep(Duration::from_millis(50));
        };
        Service { process, folder, url }
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).expect("the log")
    }

    fn admin(&self, line: &[&str]) -> String {
        let mut command = Command::new(hpl_service());
        command.arg("admin").arg("--data").arg(self.folder.path().join("data")).args(line);
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("hpl-service starts");
        if let Some(mut typed) = process.stdin.take() {
            // Only some commands ask for a password.
            let _ = typed.write_all(format!("{PASSWORD}\n{PASSWORD}\n").as_bytes());
        }
        let said = process.wait_with_output().expect("its words");
        assert!(said.status.success(), "{line:?} failed");
        String::from_utf8_lossy(&said.stdout).into_owned()
    }

    /// Sends JSON; the head of the answer and its body.
    fn post(&self, path: &str, header: &str, body: &Value) -> (String, Value) {
        let address = self.url.trim_start_matches("http://").trim_end_matches('/');
        let mut stream = TcpStream::connect(address).expect("the service listens");
        let body = body.to_string();
        let request = format!(
            "POST {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\nsec-fetch-site: same-origin\r\n{header}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).expect("a request");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
        assert!(head.starts_with("HTTP/1.1 20"), "{path}: {answer}");
        (head.to_owned(), serde_json::from_str(body).expect("JSON"))
    }

    /// A token of an administrator with every scope, and something to look at.
    fn furnish(&self) -> String {
        self.admin(&["create-admin", "grace"]);
        let (head, _) = self.post("/api/v1/login", "x-a: b", &json!({"username": "grace", "password": PASSWORD}));
        let cookie = head.lines().find_map(|line| line.strip_prefix("set-cookie: ")).expect("a session");
        let cookie = format!("cookie: {}", cookie.split(';').next().unwrap_or_default());
        let asked = json!({"name": "fuzz", "scopes": ["read", "submit", "admin", "metrics"]});
        let (_, made) = self.post("/api/v1/me/tokens", &cookie, &asked);
        let token = made["token"].as_str().expect("a token").to_owned();
        let header = format!("authorization: Bearer {token}");
        let run = |more: Value| {
            let mut run = json!({"benchmark": "hpl", "parameters": {"n": 2000, "nb": 128, "p": 1, "q": 1}});
            run.as_object_mut().expect("an object").extend(more.as_object().cloned().unwrap_or_default());
            let (_, made) = self.post("/api/v1/jobs", &header, &run);
            made["jobs"][0]["id"].as_str().expect("a job").to_owned()
        };
        run(json!({"draft": true}));
        run(json!({"visibility": "private"}));
        let (held, cancelled) = (run(json!({})), run(json!({})));
        self.post(&format!("/api/v1/jobs/{held}/hold"), &header, &json!({"why": "to look at"}));
        self.post(&format!("/api/v1/jobs/{cancelled}/cancel"), &header, &json!(null));
        token
    }

    /// A node's token.
    fn join(&self) -> String {
        let said = self.admin(&["join-token"]);
        let join = said.split("hpl-join://").nth(1).and_then(|rest| rest.split('@').next()).expect("a join string");
        let header = format!("authorization: Bearer {join}");
        let (_, joined) =
            self.post("/agent/v1/join", &header, &json!({"protocol": 1, "name": "node", "machine_id": "m"}));
        joined["token"].as_str().expect("a token").to_owned()
    }
}

/// Where the fuzzer is, or why it is not.
fn fuzzer() -> Result<PathBuf, String> {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("the target folder");
    let (home, wanted) =
        (target.join("fuzz-venv"), Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/requirements.txt"));
    let program = home.join("bin/schemathesis");
    let (stamp, text) = (home.join("requirements.txt"), fs::read_to_string(&wanted).expect("requirements.txt"));
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == text) {
        return Ok(program);
    }
    let run = |command: &mut Command| {
        let done = command.stdin(Stdio::null()).stdout(Stdio::null()).status();
        done.is_ok_and(|status| status.success())
    };
    if !run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&home)) {
        return Err("`python3 -m venv` failed; install python3 with venv and pip".to_owned());
    }
    let mut install = Command::new(home.join("bin/python3"));
    install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes", "-r"]);
    if !run(install.arg(&wanted)) {
        return Err("`pip install -r validation/fuzz/requirements.txt` failed".to_owned());
    }
    fs::write(&stamp, text).expect("a stamp in the fuzzer's folder");
    Ok(program)
}

/// Lets the fuzzer speak to the operations whose path fits, and panics with what it found.
fn fuzz(fuzzer: &Path, service: &Service, token: &str, paths: [&str; 2], seconds: u64) {
    let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("../service/openapi.json");
    let mut command = Command::new(fuzzer);
    command.arg("run").arg(document.canonicalize().expect("service/openapi.json")).args(["--url", &service.url]);
    command.args(["--header", &format!("Authorization: Bearer {token}"), "--checks", CHECKS]).args(paths);
    command.args(["--max-time", &seconds.to_string(), "--request-timeout", "30", "--suppress-health-check", "all"]);
    command.args(LEFT_OUT.iter().flat_map(|name| ["--exclude-operation-id", name]));
    command.args(["--no-color", "--continue-on-failure"]).current_dir(service.folder.path());
    let said = command.stdin(Stdio::null()).output().expect("the fuzzer starts");
    let words = String::from_utf8_lossy(&said.stdout).into_owned() + &String::from_utf8_lossy(&said.stderr);
    assert!(said.status.success(), "{words}\nThe service's log:\n{}", service.log());
    assert!(words.contains("generated"), "the fuzzer did nothing:\n{words}");
}

fn fuzz_for(seconds: u64) {
    let fuzzer = match fuzzer() {
        Ok(fuzzer) => fuzzer,
        Err(what) => {
            assert!(std::env::var("CI").as_deref() != Ok("true"), "{what}");
            eprintln!("skipped: {what}");
            return;
        }
    };
    let named = std::env::var("HPL_FUZZ_SECONDS").ok();
    let seconds = named.map_or(seconds, |text| text.parse().expect("HPL_FUZZ_SECONDS is a number of seconds"));
    let mut service = Service::start();
    let (token, node) = (service.furnish(), service.join());
    fuzz(&fuzzer, &service, &token, ["--exclude-path-regex", "^/agent"], seconds * 3 / 4);
    fuzz(&fuzzer, &service, &node, ["--include-path-regex", "^/agent"], seconds / 4);
    assert!(service.process.try_wait().expect("the state of a child").is_none(), "{}", service.log());
    let log = service.log();
    assert!(!log.contains("panicked") && !log.contains("ERROR"), "{log}");
    assert!(service.admin(&["check"]).contains("as it must be"));
}

#[test]
fn a_fuzzer_finds_no_error_of_the_service() {
    fuzz_for(60);
}

#[test]
#[ignore = "minutes: run by `cargo xtask soak`"]
fn soak_a_fuzzer_finds_no_error_of_the_service() {
    fuzz_for(600);
}
