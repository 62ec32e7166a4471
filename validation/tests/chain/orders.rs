//! What operators and owners order: drain, cancel, walltime.

use std::time::{Duration, Instant};

use serde_json::json;

use super::audit::{Audit, left_of};
use super::fake::Play;
use super::node::Node;
use super::site::{Site, User};

fn stage() -> (Site, User, Play, Node) {
    let site = Site::start(&[]);
    let ada = site.user("ada");
    let play = Play::new(site.path());
    let node = Node::joined(&site, "n1", Some(&play), None);
    (site, ada, play, node)
}

#[test]
fn a_node_is_drained_by_its_operator() {
    let (site, ada, play, mut node) = stage();
    play.act(300, "lines 100; gate go");
    node.start();
    let first = site.submit(&ada, 300);
    node.until_it_says("line 0000100");
    let second = site.submit(&ada, 301);
    std::thread::scope(|scope| {
        let drain = scope.spawn(|| node.well(&["drain", "--wait"]));
        std::thread::sleep(Duration::from_secs(1));
        assert!(!drain.is_finished(), "a run is on");
        play.open("go");
        let said = drain.join().unwrap();
        assert!(said.contains("drained"), "{said}");
    });
    assert_eq!(site.until_final(&first)["state"], "done");
    std::thread::sleep(Duration::from_secs(2));
    let waiting = site.job(&second);
    assert_eq!(waiting["state"], "queued", "{waiting:#}");
    assert_eq!(node.state(), "drained");
    node.well(&["drain", "--undo"]);
    assert_eq!(site.until_final(&second)["state"], "done");
    Audit::of(&site, &node, &ada, &[&first, &second]).hold();
}

pub fn a_node_is_drained_by_its_service() {
    let (site, ada, play, mut node) = stage();
    play.act(302, "gate go");
    node.start();
    let first = site.submit(&ada, 302);
    node.until_it_says("begin ");
    site.admin(&["drain-node", "n1"], "");
    let second = site.submit(&ada, 303);
    play.open("go");
    assert_eq!(site.until_final(&first)["state"], "done");
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(site.job(&second)["state"], "queued");
    site.admin(&["drain-node", "n1", "--undo"], "");
    assert_eq!(site.until_final(&second)["state"], "done");
    Audit::of(&site, &node, &ada, &[&first, &second]).hold();
}

/// Cancels a run that is on. How long it took until the shim was told and until nothing was left is printed; that it is
/// quick can be asserted with much patience alone, since other work may run here.
fn cancelled(n: u32, script: &str, last: &str) {
    let (site, ada, play, mut node) = stage();
    play.act(n, script);
    node.start();
    let job = site.submit(&ada, n);
    let attempt = node.until_it_says("ready");
    site.until(&job, &["running"]);
    let control = node.data().join("runs").join(&attempt).join("control.json");
    let (tmp, group) = node.witness.seen(|book| (book[&attempt].tmp.clone(), book[&attempt].group.clone()));
    let click = Instant::now();
    assert!(site.cancel(&ada, &job));
    while !control.exists() && click.elapsed() < Duration::from_secs(20) {
        std::thread::sleep(Duration::from_millis(2));
    }
    let heard = click.elapsed();
    let gone = loop {
        let left = left_of(&attempt, &tmp, &group);
        if left.is_empty() {
            break click.elapsed();
        }
        assert!(click.elapsed() < Duration::from_secs(14), "4 s, and 10 for the noise of the machine: {left:#?}");
        std::thread::sleep(Duration::from_millis(10));
    };
    println!("cancel: heard after {heard:?}, nothing left after {gone:?}");
    assert!(heard < Duration::from_secs(6), "1 s, and 5 for the noise of the machine: {heard:?}");
    let ended = site.until_final(&job);
    assert_eq!(ended["state"], "cancelled", "{ended:#}");
    Audit::of(&site, &node, &ada, &[&job]).hold();
    let log = String::from_utf8(site.log(&job, "out").body).unwrap();
    assert!(log.lines().any(|line| line == last), "the last line is there: {log}");
}

#[test]
fn a_run_is_cancelled_and_its_last_words_are_kept() {
    cancelled(304, "trap 'say last words; exit 0' TERM; say ready; while :; do sleep 0.05; done", "last words");
}

#[test]
fn a_run_that_does_not_want_to_end_is_cancelled() {
    let script = "trap '' TERM INT HUP; say ready; while :; do sleep 0.05; done";
    cancelled(305, script, "ready");
}

#[test]
fn a_run_is_cancelled_that_set_others_apart() {
    let script =
        "trap '' TERM; (trap '' TERM; setsid sleep 600 & setsid sleep 600 &) ; say ready; sleep 600; sleep 600";
    cancelled(306, script, "ready");
}

#[test]
fn a_job_is_cancelled_before_it_runs() {
    let (site, ada, _play, mut node) = stage();
    let job = site.submit(&ada, 307);
    assert!(site.cancel(&ada, &job));
    node.start();
    let next = site.submit(&ada, 308);
    assert_eq!(site.until_final(&next)["state"], "done");
    assert_eq!(site.job(&job)["state"], "cancelled");
    Audit::of(&site, &node, &ada, &[&job, &next]).hold();
}

#[test]
fn the_walltime_ends_a_run() {
    let (site, ada, play, mut node) = stage();
    play.act(309, "trap '' TERM; lines 100; while :; do sleep 0.1; done");
    node.start();
    let job = site.submit_with(&ada, json!({ "n": 309, "nb": 64, "p": 1, "q": 1 }), 3);
    let ended = site.until_final(&job);
    assert_eq!(ended["state"], "failed", "{ended:#}");
    let failure = (&ended["failure"]["class"], &ended["failure"]["code"]);
    assert_eq!(failure, (&"policy".into(), &"walltime".into()), "{ended:#}");
    Audit::of(&site, &node, &ada, &[&job]).hold();
}

pub fn an_administrator_gives_a_run_more_time() {
    let (site, ada, play, mut node) = stage();
    let root = site.administrator("grace");
    play.act(310, "lines 10; gate go");
    node.start();
    let job = site.submit_with(&ada, json!({ "n": 310, "nb": 64, "p": 1, "q": 1 }), 8);
    let attempt = node.until_it_says("begin ");
    site.until(&job, &["running"]);
    site.extend(&root, &job, 300);
    let control = node.data().join("runs").join(&attempt).join("control.json");
    super::site::eventually("the shim is told", || control.exists());
    std::thread::sleep(Duration::from_secs(8));
    play.open("go");
    assert_eq!(site.until_final(&job)["state"], "done");
    Audit::of(&site, &node, &ada, &[&job]).hold();
}
