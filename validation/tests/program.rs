//! The program as people and other programs use it: options, files, events, memory.
#![forbid(unsafe_code)]

use std::time::Duration;

use hpl_spec::out;
use hpl_spec::{NodeInfo, RunEvent, RunParams, RunReport, Sweep, Tally, Verdict};
use validation::processes::peak_resident;
use validation::{Job, Outcome, dat, program};

const ONE_PASSED: Tally = Tally { passed: 1, failed: 0, skipped: 0 };

fn node(outcome: &Outcome) -> NodeInfo {
    assert_eq!((outcome.code, &*outcome.stderr), (Some(0), ""), "{}", outcome.said());
    serde_json::from_str(&outcome.stdout).unwrap_or_else(|e| panic!("{e}\n{}", outcome.said()))
}

/// Two orders and two block sizes on a 1 x 2 grid.
fn four_tests() -> Sweep {
    let one = Sweep::of(RunParams::new(0, 1, 1, 2), 16.0);
    Sweep { ns: vec![150, 301], nbs: vec![16, 50], ..one }
}

#[test]
fn describe_says_what_the_node_is_without_mpi() {
    // No communication method has this name: MPI cannot start.
    let no_mpi = |job: Job| job.variable("OMPI_MCA_pml", "nonesuch").variable("PATH", "");
    let info = node(&no_mpi(Job::xhpl()).args(&["describe"]).run());
    if program::launched_by_open_mpi() {
        let run = no_mpi(Job::xhpl()).args(&["--n", "8"]).run();
        assert_ne!(run.code, Some(0), "so MPI was not started above\n{}", run.said());
    }
    assert!(!info.hostname.is_empty() && !info.os.is_empty() && !info.cpu_model.is_empty(), "{info:?}");
    assert!(info.packages >= 1 && info.cores >= info.packages && info.pus >= info.cores, "{info:?}");
    assert!(info.memory_total >= info.memory_available && info.memory_available > 1 << 20, "{info:?}");
    assert!(info.kernels.contains(&info.kernel) && info.kernels.iter().any(|name| name == "faer"), "{info:?}");
    assert!(info.caches.is_sorted_by_key(|cache| cache.level), "{info:?}");
    assert_eq!((info.peak, &*info.program), (None, "xhpl"));
}

#[test]
fn describe_measures_the_peak() {
    let info = node(&Job::xhpl().args(&["describe", "--peak"]).run());
    let peak = info.peak.expect("a peak");
    println!("FMA peak: {peak:?}");
    assert!((1..=info.cores).contains(&peak.cores), "{peak:?}");
    assert!((0.5..3.0).contains(&peak.seconds), "{peak:?}");
    // From one scalar FMA every other cycle to what no core has yet.
    let per_core = peak.gflops / peak.cores as f64;
    assert!((0.5..500.0).contains(&per_core), "{peak:?}");
}

/// The lines of netlib's progress report, one before each panel but the first, among those of HPL.out.
#[test]
fn progress_is_reported_as_netlib_does() {
    let outcome = Job::xhpl().args(&["--n", "300", "--nb", "70", "--progress-report"]).run();
    assert_eq!(outcome.report().tally, ONE_PASSED, "{}", outcome.said());
    let lines: Vec<&str> = outcome.stdout.lines().filter(|line| line.starts_with("Column=")).collect();
    let begins: Vec<&str> = lines.iter().map(|line| &line[..line.find(" Gflops=").expect("a rate")]).collect();
    let want = [
        "Column=000000070 Fraction=23.3%",
        "Column=000000140 Fraction=46.7%",
        "Column=000000210 Fraction=70.0%",
        "Column=000000280 Fraction=93.3%",
    ];
    assert_eq!(begins, want, "{}", outcome.said());
    for rate in lines.iter().filter_map(|line| line.split("Gflops=").nth(1)) {
        assert!(rate.len() == 9 && rate.parse::<f64>().is_ok_and(|rate| rate > 0.0), "{rate}");
    }
}

