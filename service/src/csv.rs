//! Tables for spreadsheets: comma-separated values after RFC 4180.

use std::fmt::Write as _;

/// A value in a table.
pub enum Cell<'a> {
    /// Words, always in quotes.
    Text(&'a str),
    /// A number, with all the digits that tell it from others.
    Number(f64),
    /// A count, a time.
    Whole(i64),
    /// Yes or no.
    Flag(bool),
    /// Nothing.
    Empty,
}

/// Adds a line. Words that a spreadsheet would take for a formula get an apostrophe in front, which spreadsheets
/// take for "this is text".
pub fn line(out: &mut String, cells: &[Cell<'_>]) {
    for (i, cell) in cells.iter().enumerate() {
        if i > 0 {
            out.push(',');
        }
        // Writing into a string cannot fail.
        let _ = match cell {
            Cell::Text(words) => {
                text(out, words);
                Ok(())
            }
            Cell::Number(value) => write!(out, "{value}"),
            Cell::Whole(value) => write!(out, "{value}"),
            Cell::Flag(value) => write!(out, "{value}"),
            Cell::Empty => Ok(()),
        };
    }
    out.push_str("\r\n");
}

fn text(out: &mut String, words: &str) {
    out.push('"');
    // What a spreadsheet trims or skips before it looks for a formula must not hide one.
    let first = words.trim_start_matches(|c: char| c.is_whitespace() || c == '\u{feff}').chars().next();
    let formula = first.is_some_and(|c| "=+-@＝＋－＠".contains(c)) || words.starts_with(['\t', '\r', '\n']);
    if formula {
        out.push('\'');
    }
    for c in words.chars().filter(|c| *c != '\0') {
        if c == '"' {
            out.push('"');
        }
        out.push(c);
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_quoted() {
        let mut out = String::new();
        let cells = [Cell::Text("a,\"b\"\r\nc"), Cell::Number(0.1), Cell::Whole(-3), Cell::Empty, Cell::Flag(true)];
        line(&mut out, &cells);
        assert_eq!(out, "\"a,\"\"b\"\"\r\nc\",0.1,-3,,true\r\n");
    }

    #[test]
    fn formulas_are_text() {
        for bad in ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =1", "\u{feff}=1", "＝1"] {
            let mut out = String::new();
            text(&mut out, bad);
            assert!(out.starts_with("\"'"), "{bad:?}");
        }
        let mut out = String::new();
        text(&mut out, "N=1000 NB=192 1x2");
        assert_eq!(out, "\"N=1000 NB=192 1x2\"");
    }
}
