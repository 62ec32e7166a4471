//! Following the events file of a run: whole lines as they come, and where the run stands.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::PathBuf;

use hpl_spec::advice::fraction_done;
use hpl_spec::event::RunEvent;
use hpl_spec::report::RunReport;

use crate::error::Error;

/// A file that somebody else appends lines to. It may not exist yet.
#[derive(Debug)]
pub struct Tail {
    path: PathBuf,
    file: Option<File>,
    partial: Vec<u8>,
}

impl Tail {
    /// Follows `path` from its beginning.
    pub fn new(path: PathBuf) -> Tail {
        Tail { path, file: None, partial: vec![] }
    }

    /// The lines that were finished since the last call. A half-written line waits for its end.
    ///
    /// # Errors
    /// If the file is there and cannot be read.
    pub fn lines(&mut self) -> Result<Vec<String>, Error> {
        if self.file.is_none() {
            match File::open(&self.path) {
                Ok(file) => self.file = Some(file),
                Err(e) if e.kind() == ErrorKind::NotFound => return Ok(vec![]),
                Err(e) => return Err(Error::file(&self.path)(e)),
            }
        }
        if let Some(file) = &mut self.file {
            file.read_to_end(&mut self.partial).map_err(Error::file(&self.path))?;
        }
        let whole = self.partial.iter().rposition(|&b| b == b'\n').map_or(0, |at| at + 1);
        let rest = self.partial.split_off(whole);
        let whole = std::mem::replace(&mut self.partial, rest);
        Ok(String::from_utf8_lossy(&whole).lines().map(str::to_owned).collect())
    }
}

/// Where a run stands.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Stage {
    /// Nothing was heard yet.
    #[default]
    Starting,
    /// The matrix is being filled.
    Generating,
    /// Panels are being factored.
    Solving {
        /// The part of the operations that is done, from 0 to 1.
        done: f64,
        /// The rate since the solve began, in Gflop/s.
        gflops: f64,
        /// The rate of the last panel.
        gflops_step: f64,
        /// Seconds that the rest will take at this rate.
        left: f64,
    },
    /// The residual is being computed.
    Checking,
    /// The result is there.
    Done(Box<RunReport>),
}

impl Stage {
    /// The stage after an event.
    #[must_use]
    pub fn after(self, event: RunEvent) -> Stage {
        match event {
            RunEvent::SweepStarted { .. } | RunEvent::SweepEnded { .. } => self,
            RunEvent::Started { .. } => Stage::Generating,
            RunEvent::Panel { panel, panels, seconds, gflops, gflops_step, .. } => {
                let done = fraction_done(panel, panels);
                let left = if done > 0.0 { seconds * (1.0 - done) / done } else { 0.0 };
                Stage::Solving { done, gflops, gflops_step, left }
            }
            RunEvent::Phases { .. } => Stage::Checking,
            RunEvent::Verdict { report, .. } => Stage::Done(Box::new(report)),
        }
    }

    /// The part of the work that is done, from 0 to 1.
    pub fn done(&self) -> f64 {
        match self {
            Stage::Starting | Stage::Generating => 0.0,
            Stage::Solving { done, .. } => *done,
            Stage::Checking | Stage::Done(_) => 1.0,
        }
    }
}

impl std::fmt::Display for Stage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Stage::Starting => f.write_str("starting"),
            Stage::Generating => f.write_str("generating the matrix"),
            Stage::Solving { gflops, gflops_step, left, .. } => {
                write!(f, "{gflops_step:.1} Gflop/s now, {gflops:.1} so far, {:.0} s left", left.ceil())
            }
            Stage::Checking => f.write_str("checking the residual"),
            Stage::Done(_) => f.write_str("done"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hpl_spec::report::Phases;
    use std::io::Write;

    #[test]
    fn a_tail_hands_out_whole_lines_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events");
        let mut tail = Tail::new(path.clone());
        assert!(tail.lines().unwrap().is_empty(), "no file yet");
        let mut file = File::create(&path).unwrap();
        file.write_all(b"one\ntw").unwrap();
        assert_eq!(tail.lines().unwrap(), ["one"]);
        assert!(tail.lines().unwrap().is_empty());
        file.write_all("o\nthrée\n".as_bytes()).unwrap();
        assert_eq!(tail.lines().unwrap(), ["two", "thrée"]);
    }

    #[test]
    fn the_time_left_follows_the_work() {
        let event = RunEvent::Panel {
            test: 1,
            panel: 5,
            panels: 10,
            seconds: 14.0,
            gflops: 90.0,
            gflops_step: 80.5,
            phases: Phases::default(),
        };
        let stage = Stage::Starting.after(event);
        assert_eq!(stage.to_string(), "80.5 Gflop/s now, 90.0 so far, 2 s left");
        assert_eq!(stage.done(), 0.875);
    }
}
