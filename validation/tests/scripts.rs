//! Published scripts that read HPL.out find in ours what they look for: the values of the JSON report. With the tools
//! they use: grep and awk through `sh`, and regular expressions.
#![forbid(unsafe_code)]

use std::path::Path;
use std::process::Command;

use hpl_spec::report::{RunReport, SweepReport};
use hpl_spec::{Bcast, Fact, Order, Output, RunParams, Sweep, Verdict};
use regex::Regex;
use validation::{Job, Outcome};

/// The head of the table, byte for byte.
const HEAD: &str = "T/V                N    NB     P     Q               Time                 Gflops";

/// Codes of 8 characters and longer ones (DEPTH 12, NBMIN 16), both PMAPs, on four ranks.
fn run(order: Order, threshold: f64) -> (Outcome, SweepReport) {
    let one = Sweep::of(RunParams { order, ..RunParams::new(0, 1, 1, 1) }, threshold);
    let sweep = Sweep {
        output: Output::File("HPL.out".into()),
        ns: vec![29, 130],
        nbs: vec![4],
        grids: vec![(2, 2), (1, 4)],
        depths: vec![0, 12],
        nbmins: vec![2, 16],
        bcasts: vec![Bcast::Ring, Bcast::LongM],
        pfacts: vec![Fact::Crout],
        ..one
    };
    let outcome = Job::xhpl().ranks(4).dat(sweep.to_dat()).args(&["--json", "report.json"]).run();
    assert_eq!((outcome.code, &*outcome.stdout), (Some(0), ""), "{}", outcome.said());
    let report = outcome.json();
    assert_eq!(report.reports.len(), 32);
    (outcome, report)
}

/// Every form is tried on a report of tests that passed and on one of tests that failed, which prints more lines.
fn each(check: impl Fn(&Path, &[RunReport])) {
    for (order, threshold) in [(Order::RowMajor, 16.0), (Order::ColumnMajor, 1e-10)] {
        let (outcome, report) = run(order, threshold);
        check(&outcome.work(), &report.reports);
    }
}

/// What the shell makes of a script.
fn sh(folder: &Path, script: &str) -> String {
    let said = Command::new("sh").args(["-c", script]).current_dir(folder).output().expect("sh runs");
    assert!(said.status.success(), "{script}: {}", String::from_utf8_lossy(&said.stderr));
    String::from_utf8(said.stdout).expect("text")
}

fn word(report: &RunReport) -> &'static str {
    match report.verdict {
        Verdict::Passed(_) => "PASSED",
        Verdict::Failed(_) => "FAILED",
        _ => panic!("{report:?}"),
    }
}

fn residual(report: &RunReport) -> f64 {
    report.verdict.check().expect("a test that was checked").residual
}

/// N, NB, P, Q, time and Gflop/s as they were printed are those of the report, to the digits that are printed.
fn same(fields: &[&str], report: &RunReport) {
    let [n, nb, p, q, time, gflops] = fields[..] else { panic!("{fields:?}") };
    let RunParams { n: want, nb: block, p: rows, q: columns, .. } = report.params;
    assert_eq!([n, nb, p, q], [want, block, rows, columns].map(|size| size.to_string()), "{fields:?}");
    near(time, report.seconds, 0.005);
    near(gflops, report.gflops, 0.5e-4 * report.gflops);
}

/// A printed number, within half a unit of its last digit and what rounding adds.
fn near(printed: &str, value: f64, half: f64) {
    let printed: f64 = printed.parse().unwrap_or_else(|e| panic!("{printed}: {e}"));
    assert!((printed - value).abs() <= half * (1.0 + 1e-9), "{printed} is printed of {value}");
}

#[test]
fn grep_finds_the_verdict_of_every_test() {
    each(|folder, reports| {
        // The line that explains the formula has `_oo /`, with a blank, and must not be found.
        let said = sh(folder, "grep -E '_oo/' HPL.out | awk '{print $4}'");
        assert_eq!(said.lines().collect::<Vec<_>>(), reports.iter().map(word).collect::<Vec<_>>());
        let said = sh(folder, "grep -E '_oo/' HPL.out | awk '{print NF, $2}'");
        for (line, report) in said.lines().zip(reports) {
            let (fields, printed) = line.split_once(' ').expect("two numbers");
            assert_eq!(fields, "4");
            near(printed, residual(report), 0.5e-8 * residual(report));
        }
    });
}

#[test]
fn the_last_result_is_two_lines_below_its_head() {
    each(|folder, reports| {
        let script = "grep -A2 -E 'Time *Gflops' HPL.out | tail -1 | \
                      awk '{print $(NF-5), $(NF-4), $(NF-3), $(NF-2), $(NF-1), $NF}'";
        let said = sh(folder, script);
        same(&said.split_whitespace().collect::<Vec<_>>(), &reports[reports.len() - 1]);
    });
}

