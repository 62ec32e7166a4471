//! The service as a process, and schemathesis, which reads the committed OpenAPI document and sends what it allows and
//! what it does not. No answer may be an error of the service, and every answer is one that the document tells of.
//!
//! It comes several times, as somebody else each time: as a program with a token; as a page with a session; as a node
//! with a run, which it ends at last; and as a node that has said hello.
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
/// Seconds that the fuzzer takes to begin.
const BEGIN_FUZZING: u64 = 2;
/// What is checked of every answer.
const CHECKS: &str = "not_a_server_error,content_type_conformance,response_schema_conformance,status_code_conformance";
/// Answers of these come late or never end; `revoke_token` would end the fuzzer's own token.
const LEFT_OUT: [&str; 3] = ["queue_events", "job_events", "revoke_token"];
/// These would end the fuzzer's own session, or begin another in its place.
const OF_SESSIONS: [&str; 5] = ["log_out", "log_in", "sign_up", "recover", "revoke_session"];
/// The boot of the nodes, and the fence of a first attempt.
const BOOT: &str = "boot";
const FENCE: i64 = 1;

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
        command.args(["--disk-low", "0", "--disk-critical", "0", "--running-max", "10"]);
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

    fn post(&self, path: &str, header: &str, body: &Value) -> (String, Value) {
        self.ask("POST", path, header, body)
    }

    /// Sends JSON; the head of the answer and its body.
    fn ask(&self, method: &str, path: &str, header: &str, body: &Value) -> (String, Value) {
        let address = self.url.trim_start_matches("http://").trim_end_matches('/');
        let mut stream = TcpStream::connect(address).expect("the service listens");
        let body = body.to_string();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\nsec-fetch-site: same-origin\r\n{header}\r\n\
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

    /// It lives, and neither its log nor its database tells of what must not happen.
    fn is_well(&mut self) {
        let log = self.log();
        assert!(self.process.try_wait().expect("the state of a child").is_none(), "{log}");
        assert!(!log.contains("panicked") && !log.contains("ERROR"), "{log}");
        assert!(self.admin(&["check"]).contains("as it must be"));
    }

    /// The cookie of an administrator's session.
    fn log_in(&self) -> String {
        let (head, _) = self.post("/api/v1/login", "x-a: b", &json!({"username": "grace", "password": PASSWORD}));
        let cookie = head.lines().find_map(|line| line.strip_prefix("set-cookie: ")).expect("a session");
        format!("cookie: {}", cookie.split(';').next().unwrap_or_default())
    }

    /// A token of an administrator with every scope and a session, both as headers, and something to look at.
    fn furnish(&self) -> (String, String) {
        self.admin(&["create-admin", "grace"]);
        let asked = json!({"name": "fuzz", "scopes": ["read", "submit", "admin", "metrics"]});
        let session = self.log_in();
        let (_, made) = self.post("/api/v1/me/tokens", &session, &asked);
        let header = bearer(&made);
        self.submit(&header, json!({"draft": true}));
        self.submit(&header, json!({"visibility": "private"}));
        let (held, cancelled) = (self.submit(&header, json!({})), self.submit(&header, json!({})));
        self.post(&format!("/api/v1/jobs/{held}/hold"), &header, &json!({"why": "to look at"}));
        self.post(&format!("/api/v1/jobs/{cancelled}/cancel"), &header, &json!(null));
        (header, session)
    }

    /// A job. Its id.
    fn submit(&self, header: &str, more: Value) -> String {
        let mut run = json!({"benchmark": "hpl", "parameters": {"n": 2000, "nb": 128, "p": 1, "q": 1}});
        run.as_object_mut().expect("an object").extend(more.as_object().cloned().unwrap_or_default());
        let (_, made) = self.post("/api/v1/jobs", header, &run);
        made["jobs"][0]["id"].as_str().expect("a job").to_owned()
    }

    /// A node that has said hello: its id, and its token in a header.
    fn join(&self, name: &str) -> (String, String) {
        let said = self.admin(&["join-token"]);
        let join = said.split("://").nth(1).and_then(|rest| rest.split('@').next()).expect("a join string");
        let header = format!("authorization: Bearer {join}");
        let (_, joined) =
            self.post("/agent/v1/join", &header, &json!({"protocol": 1, "name": name, "machine_id": "m"}));
        let (node, header) = (joined["node"].as_str().expect("an id").to_owned(), bearer(&joined));
        let info: Value = serde_json::from_str(include_str!("../../hpl-spec/tests/golden/node.json")).expect("JSON");
        let hello = json!({"protocol": 1, "version": "fuzz", "machine_id": "m", "boot_id": BOOT, "info": info,
                           "free_disk": 1_u64 << 40});
        self.post(&format!("/agent/v1/nodes/{node}/hello"), &header, &hello);
        (node, header)
    }

    /// The attempt at a job of its own that a node of its own runs: its id, and its token in a header.
    fn begin_a_run(&self, user: &str, name: &str) -> (String, String) {
        let (node, header) = self.join(name);
        // A run that may take longer than the fuzzer does.
        self.submit(user, json!({"needs": {"node": node}, "walltime_s": 1800}));
        let claim = json!({"boot_id": BOOT, "memory_available": 1_u64 << 34, "free_disk": 1_u64 << 40, "seq": 1});
        let (_, given) = self.post("/agent/v1/claim?wait=20", &header, &claim);
        assert_eq!(given["fence"], FENCE);
        let (attempt, header) = (given["attempt"].as_str().expect("an attempt").to_owned(), bearer(&given));
        let event = |seq: u32, kind: &str| json!({"seq": seq, "at_ms": seq, "event": {"kind": kind}});
        let events = json!({"fence": FENCE, "events": [event(1, "preparing"), event(2, "started")]});
        self.post(&format!("/agent/v1/attempts/{attempt}/events"), &header, &events);
        (attempt, header)
    }
}

