//! Rows of one chunk of columns on their way between the process rows: the machine that plays a
//! [`Schedule`](super::schedule::Schedule).
//!
//! ```text
//!   owner of the top block   packs the rows that leave it, for each process row, and its own piece of U
//!   the others               rows that come ⇄ rows that go up: each row is touched once, and what came in
//!                            the message goes back into it as the piece of U
//! ```
//! In binary exchange, where a piece of U leaves before the rows that take its place are there, it is copied instead.
//! With the shared solve, what goes round the ring afterwards are columns of L⁻¹·U, of which each place has solved some.
//! An [`Exchange`] is started, polled and finished, so that a chunk's rows can travel while another chunk is multiplied.

use std::cell::Cell;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

use hpl_core::context::{Context, Scratch};
use hpl_core::gemm::triangle::Triangle;
use hpl_core::matrix::MatMut;
use hpl_core::share::{Cut, StripPairs, Strips};
use hpl_core::timeline::Work;

use super::schedule::{Item, Route, Schedule, Shares, Step};
use super::{InPieces, Piece, SwapPlan};
use crate::comm::{Buf, Comm, awaited, stage, wait_until};
use crate::workspace::Pool;

/// Columns a member moves at a time (not tuned; the swap phase of a P×1 run shows it).
const STRIP: usize = 32;
/// Columns a member solves at a time (not tuned).
const SOLVED_TOGETHER: usize = 64;
/// Fewer elements than this are moved or solved by the main thread alone: waking the team costs more.
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
    /// Through whom.
    pub route: Route,
    /// L1, for the shared solve.
    pub triangle: &'a Triangle<'a>,
    /// The panel's number, for the record.
    pub panel: usize,
}

impl<'a, C: Comm> Moving<'a, C> {
    /// My process row, counted from the owner.
    fn place(&self) -> usize {
        let p = self.along_col.size();
        (self.along_col.rank() + p - self.owner) % p
    }

    /// The process row of a place.
    fn rank(&self, place: usize) -> usize {
        (place + self.owner) % self.along_col.size()
    }

    /// Doubles of a message's item, of `n` columns in those shares.
    fn len(&self, item: Item, n: usize, shares: &Shares) -> usize {
        match item {
            Item::Down(place) => self.plan.vacated[place].len() * n,
            Item::Up(place) => self.plan.slots[place].len() * n,
            Item::Part { from, to } => self.plan.slots[from].len() * shares.of(to).len(),
            Item::Solved(place) => self.plan.width() * shares.of(place).len(),
        }
    }
}

/// Who copies.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Hands {
    /// The whole team: outside a phase.
    Team,
    /// The main thread: the others are at work.
    Main,
}

/// Some trailing columns whose rows have been exchanged, but for the top block: that is left to the caller, who has U.
pub struct Moved<'a, 'p> {
    /// The columns, all local rows.
    pub columns: MatMut<'a>,
    /// U, all of it.
    pub u: U<'p>,
    /// How much of the time that [`Exchange::finish`] took went into solving.
    pub solving: Duration,
}

/// U as it came together.
pub enum U<'p> {
    /// Its rows, as the process rows gave them.
    Pieces(Vec<Piece<'p>>),
    /// L⁻¹·U: columns after columns, each buffer a matrix of all rows.
    Solved(Vec<Buf>),
}

impl U<'_> {
    /// Gives the memory back.
    pub fn give(self, pool: &mut Pool) {
        match self {
            U::Pieces(pieces) => pieces.into_iter().for_each(|piece| pool.give(piece.rows)),
            U::Solved(shares) => shares.into_iter().for_each(|share| pool.give(share)),
        }
    }
}

/// The rows of one chunk of columns under way.
pub struct Exchange<'a, C: Comm> {
    columns: MatMut<'a>,
    /// Who solves which of them, where they are shared.
    shares: Shares,
    receiving: Vec<(Vec<Item>, C::Ticket)>,
    unsent: VecDeque<Step>,
    sends: Vec<C::Ticket>,
    /// Rows that go down, by place, as far as they are here and have to go on.
    down: Vec<Option<Buf>>,
    /// What I give to U, where it is cut into shares.
    own: Option<Buf>,
    /// What each place gave to U, as far as it is here: of all columns, or of those that I solve.
    up: Vec<Option<Buf>>,
    /// What each place has solved, as far as it is here.
    solved: Vec<Option<Buf>>,
    /// Time in which rows that came were put into their places.
    placing: Duration,
    /// Time in which my share was solved.
    solving: Duration,
}

