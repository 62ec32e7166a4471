//! The table at the end.

use std::fmt;
use std::time::Duration;

use benches::load::pace::Figures;

/// What came of one kind of call.
pub struct Row {
    /// What was called.
    pub name: &'static str,
    /// Calls a second that were to be made.
    pub wanted: f64,
    /// What came of it.
    pub figures: Figures,
    /// Cores that the service kept busy, if the system tells.
    pub busy: Option<f64>,
    /// The most memory that the service had so far, in bytes, if the system tells.
    pub resident: Option<u64>,
}

/// All rows, and what they are held against.
pub struct Table {
    wanted: (Duration, u64),
    rows: Vec<Row>,
}

impl Table {
    /// No rows yet; 99 of 100 answers are to take no longer, and the service no more memory, than that.
    pub fn new(wanted: (Duration, u64)) -> Table {
        Table { wanted, rows: vec![] }
    }

    /// Adds a row, and tells it.
    pub fn add(&mut self, row: Row) {
        println!("{}: {:.0} a second, 99 % within {:.1} ms", row.name, row.figures.rate, p99(&row).as_secs_f64() * 1e3);
        print!("{}", row.figures.why());
        self.rows.push(row);
    }

    /// How many calls went wrong.
    pub fn failed(&self) -> usize {
        self.rows.iter().map(|row| row.figures.failed()).sum()
    }
}

fn p99(row: &Row) -> Duration {
    row.figures.times.quantile(0.99)
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (within, memory) = self.wanted;
        writeln!(
            f,
            "{:24} {:>18}   {:^26} {:>6} {:>8} {:>10}",
            "", "calls a second", "answer, ms", "", "service", "service"
        )?;
        writeln!(
            f,
            "{:24} {:>8} {:>9}   {:>8} {:>8} {:>8} {:>6} {:>8} {:>10}",
            "", "asked", "reached", "middle", "99 %", "slowest", "wrong", "cores", "peak, MB"
        )?;
        for row in &self.rows {
            let busy = row.busy.map_or("?".into(), |busy| format!("{busy:.2}"));
            let resident = row.resident.map_or("?".into(), |bytes| format!("{:.0}", bytes as f64 / 1e6));
            let Figures { rate, times, .. } = &row.figures;
            let (name, wanted, wrong) = (row.name, row.wanted, row.figures.failed());
            let slow = if p99(row) > within { "  <- slow" } else { "" };
            writeln!(f, "{name:24} {wanted:>8.0} {rate:>9.0}   {times} {wrong:>6} {busy:>8} {resident:>10}{slow}")?;
        }
        let most = self.rows.iter().filter_map(|row| row.resident).max();
        let within = within.as_millis();
        let (allowed, most) = (memory as f64 / 1e6, most.unwrap_or_default());
        let verdict = if most <= memory { "within" } else { "BEYOND" };
        writeln!(
            f,
            "\n99 % of the answers are wanted within {within} ms; memory is {verdict} the allowed {allowed:.0} MB"
        )
    }
}
