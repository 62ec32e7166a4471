//! Spread and roll: the process row that owns the top block *spreads* the rows that leave it to where the
//! pivots were; then the pieces of U *roll* around the ring of process rows until each has all of them.

use std::time::{Duration, Instant};

use hpl_core::context::Context;
use hpl_core::level1;
use hpl_core::matrix::{MatMut, MatRef};
use hpl_core::share::{Cut, Strips};
use hpl_core::timeline::Work;

use super::SwapPlan;
use crate::comm::{Comm, Message, wait_until};
use crate::workspace::Pool;

const SPREAD: u32 = 1002;
const ROLL: u32 = 1003;
/// Columns a member moves at a time (not tuned; the swap phase of a P×1 run shows it).
const STRIP: usize = 32;
/// Fewer elements than this are moved by the main thread alone: waking the team costs more.
const ALONE: usize = 1 << 14;

/// Applies the plan to the columns of `a` (all local rows) and brings U together in `u` (JB × the same
/// columns), on every process row. Collective over the process column.
///
/// The top block itself is left to the caller, who copies U back when it is solved. `progress` is called
/// while waiting. How long was waited; `panel` is the panel's number, for the record.
pub fn spread_roll<C: Comm>(
    cx: &Context,
    along_col: &C,
    owner: usize,
    plan: &SwapPlan,
    mut a: MatMut,
    mut u: MatMut,
    pool: &mut Pool,
    panel: usize,
    progress: &mut dyn FnMut(),
) -> Duration {
    let mut waited = Duration::ZERO;
    let (me, p, n) = (along_col.rank(), along_col.size(), a.cols());
    let mut wait = |mut ticket: C::Ticket| {
        let (what, start): (Message, _) = (along_col.describe(&ticket), Instant::now());
        let buf = wait_until(along_col, what, || {
            progress();
            along_col.poll(&mut ticket)
        });
        cx.main_scratch().lane.note(Work::Exchange, panel, start, Duration::ZERO);
        waited += start.elapsed();
        buf
    };
    // My slots of U, before anything is overwritten.
    let mut piece = pool.take(plan.sources[me].len() * n);
    gather(cx, a.as_ref(), &plan.sources[me], piece.as_mut());

    if me == owner {
        let mut rows = pool.take(plan.displaced[me].len() * n);
        gather(cx, a.as_ref(), &plan.displaced[me], rows.as_mut());
        scatter(cx, &plan.vacated[me], &rows, a.as_mut());
        pool.give(rows);
        let mut sends = Vec::new();
        for r in (0..p).filter(|&r| r != me) {
            let mut rows = pool.take(plan.displaced[r].len() * n);
            gather(cx, a.as_ref(), &plan.displaced[r], rows.as_mut());
            sends.push(along_col.start_send(r, SPREAD, rows));
        }
        for send in sends {
            pool.give(wait(send));
        }
    } else {
        let rows = wait(along_col.start_recv(owner, SPREAD, pool.take(plan.vacated[me].len() * n)));
        scatter(cx, &plan.vacated[me], &rows, a.as_mut());
        pool.give(rows);
    }

    let (next, previous) = ((me + 1) % p, (me + p - 1) % p);
    for step in 0..p - 1 {
        // The piece that came last is passed on while it is put in its place.
        let (out, coming) = ((me + p - step) % p, (me + 2 * p - step - 1) % p);
        let send = along_col.start_send(next, ROLL, piece.share());
        let room = pool.take(plan.slots[coming].len() * n);
        let receive = along_col.start_recv(previous, ROLL, room);
        scatter(cx, &plan.slots[out], &piece, u.as_mut());
        let received = wait(receive);
        drop(wait(send));
        pool.give(std::mem::replace(&mut piece, received));
    }
    scatter(cx, &plan.slots[next], &piece, u.as_mut());
    pool.give(piece);
    waited
}

/// Copies `rows` of `a` to `out`, a matrix of `rows.len()` rows and as many columns as `a`.
fn gather(cx: &Context, a: MatRef, rows: &[usize], out: &mut [f64]) {
    if out.is_empty() {
        return;
    }
    let out = MatMut::new(out, rows.len(), a.cols(), rows.len());
    let (elements, cut) = (rows.len() * a.cols(), Cut::even(a.cols(), STRIP));
    strip_by_strip(cx, elements, Strips::new(out, cut), |first, strip| {
        level1::gather(a.sub(0, first, a.rows(), strip.cols()), rows, strip);
    });
}

/// Copies `from`, a matrix of `rows.len()` rows, to `rows` of `a`.
fn scatter(cx: &Context, rows: &[usize], from: &[f64], a: MatMut) {
    if from.is_empty() {
        return;
    }
    let from = MatRef::new(from, rows.len(), a.cols(), rows.len());
    let (elements, cut) = (rows.len() * a.cols(), Cut::even(a.cols(), STRIP));
    strip_by_strip(cx, elements, Strips::new(a, cut), |first, strip| {
        level1::scatter(from.sub(0, first, rows.len(), strip.cols()), rows, strip);
    });
}

fn strip_by_strip(cx: &Context, elements: usize, strips: Strips, work: impl Fn(usize, MatMut) + Sync) {
    let empty_the_bag = || {
        while let Some((first, strip)) = strips.next() {
            work(first, strip);
        }
    };
    if elements < ALONE {
        empty_the_bag();
    } else {
        cx.team().phase(|_| empty_the_bag());
    }
}
