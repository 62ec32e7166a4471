//! The update of trailing columns by one panel: row interchanges, U ← L1⁻¹·U, A22 ← A22 − L2·U.
//!
//! The members of the team take strips of columns from a bag. While they do, some of them may factor the next
//! panel first ([`Meanwhile`]); whoever is done with it takes strips as well.

use std::ops::Range;
use std::time::{Duration, Instant};

use hpl_core::context::{Context, Scratch};
use hpl_core::gemm::Left;
use hpl_core::gemm::triangle::{PackedPanel, Rows, Triangle};
use hpl_core::level1::laswp;
use hpl_core::matrix::{MatMut, MatRef};
use hpl_core::share::Strips;
use hpl_core::team::Member;
use hpl_core::timeline::Work;
use hpl_spec::params::{SWAP_COLUMNS, Swap};
use hpl_spec::report::Phases;

use crate::axis::Axis;
use crate::comm::{Buf, Comm, WaitPolicy};
use crate::grid::Grid;
use crate::panel::{Panel, PanelShape};
use crate::swap::{Exchange, Hands, InPieces, Moved, Moving, Route, SwapPlan, U, local_swaps};
use crate::variant::Variant;
use crate::workspace::Pool;

/// Columns of the first chunk whose rows travel between process rows; the others have [`SWAP_COLUMNS`].
const FIRST_COLUMNS: usize = 1024;

/// What the team does beside an update.
pub trait Meanwhile {
    /// What the main thread does before its first strip. How long it did something that is no part of the update.
    fn lead(&mut self, member: &mut Member) -> Duration;

    /// What keeps messages moving: the main thread calls it between its strips and while it waits.
    fn progress(&mut self);
}

/// What the other members do before their first strip.
pub type Help<'a> = &'a (dyn Fn(&mut Member) + Sync);

/// A panel that is here and ready to be applied: L1 and L2 packed, the interchanges worked out. With a deep look-ahead
/// there are several.
pub struct Ready {
    /// The panel.
    pub panel: Panel,
    packed: PackedPanel,
    moves: Moves,
    /// Columns of the first chunk whose rows travel between process rows, and of the others.
    chunks: [usize; 2],
}

/// How rows change places.
enum Moves {
    /// Within this process: what to exchange with what, from the panel's first row on.
    Here(Vec<usize>),
    /// Between the processes of the column; SWAP and EQUIL say how.
    Between(SwapPlan, Swap, bool),
}

/// The update by one panel, of whatever columns.
pub struct Update<'a, C> {
    cx: &'a Context,
    grid: &'a Grid<C>,
    rows: Axis,
    ready: &'a Ready,
    left: Left<'a>,
    triangle: Triangle<'a>,
}

/// L2: with one process column it is read in the matrix, and else in the panel's message.
fn l2<'a, C>(grid: &Grid<C>, panel: &'a Panel, factored: MatRef<'a>) -> MatRef<'a> {
    let shape = panel.shape;
    match grid.q {
        1 => factored.sub(shape.below, shape.left, shape.height, shape.width),
        _ => panel.l2(),
    }
}

impl Ready {
    /// Packs L2, once for all strips. `factored` are the local columns up to the panel's last; `packed` is memory of the
    /// workspace; `variant` says how rows are to be exchanged.
    pub fn new<C: Comm>(
        cx: &Context,
        grid: &Grid<C>,
        rows: Axis,
        panel: Panel,
        factored: MatRef,
        mut packed: PackedPanel,
        variant: Variant,
    ) -> Ready {
        let start = Instant::now();
        Left::pack(cx, &mut packed.left, l2(grid, &panel, factored));
        Triangle::pack(cx, &mut packed.triangle, panel.l1());
        cx.main_scratch().lane.note(Work::Pack, panel.shape.index, start, Duration::ZERO);
        let moves = match grid.p {
            1 => Moves::Here(local_swaps(panel.pivots(), panel.shape.first)),
            _ => {
                let plan = SwapPlan::new(&rows, panel.shape.first, panel.pivots());
                Moves::Between(plan, variant.swap, variant.equil)
            }
        };
        Ready { panel, packed, moves, chunks: [FIRST_COLUMNS, SWAP_COLUMNS] }
    }

