//! Tables with aligned columns. Pure.

use crate::look::{Look, Paint};
use crate::words::{cut, plain};

/// To which side the cells of a column lean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Words.
    Left,
    /// Numbers.
    Right,
    /// Words that are cut where the terminal is too narrow for the whole table.
    Cut,
}

/// A table.
#[derive(Debug, Default)]
pub struct Table {
    columns: Vec<(&'static str, Side)>,
    rows: Vec<Vec<(String, Option<Paint>)>>,
}

/// Blanks between two columns.
const GAP: usize = 2;
/// Characters that a column keeps, however narrow the terminal is.
const LEAST: usize = 8;

impl Table {
    /// A table with these columns.
    pub fn new(columns: &[(&'static str, Side)]) -> Table {
        Table { columns: columns.to_vec(), rows: vec![] }
    }

    /// Adds a row.
    pub fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.painted(cells.map(|cell| (cell, None)));
    }

    /// Adds a row with colours.
    pub fn painted<const N: usize>(&mut self, cells: [(String, Option<Paint>); N]) {
        self.rows.push(cells.into_iter().map(|(text, paint)| (plain(&text), paint)).collect());
    }

    /// The lines of the table, its head first; each ends with a line end.
    pub fn to_text(&self, look: &Look) -> String {
        let widths = self.widths(look.width);
        let head: Vec<_> = self.columns.iter().map(|(title, _)| ((*title).to_owned(), None)).collect();
        let lines = std::iter::once(&head).chain(&self.rows);
        lines.map(|cells| self.line(cells, &widths, look)).collect()
    }

    fn widths(&self, room: usize) -> Vec<usize> {
        let longest = |at: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(at)).map(|(text, _)| text.chars().count());
            cells.chain([self.columns[at].0.chars().count()]).max().unwrap_or(0)
        };
        let mut widths: Vec<usize> = (0..self.columns.len()).map(longest).collect();
        while widths.iter().sum::<usize>() + GAP * widths.len() > room {
            let may_be_cut = |at: &usize| self.columns[*at].1 == Side::Cut && widths[*at] > LEAST;
            let widest = (0..widths.len()).filter(may_be_cut).max_by_key(|at| widths[*at]);
            let Some(widest) = widest else { break };
            widths[widest] -= 1;
        }
        widths
    }

    fn line(&self, cells: &[(String, Option<Paint>)], widths: &[usize], look: &Look) -> String {
        let mut line = String::new();
        for ((cell, paint), (width, (_, side))) in cells.iter().zip(widths.iter().zip(&self.columns)) {
            let text = cut(cell, *width);
            let blanks = " ".repeat(width - text.chars().count());
            let text = look.paint(&text, *paint);
            line += &" ".repeat(GAP);
            line += &if *side == Side::Right { blanks + &text } else { text + &blanks };
        }
        line.truncate(line.trim_end().len());
        line + "\n"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new(&[("name", Side::Cut), ("Gflop/s", Side::Right), ("state", Side::Left)]);
        table.painted([
            ("a run with a long name".into(), None),
            ("9.50".into(), None),
            ("done".into(), Some(Paint::Good)),
        ]);
        table.row(["b".into(), "101.14".into(), "queued".into()]);
        table
    }

    #[test]
    fn words_lean_left_and_numbers_right() {
        let text = table().to_text(&Look::plain());
        let expected = "\
\x20 name                    Gflop/s  state
\x20 a run with a long name     9.50  done
\x20 b                        101.14  queued
";
        assert_eq!(text, expected);
    }

    #[test]
    fn a_narrow_terminal_cuts_what_may_be_cut_and_colours_do_not_count() {
        let look = Look { width: 30, colour: true, terminal: true };
        let text = table().to_text(&look);
        assert!(text.contains("  a run with…     9.50  \u{1b}[32mdone\u{1b}[0m\n"), "{text}");
        let narrow = table().to_text(&Look { width: 5, ..Look::plain() });
        assert!(narrow.contains("  a run w…     9.50  done"), "{narrow}");
    }
}
