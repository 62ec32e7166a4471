//! A small writer of SVG: escaped text, short numbers, closed tags.
//!
//! What it writes is at once a part of a page and a file of its own. Colours are classes of `styles/picture.css`, as
//! the pages allow no style attribute; places and sizes are presentation attributes.
//! A picture is one image to those who cannot see it: its title says what it is, its description what it shows.

use std::fmt::Write;

/// Where the text of a line begins, ends or has its middle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Anchor {
    /// It begins at the point.
    Start,
    /// Its middle is at the point.
    Middle,
    /// It ends at the point.
    End,
}

impl Anchor {
    fn word(self) -> &'static str {
        match self {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        }
    }
}

/// A picture that is being written.
#[derive(Debug)]
pub struct Svg {
    out: String,
    groups: usize,
}

impl Svg {
    /// An empty picture of so many units. `class` is added to `picture`; its size on a page comes from the style sheet.
    #[must_use]
    pub fn new(width: f64, height: f64, class: &str, title: &str, description: &str) -> Svg {
        Svg::open(&format!("class=\"picture {}\"", escape(class)), width, height, title, description)
    }

    /// An empty picture of so many pixels that brings its own colours along.
    #[must_use]
    pub fn alone(width: f64, height: f64, title: &str, description: &str) -> Svg {
        let size = format!("width=\"{}\" height=\"{}\"", number(width), number(height));
        Svg::open(&size, width, height, title, description)
    }

    fn open(attributes: &str, width: f64, height: f64, title: &str, description: &str) -> Svg {
        let out = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" {attributes} viewBox=\"0 0 {} {}\" role=\"img\">\
             <title>{}</title><desc>{}</desc>",
            number(width),
            number(height),
            escape(title),
            escape(description)
        );
        Svg { out, groups: 0 }
    }

    /// Opens a group, until the next [`Svg::end`].
    pub fn group(&mut self, class: &str) {
        let _ = write!(self.out, "<g class=\"{}\">", escape(class));
        self.groups += 1;
    }

    /// Opens a group that says `title` where the pointer rests on it, until the next [`Svg::end`].
    pub fn titled(&mut self, class: &str, title: &str) {
        self.group(class);
        let _ = write!(self.out, "<title>{}</title>", escape(title));
    }

    /// Closes the group that was opened last.
    pub fn end(&mut self) {
        if self.groups > 0 {
            self.groups -= 1;
            self.out.push_str("</g>");
        }
    }

    /// A shape by name with numbers, then further attributes, which are trusted.
    fn shape(&mut self, name: &str, numbers: &[(&str, f64)], rest: &str) {
        let _ = write!(self.out, "<{name}");
        for (attribute, value) in numbers {
            let _ = write!(self.out, " {attribute}=\"{}\"", number(*value));
        }
        let _ = write!(self.out, "{rest}/>");
    }

    /// A rectangle; one without width or height is left out.
    pub fn rect(&mut self, class: &str, x: f64, y: f64, width: f64, height: f64) {
        if width > 0.0 && height > 0.0 {
            let numbers = [("x", x), ("y", y), ("width", width), ("height", height)];
            self.shape("rect", &numbers, &class_of(class));
        }
    }

    /// A rectangle with round corners in a colour of its own.
    pub fn painted_rect(&mut self, fill: &str, [x, y, width, height]: [f64; 4], radius: f64) {
        if width > 0.0 && height > 0.0 {
            let numbers = [("x", x), ("y", y), ("width", width), ("height", height), ("rx", radius)];
            self.shape("rect", &numbers, &format!(" fill=\"{}\"", escape(fill)));
        }
    }

    /// A straight line.
    pub fn line(&mut self, class: &str, from: (f64, f64), to: (f64, f64)) {
        let numbers = [("x1", from.0), ("y1", from.1), ("x2", to.0), ("y2", to.1)];
        self.shape("line", &numbers, &class_of(class));
    }

    /// A circle.
    pub fn circle(&mut self, class: &str, x: f64, y: f64, radius: f64) {
        self.shape("circle", &[("cx", x), ("cy", y), ("r", radius)], &class_of(class));
    }

    /// A line through points; nothing where there are fewer than two.
    pub fn polyline(&mut self, class: &str, points: &[(f64, f64)]) {
        self.through("polyline", class, points);
    }

    /// A filled shape with those corners.
    pub fn polygon(&mut self, class: &str, points: &[(f64, f64)]) {
        self.through("polygon", class, points);
    }

    fn through(&mut self, name: &str, class: &str, points: &[(f64, f64)]) {
        if points.len() > 1 {
            self.shape(name, &[], &format!("{} points=\"{}\"", class_of(class), joined(points)));
        }
    }

    /// A line of text whose foot stands at the point.
    pub fn text(&mut self, class: &str, x: f64, y: f64, anchor: Anchor, text: &str) {
        let _ = write!(
            self.out,
            "<text x=\"{}\" y=\"{}\" text-anchor=\"{}\"{}>{}</text>",
            number(x),
            number(y),
            anchor.word(),
            class_of(class),
            escape(text)
        );
    }

    /// Lines of text below each other, the first with its foot at the point; gives the foot of the next line.
    pub fn lines(&mut self, class: &str, (x, y): (f64, f64), height: f64, lines: &[String]) -> f64 {
        let mut foot = y;
        for line in lines {
            self.text(class, x, foot, Anchor::Start, line);
            foot += height;
        }
        foot
    }

    /// A line of text in a font, size and colour of its own.
    pub fn painted_text(&mut self, (x, y): (f64, f64), anchor: Anchor, ink: &Ink, text: &str) {
        let place = format!("x=\"{}\" y=\"{}\" text-anchor=\"{}\"", number(x), number(y), anchor.word());
        let _ = write!(self.out, "<text {place} {}>{}</text>", ink.attributes(), escape(text));
    }

    /// Two texts of different inks one after the other, so many units apart.
    pub fn painted_pair(&mut self, (x, y): (f64, f64), first: (&Ink, &str), apart: f64, second: (&Ink, &str)) {
        let _ = write!(
            self.out,
            "<text x=\"{}\" y=\"{}\"><tspan {}>{}</tspan><tspan dx=\"{}\" {}>{}</tspan></text>",
            number(x),
            number(y),
            first.0.attributes(),
            escape(first.1),
            number(apart),
            second.0.attributes(),
            escape(second.1)
        );
    }

    /// The picture, all groups closed.
    #[must_use]
    pub fn finish(mut self) -> String {
        while self.groups > 0 {
            self.end();
        }
        self.out.push_str("</svg>");
        self.out
    }
}

