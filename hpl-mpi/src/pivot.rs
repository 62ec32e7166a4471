//! The pivot of a column: the largest element of all process rows, and the exchange of its row with
//! the current one, in one message each way (netlib's combined exchange).
//!
//! Every process row contributes the best row it has; the process row that owns the diagonal block also
//! contributes the current row. After one all-reduce everybody knows the winner's row (it becomes a row
//! of L1) and the current row (the winner's owner puts it in its place).
//!
//! ```text
//!   value | global row | process row | has current | candidate row (JB) | current row (JB)
//! ```

use crate::comm::{Buf, Comm, Reduce, stage};

/// The tag of pivot exchanges.
const HEAD: usize = 4;

/// The exchange down one process column; its buffers live as long as the panels are as wide.
pub struct PivotExchange {
    width: usize,
    message: Buf,
    reduce: Reduce,
}

/// What a process row brings to the exchange.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Candidate {
    /// The element of largest magnitude, with its sign; 0 without rows.
    pub value: f64,
    /// Its global row.
    pub global_row: usize,
}

/// The winner of an exchange.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Winner {
    /// The pivot; 0 if the column is zero.
    pub value: f64,
    /// Its global row.
    pub global_row: usize,
    /// The process row that owns it.
    pub process_row: usize,
}

impl PivotExchange {
    /// An exchange for panels of up to `width` columns.
    ///
    /// # Panics
    /// If the memory cannot be had.
    pub fn new(width: usize) -> PivotExchange {
        let len = HEAD + 2 * width;
        let message = Buf::zeroed(len).unwrap_or_else(|e| panic!("pivot exchange: {e}"));
        PivotExchange { width, message, reduce: Reduce::new(len) }
    }

    /// Sets the width of the rows to come.
    ///
    /// # Panics
    /// If it exceeds the width given at construction.
    pub fn set_width(&mut self, width: usize) {
        self.width = width;
        self.message.set_len(HEAD + 2 * width);
    }

    /// The candidate row, to be filled before [`PivotExchange::run`]; afterwards the winner's row.
    pub fn candidate_row(&mut self) -> &mut [f64] {
        &mut self.message.as_mut()[HEAD..HEAD + self.width]
    }

    /// The current row, to be filled by the process row that owns it; afterwards known to all.
    pub fn current_row(&mut self) -> &mut [f64] {
        let width = self.width;
        &mut self.message.as_mut()[HEAD + width..]
    }

    /// Runs the exchange among the ranks of `along_col` (rank = process row).
    ///
    /// Ties go to the lowest process row; within one, its candidate is the first of equals. So netlib's
    /// pivots are reproduced.
    pub fn run<C: Comm>(&mut self, along_col: &C, candidate: Candidate, has_current: bool) -> Winner {
        let head =
            [candidate.value, candidate.global_row as f64, along_col.rank() as f64, f64::from(u8::from(has_current))];
        self.message.as_mut()[..HEAD].copy_from_slice(&head);
        if along_col.size() > 1 {
            let width = self.width;
            let message = std::mem::take(&mut self.message);
            self.message =
                self.reduce.all_reduce(along_col, message, stage::PIVOT, |lower, higher| combine(width, lower, higher));
        }
        let head = &self.message[..HEAD];
        Winner { value: head[0], global_row: head[1] as usize, process_row: head[2] as usize }
    }
}

/// Whether `other` is the better pivot than `best`: larger, or not a number, which must not get lost (a
/// column of NaN is no zero column).
pub fn outranks(other: f64, best: f64) -> bool {
    other.abs() > best.abs() || (other.is_nan() && !best.is_nan())
}

/// `lower` speaks for process rows below those of `higher`, and keeps what is as good.
fn combine(width: usize, lower: &mut [f64], higher: &[f64]) {
    if outranks(higher[0], lower[0]) {
        lower[..3].copy_from_slice(&higher[..3]);
        lower[HEAD..HEAD + width].copy_from_slice(&higher[HEAD..HEAD + width]);
    }
    if higher[3] != 0.0 {
        lower[3] = 1.0;
        lower[HEAD + width..].copy_from_slice(&higher[HEAD + width..]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::comm::thread::{SendMode, ThreadComm};

    #[test]
    fn the_largest_wins_ties_go_up_and_rows_travel() {
        for mode in [SendMode::Eager, SendMode::Rendezvous] {
            for p in 1..=7 {
                for best in 0..p {
                    for current in 0..p {
                        ThreadComm::run(p, mode, |comm| {
                            let me = comm.rank();
                            let mut exchange = PivotExchange::new(5);
                            exchange.set_width(3);
                            exchange.candidate_row().fill(me as f64);
                            if me == current {
                                exchange.current_row().fill(-1.0);
                            }
                            // Everyone from `best` on has the same magnitude: the first of them wins.
                            let value = if me < best { 1.0 } else { -2.0 };
                            let winner = exchange.run(&comm, Candidate { value, global_row: 10 * me }, me == current);
                            assert_eq!(winner, Winner { value: -2.0, global_row: 10 * best, process_row: best });
                            assert_eq!(exchange.candidate_row(), [best as f64; 3]);
                            assert_eq!(exchange.current_row(), [-1.0; 3]);
                        });
                    }
                }
            }
        }
    }
}
