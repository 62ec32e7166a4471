//! The parameters of one run: what a single line of HPL.out stands for.

use serde::{Deserialize, Serialize};

pub use crate::words::{Bcast, Fact, Order, Row, Storage, Swap};

/// The largest integer of netlib HPL (a C `int`): 2^31 - 1.
pub const INT_MAX: usize = i32::MAX as usize;

/// Rows are interchanged for this many local columns at a time, so that U and what it is put together
/// from stay small beside the matrix (chosen in `benches/runs/2026-11-26-epyc-zen5-2-cores`).
pub const SWAP_COLUMNS: usize = 2048;

/// Beside the matrix and its workspace a rank has its program and MPI, in bytes.
pub const PROCESS: u64 = 100_000_000;

/// One run of HPL: solve A x = b of order `n` on a `p` x `q` grid.
///
/// The same numbers as in HPL.dat and under the same names, one value each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RunParams {
    /// N: the order of the coefficient matrix A.
    pub n: usize,
    /// NB: the partitioning blocking factor, in rows and columns.
    pub nb: usize,
    /// P: the number of process rows.
    pub p: usize,
    /// Q: the number of process columns.
    pub q: usize,
    /// PMAP: how ranks are laid out on the grid.
    pub order: Order,
    /// DEPTH: how many panels the look-ahead factors in advance.
    pub depth: usize,
    /// BCAST: the topology of the panel broadcast.
    pub bcast: Bcast,
    /// RFACT: the variant of the recursive panel factorization.
    pub rfact: Fact,
    /// PFACT: the variant of the panel factorization below the recursion.
    pub pfact: Fact,
    /// NBMIN: the recursion stops at this many columns.
    pub nbmin: usize,
    /// NDIV: into how many panels the recursion divides.
    pub ndiv: usize,
    /// SWAP: how rows are interchanged.
    pub swap: Swap,
    /// L1: the form of the upper block of the panel.
    pub l1: Storage,
    /// U: the form of the row block.
    pub u: Storage,
    /// EQUIL: whether process rows share the work on U evenly in spread-roll.
    pub equil: bool,
    /// ALIGN: memory alignment, in doubles.
    pub align: usize,
}

/// A parameter outside the limits of HPL.dat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{field} is {found}; it must be from {least} to {most}")]
pub struct ParamError {
    /// Which parameter, in HPL's word.
    pub field: &'static str,
    /// Its value.
    pub found: usize,
    /// The smallest legal value.
    pub least: usize,
    /// The largest legal value.
    pub most: usize,
}

impl RunParams {
    /// A run with the values that usually serve well for all that is not
    /// named: row-major grid, look-ahead 1, 1ringM, right-looking recursion
    /// (NDIV 2) down to 8 columns, spread-roll swap with equilibration,
    /// transposed L1 and U, alignment of 8 doubles.
    #[must_use]
    pub fn new(n: usize, nb: usize, p: usize, q: usize) -> Self {
        RunParams {
            n,
            nb,
            p,
            q,
            order: Order::RowMajor,
            depth: 1,
            bcast: Bcast::RingM,
            rfact: Fact::Right,
            pfact: Fact::Right,
            nbmin: 8,
            ndiv: 2,
            swap: Swap::SpreadRoll,
            l1: Storage::Transposed,
            u: Storage::Transposed,
            equil: true,
            align: 8,
        }
    }

    /// Checks every number against the limits that HPL.dat has.
    ///
    /// # Errors
    /// The first parameter, in the order of HPL.dat, that is outside.
    pub fn check(&self) -> Result<(), ParamError> {
        let threshold = match self.swap {
            Swap::Mix { threshold } => threshold,
            Swap::BinaryExchange | Swap::SpreadRoll => 0,
        };
        let limits = [
            ("N", self.n, 0),
            ("NB", self.nb, 1),
            ("P", self.p, 1),
            ("Q", self.q, 1),
            ("NBMIN", self.nbmin, 1),
            ("NDIV", self.ndiv, 2),
            ("DEPTH", self.depth, 0),
            ("swapping threshold", threshold, 0),
            ("ALIGN", self.align, 1),
        ];
        for (field, found, least) in limits {
            if !(least..=INT_MAX).contains(&found) {
                return Err(ParamError { field, found, least, most: INT_MAX });
            }
        }
        Ok(())
    }

    /// The T/V code, such as `WR11C2R4`: wall time, PMAP, DEPTH, BCAST, RFACT,
    /// NDIV, PFACT, NBMIN.
    #[must_use]
    pub fn variant(&self) -> String {
        format!(
            "W{}{}{}{}{}{}{}",
            self.order.row().letter,
            self.depth,
            self.bcast.row().letter,
            self.rfact.row().letter,
            self.ndiv,
            self.pfact.row().letter,
            self.nbmin
        )
    }

