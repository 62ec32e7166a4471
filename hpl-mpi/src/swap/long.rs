//! Spread and roll: the process row that owns the top block *spreads* the rows that leave it to where the
//! pivots were; and the pieces of U *roll* around the ring of process rows until each has all of them.
//!
//! ```text
//!   owner of the top block   rows that leave ──spread──▶ every other process row
//!   the others               rows that come ⇄ rows that go up: each row is touched once, and what came in
//!                            the message goes back into it as the piece of U
//!   all                      my piece ──roll──▶ next process row ──▶ … until each has all
//! ```
//! An [`Exchange`] moves the rows of one chunk of columns. It is started, polled and finished, so that a chunk's rows
//! can travel while another chunk is multiplied.

use std::ops::Range;
use std::time::{Duration, Instant};

use hpl_core::context::Context;
use hpl_core::gemm::triangle::Rows;
use hpl_core::matrix::MatMut;
use hpl_core::share::{Cut, StripPairs};
use hpl_core::timeline::Work;

use super::SwapPlan;
use crate::comm::{Buf, Comm, wait_until};
use crate::workspace::Pool;

const SPREAD: u32 = 1002;
const ROLL: u32 = 1003;
/// Columns a member moves at a time (not tuned; the swap phase of a P×1 run shows it).
const STRIP: usize = 32;
/// Fewer elements than this are moved by the main thread alone: waking the team costs more.
const ALONE: usize = 1 << 14;

/// Whose rows move, and how.
pub struct Moving<'a, C> {
    /// Kernel, team, scratch memory.
    pub cx: &'a Context,
    /// The process column.
    pub along_col: &'a C,
    /// The process row that owns the top block.
    pub owner: usize,
    /// What moves where.
    pub plan: &'a SwapPlan,
    /// The panel's number, for the record.
    pub panel: usize,
}

/// Who copies.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Hands {
    /// The whole team: outside a phase.
    Team,
    /// The main thread: the others are at work.
    Main,
}

/// Some trailing columns whose rows have been exchanged, but for the top block: that is left to the caller, who has the
/// pieces of U.
pub struct Moved<'a> {
    /// The columns, all local rows.
    pub columns: MatMut<'a>,
    /// For each process row, the slots of U that it held: a matrix of as many rows as [`SwapPlan::slots`] names, column
    /// after column.
    pub pieces: Vec<Buf>,
}

/// A strip of U in pieces.
pub struct InPieces<'a> {
    /// What [`Moved`] says.
    pub pieces: &'a [Buf],
    /// By which the rows moved.
    pub plan: &'a SwapPlan,
    /// The column of the pieces with which the strip begins, and how many it has.
    pub columns: Range<usize>,
    /// The top block, on the process row that owns it: X goes there.
    pub top: Option<MatMut<'a>>,
}

impl Rows for InPieces<'_> {
    fn load(&self, first: usize, nr: usize, out: &mut [f64]) {
        let columns = self.columns.len().min(first + nr) - first;
        if columns < nr {
            out.fill(0.0);
        }
        for (piece, slots) in self.pieces.iter().zip(&self.plan.slots) {
            let height = slots.len();
            let rows = &piece[(self.columns.start + first) * height..][..columns * height];
            match (nr, columns) {
                (8, 8) => side_by_side::<8>(rows, slots, out),
                (4, 4) => side_by_side::<4>(rows, slots, out),
                _ => {
                    for (i, &slot) in slots.iter().enumerate() {
                        (0..columns).for_each(|j| out[slot * nr + j] = rows[j * height + i]);
                    }
                }
            }
        }
    }

    fn keep(&mut self, first: usize, nr: usize, solved: &[f64]) {
        self.top.iter_mut().for_each(|top| top.keep(first, nr, solved));
    }
}

/// NR columns, which lie one after the other, to the rows `slots` of `out`.
fn side_by_side<const NR: usize>(columns: &[f64], slots: &[usize], out: &mut [f64]) {
    let columns: [&[f64]; NR] = std::array::from_fn(|j| &columns[j * slots.len()..][..slots.len()]);
    let out = out.as_chunks_mut::<NR>().0;
    for (i, &slot) in slots.iter().enumerate() {
        out[slot] = std::array::from_fn(|j| columns[j][i]);
    }
}

/// The rows of one chunk of columns under way.
pub struct Exchange<'a, C: Comm> {
    columns: MatMut<'a>,
    /// Sends of the owner, or the receive of another.
    spreading: Vec<C::Ticket>,
    /// The pieces of U that are here, by process row.
    pieces: Vec<Option<Buf>>,
    /// Pieces that come from the process row before, in the order in which they come.
    coming: Vec<C::Ticket>,
    /// Pieces on their way to the next one.
    passing: Vec<C::Ticket>,
    /// How many have been passed on.
    passed: usize,
}

