//! Rules about the way from the peak down to the score: what the program says its threads did.

use hpl_spec::api::insight::NextTry;

use super::known::Known;
use super::{Draft, Seen, advice, fact, rounded};
use crate::statistics::{median, sorted};

const NO_ACCOUNT: &str = "the program's report has no account of its time";
/// Blocks are made narrower down to this.
const NARROW: u64 = 32;
/// From this block on the products are as fast as they get.
const WIDE: u64 = 128;

/// What a step of the way says where it is dear.
struct Step {
    /// Its name in the report.
    name: &'static str,
    headline: &'static str,
    why: &'static str,
    next: fn(&Known<'_>) -> Vec<NextTry>,
}

/// A step as the picture of the way calls it.
fn title(step: &str) -> &str {
    match step {
        "kernel shortfall" => "products below the peak",
        "panel" => "factoring panels",
        "pivot exchange" => "agreeing on pivots",
        "row swap" => "swapping rows",
        "panel broadcast" => "waiting for panels",
        "imbalance" => "waiting for the slowest",
        "idle" => "otherwise idle",
        other => other,
    }
}

/// Fires if a step took `limit` per cent of the time.
fn step(known: &Known<'_>, limit: f64, step: &Step) -> Seen {
    let (Some(share), Some(seconds)) = (known.share(step.name), known.seconds()) else {
        return Seen::Unknown(NO_ACCOUNT);
    };
    if share < limit {
        return Seen::Clear(format!("{} % of the time", rounded(share)));
    }
    Draft {
        cost: Some(share),
        headline: step.headline.replace("{}", &rounded(share)),
        facts: vec![fact(title(step.name), share, "% of the time"), fact("in seconds", share / 100.0 * seconds, "s")],
        why: step.why,
        next: (step.next)(known),
        ..Draft::default()
    }
    .fired()
}

/// Look-ahead, where there is none.
fn look_ahead(known: &Known<'_>) -> Option<NextTry> {
    let off = known.depth() == Some(0);
    off.then(|| known.try_with("Look-ahead: DEPTH=1", &[("depth", 1.into())]))
}

/// A narrower block, if there is one.
fn narrower(known: &Known<'_>) -> Option<NextTry> {
    let nb = known.shape?.nb / 2 / 8 * 8;
    (nb >= NARROW).then(|| known.try_with(format!("A narrower block: NB={nb}"), &[("nb", nb.into())]))
}

/// A larger matrix that still fits, if there is one.
fn larger(known: &Known<'_>) -> Option<NextTry> {
    let shape = known.shape?;
    let most = (0.8 * known.memory()? / 8.0).sqrt();
    let n = shape.whole_blocks(most.min(1.5 * shape.n as f64));
    (n > shape.n).then(|| known.try_with(format!("A larger matrix: N={n}"), &[("n", n.into())]))
}

/// Fewer rows of the grid, if it has more than one.
fn flatter(known: &Known<'_>) -> Option<NextTry> {
    let shape = known.shape.filter(|shape| shape.p > 1)?;
    let p = (1..shape.p).rev().find(|p| shape.ranks().is_multiple_of(*p))?;
    let q = shape.ranks() / p;
    Some(known.try_with(format!("Fewer rows in the grid: {p} × {q}"), &[("p", p.into()), ("q", q.into())]))
}

pub(super) fn kernel_untuned(known: &Known<'_>, _: f64) -> Seen {
    let Some(kernel) = known.kernel() else { return Seen::Unknown(NO_ACCOUNT) };
    let name: String = kernel.chars().take(32).collect();
    if !kernel.starts_with("faer") {
        return Seen::Clear(format!("kernel {name}"));
    }
    let tuned = known.case.node.map(|node| node.kernels.iter().filter(|k| !k.starts_with("faer")).count());
    let facts = match (
        known.share("kernel shortfall").filter(|_| known.measured_peak().is_some()),
        tuned,
        known.case.percent,
    ) {
        (Some(share), _, _) => vec![fact("products below the peak", share, "% of the time")],
        (None, _, Some(percent)) => vec![fact("score", percent, "% of the peak")],
        (None, tuned, None) => vec![fact("tuned kernels for this processor", tuned.unwrap_or(0) as f64, "")],
    };
    Draft {
        headline: "The program has no kernel of its own for this processor.".into(),
        facts,
        why: "The products are most of the work, and a general kernel does not know this processor's registers and caches.",
        next: vec![advice("Compare with a node whose processor has AVX2 or AVX-512.")],
        ..Draft::default()
    }
    .fired()
}

pub(super) fn kernel_short(known: &Known<'_>, limit: f64) -> Seen {
    if known.run().is_some_and(|run| run.account.is_some()) && known.measured_peak().is_none() {
        return Seen::Unknown("the program did not measure the peak");
    }
    let about = Step {
        name: "kernel shortfall",
        headline: "Matrix products below the peak took {} % of the time.",
        why: "Nearly all operations are in these products; what they lose, the score loses.",
        next: |known| {
            let narrow = known.shape.filter(|shape| shape.nb < WIDE && shape.n >= 20 * WIDE);
            let wider = narrow.map(|_| known.try_with(format!("A wider block: NB={WIDE}"), &[("nb", WIDE.into())]));
            let slow = advice(
                "Look whether the clock was lower than when the peak was measured, or other programs used the memory.",
            );
            wider.into_iter().chain([slow]).collect()
        },
    };
    step(known, limit, &about)
}

pub(super) fn panel_dear(known: &Known<'_>, limit: f64) -> Seen {
    let about = Step {
        name: "panel",
        headline: "Factoring the panels took {} % of the time.",
        why: "A panel is N rows high and NB columns wide: too narrow for full speed, and the rest waits for it.",
        next: |known| [look_ahead(known), narrower(known), larger(known)].into_iter().flatten().collect(),
    };
    step(known, limit, &about)
}

pub(super) fn pivot_dear(known: &Known<'_>, limit: f64) -> Seen {
    let about = Step {
        name: "pivot exchange",
        headline: "Agreeing on pivots took {} % of the time.",
        why: "Every column of the matrix is one conversation between all ranks of a column of the grid.",
        next: |known| [flatter(known), larger(known)].into_iter().flatten().collect(),
    };
    step(known, limit, &about)
}

pub(super) fn broadcast_waited(known: &Known<'_>, limit: f64) -> Seen {
    let about = Step {
        name: "panel broadcast",
        headline: "Ranks waited {} % of the time for panels.",
        why: "Whoever has not got the panel cannot update; look-ahead sends it while there is other work.",
        next: |known| {
            let long = known.word("bcast").is_some_and(|word| word != "long_m");
            let other =
                long.then(|| known.try_with("Another broadcast: long, modified", &[("bcast", "long_m".into())]));
            [look_ahead(known), narrower(known), other].into_iter().flatten().collect()
        },
    };
    step(known, limit, &about)
}

pub(super) fn swap_dear(known: &Known<'_>, limit: f64) -> Seen {
    let about = Step {
        name: "row swap",
        headline: "Swapping rows took {} % of the time.",
        why: "Each panel moves its pivot rows through all columns: work for the memory, none for the multipliers.",
        next: |known| {
            let roll = known.word("swap").is_some_and(|word| word != "spread_roll");
            let other =
                roll.then(|| known.try_with("Another way of swapping: spread-roll", &[("swap", "spread_roll".into())]));
            [other, flatter(known), larger(known)].into_iter().flatten().collect()
        },
    };
    step(known, limit, &about)
}

pub(super) fn threads_waited(known: &Known<'_>, limit: f64) -> Seen {
    let about = Step {
        name: "imbalance",
        headline: "Threads waited for each other {} % of the time.",
        why: "All threads of a rank meet at every column of a panel, and all ranks at the end.",
        next: |known| [narrower(known), larger(known)].into_iter().flatten().collect(),
    };
    step(known, limit, &about)
}

pub(super) fn idle(known: &Known<'_>, limit: f64) -> Seen {
    let about = Step {
        name: "idle",
        headline: "Threads had nothing to do for {} % of the time.",
        why: "While the last panels are factored there is not enough left to update for all.",
        next: |known| [look_ahead(known), narrower(known), larger(known)].into_iter().flatten().collect(),
    };
    step(known, limit, &about)
}

/// The rank that rests least has most to do, or does it most slowly: the others wait for it.
pub(super) fn rank_late(known: &Known<'_>, limit: f64) -> Seen {
    let Some(run) = known.run() else { return Seen::Unknown(NO_ACCOUNT) };
    let rest = |threads: &Vec<f64>| {
        let sum: f64 = threads.iter().sum();
        Some(100.0 * sum / threads.len() as f64).filter(|share| (0.0..=100.0).contains(share))
    };
    let rests: Option<Vec<f64>> = run.idle.iter().map(rest).collect();
    let Some(rests) = rests.filter(|rests| rests.len() > 1) else {
        return Seen::Unknown("there is one rank, or how long each rested is not known");
    };
    let (late, least) = rests.iter().copied().enumerate().min_by(|a, b| a.1.total_cmp(&b.1)).unwrap_or((0, 0.0));
    let middle = median(&sorted(&rests)).unwrap_or(least);
    if middle - least < limit {
        return Seen::Clear(format!(
            "the busiest rank rested {} %, the middle one {} %",
            rounded(least),
            rounded(middle)
        ));
    }
    let mut facts = vec![
        fact("the late rank rested", least, "% of the time"),
        fact("the middle rank rested", middle, "% of the time"),
        fact("the late rank is number", late as f64, ""),
    ];
    let mean = rests.iter().sum::<f64>() / rests.len() as f64;
    let mut next =
        vec![advice("Look whether another program ran on the core of that rank, or the core is a slower one.")];
    if let Some(shape) = known.shape {
        facts.push(fact("by the deal of blocks it has more than the mean", shape.uneven(), "%"));
        if shape.uneven() >= (middle - least) / 2.0 {
            next = narrower(known).into_iter().chain(larger(known)).collect();
        }
    }
    Draft {
        cost: Some(mean - least),
        headline: format!(
            "Rank {late} was late: the others rested {} % of the time, it {} %.",
            rounded(middle),
            rounded(least)
        ),
        facts,
        why: "All ranks wait for the last one after every panel.",
        next,
        ..Draft::default()
    }
    .fired()
}
