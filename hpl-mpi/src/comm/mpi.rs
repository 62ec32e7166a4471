//! [`Comm`] over MPI: non-blocking point-to-point calls and communicator splits, nothing else.
//!
//! The only file that names MPI. Calls go to rsmpi's raw layer, because its safe requests borrow
//! their buffers; here a ticket owns its buffer until MPI is done with it. Errors are returned by
//! MPI and become panics that name rank, peer and tag.
#![allow(unsafe_code)]

use std::ffi::{c_char, c_int};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use mpi::Threading;
use mpi::environment::Universe;
use mpi::ffi;

use super::{Buf, Comm, Message, WaitPolicy, sum_all};

/// Longest part of a message in doubles: MPI counts in C ints.
const PART: usize = 1 << 30;
/// How long an oversubscribed rank yields before it rests between polls.
const YIELD_FOR: Duration = Duration::from_millis(1);
/// `MPI_SUCCESS`, 0 by the standard.
const SUCCESS: c_int = 0;

/// MPI could not be started as this program needs it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MpiError {
    /// MPI was started before in this process.
    #[error("MPI was initialised before")]
    AlreadyInitialised,
    /// The library cannot bear threads beside the one that calls it.
    #[error("the MPI library offers thread support {0}; Funneled is needed")]
    Threads(String),
}

/// MPI, started. It is finalized when this value and all its communicators are gone; if that
/// happens while the thread panics, the job is aborted instead, because finalizing would wait for
/// ranks that wait for this one.
pub struct MpiWorld {
    live: Rc<Live>,
    policy: Arc<WaitPolicy>,
}

/// Held by all that calls MPI.
struct Live {
    universe: Option<Universe>,
}

/// A communicator of MPI processes. Its `Rc` keeps it on the thread that started MPI.
pub struct MpiComm {
    handle: ffi::MPI_Comm,
    /// To be freed; all but the world.
    own: bool,
    rank: usize,
    size: usize,
    /// The ranks in the world of all ranks here; empty in the world itself.
    world: Box<[usize]>,
    part: usize,
    policy: Arc<WaitPolicy>,
    live: Rc<Live>,
}

/// An operation of an [`MpiComm`] under way.
#[must_use = "poll the ticket until it gives its buffer back"]
pub struct MpiTicket {
    message: Message,
    /// Until the operation is done.
    buf: Option<Buf>,
    /// The requests not known to be complete, last part first.
    requests: Requests,
    /// Doubles received so far.
    found: usize,
}

/// One request needs no memory of its own.
enum Requests {
    One(ffi::MPI_Request),
    Many(Vec<ffi::MPI_Request>),
}

impl MpiWorld {
    /// Starts MPI, for calls from this thread only.
    ///
    /// # Errors
    /// [`MpiError`] if MPI runs already or does not support threads beside the calling one.
    pub fn init() -> Result<MpiWorld, MpiError> {
        let (universe, threads) =
            mpi::initialize_with_threading(Threading::Funneled).ok_or(MpiError::AlreadyInitialised)?;
        let live = Rc::new(Live { universe: Some(universe) });
        if threads < Threading::Funneled {
            return Err(MpiError::Threads(format!("{threads:?}")));
        }
        // SAFETY: MPI is initialised, and both handles are the library's own constants.
        let code = unsafe { ffi::MPI_Comm_set_errhandler(ffi::RSMPI_COMM_WORLD, ffi::RSMPI_ERRORS_RETURN) };
        assert_success(code, "the error handler");
        Ok(MpiWorld { live, policy: Arc::new(WaitPolicy::new(false, YIELD_FOR)) })
    }

    /// All processes of the job.
    pub fn world(&self) -> MpiComm {
        self.world_in_parts(PART)
    }

    /// As [`MpiWorld::world`], with messages sent in parts of at most `part` doubles, so that a
    /// test can see the parts of a message too long for one call. The same on all ranks.
    ///
    /// # Panics
    /// If `part` is 0 or more than 2^30.
    pub fn world_in_parts(&self, part: usize) -> MpiComm {
        assert!((1..=PART).contains(&part), "parts of {part} doubles");
        // SAFETY: reads a constant of the library.
        let handle = unsafe { ffi::RSMPI_COMM_WORLD };
        let parent = (part, &self.policy, &self.live);
        MpiComm::new(handle, false, parent)
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        if std::thread::panicking() {
            std::mem::forget(self.universe.take());
            abort(1);
        }
    }
}

/// Ends the whole job with exit code `code`, or this process if MPI does not run. Meant for a panic
/// hook: needs no communicator.
pub fn abort(code: i32) -> ! {
    let mut finalized = 0;
    // SAFETY: may be called at any time, from any thread; writes the flag it is given.
    let asked = unsafe { ffi::MPI_Finalized(&mut finalized) };
    if mpi::environment::is_initialized() && asked == SUCCESS && finalized == 0 {
        // SAFETY: MPI is initialised and not finalized. From a thread other than the one that calls
        // MPI this is outside the agreed thread level, but it only makes the library kill the job.
        unsafe { ffi::MPI_Abort(ffi::RSMPI_COMM_WORLD, code) };
    }
    std::process::exit(code)
}

