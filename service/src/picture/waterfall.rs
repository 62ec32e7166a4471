//! Where the peak went: from what the threads can do at most down to the score, a step for each thing that took time.

use hpl_spec::account::Waterfall;

use crate::picture::svg::{Anchor, Svg};
use crate::picture::{LETTER, Shape, text};

/// A step of the way from the peak down to the score.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// A few words for it.
    pub name: String,
    /// A sentence for someone who sees this for the first time.
    pub sentence: String,
    /// Seconds of the mean thread.
    pub seconds: f64,
    /// The share of the run's time: 0.1 is a tenth.
    pub share_of_time: f64,
    /// Gflop/s that this step takes away, negative where it gains; `None` of the first step, which is the peak, and
    /// where no peak was measured.
    pub lost: Option<f64>,
    /// Gflop/s that are left after it; `None` where no peak was measured.
    pub left: Option<f64>,
    /// What is lost (of the first step: what there is), as a share of the peak.
    pub share_of_peak: Option<f64>,
}

/// The words for what a program counts.
const WORDS: &[(&str, &str, &str)] = &[
    (
        "at the FMA peak",
        "The peak",
        "What all threads together reach in a loop of nothing but multiply-adds, measured just before the run.",
    ),
    (
        "kernel shortfall",
        "Products below peak",
        "The big matrix products have to fetch and pack their numbers, so they run a little slower than the peak.",
    ),
    (
        "panel",
        "Factoring panels",
        "Each thin panel is factored column by column, which leaves most of the arithmetic units idle.",
    ),
    (
        "pivot exchange",
        "Agreeing on pivots",
        "For every column, the ranks that share a panel tell each other their largest element.",
    ),
    ("row swap", "Swapping rows", "The pivot rows are moved to the top, across the ranks: copying, no arithmetic."),
    ("panel broadcast", "Waiting for panels", "A rank cannot update its blocks before the factored panel has come."),
    (
        "solve",
        "Solving triangles",
        "The row block U and, at the end, the solution x come out of triangular systems, which are slower than products.",
    ),
    (
        "imbalance",
        "Waiting for the slowest",
        "Threads and ranks that are done earlier wait for those that have more to do.",
    ),
    ("idle", "Otherwise idle", "Time of the threads that nothing above explains."),
];

/// The steps of a run of those floating-point operations, in the order of the way.
#[must_use]
pub fn steps(way: &Waterfall, flops: f64) -> Vec<Step> {
    let all: f64 = way.losses.iter().map(|loss| finite(loss.seconds)).sum();
    let peak = (way.peak.is_finite() && way.peak > 0.0 && flops > 0.0).then_some(way.peak);
    let rate = |seconds: f64| if seconds > 0.0 { flops / seconds / 1e9 } else { 0.0 };
    let mut until = 0.0;
    let mut before = None;
    // Against no peak, nothing falls short: it is the products themselves that take this time.
    let products = ("kernel shortfall", "Multiplying", "The big matrix products do nearly all of the arithmetic.");
    let table = || peak.is_none().then_some(&products).into_iter().chain(WORDS);
    let mut out = Vec::with_capacity(way.losses.len());
    for loss in &way.losses {
        let seconds = finite(loss.seconds);
        until += seconds;
        let left = peak.map(|_| rate(until));
        let lost = before.zip(left).map(|(before, left): (f64, f64)| before - left);
        let words = table().find(|(what, ..)| *what == loss.what);
        out.push(Step {
            name: words.map_or_else(|| loss.what.clone(), |(_, name, _)| (*name).to_owned()),
            sentence: words.map_or_else(|| format!("Time that went into: {}.", loss.what), |w| w.2.to_owned()),
            seconds,
            share_of_time: if all > 0.0 { seconds / all } else { 0.0 },
            lost,
            left,
            share_of_peak: peak.zip(lost.or(left)).map(|(peak, part)| part / peak),
        });
        before = left;
    }
    out
}

fn finite(seconds: f64) -> f64 {
    if seconds.is_finite() { seconds } else { 0.0 }
}

/// What the picture shows, in words.
#[must_use]
pub fn description(steps: &[Step]) -> String {
    let Some(first) = steps.first() else { return "Nothing was counted.".to_owned() };
    let mut out = Vec::new();
    match (first.left, steps.last().and_then(|s| s.left)) {
        (Some(peak), Some(score)) => {
            out.push(format!("From a peak of {} Gflop/s down to {}", text::figure(peak), text::figure(score)));
            for step in &steps[1..] {
                let lost = step.lost.unwrap_or(0.0);
                let verb = if lost < 0.0 { "gives back" } else { "takes" };
                out.push(format!("{} {verb} {} Gflop/s", step.name, text::figure(lost.abs())));
            }
        }
        _ => {
            out.push("The peak was not measured, so this is the time of the mean thread".to_owned());
            out.extend(steps[1..].iter().map(|s| format!("{}: {}", s.name, text::seconds(s.seconds))));
        }
    }
    out.join(". ") + "."
}

