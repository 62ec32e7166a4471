use std::time::Duration;

use axum::http::StatusCode;
use hpl_spec::job::Progress;
use hpl_spec::{JobEvent, JobState};
use serde_json::json;
use service::db::{events, testing};
use service::http::caller::{Caller, Known, Proof};

use crate::house::{Heard, House, bytes, house, id, problem};

fn progress(step: u32) -> JobEvent {
    JobEvent::Progress(Progress { fraction: f64::from(step) / 1000.0, ..Progress::default() })
}

fn done() -> JobEvent {
    JobEvent::Verified { passed: true, check: String::new() }
}

/// Numbers that look random and are the same in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }
}

/// Reads a stream to its end, breaking it off at random and coming again.
async fn read_with_breaks(
    house: &House,
    path: &str,
    first: i64,
    dice: &mut Dice,
    end: impl Fn(&Heard) -> bool,
) -> Vec<Heard> {
    let mut all: Vec<Heard> = vec![];
    loop {
        let last = all.last().map_or(first, |heard| heard.id).to_string();
        let mut stream = match dice.below(2) {
            0 => house.stream(path, &[("last-event-id", &last)]).await,
            _ => house.stream(&format!("{path}?after={last}"), &[]).await,
        };
        for _ in 0..dice.below(40) {
            let heard = stream.next().await.expect("the stream ended early");
            let over = end(&heard);
            all.push(heard);
            if over {
                return all;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_tell_everything_once_under_random_reconnects() {
    for seed in 0..4 {
        let house = house().await;
        let (public, private) = (house.job(1, true).await, house.job(2, false).await);
        let write = async {
            let mut dice = Dice(seed);
            for step in 0..400 {
                let job = if dice.below(3) == 0 { private } else { public };
                let event = if dice.below(2) == 0 { progress(step) } else { JobEvent::Started };
                house.event(job, event, JobState::Running).await;
                if dice.below(10) == 0 {
                    tokio::time::sleep(Duration::from_millis(dice.below(4))).await;
                }
            }
            house.event(public, done(), JobState::Done).await;
        };
        let (mut one, mut two) = (Dice(seed + 100), Dice(seed + 200));
        let path = format!("/api/v1/jobs/{}/events", id(1));
        let of_job = read_with_breaks(&house, &path, 0, &mut one, |heard| heard.kind == "end");
        let of_queue = read_with_breaks(&house, "/api/v1/events", 0, &mut two, |heard| heard.data["state"] == "done");
        let ((), mut of_job, of_queue) = tokio::join!(write, of_job, of_queue);

        assert_eq!(of_job.pop().unwrap().data, json!({ "state": "done" }));
        let seqs: Vec<i64> = of_job.iter().map(|heard| heard.id).collect();
        let last = i64::try_from(of_job.len()).unwrap();
        assert_eq!(seqs, (1..=last).collect::<Vec<_>>());
        let history = house.get(&format!("/api/v1/jobs/{}/history", id(1)), &[]).await;
        let history: Vec<serde_json::Value> = serde_json::from_slice(&bytes(history).await).unwrap();
        assert_eq!(of_job.iter().map(|heard| &heard.data).collect::<Vec<_>>(), history.iter().collect::<Vec<_>>());

        let moves: Vec<_> = history.iter().filter(|event| event["kind"] != "progress").collect();
        assert_eq!(of_queue.iter().map(|heard| &heard.data).collect::<Vec<_>>(), moves);
        assert!(of_queue.is_sorted_by(|a, b| a.id < b.id));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_reader_reads_the_rest_from_the_record() {
    let house = house().await;
    let job = house.job(1, true).await;
    house.event(job, JobEvent::Submitted, JobState::Queued).await;
    let mut stream = house.stream(&format!("/api/v1/jobs/{}/events", id(1)), &[]).await;
    assert_eq!(stream.next().await.unwrap().id, 1);
    let path = format!("/api/v1/jobs/{}/events", id(1));
    house
        .app
        .db
        .write(move |tx| {
            Box::pin(async move {
                for step in 0..1500 {
                    testing::event(tx, job, &progress(step), JobState::Running).await?;
                }
                Ok(())
            })
        })
        .await
        .unwrap();
    house.event(job, done(), JobState::Done).await;
    let rest: Vec<i64> = stream.rest().await.iter().map(|heard| heard.id).collect();
    assert_eq!(rest, (2..=1502).chain([1502]).collect::<Vec<_>>(), "all of them, then the end");
    let again = house.stream(&path, &[("last-event-id", "1502")]).await.rest().await;
    assert_eq!(again.iter().map(|heard| heard.kind.as_str()).collect::<Vec<_>>(), ["end"]);
}

#[tokio::test]
async fn private_jobs_do_not_exist_for_strangers() {
    let house = house().await;
    let job = house.job(1, false).await;
    house.event(job, JobEvent::Submitted, JobState::Queued).await;
    for what in ["events", "history", "log/out", "log/err?follow=true", "artifacts", "artifacts/HPL.out"] {
        let mut answers = vec![];
        for (number, user) in [("1", None), ("1", Some("bob")), ("7", None), ("7", Some("bob")), ("7", Some("ada"))] {
            let path = format!("/api/v1/jobs/{}/{what}", id(number.parse().unwrap()));
            let headers: Vec<_> = user.map(|user| ("x-user", user)).into_iter().collect();
            let response = house.get(&path, &headers).await;
            assert_eq!(response.status(), StatusCode::NOT_FOUND, "{path} {user:?}");
            let mut answer = problem(response).await;
            answer["request_id"] = json!("");
            answers.push(answer);
        }
        answers.dedup();
        assert_eq!(answers.len(), 1, "{what}: {answers:?}");
    }
    for user in ["ada", "root"] {
        let path = format!("/api/v1/jobs/{}/history", id(1));
        assert_eq!(house.get(&path, &[("x-user", user)]).await.status(), StatusCode::OK);
    }
}

#[tokio::test]
async fn who_is_too_far_behind_begins_anew() {
    let house = house().await;
    let (job, hidden) = (house.job(1, true).await, house.job(2, false).await);
    let many = |count: u32| {
        house.app.db.write(move |tx| {
            Box::pin(async move {
                for step in 0..count {
                    testing::event(tx, hidden, &JobEvent::Released, JobState::Queued).await?;
                    if step % 10 == 0 {
                        testing::event(tx, hidden, &progress(step), JobState::Queued).await?;
                    }
                }
                Ok(())
            })
        })
    };
    many(9_999).await.unwrap();
    house.event(job, JobEvent::Submitted, JobState::Queued).await;
    let mut stream = house.stream("/api/v1/events?after=0", &[]).await;
    assert_eq!(stream.next().await.unwrap().kind, "submitted", "10 000 behind is not too far");
    many(1).await.unwrap();
    for after in ["0", "999999"] {
        let mut stream = house.stream("/api/v1/events", &[("last-event-id", after)]).await;
        let reset = stream.next().await.unwrap();
        assert_eq!(reset.kind, "reset");
        house.event(job, JobEvent::Submitted, JobState::Queued).await;
        let next = stream.next().await.unwrap();
        assert_eq!((next.kind.as_str(), next.id), ("submitted", reset.id + 1));
        // Far enough for the second round to be far behind, too.
    }
    let mut stream = house.stream(&format!("/api/v1/jobs/{}/events?after=55", id(1)), &[]).await;
    assert_eq!(stream.next().await.unwrap().kind, "reset");
    assert_eq!(stream.next().await.unwrap().id, 1);
    for bad in ["-1", "x", "99999999999999999999"] {
        let response = house.get("/api/v1/events", &[("last-event-id", bad)]).await;
        assert_eq!(problem(response).await["code"], "bad_request", "{bad}");
    }
}

#[tokio::test]
async fn a_stop_ends_streams_and_their_places_come_back() {
    let house = house().await;
    let job = house.job(1, true).await;
    house.event(job, JobEvent::Submitted, JobState::Queued).await;
    let path = format!("/api/v1/jobs/{}/events?after=1", id(1));
    let mut open = vec![];
    for _ in 0..16 {
        open.push(house.stream(&path, &[]).await);
    }
    let refused = house.get("/api/v1/events", &[]).await;
    assert_eq!(refused.headers()["retry-after"], "10");
    assert_eq!(problem(refused).await["code"], "rate_limited");
    house.stream("/api/v1/events", &[("x-user", "bob")]).await;
    open.push(house.stream(&path, &[("x-user", "bob")]).await);
    house.app.stop.cancel();
    for stream in open {
        assert_eq!(stream.rest().await, []);
    }
    assert_eq!(house.app.streams.open(), 0);
}

#[tokio::test]
async fn a_proof_that_ended_is_none() {
    let house = house().await;
    let write = |statement: &'static str| {
        house.app.db.write(move |tx| Box::pin(async move { testing::execute(tx, statement).await }))
    };
    house.app.db.write(|tx| Box::pin(async move { testing::session(tx, 1, "s").await })).await.unwrap();
    let user = Known { key: 1, name: "ada".into(), admin: true, proof: Proof::Session("s".into()) };
    let caller = Caller { user: Some(user), address: [127, 0, 0, 1].into() };
    let now = house.app.clock.now();
    let mut conn = house.app.db.read().await.unwrap();
    let seen = events::still(&mut conn, &caller, now).await.unwrap();
    assert!(seen.key() == Some(1) && !seen.is_admin(), "the right of an administrator is looked up");
    assert_eq!(events::still(&mut conn, &caller, now + 3_700_000).await.unwrap().user, None);
    write("UPDATE users SET disabled_at = 1 WHERE key = 1").await.unwrap();
    assert_eq!(events::still(&mut conn, &caller, now).await.unwrap().user, None);
    write("UPDATE users SET disabled_at = NULL").await.unwrap();
    assert_eq!(events::still(&mut conn, &caller, now).await.unwrap().key(), Some(1));
    write("DELETE FROM sessions").await.unwrap();
    assert_eq!(events::still(&mut conn, &caller, now).await.unwrap().user, None);
}