/// What the MPI library says of itself, on one line. May be called before MPI is started.
pub fn library_version() -> String {
    let text = mpi::environment::library_version().unwrap_or_else(|_| "unknown".to_owned());
    text.split_whitespace().collect::<Vec<_>>().join(" ").trim_end_matches('\0').to_owned()
}

impl MpiComm {
    fn new(handle: ffi::MPI_Comm, own: bool, parent: (usize, &Arc<WaitPolicy>, &Rc<Live>)) -> MpiComm {
        let (part, policy, live) = parent;
        let (mut rank, mut size) = (0, 0);
        // SAFETY: the handle is that of a communicator, MPI runs as long as `live`; each call writes one int.
        let codes = unsafe { [ffi::MPI_Comm_rank(handle, &mut rank), ffi::MPI_Comm_size(handle, &mut size)] };
        codes.into_iter().for_each(|code| assert_success(code, "rank and size"));
        let [rank, size] = [rank, size].map(|n| usize::try_from(n).expect("ranks count from 0"));
        MpiComm {
            handle,
            own,
            rank,
            size,
            world: Box::default(),
            part,
            policy: Arc::clone(policy),
            live: Rc::clone(live),
        }
    }

    /// The communicator of a handle that a split gave. Collective over it.
    fn child(&self, handle: ffi::MPI_Comm) -> MpiComm {
        let mut child = MpiComm::new(handle, true, (self.part, &self.policy, &self.live));
        let mut ranks = vec![0.0; child.size];
        ranks[child.rank] = self.in_world(self.rank) as f64;
        sum_all(&child, &mut ranks);
        child.world = ranks.into_iter().map(|rank| rank as usize).collect();
        child
    }

    fn start(&self, message: Message, buf: Buf) -> MpiTicket {
        let len = buf.len();
        // The ticket owns the buffer from here on: should a later part fail, it leaks it.
        let requests = Requests::Many(Vec::new());
        let mut ticket = MpiTicket { message, buf: Some(buf), requests, found: 0 };
        let buf = ticket.buf.as_mut().expect("just put there");
        let start = if message.sending { buf.as_ptr().cast_mut() } else { buf.as_mut().as_mut_ptr() };
        if len <= self.part {
            ticket.requests = Requests::One(self.start_part(&message, start, len));
            return ticket;
        }
        let mut requests = Vec::with_capacity(len.div_ceil(self.part));
        for (from, part) in parts(len, self.part) {
            requests.push(self.start_part(&message, start.wrapping_add(from), part));
        }
        requests.reverse();
        ticket.requests = Requests::Many(requests);
        ticket
    }

    /// Starts one request for `len` doubles at `at`, which lie in the buffer of a ticket.
    fn start_part(&self, message: &Message, at: *mut f64, len: usize) -> ffi::MPI_Request {
        let count = c_int::try_from(len).expect("a part is at most 2^30");
        let peer = c_int::try_from(message.peer).expect("a rank is an int");
        let tag = c_int::try_from(message.tag).expect("checked against MAX_TAG");
        // SAFETY: reads a constant of the library; it is overwritten below.
        let mut request = unsafe { ffi::RSMPI_REQUEST_NULL };
        let code = if message.sending {
            // SAFETY: `at` and `count` lie in the buffer of the ticket, which keeps its memory alive
            // until the request is complete or for ever; meanwhile it can only be read.
            unsafe { ffi::MPI_Isend(at.cast(), count, ffi::RSMPI_DOUBLE, peer, tag, self.handle, &mut request) }
        } else {
            // SAFETY: as above, and the ticket holds the only handle of the buffer (checked when the
            // receive was started), so that nobody else reads or writes it before the request is complete.
            unsafe { ffi::MPI_Irecv(at.cast(), count, ffi::RSMPI_DOUBLE, peer, tag, self.handle, &mut request) }
        };
        assert_success(code, message);
        request
    }

    /// Whether the request is complete, and with how many doubles.
    fn test(&self, request: &mut ffi::MPI_Request, message: &Message) -> Option<usize> {
        let mut complete = 0;
        let mut status = std::mem::MaybeUninit::<ffi::MPI_Status>::zeroed();
        // SAFETY: the request was started by `start_part` and is tested until complete, not after;
        // MPI writes the flag and the status, an all-integer structure that zeros initialise.
        let code = unsafe { ffi::MPI_Test(request, &mut complete, status.as_mut_ptr()) };
        if code == SUCCESS && complete == 0 {
            return None;
        }
        let mut count = 0;
        // SAFETY: the status is initialised, by MPI or with zeros; the call writes one int.
        let counted = unsafe { ffi::MPI_Get_count(status.as_ptr(), ffi::RSMPI_DOUBLE, &mut count) };
        let count = if counted == SUCCESS { usize::try_from(count).unwrap_or(0) } else { 0 };
        if code != SUCCESS {
            let (rank, why) = (self.rank, error_text(code));
            panic!("rank {rank}: {message} failed: {why} ({count} doubles came)");
        }
        Some(count)
    }
}

