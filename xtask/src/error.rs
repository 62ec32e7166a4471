//! Why a command stops. The text says what to do next.

use std::path::PathBuf;

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
    /// mpirun or the program under it failed.
    #[error("{0}")]
    Run(String),
    /// The run ended, but without a result that passed.
    #[error("{0}")]
    NotPassed(String),
    /// Ctrl-C.
    #[error("stopped: the run was ended, nothing is left behind")]
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
