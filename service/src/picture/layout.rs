//! The block-cyclic layout of a matrix on a grid of ranks, in numbers.
//!
//! Block (i, j) of NB rows and NB columns lives on the rank in row `i mod P` and column `j mod Q` of the grid. All that
//! is asked here has a closed form or a sum with a bound, so that a reader may type any number.

use hpl_spec::params::Order;

/// The most steps that the sum over the panels may take before it is given up.
pub const MOST_STEPS: u64 = 1 << 22;

/// A matrix of order N in blocks of NB on P×Q ranks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// N.
    pub n: u64,
    /// NB, at least 1.
    pub nb: u64,
    /// P, at least 1.
    pub p: u64,
    /// Q, at least 1.
    pub q: u64,
    /// How ranks are numbered on the grid: PMAP.
    pub order: Order,
}

impl Layout {
    /// Of those numbers, each brought into what C's `int` holds; NB, P and Q are at least 1.
    #[must_use]
    pub fn new(n: u64, nb: u64, p: u64, q: u64) -> Layout {
        let most = hpl_spec::params::INT_MAX as u64;
        let some = |value: u64| value.clamp(1, most);
        Layout { n: n.min(most), nb: some(nb), p: some(p), q: some(q), order: Order::RowMajor }
    }

    /// The same layout with ranks numbered in that order.
    #[must_use]
    pub fn numbered(self, order: Order) -> Layout {
        Layout { order, ..self }
    }

    /// Ranks of the grid: P·Q.
    #[must_use]
    pub fn ranks(&self) -> u64 {
        self.p * self.q
    }

    /// Blocks in a row or column of the matrix, the last one included, which may be narrower.
    #[must_use]
    pub fn blocks(&self) -> u64 {
        self.n.div_ceil(self.nb)
    }

    /// Rows (and columns) of a block: NB, fewer in the last one, none beyond it.
    #[must_use]
    pub fn width_of(&self, block: u64) -> u64 {
        self.n.saturating_sub(block.saturating_mul(self.nb)).min(self.nb)
    }

    /// The number of the rank that holds a block.
    #[must_use]
    pub fn rank_of(&self, block_row: u64, block_column: u64) -> u64 {
        self.rank_at(block_row % self.p, block_column % self.q)
    }

    /// The number of the rank at a place of the grid.
    #[must_use]
    pub fn rank_at(&self, row: u64, column: u64) -> u64 {
        match self.order {
            Order::RowMajor => row * self.q + column,
            Order::ColumnMajor => column * self.p + row,
        }
    }

    /// The colour of a rank, 0 to 7: the same for the same rank, another one for its neighbours on small grids.
    #[must_use]
    pub fn colour_of(&self, block_row: u64, block_column: u64) -> u64 {
        let (row, column) = (block_row % self.p, block_column % self.q);
        // Numbers alone would give all rows of a grid of eight columns the same colours.
        if self.ranks() <= 8 { self.rank_at(row, column) } else { (row * 3 + column) % 8 }
    }

    /// Rows of the matrix that the ranks in row `row` of the grid hold; 0 for one that is not on the grid.
    #[must_use]
    pub fn local_rows(&self, row: u64) -> u64 {
        self.local(row, self.p)
    }

    /// Columns of the matrix that the ranks in column `column` of the grid hold.
    #[must_use]
    pub fn local_columns(&self, column: u64) -> u64 {
        self.local(column, self.q)
    }

    fn local(&self, mine: u64, all: u64) -> u64 {
        let blocks = self.blocks();
        if mine >= all || mine >= blocks {
            return 0;
        }
        let own = (blocks - 1 - mine) / all + 1;
        let missing = if (blocks - 1) % all == mine { self.nb - self.width_of(blocks - 1) } else { 0 };
        own * self.nb - missing
    }

    /// Elements of the matrix that the rank at a place of the grid holds.
    #[must_use]
    pub fn elements(&self, row: u64, column: u64) -> u64 {
        self.local_rows(row) * self.local_columns(column)
    }

