//! The kernels: rows of a static table.
//!
//! A kernel does one tile of C, `mr`×`nr`: `C += A·B` where A is `k` columns of `mr` doubles, packed or
//! where it lies, and B comes packed as `k` rows of `nr` doubles (see [`super::pack`]). Whatever is not the
//! tile belongs to the loops in [`super`].
#![allow(unsafe_code)]

use pulp::{Arch, Simd, WithSimd};

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "x86_64")]
mod tile;

/// One tile: `C[0..mr, 0..nr] += A·B`, A with leading dimension `lda`, C with `ldc`. Meanwhile `k / 4` cache lines
/// from `next` on, wherever that points, are brought into the second level cache.
///
/// # Safety
/// The CPU must have the row's features; `a` must be valid for reading `mr` doubles at each of the
/// offsets `p·lda`, `p < k`, `b` for reading `k·nr` doubles, and `c` for reading and writing `mr`
/// doubles at each of the offsets `j·ldc`, `j < nr`.
pub(crate) type TileFn =
    unsafe fn(k: usize, a: *const f64, lda: usize, b: *const f64, c: *mut f64, ldc: usize, next: *const f64);

/// One tile of a triangular solve: `T ← T − L·X`, then `−T ← −(unit triangle)⁻¹·T`, for the mr rows of `nr` doubles at
/// `rows`. At `above` are the k rows of −X before them, which was solved; `l` is k columns of `mr` doubles, then the
/// triangle, mr columns more, of which only what is below the diagonal counts.
///
/// # Safety
/// The CPU must have the row's features; `l` must be valid for reading `(k + mr)·mr` doubles, `above` for reading `k·nr`,
/// and `rows` for reading and writing `mr·nr`.
pub(crate) type SolveFn = unsafe fn(k: usize, l: *const f64, above: *const f64, rows: *mut f64);

/// How a kernel computes.
#[derive(Clone, Copy)]
pub(crate) enum Code {
    /// A tile of ours.
    Tile {
        /// Rows of the tile.
        mr: usize,
        /// Columns of the tile.
        nr: usize,
        /// The tile of a product.
        tile: TileFn,
        /// The tile of a triangular solve.
        solve: SolveFn,
    },
    /// faer's matrix product, for CPUs without a tile of ours.
    Faer,
}

/// A row of the table. There are no others: what a tile may assume is known for these.
pub struct Kernel {
    /// The name that `--kernel` takes.
    pub name: &'static str,
    available: fn() -> bool,
    pub(crate) code: Code,
}

impl Kernel {
    /// Whether this CPU can run it.
    pub fn is_available(&self) -> bool {
        (self.available)()
    }

    /// Rows and columns of the tile, if it has one of ours.
    pub fn tile_shape(&self) -> Option<(usize, usize)> {
        match self.code {
            Code::Tile { mr, nr, .. } => Some((mr, nr)),
            Code::Faer => None,
        }
    }
}

impl std::fmt::Debug for Kernel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Kernel({})", self.name)
    }
}

/// All kernels, best first.
pub static KERNELS: &[Kernel] = &[
    #[cfg(target_arch = "x86_64")]
    Kernel {
        name: "avx512-24x8",
        available: || std::is_x86_feature_detected!("avx512f"),
        code: Code::Tile { mr: avx512::MR, nr: avx512::NR, tile: avx512::tile, solve: avx512::solve },
    },
    #[cfg(target_arch = "x86_64")]
    Kernel {
        name: "avx2-12x4",
        available: || std::is_x86_feature_detected!("avx2") && std::is_x86_feature_detected!("fma"),
        code: Code::Tile { mr: avx2::MR, nr: avx2::NR, tile: avx2::tile, solve: avx2::solve },
    },
    Kernel { name: "faer", available: || true, code: Code::Faer },
];

/// The rows that this CPU can run, best first.
pub fn available() -> impl Iterator<Item = &'static Kernel> {
    KERNELS.iter().filter(|k| k.is_available())
}

/// The kernel of that name, or the best one for `None`. A name may be shortened to its part before
/// the dash: `avx512`, `avx2`.
///
/// # Errors
/// A sentence that names the kernels of this CPU, if there is none of that name or it cannot run here.
pub fn pick(name: Option<&str>) -> Result<&'static Kernel, String> {
    let Some(name) = name else {
        return Ok(available().next().expect("faer runs everywhere"));
    };
    let named = |k: &&Kernel| k.name == name || k.name.split('-').next() == Some(name);
    available().find(named).ok_or_else(|| {
        let here: Vec<_> = available().map(|k| k.name).collect();
        let why = if KERNELS.iter().any(|k| named(&k)) { "this CPU cannot run kernel" } else { "there is no kernel" };
        format!("{why} '{name}'; the kernels of this CPU are: {}", here.join(", "))
    })
}

