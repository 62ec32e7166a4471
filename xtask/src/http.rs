//! The door to HTTP: JSON to and from the service that we started, in plain HTTP on loopback. The only file that names
//! `ureq`.
//!
//! Whatever goes wrong below HTTP is text, and whatever status the service answers is an answer: what either means is for
//! the caller to say.

use std::time::Duration;

use serde_json::Value;

/// How long a call may take, its answer included.
const PATIENCE: Duration = Duration::from_secs(20);
/// Answers that are larger are none of ours.
const MOST: u64 = 16 << 20;

/// How a request is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Asks.
    Get,
    /// Does.
    Post,
    /// Takes away.
    Delete,
}

/// An answer, read whole.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The cookie that it sets, as it is to be sent back.
    pub cookie: Option<String>,
    /// The body.
    pub body: String,
}

/// Who asks. Clones share their connections.
#[derive(Debug, Clone)]
pub struct Http(ureq::Agent);

impl Http {
    /// No proxy of the environment comes between: the other end is on this machine.
    pub fn new() -> Http {
        let config = ureq::Agent::config_builder()
            .timeout_global(Some(PATIENCE))
            .http_status_as_error(false)
            .max_redirects(0)
            .proxy(None)
            .user_agent("cargo-xtask-up");
        Http(config.build().into())
    }

    /// Asks, and reads the answer. A body is sent with POST alone.
    ///
    /// # Errors
    /// What the connection says.
    pub fn ask(&self, method: Method, url: &str, headers: &[(&str, &str)], body: &Value) -> Result<Answer, String> {
        let said = match method {
            Method::Get => with(self.0.get(url), headers).call(),
            Method::Delete => with(self.0.delete(url), headers).call(),
            Method::Post => with(self.0.post(url), headers).send_json(body),
        };
        let mut said = said.map_err(|why| why.to_string())?;
        let cookie = said.headers().get("set-cookie").and_then(|value| value.to_str().ok());
        let cookie = cookie.and_then(|text| text.split(';').next()).map(str::to_owned);
        let body = said.body_mut().with_config().limit(MOST).lossy_utf8(true).read_to_string();
        let body = body.map_err(|why| why.to_string())?;
        Ok(Answer { status: said.status().as_u16(), cookie, body })
    }
}

fn with<B>(request: ureq::RequestBuilder<B>, headers: &[(&str, &str)]) -> ureq::RequestBuilder<B> {
    headers.iter().fold(request, |request, (name, value)| request.header(*name, *value))
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::thread::spawn;

    use super::*;

    /// A server that takes one request and gives one answer; the request comes back.
    fn answered(
        answer: &'static str,
        ask: impl FnOnce(&str) -> Result<Answer, String>,
    ) -> (String, Result<Answer, String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut heard = vec![0; 4096];
            let length = stream.read(&mut heard).unwrap();
            stream.write_all(answer.as_bytes()).unwrap();
            String::from_utf8_lossy(&heard[..length]).into_owned()
        });
        let got = ask(&url);
        (server.join().unwrap(), got)
    }

    #[test]
    fn every_status_is_an_answer_and_cookies_are_kept_short() {
        let answer = "HTTP/1.1 409 Conflict\r\nset-cookie: hpl=abc; HttpOnly; Path=/\r\ncontent-length: 2\r\n\r\n{}";
        let headers = [("authorization", "Bearer t")];
        let (heard, got) = answered(answer, |url| Http::new().ask(Method::Get, url, &headers, &Value::Null));
        let got = got.unwrap();
        assert_eq!((got.status, got.cookie.as_deref(), got.body.as_str()), (409, Some("hpl=abc"), "{}"));
        assert!(heard.starts_with("GET / ") && heard.contains("authorization: Bearer t"), "{heard}");
    }

    #[test]
    fn a_line_that_is_cut_is_no_answer() {
        let ask = |url: &str| Http::new().ask(Method::Post, url, &[], &serde_json::json!({"a": 1}));
        let (heard, got) = answered("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{}", ask);
        assert!(got.is_err(), "{got:?}");
        assert!(heard.to_lowercase().contains("content-type: application/json"), "{heard}");
    }
}
