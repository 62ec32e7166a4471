//! The failure table of the protocol, row by row.

use axum::http::StatusCode;
use serde_json::json;

use crate::daemon::{Daemon, Kind};
use crate::talk::{one_daemon, talk_until};
use crate::world::World;

#[tokio::test]
async fn a_job_goes_through_the_whole_protocol() {
    let world = World::new(&[]).await;
    let ada = world.user("ada").await;
    let mut daemon = one_daemon(&world).await;
    let job = world.submit(&ada).await;
    talk_until(&world, &mut daemon, |d| !d.delivered.is_empty()).await;
    world.reap().await;
    assert_eq!(world.state(&ada, &job).await, "done");
    let delivered = &daemon.delivered[0];
    assert_eq!(world.log(&delivered.attempt).await, delivered.log);
    world.check("done").await;
}

#[tokio::test]
async fn silence_while_it_runs_is_lost_and_a_word_brings_it_back() {
    let world = World::new(&[]).await;
    let ada = world.user("ada").await;
    let mut daemon = one_daemon(&world).await;
    let job = world.submit(&ada).await;
    talk_until(&world, &mut daemon, |d| d.run.as_ref().is_some_and(|r| r.start_acked)).await;
    world.advance(2 * 3600 * 1000);
    world.reap().await;
    assert_eq!(world.state(&ada, &job).await, "lost");
    // Nobody else gets it meanwhile.
    let mut other = Daemon::new("other", world.join_token(1).await);
    for dice in 0..50 {
        if let Some(call) = other.next(dice) {
            let body = axum::body::Body::from(call.body.clone());
            let answer = world.send(call.method.clone(), &call.path, &call.token, Some(body), call.json).await;
            assert!(call.kind != Kind::Claim || answer.0 == StatusCode::NO_CONTENT);
            other.hear(&call, Some(&answer));
        }
    }
    talk_until(&world, &mut daemon, |d| !d.delivered.is_empty()).await;
    world.reap().await;
    assert_eq!(world.state(&ada, &job).await, "done");
}

#[tokio::test]
async fn silence_before_it_runs_puts_it_back_into_the_queue() {
    let world = World::new(&[]).await;
    let ada = world.user("ada").await;
    let mut daemon = one_daemon(&world).await;
    let job = world.submit(&ada).await;
    talk_until(&world, &mut daemon, |d| d.run.is_some()).await;
    world.advance(100_000);
    world.reap().await;
    assert_eq!(world.state(&ada, &job).await, "queued");
    world.check("requeued").await;
}

#[tokio::test]
async fn a_restart_of_the_service_loses_nobody() {
    let mut world = World::new(&[]).await;
    let ada = world.user("ada").await;
    let mut daemon = one_daemon(&world).await;
    let job = world.submit(&ada).await;
    talk_until(&world, &mut daemon, |d| d.run.as_ref().is_some_and(|r| r.start_acked)).await;
    world.restart(12 * 3600 * 1000).await;
    world.reap().await;
    assert_eq!(world.state(&ada, &job).await, "running");
    talk_until(&world, &mut daemon, |d| !d.delivered.is_empty()).await;
    world.reap().await;
    assert_eq!(world.state(&ada, &job).await, "done");
}

#[tokio::test]
async fn a_reboot_of_the_node_is_an_infra_failure_and_retried_elsewhere_or_later() {
    let world = World::new(&[]).await;
    let ada = world.user("ada").await;
    let mut daemon = one_daemon(&world).await;
    let job = world.submit(&ada).await;
    talk_until(&world, &mut daemon, |d| d.run.as_ref().is_some_and(|r| r.start_acked)).await;
    daemon.reboot();
    world.advance(60_000);
    talk_until(&world, &mut daemon, |d| !d.delivered.is_empty()).await;
    world.reap().await;
    assert_eq!(world.state(&ada, &job).await, "done");
    let job = service::ops::jobs::get(&world.app, &ada, &job).await.unwrap();
    assert_eq!(job.attempts, 2);
}

#[tokio::test]
async fn a_copied_machine_has_to_join_on_its_own() {
    let world = World::new(&[]).await;
    let mut daemon = one_daemon(&world).await;
    talk_until(&world, &mut daemon, |d| d.run.is_some() || world.now() > 0).await;
    let call = loop {
        let call = daemon.next(1).unwrap();
        let body = axum::body::Body::from(call.body.clone());
        let answer = world.send(call.method.clone(), &call.path, &call.token, Some(body), call.json).await;
        daemon.hear(&call, Some(&answer));
        if call.kind == Kind::Hello {
            break call;
        }
    };
    let mut copy: serde_json::Value = serde_json::from_slice(&call.body).unwrap();
    copy["boot_id"] = json!("another boot");
    let (status, body) = world.post(&call.path, &call.token, &copy).await;
    assert_eq!((status.as_u16(), body["code"].as_str()), (409, Some("identity_in_use")));
    copy["machine_id"] = json!("another machine");
    world.advance(3_600_000);
    let (status, body) = world.post(&call.path, &call.token, &copy).await;
    assert_eq!((status.as_u16(), body["code"].as_str()), (409, Some("identity_in_use")));
}

