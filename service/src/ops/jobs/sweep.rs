//! A sweep as a whole: the order of its runs, what it has come to, and its end.

use std::cmp::Ordering;

use hpl_spec::api::jobs::Job;
use hpl_spec::api::sweeps::{BestPoint, SweepPoint, SweepRun, SweepView};
use hpl_spec::id::SweepId;
use hpl_spec::job::JobState;
use serde_json::Value;

use super::prepare::cost;
use super::{MOST_RUNS, present, visible};
use crate::app::App;
use crate::db::job_list::{self, Filter};
use crate::db::jobs::{self, JobRow};
use crate::db::{Conn, audit, orders, sweeps};
use crate::error::{Code, Error, Result};
use crate::http::caller::{Caller, Scope};

/// What the order of a sweep is drawn with.
pub(super) fn new_seed() -> u32 {
    rand::random()
}

/// Puts runs into a random order, the same for the same seed whatever version of the service draws it: Fisher and Yates,
/// with numbers of splitmix64.
pub(super) fn shuffle<T>(seed: u32, runs: &mut [T]) {
    let mut state = u64::from(seed);
    let mut next = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    };
    for last in (1..runs.len()).rev() {
        // Of 2^64 numbers and some hundred runs, the remainder favours none by more than one part in 10^17.
        let other = next() % (last as u64 + 1);
        runs.swap(last, other as usize);
    }
}

/// The jobs of a sweep that `caller` may see, in the order of their turns, each with its place.
async fn rows(conn: &mut Conn, caller: &Caller, id: &str) -> Result<Vec<(u32, JobRow)>> {
    let limit = MOST_RUNS as u32;
    let filter = Filter { sweep: Some(id.to_owned()), limit, ..Filter::default() };
    let mut all = job_list::list(conn, &filter, None).await?;
    all.reverse();
    let seen: Vec<_> = (1..).zip(all).filter(|(_, job)| visible(caller, job)).collect();
    if seen.is_empty() { Err(Error::not_found("sweep")) } else { Ok(seen) }
}

/// A sweep with what it has come to.
///
/// # Errors
/// There is none of which `caller` may see a run.
pub async fn sweep(app: &App, caller: &Caller, id: &SweepId) -> Result<SweepView> {
    let conn = &mut *app.db.snapshot().await?;
    let rows = rows(conn, caller, id.as_str()).await?;
    let sweep = sweeps::find(conn, id.as_str()).await?.ok_or_else(|| Error::not_found("sweep"))?;
    let mut points: Vec<(f64, String, SweepPoint)> = vec![];
    let (mut drafts, mut over, mut owner, mut benchmark, mut title) = (0, 0, String::new(), String::new(), None);
    let cost = cost(rows.iter().map(|(_, row)| (row.estimate_s, row.walltime_s)));
    for (turn, row) in rows {
        let (size, hash) = (row.size, row.spec_hash.clone());
        let predicted = row.estimate_s.filter(|s| *s > 0.0).map(|seconds| row.work / seconds);
        let job = present(row)?;
        drafts += u32::from(job.state == JobState::Draft);
        over += u32::from(job.state.is_final());
        let run = run(turn, &job);
        match points.iter_mut().find(|(_, known, _)| *known == hash) {
            Some((_, _, point)) => point.runs.push(run),
            None => {
                let Job { label, parameters, .. } = job;
                points.push((
                    size,
                    hash,
                    SweepPoint { label, parameters, predicted, score: None, scored: 0, runs: vec![run] },
                ));
            }
        }
        (owner, benchmark, title) = (job.owner, job.benchmark, title.or(Some(job.title)));
    }
    points.sort_by(|a, b| a.0.total_cmp(&b.0).then_with(|| by_parameters(&a.2.parameters, &b.2.parameters)));
    let mut points: Vec<SweepPoint> = points.into_iter().map(|(_, _, point)| point).collect();
    points.iter_mut().for_each(score);
    Ok(SweepView {
        id: id.clone(),
        owner,
        benchmark,
        title: title.unwrap_or_default(),
        created_at: sweep.created_at,
        seed: sweep.seed,
        stop_hopeless: sweep.stop_hopeless,
        repeats: sweep.repeats,
        cost,
        drafts,
        over,
        varied: varied(&points),
        best: best(&points),
        points,
    })
}

