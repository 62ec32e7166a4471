//! Groups in folders that look like the trees of both versions, and in the real ones as far as they can be made here.

use std::process::{Child, Command};

use super::*;

const LIMITS: RunLimits = RunLimits {
    memory_bytes: 64 << 20,
    processes: 20,
    file_bytes: 1 << 20,
    work_bytes: 1 << 20,
    log_bytes: 1 << 20,
    disk_reserve: 0,
};

fn files(folder: &Path, files: &[(&str, &str)]) {
    fs::create_dir_all(folder).unwrap();
    for (name, text) in files {
        fs::write(folder.join(name), text).unwrap();
    }
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

#[test]
fn bounds_of_version_2_are_written_and_counts_read() {
    let scratch = tempfile::tempdir().unwrap();
    let own = scratch.path().join("hpl-node.service").join(room::ASIDE);
    let base = own.parent().unwrap();
    files(&own, &[]);
    files(base, &[("cgroup.controllers", "cpu io memory pids\n"), ("cgroup.subtree_control", "cpu\n")]);
    let there = ["memory.max", "memory.swap.max", "memory.oom.group", "pids.max", "cpu.weight", "cgroup.kill"];
    files(&base.join("run"), &there.map(|name| (name, "")));
    files(
        &base.join("run"),
        &[
            ("memory.peak", "4096\n"),
            ("memory.events", "low 0\noom 3\noom_kill 2\noom_group_kill 0\n"),
            ("pids.events", "max 7\n"),
            ("cpu.stat", "usage_usec 1500000\nuser_usec 1\n"),
            ("cgroup.procs", ""),
        ],
    );
    let trees = Trees { v2: Some(own.clone()), v1: BTreeMap::new() };
    let (group, measures) = Group::create_in(&trees, "run", &LIMITS);
    assert_eq!(text(&base.join("cgroup.subtree_control")), "+memory +pids");
    let values = there.map(|name| text(&base.join("run").join(name)));
    assert_eq!(values, ["67108864", "0", "1", "20", "50", ""]);
    assert!(measures.values().all(|m| m.starts_with("yes")), "{measures:?}");
    assert_eq!(group.peak(), Some(MemoryPeak { bytes: 4096, source: MemorySource::CgroupV2 }));
    assert_eq!((group.cpu_seconds(), group.oom_kills(), group.processes_refused()), (Some(1.5), 2, 7));
    let again: Group = serde_json::from_str(&serde_json::to_string(&group).unwrap()).unwrap();
    assert_eq!(again, group);
}

#[test]
fn bounds_of_version_1_are_written_and_what_is_missing_is_named() {
    let scratch = tempfile::tempdir().unwrap();
    let memory = scratch.path().join("memory");
    files(&memory.join("run"), &[("memory.limit_in_bytes", ""), ("memory.max_usage_in_bytes", "9\n")]);
    files(&memory.join("run"), &[("memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n")]);
    let v1 = [("memory".to_owned(), memory.clone()), ("pids".to_owned(), scratch.path().join("nowhere"))].into();
    let (group, measures) = Group::create_in(&Trees { v2: None, v1 }, "run", &LIMITS);
    assert_eq!(text(&memory.join("run/memory.limit_in_bytes")), "67108864");
    assert_eq!(measures["memory_limit"], "yes (cgroup v1)");
    assert_eq!(measures["no_swap"], "no: no memory.memsw.limit_in_bytes: the controller is not here");
    assert!(measures["process_limit"].starts_with("no: no group can be made: No such file"), "{measures:?}");
    assert_eq!(measures["cpu_weight"], "no: no control groups to be reached here");
    assert_eq!((group.oom_kills(), group.peak().unwrap().bytes), (1, 9));
    let (nothing, measures) = Group::create_in(&Trees::default(), "run", &LIMITS);
    assert!(nothing.is_nothing() && nothing.members().is_empty() && nothing.kill(Duration::ZERO));
    assert!(measures.values().all(|m| m.starts_with("no: ")), "{measures:?}");
    let (nothing, measures) = Group::create_in(&Trees { v2: Some(memory), v1: BTreeMap::new() }, "../x", &LIMITS);
    assert!(nothing.is_nothing() && measures["memory_limit"].contains("`../x` is no name"), "{measures:?}");
}

#[test]
fn a_group_of_others_is_left_alone() {
    let scratch = tempfile::tempdir().unwrap();
    let base = scratch.path();
    files(base, &[("cgroup.controllers", "memory\n"), ("cgroup.subtree_control", "\n"), ("cgroup.procs", "1\n")]);
    let why = room::deal(&base.join("nowhere")).unwrap_err();
    assert!(why.starts_with("cgroup.controllers: "), "{why}");
    room::deal(base).unwrap();
    assert_eq!(room::processes(base), BTreeSet::from([1]));
    assert_eq!(room::base(&base.join(room::ASIDE)), base);
    assert_eq!(room::base(base), base);
}

struct Sleeper(Child);

impl Drop for Sleeper {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn version_1_alone_kills_through_its_freezer() {
    let name = format!("hpl-ice-{}", std::process::id());
    let (whole, mut measures) = Group::create(&name, &LIMITS);
    let mut group = Group { v2: None, ..whole.clone() };
    if group.v1.contains_key("freezer") {
        assert_eq!(group.how_to_kill().unwrap(), "yes (freezer)");
        let mut sleeper = Sleeper(Command::new("sleep").arg("600").spawn().unwrap());
        group.add(sleeper.0.id(), &mut measures);
        assert!(group.kill(Duration::from_secs(60)));
        assert!(!sleeper.0.wait().unwrap().success());
    } else {
        eprintln!("skipped: no freezer of version 1 here");
    }
    whole.remove().unwrap();
}

#[test]
fn a_real_group_holds_counts_and_kills() {
    let name = format!("hpl-test-{}", std::process::id());
    let (mut group, mut measures) = Group::create(&name, &LIMITS);
    if group.is_nothing() {
        eprintln!("skipped: no control groups can be made here: {measures:?}");
        return;
    }
    let mut sleeper = Sleeper(Command::new("sleep").arg("600").spawn().unwrap());
    group.add(sleeper.0.id(), &mut measures);
    assert_eq!(group.members(), BTreeSet::from([sleeper.0.id()]), "{measures:?}");
    assert_eq!(Group::open(&name), group);
    assert!(group.remove().is_err(), "it holds a process");
    sweep(&name, &[]);
    assert!(!group.members().is_empty(), "what is not empty is not swept away");
    // a child that is not waited for is no member any more
    assert!(group.kill(Duration::from_secs(60)));
    assert!(!sleeper.0.wait().unwrap().success());
    sweep(&name, &[&name]);
    assert!(!Group::open(&name).is_nothing());
    sweep(&name, &[]);
    assert!(Group::open(&name).is_nothing());
    group.remove().unwrap();
}
