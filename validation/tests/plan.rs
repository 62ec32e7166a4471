//! Parameters that are chosen: what `xhpl plan` prints is run, `--auto` runs what it plans, what cannot be is said, and
//! what is told of a run's time is shown beside the time it takes.
#![forbid(unsafe_code)]

use std::time::Duration;

use hpl_spec::plan::RunPlan;
use hpl_spec::profile::Profile;
use hpl_spec::{Sweep, Tally};
use serde_json::Value;
use validation::{Job, Outcome};

const ONE_PASSED: Tally = Tally { passed: 1, failed: 0, skipped: 0 };
/// A solve of a twentieth of a second, and a short probe.
const BRIEF: [&str; 4] = ["--minutes", "0.001", "--profile", "none"];

fn plan(args: &[&str]) -> Outcome {
    Job::xhpl().args(&["plan"]).args(args).run()
}

fn planned(args: &[&str]) -> (RunPlan, String) {
    let outcome = plan(&[args, &["--json"]].concat());
    assert_eq!(outcome.code, Some(0), "{}", outcome.said());
    let mut json: Value = serde_json::from_str(&outcome.stdout).unwrap_or_else(|e| panic!("{e}\n{}", outcome.said()));
    let dat = json.as_object_mut().and_then(|plan| plan.remove("hpl_dat")).expect("the text of HPL.dat");
    let plan = serde_json::from_value(json).unwrap_or_else(|e| panic!("{e}\n{}", outcome.said()));
    (plan, dat.as_str().expect("a text").to_owned())
}

#[test]
fn the_file_that_plan_prints_runs_and_passes() {
    let outcome = plan(&BRIEF);
    assert_eq!(outcome.code, Some(0), "{}", outcome.said());
    let sweep = Sweep::parse(&outcome.stdout, 1).expect("standard output is an HPL.dat");
    let params = sweep.runs().next().unwrap();
    assert_eq!((sweep.tests(), params.n % params.nb), (1, 0));
    for shown in [&*format!("N = {}", params.n), "NB", "P x Q", "threads", "memory", "Gflop/s", "within 0.001 min"] {
        assert!(outcome.stderr.contains(shown), "{shown} is missing\n{}", outcome.said());
    }
    let control = |text: &str| text.chars().any(|c| c.is_control() && c != '\n');
    assert!(!control(&outcome.stderr), "no bar where there is no terminal\n{}", outcome.said());

    let run = Job::xhpl().file("planned.dat", &outcome.stdout).args(&["--dat", "planned.dat", "--strict"]).run();
    assert_eq!(run.report().tally, ONE_PASSED);
}

#[test]
fn a_plan_for_programs_has_the_numbers_and_the_file() {
    let (plan, dat) = planned(&["--n", "300", "--profile", "none"]);
    assert_eq!((plan.params.n, plan.params.p, plan.params.q, plan.ranks), (300, 1, 1, 1));
    assert!(plan.seconds > 0.0 && plan.gflops == plan.params.gflops(plan.seconds), "{plan:?}");
    assert_eq!(Sweep::parse(&dat, 1).unwrap().runs().collect::<Vec<_>>(), [plan.params]);
}

#[test]
fn a_plan_is_kept_and_what_is_there_is_left_alone() {
    let args = [&["plan", "--dat", "HPL.dat"], &BRIEF[..]].concat();
    let outcome = Job::xhpl().args(&args).run();
    assert_eq!((outcome.code, &*outcome.stdout), (Some(0), ""), "{}", outcome.said());
    assert!(outcome.stderr.contains("xhpl --dat HPL.dat"), "{}", outcome.said());
    assert!(Sweep::parse(&outcome.file("HPL.dat").unwrap(), 1).is_ok());

    let outcome = Job::xhpl().dat("precious").args(&args).run();
    assert_eq!((outcome.code, outcome.file("HPL.dat").as_deref()), (Some(1), Some("precious")), "{}", outcome.said());
    assert!(outcome.stderr.contains("--force"), "{}", outcome.said());
    let outcome = Job::xhpl().dat("precious").args(&args).args(&["--force"]).run();
    assert_eq!(outcome.code, Some(0), "{}", outcome.said());
    assert!(Sweep::parse(&outcome.file("HPL.dat").unwrap(), 1).is_ok());
}

