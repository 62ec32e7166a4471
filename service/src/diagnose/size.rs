//! Rules about the parameters: N, NB and the grid, beside what was run on this node before.

use hpl_spec::advice::{block_size, squarest_grid};

use super::known::{Known, Shape, query};
use super::{Draft, Past, Seen, advice, fact, rounded};
use hpl_spec::api::insight::NextTry;

/// Runs whose N differs by less than this part are alike.
const ALIKE: f64 = 0.1;
/// The part of the memory that a matrix should take.
const FILL: f64 = 0.8;
/// A run that reaches this part of the peak, in per cent, is not small.
const GOOD: f64 = 80.0;
/// Messages are dear from this part of the time on, in per cent.
const DEAR: f64 = 5.0;
/// A next run that takes longer, in seconds, is offered after a shorter one.
const LONG_S: f64 = 900.0;

const NO_SHAPE: &str = "N, NB, P and Q are not known";
const NO_HISTORY: &str = "there is no other run on this node that could be compared";

pub(super) fn grid(known: &Known<'_>, limit: f64) -> Seen {
    let Some(shape) = known.shape else { return Seen::Unknown(NO_SHAPE) };
    let Shape { p, q, .. } = shape;
    let (best_p, best_q) = squarest_grid(usize::try_from(shape.ranks()).unwrap_or(1));
    let flatness = (q as f64 / p as f64) / (best_q as f64 / best_p as f64);
    let steps = ["pivot exchange", "row swap", "panel broadcast"].map(|step| known.share(step));
    let messages: Option<f64> = steps.into_iter().sum();
    let flat = flatness >= limit && messages.is_some_and(|share| share >= DEAR);
    if p <= q && !flat {
        return Seen::Clear(format!("{p} × {q}"));
    }
    let mut facts = vec![fact("P", p as f64, ""), fact("Q", q as f64, "")];
    facts.extend(
        messages.map(|share| fact("agreeing on pivots, swapping rows, waiting for panels", share, "% of the time")),
    );
    let headline = if p > q {
        format!("The grid {p} × {q} has more rows than columns.")
    } else {
        format!("The grid {p} × {q} is flatter than it need be.")
    };
    let text = format!("A grid of {best_p} × {best_q}");
    Draft {
        headline,
        facts,
        why: "Pivots are sought down the columns of the grid, once for every column of the matrix: few rows make that short.",
        next: vec![known.try_with(text, &[("p", best_p.into()), ("q", best_q.into())])],
        ..Draft::default()
    }
    .fired()
}

pub(super) fn problem_small(known: &Known<'_>, limit: f64) -> Seen {
    let (Some(shape), Some(memory)) = (known.shape, known.memory()) else {
        return Seen::Unknown("N or the node's memory is not known");
    };
    let percent = known.case.percent;
    let share = 100.0 * shape.bytes() / memory;
    if share >= limit || percent.is_some_and(|percent| percent >= GOOD) {
        return Seen::Clear(format!("the matrix takes {} % of the memory", rounded(share)));
    }
    let most = shape.whole_blocks((FILL * memory / 8.0).sqrt());
    if most <= shape.n {
        return Seen::Clear(format!("N={} is as large as whole blocks allow", shape.n));
    }
    // Everything but the products grows with N², the products with N³: the part of the rest falls as N grows.
    let rest = ["panel", "pivot exchange", "row swap", "panel broadcast", "solve", "imbalance", "idle"];
    let rest: Option<f64> = rest.into_iter().map(|step| known.share(step)).sum();
    let mut facts = vec![
        fact("N", shape.n as f64, ""),
        fact("the matrix", share, "% of the memory"),
        fact("N that fills 80 % of it", most as f64, ""),
    ];
    facts.extend(rest.map(|rest| fact("all but the products", rest, "% of the time")));
    Draft {
        cost: rest.map(|rest| rest.max(0.0) * (1.0 - shape.n as f64 / most as f64)),
        headline: format!("The problem is small: the matrix takes {} % of the node's memory.", rounded(share)),
        facts,
        why: "The products grow with N³ and all else with N²: a larger matrix spends a larger part of its time at full speed.",
        next: larger(known, shape, most),
        ..Draft::default()
    }
    .fired()
}

