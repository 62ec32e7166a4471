//! The update of trailing columns by one panel: row interchanges, U ← L1⁻¹·U, A22 ← A22 − L2·U.
//!
//! The members of the team take strips of columns from a bag. While they do, some of them may factor the next
//! panel first ([`Meanwhile`]); whoever is done with it takes strips as well.

use std::time::{Duration, Instant};

use hpl_core::context::{Context, Scratch};
use hpl_core::gemm::Left;
use hpl_core::gemm::triangle::{PackedPanel, Triangle};
use hpl_core::level1::laswp;
use hpl_core::matrix::{MatMut, MatRef};
use hpl_core::share::{StripPairs, Strips};
use hpl_core::team::Member;
use hpl_core::timeline::Work;
use hpl_spec::params::SWAP_COLUMNS;
use hpl_spec::report::Phases;

use crate::axis::Axis;
use crate::comm::Comm;
use crate::grid::Grid;
use crate::panel::Panel;
use crate::swap::{Chunk, Exchange, Hands, Moving, SwapPlan, local_swaps};
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

/// The update by one panel, of whatever columns.
pub struct Update<'a, C> {
    cx: &'a Context,
    grid: &'a Grid<C>,
    rows: Axis,
    panel: &'a Panel,
    left: Left<'a>,
    triangle: Triangle<'a>,
    moves: Moves,
    /// Columns of the first chunk whose rows travel between process rows, and of the others.
    chunks: [usize; 2],
    u: &'a mut [f64],
    pool: &'a mut Pool,
}

/// How rows change places.
enum Moves {
    /// Within this process: what to exchange with what, from the panel's first row on.
    Here(Vec<usize>),
    /// Between the processes of the column.
    Between(SwapPlan),
}

impl<'a, C: Comm> Update<'a, C> {
    /// Packs L2, once for all strips. `factored` are the local columns up to the panel's last; with one process column
    /// L2 is read there, and else from the panel's message. `packed` and `u` are memory of the workspace.
    pub fn new(
        cx: &'a Context,
        grid: &'a Grid<C>,
        rows: Axis,
        panel: &'a Panel,
        factored: MatRef<'a>,
        (packed, u, pool): (&'a mut PackedPanel, &'a mut [f64], &'a mut Pool),
    ) -> Update<'a, C> {
        let shape = panel.shape;
        let l2 = match grid.q {
            1 => factored.sub(shape.below, shape.left, shape.height, shape.width),
            _ => panel.l2(),
        };
        let start = Instant::now();
        let left = Left::pack(cx, &mut packed.left, l2);
        let triangle = Triangle::pack(cx, &mut packed.triangle, panel.l1());
        cx.main_scratch().lane.note(Work::Pack, shape.index, start, Duration::ZERO);
        let moves = match grid.p {
            1 => Moves::Here(local_swaps(panel.pivots(), shape.first)),
            _ => Moves::Between(SwapPlan::new(&rows, shape.first, panel.pivots())),
        };
        Update { cx, grid, rows, panel, left, triangle, moves, chunks: [FIRST_COLUMNS, SWAP_COLUMNS], u, pool }
    }

    /// Applies the panel to `columns`, all local rows of them; collective over the process column. Beside it, the
    /// main thread leads and the others help.
    pub fn apply(&mut self, columns: MatMut, phases: &mut Phases, meanwhile: &mut dyn Meanwhile, help: Help) {
        let Update { cx, grid, rows, panel, left, triangle, moves, chunks: [first, others], u, pool } = self;
        let (shape, local_rows, n) = (panel.shape, rows.local_len(), columns.cols());
        let strips = Bag { cx, left, triangle, width: shape.width, panel: shape.index };
        let mut help = Some(help);
        let plan = match moves {
            Moves::Here(swaps) => {
                let start = Instant::now();
                let below = columns.sub(shape.top, 0, local_rows - shape.top, n);
                let led = strips.in_place(swaps, below, meanwhile, &mut help);
                phases.update += (start.elapsed() - led).as_secs_f64();
                return;
            }
            Moves::Between(plan) => plan,
        };
        let moving = Moving { cx, along_col: &grid.along_col, owner: shape.process_row, plan, panel: shape.index };
        let owner = grid.row == shape.process_row;
        let (here, there) = u.split_at_mut(u.len() / 2);
        let (mut rest, mut rooms) = (Some(columns), vec![here, there]);
        // While one chunk of columns is multiplied, the rows of the next one travel. The first one is small: until its rows
        // are there, nothing is multiplied.
        let start = Instant::now();
        let mut current = next_chunk(&mut rest, &mut rooms, *first, shape.width).map(|chunk| {
            let exchange = Exchange::start(&moving, chunk, pool, Hands::Team);
            exchange.finish(&moving, pool, Hands::Team, &mut || meanwhile.progress())
        });
        phases.swap += start.elapsed().as_secs_f64();
        loop {
            let start = Instant::now();
            let waiting = next_chunk(&mut rest, &mut rooms, *others, shape.width);
            let mut beside =
                Beside { leads: help.is_some(), meanwhile, moving: &moving, pool, waiting, exchange: None };
            let led = match &mut current {
                Some(chunk) => {
                    let (u, columns) = chunk.views();
                    let n = columns.cols();
                    let below = columns.sub(shape.top, 0, local_rows - shape.top, n);
                    strips.beside(owner, u, below, &mut beside, &mut help)
                }
                // No columns: one turn, for what is done meanwhile.
                None => strips.work_through(&mut beside, &mut help, |_| false),
            };
            let exchange = beside.exchange.take();
            phases.update += (start.elapsed() - led).as_secs_f64();
            let Some(exchange) = exchange else { return };
            let start = Instant::now();
            rooms.extend(current.take().map(|chunk| chunk.room));
            current = Some(exchange.finish(&moving, pool, Hands::Team, &mut || meanwhile.progress()));
            phases.swap += start.elapsed().as_secs_f64();
        }
    }
}

