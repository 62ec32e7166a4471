//! What owners and administrators order: hold, release, delete; sweeps, whose jobs run one by one.

use serde_json::json;
use service::http::caller::Caller;
use service::ops::jobs;

use crate::talk::{beat, one_daemon, say, started, talk_until};
use crate::world::World;

async fn admin(world: &World) -> Caller {
    let mut root = world.user("root").await;
    root.user.as_mut().unwrap().admin = true;
    root
}

/// A sweep of so many runs, not submitted: its id and those of its jobs.
async fn sweep(world: &World, caller: &Caller, runs: usize) -> (hpl_spec::id::SweepId, Vec<String>) {
    let parameters = (hpl_spec::benchmark::find("hpl").unwrap().plan)(&crate::world::golden_parameters()).unwrap();
    let line = format!("{runs}            # of NBs\n{}", "192 ".repeat(runs));
    let input = parameters.inputs[0].text.replace("1            # of NBs\n192 ", &line);
    let request = serde_json::from_value(json!({ "benchmark": "hpl", "input": input, "walltime_s": 600 })).unwrap();
    let body = jobs::submit(&world.app, caller, &request, None).await.unwrap();
    let made: hpl_spec::api::jobs::Submitted = serde_json::from_str(&body).unwrap();
    assert_eq!(made.jobs.len(), runs);
    (made.sweep.unwrap(), made.jobs.iter().map(|j| j.id.to_string()).collect())
}

#[tokio::test]
async fn a_held_job_waits_for_an_administrator() {
    let world = World::new(&[]).await;
    let (ada, root) = (world.user("ada").await, admin(&world).await);
    let job = world.submit(&ada).await;
    assert_eq!(jobs::hold(&world.app, &ada, &job, "me".into()).await.unwrap_err().code.row().0, "forbidden");
    jobs::hold(&world.app, &root, &job, "the cooling is off".into()).await.unwrap();
    assert_eq!(world.state(&ada, &job).await, "held");
    assert!(jobs::hold(&world.app, &root, &job, "again".into()).await.is_err());
    let mut daemon = one_daemon(&world).await;
    for dice in 0..20 {
        if let Some(call) = daemon.next(dice) {
            let answer = crate::talk::deliver(&world, &call).await;
            daemon.hear(&call, Some(&answer));
        }
    }
    assert!(daemon.run.is_none(), "nobody gets it");
    jobs::release(&world.app, &root, &job).await.unwrap();
    assert!(jobs::release(&world.app, &root, &job).await.is_err());
    talk_until(&world, &mut daemon, |d| !d.delivered.is_empty()).await;
    world.reap().await;
    assert_eq!(world.state(&ada, &job).await, "done");
}

#[tokio::test]
async fn a_release_puts_no_second_job_of_a_sweep_under_way() {
    let world = World::new(&["--running-max", "4"]).await;
    let (ada, root) = (world.user("ada").await, admin(&world).await);
    let (id, made) = sweep(&world, &ada, 3).await;
    jobs::submit_sweep(&world.app, &ada, &id).await.unwrap();
    let refused = jobs::release(&world.app, &root, &made[1]).await.unwrap_err();
    assert_eq!(refused.code.row().0, "conflict");
    assert!(refused.detail.contains("turn in the sweep"), "{}", refused.detail);
    world.check("refused").await;
    // The first is held by an administrator, another has its turn meanwhile: the first waits for the next.
    jobs::hold(&world.app, &root, &made[0], "later".into()).await.unwrap();
    jobs::cancel(&world.app, &ada, &made[2]).await.unwrap();
    assert_eq!(world.state(&ada, &made[1]).await, "queued");
    jobs::release(&world.app, &root, &made[0]).await.unwrap();
    assert_eq!(world.state(&ada, &made[0]).await, "held");
    world.check("released").await;
    let mut daemon = one_daemon(&world).await;
    talk_until(&world, &mut daemon, |d| d.delivered.len() == 2).await;
    world.reap().await;
    assert_eq!(world.state(&ada, &made[0]).await, "done");
    world.check("swept").await;
}

