//! Where a job stands, in one line for a person who follows it: from the queue to the verdict.

use std::fmt;
use std::mem::discriminant;
use std::time::Duration;

use crate::api::jobs::Job;
use crate::job::{JobState, Progress};

/// A log wants to see that something moves, not every step.
const EVERY: Duration = Duration::from_secs(4);

/// Where a job stands.
#[derive(Debug, Clone, PartialEq)]
pub enum Stage {
    /// It waits for a node, and why.
    Waiting(String),
    /// The node of this name has it and makes ready.
    Preparing(String),
    /// The program runs and has told nothing yet: it fills the matrix.
    Generating,
    /// Panels are being factored.
    Solving(Progress),
    /// The solve is over; its check, or its files, are still to come.
    Finishing,
    /// The service looks at the result.
    Verifying,
    /// The node is not heard of.
    Lost,
    /// It has ended.
    Ended(JobState),
}

impl Stage {
    /// Where this job stands.
    pub fn of(job: &Job) -> Stage {
        let node = || job.node.as_ref().map_or_else(|| "a node".to_owned(), |node| node.name.clone());
        match job.state {
            JobState::Draft | JobState::Held | JobState::Queued => {
                Stage::Waiting(job.waits.as_ref().map_or_else(|| "its turn comes".to_owned(), |w| w.why.clone()))
            }
            JobState::Claimed | JobState::Preparing => Stage::Preparing(node()),
            JobState::Running => match job.progress {
                None => Stage::Generating,
                Some(progress) if progress.fraction >= 1.0 => Stage::Finishing,
                Some(progress) => Stage::Solving(progress),
            },
            JobState::Finishing => Stage::Finishing,
            JobState::Verifying => Stage::Verifying,
            JobState::Lost => Stage::Lost,
            ended => Stage::Ended(ended),
        }
    }

    /// The part of the work that is done, from 0 to 1.
    pub fn done(&self) -> f64 {
        match self {
            Stage::Waiting(_) | Stage::Preparing(_) | Stage::Generating | Stage::Lost => 0.0,
            Stage::Solving(progress) => progress.fraction,
            Stage::Finishing | Stage::Verifying | Stage::Ended(_) => 1.0,
        }
    }

    /// Whether it is worth a line of a log, in which `last` was told so long ago: a new stage always is, a step within one
    /// every four seconds; the end is for others to tell.
    pub fn is_worth_a_line(&self, last: Option<(&Stage, Duration)>) -> bool {
        let news =
            last.is_none_or(|(told, ago)| discriminant(told) != discriminant(self) || told != self && ago >= EVERY);
        news && !matches!(self, Stage::Ended(_))
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Stage::Waiting(why) => write!(f, "waiting: {why}"),
            Stage::Preparing(node) => write!(f, "{node} makes ready"),
            Stage::Generating => f.write_str("generating the matrix"),
            Stage::Solving(Progress { fraction, seconds, score, score_now }) => {
                let left = if *fraction > 0.0 { seconds * (1.0 - fraction) / fraction } else { 0.0 };
                write!(f, "{score_now:.1} Gflop/s now, {score:.1} so far, {:.0} s left", left.ceil())
            }
            Stage::Finishing => f.write_str("checking the residual"),
            Stage::Verifying => f.write_str("the service looks at the result"),
            Stage::Lost => f.write_str("the node is silent; its run may go on"),
            Stage::Ended(state) => write!(f, "{state}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn job(state: JobState, more: serde_json::Value) -> Job {
        let mut job = json!({
            "id": "01900000-0000-7000-8000-000000000000", "owner": "demo", "benchmark": "hpl", "parameters": {},
            "label": "", "title": "", "state": state, "cancel_requested": false, "visibility": "public", "sweep": null,
            "needs": {}, "express": true, "walltime_s": 120, "estimate_s": null, "attempts": 1, "progress": null,
            "node": {"id": "01900000-0000-7000-8000-000000000001", "name": "desk"}, "waits": null, "failure": null,
            "score": null, "created_at": 0, "state_at": 0, "started_at": null, "ended_at": null, "last_event": 0,
        });
        job.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        serde_json::from_value(job).unwrap()
    }

    #[test]
    fn every_state_is_told_and_the_bar_never_runs_back() {
        let progress = |fraction: f64| json!({"progress": {"fraction": fraction, "seconds": 14.0, "score": 90.0, "score_now": 80.5}});
        let waits = json!({"waits": {"code": "nodes_busy", "why": "all nodes are busy", "position": 1}});
        let told: Vec<_> = [
            (JobState::Queued, waits),
            (JobState::Claimed, json!({})),
            (JobState::Preparing, json!({})),
            (JobState::Running, json!({})),
            (JobState::Running, progress(0.875)),
            (JobState::Running, progress(1.0)),
            (JobState::Finishing, progress(1.0)),
            (JobState::Verifying, progress(1.0)),
            (JobState::Done, progress(1.0)),
        ]
        .into_iter()
        .map(|(state, more)| Stage::of(&job(state, more)))
        .collect();
        let words: Vec<_> = told.iter().map(ToString::to_string).collect();
        assert_eq!(
            words,
            [
                "waiting: all nodes are busy",
                "desk makes ready",
                "desk makes ready",
                "generating the matrix",
                "80.5 Gflop/s now, 90.0 so far, 2 s left",
                "checking the residual",
                "checking the residual",
                "the service looks at the result",
                "done",
            ]
        );
        assert!(told.iter().map(Stage::done).is_sorted());
        assert_eq!(told[4].done(), 0.875);
    }

    #[test]
    fn a_log_has_a_line_for_each_stage_and_now_and_then_for_a_step() {
        let step = |fraction| Stage::Solving(Progress { fraction, seconds: 1.0, score: 1.0, score_now: 1.0 });
        let (short, long) = (Duration::from_secs(3), Duration::from_secs(4));
        assert!(step(0.5).is_worth_a_line(None));
        assert!(step(0.5).is_worth_a_line(Some((&Stage::Generating, Duration::ZERO))));
        assert!(!step(0.5).is_worth_a_line(Some((&step(0.4), short))));
        assert!(step(0.5).is_worth_a_line(Some((&step(0.4), long))));
        assert!(!step(0.5).is_worth_a_line(Some((&step(0.5), long))), "nothing moved");
        assert!(!Stage::Ended(JobState::Done).is_worth_a_line(None));
    }

    #[test]
    fn a_silent_node_is_told() {
        assert_eq!(Stage::of(&job(JobState::Lost, json!({}))), Stage::Lost);
        assert_eq!(Stage::of(&job(JobState::Failed, json!({}))), Stage::Ended(JobState::Failed));
    }
}
