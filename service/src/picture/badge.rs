//! The badge that people put on their own pages: who measured, how much, how far it is trusted.
//!
//! It brings its own colours, as it is shown where no style sheet of ours is.

use hpl_spec::api::results::ResultTier;

use crate::picture::svg::{Anchor, Ink, Svg};
use crate::picture::text;

const HEIGHT: f64 = 20.0;
const SIZE: f64 = 11.0;
/// Beyond this, the figure is cut.
const MOST: f64 = 260.0;
/// The width of a text is that of a wide font: what other fonts need is about this share of it.
const PAD: f64 = 7.0;

/// The ground of a tier: white letters on it have a contrast of at least 4.5 to 1.
fn ground(tier: ResultTier) -> &'static str {
    match tier {
        ResultTier::Verified => "#1b6332",
        ResultTier::Reported => "#0b5394",
        ResultTier::Flagged => "#7a4b00",
        ResultTier::Failed => "#9c1c1c",
        ResultTier::Pending | ResultTier::Orphan => "#4a4f57",
    }
}

/// The badge of a result: `label` on the left (`HPL`), its figure and tier on the right. Without a figure it says the
/// tier alone.
#[must_use]
pub fn badge(label: &str, figure: Option<(f64, &str)>, tier: ResultTier) -> String {
    let label = text::fitting(label, SIZE, MOST);
    let says = match figure.filter(|(value, _)| value.is_finite()) {
        Some((value, unit)) => format!("{} {unit} · {}", text::rate(value), tier.name()),
        None => tier.name().to_owned(),
    };
    let says = text::fitting(&says, SIZE, MOST);
    let (left, right) = (text::width(&label, SIZE) + 2.0 * PAD, text::width(&says, SIZE) + 2.0 * PAD);
    let title = format!("{label}: {says}");
    let mut svg =
        Svg::alone(left + right, HEIGHT, &title, "A badge with the result of a run and how far it is trusted.");
    svg.painted_rect("#33383e", [0.0, 0.0, left + right, HEIGHT], 3.0);
    svg.painted_rect(ground(tier), [left, 0.0, right, HEIGHT], 3.0);
    // The corners in the middle are square.
    svg.painted_rect(ground(tier), [left, 0.0, 4.0, HEIGHT], 0.0);
    let ink = Ink { family: "DejaVu Sans,Verdana,Geneva,sans-serif", size: SIZE, fill: "#ffffff", weight: 0.0 };
    svg.painted_text((left / 2.0, 14.0), Anchor::Middle, &ink, &label);
    svg.painted_text((left + right / 2.0, 14.0), Anchor::Middle, &ink, &says);
    svg.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::tests::check;

    #[test]
    fn a_badge_says_figure_and_tier() {
        let svg = badge("HPL", Some((213.44, "Gflop/s")), ResultTier::Verified);
        check(&svg);
        assert!(svg.contains("213.4 Gflop/s · verified") && svg.contains("#1b6332"), "{svg}");
        let failed = badge("HPL", None, ResultTier::Failed);
        assert!(failed.contains(">failed<") && !failed.contains("Gflop"), "{failed}");
    }

    #[test]
    fn nothing_breaks_it() {
        let hostile = "<script>&\"".repeat(50);
        for value in [0.0, -1.0, 1e300, f64::NAN, f64::INFINITY, 1_000_000.0] {
            for label in ["", "HPL", &hostile] {
                check(&badge(label, Some((value, "Gflop/s")), ResultTier::Flagged));
            }
        }
        assert!(badge("HPL", Some((f64::NAN, "Gflop/s")), ResultTier::Reported).contains(">reported<"));
    }
}
