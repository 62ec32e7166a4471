//! Who a node is: an identity that was copied to another machine, a token that was revoked.

use super::audit::Audit;
use super::fake::Play;
use super::node::{Node, told};
use super::relay::{Net, Relay};
use super::site::{Site, eventually};

/// The daemon's word that it cannot go on without a person.
const DISMISSED: i32 = 3;

#[test]
fn a_copied_identity_is_refused_and_the_original_goes_on() {
    if !rustix::process::geteuid().is_root() {
        println!("only root can show a daemon another machine: skipped");
        return;
    }
    let site = Site::start(&[]);
    let ada = site.user("ada");
    let play = Play::new(site.path());
    play.act(400, "lines 100; gate go");
    let mut original = Node::joined(&site, "n1", Some(&play), None);
    original.start();
    let job = site.submit(&ada, 400);
    original.until_it_says("line 0000100");

    let mut copy = Node::joined(&site, "copy", Some(&play), None);
    std::fs::copy(original.data().join("node.json"), copy.data().join("node.json")).unwrap();
    // In a namespace where the machine has another id.
    let machine = site.path().join("machine-id");
    std::fs::write(&machine, "0123456789abcdef0123456789abcdef\n").unwrap();
    let mount = format!("mount --bind {} /etc/machine-id && exec \"$0\" \"$@\"", machine.display());
    copy.start_by(&["unshare", "--mount", "sh", "-c", &mount]);
    copy.start();
    assert_eq!(copy.ended(), DISMISSED, "{}", copy.log());
    let last = copy.log();
    assert!(last.contains("identity_in_use") && last.contains("join"), "it says what to do: {last}");

    play.open("go");
    assert_eq!(site.until_final(&job)["state"], "done");
    assert_eq!(site.job(&job)["attempts"], 1);
    Audit::of(&site, &original, &ada, &[&job]).hold();
}

pub fn a_node_is_revoked_while_its_run_is_on() {
    let site = Site::start(&[]);
    let ada = site.user("ada");
    let play = Play::new(site.path());
    play.act(401, "lines 100; gate go");
    let mut first = Node::joined(&site, "n1", Some(&play), None);
    let mut second = Node::joined(&site, "n2", Some(&play), None);
    first.start();
    let job = site.submit(&ada, 401);
    first.until_it_says("line 0000100");
    site.admin(&["revoke-node", "n1"], "");
    assert_eq!(first.ended(), DISMISSED, "{}", first.log());
    assert!(first.log().contains("revoked"), "{}", first.log());
    assert_eq!(first.folders("orphans"), [""; 0], "it came to no result");
    play.open("go");
    second.start();
    let ended = site.until_final(&job);
    assert_eq!((&ended["state"], &ended["node"]["name"]), (&"done".into(), &"n2".into()), "{ended:#}");
    let jobs = vec![(&ada, job)];
    Audit { site: &site, nodes: vec![&first, &second], jobs, files_refused: false }.hold();
}

pub fn a_node_is_revoked_before_it_can_deliver() {
    let site = Site::start(&[]);
    let ada = site.user("ada");
    let play = Play::new(site.path());
    play.act(402, "lines 100");
    let relay = Relay::to(site.port);
    let mut node = Node::joined(&site, "n1", Some(&play), Some(&relay));
    node.start();
    relay.when("/finish HTTP", false, Net::Cut);
    let job = site.submit(&ada, 402);
    eventually("the end is told", || relay.sprung());
    site.admin(&["revoke-node", "n1"], "");
    relay.set(Net::Well);
    assert_eq!(node.ended(), DISMISSED, "{}", node.log());
    let orphans = node.folders("orphans");
    assert_eq!(orphans.len(), 1, "the result is kept: {}", node.log());
    assert!(node.well(&["orphans", "list"]).contains(&orphans[0]));
    let said = node.command(&["orphans", "submit"]);
    assert!(!said.status.success(), "not by a token that is revoked: {}", told(&said));

    node.join(&site, None);
    let said = node.well(&["orphans", "submit"]);
    assert!(said.contains("the service keeps it"), "{said}");
    let rows = site.results(&ada);
    let orphan = rows.iter().find(|row| row["tier"] == "orphan").unwrap_or_else(|| panic!("{rows:#?}"));
    assert_eq!(
        (&orphan["id"], &orphan["job"], &orphan["ranked"]),
        (&orphans[0].clone().into(), &job.clone().into(), &false.into())
    );
    // The job itself runs again.
    node.start();
    assert_eq!(site.until_final(&job)["state"], "done");
    Audit::of(&site, &node, &ada, &[&job]).hold();
}
