//! What a node holds: over a reboot, after its job was deleted, after the machine joined anew; and what it says twice.

use axum::body::Body;
use axum::http::Method;
use data_encoding::HEXLOWER;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::daemon::Daemon;
use crate::talk::{named_daemon, one_daemon, say, started, talk_until, verdict};
use crate::world::{Answer, World, evidence, golden_result, node_info};

const MINUTE: i64 = 60_000;

/// A node says hello from `boot`. What it is told of the one attempt that it holds.
async fn hello(world: &World, daemon: &Daemon, boot: &str, held: &str) -> Value {
    let body = json!({ "protocol": 1, "version": "test", "machine_id": format!("machine {}", daemon.name),
                       "boot_id": boot, "info": node_info(&daemon.name), "free_disk": 1u64 << 40, "holding": [held] });
    let (status, body) = world.post(&format!("/agent/v1/nodes/{}/hello", daemon.node), &daemon.token, &body).await;
    assert_eq!(status, 200, "{body}");
    body["attempts"][held].clone()
}

fn attempt(daemon: &Daemon) -> String {
    daemon.run.as_ref().unwrap().assignment.attempt.to_string()
}

/// The end of the run that a daemon holds: completed in the boot that claimed it.
fn completed(daemon: &Daemon, events: usize) -> Value {
    json!({ "fence": daemon.run.as_ref().unwrap().assignment.fence, "events": events, "files": [],
            "outcome": { "outcome": "completed", "result": golden_result() }, "evidence": evidence("node-boot-1") })
}

#[tokio::test]
async fn a_run_that_ended_before_a_reboot_is_delivered_after_it() {
    let world = World::new(&[]).await;
    let ada = world.user("ada").await;
    let job = world.submit(&ada).await;
    let daemon = started(&world).await;
    world.advance(70_000);
    // The node goes down before the service hears that the program has ended.
    world.advance(MINUTE);
    world.reap().await;
    assert_eq!(hello(&world, &daemon, "node-boot-2", &attempt(&daemon)).await, "live");
    let events = daemon.run.as_ref().unwrap().acked;
    let finishing = json!({ "seq": events + 1, "at_ms": 66_000, "event": { "kind": "finishing" } });
    assert_eq!(say(&world, &daemon, "events", json!({ "events": [finishing] })).await.0, 200);
    let (status, body) = say(&world, &daemon, "finish", completed(&daemon, events + 1)).await;
    assert_eq!((status.as_u16(), &body["state"]), (200, &json!("verifying")));
    world.reap().await;
    assert_eq!(world.state(&ada, &job).await, "done");
    world.check("delivered").await;
}

#[tokio::test]
async fn a_run_that_went_down_with_its_boot_is_cut_off() {
    let world = World::new(&[]).await;
    let ada = world.user("ada").await;
    let job = world.submit(&ada).await;
    let daemon = started(&world).await;
    world.advance(MINUTE);
    let other = "0190f5fe-7c00-7a3b-8b1e-0123456789ab";
    assert_eq!(hello(&world, &daemon, "node-boot-2", other).await, "unknown");
    assert_eq!(hello(&world, &daemon, "node-boot-2", &attempt(&daemon)).await, "stale");
    assert_eq!(world.state(&ada, &job).await, "queued");
}

#[tokio::test]
async fn hello_tells_of_a_deleted_job_what_its_attempt_would_hear() {
    let world = World::new(&[]).await;
    let ada = world.user("ada").await;
    for expected in ["stale", "ended"] {
        let job = world.submit(&ada).await;
        let daemon = started(&world).await;
        if expected == "ended" {
            let outcome = json!({ "outcome": "failed", "class": "benchmark", "code": "fell", "detail": "it fell" });
            let end = json!({ "events": daemon.run.as_ref().unwrap().acked, "outcome": outcome, "evidence": null });
            assert_eq!(say(&world, &daemon, "finish", end).await.0, 200);
        } else {
            world.advance(3 * MINUTE);
            world.reap().await;
            service::ops::jobs::cancel(&world.app, &ada, &job).await.unwrap();
        }
        service::ops::jobs::delete(&world.app, &ada, &job).await.unwrap();
        assert_eq!(hello(&world, &daemon, "node-boot-1", &attempt(&daemon)).await, expected);
    }
}

#[tokio::test]
async fn a_machine_that_joined_anew_brings_what_it_held_before() {
    let world = World::new(&[]).await;
    let ada = world.user("ada").await;
    let job = world.submit(&ada).await;
    let mut daemon = started(&world).await;
    let run = daemon.run.clone().unwrap().assignment;
    let orphan = json!({
        "assignment": { "job": job, "attempt": run.attempt, "token": run.token, "owner": "ada", "benchmark": "hpl",
                        "parameters": run.parameters },
        "finish": completed(&daemon, 2),
    });
    let bring = async |daemon: &Daemon| world.post("/agent/v1/orphans", &daemon.token, &orphan).await;
    let unit = world.app.db.write(|tx| Box::pin(service::db::nodes_admin::revoke_node(tx, 1)));
    unit.await.unwrap();
    assert_eq!(verdict(&bring(&daemon).await), (401, "token_expired"));
    let other = named_daemon(&world, "other").await;
    assert_eq!(verdict(&bring(&other).await), (403, "forbidden"));
    daemon.join = world.join_token(1).await;
    daemon.node = String::new();
    talk_until(&world, &mut daemon, |d| !d.node.is_empty()).await;
    assert_eq!(hello(&world, &daemon, "node-boot-1", run.attempt.as_str()).await, "stale");
    assert_eq!(hello(&world, &other, "other-boot-1", run.attempt.as_str()).await, "unknown");
    let (status, body) = bring(&daemon).await;
    assert_eq!((status.as_u16(), &body["job_known"], &body["dup"]), (200, &json!(true), &json!(false)), "{body}");
    world.check("joined anew").await;
}

