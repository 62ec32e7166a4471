//! The processes of a run, from the stage's start until nothing is left of them, and what there is to hear meanwhile.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use rustix::io::Errno;
use rustix::process::{Signal, WaitOptions, WaitStatus, wait};

use super::{STACK, processes};
use crate::cgroup::{Group, send};
use crate::launch::End;

/// Between SIGTERM and SIGKILL.
const GRACE: Duration = Duration::from_secs(1);
/// Of that, how long the launcher has to carry what the others say at their end.
const LAST_WORDS: Duration = Duration::from_millis(300);
/// How long is killed before what is left is given up. With the grace and a look it makes less than 2.5 s.
const KILL: Duration = Duration::from_millis(1200);
/// Between two looks whether all have gone.
const LOOK: Duration = Duration::from_millis(10);

/// What the thread that waits for children has to tell.
enum Event {
    /// The launcher has ended.
    Ended(End, Instant),
    /// There is no child left, so no descendant either: orphans become children of the shim.
    Nobody,
    /// A file was put into the folder of the run.
    File,
}

/// A run and its processes.
pub(super) struct Run {
    pub(super) group: Group,
    /// How the launcher ended, and when.
    pub(super) end: Option<(End, Instant)>,
    launcher: u32,
    events: Receiver<Event>,
    tell: Sender<Event>,
    nobody: bool,
}

impl Run {
    /// Watches over the process `launcher`, a child of this process, and all that come of it.
    ///
    /// # Errors
    /// No thread can be made.
    pub(super) fn of(launcher: u32, group: Group) -> io::Result<Run> {
        let (tell, events) = channel();
        let reaper = tell.clone();
        thread::Builder::new().name("children".into()).stack_size(STACK).spawn(move || reap(launcher, &reaper))?;
        Ok(Run { group, end: None, launcher, events, tell, nobody: false })
    }

    /// From now on also hears when a file is put into `folder`.
    ///
    /// # Errors
    /// The user watches as many folders as the system allows, or no thread can be made.
    pub(super) fn hear_files(&self, folder: &Path) -> io::Result<()> {
        let watch = inotify::init(CreateFlags::CLOEXEC)?;
        inotify::add_watch(&watch, folder, WatchFlags::MOVED_TO)?;
        let (mut watch, tell) = (File::from(watch), self.tell.clone());
        let listen = move || {
            let mut event = [0; 4096];
            while watch.read(&mut event).is_ok() && tell.send(Event::File).is_ok() {}
        };
        thread::Builder::new().name("files".into()).stack_size(STACK).spawn(listen).map(drop)
    }

    /// Waits for news, for at most `patience`.
    pub(super) fn hear(&mut self, patience: Duration) {
        match self.events.recv_timeout(patience) {
            Ok(Event::Ended(end, at)) => self.end = Some((end, at)),
            Ok(Event::Nobody) | Err(RecvTimeoutError::Disconnected) => {
                // whoever asks again would get the answer at once, over and over
                if self.nobody {
                    thread::sleep(patience);
                }
                self.nobody = true;
            }
            Ok(Event::File) | Err(RecvTimeoutError::Timeout) => (),
        }
    }

    /// What still lives.
    fn living(&self) -> BTreeSet<u32> {
        if self.nobody {
            return BTreeSet::new();
        }
        let mut living = self.group.members();
        if living.is_empty() {
            living.extend(processes::descendants(std::process::id()).iter().map(|p| p.pid));
        }
        living
    }

    /// Asks every process to end, and waits until all have or the grace is over. The launcher carries the last words of
    /// those that it started, and as a rule ends with them: it is asked a little later.
    pub(super) fn terminate(&mut self) {
        let begun = Instant::now();
        let launcher = self.launcher;
        self.ask(|pid| pid != launcher);
        let mut all_asked = false;
        while !self.nobody && begun.elapsed() < GRACE {
            if !all_asked && begun.elapsed() >= LAST_WORDS {
                all_asked = true;
                self.ask(|_| true);
            }
            self.hear(LOOK);
        }
    }

    fn ask(&self, whom: impl Fn(u32) -> bool) {
        for pid in self.living().into_iter().filter(|pid| whom(*pid)) {
            send(pid, Signal::TERM);
            // one that was stopped would not hear it
            send(pid, Signal::CONT);
        }
    }

    /// Kills what is left until nothing is; what cannot be killed in time.
    pub(super) fn kill(&mut self) -> BTreeSet<u32> {
        let begun = Instant::now();
        if !self.nobody {
            // as a rule the news is on its way that there is none
            self.hear(LOOK);
        }
        loop {
            let living = self.living();
            if (living.is_empty() && self.end.is_some()) || begun.elapsed() > KILL {
                return living;
            }
            self.group.kill_once();
            living.into_iter().for_each(|pid| send(pid, Signal::KILL));
            self.hear(LOOK);
        }
    }
}

/// Waits for children, those that were given to this process included, until there are none.
fn reap(launcher: u32, tell: &Sender<Event>) {
    loop {
        match wait(WaitOptions::empty()) {
            Ok(Some((pid, status))) if pid.as_raw_nonzero().get().unsigned_abs() == launcher => {
                // if nobody listens any more the shim is about to end
                let _ = tell.send(Event::Ended(end(status), Instant::now()));
            }
            Ok(_) | Err(Errno::INTR) => (),
            Err(_) => {
                let _ = tell.send(Event::Nobody);
                return;
            }
        }
    }
}

fn end(status: WaitStatus) -> End {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => End::Exited(code),
        (None, Some(signal)) => End::Signalled(signal),
        (None, None) => End::Exited(-1),
    }
}
