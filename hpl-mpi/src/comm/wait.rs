//! The one way to wait: poll, be kind to the others on the core, look at the cancel flag and the clock.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::stage::Traffic;
use super::{Buf, Comm, Message};

/// Polls before the wait looks at anything else: what is about to come costs no clock and no system call.
const SPINS: u32 = 100;
/// Where a rank has a core of its own: polls between two looks at flags and clock.
const POLLS_PER_LOOK: u32 = 32;
/// Where a rank has a core of its own: looks between two yields to the system.
const LOOKS_PER_YIELD: u64 = 64;
/// A nap between two polls of a long wait is this fraction of the wait so far, so that waking late
/// makes no wait longer by more than 2 %, and a rank that waits for seconds uses 3 to 5 % of a core
/// (2 to 8 ranks under Open MPI on two cores; 10 to 20 % with naps of constant 50 microseconds).
const NAP_FRACTION: u32 = 50;
/// Shortest and longest nap; the system adds its timer slack, 50 microseconds by default on Linux.
const NAPS: (Duration, Duration) = (Duration::from_micros(20), Duration::from_micros(500));

/// How a rank waits, and what it has sent; one for all communicators of the rank.
///
/// Flags are plain atomics: another thread (a signal watcher, a deadline) may hold a clone of the
/// `Arc` and set them while the rank waits.
#[derive(Debug)]
pub struct WaitPolicy {
    oversubscribed: AtomicBool,
    cancelled: AtomicBool,
    /// Longest wait in nanoseconds; 0 for no limit.
    stall: AtomicU64,
    yield_for: Duration,
    /// Bytes sent.
    pub traffic: Traffic,
}

impl WaitPolicy {
    /// A policy without stall limit, not cancelled. `yield_for`: how long an oversubscribed rank
    /// yields between polls before it starts to sleep between them.
    pub fn new(oversubscribed: bool, yield_for: Duration) -> WaitPolicy {
        WaitPolicy {
            oversubscribed: AtomicBool::new(oversubscribed),
            cancelled: AtomicBool::new(false),
            stall: AtomicU64::new(0),
            yield_for,
            traffic: Traffic::default(),
        }
    }

    /// Whether more threads want to run on this node than it has cores.
    pub fn oversubscribed(&self) -> bool {
        self.oversubscribed.load(Ordering::Relaxed)
    }

    /// Says whether more threads want to run on this node than it has cores. A waiting rank then
    /// leaves its core to others at once.
    pub fn set_oversubscribed(&self, yes: bool) {
        self.oversubscribed.store(yes, Ordering::Relaxed);
    }

    /// Ends every wait of this rank, the present one and all later ones, and its updates at their next strip of columns,
    /// with a panic that says "cancelled".
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    /// Whether [`WaitPolicy::cancel`] was called.
    pub fn cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }

    /// The longest a single wait may take, if there is a limit.
    pub fn stall_limit(&self) -> Option<Duration> {
        match self.stall.load(Ordering::Relaxed) {
            0 => None,
            nanos => Some(Duration::from_nanos(nanos)),
        }
    }

    /// Sets the longest a single wait may take (at least a nanosecond), or takes the limit away.
    pub fn set_stall_limit(&self, limit: Option<Duration>) {
        let nanos = limit.map_or(0, |d| u64::try_from(d.as_nanos()).unwrap_or(u64::MAX).max(1));
        self.stall.store(nanos, Ordering::Relaxed);
    }
}

/// Waits until `ticket` is done and gives its buffer back.
///
/// # Panics
/// As [`wait_until`] and [`Comm::poll`] do.
pub fn wait<C: Comm>(comm: &C, mut ticket: C::Ticket) -> Buf {
    let message = comm.describe(&ticket);
    wait_until(comm, || message.in_world(comm), || comm.poll(&mut ticket))
}

/// Waits until `poll` gives something; every wait of a rank ends up here.
///
/// A hundred polls come first. Then, oversubscribed, the rank yields its core between polls, and
/// after a while ([`WaitPolicy::new`]) rests between them ([`Comm::rest`]); otherwise it keeps
/// polling. `what` names the thing waited for in the messages of the panics, by ranks of the world.
///
/// # Panics
/// If the rank's [`WaitPolicy`] is cancelled, if the wait exceeds its stall limit (the message
/// names this rank of the world and `what`), and if a peer is known to be dead ([`Comm::assert_peers_alive`]).
pub fn wait_until<C: Comm, T>(comm: &C, what: impl Fn() -> String, mut poll: impl FnMut() -> Option<T>) -> T {
    for _ in 0..SPINS {
        if let Some(found) = poll() {
            return found;
        }
        std::hint::spin_loop();
    }
    let policy = comm.wait_policy();
    let start = Instant::now();
    let mut looks = 0_u64;
    loop {
        looks += 1;
        let oversubscribed = policy.oversubscribed();
        for _ in 0..if oversubscribed { 1 } else { POLLS_PER_LOOK } {
            if let Some(found) = poll() {
                return found;
            }
            std::hint::spin_loop();
        }
        let waited = start.elapsed();
        let me = || comm.in_world(comm.rank());
        assert!(!policy.cancelled(), "cancelled: rank {} waited for {}", me(), what());
        if let Some(limit) = policy.stall_limit() {
            assert!(waited < limit, "stalled: rank {} waited {:.1} s for {}", me(), waited.as_secs_f64(), what());
        }
        comm.assert_peers_alive();
        if oversubscribed && waited >= policy.yield_for {
            comm.rest(waited);
        } else if oversubscribed || looks.is_multiple_of(LOOKS_PER_YIELD) {
            thread::yield_now();
        }
    }
}

/// What a wait is for that ends when several messages are done: one that is not, if it is known.
pub fn awaited<C: Comm>(comm: &C, message: Option<Message>) -> String {
    message.map_or_else(|| "nothing".to_owned(), |message| message.in_world(comm))
}

/// Sleeps between two polls of a wait that has taken `waited` so far.
pub(super) fn nap(waited: Duration) {
    thread::sleep((waited / NAP_FRACTION).clamp(NAPS.0, NAPS.1));
}