fn run(turn: u32, job: &Job) -> SweepRun {
    SweepRun {
        job: job.id.clone(),
        turn,
        state: job.state,
        progress: job.progress,
        score: job.score,
        stopped: job.stopped,
        failure: job.failure.clone(),
    }
}

/// Numbers before words, each in their order, by the names of the parameters.
fn by_parameters(one: &Value, other: &Value) -> Ordering {
    let rank = |set: &Value| -> (Vec<f64>, Vec<String>) {
        let values = set.as_object().into_iter().flatten().map(|(_, value)| value);
        let (numbers, words): (Vec<_>, Vec<_>) = values.partition(|value| value.is_number());
        (numbers.iter().filter_map(|n| n.as_f64()).collect(), words.iter().map(ToString::to_string).collect())
    };
    let ((numbers, words), (others, other_words)) = (rank(one), rank(other));
    let differs = numbers.iter().zip(&others).map(|(a, b)| a.total_cmp(b)).find(|order| order.is_ne());
    differs.unwrap_or_else(|| words.cmp(&other_words))
}

/// The median of the scores of a point.
fn score(point: &mut SweepPoint) {
    let mut scores: Vec<f64> = point.runs.iter().filter_map(|run| run.score).collect();
    scores.sort_by(f64::total_cmp);
    point.scored = scores.len() as u32;
    let half = scores.len() / 2;
    point.score = match scores.len() {
        0 => None,
        odd if odd % 2 == 1 => Some(scores[half]),
        _ => Some(f64::midpoint(scores[half - 1], scores[half])),
    };
}

fn varied(points: &[SweepPoint]) -> Vec<String> {
    let Some((first, others)) = points.split_first() else { return vec![] };
    let names = first.parameters.as_object().into_iter().flatten();
    let differs = |name: &str, value: &Value| others.iter().any(|point| point.parameters[name] != *value);
    names.filter(|(name, value)| differs(name, value)).map(|(name, _)| name.clone()).collect()
}

/// The point with the highest median, and whether it was told from all others.
fn best(points: &[SweepPoint]) -> Option<BestPoint> {
    let scored = points.iter().enumerate().filter_map(|(at, point)| point.score.map(|score| (at, score)));
    let (at, score) = scored.max_by(|a, b| a.1.total_cmp(&b.1))?;
    let scores = |point: &SweepPoint| -> Vec<f64> { point.runs.iter().filter_map(|run| run.score).collect() };
    let lowest = scores(&points[at]).into_iter().fold(f64::INFINITY, f64::min);
    let others = points.iter().enumerate().filter(|(other, _)| *other != at);
    let highest = others.flat_map(|(_, point)| scores(point)).fold(f64::NEG_INFINITY, f64::max);
    let runs = points[at].scored;
    Some(BestPoint { point: at as u32, score, runs, sure: runs > 1 && lowest > highest && points.len() > 1 })
}

