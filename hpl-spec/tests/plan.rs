//! The planner: what it plans fits, and more of anything never gives less.

use hpl_spec::plan::{Bound, PlanError, RunPlan, Site, Wish, plan};
use hpl_spec::rates::{Rates, Solve};
use proptest::prelude::*;

const SITE: Site = Site { ranks: 1, threads: 2, cores: 2, memory: Some(24_000_000_000), nb: None, p: None };
const WISH: Wish = Wish { n: None, memory_fraction: 0.8, minutes: None };

/// A machine of about `gflops`.
fn rates(gflops: f64) -> Rates {
    let solve = |n: usize, nb| Solve { n, nb, seconds: (n as f64).powi(3) / 1.5e9 / gflops + 1e-9 * (n * n) as f64 };
    let solves = [(700, 32), (1000, 64), (2000, 64), (2800, 128), (5600, 128), (5000, 256), (8000, 256)];
    Rates { product: 1.05 * gflops, solves: solves.map(|(n, nb)| solve(n, nb)).into() }
}

fn planned(site: Site, wish: Wish) -> RunPlan {
    plan(&site, &wish, &rates(200.0)).unwrap()
}

#[test]
fn memory_is_filled_with_whole_blocks() {
    let plan = planned(SITE, WISH);
    // 8 N² are 18.7 GB, the workspace 0.2, the program 0.1, and 0.8 times 24 GB are 19.2; a block more is too much.
    assert_eq!((plan.params.n, plan.params.nb, plan.bound), (48_384, 256, Bound::Memory));
    assert!(plan.bytes <= 19_200_000_000, "{plan:?}");
    assert_eq!(plan.gflops, plan.params.gflops(plan.seconds));
    assert!((190.0..200.0).contains(&plan.gflops), "{plan:?}");
    assert!(plan.why.n.contains("80 % of the 24.0 GB"), "{:?}", plan.why);
    let half = planned(SITE, Wish { memory_fraction: 0.4, ..WISH });
    assert!(half.bytes <= 9_600_000_000 && half.params.n > 34_000, "{half:?}");
}

#[test]
fn minutes_bound_the_solve() {
    let plan = planned(SITE, Wish { minutes: Some(1.0), ..WISH });
    assert_eq!(plan.bound, Bound::Time);
    assert!((55.0..=60.0).contains(&plan.seconds), "{plan:?}");
    assert!(plan.why.n.contains("within 1 min"), "{:?}", plan.why);
    // More time than memory.
    assert_eq!(planned(SITE, Wish { minutes: Some(1e9), ..WISH }), planned(SITE, WISH));
}

#[test]
fn ranks_share_evenly_where_that_costs_little() {
    let on = |ranks| planned(Site { ranks, threads: 1, cores: ranks, memory: Some(100_000_000_000), ..SITE }, WISH);
    let six = on(6).params;
    assert_eq!((six.p, six.q, six.n % (six.nb * 6)), (2, 3, 0));
    assert!(on(6).why.n.contains("evenly"), "{:?}", on(6).why);
    // 56 ranks as 7 x 8: a step of 56 blocks would cost a tenth of N.
    let many = on(56).params;
    assert_eq!((many.p, many.q, many.n % many.nb), (7, 8, 0));
    assert_ne!(many.n % (many.nb * 56), 0);
}

#[test]
fn a_named_grid_is_taken() {
    let site = Site { ranks: 6, threads: 1, cores: 6, p: Some(6), ..SITE };
    assert_eq!((site.grid(), Site { p: None, ..site }.grid()), ((6, 1), (2, 3)));
    let plan = planned(site, WISH);
    assert_eq!((plan.params.p, plan.params.q, plan.why.grid.as_str()), (6, 1, "as asked for"));
}

