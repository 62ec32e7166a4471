//! How a run ended, in the words of the protocol. The first line of the table that fits decides.
//!
//! | what was seen | class | code |
//! |---|---|---|
//! | cancelled by the service, and no report | | cancelled |
//! | walltime over | policy | `walltime` |
//! | its files grew too large | policy | `work_folder_full` |
//! | the node's disk ran full | infra | `disk_full` |
//! | the launcher was never started | infra | `launcher_failed` |
//! | a report, and status 0 | | completed |
//! | the memory bound was reached | benchmark | `out_of_memory` |
//! | the bound of processes was reached | policy | `too_many_processes` |
//! | a forbidden system call (signal 31) | policy | `forbidden_call` |
//! | the launcher failed before the program said anything | infra | `launcher_failed` |
//! | another signal | benchmark | `signal` |
//! | another status than 0 | benchmark | `exit_status` |
//! | no report, or none that can be read | benchmark | `no_report` |

use hpl_spec::api::agent::AttemptOutcome;
use hpl_spec::job::FailClass;
use serde_json::Value;

use super::Failure;
use crate::launch::{End, Exit, Stop};

/// What the run left behind beside its [`Exit`].
#[derive(Debug)]
pub struct Left {
    /// The report, or why there is none.
    pub report: Result<Value, String>,
    /// Whether the program said anything at all in its events file.
    pub began: bool,
    /// The last lines of its standard error.
    pub said: String,
    /// Seconds that it was allowed.
    pub walltime_s: u32,
}

/// The signal of a forbidden system call, on Linux.
const SIGSYS: i32 = 31;

/// How it ended: pure.
#[must_use]
pub fn outcome(exit: &Exit, left: Left) -> AttemptOutcome {
    match judge(exit, &left) {
        Ok(()) => match left.report {
            Ok(result) => AttemptOutcome::Completed { result },
            Err(why) => failed(FailClass::Benchmark, "no_report", format!("{why}{}", said(&left.said))).outcome(),
        },
        Err(None) => AttemptOutcome::Cancelled,
        Err(Some(failure)) => failure.outcome(),
    }
}

/// Whether the report counts; `Err(None)` if the run was cancelled.
fn judge(exit: &Exit, left: &Left) -> Result<(), Option<Failure>> {
    let well = exit.end == End::Exited(0) && left.report.is_ok();
    match exit.stopped {
        // It had ended by itself before it was hit.
        Some(_) if well => return Ok(()),
        Some(Stop::Cancelled | Stop::Stale) => return Err(None),
        Some(Stop::Walltime) => {
            let detail = format!("it was ended after its walltime of {} s", left.walltime_s);
            return Err(Some(failed(FailClass::Policy, "walltime", detail)));
        }
        Some(Stop::WorkFull) => {
            let detail = "its files grew beyond what a work folder may hold, and it was ended";
            return Err(Some(failed(FailClass::Policy, "work_folder_full", detail)));
        }
        Some(Stop::DiskFull) => {
            let detail = "the node's disk was nearly full, and the run was ended so that its end could be told";
            return Err(Some(failed(FailClass::Infra, "disk_full", detail)));
        }
        None => (),
    }
    if let End::NotStarted(why) = &exit.end {
        return Err(Some(failed(FailClass::Infra, "launcher_failed", why.clone())));
    }
    if well {
        return Ok(());
    }
    let (class, code, what) = match (&exit.end, exit) {
        (_, exit) if exit.out_of_memory > 0 => {
            let n = exit.out_of_memory;
            (FailClass::Benchmark, "out_of_memory", format!("{n} of its processes were killed at the memory bound"))
        }
        (End::Exited(0), _) => return Ok(()),
        (_, exit) if exit.processes_refused > 0 => {
            let n = exit.processes_refused;
            let what = format!("it was refused {n} processes beyond the bound, and failed");
            (FailClass::Policy, "too_many_processes", what)
        }
        (end, _) if signal_of(end) == Some(SIGSYS) => {
            (FailClass::Policy, "forbidden_call", "it made a system call that no run may make, and was ended".into())
        }
        (_, _) if !left.began => {
            (FailClass::Infra, "launcher_failed", format!("{} before the program began", words(&exit.end)))
        }
        (End::Signalled(_), _) => (FailClass::Benchmark, "signal", words(&exit.end)),
        (_, _) => (FailClass::Benchmark, "exit_status", words(&exit.end)),
    };
    Err(Some(failed(class, code, format!("{what}{}", said(&left.said)))))
}