#[test]
fn the_time_is_the_sixth_field_two_lines_below_t_v_and_gflops() {
    each(|folder, reports| {
        let said = sh(folder, "awk '/T\\/V/ && /Gflops/ {want = NR + 2} NR == want {print $6}' HPL.out");
        assert_eq!(said.lines().count(), reports.len());
        said.lines().zip(reports).for_each(|(time, report)| near(time, report.seconds, 0.005));
    });
}

#[test]
fn lines_that_begin_with_wr_or_wc_are_the_results() {
    each(|folder, reports| {
        let said = sh(folder, "grep -E '^W[RC]' HPL.out");
        let lines: Vec<Vec<&str>> = said.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(lines.len(), reports.len());
        for (fields, report) in lines.iter().zip(reports) {
            assert_eq!(fields[0], report.params.variant());
            same(&fields[1..], report);
        }
    });
}

#[test]
fn the_tests_that_passed_are_counted_whatever_the_case() {
    each(|folder, reports| {
        let passed = reports.iter().filter(|report| word(report) == "PASSED").count();
        let said =
            sh(folder, "grep -iE '[0-9]+ TESTS completed and passed residual checks' HPL.out | awk '{print $1}'");
        assert_eq!(said.trim(), passed.to_string());
        let text = std::fs::read_to_string(folder.join("HPL.out")).expect("HPL.out");
        let counted = Regex::new(r"(?i)(\d+) Tests Completed and Passed Residual Checks").expect("an expression");
        let found: Vec<&str> = counted.captures_iter(&text).map(|found| found.extract::<1>().1[0]).collect();
        assert_eq!(found, [passed.to_string()]);
    });
}

/// As hpcbench does: everything up to the exact head is passed over, then each line is looked at with two expressions.
#[test]
fn the_expressions_of_hpcbench_find_every_test() {
    let formula = regex::escape("||Ax-b||_oo/(eps*(||A||_oo*||x||_oo+||b||_oo)*N)");
    let precision = Regex::new(&format!(r"{formula}=\s*(\S*)\s.*\s([A-Z]*)")).expect("an expression");
    let flops =
        Regex::new(r"^\w+\s+(\d+)\s+(\d+)\s+(\d+)\s+(\d+)\s+([\d.]+)\s+([\d.]+e[+-]\d+)").expect("an expression");
    each(|folder, reports| {
        let text = std::fs::read_to_string(folder.join("HPL.out")).expect("HPL.out");
        let below = || text.lines().map(str::trim).skip_while(|line| *line != HEAD).skip(1);
        let results: Vec<_> = below().filter_map(|line| flops.captures(line)).collect();
        let checks: Vec<_> = below().filter_map(|line| precision.captures(line)).collect();
        assert_eq!((results.len(), checks.len()), (reports.len(), reports.len()));
        for ((result, check), report) in results.iter().zip(&checks).zip(reports) {
            same(&result.extract::<6>().1, report);
            let [printed, verdict] = check.extract().1;
            near(printed, residual(report), 0.5e-8 * residual(report));
            assert_eq!(verdict, word(report));
        }
    });
}

/// As readers of rocHPL's and netlib's reports do: the code cut into its parts, a residual in either notation.
#[test]
fn an_expression_for_the_whole_code_finds_every_test() {
    let result = Regex::new(concat!(
        r"(?m)^W([RC])(\d+)(\d)([LCR])(\d+)([LCR])(\d+)",
        r"\s+(\d+)\s+(\d+)\s+(\d+)\s+(\d+)\s+(\d+\.\d+)\s+(\d*\.\d+(?:[eE][-+]?\d+)?)\s*$"
    ));
    let result = result.expect("an expression");
    let check = Regex::new(concat!(
        r"\|\|Ax-b\|\|_oo/\(eps\*\(\|\|A\|\|_oo\*\|\|x\|\|_oo\+\|\|b\|\|_oo\)\*N\)=\s+",
        r"([+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)\s+\.{6}\s+(PASSED|FAILED)"
    ));
    let check = check.expect("an expression");
    each(|folder, reports| {
        let text = std::fs::read_to_string(folder.join("HPL.out")).expect("HPL.out");
        let results: Vec<_> = result.captures_iter(&text).map(|found| found.extract::<13>().1).collect();
        let checks: Vec<_> = check.captures_iter(&text).map(|found| found.extract::<2>().1).collect();
        assert_eq!((results.len(), checks.len()), (reports.len(), reports.len()));
        for ((fields, [printed, verdict]), report) in results.iter().zip(&checks).zip(reports) {
            let params = report.params;
            let [pmap, depth, bcast, rfact, ndiv, pfact, nbmin] = fields[..7] else { panic!("{fields:?}") };
            assert_eq!(pmap, params.order.row().letter.to_string());
            assert_eq!([rfact, pfact], [params.rfact, params.pfact].map(|fact| fact.row().letter.to_string()));
            let numbers = [params.depth, params.bcast.number() as usize, params.ndiv, params.nbmin];
            assert_eq!([depth, bcast, ndiv, nbmin], numbers.map(|number| number.to_string()));
            same(&fields[7..], report);
            near(printed, residual(report), 0.5e-8 * residual(report));
            assert_eq!(*verdict, word(report));
        }
    });
}