#[test]
fn a_named_n_is_taken_as_it_is() {
    let plan = planned(SITE, Wish { n: Some(7001), ..WISH });
    assert_eq!((plan.params.n, plan.params.nb, plan.bound), (7001, 256, Bound::Named));
    // All that is available may be taken for it.
    assert_eq!(planned(SITE, Wish { n: Some(54_000), ..WISH }).params.n, 54_000);
    let told = plan_error(SITE, Wish { n: Some(60_000), ..WISH });
    let PlanError::DoesNotFit { n: 60_000, largest, .. } = told else { panic!("{told:?}") };
    assert_eq!(planned(SITE, Wish { n: Some(largest), ..WISH }).params.n, largest);
    assert!(matches!(plan_error(SITE, Wish { n: Some(1 << 31), ..WISH }), PlanError::Illegal(_)));
}

fn plan_error(site: Site, wish: Wish) -> PlanError {
    plan(&site, &wish, &rates(200.0)).unwrap_err()
}

#[test]
fn what_cannot_be_says_what_to_do() {
    let poor = plan_error(Site { memory: Some(110_000_000), ..SITE }, WISH).to_string();
    assert!(poor.contains("0.09 GB") && poor.contains("fewer ranks"), "{poor}");
    let short = plan_error(SITE, Wish { minutes: Some(1e-12), ..WISH }).to_string();
    assert!(short.contains("more --minutes"), "{short}");
    let blind = Site { memory: None, ..SITE };
    assert!(plan_error(blind, WISH).to_string().contains("not known"));
    assert_eq!(planned(blind, Wish { minutes: Some(1.0), ..WISH }).bound, Bound::Time);
    assert_eq!(planned(blind, Wish { n: Some(500_000), ..WISH }).params.n, 500_000);
}

fn site() -> impl Strategy<Value = Site> {
    let memory = 130_000_000_u64..200_000_000_000;
    let nb = prop_oneof![Just(None), (32usize..400).prop_map(Some)];
    (1usize..70, 1usize..9, memory, nb).prop_map(|(ranks, threads, memory, nb)| Site {
        ranks,
        threads,
        cores: ranks * threads,
        memory: Some(memory),
        nb,
        p: None,
    })
}

fn wish() -> impl Strategy<Value = Wish> {
    let minutes = prop_oneof![Just(None), (1e-3..1e3).prop_map(Some)];
    (0.2..=1.0, minutes).prop_map(|(memory_fraction, minutes)| Wish { n: None, memory_fraction, minutes })
}

proptest! {
    #[test]
    fn a_plan_fits(site in site(), wish in wish(), gflops in 1.0..1e5) {
        let memory = site.memory.unwrap() as f64 * wish.memory_fraction;
        match plan(&site, &wish, &rates(gflops)) {
            Ok(plan) => {
                prop_assert!(plan.params.check().is_ok() && plan.params.processes() == site.ranks);
                prop_assert!(plan.params.bytes_per_rank() as f64 <= memory);
                prop_assert!(plan.bytes as f64 <= memory * site.ranks as f64 + 1.0);
                prop_assert!(plan.params.n >= plan.params.nb && plan.params.n % plan.params.nb == 0);
                prop_assert!(wish.minutes.is_none_or(|minutes| plan.seconds <= 60.0 * minutes), "{plan:?}");
            }
            Err(why) => prop_assert!(matches!(why, PlanError::NoRoom { .. }) && memory < 1.01e8, "{why}"),
        }
    }

    #[test]
    fn more_memory_and_more_time_never_give_less(site in site(), wish in wish(), more in 1.0..2.0) {
        let n = |site: Site, wish: Wish| plan(&site, &wish, &rates(300.0)).map_or(0, |plan| plan.params.n);
        let before = n(site, wish);
        let memory = site.memory.map(|memory| (memory as f64 * more) as u64);
        let roomy = n(Site { memory, ..site }, wish);
        prop_assert!(roomy >= before, "{roomy} with more memory, {before} before");
        let minutes = wish.minutes.map(|minutes| minutes * more);
        let long = n(site, Wish { minutes, ..wish });
        prop_assert!(long >= before, "{long} in more time, {before} before");
    }
}
