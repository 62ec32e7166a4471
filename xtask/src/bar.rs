//! The progress of a run: a bar on a terminal, a plain line now and then elsewhere.

use std::io::{IsTerminal, Write, stderr};
use std::time::Instant;

use hpl_spec::stage::Stage;
use indicatif::{ProgressBar, ProgressStyle};

/// The bar counts in thousandths.
const WHOLE: u64 = 1000;

/// Whoever shows the progress.
#[derive(Debug)]
pub enum Bar {
    /// On a terminal.
    Drawn(ProgressBar),
    /// Into a file or a pipe.
    Plain {
        /// When the last line was written, and what it told.
        last: Option<(Instant, Stage)>,
    },
}

impl Bar {
    /// Looks at where stderr goes.
    pub fn new() -> Bar {
        if !stderr().is_terminal() {
            return Bar::Plain { last: None };
        }
        let style = ProgressStyle::with_template("  [{bar:24}] {percent:>3} %  {msg}")
            .unwrap_or_else(|_| ProgressStyle::default_bar())
            .progress_chars("=> ");
        Bar::Drawn(ProgressBar::new(WHOLE).with_style(style))
    }

    /// Shows where the run stands.
    pub fn show(&mut self, stage: &Stage) {
        match self {
            Bar::Drawn(bar) => {
                bar.set_position((stage.done() * WHOLE as f64) as u64);
                bar.set_message(stage.to_string());
            }
            Bar::Plain { last } => {
                if stage.is_worth_a_line(last.as_ref().map(|(when, told)| (told, when.elapsed()))) {
                    // Where nobody reads any more there is still all to be stopped in order.
                    let _ = writeln!(stderr(), "  {:>3.0} %  {stage}", 100.0 * stage.done());
                    *last = Some((Instant::now(), stage.clone()));
                }
            }
        }
    }

    /// Leaves the terminal as it was.
    pub fn clear(self) {
        if let Bar::Drawn(bar) = self {
            bar.finish_and_clear();
        }
    }
}