/// The token that was just made, in a header.
fn bearer(made: &Value) -> String {
    format!("authorization: Bearer {}", made["token"].as_str().expect("a token"))
}

/// The document, in which what the fuzzer cannot guess is named: parameters of requests, and fields of their bodies.
fn document(known: &[(&str, Value)]) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../service/openapi.json");
    let mut document: Value =
        serde_json::from_str(&fs::read_to_string(path).expect("service/openapi.json")).expect("JSON");
    // Its headers say who comes. Told of other ways, the fuzzer would put tokens of its own making beside them.
    for operation in objects(&mut document["paths"]).flat_map(objects).filter_map(Value::as_object_mut) {
        operation.remove("security");
    }
    for (name, value) in known {
        let only = json!({"enum": [value]});
        let operations = objects(&mut document["paths"]).flat_map(objects);
        let parameters = operations.filter_map(|operation| operation.get_mut("parameters")?.as_array_mut()).flatten();
        parameters.filter(|parameter| parameter["name"] == *name).for_each(|found| found["schema"] = only.clone());
        let schemas = document["components"]["schemas"].as_object_mut().expect("schemas").iter_mut();
        for (_, schema) in schemas.filter(|(schema, _)| schema.ends_with("Request")) {
            if let Some(field) = schema.get_mut("properties").and_then(|fields| fields.get_mut(*name)) {
                *field = only.clone();
            }
        }
    }
    document
}

fn objects(value: &mut Value) -> impl Iterator<Item = &mut Value> {
    value.as_object_mut().into_iter().flat_map(|object| object.iter_mut().map(|(_, value)| value))
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

/// As whom the fuzzer comes.
struct Pass<'a> {
    /// What its requests carry.
    headers: &'a [&'a str],
    /// What it knows, see [`document`].
    known: &'a [(&'a str, Value)],
    /// Which operations it speaks to, in the fuzzer's own options.
    chosen: &'a [&'a str],
    seconds: u64,
}

