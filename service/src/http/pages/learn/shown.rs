//! What a topic shows: pictures, facts, tables and links to try. The template lays them out.

use super::numbers::Numbers;
use crate::http::pages::forms::query;

/// A picture with its words.
pub struct Figure {
    pub heading: String,
    /// SVG.
    pub picture: String,
    pub caption: String,
}

/// A table.
pub struct Table {
    pub caption: String,
    pub head: Vec<&'static str>,
    pub rows: Vec<Row>,
    /// What a marked row is.
    pub mark: &'static str,
}

/// A row of a table; the first cell is its heading.
pub struct Row {
    pub cells: Vec<String>,
    /// Whether it is marked.
    pub own: bool,
}

/// A run to try.
pub struct Try {
    pub words: String,
    pub address: String,
}

/// Steps through the panels.
pub struct Frames {
    /// The panel that is shown, from 0 on, and the last one.
    pub now: u64,
    pub last: u64,
    /// Addresses; empty where there is nothing to go to.
    pub first: String,
    pub back: String,
    pub next: String,
    pub figure: Figure,
}

/// What a topic shows.
#[derive(Default)]
pub struct Shown {
    pub frames: Option<Frames>,
    /// How the pictures are to be read.
    pub legend: &'static str,
    pub figures: Vec<Figure>,
    pub facts: Vec<(&'static str, String)>,
    pub tables: Vec<Table>,
    pub tries: Vec<Try>,
}

impl Shown {
    pub fn figure(&mut self, heading: &str, picture: String, caption: impl Into<String>) {
        self.figures.push(Figure { heading: heading.to_owned(), picture, caption: caption.into() });
    }

    pub fn fact(&mut self, name: &'static str, value: impl Into<String>) {
        self.facts.push((name, value.into()));
    }

    /// A run with these numbers and some parameters of its own.
    pub fn try_with(&mut self, numbers: Numbers, others: &[(&str, &str)], words: impl Into<String>) {
        self.tries.push(Try { words: words.into(), address: submit(numbers, others) });
    }
}

/// The address of the form with these numbers in it.
pub fn submit(numbers: Numbers, others: &[(&str, &str)]) -> String {
    let [n, nb, p, q] = [numbers.n, numbers.nb, numbers.p, numbers.q].map(|number| number.to_string());
    let pairs = [("n", n.as_str()), ("nb", &nb), ("p", &p), ("q", &q)];
    format!("/submit{}", query(&[&pairs[..], others].concat()))
}

/// A row of a table.
pub fn row(own: bool, cells: impl IntoIterator<Item = String>) -> Row {
    Row { cells: cells.into_iter().collect(), own }
}
