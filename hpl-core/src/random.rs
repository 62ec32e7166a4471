//! Netlib's matrix generator, bit for bit, with its jump in O(log n).
//!
//! The entries of `[A|b]` are a stream of pseudo-random numbers, laid over the global N x (N+1) matrix
//! column by column: entry (i, j), b being column N, is made from the state number `1 + i + j*N`. The
//! grid has no say in it, so that every process can write its own part alone:
//!
//! ```text
//!   state 0 = SEED        state k+1 = A * state k + 1   (mod 2^64)
//!
//!   local column of process row p:   | NB rows |  (P-1)*NB rows of others  | NB rows | ...
//!                                      fill              skip                fill
//! ```
//!
//! N steps of the recurrence are again one multiplication and one addition ([`Jump`]), hence the skips
//! cost next to nothing. The same identity makes [`Stream::fill`] fast: the recurrence alone would wait
//! for each multiplication in turn, whereas a block of entries made by as many different jumps from
//! one state has no order in it and becomes vector code.
//!
//! The numbers are those of netlib HPL 2.3 (`HPL_rand`, `HPL_jumpit`), which does the same arithmetic
//! in 16-bit limbs; being the same, results and residuals can be compared with it.

use crate::simd::{Work, vectorized};

/// State number 0 of every matrix; the first entry is made from state 1.
pub const SEED: u64 = 100;

/// Multiplier of the recurrence (Knuth's MMIX generator).
const MULTIPLIER: u64 = 6_364_136_223_846_793_005;

/// Entries made from one state at a time: 32 are four vectors of AVX-512, which hide the latency of the
/// 64-bit multiplication. Measured on Zen 4, in ns per entry: 0.76 with 16, 0.11 with 32 and with 64.
const BLOCK: usize = 32;

/// `POWERS[l]` jumps by l.
const POWERS: [Jump; BLOCK + 1] = powers();

/// The states so many steps on, as an affine map `x -> a*x + c` (mod 2^64).
///
/// Jumps of one stream commute: the order in which they are composed or applied does not matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Jump {
    /// Factor: the multiplier to the power of the steps.
    pub a: u64,
    /// Summand: `1 + a_1 + a_1^2 + ...`, as many terms as steps.
    pub c: u64,
}

impl Jump {
    /// No step at all.
    pub const NONE: Jump = Jump { a: 1, c: 0 };
    /// One step of the recurrence.
    pub const ONE: Jump = Jump { a: MULTIPLIER, c: 1 };

    /// The jump by `n` steps, by repeated squaring.
    pub const fn by(n: u64) -> Jump {
        let (mut jump, mut power, mut rest) = (Jump::NONE, Jump::ONE, n);
        while rest > 0 {
            if rest & 1 == 1 {
                jump = jump.compose(power);
            }
            power = power.compose(power);
            rest >>= 1;
        }
        jump
    }

    /// The jump by the steps of both.
    pub const fn compose(self, other: Jump) -> Jump {
        Jump { a: self.a.wrapping_mul(other.a), c: other.apply(self.c) }
    }

    /// The state that follows `x` after this jump.
    pub const fn apply(self, x: u64) -> u64 {
        self.a.wrapping_mul(x).wrapping_add(self.c)
    }
}

const fn powers() -> [Jump; BLOCK + 1] {
    let mut powers = [Jump::NONE; BLOCK + 1];
    let mut l = 1;
    while l <= BLOCK {
        powers[l] = powers[l - 1].compose(Jump::ONE);
        l += 1;
    }
    powers
}

/// The entry made from state `x`, in the closed interval [-0.5, 0.5].
///
/// `0.5 - x*2^-64` with two roundings, of `x` to a double and of the difference. Netlib adds 16-bit
/// limbs instead; all its partial sums but the last are exact, and the last rounds alike. Any algebraic
/// rewriting would round differently.
#[inline(always)]
pub const fn value(x: u64) -> f64 {
    const SCALE: f64 = 1.0 / 18_446_744_073_709_551_616.0;
    0.5 - (x as f64) * SCALE
}

/// A place in the stream of entries: the global matrix read column by column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stream {
    /// State of the next entry.
    x: u64,
}

impl Stream {
    /// The stream standing before entry number `index`, which is `i + j*N` for entry (i, j).
    pub const fn at(index: u64) -> Stream {
        Stream { x: Jump::by(index).apply(Jump::ONE.apply(SEED)) }
    }

