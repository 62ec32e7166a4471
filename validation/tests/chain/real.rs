//! Nothing is done to the chain: a real run, from the click to the judged result.

use serde_json::{Value, json};

use super::audit::Audit;
use super::fake::Play;
use super::node::Node;
use super::site::Site;

/// What may be amber without anything being wrong: this machine is not known to the service, and shared.
fn findings(result: &Value) -> Vec<(String, String, String)> {
    let all = result["findings"].as_array().unwrap_or_else(|| panic!("{result:#}"));
    let text = |finding: &Value, name: &str| finding[name].as_str().unwrap_or_default().to_owned();
    all.iter().map(|f| (text(f, "name"), text(f, "colour"), text(f, "text"))).collect()
}

#[test]
fn a_run_goes_through_the_whole_chain() {
    let site = Site::start(&[]);
    let ada = site.user("ada");
    let mut node = Node::joined(&site, "n1", None, None);
    node.start();
    let job = site.submit(&ada, 400);
    let ended = site.until_final(&job);
    assert_eq!(ended["state"], "done", "{ended:#}\n{}", node.log());
    let result = site.result(&job).good();
    println!("{:#}", result["findings"]);
    println!("{:#}", result["evidence"]);
    for (name, colour, text) in findings(&result) {
        assert_ne!(colour, "red", "{name}: {text}");
    }
    Audit::of(&site, &node, &ada, &[&job]).hold();
}

#[test]
fn more_ranks_than_cores_run_over_tls_and_are_not_ranked() {
    let site = Site::start_tls(&[]);
    let ada = site.user("ada");
    let mut node = Node::joined(&site, "n1", None, None);
    node.start();
    let job = site.submit_with(&ada, json!({ "n": 400, "nb": 64, "p": 2, "q": 2 }), 300);
    let ended = site.until_final(&job);
    assert_eq!(ended["state"], "done", "{ended:#}\n{}", node.log());
    let result = site.result(&job).good();
    let cores = std::thread::available_parallelism().unwrap().get();
    assert_eq!(result["evidence"]["oversubscribed"], cores < 4, "{:#}", result["evidence"]);
    assert!(cores >= 4 || result["ranked"] == false, "{result:#}");
    for (name, colour, text) in findings(&result) {
        assert_ne!(colour, "red", "{name}: {text}");
    }
    Audit::of(&site, &node, &ada, &[&job]).hold();
}

/// A program whose clock runs wild: the watches of the service and of the daemon stand against what it measured.
#[test]
fn a_program_with_another_clock_is_found_out() {
    let site = Site::start(&[]);
    let ada = site.user("ada");
    let play = Play::new(site.path());
    let other = "\"$xhpl\" \"$@\"; sed -i 's/\"seconds\": *[0-9.e+-]*/\"seconds\": 500.0/' report.json; exit 0";
    play.act(150, other);
    let mut node = Node::joined(&site, "n1", Some(&play), None);
    node.start();
    let job = site.submit(&ada, 150);
    site.until_final(&job);
    let result = site.result(&job).good();
    let watch = findings(&result).into_iter().find(|(name, ..)| name == "stopwatch").unwrap();
    assert_eq!(watch.1, "red", "{watch:?}");
    assert_eq!((&result["tier"], &result["ranked"]), (&"flagged".into(), &false.into()), "{result:#}");
    Audit::of(&site, &node, &ada, &[&job]).hold();
}
