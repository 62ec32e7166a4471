//! The files of a run on their way to the service: the logs while they grow, and all of them once they do not change any
//! more. Offsets and hashes decide, see section 3.4 of the service reference.

use std::time::Duration;

use hpl_spec::api::agent::{Limits, Stored};

use super::{Call, FileToSend, Next, say};
use crate::client::{Answer, Piece, Proof, Refusal, Said};

/// New bytes of a log are sent this often, or when there are [`LOG_ENOUGH`] of them.
const LOGS_EVERY: Duration = Duration::from_secs(1);
const LOG_ENOUGH: u64 = 64 << 10;
/// A file for which the service has no room is tried again after this time.
const NO_ROOM_AGAIN: Duration = Duration::from_secs(10);
/// So often before the end is told without the output file.
const NO_ROOM_TRIES: u32 = 3;
/// How often a file is begun anew because its hash was not right.
const HASH_TRIES: u32 = 5;

/// The logs, in the order of [`super::Fact::Logs`].
const LOGS: [&str; 2] = ["log/out", "log/err"];

/// A file on its way.
#[derive(Debug)]
struct Sending {
    path: String,
    /// How long a log is so far.
    grown: u64,
    sent: u64,
    /// Length and hash, once it does not change any more.
    whole: Option<(u64, String)>,
    sealed: bool,
    /// Why it is not sent any more.
    given_up: Option<String>,
    no_room: u32,
    hashes: u32,
    from: Duration,
}

impl Sending {
    fn new(path: &str) -> Sending {
        let (path, from) = (path.to_owned(), Duration::ZERO);
        let (grown, sent, no_room, hashes) = (0, 0, 0, 0);
        Sending { path, grown, sent, whole: None, sealed: false, given_up: None, no_room, hashes, from }
    }

    fn is_open(&self) -> bool {
        !self.sealed && self.given_up.is_none()
    }

    /// From when on there is something to send, and how long the file is; None if there is nothing.
    fn due(&self, logs_from: Duration) -> Option<(Duration, u64)> {
        match &self.whole {
            Some((length, _)) => Some((self.from, *length)),
            None if self.grown <= self.sent => None,
            None if self.grown - self.sent >= LOG_ENOUGH => Some((self.from, self.grown)),
            None => Some((self.from.max(logs_from), self.grown)),
        }
    }

    fn begin_anew(&mut self, sent: u64, why: String) {
        self.sent = sent;
        self.hashes += 1;
        if self.hashes > HASH_TRIES {
            self.given_up = Some(why);
        }
    }
}

/// All files of a run, those that matter most first once it has ended.
#[derive(Debug)]
pub(super) struct Files {
    files: Vec<Sending>,
    logs_from: Duration,
}

impl Files {
    pub fn new(now: Duration) -> Files {
        Files { files: LOGS.map(Sending::new).into(), logs_from: now }
    }

    /// The logs have so many bytes.
    pub fn grew(&mut self, lengths: [u64; 2]) {
        for (path, length) in LOGS.iter().zip(lengths) {
            if let Some(file) = self.files.iter_mut().find(|f| f.path == *path) {
                file.grown = length;
            }
        }
    }

    /// None of them changes any more. A log that is not among them was never written.
    pub fn settle(&mut self, settled: &[FileToSend]) {
        let mut before = std::mem::take(&mut self.files);
        for file in settled {
            let at = before.iter().position(|f| f.path == file.path);
            let mut sending = at.map_or_else(|| Sending::new(&file.path), |at| before.swap_remove(at));
            sending.whole = Some((file.length, file.sha256.clone()));
            self.files.push(sending);
        }
    }

    /// Whether the end has to wait for a file: the output file comes first and is looked at with the end, so that it is
    /// waited for longer than the others.
    pub fn hold_up(&self) -> bool {
        let tries = |i: usize| if i == 0 { NO_ROOM_TRIES } else { 1 };
        self.files.iter().enumerate().any(|(i, f)| f.is_open() && f.no_room < tries(i))
    }

