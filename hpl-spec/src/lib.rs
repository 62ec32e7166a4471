//! The words that all rooms share, and nothing else: no files, no clocks, no
//! sockets, no threads.
//!
//! The way of a number through this crate:
//!
//! ```text
//!   HPL.dat --dat--> Sweep --runs()--> RunParams ... a solver ... RunReport --out--> HPL.out
//!                                                                    |
//!                                                             event, SweepReport --> JSON
//! ```
//!
//! - [`params`]: one run, its limits, its T/V code, its operations and memory.
//! - [`words`]: what is one of a few ([`Bcast`], [`Fact`], ...), a table each.
//! - [`dat`]: HPL.dat and the [`Sweep`] it describes.
//! - [`report`]: time, rate and residual of a run, with its [`Verdict`].
//! - [`out`]: HPL.out, its writer and its reader.
//! - [`event`]: what xhpl says while it runs.
//! - [`node`]: what a node is.
//! - [`id`], [`job`]: names of things; the states of a job and what leads from one to another.
//! - [`stage`]: where a job stands, in one line for who follows it.
//! - [`benchmark`]: the registry: all that queue, protocol and leaderboard may know of a benchmark.
//! - [`evidence`]: what speaks for a result, and how far it is trusted.
//! - [`api`]: what crosses the wire.
//! - [`netlib`]: error messages in netlib's shape.
//! - [`advice`]: what to choose where nothing was asked for; how far a run is.
//! - [`profile`]: what was found to be fastest on a CPU.
//! - [`rates`]: how long a solve will take, from a few that were measured.
//! - [`plan`]: which N, NB, P and Q to run, and what comes of it.
//! - [`cformat`]: numbers as C prints them.
//!
//! ```
//! use hpl_spec::{RunParams, Sweep, out};
//!
//! let sweep = Sweep::of(RunParams::new(1000, 64, 1, 1), 16.0);
//! let text = sweep.to_dat();
//! assert_eq!(Sweep::parse(&text, 1).unwrap(), sweep);
//! assert_eq!(sweep.runs().next().unwrap().variant(), "WR11R2R8");
//! assert!(out::header(&sweep, &[]).contains("N      :    1000 \n"));
//! ```
//!
//! N, NB, P, Q and all other words are HPL's. Text formats are those of netlib
//! HPL 2.3, so that what reads and writes them today keeps working.
#![forbid(unsafe_code)]

pub mod account;
pub mod advice;
pub mod api;
pub mod benchmark;
pub mod cformat;
pub mod dat;
pub mod event;
pub mod evidence;
pub mod id;
pub mod job;
mod json_f64;
pub mod netlib;
pub mod node;
pub mod out;
pub mod params;
pub mod plan;
pub mod profile;
pub mod rates;
pub mod report;
pub mod stage;
pub mod words;

pub use dat::{DatError, Output, Sweep};
pub use event::RunEvent;
pub use id::{AttemptId, JobId, NodeId, SweepId};
pub use job::{FailClass, JobEvent, JobState, Progress};
pub use netlib::netlib_error;
pub use node::{Cache, CacheKind, NodeInfo, Peak};
pub use params::{Bcast, Fact, Order, ParamError, RunParams, Storage, Swap, numroc};
pub use report::{Around, Check, Norms, Phases, RunReport, SweepReport, Tally, Verdict};
