//! Where the time of a run went: netlib's timers, the phases of the ranks, bytes, and the way from the peak down to the score.

use std::fmt::Write;

use serde::{Deserialize, Serialize};

use crate::json_f64;
use crate::params::RunParams;
use crate::report::Phases;

/// What all ranks of a run counted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Account {
    /// What netlib's `-DHPL_DETAILED_TIMING` prints.
    pub timers: Timers,
    /// The phases of the ranks.
    pub ranks: Spread,
    /// What the ranks sent.
    pub sent: Sent,
    /// Seconds in which panels were on the wire, in the process row that took longest, as far as their owners saw it.
    #[serde(with = "json_f64")]
    pub panels_under_way: f64,
    /// Seconds in which the rank that waited longest for panels could do nothing else. What of
    /// [`Account::panels_under_way`] goes beyond was hidden behind the update.
    #[serde(with = "json_f64")]
    pub panels_waited_for: f64,
    /// From the peak to the score.
    pub waterfall: Waterfall,
}

/// Seconds of netlib's detailed timing (section 6.2 of the reference), each the most that a rank added up.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Timers {
    /// Panel factorization.
    #[serde(with = "json_f64")]
    pub rfact: f64,
    /// Of it: the smallest parts, below the recursion.
    #[serde(with = "json_f64")]
    pub pfact: f64,
    /// Of that: pivot exchanges.
    #[serde(with = "json_f64")]
    pub mxswp: f64,
    /// The update, its row interchanges included.
    #[serde(with = "json_f64")]
    pub update: f64,
    /// Of it: row interchanges, by the main thread.
    #[serde(with = "json_f64")]
    pub laswp: f64,
    /// Back substitution.
    #[serde(with = "json_f64")]
    pub up_tr_sv: f64,
}

/// The least, the middle and the most that a rank added up, of every phase for itself.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Spread {
    /// The least.
    pub min: Phases,
    /// The median; of an even number of ranks the upper one.
    pub median: Phases,
    /// The most.
    pub max: Phases,
}

impl Spread {
    /// Of the phases of all ranks; zeros of none.
    #[must_use]
    pub fn of(ranks: &[Phases]) -> Spread {
        let pick = |which: fn(usize) -> usize| {
            let one = |phase: fn(&Phases) -> f64| {
                let mut all: Vec<f64> = ranks.iter().map(phase).collect();
                all.sort_by(f64::total_cmp);
                all.get(which(all.len())).copied().unwrap_or(0.0)
            };
            Phases {
                pfact: one(|p| p.pfact),
                pivot: one(|p| p.pivot),
                bcast: one(|p| p.bcast),
                swap: one(|p| p.swap),
                update: one(|p| p.update),
                backsolve: one(|p| p.backsolve),
            }
        };
        Spread { min: pick(|_| 0), median: pick(|n| n / 2), max: pick(|n| n.saturating_sub(1)) }
    }
}

/// Bytes that all ranks together sent during the solve.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Sent {
    /// Pivots and their rows.
    pub pivot: u64,
    /// Row interchanges.
    pub swap: u64,
    /// Panels.
    pub bcast: u64,
    /// Back substitution.
    pub backsolve: u64,
}

/// The way from the peak down to the score: seconds of the mean thread. They add up to the time of the solve.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Waterfall {
    /// What all threads of the grid can do, in Gflop/s: independent multiply-adds, measured before the first test. 0 where
    /// it was not measured.
    #[serde(with = "json_f64")]
    pub peak: f64,
    /// Threads of all ranks of the grid.
    pub threads: usize,
    /// What the work would take at the peak, then what is lost, in the order of the way.
    pub losses: Vec<Loss>,
}

/// A step of the way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Loss {
    /// What the time went into.
    pub what: String,
    /// Seconds.
    #[serde(with = "json_f64")]
    pub seconds: f64,
}

/// Seconds that the threads of all ranks spent, added up.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Spent {
    /// Products and the packing for them.
    pub multiply: f64,
    /// Panels.
    pub panel: f64,
    /// Pivot exchanges.
    pub exchanging: f64,
    /// Row interchanges and waiting for rows.
    pub swap: f64,
    /// Waiting for panels.
    pub bcast: f64,
    /// U = L1⁻¹·U and back substitution.
    pub solve: f64,
    /// Waiting for other threads inside of a panel, and for the slowest rank at the end.
    pub imbalance: f64,
}

impl Waterfall {
    /// The way of a run that took `seconds` on so many threads.
    #[must_use]
    pub fn new(params: &RunParams, seconds: f64, peak: f64, threads: usize, spent: &Spent) -> Waterfall {
        let ideal = |flops: f64| if peak > 0.0 { flops / (peak * 1e9) } else { 0.0 };
        let Flops { panel, solve, multiply } = Flops::of(params);
        let mean = |of_all: f64| of_all / threads.max(1) as f64;
        let mut losses = Vec::new();
        let mut lose = |what: &str, seconds: f64| losses.push(Loss { what: what.to_owned(), seconds });
        lose("at the FMA peak", ideal(params.flops()));
        lose("kernel shortfall", mean(spent.multiply) - ideal(multiply));
        lose("panel", mean(spent.panel) - ideal(panel));
        lose("pivot exchange", mean(spent.exchanging));
        lose("row swap", mean(spent.swap));
        lose("panel broadcast", mean(spent.bcast));
        lose("solve", mean(spent.solve) - ideal(solve));
        lose("imbalance", mean(spent.imbalance));
        let known: f64 = losses.iter().map(|loss| loss.seconds).sum();
        losses.push(Loss { what: "idle".to_owned(), seconds: seconds - known });
        Waterfall { peak, threads, losses }
    }

