//! What the ranks of a [`super::thread::ThreadComm`] share: mailboxes, and the table of splits.
//!
//! Each rank has a mailbox. A send looks for a receive that waits for it there, a receive for a
//! message that lies there; whoever comes second copies the doubles and reports to both sides.
//! Matching happens under the lock of the receiver's mailbox, copying outside, and no one ever
//! holds two locks.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::{Buf, Message};

/// When a send is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SendMode {
    /// At once: the message is copied. What MPI does with small messages.
    Eager,
    /// When its receive has been started: what MPI may do with any message. Programs that are only
    /// right if sends are buffered stall here.
    Rendezvous,
}

/// The longest rest.
const REST: Duration = Duration::from_millis(1);
const NOBODY: usize = usize::MAX;

/// What the ranks of one run share.
pub(super) struct World {
    mode: SendMode,
    seats: Vec<Seat>,
    /// The first rank that panicked, or [`NOBODY`].
    dead: AtomicUsize,
    next_context: AtomicU64,
    splits: Mutex<HashMap<(u64, u64), Split>>,
}

/// What belongs to one rank of the world.
#[derive(Default)]
struct Seat {
    mail: Mutex<Mail>,
    bell: Condvar,
    /// The rank has returned: it will start nothing any more.
    left: AtomicBool,
}

#[derive(Default)]
struct Mail {
    /// Something happened since the last rest.
    news: bool,
    resting: bool,
    next_id: u64,
    /// Messages that came before their receive, oldest first.
    arrived: VecDeque<Parcel>,
    /// Receives that came before their message, oldest first.
    posted: VecDeque<Posted>,
    /// What this rank has started and not yet got back.
    open: BTreeMap<u64, Message>,
    /// Finished operations that have not been polled since; or what went wrong.
    done: HashMap<u64, Result<Buf, String>>,
}

/// Messages of one lane keep their order.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Lane {
    pub(super) context: u64,
    /// The sender's rank in that communicator.
    pub(super) from: usize,
    pub(super) tag: u32,
}

struct Parcel {
    lane: Lane,
    buf: Buf,
    /// Seat and operation of a sender that waits to be met.
    sender: Option<(usize, u64)>,
}

struct Posted {
    lane: Lane,
    id: u64,
    buf: Buf,
    /// The receiver's rank and its view of the message.
    rank: usize,
    message: Message,
}

/// A split in the making: what the ranks asked for, then what they get.
struct Split {
    asked: Vec<Option<(Option<usize>, usize)>>,
    missing: usize,
    dealt: Vec<Option<Place>>,
    to_collect: usize,
}

/// A rank's place in a new communicator.
#[derive(Clone)]
pub(super) struct Place {
    pub(super) context: u64,
    /// The seat of each rank.
    pub(super) seats: Arc<[usize]>,
    pub(super) rank: usize,
}

impl World {
    pub(super) fn new(ranks: usize, mode: SendMode) -> World {
        World {
            mode,
            seats: (0..ranks).map(|_| Seat::default()).collect(),
            dead: AtomicUsize::new(NOBODY),
            next_context: AtomicU64::new(1),
            splits: Mutex::default(),
        }
    }

    pub(super) fn ranks(&self) -> usize {
        self.seats.len()
    }

    /// Starts a send from seat `me` to seat `you`; the operation's number.
    pub(super) fn start_send(&self, me: usize, you: usize, lane: Lane, message: Message, buf: Buf) -> u64 {
        let id = self.open(me, message);
        let mut mail = self.mail(you);
        if let Some(posted) = mail.take_posted(lane) {
            drop(mail);
            self.finish(you, posted.id, posted.fill(&buf));
            self.finish(me, id, Ok(buf));
        } else if self.mode == SendMode::Eager {
            mail.arrived.push_back(Parcel { lane, buf: Buf::from_slice(&buf), sender: None });
            drop(mail);
            self.finish(me, id, Ok(buf));
        } else {
            mail.arrived.push_back(Parcel { lane, buf, sender: Some((me, id)) });
        }
        id
    }

    /// Starts a receive of seat `me`, which is rank `rank` in its communicator; the operation's number.
    pub(super) fn start_recv(&self, me: usize, rank: usize, lane: Lane, message: Message, buf: Buf) -> u64 {
        let id = self.open(me, message);
        let posted = Posted { lane, id, buf, rank, message };
        let mut mail = self.mail(me);
        if let Some(parcel) = mail.take_parcel(lane) {
            drop(mail);
            self.finish(me, id, posted.fill(&parcel.buf));
            if let Some((seat, id)) = parcel.sender {
                self.finish(seat, id, Ok(parcel.buf));
            }
        } else {
            mail.posted.push_back(posted);
        }
        id
    }

    /// How operation `id` of a seat ended, if it has.
    pub(super) fn collect(&self, seat: usize, id: u64) -> Option<Result<Buf, String>> {
        let mut mail = self.mail(seat);
        let end = mail.done.remove(&id)?;
        mail.open.remove(&id);
        Some(end)
    }

