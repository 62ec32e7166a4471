//! What the whole-program tests share: `xhpl` is run as a user runs it, in a folder of its own, and is
//! judged by what it leaves there. Nothing of its inside is used.
//!
//! - [`program`]: which `xhpl` is tested (`HPLAAS_XHPL`, else one built here), and which `mpirun` starts it.
//! - [`job`]: [`Job`] is what to run, [`Running`] a run under way, [`Outcome`] what it left.
//! - [`processes`]: the processes of a job, so that none outlives it.
//! - [`dat`]: texts of HPL.dat.
//!
//! ```no_run
//! let outcome = validation::Job::xhpl().ranks(4).dat(validation::dat::NETLIB).run();
//! assert_eq!(outcome.report().tally.passed, 864);
//! ```
//!
//! The tests are grouped by question: `smoke` (netlib's own test run), `matrix` (every shape), `reference`
//! (the same numbers as netlib's code), `bad_input`, `program` (options, files, signals), `plan` (parameters that are
//! chosen, and the time they take), and `house`, which reads the source. Tests named `soak_*` are long and ignored;
//! `cargo xtask soak` runs them.
#![forbid(unsafe_code)]

pub mod dat;
pub mod job;
pub mod processes;
pub mod program;

pub use job::{Job, Outcome, Running};