    /// The most elements that a rank holds: that of the first place of the grid, as blocks are dealt from there.
    #[must_use]
    pub fn most_elements(&self) -> u64 {
        self.elements(0, 0)
    }

    /// Ranks that hold nothing, as there are more rows or columns of the grid than blocks.
    #[must_use]
    pub fn idle_ranks(&self) -> u64 {
        self.ranks() - self.p.min(self.blocks()) * self.q.min(self.blocks())
    }

    /// How much more memory the fullest rank needs than the mean one: 0.02 is two percent. `None` of an empty matrix.
    #[must_use]
    pub fn memory_imbalance(&self) -> Option<f64> {
        let mean = self.n as f64 * self.n as f64 / self.ranks() as f64;
        (self.n > 0).then(|| self.most_elements() as f64 / mean - 1.0)
    }

    /// How much more work the busiest rank has than the mean one, in the updates of the trailing matrix over all
    /// panels. `None` where there is no update, and where the sum would take more than [`MOST_STEPS`] steps, which
    /// needs as many blocks and as large a grid.
    ///
    /// The rank of the last block has at all times as many of the blocks that are left as any other, but a narrow
    /// last one; the one before it has as many full blocks as any. So the busiest rank is one of these, in its row of
    /// the grid and in its column, and only four ranks have to be summed.
    #[must_use]
    pub fn work_imbalance(&self) -> Option<f64> {
        if self.blocks() < 2 {
            return None;
        }
        let mut most = 0.0_f64;
        for row in 0..self.p.min(2) {
            for column in 0..self.q.min(2) {
                most = most.max(self.work(row, column)?);
            }
        }
        let mean = self.all_work() / self.ranks() as f64;
        // Both are sums of many roundings.
        Some((most / mean - 1.0).max(0.0))
    }

    /// Flops of all updates: 2·NB·(what is left)² for each panel, as a sum of squares.
    fn all_work(&self) -> f64 {
        let (blocks, nb) = (self.blocks() as f64, self.nb as f64);
        let last = self.width_of(self.blocks() - 1) as f64;
        let steps = blocks - 1.0;
        let sum = steps * (steps - 1.0) / 2.0;
        let squares = (steps - 1.0) * steps * (2.0 * steps - 1.0) / 6.0;
        2.0 * nb * (steps * last * last + 2.0 * last * nb * sum + nb * nb * squares)
    }

    /// Flops of the updates of the rank whose row of the grid is `row` before that of the last block, and its column
    /// `column` before that.
    fn work(&self, row: u64, column: u64) -> Option<f64> {
        let steps = self.blocks() - 1;
        let period = lcm(self.p, self.q);
        let missing = (self.nb - self.width_of(steps)) as f64;
        // Rows or columns that are held of the last `left` blocks: full ones, less what the last one lacks.
        let held = |left: u64, before: u64, all: u64| {
            let full = left.saturating_sub(before).div_ceil(all) as f64 * self.nb as f64;
            if before == 0 { full - missing } else { full }
        };
        if steps.min(period) > MOST_STEPS {
            return None;
        }
        // After a period, the rank holds a fixed number of rows and columns more: a square in the number of periods.
        let (more_rows, more_columns) =
            ((period / self.p) as f64 * self.nb as f64, (period / self.q) as f64 * self.nb as f64);
        let mut sum = 0.0;
        for left in 1..=steps.min(period) {
            let (rows, columns) = (held(left, row, self.p), held(left, column, self.q));
            let times = ((steps - left) / period + 1) as f64;
            let first = times * (times - 1.0) / 2.0;
            let second = (times - 1.0) * times * (2.0 * times - 1.0) / 6.0;
            // A rank that holds nothing of the last blocks may do so later, when more are left.
            sum += times * rows * columns
                + first * (rows * more_columns + columns * more_rows)
                + second * more_rows * more_columns;
        }
        Some(2.0 * self.nb as f64 * sum)
    }
}

