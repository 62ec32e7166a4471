//! How attempts end other than well, what becomes of their jobs, and who gets the next try.

use serde_json::{Value, json};
use service::http::caller::Caller;
use service::ops::jobs;

use crate::daemon::Daemon;
use crate::talk::{beat, named_daemon, one_daemon, say, started, talk_until, verdict};
use crate::world::{Answer, World};

const MINUTE: i64 = 60_000;

/// The run of a daemon ends without a result.
async fn fail(world: &World, daemon: &mut Daemon, class: &str) -> Answer {
    let events = daemon.run.as_ref().unwrap().acked;
    let outcome = json!({ "outcome": "failed", "class": class, "code": "launcher", "detail": "mpirun is not there" });
    let finish = json!({ "events": events, "outcome": outcome, "evidence": null, "files": [] });
    let answer = say(world, daemon, "finish", finish).await;
    assert_eq!(answer.0, 200, "{}", answer.1);
    daemon.run = None;
    answer
}

/// A claim of a daemon that has said hello, with a number that was not there before.
async fn claim(world: &World, daemon: &Daemon, more: Value) -> Answer {
    let mut body = json!({ "boot_id": "node-boot-1", "memory_available": 15u64 << 30, "free_disk": 1u64 << 40,
                           "seq": 1000 + world.now() });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    world.advance(1);
    world.post("/agent/v1/claim?wait=0", &daemon.token, &body).await
}

async fn failure(world: &World, ada: &Caller, job: &str) -> (String, String, u32) {
    let job = jobs::get(&world.app, ada, job).await.unwrap();
    let failure = job.failure.unwrap();
    (serde_json::to_value(failure.class).unwrap().as_str().unwrap().into(), failure.code, job.attempts)
}

#[tokio::test]
async fn what_the_infrastructure_loses_is_tried_twice_more() {
    let world = World::new(&[]).await;
    let ada = world.user("ada").await;
    let job = world.submit(&ada).await;
    let mut daemon = one_daemon(&world).await;
    for state in ["queued", "queued", "failed"] {
        talk_until(&world, &mut daemon, |d| d.run.as_ref().is_some_and(|r| r.start_acked)).await;
        let (_, body) = fail(&world, &mut daemon, "infra").await;
        assert_eq!(body["state"], state);
        assert_eq!(world.state(&ada, &job).await, state);
        world.check(state).await;
        // For five minutes this node would not get it again.
        world.advance(5 * MINUTE);
    }
    assert_eq!(failure(&world, &ada, &job).await, ("infra".into(), "launcher".into(), 3));
}

#[tokio::test]
async fn what_the_benchmark_or_a_rule_ends_is_not_tried_again() {
    let world = World::new(&[]).await;
    let ada = world.user("ada").await;
    for class in ["benchmark", "policy"] {
        let job = world.submit(&ada).await;
        let mut daemon = started(&world).await;
        let (_, body) = fail(&world, &mut daemon, class).await;
        assert_eq!(body["state"], "failed");
        assert_eq!(failure(&world, &ada, &job).await, (class.into(), "launcher".into(), 1));
    }
    world.check("failed").await;
}

#[tokio::test]
async fn what_fails_after_it_was_cancelled_is_cancelled() {
    let world = World::new(&[]).await;
    let ada = world.user("ada").await;
    let job = world.submit(&ada).await;
    let mut daemon = started(&world).await;
    jobs::cancel(&world.app, &ada, &job).await.unwrap();
    assert_eq!(fail(&world, &mut daemon, "infra").await.1["state"], "cancelled");
}

#[tokio::test]
async fn a_retry_waits_a_little_and_goes_to_another_node() {
    let world = World::new(&[]).await;
    let ada = world.user("ada").await;
    let job = world.submit(&ada).await;
    let mut daemon = started(&world).await;
    let mut other = named_daemon(&world, "other").await;
    // Its hello.
    talk_until(&world, &mut other, |d| d.said_hello).await;
    fail(&world, &mut daemon, "infra").await;
    let boot = json!({ "boot_id": "other-boot-1" });
    assert_eq!(claim(&world, &other, boot.clone()).await.0, 204, "not before a pause of fifteen seconds");
    world.advance(15_000);
    assert_eq!(claim(&world, &daemon, json!({})).await.0, 204, "not where it just failed");
    let (status, body) = claim(&world, &other, boot).await;
    assert_eq!((status.as_u16(), body["job"].as_str()), (200, Some(job.as_str())));
    assert_eq!(body["fence"], 2);
    world.check("retried").await;
}

