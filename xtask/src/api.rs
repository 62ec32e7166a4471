//! What `up` asks of the service, in the words that all of its users have (`hpl_spec::api`).

use hpl_spec::api::Problem;
use hpl_spec::api::accounts::{LogInRequest, NewToken, SignUpRequest, TokenRequest, TokenScope};
use hpl_spec::api::jobs::{Job, JobPage, SubmitRequest, Submitted};
use hpl_spec::api::results::{ResultDetail, Standing};
use hpl_spec::job::JobState;
use hpl_spec::params::RunParams;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::account::Account;
use crate::error::Error;
use crate::http::{Answer, Http, Method};

/// What the token is called in the list of the account's tokens.
const TOKEN: &str = "cargo xtask up";

/// The service.
#[derive(Debug, Clone)]
pub struct Api {
    http: Http,
    /// Where it is, e.g. `http://127.0.0.1:8080`.
    pub url: String,
}

impl Api {
    /// The service at `url`.
    pub fn new(url: &str) -> Api {
        Api { http: Http::new(), url: url.to_owned() }
    }

    fn ask(&self, method: Method, path: &str, headers: &[(&str, &str)], body: &Value) -> Result<Answer, Error> {
        let url = format!("{}{path}", self.url);
        self.http.ask(method, &url, headers, body).map_err(|why| Error::Away { url, why })
    }

    /// Whether it takes requests.
    pub fn is_ready(&self) -> bool {
        self.ask(Method::Get, "/readyz", &[], &Value::Null).is_ok_and(|answer| answer.status == 200)
    }

    /// Logs in, signing up first if need be, and makes a token for what follows. `new` says that the account was drawn
    /// just now.
    ///
    /// # Errors
    /// The service refuses it.
    pub fn enter(&self, account: &Account, new: bool) -> Result<User, Error> {
        let Account { username, password } = account.clone();
        let log_in = to_json(&LogInRequest { username: username.clone(), password: password.clone() });
        let sign_up = to_json(&SignUpRequest { username, password, invite: None });
        let enter = |path: &str, body: &Value| self.ask(Method::Post, path, &[], body);
        let answer = if new { enter("/api/v1/signup", &sign_up)? } else { enter("/api/v1/login", &log_in)? };
        // A file without an account: an earlier start was cut off between the two.
        let answer = if !new && answer.status == 401 { enter("/api/v1/signup", &sign_up)? } else { answer };
        let cookie = answer.cookie.clone();
        let _: Value = read("sign up or log in", answer)?;
        let cookie = cookie.ok_or_else(|| strange("sign up or log in", "no cookie"))?;
        let scopes = vec![TokenScope::Read, TokenScope::Submit];
        let request = TokenRequest { name: TOKEN.to_owned(), scopes, expires_in_days: Some(1) };
        let headers = [("cookie", cookie.as_str()), ("origin", self.url.as_str())];
        let answer = self.ask(Method::Post, "/api/v1/me/tokens", &headers, &to_json(&request))?;
        let token: NewToken = read("make a token", answer)?;
        let bearer = format!("Bearer {}", token.token);
        Ok(User { api: self.clone(), cookie, token: token.info.id, bearer })
    }

    fn nodes(&self) -> Result<Vec<Value>, Error> {
        read("list the nodes", self.ask(Method::Get, "/api/v1/nodes", &[], &Value::Null)?)
    }

    /// Whether a node has a job; also where the service does not tell.
    pub fn is_any_node_busy(&self) -> bool {
        self.nodes().map_or(true, |nodes| nodes.iter().any(|node| node["busy"] == true))
    }

    /// Whether a node has been heard of since then (milliseconds since the epoch): its name.
    ///
    /// # Errors
    /// The service refuses to tell.
    pub fn node_since(&self, since: i64) -> Result<Option<String>, Error> {
        let nodes = self.nodes()?;
        let heard = |node: &&Value| node["seen_at"].as_i64().is_some_and(|at| at >= since);
        Ok(nodes.iter().find(heard).map(|node| node["name"].as_str().unwrap_or_default().to_owned()))
    }
}

/// The service, asked by somebody that it knows.
#[derive(Clone)]
pub struct User {
    /// The service.
    pub api: Api,
    cookie: String,
    token: i64,
    bearer: String,
}

impl User {
    fn ask(&self, method: Method, path: &str, body: &Value) -> Result<Answer, Error> {
        self.api.ask(method, path, &[("authorization", &self.bearer)], body)
    }

    fn get<T: DeserializeOwned>(&self, what: &str, path: &str) -> Result<T, Error> {
        read(what, self.ask(Method::Get, path, &Value::Null)?)
    }

    /// Submits a run that is ended after so many seconds.
    ///
    /// # Errors
    /// The service refuses it.
    pub fn submit(&self, params: &RunParams, walltime_s: u32) -> Result<Job, Error> {
        let RunParams { n, nb, p, q, .. } = params;
        let request = SubmitRequest {
            benchmark: "hpl".into(),
            parameters: Some(json!({"n": n, "nb": nb, "p": p, "q": q})),
            input: None,
            draft: false,
            visibility: hpl_spec::api::jobs::Visibility::Public,
            needs: hpl_spec::api::jobs::Needs::default(),
            walltime_s: Some(walltime_s),
            title: "cargo xtask up".into(),
            stop_hopeless: false,
            repeats: 1,
        };
        let made: Submitted = read("submit the run", self.ask(Method::Post, "/api/v1/jobs", &to_json(&request))?)?;
        made.jobs.into_iter().next().ok_or_else(|| strange("submit the run", "no job"))
    }

