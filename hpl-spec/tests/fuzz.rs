//! Fuzz targets for the parser of HPL.dat and the reader of HPL.out: real and drawn texts, damaged in all ways, for a
//! while. Whatever the bytes, nothing panics, an error names its line, and what is read is written as it was.
//!
//! `HPL_FUZZ_SECONDS` says for how long, `HPL_FUZZ_SEED` makes it the same again. What was found is shrunk, printed and
//! kept in a file, and `HPL_FUZZ_CASE` names a file to look at alone.
mod common;
mod mutate;

use std::cell::Cell;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use hpl_spec::dat::Output;
use hpl_spec::out::{self, Parsed};
use hpl_spec::{RunReport, Sweep, Tally, Verdict, report::checks};
use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestCaseResult, TestError, TestRng, TestRunner};

/// In the gate, and where there is more time.
const SHORT: u64 = 20;
const LONG: u64 = 600;
/// Cases between two looks at the clock.
const ROUND: u32 = 200;

/// Steps in which a case that was found is made smaller.
const SHRINKS: u32 = 5000;

fn config(cases: u32, max_shrink_iters: u32) -> ProptestConfig {
    ProptestConfig { cases, max_shrink_iters, failure_persistence: None, ..ProptestConfig::default() }
}

fn variable(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text}: expected a whole number")))
}

/// Runs the check on damaged texts until the time is over, or on the one case that is named.
fn fuzz(name: &str, seconds: u64, texts: &impl Strategy<Value = Vec<u8>>, check: impl Fn(&[u8]) -> TestCaseResult) {
    if let Some(case) = std::env::var_os("HPL_FUZZ_CASE") {
        let bytes = std::fs::read(&case).unwrap_or_else(|e| panic!("HPL_FUZZ_CASE={}: {e}", case.to_string_lossy()));
        check(&bytes).unwrap_or_else(|why| panic!("{why}\n{}", bytes.escape_ascii()));
        return;
    }
    let until = Instant::now() + Duration::from_secs(variable("HPL_FUZZ_SECONDS").unwrap_or(seconds));
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_nanos() as u64);
    let seed = variable("HPL_FUZZ_SEED").unwrap_or_else(now);
    let mut rounds = 0;
    while rounds == 0 || Instant::now() < until {
        let key: Vec<u8> = [seed, rounds, 0, 0].into_iter().flat_map(u64::to_le_bytes).collect();
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &key);
        let mut runner = TestRunner::new_with_rng(config(ROUND, SHRINKS), rng);
        match runner.run(texts, |bytes| check(&bytes)) {
            Ok(()) => rounds += 1,
            Err(TestError::Abort(why)) => panic!("seed {seed}, round {rounds}: {why}"),
            Err(TestError::Fail(why, bytes)) => {
                let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.case"));
                std::fs::write(&file, &bytes).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
                panic!(
                    "{why}\nseed {seed}, round {rounds}; the case, shrunk:\n{}\nto repeat it: HPL_FUZZ_CASE={} \
                     cargo test -p hpl-spec --test fuzz -- --exact {}",
                    bytes.escape_ascii(),
                    file.display(),
                    name.trim_start_matches("soak_")
                );
            }
        }
    }
    println!("{name}: {} cases, seed {seed}", rounds * u64::from(ROUND));
}

/// The files of the golden tests.
fn golden(names: &[&str]) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    names.iter().map(|name| std::fs::read(folder.join(name)).expect("a golden file")).collect()
}

fn dats() -> impl Strategy<Value = Vec<u8>> {
    let real = golden(&["netlib.dat"]);
    let drawn = common::sweep().prop_map(|sweep| sweep.to_dat().into_bytes());
    let texts = prop_oneof![1 => prop::sample::select(real.clone()), 1 => drawn];
    mutate::damaged(texts, [real, golden(&["netlib_timing.out"])].concat())
}

fn check_dat(bytes: &[u8]) -> TestCaseResult {
    // Where the report goes is asked of the first lines alone, and the answer is the same.
    let output = Sweep::parse_output(&String::from_utf8_lossy(bytes));
    match Sweep::parse_bytes(bytes, usize::MAX) {
        Ok(sweep) => {
            prop_assert_eq!(output.as_ref(), Ok(&sweep.output));
            let text = sweep.to_dat();
            prop_assert_eq!(text.lines().count(), 31, "{}", text);
            let again = Sweep::parse(&text, usize::MAX).map_err(|why| TestCaseError::fail(format!("{why}\n{text}")))?;
            // By their text: a threshold that is not a number is not equal to itself.
            prop_assert_eq!(format!("{again:?}"), format!("{sweep:?}"));
            for run in sweep.runs().take(20) {
                prop_assert_eq!(run.check(), Ok(()));
            }
            if let Output::File(name) = &sweep.output {
                prop_assert!(!name.is_empty() && !name.contains(char::is_whitespace), "{:?}", name);
            }
        }
        Err(why) => {
            let said = why.to_string();
            prop_assert!((1..=31).contains(&why.line), "{}", said);
            prop_assert!(said.contains(&format!("HPL.dat line {} ({}): found ", why.line, why.field)), "{}", said);
            prop_assert!(said.starts_with("HPL ERROR from process # 0, on line "), "{}", said);
            prop_assert_eq!(output.is_err(), why.line <= 4, "{}", said);
        }
    }
    Ok(())
}

