//! What a report is worth. The program's own opinion counts for nothing: score, residual and verdict are computed
//! from its numbers once more, and the numbers are held against what they must be.

use super::{OUTPUT, THRESHOLD, fields};
use crate::benchmark::{Finding, Outcome, Problem, Submitted, figure};
use crate::cformat::{fixed, sci};
use crate::out;
use crate::params::RunParams;
use crate::report::{Norms, Phases, RunReport, SweepReport, Tally, Verdict};

/// Relative machine precision with rounding: netlib's eps.
const EPS: f64 = f64::EPSILON / 2.0;
/// How far a number may be from the same formula evaluated by us.
const ROUNDING: f64 = 1e-9;
/// How far the printed rate may be from ours.
const SCORE_ROUNDING: f64 = 1e-6;
/// Clocks of different ranks, and one that is read a little later: seconds.
const CLOCK_SLACK: f64 = 0.01;

/// See [`crate::benchmark::Benchmark::judge`].
pub(super) fn judge(submitted: &Submitted<'_>) -> Result<Outcome, Problem> {
    let asked = fields::read(submitted.parameters)
        .map_err(|problems| problems.into_iter().next().unwrap_or_else(|| Problem::new("parameters", "unreadable")))?;
    let sweep: SweepReport = serde::Deserialize::deserialize(submitted.result)
        .map_err(|error| Problem::new("result", format!("is not the report of xhpl --json: {error}")))?;
    let [run] = &sweep.reports[..] else {
        let message = format!("has {} reports, expected the one of the run", sweep.reports.len());
        return Err(Problem::new("result.reports", message));
    };
    let score = asked.gflops(run.seconds);
    if !(run.seconds.is_finite() && run.seconds >= 0.0 && score.is_finite()) {
        let message = format!("found {}, expected the seconds of the solve", sci(run.seconds, 4));
        return Err(Problem::new("result.reports[0].seconds", message));
    }
    let (passed, check) = check(run);
    let mut findings = vec![
        parameters(&asked, run, sweep.ranks),
        rate(run, score),
        if passed { Finding::green("residual", check.clone()) } else { Finding::red("residual", check.clone()) },
        norms(run),
        verdict(run, sweep.tally, passed),
        time(run),
    ];
    findings.push(matrix(run));
    findings.push(output(run, submitted.output));
    Ok(Outcome { score, seconds: run.seconds, passed, check, findings })
}

/// The residual against our threshold.
fn check(run: &RunReport) -> (bool, String) {
    match &run.verdict {
        Verdict::Passed(check) | Verdict::Failed(check) => {
            let residual = check.residual;
            if !(residual.is_finite() && residual >= 0.0) {
                return (false, format!("the scaled residual is {}, which no solution has", sci(residual, 4)));
            }
            let passed = residual < THRESHOLD;
            let word = if passed { "below" } else { "not below" };
            (passed, format!("the scaled residual {} is {word} {THRESHOLD}", figure(residual)))
        }
        Verdict::Skipped { why } => {
            let why: String = why.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(500).collect();
            (false, format!("the test was skipped: {why}"))
        }
        Verdict::Unchecked => (false, "the program was told not to check".to_owned()),
    }
}

/// What was run is what was asked for.
fn parameters(asked: &RunParams, run: &RunReport, ranks: usize) -> Finding {
    const NAME: &str = "parameters";
    let other: Vec<String> = fields::FIELDS
        .iter()
        .map(|f| (f.name, f.get(asked), f.get(&run.params)))
        .filter(|(_, asked, ran)| asked != ran)
        .map(|(name, asked, ran)| format!("{name} is {ran} instead of {asked}"))
        .collect();
    if !other.is_empty() {
        return Finding::red(NAME, format!("the run is not the one that was asked for: {}", other.join(", ")));
    }
    if ranks != asked.processes() {
        return Finding::red(NAME, format!("{ranks} ranks instead of {}", asked.processes()));
    }
    Finding::green(NAME, format!("all parameters as asked, on {ranks} ranks"))
}

/// The printed rate is the one that follows from N and time.
fn rate(run: &RunReport, score: f64) -> Finding {
    let text = format!("{} Gflop/s from N and time, {} printed", figure(score), figure(run.gflops));
    if near(run.gflops, score, SCORE_ROUNDING) { Finding::green("score", text) } else { Finding::red("score", text) }
}

/// The printed residual is the one that follows from the printed norms.
fn norms(run: &RunReport) -> Finding {
    const NAME: &str = "norms";
    let Some(check) = run.verdict.check() else { return Finding::amber(NAME, "no residual, no norms") };
    let Some(norms) = check.norms else { return Finding::amber(NAME, "the norms were not reported") };
    let Norms { residual_oo, a_oo, x_oo, b_oo, .. } = norms;
    let n = run.params.n;
    let again = if n == 0 { 0.0 } else { residual_oo / (EPS * (a_oo * x_oo + b_oo) * n as f64) };
    let text = format!("residual {} from the norms, {} printed", figure(again), figure(check.residual));
    if near(check.residual, again, ROUNDING) { Finding::green(NAME, text) } else { Finding::red(NAME, text) }
}

