//! Runs of a sweep that can no longer be the best are ended early: exactly then, once, and only where that was asked for.

use axum::http::Method;
use serde_json::{Value, json};

use crate::house::{Delivery, Held, House, MACHINE, Node, Person, golden, with};
use crate::world::golden_result;

/// A sweep of so many runs, all of them that of the golden result; started. Its path.
async fn sweep(house: &House, who: &Person, runs: usize, stop: bool) -> String {
    let said = House::done(house.post(who, "/estimate", golden()).await);
    let input = said["runs"][0]["inputs"]["HPL.dat"].as_str().unwrap().to_owned();
    let line = format!("{runs}            # of NBs\n{}", "192 ".repeat(runs));
    let input = input.replace("1            # of NBs\n192 ", &line);
    let asked = json!({"benchmark": "hpl", "input": input, "walltime_s": 600});
    let asked = if stop { with(asked, json!({"stop_hopeless": true})) } else { asked };
    let made = House::done(house.post(who, "/jobs", asked).await);
    assert_eq!(made["jobs"].as_array().unwrap().len(), runs);
    let path = format!("/sweeps/{}", made["sweep"].as_str().unwrap());
    House::done(house.post(who, &format!("{path}/submit"), Value::Null).await);
    path
}

/// A run of it comes to its end with the golden result. Its score.
async fn finish_one(house: &House, node: &mut Node) -> f64 {
    let held = node.claim(house).await.unwrap();
    held.deliver(house, &Delivery::honest(&held)).await;
    let score = golden_result()["reports"][0]["gflops"].as_f64().unwrap();
    let job = house.job(&house.root, &held.job).await;
    assert!(job["state"] == "done" && (job["score"].as_f64().unwrap() / score - 1.0).abs() < 1e-3, "{job}");
    job["score"].as_f64().unwrap()
}

fn progress(fraction: f64, score: f64) -> Value {
    json!({"fraction": fraction, "seconds": 10.0, "score": score, "score_now": score})
}

/// The progress of an event.
fn told(fraction: f64, score: f64) -> Value {
    with(progress(fraction, score), json!({"kind": "progress"}))
}

/// What the service answers to a beat with that progress.
async fn beat(house: &House, held: &Held, seq: u64, fraction: f64, score: f64) -> Value {
    let body = json!({"fence": held.fence, "seq": seq, "phase": "running", "progress": progress(fraction, score)});
    let (status, said) = held.call(house, Method::POST, "beat", body.to_string().into_bytes(), true).await;
    assert_eq!(status, 200, "{said}");
    said["commands"].clone()
}

/// Who wanted it to end, as its history tells.
async fn asked_by(house: &House, who: &Person, job: &str) -> Vec<String> {
    let events = House::done(house.get(who, &format!("/jobs/{job}/history?limit=500")).await);
    let events = events.as_array().unwrap().iter().map(|event| &event["data"]);
    let asked = events.filter(|data| data["kind"] == "cancel_requested");
    asked.map(|data| data["by"].as_str().unwrap().to_owned()).collect()
}

async fn confirm(house: &House, held: &Held, events: u64) {
    let outcome = json!({"outcome": "cancelled"});
    let body = json!({"fence": held.fence, "events": events, "outcome": outcome, "evidence": null});
    let (status, said) = held.call(house, Method::POST, "finish", body.to_string().into_bytes(), true).await;
    assert_eq!(status, 200, "{said}");
}