/// How a text of a picture that brings its own colours is written.
#[derive(Debug, Clone, Copy)]
pub struct Ink<'a> {
    /// The names of fonts, in the form of CSS.
    pub family: &'a str,
    /// The height of a line.
    pub size: f64,
    /// The colour.
    pub fill: &'a str,
    /// How much bolder than the font: the width of an outline in the same colour, as a share of the size.
    pub weight: f64,
}

impl Ink<'_> {
    fn attributes(&self) -> String {
        let (family, size, fill) = (escape(self.family), number(self.size), escape(self.fill));
        let outline = match self.weight {
            weight if weight > 0.0 => format!(" stroke=\"{fill}\" stroke-width=\"{}\"", number(weight * self.size)),
            _ => String::new(),
        };
        format!("font-family=\"{family}\" font-size=\"{size}\" fill=\"{fill}\"{outline}")
    }
}

fn class_of(class: &str) -> String {
    if class.is_empty() { String::new() } else { format!(" class=\"{}\"", escape(class)) }
}

fn joined(points: &[(f64, f64)]) -> String {
    let mut text = String::with_capacity(points.len() * 12);
    for (x, y) in points {
        let _ = write!(text, "{}{},{}", if text.is_empty() { "" } else { " " }, number(*x), number(*y));
    }
    text
}

/// A number with at most two decimals. What is no number is 0, what is beyond all pictures is cut, so that no browser
/// stumbles over it.
#[must_use]
pub fn number(value: f64) -> String {
    const FAR: f64 = 1e6;
    let value = if value.is_nan() { 0.0 } else { value.clamp(-FAR, FAR) };
    let text = format!("{value:.2}");
    let short = text.trim_end_matches('0').trim_end_matches('.');
    if short == "-0" { "0".to_owned() } else { short.to_owned() }
}

/// Text that can stand between tags and in attributes; characters that XML knows no way to write are left out.
#[must_use]
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\t' | '\n' | '\r' => out.push(' '),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => {}
            // What turns the direction of writing, or joins invisibly, can make one name look like another.
            '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}' => {}
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use resvg::usvg::roxmltree;

    #[test]
    fn numbers_are_short_and_always_numbers() {
        for (value, text) in [
            (0.0, "0"),
            (-0.001, "0"),
            (12.0, "12"),
            (12.346, "12.35"),
            (1.5, "1.5"),
            (100.0, "100"),
            (f64::NAN, "0"),
            (f64::INFINITY, "1000000"),
            (-1e300, "-1000000"),
        ] {
            assert_eq!(number(value), text);
        }
    }

    #[test]
    fn hostile_names_are_text() {
        let name = "</text><script>alert('x')</script>\"&\u{0}\u{202e}\u{b}";
        let mut svg = Svg::new(10.0, 10.0, "x\" onload=\"y", name, name);
        svg.titled("a", name);
        svg.text("b", 0.0, 0.0, Anchor::Start, name);
        let text = svg.finish();
        let document = roxmltree::Document::parse(&text).unwrap();
        assert!(!document.descendants().any(|n| n.has_tag_name("script") || n.attribute("onload").is_some()));
        let title = document.root_element().first_element_child().unwrap();
        assert_eq!(title.text().unwrap(), "</text><script>alert('x')</script>\"&");
    }

    #[test]
    fn groups_are_closed_as_often_as_they_are_opened() {
        let mut svg = Svg::new(1.0, 1.0, "", "t", "d");
        svg.end();
        svg.group("a");
        svg.group("b");
        svg.rect("none", 0.0, 0.0, 0.0, 5.0);
        let text = svg.finish();
        assert!(roxmltree::Document::parse(&text).is_ok(), "{text}");
        assert!(!text.contains("<rect"));
    }
}
