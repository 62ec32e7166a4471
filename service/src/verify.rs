//! A result that has come is judged, once: what the service saw itself, what the node's daemon says and what the
//! program says go to the registry's row and to [`crate::evidence`], and what they find is written down with the job's
//! last move in one unit. A crash before that unit leaves the result pending and the job verifying, and the reaper
//! asks again; a second verdict changes nothing.

use hpl_spec::api::results::ResultTier;
use hpl_spec::benchmark::{self, Benchmark, Colour, Finding, Submitted};
use hpl_spec::evidence::Evidence;
use hpl_spec::id::AttemptId;

use crate::app::App;
use crate::db::results::verdict::{self, Pending, Verdict};
use crate::error::{Error, Result};
use crate::evidence::{self, Arrival, Look, Node, Stopwatch};
use crate::store::{FileName, ReadError, Store};

/// The longest output file that is looked at, in bytes.
const LONGEST_OUTPUT: usize = 1 << 20;
/// The longest reason of a flag, in characters.
const LONGEST_REASON: usize = 500;

/// Judges the pending result of a job and moves the job; nothing where none is pending.
///
/// # Errors
/// Database or disk fail; nothing was changed then.
pub async fn verify(app: &App, job: i64) -> Result<()> {
    let (pending, told) = {
        let mut reader = app.db.read().await?;
        let Some(pending) = verdict::pending(&mut reader, job).await? else { return Ok(()) };
        let told = verdict::progress(&mut reader, job, &pending.attempt).await?;
        (pending, told)
    };
    let told: Vec<Arrival> = told.into_iter().map(|(at_ms, progress)| Arrival { at_ms, progress }).collect();
    let verdict = match benchmark::find(&pending.benchmark) {
        None => unreadable(&pending, "benchmark", format!("{} is not known any more", pending.benchmark)),
        Some(row) => {
            let output = output(&app.store, &pending.attempt, row.output).await?;
            judge(row, &pending, &told, output.as_deref(), &app.config.known_binaries)
        }
    };
    fail::fail_point!("result_judged");
    let key = pending.key;
    app.db.write(move |tx| Box::pin(async move { verdict::settle(tx, key, &verdict).await })).await?;
    Ok(())
}

/// The output file of an attempt, if all of it came. A part of one would tell of another run.
///
/// # Errors
/// The disk fails.
pub async fn output(store: &Store, attempt: &AttemptId, name: &str) -> Result<Option<String>> {
    let name: FileName = FileName::Artifact(name.parse().map_err(Error::internal)?);
    match store.read(attempt, &name, 0, LONGEST_OUTPUT).await {
        Ok(part) if part.sealed && part.total <= LONGEST_OUTPUT as u64 => {
            Ok(Some(String::from_utf8_lossy(&part.bytes).into_owned()))
        }
        Ok(_) | Err(ReadError::Absent) => Ok(None),
        Err(error) => Err(Error::internal(error)),
    }
}

/// What a result is worth.
fn judge(row: &Benchmark, pending: &Pending, told: &[Arrival], output: Option<&str>, known: &[String]) -> Verdict {
    let plan = match (row.plan)(&pending.parameters) {
        Ok(plan) => plan,
        Err(problems) => {
            let why = problems.into_iter().map(|p| p.to_string()).collect::<Vec<_>>().join("; ");
            return unreadable(pending, "parameters", why);
        }
    };
    let submitted = Submitted { parameters: &pending.parameters, result: &pending.report, output };
    let outcome = match (row.judge)(&submitted) {
        Ok(outcome) => outcome,
        Err(problem) => return unreadable(pending, "report", problem.to_string()),
    };
    let peak = pending.info.as_ref().and_then(row.peak).filter(|peak| peak.is_finite() && *peak > 0.0);
    let cores = (pending.cores as usize).max(1);
    let mut verdict = Verdict {
        tier: ResultTier::Flagged,
        passed: outcome.passed,
        check: outcome.check.clone(),
        score: outcome.score,
        seconds: outcome.seconds,
        size: plan.size,
        percent: peak.map_or(0.0, |peak| 100.0 * outcome.score / peak),
        per_watt: 0.0,
        label: plan.label.clone(),
        findings: outcome.findings.clone(),
        rankable: false,
        flag_why: String::new(),
        kind: pending.kind.clone(),
        cores: pending.cores,
    };
    if let Some(said) = &pending.evidence {
        let assessment = evidence::assess(&Look {
            plan: &plan,
            unit: row.unit,
            outcome: &outcome,
            evidence: said,
            node: Node { peak, cores, trusted: pending.trusted },
            cores_used: cores_used(said, plan.ranks, cores),
            stopwatch: stopwatch(pending, told, said.elapsed_s),
            progress: told,
            known_binary: &|hash| known.iter().any(|known| known.eq_ignore_ascii_case(hash)),
            same_boot: pending.boot_id == said.boot_id,
        });
        verdict.tier = assessment.tier.into();
        verdict.findings = assessment.findings;
        verdict.rankable = outcome.passed && !said.oversubscribed;
        verdict.per_watt = assessment.per_watt.filter(|_| verdict.rankable).unwrap_or(0.0);
    } else {
        verdict.findings.push(Finding::red("evidence", "the node sent nothing that can be read and speaks for it"));
    }
    close(verdict)
}