#[tokio::test]
async fn a_run_is_stopped_exactly_when_it_can_no_longer_be_the_best() {
    let house = House::new(&["--running-max", "4"]).await;
    let ada = house.person("ada").await;
    let mut node = house.node("one", MACHINE).await;
    let path = sweep(&house, &ada, 3, true).await;
    let best = finish_one(&house, &mut node).await;

    let held = node.claim(&house).await.unwrap();
    held.start(&house).await;
    // Before a quarter of the work is done nothing is told; from there on, at nine tenths of the best, nothing yet.
    held.tell(&house, 3, &[told(0.2499, 1.0)]).await;
    assert_eq!(beat(&house, &held, 1, 0.249, 1.0).await, json!([]));
    held.tell(&house, 4, &[told(0.25, 0.9 * best)]).await;
    assert_eq!(beat(&house, &held, 2, 0.3, 0.9001 * best).await, json!([]));
    assert_eq!(asked_by(&house, &ada, &held.job).await, [""; 0]);
    // A beat's word is enough, and its answer says so at once.
    let score = 0.8999 * best;
    let commands = beat(&house, &held, 3, 0.4, score).await;
    assert_eq!(commands[0]["command"], "cancel", "{commands}");
    assert!(commands[0]["why"].as_str().unwrap().contains("sweep has a better run"), "{commands}");
    // Never twice: neither by a beat nor by an event.
    beat(&house, &held, 4, 0.5, 0.5 * best).await;
    held.tell(&house, 5, &[told(0.6, 0.4 * best)]).await;
    let asked = asked_by(&house, &ada, &held.job).await;
    let words = format!("the sweep (at 40 % of its work it made {} of the best ", hpl_spec::benchmark::figure(score));
    assert!(asked.len() == 1 && asked[0].starts_with(&words) && asked[0].ends_with(" Gflop/s)"), "{asked:?}");
    let job = house.job(&ada, &held.job).await;
    assert_eq!((&job["state"], &job["cancel_requested"]), (&json!("running"), &json!(true)));
    confirm(&house, &held, 5).await;
    let job = house.job(&ada, &held.job).await;
    let at = job["stopped"]["at"].clone();
    assert_eq!(job["stopped"], json!({"fraction": 0.4, "score": score, "best": best, "at": at}));
    assert_eq!(job["state"], "cancelled");
    let last = House::done(house.get(&ada, &format!("/jobs/{}/history?limit=500", held.job)).await);
    let last = last.as_array().unwrap().last().unwrap()["data"].clone();
    assert_eq!((&last["kind"], &last["by"]), (&json!("cancelled"), &json!(asked[0])));

    // The next one has its turn; an event's word is enough as well.
    let third = node.claim(&house).await.unwrap();
    third.start(&house).await;
    third.tell(&house, 3, &[told(0.9, 0.1 * best)]).await;
    assert_eq!(asked_by(&house, &ada, &third.job).await.len(), 1);
    confirm(&house, &third, 3).await;
    let shown = House::done(house.get(&ada, &path).await);
    let runs = shown["points"][0]["runs"].as_array().unwrap();
    let stopped: Vec<_> = runs.iter().map(|run| run["stopped"]["fraction"].as_f64()).collect();
    assert_eq!(stopped, [None, Some(0.4), Some(0.9)]);
    assert_eq!((&shown["over"], &shown["best"]["runs"], &shown["best"]["sure"]), (&json!(3), &json!(1), &json!(false)));
    house.world.check("stopped").await;
}

#[tokio::test]
async fn nothing_is_stopped_before_a_run_of_the_sweep_has_a_score() {
    let house = House::new(&["--running-max", "4"]).await;
    let ada = house.person("ada").await;
    let mut node = house.node("one", MACHINE).await;
    // A better run outside of the sweep is no matter.
    house.submit(&ada, golden()).await;
    finish_one(&house, &mut node).await;
    sweep(&house, &ada, 3, true).await;
    for round in 0..2 {
        // The second time after a run of the sweep that failed.
        let held = node.claim(&house).await.unwrap();
        held.start(&house).await;
        held.tell(&house, 3, &[told(0.99, 0.001)]).await;
        assert_eq!(beat(&house, &held, 1, 0.99, 0.001).await, json!([]), "round {round}");
        held.fail(&house, 3, "benchmark").await;
        assert_eq!(house.job(&ada, &held.job).await["state"], "failed");
    }
}

