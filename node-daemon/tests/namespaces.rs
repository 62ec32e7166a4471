//! The child that tries namespaces, as a program of one thread: the usual frame of tests has more, and a process of
//! several threads may not enter a user namespace. So this is a `main` that is its own child.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use node_daemon::doctor::{NAMESPACES_WORD, namespaces, own_helper};

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some(NAMESPACES_WORD) {
        return namespaces::child();
    }
    let by_child = namespaces::look(&own_helper());
    let by_program = namespaces::look(&[]);
    println!("by a child: {by_child:?}\nby unshare: {by_program:?}");
    let there = by_program.user.as_deref().is_none_or(|why| !why.starts_with("could not be tried"));
    if there {
        // both see the same system; only their words differ
        assert_eq!(by_child.network.is_none(), by_program.network.is_none());
        assert_eq!(by_child.user.is_none(), by_program.user.is_none());
        assert_eq!(by_child.network_of_user.is_none(), by_program.network_of_user.is_none());
    }
    // this process has left nothing
    assert!(std::fs::read_to_string("/proc/self/uid_map").is_ok());
    ExitCode::SUCCESS
}
