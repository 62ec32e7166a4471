//! A backup under load, a disaster, and a restore from that backup.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::Path;
use std::time::{Duration, Instant};

use reqwest::Method;
use tokio::sync::watch;
use tokio::time::sleep;

use crate::client::{Caller, ask, client};
use crate::load::{Account, FLAGS, Load, Node};
use crate::program::{Folder, Program, check, command, join_token, make_account, start};
use crate::run;

/// Until the node is in the middle of a run: some of it said, some of it not.
async fn begin_to_run(node: &mut Node) {
    let began = Instant::now();
    while node.daemon.run.as_ref().is_none_or(|run| run.log.is_empty()) {
        node.talk().await;
        assert!(began.elapsed() < Duration::from_secs(5), "there is no job");
    }
}

/// The run goes on for a while after the backup, but not to its end.
async fn go_on_a_little(node: &mut Node) {
    let length = |node: &Node| node.daemon.run.as_ref().unwrap().log.len();
    let before = length(node);
    while length(node) == before {
        node.talk().await;
    }
}

/// Runs that were begun after the backup, on each node one.
async fn in_the_middle(account: &mut Account) -> BTreeSet<String> {
    let mut begun = BTreeSet::new();
    for _ in 0..account.nodes.len() {
        account.submit_anew().await;
    }
    for node in &mut account.nodes {
        // What runs now may have begun before the backup.
        while node.daemon.run.is_some() {
            node.talk().await;
        }
        begin_to_run(node).await;
        begun.insert(node.daemon.run.as_ref().unwrap().assignment.attempt.to_string());
    }
    begun
}

/// A run that the restored service knows, though less of it than the node, is accepted like any other.
async fn deliver(node: &mut Node) {
    let began = Instant::now();
    while node.daemon.delivered.is_empty() {
        node.talk().await;
        assert!(node.daemon.orphans.is_empty(), "the attempt was known to the backup");
        assert!(began.elapsed() < Duration::from_secs(10), "the result is not taken");
    }
}

fn unpack(file: &Path, data: &Path) {
    std::fs::create_dir(data).unwrap();
    tar::Archive::new(File::open(file).unwrap()).unpack(data).unwrap();
}

/// Until every run that the restored service does not know is delivered as an orphan.
async fn deliver_orphans(account: &mut Account) {
    for node in &mut account.nodes {
        let (mut unknown, began) = (false, Instant::now());
        while node.daemon.whole.is_empty() {
            if let Some((_, status, body)) = node.talk().await {
                unknown |= status == 404 && body["code"] == "unknown_attempt";
            }
            assert!(began.elapsed() < Duration::from_secs(10), "the orphan is not taken");
        }
        assert!(unknown, "{}: its attempt began after the backup, and is known", node.daemon.name);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restore_loses_nothing_that_the_nodes_hold() {
    let folder = Folder::new();
    make_account(&folder.data());
    let join = join_token(&folder.data(), 10);
    let program = start(&folder.data(), FLAGS);
    let place = watch::channel(program.url.clone()).0;
    let load = Load::begin(&place.subscribe(), &join, 2).await;
    sleep(Duration::from_secs(1)).await;
    let caller = Caller { client: client(), place: place.subscribe() };
    let mut slow = Node::new("slow", &join, caller.clone());
    begin_to_run(&mut slow).await;
    let file = folder.path("backup.tar");
    let printed = command(&folder.data(), &["backup", file.to_str().unwrap()], "");
    assert!(printed.contains("backup.tar"), "{printed}");
    sleep(Duration::from_secs(1)).await;
    load.still_well();
    go_on_a_little(&mut slow).await;
    let join = join_token(&folder.data(), 1);
    let late_node = run::join(&caller, &join, "late").await;
    let mut account = load.abandon().await;
    let begun = in_the_middle(&mut account).await;
    let before = account.jobs().await;
    program.kill();

    let data = folder.path("restored");
    unpack(&file, &data);
    let program = start(&data, FLAGS);
    place.send_replace(program.url.clone());
    let restored = account.jobs().await;
    assert!(!restored.is_empty() && restored.len() < before.len(), "{} of {}", restored.len(), before.len());
    assert!(restored.keys().all(|id| before.contains_key(id)), "no job came from nowhere");
    let claim = caller.request(Method::POST, "/agent/v1/claim").bearer_auth(&late_node).json(&run::claim_body(1));
    let (status, body) = ask(claim).await.unwrap();
    assert_eq!((status.as_u16(), &body["code"]), (401, &"unauthenticated".into()), "{body}");
    deliver_orphans(&mut account).await;
    deliver(&mut slow).await;
    account.nodes.push(slow);
    account.orphans_are_whole().await;
    go_on(program, &mut account, &before.into_keys().collect(), &begun).await;
    check(&data).await;
}

/// The restored service works on: what it knows comes to its end, and no id is dealt a second time.
async fn go_on(program: Program, account: &mut Account, jobs: &BTreeSet<String>, attempts: &BTreeSet<String>) {
    for _ in 0..3 {
        let id = account.submit_anew().await;
        assert!(!jobs.contains(&id), "{id} was dealt twice");
    }
    account.finish(Duration::from_secs(25)).await;
    let states = account.jobs().await;
    assert!(states.values().all(|job| job["state"] == "done"), "{states:#?}");
    let delivered: Vec<&String> = account.nodes.iter().flat_map(|n| &n.daemon.delivered).map(|d| &d.attempt).collect();
    let once: BTreeSet<&String> = delivered.iter().copied().collect();
    assert_eq!(once.len(), delivered.len(), "an attempt was dealt twice");
    assert!(delivered.iter().all(|id| !attempts.contains(*id)), "an orphan was accepted as a result");
    account.logs_are_whole().await;
    program.stop();
}
