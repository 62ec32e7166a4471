//! What attempts hear after their end, however late they come.

use axum::body::Body;
use axum::http::Method;
use serde_json::json;

use crate::daemon::{Daemon, Kind};
use crate::talk::{beat, deliver, named_daemon, one_daemon, say, started, talk_until, verdict};
use crate::world::{Answer, World};

const MINUTE: i64 = 60_000;
const DAY: i64 = 24 * 60 * MINUTE;

async fn put(world: &World, attempt: &str, token: &str, file: &str) -> Answer {
    let path = format!("/agent/v1/attempts/{attempt}/{file}?fence=1&offset=0");
    world.send(Method::PUT, &path, token, Some(Body::from("words")), false).await
}

#[tokio::test]
async fn a_stale_attempt_hears_so_however_late_it_comes_back() {
    let world = World::new(&[]).await;
    let ada = world.user("ada").await;
    let job = world.submit(&ada).await;
    let mut daemon = started(&world).await;
    world.advance(3 * MINUTE);
    world.reap().await;
    service::ops::jobs::requeue(&world.app, &ada, &job).await.unwrap();
    for late in [0, 20 * MINUTE, 3 * DAY] {
        world.advance(late);
        assert_eq!(verdict(&beat(&world, &daemon, 5000).await), (409, "stale_fence"));
        let run = daemon.run.clone().unwrap().assignment;
        assert_eq!(verdict(&put(&world, run.attempt.as_str(), &run.token, "log/err").await), (409, "stale_fence"));
    }
    // And its node ends the run.
    let first = daemon.run.as_ref().unwrap().assignment.attempt.clone();
    talk_until(&world, &mut daemon, |d| d.run.as_ref().is_none_or(|r| r.assignment.attempt != first)).await;
    world.check("stale").await;
}

/// A daemon whose finish was accepted, and that finish.
async fn finished(world: &World) -> (Daemon, crate::daemon::Call) {
    let mut daemon = one_daemon(world).await;
    for dice in 0..4000u32 {
        if let Some(call) = daemon.next(dice.wrapping_mul(2_654_435_761) >> 7) {
            let answer = deliver(world, &call).await;
            if call.kind == Kind::Finish && answer.0 == 200 {
                return (daemon, call);
            }
            daemon.hear(&call, Some(&answer));
        }
        world.advance(500);
    }
    panic!("it never finished");
}

#[tokio::test]
async fn an_end_that_is_repeated_for_a_day_gets_its_first_answer() {
    let world = World::new(&[]).await;
    let ada = world.user("ada").await;
    world.submit(&ada).await;
    let (daemon, finish) = finished(&world).await;
    world.reap().await;
    for late in [0, 20 * MINUTE, DAY] {
        world.advance(late);
        let (status, body) = deliver(&world, &finish).await;
        assert_eq!((status.as_u16(), &body["state"], &body["dup"]), (200, &json!("done"), &json!(true)));
        let (status, body) = beat(&world, &daemon, 5000).await;
        assert_eq!((status.as_u16(), &body["code"], &body["state"]), (410, &json!("ended"), &json!("done")));
    }
}

#[tokio::test]
async fn files_come_for_a_quarter_of_an_hour_after_the_end_and_for_as_long_as_the_service_was_away() {
    let mut world = World::new(&[]).await;
    let ada = world.user("ada").await;
    world.submit(&ada).await;
    let (daemon, _) = finished(&world).await;
    let run = daemon.run.clone().unwrap().assignment;
    let (attempt, token) = (run.attempt.as_str(), run.token.as_str());
    world.advance(14 * MINUTE);
    assert_eq!(put(&world, attempt, token, "log/err").await.0, 200);
    world.app.db.write(|tx| Box::pin(service::db::due::alive_now(tx))).await.unwrap();
    world.restart(60 * MINUTE).await;
    assert_eq!(put(&world, attempt, token, "log/err").await.0, 200);
    world.advance(2 * MINUTE);
    world.reap().await;
    let late = put(&world, attempt, token, "log/err").await;
    assert_eq!((verdict(&late), &late.1["state"]), ((410, "ended"), &json!("done")));
}

