//! Ranks as threads of one process: a whole grid inside a test.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::time::Duration;

pub use super::mailbox::SendMode;
use super::mailbox::{Lane, Place, World};
use super::{Buf, Comm, Message, WaitPolicy, wait_until};

/// A wait of a rank under [`ThreadComm::run`] that takes longer is a deadlock.
const STALL: Duration = Duration::from_secs(120);

/// A communicator between threads of this process.
pub struct ThreadComm {
    world: Arc<World>,
    /// Tells the messages of this communicator from those of others.
    context: u64,
    /// The seat of each rank.
    seats: Arc<[usize]>,
    rank: usize,
    /// How often this communicator was split.
    splits: Cell<u64>,
    policy: Arc<WaitPolicy>,
}

/// An operation of a [`ThreadComm`] under way.
#[derive(Debug)]
#[must_use = "poll the ticket until it gives its buffer back"]
pub struct ThreadTicket {
    id: u64,
    message: Message,
    done: bool,
}

impl ThreadComm {
    /// Runs `body` on `ranks` threads, one a rank, and gives their results in the order of ranks.
    ///
    /// Each rank has a [`WaitPolicy`] of its own: oversubscribed, and with a stall limit of two
    /// minutes, which turns a deadlock into a panic.
    ///
    /// # Panics
    /// If a rank panics, with the payload of the rank that did so first: every wait of the others
    /// then panics too. If a rank waits for one that has returned. If at the end a ticket was not
    /// polled until done or a message was not received. If a thread cannot be started.
    pub fn run<R: Send>(ranks: usize, mode: SendMode, body: impl Fn(ThreadComm) -> R + Sync) -> Vec<R> {
        let world = Arc::new(World::new(ranks, mode));
        let (world, body) = (&world, &body);
        let ends: Vec<Result<R, Box<dyn Any + Send>>> = std::thread::scope(|scope| {
            let live = |rank: usize| {
                let comm = ThreadComm::world(world, rank);
                comm.policy.set_stall_limit(Some(STALL));
                let end = catch_unwind(AssertUnwindSafe(|| body(comm)));
                world.leave(rank, end.is_err());
                end
            };
            let start = |rank: usize| {
                let name = format!("rank {rank}");
                let thread = std::thread::Builder::new().name(name);
                thread.spawn_scoped(scope, move || live(rank)).expect("a thread for a rank")
            };
            let threads: Vec<_> = (0..ranks).map(start).collect();
            threads.into_iter().map(|thread| thread.join().expect("panics were caught")).collect()
        });
        let dead = world.dead();
        let mut results = Vec::with_capacity(ranks);
        for (rank, end) in ends.into_iter().enumerate() {
            match end {
                Ok(result) => results.push(result),
                Err(payload) if Some(rank) == dead => resume_unwind(payload),
                Err(_) => {}
            }
        }
        world.assert_nothing_left();
        results
    }

    /// A communicator of one rank, on the caller's thread.
    pub fn solo() -> ThreadComm {
        ThreadComm::world(&Arc::new(World::new(1, SendMode::Eager)), 0)
    }

    fn world(world: &Arc<World>, rank: usize) -> ThreadComm {
        let place = Place { context: 0, seats: (0..world.ranks()).collect(), rank };
        let policy = Arc::new(WaitPolicy::new(true, Duration::ZERO));
        ThreadComm::at(world, place, policy)
    }

    fn at(world: &Arc<World>, place: Place, policy: Arc<WaitPolicy>) -> ThreadComm {
        let Place { context, seats, rank } = place;
        ThreadComm { world: Arc::clone(world), context, seats, rank, splits: Cell::new(0), policy }
    }

    fn seat(&self) -> usize {
        self.seats[self.rank]
    }

    fn lane(&self, from: usize, tag: u32) -> Lane {
        Lane { context: self.context, from, tag }
    }
}

impl Comm for ThreadComm {
    type Ticket = ThreadTicket;

    fn rank(&self) -> usize {
        self.rank
    }

    fn size(&self) -> usize {
        self.seats.len()
    }

    fn start_send(&self, to: usize, tag: u32, buf: Buf) -> ThreadTicket {
        let message = Message::checked(true, to, self.size(), tag, &buf);
        self.policy.traffic.count(tag, buf.len());
        let lane = self.lane(self.rank, tag);
        let id = self.world.start_send(self.seat(), self.seats[to], lane, message, buf);
        ThreadTicket { id, message, done: false }
    }

    fn start_recv(&self, from: usize, tag: u32, buf: Buf) -> ThreadTicket {
        let message = Message::checked(false, from, self.size(), tag, &buf);
        let id = self.world.start_recv(self.seat(), self.rank, self.lane(from, tag), message, buf);
        ThreadTicket { id, message, done: false }
    }

    fn poll(&self, ticket: &mut ThreadTicket) -> Option<Buf> {
        assert!(!ticket.done, "{} was done before", ticket.message);
        // Asked first: what the peer did, it did before it left.
        let left = self.world.has_left(self.seats[ticket.message.peer]);
        let end = self.world.collect(self.seat(), ticket.id);
        assert!(!left || end.is_some(), "rank {} waits for {}, which has returned", self.rank, ticket.message);
        ticket.done = end.is_some();
        end.map(|end| end.unwrap_or_else(|why| panic!("{why}")))
    }

    fn describe(&self, ticket: &ThreadTicket) -> Message {
        ticket.message
    }

    fn in_world(&self, rank: usize) -> usize {
        self.seats[rank]
    }

    fn split(&self, color: Option<usize>, key: usize) -> Option<ThreadComm> {
        let id = (self.context, self.splits.replace(self.splits.get() + 1));
        self.world.ask(id, &self.seats, self.rank, (color, key));
        let place = wait_until(self, || "the others to split".to_owned(), || self.world.collect_place(id, self.rank))?;
        Some(ThreadComm::at(&self.world, place, Arc::clone(&self.policy)))
    }

    /// All threads are on one node.
    fn split_node(&self) -> ThreadComm {
        self.split(Some(0), self.rank).expect("it has a colour")
    }

    fn wait_policy(&self) -> &Arc<WaitPolicy> {
        &self.policy
    }

    /// Ends when something happens to an operation of this rank, at the latest after a millisecond.
    fn rest(&self, _waited: Duration) {
        self.world.rest(self.seat());
    }

    fn assert_peers_alive(&self) {
        let dead = self.world.dead();
        assert!(
            dead.is_none(),
            "rank {} of this run has panicked; rank {} waits in vain",
            dead.unwrap_or_default(),
            self.seat()
        );
    }
}
