//! Residuals on a line, each step ten times the one before, with the limit on it.

use super::LETTER;
use crate::picture::svg::{Anchor, Svg};
use crate::picture::{Shape, responsive, text};

/// Powers of ten at the ends.
const FROM: i32 = -4;
const TO: i32 = 3;
const HEIGHT: f64 = 112.0;
const LINE: f64 = 62.0;

/// The line with `residuals` on it; those that are no numbers stand at its end.
pub fn picture(limit: f64, residuals: &[f64]) -> String {
    let all: Vec<String> = residuals.iter().map(|r| hpl_spec::benchmark::figure(*r)).collect();
    let about = match residuals {
        [] => format!("A line from 0.0001 to 1000. Below {limit} a run passes."),
        _ => format!("A line from 0.0001 to 1000. Below {limit} a run passes. On it: {}.", text::list(&all, 12)),
    };
    responsive(|shape| draw(shape, limit, residuals, &about))
}

fn draw(shape: Shape, limit: f64, residuals: &[f64], about: &str) -> String {
    let width = shape.width();
    let (left, right) = (24.0, width - 24.0);
    let along = |value: f64| {
        let power = if value > 0.0 { value.log10() } else { f64::from(FROM) };
        let power = if power.is_nan() { f64::from(TO) } else { power };
        left + (power - f64::from(FROM)).clamp(0.0, f64::from(TO - FROM)) / f64::from(TO - FROM) * (right - left)
    };
    let mut svg = Svg::new(width, HEIGHT, shape.class(), "Residuals and the limit", about);
    let at = along(limit);
    svg.rect("passes", left - 8.0, LINE - 9.0, at - left + 8.0, 18.0);
    svg.rect("fails", at, LINE - 9.0, right + 8.0 - at, 18.0);
    svg.text("strong", (left + at) / 2.0, LINE + 44.0, Anchor::Middle, "passes: rounding only");
    svg.text("strong", right + 8.0, LINE + 44.0, Anchor::End, "fails");
    for power in FROM..=TO {
        let x = along(10_f64.powi(power));
        svg.line("axis", (x, LINE - 9.0), (x, LINE + 9.0));
        if shape == Shape::Wide || power % 2 != 0 {
            let words = if power < -3 { "0.0001".to_owned() } else { hpl_spec::benchmark::figure(10_f64.powi(power)) };
            svg.text("quiet", x, LINE + 25.0, Anchor::Middle, &words);
        }
    }
    svg.line("outline", (at, LINE - 18.0), (at, LINE + 14.0));
    let words = format!("limit {limit}");
    let anchor = if at + text::width(&words, LETTER) < width { Anchor::Middle } else { Anchor::End };
    svg.text("strong", at, LINE - 24.0, anchor, &words);
    for residual in residuals {
        svg.circle("here", along(*residual), LINE, 6.0);
    }
    svg.finish()
}