    /// The update by it. `factored` as before.
    pub fn update<'a, C: Comm>(
        &'a self,
        cx: &'a Context,
        grid: &'a Grid<C>,
        rows: Axis,
        factored: MatRef<'a>,
    ) -> Update<'a, C> {
        let left = Left::packed_before(cx, &self.packed.left, l2(grid, &self.panel, factored));
        let triangle = Triangle::packed_before(cx, &self.packed.triangle, self.panel.l1());
        Update { cx, grid, rows, ready: self, left, triangle }
    }

    /// Its panel, and the memory that packing took.
    pub fn into_parts(self) -> (Panel, PackedPanel) {
        (self.panel, self.packed)
    }
}

impl<C: Comm> Update<'_, C> {
    /// Applies the panel to `columns`, all local rows of them; collective over the process column. Beside it, the
    /// main thread leads and the others help. `pool` lends memory for rows that travel.
    pub fn apply(
        &self,
        columns: MatMut,
        pool: &mut Pool,
        phases: &mut Phases,
        meanwhile: &mut dyn Meanwhile,
        help: Help,
    ) {
        let Update { cx, grid, rows, ready, left, triangle } = self;
        let Ready { panel, moves, chunks: [first, others], .. } = ready;
        let shape = panel.shape;
        let bag = Bag {
            cx,
            left,
            triangle,
            shape,
            rows: rows.local_len(),
            owner: grid.row == shape.process_row,
            policy: grid.all.wait_policy(),
        };
        let mut help = Some(help);
        let (plan, swap, equil) = match moves {
            Moves::Here(swaps) => {
                let start = Instant::now();
                let led = bag.empty(columns, &Top::Swaps(swaps), meanwhile, &mut help);
                phases.update += (start.elapsed() - led).as_secs_f64();
                return;
            }
            Moves::Between(plan, swap, equil) => (plan, *swap, *equil),
        };
        let route = Route::of(swap, equil, columns.cols());
        let (along_col, owner, panel) = (&grid.along_col, shape.process_row, shape.index);
        let moving = Moving { cx, along_col, owner, plan, route, triangle, panel };
        // While one chunk of columns is multiplied, the rows of the next one travel. The first one is small: until its rows
        // are there, nothing is multiplied.
        let start = Instant::now();
        let (mut current, mut rest) = at_most(columns, *first);
        let (mut u, mut solving) = (U::Solved(vec![]), Duration::ZERO);
        if current.cols() > 0 {
            let exchange = Exchange::start(&moving, current, pool, Hands::Team);
            Moved { columns: current, u, solving } =
                exchange.finish(&moving, pool, Hands::Team, &mut || meanwhile.progress());
        }
        note_exchange(phases, start, solving);
        loop {
            let start = Instant::now();
            let (chunk, later) = at_most(rest, *others);
            rest = later;
            let waiting = (chunk.cols() > 0).then_some(chunk);
            let mut beside =
                Beside { leads: help.is_some(), meanwhile, moving: &moving, pool, waiting, exchange: None };
            // Without columns this is one turn, for what is done meanwhile.
            let led = bag.empty(current, &Top::Moved(&u), &mut beside, &mut help);
            let exchange = beside.exchange.take();
            phases.update += (start.elapsed() - led).as_secs_f64();
            u.give(pool);
            let Some(exchange) = exchange else { return };
            let start = Instant::now();
            Moved { columns: current, u, solving } =
                exchange.finish(&moving, pool, Hands::Team, &mut || meanwhile.progress());
            note_exchange(phases, start, solving);
        }
    }
}

/// An exchange that was waited for since `start`; what was solved meanwhile belongs to the update.
fn note_exchange(phases: &mut Phases, start: Instant, solving: Duration) {
    phases.swap += (start.elapsed() - solving).as_secs_f64();
    phases.update += solving.as_secs_f64();
}

/// The first columns, at most so many, and the rest.
fn at_most(columns: MatMut, most: usize) -> (MatMut, MatMut) {
    let n = columns.cols();
    columns.split_at_col(most.min(n))
}

/// Beside the products of a chunk: what was to be done meanwhile, then the rows of the next chunk.
struct Beside<'x, 'a, C: Comm> {
    /// Whether the main thread is to lead now.
    leads: bool,
    meanwhile: &'x mut dyn Meanwhile,
    moving: &'x Moving<'x, C>,
    pool: &'x mut Pool,
    waiting: Option<MatMut<'a>>,
    exchange: Option<Exchange<'a, C>>,
}

impl<C: Comm> Meanwhile for Beside<'_, '_, C> {
    fn lead(&mut self, member: &mut Member) -> Duration {
        let led = if self.leads { self.meanwhile.lead(member) } else { Duration::ZERO };
        let waiting = self.waiting.take();
        self.exchange = waiting.map(|columns| Exchange::start(self.moving, columns, self.pool, Hands::Main));
        led
    }

