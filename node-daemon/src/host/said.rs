//! Other programs, asked with a time limit: nothing here waits longer than it was told to.

use std::io::{self, Read};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

use super::environment::clip;

/// How much of what a program says is kept, in bytes of each stream.
const KEPT: usize = 64 * 1024;
/// No more than this is repeated of it, in bytes.
const WORDS: usize = 240;
/// Between a polite and a hard end.
const GRACE: Duration = Duration::from_secs(1);
/// After its end: how long what it said may take to arrive. Only a child of its own that left its group holds it up.
const LATE: Duration = Duration::from_millis(500);

/// What a program said.
#[derive(Debug)]
pub struct Said {
    /// How it ended.
    pub status: ExitStatus,
    /// Its standard output, the first 64 KiB.
    pub out: String,
    /// Its standard error, the first 64 KiB.
    pub err: String,
}

impl Said {
    /// What it said on its standard error, else on its standard output, as one line of at most 240 bytes; rules of
    /// dashes, as MPI likes to draw, are left out.
    #[must_use]
    pub fn words(&self) -> String {
        let joined = |text: &str| {
            let lines = text.lines().map(str::trim).filter(|line| line.contains(char::is_alphanumeric));
            lines.collect::<Vec<_>>().join(" ")
        };
        let said = [&self.err, &self.out].into_iter().map(|text| joined(text)).find(|text| !text.is_empty());
        let mut said = said.unwrap_or_else(|| "it said nothing".to_owned());
        clip(&mut said, WORDS);
        said
    }
}

/// Starts `command` in a process group of its own, without input, and waits for its end, at most `limit`; then the
/// group is ended, hard after one second.
///
/// # Errors
/// It cannot be started, or it took too long: in words, with the program's name.
pub fn ask(command: &mut Command, limit: Duration) -> Result<Said, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    let mut child = command.spawn().map_err(|e| format!("{name} cannot be started: {e}"))?;
    let out = child.stdout.take().map(kept);
    let err = child.stderr.take().map(kept);
    let in_time = ended_within(&child, limit).map_err(|e| format!("{name}: {e}"))?;
    if !in_time {
        // a launcher that is asked first ends what it launched
        signal(&child, Signal::TERM);
        let _ = ended_within(&child, GRACE);
    }
    // It is not reaped yet, so the group's number is still its own. Descendants in it may hold the pipes.
    signal(&child, Signal::KILL);
    // a program that hangs in the kernel outlives a KILL; it is not waited for
    let gone = in_time || ended_within(&child, GRACE).unwrap_or(false);
    let ended = if gone { child.wait().ok().filter(|_| in_time) } else { None };
    let text = |stream: Option<Receiver<Vec<u8>>>| {
        let bytes = stream.and_then(|s| s.recv_timeout(LATE).ok()).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    let (out, err) = (text(out), text(err));
    match ended {
        Some(status) => Ok(Said { status, out, err }),
        None => Err(format!("{name} gave no answer within {} s and was ended", limit.as_secs_f64())),
    }
}

/// Reads a stream to its end on a thread of its own, so that a full pipe holds nobody up.
fn kept(mut stream: impl Read + Send + 'static) -> Receiver<Vec<u8>> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let mut kept = Vec::new();
        let mut buffer = [0; 4096];
        while let Ok(n) = stream.read(&mut buffer) {
            if n == 0 {
                break;
            }
            kept.extend_from_slice(&buffer[..n.min(KEPT.saturating_sub(kept.len()))]);
        }
        // nobody listens any longer if it came too late
        let _ = sender.send(kept);
    });
    receiver
}

/// Whether the child ends within `limit`. It is left to be reaped.
fn ended_within(child: &Child, limit: Duration) -> io::Result<bool> {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw).ok_or(io::ErrorKind::NotFound)?;
    let until = Instant::now() + limit;
    let mut nap = Duration::from_millis(1);
    loop {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        match waitid(WaitId::Pid(pid), options) {
            Ok(Some(_)) => return Ok(true),
            Ok(None) | Err(Errno::INTR) => (),
            Err(e) => return Err(e.into()),
        }
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(false);
        }
        std::thread::sleep(nap.min(left));
        nap = (nap * 2).min(Duration::from_millis(50));
    }
}

fn signal(child: &Child, signal: Signal) {
    if let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        // the group may be gone already
        let _ = kill_process_group(pid, signal);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, limit: Duration) -> Result<Said, String> {
        ask(Command::new("/bin/sh").args(["-c", script]), limit)
    }

    #[test]
    fn what_a_program_says_is_kept_and_bounded() {
        let minute = Duration::from_secs(60);
        let said = shell("echo out; echo first >&2; echo -- ------ >&2; echo last >&2; exit 3", minute).unwrap();
        assert_eq!((said.out.as_str(), said.words().as_str(), said.status.code()), ("out\n", "first last", Some(3)));
        assert_eq!(shell("echo out", minute).unwrap().words(), "out");
        assert_eq!(shell("", minute).unwrap().words(), "it said nothing");
        let much = shell("head -c 300000 /dev/zero", minute).unwrap();
        assert_eq!((much.out.len(), much.status.success()), (KEPT, true));
        assert!(ask(&mut Command::new("/no/such/program"), minute).unwrap_err().starts_with("/no/such/program cannot"));
    }

    #[test]
    fn who_takes_too_long_is_ended_with_its_children() {
        let before = Instant::now();
        let refused = shell("trap '' TERM; sleep 600 & echo $!; wait", Duration::from_millis(200)).unwrap_err();
        assert!(refused.contains("gave no answer within 0.2 s"), "{refused}");
        assert!(before.elapsed() < Duration::from_secs(60));
        // a child in the background does not hold up the answer, and does not stay
        let said = shell("sleep 600 & echo $!", Duration::from_secs(60)).unwrap();
        let stat = format!("/proc/{}/stat", said.out.trim());
        let until = Instant::now() + Duration::from_secs(60);
        let gone = || std::fs::read_to_string(&stat).map_or(true, |s| s.contains(") Z "));
        while !gone() {
            assert!(Instant::now() < until, "{stat}");
            std::thread::yield_now();
        }
    }
}
