//! Requests to the program: once, or again until they are answered.

use std::time::{Duration, Instant};

use reqwest::{Client, Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::program::PASSWORD;
use crate::world::{Answer, golden_parameters};

/// How long the program may take to come back.
const PATIENCE: Duration = Duration::from_secs(25);

/// A client that takes any certificate: who it talks to is not the question here.
pub fn client() -> Client {
    // Another test of this process may have done it already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder().timeout(Duration::from_secs(20)).tls_danger_accept_invalid_certs(true).build().unwrap()
}

/// Status and body; None if no whole answer came.
pub async fn ask(request: RequestBuilder) -> Option<Answer> {
    let response = request.send().await.ok()?;
    let status = StatusCode::from_u16(response.status().as_u16()).unwrap();
    let body = response.bytes().await.ok()?;
    Some((status, serde_json::from_slice(&body).unwrap_or(Value::Null)))
}

/// The body of what a user submits.
pub fn submission() -> Value {
    json!({ "benchmark": "hpl", "parameters": golden_parameters(), "walltime_s": 600 })
}

/// Somebody who talks to a program that comes and goes.
#[derive(Clone)]
pub struct Caller {
    pub client: Client,
    /// Where the program is now; empty while it is away.
    pub place: watch::Receiver<String>,
}

impl Caller {
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let url = format!("{}{path}", *self.place.borrow());
        self.client.request(method, url)
    }

    /// Asks until it is answered by anything but the word that the service is not there.
    pub async fn until_answered(&self, make: impl Fn(&Caller) -> RequestBuilder) -> Answer {
        let began = Instant::now();
        loop {
            match ask(make(self)).await {
                Some((status, body)) if status != StatusCode::SERVICE_UNAVAILABLE => return (status, body),
                answer => assert!(began.elapsed() < PATIENCE, "no answer: {answer:?}"),
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// Logs `ada` in and makes an API token.
pub async fn api_token(caller: &Caller) -> String {
    let login = json!({ "username": "ada", "password": PASSWORD });
    let session = Client::builder().cookie_store(true).tls_danger_accept_invalid_certs(true).build().unwrap();
    let caller = Caller { client: session, place: caller.place.clone() };
    let (status, body) = caller.until_answered(|c| c.request(Method::POST, "/api/v1/login").json(&login)).await;
    assert_eq!(status, 200, "{body}");
    let wanted = json!({ "name": "test", "scopes": ["read", "submit"] });
    let (status, body) = caller
        .until_answered(|c| {
            let request = c.request(Method::POST, "/api/v1/me/tokens").header("sec-fetch-site", "same-origin");
            request.json(&wanted)
        })
        .await;
    assert_eq!(status, 201, "{body}");
    body["token"].as_str().unwrap().to_owned()
}
