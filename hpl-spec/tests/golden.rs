//! The formats, byte for byte. `UPDATE_GOLDEN=1 cargo test` rewrites the files
//! that this crate writes; their diff is then the change of format.
use std::path::Path;

use hpl_spec::{
    Cache, CacheKind, Check, NodeInfo, Norms, Order, Peak, Phases, RunEvent, RunParams, RunReport, Swap, Sweep,
    SweepReport, Tally, Verdict, netlib, out,
};

fn golden(name: &str, text: &str) {
    // A new version is no new format.
    let text = &text.replace(concat!("xhpl ", env!("CARGO_PKG_VERSION")), "xhpl VERSION");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(*text == expected, "{name} differs; got:\n{text}");
}

fn phases() -> Phases {
    Phases { pfact: 0.03, pivot: 0.01, bcast: 0.005, swap: 0.06, update: 0.25, backsolve: 0.02 }
}

fn norms() -> Norms {
    Norms { residual_oo: 1234.5, a_oo: 262.773_467_636_7, a_1: 263.865_286_697_6, x_oo: 2.39, x_1: 22.1, b_oo: 0.5 }
}

fn report(params: RunParams, seconds: f64, verdict: Verdict) -> RunReport {
    RunReport {
        params,
        threshold: 16.0,
        started: "Thu Oct  2 18:37:13 2023".into(),
        ended: "Thu Oct  2 18:37:14 2023".into(),
        seconds,
        gflops: params.gflops(seconds),
        phases: phases(),
        idle: Vec::new(),
        around: Default::default(),
        account: None,
        verdict,
    }
}

/// A test of every ending, under the sweep of netlib's default file.
fn reports() -> Vec<RunReport> {
    let sweep = Sweep::parse(include_str!("golden/netlib.dat"), 4).unwrap();
    let params: Vec<RunParams> = sweep.runs().take(5).collect();
    let never = RunReport {
        started: String::new(),
        ended: String::new(),
        phases: Phases::default(),
        ..report(params[3], 0.0, Verdict::Skipped { why: netlib::allocation_failed(0, 1) })
    };
    let check = |residual, norms| Check { residual, norms };
    vec![
        report(params[0], 1.25e-4, Verdict::judge(check(0.01725, Some(norms())), 16.0)),
        report(params[1], 1234.567, Verdict::judge(check(1.5e9, Some(norms())), 16.0)),
        report(params[2], 0.5, Verdict::Skipped { why: netlib::solve_failed(7) }),
        never,
        report(params[4], 0.5, Verdict::judge(check(f64::NAN, Some(norms())), 16.0)),
    ]
}

fn tally(reports: &[RunReport]) -> Tally {
    let mut tally = Tally::default();
    reports.iter().for_each(|report| tally.count(&report.verdict));
    tally
}

fn print(sweep: &Sweep, reports: &[RunReport], checked: bool) -> String {
    let mut text = out::header(sweep, &[]);
    let mut head_is_due = true;
    for report in reports {
        text += &out::test(report, &mut head_is_due, false);
    }
    text + &out::trailer(&tally(reports), checked, false)
}

#[test]
fn a_report_with_every_ending() {
    let sweep = Sweep::parse(include_str!("golden/netlib.dat"), 4).unwrap();
    let text = print(&sweep, &reports(), true);
    golden("every_ending.out", &text);
    let parsed = out::parse(&text).unwrap();
    assert_eq!(parsed.tally, Tally { passed: 1, failed: 2, skipped: 2 });
    for (back, report) in parsed.reports.iter().zip(reports()) {
        assert_eq!(back.params, report.params);
        assert_eq!(out::result(back), out::result(&report));
    }
    // What was read prints as what was written.
    assert_eq!(print(&sweep, &parsed.reports, true), text);
}

#[test]
fn a_report_without_checks() {
    let params = RunParams { order: Order::ColumnMajor, depth: 12, nbmin: 16, ..RunParams::new(2000, 192, 1, 2) };
    let sweep = Sweep { ns: vec![2000, 2000], ..Sweep::of(params, -16.0) };
    let reports =
        [0.75, 0.5].map(|seconds| RunReport { threshold: -16.0, ..report(params, seconds, Verdict::Unchecked) });
    let text = print(&sweep, &reports, false);
    golden("unchecked.out", &text);
    let parsed = out::parse(&text).unwrap();
    assert_eq!(parsed.tally, Tally { passed: 2, failed: 0, skipped: 0 });
    assert!(parsed.reports.iter().all(|report| report.verdict == Verdict::Unchecked));
}

