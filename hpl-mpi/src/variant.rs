//! Which of HPL's variants a run takes, as values.

use hpl_spec::params::{Bcast, RunParams, Swap};

use crate::panel::Recursion;

/// The choices that a factorization leaves to HPL.dat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Variant {
    /// How many panels are factored before the oldest of them is applied to the whole rest of the matrix (DEPTH); 0: each
    /// is applied before the next is factored.
    pub depth: usize,
    /// How panels travel along process rows (BCAST).
    pub bcast: Bcast,
    /// How panels are factored (RFACT, PFACT, NBMIN, NDIV).
    pub recursion: Recursion,
    /// How rows travel between process rows (SWAP).
    pub swap: Swap,
    /// Whether process rows share the work on U evenly in spread-roll (EQUIL): each solves some columns of it for all.
    pub equil: bool,
}

impl Variant {
    /// The variant of a run.
    pub fn of(params: &RunParams) -> Variant {
        let RunParams { depth, bcast, swap, equil, .. } = *params;
        Variant { depth, bcast, recursion: Recursion::of(params), swap, equil }
    }
}
