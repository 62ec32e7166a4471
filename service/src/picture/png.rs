//! SVG of our own making as PNG, for the sites that show no SVG in previews.
//!
//! The letters are those of the one font that the program brings along; neither fonts nor files of the machine are
//! looked at. What is too large is refused before anything is drawn.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, OnceLock};

use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::{ImageHrefResolver, Options, Tree, fontdb};

/// The longest SVG that is drawn, in bytes: cards have about a tenth.
pub const MOST_BYTES: usize = 200_000;
/// The longest side of a picture, in pixels.
pub const MOST_PIXELS: u32 = 1600;

/// Why there is no PNG.
#[derive(Debug, thiserror::Error)]
pub enum PngError {
    /// The SVG is too long.
    #[error("an SVG of {0} bytes is too long to be drawn")]
    Long(usize),
    /// The picture is too large.
    #[error("a picture of {0} × {1} pixels is too large to be drawn")]
    Large(u32, u32),
    /// It cannot be read.
    #[error("the SVG cannot be read: {0}")]
    Read(#[from] resvg::usvg::Error),
    /// It cannot be written as PNG.
    #[error("the picture cannot be written as PNG: {0}")]
    Write(String),
    /// The renderer itself failed.
    #[error("the renderer failed on this picture")]
    Renderer,
}

/// The font, read once.
fn fonts() -> Arc<fontdb::Database> {
    static FONTS: OnceLock<Arc<fontdb::Database>> = OnceLock::new();
    let read = || {
        let mut fonts = fontdb::Database::new();
        fonts.load_font_data(epaint_default_fonts::UBUNTU_LIGHT.to_vec());
        fonts.set_sans_serif_family("Ubuntu");
        Arc::new(fonts)
    };
    FONTS.get_or_init(read).clone()
}

/// The PNG of an SVG, a pixel a unit. It takes tens of milliseconds of a core: not for the threads that serve.
///
/// # Errors
/// Where the SVG is too long or too large, or cannot be read.
pub fn png(svg: &str) -> Result<Vec<u8>, PngError> {
    if svg.len() > MOST_BYTES {
        return Err(PngError::Long(svg.len()));
    }
    // A picture is worth less than the service: whatever befalls the renderer ends here.
    catch_unwind(AssertUnwindSafe(|| draw(svg))).unwrap_or(Err(PngError::Renderer))
}

fn draw(svg: &str) -> Result<Vec<u8>, PngError> {
    let nothing = ImageHrefResolver { resolve_data: Box::new(|_, _, _| None), resolve_string: Box::new(|_, _| None) };
    let options = Options {
        fontdb: fonts(),
        font_family: "Ubuntu".to_owned(),
        image_href_resolver: nothing,
        ..Options::default()
    };
    let tree = Tree::from_str(svg, &options)?;
    let size = tree.size().to_int_size();
    let (width, height) = (size.width(), size.height());
    if width.max(height) > MOST_PIXELS {
        return Err(PngError::Large(width, height));
    }
    let mut pixels = Pixmap::new(width, height).ok_or(PngError::Large(width, height))?;
    resvg::render(&tree, Transform::identity(), &mut pixels.as_mut());
    pixels.encode_png().map_err(|e| PngError::Write(e.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::card::{self, Card};

    #[test]
    fn a_card_becomes_a_png_with_letters() {
        let example = card::tests::example(&[]);
        let drawn = png(&card::card(&example)).unwrap();
        let read = Pixmap::decode_png(&drawn).unwrap();
        assert_eq!((read.width(), read.height()), (1200, 630));
        assert!(drawn.len() < 200_000, "{} bytes", drawn.len());
        // Without its figure the card has fewer light pixels: letters are really drawn.
        let light = |png: &[u8]| {
            let pixels = Pixmap::decode_png(png).unwrap();
            pixels.pixels().iter().filter(|p| p.red() > 230 && p.blue() > 220).count()
        };
        let without = png(&card::card(&Card { unit: "", figure: Some(0.0), ..example })).unwrap();
        assert!(light(&drawn) > light(&without) + 2000, "{} and {}", light(&drawn), light(&without));
    }

    #[test]
    fn what_cannot_be_drawn_is_an_error() {
        assert!(matches!(png("no svg"), Err(PngError::Read(_))));
        assert!(matches!(png(&" ".repeat(MOST_BYTES + 1)), Err(PngError::Long(_))));
        let large = "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"99999\" height=\"2\"/>";
        assert!(matches!(png(large), Err(PngError::Large(99_999, 2))));
        let name = "漢字 👩‍🚀 \u{202e}abc <b>".repeat(100);
        let strange = Card { user: &name, label: &name, ..card::tests::example(&[]) };
        assert!(png(&card::card(&strange)).is_ok());
    }
}
