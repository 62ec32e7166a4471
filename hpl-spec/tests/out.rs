//! HPL.out: what is read from others' files, what scripts find in ours, and
//! what is refused.
use hpl_spec::{Bcast, Check, Fact, Order, RunParams, Swap, Sweep, Tally, Verdict, out};

const EVERY_ENDING: &str = include_str!("golden/every_ending.out");
const HPCC: &str = include_str!("golden/hpcc.out");
const NETLIB: &str = include_str!("golden/netlib_timing.out");

#[test]
fn reads_hpc_challenge() {
    let parsed = out::parse(HPCC).unwrap();
    assert_eq!(parsed.tally, Tally { passed: 0, failed: 2, skipped: 0 });
    let [first, second] = &parsed.reports[..] else { panic!("two tests") };
    let params = RunParams {
        n: 200,
        rfact: Fact::Crout,
        nbmin: 4,
        swap: Swap::Mix { threshold: 64 },
        ..RunParams::new(200, 80, 1, 2)
    };
    assert_eq!(first.params, params);
    assert_eq!(second.params, RunParams { n: 500, ..params });
    assert_eq!(first.gflops, 8.854);
    // The time was printed as 0.00; the rate knows better.
    assert!((first.params.gflops(first.seconds) - 8.854).abs() < 1e-9 && first.seconds < 0.005);
    assert_eq!((&*first.started, &*first.ended), ("", ""));
    let Verdict::Failed(Check { residual, norms: Some(norms) }) = &first.verdict else { panic!() };
    assert_eq!((*residual, norms.a_oo, norms.x_1, norms.b_oo), (0.0063244, 54.583395, 1401.080699, 0.49867));
}

#[test]
fn reads_netlib_with_detailed_timing_and_progress() {
    let parsed = out::parse(NETLIB).unwrap();
    assert_eq!(parsed.tally, Tally { passed: 2, failed: 0, skipped: 0 });
    let report = &parsed.reports[0];
    assert_eq!((report.seconds, report.gflops, report.threshold), (0.36, 1.8593, 16.0));
    assert_eq!(report.started, "Thu Oct  2 18:37:13 2023");
    assert_eq!(report.ended, "Thu Oct  2 18:37:14 2023");
    assert_eq!(report.verdict, Verdict::Passed(Check { residual: 0.0172, norms: None }));
    let phases = report.phases;
    assert_eq!((phases.pfact, phases.pivot, phases.swap, phases.backsolve), (0.03, 0.01, 0.06, 0.02));
    // netlib's update has the swap in it.
    assert_eq!((phases.update, phases.bcast), (0.31 - 0.06, 0.0));
}

#[test]
fn reads_every_code() {
    for (code, depth, bcast) in [("WC00L2L2", 0, Bcast::Ring), ("WC125L2L2", 12, Bcast::LongM)] {
        let text = NETLIB.replacen("WR11C2R4 ", &format!("{code} "), 1);
        let params = out::parse(&text).unwrap().reports[0].params;
        assert_eq!((params.order, params.depth, params.bcast), (Order::ColumnMajor, depth, bcast));
        assert_eq!(params.variant(), code);
    }
}

/// Line `number` (from 1) replaced.
fn with_line(text: &str, number: usize, line: &str) -> String {
    let mut lines: Vec<&str> = text.lines().collect();
    lines[number - 1] = line;
    lines.join("\n")
}

/// The number of the first line that contains the words.
fn line_of(text: &str, words: &str) -> usize {
    text.lines().position(|line| line.contains(words)).unwrap() + 1
}

#[test]
fn what_does_not_fit_is_refused_with_its_line() {
    let rows = [
        ("PMAP   :", "PMAP   : Diagonal", "found 'Diagonal', expected a process mapping"),
        ("N      :    ", "N      : 29 x", "found 'x', expected integers"),
        ("NDIV   :", "NDIV   :", "found nothing, expected integers"),
        ("Q      :    ", "Q      : 1", "expected as many P as Q"),
        ("SWAP   :", "SWAP   : Mix (threshold = x)", "expected a row interchange"),
        ("WR00L2L2", "WR00L2L2 29 1 2 0.00", "expected T/V, N, NB, P, Q, Time and Gflops"),
        ("WR00L2L2", "WR00L2X2 29 1 2 2 0.00 1.0", "expected a code such as WR11C2R4"),
        ("WR00L2L2", "WR0 29 1 2 2 0.00 1.0", "expected a code such as WR11C2R4"),
        ("WR00L2L2", "WR00L1L2 29 1 2 2 0.00 1.0", "found NDIV is 1; it must be from 2"),
        ("WR00L2L2", "WR00L2L2 29 1 2 2 0.00 fast", "found 'fast', expected a number"),
        (
            "||Ax-b||_oo/(",
            "||Ax-b||_oo/(eps*(||A||_oo*||x||_oo+||b||_oo)*N)= 0.1 ...... MAYBE",
            "expected PASSED or FAILED",
        ),
        ("||A||_oo . .", "||A||_1  . . . . . . . . . . . . . . . . . . . = 1", "expected the norms in their order"),
    ];
    for (words, line, complaint) in rows {
        let number = line_of(EVERY_ENDING, words);
        let error = out::parse(&with_line(EVERY_ENDING, number, line)).unwrap_err();
        assert_eq!(error.line, if words.starts_with("Q ") { number - 1 } else { number }, "{error}");
        assert!(error.to_string().contains(complaint), "{error}");
    }
    let no_verdict = with_line(NETLIB, line_of(NETLIB, "...... PASSED"), "");
    let error = out::parse(&no_verdict).unwrap_err();
    assert_eq!(error.expected, "its residual line");
    let wrong_count = with_line(NETLIB, line_of(NETLIB, "completed and passed"), "");
    assert!(out::parse(&wrong_count).unwrap_err().expected.ends_with("as the tests say"));
    let no_label = EVERY_ENDING.replace("EQUIL  :", "equil");
    assert_eq!(out::parse(&no_label).unwrap_err().expected, "the line EQUIL before it");
}

