//! Pictures: numbers in, SVG text out. No file, no clock, no request.
//!
//! ```text
//!   svg, text                   the writer; figures in words, widths of words
//!   layout ── grid, step        the block-cyclic map, the step panel – broadcast – update
//!   waterfall, phases           where the time of a run went
//!   chart (axis), heat          results against each other
//!   badge, card ── png          what is shown elsewhere, with colours of its own
//! ```
//!
//! A picture of the first three rows is a part of a page: it takes its colours from `styles/picture.css` and says in
//! words what it shows. As an image of its own, it goes through [`alone`]. Those of the last row need no style sheet.
//!
//! Text in a picture shrinks with it. So what is wide is drawn twice, tall for a telephone and wide for a desk:
//! [`responsive`] writes both, and the style sheet shows one.

pub mod axis;
pub mod badge;
pub mod card;
pub mod chart;
pub mod grid;
pub mod heat;
pub mod layout;
pub mod phases;
pub mod png;
pub mod step;
pub mod svg;
pub mod text;
pub mod waterfall;

/// The rules for pictures, for those that are shown as an image of their own.
const STYLES: &str = include_str!("../../styles/picture.css");

/// The size of the letters in pictures.
pub(crate) const LETTER: f64 = 13.0;
/// The size of plain letters that are as wide as bold ones.
pub(crate) const STRONG: f64 = LETTER * 1.1;

/// For which width a picture is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// For a narrow window.
    Tall,
    /// For a wide one.
    Wide,
}

impl Shape {
    /// The width of the picture in its own units, about a pixel each.
    #[must_use]
    pub fn width(self) -> f64 {
        match self {
            Shape::Tall => 340.0,
            Shape::Wide => 660.0,
        }
    }

    /// The class that gives it its width on a page.
    #[must_use]
    pub fn class(self) -> &'static str {
        match self {
            Shape::Tall => "tall",
            Shape::Wide => "broad",
        }
    }
}

/// Both shapes of a picture, of which the style sheet shows the one that fits the window.
#[must_use]
pub fn responsive(draw: impl Fn(Shape) -> String) -> String {
    format!(
        "<div class=\"picture-if-narrow\">{}</div><div class=\"picture-if-wide\">{}</div>",
        draw(Shape::Tall),
        draw(Shape::Wide)
    )
}

/// The colours of the pages that pictures use, and a ground: an image has no page around it.
const TOKENS: &str = ":root{color-scheme:light dark;--ground:#fbfaf7;--raised:#fff;--text:#1d2126;--quiet:#565e68;\
     --line:#d5d4ce;--act:#0b5394;--good:#1b6332;--doubt:#7a4b00;--bad:#9c1c1c;background:var(--ground)}\
     @media(prefers-color-scheme:dark){:root{--ground:#14171a;--raised:#1d2125;--text:#e8e8e4;--quiet:#a9b0b8;\
     --line:#3a4047;--act:#8fc1f2;--good:#93d8a7;--doubt:#f1c373;--bad:#f5a9a2}}";

/// A picture of a page as an image of its own: with the style sheet in it.
///
/// Where it is given out as a document, its answer has to allow the styles that stand in it.
#[must_use]
pub fn alone(picture: &str) -> String {
    // Without the box that it may have on a page.
    let from = picture.find("<svg").unwrap_or(0);
    let until = picture.rfind("</svg>").map_or(picture.len(), |at| at + "</svg>".len());
    let picture = &picture[from..until.max(from)];
    match picture.split_once('>') {
        Some((tag, rest)) => format!("{tag}><style>{}</style>{rest}", svg::escape(&format!("{TOKENS}{STYLES}"))),
        None => picture.to_owned(),
    }
}

#[cfg(test)]
pub(crate) mod tests;