/// A bar of the picture.
struct Bar {
    name: String,
    figures: String,
    class: &'static str,
    from: f64,
    to: f64,
}

/// The bars of the way in Gflop/s, or in seconds where no peak was measured; and the end of the scale.
fn bars(steps: &[Step]) -> (Vec<Bar>, f64) {
    let mut bars = Vec::new();
    let Some(peak) = steps.first().and_then(|s| s.left) else {
        let mut until = 0.0;
        for step in steps.iter().skip(1) {
            let (from, to) = (until, until + step.seconds);
            until = to;
            let figures = format!("{} · {}", text::seconds(step.seconds), text::percent(step.share_of_time));
            bars.push(Bar {
                name: step.name.clone(),
                figures,
                // The products are what the run is for; all else is loss.
                class: if bars.is_empty() { "bar-peak" } else { "bar-loss" },
                from: from.min(to),
                to: from.max(to),
            });
        }
        return (bars, until);
    };
    let figures = |rate: f64, share: f64, sign: &str| {
        let percent = text::percent(share);
        // Of what is next to nothing, the digits tell nothing.
        if percent.starts_with("under") {
            return percent;
        }
        format!("{sign}{} Gflop/s · {sign}{percent}", text::figure(rate))
    };
    let mut before = peak;
    let mut most = peak;
    for (i, step) in steps.iter().enumerate() {
        let left = step.left.unwrap_or(0.0);
        let share = step.share_of_peak.unwrap_or(0.0);
        most = most.max(left);
        bars.push(match step.lost.filter(|_| i > 0) {
            None => Bar {
                name: step.name.clone(),
                figures: figures(left, share, ""),
                class: "bar-peak",
                from: 0.0,
                to: left,
            },
            Some(lost) => Bar {
                name: step.name.clone(),
                figures: figures(lost.abs(), share.abs(), if lost < 0.0 { "+" } else { "−" }),
                class: if lost < 0.0 { "bar-gain" } else { "bar-loss" },
                from: before.min(left),
                to: before.max(left),
            },
        });
        before = left;
    }
    bars.push(Bar {
        name: "Your score".to_owned(),
        figures: figures(before, before / peak, ""),
        class: "bar-score",
        from: 0.0,
        to: before,
    });
    (bars, most)
}

