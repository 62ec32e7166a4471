//! `hpl-node`, the daemon of a compute node: see the README for its commands.
//!
//! One file serves three processes of a run, the daemon, the shim and the stage: `node_daemon` tells how they are made
//! and what each is for.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    node_daemon::cli::main()
}
