//! Where the time went: netlib's detailed timing in HPL.out, and the account of the JSON report.
#![forbid(unsafe_code)]

use hpl_spec::account::{Account, Sent};
use hpl_spec::{Sweep, out};
use validation::Job;

/// A short run on a grid, told in detail.
fn told((p, q): (usize, usize), threshold: f64) -> validation::Outcome {
    let params = hpl_spec::RunParams::new(1500, 64, p, q);
    let sweep = Sweep { ns: vec![1500, 700], ..Sweep::of(params, threshold) };
    let args = ["--detailed-timing", "--waterfall", "--json", "report.json", "--threads", "1"];
    let outcome = Job::xhpl().ranks(p * q).dat(sweep.to_dat()).args(&args).run();
    assert_eq!(outcome.code, Some(0), "{}", outcome.said());
    outcome
}

#[test]
fn the_block_of_netlib_is_there_and_reads_back() {
    for (grid, threshold) in [((1, 1), 16.0), ((2, 1), 16.0), ((1, 2), 0.0)] {
        let outcome = told(grid, threshold);
        let report = outcome.json();
        let mut head_is_due = true;
        let lines: String = report.reports.iter().map(|report| out::test(report, &mut head_is_due, true)).collect();
        let trailer = out::trailer(&report.tally, threshold > 0.0, true);
        assert!(outcome.stdout.ends_with(&(lines + &trailer)), "{}", outcome.said());
        let blocks = outcome.stdout.lines().filter(|line| line.starts_with("--VVV--VVV")).count();
        assert_eq!(blocks, 2, "{}", outcome.said());
        let parsed = outcome.report();
        for (report, parsed) in report.reports.iter().zip(&parsed.reports) {
            let timers = report.account.as_ref().expect("rank 0 has it").timers;
            assert!((parsed.phases.pfact - timers.rfact).abs() < 0.006, "{timers:?}, {:?}", parsed.phases);
            assert!((parsed.phases.backsolve - timers.up_tr_sv).abs() < 0.006, "{timers:?}, {:?}", parsed.phases);
            assert!(timers.rfact >= timers.pfact && timers.pfact >= timers.mxswp, "{timers:?}");
            assert!(timers.update > 0.0 && timers.up_tr_sv > 0.0, "{timers:?}");
        }
    }
}

#[test]
fn the_way_from_the_peak_to_the_score_adds_up() {
    for grid in [(1, 1), (2, 1), (1, 2), (2, 2)] {
        let outcome = told(grid, 16.0);
        for report in &outcome.json().reports {
            let Account { ranks, sent, waterfall, panels_under_way, .. } =
                report.account.as_ref().expect("rank 0 has it");
            let all: f64 = waterfall.losses.iter().map(|loss| loss.seconds).sum();
            assert!((all - report.seconds).abs() < 1e-9, "{waterfall:?}");
            assert!(waterfall.peak > 0.0 && waterfall.threads == grid.0 * grid.1, "{waterfall:?}");
            // What is left over for "idle" is negative where something was counted twice.
            let idle = waterfall.losses.last().expect("idle").seconds;
            assert!(idle > -0.02 * report.seconds, "{waterfall:?}");
            assert!(ranks.min.update <= ranks.median.update && ranks.median.update <= ranks.max.update, "{ranks:?}");
            assert!((ranks.max.update - report.phases.update).abs() < 1e-12, "{ranks:?}");
            let Sent { pivot, swap, bcast, .. } = *sent;
            assert_eq!((pivot > 0, swap > 0), (grid.0 > 1, grid.0 > 1), "{sent:?}");
            assert_eq!((bcast > 0, *panels_under_way > 0.0), (grid.1 > 1, grid.1 > 1), "{sent:?}");
            // The panels of a process row go to each of the others once.
            let (n, nb) = (report.params.n, report.params.nb);
            let panel = |first: usize| {
                let width = nb.min(n - first);
                (n - first - width) * width + grid.0 * (width * width + width + 1)
            };
            let doubles: usize = (0..n).step_by(nb).map(panel).sum();
            assert_eq!(bcast, (8 * doubles * (grid.1 - 1)) as u64, "{grid:?}");
        }
        assert!(outcome.stderr.contains("at the FMA peak") && outcome.stderr.contains("idle"), "{}", outcome.said());
    }
}