#[tokio::test]
async fn given_up_means_that_the_first_run_may_write_no_longer_and_is_kept_as_an_orphan() {
    let world = World::new(&[]).await;
    let ada = world.user("ada").await;
    let mut daemon = one_daemon(&world).await;
    let job = world.submit(&ada).await;
    talk_until(&world, &mut daemon, |d| d.run.as_ref().is_some_and(|r| r.log.len() > 1000)).await;
    world.advance(3_600_000);
    world.reap().await;
    service::ops::jobs::requeue(&world.app, &ada, &job).await.unwrap();
    let first = daemon.run.clone().unwrap();
    let path = format!("/agent/v1/attempts/{}/beat", first.assignment.attempt);
    let beat = json!({ "fence": first.assignment.fence, "seq": 9999, "phase": "running" });
    let (status, body) = world.post(&path, &first.assignment.token, &beat).await;
    assert_eq!((status.as_u16(), body["code"].as_str()), (409, Some("stale_fence")));
    talk_until(&world, &mut daemon, |d| !d.delivered.is_empty()).await;
    world.reap().await;
    assert_eq!(world.state(&ada, &job).await, "done");
    let job = service::ops::jobs::get(&world.app, &ada, &job).await.unwrap();
    assert_eq!(job.attempts, 2);
    world.check("given up").await;
}

#[tokio::test]
async fn an_attempt_from_after_the_backup_is_unknown_and_its_result_is_kept() {
    let world = World::new(&[]).await;
    let mut daemon = one_daemon(&world).await;
    let id = "0190f5fe-7c00-7a3b-8b1e-0123456789ab";
    let token = world.app.attempt_key.token(id, 1);
    let beat = json!({ "fence": 1, "seq": 1, "phase": "running" });
    let (status, body) = world.post(&format!("/agent/v1/attempts/{id}/beat"), token.reveal(), &beat).await;
    assert_eq!((status.as_u16(), body["code"].as_str()), (404, Some("unknown_attempt")));
    // The daemon lets it end, and submits it as an orphan.
    let ada = world.user("ada").await;
    let job = world.submit(&ada).await;
    talk_until(&world, &mut daemon, |d| d.run.is_some()).await;
    let run = daemon.run.as_mut().unwrap();
    run.assignment.attempt = id.parse().unwrap();
    run.assignment.token = token.reveal().to_owned();
    talk_until(&world, &mut daemon, |d| !d.whole.is_empty()).await;
    let kept = service::db::results::get(&mut world.app.db.read().await.unwrap(), id).await.unwrap().unwrap();
    assert_eq!(serde_json::to_value(kept.detail.row.tier).unwrap(), "orphan");
    assert_eq!(kept.detail.row.job.as_str(), job);
}

#[tokio::test]
async fn a_cancel_is_heard_by_who_waits_and_keeps_the_last_line() {
    let world = World::new(&[]).await;
    let ada = world.user("ada").await;
    let mut daemon = one_daemon(&world).await;
    let job = world.submit(&ada).await;
    talk_until(&world, &mut daemon, |d| d.run.as_ref().is_some_and(|r| r.start_acked)).await;
    let run = daemon.run.clone().unwrap().assignment;
    let path = format!("/agent/v1/attempts/{}/wait?fence={}&wait=20", run.attempt, run.fence);
    let began = std::time::Instant::now();
    let (heard, _) = tokio::join!(world.send(axum::http::Method::GET, &path, &run.token, None, true), async {
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        service::ops::jobs::cancel(&world.app, &ada, &job).await.unwrap();
    });
    assert!(began.elapsed().as_secs() < 10, "it was not the bell that woke it");
    assert_eq!(heard.1["commands"][0]["command"], "cancel");
    talk_until(&world, &mut daemon, |d| d.run.is_none()).await;
    assert_eq!(world.state(&ada, &job).await, "cancelled");
    assert!(world.log(run.attempt.as_str()).await.ends_with(b"the last line\n"));
    world.check("cancelled").await;
}