#[test]
fn a_run_without_a_file() {
    let outcome = Job::xhpl().args(&["--n", "123"]).run();
    let report = outcome.report();
    assert_eq!((report.tally, outcome.names().len()), (ONE_PASSED, 0));
    let p = report.reports[0].params;
    assert_eq!((p.n, p.p, p.q), (123, 1, 1));

    let args = ["--n", "200", "--nb", "24", "-p", "2", "-q", "1"];
    // An HPL.dat that is there is not read.
    let p = Job::xhpl().ranks(2).dat("not read").args(&args).run().report().reports[0].params;
    assert_eq!((p.n, p.nb, p.p, p.q), (200, 24, 2, 1));

    let p = Job::xhpl().ranks(4).args(&["--n", "100"]).run().report().reports[0].params;
    assert_eq!((p.p, p.q), (2, 2), "the squarest grid of all ranks");
}

#[test]
fn hpl_dat_may_have_another_name() {
    let outcome = Job::xhpl().file("in/other.dat", dat::small()).dat("not read").args(&["--dat", "in/other.dat"]).run();
    assert_eq!(outcome.report().tally, ONE_PASSED);
}

#[test]
fn the_report_goes_where_the_file_says() {
    let to_stderr = dat::edited(&dat::small(), &[(4, "7")]);
    let outcome = Job::xhpl().dat(to_stderr).run();
    assert_eq!((outcome.code, &*outcome.stdout), (Some(0), ""), "{}", outcome.said());
    assert_eq!(out::parse(&outcome.stderr).unwrap().tally, ONE_PASSED);
    assert_eq!(outcome.names(), ["HPL.dat"]);

    for device in ["8", "0", "file"] {
        let to_file = dat::edited(&dat::small(), &[(3, "sub/my.out and a comment"), (4, device)]);
        let outcome = Job::xhpl().dat(to_file).folder("sub").run();
        assert_eq!((outcome.code, &*outcome.stdout, &*outcome.stderr), (Some(0), "", ""), "{}", outcome.said());
        assert_eq!(out::parse(&outcome.file("sub/my.out").unwrap()).unwrap().tally, ONE_PASSED);
        assert_eq!(outcome.names(), ["HPL.dat", "sub"]);
    }
}

#[test]
fn tee_prints_what_goes_to_the_file() {
    let to_file = dat::edited(&dat::small(), &[(3, "my.out"), (4, "8")]);
    let outcome = Job::xhpl().ranks(2).dat(to_file).args(&["--tee"]).run();
    assert_eq!((outcome.code, &*outcome.stderr), (Some(0), ""), "{}", outcome.said());
    assert_eq!(out::parse(&outcome.stdout).unwrap().tally, ONE_PASSED);
    assert_eq!(outcome.stdout, outcome.file("my.out").unwrap());
    // What is printed anyway is printed once.
    assert_eq!(Job::xhpl().dat(dat::small()).args(&["--tee"]).run().report().tally, ONE_PASSED);
}

#[test]
fn json_has_the_numbers_of_hpl_out() {
    let sweep = four_tests();
    let args = ["--json", "report.json", "--threads", "1"];
    let outcome = Job::xhpl().ranks(2).dat(sweep.to_dat()).args(&args).run();
    let (parsed, report) = (outcome.report(), outcome.json());
    assert_eq!((&*report.program, report.ranks, report.threads), ("xhpl", 2, 1));
    let info = node(&Job::xhpl().args(&["describe"]).run());
    assert_eq!((report.kernel.as_str(), &report.version), (&*info.kernel, &info.version));
    assert_eq!((report.tally, report.reports.len()), (parsed.tally, sweep.tests()));
    assert_eq!(report.reports.iter().map(|r| r.params).collect::<Vec<_>>(), sweep.runs().collect::<Vec<_>>());

    // The lines of HPL.out are those that the JSON's numbers make.
    let mut head_is_due = true;
    let lines: String = report.reports.iter().map(|report| out::test(report, &mut head_is_due, false)).collect();
    assert!(outcome.stdout.contains(&lines), "{lines}\nis not in\n{}", outcome.stdout);
    for report in &report.reports {
        assert_eq!(report.gflops, report.params.gflops(report.seconds));
        let Verdict::Passed(check) = &report.verdict else { panic!("{report:?}") };
        let norms = check.norms.expect("a run has its norms");
        let n = report.params.n as f64;
        let eps = f64::EPSILON / 2.0;
        let again = norms.residual_oo / (eps * (norms.a_oo * norms.x_oo + norms.b_oo) * n);
        assert!((again - check.residual).abs() <= 1e-12 * check.residual, "{check:?}: {again}");
    }
    let text = outcome.file("report.json").unwrap();
    assert_eq!(serde_json::to_string_pretty(&report).unwrap() + "\n", text, "nothing is lost in reading");
}

