//! `hpl-node doctor`: what this node can do, what it lacks, what that costs, and how to mend it.
//!
//! Nothing is believed that can be tried: two ranks are started, a control group is made and removed, a thread is put
//! behind landlock and seccomp and pushes against them, a child leaves its network. Each try ends with a thread, a child
//! or a time limit.
//!
//! | file | abilities |
//! |---|---|
//! | [`programs`] | `mpi`, `xhpl` |
//! | [`machine`] | `pinning`, `huge_pages`, `memory`, `disk` |
//! | [`groups`] | `cgroup` |
//! | [`fences`] | `landlock`, `seccomp` |
//! | [`namespaces`] | `user_namespaces`, `network` |
//! | [`clock`] | `clock` |
//! | [`standing`] | `limits`, `sensors` |
//! | [`table`] | how it is shown |

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde::{Deserialize, Serialize};

use crate::host::environment::clip;

pub mod clock;
pub mod fences;
pub mod groups;
pub mod machine;
pub mod namespaces;
pub mod programs;
pub mod standing;
pub mod table;

/// The word of `hpl-node` behind which [`namespaces::child`] stands.
pub const NAMESPACES_WORD: &str = "try-namespaces";
/// Without these no job can run.
const NEEDED: [&str; 4] = ["mpi", "xhpl", "memory", "disk"];
/// Bytes that a run needs on the disk where the service keeps its usual limits: twice 8 MiB of logs, 64 MiB of artifacts.
const USUAL_DISK: u64 = 80 << 20;
/// As many as a hello may tell.
const ENTRIES: usize = 64;
/// Bytes of a name in it.
const NAME: usize = 64;
/// Bytes of a value in it.
const VALUE: usize = 256;

/// How far the node has an ability.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// All of it.
    Yes,
    /// Less than there could be.
    Partly,
    /// Not at all.
    No,
}

impl State {
    /// The word for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            State::Yes => "yes",
            State::Partly => "partly",
            State::No => "no",
        }
    }
}

/// Something a node can do, or not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ability {
    /// A short word, e.g. `landlock`.
    pub name: String,
    /// How far.
    pub state: State,
    /// What was found.
    pub found: String,
    /// What the lack of it costs; empty if nothing is lacking.
    #[serde(default)]
    pub costs: String,
    /// How to mend that; empty if nothing is lacking.
    #[serde(default)]
    pub mend: String,
}

impl Ability {
    /// It is all there.
    pub fn has(name: &str, found: impl Into<String>) -> Ability {
        let (name, found) = (name.to_owned(), found.into());
        Ability { name, state: State::Yes, found, costs: String::new(), mend: String::new() }
    }

    /// Some or all of it is lacking.
    pub fn lacks(
        name: &str,
        state: State,
        found: impl Into<String>,
        costs: impl Into<String>,
        mend: impl Into<String>,
    ) -> Ability {
        Ability { name: name.to_owned(), state, found: found.into(), costs: costs.into(), mend: mend.into() }
    }

    /// Whether no job can run for want of it.
    #[must_use]
    pub fn stops(&self) -> bool {
        self.state == State::No && NEEDED.contains(&self.name.as_str())
    }
}

/// What is looked at.
#[derive(Debug, Clone)]
pub struct Options {
    /// The data folder; it need not be there yet.
    pub data: PathBuf,
    /// The benchmark.
    pub xhpl: PathBuf,
    /// The launcher.
    pub mpirun: PathBuf,
    /// Bytes that a run needs on the disk.
    pub disk_needed: u64,
    /// Whether a run is on: then nothing is started that would take a core from it.
    pub run_is_on: bool,
    /// The program, with its arguments, that calls [`namespaces::child`] and nothing else; see [`own_helper`].
    pub helper: Vec<OsString>,
}

impl Options {
    /// For a node with these programs, no run being on, the helper being this program.
    #[must_use]
    pub fn new(data: &Path, xhpl: &Path, mpirun: &Path) -> Options {
        let (data, xhpl, mpirun) = (data.to_owned(), xhpl.to_owned(), mpirun.to_owned());
        Options { data, xhpl, mpirun, disk_needed: USUAL_DISK, run_is_on: false, helper: own_helper() }
    }
}

