//! How ranks talk: a small trait, two implementations, and what is written over it.
//!
//! [`Comm`] moves owned buffers between ranks: start, poll, done. Nothing in it blocks and nothing
//! borrowed crosses a call. [`thread::ThreadComm`] runs a whole grid as threads of one process, for
//! tests; [`mpi::MpiComm`] is MPI. Every wait is [`wait`] or [`wait_until`]; the small collectives
//! ([`Reduce`], [`broadcast`], [`barrier`], ...) are written over the trait, so that they behave the
//! same, bit by bit, on both.

mod buf;
mod collective;
mod mailbox;
pub mod mpi;
pub mod stage;
pub mod thread;
mod wait;

use std::sync::Arc;
use std::time::Duration;

pub use buf::Buf;
pub use collective::{Reduce, add, barrier, broadcast, broadcast_bytes, gather, max, max_all, sum_all};
pub use wait::{WaitPolicy, awaited, wait, wait_until};

/// The largest tag: what the MPI standard guarantees to every program.
pub const MAX_TAG: u32 = 32_767;
/// From here up to [`MAX_TAG`], tags belong to the collectives of this module that take none.
pub const FIRST_RESERVED_TAG: u32 = 32_000;

/// A group of ranks that can send buffers to each other.
///
/// *Order.* Messages of equal sender, tag and communicator arrive in the order in which they were
/// started, and fill receives in the order in which those were started.
///
/// *Progress.* A started operation moves on while its rank polls anything at all; a rank must poll
/// each ticket until it is done.
///
/// *Threads.* A communicator stays on the thread that made it.
pub trait Comm: Sized {
    /// An operation under way. Dropping it before it is done does not cancel the operation: the
    /// buffer is leaked, because the other side may still read or fill it.
    type Ticket;

    /// My number, `0 .. size`.
    fn rank(&self) -> usize;

    /// How many ranks there are.
    fn size(&self) -> usize;

    /// Starts to send `buf` to rank `to`, which may be this rank; an empty buffer is a message too.
    /// The send is done when the buffer may be written again, which can be as late as the moment
    /// the receiver takes the message.
    ///
    /// # Panics
    /// If there is no rank `to`, or if `tag` exceeds [`MAX_TAG`].
    #[must_use = "poll the ticket until it gives its buffer back"]
    fn start_send(&self, to: usize, tag: u32, buf: Buf) -> Self::Ticket;

    /// Starts to receive a message of exactly `buf.len()` doubles from rank `from`.
    ///
    /// # Panics
    /// If there is no rank `from`, if `tag` exceeds [`MAX_TAG`], or if `buf` is shared.
    #[must_use = "poll the ticket until it gives its buffer back"]
    fn start_recv(&self, from: usize, tag: u32, buf: Buf) -> Self::Ticket;

    /// The buffer, once the operation is done; at once in any case.
    ///
    /// # Panics
    /// If the message has another length than the buffer of its receive (both are named), if the
    /// operation failed, or if the ticket was done before.
    fn poll(&self, ticket: &mut Self::Ticket) -> Option<Buf>;

    /// What `ticket` is about.
    fn describe(&self, ticket: &Self::Ticket) -> Message;

    /// The rank in the communicator of all processes of the one with number `rank` here.
    ///
    /// # Panics
    /// If there is no such rank.
    fn in_world(&self, rank: usize) -> usize;

    /// A new communicator for the ranks that name the same `color`, numbered by `key`, equal keys
    /// by their rank here; none for a rank without colour. Collective: every rank calls it.
    fn split(&self, color: Option<usize>, key: usize) -> Option<Self>;

    /// A new communicator of the ranks on my node, numbered as here. Collective.
    fn split_node(&self) -> Self;

    /// How this rank waits, and what it has sent; the same for all communicators split from one.
    fn wait_policy(&self) -> &Arc<WaitPolicy>;

    /// Lets a short while pass between two polls of a wait that has taken `waited` so far; an
    /// implementation that knows when something happens may return then.
    fn rest(&self, waited: Duration) {
        wait::nap(waited);
    }

    /// Every wait asks this now and then. Under MPI there is nothing to ask: the launcher ends a
    /// job one of whose processes died.
    ///
    /// # Panics
    /// If a peer is known to have died.
    fn assert_peers_alive(&self) {}
}

/// What a ticket is about, in words for messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message {
    /// Whether this side sends.
    pub sending: bool,
    /// The rank of the other side.
    pub peer: usize,
    /// The tag.
    pub tag: u32,
    /// The length in doubles, as this side knows it.
    pub len: usize,
}

impl std::fmt::Display for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (verb, preposition) = if self.sending { ("send", "to") } else { ("receive", "from") };
        let Message { peer, tag, len, .. } = self;
        write!(f, "the {verb} of {len} doubles {preposition} rank {peer}, tag {tag}")
    }
}

impl Message {
    /// In words for people who do not know `comm`: with the peer's rank in the communicator of all processes, and the
    /// part of the algorithm.
    ///
    /// # Panics
    /// If it is no message of `comm`.
    pub fn in_world<C: Comm>(self, comm: &C) -> String {
        format!("{} ({})", Message { peer: comm.in_world(self.peer), ..self }, stage::Stage::of(self.tag).name())
    }

    /// The message, its peer and tag checked.
    fn checked(sending: bool, peer: usize, size: usize, tag: u32, buf: &Buf) -> Message {
        let message = Message { sending, peer, tag, len: buf.len() };
        assert!(peer < size, "{message}: there are {size} ranks");
        assert!(tag <= MAX_TAG, "{message}: the largest tag is {MAX_TAG}");
        assert!(sending || !buf.is_shared(), "{message}: its buffer is shared");
        message
    }

    /// What to say unless `found`, the length of the message that came, is the one `rank` expected.
    fn check_length(&self, rank: usize, found: usize) -> Result<(), String> {
        let Message { peer, tag, len, .. } = self;
        if found == *len {
            return Ok(());
        }
        Err(format!("rank {rank} expected {len} doubles from rank {peer}, tag {tag}, but {found} came"))
    }
}