#[test]
fn events_tell_the_run_as_it_goes() {
    let sweep = four_tests();
    let earlier = "a line of an earlier run\n";
    let args = ["--json", "report.json", "--events", "events.jsonl"];
    let job = Job::xhpl().ranks(3).dat(sweep.to_dat()).file("events.jsonl", earlier).args(&args);
    let outcome = job.run();
    assert_eq!(outcome.report().tally.passed, sweep.tests());
    let text = outcome.file("events.jsonl").unwrap();
    let lines = text.strip_prefix(earlier).expect("an existing file is appended to");
    assert!(lines.ends_with('\n'));
    let events: Vec<RunEvent> = lines.lines().map(|line| RunEvent::from_line(line).unwrap()).collect();

    let (first, rest) = events.split_first().unwrap();
    let (last, rest) = rest.split_last().unwrap();
    let RunEvent::SweepStarted { tests: 4, ranks: 3, threads, kernel, host } = first else { panic!("{first:?}") };
    assert!(*threads >= 1 && !kernel.is_empty() && !host.is_empty());
    assert_eq!(*last, RunEvent::SweepEnded { tally: Tally { passed: 4, failed: 0, skipped: 0 } });

    let starts = |event: &RunEvent| matches!(event, RunEvent::Started { .. });
    let mut tests = Vec::new();
    for event in rest {
        if starts(event) {
            tests.push(Vec::new());
        }
        tests.last_mut().expect("a test starts first").push(event);
    }
    assert_eq!(tests.len(), sweep.tests());
    let reports = outcome.json().reports;
    for (index, (events, report)) in tests.iter().zip(&reports).enumerate() {
        one_test(index + 1, events, report);
    }
}

/// Started, panels, phases, verdict.
fn one_test(which: usize, events: &[&RunEvent], report: &RunReport) {
    let [RunEvent::Started { test, tests: 4, params }, between @ .., phases, verdict] = events else {
        panic!("{events:?}")
    };
    assert_eq!((*test, params), (which, &report.params));
    let all = report.params.n.div_ceil(report.params.nb);
    let (mut panels_before, mut seconds_before) = (0, 0.0);
    for event in between {
        let RunEvent::Panel { test, panel, panels, seconds, gflops, gflops_step, .. } = event else {
            panic!("{event:?}")
        };
        assert_eq!((*test, *panels), (which, all));
        assert!(*panel > panels_before && *seconds >= seconds_before, "{event:?}");
        assert!(*gflops > 0.0 && *gflops_step > 0.0, "{event:?}");
        (panels_before, seconds_before) = (*panel, *seconds);
    }
    assert_eq!(panels_before, all, "the last panel is told of");
    assert!(seconds_before <= report.seconds, "{report:?}");
    let RunEvent::Phases { test, seconds, gflops, phases } = phases else { panic!("{phases:?}") };
    assert_eq!((*test, *seconds, *gflops, *phases), (which, report.seconds, report.gflops, report.phases));
    assert_eq!(**verdict, RunEvent::Verdict { test: which, report: report.clone() });
}

#[test]
fn nothing_but_plain_lines_is_printed() {
    let jobs = [Job::xhpl().args(&["--n", "1500"]), Job::xhpl().ranks(2).args(&["--n", "1500"])];
    for job in jobs {
        let outcome = job.run();
        assert_eq!(outcome.report().tally, ONE_PASSED);
        let control = |text: &str| text.chars().any(|c| c.is_control() && c != '\n');
        assert!(!control(&outcome.stdout) && !control(&outcome.stderr), "{}", outcome.said());
        // A launcher may have something to say.
        assert!(!outcome.stderr.contains("xhpl"), "a run without trouble says only its report\n{}", outcome.said());
    }
}

