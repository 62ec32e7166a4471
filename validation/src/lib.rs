//! What the whole-program tests share: `xhpl` is run as a user runs it, in a folder of its own, and is
//! judged by what it leaves there. Nothing of its inside is used, but for grids of threads in [`validate`].
//!
//! - [`program`]: which `xhpl` is tested (`HPLAAS_XHPL`, else one built here), and which `mpirun` starts it.
//! - [`job`]: [`Job`] is what to run, [`Running`] a run under way, [`Outcome`] what it left.
//! - [`processes`]: the processes of a job, so that none outlives it.
//! - [`site`]: a service with a node, for tests that are its users.
//! - [`dat`]: texts of HPL.dat.
//! - [`validate`]: parameter sets drawn by a seed, solved by ours and by netlib's code; the program of that name.
//!
//! ```no_run
//! let outcome = validation::Job::xhpl().ranks(4).dat(validation::dat::NETLIB).run();
//! assert_eq!(outcome.report().tally.passed, 864);
//! ```
//!
//! The tests are grouped by question: `smoke` (netlib's own test run), `matrix` (every shape), `reference` and
//! `validate` (the same numbers as netlib's code), `scripts` (HPL.out as others read it), `bad_input`, `program`
//! (options, files), `ended` (signals, ranks that die), `timing` (where the time went), `plan` (parameters that are
//! chosen, and the time they take), `readme`, `browser` and `terminal` (people who use the service), and `house`, which reads the source. Tests named `soak_*` are long and ignored;
//! `cargo xtask soak` runs them.
#![forbid(unsafe_code)]

pub mod dat;
pub mod job;
pub mod processes;
pub mod program;
pub mod site;
pub mod validate;

pub use job::{Job, Outcome, Running};
