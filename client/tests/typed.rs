//! The program as it is typed: every command explains itself, and whoever is not logged in, or mistypes, is told what to
//! do. What it does with a service is tested with a real one, in `validation/tests/terminal.rs`.
#![forbid(unsafe_code)]

use std::process::{Command, Output};

const COMMANDS: &[&str] = &[
    "login",
    "logout",
    "whoami",
    "submit",
    "watch",
    "log",
    "cancel",
    "jobs",
    "job",
    "queue",
    "nodes",
    "result",
    "results",
    "compare",
    "board",
    "sweep",
    "certificate",
];

fn hpl(args: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_hpl"));
    for variable in ["HPL_URL", "HPL_TOKEN", "HPL_PIN"] {
        command.env_remove(variable);
    }
    command.env("XDG_CONFIG_HOME", folder.path()).args(args).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn every_command_explains_itself() {
    let all = text(&hpl(&["--help"]).stdout);
    for command in COMMANDS {
        assert!(all.lines().any(|line| line.trim_start().starts_with(command)), "{command}: {all}");
        let said = hpl(&[command, "--help"]);
        assert!(said.status.success() && text(&said.stdout).contains("Usage: "), "{command}: {said:?}");
    }
}

#[test]
fn who_is_not_logged_in_is_told_how() {
    for line in [&["jobs"][..], &["watch", "last"], &["submit", "--n", "100"], &["whoami"]] {
        let said = hpl(line);
        assert_eq!((said.status.code(), said.stdout.len()), (Some(2), 0), "{line:?}");
        assert!(text(&said.stderr).contains("hpl login"), "{line:?}: {said:?}");
    }
}

#[test]
fn what_is_no_command_is_told() {
    let said = hpl(&["sumbit"]);
    assert_eq!(said.status.code(), Some(2));
    assert!(text(&said.stderr).contains("submit"), "{said:?}");
    assert_eq!(hpl(&["board", "--measure", "watts"]).status.code(), Some(2));
}