impl<'a, C: Comm> Exchange<'a, C> {
    /// Sends rows on their way. Collective over the process column.
    pub fn start(on: &Moving<C>, columns: MatMut<'a>, pool: &mut Pool, hands: Hands) -> Exchange<'a, C> {
        let start = Instant::now();
        let (me, p, n) = (on.place(), on.along_col.size(), columns.cols());
        let Schedule { receives, sends } = Schedule::new(on.route, me, p);
        let shares = Shares::new(&on.plan.below, on.plan.width(), n);
        let receive = |Step { peer, items }: Step| {
            let len = items.iter().map(|&item| on.len(item, n, &shares)).sum();
            (items, on.along_col.start_recv(on.rank(peer), stage::SWAP, pool.take(len)))
        };
        let nothing = || (0..p).map(|_| None).collect();
        let mut this = Exchange {
            columns,
            receiving: receives.into_iter().map(receive).collect(),
            shares,
            unsent: sends.into(),
            sends: Vec::new(),
            down: nothing(),
            own: None,
            up: nothing(),
            solved: nothing(),
            placing: Duration::ZERO,
            solving: Duration::ZERO,
        };
        let SwapPlan { sources, vacated, displaced, .. } = on.plan;
        if me == 0 {
            for place in 1..p {
                this.down[place] = Some(this.packed(on, pool, hands, &displaced[place]));
                this.send_on(on, pool);
            }
            let mut piece = pool.take(sources[0].len() * n);
            let places = vacated[0].iter().zip(&displaced[0]);
            this.column_by_column(hands, on, piece.as_mut(), |piece, column| {
                piece.iter_mut().zip(&sources[0]).for_each(|(to, &row)| *to = column[row]);
                places.clone().for_each(|(&to, &from)| column[to] = column[from]);
            });
            this.give_up(on, piece);
        } else if on.route == Route::BinaryExchange {
            let piece = this.packed(on, pool, hands, &sources[me]);
            this.give_up(on, piece);
        }
        on.cx.main_scratch().lane.note(Work::Swap, on.panel, start, Duration::ZERO);
        this.send_on(on, pool);
        this
    }

    /// Moves on with what has arrived, at once; whether all is in its place.
    pub fn poll(&mut self, on: &Moving<C>, pool: &mut Pool, hands: Hands) -> bool {
        let mut receiving = std::mem::take(&mut self.receiving);
        receiving.retain_mut(|(items, ticket)| {
            let Some(buf) = on.along_col.poll(ticket) else { return true };
            if let [item] = items[..] {
                self.arrived(on, hands, item, buf);
                return false;
            }
            let mut begin = 0;
            for &item in items.iter() {
                let len = on.len(item, self.columns.cols(), &self.shares);
                self.arrived(on, hands, item, buf.part(begin..begin + len));
                begin += len;
            }
            pool.give(buf);
            false
        });
        self.receiving = receiving;
        if on.route == Route::SharedSolve && self.solved[on.place()].is_none() && self.up.iter().all(Option::is_some) {
            self.solve(on, pool, hands);
        }
        self.send_on(on, pool);
        self.sends.retain_mut(|ticket| match on.along_col.poll(ticket) {
            // Where it is a part of U, this is another handle of it.
            Some(sent) => {
                pool.give(sent);
                false
            }
            None => true,
        });
        self.unsent.is_empty() && self.sends.is_empty() && self.receiving.is_empty()
    }

    /// Waits until all is in its place. `progress` is called meanwhile.
    pub fn finish<'p>(
        mut self,
        on: &Moving<'p, C>,
        pool: &mut Pool,
        hands: Hands,
        progress: &mut dyn FnMut(),
    ) -> Moved<'a, 'p> {
        let (start, placed, solved) = (Instant::now(), self.placing, self.solving);
        let missing = Cell::new(None);
        let what = || awaited(on.along_col, missing.get());
        wait_until(on.along_col, what, || {
            progress();
            let done = self.poll(on, pool, hands);
            let first = self.receiving.first().map(|(_, ticket)| ticket).or(self.sends.first());
            missing.set(first.map(|ticket| on.along_col.describe(ticket)));
            done.then_some(())
        });
        let solving = self.solving - solved;
        on.cx.main_scratch().lane.note_wait(Work::Exchange, on.panel, start, self.placing - placed + solving);
        let all = |bufs: Vec<Option<Buf>>| bufs.into_iter().map(|buf| buf.expect("all of it has arrived"));
        let u = match on.route {
            Route::SharedSolve => {
                pool.give(self.own.expect("it was cut"));
                U::Solved(all(self.solved).collect())
            }
            Route::BinaryExchange | Route::SpreadRoll => {
                let pieces = on.plan.slots.iter().zip(all(self.up)).map(|(slots, rows)| Piece { slots, rows });
                U::Pieces(pieces.collect())
            }
        };
        Moved { columns: self.columns, u, solving }
    }

