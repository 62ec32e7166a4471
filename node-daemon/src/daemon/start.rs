//! From a data folder to a daemon that turns: who we are, what is left of an earlier one, the threads.

use std::fs::File;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};

use rustix::fs::{FlockOperation, flock};

use super::active::Active;
use super::courier::Courier;
use super::described::Described;
use super::health::Health;
use super::sampler::Measuring;
use super::turn::Daemon;
use super::voice::{Shared, Voice};
use super::{Ended, Input, Options};
use crate::agent::{Agent, Fact, Resumed};
use crate::folder::{Data, RunFolder, read_json};
use crate::host;
use crate::identity::Identity;
use crate::journal::{Journal, OpenClaim, Told};
use crate::runner::close;
use crate::runner::prepare::{Launcher, Programs};
use crate::status::Status;
use crate::{orphans, shim};

/// Runs until somebody wants it to end, or it cannot go on without a person.
///
/// # Errors
/// It cannot begin: in words, with what to do.
pub fn run(options: Options) -> Result<Ended, String> {
    // Before there are threads: they inherit the priority.
    let protected = host::protect();
    let data = Data::open(&options.data).map_err(|e| format!("the data folder {}: {e}", options.data.display()))?;
    let _lock = lock(&data)?;
    let identity = Identity::load(&data).map_err(|e| e.to_string())?;
    let identity = identity.ok_or_else(|| {
        let at = data.path().display();
        format!(
            "this node has not joined a service yet: {at} has no node.json. Ask for a join string \
                 (`hpl-service admin join-token`) and say: hpl-node join --data {at} 'JOIN-STRING'"
        )
    })?;
    let boot_id = host::boot_id().map_err(|e| e.to_string())?;
    orphans::purge(&data);
    let left = left_over(&data, &boot_id);
    let busy = left.as_ref().is_some_and(|(told, _)| is_live(&data, told));
    let described = Described::of(&data, &boot_id, &options.xhpl, &options.mpirun, busy)?;
    let machine_id = host::machine_id(&data).map_err(|e| format!("this machine has no id: {e}"))?;
    let programs = programs(&options);
    let environment = host::environment(&options.xhpl, &options.mpirun);

    let (inputs, incoming) = channel();
    let shared = Arc::new(Shared::default());
    let open_claim = read_json::<OpenClaim>(&data.path().join("claim.json")).ok().flatten();
    let open_claim = open_claim.filter(|claim| claim.boot_id == boot_id && left.is_none()).map(|claim| claim.seq);
    let mut active = None;
    let mut resumed = None;
    if let Some((told, exited)) = &left {
        let run = Active::resume(&data, told, &options.xhpl).map_err(|e| e.to_string())?;
        tracing::info!(attempt = %told.taken.assignment.attempt, exited, "going on with a run that was left");
        resumed = Some(Resumed {
            assignment: told.taken.assignment.clone(),
            taken_at: told.taken_at(),
            events: told.events.clone(),
            launched: run.is_launched(),
        });
        active = Some(run);
    }
    let mut agent = Agent::new(resumed, open_claim);
    if let Some(finish) = active.as_ref().and_then(|run: &Active| run.finish.clone()) {
        agent.observe(host::now(), Fact::Ended(Box::new(close::ending(&finish))));
    }
    let status = Status {
        pid: std::process::id(),
        version: env!("CARGO_PKG_VERSION").into(),
        service: identity.reach.url.clone(),
        name: identity.name.clone(),
        node: identity.node.to_string(),
        state: "starting".into(),
        protected,
        ..Status::default()
    };
    signals(inputs.clone())?;
    let daemon = Daemon {
        courier: Courier::start(&identity, inputs.clone())?,
        voice: Voice::start(&identity, shared.clone(), inputs)?,
        measuring: Measuring::start(shared.clone())?,
        identity,
        machine_id,
        boot_id,
        described,
        environment,
        programs,
        agent,
        active,
        shared,
        status,
        status_from: host::now(),
        health: Health::default(),
        clock_offset_ms: None,
        greeted_at: None,
        run_lock: None,
        last_claim: None,
        data,
        options,
    };
    daemon.turn(&incoming)
}

