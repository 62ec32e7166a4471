//! The shim: one small process for each run, which outlives the daemon. It owns the session, the control group and the
//! two logs of the run, ends it when that is due, and writes to the disk how it ended, last of all.
//!
//! ```text
//!   spawn   ─► hpl-node shim FOLDER, a session of its own, under systemd a scope of its own      spawn.rs
//!   start   ─► scratch folder, control group, the stage (see `sandbox`), shim.json, "go"         start.rs
//!   follow     two threads carry output to out.log and err.log, within bounds                    pump.rs
//!              one waits for children, one for files such as control.json                        run.rs
//!              the first looks at what is wanted, the clock, the disk, once a second and         watch.rs
//!              whenever there is news
//!   stop       SIGTERM to every process, to the launcher last; after a second everything is killed
//!   exit.json  with the ballast given up if the disk is full
//! ```
//!
//! If the shim itself is killed, the kernel kills the launcher with it, and the daemon calls [`mop_up`] for the rest.
//! What it costs: five threads that sleep, some 3 MB, about a hundredth of a percent of a core (its own count is in
//! [`Exit::shim_cpu_s`]).

mod processes;
mod pump;
mod run;
mod spawn;
mod start;
mod watch;

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use hpl_spec::evidence::{MemoryPeak, MemorySource};
use rustix::time::{ClockId, clock_gettime};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::cgroup::Group;
use crate::folder::{RunFolder, read_json, write_json};
use crate::launch::{End, Exit, Launch, ShimIs, Stop};
use crate::sandbox::Measures;
use run::Run;
pub use spawn::{spawn, spawn_program};
use watch::Watch;

/// How often the shim looks at what the daemon wants, where the system does not tell it of new files.
const LOOK: Duration = Duration::from_millis(200);
/// At the end of the walltime the clock may ring a little early.
const LEAST: Duration = Duration::from_millis(5);
/// For how long the logs are waited for once all processes are gone. One that escaped may hold them open.
const DRAIN: Duration = Duration::from_secs(1);
/// For how long what a dead shim left is killed.
const MOP_UP: Duration = Duration::from_secs(5);
/// How often exit.json is tried, and how long is waited in between.
const TRIES: (u32, Duration) = (20, Duration::from_millis(500));
/// Small threads: none of them calls deep.
pub(crate) const STACK: usize = 128 * 1024;

/// Says something in the shim's log. Where it cannot be written, on a full disk for one, it is lost: `eprintln!` would
/// panic there, and with it the end of the run would be lost.
pub(crate) fn tell(what: std::fmt::Arguments<'_>) {
    use std::io::Write;
    let _ = writeln!(io::stderr(), "hpl-node shim: {what}");
}

/// Where the control group of a run is written down.
fn group_file(folder: &RunFolder) -> PathBuf {
    folder.path().join("group.json")
}

/// The whole life of a shim: runs what launch.json says, and writes exit.json.
#[must_use]
pub fn shim(folder: &RunFolder) -> ExitCode {
    if folder.shim().exists() || folder.exit().exists() {
        // that file belongs to another shim, so this one writes none
        tell(format_args!("{} was run before; an attempt is run once", folder.path().display()));
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
            tell(format_args!("{}: {why}; the run ended with {:?}", folder.exit().display(), exit.end));
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
        tell(format_args!("{}: {why}", group_file(folder).display()));
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
    let look = match run.hear_files(folder.path()) {
        Ok(()) => watch::DISK,
        Err(why) => {
            tell(format_args!("the folder cannot be watched ({why}): it is looked at instead"));
            LOOK
        }
    };
    let stopped = until_end(&mut run, &mut watch, look, asked);
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
    merge(measures, staged.measures);
    exit
}

/// What the stage says beside what the group says. A bound that both speak of holds if one of them holds it.
fn merge(measures: &mut Measures, staged: Measures) {
    for (name, said) in staged {
        if measures.get(&name).is_none_or(|held| !held.starts_with("yes")) {
            measures.insert(name, said);
        }
    }
}

/// Until the launcher has ended, by itself or because that was due; why it was due.
fn until_end(run: &mut Run, watch: &mut Watch, look: Duration, asked: &AtomicBool) -> Option<Stop> {
    // at once for the first time: there may be a control.json already
    let mut patience = Duration::ZERO;
    loop {
        run.hear(patience);
        if run.end.is_some() {
            return None;
        }
        let stop = watch.look(Instant::now());
        if stop.is_some() || asked.load(Ordering::Relaxed) {
            run.terminate();
            return stop;
        }
        patience = look.min(watch.left(Instant::now())).max(LEAST);
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
        tell(format_args!("{}: {why}", folder.exit().display()));
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
