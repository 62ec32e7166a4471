//! The heat map of two parameters: a value in each cell, darker where it is higher, the best one framed.

use std::fmt::Write;

use crate::picture::svg::{Anchor, Svg};
use crate::picture::{LETTER, STRONG, Shape, text};

/// Shades of the scale.
const SHADES: usize = 6;
const CELL_HEIGHT: f64 = 44.0;
const LEAST_CELL: f64 = 56.0;
const MOST_CELL: f64 = 96.0;
/// More columns or rows than this are left out, and the picture says so.
pub const MOST_LINES: usize = 40;

/// What is known of one pair of parameters.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cell {
    /// Its value, such as the median Gflop/s.
    pub value: f64,
    /// How many runs stand behind it.
    pub runs: usize,
}

/// A heat map to be drawn.
#[derive(Debug, Clone, PartialEq)]
pub struct Heat {
    /// What it is.
    pub title: String,
    /// What stands along the top: `N`.
    pub x_label: String,
    /// What stands down the side: `NB`.
    pub y_label: String,
    /// What the values are: `Gflop/s`.
    pub unit: String,
    /// The values along the top.
    pub columns: Vec<String>,
    /// The values down the side.
    pub rows: Vec<String>,
    /// The cells, row by row; missing ones are empty.
    pub cells: Vec<Option<Cell>>,
}

impl Heat {
    fn cell(&self, row: usize, column: usize) -> Option<Cell> {
        self.cells.get(row * self.columns.len() + column).copied().flatten().filter(|c| c.value.is_finite())
    }

    fn all(&self) -> impl Iterator<Item = (usize, usize, Cell)> {
        let columns = self.columns.len();
        (0..self.rows.len())
            .flat_map(move |row| (0..columns).map(move |column| (row, column)))
            .filter_map(|(row, column)| self.cell(row, column).map(|cell| (row, column, cell)))
    }

    /// The row and column of the highest value; the first of equal ones.
    #[must_use]
    pub fn best(&self) -> Option<(usize, usize)> {
        let first = |best: (usize, usize, Cell), next: (usize, usize, Cell)| {
            if next.2.value > best.2.value { next } else { best }
        };
        self.all().reduce(first).map(|(row, column, _)| (row, column))
    }

    /// What the picture shows, in sentences.
    #[must_use]
    pub fn description(&self) -> String {
        let (known, all) = (self.all().count(), self.rows.len() * self.columns.len());
        let mut out =
            format!("{} by {} and {}: {known} of {all} cells have a value.", self.unit, self.y_label, self.x_label);
        let best = self.best().and_then(|(row, column)| Some((row, column, self.cell(row, column)?)));
        if let Some((row, column, cell)) = best {
            let (value, runs) = (text::figure(cell.value), runs(cell.runs));
            let (y, x) = (&self.rows[row], &self.columns[column]);
            let _ = write!(
                out,
                " The best is {value} {} at {} = {y} and {} = {x}, from {runs}.",
                self.unit, self.y_label, self.x_label
            );
        }
        out
    }

    /// The map, in a box that scrolls where the window is narrower.
    #[must_use]
    pub fn picture(&self) -> String {
        let (columns, rows) = (self.columns.len().min(MOST_LINES), self.rows.len().min(MOST_LINES));
        let left = self.rows.iter().map(|r| text::width(r, STRONG)).fold(text::width(&self.y_label, LETTER), f64::max);
        let left = left.min(120.0) + 10.0;
        let cell = ((Shape::Tall.width() - left) / columns.max(1) as f64).clamp(LEAST_CELL, MOST_CELL);
        let width = (left + cell * columns as f64 + 2.0).max(Shape::Tall.width());
        let mut notes = vec![format!("{} in each cell, below it the number of runs; the best is framed.", self.unit)];
        if columns < self.columns.len() || rows < self.rows.len() {
            notes.push(format!("The first {columns} columns and {rows} rows; there are more."));
        }
        let notes: Vec<String> = notes.iter().flat_map(|n| text::wrapped(n, LETTER, 316.0)).collect();
        let foot = 46.0 + rows as f64 * CELL_HEIGHT + 22.0;
        let height = foot + notes.len() as f64 * 18.0 - 8.0;
        let mut svg = Svg::new(width, height, "heat", &self.title, &self.description());
        svg.text("quiet", left, 14.0, Anchor::Start, &text::fitting(&self.x_label, LETTER, width - left));
        svg.text("quiet", 0.0, 36.0, Anchor::Start, &text::fitting(&self.y_label, LETTER, left - 8.0));
        for (i, name) in self.columns.iter().take(columns).enumerate() {
            let label = text::fitting(name, STRONG, cell - 2.0);
            svg.text("strong", left + (i as f64 + 0.5) * cell, 36.0, Anchor::Middle, &label);
        }
        for (i, name) in self.rows.iter().take(rows).enumerate() {
            let label = text::fitting(name, STRONG, left - 8.0);
            svg.text("strong", left - 8.0, 46.0 + (i as f64 + 0.5) * CELL_HEIGHT + 4.5, Anchor::End, &label);
        }
        self.draw_cells(&mut svg, (rows, columns), left, cell);
        svg.lines("quiet", (2.0, foot), 18.0, &notes);
        let picture = svg.finish();
        // In its own size, as its text would be too small otherwise.
        if width <= Shape::Tall.width() {
            return picture.replacen("picture heat", "picture heat tall", 1);
        }
        let sized = format!("picture heat fixed\" width=\"{}\" height=\"{}", width.round(), height.round());
        let picture = picture.replacen("picture heat", &sized, 1);
        let label = crate::picture::svg::escape(&self.title);
        format!("<div class=\"picture-scroll\" tabindex=\"0\" role=\"group\" aria-label=\"{label}\">{picture}</div>")
    }

