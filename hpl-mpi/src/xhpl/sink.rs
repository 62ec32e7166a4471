//! Where results go, on rank 0: the report, the JSON file, the events file, the progress bar.

use std::fs::{File, OpenOptions};
use std::io::{IsTerminal, Write};
use std::path::Path;

use hpl_spec::dat::Output;
use hpl_spec::event::RunEvent;
use indicatif::{ProgressBar, ProgressStyle};

use crate::input::cannot_write;

/// All places that rank 0 writes to.
pub struct Sinks {
    report: Box<dyn Write>,
    /// The file for the JSON report, if one is wanted.
    pub json: Option<File>,
    events: Option<File>,
    bar: Option<ProgressBar>,
}

impl Sinks {
    /// Opens everything before anything is computed.
    ///
    /// # Errors
    /// What to say about the first file that cannot be written.
    pub fn open(output: &Output, json: Option<&Path>, events: Option<&Path>) -> Result<Sinks, String> {
        let named = |option: &str, path: &Path| {
            let (option, path) = (option.to_owned(), path.display().to_string());
            move |e: std::io::Error| {
                format!("xhpl: {option} {path}: {e}. Name a file in a folder that can be written.\n")
            }
        };
        // The files of our own first: an error leaves the report of an earlier run as it is.
        let json = json
            .map(|p| OpenOptions::new().write(true).create(true).truncate(true).open(p).map_err(named("--json", p)));
        let events = events.map(|p| OpenOptions::new().append(true).create(true).open(p).map_err(named("--events", p)));
        let (json, events) = (json.transpose()?, events.transpose()?);
        let report: Box<dyn Write> = match output {
            Output::Stdout => Box::new(std::io::stdout()),
            Output::Stderr => Box::new(std::io::stderr()),
            Output::File(name) => Box::new(File::create(name).map_err(|e| cannot_write(name, &e.to_string()))?),
        };
        Ok(Sinks { report, json, events, bar: None })
    }

    /// Draws a progress bar from now on, if a person watches the terminal.
    pub fn draw_progress(&mut self) {
        if std::io::stderr().is_terminal() {
            let style = ProgressStyle::with_template("  [{bar:30}] {percent:>3} %  {msg}")
                .unwrap_or_else(|_| ProgressStyle::default_bar())
                .progress_chars("=> ");
            self.bar = Some(ProgressBar::new(1000).with_style(style));
        }
    }

    /// Writes a piece of the report and flushes it.
    ///
    /// # Errors
    /// What the system says.
    pub fn write(&mut self, text: &str) -> Result<(), String> {
        let write = |report: &mut dyn Write| report.write_all(text.as_bytes()).and_then(|()| report.flush());
        let bar = self.bar.clone();
        let written = match bar {
            Some(bar) => bar.suspend(|| write(&mut self.report)),
            None => write(&mut self.report),
        };
        written.map_err(|e| format!("cannot write the report: {e}"))
    }

    /// Appends an event and moves the bar. An events file that cannot be written any more is given up
    /// with a warning: the run goes on.
    pub fn event(&mut self, event: &RunEvent) {
        if let Some(file) = &mut self.events
            && let Err(e) = file.write_all(format!("{}\n", event.to_line()).as_bytes())
        {
            eprintln!("xhpl: the events file cannot be written any more: {e}");
            self.events = None;
        }
        let Some(bar) = &self.bar else { return };
        match event {
            RunEvent::Started { test, tests, params } => {
                bar.set_position(0);
                bar.set_message(format!("test {test} of {tests}: N={}", params.n));
            }
            RunEvent::Panel { panel, panels, seconds, gflops, gflops_step, .. } => {
                // The work left shrinks with the cube of the columns left.
                let done = 1.0 - (1.0 - *panel as f64 / *panels as f64).powi(3);
                let left = seconds * (1.0 - done) / done.max(1e-9);
                bar.set_position((1000.0 * done) as u64);
                bar.set_message(format!("{gflops_step:.1} Gflop/s now, {gflops:.1} so far, {left:.0} s left"));
            }
            RunEvent::Phases { .. } => bar.set_message("checking the residual"),
            RunEvent::SweepEnded { .. } => bar.finish_and_clear(),
            RunEvent::SweepStarted { .. } | RunEvent::Verdict { .. } => {}
        }
    }
}
