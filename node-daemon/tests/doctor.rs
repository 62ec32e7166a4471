//! The doctor on this machine: what it finds is really tried.
#![forbid(unsafe_code)]

use std::path::{Path, PathBuf};
use std::process::Command;

use node_daemon::doctor::{Ability, NAMESPACES_WORD, Options, State, abilities, as_hello, namespaces, table};

const NODE: &str = env!("CARGO_BIN_EXE_hpl-node");

fn on_path(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|p| p.is_file()).unwrap_or_else(|| name.into())
}

#[test]
fn this_machine_has_been_tried() {
    let scratch = tempfile::tempdir().unwrap();
    let options = Options {
        data: scratch.path().join("not/there/yet"),
        xhpl: scratch.path().join("xhpl"),
        mpirun: on_path("mpirun"),
        disk_needed: 1 << 20,
        run_is_on: false,
        helper: vec![NODE.into(), NAMESPACES_WORD.into()],
    };
    let all = abilities(&options);
    let names: Vec<&str> = all.iter().map(|ability| ability.name.as_str()).collect();
    let expected = [
        "mpi",
        "xhpl",
        "pinning",
        "huge_pages",
        "memory",
        "disk",
        "cgroup",
        "landlock",
        "seccomp",
        "network",
        "user_namespaces",
        "clock",
        "sensors",
        "limits",
    ];
    assert_eq!(names, expected);
    for ability in &all {
        assert!(!ability.found.is_empty(), "{ability:?}");
        assert_eq!(ability.state == State::Yes, ability.costs.is_empty(), "{ability:?}");
        assert_eq!(ability.state == State::Yes, ability.mend.is_empty(), "{ability:?}");
    }
    // there is no xhpl here, and an MPI wherever this project can be built
    assert_eq!((all[1].state, all[0].state), (State::No, State::Yes), "{all:?}");
    assert!(all[0].found.ends_with("starts two ranks"), "{:?}", all[0]);
    assert!(!options.data.exists(), "the doctor makes nothing");
    assert_eq!(as_hello(&all).len(), all.len());
    let text = table::render(&all, 80, false);
    assert!(text.contains("can run no job for want of xhpl"), "{text}");
    // nothing was left behind, and this thread is behind no fence
    assert!(Path::new("/proc/version").metadata().is_ok());
    let groups = std::fs::read_dir("/sys/fs/cgroup").into_iter().flatten().flatten();
    let left = format!("hpl-node-doctor-{}", std::process::id());
    assert!(groups.into_iter().all(|group| !group.path().join(&left).exists()));
}

#[test]
fn the_command_says_what_stops_the_node() {
    let scratch = tempfile::tempdir().unwrap();
    let doctor = |more: &[&str]| {
        let mut command = Command::new(NODE);
        command.arg("doctor").arg("--data").arg(scratch.path()).args(["--xhpl", "/no/xhpl"]).args(more);
        command.output().unwrap()
    };
    let table = doctor(&[]);
    let text = String::from_utf8(table.stdout).unwrap();
    assert_eq!(table.status.code(), Some(1), "{text}");
    assert!(text.contains("\nno    xhpl ") && !text.contains('\x1b') && table.stderr.is_empty(), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 80 || !line.trim().contains(' ')), "{text}");
    let list = doctor(&["--json"]);
    let all: Vec<Ability> = serde_json::from_slice(&list.stdout).unwrap();
    assert!(list.status.code() == Some(1) && all.iter().any(Ability::stops), "{all:?}");
}

/// A process of several threads may not enter a user namespace, so this is tried in a child: the program itself.
#[test]
fn the_child_and_unshare_see_the_same_system() {
    let said = Command::new(NODE).arg(NAMESPACES_WORD).output().unwrap();
    assert!(said.stdout.starts_with(b"namespaces: {"), "{said:?}");
    let by_child = namespaces::look(&[NODE.into(), NAMESPACES_WORD.into()]);
    let by_program = namespaces::look(&[]);
    if by_program.user.as_deref().is_none_or(|why| !why.starts_with("could not be tried")) {
        // only their words differ
        let allowed = |t: &namespaces::Tried| [t.network.is_none(), t.user.is_none(), t.network_of_user.is_none()];
        assert_eq!(allowed(&by_child), allowed(&by_program), "{by_child:?} {by_program:?}");
    }
}