    /// State of the next entry.
    pub const fn state(&self) -> u64 {
        self.x
    }

    /// Goes on by `jump` without making entries.
    pub const fn skip(&mut self, jump: Jump) {
        self.x = jump.apply(self.x);
    }

    /// Makes the next `out.len()` entries and goes on by as many.
    pub fn fill(&mut self, out: &mut [f64]) {
        vectorized(Run { stream: self, first: out.len(), nb: 1, gap: Jump::NONE, out });
    }

    /// Makes the entries of one process in (a part of) a column, and goes on to behind the last of them.
    ///
    /// The stream stands in a block of rows of which `first` are left; `out` takes these, skips by `gap`,
    /// takes the next `nb`, skips by `gap`, and so on until it is full, which may be within a block.
    /// With P process rows, `gap` is `Jump::by((P - 1) * NB)`: the blocks of the other processes.
    ///
    /// # Panics
    /// If `nb` is zero, or `first` is zero while `out` is not empty.
    pub fn fill_blocks(&mut self, first: usize, nb: usize, gap: Jump, out: &mut [f64]) {
        assert!(nb > 0 && (first > 0 || out.is_empty()), "blocks of no rows: {first}, {nb}");
        vectorized(Run { stream: self, first, nb, gap, out });
    }

    #[inline(always)]
    fn fill_run(&mut self, out: &mut [f64]) {
        // A local copy: the compiler need not fear that `out` and the state overlap.
        let mut x = self.x;
        let mut blocks = out.chunks_exact_mut(BLOCK);
        for block in &mut blocks {
            for (entry, power) in block.iter_mut().zip(&POWERS) {
                *entry = value(power.apply(x));
            }
            x = POWERS[BLOCK].apply(x);
        }
        let rest = blocks.into_remainder();
        for (entry, power) in rest.iter_mut().zip(&POWERS) {
            *entry = value(power.apply(x));
        }
        self.x = POWERS[rest.len()].apply(x);
    }
}

/// The arguments of [`Stream::fill_blocks`].
struct Run<'a> {
    stream: &'a mut Stream,
    first: usize,
    nb: usize,
    gap: Jump,
    out: &'a mut [f64],
}

impl Work for Run<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let (head, rest) = self.out.split_at_mut(self.first.min(self.out.len()));
        self.stream.fill_run(head);
        for block in rest.chunks_mut(self.nb) {
            self.stream.skip(self.gap);
            self.stream.fill_run(block);
        }
    }
}