/// The way as a picture.
#[must_use]
pub fn picture(way: &Waterfall, flops: f64, shape: Shape) -> String {
    let steps = steps(way, flops);
    let (bars, most) = bars(&steps);
    let width = shape.width();
    let rows: f64 = if shape == Shape::Tall { 46.0 } else { 30.0 };
    let height = (bars.len().max(1) as f64 * rows + 4.0).max(40.0);
    let class = format!("{} waterfall", shape.class());
    let measured = steps.first().is_some_and(|s| s.left.is_some());
    let title = if measured { "Where your peak went" } else { "Where the time went" };
    let mut svg = Svg::new(width, height, &class, title, &description(&steps));
    if bars.is_empty() {
        svg.text("quiet", 0.0, 20.0, Anchor::Start, "Nothing was counted.");
    }
    let widest = bars.iter().map(|bar| text::width(&bar.figures, LETTER)).fold(0.0, f64::max);
    let (left, right) = if shape == Shape::Tall { (0.0, width) } else { (204.0, width - (widest + 12.0).min(300.0)) };
    let place = |value: f64| left + (right - left) * if most > 0.0 { (value / most).clamp(0.0, 1.0) } else { 0.0 };
    for (i, bar) in bars.iter().enumerate() {
        let top = i as f64 * rows + 2.0;
        let (x, end) = (place(bar.from), place(bar.to));
        // What is there is seen, were it as thin as a hair.
        let wide = if bar.to > bar.from { (end - x).max(1.5) } else { 0.0 };
        svg.group(&format!("step step-{i}"));
        let (foot, bar_top) = if shape == Shape::Tall { (top + 13.0, top + 19.0) } else { (top + 18.0, top + 4.0) };
        let figures = text::width(&bar.figures, LETTER);
        let room = if shape == Shape::Tall { width - figures - 8.0 } else { left - 8.0 };
        svg.rect("bar-track", left, bar_top, right - left, 18.0);
        svg.rect(bar.class, x.min(right - wide), bar_top, wide, 18.0);
        svg.text("", 0.0, foot, Anchor::Start, &text::fitting(&bar.name, LETTER, room));
        svg.text("quiet figures", width, foot, Anchor::End, &bar.figures);
        svg.end();
    }
    svg.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::tests::check;
    use hpl_spec::account::{Loss, Spent};
    use hpl_spec::params::RunParams;

    fn way(peak: f64) -> (Waterfall, f64) {
        let params = RunParams::new(20_000, 256, 2, 2);
        let spent =
            Spent { multiply: 90.0, panel: 6.0, exchanging: 1.0, swap: 4.0, bcast: 2.0, solve: 3.0, imbalance: 5.0 };
        (Waterfall::new(&params, 30.0, peak, 4, &spent), params.flops())
    }

    #[test]
    fn the_steps_add_up_from_the_peak_to_the_score() {
        let (way, flops) = way(280.0);
        let steps = steps(&way, flops);
        assert_eq!(steps.len(), way.losses.len());
        assert!((steps[0].left.unwrap() - 280.0).abs() < 1e-6);
        let lost: f64 = steps.iter().filter_map(|s| s.lost).sum();
        let score = flops / 30.0 / 1e9;
        assert!((280.0 - lost - score).abs() < 1e-6);
        assert!((steps.last().unwrap().left.unwrap() - score).abs() < 1e-6);
        let shares: f64 = steps.iter().map(|s| s.share_of_time).sum();
        assert!((shares - 1.0).abs() < 1e-9);
        // Each thing that hpl-spec counts has words of its own.
        assert!(steps.iter().all(|s| !s.sentence.starts_with("Time that went into")));
    }

    #[test]
    fn both_shapes_say_peak_and_score() {
        let (way, flops) = way(280.0);
        for shape in [Shape::Tall, Shape::Wide] {
            let picture = picture(&way, flops, shape);
            check(&picture);
            assert!(picture.contains("280 Gflop/s") && picture.contains("Your score"), "{picture}");
        }
    }

    #[test]
    fn figures_stand_beside_the_bars() {
        let (mut way, flops) = way(280.0);
        way.losses.iter_mut().filter(|loss| loss.what == "solve").for_each(|loss| loss.seconds = 1e-7);
        let (tiny, _) = bars(&steps(&way, flops));
        assert!(
            tiny.iter().any(|bar| bar.figures == "under 0.1 %") && tiny.iter().all(|bar| !bar.figures.contains("e-"))
        );
        // However long they are, the widest of them ends where the picture does and begins after the bars.
        for scale in [1.0, 1e4] {
            let scaled = Waterfall { peak: way.peak * scale, ..way.clone() };
            let steps = steps(&scaled, flops * scale);
            let (bars, _) = bars(&steps);
            let picture = picture(&scaled, flops * scale, Shape::Wide);
            let track = picture.split("bar-track").nth(1).unwrap();
            let number = |name: &str| -> f64 {
                track.split(&format!(" {name}=\"")).nth(1).unwrap().split('"').next().unwrap().parse().unwrap()
            };
            let end = number("x") + number("width");
            for bar in &bars {
                let begins = Shape::Wide.width() - text::width(&bar.figures, LETTER);
                assert!(begins >= end + 8.0, "{} begins at {begins}, the bars end at {end}", bar.figures);
            }
        }
    }

    #[test]
    fn without_a_peak_it_shows_time() {
        let (way, flops) = way(0.0);
        let all = steps(&way, flops);
        assert!(all.iter().all(|s| s.left.is_none() && s.lost.is_none() && s.share_of_peak.is_none()));
        let picture = picture(&way, flops, Shape::Tall);
        check(&picture);
        assert!(picture.contains("not measured") && !picture.contains("Gflop/s"), "{picture}");
    }

    #[test]
    fn strange_numbers_are_drawn() {
        for peak in [0.0, -1.0, 1e-12, 1e15, f64::NAN, f64::INFINITY] {
            for seconds in [0.0, -5.0, 1e-12, 1e12, f64::NAN, f64::INFINITY] {
                let losses = ["at the FMA peak", "kernel shortfall", "<b>\"new\"</b>"]
                    .map(|what| Loss { what: what.to_owned(), seconds })
                    .to_vec();
                for losses in [losses, vec![]] {
                    let way = Waterfall { peak, threads: 1, losses };
                    for shape in [Shape::Tall, Shape::Wide] {
                        check(&picture(&way, 1e12, shape));
                        check(&picture(&way, 0.0, shape));
                    }
                }
            }
        }
    }
}