/// `script` runs a command on a terminal of its own. Its options differ between systems; this is Linux's.
#[test]
fn a_terminal_gets_a_progress_bar_unless_a_launcher_is_there() {
    if !cfg!(target_os = "linux") || !std::path::Path::new("/usr/bin/script").exists() {
        return eprintln!("SKIPPED: there is no /usr/bin/script to make a terminal");
    }
    let xhpl = program::xhpl();
    let on_a_terminal = |command: String| {
        let outcome = Job::of("/usr/bin/script").args(&["--quiet", "--return", "--command", &command, "typed"]).run();
        assert_eq!(outcome.code, Some(0), "{}", outcome.said());
        outcome.stdout.replace("\r\n", "\n")
    };
    let alone = on_a_terminal(format!("'{}' --n 3000", xhpl.display()));
    assert!(alone.contains("Gflop/s now"), "{alone}");
    assert!(alone.contains("End of Tests."), "{alone}");

    let flag = if program::launched_by_open_mpi() { "--oversubscribe" } else { "" };
    let launched = on_a_terminal(format!("mpirun {flag} -np 2 '{}' --n 3000", xhpl.display()));
    assert!(!launched.contains("Gflop/s now") && !launched.contains('\u{1b}'), "{launched}");
    assert!(launched.contains("End of Tests."), "{launched}");
}

#[test]
fn every_kernel_of_this_cpu_passes() {
    let kernels = node(&Job::xhpl().args(&["describe"]).run()).kernels;
    // A short name does as well.
    let short = kernels.iter().filter_map(|name| name.split_once('-')).map(|(isa, _)| isa.to_owned());
    let names: Vec<String> = short.chain(kernels.iter().cloned()).collect();
    println!("kernels: {names:?}");
    for name in names {
        let args = ["--n", "700", "--nb", "60", "--json", "report.json", "--strict", "--kernel", &name];
        let outcome = Job::xhpl().args(&args).run();
        assert_eq!(outcome.report().tally, ONE_PASSED, "{name}");
        let used = outcome.json().kernel;
        assert!(used == name || used.split('-').next() == Some(&name), "{name}: {used}");
    }
}

#[test]
fn any_number_of_threads_passes() {
    for threads in ["1", "2", "3"] {
        let args = ["--n", "700", "--nb", "48", "--json", "report.json", "--strict", "--threads", threads];
        for job in [Job::xhpl(), Job::xhpl().ranks(2)] {
            let outcome = job.args(&args).run();
            assert_eq!(outcome.report().tally, ONE_PASSED, "{threads} threads");
            assert_eq!(outcome.json().threads.to_string(), threads);
        }
    }
}

/// The most memory that the ranks of a job had, all together.
fn peak_of(job: Job, ranks: usize) -> u64 {
    let mut running = job.args(&["--n", "4000", "--nb", "128"]).start();
    let mut peaks = std::collections::BTreeMap::new();
    while running.runs() {
        for pid in running.processes("xhpl") {
            // What MPI starts beside a lone rank has the name of that rank until it is another program.
            if let Some(peak) = peak_resident(pid).filter(|peak| *peak > 16 << 20) {
                peaks.insert(pid, peak);
            }
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    assert_eq!(running.wait().report().tally, ONE_PASSED);
    assert_eq!(peaks.len(), ranks, "{peaks:?}");
    peaks.values().sum()
}

#[test]
#[cfg(target_os = "linux")]
fn memory_stays_near_that_of_the_matrix() {
    let matrix = 8.0 * 4000.0_f64.powi(2);
    let allowed = 1.05 * matrix + 300e6;
    for (job, ranks) in [(Job::xhpl(), 1), (Job::xhpl().ranks(2), 2), (Job::xhpl().ranks(4), 4)] {
        let peak = peak_of(job, ranks) as f64;
        println!(
            "{ranks} ranks: {:.0} MB; {:.0} MB allowed, the matrix is {:.0} MB",
            peak / 1e6,
            allowed / 1e6,
            matrix / 1e6
        );
        assert!(peak > matrix && peak <= allowed, "{ranks} ranks: {peak} bytes, {allowed} allowed");
    }
}