    fn draw_cells(&self, svg: &mut Svg, (rows, columns): (usize, usize), left: f64, wide: f64) {
        let ends =
            self.all().fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), c| (a.min(c.2.value), b.max(c.2.value)));
        for row in 0..rows {
            for column in 0..columns {
                let (x, y) = (left + column as f64 * wide, 46.0 + row as f64 * CELL_HEIGHT);
                let Some(cell) = self.cell(row, column) else {
                    svg.rect("empty", x + 2.0, y + 2.0, wide - 4.0, CELL_HEIGHT - 4.0);
                    continue;
                };
                svg.rect(&format!("cell heat-{}", shade(cell.value, ends)), x, y, wide, CELL_HEIGHT);
                let middle = x + wide / 2.0;
                let value = text::fitting(&text::figure(cell.value), LETTER, wide);
                svg.text("on-cell", middle, y + 19.0, Anchor::Middle, &value);
                let runs = text::fitting(&runs(cell.runs), LETTER, wide - 2.0);
                svg.text("on-cell", middle, y + 36.0, Anchor::Middle, &runs);
            }
        }
        if let Some((row, column)) = self.best().filter(|(row, column)| *row < rows && *column < columns) {
            let (x, y) = (left + column as f64 * wide, 46.0 + row as f64 * CELL_HEIGHT);
            svg.rect("best", x + 1.0, y + 1.0, wide - 2.0, CELL_HEIGHT - 2.0);
        }
    }
}

fn runs(runs: usize) -> String {
    if runs == 1 { "1 run".to_owned() } else { format!("{} runs", text::count(runs as u64)) }
}

/// The shade of a value between the lowest and the highest one.
fn shade(value: f64, (low, high): (f64, f64)) -> usize {
    let share = (value / 2.0 - low / 2.0) / (high / 2.0 - low / 2.0);
    // Where all are equal, none is better than another.
    if share.is_finite() { ((share * SHADES as f64) as usize).min(SHADES - 1) } else { SHADES / 2 }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::picture::tests::check;

    pub(crate) fn heat(columns: usize, rows: usize, value: impl Fn(usize, usize) -> Option<f64>) -> Heat {
        let cells = (0..rows * columns)
            .map(|i| value(i / columns, i % columns).map(|value| Cell { value, runs: i % 3 + 1 }))
            .collect();
        Heat {
            title: "Gflop/s by NB and N".to_owned(),
            x_label: "N".to_owned(),
            y_label: "NB".to_owned(),
            unit: "Gflop/s".to_owned(),
            columns: (1..=columns).map(|i| (i * 5000).to_string()).collect(),
            rows: (1..=rows).map(|i| (i * 64).to_string()).collect(),
            cells,
        }
    }

    /// The picture without the box around it.
    fn inner(text: &str) -> &str {
        text.find("<svg").map_or(text, |from| text[from..].trim_end_matches("</div>"))
    }

    #[test]
    fn the_best_cell_is_framed_and_named() {
        let map = heat(3, 4, |row, column| (row + column != 5).then(|| 100.0 + (row * 10 + column) as f64));
        assert_eq!(map.best(), Some((3, 1)));
        let picture = map.picture();
        check(&picture);
        assert!(picture.contains("11 of 12 cells") && picture.contains("NB = 256 and N = 10000"), "{picture}");
        assert_eq!(picture.matches("class=\"best\"").count(), 1);
        assert_eq!(picture.matches("class=\"empty\"").count(), 1);
        assert!(picture.contains("cell heat-0") && picture.contains("cell heat-5"));
    }

    #[test]
    fn many_columns_scroll_and_too_many_are_said_to_be_left_out() {
        let wide = heat(12, 2, |_, column| Some(column as f64)).picture();
        assert!(wide.starts_with("<div class=\"picture-scroll\" tabindex=\"0\""));
        check(inner(&wide));
        let huge = heat(100, 100, |row, column| Some((row * column) as f64)).picture();
        check(inner(&huge));
        assert!(huge.contains("The first 40 columns and 40 rows"));
    }

    #[test]
    fn empty_and_strange_maps_are_drawn() {
        for value in [0.0, f64::NAN, f64::INFINITY, -1e300, 1e300, 1_000_000.0] {
            for size in [0, 1, 3] {
                check(inner(&heat(size, size, |row, _| (row != 1).then_some(value)).picture()));
            }
        }
        assert_eq!(heat(2, 2, |_, _| None).best(), None);
        let mut short = heat(2, 2, |_, _| Some(1.0));
        short.cells.truncate(1);
        short.rows[1] = "<script>".repeat(30);
        check(&short.picture());
    }
}
