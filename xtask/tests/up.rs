//! `cargo xtask up` as a person sees it: the real service, the real daemon, the real `xhpl`, on small matrices.
//!
//! The programs are those that `cargo xtask test` names; where it does not, cargo builds them first.
#![forbid(unsafe_code)]

mod chain;
mod scripts;

use std::fs;
use std::net::TcpListener;

use rustix::process::Signal;

use chain::{Desk, texts};
use scripts::program;

#[test]
fn a_run_goes_through_the_whole_chain_and_the_next_one_finds_everything_again() {
    let desk = Desk::new();
    let said = desk.up(&["--once", "--n", "600"]).output().unwrap();
    let (out, err) = texts(&said);
    assert!(said.status.success(), "{out}\n{err}\n{}", desk.logs());
    for words in [
        "address  http://127.0.0.1:",
        "as demo with the password ",
        "N=600, NB=32, 1 rank",
        "- passed, the limit is 16",
        "1 of 1 on the leaderboard",
    ] {
        assert!(out.contains(words), "`{words}` is missing in\n{out}");
    }
    assert!(out.contains("tier     verified - ") || out.contains("tier     reported - "), "{out}");
    let control = |c: char| c.is_control() && c != '\n';
    assert!(!out.contains(control) && !err.contains(control), "control characters in a log:\n{out}\n{err}");
    assert_eq!(desk.left(), Vec::<String>::new());

    let kept = |name: &str| fs::read_to_string(desk.data().join(name)).unwrap();
    let (account, identity) = (kept("account.json"), kept("node/node.json"));
    // At another port: the node has to follow.
    let said = desk.up(&["--once", "--n", "300", "--ranks", "2"]).output().unwrap();
    let (out, err) = texts(&said);
    assert!(said.status.success(), "{out}\n{err}\n{}", desk.logs());
    assert!(out.contains("N=300, NB=32, 2 ranks in a 1 x 2 grid"), "{out}");
    assert!(out.contains("1 of 1 on the leaderboard"), "one account, one place:\n{out}");
    assert_eq!(account, kept("account.json"));
    let node = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap()["node"].clone();
    assert_eq!(node(&identity), node(&kept("node/node.json")));
    assert_eq!(desk.left(), Vec::<String>::new());
}

#[test]
fn ctrl_c_during_a_run_ends_the_run_and_everything_else() {
    let desk = Desk::new();
    let mut up = desk.start(&["--seconds", "300", "--n", "16000"]);
    up.wait_for("generating the matrix");
    let said = up.signal(Signal::INT);
    let (out, err) = texts(&said);
    assert_eq!(said.status.code(), Some(130), "{out}\n{err}\n{}", desk.logs());
    assert!(err.contains("run, node and service have ended"), "{err}");
    assert_eq!(desk.left(), Vec::<String>::new());
}

#[test]
fn it_stays_until_it_is_told_to_stop() {
    for signal in [Signal::TERM, Signal::HUP] {
        let desk = Desk::new();
        let mut up = desk.start(&["--n", "300"]);
        up.wait_for("stay until Ctrl-C");
        let said = up.signal(signal);
        let (out, err) = texts(&said);
        assert_eq!(said.status.code(), Some(0), "{out}\n{err}\n{}", desk.logs());
        for words in ["/leaderboard/hpl", "/jobs/", "service.log", "Stopping the node, then the service"] {
            assert!(out.contains(words), "`{words}` is missing in\n{out}");
        }
        assert_eq!(desk.left(), Vec::<String>::new());
    }
}

#[test]
fn a_service_that_dies_is_told_and_the_node_ends_with_it() {
    let desk = Desk::new();
    let mut up = desk.start(&["--n", "16000"]);
    up.wait_for("generating the matrix");
    desk.kill("serve");
    let said = up.end();
    let (_, err) = texts(&said);
    assert_eq!(said.status.code(), Some(1), "{err}");
    assert!(err.contains("hpl-service ended (signal: 9") && err.contains("service.log"), "{err}");
    assert!(err.contains("run the same command again"), "{err}");
    assert_eq!(desk.left(), Vec::<String>::new());
}

