//! `hpl-node run`: the rim of [`crate::agent`]. Here are the threads, the files and the processes; what is decided is
//! decided there.
//!
//! | thread | what it does | what it never does |
//! |---|---|---|
//! | main | looks at the run, asks the agent, does what it says | waits for the network |
//! | courier | makes the one call at a time: hello, claim, events, files, end | decide |
//! | voice | beats, and waits for a cancel | touch a disk |
//! | sampler | measures the node every five seconds of a run | |
//! | signals | says that somebody wants the daemon to end | |
//!
//! The run itself belongs to the shim, a process of its own: this one may be killed at any moment.

mod active;
mod ballast;
mod calls;
mod courier;
mod described;
mod health;
mod sampler;
mod start;
mod telling;
mod turn;
mod voice;

use std::path::PathBuf;

use hpl_spec::api::agent::BeatReply;
use hpl_spec::id::AttemptId;

use crate::agent::{Call, Heard};
use crate::client::Answer;

pub(crate) use calls::orphan_of;
pub use start::{is_running, run};

/// How the daemon is to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Its data folder.
    pub data: PathBuf,
    /// The benchmark.
    pub xhpl: PathBuf,
    /// The launcher.
    pub mpirun: PathBuf,
    /// The benchmark's profile of this CPU.
    pub profile: Option<PathBuf>,
    /// Folders that runs may read besides.
    pub read: Vec<PathBuf>,
    /// User and group that runs have.
    pub run_as: Option<(u32, u32)>,
    /// Whether other work may run beside ours.
    pub shared: bool,
}

/// Why a daemon ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// Somebody wanted it to.
    Stopped,
    /// It cannot go on without a person.
    Dismissed(String),
}

/// What reaches the main thread.
#[derive(Debug)]
pub enum Input {
    /// What came of a call.
    Said(Box<(Call, Heard)>),
    /// The claim of that number was broken off.
    Dropped(u64),
    /// What came of a beat, or of waiting for a cancel.
    Heard(AttemptId, Answer<Option<BeatReply>>),
    /// Somebody wants the daemon to end.
    Stop,
}
