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
//! words what it shows. Those of the last row need no style sheet.
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

#[cfg(test)]
pub(crate) mod tests;
