//! The doctor on this machine: what it finds is really tried.
#![forbid(unsafe_code)]

use std::path::{Path, PathBuf};

use node_daemon::doctor::{Options, State, abilities, as_hello, table};

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
        helper: vec![],
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
