//! Load for `hpl-service`: the real program on loopback, real TLS, people and nodes as they would come.
//!
//! ```text
//!   server.rs   the service under load: started on a fresh folder, its memory watched, stopped
//!   client.rs   a TLS connection that asks and hears
//!   people.rs   users with tokens, and the jobs they submit
//!   fleet.rs    nodes that join, claim, beat and tell events, each on a connection of its own
//!   pace.rs     calls at a rate, and how long each took
//! ```
//! Calls are paced by the clock and not by the answers: each is due at its moment, whether those before it were
//! answered or not, and its time counts from that moment. A service that falls behind cannot hide it.

pub mod client;
pub mod crowd;
pub mod fleet;
pub mod pace;
pub mod people;
pub mod server;

use tokio::runtime::Runtime;

/// What runs the clients: one thread, so that the service has the rest of a small machine.
///
/// # Errors
/// If it cannot be started.
pub fn runtime() -> Result<Runtime, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|e| format!("the runtime of the clients cannot be started: {e}"))
}

/// Lets this process, and those it starts, have as many connections as the system allows.
///
/// # Errors
/// If that is less than `needed`.
pub fn raise_open_files(needed: u64) -> Result<(), String> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    setrlimit(Resource::Nofile, raised).map_err(|e| format!("the limit of open files cannot be raised: {e}"))?;
    match limit.maximum {
        Some(most) if most < needed => {
            Err(format!("{needed} open files are needed and {most} allowed; raise the limit (ulimit -Hn)"))
        }
        _ => Ok(()),
    }
}
