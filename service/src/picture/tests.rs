//! What holds of every picture.

use super::*;
use resvg::usvg::roxmltree;

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

fn turned(node: roxmltree::Node) -> bool {
    node.ancestors().any(|n| n.attribute("transform").is_some())
}
