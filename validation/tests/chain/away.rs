//! Attempts that the service does not know, or does not want any more.

use std::path::Path;

use super::audit::Audit;
use super::fake::Play;
use super::node::Node;
use super::relay::{Net, Relay};
use super::site::{Site, eventually};

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().flatten() {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// The service as it is now, stopped for a moment.
fn back_up(site: &mut Site) {
    site.stop();
    copy(&site.data(), &site.path().join("backup"));
    site.serve();
}

/// The service as it was then.
fn restore(site: &mut Site) {
    site.stop();
    std::fs::remove_dir_all(site.data()).unwrap();
    std::fs::rename(site.path().join("backup"), site.data()).unwrap();
    site.serve();
}

#[test]
fn the_service_is_restored_to_before_the_job() {
    let mut site = Site::start(&[]);
    let ada = site.user("ada");
    let grace = site.administrator("grace");
    let play = Play::new(site.path());
    play.act(500, "lines 3000; gate go; lines 3000");
    let mut node = Node::joined(&site, "n1", Some(&play), None);
    node.start();
    node.until_known();
    back_up(&mut site);
    let job = site.submit(&ada, 500);
    let attempt = node.until_it_says("line 0003000");
    site.until(&job, &["running"]);
    restore(&mut site);
    eventually("the daemon hears of it", || node.log().contains("does not know this attempt"));
    play.open("go");
    eventually("all is handed in", || node.folders("runs").is_empty());
    assert_eq!(node.folders("orphans"), [""; 0], "nothing is left to be handed in: {}", node.log());
    let path = format!("/api/v1/results/{attempt}");
    let ask = super::http::Ask { path, token: Some(&grace.token), ..Default::default() };
    let orphan = site.http.ask(&reqwest::Method::GET, &ask).good();
    assert_eq!((&orphan["tier"], &orphan["ranked"]), (&"orphan".into(), &false.into()), "{orphan:#}");
    let path = format!("/api/v1/results/{attempt}/log/out");
    let ask = super::http::Ask { path, token: Some(&grace.token), ..Default::default() };
    let log = site.http.ask(&reqwest::Method::GET, &ask);
    let ours = node.witness.seen(|book| book[&attempt].log(0));
    assert!(log.body == ours && ours.len() > 100_000, "{}: {} of {} bytes", log.status, log.body.len(), ours.len());
    // The node goes on.
    let next = site.submit(&ada, 501);
    assert_eq!(site.until_final(&next)["state"], "done");
    Audit::of(&site, &node, &ada, &[&next]).hold();
}

#[test]
fn the_service_is_restored_to_when_the_job_waited() {
    let mut site = Site::start(&[]);
    let ada = site.user("ada");
    let play = Play::new(site.path());
    play.act(502, "lines 100; gate go");
    let mut node = Node::joined(&site, "n1", Some(&play), None);
    let job = site.submit(&ada, 502);
    back_up(&mut site);
    node.start();
    node.until_it_says("line 0000100");
    restore(&mut site);
    eventually("the daemon hears of it", || node.log().contains("does not know this attempt"));
    play.open("go");
    // The job that the service knows runs, and the run it does not know of is kept beside it.
    assert_eq!(site.until_final(&job)["state"], "done");
    let orphans = site.results(&ada).iter().filter(|row| row["tier"] == "orphan" && row["job"] == *job).count();
    assert_eq!((orphans, node.witness.starts()), (1, 2));
    Audit::of(&site, &node, &ada, &[&job]).hold();
}

pub fn the_owner_gives_up_a_run_that_is_not_heard_of() {
    let site = Site::start(&["--beat", "1", "--lease", "4"]);
    let ada = site.user("ada");
    let play = Play::new(site.path());
    play.act(503, "lines 100; gate go");
    let relay = Relay::to(site.port);
    let mut first = Node::joined(&site, "n1", Some(&play), Some(&relay));
    let mut second = Node::joined(&site, "n2", Some(&play), None);
    first.start();
    let job = site.submit(&ada, 503);
    first.until_it_says("line 0000100");
    site.until(&job, &["running"]);
    relay.set(Net::Held);
    site.until(&job, &["lost"]);
    assert_eq!(site.requeue(&ada, &job), job);
    second.start();
    second.until_it_says("line 0000100");
    // The first hears that its fence is dead, while the second runs.
    relay.set(Net::Well);
    eventually("the first run is ended", || first.folders("runs").is_empty());
    assert_eq!(first.folders("orphans"), [""; 0], "it came to no result");
    play.open("go");
    let ended = site.until_final(&job);
    assert_eq!((&ended["state"], &ended["node"]["name"]), (&"done".into(), &"n2".into()), "{ended:#}");
    let jobs = vec![(&ada, job)];
    Audit { site: &site, nodes: vec![&first, &second], jobs, files_refused: false }.hold();
}

pub fn a_result_of_a_run_that_was_given_up_is_kept_on_the_node() {
    let site = Site::start(&["--beat", "1", "--lease", "4"]);
    let ada = site.user("ada");
    let play = Play::new(site.path());
    play.act(504, "lines 100; gate go");
    let relay = Relay::to(site.port);
    let mut first = Node::joined(&site, "n1", Some(&play), Some(&relay));
    let mut second = Node::joined(&site, "n2", Some(&play), None);
    first.start();
    let job = site.submit(&ada, 504);
    let attempt = first.until_it_says("line 0000100");
    site.until(&job, &["running"]);
    relay.set(Net::Cut);
    site.until(&job, &["lost"]);
    play.open("go");
    let finish = first.data().join("runs").join(&attempt).join("finish.json");
    eventually("the first run has a result", || finish.exists());
    site.requeue(&ada, &job);
    second.start();
    assert_eq!(site.until_final(&job)["state"], "done");
    relay.set(Net::Well);
    eventually("the first hears of it", || first.folders("runs").is_empty());
    assert_eq!(first.folders("orphans"), [attempt.as_str()]);
    assert!(first.well(&["orphans", "submit", &attempt]).contains("with its job"));
    assert!(first.well(&["orphans", "list"]).contains("handed in"));
    let rows = site.results(&ada);
    let orphan = rows.iter().find(|row| row["tier"] == "orphan").unwrap_or_else(|| panic!("{rows:#?}"));
    assert_eq!((&orphan["id"], &orphan["accepted"]), (&attempt.into(), &false.into()));
    let jobs = vec![(&ada, job)];
    Audit { site: &site, nodes: vec![&first, &second], jobs, files_refused: false }.hold();
}

pub fn a_run_is_cancelled_while_its_node_is_not_heard_of() {
    let site = Site::start(&["--beat", "1", "--lease", "4"]);
    let ada = site.user("ada");
    let play = Play::new(site.path());
    play.act(505, "lines 100; gate never");
    let relay = Relay::to(site.port);
    let mut node = Node::joined(&site, "n1", Some(&play), Some(&relay));
    node.start();
    let job = site.submit(&ada, 505);
    node.until_it_says("line 0000100");
    site.until(&job, &["running"]);
    relay.set(Net::Cut);
    site.until(&job, &["lost"]);
    assert!(site.cancel(&ada, &job));
    // Whether that is an end already or a wish that waits for the node: the node hears of it as soon as it is back.
    relay.set(Net::Well);
    eventually("the run is ended", || node.folders("runs").is_empty());
    assert_eq!(site.until_final(&job)["state"], "cancelled");
    assert_eq!(node.folders("orphans"), [""; 0], "it came to no result");
    Audit::of(&site, &node, &ada, &[&job]).hold();
}
