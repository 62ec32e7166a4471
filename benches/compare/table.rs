//! The table at the end.

use std::fmt;

use benches::machine::Machine;
use benches::spread::Spread;
use serde::{Deserialize, Serialize};

use super::hpl::Ours;
use super::peers::Peers;

/// One measurement.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Figure {
    /// The rate in Gflop/s.
    pub gflops: f64,
    /// The FMA peak just before, in Gflop/s.
    pub peak: f64,
    /// The scaled residual, where there is one.
    pub residual: Option<f64>,
    /// The program's verdict on it.
    pub passed: bool,
    /// The most memory that all ranks together had resident, in bytes, if the system tells.
    pub resident: Option<u64>,
}

/// Who was measured, and what came out.
#[derive(Debug, Clone)]
pub struct Row {
    /// Who.
    pub name: String,
    /// Whether it is of this project.
    pub ours: bool,
    /// The order of a run whose memory is limited: one of ours.
    pub order: Option<usize>,
    /// Each time it was measured.
    pub figures: Vec<Figure>,
}

impl Row {
    /// A row without figures.
    pub fn new(name: &str, ours: bool) -> Row {
        Row { name: name.to_owned(), ours, order: None, figures: Vec::new() }
    }

    fn spread(&self, figure: impl Fn(&Figure) -> f64) -> Option<Spread> {
        Spread::of(self.figures.iter().map(figure))
    }
}

/// The whole comparison, in Markdown.
pub struct Table {
    head: String,
    works: Vec<(String, Vec<Row>)>,
}

impl Table {
    /// An empty table for this machine.
    pub fn new(machine: &Machine, peers: &Peers, ours: &Ours) -> Table {
        let caches = machine.cache_sizes();
        let head = format!(
            "{} cores of {} (caches of a core: {} and {} KiB); {}\n{}\nMedian (smallest-largest) in Gflop/s; the FMA peak is measured before each run.\n",
            machine.cores(),
            machine.cpu_model(),
            caches.l1 >> 10,
            caches.l2 >> 10,
            ours.describe(),
            peers.describe(),
        );
        Table { head, works: Vec::new() }
    }

    /// Adds what was measured for one kind of work.
    pub fn add(&mut self, work: &str, rows: Vec<Row>) {
        if !rows.is_empty() {
            self.works.push((work.to_owned(), rows));
        }
    }

    /// Whether every residual of ours passed.
    pub fn passed(&self) -> bool {
        self.works
            .iter()
            .flat_map(|(_, rows)| rows)
            .filter(|row| row.ours)
            .all(|row| row.figures.iter().all(|f| f.passed))
    }
}

/// What ranks of xhpl may have resident: the matrix and a twentieth, and 300 MB for all else.
fn allowance(n: f64) -> f64 {
    8.0 * n.powi(2) * 1.05 + 300e6
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.head)?;
        for (work, rows) in &self.works {
            writeln!(f, "| {work} | runs | Gflop/s | FMA peak | % of peak | ours, first : it |")?;
            writeln!(f, "|---|---|---|---|---|---|")?;
            let first = rows.iter().find(|row| row.ours);
            for row in rows {
                let all = row.spread(|r| r.gflops).zip(row.spread(|r| r.peak));
                let Some((gflops, peak)) = all else {
                    writeln!(f, "| {} | 0 | | | | |", row.name)?;
                    continue;
                };
                let percent = row.spread(|r| 100.0 * r.gflops / r.peak).expect("there are figures");
                let ratios = first.filter(|first| first.name != row.name).and_then(|first| {
                    Spread::of(first.figures.iter().zip(&row.figures).map(|(ours, its)| ours.gflops / its.gflops))
                });
                let ratio = ratios.map_or(String::new(), |ratio| format!("{ratio:.2}"));
                let (name, runs) = (&row.name, row.figures.len());
                writeln!(f, "| {name} | {runs} | {gflops} | {peak:.0} | {percent} | {ratio} |")?;
            }
            for (row, n) in rows.iter().filter_map(|row| Some((row, row.order?))) {
                memory(f, row, n)?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

/// Residual and memory of our runs of order `n`.
fn memory(f: &mut fmt::Formatter<'_>, row: &Row, n: usize) -> fmt::Result {
    let worst = row.figures.iter().filter_map(|figure| figure.residual).fold(0.0, f64::max);
    let verdict = if row.figures.iter().all(|figure| figure.passed) { "PASSED" } else { "FAILED" };
    write!(f, "\n{}: residual at most {worst:.2e}, {verdict}", row.name)?;
    if let Some(most) = row.figures.iter().filter_map(|figure| figure.resident).max() {
        let (most, allowed) = (most as f64 / 1e6, allowance(n as f64) / 1e6);
        let within = if most <= allowed { "within" } else { "BEYOND" };
        write!(f, "; peak memory {most:.0} MB, {within} the allowed {allowed:.0} MB")?;
    }
    writeln!(f)
}
