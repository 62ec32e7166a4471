//! Spread and roll: the process row that owns the top block *spreads* the rows that leave it to where the
//! pivots were; and the pieces of U *roll* around the ring of process rows until each has all of them.
//!
//! An [`Exchange`] moves the rows of one chunk of columns. It is started, polled and finished, so that a chunk's rows
//! can travel while another chunk is multiplied.

use std::time::{Duration, Instant};

use hpl_core::context::Context;
use hpl_core::matrix::{MatMut, MatRef};
use hpl_core::share::{Cut, Strips};
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

/// Some trailing columns, all local rows, and memory for their U.
pub struct Chunk<'a> {
    /// The columns.
    pub columns: MatMut<'a>,
    /// Room for JB × as many columns.
    pub room: &'a mut [f64],
    /// JB.
    pub width: usize,
}

impl<'a> Chunk<'a> {
    /// U, JB × the columns, and the columns.
    pub fn views(&mut self) -> (MatMut<'_>, MatMut<'_>) {
        let (jb, n) = (self.width, self.columns.cols());
        (MatMut::new(&mut self.room[..jb * n], jb, n, jb.max(1)), self.columns.as_mut())
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

/// The rows of one chunk under way.
///
/// The top block itself is left to the caller, who copies U back when it is solved.
pub struct Exchange<'a, C: Comm> {
    chunk: Chunk<'a>,
    /// Sends of the owner, or the receive of another.
    spreading: Vec<C::Ticket>,
    /// The piece of U that came last; mine at first.
    piece: Buf,
    /// How many pieces have been passed on.
    step: usize,
    rolling: Option<Rolling<C>>,
    /// All pieces are in their places.
    rolled: bool,
}

/// A piece on its way to the next process row, and one that comes from the one before.
struct Rolling<C: Comm> {
    send: Option<C::Ticket>,
    receive: Option<C::Ticket>,
    received: Option<Buf>,
}

impl<'a, C: Comm> Exchange<'a, C> {
    /// Takes the rows out that leave, and sends them on their way. Collective over the process column.
    pub fn start(on: &Moving<C>, mut chunk: Chunk<'a>, pool: &mut Pool, hands: Hands) -> Exchange<'a, C> {
        let (start, Moving { cx, along_col, owner, plan, .. }) = (Instant::now(), on);
        let (me, p, n) = (along_col.rank(), along_col.size(), chunk.columns.cols());
        let a = &mut chunk.columns;
        // My slots of U, before anything is overwritten.
        let mut piece = pool.take(plan.sources[me].len() * n);
        gather(cx, hands, a.as_ref(), &plan.sources[me], piece.as_mut());
        let mut spreading = Vec::new();
        if me == *owner {
            let mut rows = pool.take(plan.displaced[me].len() * n);
            gather(cx, hands, a.as_ref(), &plan.displaced[me], rows.as_mut());
            scatter(cx, hands, &plan.vacated[me], &rows, a.as_mut());
            pool.give(rows);
            for r in (0..p).filter(|&r| r != me) {
                let mut rows = pool.take(plan.displaced[r].len() * n);
                gather(cx, hands, a.as_ref(), &plan.displaced[r], rows.as_mut());
                spreading.push(along_col.start_send(r, SPREAD, rows));
            }
        } else {
            let room = pool.take(plan.vacated[me].len() * n);
            spreading.push(along_col.start_recv(*owner, SPREAD, room));
        }
        cx.main_scratch().lane.note(Work::Swap, on.panel, start, Duration::ZERO);
        Exchange { chunk, spreading, piece, step: 0, rolling: None, rolled: p == 1 }
    }

    /// Moves on with what has arrived, at once; whether all is in its place.
    pub fn poll(&mut self, on: &Moving<C>, pool: &mut Pool, hands: Hands) -> bool {
        self.spread(on, pool, hands);
        while !self.rolled && self.roll(on, pool, hands) {}
        self.rolled && self.spreading.is_empty()
    }

    fn spread(&mut self, on: &Moving<C>, pool: &mut Pool, hands: Hands) {
        let me = on.along_col.rank();
        let Exchange { spreading, chunk, .. } = self;
        spreading.retain_mut(|ticket| {
            let Some(rows) = on.along_col.poll(ticket) else { return true };
            if me != on.owner {
                let start = Instant::now();
                scatter(on.cx, hands, &on.plan.vacated[me], &rows, chunk.columns.as_mut());
                on.cx.main_scratch().lane.note(Work::Swap, on.panel, start, Duration::ZERO);
            }
            pool.give(rows);
            false
        });
    }

    /// One piece further round the ring, if it can be; the piece that came last is put in its place while it is
    /// passed on.
    fn roll(&mut self, on: &Moving<C>, pool: &mut Pool, hands: Hands) -> bool {
        let (me, p, n) = (on.along_col.rank(), on.along_col.size(), self.chunk.columns.cols());
        let (next, previous) = ((me + 1) % p, (me + p - 1) % p);
        let place = |this: &mut Self, from: usize| {
            let start = Instant::now();
            let (u, _) = this.chunk.views();
            scatter(on.cx, hands, &on.plan.slots[from], &this.piece, u);
            on.cx.main_scratch().lane.note(Work::Swap, on.panel, start, Duration::ZERO);
        };
        let Some(rolling) = &mut self.rolling else {
            let (out, coming) = ((me + p - self.step) % p, (me + 2 * p - self.step - 1) % p);
            let send = Some(on.along_col.start_send(next, ROLL, self.piece.share()));
            let room = pool.take(on.plan.slots[coming].len() * n);
            let receive = Some(on.along_col.start_recv(previous, ROLL, room));
            self.rolling = Some(Rolling { send, receive, received: None });
            place(self, out);
            return true;
        };
        let Rolling { send, receive, received } = rolling;
        if let Some(ticket) = send
            && let Some(shared) = on.along_col.poll(ticket)
        {
            drop(shared);
            *send = None;
        }
        if let Some(ticket) = receive
            && let Some(buf) = on.along_col.poll(ticket)
        {
            (*receive, *received) = (None, Some(buf));
        }
        if send.is_some() || receive.is_some() {
            return false;
        }
        let received = received.take().expect("its receive is over");
        self.rolling = None;
        pool.give(std::mem::replace(&mut self.piece, received));
        self.step += 1;
        if self.step == p - 1 {
            place(self, next);
            self.rolled = true;
        }
        true
    }

    /// Waits until all is in its place, and gives the chunk back. `progress` is called meanwhile.
    pub fn finish(mut self, on: &Moving<C>, pool: &mut Pool, hands: Hands, progress: &mut dyn FnMut()) -> Chunk<'a> {
        let start = Instant::now();
        wait_until(on.along_col, "rows of a process column", || {
            progress();
            self.poll(on, pool, hands).then_some(())
        });
        // What was copied in this time is noted as work beside it.
        on.cx.main_scratch().lane.note(Work::Exchange, on.panel, start, Duration::ZERO);
        pool.give(self.piece);
        self.chunk
    }
}

/// Copies `rows` of `a` to `out`, a matrix of `rows.len()` rows and as many columns as `a`.
fn gather(cx: &Context, hands: Hands, a: MatRef, rows: &[usize], out: &mut [f64]) {
    if out.is_empty() {
        return;
    }
    let out = MatMut::new(out, rows.len(), a.cols(), rows.len());
    let (elements, cut) = (rows.len() * a.cols(), Cut::even(a.cols(), STRIP));
    strip_by_strip(cx, hands, elements, Strips::new(out, cut), |first, mut strip| {
        for j in 0..strip.cols() {
            let from = a.col(first + j);
            strip.col(j).iter_mut().zip(rows).for_each(|(to, &row)| *to = from[row]);
        }
    });
}

/// Copies `from`, a matrix of `rows.len()` rows, to `rows` of `a`.
fn scatter(cx: &Context, hands: Hands, rows: &[usize], from: &[f64], a: MatMut) {
    if from.is_empty() {
        return;
    }
    let from = MatRef::new(from, rows.len(), a.cols(), rows.len());
    let (elements, cut) = (rows.len() * a.cols(), Cut::even(a.cols(), STRIP));
    strip_by_strip(cx, hands, elements, Strips::new(a, cut), |first, mut strip| {
        for j in 0..strip.cols() {
            let to = strip.col(j);
            from.col(first + j).iter().zip(rows).for_each(|(&v, &row)| to[row] = v);
        }
    });
}

fn strip_by_strip(cx: &Context, hands: Hands, elements: usize, strips: Strips, work: impl Fn(usize, MatMut) + Sync) {
    let empty_the_bag = || {
        while let Some((first, strip)) = strips.next() {
            work(first, strip);
        }
    };
    if hands == Hands::Main || elements < ALONE {
        empty_the_bag();
    } else {
        cx.team().phase(|_| empty_the_bag());
    }
}
