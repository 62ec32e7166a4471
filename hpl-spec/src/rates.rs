//! How long a solve will take, from a few that were measured.
//!
//! A solve is about 2/3 N³ operations at the rate of the product, and what grows with N²: panels, row swaps,
//! messages, idle ends of strips. Where the panels hide behind the update that is `a·N³ + b·N²`, so that the time for
//! one operation falls along a straight line in 1/N. Small matrices, whose panels do not hide, lie on no such line:
//! between two measured orders the line through both is taken, and beyond the largest that through the last two.
//!
//! A line through two noisy points goes far astray further on. Two things hold it: both ends of the last piece come
//! from one solve, whose disturbances they share; and no solve is faster than the product alone.

use serde::{Deserialize, Serialize};

/// How long one solve took, or the end of one: the time from where `n` columns were left.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Solve {
    /// The order of the matrix, or the columns that were left.
    pub n: usize,
    /// The block size NB.
    pub nb: usize,
    /// Factorization and back-substitution, in seconds.
    pub seconds: f64,
}

impl Solve {
    fn cost(&self) -> f64 {
        self.seconds / cube(self.n)
    }
}

/// What solves took on some ranks and threads.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rates {
    /// The rate of the product C −= A·B on all threads of all ranks, in Gflop/s: no solve is faster.
    pub product: f64,
    /// What was measured, at least one.
    pub solves: Vec<Solve>,
}

impl Rates {
    /// Whether times can be told from them: one solve or more, all numbers above zero and finite.
    #[must_use]
    pub fn are_sane(&self) -> bool {
        let positive = |x: f64| x > 0.0 && x.is_finite();
        let sane = |solve: &Solve| solve.n > 0 && solve.nb > 0 && positive(solve.seconds);
        positive(self.product) && !self.solves.is_empty() && self.solves.iter().all(sane)
    }

    /// The seconds that a solve of order `n` in blocks of `nb` is expected to take. Solves with that NB tell it, where
    /// there are two or more; else all do. 0 for `n` = 0, infinite if nothing was measured.
    #[must_use]
    pub fn seconds(&self, n: usize, nb: usize) -> f64 {
        if n == 0 {
            return 0.0;
        }
        let with_nb = self.solves.iter().filter(|solve| solve.nb == nb);
        let mut solves: Vec<Solve> =
            if with_nb.clone().count() > 1 { with_nb.copied().collect() } else { self.solves.clone() };
        solves.sort_by_key(|solve| solve.n);
        solves.dedup_by_key(|solve| solve.n);
        let fastest = 2.0 / 3.0 / (self.product * 1e9);
        let cost = match solves.as_slice() {
            [] => f64::INFINITY,
            [one] => one.cost(),
            [first, ..] if n <= first.n => along(first, &solves[1], n).max(first.cost()),
            [.., before, last] if n >= last.n => beyond(before, last, n, fastest),
            _ => {
                let after = solves.partition_point(|solve| solve.n < n);
                along(&solves[after - 1], &solves[after], n)
            }
        };
        cost.max(fastest) * cube(n)
    }
}

/// The seconds of an N³ on the line in 1/N through two solves.
fn along(one: &Solve, other: &Solve, n: usize) -> f64 {
    let [x, from, to] = [n, one.n, other.n].map(|n| 1.0 / n as f64);
    one.cost() + (other.cost() - one.cost()) * (x - from) / (to - from)
}

/// The same beyond the last solve: from there it falls, at most to that of the product for very large N.
fn beyond(before: &Solve, last: &Solve, n: usize, fastest: f64) -> f64 {
    let (far, near) = (last.n as f64 / n as f64, last.cost());
    let limit = along(before, last, usize::MAX).clamp(fastest.min(near), near);
    limit + (near - limit) * far
}

fn cube(n: usize) -> f64 {
    (n as f64).powi(3)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A machine that takes a N³ + b N² seconds.
    fn exact(n: usize, nb: usize) -> Solve {
        let x = n as f64;
        Solve { n, nb, seconds: 3e-12 * x.powi(3) + 9e-9 * x * x }
    }

    fn rates(solves: &[Solve]) -> Rates {
        Rates { product: 250.0, solves: solves.to_vec() }
    }

    #[test]
    fn a_cubic_machine_is_foretold_exactly() {
        let rates = rates(&[exact(8000, 256), exact(1000, 256), exact(4000, 256)]);
        assert!(rates.are_sane());
        for n in [1000, 1500, 4000, 6000, 8000, 20_000, 100_000] {
            let (told, is) = (rates.seconds(n, 256), exact(n, 256).seconds);
            assert!((told / is - 1.0).abs() < 1e-9, "N = {n}: {told} told, {is}");
        }
        assert_eq!(rates.seconds(0, 256), 0.0);
    }

    #[test]
    fn solves_with_the_block_size_of_the_run_count_if_there_are_two() {
        let slow = |n| Solve { seconds: 2.0 * exact(n, 0).seconds, ..exact(n, 64) };
        let both = rates(&[exact(1000, 32), exact(3000, 32), slow(2000), slow(5000)]);
        assert!((both.seconds(2500, 32) / exact(2500, 32).seconds - 1.0).abs() < 1e-9);
        assert!((both.seconds(2500, 64) / slow(2500).seconds - 1.0).abs() < 1e-9);
        // No solve with NB = 99: the line between its neighbours.
        let other = both.seconds(2500, 99);
        assert!(exact(2500, 32).seconds < other && other < slow(2500).seconds, "{other}");
    }

    #[test]
    fn a_disturbed_solve_does_not_lead_far_astray() {
        // The larger of two was disturbed: the line would rise. And the smaller was: it would fall below the product.
        let last = exact(8000, 256);
        for factor in [0.7, 1.5] {
            let before = Solve { seconds: factor * exact(5000, 256).seconds, ..exact(5000, 256) };
            let told = rates(&[before, last]).seconds(40_000, 256);
            let least = 2.0 / 3.0 * cube(40_000) / 250e9;
            assert!((least..=last.cost() * cube(40_000)).contains(&told), "{factor}: {told}");
        }
        assert_eq!(rates(&[last]).seconds(16_000, 256), last.cost() * cube(16_000));
    }

    #[test]
    fn nonsense_is_not_sane() {
        let sane = rates(&[exact(100, 10)]);
        assert!(!rates(&[]).are_sane() && rates(&[]).seconds(10, 1).is_infinite());
        assert!(!Rates { product: f64::NAN, ..sane.clone() }.are_sane());
        assert!(!rates(&[Solve { n: 0, ..exact(100, 10) }]).are_sane());
        assert!(!rates(&[Solve { seconds: f64::INFINITY, ..exact(100, 10) }]).are_sane());
    }

    proptest! {
        /// Whatever was measured, a time is told that no product beats.
        #[test]
        fn a_time_is_always_told(
            solves in prop::collection::vec((1usize..30_000, 1usize..4, 1e-6..1e3), 1..8),
            n in 1usize..1_000_000,
            nb in 1usize..4,
        ) {
            let solves = solves.into_iter().map(|(n, nb, seconds)| Solve { n, nb, seconds }).collect();
            let rates = Rates { product: 100.0, solves };
            let told = rates.seconds(n, nb);
            let least = 2.0 / 3.0 * cube(n) / 100e9;
            prop_assert!(rates.are_sane() && told.is_finite() && told >= least * (1.0 - 1e-9), "{told}");
        }
    }
}
