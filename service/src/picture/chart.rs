//! Charts: lines and points on two axes, with their ranges; or on categories.
//!
//! Each series has a colour, a dash and a mark of its own, so that none is known by its colour alone. Of more points
//! than a picture can show, the least and the most of each strip are kept.

use crate::picture::axis::{Axis, Scale};
use crate::picture::svg::{Anchor, Svg};
use crate::picture::{LETTER, Shape, text};

/// As many series have marks of their own.
pub const MOST_SERIES: usize = 6;
/// The most points of a series that are drawn.
pub const MOST_POINTS: usize = 400;

/// A point, with the range of its value where more than one run stands behind it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// Along the axis; on categories, the number of the category from 0.
    pub x: f64,
    /// The value.
    pub y: f64,
    /// The least and the most, where they are known.
    pub range: Option<(f64, f64)>,
}

impl Point {
    /// A point without a range.
    #[must_use]
    pub fn new(x: f64, y: f64) -> Point {
        Point { x, y, range: None }
    }
}

/// How the points of a series are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Draw {
    /// Each for itself.
    Points,
    /// A line through them.
    Line,
    /// A line, and a mark at each of them.
    Both,
    /// Level until the next one: a record that stands until it is broken.
    Stairs,
}

/// Points that belong together.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// Its name in the legend.
    pub name: String,
    /// How it is shown.
    pub draw: Draw,
    /// Its points.
    pub points: Vec<Point>,
}

/// What stands along the lower edge.
#[derive(Debug, Clone, PartialEq)]
pub enum Along {
    /// Values.
    Values(Scale),
    /// Names, evenly spread.
    Categories(Vec<String>),
}

/// A chart to be drawn.
#[derive(Debug, Clone, PartialEq)]
pub struct Chart {
    /// What it is.
    pub title: String,
    /// What it shows, in a sentence for those who cannot see it; made from the points where it is empty.
    pub description: String,
    /// The lower edge.
    pub along: Along,
    /// What stands there, with its unit.
    pub x_label: String,
    /// How values are spread upwards.
    pub upwards: Scale,
    /// What they are, with their unit.
    pub y_label: String,
    /// The series; those beyond [`MOST_SERIES`] are left out, and the picture says so.
    pub series: Vec<Series>,
    /// Levels to compare with, each with its name: the best so far, the peak.
    pub levels: Vec<(f64, String)>,
}

/// Where the plot is on the picture.
struct Plot {
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
    x: Axis,
    y: Axis,
}

impl Plot {
    fn at(&self, x: f64, y: f64) -> Option<(f64, f64)> {
        Some((self.across(x)?, self.up(y)?))
    }

    fn across(&self, x: f64) -> Option<f64> {
        self.x.place(x).map(|share| self.left + share * (self.right - self.left))
    }

    fn up(&self, y: f64) -> Option<f64> {
        self.y.place(y).map(|share| self.bottom - share * (self.bottom - self.top))
    }
}

impl Chart {
    /// The chart as a picture.
    #[must_use]
    pub fn picture(&self, shape: Shape) -> String {
        let width = shape.width();
        let shown = &self.series[..self.series.len().min(MOST_SERIES)];
        let legend = legend_rows(shown, self.series.len() - shown.len(), width);
        let plot = self.plot(shape, shown, 30.0 + legend.len() as f64 * 20.0);
        let height = plot.bottom + 48.0;
        let class = format!("{} chart", shape.class());
        let mut svg = Svg::new(width, height, &class, &self.title, &self.describe());
        svg.text("quiet", 0.0, 14.0, Anchor::Start, &text::fitting(&self.y_label, LETTER, width));
        draw_legend(&mut svg, &legend);
        self.frame(&mut svg, &plot, width, height);
        let mut drawn = false;
        for (i, series) in shown.iter().enumerate() {
            drawn |= draw_series(&mut svg, &plot, i, series);
        }
        self.name_levels(&mut svg, &plot);
        if !drawn {
            let (x, y) = (f64::midpoint(plot.left, plot.right), f64::midpoint(plot.top, plot.bottom));
            svg.text("quiet", x, y, Anchor::Middle, "No results yet");
        }
        svg.finish()
    }

