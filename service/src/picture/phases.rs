//! The phases of a run: one bar of what the ranks did, and for each phase how far the ranks lie apart.

use hpl_spec::account::Spread;
use hpl_spec::report::Phases;

use crate::picture::svg::{Anchor, Svg};
use crate::picture::{LETTER, Shape, text};

/// A phase in a newcomer's words, with its seconds.
#[derive(Debug, Clone, PartialEq)]
pub struct Phase {
    /// HPL's word.
    pub word: &'static str,
    /// A few words for it.
    pub name: &'static str,
    /// A sentence for it.
    pub sentence: &'static str,
    /// Seconds of the rank that needed least, where known.
    pub min: Option<f64>,
    /// Seconds of the rank in the middle; of the one that needed most, where only that is known.
    pub typical: f64,
    /// Seconds of the rank that needed most.
    pub max: f64,
}

type Part = fn(&Phases) -> f64;

/// What a phase is called; `pivot` is a part of `pfact` and is taken out of it here, so that all add up.
const PARTS: [(&str, &str, &str, Part); 6] = [
    ("pfact", "Factoring panels", "The panel is factored column by column.", |p| p.pfact - p.pivot),
    ("pivot", "Agreeing on pivots", "Ranks of a process column find the largest element together.", |p| p.pivot),
    ("bcast", "Waiting for panels", "The factored panel is on its way along the process row.", |p| p.bcast),
    ("swap", "Swapping rows", "Pivot rows are exchanged between the ranks.", |p| p.swap),
    ("update", "Updating", "U is solved for, and the trailing matrix is updated by a matrix product.", |p| p.update),
    ("backsolve", "Back substitution", "The solution is computed from the triangular matrix.", |p| p.backsolve),
];

/// The series whose colour a phase has: the update, by far the longest, has the calmest one.
const COLOURS: [usize; 6] = [2, 5, 3, 4, 1, 6];

/// The phases in the order of the algorithm: `most` of each over the ranks, and the spread where it was told.
#[must_use]
pub fn phases(most: &Phases, spread: Option<&Spread>) -> Vec<Phase> {
    let some = |seconds: f64| if seconds.is_finite() { seconds.max(0.0) } else { 0.0 };
    PARTS
        .iter()
        .map(|(word, name, sentence, part)| {
            let of = |phases: &Phases| some(part(phases));
            // Differences of extremes (the panel without its pivots) need not be in order: they are put so.
            let mut seen = spread.map_or([of(most); 3], |s| [of(&s.min), of(&s.median), of(&s.max)]);
            seen.sort_by(f64::total_cmp);
            let [min, typical, max] = seen;
            Phase { word, name, sentence, min: spread.map(|_| min), typical, max }
        })
        .collect()
}

/// What the picture shows, in words.
fn description(all: &[Phase], sum: f64) -> String {
    if sum <= 0.0 {
        return "No phase was measured.".to_owned();
    }
    let one = |p: &Phase| {
        let range = match p.min {
            Some(min) if p.max > min => {
                format!(", from {} to {} over the ranks", text::seconds(min), text::seconds(p.max))
            }
            _ => String::new(),
        };
        format!("{}: {}, {}{range}", p.name, text::seconds(p.typical), text::percent(p.typical / sum))
    };
    all.iter().map(one).collect::<Vec<_>>().join(". ") + "."
}

/// The phases as a picture.
#[must_use]
pub fn picture(most: &Phases, spread: Option<&Spread>, shape: Shape) -> String {
    let all = phases(most, spread);
    let sum: f64 = all.iter().map(|p| p.typical).sum();
    let longest = all.iter().map(|p| p.max).fold(0.0, f64::max);
    let width = shape.width();
    let row = if shape == Shape::Tall { 44.0 } else { 28.0 };
    let class = format!("{} phases", shape.class());
    let note = if spread.is_some() {
        "Bars show the rank in the middle (the median), thin lines reach from the rank with the least time to the one with the most."
    } else {
        "Each phase as the rank that needed most time for it counted it."
    };
    let notes = text::wrapped(note, LETTER, width - 2.0);
    let top = 50.0;
    let foot = top + row * all.len() as f64 + 16.0;
    let height = foot + notes.len() as f64 * 18.0 - 10.0;
    let mut svg = Svg::new(width, height, &class, "What the ranks spent their time on", &description(&all, sum));
    if !(sum.is_finite() && sum > 0.0) {
        svg.text("quiet", 0.0, 22.0, Anchor::Start, "No phase was measured.");
        return svg.finish();
    }
    let mut x = 0.0;
    for (i, phase) in all.iter().enumerate() {
        let wide = width * phase.typical / sum;
        svg.titled(&format!("series-{}", COLOURS[i]), &format!("{}: {}", phase.name, text::seconds(phase.typical)));
        svg.rect("phase", x, 2.0, wide, 32.0);
        svg.end();
        x += wide;
    }
    for (i, phase) in all.iter().enumerate() {
        phase_row(&mut svg, shape, i, phase, top + i as f64 * row, (sum, longest));
    }
    svg.lines("quiet", (0.0, foot), 18.0, &notes);
    svg.finish()
}

