//! The shim: one small process for each run, which outlives the daemon. It owns the session, the control group and the
//! two logs of the run, ends it when that is due, and writes to the disk how it ended, last of all.
//!
//! ```text
//!   spawn   ─► hpl-node shim FOLDER, a session of its own
//!   start   ─► scratch folder, control group, the stage (see `sandbox`), shim.json, "go"         start.rs
//!   follow     two threads carry output to out.log and err.log, within bounds                    pump.rs
//!              one thread waits for children; one looks five times a second at what is wanted    run.rs, watch.rs
//!   stop       SIGTERM to every process, one second, then everything is killed until nothing is left
//!   exit.json  with the ballast given up if the disk is full
//! ```
//!
//! If the shim itself is killed, the kernel kills the launcher with it, and the daemon calls [`mop_up`] for the rest.
//! What it costs: four threads that sleep, some 3 MB, a few thousandths of a percent of a core (its own count is in
//! [`Exit::shim_cpu_s`]).

mod processes;
mod pump;
mod run;
mod start;
mod watch;

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use hpl_spec::evidence::{MemoryPeak, MemorySource};
use rustix::time::{ClockId, clock_gettime};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::cgroup::Group;
use crate::folder::{RunFolder, read_json, write_json};
use crate::launch::{End, Exit, Launch, ShimIs, Stop};
use crate::sandbox::Measures;
use run::Run;
use watch::Watch;

/// How often the shim looks at what the daemon wants.
const LOOK: Duration = Duration::from_millis(200);
/// For how long the logs are waited for once all processes are gone. One that escaped may hold them open.
const DRAIN: Duration = Duration::from_secs(1);
/// For how long what a dead shim left is killed.
const MOP_UP: Duration = Duration::from_secs(5);
/// How often exit.json is tried, and how long is waited in between.
const TRIES: (u32, Duration) = (20, Duration::from_millis(500));
/// Small threads: none of them calls deep.
pub(crate) const STACK: usize = 128 * 1024;

/// Where the control group of a run is written down.
fn group_file(folder: &RunFolder) -> PathBuf {
    folder.path().join("group.json")
}

/// Starts the shim of a run, which then no longer needs this process.
///
/// # Errors
/// The folder or the program cannot be reached, or no process can be made.
pub fn spawn(folder: &RunFolder) -> io::Result<()> {
    // the very file that runs, even if another lies in its place by now
    spawn_program(Path::new("/proc/self/exe"), folder)
}

/// The same with the `hpl-node` at `program`.
///
/// # Errors
/// As [`spawn`].
pub fn spawn_program(program: &Path, folder: &RunFolder) -> io::Result<()> {
    let folder = RunFolder::at(folder.path().canonicalize()?);
    let log = folder.path().join("shim.log");
    let log = fs::OpenOptions::new().append(true).create(true).mode(0o600).open(log)?;
    let mut child = Command::new(program)
        .arg0("hpl-node")
        .arg("shim")
        .arg(folder.path())
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()?;
    // a shim that has ended stays in the table of processes until somebody asks; without the thread it would be the
    // daemon's end that removes it
    let _ = thread::Builder::new().name("shim-end".into()).stack_size(STACK).spawn(move || child.wait());
    Ok(())
}

/// The whole life of a shim: runs what launch.json says, and writes exit.json.
#[must_use]
pub fn shim(folder: &RunFolder) -> ExitCode {
    if folder.shim().exists() || folder.exit().exists() {
        // that file belongs to another shim, so this one writes none
        eprintln!("hpl-node shim: {} was run before; an attempt is run once", folder.path().display());
        return ExitCode::FAILURE;
    }
    // it may lead a session already if a person started it
    let _ = rustix::process::setsid();
    rustix::process::umask(rustix::fs::Mode::from_bits_truncate(0o077));
    let exit = match prepare(folder) {
        Ok((launch, asked)) => run(folder, &launch, &asked),
        Err(why) => blank(End::NotStarted(why)),
    };
    match record(folder, &exit) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("hpl-node shim: {}: {why}; the run ended with {:?}", folder.exit().display(), exit.end);
            ExitCode::FAILURE
        }
    }
}

/// What has to be there before anything is started: the launch, and a flag that says that this process was asked to end.
fn prepare(folder: &RunFolder) -> Result<(Launch, Arc<AtomicBool>), String> {
    let launch = read_json(&folder.launch()).map_err(|why| why.to_string())?;
    let launch = launch.ok_or_else(|| format!("{} is not there", folder.launch().display()))?;
    let asked = Arc::new(AtomicBool::new(false));
    for signal in [SIGTERM, SIGINT, SIGHUP] {
        signal_hook::flag::register(signal, Arc::clone(&asked)).map_err(|why| format!("signals: {why}"))?;
    }
    rustix::process::set_child_subreaper(Some(rustix::process::getpid())).map_err(|why| format!("subreaper: {why}"))?;
    Ok((launch, asked))
}

/// Runs and cleans up.
fn run(folder: &RunFolder, launch: &Launch, asked: &AtomicBool) -> Exit {
    if let Err(why) = start::scratch(launch) {
        return blank(End::NotStarted(why));
    }
    let (mut group, mut measures) = Group::create(&launch.group, &launch.limits);
    if let Err(why) = write_json(&group_file(folder), &group) {
        eprintln!("hpl-node shim: {}: {why}", group_file(folder).display());
    }
    let mut exit = match start::start(folder, launch, &mut group, &mut measures) {
        Ok(started) => follow(folder, launch, started, asked, &mut measures),
        Err(why) => blank(End::NotStarted(why)),
    };
    exit.out_of_memory = group.oom_kills();
    exit.processes_refused = group.processes_refused();
    exit.cpu_s = group.cpu_seconds().or(exit.cpu_s);
    exit.memory_peak = group.peak().or(exit.memory_peak);
    if let Err(why) = group.remove() {
        measures.insert("group_left".into(), why.to_string());
    }
    if let Err(why) = removed(&launch.tmp) {
        measures.insert("scratch_left".into(), why.to_string());
    }
    exit.sandbox = measures;
    exit.shim_cpu_s = seconds(ClockId::ProcessCPUTime);
    exit
}

