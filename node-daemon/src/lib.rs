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

pub mod doctor;
pub mod folder;
pub mod host;
pub mod launch;
pub mod metrics;