    fn plot(&self, shape: Shape, shown: &[Series], top: f64) -> Plot {
        let points = || shown.iter().flat_map(|s| &s.points).filter(|p| p.x.is_finite() && p.y.is_finite());
        let ends = points().flat_map(|p| [p.y, p.range.map_or(p.y, |r| r.0), p.range.map_or(p.y, |r| r.1)]);
        let y = Axis::new(self.upwards, ends.chain(self.levels.iter().map(|l| l.0)), 5);
        let x = match &self.along {
            Along::Values(Scale::Date) => {
                Axis::new(Scale::Date, points().map(|p| p.x), if shape == Shape::Tall { 4 } else { 6 })
            }
            Along::Values(scale) => Axis::new(*scale, points().map(|p| p.x), if shape == Shape::Tall { 4 } else { 7 }),
            // Half a place of room at both ends.
            Along::Categories(names) => {
                let count = names.len().max(1) as f64;
                Axis::between(-0.5, count - 0.5)
            }
        };
        let labels = y.ticks().iter().map(|t| text::width(&t.1, LETTER)).fold(0.0, f64::max);
        let high = if shape == Shape::Tall { 220.0 } else { 280.0 };
        Plot { left: labels + 8.0, right: shape.width() - 12.0, top, bottom: top + high, x, y }
    }

    /// Rulings, what is written beside them, and the levels.
    fn frame(&self, svg: &mut Svg, plot: &Plot, width: f64, height: f64) {
        for (value, label) in plot.y.ticks() {
            if let Some(y) = plot.up(*value) {
                svg.line("ruling", (plot.left, y), (plot.right, y));
                svg.text("quiet", plot.left - 6.0, y + 4.5, Anchor::End, label);
            }
        }
        let categories: Vec<(f64, String)>;
        let ticks = match &self.along {
            Along::Values(_) => plot.x.ticks(),
            Along::Categories(names) => {
                categories = names.iter().enumerate().map(|(i, name)| (i as f64, name.clone())).collect();
                &categories
            }
        };
        let room = match &self.along {
            Along::Values(_) => 120.0,
            Along::Categories(names) => ((plot.right - plot.left) / names.len().max(1) as f64 - 4.0).max(48.0),
        };
        let mut free = f64::NEG_INFINITY;
        for (value, label) in ticks {
            let Some(x) = plot.across(*value) else { continue };
            svg.line("axis", (x, plot.bottom), (x, plot.bottom + 4.0));
            let label = text::fitting(label, LETTER, room);
            let wide = text::width(&label, LETTER);
            let middle = x.min(width - wide / 2.0).max(wide / 2.0);
            // Labels that would touch the one before are left out.
            if middle - wide / 2.0 >= free {
                svg.text("quiet", middle, plot.bottom + 19.0, Anchor::Middle, &label);
                free = middle + wide / 2.0 + 6.0;
            }
        }
        svg.line("axis", (plot.left, plot.bottom), (plot.right, plot.bottom));
        let label = text::fitting(&self.x_label, LETTER, width);
        svg.text("quiet", width, height - 8.0, Anchor::End, &label);
        for y in self.levels.iter().filter_map(|(value, _)| plot.up(*value)) {
            svg.line("reference", (plot.left, y), (plot.right, y));
        }
    }