    /// The way as a picture for a terminal, for a run of those operations; ends with a line end.
    #[must_use]
    pub fn to_text(&self, flops: f64) -> String {
        const WIDTH: f64 = 40.0;
        let all: f64 = self.losses.iter().map(|loss| loss.seconds).sum();
        let mut text = format!("Where {all:.2} s went: {} threads, FMA peak {:.1} Gflop/s\n", self.threads, self.peak);
        let mut before = 0.0;
        for Loss { what, seconds } in &self.losses {
            let until = before + seconds;
            let cells = |seconds: f64| (WIDTH * seconds / all).clamp(0.0, WIDTH).round() as usize;
            let (gap, bar) = (cells(before), cells(until).saturating_sub(cells(before)));
            let rate = if until > 0.0 { flops / until / 1e9 } else { 0.0 };
            let bar = if bar > 0 { " ".repeat(2 + gap) + &"█".repeat(bar) } else { String::new() };
            let _ =
                writeln!(text, "  {what:<17}{seconds:>9.2} s {:>5.1} %{rate:>9.1} Gflop/s{bar}", 100.0 * seconds / all);
            before = until;
        }
        text
    }
}

/// The operations of a factorization by kind; they add up to those that HPL counts.
struct Flops {
    panel: f64,
    solve: f64,
    multiply: f64,
}

impl Flops {
    fn of(params: &RunParams) -> Flops {
        // Below the whole blocks of columns are rest, rest + NB, …, rest + (whole − 1)·NB rows; the sums of these and of
        // their squares.
        let nb = params.nb.max(1);
        let (whole, rest) = ((params.n / nb) as f64, (params.n % nb) as f64);
        let nb = nb as f64;
        let pairs = whole * (whole - 1.0) / 2.0;
        let below = whole * rest + nb * pairs;
        let below_squared = whole * rest * rest + 2.0 * rest * nb * pairs + nb * nb * pairs * (2.0 * whole - 1.0) / 3.0;
        // Half of the multiply-adds of a square block, all of the rows below it.
        let panel = 2.0 / 3.0 * (whole * nb * nb * nb + rest * rest * rest) + nb * nb * below;
        let multiply = 2.0 * nb * (below_squared + below);
        Flops { panel, multiply, solve: (params.flops() - panel - multiply).max(0.0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_adds_up() {
        let params = RunParams::new(1000, 64, 2, 2);
        let spent =
            Spent { multiply: 4.0, panel: 1.0, exchanging: 0.5, swap: 0.25, bcast: 0.25, solve: 1.0, imbalance: 0.5 };
        for peak in [0.0, 10.0] {
            let way = Waterfall::new(&params, 2.0, peak, 4, &spent);
            let sum: f64 = way.losses.iter().map(|loss| loss.seconds).sum();
            assert!((sum - 2.0).abs() < 1e-12, "{way:?}");
            // 7.5 s of work and known waiting on four threads of two seconds each.
            assert!((way.losses[8].seconds - (8.0 - 7.5) / 4.0).abs() < 1e-9, "{way:?}");
            let text = way.to_text(params.flops());
            assert_eq!(text.lines().count(), 10, "{text}");
            assert!(
                text.lines().last().unwrap().contains("idle                  0.12 s   6.2 %      0.3 Gflop/s"),
                "{text}"
            );
        }
    }

    #[test]
    fn operations_of_all_kinds_are_those_of_hpl() {
        for (n, nb) in [(1000, 64), (1000, 1000), (997, 10), (20_000, 256)] {
            let params = RunParams::new(n, nb, 1, 1);
            let Flops { panel, solve, multiply } = Flops::of(&params);
            assert!((panel + solve + multiply - params.flops()).abs() < 1e-9 * params.flops());
            // The solves of U, and the back-substitution.
            let (n, nb) = (n as f64, nb as f64);
            let want = n * (n - nb) * nb / 2.0 + n * n;
            assert!((solve - want).abs() < 0.3 * want + n * n, "N={n}, NB={nb}: {solve:e}, {want:e}");
        }
        assert_eq!(Flops::of(&RunParams::new(0, 1, 1, 1)).multiply, 0.0);
    }

    #[test]
    fn operations_are_those_of_the_panels_one_by_one() {
        for (n, nb) in [(0, 5), (1, 1), (3, 5), (1000, 64), (1000, 1000), (997, 10), (20_000, 256)] {
            let (mut panel, mut multiply) = (0.0, 0.0);
            for first in (0..n).step_by(nb) {
                let width = nb.min(n - first) as f64;
                let below = (n - first) as f64 - width;
                panel += width * width * (2.0 / 3.0 * width + below);
                multiply += 2.0 * width * below * (below + 1.0);
            }
            let at_once = Flops::of(&RunParams::new(n, nb, 1, 1));
            assert!((at_once.panel - panel).abs() <= 1e-12 * panel, "N={n}, NB={nb}");
            assert!((at_once.multiply - multiply).abs() <= 1e-12 * multiply, "N={n}, NB={nb}");
        }
    }

    #[test]
    fn a_spread_is_of_every_phase() {
        let rank = |pfact, bcast| Phases { pfact, bcast, ..Phases::default() };
        let Spread { min, median, max } = Spread::of(&[rank(1.0, 5.0), rank(3.0, 4.0), rank(2.0, 9.0)]);
        assert_eq!([min, median, max].map(|p| (p.pfact, p.bcast)), [(1.0, 4.0), (2.0, 5.0), (3.0, 9.0)]);
        assert_eq!(Spread::of(&[]), Spread::default());
    }
}
