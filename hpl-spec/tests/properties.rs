//! What holds for every sweep, every report and every sequence of bytes.
mod common;

use hpl_spec::{RunEvent, RunReport, Sweep, Tally, Verdict, out, report::checks};
use proptest::prelude::*;

/// A whole HPL.out.
fn print(sweep: &Sweep, notes: &[String], reports: &[RunReport], detailed: bool) -> String {
    let mut text = out::header(sweep, notes);
    let mut head_is_due = true;
    let mut tally = Tally::default();
    for report in reports {
        text += &out::test(report, &mut head_is_due, detailed);
        tally.count(&report.verdict);
    }
    text + &out::trailer(&tally, checks(sweep.threshold), detailed)
}

proptest! {
    #[test]
    fn a_sweep_survives_its_file(sweep in common::sweep()) {
        let text = sweep.to_dat();
        prop_assert_eq!(text.lines().count(), 31);
        prop_assert_eq!(Sweep::parse(&text, usize::MAX).unwrap(), sweep);
    }

    #[test]
    fn netlib_reads_each_list_whole(sweep in common::sweep()) {
        // Its buffer holds 253 characters of a line.
        let text = sweep.to_dat();
        prop_assert!(text.lines().skip(2).all(|line| line.len() <= 253));
    }

    #[test]
    fn the_runs_are_as_many_as_said_and_come_from_the_lists(sweep in common::sweep()) {
        for run in sweep.runs().take(100) {
            prop_assert!(sweep.ns.contains(&run.n) && sweep.grids.contains(&(run.p, run.q)));
            prop_assert_eq!(run.check(), Ok(()));
        }
        let first: Vec<_> = sweep.runs().take(sweep.ndivs.len()).map(|run| run.ndiv).collect();
        prop_assert_eq!(first, sweep.ndivs.clone());
    }

    #[test]
    fn memory_is_never_less_than_the_matrix(params in common::params()) {
        let share = params.n as u128 * params.n as u128 * 8 / params.processes() as u128;
        prop_assert!(u128::from(params.bytes_per_rank()) >= share.min(u64::MAX.into()));
    }

    #[test]
    fn what_is_written_reads_back(
        (sweep, reports) in (common::sweep(), common::params()).prop_flat_map(|(sweep, params)| {
            let sweep = Sweep { threshold: sweep.threshold, ..Sweep::of(params, 0.0) };
            let reports = common::reports(params, sweep.threshold);
            (Just(sweep), reports)
        }),
        detailed in any::<bool>(),
    ) {
        let notes = ["these variants are run as others: see README".to_string()];
        let text = print(&sweep, &notes, &reports, detailed);
        let parsed = out::parse(&text).map_err(|error| TestCaseError::fail(format!("{error}\n{text}")))?;
        prop_assert_eq!(parsed.reports.len(), reports.len());
        for (back, report) in parsed.reports.iter().zip(&reports) {
            prop_assert_eq!(back.params, report.params);
            prop_assert_eq!(&back.started, &report.started);
            prop_assert_eq!(&back.ended, &report.ended);
            prop_assert_eq!(std::mem::discriminant(&back.verdict), std::mem::discriminant(&report.verdict));
            let printed = |seconds: f64| if detailed && report.seconds > 0.0 { (100.0 * seconds).round() } else { 0.0 };
            let rfact = report.account.as_ref().map_or(0.0, |account| account.timers.rfact);
            prop_assert_eq!((100.0 * back.phases.pfact).round(), printed(rfact));
            if let Verdict::Skipped { .. } = report.verdict {
                prop_assert_eq!(&back.verdict, &report.verdict);
            }
            // The digits that were printed are all there is, and they are kept.
            if back.seconds > 0.0 {
                prop_assert_eq!(out::result(back), out::result(report));
            }
        }
        let mut tally = Tally::default();
        reports.iter().for_each(|report| tally.count(&report.verdict));
        prop_assert_eq!(parsed.tally, tally);
    }

    #[test]
    fn any_header_reads_back(sweep in common::sweep()) {
        let parsed = out::parse(&print(&sweep, &[], &[], false)).unwrap();
        prop_assert!(parsed.reports.is_empty());
    }

    #[test]
    fn reports_survive_json(reports in common::params().prop_flat_map(|params| common::reports(params, 16.0))) {
        for report in reports {
            let event = RunEvent::Verdict { test: 1, report };
            let line = event.to_line();
            prop_assert!(!line.contains('\n') && !line.contains("null,\"norm"));
            let back = RunEvent::from_line(&line).unwrap();
            // By their text: NaN is not equal to itself.
            prop_assert_eq!(format!("{back:?}"), format!("{event:?}"));
        }
    }

    #[test]
    fn no_bytes_make_the_parsers_panic(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
        let _ = Sweep::parse_bytes(&bytes, 4);
        let text = String::from_utf8_lossy(&bytes);
        let _ = out::parse(&text);
        let _ = RunEvent::from_line(&text);
    }

    #[test]
    fn no_damage_to_a_file_makes_the_parsers_panic(
        file in 0..3_usize,
        at in any::<prop::sample::Index>(),
        length in 0..200_usize,
        put in "[ -~\n\r\u{80}-\u{ff}]{0,12}",
    ) {
        let file = [
            include_str!("golden/netlib.dat"),
            include_str!("golden/hpcc.out"),
            include_str!("golden/netlib_timing.out"),
        ][file];
        let at = at.index(file.len());
        let end = (at + length).min(file.len());
        let text = format!("{}{put}{}", &file[..at], &file[end..]);
        let _ = Sweep::parse(&text, 4);
        let _ = out::parse(&text);
    }
}