#[tokio::test]
async fn more_time_and_another_version_are_told_with_the_beat() {
    let world = World::new(&["--daemon-version", "9.9.9"]).await;
    let ada = world.user("ada").await;
    let mut root = world.user("root").await;
    root.user.as_mut().unwrap().admin = true;
    let mut daemon = one_daemon(&world).await;
    let job = world.submit(&ada).await;
    talk_until(&world, &mut daemon, |d| d.run.as_ref().is_some_and(|r| r.start_acked)).await;
    assert!(service::ops::jobs::extend(&world.app, &ada, &job, 3600).await.is_err());
    service::ops::jobs::extend(&world.app, &root, &job, 3600).await.unwrap();
    let run = daemon.run.clone().unwrap().assignment;
    let beat = json!({ "fence": run.fence, "seq": 5000, "phase": "running" });
    let path = format!("/agent/v1/attempts/{}/beat", run.attempt);
    let (_, said) = world.post(&path, &run.token, &beat).await;
    let wanted = json!([{ "command": "extend", "walltime_s": 3600 }, { "command": "update", "version": "9.9.9" }]);
    assert_eq!(said["commands"], wanted);
    // Longer than the old walltime and its grace, shorter than the new: it goes on.
    for seq in 5001..5030 {
        world.advance(60_000);
        let beat = json!({ "fence": run.fence, "seq": seq, "phase": "running" });
        assert_eq!(world.post(&path, &run.token, &beat).await.0, 200);
        world.reap().await;
    }
    assert_eq!(world.state(&ada, &job).await, "running");
    for seq in 5030..5080 {
        world.advance(60_000);
        let beat = json!({ "fence": run.fence, "seq": seq, "phase": "running" });
        world.post(&path, &run.token, &beat).await;
        world.reap().await;
    }
    // A run that lives on heartbeats for ever does not.
    assert_eq!(world.state(&ada, &job).await, "failed");
    let failure = service::ops::jobs::get(&world.app, &ada, &job).await.unwrap().failure.unwrap();
    assert_eq!(failure.code, "walltime");
}

#[tokio::test]
async fn the_runs_of_a_sweep_go_one_by_one() {
    let world = World::new(&["--running-max", "4"]).await;
    let ada = world.user("ada").await;
    let mut daemon = one_daemon(&world).await;
    let parameters = (hpl_spec::benchmark::find("hpl").unwrap().plan)(&crate::world::golden_parameters()).unwrap();
    let input = parameters.inputs[0].text.replace("1            # of NBs\n192 ", "2            # of NBs\n192 192 ");
    let request = serde_json::from_value(json!({ "benchmark": "hpl", "input": input, "walltime_s": 600 })).unwrap();
    let body = service::ops::jobs::submit(&world.app, &ada, &request, None).await.unwrap();
    let made: hpl_spec::api::jobs::Submitted = serde_json::from_str(&body).unwrap();
    assert_eq!((made.jobs.len(), made.jobs[0].state.name(), made.cost.runs), (2, "draft", 2));
    service::ops::jobs::submit_sweep(&world.app, &ada, made.sweep.as_ref().unwrap()).await.unwrap();
    let second = made.jobs[1].id.to_string();
    assert_eq!(world.state(&ada, &second).await, "held");
    talk_until(&world, &mut daemon, |d| d.delivered.len() == 1).await;
    world.reap().await;
    assert_eq!(world.state(&ada, &second).await, "queued");
    talk_until(&world, &mut daemon, |d| d.delivered.len() == 2).await;
    world.reap().await;
    assert_eq!(world.state(&ada, &second).await, "done");
    world.check("swept").await;
}

#[tokio::test]
async fn short_runs_go_first_but_not_for_ever() {
    let world = World::new(&["--running-max", "50", "--queued-max", "50"]).await;
    let ada = world.user("ada").await;
    let submit = async |walltime: u32| {
        let request = json!({ "benchmark": "hpl", "parameters": { "n": 1000 }, "walltime_s": walltime });
        let request = serde_json::from_value(request).unwrap();
        service::ops::jobs::submit(&world.app, &ada, &request, None).await.unwrap();
    };
    for _ in 0..2 {
        submit(1000).await;
    }
    for _ in 0..8 {
        submit(60).await;
    }
    let mut order = vec![];
    let mut conn = world.app.db.read().await.unwrap();
    let offer = service::schedule::Offer { node: "n".into(), cores: 4, memory: 1 << 40, labels: vec![] };
    let mut streak = 0;
    for _ in 0..10 {
        let key = service::db::queue::pick(&mut conn, &offer, streak, 50, world.now()).await.unwrap().unwrap();
        let express = service::db::jobs::get(&mut conn, key).await.unwrap().unwrap().express;
        streak = if express { streak + 1 } else { 0 };
        order.push(if express { 's' } else { 'L' });
        world
            .app
            .db
            .write(move |tx| {
                Box::pin(async move {
                    service::db::jobs::step(tx, key, &hpl_spec::JobEvent::Cancelled { by: "test".into() }).await
                })
            })
            .await
            .unwrap();
    }
    assert_eq!(order.iter().collect::<String>(), "sssLsssLss");
}