#[test]
fn auto_plans_and_runs_on_any_ranks() {
    for ranks in [1, 2] {
        let job = if ranks == 1 { Job::xhpl() } else { Job::xhpl().ranks(ranks) };
        // An HPL.dat that is there is not read.
        let args = ["--auto", "--json", "report.json", "--strict", "--threads", "1"];
        let outcome = job.dat("not read").args(&args).args(&BRIEF).run();
        assert_eq!(outcome.report().tally, ONE_PASSED, "{}", outcome.said());
        let params = outcome.json().reports[0].params;
        assert_eq!((params.p, params.q), (1, ranks), "the squarest grid of all ranks");
        let told = format!("N = {} is expected", params.n);
        assert_eq!(outcome.stderr.matches(&told).count(), 1, "said once\n{}", outcome.said());
    }
}

/// A profile has what a plan wants; ranks that it was not measured on are measured.
#[test]
fn a_tuned_cpu_is_not_measured_again() {
    let tuned = Job::xhpl().args(&["tune", "--quick", "--profile", "cpu.json"]).run();
    assert_eq!(tuned.code, Some(0), "{}", tuned.said());
    let text = tuned.file("cpu.json").unwrap();
    let profile = Profile::parse(&text).unwrap();
    let with = |args: &[&str]| {
        let job =
            Job::xhpl().file("cpu.json", &text).args(&["plan", "--n", "20000", "--profile", "cpu.json", "--json"]);
        let outcome = job.args(args).run();
        assert_eq!(outcome.code, Some(0), "{}", outcome.said());
        outcome
    };
    let told = with(&[]);
    assert!(told.stderr.contains("what `xhpl tune` measured"), "{}", told.said());
    let json: Value = serde_json::from_str(&told.stdout).unwrap();
    assert_eq!(json["params"]["nb"], profile.nb);
    assert_eq!(json["seconds"], profile.rates.seconds(20_000, profile.nb));
    // With another number of threads, if there are several cores.
    if profile.threads > 1 {
        let told = with(&["--threads", "1"]);
        assert!(told.stderr.contains("measured just now"), "{}", told.said());
    }
}

#[test]
fn what_cannot_be_planned_is_said() {
    for (args, words) in [
        (&["plan", "--memory-fraction", "0"][..], &["above 0 and at most 1", "0.8"][..]),
        (&["plan", "--memory-fraction", "2"], &["above 0 and at most 1"]),
        (&["plan", "--memory-fraction", "nan"], &["above 0 and at most 1"]),
        (&["plan", "--minutes", "-1"], &["minutes above 0"]),
        (&["plan", "--minutes", "inf"], &["minutes above 0"]),
        (&["plan", "--minutes", "1e-9", "--profile", "none"], &["no matrix is solved within", "--minutes"]),
        (&["plan", "--memory-fraction", "1e-6", "--profile", "none"], &["a rank without a matrix takes", "fraction"]),
        (&["plan", "--ranks", "0"], &["an integer from 1"]),
        (&["plan", "--ranks", "100000"], &["more than the", "cores here", "--auto"]),
        (&["plan", "--threads", "4000"], &["more than the", "cores here"]),
        (&["plan", "-p", "2"], &["make no grid of 2 rows"]),
        (&["plan", "--n", "2000000000", "--profile", "none"], &["N=2000000000 needs", "The largest N that fits"]),
        (&["plan", "--kernel", "nonesuch"], &["nonesuch"]),
        (
            &["plan", "--dat", "no/such/folder/HPL.dat", "--n", "100", "--profile", "none"],
            &["there is no folder no/such/folder"],
        ),
        (&["plan", "--force"], &["--dat"]),
        (&["--minutes", "1"], &["--auto"]),
        (&["--auto", "--n", "100"], &["cannot be used with"]),
        (&["--auto", "--dat", "HPL.dat"], &["cannot be used with"]),
        (&["--auto", "--minutes", "0"], &["minutes above 0"]),
        (&["--auto", "--json", "no/such/folder/report.json"], &["--json", "no/such/folder"]),
    ] {
        let outcome = Job::xhpl().args(args).run();
        assert_eq!((outcome.code, &*outcome.stdout), (Some(1), ""), "{args:?}\n{}", outcome.said());
        for words in words {
            assert!(outcome.stderr.contains(words), "{args:?} does not say: {words}\n{}", outcome.said());
        }
        assert!(!outcome.stderr.contains("panicked"), "{args:?}\n{}", outcome.said());
        assert!(outcome.names().is_empty(), "{args:?} leaves {:?}", outcome.names());
    }
}

