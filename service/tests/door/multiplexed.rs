//! HTTP/2, where bytes move without anything going on.

use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::{Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};

use super::{Door, hasty, steady};

/// A client that pings all the time, with a first window of so many bytes for each answer.
async fn client(door: &Door, window: u32) -> SendRequest<Body> {
    let stream = TokioIo::new(door.connect().await);
    let mut builder = Builder::new(TokioExecutor::new());
    builder.timer(TokioTimer::new()).keep_alive_interval(Duration::from_millis(100)).keep_alive_while_idle(true);
    let (sender, connection) = builder.initial_stream_window_size(window).handshake(stream).await.unwrap();
    tokio::spawn(connection);
    sender
}

async fn ask(sender: &SendRequest<Body>, path: &str) -> hyper::Result<Response<Incoming>> {
    let request = Request::get(format!("http://localhost{path}")).body(Body::empty()).unwrap();
    sender.clone().send_request(request).await
}

/// How long the connection lasts; no longer than ten seconds.
async fn lasts(sender: &SendRequest<Body>) -> Duration {
    let began = Instant::now();
    while !sender.is_closed() && began.elapsed() < Duration::from_secs(10) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    began.elapsed()
}

#[tokio::test]
async fn who_never_opens_a_window_is_closed_for_all_his_pings() {
    let door = Door::open(None, hasty()).await;
    let sender = client(&door, 0).await;
    let answer = ask(&sender, "/").await.unwrap();
    assert_eq!(answer.status(), 200);
    let lasted = lasts(&sender).await;
    assert!(lasted >= Duration::from_millis(1400) && lasted < Duration::from_secs(6), "{lasted:?}");
    drop(answer);

    let sender = client(&door, 65_535).await;
    let (never, lasted) = tokio::join!(ask(&sender, "/never"), lasts(&sender));
    assert!(never.is_err() && lasted < Duration::from_secs(6), "{lasted:?}");
    door.close().await;
}

#[tokio::test]
async fn what_goes_on_slowly_comes_to_its_end() {
    let door = Door::open(None, hasty()).await;
    let sender = client(&door, 65_535).await;
    let slow = async {
        let answer = ask(&sender, "/steady").await.unwrap();
        answer.into_body().collect().await.unwrap().to_bytes().len()
    };
    let other = client(&door, 65_535).await;
    let upload = async {
        let request = Request::post("http://localhost/length").body(Body::from_stream(steady())).unwrap();
        let answer = other.clone().send_request(request).await.unwrap();
        answer.into_body().collect().await.unwrap().to_bytes()
    };
    let (length, told) = tokio::join!(slow, upload);
    assert_eq!((length, &told[..]), (36, &b"36"[..]));
    door.close().await;
}