    /// Whether none is on its way any more.
    pub fn are_done(&self) -> bool {
        !self.files.iter().any(Sending::is_open)
    }

    /// Those that the service did not take, and why.
    pub fn refused(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files.iter().filter_map(|f| Some((f.path.as_str(), f.given_up.as_deref()?)))
    }

    /// What the service lacks is sent again, whatever we believed.
    pub fn lack(&mut self, incomplete: &[String]) {
        for file in self.files.iter_mut().filter(|f| incomplete.contains(&f.path)) {
            file.sealed = false;
        }
    }

    /// The service begins anew with those; it has all others.
    pub fn begin_with(&mut self, incomplete: &[String]) {
        for file in &mut self.files {
            file.sealed = !incomplete.contains(&file.path);
            file.sent = 0;
        }
    }

    /// The next piece, or until when there is none.
    pub fn next(&self, now: Duration, by: &Proof, limits: &Limits) -> Next {
        let mut until = Duration::MAX;
        for file in self.files.iter().filter(|f| f.is_open()) {
            let Some((from, length)) = file.due(self.logs_from) else { continue };
            if now < from {
                until = until.min(from);
                continue;
            }
            let offset = file.sent.min(length);
            let bytes = (length - offset).min(limits.chunk_bytes.max(1));
            let whole = file.whole.clone().filter(|_| offset + bytes == length);
            let piece = Piece { path: file.path.clone(), offset, whole };
            return say(Call::Piece { by: by.clone(), piece, length: bytes });
        }
        Next::Wait(until)
    }