    /// The names of the levels, above all curves; those that would lie on another one are left to the description.
    fn name_levels(&self, svg: &mut Svg, plot: &Plot) {
        let mut taken: Vec<f64> = Vec::new();
        for (value, name) in &self.levels {
            let Some(y) = plot.up(*value) else { continue };
            // Above the line, below it at the upper edge.
            let foot = if y - plot.top < 18.0 { y + 15.0 } else { y - 5.0 };
            if taken.iter().all(|other| (other - foot).abs() >= 15.0) {
                let label = text::fitting(name, LETTER, (plot.right - plot.left) * 0.8);
                let wide = text::width(&label, LETTER);
                svg.rect("label-ground", plot.right - wide - 6.0, foot - 12.0, wide + 4.0, 16.0);
                svg.text("quiet", plot.right - 4.0, foot, Anchor::End, &label);
                taken.push(foot);
            }
        }
    }

    fn describe(&self) -> String {
        if !self.description.trim().is_empty() {
            return self.description.clone();
        }
        let mut out = vec![format!("{} against {}.", self.y_label, self.x_label)];
        for series in &self.series {
            let good: Vec<f64> = series.points.iter().map(|p| p.y).filter(|y| y.is_finite()).collect();
            let ends = good.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), v| (a.min(*v), b.max(*v)));
            out.push(match good.len() {
                0 => format!("{}: no points.", series.name),
                1 => format!("{}: one point, {}.", series.name, text::figure(ends.0)),
                n => format!("{}: {n} points from {} to {}.", series.name, text::figure(ends.0), text::figure(ends.1)),
            });
        }
        out.extend(self.levels.iter().map(|(value, name)| format!("{name}: {}.", text::figure(*value))));
        out.join(" ")
    }
}

/// An entry of the legend: the series' number and name, or a note.
type Entry = (Option<(usize, Draw)>, String, f64);

/// The legend in rows; none of a single series without a name.
fn legend_rows(shown: &[Series], left_out: usize, width: f64) -> Vec<Vec<Entry>> {
    const KEY: f64 = 34.0;
    let mut entries: Vec<Entry> = Vec::new();
    for (i, series) in shown.iter().enumerate().filter(|(_, s)| !s.name.trim().is_empty()) {
        let name = text::fitting(&series.name, LETTER, width - KEY);
        let wide = KEY + text::width(&name, LETTER) + 14.0;
        entries.push((Some((i, series.draw)), name, wide));
    }
    if left_out > 0 {
        let note = format!("and {left_out} more that are not shown");
        let wide = text::width(&note, LETTER);
        entries.push((None, note, wide));
    }
    let mut rows: Vec<Vec<Entry>> = Vec::new();
    let mut used = f64::INFINITY;
    for entry in entries {
        if used + entry.2 > width + 14.0 {
            rows.push(Vec::new());
            used = 0.0;
        }
        used += entry.2;
        if let Some(row) = rows.last_mut() {
            row.push(entry);
        }
    }
    rows
}

fn draw_legend(svg: &mut Svg, rows: &[Vec<Entry>]) {
    for (r, row) in rows.iter().enumerate() {
        let (mut x, y) = (0.0, 36.0 + r as f64 * 20.0);
        for (key, name, wide) in row {
            let mut start = x;
            if let Some((i, draw)) = key {
                svg.group(&format!("series-{}", i + 1));
                if *draw != Draw::Points {
                    svg.polyline("curve", &[(x, y - 4.0), (x + 26.0, y - 4.0)]);
                }
                if *draw != Draw::Line {
                    mark(svg, *i, x + 13.0, y - 4.0);
                }
                svg.end();
                start += 32.0;
            }
            svg.text(if key.is_some() { "" } else { "quiet" }, start, y, Anchor::Start, name);
            x += wide;
        }
    }
}

