//! From launch.json to a running program.

use std::fs::DirBuilder;
use std::io::{BufRead, BufReader, Read};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, chown};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use rustix::time::ClockId;

use super::processes::Process;
use super::pump::{self, Pumps};
use super::run::Run;
use crate::cgroup::Group;
use crate::folder::{RunFolder, write_json};
use crate::launch::{Launch, ShimIs};
use crate::sandbox::{Go, Measures, PATIENCE, Said, say};

/// A program that runs.
pub(super) struct Started {
    pub(super) run: Run,
    pub(super) pumps: Pumps,
    pub(super) staged: crate::launch::Staged,
    /// When the stage became the program.
    pub(super) at: Instant,
}

/// Makes the scratch folder, for the user that the run has.
pub(super) fn scratch(launch: &Launch) -> Result<(), String> {
    let told = |why: std::io::Error| format!("the scratch folder {}: {why}", launch.tmp.display());
    // what lies there is of a run that is over, since its name is this run's alone
    super::removed(&launch.tmp).map_err(told)?;
    DirBuilder::new().mode(0o700).create(&launch.tmp).map_err(told)?;
    match launch.run_as {
        Some((user, group)) => chown(&launch.tmp, Some(user), Some(group)).map_err(told),
        None => Ok(()),
    }
}

/// Starts the stage and waits until it has become the program. If that fails, nothing is left of it.
pub(super) fn start(
    folder: &RunFolder,
    launch: &Launch,
    group: &mut Group,
    measures: &mut Measures,
) -> Result<Started, String> {
    let mut network_open = None;
    loop {
        let (ours, theirs) = UnixStream::pair().map_err(|why| format!("no socket: {why}"))?;
        let mut child = stage(folder, theirs).map_err(|why| format!("the stage cannot be started: {why}"))?;
        group.add(child.id(), measures);
        let mut run = Run::of(child.id(), group.clone()).map_err(|why| format!("no thread: {why}"))?;
        let said = introduce(folder).and_then(|()| {
            let go = Go { shim: std::process::id(), network_open: network_open.clone() };
            say(&ours, &go).map_err(|why| format!("the stage does not listen: {why}"))?;
            hear(&ours)
        });
        let at = Instant::now();
        let failed = match said {
            Ok(Said { again: None, staged }) if staged.failed.is_none() => {
                let pumps = match pumps(&mut child, folder, launch) {
                    Ok(pumps) => pumps,
                    Err(why) => {
                        run.kill();
                        return Err(why);
                    }
                };
                if let Err(why) = write_json(&folder.sandbox(), &staged) {
                    super::tell(format_args!("{}: {why}", folder.sandbox().display()));
                }
                return Ok(Started { run, pumps, staged, at });
            }
            Ok(Said { again: Some(why), .. }) if network_open.is_none() => {
                network_open = Some(why);
                run.kill();
                continue;
            }
            Ok(said) => {
                // beside the reason that is returned, for whoever looks into the folder
                let _ = write_json(&folder.sandbox(), &said.staged);
                let why = said.staged.failed.unwrap_or_default();
                measures.extend(said.staged.measures);
                why
            }
            Err(why) => why,
        };
        run.kill();
        return Err(failed + &last_words(&mut child));
    }
}

/// The stage, in a process group of its own, so that a program that signals its group does not mean the shim.
fn stage(folder: &RunFolder, theirs: UnixStream) -> std::io::Result<Child> {
    Command::new("/proc/self/exe")
        .arg0("hpl-node")
        .arg("stage")
        .arg(folder.path())
        .env_clear()
        .current_dir("/")
        .stdin(OwnedFd::from(theirs))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
}

/// Writes down who this shim is, before the program starts.
fn introduce(folder: &RunFolder) -> Result<(), String> {
    let own = Process::of(std::process::id()).ok_or("/proc is not there")?;
    let is = ShimIs {
        pid: own.pid,
        start_ticks: own.start_ticks,
        boot_id: super::boot_id(),
        started_ms: (super::seconds(ClockId::Boottime) * 1e3) as u64,
    };
    write_json(&folder.shim(), &is).map_err(|why| format!("{}: {why}", folder.shim().display()))
}

/// The stage's last word. The socket closes at the moment when the stage becomes the program.
fn hear(stage: &UnixStream) -> Result<Said, String> {
    let failed = |why: std::io::Error| format!("the stage said nothing in time: {why}");
    stage.set_read_timeout(Some(PATIENCE)).map_err(failed)?;
    let mut last = None;
    for line in BufReader::new(stage).lines() {
        let said = serde_json::from_str(&line.map_err(failed)?);
        last = Some(said.map_err(|why| format!("the stage said something strange: {why}"))?);
    }
    last.ok_or_else(|| "the stage ended without a word".into())
}

/// What a dead stage said on its standard error, in brackets: nothing, unless it panicked.
fn last_words(stage: &mut Child) -> String {
    let mut said = vec![];
    // a pipe holds no more, and whoever held its other end is dead
    let read = stage.stderr.take().map(|pipe| pipe.take(64 * 1024).read_to_end(&mut said));
    let said = String::from_utf8_lossy(&said).trim().replace('\n', "; ");
    if read.is_none() || said.is_empty() || said.starts_with("hpl-node:") {
        String::new()
    } else {
        format!(" ({said})")
    }
}

fn pumps(child: &mut Child, folder: &RunFolder, launch: &Launch) -> Result<Pumps, String> {
    let (out, err) = child.stdout.take().zip(child.stderr.take()).ok_or("the stage has no output")?;
    pump::start(out, err, folder, launch.limits.log_bytes).map_err(|why| format!("the logs cannot be written: {why}"))
}
