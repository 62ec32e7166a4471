//! The door to a service: the one file that names the HTTP client, beside `key`, which says which key is believed, and
//! `words`, what is said. A call is made once; whether and when it is made again is for the caller to decide.
//!
//! ```text
//!   Call {method, path, token, body, limit} ──► Door ──► bytes of the answer | Refusal
//!                                                 │
//!                                                 └── believes one pinned key, or the authorities of this system
//! ```

use std::time::Duration;

use hpl_spec::api::Problem;
use reqwest::{ClientBuilder, RequestBuilder, Response, StatusCode, Url, header};
use serde::de::DeserializeOwned;

use self::key::{OneKey, provide};
pub use self::words::{Call, Caller, Method, Reach, Refusal, Said, is_pin};

mod key;
mod words;

/// How long a connection may take to stand.
const CONNECT: Duration = Duration::from_secs(10);
/// How long a connection is kept for the next call: longer than between two beats of a daemon.
const KEPT: Duration = Duration::from_secs(75);
/// Bytes of an answer that are read; the largest is an assignment with its input files.
const LARGEST: usize = 4 << 20;

/// Short for what every call brings.
pub type Answer<T> = Result<T, Refusal>;

/// Scheme, host and port of an address that a person typed; `https://` where no scheme is named.
///
/// # Errors
/// It is no address of a service: in words.
pub fn address(text: &str) -> Result<String, String> {
    let text = text.trim();
    let wrong = |why: &str| format!("found `{text}`, {why}; expected an address such as https://hpl.example.org:8080");
    let whole = if text.contains("://") { text.to_owned() } else { format!("https://{text}") };
    let url = Url::parse(&whole).map_err(|why| wrong(&format!("which cannot be read ({why})")))?;
    if !matches!(url.scheme(), "https" | "http") {
        return Err(wrong("which is neither https nor http"));
    }
    let bare = url.username().is_empty() && url.password().is_none() && url.query().is_none();
    if !bare || url.fragment().is_some() || url.path() != "/" {
        return Err(wrong("with more than a host and a port"));
    }
    Ok(url.origin().ascii_serialization())
}

/// A path with these names and values after it, encoded.
#[must_use]
pub fn with_query(path: &str, pairs: &[(&str, &str)]) -> String {
    // Of the address that is made here for its sake only the query is taken.
    let url = Url::parse_with_params("http://localhost", pairs).ok();
    match url.as_ref().and_then(Url::query) {
        None | Some("") => path.to_owned(),
        Some(query) => format!("{path}?{query}"),
    }
}

/// A way to a service. It is made for one thread: its runtime drives the connections.
#[derive(Debug)]
pub struct Door {
    http: reqwest::Client,
    url: String,
}

impl Door {
    /// A way to the service at `reach`. Nothing is sent yet.
    ///
    /// # Errors
    /// The HTTP client cannot be set up, e.g. because the system has no certificates at all.
    pub fn new(reach: &Reach, caller: Caller) -> Result<Door, String> {
        Door::build(reach, caller, reqwest::Client::builder())
    }

    /// The same, which keeps cookies: for a session.
    ///
    /// # Errors
    /// As [`Door::new`].
    pub fn with_cookies(reach: &Reach, caller: Caller) -> Result<Door, String> {
        Door::build(reach, caller, reqwest::Client::builder().cookie_store(true))
    }

    fn build(reach: &Reach, caller: Caller, builder: ClientBuilder) -> Result<Door, String> {
        provide();
        let mut builder = builder.user_agent(caller.agent).pool_idle_timeout(KEPT).pool_max_idle_per_host(2);
        builder = builder.tcp_keepalive(Duration::from_secs(20));
        if let Some(pin) = &reach.pin {
            builder = builder.tls_backend_preconfigured(OneKey::new(Some((pin.clone(), caller))).config()?);
        }
        Ok(Door { http: finish(builder)?, url: reach.url.clone() })
    }

    /// Whether the service is there and well: how long it took to say so.
    ///
    /// # Errors
    /// It is not: in words.
    pub async fn is_well(&self) -> Result<Duration, String> {
        let began = std::time::Instant::now();
        let call = self.http.get(format!("{}/healthz", self.url)).timeout(CONNECT);
        let status = call.send().await.map_err(|e| told(&e))?.status();
        if status.is_success() { Ok(began.elapsed()) } else { Err(format!("it answers {status}")) }
    }

    fn request(&self, call: Call) -> Answer<RequestBuilder> {
        let Call { method, path, token, headers, body, .. } = call;
        let method = match method {
            Method::Get => reqwest::Method::GET,
            Method::Post => reqwest::Method::POST,
            Method::Put => reqwest::Method::PUT,
            Method::Delete => reqwest::Method::DELETE,
        };
        let mut request = self.http.request(method, format!("{}{path}", self.url));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        for (name, value) in headers {
            request = request.header(name, value);
        }
        match body.transpose().map_err(Refusal::NoAnswer)? {
            Some(body) => Ok(request.body(body)),
            None => Ok(request),
        }
    }

    /// The body of a call that went well; None of 204.
    ///
    /// # Errors
    /// [`Refusal`].
    pub async fn send(&self, call: Call) -> Answer<Option<Vec<u8>>> {
        let limit = call.limit;
        let response = self.request(call)?.timeout(limit).send().await.map_err(no_answer)?;
        let response = good(response).await?;
        if response.status() == StatusCode::NO_CONTENT { Ok(None) } else { whole(response).await.map(Some) }
    }

    /// What a call that went well brought.
    ///
    /// # Errors
    /// [`Refusal`]; the answer is of another shape.
    pub async fn ask<T: DeserializeOwned>(&self, call: Call) -> Answer<T> {
        read(&self.send(call).await?.unwrap_or_default())
    }

