//! The network between node and service: gone, slow, one-sided, or saying everything twice.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::audit::Audit;
use super::fake::Play;
use super::node::Node;
use super::relay::{Net, Relay};
use super::site::{Site, User, eventually};

/// A service whose leases are short, and a node behind a relay.
struct Line {
    // Before the folder in which its log lies.
    node: Node,
    relay: Relay,
    play: Play,
    ada: User,
    site: Site,
}

impl Line {
    fn new(flags: &[&str]) -> Line {
        let site = Site::start(flags);
        let ada = site.user("ada");
        let play = Play::new(site.path());
        let relay = Relay::to(site.port);
        let mut node = Node::joined(&site, "n1", Some(&play), Some(&relay));
        node.start();
        Line { node, relay, play, ada, site }
    }

    fn has(&self, job: &str, kind: &str) -> bool {
        self.site.kinds(job).iter().any(|k| k == kind)
    }

    #[track_caller]
    fn audit(&self, jobs: &[&str]) {
        Audit::of(&self.site, &self.node, &self.ada, jobs).hold();
    }
}

const SHORT: [&str; 4] = ["--beat", "1", "--lease", "4"];

pub fn gone_in_the_middle_of_a_run_and_back() {
    let line = Line::new(&SHORT);
    line.play.act(120, "lines 200; gate half; say and on; gate whole");
    let job = line.site.submit(&line.ada, 120);
    line.node.until_it_says("line 0000200");
    line.site.until(&job, &["running"]);
    line.relay.set(Net::Held);
    line.site.until(&job, &["lost"]);
    // The run goes on meanwhile.
    line.play.open("half");
    line.node.until_it_says("and on");
    line.relay.set(Net::Well);
    line.site.until(&job, &["running"]);
    line.play.open("whole");
    assert_eq!(line.site.until_final(&job)["state"], "done");
    assert!(line.has(&job, "lease_lost") && line.has(&job, "returned"), "{:?}", line.site.kinds(&job));
    assert_eq!((line.node.witness.starts(), line.site.job(&job)["attempts"].as_u64()), (1, Some(1)));
    line.audit(&[&job]);
}

pub fn gone_until_the_run_is_long_over() {
    let line = Line::new(&SHORT);
    line.play.act(121, "lines 100; gate go");
    let job = line.site.submit(&line.ada, 121);
    let attempt = line.node.until_it_says("line 0000100");
    line.site.until(&job, &["running"]);
    line.relay.set(Net::Cut);
    line.site.until(&job, &["lost"]);
    line.play.open("go");
    let exit = line.node.data().join("runs").join(attempt).join("finish.json");
    eventually("the run is over", || exit.exists());
    line.relay.set(Net::Well);
    assert_eq!(line.site.until_final(&job)["state"], "done");
    assert_eq!(line.node.witness.starts(), 1);
    line.audit(&[&job]);
}

pub fn gone_before_the_start_was_heard_of() {
    let line = Line::new(&SHORT);
    line.relay.when("\"kind\":\"started\"", false, Net::Cut);
    let mut other = Node::joined(&line.site, "n2", Some(&line.play), None);
    let job = line.site.submit(&line.ada, 122);
    eventually("the start is said", || line.relay.sprung());
    // Nobody knows of a start: the job is given to another node, and the attempt is dead.
    eventually("the job waits again", || line.has(&job, "requeued"));
    other.start();
    assert_eq!(line.site.until_final(&job)["state"], "done");
    line.relay.set(Net::Well);
    eventually("the first hears of it", || line.node.folders("runs").is_empty());
    assert_eq!((line.node.witness.starts(), other.witness.starts()), (0, 1), "what nobody knows of is not started");
    let jobs = vec![(&line.ada, job)];
    Audit { site: &line.site, nodes: vec![&line.node, &other], jobs, files_refused: false }.hold();
}

pub fn gone_before_the_start_was_acknowledged() {
    let line = Line::new(&SHORT);
    line.relay.when("\"kind\":\"started\"", true, Net::Deaf);
    let job = line.site.submit(&line.ada, 123);
    line.site.until(&job, &["running"]);
    assert_eq!(line.node.witness.starts(), 0, "it is not started before the service has said that it knows");
    line.relay.set(Net::Cut);
    line.site.until(&job, &["lost"]);
    line.relay.set(Net::Well);
    assert_eq!(line.site.until_final(&job)["state"], "done");
    assert_eq!((line.node.witness.starts(), line.site.job(&job)["attempts"].as_u64()), (1, Some(1)));
    line.audit(&[&job]);
}

#[test]
fn the_answer_to_the_end_is_lost() {
    let line = Line::new(&SHORT);
    line.play.act(124, "lines 1000");
    line.relay.when("/finish HTTP", true, Net::Deaf);
    let job = line.site.submit(&line.ada, 124);
    assert_eq!(line.site.until_final(&job)["state"], "done");
    assert!(line.relay.sprung() && line.node.folders("runs").len() == 1, "the node does not know that it is delivered");
    line.relay.set(Net::Well);
    line.audit(&[&job]);
    assert_eq!(line.node.witness.starts(), 1);
}

#[test]
fn everything_is_said_twice_or_late() {
    let mut line = Line::new(&["--beat", "1", "--lease", "20"]);
    // Connections that are open already say things once: the daemon makes new ones.
    line.node.until_known();
    line.node.stop();
    line.relay.set(Net::Twice);
    line.node.start();
    line.play.act(126, "lines 1000; sleep 2.5");
    let jobs: Vec<_> = [126, 127, 128].iter().map(|&n| line.site.submit(&line.ada, n)).collect();
    for job in &jobs {
        assert_eq!(line.site.until_final(job)["state"], "done");
    }
    line.relay.set(Net::Slow(Duration::from_millis(150)));
    let late = line.site.submit(&line.ada, 129);
    assert_eq!(line.site.until_final(&late)["state"], "done");
    assert_eq!(line.node.witness.starts(), 4);
    let jobs: Vec<&str> = jobs.iter().map(String::as_str).chain([late.as_str()]).collect();
    for job in &jobs {
        assert_eq!(line.site.job(job)["attempts"], 1, "{:?}", line.site.kinds(job));
    }
    line.audit(&jobs);
}

pub fn it_comes_and_goes() {
    let line = Line::new(&SHORT);
    line.play.act(130, "for i in 1 2 3 4 5 6 7 8; do say \"part $i\"; sleep 0.4; done");
    let mut dice = StdRng::seed_from_u64(4);
    let mut jobs = vec![];
    for _ in 0..2 {
        let job = line.site.submit(&line.ada, 130);
        for _ in 0..6 {
            let net = [Net::Cut, Net::Held, Net::Deaf, Net::Well][dice.random_range(0..4)];
            line.relay.set(net);
            std::thread::sleep(Duration::from_millis(dice.random_range(50..900)));
        }
        line.relay.set(Net::Well);
        assert_eq!(line.site.until_final(&job)["state"], "done");
        jobs.push(job);
    }
    let jobs: Vec<&str> = jobs.iter().map(String::as_str).collect();
    line.audit(&jobs);
}
