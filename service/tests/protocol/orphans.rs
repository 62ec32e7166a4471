//! Results of attempts that may write no longer, or that the service has forgotten.

use axum::body::Body;
use axum::http::Method;
use serde_json::{Value, json};
use service::secret::{Secret, TokenKind};

use crate::daemon::Daemon;
use crate::talk::{named_daemon, one_daemon, started, talk_until, verdict};
use crate::world::{Answer, World, evidence, golden_parameters, golden_result};

const HOUR: i64 = 3_600_000;

/// The `n`-th attempt that no service has heard of.
fn unknown(n: usize) -> String {
    format!("0190f5fe-7c00-7a3b-8b1e-0123456789{n:02x}")
}

/// An orphan of a job, as a node would submit it.
fn orphan(world: &World, job: &str, attempt: &str) -> Value {
    let token = world.app.attempt_key.token(attempt, 7).reveal().to_owned();
    json!({
        "assignment": { "job": job, "attempt": attempt, "token": token, "owner": "ada", "benchmark": "hpl",
                        "parameters": golden_parameters() },
        "finish": { "fence": 7, "events": 3, "outcome": { "outcome": "completed", "result": golden_result() },
                    "evidence": evidence("boot"), "files": [] },
    })
}

async fn submit(world: &World, daemon: &Daemon, orphan: &Value) -> Answer {
    world.post("/agent/v1/orphans", &daemon.token, orphan).await
}

#[tokio::test]
async fn an_orphan_shows_that_its_attempt_was_dealt() {
    let world = World::new(&[]).await;
    let ada = world.user("ada").await;
    let job = world.submit(&ada).await;
    let mallory = one_daemon(&world).await;
    // Any node can think of an attempt; only the service makes its token.
    let good = orphan(&world, &job, &unknown(1));
    for (token, expected) in [
        (Secret::new(TokenKind::Attempt).reveal(), (403, "forbidden")),
        (world.app.attempt_key.token(&unknown(1), 8).reveal(), (403, "forbidden")),
        (world.app.attempt_key.token(&unknown(2), 7).reveal(), (403, "forbidden")),
        ("", (422, "invalid")),
    ] {
        let mut bad = good.clone();
        bad["assignment"]["token"] = json!(token);
        assert_eq!(verdict(&submit(&world, &mallory, &bad).await), expected);
    }
    let (status, body) = submit(&world, &mallory, &good).await;
    assert_eq!((status.as_u16(), &body["job_known"], &body["dup"]), (200, &json!(true), &json!(false)));
    assert_eq!(submit(&world, &mallory, &good).await.1["dup"], true);
    // Nor is an attempt that is known good for another job.
    let mut daemon = named_daemon(&world, "other").await;
    talk_until(&world, &mut daemon, |d| d.run.is_some()).await;
    let run = daemon.run.clone().unwrap().assignment;
    service::ops::jobs::cancel(&world.app, &ada, &job).await.unwrap();
    talk_until(&world, &mut daemon, |d| d.run.is_none()).await;
    let another = world.submit(&ada).await;
    let mut foreign = orphan(&world, &another, run.attempt.as_str());
    foreign["assignment"]["token"] = json!(run.token);
    foreign["finish"]["fence"] = json!(run.fence);
    assert_eq!(verdict(&submit(&world, &daemon, &foreign).await), (403, "forbidden"));
}

#[tokio::test]
async fn a_job_keeps_some_orphans_and_a_full_disk_none() {
    let world = World::new(&[]).await;
    let ada = world.user("ada").await;
    let job = world.submit(&ada).await;
    let daemon = started(&world).await;
    for n in 0..8 {
        assert_eq!(submit(&world, &daemon, &orphan(&world, &job, &unknown(n))).await.0, 200);
    }
    let ninth = submit(&world, &daemon, &orphan(&world, &job, &unknown(8))).await;
    assert_eq!(verdict(&ninth), (429, "quota_exceeded"));
    assert_eq!(submit(&world, &daemon, &orphan(&world, &job, &unknown(7))).await.1["dup"], true);
    let no_room = (1u64 << 60).to_string();
    let world = World::new(&["--disk-low", &no_room, "--disk-critical", &no_room]).await;
    world.user("ada").await;
    let daemon = one_daemon(&world).await;
    assert_eq!(verdict(&submit(&world, &daemon, &orphan(&world, &job, &unknown(1))).await), (507, "disk_full"));
}

#[tokio::test]
async fn the_files_of_an_orphan_are_taken_for_a_day_and_shown_with_it() {
    let world = World::new(&[]).await;
    let ada = world.user("ada").await;
    let job = world.submit(&ada).await;
    let daemon = one_daemon(&world).await;
    let attempt = unknown(1);
    let token = world.app.attempt_key.token(&attempt, 7).reveal().to_owned();
    let put = async |file: &str, fence: i64, offset: usize| {
        let path = format!("/agent/v1/attempts/{attempt}/{file}?fence={fence}&offset={offset}");
        world.send(Method::PUT, &path, &token, Some(Body::from("words ")), false).await
    };
    assert_eq!(verdict(&put("log/out", 7, 0).await), (404, "unknown_attempt"), "not before the orphan");
    let mut whole = orphan(&world, &job, &attempt);
    whole["finish"]["files"] = json!([{ "path": "log/out", "length": 12, "sha256": "0".repeat(64) }]);
    let (_, body) = submit(&world, &daemon, &whole).await;
    assert_eq!(body["incomplete"], json!(["log/out"]));
    assert_eq!(put("log/out", 7, 0).await.0, 200);
    assert_eq!(put("artifacts/HPL.out", 7, 0).await.0, 200);
    assert_eq!(verdict(&put("log/out", 8, 6).await).0, 404, "another fence");
    let beat = json!({ "fence": 7, "seq": 1, "phase": "running" });
    let heard = world.post(&format!("/agent/v1/attempts/{attempt}/beat"), &token, &beat).await;
    assert_eq!(verdict(&heard), (404, "unknown_attempt"), "files alone");
    world.advance(23 * HOUR);
    assert_eq!(put("log/out", 7, 6).await.0, 200);
    assert_eq!(world.log(&attempt).await, b"words words ");
    world.advance(2 * HOUR);
    assert_eq!(verdict(&put("log/out", 7, 12).await), (404, "unknown_attempt"));
    // With the result, and with the job where it is known.
    for path in [
        format!("/api/v1/results/{attempt}/log/out"),
        format!("/api/v1/results/{attempt}/artifacts/HPL.out"),
        format!("/api/v1/jobs/{job}/log/out?attempt={attempt}"),
        format!("/api/v1/jobs/{job}/artifacts/HPL.out?attempt={attempt}"),
    ] {
        assert_eq!(world.send(Method::GET, &path, "", None, true).await.0, 200, "{path}");
    }
    let absent = world.send(Method::GET, &format!("/api/v1/results/{attempt}/log/err"), "", None, true).await;
    assert_eq!(verdict(&absent), (404, "not_found"));
}
