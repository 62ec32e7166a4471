//! The preview of a shared result, as other sites show it beside a link: 1200×630, colours of its own, large letters.
//!
//! It is drawn as SVG and given out as PNG ([`crate::picture::png`]), in the one font that the service brings along.

use hpl_spec::api::results::ResultTier;

use crate::picture::svg::{Anchor, Ink, Svg};
use crate::picture::text;
use crate::picture::waterfall::Step;

/// The width that sites expect of a preview.
pub const WIDTH: f64 = 1200.0;
/// And the height.
pub const HEIGHT: f64 = 630.0;

const EDGE: f64 = 64.0;
const FAMILY: &str = "Ubuntu,DejaVu Sans,sans-serif";
const GROUND: &str = "#14171a";
const TEXT: &str = "#f2f2ee";
const QUIET: &str = "#b4bbc3";
const BLUE: &str = "#8fc1f2";
const TRACK: &str = "#2d3238";
/// The losses, the largest first.
const LOSSES: [&str; 3] = ["#f1c373", "#d59a5b", "#a9764f"];
const OTHER: &str = "#6b7078";
/// Its letters beside those that widths are reckoned with.
const NARROW: f64 = 0.85;
/// How much the light font is thickened, for plain and for bold text.
const PLAIN: f64 = 0.022;
const BOLD: f64 = 0.05;

/// What a card shows. Texts are cut where they are too long.
#[derive(Debug, Clone, Copy)]
pub struct Card<'a> {
    /// The name of the site.
    pub site: &'a str,
    /// The figure; `None` where there is none that counts.
    pub figure: Option<f64>,
    /// Its unit.
    pub unit: &'a str,
    /// Share of the node's measured peak, where it was measured.
    pub share_of_peak: Option<f64>,
    /// Whose run it is.
    pub user: &'a str,
    /// What they called it; may be empty.
    pub label: &'a str,
    /// On what kind of node it ran; may be empty.
    pub node: &'a str,
    /// Its parameters in a line, may be empty: `N = 40,000 · NB = 256 · 2 × 2 ranks`.
    pub parameters: &'a str,
    /// How far it is trusted.
    pub tier: ResultTier,
    /// A sentence on the residual; may be empty.
    pub residual: &'a str,
    /// Where the peak went, drawn small at the foot; empty: nothing is drawn there.
    pub way: &'a [Step],
}

/// Ground and letters of a tier's mark.
fn mark(tier: ResultTier) -> (&'static str, &'static str) {
    match tier {
        ResultTier::Verified => ("#153622", "#93d8a7"),
        ResultTier::Reported => ("#16304a", "#9ccaf7"),
        ResultTier::Flagged => ("#3d2c0b", "#f1c373"),
        ResultTier::Failed => ("#46191a", "#f5a9a2"),
        ResultTier::Pending | ResultTier::Orphan => ("#2d3238", "#c3c8ce"),
    }
}

fn ink(size: f64, fill: &str, weight: f64) -> Ink<'_> {
    Ink { family: FAMILY, size, fill, weight }
}

/// The card as SVG.
#[must_use]
pub fn card(card: &Card) -> String {
    let figure = card.figure.filter(|v| v.is_finite());
    let says = figure.map_or_else(|| "No result".to_owned(), |v| format!("{} {}", text::rate(v), card.unit));
    let description = format!("{says}, {}, by {}. {}", card.tier.name(), card.user, card.residual);
    let mut svg = Svg::alone(WIDTH, HEIGHT, &format!("{says} · {}", card.site), &description);
    svg.painted_rect(GROUND, [0.0, 0.0, WIDTH, HEIGHT], 0.0);
    svg.painted_rect(BLUE, [0.0, 0.0, WIDTH, 10.0], 0.0);
    head(&mut svg, card);
    big(&mut svg, card, figure);
    words(&mut svg, card);
    way(&mut svg, card.way);
    svg.finish()
}

/// Site on the left, tier on the right.
fn head(svg: &mut Svg, card: &Card) {
    let name = card.tier.name();
    let wide = text::width(name, 28.0) + 44.0;
    let (ground, letters) = mark(card.tier);
    svg.painted_rect(ground, [WIDTH - EDGE - wide, 46.0, wide, 52.0], 26.0);
    svg.painted_text((WIDTH - EDGE - wide / 2.0, 82.0), Anchor::Middle, &ink(28.0, letters, BOLD), name);
    let site = text::fitting(card.site, 30.0, WIDTH - 2.0 * EDGE - wide - 40.0);
    svg.painted_text((EDGE, 82.0), Anchor::Start, &ink(30.0, QUIET, PLAIN), &site);
}

/// The figure, its unit and its share of the peak.
fn big(svg: &mut Svg, card: &Card, figure: Option<f64>) {
    let Some(figure) = figure else {
        svg.painted_text((EDGE, 216.0), Anchor::Start, &ink(84.0, TEXT, BOLD), "No figure that counts");
        return;
    };
    let digits = text::rate(figure);
    let unit = text::fitting(card.unit, 52.0, 320.0);
    // Long figures are set smaller.
    let room = WIDTH - 2.0 * EDGE - text::width(&unit, 52.0) - 24.0;
    let size = (150.0 * room / text::width(&digits, 150.0)).min(150.0);
    let (digits_ink, unit_ink) = (ink(size, TEXT, BOLD), ink(52.0, TEXT, PLAIN));
    svg.painted_pair((EDGE, 226.0), (&digits_ink, &digits), 20.0, (&unit_ink, &unit));
    if let Some(share) = card.share_of_peak.filter(|s| s.is_finite() && *s > 0.0) {
        let line = format!("{} of the node’s measured peak", text::percent(share));
        svg.painted_text((EDGE, 298.0), Anchor::Start, &ink(38.0, BLUE, PLAIN), &line);
    }
}

