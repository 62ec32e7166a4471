//! Level 1: what a run may touch. It is put on once, above `mpirun`, by the *stage* (`hpl-node stage FOLDER`), a process
//! of one thread that then becomes `mpirun`; every rank inherits it and nobody can take it off. A job cannot ask for
//! less of it.
//!
//! ```text
//!   shim   starts the stage, puts it into the control group, says "go" ──┐   (one socket, the stage's standard input)
//!   stage  dies with the shim; limits, niceness, first to go when memory ends      limits.rs
//!          a network of its own with nothing but `lo`, a /dev/shm of its own       apart.rs
//!          no new privileges; the user, no capabilities                            rights.rs
//!          landlock: which files                                                   files.rs
//!          seccomp: which system calls                                             calls.rs
//!          says what it could do and becomes the program  ───────────────┘
//! ```
//!
//! A measure that cannot be had is named with its reason in [`Staged::measures`], and the run goes on: the result says
//! how it was kept apart. What the measures cost: the stage some 10 ms once; landlock some 100 ns for a path that is
//! opened; seccomp nothing for the calls that a benchmark makes (the kernel remembers for each number that the filters
//! always allow it; `clone` alone is looked at each time). None touches memory, floating point or `process_vm_readv`
//! between ranks, which stay what they are outside.
//!
//! What it does not hold is said in ARCHITECTURE.md: above all, landlock has no rule for `chmod`, `chown` and time
//! stamps, so a run can change those of files that belong to its own user. `--run-as` takes that away.

mod apart;
mod calls;
mod files;
mod limits;
mod rights;

use std::collections::BTreeMap;
use std::fmt::Display;
use std::io::{self, BufRead, BufReader, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::{Signal, getppid, set_parent_process_death_signal};
use serde::{Deserialize, Serialize};

use crate::folder::{RunFolder, read_json};
use crate::launch::{Launch, Staged};

/// How long the stage waits for the shim's word, and the shim for the stage's.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Each measure by name: `yes`, or `no` and why.
pub(crate) type Measures = BTreeMap<String, String>;

/// The shim's word to the stage: it is in its control group and may go on.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Go {
    /// The shim's process, whose child the stage must still be.
    pub(crate) shim: u32,
    /// Why the network is to stay open: a stage before this one could not make another.
    pub(crate) network_open: Option<String>,
}

/// The stage's word to the shim.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Said {
    /// Why another stage must be started, which leaves the network open: this one has half a network and cannot go
    /// back.
    pub(crate) again: Option<String>,
    /// What it could do.
    pub(crate) staged: Staged,
}

/// Writes down whether a measure was taken.
pub(crate) fn note<E: Display>(measures: &mut Measures, name: &str, taken: Result<impl Into<String>, E>) {
    let words = match taken {
        Ok(words) => words.into(),
        Err(why) => format!("no: {why}"),
    };
    measures.insert(name.to_owned(), words);
}

/// Restricts this process and makes it the program that launch.json names. It returns only if that fails, with the
/// reason, which the shim was told as well.
///
/// It must be called by the only thread of a process that `hpl-node shim` started.
pub fn stage(folder: &RunFolder) -> String {
    let shim = match io::stdin().as_fd().try_clone_to_owned() {
        Ok(input) => UnixStream::from(input),
        Err(why) => return format!("the stage has no standard input ({why}): it is started by `hpl-node shim` alone"),
    };
    let mut said = Said::default();
    let why = match become_program(folder, &shim, &mut said) {
        Ok(never) => match never {},
        Err(why) => why,
    };
    said.staged.failed = Some(why.clone());
    // if the shim is gone, nobody wants to know
    let _ = say(&shim, &said);
    why
}

/// Sends a line.
pub(crate) fn say(mut to: &UnixStream, word: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(word).map_err(io::Error::other)?;
    line.push(b'\n');
    to.write_all(&line)
}