/// A claim with the number `seq` of a daemon that has said hello.
async fn claim(world: &World, daemon: &Daemon, seq: u64) -> Answer {
    claim_for(world, daemon, seq, 0).await
}

/// The same, for so many seconds.
async fn claim_for(world: &World, daemon: &Daemon, seq: u64, wait_s: u32) -> Answer {
    let body =
        json!({ "boot_id": "node-boot-1", "memory_available": 15u64 << 30, "free_disk": 1u64 << 40, "seq": seq });
    world.post(&format!("/agent/v1/claim?wait={wait_s}"), &daemon.token, &body).await
}

/// A claim was cut off on its way and made again; the service still waits with both. The job rings the first, which
/// nobody reads any more. Once the second heard nothing of it, and the attempt came to nothing.
#[tokio::test]
async fn both_copies_of_a_claim_that_waits_get_the_job() {
    let world = World::new(&[]).await;
    let ada = world.user("ada").await;
    let mut daemon = one_daemon(&world).await;
    talk_until(&world, &mut daemon, |d| d.said_hello).await;
    let submitted = async {
        while world.app.hub.nodes_waiting() < 2 {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        world.submit(&ada).await
    };
    let (first, second, job) =
        tokio::join!(claim_for(&world, &daemon, 7, 20), claim_for(&world, &daemon, 7, 20), submitted);
    assert_eq!((first.0.as_u16(), &first.1["job"]), (200, &json!(job)));
    assert_eq!(first, second);
    world.check("two copies").await;
}

#[tokio::test]
async fn a_copy_of_a_claim_takes_no_second_job_after_the_first_has_ended() {
    let world = World::new(&["--running-max", "4"]).await;
    let ada = world.user("ada").await;
    let mut daemon = one_daemon(&world).await;
    talk_until(&world, &mut daemon, |d| d.said_hello).await;
    let (_, second) = (world.submit(&ada).await, world.submit(&ada).await);
    // The largest number there is must not be one too many.
    for seq in [7, u64::MAX] {
        let (_, given) = claim(&world, &daemon, seq).await;
        assert_eq!(claim(&world, &daemon, seq).await.1, given, "the same answer, while the node may not have heard it");
        let path = format!("/agent/v1/attempts/{}/finish", given["attempt"].as_str().unwrap());
        let outcome = json!({ "outcome": "failed", "class": "benchmark", "code": "fell", "detail": "it fell" });
        let end = json!({ "fence": given["fence"], "events": 0, "outcome": outcome, "evidence": null });
        let (status, body) = world.post(&path, given["token"].as_str().unwrap(), &end).await;
        assert_eq!((status.as_u16(), &body["state"]), (200, &json!("failed")));
        if seq == 7 {
            assert_eq!(verdict(&claim(&world, &daemon, seq).await), (409, "conflict"));
            assert_eq!(world.state(&ada, &second).await, "queued");
        }
    }
    assert_eq!(world.state(&ada, &second).await, "failed");
    world.check("claimed twice").await;
}

#[tokio::test]
async fn an_end_may_count_fewer_events_than_the_service_has() {
    let world = World::new(&[]).await;
    let ada = world.user("ada").await;
    world.submit(&ada).await;
    let daemon = started(&world).await;
    let acked = daemon.run.as_ref().unwrap().acked;
    let more = say(&world, &daemon, "finish", completed(&daemon, acked + 1)).await;
    assert_eq!((verdict(&more), &more.1["expected_seq"]), ((409, "missing_events"), &json!(acked + 1)));
    // A node whose journal was cut by a power failure has nothing that it could send.
    world.advance(70_000);
    assert_eq!(say(&world, &daemon, "finish", completed(&daemon, acked - 1)).await.0, 200);
}

#[tokio::test]
async fn a_sealed_file_keeps_its_hash_and_says_so() {
    let world = World::new(&[]).await;
    let ada = world.user("ada").await;
    world.submit(&ada).await;
    let daemon = started(&world).await;
    let run = daemon.run.clone().unwrap().assignment;
    let seal = async |offset: usize, bytes: &'static str, whole: &[u8]| {
        let (length, hash) = (whole.len(), HEXLOWER.encode(&Sha256::digest(whole)));
        let at = format!("/agent/v1/attempts/{}/log/err?fence={}", run.attempt, run.fence);
        let path = format!("{at}&offset={offset}&length={length}&sha256={hash}");
        world.send(Method::PUT, &path, &run.token, Some(Body::from(bytes)), false).await
    };
    assert_eq!(seal(0, "words", b"words").await.1["complete"], true);
    assert_eq!(seal(5, "", b"words").await.1["complete"], true, "again");
    assert_eq!(verdict(&seal(5, "", b"other").await), (409, "conflict"), "and not: send it again from 0");
    assert_eq!(verdict(&seal(5, "!", b"words!").await), (409, "conflict"));
}
