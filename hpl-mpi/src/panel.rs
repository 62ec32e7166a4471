//! The panel: NB columns, factored down one process column.
//!
//! The JB×JB block on the diagonal is kept by all P processes as L1, row by row as pivots are found;
//! all triangular work on it is done by each of them, so that the only communication is one exchange a
//! column ([`crate::pivot`]). Below L1 each process has its rows of L2.
//!
//! All members of the team take part: each owns a band of rows, searches, scales and updates it; the
//! leader exchanges rows and works on L1 in serial sections.
//!
//! What travels along the process row is one message:
//! ```text
//!   L2 (ml2×JB, column by column) | L1 (JB×JB, column by column) | pivots (JB global rows) | info
//! ```

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

use hpl_core::context::{Context, Scratch};
use hpl_core::gemm::gemm_alone;
use hpl_core::level1::{axpy, iamax, scal};
use hpl_core::matrix::{MatMut, MatRef, Matrix};
use hpl_core::share::{RowBands, Strips};
use hpl_core::team::Member;
use hpl_core::trsm::trsm;
use hpl_spec::report::Phases;

use crate::comm::{Buf, Comm};
use crate::grid::Grid;
use crate::matrix::DistMatrix;
use crate::pivot::{Candidate, PivotExchange, outranks};

/// Where a panel lies, as one process sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PanelShape {
    /// Its number, from 0.
    pub index: usize,
    /// Its first global column, and the first global row of its diagonal block.
    pub first: usize,
    /// JB, its width.
    pub width: usize,
    /// The process row that owns the diagonal block.
    pub process_row: usize,
    /// The process column that owns the panel.
    pub process_col: usize,
    /// My first local row at or below the diagonal block's first.
    pub top: usize,
    /// My first local row of L2: below the diagonal block.
    pub below: usize,
    /// ml2: my rows of L2.
    pub height: usize,
    /// My first local column at or right of the panel's first.
    pub left: usize,
    /// My first local column right of the panel.
    pub right: usize,
}

impl PanelShape {
    /// The shape of panel number `index`, or `None` if the matrix has no such panel.
    pub fn of<C: Comm>(grid: &Grid<C>, a: &DistMatrix, index: usize) -> Option<PanelShape> {
        let first = index * a.rows.block;
        if first >= a.n() {
            return None;
        }
        let width = a.rows.block.min(a.n() - first);
        let below = a.rows.first_local_at_or_after(first + width);
        Some(PanelShape {
            index,
            first,
            width,
            process_row: index % grid.p,
            process_col: index % grid.q,
            top: a.rows.first_local_at_or_after(first),
            below,
            height: a.rows.local_len() - below,
            left: a.cols.first_local_at_or_after(first),
            right: a.cols.first_local_at_or_after(first + width),
        })
    }

    /// Doubles of the panel's message.
    pub fn message_len(&self) -> usize {
        self.height * self.width + self.width * self.width + self.width + 1
    }
}

/// A factored panel as it travels: its shape and its message.
#[derive(Debug)]
pub struct Panel {
    /// Where it lies.
    pub shape: PanelShape,
    /// Its message.
    pub message: Buf,
}

impl Panel {
    /// L2: this process's rows below the diagonal block.
    pub fn l2(&self) -> MatRef<'_> {
        let PanelShape { height, width, .. } = self.shape;
        MatRef::new(&self.message, height, width, height.max(1))
    }

    /// L1: the diagonal block, unit lower triangular below its diagonal, U on and above it.
    pub fn l1(&self) -> MatRef<'_> {
        let PanelShape { height, width, .. } = self.shape;
        MatRef::new(&self.message[height * width..], width, width, width)
    }

    /// The global row that was exchanged with row `first + i`, for each i.
    pub fn pivots(&self) -> impl ExactSizeIterator<Item = usize> + '_ {
        let PanelShape { height, width, .. } = self.shape;
        self.message[(height + width) * width..][..width].iter().map(|&row| row as usize)
    }

    /// The first global column whose pivot was zero, if there was one.
    pub fn zero_pivot(&self) -> Option<usize> {
        let info = self.message[self.shape.message_len() - 1];
        (info > 0.0).then(|| info as usize - 1)
    }
}