/// Who, what, where; and what the residual says.
fn words(svg: &mut Svg, card: &Card) {
    let room = WIDTH - 2.0 * EDGE;
    let joined = |parts: [&str; 2]| parts.into_iter().filter(|p| !p.trim().is_empty()).collect::<Vec<_>>().join(" · ");
    // The user keeps half of the line, were the label ever so long.
    let user = text::fitting(card.user, 34.0, room / 2.0);
    let who = text::fitting(&joined([&user, card.label]), 34.0, room);
    svg.painted_text((EDGE, 362.0), Anchor::Start, &ink(34.0, TEXT, PLAIN), &who);
    let parameters = text::fitting(card.parameters, 28.0, room * 0.6);
    let what = text::fitting(&joined([&parameters, card.node]), 28.0, room);
    svg.painted_text((EDGE, 406.0), Anchor::Start, &ink(28.0, QUIET, PLAIN), &what);
    let residual = text::fitting(card.residual, 28.0, room);
    svg.painted_text((EDGE, 450.0), Anchor::Start, &ink(28.0, QUIET, PLAIN), &residual);
}

/// The peak as one bar: the score, the largest losses, the rest.
fn way(svg: &mut Svg, steps: &[Step]) {
    let Some((peak, score)) = steps.first().and_then(|s| s.left).zip(steps.last().and_then(|s| s.left)) else { return };
    let mut losses: Vec<(&str, f64)> = steps
        .iter()
        .filter_map(|s| s.lost.map(|lost| (s.name.as_str(), lost / peak)))
        .filter(|(_, l)| *l > 0.0)
        .collect();
    losses.sort_by(|a, b| b.1.total_cmp(&a.1));
    let rest: f64 = losses.iter().skip(LOSSES.len()).map(|(_, share)| share).sum();
    let mut parts = vec![("Score", score / peak, BLUE)];
    parts.extend(losses.iter().zip(LOSSES).map(|((name, share), colour)| (*name, *share, colour)));
    parts.push(("Other", rest, OTHER));
    // Where something is gained, parts are more than the peak.
    let all: f64 = parts.iter().map(|p| p.1).sum();
    if !(all.is_finite() && all > 0.0) {
        return;
    }
    let room = WIDTH - 2.0 * EDGE;
    svg.painted_rect(TRACK, [EDGE, 496.0, room, 34.0], 0.0);
    let mut x = EDGE;
    for (_, share, colour) in &parts {
        let wide = room * share / all;
        svg.painted_rect(colour, [x, 496.0, (wide - 2.0).max(0.0), 34.0], 0.0);
        x += wide;
    }
    let mut x = EDGE;
    for (name, share, colour) in parts.iter().filter(|p| p.1 >= 0.001) {
        let label = format!("{name} {}", text::percent(*share));
        // The card is drawn in one font, which is narrower than what widths are reckoned with.
        let wide = 28.0 + text::width(&label, 20.0) * NARROW;
        if x + wide > WIDTH - EDGE {
            break;
        }
        svg.painted_rect(colour, [x, 555.0, 18.0, 18.0], 3.0);
        svg.painted_text((x + 28.0, 573.0), Anchor::Start, &ink(20.0, QUIET, PLAIN), &label);
        x += wide + 22.0;
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::picture::tests::check;

    pub(crate) fn example(way: &[Step]) -> Card<'_> {
        Card {
            site: "HPL as a service",
            figure: Some(213.44),
            unit: "Gflop/s",
            share_of_peak: Some(0.762),
            user: "grace",
            label: "first run on the new node",
            node: "AMD EPYC 9755, 2 cores, 8 GiB",
            parameters: "N = 40,000 · NB = 256 · 2 × 2 ranks",
            tier: ResultTier::Verified,
            residual: "The residual is 0.0021, far below 16: the answer is right.",
            way,
        }
    }

    #[test]
    fn a_card_says_what_was_reached_and_by_whom() {
        let svg = card(&example(&[]));
        check(&svg);
        for said in ["213.4", "76 % of the node’s measured peak", "grace", "verified", "0.0021"] {
            assert!(svg.contains(said), "{said}: {svg}");
        }
    }

    #[test]
    fn long_and_hostile_names_stay_within() {
        let name = "<Wolfeschlegelsteinhausenbergerdorff & 漢字> ".repeat(40);
        for figure in [Some(1_000_000.0), Some(1e300), Some(0.0), Some(f64::NAN), None] {
            let long = Card {
                site: &name,
                figure,
                unit: &name,
                share_of_peak: Some(1e9),
                user: &name,
                label: &name,
                node: &name,
                parameters: &name,
                residual: &name,
                ..example(&[])
            };
            check(&card(&long));
        }
    }

    #[test]
    fn the_bar_is_as_long_as_the_peak() {
        let step = |name: &str, lost: Option<f64>, left: f64| Step {
            name: name.to_owned(),
            sentence: String::new(),
            seconds: 1.0,
            share_of_time: 0.1,
            lost,
            left: Some(left),
            share_of_peak: None,
        };
        let steps = [step("The peak", None, 100.0), step("Panels", Some(30.0), 70.0), step("Swaps", Some(-5.0), 75.0)];
        let svg = card(&example(&steps));
        check(&svg);
        assert!(svg.contains("Score 75 %") && svg.contains("Panels 30 %") && !svg.contains("Swaps"), "{svg}");
    }
}