    /// Returns when something happened to an operation of this seat since its last rest, at the
    /// latest after [`REST`].
    pub(super) fn rest(&self, seat: usize) {
        let mut mail = self.mail(seat);
        if !mail.news {
            mail.resting = true;
            let bell = &self.seats[seat].bell;
            mail = bell.wait_timeout(mail, REST).unwrap_or_else(PoisonError::into_inner).0;
            mail.resting = false;
        }
        mail.news = false;
    }

    /// The rank that panicked first.
    pub(super) fn dead(&self) -> Option<usize> {
        Some(self.dead.load(Ordering::Acquire)).filter(|&rank| rank != NOBODY)
    }

    /// Whether the rank has returned. All it started was seen before this is.
    pub(super) fn has_left(&self, seat: usize) -> bool {
        self.seats[seat].left.load(Ordering::Acquire)
    }

    fn open(&self, seat: usize, message: Message) -> u64 {
        let mut mail = self.mail(seat);
        let id = mail.next_id;
        mail.next_id += 1;
        mail.open.insert(id, message);
        id
    }

    fn mail(&self, seat: usize) -> MutexGuard<'_, Mail> {
        locked(&self.seats[seat].mail)
    }

    /// Reports the end of an operation to its rank.
    fn finish(&self, seat: usize, id: u64, end: Result<Buf, String>) {
        let mut mail = self.mail(seat);
        mail.done.insert(id, end);
        self.ring(seat, mail);
    }

    fn ring(&self, seat: usize, mut mail: MutexGuard<'_, Mail>) {
        mail.news = true;
        if mail.resting {
            self.seats[seat].bell.notify_one();
        }
    }

    pub(super) fn leave(&self, rank: usize, panicked: bool) {
        if panicked {
            let _ = self.dead.compare_exchange(NOBODY, rank, Ordering::AcqRel, Ordering::Relaxed);
        } else {
            self.seats[rank].left.store(true, Ordering::Release);
        }
        for seat in 0..self.seats.len() {
            self.ring(seat, self.mail(seat));
        }
    }

    pub(super) fn assert_nothing_left(&self) {
        for seat in 0..self.seats.len() {
            let mail = self.mail(seat);
            if let Some(message) = mail.open.values().next() {
                panic!("rank {seat} ended without finishing {message} ({} such)", mail.open.len());
            }
            if let Some(Parcel { lane, buf, .. }) = mail.arrived.front() {
                let (len, Lane { from, tag, .. }) = (buf.len(), lane);
                panic!("rank {seat} never received {len} doubles from rank {from}, tag {tag}");
            }
        }
    }

    /// Notes what rank `rank` of a communicator with these seats asks of a split; the last to come
    /// deals the places.
    pub(super) fn ask(&self, id: (u64, u64), seats: &[usize], rank: usize, asks: (Option<usize>, usize)) {
        let mut splits = locked(&self.splits);
        let split = splits.entry(id).or_insert_with(|| Split {
            asked: vec![None; seats.len()],
            missing: seats.len(),
            dealt: Vec::new(),
            to_collect: seats.len(),
        });
        split.asked[rank] = Some(asks);
        split.missing -= 1;
        if split.missing > 0 {
            return;
        }
        split.deal(seats, || self.next_context.fetch_add(1, Ordering::Relaxed));
        drop(splits);
        for &seat in seats {
            self.ring(seat, self.mail(seat));
        }
    }

    /// The rank's place, once dealt.
    pub(super) fn collect_place(&self, id: (u64, u64), rank: usize) -> Option<Option<Place>> {
        let mut splits = locked(&self.splits);
        let split = splits.get_mut(&id).filter(|split| split.missing == 0)?;
        let place = split.dealt[rank].take();
        split.to_collect -= 1;
        if split.to_collect == 0 {
            splits.remove(&id);
        }
        Some(place)
    }
}

impl Split {
    fn deal(&mut self, seats: &[usize], mut new_context: impl FnMut() -> u64) {
        let mut groups: BTreeMap<usize, Vec<(usize, usize)>> = BTreeMap::new();
        for (rank, asked) in self.asked.iter().enumerate() {
            if let Some((Some(color), key)) = *asked {
                groups.entry(color).or_default().push((key, rank));
            }
        }
        self.dealt = vec![None; self.asked.len()];
        for mut group in groups.into_values() {
            group.sort_unstable();
            let context = new_context();
            let members: Arc<[usize]> = group.iter().map(|&(_, rank)| seats[rank]).collect();
            for (new_rank, &(_, rank)) in group.iter().enumerate() {
                let seats = Arc::clone(&members);
                self.dealt[rank] = Some(Place { context, seats, rank: new_rank });
            }
        }
    }
}

impl Mail {
    fn take_posted(&mut self, lane: Lane) -> Option<Posted> {
        let at = self.posted.iter().position(|posted| posted.lane == lane)?;
        self.posted.remove(at)
    }

    fn take_parcel(&mut self, lane: Lane) -> Option<Parcel> {
        let at = self.arrived.iter().position(|parcel| parcel.lane == lane)?;
        self.arrived.remove(at)
    }
}

impl Posted {
    /// The receive's buffer with the message in it, or why not.
    fn fill(mut self, message: &[f64]) -> Result<Buf, String> {
        self.message.check_length(self.rank, message.len())?;
        self.buf.as_mut().copy_from_slice(message);
        Ok(self.buf)
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
