//! `hpl-node`, the daemon of a compute node: see the README, and [`node_daemon`] for how it is made.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    node_daemon::cli::main()
}
