//! SIGTERM while requests are in flight.

use std::time::{Duration, Instant};

use bytes::Bytes;
use reqwest::{Body, Method, Response};
use serde_json::Value;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::sleep;
use tokio_stream::wrappers::ReceiverStream;

use crate::client::{Caller, api_token, client, submission};
use crate::program::{Folder, Program, check, join_token, make_account, start};
use crate::run::{Run, claim_body};

/// Flags for a program that speaks TLS with a certificate of its own.
const FLAGS: &[&str] = &["--no-rate-limits", "--disk-low", "0", "--disk-critical", "0"];

/// A program over TLS with one job that runs on one node.
struct Scene {
    folder: Folder,
    program: Program,
    caller: Caller,
    token: String,
    run: Run,
}

impl Scene {
    async fn open() -> Scene {
        let folder = Folder::new();
        make_account(&folder.data());
        let join = join_token(&folder.data(), 2);
        let program = start(&folder.data(), FLAGS);
        assert!(program.url.starts_with("https://"));
        let caller = Caller { client: client(), place: watch::channel(program.url.clone()).1 };
        let token = api_token(&caller).await;
        let submit = caller.request(Method::POST, "/api/v1/jobs").bearer_auth(&token).json(&submission());
        assert_eq!(submit.send().await.unwrap().status(), 201);
        let run = Run::begin(&caller, &join).await;
        Scene { folder, program, caller, token, run }
    }

    /// A request on its way; what becomes of it is its whole answer.
    fn ask(&self, method: Method, path: &str, token: &str, body: Option<Value>) -> JoinHandle<(u16, String)> {
        let mut request = self.caller.request(method, path).bearer_auth(token);
        if let Some(body) = body {
            request = request.json(&body);
        }
        tokio::spawn(async move { whole(request.send().await.unwrap()).await })
    }

    /// A request whose body comes piece by piece.
    fn upload(&self, method: Method, path: &str, token: &str, kind: &str) -> Upload {
        let (send, receive) = mpsc::channel(4);
        let request = self.caller.request(method, path).bearer_auth(token).header("content-type", kind);
        let request = request.body(Body::wrap_stream(ReceiverStream::new(receive)));
        let answer = tokio::spawn(async move { whole(request.send().await.unwrap()).await });
        Upload { send, answer }
    }

    /// A piece of the log.
    fn upload_log(&self) -> Upload {
        let path = format!("{}/log/out?fence={}&offset=0", self.run.root, self.run.fence);
        self.upload(Method::PUT, &path, &self.run.token, "application/octet-stream")
    }
}

/// A request whose body is still to come.
struct Upload {
    send: mpsc::Sender<Result<Bytes, std::io::Error>>,
    answer: JoinHandle<(u16, String)>,
}

impl Upload {
    async fn send(&self, bytes: &[u8]) {
        self.send.send(Ok(Bytes::copy_from_slice(bytes))).await.unwrap();
    }

    /// The body is whole; the answer.
    async fn end(self) -> (u16, String) {
        drop(self.send);
        self.answer.await.unwrap()
    }
}

/// Status and text of an answer that comes to its proper end.
async fn whole(response: Response) -> (u16, String) {
    let status = response.status().as_u16();
    (status, response.text().await.expect("the answer was cut"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigterm_cuts_no_request() {
    let mut scene = Scene::open().await;
    let (run, token) = (&scene.run, scene.token.clone());
    let job = format!("/api/v1/jobs/{}", run.job);
    let claim = claim_body(2);
    let claim = scene.ask(Method::POST, "/agent/v1/claim?wait=55", &run.other_node().await, Some(claim));
    let wait = format!("{}/wait?fence={}&wait=55", run.root, run.fence);
    let wait = scene.ask(Method::GET, &wait, &run.token, None);
    let events = scene.ask(Method::GET, &format!("{job}/events"), &token, None);
    let queue = scene.ask(Method::GET, "/api/v1/events", &token, None);
    let log = scene.ask(Method::GET, &format!("{job}/log/out?follow=true"), &token, None);
    let piece = scene.upload_log();
    piece.send(b"the first half, ").await;
    let text = submission().to_string();
    let (first, second) = text.as_bytes().split_at(20);
    let submit = scene.upload(Method::POST, "/api/v1/jobs", &token, "application/json");
    submit.send(first).await;
    // What is on its way has come.
    sleep(Duration::from_secs(1)).await;
    for (name, flight) in [("claim", &claim), ("wait", &wait), ("events", &events), ("queue", &queue), ("log", &log)] {
        assert!(!flight.is_finished(), "{name} does not wait");
    }

    scene.program.terminate();
    let told = Instant::now();
    assert_eq!(claim.await.unwrap().0, 204);
    assert_eq!(wait.await.unwrap().0, 204);
    let (status, text) = events.await.unwrap();
    assert!(status == 200 && text.contains("event: started") && text.ends_with("\n\n"), "{status} {text}");
    assert_eq!(queue.await.unwrap().0, 200);
    assert_eq!(log.await.unwrap().0, 200);
    assert!(told.elapsed() < Duration::from_secs(3), "what waits ends at once; it took {:?}", told.elapsed());
    assert!(scene.program.ended().is_none(), "a request is in flight");
    let late = client().get(format!("{}/healthz", scene.program.url)).send().await;
    assert!(late.is_err_and(|why| why.is_connect()), "nothing new is taken");

    submit.send(second).await;
    let (status, submitted) = submit.end().await;
    assert_eq!(status, 201, "{submitted}");
    piece.send(b"the second half\n").await;
    let (status, stored) = piece.end().await;
    assert!(status == 200 && stored.contains(r#""length":32"#), "{status} {stored}");
    let status = scene.program.wait(Duration::from_secs(5));
    assert_eq!(status.code(), Some(0));
    check(&scene.folder.data()).await;

    // All of it is there.
    let program = start(&scene.folder.data(), FLAGS);
    let log = client().get(format!("{}{job}/log/out", program.url)).bearer_auth(&token).send().await.unwrap();
    assert_eq!(whole(log).await, (200, "the first half, the second half\n".into()));
    let submitted: Value = serde_json::from_str(&submitted).unwrap();
    let job = format!("{}/api/v1/jobs/{}", program.url, submitted["jobs"][0]["id"].as_str().unwrap());
    assert_eq!(client().get(job).bearer_auth(&token).send().await.unwrap().status(), 200);
    program.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_sigterm_ends_at_once() {
    let mut scene = Scene::open().await;
    let piece = scene.upload_log();
    piece.send(b"half of it").await;
    sleep(Duration::from_millis(300)).await;
    scene.program.terminate();
    sleep(Duration::from_millis(500)).await;
    assert!(scene.program.ended().is_none(), "a request is in flight");
    scene.program.terminate();
    let status = scene.program.wait(Duration::from_secs(2));
    assert_eq!(status.code(), Some(130));
    assert!(piece.answer.await.is_err(), "that request was cut");
    check(&scene.folder.data()).await;
}
