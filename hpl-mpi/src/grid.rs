//! The P x Q grid of processes, with a communicator for all, one along each row, one along each column.

use hpl_spec::params::Order;

use crate::comm::{Comm, barrier};

/// A process's place in the grid, and whom it talks to.
pub struct Grid<C> {
    /// Process rows.
    pub p: usize,
    /// Process columns.
    pub q: usize,
    /// My process row, `0 .. p`.
    pub row: usize,
    /// My process column, `0 .. q`.
    pub col: usize,
    /// All processes of the grid; ranks follow the grid's order.
    pub all: C,
    /// The processes of my row; the rank is the process column.
    pub along_row: C,
    /// The processes of my column; the rank is the process row.
    pub along_col: C,
}

impl<C: Comm> Grid<C> {
    /// Lays the first `p * q` ranks of `world` out as a grid; a rank beyond gets none. Collective
    /// over `world`.
    ///
    /// # Panics
    /// If `p` or `q` is 0, or if `world` has fewer than `p * q` ranks.
    pub fn new(world: &C, p: usize, q: usize, order: Order) -> Option<Grid<C>> {
        let (rank, size) = (world.rank(), world.size());
        let wanted = p.checked_mul(q).filter(|&n| (1..=size).contains(&n));
        let wanted = wanted.unwrap_or_else(|| panic!("a grid of {p} x {q} on {size} ranks"));
        // Idle ranks come here long before the others: they wait our way, not inside a blocking split.
        barrier(world);
        let all = world.split((rank < wanted).then_some(0), rank)?;
        let (row, col) = place(rank, p, q, order);
        let along_row = all.split(Some(row), col).expect("it has a colour");
        let along_col = all.split(Some(col), row).expect("it has a colour");
        Some(Grid { p, q, row, col, all, along_row, along_col })
    }
}

/// Row and column of a rank.
fn place(rank: usize, p: usize, q: usize, order: Order) -> (usize, usize) {
    match order {
        Order::RowMajor => (rank / q, rank % q),
        Order::ColumnMajor => (rank % p, rank / p),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::comm::sum_all;
    use crate::comm::thread::{SendMode, ThreadComm};

    #[test]
    fn ranks_are_columns_along_a_row_and_rows_along_a_column() {
        for (p, q) in [(1, 1), (1, 5), (4, 1), (2, 3), (3, 2)] {
            for order in [Order::RowMajor, Order::ColumnMajor] {
                let rank_of = |row, col| match order {
                    Order::RowMajor => row * q + col,
                    Order::ColumnMajor => col * p + row,
                };
                let places = ThreadComm::run(p * q + 2, SendMode::Rendezvous, |world| {
                    let grid = Grid::new(&world, p, q, order)?;
                    assert_eq!((grid.p, grid.q, grid.all.size()), (p, q, p * q));
                    assert_eq!((grid.along_row.rank(), grid.along_row.size()), (grid.col, q));
                    assert_eq!((grid.along_col.rank(), grid.along_col.size()), (grid.row, p));
                    assert_eq!(grid.all.rank(), rank_of(grid.row, grid.col));
                    assert_eq!(world.rank(), grid.all.rank());
                    let mut sums = [grid.row as f64, grid.col as f64];
                    sum_all(&grid.along_row, &mut sums);
                    assert_eq!(sums, [(grid.row * q) as f64, (q * (q - 1) / 2) as f64]);
                    let mut sums = [grid.row as f64, grid.col as f64];
                    sum_all(&grid.along_col, &mut sums);
                    assert_eq!(sums, [(p * (p - 1) / 2) as f64, (grid.col * p) as f64]);
                    Some((grid.row, grid.col))
                });
                let inside: Vec<_> = places.iter().flatten().collect();
                assert_eq!(inside.len(), p * q);
                assert_eq!(places[p * q..], [None, None]);
                assert_eq!(places[rank_of(p - 1, q - 1)], Some((p - 1, q - 1)));
            }
        }
    }

    #[test]
    #[should_panic(expected = "a grid of 2 x 2 on 1 ranks")]
    fn a_grid_larger_than_the_world_panics() {
        let _ = Grid::new(&ThreadComm::solo(), 2, 2, Order::RowMajor);
    }
}
