//! What holds of every picture.

use super::*;
use resvg::usvg::roxmltree;

mod gallery;

/// Fails where a picture is not well-formed, says nothing in words, names no place, or has text beyond its edges;
/// gives the picture back.
pub(crate) fn check(picture: &str) -> &str {
    let document = roxmltree::Document::parse(picture).unwrap_or_else(|e| panic!("{e}: {picture}"));
    let root = document.root_element();
    assert_eq!(root.attribute("role"), Some("img"));
    let says = |name: &str| root.children().find(|n| n.has_tag_name(("http://www.w3.org/2000/svg", name)));
    for name in ["title", "desc"] {
        assert!(says(name).and_then(|n| n.text()).is_some_and(|t| !t.trim().is_empty()), "no {name}: {picture}");
    }
    let view: Vec<f64> = root.attribute("viewBox").unwrap().split(' ').map(|v| v.parse().unwrap()).collect();
    let (width, height) = (view[2], view[3]);
    assert!(width > 0.0 && height > 0.0 && width < 5000.0 && height < 5000.0, "{view:?}");
    for bad in ["NaN", "inf", "style="] {
        let drawn = root.descendants().filter(|n| n.is_element());
        let spoilt = drawn.flat_map(|n| n.attributes()).find(|a| a.value().contains(bad) || a.name() == "style");
        assert!(spoilt.is_none(), "{spoilt:?}: {picture}");
    }
    for node in root.descendants().filter(|n| n.tag_name().name() == "text" && !turned(*n)) {
        let number = |name: &str| node.attribute(name).and_then(|v| v.parse::<f64>().ok());
        let (x, y, size) = (number("x").unwrap(), number("y").unwrap(), number("font-size").unwrap_or(LETTER));
        let spans = node.children().filter(roxmltree::Node::is_element);
        if spans.count() > 0 {
            check_pair(node, x, width);
            continue;
        }
        let size = if node.attribute("class") == Some("strong") { STRONG } else { size };
        let wide = text::width(node.text().unwrap_or(""), size);
        let left = match node.attribute("text-anchor") {
            Some("middle") => x - wide / 2.0,
            Some("end") => x - wide,
            _ => x,
        };
        // Widths are estimates from above: a little beyond is within.
        assert!(
            left >= -1.0 && left + wide <= width + 1.0,
            "{left} to {} of {width}: {node:?} {:?}",
            left + wide,
            node.text()
        );
        assert!(y >= size * 0.7 && y <= height + 1.0, "{y} of {height}: {:?}", node.text());
    }
    picture
}

/// Texts of different sizes in one line.
fn check_pair(node: roxmltree::Node, x: f64, width: f64) {
    let span = |span: roxmltree::Node| {
        let number = |name: &str| span.attribute(name).and_then(|v| v.parse::<f64>().ok());
        number("dx").unwrap_or(0.0) + text::width(span.text().unwrap_or(""), number("font-size").unwrap())
    };
    let end = x + node.children().map(span).sum::<f64>();
    assert!(end <= width + 1.0, "{end} of {width}: {node:?}");
}

fn turned(node: roxmltree::Node) -> bool {
    node.ancestors().any(|n| n.attribute("transform").is_some())
}

/// The tokens of a theme in the style sheet, by name.
fn tokens(theme: usize) -> std::collections::BTreeMap<String, [f64; 3]> {
    let part =
        include_str!("../../styles/picture.css").split(":root {").nth(theme + 1).unwrap().split('}').next().unwrap();
    let value = |line: &str| {
        let (name, value) = line.split_once(": #")?;
        let channel = |i: usize| f64::from(u8::from_str_radix(&value[i..i + 2], 16).unwrap()) / 255.0;
        Some((name.trim().to_owned(), [channel(0), channel(2), channel(4)]))
    };
    part.split(';').filter_map(value).collect()
}

/// Contrast of two colours as WCAG reckons it.
fn contrast(a: [f64; 3], b: [f64; 3]) -> f64 {
    let channel = |c: f64| if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) };
    let light = |[r, g, b]: [f64; 3]| 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
    let (a, b) = (light(a) + 0.05, light(b) + 0.05);
    a.max(b) / a.min(b)
}

#[test]
fn colours_can_be_told_from_the_ground_and_letters_from_cells() {
    let hex = |value: u32| [16, 8, 0].map(|shift| f64::from(value >> shift & 0xff) / 255.0);
    // The grounds and the letters of the pages, light and dark.
    for (theme, grounds, letters) in
        [(0, [0x00fb_faf7, 0x00ff_ffff], 0x001d_2126), (1, [0x0014_171a, 0x001d_2125], 0x00e8_e8e4)]
    {
        let tokens = tokens(theme);
        assert_eq!(tokens.len(), 6 + 8 + 6, "{tokens:?}");
        for (name, colour) in tokens {
            if name.contains("series") {
                assert!(grounds.iter().all(|g| contrast(colour, hex(*g)) >= 3.0), "{name}, theme {theme}");
            } else {
                let found = contrast(colour, hex(letters));
                assert!(found >= 4.5, "{name}, theme {theme}: {found}");
            }
        }
    }
}

#[test]
fn what_is_wide_is_drawn_twice() {
    let both = responsive(|shape| step::work_left(None, shape));
    assert_eq!(both.matches("<svg").count(), 2);
    assert!(roxmltree::Document::parse(&format!("<div>{both}</div>")).is_ok());
}
