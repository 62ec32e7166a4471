//! Whether a job that waits was left by the node. Pure.

use hpl_spec::api::jobs::Waits;
use hpl_spec::job::JobState;

/// Why a job waits that waits for no other job: then its node should have taken it by now. `is_busy` tells whether a
/// node has a job; one that is not well counts as one that cannot be had.
pub fn left_by_the_node(state: JobState, waits: Option<&Waits>, is_busy: impl FnOnce() -> bool) -> Option<&str> {
    let waits = waits.filter(|_| state == JobState::Queued)?;
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
    use super::*;

    #[test]
    fn a_job_that_waits_for_others_is_not_left() {
        let waits = |code: &str, position| Waits {
            code: code.into(),
            why: "so".into(),
            position: Some(position),
            starts: None,
        };
        let left = |state, waits: Waits| left_by_the_node(state, Some(&waits), || true).map(str::to_owned);
        assert_eq!(left(JobState::Queued, waits("memory_taken", 0)).as_deref(), Some("so"));
        assert_eq!(left(JobState::Queued, waits("next", 0)).as_deref(), Some("so"));
        assert_eq!(left_by_the_node(JobState::Queued, Some(&waits("nodes_busy", 0)), || false), Some("so"));
        for (state, waits) in [
            (JobState::Queued, waits("next", 1)),
            (JobState::Queued, waits("nodes_busy", 0)),
            (JobState::Running, waits("next", 0)),
        ] {
            assert_eq!(left(state, waits), None);
        }
        assert_eq!(left_by_the_node(JobState::Queued, None, || true), None);
    }
}
