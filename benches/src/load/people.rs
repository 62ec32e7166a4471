//! Users with tokens, and the jobs they submit.

use std::sync::Arc;

use hpl_spec::api::jobs::Submitted;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::client::{Ask, Door, Line};
use super::pace::all;

/// Somebody with an account, a token that may read and submit, and a connection.
pub struct Person {
    /// The token.
    pub token: String,
    line: Mutex<Line>,
}

/// Signs up so many people, whose callers are numbered from `first` on.
///
/// # Errors
/// If the service refuses.
pub async fn sign_up(door: &Door, first: usize, count: usize) -> Result<Vec<Arc<Person>>, String> {
    // The service hashes four passwords at a time.
    all("people sign up", count, 4, |n| person(door.clone(), first + n)).await
}

async fn person(door: Door, caller: usize) -> Result<Arc<Person>, String> {
    let mut line = door.connect(caller).await?;
    let account =
        json!({ "username": format!("person-{caller}"), "password": format!("seven purple kettles {caller}") });
    let signed_up = line.ask(&Ask::post("/api/v1/signup", "", &account)).await?;
    signed_up.json::<Value>()?;
    let wanted = json!({ "name": "load", "scopes": ["read", "submit"] });
    let mut ask = Ask::post("/api/v1/me/tokens", "", &wanted);
    // As a browser would: the cookie of the session, and its word that the page was the service's own.
    ask.headers = vec![("cookie", signed_up.cookies), ("sec-fetch-site", "same-origin".into())];
    let made: Value = line.ask(&ask).await?.json()?;
    let token = made["token"].as_str().ok_or("no token in the answer")?.to_owned();
    Ok(Arc::new(Person { token, line: Mutex::new(line) }))
}

impl Person {
    /// Submits a run and hears that it was accepted. Which one `n` says: orders of 1000 to 1999, one in four express.
    ///
    /// # Errors
    /// If it is not accepted.
    pub async fn submit(&self, n: usize) -> Result<String, String> {
        let walltime_s = if n.is_multiple_of(4) { 60 } else { 1200 };
        let body = json!({
            "benchmark": "hpl", "walltime_s": walltime_s, "title": format!("run {n}"),
            "parameters": { "n": 1000 + n * 37 % 1000, "nb": 128, "p": 1, "q": 1 },
        });
        let mut ask = Ask::post("/api/v1/jobs", &self.token, &body);
        ask.headers = vec![("idempotency-key", format!("run-{n}"))];
        let made: Submitted = self.ask(&ask).await?;
        made.jobs.first().map(|job| job.id.to_string()).ok_or_else(|| "no job in the answer".into())
    }

    /// Asks for something on the person's connection.
    ///
    /// # Errors
    /// If it is refused.
    pub async fn ask<T: serde::de::DeserializeOwned>(&self, ask: &Ask) -> Result<T, String> {
        self.line.lock().await.ask(ask).await?.json()
    }
}
