//! `cargo xtask up` against a launcher that plays a run from a script: no MPI, no numerics.
#![forbid(unsafe_code)]

mod scripts;

use std::fs;
use std::process::{Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use hpl_spec::{Cache, CacheKind, Check, NodeInfo, Peak, Phases, RunEvent, RunParams, RunReport};
use hpl_spec::{Sweep, SweepReport, Tally, Verdict};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use tempfile::TempDir;

use scripts::program;

/// Plays the events, then ends as `ending` says.
const MPIRUN: &str = r#"#!/bin/sh
here=$(dirname "$0")
if [ "$1" = --version ]; then echo "mpirun (Open MPI) 4.1.4"; exit 0; fi
echo $$ > "$here/pid"
echo "$@" > "$here/arguments"
while [ $# -gt 0 ]; do
    case $1 in
        --events) events=$2 ;;
        --json) json=$2 ;;
    esac
    shift
done
while read -r line; do echo "$line" >> "$events"; sleep 0.05; done < "$here/played"
. "$here/ending"
cp "$here/report.json" "$json"
"#;

const XHPL: &str = "#!/bin/sh\n[ \"$*\" = 'describe --peak' ] && cat \"$(dirname \"$0\")/node.json\"\n";

fn node() -> NodeInfo {
    let cache = Cache { level: 1, kind: CacheKind::Data, bytes: 32 << 10, line: 64, ways: 8, shared_by: 1 };
    NodeInfo {
        hostname: "desk".into(),
        os: "an OS".into(),
        kernel_release: "6".into(),
        cpu_model: "A Good CPU".into(),
        packages: 1,
        cores: 2,
        pus: 2,
        numa_nodes: 1,
        caches: vec![cache],
        memory_total: 23 << 30,
        memory_available: 22 << 30,
        huge_pages: "madvise".into(),
        kernel: "avx512".into(),
        kernels: vec!["avx512".into()],
        peak: Some(Peak { gflops: 100.0, cores: 2, seconds: 1.0 }),
        program: "xhpl".into(),
        version: "0.1.0".into(),
    }
}

fn report(residual: f64) -> RunReport {
    RunReport {
        params: RunParams::new(13312, 256, 1, 1),
        threshold: 16.0,
        started: String::new(),
        ended: String::new(),
        seconds: 20.0,
        gflops: 78.65,
        phases: Phases::default(),
        verdict: Verdict::judge(Check { residual, norms: None }, 16.0),
    }
}

fn events(residual: f64) -> String {
    let report = report(residual);
    let mut events = vec![RunEvent::Started { test: 1, tests: 1, params: report.params }];
    events.extend((1..=4).map(|panel| RunEvent::Panel {
        test: 1,
        panel,
        panels: 4,
        seconds: panel as f64,
        gflops: 80.0,
        gflops_step: 79.0,
        phases: Phases::default(),
    }));
    events.push(RunEvent::Phases { test: 1, seconds: 20.0, gflops: 78.65, phases: Phases::default() });
    events.push(RunEvent::Verdict { test: 1, report });
    events.iter().map(|e| e.to_line() + "\n").collect()
}

/// A folder with the two programs; the run ends with `ending`, a piece of shell.
fn stage(residual: f64, ending: &str) -> TempDir {
    let stage = tempfile::tempdir().unwrap();
    let at = |name: &str| stage.path().join(name);
    program(stage.path(), "mpirun", MPIRUN);
    program(stage.path(), "xhpl", XHPL);
    let json = SweepReport {
        peak_memory: 0,
        program: "xhpl".into(),
        version: "0.1.0".into(),
        kernel: "avx512".into(),
        threads: 2,
        ranks: 1,
        reports: vec![report(residual)],
        tally: Tally::default(),
    };
    fs::write(at("node.json"), serde_json::to_string(&node()).unwrap()).unwrap();
    fs::write(at("report.json"), serde_json::to_string(&json).unwrap()).unwrap();
    fs::write(at("played"), events(residual)).unwrap();
    fs::write(at("ending"), ending).unwrap();
    stage
}

