//! The panel: NB columns, factored down one process column.
//!
//! The JB×JB block on the diagonal is kept by all P processes as L1, row by row as pivots are found;
//! all triangular work on it is done by each of them, so that the only communication is one exchange a
//! column ([`crate::pivot`]). Below L1 each process has its rows of L2.
//!
//! The members of a squad take part: each owns a band of rows, searches, scales and updates it; the
//! leader exchanges rows and works on L1 in serial sections. What the rest of the team does meanwhile is not
//! seen from here.
//!
//! What travels along the process row is one message:
//! ```text
//!   L2 (ml2×JB, column by column) | L1 (JB×JB, column by column) | pivots (JB global rows) | info
//! ```

mod shape;

use std::ops::Range;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use hpl_core::context::{Context, Scratch};
use hpl_core::gemm::gemm_alone;
use hpl_core::level1::{eliminate, iamax, scal, subtract_gemv};
use hpl_core::matrix::{MatMut, Matrix};
use hpl_core::share::RowBands;
use hpl_core::team::{Member, Squad};
use hpl_core::timeline::Work;
use hpl_core::trsm::trsm;
use hpl_spec::params::{Fact, RunParams};

use crate::axis::Axis;
use crate::comm::{Buf, Comm};
use crate::grid::Grid;
use crate::pivot::{Candidate, PivotExchange, outranks};

pub use shape::{Panel, PanelShape};

/// How the recursion divides, and in which order it works (section 4.2 of the reference). All orders find the same pivots;
/// the sums are rounded differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recursion {
    /// At most this many columns are factored one by one.
    pub nbmin: usize,
    /// Into how many parts a wider panel is divided.
    pub ndiv: usize,
    /// The order of the parts.
    pub rfact: Fact,
    /// The order of the columns of the smallest parts.
    pub pfact: Fact,
}

impl Recursion {
    /// That of a run.
    pub fn of(params: &RunParams) -> Recursion {
        let RunParams { nbmin, ndiv, rfact, pfact, .. } = *params;
        Recursion { nbmin, ndiv, rfact, pfact }
    }
}

/// Memory for one panel under way, made once.
pub struct Desk {
    l1: Matrix,
    pivots: Vec<usize>,
    /// Per member: the bits of the largest element of its band, and its row in the panel.
    best: Vec<(AtomicU64, AtomicUsize)>,
    exchange: PivotExchange,
}

impl Desk {
    /// Room for panels of up to `width` columns, factored by up to `members` threads.
    ///
    /// # Panics
    /// If the memory cannot be had.
    pub fn new(width: usize, members: usize) -> Desk {
        Desk {
            l1: Matrix::zeros(width, width).unwrap_or_else(|e| panic!("L1: {e}")),
            pivots: vec![0; width],
            best: (0..members).map(|_| (AtomicU64::new(0), AtomicUsize::new(NO_ROW))).collect(),
            exchange: PivotExchange::new(width),
        }
    }
}

/// What the members read, and the leader writes in serial sections.
struct Shared<'a> {
    l1: &'a mut Matrix,
    pivots: &'a mut [usize],
    best: &'a [(AtomicU64, AtomicUsize)],
    pivot: f64,
    zero_pivot: Option<usize>,
}

const NO_ROW: usize = usize::MAX;
impl Shared<'_> {
    /// Row j of L1 is there: column j + 1 of U, rows `first` to j, if it is before `end`.
    fn solve_column(&mut self, first: usize, j: usize, end: usize) {
        if j + 1 == end {
            return;
        }
        let (l, mut rest) = self.l1.as_mut().split_at_col(j + 1);
        let u = &mut rest.col(0)[first..=j];
        for p in 0..u.len() {
            let x = u[p];
            let column = &l.as_ref().col(first + p)[first..=j];
            (p + 1..u.len()).for_each(|i| u[i] = (-x).mul_add(column[i], u[i]));
        }
    }

    /// Row j of L1 is there: row j of U, columns after j and before `end`, by the rows from `first` on.
    fn update_row(&mut self, first: usize, j: usize, end: usize) {
        for c in j + 1..end {
            let l1 = self.l1.as_ref();
            let sum = (first..j).fold(l1.at(j, c), |sum, p| (-l1.at(j, p)).mul_add(l1.at(p, c), sum));
            self.l1.as_mut().col(c)[j] = sum;
        }
    }

    /// Notes what a member found in its band; the serial section that follows orders it for the leader.
    fn found(&self, member: usize, largest: Option<(usize, f64)>) {
        let (row, value) = largest.unwrap_or((NO_ROW, 0.0));
        self.best[member].0.store(value.to_bits(), Ordering::Relaxed);
        self.best[member].1.store(row, Ordering::Relaxed);
    }
}