#[test]
fn a_header_with_long_lists_and_notes() {
    let sweep = Sweep {
        ns: (1..=20).map(|n| n * 1000).collect(),
        nbs: (1..=8).collect(),
        nbmins: (1..=9).collect(),
        bcasts: hpl_spec::Bcast::TABLE.iter().map(|row| row.value).collect(),
        rfacts: hpl_spec::Fact::TABLE.iter().map(|row| row.value).collect(),
        swap: Swap::BinaryExchange,
        equil: false,
        l1: hpl_spec::Storage::NoTransposed,
        threshold: 1e-10,
        ..Sweep::of(RunParams::new(1, 1, 1, 1), 0.0)
    };
    let notes = ["2ring is run as 1ring: there are 2 process columns".to_string(), " ".to_string()];
    let text = out::header(&sweep, &notes);
    golden("long_header.out", &text);
    assert!(out::parse(&(text + &out::trailer(&Tally::default(), true, false))).is_ok());
}

#[test]
fn a_sweep_report_as_json() {
    let reports = reports();
    let report = SweepReport {
        program: "xhpl".into(),
        version: "0.1.0".into(),
        kernel: "avx512_16x14".into(),
        threads: 2,
        ranks: 4,
        profile: None,
        peak_memory: 123_456_789,
        tally: tally(&reports),
        cancelled: None,
        reports,
    };
    let text = serde_json::to_string_pretty(&report).unwrap() + "\n";
    golden("report.json", &text);
    let back: SweepReport = serde_json::from_str(&text).unwrap();
    assert_eq!(format!("{back:?}"), format!("{report:?}"));
}

#[test]
fn events_as_json_lines() {
    let params = RunParams { swap: Swap::Mix { threshold: 64 }, ..RunParams::new(1000, 64, 1, 1) };
    let phases = phases();
    let (seconds, gflops) = (0.36, params.gflops(0.36));
    let report = report(params, seconds, Verdict::judge(Check { residual: 0.0172, norms: Some(norms()) }, 16.0));
    let events = [
        RunEvent::SweepStarted { tests: 1, ranks: 1, threads: 2, kernel: "avx2_8x6".into(), host: "node1".into() },
        RunEvent::Started { test: 1, tests: 1, params },
        RunEvent::Panel {
            test: 1,
            panel: 1,
            panels: 16,
            seconds: 0.1,
            gflops: 1.25,
            gflops_step: f64::INFINITY,
            phases,
        },
        RunEvent::Phases { test: 1, seconds, gflops, phases },
        RunEvent::Verdict { test: 1, report },
        RunEvent::SweepEnded { tally: Tally { passed: 1, failed: 0, skipped: 0 } },
    ];
    let text: String = events.iter().map(|event| event.to_line() + "\n").collect();
    golden("events.jsonl", &text);
    for (line, event) in text.lines().zip(&events) {
        assert_eq!(&RunEvent::from_line(line).unwrap(), event);
        assert_eq!(&RunEvent::from_line(&format!(" {line}\r\n")).unwrap(), event);
    }
    assert!(RunEvent::from_line("{\"event\":\"nothing\"}").is_err());
}

#[test]
fn a_node_as_json() {
    let cache = |level, kind, bytes, shared_by| Cache { level, kind, bytes, line: 64, ways: 8, shared_by };
    let node = NodeInfo {
        hostname: "node1".into(),
        os: "Debian GNU/Linux 13".into(),
        kernel_release: "6.12.4".into(),
        cpu_model: "AMD EPYC 9654 96-Core Processor".into(),
        packages: 2,
        cores: 192,
        pus: 384,
        numa_nodes: 2,
        caches: vec![
            cache(1, CacheKind::Data, 32 << 10, 2),
            cache(1, CacheKind::Instruction, 32 << 10, 2),
            cache(2, CacheKind::Unified, 1 << 20, 2),
        ],
        memory_total: 768 << 30,
        memory_available: 700 << 30,
        huge_pages: "madvise".into(),
        kernel: "avx512_16x14".into(),
        kernels: vec!["avx512_16x14".into(), "avx2_8x6".into()],
        peak: Some(Peak { gflops: 5000.5, cores: 192, seconds: 2.0 }),
        program: "xhpl".into(),
        version: "0.1.0".into(),
    };
    let text = serde_json::to_string_pretty(&node).unwrap() + "\n";
    golden("node.json", &text);
    assert_eq!(serde_json::from_str::<NodeInfo>(&text).unwrap(), node);
    let unmeasured = NodeInfo { peak: None, ..node };
    let text = serde_json::to_string(&unmeasured).unwrap();
    assert_eq!(serde_json::from_str::<NodeInfo>(&text).unwrap(), unmeasured);
}