/// How the recursion divides.
#[derive(Debug, Clone, Copy)]
pub struct Recursion {
    /// At most this many columns are factored one by one.
    pub nbmin: usize,
    /// Into how many parts a wider panel is divided.
    pub ndiv: usize,
}

/// What all members read, and the leader writes in serial sections.
struct Shared {
    l1: Matrix,
    pivots: Vec<usize>,
    pivot: f64,
    zero_pivot: Option<usize>,
    /// Per member: the bits of the largest element of its band, and its row in the panel.
    best: Vec<(AtomicU64, AtomicUsize)>,
}

const NO_ROW: usize = usize::MAX;

/// What only the leader has.
struct Lead<'a, C> {
    along_col: &'a C,
    exchange: &'a mut PivotExchange,
    /// Seconds in exchanges.
    waited: f64,
}

/// What all members know about the panel.
struct Task<'a> {
    cx: &'a Context,
    recursion: Recursion,
    shape: PanelShape,
    rows: crate::axis::Axis,
    /// Whether this process row owns the diagonal block.
    current: bool,
    bands: RowBands<'a, Shared>,
}

/// Factors the panel in place and writes its message; collective over the process column that owns it.
///
/// `message` must have the length of [`PanelShape::message_len`]; where Q = 1 its part for L2 is left
/// as it is, because nobody reads it: L2 is used in place.
pub fn factor<C: Comm>(
    cx: &Context,
    grid: &Grid<C>,
    a: &mut DistMatrix,
    shape: PanelShape,
    recursion: Recursion,
    exchange: &mut PivotExchange,
    mut message: Buf,
    phases: &mut Phases,
) -> Panel {
    let start = Instant::now();
    let PanelShape { width, top, height, left, .. } = shape;
    let current = grid.row == shape.process_row;
    let rows = a.rows;
    let local = a.local_mut();
    let m = local.rows() - top;
    let mut panel = local.sub(top, left, m, width);
    let shared = Shared {
        l1: Matrix::zeros(width, width).unwrap_or_else(|e| panic!("L1: {e}")),
        pivots: vec![0; width],
        pivot: 0.0,
        zero_pivot: None,
        best: (0..cx.team().size()).map(|_| (AtomicU64::new(0), AtomicUsize::new(NO_ROW))).collect(),
    };
    exchange.set_width(width);
    let bands = RowBands::new(panel.as_mut(), cx.team(), shared);
    let task = Task { cx, recursion, shape, rows, current, bands };
    let mut lead = Lead { along_col: &grid.along_col, exchange, waited: 0.0 };
    cx.team().phase_with(
        |member| task.recurse(member, &mut cx.scratch(member), &mut Some(&mut lead), 0, width),
        |member| task.recurse::<C>(member, &mut cx.scratch(member), &mut None, 0, width),
    );
    phases.pivot += lead.waited;
    let shared = task.bands.into_state();
    if current {
        panel.as_mut().sub(0, 0, width, width).copy_from(shared.l1.as_ref());
    }
    let skip = if current { width } else { 0 };
    write_message(cx, grid.q > 1, panel.as_ref().sub(skip, 0, height, width), &shared, message.as_mut());
    phases.pfact += start.elapsed().as_secs_f64();
    Panel { shape, message }
}

fn write_message(cx: &Context, with_l2: bool, l2: MatRef, shared: &Shared, message: &mut [f64]) {
    let (height, width) = (l2.rows(), l2.cols());
    let (to_l2, rest) = message.split_at_mut(height * width);
    if with_l2 {
        let strips = Strips::new(MatMut::new(to_l2, height, width, height), width.div_ceil(cx.team().size()));
        cx.team().phase(|_| {
            while let Some((j, mut strip)) = strips.next() {
                strip.copy_from(l2.sub(0, j, height, strip.cols()));
            }
        });
    }
    let (to_l1, rest) = rest.split_at_mut(width * width);
    MatMut::new(to_l1, width, width, width).copy_from(shared.l1.as_ref());
    rest.iter_mut().zip(&shared.pivots).for_each(|(to, &row)| *to = row as f64);
    rest[width] = shared.zero_pivot.map_or(0.0, |column| column as f64 + 1.0);
}