/// What only the leader has.
struct Lead<'a, C> {
    along_col: &'a C,
    exchange: &'a mut PivotExchange,
    /// Time in exchanges.
    waited: Duration,
    /// Time in the smallest parts.
    base: Duration,
}

/// What all members know about the panel: those of the squad factor it ([`Task::help`]).
pub struct Task<'a> {
    cx: &'a Context,
    recursion: Recursion,
    shape: PanelShape,
    rows: Axis,
    /// Whether this process row owns the diagonal block.
    current: bool,
    /// Whether L2 travels: where Q = 1 nobody reads it from the message, because it is used in place.
    with_l2: bool,
    squad: &'a Squad,
    bands: RowBands<'a, Shared<'a>>,
}

/// The leader's side of a [`Task`].
pub struct Leader<'a, C> {
    lead: Lead<'a, C>,
    message: Buf,
}

/// What the leader has in the end.
pub struct Led {
    /// The panel's message.
    pub message: Buf,
    /// How long it took.
    pub time: Duration,
    /// How much of that passed in pivot exchanges.
    pub exchanging: Duration,
}

/// Prepares to factor the panel of that shape in place; `columns` are its columns with all local rows. Then,
/// in one phase, every member of the squad helps, and the main thread leads: [`Task::lead`] is collective over the
/// process column that owns the panel.
///
/// `message` must have the length of [`PanelShape::message_len`].
pub fn prepare<'a, C: Comm>(
    cx: &'a Context,
    grid: &'a Grid<C>,
    squad: &'a Squad,
    rows: Axis,
    columns: MatMut<'a>,
    shape: PanelShape,
    recursion: Recursion,
    desk: &'a mut Desk,
    message: Buf,
) -> (Task<'a>, Leader<'a, C>) {
    let PanelShape { width, top, .. } = shape;
    let below = columns.rows() - top;
    let panel = columns.sub(top, 0, below, width);
    let Desk { l1, pivots, best, exchange } = desk;
    exchange.set_width(width);
    let shared = Shared { l1, pivots: &mut pivots[..width], best, pivot: 0.0, zero_pivot: None };
    let bands = RowBands::new(panel, squad, shared);
    let current = grid.row == shape.process_row;
    let task = Task { cx, recursion, shape, rows, current, with_l2: grid.q > 1, squad, bands };
    (
        task,
        Leader {
            lead: Lead { along_col: &grid.along_col, exchange, waited: Duration::ZERO, base: Duration::ZERO },
            message,
        },
    )
}

