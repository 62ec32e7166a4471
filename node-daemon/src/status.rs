//! `status.json`, by which the daemon tells other commands how it stands, and `hpl-node status`, which prints it.

use std::collections::BTreeMap;
use std::io;

use serde::{Deserialize, Serialize};

use crate::folder::{Data, read_json, write_json};

/// How a daemon stands.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Status {
    /// Its process.
    pub pid: u32,
    /// Its version.
    pub version: String,
    /// Where its service is.
    pub service: String,
    /// What this node is called.
    pub name: String,
    /// Its id.
    pub node: String,
    /// Whether the service answered the last call.
    pub in_contact: bool,
    /// What it does, in a word: `starting`, `waiting`, `unwell`, `draining`, `drained`, `preparing`, `running`,
    /// `delivering`, `dismissed`, `stopped`.
    pub state: String,
    /// The run, if there is one: job, attempt, owner.
    pub run: Option<RunStatus>,
    /// Why it gets no job.
    pub unhealthy: Vec<String>,
    /// By how much its clock is ahead of the service's, in milliseconds.
    pub clock_offset_ms: Option<i64>,
    /// What it did for itself.
    pub protected: BTreeMap<String, String>,
    /// When this was written, in milliseconds since the epoch.
    pub at: i64,
}

/// The run of a daemon.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RunStatus {
    /// The job.
    pub job: String,
    /// The attempt.
    pub attempt: String,
    /// Whose job it is.
    pub owner: String,
}

impl Status {
    /// What a daemon wrote; None if none ever ran here.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn load(data: &Data) -> io::Result<Option<Status>> {
        read_json(&data.status())
    }

    /// Writes it.
    ///
    /// # Errors
    /// Of the file system.
    pub fn save(&self, data: &Data) -> io::Result<()> {
        write_json(&data.status(), self)
    }

    /// As people read it. `alive` tells whether the daemon holds its lock.
    #[must_use]
    pub fn text(&self, alive: bool, now: i64) -> String {
        let daemon = if alive { format!("runs (process {})", self.pid) } else { "does not run".to_owned() };
        let contact = match (alive, self.in_contact) {
            (false, _) => "none",
            (true, true) => "yes",
            (true, false) => "lost: it goes on and tries again",
        };
        let ago = (now - self.at).max(0) / 1000;
        let mut lines = vec![
            ("node", format!("{} ({})", self.name, self.node)),
            ("service", self.service.clone()),
            ("daemon", format!("{daemon}, version {}", self.version)),
            ("contact", contact.to_owned()),
            ("state", format!("{}, as of {ago} s ago", self.state)),
        ];
        if let Some(run) = &self.run {
            lines.push(("run", format!("job {} of {}, attempt {}", run.job, run.owner, run.attempt)));
        }
        lines.extend(self.unhealthy.iter().map(|why| ("unwell", why.clone())));
        if let Some(offset) = self.clock_offset_ms {
            let side = if offset < 0 { "behind" } else { "ahead of" };
            lines.push(("clock", format!("{} ms {side} the service's", offset.abs())));
        }
        for (name, how) in self.protected.iter().filter(|(_, how)| *how != "yes") {
            lines.push(("lacks", format!("{name}: {how}")));
        }
        lines.iter().map(|(name, what)| format!("{name:<9}{what}\n")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_as_a_short_table() {
        let status = Status {
            pid: 7,
            version: "1".into(),
            service: "https://s:1".into(),
            name: "n1".into(),
            node: "id".into(),
            in_contact: true,
            state: "unwell".into(),
            unhealthy: vec!["no disk".into()],
            clock_offset_ms: Some(-20),
            protected: [("nice".to_owned(), "no: not allowed".to_owned())].into(),
            at: 1000,
            ..Status::default()
        };
        let text = "node     n1 (id)\nservice  https://s:1\ndaemon   runs (process 7), version 1\ncontact  yes\n\
                    state    unwell, as of 4 s ago\nunwell   no disk\nclock    20 ms behind the service's\n\
                    lacks    nice: no: not allowed\n";
        assert_eq!(status.text(true, 5000), text);
        assert!(status.text(false, 5000).contains("daemon   does not run"));
    }
}
