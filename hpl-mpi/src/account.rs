//! What all ranks of a run counted, brought together on rank 0.

use std::time::{Duration, Instant};

use hpl_core::context::Context;
use hpl_core::gemm::kernel::fma_loop;
use hpl_core::timeline::{Lane, Work};
use hpl_spec::account::{Account, Sent, Spent, Spread, Timers, Waterfall};
use hpl_spec::params::RunParams;
use hpl_spec::report::Phases;

use crate::comm::{Comm, gather};
use crate::grid::Grid;

/// Rounds of the loop between two looks at the clock: some tens of microseconds.
const ROUNDS: usize = 20_000;

/// What the team can do, in Gflop/s: every member runs independent multiply-adds for so long.
pub fn measure_peak(cx: &Context, time: Duration) -> f64 {
    let flops = std::sync::Mutex::new(0.0);
    // Once before the clock runs: a core may have to wake up.
    cx.team().phase(|_| {
        fma_loop(ROUNDS);
    });
    cx.team().phase(|member| {
        member.barrier();
        let (start, mut mine) = (Instant::now(), 0.0);
        while start.elapsed() < time {
            mine += fma_loop(ROUNDS);
        }
        *flops.lock().expect("nobody panics with it") += mine / start.elapsed().as_secs_f64();
    });
    flops.into_inner().expect("nobody panicked") / 1e9
}

/// What one rank counted in a solve.
pub struct Counted<'a> {
    /// Its phases.
    pub phases: &'a Phases,
    /// From the barrier to its own end.
    pub seconds: f64,
    /// What its members did.
    pub lanes: &'a [Lane],
    /// Bytes that it sent, in the order of [`crate::comm::stage::Stage::ALL`].
    pub sent: [u64; 5],
    /// What its team can do, in Gflop/s; 0 if it is not known.
    pub peak: f64,
}

/// A rank's figures, as they travel.
#[derive(Clone, Copy)]
struct Figures {
    phases: Phases,
    seconds: f64,
    row: f64,
    threads: f64,
    peak: f64,
    sent: [f64; 4],
    /// By all its threads.
    spent: Spent,
    /// By its main thread: below the recursion, rows, sending panels, waiting for them.
    base: f64,
    rows: f64,
    sending: f64,
    awaiting: f64,
}

const FIGURES: usize = 25;

impl Figures {
    fn pack(&self) -> [f64; FIGURES] {
        let Figures { phases, seconds, row, threads, peak, sent, spent, base, rows, sending, awaiting } = *self;
        let Phases { pfact, pivot, bcast: await_panel, swap: swaps, update, backsolve } = phases;
        let Spent { multiply, panel, exchanging, swap, bcast, solve, imbalance } = spent;
        let [s0, s1, s2, s3] = sent;
        [
            pfact,
            pivot,
            await_panel,
            swaps,
            update,
            backsolve,
            seconds,
            row,
            threads,
            peak,
            s0,
            s1,
            s2,
            s3,
            multiply,
            panel,
            exchanging,
            swap,
            bcast,
            solve,
            imbalance,
            base,
            rows,
            sending,
            awaiting,
        ]
    }

    fn unpack(figures: [f64; FIGURES]) -> Figures {
        let [
            pfact,
            pivot,
            await_panel,
            swaps,
            update,
            backsolve,
            seconds,
            row,
            threads,
            peak,
            s0,
            s1,
            s2,
            s3,
            multiply,
            panel,
            exchanging,
            swap,
            bcast,
            solve,
            imbalance,
            base,
            rows,
            sending,
            awaiting,
        ] = figures;
        let phases = Phases { pfact, pivot, bcast: await_panel, swap: swaps, update, backsolve };
        let spent = Spent { multiply, panel, exchanging, swap, bcast, solve, imbalance };
        let sent = [s0, s1, s2, s3];
        Figures { phases, seconds, row, threads, peak, sent, spent, base, rows, sending, awaiting }
    }
}