/// The next columns, at most `widest`, with memory for their U.
fn next_chunk<'a>(
    rest: &mut Option<MatMut<'a>>,
    rooms: &mut Vec<&'a mut [f64]>,
    widest: usize,
    jb: usize,
) -> Option<Chunk<'a>> {
    let columns = rest.take().filter(|columns| columns.cols() > 0)?;
    let width = widest.min(columns.cols());
    let (now, later) = columns.split_at_col(width);
    *rest = Some(later);
    Some(Chunk { columns: now, room: rooms.pop().expect("one chunk is multiplied, one travels"), width: jb })
}

/// Beside the products of a chunk: what was to be done meanwhile, then the rows of the next chunk.
struct Beside<'x, 'a, C: Comm> {
    /// Whether the main thread is to lead now.
    leads: bool,
    meanwhile: &'x mut dyn Meanwhile,
    moving: &'x Moving<'x, C>,
    pool: &'x mut Pool,
    waiting: Option<Chunk<'a>>,
    exchange: Option<Exchange<'a, C>>,
}

impl<C: Comm> Meanwhile for Beside<'_, '_, C> {
    fn lead(&mut self, member: &mut Member) -> Duration {
        let led = if self.leads { self.meanwhile.lead(member) } else { Duration::ZERO };
        let chunk = self.waiting.take();
        self.exchange = chunk.map(|chunk| Exchange::start(self.moving, chunk, self.pool, Hands::Main));
        led
    }

    fn progress(&mut self) {
        self.meanwhile.progress();
        if let Some(exchange) = &mut self.exchange {
            exchange.poll(self.moving, self.pool, Hands::Main);
        }
    }
}

/// A bag of strips, and what is done with each.
struct Bag<'a> {
    cx: &'a Context,
    left: &'a Left<'a>,
    triangle: &'a Triangle<'a>,
    /// JB.
    width: usize,
    panel: usize,
}

impl Bag<'_> {
    /// One process row: rows are exchanged in place, and U is the top of the trailing columns. How long the main thread
    /// led something else.
    fn in_place(
        &self,
        swaps: &[usize],
        mut a: MatMut,
        meanwhile: &mut dyn Meanwhile,
        help: &mut Option<Help>,
    ) -> Duration {
        let cut = self.left.cut(a.cols(), self.cx.team().size());
        let strips = Strips::new(a.as_mut(), cut);
        self.work_through(meanwhile, help, |scratch| {
            let Some((_, mut strip)) = strips.next() else { return false };
            scratch.timed(Work::Swap, self.panel, |_| laswp(strip.as_mut(), swaps));
            let (u, below) = strip.split_at_row(self.width);
            self.strip(scratch, u, below, |_| ());
            true
        })
    }

    /// U ← L1⁻¹·U and A22 ← A22 − L2·U for one strip; `solved` is called with U.
    fn strip(&self, scratch: &mut Scratch, u: MatMut, below: MatMut, solved: impl FnOnce(MatRef)) {
        let (start, mut middle) = (Instant::now(), None);
        self.triangle.solve_and_subtract(self.cx, scratch, self.left, u, below, |scratch, u| {
            solved(u);
            scratch.lane.note(Work::Solve, self.panel, start, Duration::ZERO);
            middle = Some(Instant::now());
        });
        scratch.lane.note(Work::Multiply, self.panel, middle.unwrap_or(start), Duration::ZERO);
    }

    /// Several process rows: U lies beside the matrix; the owner of the diagonal block copies it back. How long the main
    /// thread led something else.
    fn beside(
        &self,
        owner: bool,
        mut u: MatMut,
        mut a: MatMut,
        meanwhile: &mut dyn Meanwhile,
        help: &mut Option<Help>,
    ) -> Duration {
        let top = if owner { self.width } else { 0 };
        let cut = self.left.cut(a.cols(), self.cx.team().size());
        let strips = StripPairs::new(u.as_mut(), a.as_mut(), cut);
        self.work_through(meanwhile, help, |scratch| {
            let Some((_, u, strip)) = strips.next() else { return false };
            let (mut block, below) = strip.split_at_row(top);
            self.strip(scratch, u, below, |u| {
                if owner {
                    block.copy_from(u);
                }
            });
            true
        })
    }

    /// All members call `step` until it returns false; before, the main thread leads, and the first time the others
    /// help. How long it led.
    fn work_through(
        &self,
        meanwhile: &mut dyn Meanwhile,
        help: &mut Option<Help>,
        step: impl Fn(&mut Scratch) -> bool + Sync,
    ) -> Duration {
        let help = help.take();
        self.cx.team().phase_with(
            |member| {
                let led = meanwhile.lead(member);
                // What is done in between may need the scratch memory.
                while step(&mut self.cx.scratch(member)) {
                    meanwhile.progress();
                }
                led
            },
            |member| {
                if let Some(help) = help {
                    help(member);
                }
                let mut scratch = self.cx.scratch(member);
                while step(&mut scratch) {}
            },
        )
    }
}

