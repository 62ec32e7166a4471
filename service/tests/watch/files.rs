use std::time::Duration;

use axum::http::StatusCode;
use bytes::Bytes;
use hpl_spec::id::AttemptId;
use hpl_spec::{JobEvent, JobState};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use service::db::testing;
use service::disk::Load;
use service::store::{Chunk, FileName, Quota, Stream};

use crate::house::{House, bytes, house, id, problem};

const NASTY: &[u8] = b"\x1b[31m<script>alert(1)</script>\xff\x00\r\nresidual 0.003\n";

async fn put(house: &House, attempt: &AttemptId, file: &FileName, offset: u64, text: &[u8]) {
    let chunk = Chunk { offset, bytes: Bytes::copy_from_slice(text), load: Load::Result };
    house.app.store.append(attempt, file, chunk, Quota::default()).await.unwrap();
}

/// Job 1 with an attempt.
async fn with_attempt(state: &'static str) -> (House, i64, AttemptId) {
    let house = house().await;
    let job = house.job(1, true).await;
    let attempt: AttemptId = id(900).parse().unwrap();
    let again = attempt.clone();
    let write =
        house.app.db.write(move |tx| Box::pin(async move { testing::attempt(tx, job, &again, 1, state).await }));
    write.await.unwrap();
    (house, job, attempt)
}

fn log() -> FileName {
    FileName::Log(Stream::Out)
}

fn path(rest: &str) -> String {
    format!("/api/v1/jobs/{}/{rest}", id(1))
}

#[tokio::test]
async fn logs_go_out_as_they_came_in() {
    let (house, _, attempt) = with_attempt("live").await;
    put(&house, &attempt, &log(), 0, NASTY).await;
    let total = NASTY.len();
    let response = house.get(&path("log/out"), &[]).await;
    for (name, value) in
        [("content-type", "text/plain; charset=utf-8"), ("x-content-type-options", "nosniff"), ("x-log-complete", "no")]
    {
        assert_eq!(response.headers()[name], value);
    }
    assert_eq!(bytes(response).await, NASTY);
    for (range, status, text, content_range) in [
        ("bytes=1-3", 206, &NASTY[1..4], format!("bytes 1-3/{total}")),
        ("bytes=-5", 206, &NASTY[total - 5..], format!("bytes {}-{}/{total}", total - 5, total - 1)),
        ("bytes=1-3,5-6", 200, NASTY, String::new()),
    ] {
        let response = house.get(&path("log/out"), &[("range", range)]).await;
        assert_eq!(response.status(), status, "{range}");
        let told = response.headers().get("content-range").map_or("", |value| value.to_str().unwrap());
        assert_eq!(told, content_range);
        assert_eq!(bytes(response).await, text, "{range}");
    }
    let beyond = house.get(&path("log/out"), &[("range", "bytes=9999-")]).await;
    assert_eq!(beyond.headers()["content-range"], format!("bytes */{total}").as_str());
    let beyond = problem(beyond).await;
    assert_eq!(
        (beyond["code"].as_str(), beyond["length"].as_u64()),
        (Some("range_not_satisfiable"), Some(total as u64))
    );
    let tail = house.get(&path("log/out?tail=4"), &[]).await;
    assert_eq!(tail.headers()["x-log-offset"], (total - 4).to_string().as_str());
    assert_eq!(bytes(tail).await, NASTY[total - 4..]);
    assert_eq!(bytes(house.get(&path("log/out?offset=5"), &[]).await).await, NASTY[5..]);
    assert_eq!(bytes(house.get(&path("log/err"), &[]).await).await, "");
    for bad in ["log/etc", "log/..%2f..%2fhpl.db", "log/out?attempt=x"] {
        assert_eq!(house.get(&path(bad), &[]).await.status(), StatusCode::NOT_FOUND, "{bad}");
    }
    assert_eq!(house.get(&path("log/out?tail=-1"), &[]).await.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_followed_log_grows_until_its_attempt_has_ended() {
    let (house, job, attempt) = with_attempt("live").await;
    put(&house, &attempt, &log(), 0, b"one ").await;
    let response = house.get(&path("log/out?follow=true&offset=1"), &[("accept-encoding", "gzip")]).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert!(response.headers().get("content-encoding").is_none(), "compression would hold it up");
    let mut body = response.into_body();
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "ne ");
    let read = tokio::spawn(body.collect());
    tokio::time::sleep(Duration::from_millis(100)).await;
    put(&house, &attempt, &log(), 4, b"two ").await;
    house
        .app
        .db
        .write(|tx| Box::pin(async move { testing::execute(tx, "UPDATE attempts SET state = 'ended'").await }))
        .await
        .unwrap();
    house.event(job, JobEvent::ResultReceived, JobState::Verifying).await;
    put(&house, &attempt, &log(), 8, b"three").await;
    let hash =
        sha2::Digest::finalize(sha2::Digest::chain_update(<sha2::Sha256 as sha2::Digest>::new(), "one two three"));
    house.app.store.seal(&attempt, &log(), 13, hash.into()).await.unwrap();
    let rest = tokio::time::timeout(Duration::from_secs(5), read).await.expect("a sealed log ends").unwrap();
    assert_eq!(rest.unwrap().to_bytes(), "two three");
    assert_eq!(house.get(&path("log/out"), &[]).await.headers()["x-log-complete"], "yes");
    assert_eq!(house.app.streams.open(), 0);
}

#[tokio::test]
async fn artifacts_are_attachments() {
    let (house, _, attempt) = with_attempt("ended").await;
    let name = FileName::Artifact("HPL.out".parse().unwrap());
    put(&house, &attempt, &name, 0, NASTY).await;
    let list: Value = serde_json::from_slice(&bytes(house.get(&path("artifacts"), &[]).await).await).unwrap();
    let artifact = json!({ "name": "HPL.out", "length": NASTY.len(), "complete": false, "sha256": null });
    assert_eq!(list, json!({ "attempt": attempt.as_str(), "artifacts": [artifact] }));
    let response = house.get(&path("artifacts/HPL.out"), &[]).await;
    for (name, value) in [
        ("content-disposition", "attachment; filename=\"HPL.out\""),
        ("x-content-type-options", "nosniff"),
        ("content-security-policy", "sandbox; default-src 'none'; frame-ancestors 'none'"),
    ] {
        assert_eq!(response.headers()[name], value);
    }
    assert_eq!(bytes(response).await, NASTY);
    for bad in ["..%2f..%2f..%2fetc%2fpasswd", "%2e%2e", "HPL.html", "HPL.out%00", "none.txt", "out.log", "%ff"] {
        let response = house.get(&path(&format!("artifacts/{bad}")), &[]).await;
        assert!(response.status().is_client_error(), "{bad}");
        problem(response).await;
    }
}
