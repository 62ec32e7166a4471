//! A service in a scratch folder, and readers of its answers.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use axum::routing::{get, post};
use clap::Parser;
use hpl_spec::id::JobId;
use hpl_spec::{JobEvent, JobState};
use http_body_util::BodyExt;
use serde_json::Value;
use service::app::{App, Shared};
use service::clock::Clock;
use service::config::Config;
use service::db::testing;
use service::http::caller::{Caller, Known, Proof};
use service::http::{files, health, layers, metrics, watch};
use service::serve::Peer;
use tower::ServiceExt;

#[derive(Parser)]
struct Settings {
    #[command(flatten)]
    config: Config,
}

pub struct House {
    pub app: Shared,
    pub router: Router,
    _folder: tempfile::TempDir,
}

pub fn id(number: u32) -> String {
    format!("0190f5fe-7c00-7a3b-8b1e-{number:012x}")
}

/// Says who calls, by a header; the real one is another room's concern.
async fn who(mut request: Request, next: Next) -> Response {
    let user = request.headers().get("x-user").map(|value| {
        let name = value.to_str().unwrap().to_owned();
        let key = if name == "ada" { 1 } else { 2 };
        Known { key, admin: name == "root", name, proof: Proof::Session("session-of-ada".into()) }
    });
    let caller = Caller { user, address: IpAddr::from([192, 0, 2, 1]) };
    request.extensions_mut().insert(caller.clone());
    let mut response = next.run(request).await;
    response.extensions_mut().insert(caller);
    response
}

/// Users `ada` (1) and `bob` (2), no jobs.
pub async fn house() -> House {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    let config = ["hpl-service", "--data", data, "--disk-low", "0", "--disk-critical", "0"];
    let app = App::open(Settings::parse_from(config).config, Clock::System).await.unwrap();
    let (router, _) =
        watch::routes().merge(files::routes()).merge(health::routes()).merge(metrics::routes()).split_for_parts();
    let router = router
        .route(
            "/panic",
            get(|| async {
                if true {
                    panic!("secret words")
                }
            }),
        )
        .route("/length", post(|body: Bytes| async move { body.len().to_string() }))
        .route("/large", post(|body: Bytes| async move { body.len().to_string() }).layer(layers::take_up_to(2 << 20)))
        .route("/text", get(|| async { "line of text\n".repeat(10_000) }))
        .layer(from_fn(who))
        .with_state(app.clone());
    let router = layers::outer(router, &app);
    app.db
        .write(|tx| {
            Box::pin(async move {
                testing::user(tx, "ada").await?;
                testing::user(tx, "bob").await
            })
        })
        .await
        .unwrap();
    House { app, router, _folder: folder }
}

impl House {
    /// A job of ada's; says its row.
    pub async fn job(&self, number: u32, public: bool) -> i64 {
        let id: JobId = id(number).parse().unwrap();
        let job = self.app.db.write(move |tx| Box::pin(async move { testing::job(tx, &id, 1, public).await }));
        job.await.unwrap()
    }

    /// An event of a job that leaves it in `state`.
    pub async fn event(&self, job: i64, event: JobEvent, state: JobState) -> i64 {
        let done = self.app.db.write(move |tx| Box::pin(async move { testing::event(tx, job, &event, state).await }));
        done.await.unwrap()
    }

    pub async fn call(&self, request: Request) -> Response {
        self.router.clone().oneshot(request).await.unwrap()
    }

    pub async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Response {
        let mut request = Request::builder().uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.call(request.body(Body::empty()).unwrap()).await
    }

    /// A stream that must begin.
    pub async fn stream(&self, path: &str, headers: &[(&str, &str)]) -> Events {
        let response = self.get(path, headers).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Events { body: response.into_body(), text: String::new() }
    }
}

pub fn loopback() -> Peer {
    Peer { addr: SocketAddr::from(([127, 0, 0, 1], 4711)), tls: false }
}

pub async fn bytes(response: Response) -> Bytes {
    response.into_body().collect().await.unwrap().to_bytes()
}

/// A problem, which must be one in all respects.
pub async fn problem(response: Response) -> Value {
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    let (status, id) = (response.status().as_u16(), response.headers()["x-request-id"].clone());
    let problem: Value = serde_json::from_slice(&bytes(response).await).unwrap();
    assert_eq!(problem["status"], status);
    assert_eq!(problem["request_id"], id.to_str().unwrap());
    problem
}

/// One event of a stream.
#[derive(Debug, Clone, PartialEq)]
pub struct Heard {
    pub id: i64,
    pub kind: String,
    pub data: Value,
}

/// A stream of events.
pub struct Events {
    body: Body,
    text: String,
}

impl Events {
    /// The next event; None at the end. Nothing for ten seconds is a failure.
    pub async fn next(&mut self) -> Option<Heard> {
        loop {
            while let Some((block, rest)) = self.text.split_once("\n\n") {
                let heard = parse(block);
                self.text = rest.to_owned();
                if heard.is_some() {
                    return heard;
                }
            }
            let frame =
                tokio::time::timeout(Duration::from_secs(10), self.body.frame()).await.expect("a silent stream");
            let data = frame?.unwrap().into_data().unwrap();
            self.text.push_str(std::str::from_utf8(&data).unwrap());
        }
    }

    pub async fn rest(mut self) -> Vec<Heard> {
        let mut all = vec![];
        while let Some(heard) = self.next().await {
            all.push(heard);
        }
        all
    }
}

fn parse(block: &str) -> Option<Heard> {
    let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name));
    let kind = field("event: ")?.to_owned();
    Some(Heard { id: field("id: ")?.parse().unwrap(), kind, data: serde_json::from_str(field("data: ")?).unwrap() })
}
