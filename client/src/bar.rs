//! The progress of a run: a bar on a terminal, a plain line now and then elsewhere. It goes to standard error, so that
//! the result has standard output for itself.

use std::io::{IsTerminal, stderr};
use std::time::Instant;

use hpl_spec::api::jobs::Job;
use hpl_spec::stage::Stage;
use indicatif::{ProgressBar, ProgressStyle};

use crate::look::remark;
use crate::words::plain;

/// The bar counts in thousandths.
const WHOLE: u64 = 1000;

/// Whoever shows the progress.
#[derive(Debug)]
pub enum Bar {
    /// On a terminal.
    Drawn(ProgressBar),
    /// Into a file or a pipe.
    Lines {
        /// When the last line was written, and what it told.
        last: Option<(Instant, Stage)>,
    },
    /// Nowhere: somebody wants the answers instead.
    Silent,
}

impl Bar {
    /// Looks at where standard error goes.
    pub fn new(silent: bool) -> Bar {
        if silent {
            return Bar::Silent;
        }
        if !stderr().is_terminal() {
            return Bar::Lines { last: None };
        }
        let style = ProgressStyle::with_template("  [{bar:24}] {percent:>3} %  {wide_msg}");
        let style = style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> ");
        Bar::Drawn(ProgressBar::new(WHOLE).with_style(style))
    }

    /// Shows where the job stands.
    pub fn show(&mut self, job: &Job) {
        let stage = Stage::of(job);
        match self {
            Bar::Silent => (),
            Bar::Drawn(bar) => {
                bar.set_position((stage.done() * WHOLE as f64) as u64);
                bar.set_message(words(job, &stage));
            }
            Bar::Lines { last } => {
                if stage.is_worth_a_line(last.as_ref().map(|(when, told)| (told, when.elapsed()))) {
                    remark(&format!("  {:>3.0} %  {}", 100.0 * stage.done(), words(job, &stage)));
                    *last = Some((Instant::now(), stage));
                }
            }
        }
    }

    /// Says what is not about the job.
    pub fn say(&mut self, text: &str) {
        match self {
            Bar::Silent => (),
            Bar::Drawn(bar) => bar.set_message(text.to_owned()),
            Bar::Lines { .. } => remark(&format!("  {text}")),
        }
    }

    /// Leaves the terminal as it was.
    pub fn clear(&self) {
        if let Bar::Drawn(bar) = self {
            bar.finish_and_clear();
        }
    }
}

/// Where the job stands, and when it starts where that is expected.
fn words(job: &Job, stage: &Stage) -> String {
    let starts = job.waits.as_ref().and_then(|waits| waits.starts.as_ref()).map(|starts| starts.text.as_str());
    let ends = if job.cancel_requested { " (to be cancelled)" } else { "" };
    plain(&match (stage, starts) {
        (Stage::Waiting(_), Some(starts)) => format!("{stage}; starts {starts}{ends}"),
        _ => format!("{stage}{ends}"),
    })
}
