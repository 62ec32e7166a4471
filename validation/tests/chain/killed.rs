//! Daemon, service and shim are killed with -9, and the machine is started anew.

use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rustix::process::Signal;
use validation::processes::signal;

use super::audit::{Audit, left_of};
use super::fake::Play;
use super::node::Node;
use super::site::{Site, eventually};

/// Who is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    Daemon,
    Service,
    Either,
}

/// Runs one job after the other; while each is on its way, somebody is killed at a moment that the seed draws, and
/// started again a moment later.
fn rounds(who: Who, seeds: std::ops::Range<u64>) {
    let mut site = Site::start(&[]);
    let ada = site.user("ada");
    let play = Play::new(site.path());
    play.act(200, "lines 300; sleep 0.4; lines 300; sleep 0.4; echo 'a word aside' >&2");
    let mut node = Node::joined(&site, "n1", Some(&play), None);
    node.start();
    // The daemon describes the node first; what happens then is a test's question.
    node.until_known();
    let (mut jobs, began) = (vec![], Instant::now());
    for seed in seeds.clone() {
        let mut dice = StdRng::seed_from_u64(seed);
        let job = site.submit(&ada, 200);
        let kills = if seed % 3 == 2 { 2 } else { 1 };
        for _ in 0..kills {
            let after = Duration::from_millis(dice.random_range(0..3000));
            std::thread::sleep(after);
            let daemon = who == Who::Daemon || (who == Who::Either && dice.random_range(0..2) == 0);
            println!(
                "seed {seed}: {} dies {after:?} after the last step",
                if daemon { "the daemon" } else { "the service" }
            );
            if daemon {
                node.kill()
            } else {
                site.kill()
            }
            std::thread::sleep(Duration::from_millis(dice.random_range(0..1200)));
            if daemon { node.start() } else { site.serve() }
        }
        let ended = site.until_final(&job);
        let kinds = site.kinds(&job);
        assert_eq!(ended["state"], "done", "seed {seed}: {kinds:?}\n{ended:#}");
        assert_eq!(ended["attempts"], 1, "seed {seed}: nothing is done twice: {kinds:?}");
        Audit::of(&site, &node, &ada, &[&job]).hold();
        jobs.push(job);
    }
    assert_eq!(node.witness.starts(), jobs.len(), "every program was started once");
    println!("{who:?}: {} kills survived in {:.0} s", seeds.count(), began.elapsed().as_secs_f64());
}

#[test]
fn the_daemon_is_killed_at_random_moments() {
    rounds(Who::Daemon, 0..3);
}

#[test]
fn the_service_is_killed_at_random_moments() {
    rounds(Who::Service, 10..13);
}

#[test]
#[ignore = "a hundred kills: `cargo xtask soak`"]
fn soak_the_daemon_is_killed_a_hundred_times() {
    rounds(Who::Daemon, 100..200);
}

#[test]
#[ignore = "a hundred kills: `cargo xtask soak`"]
fn soak_the_service_is_killed_a_hundred_times() {
    rounds(Who::Service, 200..300);
}

#[test]
#[ignore = "fifty kills: `cargo xtask soak`"]
fn soak_either_is_killed_fifty_times() {
    rounds(Who::Either, 300..350);
}

#[test]
fn the_daemon_is_away_when_the_run_ends() {
    let site = Site::start(&[]);
    let ada = site.user("ada");
    let play = Play::new(site.path());
    play.act(201, "lines 5000; gate go; lines 100");
    let mut node = Node::joined(&site, "n1", Some(&play), None);
    node.start();
    let job = site.submit(&ada, 201);
    let attempt = node.until_it_says("line 0005000");
    // Asked to stop, it leaves the run alone, too.
    node.stop();
    play.open("go");
    let exit = node.data().join("runs").join(&attempt).join("exit.json");
    eventually("the shim has written the end", || exit.exists());
    node.start();
    assert_eq!(site.until_final(&job)["state"], "done");
    assert_eq!(node.witness.starts(), 1);
    Audit::of(&site, &node, &ada, &[&job]).hold();
}

pub fn daemon_and_shim_are_killed() {
    let site = Site::start(&[]);
    let ada = site.user("ada");
    let play = Play::new(site.path());
    play.act(204, "setsid sleep 300 > /dev/null 2>&1 & gate go");
    let mut node = Node::joined(&site, "n1", Some(&play), None);
    node.start();
    node.until_known();
    let job = site.submit_on(&ada, 204, &node.id());
    let attempt = node.until_it_says("begin ");
    let pid = u32::try_from(node.file_of_run(&attempt, "shim.json")["pid"].as_u64().unwrap()).unwrap();
    node.kill();
    signal(pid, Signal::KILL);
    play.open("go");
    node.start();
    let ended = site.until_final(&job);
    assert_eq!((&ended["state"], &ended["attempts"]), (&"done".into(), &2.into()), "{ended:#}");
    let why = format!("{:?}", site.history(&job));
    assert!(why.contains("shim_lost"), "{why}");
    Audit::of(&site, &node, &ada, &[&job]).hold();
}