/// This program with the word for [`Options::helper`].
#[must_use]
pub fn own_helper() -> Vec<OsString> {
    let own = std::env::current_exe().ok();
    own.map(|own| vec![own.into_os_string(), NAMESPACES_WORD.into()]).unwrap_or_default()
}

/// All abilities of this node. It takes about three seconds, and at most a minute where programs hang. The last of
/// them, `limits`, is found out by doing what [`crate::host::protect()`] does.
#[must_use]
pub fn abilities(options: &Options) -> Vec<Ability> {
    let network = namespaces::look(&options.helper);
    vec![
        programs::mpi(options),
        programs::xhpl(options),
        machine::pinning(),
        machine::huge_pages(),
        machine::memory(),
        machine::disk(options),
        groups::cgroup(),
        fences::landlock(),
        fences::seccomp(),
        namespaces::network(&network),
        namespaces::user(&network),
        clock::clock(&options.data),
        standing::sensors(),
        standing::limits(),
    ]
}

/// The abilities as a hello tells them: `name: state (found)`.
#[must_use]
pub fn as_hello(abilities: &[Ability]) -> BTreeMap<String, String> {
    let entry = |ability: &Ability| {
        let mut name = ability.name.clone();
        clip(&mut name, NAME);
        let mut value = ability.state.name().to_owned();
        if !ability.found.is_empty() {
            value = format!("{value} ({})", ability.found);
        }
        clip(&mut value, VALUE);
        (name, value)
    };
    abilities.iter().take(ENTRIES).map(entry).collect()
}

/// The command: looks, and prints a table or, with `json`, the list. `extra` is what the caller found out itself, e.g.
/// whether the service can be reached. Exit status 0 if the node can run jobs, else 1.
pub fn run(options: &Options, extra: Vec<Ability>, json: bool) -> ExitCode {
    let shown = std::io::stdout();
    let terminal = shown.is_terminal();
    let waits = terminal && !json;
    if waits {
        eprint!("looking at this machine, a few seconds ...");
    }
    let mut all = abilities(options);
    if waits {
        // the line is wiped
        eprint!("\r\x1b[2K");
    }
    all.extend(extra);
    let text = if json {
        // a list of strings has a JSON form
        serde_json::to_string_pretty(&all).unwrap_or_default() + "\n"
    } else {
        let colours = terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        table::render(&all, table::width(terminal), colours)
    };
    // a reader that went away wants no more
    let written = shown.lock().write_all(text.as_bytes());
    if written.is_err() || all.iter().any(Ability::stops) { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hello_takes_what_fits() {
        let many: Vec<Ability> = (0..100).map(|n| Ability::has(&format!("{n:0>70}"), "ä".repeat(300))).collect();
        let told = as_hello(&many);
        assert!(told.len() <= 64 && told.iter().all(|(name, value)| name.len() <= 64 && value.len() <= 256));
        let told = as_hello(&[Ability::has("landlock", "ABI 7"), Ability::lacks("mpi", State::No, "", "a", "b")]);
        assert_eq!((told["landlock"].as_str(), told["mpi"].as_str()), ("yes (ABI 7)", "no"));
    }

    #[test]
    fn only_the_needed_stop_a_node() {
        let lack = |name, state| Ability::lacks(name, state, "", "", "").stops();
        assert!(lack("mpi", State::No) && lack("disk", State::No));
        assert!(!lack("mpi", State::Partly) && !lack("landlock", State::No) && !Ability::has("xhpl", "").stops());
    }

    #[test]
    fn the_list_has_a_json_form() {
        let all = [Ability::has("mpi", "there"), Ability::lacks("disk", State::Partly, "x", "y", "z")];
        let text = serde_json::to_string(&all).unwrap();
        assert!(text.contains(r#""state":"partly""#), "{text}");
        assert_eq!(serde_json::from_str::<Vec<Ability>>(&text).unwrap(), all);
    }
}