#[tokio::test]
async fn a_revoked_node_is_told_to_end_its_run_and_its_result_does_not_count() {
    let world = World::new(&[]).await;
    let ada = world.user("ada").await;
    let job = world.submit(&ada).await;
    let mut daemon = started(&world).await;
    let revoke = async |key| {
        let unit = world.app.db.write(move |tx| Box::pin(service::db::nodes_admin::revoke_node(tx, key)));
        unit.await.unwrap().map(|state| state.to_string())
    };
    assert_eq!(revoke(1).await.as_deref(), Some("queued"));
    let run = daemon.run.clone().unwrap().assignment;
    assert_eq!(verdict(&beat(&world, &daemon, 5000).await), (409, "stale_fence"));
    assert_eq!(verdict(&say(&world, &daemon, "events", json!({ "events": [] })).await), (409, "stale_fence"));
    assert_eq!(verdict(&put(&world, run.attempt.as_str(), &run.token, "log/err").await), (409, "stale_fence"));
    let path = format!("/agent/v1/attempts/{}/wait?fence={}&wait=0", run.attempt, run.fence);
    let waited = world.send(Method::GET, &path, &run.token, None, true).await;
    assert_eq!(verdict(&waited), (409, "stale_fence"));
    talk_until(&world, &mut daemon, |d| d.run.is_none()).await;
    world.check("revoked").await;
    // Another node runs the job.
    let mut other = named_daemon(&world, "other").await;
    assert_eq!(revoke(99).await, None);
    talk_until(&world, &mut other, |d| !d.delivered.is_empty()).await;
    world.reap().await;
    assert_eq!(world.state(&ada, &job).await, "done");
}

#[tokio::test]
async fn the_node_of_a_deleted_job_is_told_to_end_its_run() {
    let world = World::new(&[]).await;
    let ada = world.user("ada").await;
    let job = world.submit(&ada).await;
    let mut daemon = started(&world).await;
    assert_eq!(service::ops::jobs::delete(&world.app, &ada, &job).await.unwrap_err().code.row().0, "conflict");
    world.advance(3 * MINUTE);
    world.reap().await;
    service::ops::jobs::cancel(&world.app, &ada, &job).await.unwrap();
    service::ops::jobs::delete(&world.app, &ada, &job).await.unwrap();
    assert!(service::ops::jobs::get(&world.app, &ada, &job).await.is_err());
    let run = daemon.run.clone().unwrap().assignment;
    let foreign = service::secret::Secret::new(service::secret::TokenKind::Attempt);
    for _ in 0..2 {
        assert_eq!(verdict(&beat(&world, &daemon, 5000).await), (409, "stale_fence"));
        assert_eq!(verdict(&put(&world, run.attempt.as_str(), &run.token, "log/out").await), (409, "stale_fence"));
        let stranger = put(&world, run.attempt.as_str(), foreign.reveal(), "log/out").await;
        assert_eq!(verdict(&stranger), (401, "unauthenticated"));
        world.advance(3 * DAY);
    }
    // Had it ended meanwhile, what it made would be nobody's any more.
    talk_until(&world, &mut daemon, |d| d.run.is_none() && d.orphans.is_empty()).await;
    world.check("deleted").await;
}

#[tokio::test]
async fn a_finish_of_a_deleted_job_is_answered_and_brings_no_orphan() {
    let world = World::new(&[]).await;
    let ada = world.user("ada").await;
    let job = world.submit(&ada).await;
    let (mut daemon, finish) = finished(&world).await;
    world.reap().await;
    service::ops::jobs::delete(&world.app, &ada, &job).await.unwrap();
    let late = deliver(&world, &finish).await;
    assert_eq!((verdict(&late), &late.1["state"]), ((410, "ended"), &json!("done")));
    let run = daemon.run.take().unwrap();
    assert_eq!(verdict(&put(&world, run.assignment.attempt.as_str(), &run.assignment.token, "log/err").await).0, 410);
    daemon.orphans.push(run);
    let orphan = (0..5).find_map(|dice| daemon.next(dice).filter(|c| c.kind == Kind::Orphan)).unwrap();
    assert_eq!(verdict(&deliver(&world, &orphan).await), (410, "ended"));
}