/// Runs `steps` rounds of independent fused multiply-adds on the widest vectors of the CPU and
/// returns the floating-point operations done: the only "peak" this project divides by.
pub fn fma_loop(steps: usize) -> f64 {
    Arch::new().dispatch(Fma(steps))
}

/// The same on vectors of 256 bits, where the CPU has them: the limit of the AVX2 tile.
pub fn fma_loop_256(steps: usize) -> f64 {
    #[cfg(target_arch = "x86_64")]
    if let Some(v3) = pulp::x86::V3::try_new() {
        return Simd::vectorize(v3, Fma(steps));
    }
    fma_loop(steps)
}

/// Rounds of independent multiply-adds.
struct Fma(usize);

impl WithSimd for Fma {
    type Output = f64;
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> f64 {
        // 12 chains cover latency × throughput of every core known (at most 2 × 4 to 6) and fit 16
        // registers. The compiler must neither know their values nor see that two are alike.
        let one = |i: usize| simd.splat_f64s(std::hint::black_box(1.0 + i as f64));
        let mut x: [S::f64s; 12] = std::array::from_fn(one);
        let (y, z) = (simd.splat_f64s(std::hint::black_box(0.999_999)), simd.splat_f64s(std::hint::black_box(1e-6)));
        for _ in 0..self.0 {
            for v in &mut x {
                *v = simd.mul_add_f64s(*v, y, z);
            }
        }
        let sum = x.into_iter().fold(simd.splat_f64s(0.0), |s, v| simd.add_f64s(s, v));
        std::hint::black_box(simd.reduce_sum_f64s(sum));
        (self.0 * 12 * 2 * S::F64_LANES) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_pickable() {
        for k in available() {
            assert_eq!(pick(Some(k.name)).unwrap().name, k.name);
        }
        assert!(pick(Some("faer")).is_ok());
        let e = pick(Some("altivec")).unwrap_err();
        assert!(e.contains("altivec") && e.contains("faer"), "{e}");
    }

    /// Each tile against the triple loop on small integers: equality is exact. Guard values around C
    /// show that the tile writes its mr×nr elements and nothing else.
    #[test]
    fn tiles_are_exact_on_integers() {
        for kernel in available() {
            let Code::Tile { mr, nr, tile, .. } = kernel.code else { continue };
            // Packed columns of A, and columns that lie apart.
            for (k, lda) in [0, 1, 2, 3, 4, 5, 7, 8, 9, 31, 64, 257].into_iter().flat_map(|k| [(k, mr), (k, mr + 5)]) {
                let mut a = crate::buffer::Buffer::zeroed(lda * k).unwrap();
                let mut b = crate::buffer::Buffer::zeroed(nr * k).unwrap();
                a.iter_mut().enumerate().for_each(|(i, v)| *v = (i * 7 % 11) as f64 - 5.0);
                b.iter_mut().enumerate().for_each(|(i, v)| *v = (i * 5 % 13) as f64 - 6.0);
                let ldc = mr + 3;
                let mut c = vec![f64::NAN; ldc * (nr + 1)];
                for j in 0..nr {
                    for i in 0..mr {
                        c[i + j * ldc] = (i + 2 * j) as f64;
                    }
                }
                // SAFETY: `available` says the CPU has the features; the slices have the sizes required.
                unsafe { tile(k, a.as_ptr(), lda, b.as_ptr(), c.as_mut_ptr(), ldc, a.as_ptr()) };
                for j in 0..=nr {
                    for i in 0..ldc {
                        let got = c[i + j * ldc];
                        if i < mr && j < nr {
                            let ab: f64 = (0..k).map(|p| a[p * lda + i] * b[p * nr + j]).sum();
                            let want = (i + 2 * j) as f64 + ab;
                            assert_eq!(got, want, "{} k={k} lda={lda} ({i},{j})", kernel.name);
                        } else {
                            assert!(got.is_nan(), "{} wrote outside its tile", kernel.name);
                        }
                    }
                }
            }
        }
    }
}
