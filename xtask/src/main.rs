//! The commands a person types: `cargo xtask setup`, `up`, `web`, `compare`, `validate`, `test` and
//! `soak`.
//!
//! Each begins with the same set-up step. `needs` is the table of what the system must bring and
//! `setup` looks for it. `up` builds (`build`), plans a run (`plan`), starts a service and a node
//! (`chain`, `child`, `place`), submits the run as a user would (`account`, `api`, `http`), follows
//! it (`follow`, `bar`), shows what became of it (`show`) and stops all in order (`stop`, `runs`).
//! `web` builds the scripts of the pages (`npm`), which every build of the service takes in.
//! `compare` gets the peers and holds our speed against theirs, `validate` holds our numbers
//! against netlib's. `test` lists the steps that CI runs and `steps` times them.
#![forbid(unsafe_code)]

mod account;
mod api;
mod bar;
mod build;
mod chain;
mod child;
mod compare;
mod error;
mod follow;
mod http;
mod needs;
mod npm;
mod place;
mod plan;
mod runs;
mod setup;
mod show;
mod steps;
mod stop;
mod test;
mod up;
mod validate;
mod web;

use std::io::{Write, stderr};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Build, run and test this project.
#[derive(Debug, Parser)]
#[command(bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Install what is missing on this machine, or say how to
    Setup,
    /// Start a service and a node on this machine, run a real HPL through them, and stay until Ctrl-C
    Up {
        /// End after the first result; exit status 0 only if it passed and counts
        #[arg(long)]
        once: bool,
        /// The port of the service on loopback; a free one if it is taken (default: that of the last time, or 8080)
        #[arg(long, value_name = "PORT")]
        port: Option<u16>,
        /// The folder of all data: accounts, jobs, results, the node, logs (default: target/up)
        #[arg(long, value_name = "DIR")]
        data: Option<PathBuf>,
        /// About how long the solve should take
        #[arg(long, value_name = "S", default_value_t = 20.0)]
        seconds: f64,
        /// The order of the matrix (default: what fills the time and fits the memory)
        #[arg(long, value_name = "N")]
        n: Option<usize>,
        /// MPI ranks; the cores are shared out among them
        #[arg(long, value_name = "R", default_value_t = 1)]
        ranks: usize,
    },
    /// Build the scripts of the pages where they are older than their sources; all that build the service do it too
    Web,
    /// Measure ours beside the peers, in turns, and print one table (half an hour; nothing else should run)
    #[command(disable_help_flag = true)]
    Compare {
        /// What the comparison takes; `--help` lists it
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "OPTIONS")]
        options: Vec<String>,
    },
    /// Solve parameter sets drawn by a seed with xhpl and with netlib's code, and write validation/report.md (minutes)
    #[command(disable_help_flag = true)]
    Validate {
        /// What the comparison takes: `--reference PATH-TO-NETLIB-XHPL` and others; `--help` lists them
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "OPTIONS")]
        options: Vec<String>,
    },
    /// Run everything that CI runs
    Test,
    /// Run the long tests (minutes to hours)
    Soak,
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Setup => setup::ensure(needs::Purpose::Test)
            .and_then(|()| web::ensure())
            .map(|()| println!("all that is needed is there")),
        Command::Up { once, port, data, seconds, n, ranks } => {
            up::up(&up::Options { wish: plan::Wish { seconds, n, ranks }, once, port, data })
        }
        Command::Web => web::web(),
        Command::Compare { options } => compare::compare(&options),
        Command::Validate { options } => validate::validate(&options),
        Command::Test => test::test(),
        Command::Soak => test::soak(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Where the terminal was closed nobody reads it; the exit status says it.
            let _ = writeln!(stderr(), "\nxtask: {error}");
            ExitCode::from(error.status())
        }
    }
}