pub fn the_shim_is_killed() {
    let site = Site::start(&[]);
    let ada = site.user("ada");
    let play = Play::new(site.path());
    // What is set apart must go, too.
    play.act(202, "setsid sleep 300 > /dev/null 2>&1 & gate go");
    let mut first = Node::joined(&site, "n1", Some(&play), None);
    let mut second = Node::joined(&site, "n2", Some(&play), None);
    first.start();
    let job = site.submit(&ada, 202);
    let attempt = first.until_it_says("begin ");
    second.start();
    let pid = u32::try_from(first.file_of_run(&attempt, "shim.json")["pid"].as_u64().unwrap()).unwrap();
    signal(pid, Signal::KILL);
    eventually("the service hears of it", || site.kinds(&job).contains(&"requeued".to_owned()));
    let why = format!("{:?}", site.history(&job));
    assert!(why.contains("shim_lost"), "{why}");
    play.open("go");
    // Without anybody's doing, on the other node.
    let ended = site.until_final(&job);
    assert_eq!((&ended["state"], &ended["node"]["name"]), (&"done".into(), &"n2".into()), "{ended:#}");
    let jobs = vec![(&ada, job)];
    Audit { site: &site, nodes: vec![&first, &second], jobs, files_refused: false }.hold();
}

/// Everything of a run dies, as with the machine. Its daemon is dead already.
fn power_cut(node: &Node, attempt: &str) {
    let (tmp, group) = node.witness.seen(|book| (book[attempt].tmp.clone(), book[attempt].group.clone()));
    eventually("nothing of the run is alive", || {
        let left = left_of(attempt, &tmp, &group);
        let pids = left.iter().filter_map(|line| line.strip_prefix("process ")?.split(':').next()?.parse().ok());
        let pids: Vec<u32> = pids.collect();
        pids.iter().for_each(|&pid| signal(pid, Signal::KILL));
        pids.is_empty()
    });
}

/// From now on the daemon starts in a namespace where the boot has another id; false where that cannot be.
fn another_boot(site: &Site, node: &mut Node) -> bool {
    if !rustix::process::geteuid().is_root() {
        println!("only root can show a daemon another boot: skipped");
        return false;
    }
    let boot = site.path().join("boot_id");
    std::fs::write(&boot, "11111111-2222-4333-8444-555555555555\n").unwrap();
    let mount = format!("mount --bind {} /proc/sys/kernel/random/boot_id && exec \"$0\" \"$@\"", boot.display());
    node.start_by(&["unshare", "--mount", "sh", "-c", &mount]);
    true
}

pub fn the_machine_is_started_anew_when_the_run_has_ended() {
    let site = Site::start(&[]);
    let ada = site.user("ada");
    let play = Play::new(site.path());
    play.act(205, "lines 20; gate go");
    let mut node = Node::joined(&site, "n1", Some(&play), None);
    node.start();
    let job = site.submit(&ada, 205);
    let attempt = node.until_it_says("line 0000020");
    node.kill();
    play.open("go");
    let exit = node.data().join("runs").join(&attempt).join("exit.json");
    eventually("the shim has written the end", || exit.exists());
    power_cut(&node, &attempt);
    if !another_boot(&site, &mut node) {
        return;
    }
    node.start();
    // What it came to is not lost with the boot that it came from.
    let ended = site.until_final(&job);
    assert_eq!((&ended["state"], &ended["attempts"]), (&"done".into(), &1.into()), "{:?}", site.kinds(&job));
    let findings = site.result(&job).good()["findings"].to_string();
    assert!(!findings.contains("\"red\""), "{findings}");
    Audit::of(&site, &node, &ada, &[&job]).hold();
}

pub fn the_machine_is_started_anew() {
    let site = Site::start(&[]);
    let ada = site.user("ada");
    let play = Play::new(site.path());
    play.act(203, "lines 20; gate go");
    let mut first = Node::joined(&site, "n1", Some(&play), None);
    let mut second = Node::joined(&site, "n2", Some(&play), None);
    first.start();
    let job = site.submit(&ada, 203);
    let attempt = first.until_it_says("line 0000020");
    site.until(&job, &["running"]);
    first.kill();
    power_cut(&first, &attempt);
    play.open("go");
    if !another_boot(&site, &mut first) {
        return;
    }
    first.start();
    second.start();
    let ended = site.until_final(&job);
    assert_eq!((&ended["state"], &ended["attempts"]), (&"done".into(), &2.into()), "{ended:#}");
    let why = format!("{:?}", site.history(&job));
    assert!(why.contains("node_reboot"), "{why}");
    let jobs = vec![(&ada, job)];
    Audit { site: &site, nodes: vec![&first, &second], jobs, files_refused: false }.hold();
}
