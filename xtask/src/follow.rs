//! Whether a job that waits was left by the node. Pure.

use hpl_spec::api::jobs::Job;
use hpl_spec::job::JobState;

/// Why a job waits that waits for no other job: then its node should have taken it by now. `is_busy` tells whether a
/// node has a job; one that is not well counts as one that cannot be had.
pub fn left_by_the_node(job: &Job, is_busy: impl FnOnce() -> bool) -> Option<&str> {
    let waits = job.waits.as_ref().filter(|_| job.state == JobState::Queued)?;
    let first = waits.position.is_none_or(|position| position == 0);
    let left = match waits.code.as_str() {
        "next" | "no_node_fits" | "memory_taken" => true,
        "nodes_busy" => !is_busy(),
        _ => false,
    };
    (first && left).then_some(waits.why.as_str())
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
    fn a_job_that_waits_for_others_is_not_left() {
        let waits = |code: &str, position: u32| json!({"waits": {"code": code, "why": "so", "position": position}});
        let left = |state, more| left_by_the_node(&job(state, more), || true).map(str::to_owned);
        assert_eq!(left(JobState::Queued, waits("memory_taken", 0)).as_deref(), Some("so"));
        assert_eq!(left(JobState::Queued, waits("next", 0)).as_deref(), Some("so"));
        let unwell = job(JobState::Queued, waits("nodes_busy", 0));
        assert_eq!(left_by_the_node(&unwell, || false), Some("so"));
        for (state, more) in [
            (JobState::Queued, waits("next", 1)),
            (JobState::Queued, waits("nodes_busy", 0)),
            (JobState::Queued, json!({})),
            (JobState::Running, waits("next", 0)),
        ] {
            assert_eq!(left(state, more), None);
        }
    }
}