/// What did not pass has failed, whatever else speaks for or against it; what is flagged has a reason.
fn close(mut verdict: Verdict) -> Verdict {
    if !verdict.passed {
        verdict.tier = ResultTier::Failed;
    }
    if verdict.tier == ResultTier::Flagged {
        let red = verdict.findings.iter().filter(|finding| finding.colour == Colour::Red);
        let why = red.map(|finding| format!("{}: {}", finding.name, finding.text)).collect::<Vec<_>>().join("; ");
        verdict.flag_why = why.chars().take(LONGEST_REASON).collect();
    }
    verdict
}

/// A result that cannot be judged has failed.
fn unreadable(pending: &Pending, what: &str, why: String) -> Verdict {
    let why: String = why.chars().take(LONGEST_REASON).collect();
    Verdict {
        tier: ResultTier::Failed,
        passed: false,
        check: format!("the {what} cannot be judged: {why}"),
        score: 0.0,
        seconds: 0.0,
        size: 0.0,
        percent: 0.0,
        per_watt: 0.0,
        label: String::new(),
        findings: vec![Finding::red(what, why)],
        rankable: false,
        flag_why: String::new(),
        kind: pending.kind.clone(),
        cores: pending.cores,
    }
}

/// What the service's own clock saw. The word of the start counts only if it came by itself: what came in one call
/// with word of a later second had waited on the node.
fn stopwatch(pending: &Pending, told: &[Arrival], elapsed_s: f64) -> Stopwatch {
    const TOGETHER_S: f64 = 1.0;
    let together = |started: i64| {
        told.iter().any(|arrival| arrival.at_ms <= started && arrival.progress.seconds > TOGETHER_S)
            || (pending.finishing_at == Some(started) || pending.ended_at <= started) && elapsed_s > TOGETHER_S
    };
    Stopwatch {
        claimed_ms: pending.claimed_at,
        started_ms: pending.started_at.filter(|&started| !together(started)),
        finished_ms: pending.ended_at,
    }
}

/// How many cores a run kept busy: at least one a rank, at most all. A node is given to one run alone; how many of
/// its cores a rank takes is between the program and the node, and shows in the processor time.
fn cores_used(said: &Evidence, ranks: usize, cores: usize) -> usize {
    let busy = said.cpu_s.map_or(cores as f64, |cpu| (cpu / said.elapsed_s - 0.1).ceil());
    // A ratio of two odd numbers ends at one of the bounds, and the numbers themselves are looked at elsewhere.
    (busy as usize).clamp(ranks.clamp(1, cores), cores)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hpl_spec::Progress;
    use serde_json::{Value, json};

    fn pending() -> Pending {
        Pending {
            key: 1,
            attempt: "0190f5fe-7c00-7a3b-8b1e-0123456789ab".parse().unwrap(),
            benchmark: "hpl".into(),
            parameters: json!({"n": 1000}),
            report: Value::Null,
            evidence: None,
            boot_id: "b".into(),
            claimed_at: 0,
            started_at: Some(5000),
            finishing_at: Some(70_000),
            ended_at: 71_000,
            info: None,
            kind: "cpu".into(),
            cores: 4,
            trusted: true,
        }
    }

    fn arrival(at_ms: i64, seconds: f64) -> Arrival {
        Arrival { at_ms, progress: Progress { seconds, ..Progress::default() } }
    }

    #[test]
    fn a_start_told_too_late_is_no_start() {
        let seen = |pending: &Pending, told: &[Arrival]| stopwatch(pending, told, 60.0).started_ms;
        assert_eq!(seen(&pending(), &[arrival(15_000, 10.0)]), Some(5000));
        assert_eq!(seen(&pending(), &[arrival(5000, 0.5)]), Some(5000));
        assert_eq!(seen(&pending(), &[arrival(5000, 30.0)]), None);
        assert_eq!(seen(&Pending { finishing_at: Some(5000), ..pending() }, &[]), None);
        assert_eq!(seen(&Pending { ended_at: 5000, ..pending() }, &[]), None);
        assert_eq!(stopwatch(&Pending { ended_at: 5000, ..pending() }, &[], 0.5).started_ms, Some(5000));
    }

    #[test]
    fn busy_cores_are_counted_between_ranks_and_all() {
        let used = |cpu_s: Option<f64>, ranks| {
            let said = json!({
                "elapsed_s": 10.0, "cpu_s": cpu_s, "binary_sha256": "", "launch": [], "boot_id": "", "oversubscribed":
                false, "network_open": false, "daemon_cpu_s": 0.0, "log_missing_bytes": 0, "dropped_samples": 0,
            });
            cores_used(&serde_json::from_value(said).unwrap(), ranks, 8)
        };
        assert_eq!(used(Some(79.0), 2), 8);
        assert_eq!(used(Some(19.8), 2), 2);
        assert_eq!(used(Some(0.0), 2), 2);
        assert_eq!(used(Some(-1.0), 2), 2);
        assert_eq!(used(None, 2), 8);
        assert_eq!(used(Some(1e300), 64), 8);
    }

    #[test]
    fn what_cannot_be_read_has_failed() {
        let row = benchmark::find("hpl").unwrap();
        let verdict = judge(row, &pending(), &[], None, &[]);
        assert_eq!((verdict.tier, verdict.passed, verdict.rankable), (ResultTier::Failed, false, false));
        assert!(verdict.check.contains("report"), "{}", verdict.check);
    }
}
