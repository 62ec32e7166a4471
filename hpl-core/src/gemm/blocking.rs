//! Block sizes from cache sizes.

use hpl_spec::profile::Shares;

use super::kernel::{Code, Kernel};

/// Cache sizes in bytes as seen by one core; 0 where unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheSizes {
    /// First level, data.
    pub l1: usize,
    /// Second level.
    pub l2: usize,
}

impl Default for CacheSizes {
    /// What nearly every machine of the last ten years has at least.
    fn default() -> CacheSizes {
        CacheSizes { l1: 32 << 10, l2: 512 << 10 }
    }
}

/// How the loops of [`super`] cut the operands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Blocking {
    /// The depth of a block: columns of A, rows of B.
    pub kc: usize,
    /// Columns of a strip of B, which one member keeps in its second level cache.
    pub nc: usize,
    /// Rows of A that pass all micro-panels of the strip, staying in the second level cache meanwhile.
    pub mc: usize,
}

impl Blocking {
    /// Derives the blocks for `k` (the depth of the product, NB in HPL).
    ///
    /// - `kc = k` as long as a micro-panel of B (kc × 8 doubles) fills at most three quarters of the first
    ///   level cache, where it stays beside what passes through (384 of 32 KiB); then equal parts.
    /// - `nc`: a strip of B fills its share of the second level cache, the rest being for the
    ///   micro-panels of A that stream past; at least one micro-panel, and not wider than the shares say, so that
    ///   there are strips enough for all members.
    /// - `mc`: a block of A fills its share of the second level cache, beside the strip of B; at least one
    ///   micro-panel.
    pub fn from_caches(caches: CacheSizes, shares: Shares, kernel: &Kernel, k: usize) -> Blocking {
        let (mr, nr) = match kernel.code {
            Code::Tile { mr, nr, .. } => (mr, nr),
            Code::Faer => (8, 4),
        };
        let sane = CacheSizes::default();
        let or = |size: usize, default: usize| if size == 0 { default } else { size };
        let most = (or(caches.l1, sane.l1) * 3 / 4 / 64).clamp(128, 512);
        let l2 = or(caches.l2, sane.l2);
        let k = k.max(1);
        let kc = k.div_ceil(k.div_ceil(most));
        // Vectors of kc doubles that fill a part of the cache, in whole micro-panels of `unit`.
        let fill = |share: f64, unit: usize| (l2 as f64 * share) as usize / (8 * kc) / unit * unit;
        let nc = fill(shares.strip, nr).clamp(nr, shares.widest.next_multiple_of(nr));
        let mc = fill(shares.block, mr).max(mr);
        Blocking { kc, nc, mc }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gemm::kernel::KERNELS;

    #[test]
    fn blocks_fit_their_caches() {
        let caches = CacheSizes { l1: 32 << 10, l2: 1 << 20 };
        for kernel in KERNELS {
            for k in [1, 2, 7, 64, 128, 192, 256, 384, 385, 512, 1000, 10_000] {
                let b = Blocking::from_caches(caches, Shares::default(), kernel, k);
                assert!(b.kc >= 1 && b.kc <= 384 && b.kc * k.div_ceil(b.kc) >= k);
                assert!(b.kc * (b.nc + b.mc) * 8 <= caches.l2 * 3 / 4);
                if let Code::Tile { mr, nr, .. } = kernel.code {
                    assert!(b.mc.is_multiple_of(mr) && b.nc.is_multiple_of(nr));
                }
            }
        }
    }

    #[test]
    fn unknown_caches_still_give_blocks() {
        let none = CacheSizes { l1: 0, l2: 0 };
        let b = Blocking::from_caches(none, Shares::default(), &KERNELS[0], 256);
        assert!(b.mc > 0 && b.kc == 256 && b.nc > 0);
    }
}