impl Task<'_> {
    /// The first row of the panel that is still active when `done` columns are factored.
    fn active(&self, done: usize) -> usize {
        if self.current { done } else { 0 }
    }

    /// Columns [first, first + width): divide, factor the left part, update the rest, go on
    /// (right-looking).
    fn recurse<C: Comm>(
        &self,
        member: &mut Member,
        scratch: &mut Scratch,
        lead: &mut Option<&mut Lead<C>>,
        first: usize,
        width: usize,
    ) {
        let Recursion { nbmin, ndiv } = self.recursion;
        if width <= nbmin {
            return self.base(member, lead, first, width);
        }
        let part = width.div_ceil(nbmin).div_ceil(ndiv) * nbmin;
        let end = first + width;
        for j in (first..end).step_by(part) {
            let done = (j + part).min(end);
            self.recurse(member, scratch, lead, j, done - j);
            if done == end {
                return;
            }
            let (height, rest) = (done - j, end - done);
            // U ← L1⁻¹·U for the rows just factored, by every process row alike.
            self.bands.serial(
                member,
                lead.is_some().then_some(|_: MatMut, shared: &mut Shared| {
                    let rows = shared.l1.as_mut().sub(j, j, height, height + rest);
                    let (l, u) = rows.split_at_col(height);
                    trsm(self.cx, scratch, l.as_ref(), u);
                }),
            );
            // A ← A − L·U on my band of the active rows.
            let (from, mut band, shared) = self.bands.mine(member);
            let skip = self.active(done).saturating_sub(from).min(band.rows());
            let rows = band.rows() - skip;
            let (l, u) = band.as_mut().sub(skip, j, rows, end - j).split_at_col(height);
            gemm_alone(self.cx, scratch, -1.0, l.as_ref(), shared.l1.as_ref().sub(j, done, height, rest), u);
        }
    }

    /// Columns one by one: exchange the pivot's row, scale, rank-1 update within these columns.
    fn base<C: Comm>(&self, member: &mut Member, lead: &mut Option<&mut Lead<C>>, first: usize, width: usize) {
        self.search(member, first);
        for j in first..first + width {
            self.bands.serial(
                member,
                lead.as_deref_mut().map(|lead| |all: MatMut, shared: &mut Shared| self.exchange(lead, all, shared, j)),
            );
            let (from, mut band, shared) = self.bands.mine(member);
            let skip = self.active(j + 1).saturating_sub(from).min(band.rows());
            let (mut left, mut right) = band.as_mut().split_at_col(j + 1);
            let column = &mut left.col(j)[skip..];
            if shared.pivot != 0.0 {
                scal(1.0 / shared.pivot, column);
            }
            for other in j + 1..first + width {
                axpy(-shared.l1.as_ref().at(j, other), column, &mut right.col(other - j - 1)[skip..]);
            }
            if j + 1 < first + width {
                self.search(member, j + 1);
            }
        }
    }

    /// Finds the largest active element of column j in the member's band.
    fn search(&self, member: &mut Member, j: usize) {
        let id = member.id();
        let (from, mut band, shared) = self.bands.mine(member);
        let skip = self.active(j).saturating_sub(from).min(band.rows());
        let (row, value) = iamax(&band.col(j)[skip..]).map_or((NO_ROW, 0.0), |(row, v)| (from + skip + row, v));
        // The serial section that follows orders these for the leader.
        shared.best[id].0.store(value.to_bits(), Ordering::Relaxed);
        shared.best[id].1.store(row, Ordering::Relaxed);
    }

    /// The leader's part for column j: the pivot of all process rows, and the exchange of its row.
    fn exchange<C: Comm>(&self, lead: &mut Lead<C>, mut all: MatMut, shared: &mut Shared, j: usize) {
        let (mut value, mut row) = (0.0_f64, NO_ROW);
        for (bits, at) in &shared.best {
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
        lead.waited += start.elapsed().as_secs_f64();
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
