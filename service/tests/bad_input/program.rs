//! The program over plain HTTP, spoken to byte by byte.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

const BEGIN: Duration = Duration::from_secs(60);
const PATIENCE: Duration = Duration::from_secs(45);

/// What tells of the inside.
const INSIDE: [&str; 18] = [
    "panicked",
    "RUST_BACKTRACE",
    "SELECT ",
    "INSERT ",
    "sqlx",
    "sqlite",
    "SQLITE",
    "serde",
    "struct ",
    "axum",
    "tokio",
    "::",
    "/src/",
    ".rs:",
    "/tmp/",
    "u64",
    "i64",
    "Option<",
];

/// The service as a process, with an administrator; ended when dropped.
pub struct Running {
    process: Child,
    folder: tempfile::TempDir,
    address: String,
    /// A token with every scope.
    pub token: String,
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    /// 0: the connection was closed without one.
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Drop for Running {
    fn drop(&mut self) {
        // What the test found matters more.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Running {
    pub fn start() -> Running {
        let folder = tempfile::tempdir().unwrap();
        let ready = folder.path().join("ready");
        let mut command = Command::new(env!("CARGO_BIN_EXE_hpl-service"));
        command.args(["serve", "--listen", "127.0.0.1:0", "--plain-http", "--no-rate-limits"]);
        command.args(["--disk-low", "0", "--disk-critical", "0", "--log", "info"]);
        command.arg("--data").arg(folder.path().join("data")).arg("--ready-file").arg(&ready);
        let log = File::create(folder.path().join("log")).unwrap();
        let mut process = command.stdin(Stdio::null()).stderr(log).spawn().unwrap();
        let began = Instant::now();
        let url = loop {
            if let Some(url) = fs::read_to_string(&ready).ok().and_then(|text| text.lines().next().map(str::to_owned)) {
                break url;
            }
            assert!(process.try_wait().unwrap().is_none() && began.elapsed() < BEGIN, "it does not begin");
            std::thread::sleep(Duration::from_millis(50));
        };
        let address = url.trim_start_matches("http://").trim_end_matches('/').to_owned();
        let mut service = Running { process, folder, address, token: String::new() };
        service.token = service.make_token();
        service
    }

    fn make_token(&self) -> String {
        let account = json!({"username": "ada", "password": "correct horse battery"}).to_string();
        let made = self.ask("POST", "/api/v1/signup", &[("content-type", "application/json")], account.as_bytes());
        let cookie = made.head.lines().find_map(|line| line.strip_prefix("set-cookie: "));
        let cookie = cookie.unwrap_or_else(|| panic!("no session: {made:?}"));
        let cookie = cookie.split(';').next().unwrap().to_owned();
        let headers =
            [("content-type", "application/json"), ("cookie", cookie.as_str()), ("sec-fetch-site", "same-origin")];
        let request = json!({"name": "t", "scopes": ["read", "submit"]}).to_string();
        let made = self.ask("POST", "/api/v1/me/tokens", &headers, request.as_bytes());
        let made: Value = serde_json::from_str(&made.body).unwrap();
        made["token"].as_str().unwrap().to_owned()
    }

    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// Sends bytes on a connection of their own, and reads until it is closed.
    pub fn say(&self, bytes: &[u8]) -> Answer {
        let mut stream = self.connect();
        // It may close before it has read all.
        let _ = stream.write_all(bytes);
        read(&mut stream)
    }

    /// A request whose head is well formed, with a body of the right length.
    pub fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let mut request = format!("{method} {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n", self.address);
        request.push_str(&format!("content-length: {}\r\n", body.len()));
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        request.push_str("\r\n");
        self.say(&[request.as_bytes(), body].concat())
    }

    /// As [`Running::ask`], with the token and as JSON.
    pub fn post(&self, path: &str, body: &[u8]) -> Answer {
        let token = format!("Bearer {}", self.token);
        self.ask("POST", path, &[("authorization", &token), ("content-type", "application/json")], body)
    }

    pub fn get(&self, path: &str) -> Answer {
        let token = format!("Bearer {}", self.token);
        self.ask("GET", path, &[("authorization", &token)], b"")
    }

    /// It lives, and its log tells of nothing that must not happen.
    pub fn is_well(&mut self) {
        assert_eq!(self.ask("GET", "/readyz", &[], b"").body, "ok\n");
        assert!(self.process.try_wait().unwrap().is_none());
        let log = fs::read_to_string(self.folder.path().join("log")).unwrap();
        for word in ["panicked", "internal error", "ERROR", "\u{1b}[2J"] {
            assert!(!log.contains(word), "{word}: {log}");
        }
    }
}

/// Reads until the end, a reset being one.
pub fn read(stream: &mut TcpStream) -> Answer {
    let (mut bytes, mut piece) = (vec![], [0; 8192]);
    loop {
        match stream.read(&mut piece) {
            Ok(0) => break,
            Ok(length) => bytes.extend_from_slice(&piece[..length]),
            Err(why) if why.kind() == std::io::ErrorKind::WouldBlock => {
                panic!("neither an answer nor an end: {:?}", String::from_utf8_lossy(&bytes))
            }
            Err(_) => break,
        }
    }
    let text = String::from_utf8(bytes).expect("answers are UTF-8");
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.split(' ').nth(1).and_then(|word| word.parse().ok()).unwrap_or(0);
    Answer { status, head: head.to_owned(), body: body.to_owned() }
}

impl Answer {
    /// A problem with that status, in words for people.
    #[track_caller]
    pub fn is_problem(&self, statuses: &[u16]) -> Value {
        assert!(statuses.contains(&self.status), "{statuses:?} {self:?}");
        assert!(self.head.contains("content-type: application/problem+json"), "{self:?}");
        let problem: Value = serde_json::from_str(&self.body).unwrap_or_else(|why| panic!("{why}: {self:?}"));
        assert_eq!(problem["status"], self.status);
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.len() > 10 && detail.len() < 2000, "{detail}");
        assert!(!self.body.contains('\u{1b}'), "{self:?}");
        for word in INSIDE {
            assert!(!detail.contains(word), "{word}: {self:?}");
        }
        problem
    }

    /// A client's error or a closed connection, and nothing of the inside: for bytes that are no HTTP.
    #[track_caller]
    pub fn is_refused(&self) {
        assert!(self.status == 0 || (400..500).contains(&self.status) || self.status == 505, "{self:?}");
        assert!(INSIDE.iter().all(|word| !self.body.contains(word)), "{self:?}");
    }
}