/// Lets the fuzzer speak, and panics with what it found.
fn fuzz(fuzzer: &Path, service: &Service, pass: &Pass<'_>) {
    let written = service.folder.path().join("openapi.json");
    fs::write(&written, document(pass.known).to_string()).expect("a document for the fuzzer");
    let mut command = Command::new(fuzzer);
    command.arg("run").arg(written).args(["--url", &service.url, "--checks", CHECKS]).args(pass.chosen);
    command.args(pass.headers.iter().flat_map(|header| ["--header", header]));
    command.args([
        "--max-time",
        &pass.seconds.saturating_sub(BEGIN_FUZZING).max(1).to_string(),
        "--request-timeout",
        "30",
    ]);
    command.args(LEFT_OUT.iter().flat_map(|name| ["--exclude-operation-id", name]));
    command.args(["--suppress-health-check", "all", "--no-color", "--continue-on-failure"]);
    let said = command.current_dir(service.folder.path()).stdin(Stdio::null()).output().expect("the fuzzer starts");
    let words = String::from_utf8_lossy(&said.stdout).into_owned() + &String::from_utf8_lossy(&said.stderr);
    assert!(said.status.success(), "{:?}\n{words}\nThe service's log:\n{}", pass.chosen, service.log());
    assert!(words.contains("generated"), "the fuzzer did nothing:\n{words}");
}

/// As programs and pages do: two thirds of the time.
fn fuzz_people(fuzzer: &Path, service: &Service, token: &str, session: &str, seconds: u64) {
    let people = ["--exclude-path-regex", "^/agent"];
    fuzz(fuzzer, service, &Pass { headers: &[token], known: &[], chosen: &people, seconds: seconds * 5 / 12 });
    let chosen: Vec<&str> =
        people.into_iter().chain(OF_SESSIONS.iter().flat_map(|name| ["--exclude-operation-id", *name])).collect();
    let headers = [session, "sec-fetch-site: same-origin"];
    fuzz(fuzzer, service, &Pass { headers: &headers, known: &[], chosen: &chosen, seconds: seconds / 4 });
    // It was a session until the end, and none that a stranger could have used.
    service.ask("GET", "/api/v1/me/sessions", session, &Value::Null);
}

/// As nodes do: a third of the time.
fn fuzz_nodes(fuzzer: &Path, service: &Service, token: &str, seconds: u64) {
    let (attempt, header) = service.begin_a_run(token, "one");
    let known = [("attempt", json!(attempt)), ("fence", json!(FENCE)), ("wait", json!(0))];
    let living = ["--include-path-regex", "^/agent/v1/attempts", "--exclude-operation-id", "agent_finish"];
    fuzz(fuzzer, service, &Pass { headers: &[&header], known: &known, chosen: &living, seconds: seconds / 6 });
    // It may still write: nothing that was sent was taken for an end.
    let beat = json!({"fence": FENCE, "seq": 1, "phase": "running"});
    service.post(&format!("/agent/v1/attempts/{attempt}/beat"), &header, &beat);
    let ending = ["--include-operation-id", "agent_finish"];
    fuzz(fuzzer, service, &Pass { headers: &[&header], known: &known, chosen: &ending, seconds: seconds / 12 });

    let (node, header) = service.join("other");
    let known = [("node", json!(node)), ("boot_id", json!(BOOT)), ("machine_id", json!("m")), ("protocol", json!(1))];
    // Whoever waits for a job or a command sends nothing else meanwhile.
    let known: Vec<_> = known.into_iter().chain([("wait", json!(0))]).collect();
    for _ in 0..5 {
        service.submit(token, json!({}));
    }
    let chosen = ["--include-path-regex", "^/agent/v1/(join|claim|nodes|orphans)"];
    fuzz(fuzzer, service, &Pass { headers: &[&header], known: &known, chosen: &chosen, seconds: seconds / 12 });
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
    let (token, session) = service.furnish();
    fuzz_people(&fuzzer, &service, &token, &session, seconds);
    service.is_well();
    // Another one: in its queue is nothing that the fuzzer submitted.
    let mut service = Service::start();
    let (token, _) = service.furnish();
    fuzz_nodes(&fuzzer, &service, &token, seconds);
    service.is_well();
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
