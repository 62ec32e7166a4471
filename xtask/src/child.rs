//! A program that we keep running beside us: a process group of its own, its words in a log, ended with us.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::error::Error;

/// How often one looks whether it has ended.
const LOOK: Duration = Duration::from_millis(20);

/// A program under way. Dropping it ends it.
#[derive(Debug)]
pub struct Running {
    /// What people call it.
    pub name: &'static str,
    /// Where its words go.
    pub log: PathBuf,
    child: Child,
    ended: Option<ExitStatus>,
    grace: Duration,
}

impl Running {
    /// Starts it, with a new log. When it is to end it has `grace` to do so by itself.
    ///
    /// # Errors
    /// It cannot be started, or its log not be made.
    pub fn start(name: &'static str, command: &mut Command, log: &Path, grace: Duration) -> Result<Running, Error> {
        let out = File::create(log).map_err(Error::file(log))?;
        let err = out.try_clone().map_err(Error::file(log))?;
        // A group of its own: Ctrl-C on the terminal reaches us alone, and we end everything in order.
        command.process_group(0).stdin(Stdio::null()).stdout(out).stderr(err).env("NO_COLOR", "1");
        let child = command.spawn().map_err(Error::start(&command.get_program().to_string_lossy()))?;
        Ok(Running { name, log: log.to_owned(), child, ended: None, grace })
    }

    /// How it ended, or `None` while it runs.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        if self.ended.is_none() {
            // It is our own child, which nobody else waits for: the system can always say.
            self.ended = self.child.try_wait().ok().flatten();
        }
        self.ended
    }

    /// Looks whether it still runs.
    ///
    /// # Errors
    /// [`Error::Ended`] with the last lines of its log.
    pub fn check(&mut self) -> Result<(), Error> {
        match self.ended() {
            None => Ok(()),
            Some(status) => {
                let (name, log) = (self.name, self.log.clone());
                Err(Error::Ended { name, how: status.to_string(), said: last_lines(&log), log })
            }
        }
    }

    /// Asks it to end, waits, and ends it for good if it does not.
    pub fn stop(&mut self) {
        if self.ended().is_some() {
            return;
        }
        let pid = Pid::from_child(&self.child);
        // It can have ended in this very moment: then there is nobody left to signal.
        let _ = kill_process(pid, Signal::TERM);
        let asked = Instant::now();
        while self.ended().is_none() && asked.elapsed() < self.grace {
            sleep(LOOK);
        }
        // Itself, if it does not end, and whatever it has started and not ended.
        let _ = kill_process_group(pid, Signal::KILL);
        if self.ended.is_none() {
            // After KILL this cannot take long, and a failure leaves nothing to do.
            self.ended = self.child.wait().ok();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop();
    }
}

/// How many lines of a log are shown.
const TOLD: usize = 15;

/// The last lines of a log, marked as somebody else's words.
pub fn last_lines(log: &Path) -> String {
    quoted(&last_words(log))
}

/// The last lines of a log.
pub fn last_words(log: &Path) -> String {
    let mut last = VecDeque::new();
    let lines = File::open(log).map(|file| BufReader::new(file).split(b'\n'));
    for line in lines.into_iter().flatten().map_while(Result::ok) {
        if last.len() == TOLD {
            last.pop_front();
        }
        last.push_back(String::from_utf8_lossy(&line).into_owned());
    }
    Vec::from(last).join("\n")
}

/// Each line behind a bar; control characters, which could paint over the terminal, are shown as such.
pub fn quoted(text: &str) -> String {
    let text = text.trim_end();
    if text.is_empty() {
        return "  | (nothing)".to_owned();
    }
    let harmless = |c: char| if c.is_control() && c != '\t' { c.escape_default().to_string() } else { c.to_string() };
    text.lines()
        .map(|line| format!("  | {}", line.chars().map(harmless).collect::<String>()))
        .collect::<Vec<_>>()
        .join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(text: &str, log: &Path, grace_ms: u64) -> Running {
        let mut command = Command::new("sh");
        command.args(["-c", text]);
        Running::start("a shell", &mut command, log, Duration::from_millis(grace_ms)).unwrap()
    }

    fn wait_for(log: &Path, words: &str) {
        let began = Instant::now();
        while !std::fs::read_to_string(log).unwrap_or_default().contains(words) {
            assert!(began.elapsed() < Duration::from_secs(60), "`{words}` did not come");
            sleep(LOOK);
        }
    }

    #[test]
    fn one_that_ends_tells_its_last_words() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let mut running = shell("for i in $(seq 1 40); do echo line $i; done; exit 3", &log, 60_000);
        let began = Instant::now();
        while running.ended().is_none() && began.elapsed() < Duration::from_secs(60) {
            sleep(LOOK);
        }
        let why = running.check().unwrap_err().to_string();
        assert!(why.contains("  | line 26\n") && why.contains("  | line 40\n") && !why.contains("line 25"), "{why}");
        assert!(why.contains("exit status: 3") && why.contains(log.to_str().unwrap()), "{why}");
    }

    #[test]
    fn one_is_asked_first_and_then_ended() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let mut polite = shell("trap 'exit 0' TERM; echo ready; while :; do sleep 0.02; done", &log, 60_000);
        polite.check().unwrap();
        wait_for(&log, "ready");
        polite.stop();
        assert!(polite.ended().unwrap().success());
        let mut deaf = shell("trap '' TERM; echo ready; while :; do sleep 0.02; done", &log, 50);
        wait_for(&log, "ready");
        deaf.stop();
        assert!(!deaf.ended().unwrap().success());
    }

    #[test]
    fn other_peoples_words_cannot_paint() {
        assert_eq!(quoted("a\n\u{1b}[31mb\tc\n\n"), "  | a\n  | \\u{1b}[31mb\tc");
        assert_eq!(quoted("\n"), "  | (nothing)");
        assert_eq!(last_lines(Path::new("/no/such/log")), "  | (nothing)");
    }
}
