//! What the daemon costs and whether it is heard while everything computes. Long, and of a quiet machine: soak.
//!
//! `HPLAAS_SOAK_N` makes the runs smaller, to see that the tests work; figures are only judged at full size.

use std::process::Command;

use serde_json::{Value, json};
use validation::program;

use super::audit::Audit;
use super::node::Node;
use super::site::Site;

/// Seconds of a run from which its figures mean something.
const LONG: f64 = 60.0;
const PAIRS: usize = 8;

fn order(full: impl Fn() -> u32) -> u32 {
    std::env::var("HPLAAS_SOAK_N").ok().and_then(|n| n.parse().ok()).unwrap_or_else(full)
}

/// The order whose matrix fills four fifths of the memory that is free.
fn large() -> u32 {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:")).expect("Linux tells what is available");
    let bytes = line.trim().trim_end_matches("kB").trim().parse::<f64>().unwrap() * 1024.0;
    (0.8 * bytes / 8.0).sqrt() as u32
}

fn number(value: &Value) -> f64 {
    value.as_f64().or_else(|| value.as_str()?.parse().ok()).unwrap_or(f64::NAN)
}

/// The usual beats and leases, and time enough.
const USUAL: [&str; 6] = ["--beat", "10", "--lease", "90", "--walltime-max", "21600"];

#[test]
#[ignore = "fills the machine for many minutes: `cargo xtask soak`"]
fn soak_a_node_is_heard_while_everything_computes() {
    let site = Site::start(&USUAL);
    let ada = site.user("ada");
    let mut node = Node::joined(&site, "n1", None, None);
    node.start();
    let n = order(large);
    let job = site.submit_with(&ada, json!({ "n": n, "nb": 256, "p": 1, "q": 1 }), 21_600);
    let ended = site.until_final_within(&job, 21_600);
    assert_eq!(ended["state"], "done", "{ended:#}\n{}", node.log());
    let evidence = site.result(&job).good()["evidence"].clone();
    let gap = number(&evidence["environment"]["longest_beat_gap_s"]);
    let (cpu, elapsed) = (number(&evidence["daemon_cpu_s"]), number(&evidence["elapsed_s"]));
    let part = 100.0 * cpu / elapsed;
    println!("N={n}: {elapsed:.0} s, longest time between two beats {gap:.1} s (at most 15)");
    println!("daemon and shim: {cpu:.3} processor seconds, {part:.4} % of a core (at most 0.1)");
    println!("samples dropped: {}, score {}", evidence["dropped_samples"], ended["score"]);
    let kinds = site.kinds(&job);
    if elapsed >= LONG {
        assert!(gap <= 15.0 && part <= 0.1, "{gap} s, {part} %");
        assert!(!kinds.contains(&"lease_lost".to_owned()), "{kinds:?}");
    }
    Audit::of(&site, &node, &ada, &[&job]).hold();
}

/// A run as the daemon starts it, without a daemon; the measured seconds.
fn alone(site: &Site, dat: &str, launch: &[String]) -> f64 {
    let folder = tempfile::tempdir_in(site.path()).unwrap();
    std::fs::write(folder.path().join("HPL.dat"), dat).unwrap();
    let mut command = Command::new(&launch[0]);
    command.args(&launch[1..]).current_dir(folder.path());
    command.env("OMPI_ALLOW_RUN_AS_ROOT", "1").env("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1");
    let said = command.output().expect("the launcher starts");
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    let report: Value = serde_json::from_slice(&std::fs::read(folder.path().join("report.json")).unwrap()).unwrap();
    number(&report["reports"][0]["seconds"])
}

#[test]
#[ignore = "seventeen long runs on a quiet machine: `cargo xtask soak`"]
fn soak_a_run_takes_no_longer_for_the_daemon() {
    let site = Site::start(&USUAL);
    let ada = site.user("ada");
    let mut node = Node::joined(&site, "n1", None, None);
    let n = order(|| 20_000);
    let parameters = json!({ "n": n, "nb": 256, "p": 1, "q": 1 });
    let (mut with, mut without, mut launch, mut jobs) = (vec![], vec![], vec![], vec![]);
    let dat = site.estimate(&ada, &parameters)["runs"][0]["inputs"]["HPL.dat"].as_str().unwrap().to_owned();
    for pair in 0..=PAIRS {
        // The first run only tells the launch line, and warms the machine. After it, every other pair begins without:
        // whoever comes second in a pair has no advantage in the mean.
        if pair > 0 && pair.is_multiple_of(2) {
            without.push(alone(&site, &dat, &launch));
        }
        node.start();
        let job = site.submit_with(&ada, parameters.clone(), 3600);
        let ended = site.until_final_within(&job, 3600);
        assert_eq!(ended["state"], "done", "{ended:#}\n{}", node.log());
        let result = site.result(&job).good();
        let line = result["evidence"]["launch"].as_array().unwrap().iter();
        launch = line.map(|word| word.as_str().unwrap().to_owned()).collect();
        node.stop();
        jobs.push(job);
        if pair > 0 {
            with.push(number(&result["seconds"]));
            if !pair.is_multiple_of(2) {
                without.push(alone(&site, &dat, &launch));
            }
            println!("pair {pair}: {:.3} s with the daemon, {:.3} s without", with[pair - 1], without[pair - 1]);
        }
    }
    let differences: Vec<f64> = with.iter().zip(&without).map(|(a, b)| 100.0 * (a / b - 1.0)).collect();
    let mean = differences.iter().sum::<f64>() / PAIRS as f64;
    let spread = (differences.iter().map(|d| (d - mean).powi(2)).sum::<f64>() / (PAIRS - 1) as f64).sqrt();
    // Twice the error of the mean: within it, the two cannot be told apart.
    let error = 2.0 * spread / (PAIRS as f64).sqrt();
    println!("N={n}, {launch:?} ({})", program::xhpl().display());
    println!("with the daemon {mean:+.2} % (each pair {differences:.2?} %), spread {spread:.2} %, error {error:.2} %");
    if without[0] >= LONG / 2.0 {
        assert!(mean <= 1.0 || mean <= error, "{mean:.2} % slower, error {error:.2} %");
    }
    let jobs: Vec<&str> = jobs.iter().map(String::as_str).collect();
    node.start();
    Audit::of(&site, &node, &ada, &jobs).hold();
}