impl Task<'_> {
    /// The part of a member that does not lead: it helps if it is one of the squad.
    pub fn help<C: Comm>(&self, member: &mut Member) {
        self.squad.enter(member, |member| {
            let (start, mut scratch) = (Instant::now(), self.cx.scratch(member));
            self.recurse::<C>(member, &mut scratch, &mut None, 0, self.shape.width);
            self.bands.finish(member, None::<fn(MatMut, &mut Shared)>);
            scratch.lane.note(Work::Panel, self.shape.index, start, member.waited());
        });
    }

    /// The main thread's part. Collective over the process column.
    ///
    /// # Panics
    /// If the member is not the main thread.
    pub fn lead<C: Comm>(&self, member: &mut Member, leader: Leader<C>) -> Led {
        let Leader { mut lead, mut message } = leader;
        let led = self.squad.enter(member, |member| {
            let (start, mut scratch) = (Instant::now(), self.cx.scratch(member));
            self.recurse(member, &mut scratch, &mut Some(&mut lead), 0, self.shape.width);
            let conclude = |all: MatMut, shared: &mut Shared| self.conclude(all, shared, message.as_mut());
            self.bands.finish(member, Some(conclude));
            let exchanging = lead.waited;
            scratch.lane.note(Work::Panel, self.shape.index, start, member.waited() + exchanging);
            scratch.lane.aside.exchanging += exchanging;
            scratch.lane.aside.base += lead.base;
            (start.elapsed(), exchanging)
        });
        let (time, exchanging) = led.expect("the main thread is in every squad");
        Led { message, time, exchanging }
    }

    /// Puts L1 back in its place and writes the message.
    fn conclude(&self, mut panel: MatMut, shared: &Shared, message: &mut [f64]) {
        let PanelShape { width, height, .. } = self.shape;
        let l1 = shared.l1.as_ref().sub(0, 0, width, width);
        if self.current {
            panel.as_mut().sub(0, 0, width, width).copy_from(l1);
        }
        let (to_l2, rest) = message.split_at_mut(height * width);
        if self.with_l2 {
            let l2 = panel.as_ref().sub(self.active(width), 0, height, width);
            MatMut::new(to_l2, height, width, height.max(1)).copy_from(l2);
        }
        let (to_l1, rest) = rest.split_at_mut(width * width);
        MatMut::new(to_l1, width, width, width).copy_from(l1);
        rest.iter_mut().zip(&*shared.pivots).for_each(|(to, &row)| *to = row as f64);
        rest[width] = shared.zero_pivot.map_or(0.0, |column| column as f64 + 1.0);
    }

    /// The first row of the panel that is still active when `done` columns are factored.
    fn active(&self, done: usize) -> usize {
        if self.current { done } else { 0 }
    }

    /// Columns [first, first + width): divide, and factor the parts one after the other. A right-looking order updates
    /// all later parts by each; a left-looking one updates each by all earlier ones; Crout's updates the rows of U with
    /// those before, and each part by all earlier ones.
    fn recurse<C: Comm>(
        &self,
        member: &mut Member,
        scratch: &mut Scratch,
        lead: &mut Option<&mut Lead<C>>,
        first: usize,
        width: usize,
    ) {
        let Recursion { nbmin, ndiv, rfact, .. } = self.recursion;
        if width <= nbmin {
            let start = Instant::now();
            self.base(member, lead, first, width);
            lead.iter_mut().for_each(|lead| lead.base += start.elapsed());
            return;
        }
        let part = width.div_ceil(nbmin).div_ceil(ndiv) * nbmin;
        let end = first + width;
        for j in (first..end).step_by(part) {
            let done = (j + part).min(end);
            if j > first {
                match rfact {
                    Fact::Right => {}
                    Fact::Left => {
                        self.solve(member, scratch, lead, first..first, first..j, j..done);
                        self.subtract(member, scratch, first..j, j..done);
                    }
                    Fact::Crout => self.subtract(member, scratch, first..j, j..done),
                }
            }
            self.recurse(member, scratch, lead, j, done - j);
            if done < end {
                match rfact {
                    Fact::Right => {
                        self.solve(member, scratch, lead, j..j, j..done, done..end);
                        self.subtract(member, scratch, j..done, done..end);
                    }
                    Fact::Left => {}
                    Fact::Crout => self.solve(member, scratch, lead, first..j, j..done, done..end),
                }
            }
        }
    }

    /// Rows `rows` of U for the columns `cols`: U ← L⁻¹·(U − L'·U'), where U' are the rows `before`; by every process row
    /// alike.
    fn solve<C: Comm>(
        &self,
        member: &mut Member,
        scratch: &mut Scratch,
        lead: &mut Option<&mut Lead<C>>,
        before: Range<usize>,
        rows: Range<usize>,
        cols: Range<usize>,
    ) {
        let known = before.len();
        let solve = |_: MatMut, shared: &mut Shared| {
            let block =
                shared.l1.as_mut().sub(before.start, before.start, rows.end - before.start, cols.end - before.start);
            let (l, u) = block.split_at_col(cols.start - before.start);
            let (above, mut u) = u.split_at_row(known);
            let l = l.as_ref();
            gemm_alone(self.cx, scratch, -1.0, l.sub(known, 0, rows.len(), known), above.as_ref(), u.as_mut());
            trsm(self.cx, scratch, l.sub(known, known, rows.len(), rows.len()), u);
        };
        self.bands.serial(member, lead.is_some().then_some(solve));
    }

    /// A ← A − L·U for the columns `cols` on my band of the active rows, L being the columns `by`.
    fn subtract(&self, member: &mut Member, scratch: &mut Scratch, by: Range<usize>, cols: Range<usize>) {
        let (from, mut band, shared) = self.bands.mine(member);
        let skip = self.active(by.end).saturating_sub(from).min(band.rows());
        let rows = band.rows() - skip;
        let (l, a) = band.as_mut().sub(skip, by.start, rows, cols.end - by.start).split_at_col(by.len());
        let u = shared.l1.as_ref().sub(by.start, cols.start, by.len(), cols.len());
        gemm_alone(self.cx, scratch, -1.0, l.as_ref(), u, a);
    }

    /// Columns one by one: exchange the pivot's row, scale, prepare the next column, search it for the next pivot. A
    /// right-looking order does that in one pass over the band, and updates all columns of this base.
    fn base<C: Comm>(&self, member: &mut Member, lead: &mut Option<&mut Lead<C>>, first: usize, width: usize) {
        let id = member.id();
        let end = first + width;
        let pfact = self.recursion.pfact;
        let (from, mut band, shared) = self.bands.mine(member);
        let skip = self.active(first).saturating_sub(from).min(band.rows());
        let largest = iamax(&band.col(first)[skip..]);
        shared.found(id, largest.map(|(row, value)| (from + skip + row, value)));
        for j in first..end {
            let exchange = lead.as_deref_mut().map(|lead| {
                |all: MatMut, shared: &mut Shared| {
                    self.exchange(lead, all, shared, j);
                    match pfact {
                        Fact::Right => {}
                        Fact::Left => shared.solve_column(first, j, end),
                        Fact::Crout => shared.update_row(first, j, end),
                    }
                }
            });
            self.bands.serial(member, exchange);
            let (from, band, shared) = self.bands.mine(member);
            let skip = self.active(j + 1).saturating_sub(from).min(band.rows());
            let rows = band.rows() - skip;
            let scale = if shared.pivot == 0.0 { 1.0 } else { 1.0 / shared.pivot };
            let next = if pfact == Fact::Right {
                eliminate(band.sub(skip, j, rows, end - j), scale, |c| shared.l1.as_ref().at(j, j + 1 + c))
            } else {
                let (mut l, mut next) = band.sub(skip, first, rows, end - first).split_at_col(j + 1 - first);
                scal(scale, l.col(j - first));
                if j + 1 == end {
                    return;
                }
                subtract_gemv(l.as_ref(), &shared.l1.as_ref().col(j + 1)[first..=j], next.col(0));
                iamax(next.col(0))
            };
            shared.found(id, next.map(|(row, value)| (from + skip + row, value)));
        }
    }

    /// The leader's part for column j: the pivot of all process rows, and the exchange of its row.
    fn exchange<C: Comm>(&self, lead: &mut Lead<C>, mut all: MatMut, shared: &mut Shared, j: usize) {
        let (mut value, mut row) = (0.0_f64, NO_ROW);
        for (bits, at) in &shared.best[..self.squad.size()] {
            let (v, r) = (f64::from_bits(bits.load(Ordering::Relaxed)), at.load(Ordering::Relaxed));
            if r != NO_ROW && (row == NO_ROW || outranks(v, value)) {
                (value, row) = (v, r);
            }
        }
        let width = self.shape.width;
        let global = |row: usize| self.rows.global(self.shape.top + row);
        if row != NO_ROW {
            let candidate = lead.exchange.candidate_row();
            (0..width).for_each(|c| candidate[c] = all.at(row, c));
        }
        if self.current {
            let current = lead.exchange.current_row();
            (0..width).for_each(|c| current[c] = all.at(j, c));
        }
        let candidate = Candidate { value, global_row: if row == NO_ROW { 0 } else { global(row) } };
        let start = Instant::now();
        let winner = lead.exchange.run(lead.along_col, candidate, self.current);
        lead.waited += start.elapsed();
        shared.pivot = winner.value;
        if winner.value == 0.0 {
            // Nobody swaps; the factorization goes on so that the sweep can tell where it broke down.
            shared.zero_pivot = shared.zero_pivot.or(Some(self.shape.first + j));
            shared.pivots[j] = self.shape.first + j;
            let current = lead.exchange.current_row();
            (0..width).for_each(|c| shared.l1.as_mut().col(c)[j] = current[c]);
            return;
        }
        shared.pivots[j] = winner.global_row;
        if winner.process_row == lead.along_col.rank() {
            let current = lead.exchange.current_row();
            (0..width).for_each(|c| all.col(c)[row] = current[c]);
        }
        let pivot_row = lead.exchange.candidate_row();
        for c in 0..width {
            shared.l1.as_mut().col(c)[j] = pivot_row[c];
            if self.current {
                all.col(c)[j] = pivot_row[c];
            }
        }
    }
}
