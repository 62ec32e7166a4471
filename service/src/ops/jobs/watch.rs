//! What the page of one job shows beside the job itself: its story, its curve so far, and what to compare it with.

use hpl_spec::job::{JobEvent, JobState, Progress};

use super::eta_left::{Left, Run, left};
use super::find;
use crate::app::App;
use crate::db::forecast::{self, Step};
use crate::error::Result;
use crate::http::caller::Caller;

/// Things that happened to a job that are told; progress is not among them.
const STORY: u32 = 1000;
/// Points of its curve.
const POINTS: i64 = 400;

/// What there is to watch of a job.
#[derive(Debug, Clone, PartialEq)]
pub struct Watch {
    /// What happened, in order, without the progress.
    pub story: Vec<Step>,
    /// How the latest try went, thinned out to some hundred points.
    pub curve: Vec<Progress>,
    /// The best score of its owner's on nodes of that kind, of those that are ranked.
    pub best: Option<f64>,
    /// How long the node still has it; None where no node has it.
    pub left: Option<Left>,
}

/// What there is to watch of the job of that id.
///
/// # Errors
/// There is none that `caller` may see; the database does not answer.
pub async fn watch(app: &App, caller: &Caller, id: &str) -> Result<Watch> {
    let conn = &mut *app.db.snapshot().await?;
    let job = find(conn, caller, id).await?;
    let story = forecast::story(conn, job.key, STORY).await?;
    let claimed = story.iter().rev().find(|step| matches!(step.event, JobEvent::Claimed { .. }));
    let curve = match claimed {
        Some(claimed) => {
            let (first, last) = (claimed.seq + 1, job.last_event);
            forecast::progress(conn, job.key, &numbers(first, last)).await?
        }
        None => vec![],
    };
    let best = forecast::best_beside(conn, &job).await?;
    let latest = job.latest.as_ref().filter(|_| job.state.has_attempt());
    let left = latest.map(|latest| {
        left(&Run {
            state: job.state,
            node: &latest.node_name,
            ran_s: latest.started_at.map(|at| (app.clock.now() - at) as f64 / 1000.0),
            progress: curve.last().copied().filter(|_| job.state == JobState::Running),
            estimate_s: job.estimate_s,
            walltime_s: job.walltime_s,
        })
    });
    Ok(Watch { story, curve, best, left })
}

/// At most some hundred numbers from `first` to `last`, evenly spread, with both ends and the numbers beside the last:
/// there the latest progress is.
fn numbers(first: i64, last: i64) -> Vec<i64> {
    let step = ((last - first) / POINTS + 1).max(1);
    let mut numbers: Vec<i64> = (first..=last).step_by(usize::try_from(step).unwrap_or(1)).collect();
    numbers.extend((last - 4).max(first)..=last);
    numbers.sort_unstable();
    numbers.dedup();
    numbers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn curves_are_thinned_and_keep_their_end() {
        assert_eq!(numbers(3, 7), [3, 4, 5, 6, 7]);
        assert_eq!(numbers(3, 2), [] as [i64; 0]);
        let many = numbers(5, 20_004);
        assert!(many.len() < 420 && many.starts_with(&[5]) && many.ends_with(&[20_002, 20_003, 20_004]), "{many:?}");
    }
}