fn lcm(a: u64, b: u64) -> u64 {
    let (mut x, mut y) = (a, b);
    while y > 0 {
        (x, y) = (y, x % y);
    }
    a / x * b
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Element by element, and panel by panel.
    fn by_counting(layout: &Layout) -> (Vec<u64>, Option<f64>) {
        let Layout { n, nb, p, q, .. } = *layout;
        let mut held = vec![0; (p * q) as usize];
        let mut work = vec![0.0; (p * q) as usize];
        let at = |i: u64, j: u64| ((i / nb % p) * q + j / nb % q) as usize;
        for i in 0..n {
            for j in 0..n {
                held[at(i, j)] += 1;
                // It is updated by each panel that lies before both its row and its column.
                work[at(i, j)] += 2.0 * nb as f64 * (i / nb).min(j / nb) as f64;
            }
        }
        let all: f64 = work.iter().sum();
        let most = work.iter().copied().fold(0.0, f64::max);
        (held, (all > 0.0).then(|| most / (all / (p * q) as f64) - 1.0))
    }

    #[test]
    fn numbers_are_those_of_counting() {
        for (n, nb) in [(1, 1), (7, 2), (12, 3), (13, 3), (13, 20), (40, 1), (41, 4), (30, 7), (60, 3)] {
            for (p, q) in [(1, 1), (1, 2), (2, 1), (2, 2), (2, 3), (3, 4), (5, 2), (4, 6), (7, 9)] {
                let layout = Layout::new(n, nb, p, q);
                let (held, work) = by_counting(&layout);
                for row in 0..p {
                    for column in 0..q {
                        let want = held[(row * q + column) as usize];
                        assert_eq!(layout.elements(row, column), want, "{layout:?} at {row}, {column}");
                    }
                }
                assert_eq!(layout.most_elements(), *held.iter().max().unwrap());
                assert_eq!(layout.idle_ranks(), held.iter().filter(|h| **h == 0).count() as u64, "{layout:?}");
                let memory = *held.iter().max().unwrap() as f64 / ((n * n) as f64 / (p * q) as f64) - 1.0;
                assert!((layout.memory_imbalance().unwrap() - memory).abs() < 1e-12);
                match (layout.work_imbalance(), work) {
                    (None, None) => {}
                    (Some(found), Some(want)) => {
                        assert!((found - want).abs() < 1e-9 * (1.0 + want), "{layout:?}: {found}, not {want}");
                    }
                    (found, want) => panic!("{layout:?}: {found:?}, not {want:?}"),
                }
            }
        }
    }

    #[test]
    fn extremes_have_an_answer() {
        let empty = Layout::new(0, 0, 0, 0);
        assert_eq!((empty.blocks(), empty.ranks(), empty.most_elements(), empty.idle_ranks()), (0, 1, 0, 1));
        assert_eq!((empty.memory_imbalance(), empty.work_imbalance()), (None, None));
        // A sum of a million panels.
        let fine = Layout::new(1_000_000, 1, 64, 64);
        let share = fine.work_imbalance().unwrap();
        assert!(share > 0.0 && share < 1e-3, "{share}");
        assert_eq!(Layout::new(u64::MAX, 1, 1, 1).blocks(), hpl_spec::params::INT_MAX as u64);
        assert_eq!(Layout::new(u64::MAX, 1, u64::MAX, u64::MAX).work_imbalance(), None);
        assert!(Layout::new(u64::MAX, 1, 4, 4).work_imbalance().is_some());
        // One block: one of 4096 ranks holds everything.
        let one = Layout::new(100, 128, 64, 64);
        assert_eq!((one.idle_ranks(), one.memory_imbalance()), (4095, Some(4095.0)));
    }

    #[test]
    fn ranks_are_numbered_as_pmap_says() {
        let layout = Layout::new(100, 10, 2, 3);
        assert_eq!(layout.rank_of(3, 4), 3 + 1);
        assert_eq!(layout.numbered(Order::ColumnMajor).rank_of(3, 4), 2 + 1);
        let wide = Layout::new(100, 1, 8, 8);
        assert_ne!(wide.colour_of(0, 0), wide.colour_of(1, 0));
        assert!((0..8).all(|i| wide.colour_of(i, 7 - i) < 8));
    }
}