impl<'a, C: Comm> Exchange<'a, C> {
    /// Sends rows on their way. Collective over the process column.
    pub fn start(on: &Moving<C>, columns: MatMut<'a>, pool: &mut Pool, hands: Hands) -> Exchange<'a, C> {
        let (start, Moving { along_col, owner, plan, .. }) = (Instant::now(), on);
        let (me, p, n) = (along_col.rank(), along_col.size(), columns.cols());
        let previous = (me + p - 1) % p;
        let coming = (1..p).map(|step| {
            let room = pool.take(plan.slots[(me + p - step) % p].len() * n);
            along_col.start_recv(previous, ROLL, room)
        });
        let coming = coming.collect();
        let pieces = (0..p).map(|_| None).collect();
        let mut this = Exchange { columns, spreading: Vec::new(), pieces, coming, passing: Vec::new(), passed: 0 };
        if me == *owner {
            for r in (0..p).filter(|&r| r != me) {
                let leaving = &plan.displaced[r];
                let mut rows = pool.take(leaving.len() * n);
                this.column_by_column(on, hands, rows.as_mut(), |rows, column| {
                    rows.iter_mut().zip(leaving).for_each(|(to, &row)| *to = column[row]);
                });
                this.spreading.push(along_col.start_send(r, SPREAD, rows));
            }
            let (sources, places) = (&plan.sources[me], plan.vacated[me].iter().zip(&plan.displaced[me]));
            let mut piece = pool.take(sources.len() * n);
            this.column_by_column(on, hands, piece.as_mut(), |piece, column| {
                piece.iter_mut().zip(sources).for_each(|(to, &row)| *to = column[row]);
                places.clone().for_each(|(&to, &from)| column[to] = column[from]);
            });
            this.pieces[me] = Some(piece);
        } else {
            let room = pool.take(plan.vacated[me].len() * n);
            this.spreading.push(along_col.start_recv(*owner, SPREAD, room));
        }
        on.cx.main_scratch().lane.note(Work::Swap, on.panel, start, Duration::ZERO);
        this.pass_on(on);
        this
    }

    /// Moves on with what has arrived, at once; whether all is in its place.
    pub fn poll(&mut self, on: &Moving<C>, pool: &mut Pool, hands: Hands) -> bool {
        let (me, p) = (on.along_col.rank(), on.along_col.size());
        let mut spreading = std::mem::take(&mut self.spreading);
        spreading.retain_mut(|ticket| {
            let Some(mut rows) = on.along_col.poll(ticket) else { return true };
            if me == on.owner {
                pool.give(rows);
                return false;
            }
            let start = Instant::now();
            let places = &on.plan.vacated[me];
            self.column_by_column(on, hands, rows.as_mut(), |rows, column| {
                rows.iter_mut().zip(places).for_each(|(row, &place)| std::mem::swap(row, &mut column[place]));
            });
            on.cx.main_scratch().lane.note(Work::Swap, on.panel, start, Duration::ZERO);
            self.pieces[me] = Some(rows);
            false
        });
        self.spreading = spreading;
        while let Some(ticket) = self.coming.first_mut()
            && let Some(piece) = on.along_col.poll(ticket)
        {
            let step = p - self.coming.len();
            self.pieces[(me + p - step) % p] = Some(piece);
            self.coming.remove(0);
        }
        self.pass_on(on);
        // What comes back is another handle of a piece that is still read.
        self.passing.retain_mut(|ticket| on.along_col.poll(ticket).is_none());
        self.passed + 1 == p && self.passing.is_empty() && self.coming.is_empty() && self.spreading.is_empty()
    }

    /// Sends pieces that are here to the next process row: mine, then those that came, in their order.
    fn pass_on(&mut self, on: &Moving<C>) {
        let (me, p) = (on.along_col.rank(), on.along_col.size());
        while self.passed + 1 < p
            && let Some(piece) = &self.pieces[(me + p - self.passed) % p]
        {
            self.passing.push(on.along_col.start_send((me + 1) % p, ROLL, piece.share()));
            self.passed += 1;
        }
    }

    /// Waits until all is in its place. `progress` is called meanwhile.
    pub fn finish(mut self, on: &Moving<C>, pool: &mut Pool, hands: Hands, progress: &mut dyn FnMut()) -> Moved<'a> {
        let start = Instant::now();
        wait_until(on.along_col, "rows of a process column", || {
            progress();
            self.poll(on, pool, hands).then_some(())
        });
        // What was copied in this time is noted as work beside it.
        on.cx.main_scratch().lane.note(Work::Exchange, on.panel, start, Duration::ZERO);
        Moved { columns: self.columns, pieces: self.pieces.into_iter().flatten().collect() }
    }

    /// Calls `work` with every column and its part of `rows`, which lie column after column.
    fn column_by_column(
        &mut self,
        on: &Moving<C>,
        hands: Hands,
        rows: &mut [f64],
        work: impl Fn(&mut [f64], &mut [f64]) + Sync,
    ) {
        if rows.is_empty() {
            return;
        }
        let (n, elements) = (self.columns.cols(), rows.len());
        let rows = MatMut::new(rows, elements / n, n, elements / n);
        let strips = StripPairs::new(rows, self.columns.as_mut(), Cut::even(n, STRIP));
        let empty_the_bag = || {
            while let Some((_, mut rows, mut columns)) = strips.next() {
                (0..rows.cols()).for_each(|j| work(rows.col(j), columns.col(j)));
            }
        };
        if hands == Hands::Main || elements < ALONE {
            empty_the_bag();
        } else {
            on.cx.team().phase(|_| empty_the_bag());
        }
    }
}
