//! Every run of each group as a dot, on one axis.

use hpl_spec::api::insight::{Comparison, RunGroup};

use super::number;
use crate::picture::axis::{Axis, Scale};
use crate::picture::svg::{Anchor, Svg};
use crate::picture::{LETTER, Shape, responsive, text};

/// The height of a group, and where in it the words and the dots stand.
const LANE: f64 = 58.0;
const WORDS: f64 = 16.0;
const MIDDLE: f64 = 38.0;
const RADIUS: f64 = 4.5;
/// Dots that would lie on each other are moved up and down by this much.
const APART: f64 = 6.5;
/// From this ratio of the fastest to the slowest on, scores stand by powers of ten.
const FAR: f64 = 20.0;

/// The picture; nothing where no group has a run.
pub(super) fn draw(found: &Comparison) -> String {
    if found.groups.iter().all(|group| group.runs.is_empty()) {
        return String::new();
    }
    responsive(|shape| picture(found, shape))
}

/// Where some scores are many times others, the small ones would all lie on each other.
fn spread(scores: impl Iterator<Item = f64> + Clone) -> Scale {
    let (least, most) = (scores.clone().fold(f64::INFINITY, f64::min), scores.fold(0.0, f64::max));
    if least > 0.0 && most / least > FAR { Scale::Log } else { Scale::Linear }
}

fn picture(found: &Comparison, shape: Shape) -> String {
    let width = shape.width();
    let scores = found.groups.iter().flat_map(|group| group.runs.iter().map(|run| run.score));
    let axis = Axis::new(spread(scores.clone()), scores, if shape == Shape::Tall { 3 } else { 6 });
    let (left, right) = (8.0, width - 8.0);
    let bottom = found.groups.len() as f64 * LANE + 8.0;
    let class = format!("{} dots", shape.class());
    let title = format!("Every run in {}", found.unit);
    let mut svg = Svg::new(width, bottom + 46.0, &class, &title, &description(found));
    let at = |value: f64| axis.place(value).map(|share| left + share * (right - left));
    let mut free = f64::NEG_INFINITY;
    for (value, label) in axis.ticks() {
        let Some(x) = at(*value) else { continue };
        svg.line("ruling", (x, 0.0), (x, bottom));
        let half = text::width(label, LETTER) / 2.0;
        let middle = x.min(width - half).max(half);
        if middle - half >= free {
            svg.text("quiet", middle, bottom + 17.0, Anchor::Middle, label);
            free = middle + half + 6.0;
        }
    }
    svg.line("axis", (left, bottom), (right, bottom));
    svg.text("quiet", width, bottom + 38.0, Anchor::End, &found.unit);
    for (i, group) in found.groups.iter().enumerate() {
        lane(&mut svg, i, group, (left, right), &at);
    }
    svg.finish()
}

/// A group: its name above, its dots, its median and where the median of all such runs lies.
fn lane(svg: &mut Svg, i: usize, group: &RunGroup, (left, right): (f64, f64), at: &impl Fn(f64) -> Option<f64>) {
    let top = i as f64 * LANE;
    let y = top + MIDDLE;
    svg.line("lane", (left, y), (right, y));
    let name = format!("{}: {}", number(i), group.label);
    let name = text::fitting(&name, LETTER, right - left);
    // On a ground of its own, so that no ruling crosses the letters.
    svg.rect("ground", left - 2.0, top + WORDS - LETTER, text::width(&name, LETTER) + 4.0, LETTER + 4.0);
    svg.text("", left, top + WORDS, Anchor::Start, &name);
    if let Some((low, high)) = group.scores.interval.and_then(|it| at(it.low).zip(at(it.high))) {
        // An interval of no width is still one.
        svg.rect("between", low - 1.0, y - 18.0, high - low + 2.0, 36.0);
    }
    let mut scores: Vec<f64> = group.runs.iter().map(|run| run.score).collect();
    scores.sort_by(f64::total_cmp);
    // Where the last dot of each row ends: a dot takes the first row that is free, the one in the middle first.
    let mut ends = [f64::NEG_INFINITY; 5];
    let order = [0.0, -1.0, 1.0, -2.0, 2.0];
    // Where all rows are full, dots lie on each other; of those at one place, one is enough.
    let mut full = f64::NEG_INFINITY;
    for x in scores.into_iter().filter_map(at) {
        let free = ends.iter().position(|end| x - end >= 2.0 * RADIUS);
        if free.is_none() && x - full < 1.0 {
            continue;
        }
        let row = free.unwrap_or(0);
        if free.is_none() {
            full = x;
        }
        ends[row] = x;
        svg.circle("dot", x, y + order[row] * APART, RADIUS);
    }
    if let Some(x) = at(group.scores.median) {
        svg.line("middle", (x, y - 19.0), (x, y + 19.0));
    }
}

/// The picture in words.
fn description(found: &Comparison) -> String {
    let group = |(i, group): (usize, &RunGroup)| {
        let runs = super::words::count(group.n, "run", "runs");
        let scores = &group.scores;
        let span = match group.n {
            1 => super::words::rate(scores.median),
            _ => format!(
                "from {} to {}, median {}",
                super::words::rate(scores.min),
                super::words::rate(scores.max),
                super::words::rate(scores.median)
            ),
        };
        format!("{}: {runs}, {span} {}.", number(i), found.unit)
    };
    found.groups.iter().enumerate().map(group).collect::<Vec<_>>().join(" ")
}