/// The matrix that fills the memory, and twice N before it where that would take long.
fn larger(known: &Known<'_>, shape: Shape, most: u64) -> Vec<NextTry> {
    let seconds = |n: u64| known.seconds().map(|s| s * (n as f64 / shape.n as f64).powi(3));
    let offer = |n: u64| {
        let time = seconds(n).map_or(String::new(), |s| format!(", at most {}", duration(s)));
        known.try_with(format!("N={n}{time}"), &[("n", n.into())])
    };
    let double = shape.whole_blocks(2.0 * shape.n as f64);
    let first = (double < most && double > shape.n && seconds(most).is_none_or(|s| s > LONG_S)).then(|| offer(double));
    first.into_iter().chain([offer(most)]).collect()
}

/// A time for people.
fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 90.0 => format!("{} s", rounded(s)),
        s if s < 5400.0 => format!("{} min", rounded(s / 60.0)),
        s if s < 172_800.0 => format!("{} h", rounded(s / 3600.0)),
        s => format!("{} d", rounded(s / 86_400.0)),
    }
}

/// The fastest of the runs before that match.
fn best<'a>(known: &'a Known<'_>, matches: impl Fn(Shape) -> bool) -> Option<(&'a Past, Shape)> {
    let shaped = known.case.history.iter().filter_map(|past| Some((past, Shape::of(&past.parameters)?)));
    let found = shaped.filter(|(past, shape)| past.score.is_finite() && past.score > 0.0 && matches(*shape));
    found.max_by(|a, b| a.0.score.total_cmp(&b.0.score))
}

/// By how many per cent the score of another run is above ours.
fn ahead(known: &Known<'_>, past: &Past) -> f64 {
    100.0 * (past.score / known.case.score - 1.0)
}

/// The part of the time, in per cent, that the faster rate would have saved.
fn saved(known: &Known<'_>, past: &Past) -> f64 {
    100.0 * (1.0 - known.case.score / past.score)
}

fn scores(known: &Known<'_>, past: &Past) -> Vec<hpl_spec::api::insight::Fact> {
    vec![fact("this run", known.case.score, known.case.unit), fact("the faster one", past.score, known.case.unit)]
}

pub(super) fn nb_not_best(known: &Known<'_>, limit: f64) -> Seen {
    let Some(own) = known.shape else { return Seen::Unknown(NO_SHAPE) };
    let near = |n: u64| (n as f64 / own.n as f64 - 1.0).abs() <= ALIKE;
    let Some((past, other)) = best(known, |other| other.nb != own.nb && near(other.n)) else {
        return Seen::Unknown(NO_HISTORY);
    };
    let ahead = ahead(known, past);
    if !ahead.is_finite() || ahead < limit {
        return Seen::Clear(format!("NB={} was not {} % faster", other.nb, rounded(limit)));
    }
    let mut facts = scores(known, past);
    facts.extend([fact("NB of this run", own.nb as f64, ""), fact("NB of the faster one", other.nb as f64, "")]);
    let text = format!("This run with NB={}", other.nb);
    Draft {
        cost: Some(saved(known, past)),
        headline: format!("NB={} was {} % faster on this node than NB={}.", other.nb, rounded(ahead), own.nb),
        facts,
        why: "NB sets how often the cache is used again and how long the panel takes; the best one differs between processors.",
        next: vec![
            known.try_with(text, &[("nb", other.nb.into())]),
            advice("Repeat both: one run each may be chance."),
        ],
        ..Draft::default()
    }
    .fired()
}

pub(super) fn nb_unusual(known: &Known<'_>, limit: f64) -> Seen {
    let Some(own) = known.shape else { return Seen::Unknown(NO_SHAPE) };
    let usual = block_size(usize::try_from(own.n).unwrap_or(usize::MAX)) as u64;
    let ratio = own.nb as f64 / usual as f64;
    if ratio <= limit && ratio >= 1.0 / limit {
        return Seen::Clear(format!("NB={}, usual for N={} is {usual}", own.nb, own.n));
    }
    let word = if own.nb > usual { "wide" } else { "narrow" };
    let mut facts = vec![fact("NB", own.nb as f64, ""), fact("usual for this N", usual as f64, "")];
    facts.extend(known.share("panel").map(|share| fact("panels", share, "% of the time")));
    Draft {
        headline: format!("NB={} is {word} for N={}: {usual} is usual.", own.nb, own.n),
        facts,
        why: "Narrow blocks use the cache badly and send many messages; wide ones make long panels during which others wait.",
        next: vec![known.try_with(format!("NB={usual}"), &[("nb", usual.into())])],
        ..Draft::default()
    }
    .fired()
}