#[tokio::test]
async fn what_a_beat_brings_is_looked_at_and_kept() {
    let world = World::new(&[]).await;
    let ada = world.user("ada").await;
    let job = world.submit(&ada).await;
    let daemon = started(&world).await;
    let progress = |fraction: f64| json!({ "fraction": fraction, "seconds": 1.0, "score": 88.0, "score_now": 88.0 });
    let with = |seq: u64, fraction: f64| json!({ "seq": seq, "phase": "running", "progress": progress(fraction), "dropped": { "samples": seq } });
    let (status, body) = say(&world, &daemon, "beat", with(5000, 1.5)).await;
    assert_eq!((status.as_u16(), &body["code"]), (422, &json!("invalid")));
    assert_eq!(beat(&world, &daemon, 5001).await.0, 200);
    world.advance(100_000);
    world.reap().await;
    assert_eq!(world.state(&ada, &job).await, "lost");
    // The beat that brings it back is one like the others.
    assert_eq!(say(&world, &daemon, "beat", with(5002, 0.5)).await.0, 200);
    let job = serde_json::to_value(jobs::get(&world.app, &ada, &job).await.unwrap()).unwrap();
    assert_eq!((&job["progress"]["fraction"], &job["dropped"]), (&json!(0.5), &json!({ "samples": 5002 })));
}

#[tokio::test]
async fn drafts_are_counted_and_a_sweep_goes_with_its_last_job() {
    let world = World::new(&[]).await;
    let ada = world.user("ada").await;
    let (_, first) = sweep(&world, &ada, 20).await;
    for _ in 1..50 {
        sweep(&world, &ada, 20).await;
    }
    let draft = json!({ "benchmark": "hpl", "parameters": { "n": 1000 }, "draft": true });
    let draft = serde_json::from_value(draft).unwrap();
    let refused = jobs::submit(&world.app, &ada, &draft, None).await.unwrap_err();
    assert_eq!((refused.code.row().0, refused.retry_after.is_some()), ("quota_exceeded", true));
    world.submit(&ada).await;
    // A rule of the database: no sweep without a job.
    for job in &first {
        jobs::delete(&world.app, &ada, job).await.unwrap();
        world.check("deleted").await;
    }
    jobs::submit(&world.app, &ada, &draft, None).await.unwrap();
    world.check("drafts").await;
}

#[tokio::test]
async fn what_waits_for_nobody_expires() {
    const DAY: i64 = 24 * 3_600_000;
    let world = World::new(&[]).await;
    let (ada, root) = (world.user("ada").await, admin(&world).await);
    let draft = json!({ "benchmark": "hpl", "parameters": { "n": 1000 }, "draft": true });
    let body = jobs::submit(&world.app, &ada, &serde_json::from_value(draft).unwrap(), None).await.unwrap();
    let made: hpl_spec::api::jobs::Submitted = serde_json::from_str(&body).unwrap();
    let (draft, held, queued) = (made.jobs[0].id.to_string(), world.submit(&ada).await, world.submit(&ada).await);
    jobs::hold(&world.app, &root, &held, "a test".into()).await.unwrap();
    let mut at = 0;
    for (day, states) in [
        (0, ["draft", "held", "queued"]),
        (1, ["expired", "held", "queued"]),
        (6, ["expired", "held", "queued"]),
        (7, ["expired", "held", "expired"]),
        (29, ["expired", "held", "expired"]),
        (30, ["expired", "expired", "expired"]),
    ] {
        world.advance((day - at) * DAY);
        at = day;
        world.reap().await;
        for (job, state) in [&draft, &held, &queued].into_iter().zip(states) {
            assert_eq!(world.state(&ada, job).await, state, "day {day}");
        }
    }
    world.check("expired").await;
}

#[tokio::test]
async fn only_what_is_over_can_be_deleted_and_nothing_of_it_stays() {
    let world = World::new(&[]).await;
    let (ada, bob) = (world.user("ada").await, world.user("bob").await);
    let job = world.submit(&ada).await;
    let waits = jobs::delete(&world.app, &ada, &job).await.unwrap_err();
    assert_eq!((waits.code.row().0, &waits.more["state"]), ("conflict", &json!("queued")));
    let mut daemon = one_daemon(&world).await;
    talk_until(&world, &mut daemon, |d| !d.delivered.is_empty()).await;
    world.reap().await;
    assert_eq!(jobs::delete(&world.app, &bob, &job).await.unwrap_err().code.row().0, "forbidden");
    let attempt = daemon.delivered[0].attempt.clone();
    assert!(!world.log(&attempt).await.is_empty());
    jobs::delete(&world.app, &ada, &job).await.unwrap();
    assert_eq!(jobs::delete(&world.app, &ada, &job).await.unwrap_err().code.row().0, "not_found");
    assert!(world.log(&attempt).await.is_empty());
    let result = service::db::results::get(&mut world.app.db.read().await.unwrap(), &attempt).await.unwrap();
    assert!(result.is_none());
    world.check("deleted").await;
}