/// A whole HPL.out of these reports.
fn written(reports: &[RunReport]) -> String {
    let params = reports.first().map_or(hpl_spec::RunParams::new(0, 1, 1, 1), |report| report.params);
    let threshold = reports.first().map_or(16.0, |report| report.threshold);
    let mut text = out::header(&Sweep::of(params, threshold), &[]);
    let (mut head_is_due, mut tally) = (true, Tally::default());
    for report in reports {
        text += &out::test(report, &mut head_is_due, false);
        tally.count(&report.verdict);
    }
    text + &out::trailer(&tally, checks(threshold), false)
}

fn outs() -> impl Strategy<Value = Vec<u8>> {
    let files =
        ["every_ending.out", "hpcc.out", "hpl_result.out", "long_header.out", "netlib_timing.out", "unchecked.out"];
    let real = golden(&files);
    let drawn = (common::sweep(), common::params()).prop_flat_map(|(sweep, params)| {
        common::reports(params, sweep.threshold).prop_map(|reports| written(&reports).into_bytes())
    });
    let texts = prop_oneof![2 => prop::sample::select(real.clone()), 1 => drawn];
    mutate::damaged(texts, [real, golden(&["netlib.dat"])].concat())
}

/// Whether our writer leaves as much of a report as the file had: a time, the choices that the header tells once for
/// all tests, one threshold that its digits keep, and a check or its absence as that threshold asks for it.
fn is_whole(parsed: &Parsed) -> bool {
    let Some(first) = parsed.reports.first() else { return true };
    let header = |report: &RunReport| {
        let hpl_spec::RunParams { swap, l1, u, equil, align, .. } = report.params;
        (swap, l1, u, equil, align)
    };
    // One below 0.05 is printed as 0.0, which asks for no check.
    let printed: f64 = format!("{:.1}", first.threshold).parse().expect("a number that was printed");
    let kept = checks(printed) == checks(first.threshold);
    let whole = |report: &RunReport| {
        let checked = !matches!(report.verdict, Verdict::Unchecked);
        report.seconds > 0.0
            && header(report) == header(first)
            && report.threshold.to_bits() == first.threshold.to_bits()
            && checked == checks(first.threshold)
    };
    kept && parsed.reports.iter().all(whole)
}

fn check_out(bytes: &[u8], whole: &Cell<u64>) -> TestCaseResult {
    let text = String::from_utf8_lossy(bytes);
    let parsed = match out::parse(&text) {
        Ok(parsed) => parsed,
        Err(why) => {
            let last = text.lines().count() + 1;
            prop_assert!((1..=last).contains(&why.line), "{} of {}", why, last);
            let place = format!("HPL.out line {}: found ", why.line);
            prop_assert!(why.to_string().starts_with(&place), "{}", why);
            return Ok(());
        }
    };
    if !is_whole(&parsed) {
        return Ok(());
    }
    // What was read and written reads the same, to the digits that are printed, and is written the same.
    let first = written(&parsed.reports);
    let again = out::parse(&first).map_err(|why| TestCaseError::fail(format!("{why}\n{first}")))?;
    prop_assert_eq!(again.reports.len(), parsed.reports.len(), "{}", first);
    for (one, other) in parsed.reports.iter().zip(&again.reports) {
        prop_assert_eq!(one.params, other.params, "{}", first);
        prop_assert_eq!(std::mem::discriminant(&one.verdict), std::mem::discriminant(&other.verdict), "{}", first);
    }
    // A time that rounds to 0.00 is read from the rate, if that tells it.
    if again.reports.iter().all(|report| report.seconds > 0.0) {
        whole.set(whole.get() + 1);
        prop_assert_eq!(written(&again.reports), first);
    }
    Ok(())
}

fn fuzz_outs(name: &str, seconds: u64) {
    let whole = Cell::new(0);
    fuzz(name, seconds, &outs(), |bytes| check_out(bytes, &whole));
    println!("{} were whole reports", whole.get());
    assert!(whole.get() > 0 || std::env::var_os("HPL_FUZZ_CASE").is_some(), "no report was ever read and written");
}

#[test]
fn fuzz_dat() {
    fuzz("fuzz_dat", SHORT, &dats(), check_dat);
}

#[test]
fn fuzz_out() {
    fuzz_outs("fuzz_out", SHORT);
}

#[test]
#[ignore = "minutes: run by `cargo xtask soak`"]
fn soak_fuzz_dat() {
    fuzz("soak_fuzz_dat", LONG, &dats(), check_dat);
}

#[test]
#[ignore = "minutes: run by `cargo xtask soak`"]
fn soak_fuzz_out() {
    fuzz_outs("soak_fuzz_out", LONG);
}

/// A target that looks at nothing would find nothing: damage that a careless parser takes is found and shrunk.
#[test]
fn the_fuzzer_finds_what_is_wrong() {
    let careless = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes);
        prop_assert!(!text.lines().any(|line| line.starts_with("2147483648")), "too large");
        Ok(())
    };
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    let mut runner = TestRunner::new_with_rng(config(20_000, SHRINKS), rng);
    let found = runner.run(&dats(), |bytes| careless(&bytes));
    assert!(matches!(&found, Err(TestError::Fail(_, bytes)) if careless(bytes).is_err()), "{found:?}");
    let broken = |_: &[u8]| -> TestCaseResult { panic!("a panic is a finding") };
    let found = TestRunner::new(config(1, 0)).run(&dats(), |bytes| broken(&bytes));
    assert!(matches!(found, Err(TestError::Fail(..))), "{found:?}");
}
