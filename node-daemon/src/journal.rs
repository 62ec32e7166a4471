//! What survives a daemon that is killed: what was claimed, and what happened since. Lines are appended and written
//! through to the system, not forced to the disk: what a crash of the whole machine loses, its new boot has ended anyway.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::time::Duration;

use hpl_spec::api::agent::{AgentEvent, Assignment, NumberedEvent};
use serde::{Deserialize, Serialize};

use crate::folder::{RunFolder, read_json, write_json};

/// `assignment.json`: what was claimed, and when.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Taken {
    /// The assignment.
    pub assignment: Assignment,
    /// When, in milliseconds of the clock that counts from boot.
    pub at_ms: u64,
    /// Of which boot.
    pub boot_id: String,
}

/// `claim.json`: a claim whose answer is not known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenClaim {
    /// Its number.
    pub seq: u64,
    /// Of which boot.
    pub boot_id: String,
}

/// A line of `journal.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Line {
    event: NumberedEvent,
    /// Processor seconds that the daemon had spent on this run by then.
    cpu_s: f64,
}

/// The journal of a run.
#[derive(Debug)]
pub struct Journal {
    file: File,
}

/// What a journal tells.
#[derive(Debug, Clone, PartialEq)]
pub struct Told {
    /// What was claimed.
    pub taken: Taken,
    /// What happened.
    pub events: Vec<NumberedEvent>,
    /// Processor seconds that daemons before this one spent on the run.
    pub cpu_s: f64,
}

impl Told {
    /// The seconds of the last progress that was told.
    #[must_use]
    pub fn progress_seconds(&self) -> f64 {
        let seconds = |e: &NumberedEvent| match &e.event {
            AgentEvent::Progress(progress) => Some(progress.seconds),
            _ => None,
        };
        self.events.iter().rev().find_map(seconds).unwrap_or(0.0)
    }

    /// Whether that happened.
    #[must_use]
    pub fn has(&self, event: &AgentEvent) -> bool {
        self.events.iter().any(|e| e.event == *event)
    }

    /// When the assignment was taken.
    #[must_use]
    pub fn taken_at(&self) -> Duration {
        Duration::from_millis(self.taken.at_ms)
    }
}

impl Journal {
    /// Writes down what was claimed, and begins its journal.
    ///
    /// # Errors
    /// Of the file system.
    pub fn begin(folder: &RunFolder, taken: &Taken) -> io::Result<Journal> {
        write_json(&folder.assignment(), taken)?;
        Journal::open(folder)
    }

    /// The journal in `folder`, to go on with it.
    ///
    /// # Errors
    /// Of the file system.
    pub fn open(folder: &RunFolder) -> io::Result<Journal> {
        let file = OpenOptions::new().create(true).append(true).mode(0o600).open(folder.journal())?;
        Ok(Journal { file })
    }

    /// Something happened.
    ///
    /// # Errors
    /// Of the file system: the disk is full, for one. A line that was torn by it is passed over when it is read.
    pub fn record(&mut self, event: &NumberedEvent, cpu_s: f64) -> io::Result<()> {
        let line = serde_json::to_string(&Line { event: event.clone(), cpu_s }).map_err(io::Error::other)?;
        // A line end before it, too: what was torn ends there.
        self.file.write_all(format!("\n{line}\n").as_bytes())
    }

    /// What the journal in `folder` tells; None if nothing was claimed there.
    ///
    /// # Errors
    /// Of the file system; `assignment.json` cannot be read.
    pub fn read(folder: &RunFolder) -> io::Result<Option<Told>> {
        let Some(taken) = read_json::<Taken>(&folder.assignment())? else { return Ok(None) };
        let text = match std::fs::read(folder.journal()) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(e) if e.kind() == io::ErrorKind::NotFound => String::new(),
            Err(e) => return Err(e),
        };
        let mut told = Told { taken, events: vec![], cpu_s: 0.0 };
        for line in text.lines().filter_map(|line| serde_json::from_str::<Line>(line).ok()) {
            // A gap would be refused by the service; what comes after a lost line is told anew as it happens.
            if line.event.seq == told.events.len() as u64 + 1 {
                told.events.push(line.event);
                told.cpu_s = line.cpu_s;
            }
        }
        Ok(Some(told))
    }
}

#[cfg(test)]
mod tests {
    use hpl_spec::job::Progress;
    use serde_json::json;

    use super::*;

    fn taken() -> Taken {
        let id = "0190f5fe-7c00-7a3b-8b1e-0123456789ab";
        let assignment = json!({
            "job": id, "attempt": id, "fence": 1, "token": "t", "owner": "ada", "benchmark": "hpl", "parameters": {},
            "inputs": [], "ranks": 1, "bytes_per_rank": 1, "walltime_s": 60,
        });
        Taken { assignment: serde_json::from_value(assignment).unwrap(), at_ms: 5, boot_id: "b".into() }
    }

    #[test]
    fn what_is_torn_is_passed_over() {
        let scratch = tempfile::tempdir().unwrap();
        let folder = RunFolder::at(scratch.path());
        assert_eq!(Journal::read(&folder).unwrap(), None);
        let mut journal = Journal::begin(&folder, &taken()).unwrap();
        let event = |seq, event| NumberedEvent { seq, at_ms: seq, event };
        let progress = |seconds| AgentEvent::Progress(Progress { seconds, ..Progress::default() });
        journal.record(&event(1, AgentEvent::Started), 0.1).unwrap();
        journal.file.write_all(b"{\"event\":{\"seq\":2,\"at").unwrap();
        journal.record(&event(2, progress(3.0)), 0.2).unwrap();
        journal.record(&event(4, progress(9.0)), 0.4).unwrap();
        let told = Journal::read(&folder).unwrap().unwrap();
        assert_eq!((told.events.len(), told.cpu_s, told.progress_seconds()), (2, 0.2, 3.0));
        assert!(told.has(&AgentEvent::Started) && !told.has(&AgentEvent::Finishing));
        assert_eq!(told.taken, taken());
    }
}
