//! What to choose where nothing was asked for, and how far a run is.

/// The block size NB that usually serves well for order `n`: a small matrix
/// with wide blocks spends its time in the panel.
#[must_use]
pub fn block_size(n: usize) -> usize {
    block_size_on(n, None)
}

/// [`block_size`] on a CPU for which the best NB of large matrices was measured.
#[must_use]
pub fn block_size_on(n: usize, measured: Option<usize>) -> usize {
    match n {
        // A small matrix has few panels, and while one is factored there is little beside it (measured in
        // `benches/runs/2026-11-26-epyc-zen5-2-cores`).
        0..1000 => 32,
        1000..2500 => 64,
        2500..7000 => 128,
        _ => measured.unwrap_or(256),
    }
}

/// The squarest grid (P, Q) of exactly `ranks` ranks, P <= Q.
#[must_use]
pub fn squarest_grid(ranks: usize) -> (usize, usize) {
    let divisors = (1..=ranks.isqrt()).rev().find(|&p| ranks.is_multiple_of(p));
    divisors.map_or((1, 1), |p| (p, ranks / p))
}

/// Operations done when `columns` of `n` columns have been factored and
/// applied: 2/3 (N^3 - n^3), n being what is left.
#[must_use]
pub fn work_done(n: usize, columns: usize) -> f64 {
    let (all, left) = (n as f64, n.saturating_sub(columns) as f64);
    2.0 / 3.0 * (all.powi(3) - left.powi(3))
}

/// The part of the work, from 0 to 1, that is done after `panel` of `panels`
/// panels: the work left shrinks with the cube of the columns left. 0 of 0 is 0.
#[must_use]
pub fn fraction_done(panel: usize, panels: usize) -> f64 {
    1.0 - (1.0 - panel as f64 / panels.max(1) as f64).max(0.0).powi(3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grids_are_as_square_as_they_can_be() {
        let grids: Vec<_> = [0, 1, 2, 4, 6, 7, 12].into_iter().map(squarest_grid).collect();
        assert_eq!(grids, [(1, 1), (1, 1), (1, 2), (2, 2), (2, 3), (1, 7), (3, 4)]);
    }

    #[test]
    fn a_measured_block_size_is_for_large_matrices() {
        assert_eq!([999, 1000, 2500, 6999, 7000].map(block_size), [32, 64, 128, 128, 256]);
        assert_eq!([6999, 7000].map(|n| block_size_on(n, Some(224))), [128, 224]);
    }

    #[test]
    fn work_adds_up() {
        assert_eq!(work_done(300, 0), 0.0);
        assert_eq!(work_done(300, 300), 2.0 / 3.0 * 300.0_f64.powi(3));
        assert_eq!(work_done(300, 400), work_done(300, 300));
        assert_eq!((fraction_done(0, 7), fraction_done(7, 7), fraction_done(1, 2)), (0.0, 1.0, 0.875));
        assert_eq!(fraction_done(0, 0), 0.0);
    }
}
