//! What the forecast of the queue says of small fleets, and what holds for all.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::eta::{JobNow, NodeNow, OwnerNow, Place, forecast};
use super::eta_left::{Left, Span, whole};
use crate::schedule::{NO_SHARE, Needs, Offer};

/// 2026-11-01, in milliseconds.
const NOW: i64 = 1_793_491_200_000;

fn node(id: &str, cores: u32, busy: Option<(i64, Left)>) -> NodeNow {
    let offer = Offer { node: id.into(), cores, memory: 1 << 34, labels: vec![] };
    NodeNow { offer, memory_now: 1 << 34, takes: true, busy }
}

fn job(owner: i64, cores: u32, estimate_s: Option<f64>) -> JobNow {
    let needs = Needs { cores, memory: 1 << 30, ..Needs::default() };
    JobNow { owner, needs, express: false, not_before: 0.0, avoids_for: 0.0, run: whole(estimate_s, 3600) }
}

fn owners(all: &[(i64, f64, u32, u32)]) -> BTreeMap<i64, OwnerNow> {
    let line = |&(owner, share, running, running_max): &_| (owner, OwnerNow { share, running, running_max });
    all.iter().map(line).collect()
}

fn exactly(seconds: f64) -> Left {
    Left::For(Span::new(seconds, seconds, seconds))
}

fn order(places: &[Place]) -> Vec<usize> {
    places.iter().map(|place| place.job).collect()
}

fn span(place: &Place) -> Span {
    match &place.starts {
        Left::For(span) => *span,
        Left::Unknown { why, .. } => panic!("{why}"),
    }
}

#[test]
fn one_node_takes_one_after_the_other() {
    let nodes = [node("a", 4, Some((9, exactly(60.0))))];
    let lines = owners(&[(1, NO_SHARE, 0, 9), (9, NO_SHARE, 1, 9)]);
    let places = forecast(NOW, &nodes, &lines, &[job(1, 4, Some(100.0)), job(1, 4, Some(10.0)), job(1, 5, Some(1.0))]);
    assert_eq!(order(&places), [0, 1], "what fits nowhere has no place");
    let [first, second] = [span(&places[0]), span(&places[1])];
    assert!((first.likely - 62.0).abs() < 1e-9 && first.early >= 60.0, "{first:?}");
    assert!((second.likely - (62.0 + 105.0)).abs() < 1e-9, "{second:?}");
    assert!(second.early < 62.0 + 75.0 && second.late > 62.0 + 160.0, "the estimate's doubt is in it: {second:?}");
}

#[test]
fn owners_take_turns_as_they_used_the_nodes() {
    let nodes = [node("a", 4, Some((9, exactly(10.0))))];
    // The first owner has used less, but after one run of an hour has used more.
    let lines = owners(&[(1, -8.0, 0, 9), (2, -4.0, 0, 9), (9, NO_SHARE, 1, 9)]);
    let jobs = [job(2, 4, Some(3600.0)), job(2, 4, Some(3600.0)), job(1, 4, Some(3000.0)), job(1, 4, Some(3000.0))];
    let places = forecast(NOW, &nodes, &lines, &jobs);
    assert_eq!(order(&places)[0], 2);
    assert_eq!(places.len(), 4);
}

#[test]
fn express_runs_go_first_three_times() {
    let nodes = [node("a", 4, Some((9, exactly(10.0))))];
    let mut jobs = vec![job(1, 4, Some(300.0))];
    jobs.extend((0..5).map(|_| JobNow { express: true, ..job(1, 4, Some(20.0)) }));
    let places = forecast(NOW, &nodes, &owners(&[(1, NO_SHARE, 0, 9)]), &jobs);
    assert_eq!(order(&places), [1, 2, 3, 0, 4, 5]);
}

#[test]
fn ones_own_quota_holds_back_while_others_pass() {
    let nodes = [node("a", 4, Some((1, exactly(500.0)))), node("b", 4, None)];
    let lines = owners(&[(1, NO_SHARE, 1, 1), (2, 50.0, 0, 1)]);
    let places = forecast(NOW, &nodes, &lines, &[job(1, 4, Some(10.0)), job(2, 4, Some(10.0))]);
    assert_eq!(order(&places), [1, 0]);
    assert_eq!(span(&places[0]).likely, 0.0);
    assert!(span(&places[1]).likely >= 500.0);
}

#[test]
fn what_rests_on_an_unknown_time_cannot_be_told() {
    let lost = Left::Unknown { late: 900.0, why: "node a has not been heard of for a while".into() };
    let nodes = [node("a", 4, Some((9, lost)))];
    let lines = owners(&[(1, NO_SHARE, 0, 9)]);
    let places = forecast(NOW, &nodes, &lines, &[job(1, 4, None), job(1, 4, Some(5.0))]);
    assert!(matches!(&places[0].starts, Left::Unknown { why, late } if why.contains("heard of") && *late >= 900.0));
    assert!(matches!(&places[1].starts, Left::Unknown { .. }));
    // A run without a prediction on a free node hides only what comes after it.
    let places = forecast(NOW, &[node("a", 4, None)], &lines, &[job(1, 4, None), job(1, 4, Some(5.0))]);
    assert!(matches!(&places[0].starts, Left::For(_)) && matches!(&places[1].starts, Left::Unknown { .. }));
}