pub(super) fn slower_than_before(known: &Known<'_>, limit: f64) -> Seen {
    let Some(own) = known.shape else { return Seen::Unknown(NO_SHAPE) };
    let no_larger = |n: u64| n as f64 <= own.n as f64 * (1.0 + ALIKE);
    let Some((past, other)) = best(known, |other| other.nb == own.nb && no_larger(other.n)) else {
        return Seen::Unknown(NO_HISTORY);
    };
    let ahead = ahead(known, past);
    if !ahead.is_finite() || ahead < limit {
        return Seen::Clear(format!("the best before reached {} {}", rounded(past.score), known.case.unit));
    }
    let same = other == own;
    let Shape { n, p, q, .. } = other;
    let (headline, text) = if same {
        (format!("The same run was {} % faster before.", rounded(ahead)), "The same run again".to_owned())
    } else {
        (format!("This node was {} % faster with N={n} on {p} × {q}.", rounded(ahead)), format!("N={n} on {p} × {q}"))
    };
    let next = NextTry { text, query: Some(query(&past.parameters, &[])) };
    Draft {
        cost: Some(saved(known, past)),
        headline,
        facts: scores(known, past),
        why: "The node can do better: look what else differs, and repeat the run to see whether it was chance.",
        next: vec![next],
        ..Draft::default()
    }
    .fired()
}

pub(super) fn block_cut(known: &Known<'_>, limit: f64) -> Seen {
    let Some(own) = known.shape else { return Seen::Unknown(NO_SHAPE) };
    let rest = own.n % own.nb;
    if rest as f64 <= limit || own.n < own.nb {
        return Seen::Clear(format!("N={} is {} whole blocks", own.n, own.n / own.nb));
    }
    let blocks = own.n.div_ceil(own.nb);
    let n = own.n - rest;
    Draft {
        // A panel more than there need be, of as many.
        cost: known.share("panel").map(|share| share.max(0.0) / blocks as f64),
        headline: format!("The last block has {rest} columns instead of {}.", own.nb),
        facts: vec![fact("columns of the last block", rest as f64, ""), fact("blocks", blocks as f64, "")],
        why: "A cut block is factored, sent and waited for like a whole one; among many it hardly matters.",
        next: vec![known.try_with(format!("N={n}, in whole blocks"), &[("n", n.into())])],
        ..Draft::default()
    }
    .fired()
}

pub(super) fn setup_long(known: &Known<'_>, limit: f64) -> Seen {
    let elapsed = known.case.evidence.map(|evidence| evidence.elapsed_s).filter(|s| s.is_finite() && *s > 0.0);
    let (Some(seconds), Some(elapsed), Some(run)) = (known.seconds(), elapsed, known.run()) else {
        return Seen::Unknown("how long the program ran is not known");
    };
    let share = (100.0 * seconds / elapsed).min(100.0);
    if share >= limit {
        return Seen::Clear(format!("{} % of the program's time was the solve", rounded(share)));
    }
    let around = [("making the matrix", run.around.generate), ("checking the answer", run.around.verify)];
    let known_around = around.into_iter().filter(|(_, s)| s.is_finite() && *s > 0.0);
    let mut facts = vec![fact("the whole program", elapsed, "s"), fact("the solve", seconds, "s")];
    facts.extend(known_around.map(|(name, s)| fact(name, s, "s")));
    Draft {
        // It is no part of what is measured.
        cost: Some(0.0),
        headline: format!(
            "Only {} % of the program's time was the solve; the score counts that part alone.",
            rounded(share)
        ),
        facts,
        why: "The score does not suffer, but a longer solve is measured more exactly.",
        next: known.memory().zip(known.shape).map_or(vec![], |(memory, shape)| {
            let n = shape.whole_blocks((FILL * memory / 8.0).sqrt().min(2.0 * shape.n as f64));
            if n > shape.n {
                vec![known.try_with(format!("A larger matrix: N={n}"), &[("n", n.into())])]
            } else {
                vec![]
            }
        }),
        ..Draft::default()
    }
    .fired()
}
