//! The timers of attempts, by the manual clock: to start, to run, to deliver; and what silence does to them.

use serde_json::json;
use service::http::caller::Caller;

use crate::daemon::Daemon;
use crate::talk::{beat, one_daemon, say, started, talk_until};
use crate::world::World;

const MINUTE: i64 = 60_000;

/// Beats every minute for so many minutes.
async fn beat_for(world: &World, daemon: &Daemon, minutes: u64, seq: &mut u64) {
    for _ in 0..minutes {
        world.advance(MINUTE);
        *seq += 1;
        beat(world, daemon, *seq).await;
        world.reap().await;
    }
}

async fn fail_code(world: &World, ada: &Caller, job: &str) -> String {
    service::ops::jobs::get(&world.app, ada, job).await.unwrap().failure.map(|f| f.code).unwrap_or_default()
}

#[tokio::test]
async fn the_time_to_start_does_not_pass_while_the_service_is_away() {
    let mut world = World::new(&[]).await;
    let ada = world.user("ada").await;
    let mut daemon = one_daemon(&world).await;
    let job = world.submit(&ada).await;
    talk_until(&world, &mut daemon, |d| d.run.is_some()).await;
    world.app.db.write(|tx| Box::pin(service::db::due::alive_now(tx))).await.unwrap();
    world.restart(20 * MINUTE).await;
    world.reap().await;
    assert_eq!(beat(&world, &daemon, 1).await.0, 200);
    world.advance(MINUTE);
    world.reap().await;
    assert_eq!(world.state(&ada, &job).await, "claimed", "no second run");
    talk_until(&world, &mut daemon, |d| !d.delivered.is_empty()).await;
    world.reap().await;
    assert_eq!(world.state(&ada, &job).await, "done");
    assert_eq!(service::ops::jobs::get(&world.app, &ada, &job).await.unwrap().attempts, 1);
}

#[tokio::test]
async fn a_run_that_does_not_start_is_tried_again() {
    let world = World::new(&[]).await;
    let ada = world.user("ada").await;
    let mut daemon = one_daemon(&world).await;
    let job = world.submit(&ada).await;
    talk_until(&world, &mut daemon, |d| d.run.is_some()).await;
    let mut seq = 0;
    beat_for(&world, &daemon, 14, &mut seq).await;
    assert_eq!(world.state(&ada, &job).await, "claimed");
    beat_for(&world, &daemon, 2, &mut seq).await;
    assert_eq!(world.state(&ada, &job).await, "queued");
    world.check("not started").await;
}

#[tokio::test]
async fn a_silence_does_not_switch_the_walltime_off() {
    let world = World::new(&[]).await;
    let ada = world.user("ada").await;
    let job = world.submit(&ada).await;
    let daemon = started(&world).await;
    world.advance(100_000);
    world.reap().await;
    assert_eq!(world.state(&ada, &job).await, "lost");
    let mut seq = 5000;
    beat_for(&world, &daemon, 8, &mut seq).await;
    assert_eq!(world.state(&ada, &job).await, "running", "ten minutes of walltime are not over");
    beat_for(&world, &daemon, 3, &mut seq).await;
    assert_eq!(fail_code(&world, &ada, &job).await, "walltime");
}

#[tokio::test]
async fn what_comes_back_after_its_walltime_has_time_to_deliver_and_no_more() {
    let world = World::new(&[]).await;
    let ada = world.user("ada").await;
    let job = world.submit(&ada).await;
    let daemon = started(&world).await;
    world.advance(5 * 3600 * 1000);
    world.reap().await;
    assert_eq!(world.state(&ada, &job).await, "lost");
    let mut seq = 5000;
    beat_for(&world, &daemon, 14, &mut seq).await;
    assert_eq!(world.state(&ada, &job).await, "running");
    beat_for(&world, &daemon, 3, &mut seq).await;
    assert_eq!(fail_code(&world, &ada, &job).await, "walltime");
}

#[tokio::test]
async fn an_end_that_was_told_is_delivered_within_a_quarter_of_an_hour() {
    let world = World::new(&[]).await;
    let ada = world.user("ada").await;
    for silence in [0, 5 * 3600 * 1000] {
        let job = world.submit_for(&ada, 1800).await;
        let mut daemon = one_daemon(&world).await;
        talk_until(&world, &mut daemon, |d| d.run.as_ref().is_some_and(|r| r.start_acked)).await;
        let last = daemon.run.as_ref().unwrap().acked as u64;
        let event = json!({ "seq": last + 1, "at_ms": 1, "event": { "kind": "finishing" } });
        assert_eq!(say(&world, &daemon, "events", json!({ "events": [event] })).await.0, 200);
        world.advance(silence);
        world.reap().await;
        assert_eq!(world.state(&ada, &job).await, if silence == 0 { "finishing" } else { "lost" });
        let mut seq = 5000;
        beat_for(&world, &daemon, 14, &mut seq).await;
        assert_eq!(world.state(&ada, &job).await, "finishing");
        beat_for(&world, &daemon, 3, &mut seq).await;
        assert_eq!(fail_code(&world, &ada, &job).await, "not_delivered");
    }
    world.check("not delivered").await;
}

#[tokio::test]
async fn a_run_that_is_lost_for_a_day_after_its_walltime_expires() {
    let world = World::new(&[]).await;
    let ada = world.user("ada").await;
    let job = world.submit(&ada).await;
    let daemon = started(&world).await;
    world.advance(24 * 60 * MINUTE);
    world.reap().await;
    world.advance(5 * MINUTE);
    world.reap().await;
    assert_eq!(world.state(&ada, &job).await, "lost");
    world.advance(10 * MINUTE);
    world.reap().await;
    assert_eq!(world.state(&ada, &job).await, "expired");
    assert_eq!(beat(&world, &daemon, 5000).await.0, 409);
    world.check("expired").await;
}

#[tokio::test]
async fn another_try_rings_a_node_when_its_pause_is_over() {
    use service::schedule::Offer;
    let world = World::new(&[]).await;
    let ada = world.user("ada").await;
    let mut daemon = one_daemon(&world).await;
    let job = world.submit(&ada).await;
    let mut seq = 0;
    talk_until(&world, &mut daemon, |d| d.run.is_some()).await;
    beat_for(&world, &daemon, 15, &mut seq).await;
    assert_eq!(world.state(&ada, &job).await, "queued");
    // Whoever waits here has missed the ring of the moment in which the job was queued again.
    let offer = Offer { node: "another".into(), cores: 4, memory: 1 << 40, labels: vec![] };
    let another = world.app.hub.wait_for_job(offer);
    world.reap().await;
    let rung = tokio::time::timeout(std::time::Duration::from_millis(200), another.rung()).await;
    assert!(rung.is_err(), "the pause is not over");
    world.advance(20_000);
    world.reap().await;
    tokio::time::timeout(std::time::Duration::from_secs(5), another.rung()).await.expect("the pause is over");
    world.advance(5 * MINUTE);
    world.reap().await;
    tokio::time::timeout(std::time::Duration::from_secs(5), another.rung()).await.expect("no node is avoided any more");
    world.check("rung").await;
}