    /// A job as it stands.
    ///
    /// # Errors
    /// The service refuses to tell.
    pub fn job(&self, id: &str) -> Result<Job, Error> {
        self.get("look at the job", &format!("/api/v1/jobs/{id}"))
    }

    /// Why a job went back into the queue, if that was the last that happened to it: it would be tried again, but on the
    /// same machine, minutes later.
    ///
    /// # Errors
    /// The service refuses to tell.
    pub fn given_back(&self, job: &Job) -> Result<Option<String>, Error> {
        if job.state != JobState::Queued || job.attempts == 0 {
            return Ok(None);
        }
        let path = format!("/api/v1/jobs/{}/history?after={}", job.id, job.last_event - 1);
        let last: Vec<Value> = self.get("look at the job's history", &path)?;
        Ok(last.first().and_then(|event| event["data"]["why"].as_str()).map(str::to_owned))
    }

    /// Cancels a job. Best effort, as it may have ended.
    pub fn cancel(&self, id: &str) {
        let _ = self.ask(Method::Post, &format!("/api/v1/jobs/{id}/cancel"), &json!({}));
    }

    /// Cancels everything of this user's that a node has, and the job `first` wherever it is. Best effort: who stops
    /// goes on stopping.
    pub fn cancel_all(&self, first: Option<&str>) {
        let page = self.get::<JobPage>("list the jobs", "/api/v1/jobs?owner=me");
        let jobs = page.map(|page| page.jobs).unwrap_or_default();
        let taken = jobs.iter().filter(|job| job.state.has_attempt()).map(|job| job.id.to_string());
        for id in first.map(str::to_owned).into_iter().chain(taken) {
            self.cancel(&id);
        }
    }

    /// The result of a job, with all that speaks for it.
    ///
    /// # Errors
    /// There is none.
    pub fn result(&self, job: &str) -> Result<ResultDetail, Error> {
        self.get("look at the result", &format!("/api/v1/jobs/{job}/result"))
    }

    /// Where this user stands.
    ///
    /// # Errors
    /// The service refuses to tell.
    pub fn standing(&self, benchmark: &str) -> Result<Standing, Error> {
        self.get("look at the leaderboard", &format!("/api/v1/leaderboards/{benchmark}/standing"))
    }

    /// What a job's run has said, as far as the service has it.
    pub fn log(&self, job: &str) -> String {
        let part = |stream: &str| self.ask(Method::Get, &format!("/api/v1/jobs/{job}/log/{stream}"), &Value::Null).ok();
        let parts = ["out", "err"].into_iter().filter_map(part).filter(|answer| answer.status == 200);
        parts.map(|answer| answer.body).collect::<Vec<_>>().join("\n")
    }

    /// Takes the token back and logs out. Best effort: both end of themselves.
    pub fn leave(&self) {
        let headers = [("cookie", self.cookie.as_str()), ("origin", self.api.url.as_str())];
        let token = format!("/api/v1/me/tokens/{}", self.token);
        let _ = self.api.ask(Method::Delete, &token, &headers, &Value::Null);
        let _ = self.api.ask(Method::Post, "/api/v1/logout", &headers, &json!({}));
    }
}

fn to_json(request: &impl Serialize) -> Value {
    // Plain structs of texts and numbers: this cannot fail.
    serde_json::to_value(request).unwrap_or_default()
}

fn strange(what: &str, why: &str) -> Error {
    Error::Strange { whom: format!("the service, asked to {what},"), why: why.to_owned() }
}

/// What an answer holds, or what its problem document says.
fn read<T: DeserializeOwned>(what: &str, answer: Answer) -> Result<T, Error> {
    if (200..300).contains(&answer.status) {
        return serde_json::from_str(&answer.body).map_err(|why| strange(what, &why.to_string()));
    }
    let (code, detail) = match serde_json::from_str::<Problem>(&answer.body) {
        Ok(problem) => {
            let untold = problem.errors.iter().filter(|e| !problem.detail.contains(&e.message));
            let fields = untold.map(|e| format!("\n  {}: {}", e.field, e.message)).collect::<String>();
            (problem.code, problem.detail + &fields)
        }
        Err(_) => (answer.status.to_string(), answer.body.chars().take(400).collect()),
    };
    Err(Error::Refused { what: what.to_owned(), code, detail })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problems_become_sentences() {
        let answer = |status, body: &str| Answer { status, cookie: None, body: body.to_owned() };
        assert_eq!(read::<u32>("count", answer(201, "7")).unwrap(), 7);
        let problem = r#"{"type": "urn:hpl:problem:invalid", "title": "t", "status": 422, "code": "invalid",
            "detail": "one field is wrong", "errors": [{"field": "n", "message": "expected 1 to 9"}]}"#;
        let said = read::<u32>("submit the run", answer(422, problem)).unwrap_err().to_string();
        assert!(
            said.contains("submit the run") && said.contains("invalid") && said.contains("\n  n: expected 1"),
            "{said}"
        );
        let said = read::<u32>("count", answer(500, "<html>")).unwrap_err().to_string();
        assert!(said.contains("500") && said.contains("<html>"), "{said}");
        assert!(matches!(read::<u32>("count", answer(200, "x")), Err(Error::Strange { .. })));
    }
}
