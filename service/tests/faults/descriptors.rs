//! A system that allows few open files.

use crate::program::{Folder, log, start_after};

/// The soft and the hard limit of open files.
fn limits(text: &str) -> (String, String) {
    let line = text.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let mut words = line.split_whitespace().skip(3).map(str::to_owned);
    (words.next().unwrap(), words.next().unwrap())
}

#[test]
fn the_limit_of_open_files_is_raised_and_a_low_one_is_told_of() {
    let folder = Folder::new();
    let program = start_after("ulimit -Sn 300; ulimit -Hn 3000", &folder.data());
    assert_eq!(limits(&program.proc("limits")), ("3000".into(), "3000".into()));
    program.stop();
    let said = log(&folder.data());
    assert!(said.contains("at most 2000 connections") && said.contains("LimitNOFILE"), "{said}");
}
