//! The families of cheats on the whole way: told as events, delivered by a node, judged by the service. None of them
//! is Verified, and none that is red has a rank.

use serde_json::{Value, json};

use crate::house::{Delivery, House, MACHINE, SECOND, golden};

/// The worst that a result is found to be, and where it stands.
#[derive(Debug, PartialEq)]
struct Seen {
    tier: String,
    red: Vec<String>,
    amber: Vec<String>,
    ranked: bool,
}

async fn seen(change: impl FnOnce(&mut Delivery)) -> Seen {
    let house = House::new(&[]).await;
    let ada = house.person("ada").await;
    let mut node = house.node("one", MACHINE).await;
    let job = house.submit(&ada, golden()).await;
    let held = node.claim(&house).await.unwrap();
    let mut delivery = Delivery::honest(&held);
    change(&mut delivery);
    held.deliver(&house, &delivery).await;
    let result = House::done(house.get(&house.nobody, &format!("/jobs/{job}/result")).await);
    let of = |colour: &str| {
        let findings = result["findings"].as_array().unwrap().iter().filter(|f| f["colour"] == colour);
        findings.map(|f| f["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let board = House::done(house.get(&house.nobody, "/leaderboards/hpl").await);
    let ranked = board["entries"].as_array().unwrap().iter().any(|entry| entry["result"]["job"] == json!(job));
    assert_eq!(result["ranked"], ranked, "{result}");
    house.world.check("judged").await;
    Seen { tier: result["tier"].as_str().unwrap().into(), red: of("red"), amber: of("amber"), ranked }
}

/// It is flagged for each of these, and on no board.
#[track_caller]
fn is_red(seen: &Seen, names: &[&str]) {
    assert_eq!((seen.tier.as_str(), seen.ranked), ("flagged", false), "{seen:?}");
    assert!(names.iter().all(|name| seen.red.iter().any(|red| red == name)), "{names:?} {seen:?}");
}

fn report(delivery: &mut Delivery, path: &str, value: Value) {
    *delivery.report.pointer_mut(&format!("/reports/0{path}")).unwrap() = value;
    // Who forges the report does not send the output that belongs to it.
    delivery.output = None;
}

#[tokio::test]
async fn an_honest_run_is_verified_and_ranked() {
    let seen = seen(|_| ()).await;
    assert_eq!((seen.tier.as_str(), seen.ranked), ("verified", true), "{seen:?}");
    assert!(seen.red.is_empty(), "{seen:?}");
}

#[tokio::test]
async fn printed_gflops() {
    is_red(&seen(|run| report(run, "/gflops", json!(5000.0))).await, &["score"]);
    // With the output that is right: it is another run's then.
    is_red(&seen(|run| run.report["reports"][0]["gflops"] = json!(90.0)).await, &["score"]);
}

#[tokio::test]
async fn printed_residual() {
    is_red(&seen(|run| report(run, "/verdict/passed/residual", json!(1e-3))).await, &["norms"]);
    // One that says itself that it failed is no result.
    let seen = seen(|run| report(run, "/verdict/passed/residual", json!(17.0))).await;
    assert_eq!((seen.tier.as_str(), seen.ranked), ("failed", false), "{seen:?}");
}

#[tokio::test]
async fn a_smaller_n_than_claimed() {
    is_red(&seen(|run| report(run, "/params/n", json!(10_000))).await, &["parameters"]);
    // The report says 20000, the machine has done half of that: an eighth of the work in a quarter of the memory.
    let half = seen(|run| {
        let norms = run.report.pointer_mut("/reports/0/verdict/passed/norms").unwrap();
        (norms["a_oo"], norms["a_1"]) = (json!(2560.0), json!(2560.0));
        run.evidence["memory_peak"]["bytes"] = json!(900_000_000);
        run.evidence["cpu_s"] = json!(32.0);
        run.output = None;
    });
    is_red(&half.await, &["matrix", "memory", "cpu"]);
}

#[tokio::test]
async fn a_shortened_time() {
    // Beyond what the node can do.
    let fast = seen(|run| {
        report(run, "/seconds", json!(6.0));
        run.report["reports"][0]["gflops"] = json!(888.898_888_888_888_9);
    });
    is_red(&fast.await, &["roofline"]);
    // Within it: the curve that was told goes on after the end.
    let factor = 1.25;
    let patched = |run: &mut Delivery| {
        let run = &mut run.report["reports"][0];
        run["seconds"] = json!(run["seconds"].as_f64().unwrap() / factor);
        run["gflops"] = json!(run["gflops"].as_f64().unwrap() * factor);
    };
    let told = seen(|run| {
        patched(run);
        run.output = None;
    })
    .await;
    is_red(&told, &["progress"]);
    // With nothing told, the service's own stop-watch and the missing curve make it amber.
    let silent = seen(|run| {
        patched(run);
        (run.output, run.progress) = (None, false);
    })
    .await;
    assert!(silent.tier != "verified" && silent.amber.contains(&"progress".into()), "{silent:?}");
    // The clock of the whole machine was slowed: the service's was not.
    let slowed = seen(|run| {
        patched(run);
        (run.output, run.progress) = (None, false);
        run.evidence["elapsed_s"] = json!(50.0);
        run.ms = 20 * SECOND;
    })
    .await;
    is_red(&slowed, &["stopwatch"]);
}

#[tokio::test]
async fn a_result_from_another_run() {
    let cached = seen(|run| (run.ms, run.progress) = (2 * SECOND, false)).await;
    is_red(&cached, &["stopwatch"]);
    let output = seen(|run| run.output = run.output.as_ref().map(|text| text.replace("60.00", "59.00"))).await;
    is_red(&output, &["output"]);
    is_red(&seen(|run| run.evidence["boot_id"] = json!("last week's")).await, &["clock"]);
}

#[tokio::test]
async fn lazy_work_and_little_memory() {
    is_red(&seen(|run| run.evidence["cpu_s"] = json!(20.0)).await, &["cpu"]);
    is_red(&seen(|run| run.evidence["memory_peak"]["bytes"] = json!(90_000_000)).await, &["memory"]);
    // What is not told is not red, and not Verified.
    let silent = seen(|run| run.evidence["memory_peak"] = Value::Null).await;
    assert_eq!((silent.tier.as_str(), silent.amber.contains(&"memory".into())), ("reported", true), "{silent:?}");
    assert!(silent.red.is_empty() && silent.ranked, "{silent:?}");
}