/// Fills `out` with the entries number `start`, `start + 1`, ... of the stream.
pub fn fill(start: u64, out: &mut [f64]) {
    Stream::at(start).fill(out);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// [A|b] of order `n` as one process holds it on a 1 x 1 grid.
    fn matrix(n: usize) -> Vec<f64> {
        let mut entries = vec![0.0; n * (n + 1)];
        fill(0, &mut entries);
        entries
    }

    fn fnv1a(entries: &[f64]) -> u64 {
        let bytes = entries.iter().flat_map(|v| v.to_le_bytes());
        bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3))
    }

    #[test]
    fn first_ten_states_and_values_are_netlibs() {
        let expected: [(u64, u64); 10] = [
            (0x8003_61b1_ea65_ad95, 0xbf0b_0d8f_532d_8000),
            (0x1da9_9375_e8b5_6e32, 0x3fd8_959b_2285_d2a4),
            (0x0e6a_bf45_e4a9_2ccb, 0x3fdc_6550_2e86_d5b5),
            (0xf5e0_f72b_751c_94b0, 0xbfdd_783d_cadd_4726),
            (0xf5a7_8a73_8e39_72f1, 0xbfdd_69e2_9ce3_8e5c),
            (0x2785_67ca_f263_c35e, 0x3fd6_1ea6_0d43_670f),
            (0x9c82_8e82_b72a_f987, 0xbfbc_828e_82b7_2af8),
            (0x8c34_ccaa_d3ea_d5bc, 0xbfa8_6999_55a7_d5b0),
            (0x01a2_8a56_f6bb_d60d, 0x3fdf_975d_6a42_510a),
            (0xdb36_d8d8_ffc6_134a, 0xbfd6_cdb6_363f_f184),
        ];
        for (index, (state, bits)) in (0..).zip(expected) {
            assert_eq!(Stream::at(index).state(), state, "X{}", index + 1);
            assert_eq!(value(state).to_bits(), bits, "value of X{}", index + 1);
        }
    }

    #[test]
    fn entries_of_order_1000_are_netlibs() {
        let a = matrix(1000);
        let expected: [(usize, usize, u64); 11] = [
            (0, 0, 0xbf0b_0d8f_532d_8000),
            (4, 0, 0xbfdd_69e2_9ce3_8e5c),
            (999, 0, 0x3fd8_8dbf_228b_5940),
            (0, 1, 0xbfd3_7c43_4591_3e96),
            (1, 1, 0xbfd0_5fe3_e1ca_bbcc),
            (2, 1, 0x3fd8_4432_d10c_1ec1),
            (999, 999, 0xbfdd_5db5_6c71_5a0e),
            (0, 1000, 0x3fa1_5584_1ff8_bb98),
            (1, 1000, 0x3fce_175e_35e4_4668),
            (2, 1000, 0x3fcb_beee_2963_4f2c),
            (999, 1000, 0x3fc9_6afe_d4b8_e3ea),
        ];
        for (i, j, bits) in expected {
            assert_eq!(a[i + j * 1000].to_bits(), bits, "entry ({i}, {j})");
        }
    }

    #[test]
    fn whole_matrices_hash_as_netlibs() {
        let expected = [
            (4, 0x020f_1fad_bad0_a44b),
            (8, 0x24b5_2c49_1573_4664),
            (29, 0x9daa_269b_3fcd_c719),
            (1000, 0x8a37_488d_f20a_9674_u64),
        ];
        for (n, hash) in expected {
            assert_eq!(fnv1a(&matrix(n)), hash, "N = {n}");
        }
    }

    #[test]
    fn the_jump_by_1000_is_netlibs() {
        let jump = Jump { a: 16_758_435_521_279_586_465, c: 4_956_409_081_608_732_536 };
        assert_eq!(Jump::by(1000), jump);
    }

    #[test]
    fn the_range_is_closed_at_both_ends() {
        assert_eq!(value(0), 0.5);
        assert_eq!(value(u64::MAX), -0.5);
        assert_eq!(value(u64::MAX - 1023), -0.5);
        assert!(value(u64::MAX - 2048) > -0.5);
        assert_eq!(value(1 << 63), 0.0);
    }

    proptest! {
        #[test]
        fn jumps_compose_as_steps_add(m: u64, n: u64, x: u64) {
            let both = Jump::by(m).compose(Jump::by(n));
            prop_assert_eq!(both, Jump::by(m.wrapping_add(n)));
            prop_assert_eq!(both, Jump::by(n).compose(Jump::by(m)));
            prop_assert_eq!(both.apply(x), Jump::by(n).apply(Jump::by(m).apply(x)));
        }

        #[test]
        fn a_jump_is_so_many_steps(n in 0_u64..3000, x: u64) {
            let steps = (0..n).fold(x, |x, _| Jump::ONE.apply(x));
            prop_assert_eq!(Jump::by(n).apply(x), steps);
        }

        #[test]
        fn filling_is_stepping(start: u64, len in 0_usize..200) {
            let mut out = vec![f64::NAN; len];
            let mut stream = Stream::at(start);
            stream.fill(&mut out);
            for (k, entry) in out.iter().enumerate() {
                let x = Stream::at(start.wrapping_add(k as u64)).state();
                prop_assert_eq!(entry.to_bits(), value(x).to_bits());
            }
            prop_assert_eq!(stream, Stream::at(start.wrapping_add(len as u64)));
        }

        /// Every process of a P-row grid finds its rows of the global column, from any row of its own on.
        #[test]
        fn block_cyclic_columns_are_picked_from_the_global_one(
            n in 1_usize..300, nb in 1_usize..70, p in 1_usize..5, skipped in 0_usize..90,
        ) {
            let mut global = vec![0.0; n];
            fill(7 * n as u64, &mut global);
            let gap = Jump::by(((p - 1) * nb) as u64);
            for me in 0..p {
                let mine: Vec<usize> = (0..n).filter(|g| g / nb % p == me).skip(skipped).collect();
                let Some(&row) = mine.first() else { continue };
                let mut local = vec![f64::NAN; mine.len()];
                let mut stream = Stream::at((row + 7 * n) as u64);
                stream.fill_blocks(nb - row % nb, nb, gap, &mut local);
                for (value, &g) in local.iter().zip(&mine) {
                    prop_assert_eq!(value.to_bits(), global[g].to_bits());
                }
            }
        }
    }
}
