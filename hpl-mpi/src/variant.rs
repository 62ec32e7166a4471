//! Which of HPL's variants a run takes, as values.

use hpl_spec::params::{Bcast, RunParams};

use crate::panel::Recursion;

/// The choices that a factorization leaves to HPL.dat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Variant {
    /// Whether panel k+1 is factored while panel k is applied (DEPTH).
    pub look_ahead: bool,
    /// How panels travel along process rows (BCAST).
    pub bcast: Bcast,
    /// How panels are factored (RFACT, PFACT, NBMIN, NDIV).
    pub recursion: Recursion,
}

impl Variant {
    /// The variant of a run.
    pub fn of(params: &RunParams) -> Variant {
        Variant { look_ahead: params.depth > 0, bcast: params.bcast, recursion: Recursion::of(params) }
    }
}
