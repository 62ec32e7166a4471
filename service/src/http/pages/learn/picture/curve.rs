//! A curve with points on it, on straight axes.

use super::{LETTER, step};
use crate::picture::svg::{Anchor, Svg};
use crate::picture::{Shape, text};

const LEFT: f64 = 54.0;
const RIGHT: f64 = 14.0;
const TOP: f64 = 26.0;
const BELOW: f64 = 38.0;
const HEIGHT: f64 = 250.0;
/// Points of the curve.
const POINTS: u32 = 80;

/// An axis from 0 on.
pub struct Axis<'a> {
    /// What is on it, with its unit.
    pub title: &'a str,
    /// Where it ends.
    pub most: f64,
    /// A value at a tick.
    pub words: &'a dyn Fn(f64) -> String,
}

/// A point of the curve that is named.
pub struct Point {
    pub x: f64,
    pub words: String,
}

/// A height that is named.
pub struct Level {
    pub y: f64,
    pub words: String,
}

/// What is drawn.
pub struct Curve<'a> {
    pub title: &'a str,
    pub about: &'a str,
    pub x: Axis<'a>,
    pub y: Axis<'a>,
    pub points: &'a [Point],
    pub levels: &'a [Level],
}

/// The curve of `value`.
pub fn picture(curve: &Curve<'_>, value: impl Fn(f64) -> f64) -> String {
    let width = Shape::Tall.width();
    let (right, bottom) = (width - RIGHT, HEIGHT - BELOW);
    let along = |x: f64| LEFT + (x / curve.x.most).clamp(0.0, 1.0) * (right - LEFT);
    let up = |y: f64| bottom - (y / curve.y.most).clamp(0.0, 1.0) * (bottom - TOP);
    let mut svg = Svg::new(width, HEIGHT, "tall curve-picture", curve.title, curve.about);
    svg.text("quiet", 2.0, 13.0, Anchor::Start, curve.y.title);
    svg.text("quiet", right, HEIGHT - 4.0, Anchor::End, curve.x.title);
    for tick in ticks(curve.y.most, 4.0) {
        svg.line("ruling", (LEFT, up(tick)), (right, up(tick)));
        svg.text("quiet", LEFT - 6.0, up(tick) + 4.5, Anchor::End, &(curve.y.words)(tick));
    }
    let widest = text::width(&(curve.x.words)(curve.x.most.floor()), LETTER) + LETTER;
    for tick in ticks(curve.x.most, ((right - LEFT) / widest).clamp(1.0, 4.0)) {
        let (x, words) = (along(tick), (curve.x.words)(tick));
        svg.line("axis", (x, bottom), (x, bottom + 4.0));
        let beyond = x + text::width(&words, LETTER) / 2.0 > width;
        let (x, anchor) = if beyond { (width, Anchor::End) } else { (x, Anchor::Middle) };
        svg.text("quiet", x, bottom + 18.0, anchor, &words);
    }
    svg.line("axis", (LEFT, bottom), (right, bottom));
    for level in curve.levels.iter().filter(|level| level.y <= curve.y.most && up(level.y) + LETTER < bottom) {
        svg.line("reference", (LEFT, up(level.y)), (right, up(level.y)));
        svg.text("quiet", LEFT + 4.0, up(level.y) - 5.0, Anchor::Start, &level.words);
    }
    let at = |i: u32| curve.x.most * f64::from(i) / f64::from(POINTS);
    // What leaves the picture at the top is not drawn along its edge.
    let inside = (0..=POINTS).map(at).filter(|x| value(*x) <= curve.y.most);
    let line: Vec<(f64, f64)> = inside.map(|x| (along(x), up(value(x)))).collect();
    svg.polyline("work-curve", &line);
    for point in curve.points {
        let (x, y) = (along(point.x), up(value(point.x)));
        svg.line("reference", (x, bottom), (x, y));
        svg.circle("here", x, y, 6.0);
        let wide = text::width(&point.words, LETTER);
        let (x, anchor) = if x - 10.0 - wide > LEFT { (x - 10.0, Anchor::End) } else { (x + 10.0, Anchor::Start) };
        svg.text("strong", x, (y - 8.0).max(TOP - 2.0), anchor, &point.words);
    }
    svg.finish()
}

fn ticks(most: f64, about: f64) -> impl Iterator<Item = f64> {
    let step = step(most, about);
    (0..20).map(move |i| f64::from(i) * step).take_while(move |tick| *tick <= most * 1.0001)
}