#[tokio::test]
async fn a_sweep_that_was_not_asked_to_stops_nothing() {
    let house = House::new(&["--running-max", "4"]).await;
    let ada = house.person("ada").await;
    let mut node = house.node("one", MACHINE).await;
    sweep(&house, &ada, 2, false).await;
    finish_one(&house, &mut node).await;
    let held = node.claim(&house).await.unwrap();
    held.start(&house).await;
    held.tell(&house, 3, &[told(0.5, 1.0)]).await;
    assert_eq!(beat(&house, &held, 1, 0.6, 1.0).await, json!([]));
    assert_eq!(asked_by(&house, &ada, &held.job).await, [""; 0]);
}

#[tokio::test]
async fn what_has_ended_or_is_to_end_anyway_is_left_alone() {
    let house = House::new(&["--running-max", "4"]).await;
    let ada = house.person("ada").await;
    let mut node = house.node("one", MACHINE).await;
    sweep(&house, &ada, 4, true).await;
    let best = finish_one(&house, &mut node).await;
    // All of its work is done, or its program has ended: there is nothing to be saved.
    let held = node.claim(&house).await.unwrap();
    held.start(&house).await;
    held.tell(&house, 3, &[told(1.0, 0.5 * best)]).await;
    held.tell(&house, 4, &[json!({"kind": "finishing"}), told(0.99, 0.5 * best)]).await;
    assert_eq!(beat(&house, &held, 1, 0.99, 0.5 * best).await, json!([]));
    held.fail(&house, 5, "benchmark").await;
    let late = json!({"fence": held.fence, "seq": 2, "phase": "running", "progress": progress(0.5, 1.0)});
    let (status, _) = held.call(&house, Method::POST, "beat", late.to_string().into_bytes(), true).await;
    let job = house.job(&ada, &held.job).await;
    assert_eq!((status, &job["state"], &job["stopped"]), (410, &json!("failed"), &Value::Null));
    assert_eq!(asked_by(&house, &ada, &held.job).await, [""; 0]);
    // Its owner was faster: it was she who ended it.
    let held = node.claim(&house).await.unwrap();
    held.start(&house).await;
    House::done(house.post(&ada, &format!("/jobs/{}/cancel", held.job), Value::Null).await);
    held.tell(&house, 3, &[told(0.5, 0.5 * best)]).await;
    assert_eq!(asked_by(&house, &ada, &held.job).await, ["ada"]);
    confirm(&house, &held, 3).await;
    assert_eq!(house.job(&ada, &held.job).await["stopped"], Value::Null);
    // A score that is not known yet says nothing.
    let held = node.claim(&house).await.unwrap();
    held.start(&house).await;
    assert_eq!(beat(&house, &held, 1, 0.5, 0.0).await, json!([]));
    house.world.check("left alone").await;
}

#[tokio::test]
async fn a_stopped_run_whose_result_comes_all_the_same_counts() {
    let house = House::new(&["--running-max", "4"]).await;
    let ada = house.person("ada").await;
    let mut node = house.node("one", MACHINE).await;
    sweep(&house, &ada, 2, true).await;
    let best = finish_one(&house, &mut node).await;
    let held = node.claim(&house).await.unwrap();
    // The run told a low score once, and was through before the node heard.
    let delivery = Delivery { progress: false, ..Delivery::honest(&held) };
    let low = beat_first(&house, &held, 0.5 * best).await;
    assert_eq!(low[0]["command"], "cancel");
    held.deliver(&house, &delivery).await;
    let job = house.job(&ada, &held.job).await;
    assert_eq!((&job["state"], &job["stopped"]), (&json!("done"), &Value::Null), "{job}");
    house.world.check("through").await;
}

/// Starts, and beats with half of the work done; `deliver` then repeats the start.
async fn beat_first(house: &House, held: &Held, score: f64) -> Value {
    held.start(house).await;
    beat(house, held, 1, 0.5, score).await
}
