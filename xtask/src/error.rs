//! Why a command stops. The text says what to do next.

use std::path::PathBuf;
use std::time::Duration;

use crate::place::shortest;

/// Why a command stops.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The system lacks something that could not be installed.
    #[error("{0}")]
    Missing(String),
    /// Installing failed.
    #[error("installing failed: {command}\n{output}")]
    Install {
        /// What was run.
        command: String,
        /// What it said.
        output: String,
    },
    /// A program could not be started.
    #[error("cannot start `{program}`: {why}")]
    Start {
        /// The program.
        program: String,
        /// What the system said.
        why: std::io::Error,
    },
    /// A step ended with a status other than zero; its output stands above.
    #[error("step `{step}` failed ({status}): {command}")]
    Step {
        /// The step's name.
        step: String,
        /// How it ended.
        status: String,
        /// What was run.
        command: String,
    },
    /// A program said something that cannot be read.
    #[error("cannot read what {whom} says: {why}")]
    Strange {
        /// Who said it.
        whom: String,
        /// What is wrong with it.
        why: String,
    },
    /// A file could not be read or written.
    #[error("{}: {why}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        why: std::io::Error,
    },
    /// The options given cannot be run.
    #[error("{0}")]
    Options(String),
    /// A program that was to stay has ended.
    #[error("{name} ended ({how}). The last it said:\n\n{said}\n\nAll of it: {}", shortest(log).display())]
    Ended {
        /// Which one.
        name: &'static str,
        /// How.
        how: String,
        /// The last lines of its log.
        said: String,
        /// The log.
        log: PathBuf,
    },
    /// A program that was started does not get ready.
    #[error("{name} runs but {what} after {} s. The last it said:\n\n{said}\n\nAll of it: {}", after.as_secs(), shortest(log).display())]
    Slow {
        /// Which one.
        name: &'static str,
        /// What it does not do.
        what: &'static str,
        /// How long it had.
        after: Duration,
        /// The last lines of its log.
        said: String,
        /// The log.
        log: PathBuf,
    },
    /// The service cannot be reached.
    #[error("no answer from {url}: {why}")]
    Away {
        /// What was asked for.
        url: String,
        /// What the connection said.
        why: String,
    },
    /// The service says no.
    #[error("the service refuses to {what}: {detail} ({code})")]
    Refused {
        /// What it was asked to do.
        what: String,
        /// The stable word of the reason.
        code: String,
        /// In words.
        detail: String,
    },
    /// The same, or another error, with what a person can do about it.
    #[error("{why}\n\nWhat to try:\n{}", steps.iter().map(|s| format!("  - {s}")).collect::<Vec<_>>().join("\n"))]
    Advised {
        /// The error.
        why: Box<Error>,
        /// What to try.
        steps: Vec<String>,
    },
    /// The run ended, but without a result that passed.
    #[error("{0}")]
    NotPassed(String),
    /// Ctrl-C.
    #[error("stopped: run, node and service have ended")]
    Interrupted,
}

impl Error {
    /// The exit status that tells a script the same.
    pub fn status(&self) -> u8 {
        match self {
            Error::Interrupted => 130,
            _ => 1,
        }
    }

    /// The same with what a person can do about it. Who pressed Ctrl-C needs no advice.
    pub fn advise(self, steps: Vec<String>) -> Error {
        match self {
            Error::Interrupted => self,
            why => Error::Advised { why: Box::new(why), steps },
        }
    }

    /// For `map_err`: names the file beside what the system said.
    pub fn file(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Error {
        let path = path.into();
        move |why| Error::File { path, why }
    }

    /// For `map_err`: names the program beside what the system said.
    pub fn start(program: &str) -> impl FnOnce(std::io::Error) -> Error + use<> {
        let program = program.to_owned();
        move |why| Error::Start { program, why }
    }
}
