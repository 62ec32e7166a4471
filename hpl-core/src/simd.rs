//! Plain loops, compiled for the vector units found at run time.
//!
//! `pulp` compiles what is inlined into its entry once per instruction set, and calls the one that fits.
//! A closure would do, if the compiler inlined it: it does not always, and then its loops are those of a
//! CPU from 2003, with a library call for each fused multiply-add. A method marked `#[inline(always)]`
//! is certain; hence [`Work`].

/// A loop over data. Implementations mark `run` (and what it calls) `#[inline(always)]`.
pub(crate) trait Work {
    /// What comes out.
    type Output;

    /// Does the work.
    fn run(self) -> Self::Output;
}

struct Inlined<W>(W);

impl<W: Work> pulp::WithSimd for Inlined<W> {
    type Output = W::Output;

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) -> W::Output {
        self.0.run()
    }
}

/// Does the work with the widest vectors this CPU has.
pub(crate) fn vectorized<W: Work>(work: W) -> W::Output {
    pulp::Arch::new().dispatch(Inlined(work))
}
