//! Requests to a service that comes and goes.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use reqwest::{Client, Method};
use serde_json::Value;
use tokio::runtime::{Builder, Runtime};

/// How long a service may be away before a test gives up.
const PATIENCE: Duration = Duration::from_secs(90);

/// A way to one service. Calls of several threads are made one after the other.
pub struct Http {
    runtime: Mutex<Runtime>,
    client: Client,
    url: String,
}

/// What came back.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub body: Vec<u8>,
}

impl Answer {
    /// The body as JSON; null if it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// The body of an answer that has to be a good one.
    #[track_caller]
    pub fn good(&self) -> Value {
        assert!((200..300).contains(&self.status), "{}: {}", self.status, String::from_utf8_lossy(&self.body));
        self.json()
    }
}

/// A request: method, path, token, body, and a header that names it for repeats.
#[derive(Debug, Clone, Default)]
pub struct Ask<'a> {
    pub path: String,
    pub token: Option<&'a str>,
    pub body: Option<Value>,
    pub key: Option<String>,
    pub session: bool,
}

impl Http {
    /// A way to the service at `url`. Any certificate will do: who it talks to is the daemons' question.
    pub fn new(url: &str) -> Http {
        // Another test of this process may have done it already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder().timeout(Duration::from_secs(30)).cookie_store(true);
        let client = client.tls_danger_accept_invalid_certs(true).build().unwrap();
        let runtime = Mutex::new(Builder::new_current_thread().enable_all().build().unwrap());
        Http { runtime, client, url: url.to_owned() }
    }

    /// Asks once; None if no whole answer came.
    pub fn once(&self, method: &Method, ask: &Ask<'_>) -> Option<Answer> {
        let mut request = self.client.request(method.clone(), format!("{}{}", self.url, ask.path));
        if let Some(token) = ask.token {
            request = request.bearer_auth(token);
        }
        if let Some(body) = &ask.body {
            request = request.json(body);
        }
        if let Some(key) = &ask.key {
            request = request.header("Idempotency-Key", key);
        }
        if ask.session {
            request = request.header("Sec-Fetch-Site", "same-origin");
        }
        let runtime = self.runtime.lock().unwrap();
        runtime.block_on(async {
            let response = request.send().await.ok()?;
            let status = response.status().as_u16();
            Some(Answer { status, body: response.bytes().await.ok()?.to_vec() })
        })
    }

    /// Asks until it is answered by anything but the word that the service is not there.
    #[track_caller]
    pub fn ask(&self, method: &Method, ask: &Ask<'_>) -> Answer {
        let began = Instant::now();
        loop {
            match self.once(method, ask) {
                Some(answer) if answer.status != 503 => return answer,
                other => assert!(began.elapsed() < PATIENCE, "no answer to {ask:?}: {other:?}"),
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Reads what everybody may read.
    #[track_caller]
    pub fn get(&self, path: &str) -> Answer {
        self.ask(&Method::GET, &Ask { path: path.to_owned(), ..Ask::default() })
    }
}
