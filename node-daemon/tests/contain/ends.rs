//! Ends: of programs that do not want to, of the shim itself, of what was never there.

use node_daemon::shim::{alive, mop_up};
use rustix::process::{Pid, Signal, kill_process};

use super::*;

/// From the order to the end of everything. The shim needs 2.5 s at most; a machine that is busy with other tests may
/// give it its turn late.
const GONE: Duration = Duration::from_secs(15);

fn stopped_in_time(attempt: &mut Attempt) -> Exit {
    let begun = Instant::now();
    attempt.stop(Stop::Cancelled);
    let exit = attempt.finish();
    println!("gone after {:?}", begun.elapsed());
    assert!(begun.elapsed() < GONE, "{:?}", begun.elapsed());
    assert_eq!(exit.stopped, Some(Stop::Cancelled), "{exit:?}");
    exit
}

#[test]
fn one_that_ignores_sigterm_is_killed() {
    let mut attempt = Attempt::script("trap '' TERM INT HUP; touch started; while :; do sleep 1; done");
    attempt.start();
    attempt.wait_for("started");
    assert_eq!(stopped_in_time(&mut attempt).end, End::Signalled(libc::SIGKILL));
}

#[test]
fn one_that_hears_sigterm_says_its_last_words() {
    let text = "trap 'echo last words; exit 5' TERM; touch started; sleep 600 & while :; do wait; done";
    let mut attempt = Attempt::script(text);
    attempt.start();
    attempt.wait_for("started");
    let exit = stopped_in_time(&mut attempt);
    assert_eq!((exit.end, attempt.out().as_str()), (End::Exited(5), "last words\n"));
}

#[test]
fn one_that_is_stopped_is_ended_as_well() {
    let mut attempt = Attempt::script("touch started; kill -STOP $$; sleep 600");
    attempt.start();
    attempt.wait_for("started");
    assert_eq!(stopped_in_time(&mut attempt).end, End::Signalled(libc::SIGTERM));
}

/// Two generations away, in a session of its own, deaf, with nothing open.
const AWAY: &str = "(setsid setsid bash -c 'trap \"\" TERM HUP; touch away; while :; do sleep 1; done' \
    </dev/null >/dev/null 2>&1 &) & while [ ! -e away ]; do sleep 0.05; done; ";

#[test]
fn one_that_goes_away_is_found() {
    let mut attempt = Attempt::script(&format!("{AWAY} sleep 600"));
    attempt.start();
    attempt.wait_for("away");
    stopped_in_time(&mut attempt);
    // and when the launcher ends by itself
    let mut attempt = Attempt::script(&format!("{AWAY} exit 0"));
    let exit = attempt.run();
    assert_eq!((exit.end, exit.stopped), (End::Exited(0), None));
}

#[test]
fn a_dead_shim_leaves_nothing_once_mopped_up() {
    let mut attempt = Attempt::script(&format!("{AWAY} touch $TMPDIR/x; touch started; sleep 600"));
    attempt.start();
    attempt.wait_for("started");
    let shim = attempt.shim_is();
    assert_eq!(shim.pid, attempt.shim.as_ref().unwrap().id());
    assert!(alive(&shim));
    let why = mop_up(&attempt.folder, &attempt.launch).unwrap_err();
    assert!(why.to_string().contains("alive"), "{why}");
    attempt.shim.as_mut().unwrap().kill().unwrap();
    // not waited for yet: it has ended nevertheless
    until(|| (!alive(&shim)).then_some(()), || attempt.words());
    mop_up(&attempt.folder, &attempt.launch).unwrap();
    attempt.shim.as_mut().unwrap().wait().unwrap();
    assert_eq!(attempt.processes(), [0; 0]);
    assert!(!attempt.launch.tmp.exists() && !attempt.folder.exit().exists());
    assert!(Group::open(&attempt.launch.group).is_nothing());
    mop_up(&attempt.folder, &attempt.launch).unwrap();
}

#[test]
fn without_a_group_what_a_dead_shim_left_is_found_as_well() {
    let mut attempt = Attempt::script(&format!("{AWAY} touch started; sleep 600"));
    // no name for a group, so none is made
    let group = std::mem::replace(&mut attempt.launch.group, "../none".into());
    attempt.start();
    attempt.wait_for("started");
    let shim = attempt.shim_is();
    attempt.shim.as_mut().unwrap().kill().unwrap();
    until(|| (!alive(&shim)).then_some(()), || attempt.words());
    assert!(!attempt.processes().is_empty());
    mop_up(&attempt.folder, &attempt.launch).unwrap();
    assert_eq!(attempt.processes(), [0; 0]);
    attempt.launch.group = group;
}

#[test]
fn without_a_group_everything_is_found_and_measured_through_proc() {
    let mut attempt = Attempt::script(&format!("{AWAY} head -c 300000000 /dev/zero | tail -c 100000000 | sleep 600"));
    attempt.launch.group = "../none".into();
    attempt.start();
    attempt.wait_for("away");
    sleep(Duration::from_secs(2));
    let exit = stopped_in_time(&mut attempt);
    assert!(exit.sandbox["memory_limit"].starts_with("no: "), "{exit:?}");
    assert!(exit.memory_peak.unwrap().bytes > 50 * MIB && exit.cpu_s.unwrap() > 0.0, "{exit:?}");
}

#[test]
fn a_shim_that_is_asked_to_end_ends_its_run_first() {
    let mut attempt = Attempt::script("touch started; exec sleep 600");
    attempt.start();
    attempt.wait_for("started");
    let shim = Pid::from_child(attempt.shim.as_ref().unwrap());
    kill_process(shim, Signal::TERM).unwrap();
    let exit = attempt.finish();
    assert_eq!((exit.end, exit.stopped), (End::Signalled(libc::SIGTERM), None));
}

#[test]
fn what_cannot_be_started_is_told() {
    for (argv, wanted) in [
        (vec!["/nowhere/mpirun"], "/nowhere/mpirun cannot be started: No such file"),
        (vec!["mpirun"], "must be a whole path"),
        (vec![], "must name a program"),
    ] {
        let mut attempt = Attempt::script("");
        attempt.launch.argv = argv.into_iter().map(str::to_owned).collect();
        let exit = attempt.run();
        let End::NotStarted(why) = &exit.end else { panic!("{exit:?}") };
        assert!(why.contains(wanted), "{why}");
        assert!(fs::read_to_string(attempt.folder.sandbox()).unwrap().contains(wanted));
    }
    let mut attempt = Attempt::script("");
    attempt.start();
    fs::remove_dir_all(attempt.folder.work()).unwrap_or_default();
    let mut attempt = Attempt::script("");
    fs::remove_dir_all(attempt.folder.work()).unwrap();
    let End::NotStarted(why) = attempt.run().end else { panic!("it has no work folder") };
    assert!(why.contains("the work folder"), "{why}");
}

#[test]
fn a_launch_that_cannot_be_read_is_told() {
    let mut attempt = Attempt::script("");
    attempt.start();
    let _ = attempt.finish();
    let attempt = Attempt::script("");
    fs::write(attempt.folder.launch(), "{").unwrap();
    node_daemon::shim::spawn_program(Path::new(env!("CARGO_BIN_EXE_hpl-node")), &attempt.folder).unwrap();
    let exit: Exit = until(|| read_json(&attempt.folder.exit()).unwrap(), || attempt.words());
    let End::NotStarted(why) = exit.end else { panic!("{exit:?}") };
    assert!(why.contains("launch.json"), "{why}");
}