/// From the first instruction of the program to the last line of its logs.
fn follow(
    folder: &RunFolder,
    launch: &Launch,
    started: start::Started,
    asked: &AtomicBool,
    measures: &mut Measures,
) -> Exit {
    let start::Started { mut run, mut pumps, staged, at } = started;
    let sample = run.group.peak().is_none();
    let mut watch = Watch::new(folder, launch, at, sample);
    let stopped = until_end(&mut run, &mut watch, asked);
    let left = run.kill();
    let (end, ended) = run.end.unwrap_or((End::Signalled(libc::SIGKILL), Instant::now()));
    if !left.is_empty() {
        measures.insert("left_over".into(), format!("processes that cannot be ended: {left:?}"));
    }
    if !pumps.drain(DRAIN) {
        measures.insert("log_open".into(), "somebody still holds the run's output open".into());
    }
    let mut exit = blank(end);
    exit.stopped = stopped;
    exit.elapsed_s = ended.saturating_duration_since(at).as_secs_f64();
    exit.cpu_s = processes::waited_for_s();
    exit.memory_peak = (watch.most_rss > 0).then_some(MemoryPeak { bytes: watch.most_rss, source: MemorySource::Rss });
    exit.log_dropped = pumps.dropped();
    exit.network_open = staged.network_open;
    measures.extend(staged.measures);
    exit
}

/// Until the launcher has ended, by itself or because that was due; why it was due.
fn until_end(run: &mut Run, watch: &mut Watch, asked: &AtomicBool) -> Option<Stop> {
    loop {
        run.hear(LOOK);
        if run.end.is_some() {
            return None;
        }
        let stop = watch.look(Instant::now());
        if stop.is_some() || asked.load(Ordering::Relaxed) {
            run.terminate();
            return stop;
        }
    }
}

fn blank(end: End) -> Exit {
    Exit {
        end,
        stopped: None,
        elapsed_s: 0.0,
        cpu_s: None,
        memory_peak: None,
        out_of_memory: 0,
        processes_refused: 0,
        log_dropped: [0, 0],
        sandbox: Measures::new(),
        network_open: false,
        shim_cpu_s: 0.0,
        boot_id: boot_id(),
    }
}

/// Writes exit.json; where the disk is full, the ballast is given up for it.
fn record(folder: &RunFolder, exit: &Exit) -> io::Result<()> {
    let ballast = folder.path().ancestors().nth(2).map(|data| data.join("ballast"));
    let mut tried = write_json(&folder.exit(), exit);
    for _ in 1..TRIES.0 {
        let Err(why) = &tried else { break };
        eprintln!("hpl-node shim: {}: {why}", folder.exit().display());
        let given_up = ballast.as_ref().is_some_and(|ballast| fs::remove_file(ballast).is_ok());
        if !given_up {
            sleep(TRIES.1);
        }
        tried = write_json(&folder.exit(), exit);
    }
    tried
}

/// Whether the shim is still at work: that process, of that moment, in this boot.
#[must_use]
pub fn alive(is: &ShimIs) -> bool {
    let same = |p: &processes::Process| p.start_ticks == is.start_ticks && !p.has_ended();
    is.boot_id == boot_id() && processes::Process::of(is.pid).as_ref().is_some_and(same)
}

/// Ends what a dead shim left behind: processes, the control group, the scratch folder. It may be called again.
///
/// # Errors
/// The shim is alive; something is left nevertheless.
pub fn mop_up(folder: &RunFolder, launch: &Launch) -> io::Result<()> {
    let shim: Option<ShimIs> = read_json(&folder.shim())?;
    if let Some(shim) = shim.as_ref().filter(|shim| alive(shim)) {
        return Err(io::Error::other(format!("the shim is alive, as process {}", shim.pid)));
    }
    let group = read_json::<Group>(&group_file(folder)).ok().flatten();
    let group = group.filter(|g| !g.is_nothing()).unwrap_or_else(|| Group::open(&launch.group));
    let begun = Instant::now();
    loop {
        let emptied = group.kill(MOP_UP.saturating_sub(begun.elapsed()));
        let strays = processes::left_by(shim.as_ref(), &launch.tmp);
        if emptied && strays.is_empty() {
            break;
        }
        if begun.elapsed() > MOP_UP {
            let left: Vec<u32> = group.members().into_iter().chain(strays).collect();
            return Err(io::Error::other(format!("processes of a dead run that cannot be ended: {left:?}")));
        }
        strays.into_iter().for_each(|pid| crate::cgroup::send(pid, rustix::process::Signal::KILL));
        sleep(Duration::from_millis(10));
    }
    group.remove()?;
    removed(&launch.tmp)
}

/// Removes the scratch folder, if it is ours.
fn removed(tmp: &Path) -> io::Result<()> {
    match fs::symlink_metadata(tmp) {
        Ok(found) if found.is_dir() => fs::remove_dir_all(tmp),
        Ok(found) => Err(io::Error::other(format!("{} is no folder (mode {:o})", tmp.display(), found.mode()))),
        Err(why) if why.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(why) => Err(why),
    }
}

/// Which boot this is; empty where the system does not say.
fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
}

fn seconds(clock: ClockId) -> f64 {
    let now = clock_gettime(clock);
    now.tv_sec as f64 + now.tv_nsec as f64 / 1e9
}