    fn progress(&mut self) {
        self.meanwhile.progress();
        if let Some(exchange) = &mut self.exchange {
            exchange.poll(self.moving, self.pool, Hands::Main);
        }
    }
}

/// Where the rows of U are.
enum Top<'a> {
    /// In the matrix, to be exchanged in place.
    Swaps(&'a [usize]),
    /// In messages, from all process rows. On the one that owns the top block, X goes there.
    Moved(&'a U<'a>),
}

/// What is done with the strips of columns.
struct Bag<'a> {
    cx: &'a Context,
    left: &'a Left<'a>,
    triangle: &'a Triangle<'a>,
    shape: PanelShape,
    /// Local rows.
    rows: usize,
    /// Whether the top block is here.
    owner: bool,
    /// Says whether to go on.
    policy: &'a WaitPolicy,
}

impl Bag<'_> {
    /// U, U ← L1⁻¹·U and A22 ← A22 − L2·U, strip by strip; all local rows of the columns are given. How long the main
    /// thread led something else.
    fn empty(&self, columns: MatMut, top: &Top, meanwhile: &mut dyn Meanwhile, help: &mut Option<Help>) -> Duration {
        let Bag { shape: PanelShape { top: first_row, width, index, .. }, rows, owner, .. } = *self;
        let n = columns.cols();
        let mut a = columns.sub(first_row, 0, rows - first_row, n);
        let cut = self.left.cut(n, self.cx.team().size());
        let strips = Strips::new(a.as_mut(), cut);
        self.work_through(meanwhile, help, |scratch| {
            let Some((first, mut strip)) = strips.next() else { return false };
            match top {
                Top::Swaps(swaps) => {
                    scratch.timed(Work::Swap, index, |_| laswp(strip.as_mut(), swaps));
                    let (mut u, below) = strip.split_at_row(width);
                    self.strip(scratch, &mut u, below);
                }
                Top::Moved(u) => {
                    let columns = first..first + strip.cols();
                    let (block, below) = strip.split_at_row(if owner { width } else { 0 });
                    let top = owner.then_some(block);
                    match u {
                        U::Pieces(pieces) => self.strip(scratch, &mut InPieces { pieces, columns, top }, below),
                        U::Solved(shares) => scratch.timed(Work::Multiply, index, |scratch| {
                            self.multiply(scratch, shares, columns, top, below)
                        }),
                    }
                }
            }
            true
        })
    }

    /// A22 ← A22 − L2·X for one strip: `columns` of what lies in `shares`, which goes to the `top` block as well.
    fn multiply(
        &self,
        scratch: &mut Scratch,
        shares: &[Buf],
        columns: Range<usize>,
        mut top: Option<MatMut>,
        mut below: MatMut,
    ) {
        let (width, height, mut end) = (self.shape.width, below.rows(), 0);
        for share in shares {
            let begin = end;
            end += share.len() / width;
            let (from, to) = (columns.start.max(begin), columns.end.min(end));
            if from >= to {
                continue;
            }
            let (at, n) = (from - columns.start, to - from);
            let x = MatRef::new(share, width, end - begin, width).sub(0, from - begin, width, n);
            if let Some(top) = &mut top {
                top.as_mut().sub(0, at, width, n).copy_from(x);
            }
            self.left.multiply(scratch, -1.0, x, below.as_mut().sub(0, at, height, n));
        }
    }

    /// U ← L1⁻¹·U and A22 ← A22 − L2·U for one strip.
    fn strip(&self, scratch: &mut Scratch, u: &mut impl Rows, below: MatMut) {
        let start = Instant::now();
        let mut middle = start;
        self.triangle.solve_and_subtract(self.cx, scratch, self.left, u, below, |scratch| {
            scratch.lane.note(Work::Solve, self.shape.index, start, Duration::ZERO);
            middle = Instant::now();
        });
        scratch.lane.note(Work::Multiply, self.shape.index, middle, Duration::ZERO);
    }

    /// All members call `step` until it returns false; before, the main thread leads, and the first time the others
    /// help. How long it led.
    ///
    /// # Panics
    /// If the rank was cancelled meanwhile.
    fn work_through(
        &self,
        meanwhile: &mut dyn Meanwhile,
        help: &mut Option<Help>,
        step: impl Fn(&mut Scratch) -> bool + Sync,
    ) -> Duration {
        let (help, policy) = (help.take(), self.policy);
        let led = self.cx.team().phase_with(
            |member| {
                let led = meanwhile.lead(member);
                // What is done in between may need the scratch memory.
                while !policy.cancelled() && step(&mut self.cx.scratch(member)) {
                    meanwhile.progress();
                }
                led
            },
            |member| {
                if let Some(help) = help {
                    help(member);
                }
                let mut scratch = self.cx.scratch(member);
                while !policy.cancelled() && step(&mut scratch) {}
            },
        );
        assert!(!policy.cancelled(), "cancelled: in the update by panel {}", self.shape.index);
        led
    }
}

