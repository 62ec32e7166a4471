//! The service: accounts, jobs, a fenced queue, results, all on one port.
//!
//! ```text
//!   browser, curl ──► http/{accounts,jobs,results,watch,pages}      nodes (they dial in) ──► http/agent
//!                           │                                                                  │
//!                           ▼                                                                  ▼
//!          db: one writer (units in savepoints, one fsync for many), readers;  store: logs and artifacts
//!                           │                                                                  │
//!                           ▼ after the commit                                                 ▼
//!          hub: rings nodes that wait for a job, event streams, the reaper    evidence: what a result is worth
//! ```
//!
//! - State has one owner: the database. `hub` only wakes those who then look there.
//! - A job moves by [`hpl_spec::JobState::after`] alone, in the transaction that appends the event: `db::jobs::step`.
//! - Every write of a node names its fence; see `db::attempts`.
//! - Decisions are pure: [`schedule`], [`evidence`], `diagnose`, `statistics`; clocks and files are handed in.
//! - Nothing but the registry ([`hpl_spec::benchmark`]) knows what a benchmark is.
#![forbid(unsafe_code)]

pub mod admin;
pub mod app;
pub mod attempt_key;
pub mod backup;
pub mod certificate;
pub mod certify;
pub mod client_ip;
pub mod clock;
pub mod config;
pub mod csv;
pub mod db;
mod diagnose;
pub mod disk;
pub mod error;
pub mod evidence;
pub mod failpoints;
pub mod http;
pub mod hub;
pub mod limits;
pub mod logging;
pub mod metrics;
pub mod ops;
pub mod password;
mod picture;
mod private_file;
pub mod reaper;
pub mod run;
pub mod schedule;
pub mod secret;
pub mod serve;
mod statistics;
pub mod store;
pub mod tls;
pub mod verify;