/// The program came to the same verdict, by the same threshold, and counted it.
fn verdict(run: &RunReport, tally: Tally, passed: bool) -> Finding {
    const NAME: &str = "verdict";
    let theirs = match run.verdict {
        Verdict::Passed(_) => "passed",
        Verdict::Failed(_) => "failed",
        Verdict::Skipped { .. } => "skipped",
        Verdict::Unchecked => "not checked",
    };
    let ours = if passed { "passed" } else { "failed" };
    let mut counted = Tally::default();
    counted.count(&run.verdict);
    let text = format!("the program says {theirs} by threshold {}, we say {ours}", figure(run.threshold));
    let agrees = passed == matches!(run.verdict, Verdict::Passed(_)) && run.verdict != Verdict::Unchecked;
    if agrees && run.threshold == THRESHOLD && counted == tally {
        Finding::green(NAME, text)
    } else if counted != tally {
        Finding::red(NAME, format!("{text}; its counters say otherwise"))
    } else {
        Finding::red(NAME, text)
    }
}

/// There is a time, and no phase is longer than it.
fn time(run: &RunReport) -> Finding {
    const NAME: &str = "time";
    let Phases { pfact, pivot, bcast, swap, update, backsolve } = run.phases;
    let seconds = run.seconds;
    if seconds <= 0.0 {
        return Finding::red(NAME, "no time was measured");
    }
    let apart = [pfact, bcast, swap, update, backsolve];
    let most = seconds * 1.01 + CLOCK_SLACK;
    let sane = |phase: f64| phase >= 0.0 && phase <= most;
    let sum: f64 = apart.iter().sum();
    // Each phase is that of the rank that took longest for it; one rank cannot be in two at a time.
    let most_together = if run.params.processes() == 1 { most } else { most * apart.len() as f64 };
    let text = format!("{} s, the longest phases together {} s", figure(seconds), figure(sum));
    if !apart.into_iter().all(sane) || !sane(pivot) || pivot > pfact * 1.01 + CLOCK_SLACK || sum > most_together {
        return Finding::red(NAME, format!("{text}: phases that a run of this time cannot have"));
    }
    Finding::green(NAME, text)
}

/// The norms are those of netlib's matrix of order N: entries uniform in [-0.5, 0.5], |a| of mean 1/4 and
/// variance 1/48. The largest of N sums of N such numbers is near N/4 + sqrt(N/48) sqrt(2 ln N); six standard
/// deviations around it are never left by chance, and N that is off by some per cent is seen.
fn matrix(run: &RunReport) -> Finding {
    const NAME: &str = "matrix";
    let Some(Norms { residual_oo, a_oo, a_1, x_oo, x_1, b_oo }) = run.verdict.check().and_then(|check| check.norms)
    else {
        return Finding::amber(NAME, "the norms were not reported");
    };
    let n = run.params.n as f64;
    let (deviation, extreme) = ((n / 48.0).sqrt(), (2.0 * n.max(1.0).ln()).sqrt());
    let least = (n / 4.0 + deviation * (extreme - 6.0)).max(0.0);
    let most = (n / 4.0 + deviation * (extreme + 6.0)).min(n / 2.0);
    let b_least = (0.5 * (1.0 - 40.0 / n.max(1.0))).max(0.0);
    let text = format!(
        "||A||_oo {} and ||A||_1 {}, from {} to {} expected; ||b||_oo {}, up to 0.5 expected",
        figure(a_oo),
        figure(a_1),
        figure(least),
        figure(most),
        figure(b_oo)
    );
    let of_order = |norm: f64| (least..=most).contains(&norm);
    if !of_order(a_oo) || !of_order(a_1) || !(b_least..=0.5).contains(&b_oo) {
        return Finding::red(NAME, format!("{text}: not the matrix of order {n}"));
    }
    // b = Ax - r, and what the norms of one vector are to each other.
    let loose = 1.0 + ROUNDING;
    let of_one_system = b_oo <= (a_oo * x_oo + residual_oo) * loose && x_oo <= x_1 * loose && x_1 <= n * x_oo * loose;
    if of_one_system {
        Finding::green(NAME, text)
    } else {
        let x = format!("||x||_oo {}, ||x||_1 {}", figure(x_oo), figure(x_1));
        Finding::red(NAME, format!("{text}; {x}: no x of this system has these norms"))
    }
}

/// HPL.out, to the digits that it prints, tells of the same run.
fn output(run: &RunReport, text: Option<&str>) -> Finding {
    const NAME: &str = "output";
    let Some(text) = text else { return Finding::amber(NAME, format!("{OUTPUT} did not come")) };
    let parsed = match out::parse(text) {
        Ok(parsed) => parsed,
        Err(error) => return Finding::amber(NAME, format!("{OUTPUT} cannot be read: {error}")),
    };
    let [printed] = &parsed.reports[..] else {
        return Finding::red(NAME, format!("{OUTPUT} has {} tests, expected one", parsed.reports.len()));
    };
    let residual = |run: &RunReport| run.verdict.check().map(|check| sci(check.residual, 8));
    let looks = [
        ("parameters", printed.params == run.params),
        ("time", fixed(printed.seconds, 2) == fixed(run.seconds, 2)),
        ("rate", sci(printed.gflops, 4) == sci(run.gflops, 4)),
        ("residual", residual(printed) == residual(run)),
        ("verdict", std::mem::discriminant(&printed.verdict) == std::mem::discriminant(&run.verdict)),
        ("threshold", printed.threshold == run.threshold),
    ];
    let other: Vec<&str> = looks.iter().filter(|(_, same)| !same).map(|(name, _)| *name).collect();
    if other.is_empty() {
        return Finding::green(NAME, format!("{OUTPUT} tells of the same run"));
    }
    Finding::red(NAME, format!("{OUTPUT} and the report differ in {}", other.join(", ")))
}

/// Whether two numbers are the same but for rounding; numbers that are none are not.
fn near(found: f64, expected: f64, relative: f64) -> bool {
    (found - expected).abs() <= relative * expected.abs()
}