    /// The same, or None where the answer is 204.
    ///
    /// # Errors
    /// As [`Door::ask`].
    pub async fn ask_for_some<T: DeserializeOwned>(&self, call: Call) -> Answer<Option<T>> {
        self.send(call).await?.map(|body| read(&body)).transpose()
    }

    /// A call whose answer may be long, and may come bit by bit: only its beginning has a limit in time.
    ///
    /// # Errors
    /// [`Refusal`].
    pub async fn open(&self, call: Call) -> Answer<Flow> {
        let (limit, request) = (call.limit, self.request(call)?);
        let late = |_| Refusal::NoAnswer(format!("nothing came within {} s", limit.as_secs()));
        let response = tokio::time::timeout(limit, request.send()).await.map_err(late)?.map_err(no_answer)?;
        Ok(Flow(good(response).await?))
    }
}

/// An answer that comes bit by bit.
#[derive(Debug)]
pub struct Flow(Response);

impl Flow {
    /// A header of the answer, where it is there and text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.0.headers().get(name)?.to_str().ok()
    }

    /// The next bytes; None at the end.
    ///
    /// # Errors
    /// It broke off.
    pub async fn next(&mut self) -> Answer<Option<Vec<u8>>> {
        Ok(self.0.chunk().await.map_err(no_answer)?.map(|bytes| bytes.to_vec()))
    }
}

/// What an answer says.
///
/// # Errors
/// It is of another shape.
pub fn read<T: DeserializeOwned>(body: &[u8]) -> Answer<T> {
    serde_json::from_slice(body).map_err(|e| Refusal::NoAnswer(format!("an answer that cannot be read: {e}")))
}

/// The hash of the key that is shown at `url`, whoever shows it: for a person to compare. None where none is shown. Nothing
/// is said there: the connection ends as soon as the key is seen.
///
/// # Errors
/// The HTTP client cannot be set up.
pub async fn key_shown(url: &str) -> Result<Option<String>, String> {
    let looks = OneKey::new(None);
    let http = finish(reqwest::Client::builder().tls_backend_preconfigured(looks.clone().config()?))?;
    // It ends badly, as no key is believed; what counts was seen on the way.
    let _ = http.get(url).timeout(CONNECT).send().await;
    Ok(looks.seen())
}

fn finish(builder: ClientBuilder) -> Result<reqwest::Client, String> {
    let builder = builder.connect_timeout(CONNECT).redirect(reqwest::redirect::Policy::none());
    builder.build().map_err(|e| told(&e))
}

/// The whole chain of causes: the outermost alone says no more than "error sending request".
fn told(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(why) = cause {
        text += &format!(": {why}");
        cause = why.source();
    }
    text
}

fn no_answer(error: reqwest::Error) -> Refusal {
    Refusal::NoAnswer(told(&error))
}

/// The answer, if it says yes.
async fn good(response: Response) -> Answer<Response> {
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let retry_after = response.headers().get(header::RETRY_AFTER);
    let retry_after = retry_after.and_then(|v| v.to_str().ok()).and_then(|v| v.trim().parse().ok());
    Err(problem(status.as_u16(), retry_after, &whole(response).await?))
}

async fn whole(mut response: Response) -> Answer<Vec<u8>> {
    let mut body = vec![];
    while let Some(chunk) = response.chunk().await.map_err(no_answer)? {
        if body.len() + chunk.len() > LARGEST {
            return Err(Refusal::NoAnswer(format!("an answer of more than {LARGEST} bytes")));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// An answer that says no. What is no problem document, as a proxy in between may send it, is judged by its status.
fn problem(status: u16, retry_after: Option<u64>, body: &[u8]) -> Refusal {
    let Ok(problem) = serde_json::from_slice::<Problem>(body) else {
        return Refusal::NoAnswer(format!("status {status} and no problem document: is this the service?"));
    };
    let number = |name: &str| problem.more.get(name).and_then(serde_json::Value::as_u64);
    let (offset, expected_seq) = (number("offset"), number("expected_seq"));
    let Problem { code, detail, errors, .. } = problem;
    Refusal::Problem(Box::new(Said { status, code, detail, errors, offset, expected_seq, retry_after }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read() {
        assert_eq!(address(" https://Hpl.Example.org:8443/ ").unwrap(), "https://hpl.example.org:8443");
        assert_eq!(address("hpl.example.org").unwrap(), "https://hpl.example.org");
        assert_eq!(address("http://[::1]:8080").unwrap(), "http://[::1]:8080");
        for wrong in ["", "ftp://a", "https://a/jobs", "https://me@a", "https://a?x", "https://a#x", "a b", "https://"]
        {
            assert!(address(wrong).unwrap_err().contains("expected an address"), "{wrong}");
        }
    }

    #[test]
    fn queries_are_encoded() {
        assert_eq!(with_query("/a", &[]), "/a");
        assert_eq!(with_query("/a", &[("kind", "A & B"), ("n", "1")]), "/a?kind=A+%26+B&n=1");
    }

    #[test]
    fn what_says_no_is_read_by_its_document_or_its_status() {
        let document = r#"{"type": "urn:hpl:problem:invalid", "title": "t", "status": 422, "code": "invalid",
            "detail": "n: too large", "errors": [{"field": "n", "message": "too large"}], "offset": 7}"#;
        let Refusal::Problem(said) = problem(422, Some(3), document.as_bytes()) else { panic!("a problem") };
        assert_eq!((said.code.as_str(), said.offset, said.retry_after), ("invalid", Some(7), Some(3)));
        assert_eq!(said.errors[0].field, "n");
        assert!(matches!(problem(502, None, b"<html>"), Refusal::NoAnswer(why) if why.contains("502")));
    }
}