    /// How many processes the grid has: P * Q, saturating.
    #[must_use]
    pub fn processes(&self) -> usize {
        self.p.saturating_mul(self.q)
    }

    /// The operations HPL counts for this order: 2/3 N^3 + 3/2 N^2.
    #[must_use]
    pub fn flops(&self) -> f64 {
        let n = self.n as f64;
        n * n * ((2.0 / 3.0) * n + 3.0 / 2.0)
    }

    /// The rate in Gflop/s if the run took `seconds`, evaluated in netlib's
    /// order, so that the last printed digit is the same. A time that is not
    /// above zero gives no rate: 0.
    #[must_use]
    pub fn gflops(&self, seconds: f64) -> f64 {
        if seconds.is_nan() || seconds <= 0.0 {
            return 0.0;
        }
        let n = self.n as f64;
        ((n / 1e9) * (n / seconds)) * ((2.0 / 3.0) * n + 3.0 / 2.0)
    }

    /// How many bytes the rank that needs most will need: its part of [A|b],
    /// the panels in flight, where there are several process rows the rows that
    /// two chunks of U are put together from and those that travel, and a
    /// packed copy of L2 for each panel that is applied. Saturates instead of overflowing; zeros count as the
    /// smallest legal value.
    #[must_use]
    pub fn bytes_per_rank(&self) -> u64 {
        let [nb, p, q] = [self.nb, self.p, self.q].map(|v| v.max(1));
        // Process 0 never has less than another.
        let rows = numroc(self.n, nb, 0, p) as u128;
        let columns = numroc(self.n.saturating_add(1), nb, 0, q) as u128;
        let width = nb.min(self.n) as u128;

        let matrix = (leading_dimension(numroc(self.n, nb, 0, p), self.align) as u128).saturating_mul(columns);
        // With several process columns, as many panels as the look-ahead is deep wait to be applied, packed, while the
        // next one is on its way.
        let waiting = if q > 1 { self.depth.clamp(1, self.n.div_ceil(nb).max(1)) as u128 } else { 1 };
        let panels = if q > 1 { waiting + 1 } else { 1 };
        // The long broadcasts bring a panel in pieces, from which it is put together.
        let in_pieces = q > 1 && matches!(self.bcast, Bcast::Long | Bcast::LongM);
        let panels = if in_pieces { 2 * panels } else { panels };
        let panel = width.saturating_mul(rows + 2 * width + 2);
        let u = if p > 1 { width.saturating_mul(4 * columns.min(SWAP_COLUMNS as u128)) } else { 0 };
        let packed_l2 = width.saturating_mul(rows + 24).saturating_mul(waiting);

        let doubles = matrix.saturating_add(panel.saturating_mul(panels)).saturating_add(u).saturating_add(packed_l2);
        u64::try_from(doubles.saturating_mul(8)).unwrap_or(u64::MAX)
    }
}

/// From one column of the local matrix of `rows` rows to the next, in doubles: the smallest multiple of `align` (taken as
/// 1 if it is 0) that has room for them and is no power of two, so that the elements of a row do not all fall into a few
/// sets of the caches. As netlib has it (section 3 of the reference); saturates.
#[must_use]
pub fn leading_dimension(rows: usize, align: usize) -> usize {
    let align = align.max(1);
    let least = rows.max(1).div_ceil(align).saturating_mul(align);
    // Two powers of two may follow each other (8 and 16), three may not.
    let multiples = [0, 1, 2].map(|more| least.saturating_add(align.saturating_mul(more)));
    multiples.into_iter().find(|ld| !ld.is_power_of_two()).unwrap_or(usize::MAX)
}

/// How many of the `n` rows (or columns), dealt in blocks of `nb` to `procs`
/// processes beginning with process 0, belong to process `me`.
///
/// # Panics
/// If `nb` is 0 or `me` is not below `procs`.
#[must_use]
pub fn numroc(n: usize, nb: usize, me: usize, procs: usize) -> usize {
    assert!(nb > 0 && me < procs, "numroc: nb {nb}, process {me} of {procs}");
    let blocks = n / nb;
    let whole = blocks / procs * nb;
    // The blocks left over go to the first processes, the cut block to the next.
    match me.cmp(&(blocks % procs)) {
        std::cmp::Ordering::Less => whole + nb,
        std::cmp::Ordering::Equal => whole + n % nb,
        std::cmp::Ordering::Greater => whole,
    }
}
