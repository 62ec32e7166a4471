//! Pictures of the lesson and the topics: numbers in, SVG text out. They are drawn with the writer of
//! [`crate::picture`] and take their colours from `styles/picture.css` and `styles/learn.css`.
//!
//! - [`messages`]: who sends what to whom, played through; [`passing`]: the same as a picture.
//! - [`ahead`]: what look-ahead does to the order of the work.
//! - [`curve`], [`scale`]: a curve with the reader's point on it; a line of residuals.
//! - [`blocks`]: the system of equations, the panel cut in parts, a column and its padding.

pub mod ahead;
pub mod blocks;
pub mod curve;
pub mod messages;
pub mod passing;
pub mod scale;

use crate::picture::svg::Svg;

/// The size of letters, as in all pictures.
const LETTER: f64 = 13.0;

/// An arrow from one point to another.
fn arrow(svg: &mut Svg, class: &str, from: (f64, f64), to: (f64, f64)) {
    let (dx, dy) = (to.0 - from.0, to.1 - from.1);
    let length = dx.hypot(dy);
    if length < 1.0 {
        return;
    }
    let (ux, uy) = (dx / length, dy / length);
    let head = 7.0_f64.min(length * 0.6);
    let neck = (to.0 - ux * head, to.1 - uy * head);
    svg.line(&format!("arrow {class}"), from, neck);
    let wing = head * 0.5;
    svg.polygon(
        &format!("arrow-head {class}"),
        &[to, (neck.0 - uy * wing, neck.1 + ux * wing), (neck.0 + uy * wing, neck.1 - ux * wing)],
    );
}

/// Steps of 1, 2 or 5 times a power of ten, so that about `about` of them reach `most`.
fn step(most: f64, about: f64) -> f64 {
    let rough = (most / about).max(f64::MIN_POSITIVE);
    let power = 10_f64.powf(rough.log10().floor());
    let factor = rough / power;
    power
        * if factor <= 1.0 {
            1.0
        } else if factor <= 2.0 {
            2.0
        } else if factor <= 5.0 {
            5.0
        } else {
            10.0
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_round() {
        for (most, about, want) in [(10.0, 5.0, 2.0), (9.0, 4.0, 5.0), (1.0, 4.0, 0.5), (30_000.0, 5.0, 10_000.0)] {
            let found = step(most, about);
            assert!((found - want).abs() < 1e-9 * want, "{most}: {found}");
        }
    }
}
