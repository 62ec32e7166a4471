//! Where results go, on rank 0: the report, the JSON file, the events file, the progress bar.

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use hpl_mpi::trace::{TraceFile, Traced};
use hpl_spec::advice::fraction_done;
use hpl_spec::dat::Output;
use hpl_spec::event::RunEvent;
use hpl_spec::report::SweepReport;
use indicatif::{ProgressBar, ProgressStyle};

use crate::input::cannot_write;

/// All places that rank 0 writes to.
pub struct Sinks {
    report: Box<dyn Write + Send>,
    /// Whether the report, which goes to a file, is printed as well.
    printed: bool,
    json: Option<File>,
    events: Option<File>,
    trace: Option<Trace>,
    bar: Option<ProgressBar>,
}

/// A trace file, and where in it the next test begins.
struct Trace {
    file: TraceFile<BufWriter<File>>,
    offset: Duration,
}

/// The files that options name.
pub struct Named<'a> {
    /// `--json`
    pub json: Option<&'a Path>,
    /// `--events`
    pub events: Option<&'a Path>,
    /// `--trace`
    pub trace: Option<&'a Path>,
}

/// Between two tests in a trace.
const GAP: Duration = Duration::from_millis(100);

/// Files that are opened together or not at all.
#[derive(Default)]
struct Opening {
    made: Vec<PathBuf>,
}

impl Opening {
    /// Opens a file for writing at its end; what it holds stays for now.
    fn open(&mut self, path: &Path) -> std::io::Result<File> {
        let new = !path.exists();
        let file = OpenOptions::new().append(true).create(true).open(path)?;
        if new {
            self.made.push(path.to_owned());
        }
        Ok(file)
    }

    /// Takes back what was made.
    fn undo(self) {
        for path in self.made {
            // It was empty, and made a moment ago.
            let _ = std::fs::remove_file(path);
        }
    }
}

/// Empties a file; a device or a pipe has nothing to empty.
fn empty(file: &File) -> std::io::Result<()> {
    if file.metadata()?.is_file() { file.set_len(0) } else { Ok(()) }
}

impl Sinks {
    /// Opens everything before anything is computed. If one cannot be written, none is touched. With `tee`, a report that
    /// goes to a file is printed on standard output as well.
    ///
    /// # Errors
    /// What to say about the first file that cannot be written.
    pub fn open(output: &Output, tee: bool, named: &Named) -> Result<Sinks, String> {
        let mut opening = Opening::default();
        let opened = Sinks::open_all(&mut opening, output, tee, named);
        if opened.is_err() {
            opening.undo();
        }
        opened
    }

