//! netlib's own test run: its default HPL.dat, 864 tests on 4 ranks, read as people and scripts read it.
#![forbid(unsafe_code)]

use std::path::Path;
use std::process::Command;

use hpl_spec::{Sweep, Tally, Verdict};
use validation::{Job, dat};

#[test]
fn netlibs_default_file_passes_864_tests() {
    let outcome = Job::xhpl().ranks(4).dat(dat::NETLIB).run();
    // No speed is asserted in a test.
    println!("864 tests on 4 ranks: {:.1} s (the budget in a release build is 20 s)", outcome.seconds);

    let report = outcome.report();
    assert_eq!(report.tally, Tally { passed: 864, failed: 0, skipped: 0 });
    let runs: Vec<_> = Sweep::parse(dat::NETLIB, 4).unwrap().runs().collect();
    let reported: Vec<_> = report.reports.iter().map(|report| report.params).collect();
    assert_eq!(reported, runs, "the tests of the file, in netlib's order");
    for report in &report.reports {
        assert!(matches!(report.verdict, Verdict::Passed(_)), "{report:?}");
        assert!(report.seconds > 0.0 && report.gflops > 0.0, "{report:?}");
        assert!(!report.started.is_empty() && !report.ended.is_empty(), "{report:?}");
    }
    scripts_read_it(&outcome.work(), &outcome.stdout);
    assert_eq!(outcome.names(), ["HPL.dat", "report"], "device 6 writes no file");
}

/// The ways in which published scripts read HPL.out, with the tools they use.
fn scripts_read_it(work: &Path, report: &str) {
    std::fs::write(work.join("report"), report).unwrap();
    let sh = |script: &str| {
        let said = Command::new("sh").args(["-c", script]).current_dir(work).output().unwrap();
        assert!(said.status.success(), "{script}: {}", String::from_utf8_lossy(&said.stderr));
        String::from_utf8(said.stdout).unwrap()
    };
    assert_eq!(sh("grep -E '_oo/' report | awk '{print $4}'"), "PASSED\n".repeat(864));

    let last = sh("grep -A2 -E 'Time *Gflops' report | tail -1 | \
                   awk '{print $(NF-5), $(NF-4), $(NF-3), $(NF-2), $(NF-1), $NF}'");
    let [n, nb, p, q, time, gflops] = last.split_whitespace().collect::<Vec<_>>()[..] else { panic!("'{last}'") };
    assert_eq!([n, nb, p, q], ["35", "4", "4", "1"]);
    assert!(time.parse::<f64>().unwrap() >= 0.0 && gflops.parse::<f64>().unwrap() > 0.0, "{last}");

    let times = sh("awk '/T\\/V/ && /Gflops/ {want = NR + 2} NR == want {print $6}' report");
    assert_eq!(times.lines().filter(|time| time.parse::<f64>().is_ok()).count(), 864);

    assert_eq!(sh("grep -c '^W[RC]' report"), "864\n");
    let head = "T/V                N    NB     P     Q               Time                 Gflops";
    assert_eq!(sh(&format!("grep -c -x '{head}' report")), "864\n");
    let counted = "grep -iE '[0-9]+ TESTS completed and passed residual checks' report | awk '{print $1}'";
    assert_eq!(sh(counted), "864\n");
}