/// Ends all runs of a sweep that have not ended, its drafts too. Returns how many.
///
/// # Errors
/// It is not the caller's; there is nothing to end.
pub async fn cancel_sweep(app: &App, caller: &Caller, id: &SweepId) -> Result<u32> {
    let user = caller.user(Scope::Submit)?;
    let owner = {
        let conn = &mut *app.db.read().await?;
        let rows = rows(conn, caller, id.as_str()).await?;
        rows.first().map_or(0, |(_, job)| job.owner)
    };
    if owner != user.key && !caller.is_admin() {
        return Err(Error::new(Code::Forbidden, "this sweep is another's; only they may do this"));
    }
    let (by, address, other) = (user.name.clone(), caller.address.to_string(), owner != user.key);
    let id = id.to_string();
    app.db
        .write(move |tx| {
            Box::pin(async move {
                let keys = sweeps::to_cancel(tx, &id).await?;
                if keys.is_empty() {
                    return Err(Error::new(Code::Conflict, "all runs of this sweep have ended"));
                }
                for key in &keys {
                    let job = jobs::get(&mut tx.conn, *key).await?.ok_or_else(|| Error::not_found("job"))?;
                    orders::cancel(tx, &job, &by).await?;
                }
                if other {
                    let ended = keys.len().to_string();
                    audit::write(tx, &by, "sweep.cancel", &id, &address, None, Some(&ended)).await?;
                }
                Ok(keys.len() as u32)
            })
        })
        .await
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_order_is_a_permutation_that_its_seed_tells() {
        let order = |seed| {
            let mut runs: Vec<u32> = (0..50).collect();
            shuffle(seed, &mut runs);
            runs
        };
        let mut sorted = order(7);
        assert_ne!(sorted, order(8));
        assert_eq!(sorted, order(7));
        sorted.sort_unstable();
        assert_eq!(sorted, (0..50).collect::<Vec<u32>>());
        // Written down: another version of the service has to draw the same.
        let mut few = [0, 1, 2, 3, 4, 5, 6, 7];
        shuffle(1, &mut few);
        assert_eq!(few, [4, 3, 2, 7, 5, 6, 0, 1]);
        shuffle(1, &mut [0; 0]);
    }

    #[test]
    fn every_place_is_as_likely_as_another() {
        let mut counts = [[0_u32; 5]; 5];
        for seed in 0..5000 {
            let mut runs = [0, 1, 2, 3, 4];
            shuffle(seed, &mut runs);
            runs.iter().enumerate().for_each(|(place, run)| counts[place][*run] += 1);
        }
        // A thousand is expected in each; five standard deviations are 140.
        assert!(counts.iter().flatten().all(|count| (860..1140).contains(count)), "{counts:?}");
    }

    fn point(parameters: Value, scores: &[f64]) -> SweepPoint {
        let job: hpl_spec::id::JobId = "0190f5fe-7c00-7a3b-8b1e-0123456789ab".parse().unwrap();
        let runs = scores.iter().map(|score| SweepRun {
            job: job.clone(),
            turn: 1,
            state: JobState::Done,
            progress: None,
            score: Some(*score),
            stopped: None,
            failure: None,
        });
        let mut point = SweepPoint {
            label: String::new(),
            parameters,
            predicted: None,
            score: None,
            scored: 0,
            runs: runs.collect(),
        };
        score(&mut point);
        point
    }

    #[test]
    fn the_best_has_the_highest_median_and_is_sure_only_above_all_others() {
        let at = |nb: u32, scores: &[f64]| point(json!({"n": 1000, "nb": nb}), scores);
        assert_eq!(best(&[at(1, &[]), at(2, &[])]), None);
        let one_each = best(&[at(1, &[90.0]), at(2, &[100.0])]).unwrap();
        assert_eq!((one_each.point, one_each.runs, one_each.sure), (1, 1, false), "never from one run each");
        let apart = best(&[at(1, &[90.0, 91.0]), at(2, &[100.0, 92.0])]).unwrap();
        assert_eq!((apart.point, apart.score, apart.runs, apart.sure), (1, 96.0, 2, true));
        let overlap = best(&[at(1, &[90.0, 93.0]), at(2, &[100.0, 92.0, 101.0])]).unwrap();
        assert_eq!((overlap.point, overlap.score, overlap.sure), (1, 100.0, false));
        assert!(!best(&[at(1, &[90.0, 91.0])]).unwrap().sure, "there is nothing that it was told from");
    }

    #[test]
    fn points_are_in_the_order_of_their_parameters() {
        let set = |nb: u32, bcast: &str| json!({"nb": nb, "bcast": bcast});
        assert_eq!(by_parameters(&set(96, "long"), &set(128, "long")), Ordering::Less);
        assert_eq!(by_parameters(&set(96, "ring"), &set(96, "long")), Ordering::Greater);
        let points = [point(set(96, "long"), &[]), point(set(128, "long"), &[])];
        assert_eq!(varied(&points), ["nb"]);
    }
}