#[test]
fn a_file_cut_off_is_refused() {
    for text in [EVERY_ENDING, HPCC, NETLIB] {
        let lines: Vec<&str> = text.lines().collect();
        let end = line_of(text, "End of Tests.");
        for kept in 0..end {
            let result = out::parse(&lines[..kept].join("\n"));
            assert_eq!(result.is_ok(), kept >= end, "{kept} lines");
        }
        assert!(out::parse(&lines[..end].join("\n")).is_ok());
    }
}

/// awk's `$n`, from 1.
fn field(line: &str, n: usize) -> &str {
    line.split_whitespace().nth(n - 1).unwrap()
}

/// `grep -A2 -E 'Time *Gflops'`: the lines two below each match.
fn two_below(text: &str, is_head: impl Fn(&str) -> bool) -> Vec<&str> {
    let lines: Vec<&str> = text.lines().collect();
    let heads = lines.iter().enumerate().filter(|(_, line)| is_head(line));
    heads.map(|(at, _)| lines[at + 2]).collect()
}

/// `Time`, any number of blanks, `Gflops`.
fn time_then_gflops(line: &str) -> bool {
    let rests = line.match_indices("Time").map(|(at, _)| &line[at + "Time".len()..]);
    rests.into_iter().any(|rest| rest.trim_start_matches(' ').starts_with("Gflops"))
}

#[test]
fn scripts_find_what_they_look_for() {
    // grep -E '_oo/' | awk '{print $4}'
    let verdicts: Vec<&str> =
        EVERY_ENDING.lines().filter(|line| line.contains("_oo/")).map(|line| field(line, 4)).collect();
    assert_eq!(verdicts, ["PASSED", "FAILED", "FAILED"]);
    let residuals = EVERY_ENDING.lines().filter(|line| line.contains("_oo/"));
    assert!(residuals.clone().all(|line| line.split_whitespace().count() == 4));

    // grep -A2 -E 'Time *Gflops' | tail -1 | awk: the last six fields.
    let results = two_below(EVERY_ENDING, time_then_gflops);
    assert_eq!(results.len(), 4, "the test that was never begun has no table head");
    let fields: Vec<&str> = results[1].split_whitespace().collect();
    assert_eq!(fields[fields.len() - 6..], ["29", "1", "2", "2", "1234.57", "1.4192e-08"]);

    // T/V and Gflops in one line, the result two below, field 6 the time.
    let results = two_below(EVERY_ENDING, |line| line.contains("T/V") && line.contains("Gflops"));
    assert_eq!(field(results[0], 6), "0.00");

    // Lines that begin with WR or WC: the results, and nothing else.
    let codes: Vec<&str> =
        EVERY_ENDING.lines().filter(|line| line.starts_with("WR") || line.starts_with("WC")).collect();
    assert_eq!(codes.len(), 4);
    assert!(codes.iter().all(|line| line.len() == 80));

    // (\d+) tests completed and passed residual checks
    let line = EVERY_ENDING.lines().find(|line| line.contains(" tests completed and passed residual checks"));
    assert_eq!(field(line.unwrap(), 1), "1");
    // Nothing but the rulers is wider than 80 columns, nothing else looks like one.
    for line in EVERY_ENDING.lines() {
        assert!(line.len() <= 80, "{line}");
        assert!(!line.starts_with("==") && !line.starts_with("--") || line.len() == 80);
    }
}

#[test]
fn our_header_is_netlibs_but_for_the_banner() {
    let sweep = Sweep::parse(include_str!("golden/netlib.dat"), 4).unwrap();
    let header = out::header(&sweep, &[]);
    let below = |text: &str| {
        let start = text.find("\nAn explanation").unwrap();
        text[start..].to_string()
    };
    // HPC Challenge prints netlib's header; put in the values that differ.
    let theirs = below(HPCC)
        .replace("N      :     200      500 ", "N      :      29       30       34       35 ")
        .replace("NB     :      80 ", "NB     :       1        2        3        4 ")
        .replace(
            "P      :       1 \nQ      :       2 ",
            "P      :       2        1        4 \nQ      :       2        4        1 ",
        )
        .replace("PFACT  :   Right ", "PFACT  :    Left    Crout    Right ")
        .replace("NBMIN  :       4 ", "NBMIN  :       2        4 ")
        .replace("RFACT  :   Crout ", "RFACT  :    Left    Crout    Right ")
        .replace("BCAST  :  1ringM ", "BCAST  :   1ring ")
        .replace("DEPTH  :       1 ", "DEPTH  :       0 ")
        .replace("than                 0.0", "than                16.0");
    assert!(theirs.starts_with(&below(&header)), "{header}");
}

#[test]
fn our_lines_are_those_of_a_run_of_netlib() {
    // Read from its own lines and written again, a test of HPC Challenge is the
    // same but for the digits that version 2.3 added.
    let parsed = out::parse(HPCC).unwrap();
    let ours = out::table_head() + &out::result(&parsed.reports[0]);
    let start = HPCC.find("====\nT/V").unwrap() - 76;
    let theirs = HPCC[start..]
        .replace("             8.854e+00", "            8.8540e+00")
        .replace("       0.0063244 ......", "  6.32440000e-03 ......");
    assert!(theirs.starts_with(&ours), "{ours}");
    assert!(HPCC.contains(&out::trailer(&parsed.tally, true, false)));
}
