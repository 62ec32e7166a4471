//! The commands a person types: `cargo xtask setup`, `up`, `test` and `soak`.
//!
//! Each begins with the same set-up step. `needs` is the table of what the system must bring and
//! `setup` looks for it; `up` builds, plans (`plan`), launches (`launch`), follows (`follow`, `bar`)
//! and shows (`show`) one verified run; `test` lists the steps that CI runs and `steps` times them.
#![forbid(unsafe_code)]

mod bar;
mod build;
mod error;
mod follow;
mod launch;
mod needs;
mod plan;
mod setup;
mod show;
mod steps;
mod test;
mod up;

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
    /// Run a real, verified HPL on this machine
    Up {
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
    /// Run everything that CI runs
    Test,
    /// Run the long tests (minutes to hours)
    Soak,
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Setup => setup::ensure(needs::Purpose::Test).map(|()| println!("all that is needed is there")),
        Command::Up { seconds, n, ranks } => up::up(plan::Wish { seconds, n, ranks }),
        Command::Test => test::test(),
        Command::Soak => test::soak(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nxtask: {error}");
            ExitCode::from(error.status())
        }
    }
}
