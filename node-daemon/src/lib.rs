//! The daemon of a compute node, `hpl-node`. It opens no port: it dials the service, asks for a job, runs it under
//! `mpirun`, and brings back log, progress, metrics and result. The words on the wire are [`hpl_spec::api::agent`].
//!
//! ```text
//!        service  ◄──── HTTPS ────  hpl-node run
//!                                      │ spawns, and may die without harm
//!                                      ▼
//!                                   hpl-node shim        owns the session, the control group, the two logs
//!                                      │
//!                                      ▼
//!                                   hpl-node stage       puts itself into the sandbox and becomes ...
//!                                      │
//!                                      ▼
//!                                   mpirun ─► xhpl, xhpl, …
//! ```
#![deny(unsafe_code)]

pub mod agent;
pub mod cgroup;
pub mod cli;
pub mod client;
pub mod daemon;
pub mod doctor;
pub mod folder;
pub mod host;
pub mod identity;
pub mod journal;
pub mod launch;
pub mod metrics;
pub mod orphans;
pub mod runner;
pub mod sandbox;
pub mod shim;
pub mod status;
mod sys;