#[test]
fn pauses_avoided_nodes_and_taken_memory_are_kept() {
    let lines = owners(&[(1, NO_SHARE, 0, 9)]);
    let paused = JobNow { not_before: 15.0, ..job(1, 4, Some(5.0)) };
    let places = forecast(NOW, &[node("a", 4, None)], &lines, std::slice::from_ref(&paused));
    assert_eq!(span(&places[0]).likely, 15.0);
    let needs = Needs { avoid: Some("a".into()), ..paused.needs.clone() };
    let avoiding = JobNow { needs, avoids_for: 300.0, ..paused };
    let places = forecast(NOW, &[node("a", 4, None)], &lines, std::slice::from_ref(&avoiding));
    assert_eq!(span(&places[0]).likely, 300.0);
    let full = NodeNow { memory_now: 1, ..node("a", 4, None) };
    assert_eq!(forecast(NOW, &[full], &lines, &[job(1, 4, None)]), []);
    let drained = NodeNow { takes: false, ..node("a", 4, None) };
    assert_eq!(forecast(NOW, &[drained], &lines, &[job(1, 4, None)]), []);
}

fn any_seconds() -> impl Strategy<Value = Option<f64>> {
    prop_oneof![
        Just(None),
        Just(Some(f64::NAN)),
        Just(Some(f64::INFINITY)),
        Just(Some(-5.0)),
        (0.0..5000.0f64).prop_map(Some)
    ]
}

fn any_node() -> impl Strategy<Value = NodeNow> {
    let busy = proptest::option::of((0i64..4, any_seconds()));
    (0u32..4, 1u32..4, busy, any::<bool>()).prop_map(|(id, cores, busy, takes)| NodeNow {
        takes: takes || id > 0,
        ..node(&id.to_string(), cores, busy.map(|(owner, estimate)| (owner, whole(estimate, 3600))))
    })
}

fn any_job() -> impl Strategy<Value = JobNow> {
    let pause = prop_oneof![3 => Just(0.0), 1 => Just(30.0), 1 => Just(f64::NAN)];
    (0i64..4, 1u32..4, any_seconds(), any::<bool>(), pause, proptest::option::of(0u32..4)).prop_map(
        |(owner, cores, estimate, express, not_before, avoid)| {
            let mut job = JobNow { express, not_before, ..job(owner, cores, estimate) };
            job.needs.avoid = avoid.map(|id| id.to_string());
            job.avoids_for = if avoid.is_some() { 200.0 } else { 0.0 };
            job
        },
    )
}

proptest! {
    #[test]
    fn a_later_place_never_starts_earlier(
        nodes in proptest::collection::vec(any_node(), 0..6),
        jobs in proptest::collection::vec(any_job(), 0..24),
        lines in proptest::collection::vec((-20.0..20.0f64, 0u32..3, 1u32..4), 4),
    ) {
        let lines = lines.iter().zip(0..).map(|(&(share, running, most), owner)| (owner, share, running, most));
        let places = forecast(NOW, &nodes, &owners(&lines.collect::<Vec<_>>()), &jobs);
        let mut seen = places.iter().map(|place| place.job).collect::<Vec<_>>();
        seen.sort_unstable();
        seen.dedup();
        prop_assert_eq!(seen.len(), places.len(), "each has one place");
        for (n, later) in places.iter().enumerate() {
            for earlier in &places[..n] {
                let (a, b) = (&jobs[earlier.job], &jobs[later.job]);
                let alike = a.needs == b.needs && a.not_before == b.not_before && a.avoids_for == b.avoids_for;
                if let (true, Left::For(a), Left::For(b)) = (alike, &earlier.starts, &later.starts) {
                    prop_assert!(a.early <= b.early && a.likely <= b.likely && a.late <= b.late, "{:?} {:?}", a, b);
                }
            }
            if let Left::For(span) = &later.starts {
                prop_assert!(0.0 <= span.early && span.early <= span.likely && span.likely <= span.late);
            }
        }
    }
}

#[test]
fn nodes_that_nothing_fits_on_cost_nothing() {
    // A fleet of small idle nodes, a few large ones that are busy, and jobs that all need something else.
    let mut nodes: Vec<NodeNow> = (0..1600).map(|n| node(&format!("small{n}"), 4, None)).collect();
    nodes.extend((0..100).map(|n| node(&format!("large{n}"), 1000, Some((9, exactly(10.0 + f64::from(n)))))));
    let jobs: Vec<JobNow> = (0..500).map(|n| job(i64::from(n % 50), 100 + n, Some(50.0 + f64::from(n)))).collect();
    let lines = owners(&(0..50).map(|owner| (owner, NO_SHARE, 0, 9)).collect::<Vec<_>>());
    let began = std::time::Instant::now();
    let places = forecast(NOW, &nodes, &lines, &jobs);
    assert_eq!(places.len(), 500);
    assert!(places.iter().all(|place| span(place).likely >= 10.0));
    // A twentieth of that is usual, even where nothing is optimised.
    assert!(began.elapsed().as_secs() < 5, "{:?}", began.elapsed());
}