#[cfg(test)]
mod tests {
    use hpl_core::team::Team;
    use hpl_spec::params::Order;

    use super::*;
    use crate::bcast::Broadcast;
    use crate::comm::thread::{SendMode, ThreadComm};
    use crate::matrix::DistMatrix;
    use crate::panel::{self, PanelShape, Recursion};
    use crate::workspace::Workspace;

    struct Nothing;

    impl Meanwhile for Nothing {
        fn lead(&mut self, _: &mut Member) -> Duration {
            Duration::ZERO
        }

        fn progress(&mut self) {}
    }

    /// The local parts of [A|b] on a `p`×`q` grid after the update by panel 0, with chunks of those widths.
    fn updated((p, q): (usize, usize), threads: usize, mode: SendMode, chunks: Option<[usize; 2]>) -> Vec<Vec<u64>> {
        ThreadComm::run(p * q, mode, |world| {
            let grid = Grid::new(&world, p, q, Order::RowMajor).unwrap();
            let kernel = hpl_core::gemm::kernel::pick(None).unwrap();
            let cx = Context::new(kernel, Default::default(), Team::new(threads, true, |_| {}).unwrap());
            let mut a = DistMatrix::allocate(&grid, 90, 8).unwrap();
            a.generate(&cx);
            let shape = PanelShape::of(&grid, &a, 0).unwrap();
            let Workspace { packed, u, pool, panels, desk } = &mut Workspace::new(&cx, &grid, &a);
            let mut message = panels.take(shape.message_len());
            let (rows, local) = (a.rows, a.rows.local_len());
            if grid.col == shape.process_col {
                let (squad, recursion) = (cx.team().squad(threads), Recursion { nbmin: 2, ndiv: 2 });
                let columns = a.local_mut().sub(0, 0, local, shape.width);
                let (task, leader) = panel::prepare(&cx, &grid, &squad, rows, columns, shape, recursion, desk, message);
                message = cx.team().phase_with(|m| task.lead(m, leader), |m| task.help::<ThreadComm>(m)).message;
            }
            let mut sent = Broadcast::start(&grid.along_row, shape.process_col, 0, message);
            let message = sent.finish(&grid.along_row);
            let panel = Panel { shape, message };
            let (left, right) = a.local_mut().split_at_col(shape.right);
            let mut update = Update::new(&cx, &grid, rows, &panel, left.as_ref(), (packed, u, pool));
            update.chunks = chunks.unwrap_or(update.chunks);
            update.apply(right, &mut Phases::default(), &mut Nothing, &|_| ());
            sent.reclaim(&grid.along_row);
            let view = a.local();
            (0..view.cols()).flat_map(|j| view.col(j).iter().map(|v| v.to_bits())).collect()
        })
    }

    /// Many chunks, of which one is multiplied while the next one's rows travel, give the bits of one.
    #[test]
    fn chunks_that_travel_give_what_one_gives() {
        for mode in [SendMode::Eager, SendMode::Rendezvous] {
            for grid in [(2, 1), (3, 1), (2, 2), (4, 1)] {
                for threads in [1, 3] {
                    let whole = updated(grid, threads, mode, None);
                    for chunks in [[1, 7], [16, 24], [40, 1]] {
                        assert!(updated(grid, threads, mode, Some(chunks)) == whole, "{grid:?}, {chunks:?}, {mode:?}");
                    }
                }
            }
        }
    }
}