fn up(stage: &TempDir, options: &[&str]) -> Command {
    let path = format!("{}:{}", stage.path().display(), std::env::var("PATH").unwrap());
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command.arg("up").args(options).env("PATH", path);
    command.env("HPLAAS_XHPL", stage.path().join("xhpl")).env("CARGO_TARGET_DIR", stage.path());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn texts(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (text(&output.stdout), text(&output.stderr))
}

#[test]
fn a_run_that_passes_is_told_in_plain_lines() {
    let stage = stage(2.1e-3, "");
    let output = up(&stage, &[]).output().unwrap();
    let (out, err) = texts(&output);
    assert!(output.status.success(), "{out}\n{err}");
    assert!(out.contains("A Good CPU: 1 package, 2 cores"), "{out}");
    assert!(out.contains("0.00210 - passed, the limit is 16"), "{out}");
    assert!(out.contains("78.7 %"), "{out}");
    assert!(err.contains("79.0 Gflop/s now, 80.0 so far"), "{err}");
    let control = |c: char| c.is_control() && c != '\n';
    assert!(!out.contains(control) && !err.contains(control), "control characters in a log:\n{out}\n{err}");
}

#[test]
fn the_parameters_fill_the_time_and_reach_the_program() {
    let stage = stage(2.1e-3, "");
    assert!(up(&stage, &["--ranks", "6"]).output().unwrap().status.success());
    let dat = fs::read_to_string(stage.path().join("up/HPL.dat")).unwrap();
    let runs: Vec<_> = Sweep::parse(&dat, 6).unwrap().runs().collect();
    assert_eq!(runs.len(), 1);
    assert_eq!((runs[0].n, runs[0].nb, runs[0].p, runs[0].q), (13312, 256, 2, 3));
    let arguments = fs::read_to_string(stage.path().join("arguments")).unwrap();
    assert!(arguments.starts_with("-np 6 --bind-to none --oversubscribe "), "{arguments}");
}

#[test]
fn a_residual_above_the_limit_is_a_failure() {
    let stage = stage(17.0, "");
    let output = up(&stage, &[]).output().unwrap();
    let (out, err) = texts(&output);
    assert_eq!(output.status.code(), Some(1));
    assert!(out.contains("17.0 - FAILED, the limit is 16"), "{out}");
    assert!(err.contains("did not pass"), "{err}");
}

#[test]
fn what_a_failing_mpirun_says_is_shown() {
    let stage = stage(2.1e-3, "echo 'the wire is cut' >&2; exit 3");
    let output = up(&stage, &[]).output().unwrap();
    let (_, err) = texts(&output);
    assert_eq!(output.status.code(), Some(1));
    assert!(err.contains("  | the wire is cut") && err.contains("What to try"), "{err}");
}

#[test]
fn ctrl_c_ends_the_launcher_and_all_below_it() {
    let stage = stage(2.1e-3, "sleep 1000 & echo $! > \"$here/below\"; wait");
    let child = up(&stage, &[]).spawn().unwrap();
    let pid = |name: &str| {
        let text = fs::read_to_string(stage.path().join(name)).ok()?;
        Pid::from_raw(text.trim().parse().ok()?)
    };
    let (launcher, below) = wait_for(|| Some((pid("pid")?, pid("below")?)));
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let output = child.wait_with_output().unwrap();
    let (_, err) = texts(&output);
    assert_eq!(output.status.code(), Some(130), "{err}");
    assert!(err.contains("stopped"), "{err}");
    wait_for(|| test_kill_process(launcher).is_err().then_some(()));
    wait_for(|| (test_kill_process(below).is_err() || is_zombie(below)).then_some(()));
}

/// In a container without an init that reaps, an orphan that ended stays as a zombie.
fn is_zombie(pid: Pid) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).unwrap_or_default();
    stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('Z'))
}

fn wait_for<T>(mut ready: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(value) = ready() {
            return value;
        }
        assert!(start.elapsed() < Duration::from_secs(30), "waited 30 s in vain");
        sleep(Duration::from_millis(20));
    }
}

#[test]
fn impossible_options_are_refused() {
    let stage = stage(2.1e-3, "");
    for options in [["--ranks", "0"], ["--seconds", "0"], ["--seconds", "NaN"]] {
        let output = up(&stage, &options).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{options:?}");
    }
}
