//! Too much of something.

use super::*;

#[test]
fn a_fork_bomb_is_bounded_and_gone() {
    if !bound_holds("process_limit") {
        return;
    }
    // without exec: a shell that copies itself, which does not end by itself
    let mut attempt = Attempt::script("b() { b | b & b; }; touch started; b 2>/dev/null; sleep 600");
    attempt.launch.limits.processes = 60;
    attempt.start();
    attempt.wait_for("started");
    let refused = || Group::open(&attempt.launch.group).processes_refused();
    until(|| Some(refused()).filter(|n| *n > 0), || attempt.words());
    attempt.stop(Stop::Cancelled);
    let exit = attempt.finish();
    assert!(exit.processes_refused > 0, "{exit:?}");
    assert!(exit.stopped == Some(Stop::Cancelled) || exit.stopped.is_none());
}

#[test]
fn a_memory_eater_is_ended_and_counted() {
    if !bound_holds("memory_limit") {
        return;
    }
    // tail keeps a line that never ends
    let mut attempt = Attempt::script("tail /dev/zero; echo \"status $?\"");
    attempt.launch.limits.memory_bytes = 200 * MIB;
    let exit = attempt.run();
    assert!(exit.out_of_memory > 0, "{exit:?}\n{}", attempt.words());
    let peak = exit.memory_peak.unwrap();
    assert!(peak.bytes > 100 * MIB && peak.bytes <= 201 * MIB, "{peak:?}");
}

#[test]
fn endless_output_is_cut_and_the_run_goes_on() {
    let mut attempt =
        Attempt::script("echo begin; head -c 5000000 /dev/zero; head -c 3000000 /dev/zero >&2; touch end");
    attempt.launch.limits.log_bytes = 100_000;
    let exit = attempt.run();
    assert_eq!(exit.end, End::Exited(0), "{exit:?}");
    attempt.wait_for("end");
    let kept = |path: PathBuf| fs::metadata(path).unwrap().len();
    let (out, err) = (kept(attempt.folder.out_log()), kept(attempt.folder.err_log()));
    assert_eq!(out + err, 100_000);
    assert_eq!(exit.log_dropped, [5_000_006 - out, 3_000_000 - err]);
    assert!(attempt.out().starts_with("begin\n"));
}

#[test]
fn a_full_work_folder_ends_the_run() {
    let mut attempt = Attempt::script("while :; do head -c 1000000 /dev/zero >> big; sleep 0.01; done");
    attempt.launch.limits.work_bytes = 5 * MIB;
    let exit = attempt.run();
    assert_eq!(exit.stopped, Some(Stop::WorkFull), "{exit:?}");
}

#[test]
fn a_file_that_is_too_large_is_refused() {
    let mut attempt = Attempt::script("head -c 3000000 /dev/zero > big; echo \"status $?\"");
    attempt.launch.limits.file_bytes = MIB;
    attempt.run();
    assert_eq!(fs::metadata(attempt.folder.work().join("big")).unwrap().len(), MIB);
    // SIGXFSZ
    assert!(attempt.out().contains("status 153"), "{}", attempt.words());
}

#[test]
fn a_disk_that_runs_low_ends_the_run() {
    let mut attempt = Attempt::script("sleep 600");
    attempt.launch.limits.disk_reserve = u64::MAX;
    assert_eq!(attempt.run().stopped, Some(Stop::DiskFull));
}

#[test]
fn walltime_ends_the_run_unless_there_is_more() {
    let mut attempt = Attempt::script("sleep 600");
    attempt.launch.walltime_s = 1;
    let exit = attempt.run();
    assert_eq!(exit.stopped, Some(Stop::Walltime), "{exit:?}");
    assert!(exit.elapsed_s >= 1.0, "{exit:?}");

    let mut attempt = Attempt::script("touch started; sleep 4; touch end");
    attempt.launch.walltime_s = 2;
    attempt.control(Control { stop: None, walltime_s: Some(60) });
    assert_eq!(attempt.run().end, End::Exited(0), "{}", attempt.words());
    attempt.wait_for("end");
}

/// A file system of its own, of some size.
struct Disk(PathBuf);

impl Disk {
    fn mount(at: &Path, size: &str) -> Option<Disk> {
        let options = std::ffi::CString::new(format!("size={size}")).unwrap();
        let flags = rustix::mount::MountFlags::empty();
        match rustix::mount::mount("hpl-contain", at, "tmpfs", flags, options.as_c_str()) {
            Ok(()) => Some(Disk(at.to_owned())),
            Err(why) => {
                pass_over(&format!("nothing can be mounted here: {why}"));
                None
            }
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = rustix::mount::unmount(&self.0, rustix::mount::UnmountFlags::DETACH);
    }
}

#[test]
fn a_full_disk_gives_up_the_ballast_for_the_end() {
    let scratch = tempfile::Builder::new().prefix("hpl-contain-").tempdir().unwrap();
    let Some(_disk) = Disk::mount(scratch.path(), "8m") else { return };
    let mut attempt =
        Attempt::script("head -c 100000 /dev/zero; touch work-full; cat /dev/zero > big; echo over; exit 3");
    // the data folder on the small disk, with its ballast
    let data = scratch.path().join("data");
    attempt.folder = RunFolder::at(data.join("runs/attempt"));
    attempt.launch.work = attempt.folder.work();
    fs::create_dir_all(attempt.folder.work()).unwrap();
    fs::write(data.join("ballast"), vec![1; 1 << 20]).unwrap();
    let exit = attempt.run();
    assert_eq!(exit.end, End::Exited(3), "{exit:?}");
    assert!(!data.join("ballast").exists(), "it was needed");
    // what was said after the disk was full found no room
    let said = 100_000 + "over\n".len() as u64;
    assert_eq!(fs::metadata(attempt.folder.out_log()).unwrap().len() + exit.log_dropped[0], said);
}