fn phase_row(svg: &mut Svg, shape: Shape, i: usize, phase: &Phase, top: f64, (sum, longest): (f64, f64)) {
    let width = shape.width();
    let tall = shape == Shape::Tall;
    let (left, right) = if tall { (0.0, width - 2.0) } else { (188.0, width - 176.0) };
    let (foot, bar) = if tall { (top + 12.0, top + 20.0) } else { (top + 15.0, top + 4.0) };
    let place = |seconds: f64| left + (right - left) * if longest > 0.0 { seconds / longest } else { 0.0 };
    let figures = format!("{} · {}", text::seconds(phase.typical), text::percent(phase.typical / sum));
    let name =
        text::fitting(phase.name, LETTER, if tall { width - text::width(&figures, LETTER) - 24.0 } else { 164.0 });
    svg.group(&format!("series-{}", COLOURS[i]));
    svg.rect("phase", 0.0, foot - 11.0, 12.0, 12.0);
    svg.text("", 18.0, foot, Anchor::Start, &name);
    svg.text("quiet figures", width, foot, Anchor::End, &figures);
    svg.rect("bar-track", left, bar, right - left, 14.0);
    svg.rect("phase", left, bar, (place(phase.typical) - left).max(if phase.typical > 0.0 { 2.5 } else { 0.0 }), 14.0);
    if let Some(min) = phase.min.filter(|min| phase.max > *min) {
        let (from, to, y) = (place(min), place(phase.max), bar + 7.0);
        svg.line("whisker", (from, y), (to, y));
        svg.line("whisker", (from, y - 4.0), (from, y + 4.0));
        svg.line("whisker", (to, y - 4.0), (to, y + 4.0));
    }
    svg.end();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::tests::check;

    fn one(scale: f64) -> Phases {
        Phases {
            pfact: 3.0 * scale,
            pivot: scale,
            bcast: 0.5 * scale,
            swap: 2.0 * scale,
            update: 20.0 * scale,
            backsolve: 0.01 * scale,
        }
    }

    #[test]
    fn the_pivots_are_counted_once() {
        let all = phases(&one(1.0), None);
        let sum: f64 = all.iter().map(|p| p.typical).sum();
        assert!((sum - 25.51).abs() < 1e-9, "{sum}");
        assert!(all.iter().all(|p| p.min.is_none()));
        let picture = picture(&one(1.0), None, Shape::Tall);
        check(&picture);
        assert!(picture.contains("Updating") && picture.contains("20 s · 78 %") && !picture.contains("whisker"));
    }

    #[test]
    fn a_spread_is_shown_from_the_least_to_the_most() {
        let spread = Spread::of(&[one(1.0), one(1.2), one(1.1)]);
        for shape in [Shape::Tall, Shape::Wide] {
            let picture = picture(&spread.max, Some(&spread), shape);
            check(&picture);
            assert!(picture.contains("22 s · ") && picture.contains("from 20 s to 24 s over the ranks"), "{picture}");
        }
    }

    #[test]
    fn strange_seconds_are_drawn() {
        for scale in [0.0, -1.0, 1e-9, 1e12, 1e308, f64::NAN, f64::INFINITY] {
            for shape in [Shape::Tall, Shape::Wide] {
                check(&picture(&one(scale), None, shape));
                let spread = Spread { min: one(1.0), median: one(scale), max: one(0.5) };
                check(&picture(&one(scale), Some(&spread), shape));
            }
        }
    }
}