#[test]
fn a_daemon_that_dies_is_told_and_its_run_ends() {
    let desk = Desk::new();
    let mut up = desk.start(&["--n", "16000"]);
    up.wait_for("generating the matrix");
    desk.kill("run");
    let said = up.end();
    let (_, err) = texts(&said);
    assert_eq!(said.status.code(), Some(1), "{err}");
    assert!(err.contains("hpl-node ended (signal: 9") && err.contains("node.log"), "{err}");
    assert_eq!(desk.left(), Vec::<String>::new());
    // The next daemon tells the end of that run, and takes another.
    let said = desk.up(&["--once", "--n", "300"]).output().unwrap();
    let (out, err) = texts(&said);
    assert!(said.status.success(), "{out}\n{err}\n{}", desk.logs());
    assert_eq!(desk.left(), Vec::<String>::new());
}

#[test]
fn a_port_that_is_taken_is_left_to_its_owner() {
    let desk = Desk::new();
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = other.local_addr().unwrap().port().to_string();
    let said = desk.up_at(&port, &["--once", "--n", "300"]).output().unwrap();
    let (out, err) = texts(&said);
    assert!(said.status.success(), "{out}\n{err}\n{}", desk.logs());
    assert!(out.contains(&format!("port {port} is taken")), "{out}");
    assert!(!out.contains(&format!("http://127.0.0.1:{port}\n")), "{out}");
}

#[test]
fn a_run_that_fails_is_told_with_what_it_said() {
    let mut desk = Desk::new();
    let text = "#!/bin/sh\n[ \"$1\" = describe ] && exec \"$(dirname \"$0\")/real\" \"$@\"\necho 'the wire is cut' >&2\nexit 3\n";
    std::os::unix::fs::symlink(&desk.xhpl, desk.folder.path().join("real")).unwrap();
    program(desk.folder.path(), "xhpl", text);
    desk.xhpl = desk.folder.path().join("xhpl");
    let said = desk.up(&["--once", "--n", "300"]).output().unwrap();
    let (out, err) = texts(&said);
    assert_eq!(said.status.code(), Some(1), "{out}\n{err}");
    assert!(out.contains("  | the wire is cut"), "{out}\n{}", desk.logs());
    assert!(err.contains("the run failed: ") && err.contains("What to try") && err.contains("doctor"), "{err}");
    assert_eq!(desk.left(), Vec::<String>::new());
}

#[test]
fn what_does_not_start_shows_its_last_words() {
    let mut desk = Desk::new();
    program(desk.folder.path(), "broken", "#!/bin/sh\necho 'my disk is on fire' >&2\nexit 1\n");
    desk.service = desk.folder.path().join("broken");
    let said = desk.up(&["--once", "--n", "300"]).output().unwrap();
    let (_, err) = texts(&said);
    assert_eq!(said.status.code(), Some(1), "{err}");
    for words in
        ["hpl-service ended (exit status: 1)", "  | my disk is on fire", "service.log", "What to try", "begin anew"]
    {
        assert!(err.contains(words), "`{words}` is missing in\n{err}");
    }
}

#[test]
fn a_second_one_leaves_the_first_alone() {
    let desk = Desk::new();
    let mut up = desk.start(&["--n", "300"]);
    up.wait_for("stay until Ctrl-C");
    let said = desk.up(&["--once", "--n", "300"]).output().unwrap();
    assert_eq!(said.status.code(), Some(1));
    let err = texts(&said).1;
    assert!(err.contains("another `up` runs in ") && err.contains(", at http://127.0.0.1:"), "{err}");
    let said = up.signal(Signal::INT);
    assert_eq!(said.status.code(), Some(0), "{:?}", texts(&said));
    assert_eq!(desk.left(), Vec::<String>::new());
}

#[test]
fn impossible_options_are_refused() {
    let desk = Desk::new();
    for options in [["--ranks", "0"], ["--seconds", "0"], ["--seconds", "NaN"]] {
        let said = desk.up(&options).output().unwrap();
        assert_eq!(said.status.code(), Some(1), "{options:?}");
        assert!(texts(&said).1.contains("must be above 0"));
    }
    assert!(!desk.data().exists(), "nothing was begun");
}