#[cfg(test)]
mod tests {
    use hpl_core::team::Team;
    use hpl_spec::params::{Bcast, Order, RunParams};

    use super::*;
    use crate::bcast::Broadcast;
    use crate::comm::thread::{SendMode, ThreadComm};
    use crate::matrix::DistMatrix;
    use crate::panel::{self, Recursion};
    use crate::workspace::Workspace;

    struct Nothing;

    impl Meanwhile for Nothing {
        fn lead(&mut self, _: &mut Member) -> Duration {
            Duration::ZERO
        }

        fn progress(&mut self) {}
    }

    /// The local parts of [A|b] on a `p`×`q` grid after the update by panel 0, with chunks of those widths.
    fn updated(
        (p, q): (usize, usize),
        threads: usize,
        mode: SendMode,
        (swap, equil): (Swap, bool),
        chunks: Option<[usize; 2]>,
    ) -> Vec<Vec<u64>> {
        let params = RunParams { swap, equil, ..RunParams::new(90, 8, p, q) };
        ThreadComm::run(p * q, mode, |world| {
            let grid = Grid::new(&world, p, q, Order::RowMajor).unwrap();
            let kernel = hpl_core::gemm::kernel::pick(None).unwrap();
            let cx = Context::new(kernel, Default::default(), Team::new(threads, true, |_| {}).unwrap());
            let mut a = DistMatrix::allocate(&grid, 90, 8, 8).unwrap();
            a.generate(&cx);
            let shape = PanelShape::of(&grid, &a, 0).unwrap();
            let Workspace { mut packed, mut pool, mut panels, mut desk } = Workspace::new(&cx, &a, 1);
            let mut message = panels.take(shape.message_len());
            let (rows, local) = (a.rows, a.rows.local_len());
            if grid.col == shape.process_col {
                let (squad, recursion) = (cx.team().squad(threads), Recursion::of(&params));
                let columns = a.local_mut().sub(0, 0, local, shape.width);
                let (task, leader) =
                    panel::prepare(&cx, &grid, &squad, rows, columns, shape, recursion, &mut desk, message);
                message = cx.team().phase_with(|m| task.lead(m, leader), |m| task.help::<ThreadComm>(m)).message;
            }
            let mut sent = Broadcast::start(&grid.along_row, Bcast::RingM, shape.process_col, 0, message, &mut panels);
            let message = sent.finish(&grid.along_row);
            let panel = Panel { shape, message };
            let (left, right) = a.local_mut().split_at_col(shape.right);
            let mut ready = Ready::new(&cx, &grid, rows, panel, left.as_ref(), packed.remove(0), Variant::of(&params));
            ready.chunks = chunks.unwrap_or(ready.chunks);
            let update = ready.update(&cx, &grid, rows, left.as_ref());
            update.apply(right, &mut pool, &mut Phases::default(), &mut Nothing, &|_| ());
            sent.reclaim(&grid.along_row, &mut panels);
            let view = a.local();
            (0..view.cols()).flat_map(|j| view.col(j).iter().map(|v| v.to_bits())).collect()
        })
    }

    /// Many chunks, of which one is multiplied while the next one's rows travel, give the bits of one; and so does every
    /// way in which rows travel.
    #[test]
    fn chunks_that_travel_give_what_one_gives() {
        for mode in [SendMode::Eager, SendMode::Rendezvous] {
            for grid in [(2, 1), (3, 1), (2, 2), (4, 1)] {
                for threads in [1, 3] {
                    let whole = updated(grid, threads, mode, (Swap::BinaryExchange, true), None);
                    for chunks in [None, Some([1, 7]), Some([16, 24]), Some([40, 1])] {
                        let ways = [Swap::SpreadRoll, Swap::BinaryExchange, Swap::Mix { threshold: 20 }];
                        for swap in ways.into_iter().flat_map(|swap| [(swap, true), (swap, false)]) {
                            let got = updated(grid, threads, mode, swap, chunks);
                            assert!(got == whole, "{grid:?}, {swap:?}, {chunks:?}, {mode:?}");
                        }
                    }
                }
            }
        }
    }
}