    fn open_all(opening: &mut Opening, output: &Output, tee: bool, files: &Named) -> Result<Sinks, String> {
        let report = match output {
            Output::Stdout | Output::Stderr => None,
            Output::File(name) => Some(opening.open(Path::new(name)).map_err(|e| cannot_write(name, &e.to_string()))?),
        };
        let mut named = |option: &str, path: Option<&Path>| {
            let told = |path: &Path, e| {
                format!("xhpl: {option} {}: {e}. Name a file in a folder that can be written.\n", path.display())
            };
            path.map(|path| opening.open(path).map_err(|e| told(path, e))).transpose()
        };
        let (json, events) = (named("--json", files.json)?, named("--events", files.events)?);
        let trace = named("--trace", files.trace)?;
        for file in [&report, &json, &trace].into_iter().flatten() {
            empty(file).map_err(|e| format!("xhpl: an output file cannot be emptied: {e}\n"))?;
        }
        let printed = tee && report.is_some();
        let report: Box<dyn Write + Send> = match (report, output) {
            (Some(file), _) => Box::new(file),
            (None, Output::Stderr) => Box::new(std::io::stderr()),
            (None, _) => Box::new(std::io::stdout()),
        };
        let trace = trace.map(|file| TraceFile::begin(BufWriter::new(file))).transpose();
        let trace = trace.map_err(|e| format!("xhpl: the trace cannot be written: {e}\n"))?;
        let trace = trace.map(|file| Trace { file, offset: Duration::ZERO });
        Ok(Sinks { report, printed, json, events, trace, bar: None })
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

    /// Whether anybody wants the whole report at the end.
    pub fn wants_json(&self) -> bool {
        self.json.is_some()
    }

    /// Adds the spans of a test to the trace, if there is one. One that cannot be written any more is given up with a
    /// warning.
    pub fn trace(&mut self, test: usize, spans: &[Traced]) {
        let Some(Trace { file, offset }) = &mut self.trace else { return };
        let end = spans.iter().map(|traced| traced.span.start + traced.span.length).max();
        if let Err(e) = file.add(test, *offset, spans) {
            eprintln!("xhpl: warning: the trace cannot be written any more: {e}");
            self.trace = None;
        } else {
            *offset += end.unwrap_or_default() + GAP;
        }
    }

    /// Closes the trace, if there is one.
    ///
    /// # Errors
    /// What the system says.
    pub fn end_trace(&mut self) -> Result<(), String> {
        let Some(Trace { file, .. }) = self.trace.take() else { return Ok(()) };
        file.end().map(drop).map_err(|e| format!("the trace cannot be written: {e}"))
    }

    /// Writes the whole report as JSON, if it is wanted.
    ///
    /// # Errors
    /// What the system says.
    pub fn write_json(&mut self, report: &SweepReport) -> Result<(), String> {
        let Some(file) = &mut self.json else { return Ok(()) };
        let text = serde_json::to_string_pretty(report).map_err(|e| e.to_string())?;
        writeln!(file, "{text}").map_err(|e| format!("the JSON report cannot be written: {e}"))
    }

    /// Writes a piece of the report and flushes it. A copy that cannot be printed any more is given up with a warning.
    ///
    /// # Errors
    /// What the system says.
    pub fn write(&mut self, text: &str) -> Result<(), String> {
        let write = |to: &mut dyn Write| to.write_all(text.as_bytes()).and_then(|()| to.flush());
        let mut write_all = || {
            let written = write(&mut self.report);
            (written, if self.printed { write(&mut std::io::stdout()) } else { Ok(()) })
        };
        let (written, printed) = match &self.bar {
            Some(bar) => bar.suspend(write_all),
            None => write_all(),
        };
        if let Err(e) = printed {
            eprintln!("xhpl: warning: the report cannot be printed any more, and goes to its file alone: {e}");
            self.printed = false;
        }
        written.map_err(|e| format!("cannot write the report: {e}"))
    }

    /// Says something to people, on standard error, above the bar.
    pub fn tell(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| eprint!("{text}")),
            None => eprint!("{text}"),
        }
    }

    /// Appends an event and moves the bar. An events file that cannot be written any more is given up
    /// with a warning: the run goes on.
    pub fn event(&mut self, event: &RunEvent) {
        if let Some(file) = &mut self.events
            && let Err(e) = file.write_all(format!("{}\n", event.to_line()).as_bytes())
        {
            eprintln!("xhpl: warning: the events file cannot be written any more: {e}");
            self.events = None;
        }
        let Some(bar) = &self.bar else { return };
        match event {
            RunEvent::Started { test, tests, params } => {
                bar.set_position(0);
                bar.set_message(format!("test {test} of {tests}: N={}", params.n));
            }
            RunEvent::Panel { panel, panels, seconds, gflops, gflops_step, .. } => {
                let done = fraction_done(*panel, *panels);
                let left = seconds * (1.0 - done) / done.max(1e-9);
                bar.set_position((1000.0 * done) as u64);
                bar.set_message(format!("{gflops_step:.1} Gflop/s now, {gflops:.1} so far, {left:.0} s left"));
            }
            RunEvent::Phases { .. } => bar.set_message("checking the residual"),
            RunEvent::SweepEnded { .. } | RunEvent::Cancelled(_) => bar.finish_and_clear(),
            RunEvent::SweepStarted { .. } | RunEvent::Verdict { .. } => {}
        }
    }
}
