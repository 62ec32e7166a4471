//! HPL.out: the report that people and scripts read.
//!
//! Writer and reader share the wordings below. The writer keeps netlib HPL
//! 2.3's lines byte for byte, but for the banner, which names this program. The
//! reader also takes what netlib 2.0 to 2.3 and HPC Challenge print (fewer
//! digits, no time stamps), with or without detailed timing and progress lines.

mod head;
mod read;
mod write;

pub use self::read::{OutError, Parsed, parse};
pub use self::write::{header, progress, result, table_head, test, trailer};

use crate::report::Norms;

/// The line that opens the list of parameters.
const VALUES: &str = "The following parameter values will be used:";
/// What precedes the threshold.
const THRESHOLD: &str = "- Computational tests pass if scaled residuals are less than";
/// What precedes the time at which the solve began.
const STARTED: &str = "HPL_pdgesv() start time ";
/// What precedes the time at which the solve ended.
const ENDED: &str = "HPL_pdgesv() end time   ";
/// What precedes the residual.
const RESIDUAL: &str = "||Ax-b||_oo/(eps*(||A||_oo*||x||_oo+||b||_oo)*N)=";
/// The lines of a failure, in their order; see [`norm_values`].
const NORMS: [&str; 6] = [
    "||Ax-b||_oo  . . . . . . . . . . . . . . . . . =",
    "||A||_oo . . . . . . . . . . . . . . . . . . . =",
    "||A||_1  . . . . . . . . . . . . . . . . . . . =",
    "||x||_oo . . . . . . . . . . . . . . . . . . . =",
    "||x||_1  . . . . . . . . . . . . . . . . . . . =",
    "||b||_oo . . . . . . . . . . . . . . . . . . . =",
];
/// The wordings of the counters.
const FINISHED: &str = "tests with the following results:";
const PASSED: &str = "tests completed and passed residual checks,";
const FAILED: &str = "tests completed and failed residual checks,";
const UNCHECKED: &str = "tests completed without checking,";
const SKIPPED: &str = "tests skipped because of illegal input values.";
/// The last words.
const END: &str = "End of Tests.";

/// The norms in the order of [`NORMS`].
fn norm_values(norms: &Norms) -> [f64; 6] {
    [norms.residual_oo, norms.a_oo, norms.a_1, norms.x_oo, norms.x_1, norms.b_oo]
}

/// The inverse of [`norm_values`].
fn norms_of([residual_oo, a_oo, a_1, x_oo, x_1, b_oo]: [f64; 6]) -> Norms {
    Norms { residual_oo, a_oo, a_1, x_oo, x_1, b_oo }
}
