//! A service without a port, and somebody who calls it.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, header};
use clap::Parser;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use service::app::{App, Shared};
use service::clock::Clock;
use service::config::Config;
use service::db::testing;
use service::limits::Rates;
use service::ops::accounts::{self as ops, By};
use service::password::Passwords;
use service::serve::Peer;
use tower::ServiceExt;

pub const SECOND: i64 = 1000;
pub const MINUTE: i64 = 60 * SECOND;
pub const DAY: i64 = 86_400 * SECOND;
pub const PASSWORD: &str = "correct horse battery";
pub const HOST: &str = "here.test";

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    config: Config,
}

pub struct World {
    pub app: Shared,
    pub router: Router,
    pub folder: tempfile::TempDir,
    hand: Arc<AtomicI64>,
}

impl World {
    /// Without limits of rate, with a hash that costs nothing.
    pub async fn new(arguments: &[&str]) -> World {
        Self::with(arguments, Rates::unlimited(), Passwords::cheap().unwrap()).await
    }

    /// Over plain HTTP, where everybody may sign up.
    pub async fn open() -> World {
        Self::new(&["--plain-http"]).await
    }

    /// With the rates that the arguments say.
    pub async fn by_settings(arguments: &[&str]) -> World {
        let rates = Cli::parse_from([&["serve"], arguments].concat()).config.rates();
        Self::with(arguments, rates, Passwords::cheap().unwrap()).await
    }

    pub async fn with(arguments: &[&str], rates: Rates, passwords: Passwords) -> World {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().to_str().unwrap();
        let own = ["serve", "--data", data];
        let disk = ["--disk-low", "0", "--disk-critical", "0"];
        let disk = if arguments.contains(&"--disk-critical") { &[][..] } else { &disk };
        let config = Cli::parse_from([&own, disk, arguments].concat()).config;
        let (clock, hand) = Clock::manual(1_800_000_000_000);
        let app = App::open_with(config, clock, passwords, &rates).await.unwrap();
        let router = service::http::router(&app);
        World { app, router, folder, hand }
    }

    pub fn advance(&self, millis: i64) {
        self.hand.fetch_add(millis, Ordering::SeqCst);
    }

    /// Signs up; the answer.
    pub async fn sign_up(&self, name: &str) -> Answer {
        let answer = post("/signup", json!({"username": name, "password": PASSWORD})).send(self).await;
        assert_eq!(answer.status, 201, "{}", answer.body);
        answer
    }

    pub async fn admin(&self, name: &str) -> Answer {
        let request = serde_json::from_value(json!({"username": name, "password": PASSWORD, "admin": true})).unwrap();
        ops::create_user(&self.app.db, &self.app.passwords, By::console(), request).await.unwrap();
        log_in(name, PASSWORD).send(self).await
    }

    /// The audit log as `actor action subject`, the latest first.
    pub async fn audit(&self) -> Vec<String> {
        let page = ops::audit_page(&self.app.db, None, None, 500).await.unwrap();
        page.entries.into_iter().map(|e| format!("{} {} {}", e.actor, e.action, e.subject)).collect()
    }

    /// From now on no session can be written for want of room, and all else can.
    pub async fn no_room_for_sessions(&self) {
        self.app.db.write(|tx| Box::pin(async move { testing::no_room_for_sessions(tx).await })).await.unwrap();
    }

    /// Closes the database and looks for a text in every file of the data folder.
    pub async fn files_hold(self, texts: &[&str]) -> Vec<String> {
        let hold = |folder: &Path| -> Vec<String> {
            let mut found = vec![];
            for file in std::fs::read_dir(folder).unwrap() {
                let Ok(bytes) = std::fs::read(file.unwrap().path()) else { continue };
                let has = |text: &str| bytes.windows(text.len()).any(|w| w == text.as_bytes());
                found.extend(texts.iter().filter(|t| has(t)).map(|t| (*t).to_owned()));
            }
            found
        };
        let mut found = hold(self.folder.path());
        self.app.db.close().await;
        found.extend(hold(self.folder.path()));
        found
    }
}

/// A request to be sent.
pub struct Call {
    method: &'static str,
    path: String,
    body: Option<Value>,
    headers: Vec<(&'static str, String)>,
    from: IpAddr,
}

pub fn call(method: &'static str, path: &str) -> Call {
    at(method, &format!("/api/v1{path}"))
}

/// A request to an address outside of `/api/v1`, too.
pub fn at(method: &'static str, path: &str) -> Call {
    let headers = vec![("host", HOST.to_owned())];
    Call { method, path: path.to_owned(), body: None, headers, from: IpAddr::from([192, 0, 2, 1]) }
}

pub fn get(path: &str) -> Call {
    call("GET", path)
}

pub fn post(path: &str, body: Value) -> Call {
    call("POST", path).json(body)
}

pub fn log_in(name: &str, password: &str) -> Call {
    post("/login", json!({"username": name, "password": password}))
}

impl Call {
    pub fn json(mut self, body: Value) -> Call {
        self.body = Some(body);
        self.header("content-type", "application/json")
    }

    pub fn header(mut self, name: &'static str, value: &str) -> Call {
        self.headers.push((name, value.to_owned()));
        self
    }

    /// As a page of the service sends it: with the cookie and the browser's word.
    pub fn cookie(self, cookie: &str) -> Call {
        self.header("cookie", cookie).header("sec-fetch-site", "same-origin")
    }

    pub fn bearer(self, token: &str) -> Call {
        self.header("authorization", &format!("Bearer {token}"))
    }

    pub fn from(mut self, address: &str) -> Call {
        self.from = address.parse().unwrap();
        self
    }

    pub async fn send(self, world: &World) -> Answer {
        self.send_to(&world.router).await
    }

    pub async fn send_to(self, router: &Router) -> Answer {
        let mut request = Request::builder().method(self.method).uri(self.path);
        for (name, value) in self.headers {
            request = request.header(name, value);
        }
        let peer = Peer { addr: SocketAddr::new(self.from, 4711), tls: false };
        let body = self.body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
        let request = request.extension(peer).body(body).unwrap();
        let response = router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let body = serde_json::from_slice(&bytes)
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&bytes).into_owned()));
        Answer { status: parts.status.as_u16(), headers: parts.headers, body }
    }
}

pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Value,
}

impl Answer {
    pub fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }

    /// Status and code, for comparing.
    pub fn verdict(&self) -> (u16, &str) {
        (self.status, self.code())
    }

    /// All of it but the request's id, for comparing.
    pub fn without_id(mut self) -> (u16, HeaderMap, Value) {
        self.headers.remove("x-request-id");
        if let Some(fields) = self.body.as_object_mut() {
            fields.remove("request_id");
        }
        (self.status, self.headers, self.body)
    }

    pub fn set_cookies(&self) -> Vec<&str> {
        self.headers.get_all(header::SET_COOKIE).iter().map(|value| value.to_str().unwrap()).collect()
    }

    /// `name=value` of the one cookie that was set.
    pub fn cookie(&self) -> String {
        let cookies = self.set_cookies();
        assert_eq!(cookies.len(), 1, "{cookies:?} {}", self.body);
        cookies[0].split(';').next().unwrap().to_owned()
    }

    pub fn text(&self, pointer: &str) -> String {
        self.body.pointer(pointer).and_then(Value::as_str).unwrap_or_else(|| panic!("{}", self.body)).to_owned()
    }
}