    /// What came of a piece.
    ///
    /// # Errors
    /// A refusal that is not about the file.
    pub fn answered(&mut self, now: Duration, path: &str, answer: Answer<Stored>) -> Result<(), Box<Said>> {
        let Some(file) = self.files.iter_mut().find(|f| f.path == path) else { return Ok(()) };
        let said = match answer {
            Ok(stored) => {
                file.sent = stored.length;
                file.sealed |= stored.complete;
                file.no_room = 0;
                if file.whole.is_none() {
                    self.logs_from = now + LOGS_EVERY;
                }
                return Ok(());
            }
            Err(Refusal::NoAnswer(_)) => return Ok(()),
            Err(Refusal::Problem(said)) => said,
        };
        match (said.status, said.code.as_str(), said.offset) {
            (416, _, Some(offset)) => {
                let ours = file.whole.as_ref().map(|(length, _)| *length);
                if offset == 0 || ours.is_some_and(|length| offset > length) {
                    // What the service has beyond our file is not of this run: its hash will tell.
                    file.begin_anew(0, said.detail);
                } else {
                    file.sent = offset;
                }
            }
            (422, "hash_mismatch", offset) => file.begin_anew(offset.unwrap_or(0), said.detail),
            (507, ..) => {
                file.no_room += 1;
                file.from = now + NO_ROOM_AGAIN;
            }
            // It is there, sealed, from a time that our journal does not tell of.
            (409, "conflict", _) => file.sealed = true,
            (413 | 415 | 422, ..) => file.given_up = Some(said.detail),
            _ => return Err(said),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by() -> Proof {
        let attempt = "0190f5fe-7c00-7a3b-8b1e-0123456789ab".parse().unwrap();
        Proof { attempt, fence: 1, token: "t".into() }
    }

    fn limits() -> Limits {
        Limits { chunk_bytes: 10, ..super::super::Agent::new(None, None).limits() }
    }

    const NOW: Duration = Duration::from_secs(100);

    /// Path, offset, length, and whether it is the last.
    fn said(next: Next) -> Option<(String, u64, u64, bool)> {
        let Next::Say(call) = next else { return None };
        let Call::Piece { piece, length, .. } = *call else { panic!("{call:?}") };
        Some((piece.path, piece.offset, length, piece.whole.is_some()))
    }

    fn no(status: u16, code: &str, offset: Option<u64>) -> Answer<Stored> {
        let (code, detail) = (code.to_owned(), String::new());
        let said = Said { status, code, detail, offset, ..Said::default() };
        Err(Refusal::Problem(Box::new(said)))
    }

    fn have(length: u64, complete: bool) -> Answer<Stored> {
        Ok(Stored { length, dup: false, complete })
    }

    fn settled() -> Files {
        let mut files = Files::new(NOW);
        let file = |path: &str, length| FileToSend { path: path.into(), length, sha256: "00".into() };
        files.settle(&[file("artifacts/HPL.out", 15), file("log/out", 5)]);
        files
    }

    #[test]
    fn a_log_goes_as_it_grows_and_is_sealed_with_its_last_piece() {
        let mut files = Files::new(NOW);
        assert_eq!(files.next(NOW, &by(), &limits()), Next::Wait(Duration::MAX));
        files.grew([12, 0]);
        assert_eq!(said(files.next(NOW, &by(), &limits())), Some(("log/out".into(), 0, 10, false)));
        files.answered(NOW, "log/out", have(10, false)).unwrap();
        // The rest is little, and waits a second for more.
        assert_eq!(files.next(NOW, &by(), &limits()), Next::Wait(NOW + LOGS_EVERY));
        files.settle(&[FileToSend { path: "log/out".into(), length: 12, sha256: "00".into() }]);
        assert_eq!(said(files.next(NOW, &by(), &limits())), Some(("log/out".into(), 10, 2, true)));
        files.answered(NOW, "log/out", have(12, true)).unwrap();
        assert!(files.are_done() && !files.hold_up());
    }

    #[test]
    fn the_service_says_where_to_go_on() {
        let mut files = settled();
        files.answered(NOW, "artifacts/HPL.out", no(416, "offset_mismatch", Some(7))).unwrap();
        assert_eq!(said(files.next(NOW, &by(), &limits())), Some(("artifacts/HPL.out".into(), 7, 8, true)));
        // A hash that is never right ends it.
        for _ in 0..=HASH_TRIES {
            assert!(!files.are_done());
            files.answered(NOW, "artifacts/HPL.out", no(422, "hash_mismatch", Some(0))).unwrap();
        }
        assert_eq!(files.refused().map(|r| r.0).collect::<Vec<_>>(), ["artifacts/HPL.out"]);
        assert_eq!(said(files.next(NOW, &by(), &limits())), Some(("log/out".into(), 0, 5, true)));
    }

    #[test]
    fn a_full_service_holds_the_end_up_for_the_output_alone_and_not_for_ever() {
        let mut files = settled();
        files.answered(NOW, "log/out", no(507, "disk_full", None)).unwrap();
        assert!(files.hold_up(), "the output was not tried yet");
        for _ in 0..NO_ROOM_TRIES {
            assert!(files.hold_up());
            files.answered(NOW, "artifacts/HPL.out", no(507, "disk_full", None)).unwrap();
        }
        assert!(!files.hold_up() && !files.are_done());
        assert_eq!(files.next(NOW, &by(), &limits()), Next::Wait(NOW + NO_ROOM_AGAIN));
        assert!(files.next(NOW + NO_ROOM_AGAIN, &by(), &limits()) != Next::Wait(Duration::MAX));
    }

    #[test]
    fn what_is_not_about_the_file_is_handed_on() {
        let mut files = settled();
        let told = files.answered(NOW, "log/out", no(409, "stale_fence", None)).unwrap_err();
        assert_eq!(told.code, "stale_fence");
        files.answered(NOW, "log/out", no(409, "conflict", Some(5))).unwrap();
        files.answered(NOW, "artifacts/HPL.out", no(413, "too_long", None)).unwrap();
        assert!(files.are_done());
        files.lack(&["log/out".into()]);
        assert!(!files.are_done());
        files.begin_with(&[]);
        assert!(files.are_done());
    }
}