/// Draws a series; whether there was anything to draw.
fn draw_series(svg: &mut Svg, plot: &Plot, i: usize, series: &Series) -> bool {
    let placed: Vec<(f64, f64, Point)> =
        series.points.iter().filter_map(|p| plot.at(p.x, p.y).map(|(x, y)| (x, y, *p))).collect();
    svg.group(&format!("series series-{}", i + 1));
    let line = |mut all: Vec<(f64, f64)>| {
        all.sort_by(|a, b| a.0.total_cmp(&b.0));
        thinned(&all)
    };
    let places = || placed.iter().map(|p| (p.0, p.1)).collect::<Vec<_>>();
    match series.draw {
        Draw::Points => {}
        Draw::Line | Draw::Both => {
            let line = line(places());
            svg.polyline("curve", &line);
            // One point is no line.
            if let ([only], Draw::Line) = (line.as_slice(), series.draw) {
                mark(svg, i, only.0, only.1);
            }
        }
        Draw::Stairs => {
            let mut stairs = Vec::new();
            for (x, y) in line(places()) {
                if let Some((_, before)) = stairs.last().copied() {
                    stairs.push((x, before));
                }
                stairs.push((x, y));
            }
            if let Some((_, last)) = stairs.last().copied() {
                stairs.push((plot.right, last));
            }
            svg.polyline("curve", &stairs);
        }
    }
    if series.draw != Draw::Line {
        // Marks may lie at one place in any number: of each spot, one is enough.
        let mut taken = std::collections::BTreeSet::new();
        for (x, y, point) in &placed {
            if taken.len() < MOST_POINTS * 3 && taken.insert(((x / 2.0) as i32, (y / 2.0) as i32)) {
                range(svg, plot, *x, point);
                mark(svg, i, *x, *y);
            }
        }
    }
    svg.end();
    !placed.is_empty()
}

fn range(svg: &mut Svg, plot: &Plot, x: f64, point: &Point) {
    let Some((low, high)) = point.range.and_then(|(low, high)| plot.up(low).zip(plot.up(high))) else { return };
    if (low - high).abs() > 0.5 {
        svg.line("range", (x, low), (x, high));
        svg.line("range", (x - 4.0, low), (x + 4.0, low));
        svg.line("range", (x - 4.0, high), (x + 4.0, high));
    }
}

/// The mark of a series: a shape of its own.
fn mark(svg: &mut Svg, i: usize, x: f64, y: f64) {
    let around = |points: &[(f64, f64)]| points.iter().map(|(dx, dy)| (x + dx, y + dy)).collect::<Vec<_>>();
    let class = "mark-shape";
    match i % MOST_SERIES {
        0 => svg.circle(class, x, y, 4.5),
        1 => svg.rect(class, x - 4.0, y - 4.0, 8.0, 8.0),
        2 => svg.polygon(class, &around(&[(0.0, -5.5), (5.0, 4.0), (-5.0, 4.0)])),
        3 => svg.polygon(class, &around(&[(0.0, -5.5), (5.5, 0.0), (0.0, 5.5), (-5.5, 0.0)])),
        4 => svg.polygon(class, &around(&[(0.0, 5.5), (5.0, -4.0), (-5.0, -4.0)])),
        _ => svg.polygon(
            class,
            &around(&[
                (-1.5, -5.0),
                (1.5, -5.0),
                (1.5, -1.5),
                (5.0, -1.5),
                (5.0, 1.5),
                (1.5, 1.5),
                (1.5, 5.0),
                (-1.5, 5.0),
                (-1.5, 1.5),
                (-5.0, 1.5),
                (-5.0, -1.5),
                (-1.5, -1.5),
            ]),
        ),
    }
}

/// At most [`MOST_POINTS`] of points in the order of their places: of each strip the lowest and the highest.
fn thinned(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    if points.len() <= MOST_POINTS {
        return points.to_vec();
    }
    let strip = points.len().div_ceil(MOST_POINTS / 2 - 1);
    let mut out = Vec::with_capacity(MOST_POINTS);
    out.extend(points.first());
    for part in points[1..points.len() - 1].chunks(strip) {
        let low = (0..part.len()).fold(0, |best, i| if part[i].1 < part[best].1 { i } else { best });
        let high = (0..part.len()).fold(0, |best, i| if part[i].1 > part[best].1 { i } else { best });
        out.push(part[low.min(high)]);
        if low != high {
            out.push(part[low.max(high)]);
        }
    }
    out.extend(points.last());
    out
}

#[cfg(test)]
mod tests;