/// A launcher and a shell tell of a rank's signal by a status of 128 and the signal.
fn signal_of(end: &End) -> Option<i32> {
    match end {
        End::Signalled(signal) => Some(*signal),
        End::Exited(status) if (129..160).contains(status) => Some(status - 128),
        _ => None,
    }
}

fn words(end: &End) -> String {
    match end {
        End::Exited(status) => format!("the launcher ended with status {status}"),
        End::Signalled(signal) => format!("the launcher was ended by signal {signal}"),
        End::NotStarted(why) => format!("the launcher was not started: {why}"),
    }
}

fn said(text: &str) -> String {
    let text = text.trim();
    if text.is_empty() { String::new() } else { format!(". It said:\n{text}") }
}

fn failed(class: FailClass, code: &'static str, detail: impl Into<String>) -> Failure {
    Failure { class, code, detail: detail.into() }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;

    fn exit(end: End) -> Exit {
        Exit {
            end,
            stopped: None,
            elapsed_s: 1.0,
            cpu_s: None,
            memory_peak: None,
            out_of_memory: 0,
            processes_refused: 0,
            log_dropped: [0; 2],
            sandbox: BTreeMap::new(),
            network_open: false,
            shim_cpu_s: 0.0,
            boot_id: "b".into(),
        }
    }

    fn left(report: bool) -> Left {
        let report = if report { Ok(json!({})) } else { Err("report.json is not there".to_owned()) };
        Left { report, began: true, said: "last words\n".into(), walltime_s: 60 }
    }

    fn code(exit: &Exit, left: Left) -> String {
        match outcome(exit, left) {
            AttemptOutcome::Completed { .. } => "completed".into(),
            AttemptOutcome::Cancelled => "cancelled".into(),
            AttemptOutcome::Failed { class, code, .. } => format!("{} {code}", class.name()),
        }
    }

    #[test]
    fn the_table_holds() {
        let stopped = |stop| Exit { stopped: Some(stop), ..exit(End::Signalled(9)) };
        let rows = [
            (exit(End::Exited(0)), "completed", "benchmark no_report"),
            (exit(End::Exited(1)), "benchmark exit_status", "benchmark exit_status"),
            (exit(End::Signalled(11)), "benchmark signal", "benchmark signal"),
            (exit(End::Exited(159)), "policy forbidden_call", "policy forbidden_call"),
            (exit(End::Signalled(31)), "policy forbidden_call", "policy forbidden_call"),
            (exit(End::NotStarted("no".into())), "infra launcher_failed", "infra launcher_failed"),
            (stopped(Stop::Cancelled), "cancelled", "cancelled"),
            (stopped(Stop::Stale), "cancelled", "cancelled"),
            (stopped(Stop::Walltime), "policy walltime", "policy walltime"),
            (stopped(Stop::WorkFull), "policy work_folder_full", "policy work_folder_full"),
            (stopped(Stop::DiskFull), "infra disk_full", "infra disk_full"),
            (Exit { out_of_memory: 1, ..exit(End::Exited(137)) }, "benchmark out_of_memory", "benchmark out_of_memory"),
            (Exit { out_of_memory: 1, ..exit(End::Exited(0)) }, "completed", "benchmark out_of_memory"),
            (
                Exit { processes_refused: 3, ..exit(End::Exited(1)) },
                "policy too_many_processes",
                "policy too_many_processes",
            ),
            (Exit { processes_refused: 3, ..exit(End::Exited(0)) }, "completed", "benchmark no_report"),
            // It was done when the cancel came.
            (Exit { stopped: Some(Stop::Cancelled), ..exit(End::Exited(0)) }, "completed", "cancelled"),
        ];
        for (exit, with, without) in rows {
            assert_eq!(code(&exit, left(true)), with, "{exit:?}");
            assert_eq!(code(&exit, left(false)), without, "{exit:?}");
        }
        let silent = Left { began: false, ..left(false) };
        assert_eq!(code(&exit(End::Exited(1)), silent), "infra launcher_failed");
    }

    #[test]
    fn the_last_words_are_told() {
        let AttemptOutcome::Failed { detail, .. } = outcome(&exit(End::Exited(1)), left(false)) else { panic!() };
        assert_eq!(detail, "the launcher ended with status 1. It said:\nlast words");
    }

    #[test]
    fn a_detail_fits_the_protocol() {
        let long = Failure::infra("x", "é".repeat(4000)).outcome();
        let AttemptOutcome::Failed { detail, .. } = long else { panic!() };
        assert!(detail.len() <= 4000 && detail.chars().all(|c| c == 'é'));
    }
}