impl Counted<'_> {
    fn figures(&self, row: usize) -> Figures {
        let of_all = |count: fn(&Lane) -> Duration| self.lanes.iter().map(|l| count(l).as_secs_f64()).sum::<f64>();
        let main = |count: fn(&Lane) -> Duration| self.lanes.first().map_or(0.0, |l| count(l).as_secs_f64());
        let exchanging = main(|l| l.aside.exchanging);
        let [sent @ .., _] = self.sent.map(|bytes| bytes as f64);
        Figures {
            phases: *self.phases,
            seconds: self.seconds,
            row: row as f64,
            threads: self.lanes.len() as f64,
            peak: self.peak,
            sent,
            spent: Spent {
                multiply: of_all(|l| l.spent(Work::Multiply) + l.spent(Work::Pack)),
                panel: of_all(|l| l.spent(Work::Panel)),
                exchanging,
                swap: of_all(|l| l.spent(Work::Swap) + l.spent(Work::Exchange)),
                bcast: of_all(|l| l.spent(Work::Broadcast)),
                solve: of_all(|l| l.spent(Work::Solve) + l.spent(Work::Backsolve)),
                // What is waited inside of work and not in exchanges is waited for other threads.
                imbalance: (of_all(Lane::waited) - exchanging).max(0.0),
            },
            base: main(|l| l.aside.base),
            rows: main(|l| l.spent(Work::Swap) + l.spent(Work::Exchange)),
            sending: main(|l| l.aside.sending),
            awaiting: main(|l| l.spent(Work::Broadcast)),
        }
    }

    /// The account of a run that took `seconds` on its slowest rank; on rank 0 of the grid. Collective over it.
    pub fn account<C: Comm>(&self, grid: &Grid<C>, params: &RunParams, seconds: f64) -> Option<Account> {
        let ranks: Vec<Figures> = gather(&grid.all, &self.figures(grid.row).pack())
            .iter()
            .filter_map(|rank| rank[..].try_into().ok().map(Figures::unpack))
            .collect();
        (grid.all.rank() == 0).then(|| together(&ranks, grid.p, params, seconds))
    }
}

fn together(ranks: &[Figures], p: usize, params: &RunParams, seconds: f64) -> Account {
    let sum = |of: &dyn Fn(&Figures) -> f64| ranks.iter().map(of).sum::<f64>();
    let most = |of: &dyn Fn(&Figures) -> f64| ranks.iter().map(of).fold(0.0, f64::max);
    let phases: Vec<Phases> = ranks.iter().map(|rank| rank.phases).collect();
    let spent = Spent {
        multiply: sum(&|r| r.spent.multiply),
        panel: sum(&|r| r.spent.panel),
        exchanging: sum(&|r| r.spent.exchanging),
        swap: sum(&|r| r.spent.swap),
        bcast: sum(&|r| r.spent.bcast),
        solve: sum(&|r| r.spent.solve),
        imbalance: sum(&|r| r.spent.imbalance + r.threads * (seconds - r.seconds)),
    };
    // A peak that some rank does not know is none.
    let peak = if ranks.iter().all(|rank| rank.peak > 0.0) { sum(&|r| r.peak) } else { 0.0 };
    let [pivot, swap, bcast, backsolve] = std::array::from_fn(|stage| sum(&|r| r.sent[stage]) as u64);
    let sending = |row: usize| sum(&|r| if r.row == row as f64 { r.sending } else { 0.0 });
    Account {
        timers: Timers {
            rfact: most(&|r| r.phases.pfact),
            pfact: most(&|r| r.base),
            mxswp: most(&|r| r.phases.pivot),
            update: most(&|r| r.phases.update + r.phases.swap),
            laswp: most(&|r| r.rows),
            up_tr_sv: most(&|r| r.phases.backsolve),
        },
        ranks: Spread::of(&phases),
        sent: Sent { pivot, swap, bcast, backsolve },
        panels_under_way: (0..p).map(sending).fold(0.0, f64::max),
        panels_waited_for: most(&|r| r.awaiting),
        waterfall: Waterfall::new(params, seconds, peak, sum(&|r| r.threads) as usize, &spent),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_survive_their_journey() {
        let figures: [f64; FIGURES] = std::array::from_fn(|i| i as f64);
        assert_eq!(Figures::unpack(figures).pack(), figures);
    }
}