    /// Takes an item of a message.
    fn arrived(&mut self, on: &Moving<C>, hands: Hands, item: Item, mut buf: Buf) {
        let me = on.place();
        match item {
            Item::Up(from) | Item::Part { from, .. } => self.up[from] = Some(buf),
            Item::Solved(place) => self.solved[place] = Some(buf),
            Item::Down(place) if place != me => self.down[place] = Some(buf),
            Item::Down(_) => {
                let (start, places) = (Instant::now(), &on.plan.vacated[me]);
                match on.route {
                    Route::SpreadRoll | Route::SharedSolve => {
                        self.column_by_column(hands, on, buf.as_mut(), |rows, column| {
                            rows.iter_mut()
                                .zip(places)
                                .for_each(|(row, &place)| std::mem::swap(row, &mut column[place]));
                        });
                        self.give_up(on, buf);
                    }
                    Route::BinaryExchange => {
                        for (j, rows) in buf.chunks_exact(places.len().max(1)).enumerate() {
                            let column = self.columns.col(j);
                            rows.iter().zip(places).for_each(|(&row, &place)| column[place] = row);
                        }
                    }
                }
                on.cx.main_scratch().lane.note(Work::Swap, on.panel, start, Duration::ZERO);
                self.placing += start.elapsed();
            }
        }
    }

    /// Takes what I give to U: of all columns, one after the other.
    fn give_up(&mut self, on: &Moving<C>, piece: Buf) {
        let me = on.place();
        if on.route == Route::SharedSolve {
            let (height, columns) = (on.plan.slots[me].len(), self.shares.of(me));
            self.up[me] = Some(piece.part(height * columns.start..height * columns.end));
            self.own = Some(piece);
        } else {
            self.up[me] = Some(piece);
        }
    }

    /// Solves my share of the columns, of which all rows are here.
    fn solve(&mut self, on: &Moving<C>, pool: &mut Pool, hands: Hands) {
        let (start, width) = (Instant::now(), on.plan.width());
        let n = self.shares.of(on.place()).len();
        let mut solved = pool.take(width * n);
        let up = self.up.iter_mut().map(|buf| buf.take().expect("all of it is here"));
        let pieces: Vec<_> = on.plan.slots.iter().zip(up).map(|(slots, rows)| Piece { slots, rows }).collect();
        let x = MatMut::new(solved.as_mut(), width, n, width.max(1));
        let strips = Strips::new(x, Cut::even(n, SOLVED_TOGETHER));
        let empty_the_bag = |scratch: &mut Scratch| {
            while let Some((first, x)) = strips.next() {
                let (n, columns) = (x.cols(), first..first + x.cols());
                on.triangle.solve(on.cx, scratch, n, &mut InPieces { pieces: &pieces, columns, top: Some(x) });
            }
        };
        if hands == Hands::Main || width * n < ALONE {
            empty_the_bag(&mut on.cx.main_scratch());
        } else {
            on.cx.team().phase(|member| empty_the_bag(&mut on.cx.scratch(member)));
        }
        drop(strips);
        U::Pieces(pieces).give(pool);
        self.solved[on.place()] = Some(solved);
        on.cx.main_scratch().lane.note(Work::Solve, on.panel, start, Duration::ZERO);
        self.solving += start.elapsed();
    }

    /// Sends what is here and whose turn it is.
    fn send_on(&mut self, on: &Moving<C>, pool: &mut Pool) {
        let Exchange { shares, unsent, down, own, up, solved, sends, .. } = self;
        while let Some(Step { items, .. }) = unsent.front()
            && items.iter().all(|&item| match item {
                Item::Down(place) => down[place].is_some(),
                Item::Up(place) => up[place].is_some(),
                Item::Part { .. } => own.is_some(),
                Item::Solved(place) => solved[place].is_some(),
            })
        {
            let Step { peer, items } = unsent.pop_front().expect("it was looked at");
            let mut take = |item: Item| match item {
                // Rows that go down pass every place once; U is read here, too.
                Item::Down(place) => down[place].take().expect("it is here"),
                Item::Up(place) => up[place].as_ref().expect("it is here").share(),
                Item::Part { from, to } => {
                    let (height, columns) = (on.plan.slots[from].len(), shares.of(to));
                    own.as_ref().expect("it is here").part(height * columns.start..height * columns.end)
                }
                Item::Solved(place) => solved[place].as_ref().expect("it is here").share(),
            };
            let message = if let [item] = items[..] {
                take(item)
            } else {
                let parts: Vec<Buf> = items.iter().map(|&item| take(item)).collect();
                let mut message = pool.take(parts.iter().map(|part| part.len()).sum());
                let mut rest = message.as_mut();
                for part in parts {
                    let (to, later) = rest.split_at_mut(part.len());
                    to.copy_from_slice(&part);
                    rest = later;
                    pool.give(part);
                }
                message
            };
            sends.push(on.along_col.start_send(on.rank(peer), stage::SWAP, message));
        }
    }

    /// The local rows `rows` of all columns, packed.
    fn packed(&mut self, on: &Moving<C>, pool: &mut Pool, hands: Hands, rows: &[usize]) -> Buf {
        let mut packed = pool.take(rows.len() * self.columns.cols());
        self.column_by_column(hands, on, packed.as_mut(), |packed, column| {
            packed.iter_mut().zip(rows).for_each(|(to, &row)| *to = column[row]);
        });
        packed
    }

    /// Calls `work` with every column and its part of `rows`, which lie column after column.
    fn column_by_column(
        &mut self,
        hands: Hands,
        on: &Moving<C>,
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