/// One daemon a folder.
fn lock(data: &Data) -> Result<File, String> {
    let path = data.lock();
    let at = |e: io::Error| format!("{}: {e}", path.display());
    let file =
        File::options().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path).map_err(at)?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(_) => Err(format!(
            "another hpl-node runs from {}: see `hpl-node status --data {0}`, or give this one a folder of its own",
            data.path().display()
        )),
    }
}

/// Whether a daemon runs from this folder.
#[must_use]
pub fn is_running(data: &Data) -> bool {
    File::open(data.lock()).is_ok_and(|file| flock(&file, FlockOperation::NonBlockingLockShared).is_err())
}

/// The run that an earlier daemon left, and whether its end is written down. What was cut off by a restart of the machine
/// is thrown away: the service ends it when it hears of the new boot.
fn left_over(data: &Data, boot_id: &str) -> Option<(Told, bool)> {
    let mut all: Vec<PathBuf> =
        std::fs::read_dir(data.runs()).into_iter().flatten().filter_map(|e| Some(e.ok()?.path())).collect();
    // Ids sort by time.
    all.sort();
    let mut left = None;
    for path in all {
        let folder = RunFolder::at(&path);
        let told = match Journal::read(&folder) {
            Ok(told) => told,
            Err(why) => {
                put_aside(data, &folder, &format!("what was left of it cannot be read: {why}"));
                continue;
            }
        };
        let exited = folder.exit().exists() || folder.finish().exists();
        let Some(told) = told.filter(|told| told.taken.boot_id == boot_id || exited) else {
            tracing::warn!(folder = %path.display(), "the machine was started anew while this ran, or nothing is known of it");
            // Its scratch folder lies outside, and where /tmp is a disk it outlives the machine's restart.
            if let Ok(Some(launch)) = read_json(&folder.launch())
                && let Err(why) = shim::mop_up(&folder, &launch)
            {
                tracing::error!(%why, "what the run left behind cannot be removed");
            }
            let _ = std::fs::remove_dir_all(&path);
            continue;
        };
        if let Some((earlier, _)) = left.replace((told, exited)) {
            put_aside(data, &data.run(&earlier.taken.assignment.attempt), "a later run was left as well");
        }
    }
    left
}

/// A run that cannot be gone on with is kept for people to look at: it may hold a result.
fn put_aside(data: &Data, folder: &RunFolder, why: &str) {
    tracing::error!(why, folder = %folder.path().display(), "a run that was left is put among the orphans");
    if let Err(why) = orphans::keep(data, folder, why) {
        tracing::error!(%why, "it cannot be put there");
    }
}

fn is_live(data: &Data, told: &Told) -> bool {
    let folder = data.run(&told.taken.assignment.attempt);
    read_json(&folder.shim()).ok().flatten().is_some_and(|is| shim::alive(&is))
}

fn programs(options: &Options) -> Programs {
    let said = host::environment::mpi_version(&options.mpirun).unwrap_or_default();
    Programs {
        xhpl: options.xhpl.clone(),
        mpirun: options.mpirun.clone(),
        launcher: Launcher::of(&said),
        profile: options.profile.clone(),
        read: options.read.clone(),
    }
}

fn signals(inputs: Sender<Input>) -> Result<(), String> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    let wanted = signal_hook::iterator::Signals::new([SIGTERM, SIGINT, SIGHUP]);
    let mut wanted = wanted.map_err(|e| format!("signals cannot be heard: {e}"))?;
    let thread = std::thread::Builder::new().name("signals".into()).spawn(move || {
        for _ in wanted.forever() {
            if inputs.send(Input::Stop).is_err() {
                return;
            }
        }
    });
    thread.map(|_| ()).map_err(|e| format!("a thread cannot be started: {e}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_read_is_put_aside_and_not_thrown_away() {
        let scratch = tempfile::tempdir().unwrap();
        let data = Data::open(scratch.path()).unwrap();
        let folder = data.run(&"0190f5fe-7c00-7a3b-8b1e-0123456789ab".parse().unwrap());
        std::fs::create_dir(folder.path()).unwrap();
        std::fs::write(folder.assignment(), "{ torn").unwrap();
        std::fs::write(folder.finish(), "a result").unwrap();
        assert!(left_over(&data, "boot").is_none());
        assert!(!folder.path().exists());
        let name = folder.path().file_name().unwrap();
        assert!(data.orphans().join(name).join("finish.json").exists());
    }
}