#[tokio::test]
async fn a_node_that_is_alone_gets_its_own_retry_after_five_minutes() {
    let world = World::new(&[]).await;
    let ada = world.user("ada").await;
    world.submit(&ada).await;
    let mut daemon = started(&world).await;
    fail(&world, &mut daemon, "infra").await;
    world.advance(5 * MINUTE - 1000);
    assert_eq!(claim(&world, &daemon, json!({})).await.0, 204);
    world.advance(1000);
    assert_eq!(claim(&world, &daemon, json!({})).await.0, 200);
}

#[tokio::test]
async fn a_claim_that_does_not_know_of_the_attempt_loses_it() {
    let world = World::new(&[]).await;
    let ada = world.user("ada").await;
    let job = world.submit(&ada).await;
    let daemon = started(&world).await;
    let attempt = daemon.run.as_ref().unwrap().assignment.attempt.clone();
    let held = claim(&world, &daemon, json!({ "holding": [attempt] })).await;
    assert_eq!((verdict(&held), held.1["attempt"].as_str()), ((409, "node_busy"), Some(attempt.as_str())));
    assert_eq!(world.state(&ada, &job).await, "running");
    assert_eq!(claim(&world, &daemon, json!({})).await.0, 204);
    assert_eq!(world.state(&ada, &job).await, "queued");
    let history = jobs::get(&world.app, &ada, &job).await.unwrap();
    assert_eq!(history.attempts, 1);
    assert_eq!(verdict(&beat(&world, &daemon, 5000).await), (409, "stale_fence"));
    world.check("forgotten").await;
}

#[tokio::test]
async fn who_is_not_well_holds_a_run_or_is_drained_gets_no_job() {
    let world = World::new(&[]).await;
    let ada = world.user("ada").await;
    let mut daemon = one_daemon(&world).await;
    talk_until(&world, &mut daemon, |d| d.said_hello).await;
    world.submit(&ada).await;
    let ill = claim(&world, &daemon, json!({ "unhealthy": ["the disk is full"] })).await;
    assert_eq!(verdict(&ill), (409, "node_unhealthy"));
    for bad in [json!(["\u{1b}[2J"]), json!([""]), json!(["x".repeat(257)]), json!(vec!["x"; 17])] {
        assert_eq!(verdict(&claim(&world, &daemon, json!({ "unhealthy": bad })).await), (422, "invalid"));
    }
    assert!(ill.1["detail"].as_str().unwrap().contains("the disk is full"));
    let busy = json!({ "holding": ["0190f5fe-7c00-7a3b-8b1e-0123456789ab"] });
    assert_eq!(verdict(&claim(&world, &daemon, busy).await), (409, "node_busy"));
    let drain = async |draining| {
        let unit = world.app.db.write(move |tx| Box::pin(service::db::nodes_admin::set_draining(tx, 1, draining)));
        unit.await.unwrap();
    };
    drain(true).await;
    assert_eq!(claim(&world, &daemon, json!({})).await.0, 204);
    drain(false).await;
    let (status, body) = claim(&world, &daemon, json!({})).await;
    assert_eq!(status, 200);
    // A node that runs hears it with its beat, and ends its run in peace.
    drain(true).await;
    let path = format!("/agent/v1/attempts/{}/beat", body["attempt"].as_str().unwrap());
    let beat = json!({ "fence": body["fence"], "seq": 1, "phase": "preparing" });
    let (_, heard) = world.post(&path, body["token"].as_str().unwrap(), &beat).await;
    assert_eq!(heard["commands"], json!([{ "command": "drain" }]));
    world.check("drained").await;
}