#[test]
fn a_profile_that_does_not_serve_is_said_and_measured_around() {
    let missing = plan(&["--profile", "missing.json", "--n", "300"]);
    assert_eq!(missing.code, Some(0), "{}", missing.said());
    assert!(missing.stderr.contains("missing.json is not used"), "{}", missing.said());
    assert!(missing.stderr.contains("measured just now"), "{}", missing.said());
}

/// Every option says its default and, in a paragraph of its own, when to change it; no line is wider than a terminal.
#[test]
fn the_help_teaches() {
    for command in [&[][..], &["plan"], &["tune"], &["describe"]] {
        for columns in ["80", "120"] {
            let help = Job::xhpl().variable("COLUMNS", columns).args(command).args(&["--help"]).run();
            assert_eq!(help.code, Some(0), "{}", help.said());
            let width = help.stdout.lines().map(|line| line.chars().count()).max().unwrap();
            assert!(width <= columns.parse().unwrap(), "{command:?}: a line of {width} columns\n{}", help.stdout);
            let options: Vec<&str> = help.stdout.split("\n      --").skip(1).collect();
            assert!(!options.is_empty(), "{}", help.stdout);
            for option in options {
                let words = option.split_whitespace().collect::<Vec<_>>().join(" ");
                let name = words.split(' ').next().unwrap();
                assert!(words.contains("[default: ") || name == "auto", "{command:?}: --{name} has no default");
                let taught = ["Change", "Use", "Name", "Give", "Raise"].iter().any(|verb| words.contains(verb));
                assert!(taught, "{command:?}: --{name} does not say when\n{option}");
            }
        }
    }
}

/// What is told of a run's time, beside the time it takes: a table for people. A machine that others use may be off by
/// more than 10 %, so only gross errors fail.
#[test]
#[ignore = "two minutes: run by `cargo xtask soak`"]
fn soak_the_expected_time_beside_the_real_one() {
    let orders = ["4000", "6000", "8000", "12000", "16000", "20000"];
    println!("\n    grid  threads        N    expected    measured   error");
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let all = cores.to_string();
    let mut wrong = Vec::new();
    for (ranks, p, threads) in [("1", "1", all.as_str()), ("2", "1", "1"), ("2", "2", "1")] {
        if ranks == "2" && cores < 2 {
            println!("SKIPPED: two ranks on one core");
            continue;
        }
        for n in orders {
            let args = ["--n", n, "--profile", "none", "--threads", threads, "-p", p];
            let (plan, dat) = planned(&[&args[..], &["--ranks", ranks]].concat());
            let job = if ranks == "1" { Job::xhpl() } else { Job::xhpl().ranks(2) };
            let job = job.dat(dat).args(&["--threads", threads, "--profile", "none", "--json", "report.json"]);
            let outcome = job.limit(Duration::from_secs(900)).run();
            assert_eq!(outcome.report().tally, ONE_PASSED, "{}", outcome.said());
            let is = outcome.json().reports[0].seconds;
            let error = 100.0 * (plan.seconds / is - 1.0);
            let (p, q) = (plan.params.p, plan.params.q);
            println!("   {p} x {q}  {threads:>7} {n:>8} {:>9.2} s {is:>9.2} s {error:>+6.1} %", plan.seconds);
            if error.abs() > 50.0 {
                wrong.push(format!("{p} x {q}, N = {n}: {error:+.1} %"));
            }
        }
    }
    assert!(wrong.is_empty(), "grossly wrong: {wrong:?}");
}
