//! Which N, NB, P and Q make a run of about so many seconds that fits this machine: pure.

use hpl_spec::advice::{block_size, squarest_grid};
use hpl_spec::node::NodeInfo;
use hpl_spec::params::RunParams;

/// What a person asked for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Wish {
    /// How long the solve should take.
    pub seconds: f64,
    /// N, if it was named.
    pub n: Option<usize>,
    /// How many MPI ranks.
    pub ranks: usize,
}

/// The part of the peak that a solve of this size is expected to reach.
const EFFICIENCY: f64 = 0.8;
/// The part of the available memory that may be taken.
const MEMORY_SHARE: f64 = 0.8;
/// Beside the matrix and its workspace a rank has its program and MPI, in bytes.
const PROCESS: u64 = 100_000_000;

/// The run to make. N is rounded down to whole blocks unless it was named.
pub fn choose(node: &NodeInfo, peak_gflops: f64, wish: Wish) -> RunParams {
    let (p, q) = squarest_grid(wish.ranks);
    let run = |n| RunParams::new(n, block_size(n), p, q);
    if let Some(n) = wish.n {
        return run(n);
    }
    let usable = (MEMORY_SHARE * node.memory_available as f64) as u64;
    let usable = usable.saturating_sub(PROCESS.saturating_mul(wish.ranks as u64));
    let needed = |n| run(n).bytes_per_rank().saturating_mul(wish.ranks as u64);
    let mut n = largest_in_time(wish.seconds, peak_gflops) as usize;
    // A block less until it fits; the memory needed falls with every one.
    while n > 0 && needed(n) > usable {
        n = n.saturating_sub(block_size(n));
    }
    let nb = block_size(n);
    run((n / nb * nb).max(nb))
}

/// How long the run should take at the expected rate, in seconds.
pub fn expected_seconds(params: &RunParams, peak_gflops: f64) -> f64 {
    params.flops() / (EFFICIENCY * peak_gflops * 1e9)
}

/// 2/3 N^3 = rate * seconds.
fn largest_in_time(seconds: f64, peak_gflops: f64) -> f64 {
    (1.5 * seconds * EFFICIENCY * peak_gflops * 1e9).max(0.0).cbrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::show::tests::node;

    const WISH: Wish = Wish { seconds: 20.0, n: None, ranks: 1 };

    #[test]
    fn a_run_fills_its_time() {
        let params = choose(&node(), 110.0, WISH);
        assert_eq!((params.n, params.nb), (13568, 256));
        let seconds = expected_seconds(&params, 110.0);
        assert!((18.0..20.5).contains(&seconds), "{seconds}");
    }

    #[test]
    fn memory_bounds_a_fast_machine() {
        let mut small = node();
        small.memory_available = 2 << 30;
        let n = choose(&small, 10_000.0, WISH).n as f64;
        assert!(8.0 * n * n < MEMORY_SHARE * (2u64 << 30) as f64);
        assert!(n > 12_000.0, "{n}");
    }

    #[test]
    fn a_small_machine_gets_small_blocks_and_never_nothing() {
        let params = choose(&node(), 1.0, WISH);
        assert_eq!(params.nb, 128);
        assert!(params.n >= 128 && params.n.is_multiple_of(128));
        let mut tiny = node();
        tiny.memory_available = 100 << 20;
        assert_eq!(choose(&tiny, 110.0, WISH).n, 32);
    }

    #[test]
    fn a_named_n_is_taken_as_it_is() {
        assert_eq!(choose(&node(), 110.0, Wish { n: Some(1001), ..WISH }).n, 1001);
    }
}