fn become_program(folder: &RunFolder, shim: &UnixStream, said: &mut Said) -> Result<std::convert::Infallible, String> {
    // first of all: a socket that is closed before it was read takes the answer with it
    let go = hear_go(shim)?;
    let launch: Launch = match read_json(&folder.launch()) {
        Ok(Some(launch)) => launch,
        Ok(None) => return Err(format!("{} is not there", folder.launch().display())),
        Err(why) => return Err(why.to_string()),
    };
    let (program, arguments) = launch.argv.split_first().ok_or("launch.json: argv is empty, it must name a program")?;
    if !program.starts_with('/') {
        return Err(format!("launch.json: the program `{program}` must be a whole path, beginning with /"));
    }
    let parent = go.shim;
    die_with(parent)?;
    restrict(folder, &launch, go, said)?;
    // a change of user or of capabilities took it away
    die_with(parent)?;
    calls::deny(confined(said), &mut said.staged.measures);
    say(shim, said).map_err(|e| format!("the shim does not listen: {e}"))?;
    let why = Command::new(program).args(arguments).env_clear().envs(&launch.env).stdin(Stdio::null()).exec();
    Err(format!("{program} cannot be started: {why}"))
}

/// Whether the kernel keeps the run from reading the memory of processes outside of it.
fn confined(said: &Said) -> bool {
    let holds = |name: &str, word: &str| said.staged.measures.get(name).is_some_and(|m| m.starts_with(word));
    holds("landlock", "yes") || holds("network", "yes (user")
}

fn hear_go(shim: &UnixStream) -> Result<Go, String> {
    let heard = || -> io::Result<Go> {
        shim.set_read_timeout(Some(PATIENCE))?;
        let mut line = String::new();
        BufReader::new(shim).read_line(&mut line)?;
        serde_json::from_str(&line).map_err(io::Error::other)
    };
    heard().map_err(|why| format!("the shim did not say go: {why}"))
}

/// Everything but the filter of system calls, which would be in the way of the rest.
fn restrict(folder: &RunFolder, launch: &Launch, go: Go, said: &mut Said) -> Result<(), String> {
    let measures = &mut said.staged.measures;
    if let Err(why) = crate::sys::keep_from_program(3) {
        note(measures, "open_files", Err::<String, _>(why));
    }
    limits::set(launch, measures);
    let (network, open) = match go.network_open {
        Some(why) => (Err(why), true),
        None => match apart::network(launch.run_as.is_some()) {
            apart::Network::Own(how) => {
                if how.contains("user namespace") {
                    limits::processes_of_namespace(launch.limits.processes, measures);
                }
                (Ok(how), false)
            }
            apart::Network::Open(why) => (Err(why), true),
            apart::Network::Half(why) => {
                said.again = Some(why.clone());
                return Err(why);
            }
        },
    };
    note(measures, "network", network);
    said.staged.network_open = open;
    note(measures, "shared_memory", apart::shared_memory(launch.limits.memory_bytes));
    // before the user changes, who may not be able to reach it by its path
    std::env::set_current_dir(&launch.work)
        .map_err(|e| format!("the work folder {} cannot be entered: {e}", launch.work.display()))?;
    let rules = files::prepare(folder, launch)?;
    note(measures, "no_new_privs", rustix::thread::set_no_new_privs(true).map(|()| "yes"));
    rights::give_up(launch.run_as, measures)?;
    note(measures, "landlock", rules.enforce());
    Ok(())
}

/// Lets the kernel end this process when the shim ends, and checks that it has not ended already.
fn die_with(shim: u32) -> Result<(), String> {
    set_parent_process_death_signal(Some(Signal::KILL)).map_err(|e| format!("cannot be tied to the shim: {e}"))?;
    let parent = getppid().map(|pid| pid.as_raw_nonzero().get().unsigned_abs());
    if parent == Some(shim) { Ok(()) } else { Err(format!("the shim {shim} is gone")) }
}