impl Comm for MpiComm {
    type Ticket = MpiTicket;

    fn rank(&self) -> usize {
        self.rank
    }

    fn size(&self) -> usize {
        self.size
    }

    fn start_send(&self, to: usize, tag: u32, buf: Buf) -> MpiTicket {
        self.policy.traffic.count(tag, buf.len());
        self.start(Message::checked(true, to, self.size, tag, &buf), buf)
    }

    fn start_recv(&self, from: usize, tag: u32, buf: Buf) -> MpiTicket {
        self.start(Message::checked(false, from, self.size, tag, &buf), buf)
    }

    fn poll(&self, ticket: &mut MpiTicket) -> Option<Buf> {
        let MpiTicket { message, buf, requests, found } = ticket;
        assert!(buf.is_some(), "{message} was done before");
        match requests {
            Requests::One(request) => *found += self.test(request, message)?,
            Requests::Many(rest) => {
                while let Some(request) = rest.last_mut() {
                    *found += self.test(request, message)?;
                    rest.pop();
                }
            }
        }
        let buf = buf.take();
        if !message.sending {
            message.check_length(self.rank, *found).unwrap_or_else(|why| panic!("{why}"));
        }
        buf
    }

    fn describe(&self, ticket: &MpiTicket) -> Message {
        ticket.message
    }

    fn in_world(&self, rank: usize) -> usize {
        self.world.get(rank).copied().unwrap_or(rank)
    }

    fn split(&self, color: Option<usize>, key: usize) -> Option<MpiComm> {
        let int = |n: usize| c_int::try_from(n).expect("colours and keys of a split fit a C int");
        // SAFETY: reads a constant of the library.
        let code_of_none = unsafe { ffi::RSMPI_UNDEFINED };
        let wanted = color.map_or(code_of_none, int);
        // SAFETY: as above; the handle is overwritten below.
        let mut handle = unsafe { ffi::RSMPI_COMM_NULL };
        // SAFETY: this communicator is alive, and the call writes one handle.
        let code = unsafe { ffi::MPI_Comm_split(self.handle, wanted, int(key), &mut handle) };
        assert_success(code, "a split");
        color.map(|_| self.child(handle))
    }

    fn split_node(&self) -> MpiComm {
        let key = c_int::try_from(self.rank).expect("a rank is an int");
        // SAFETY: reads a constant of the library; the handle is overwritten below.
        let mut handle = unsafe { ffi::RSMPI_COMM_NULL };
        // SAFETY: this communicator is alive, type and info are the library's constants, and the
        // call writes one handle.
        let code = unsafe {
            let (kind, info) = (ffi::RSMPI_COMM_TYPE_SHARED, ffi::RSMPI_INFO_NULL);
            ffi::MPI_Comm_split_type(self.handle, kind, key, info, &mut handle)
        };
        assert_success(code, "a split by node");
        self.child(handle)
    }

    fn wait_policy(&self) -> &Arc<WaitPolicy> {
        &self.policy
    }
}

impl Drop for MpiComm {
    fn drop(&mut self) {
        // A rank that panics does not wait for others to free.
        if self.own && !std::thread::panicking() {
            // SAFETY: the handle came from a split, is freed only here, and `live` still keeps MPI running.
            let code = unsafe { ffi::MPI_Comm_free(&mut self.handle) };
            assert_success(code, "freeing a communicator");
        }
    }
}

impl Drop for MpiTicket {
    fn drop(&mut self) {
        // MPI may still read or fill it.
        std::mem::forget(self.buf.take());
    }
}

/// Where the parts of a message of `len` doubles begin, and how long they are: at most `part`.
fn parts(len: usize, part: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..len).step_by(part).map(move |from| (from, part.min(len - from)))
}

fn assert_success(code: c_int, what: impl std::fmt::Display) {
    assert!(code == SUCCESS, "MPI: {what} failed: {}", error_text(code));
}

fn error_text(code: c_int) -> String {
    // Larger than MPI_MAX_ERROR_STRING of any library.
    let mut text = [0_u8; 8192];
    let mut len = 0;
    // SAFETY: the buffer is large enough, and the call writes the length.
    let told = unsafe { ffi::MPI_Error_string(code, text.as_mut_ptr().cast::<c_char>(), &mut len) };
    match usize::try_from(len) {
        Ok(len) if told == SUCCESS && len <= text.len() => String::from_utf8_lossy(&text[..len]).into_owned(),
        _ => format!("error {code}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Messages beyond what MPI counts: every double once, in order, and no part longer than a C int.
    #[test]
    fn a_message_longer_than_mpi_counts_is_cut() {
        for len in [PART + 1, (1 << 31) - 1, 1 << 31, (1 << 33) + 5, 5 * PART] {
            let mut end = 0;
            for (from, part) in parts(len, PART) {
                assert_eq!(from, end);
                assert!((1..=PART).contains(&part) && c_int::try_from(part).is_ok());
                end += part;
            }
            assert_eq!((end, parts(len, PART).count()), (len, len.div_ceil(PART)));
        }
    }
}
