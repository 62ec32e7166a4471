//! What a computation is done with: kernel, cache sizes, team, scratch memory. Passed, never global.

use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use hpl_spec::profile::Shares;

use crate::buffer::Buffer;
use crate::gemm::blocking::{Blocking, CacheSizes};
use crate::gemm::kernel::{self, Kernel};
use crate::team::{Member, Team};
use crate::timeline::{Lane, Work};

/// What one member works with: packing memory, which grows to what is asked of it and is kept, and the record
/// of what it did.
#[derive(Debug)]
pub struct Scratch {
    /// What the member did.
    pub lane: Lane,
    pub(crate) a: Buffer,
    pub(crate) b: Buffer,
    pub(crate) edge: Buffer,
    aside: Buffer,
}

impl Scratch {
    /// Empty scratch memory.
    pub fn new() -> Scratch {
        Scratch { lane: Lane::default(), a: nothing(), b: nothing(), edge: nothing(), aside: nothing() }
    }

    /// Does some work with `len` doubles besides, of any content.
    ///
    /// # Panics
    /// If the memory cannot be had.
    pub(crate) fn with_aside<R>(&mut self, len: usize, job: impl FnOnce(&mut Scratch, &mut [f64]) -> R) -> R {
        let mut aside = std::mem::replace(&mut self.aside, nothing());
        let result = job(self, room(&mut aside, len));
        self.aside = aside;
        result
    }

    /// Does some work for panel number `panel` and notes how long it took.
    pub fn timed<R>(&mut self, work: Work, panel: usize, job: impl FnOnce(&mut Scratch) -> R) -> R {
        let start = Instant::now();
        let result = job(self);
        self.lane.note(work, panel, start, Duration::ZERO);
        result
    }
}

impl Default for Scratch {
    fn default() -> Scratch {
        Scratch::new()
    }
}

fn nothing() -> Buffer {
    Buffer::zeroed(0).expect("no memory is asked for")
}

/// The first `len` doubles of `buffer`, which is replaced by a larger one if need be.
///
/// # Panics
/// If the memory cannot be had: the sizes are small beside the matrix, which was allocated before.
pub(crate) fn room(buffer: &mut Buffer, len: usize) -> &mut [f64] {
    if buffer.capacity() < len {
        *buffer = Buffer::zeroed(len).unwrap_or_else(|e| panic!("packing memory: {e}"));
    }
    buffer.set_len(len);
    buffer
}

/// Kernel, cache sizes, team and its scratch memory.
pub struct Context {
    kernel: &'static Kernel,
    caches: CacheSizes,
    shares: Shares,
    team: Team,
    scratch: Vec<Mutex<Scratch>>,
    left: Mutex<Buffer>,
}

impl Context {
    /// A context for `team` that computes with `kernel`.
    ///
    /// # Panics
    /// If this CPU cannot run the kernel.
    pub fn new(kernel: &'static Kernel, caches: CacheSizes, team: Team) -> Context {
        assert!(kernel.is_available(), "this CPU cannot run kernel {}", kernel.name);
        let scratch = (0..team.size()).map(|_| Mutex::new(Scratch::new())).collect();
        Context { kernel, caches, shares: Shares::default(), team, scratch, left: Mutex::new(nothing()) }
    }

    /// The same context with other shares of the caches.
    ///
    /// # Panics
    /// If no blocks can be made of them.
    pub fn with_shares(self, shares: Shares) -> Context {
        assert!(shares.are_sane(), "{shares:?}");
        Context { shares, ..self }
    }

    /// The calling thread alone, the best kernel, ordinary caches: for tests and small work.
    pub fn solo() -> Context {
        let best = kernel::pick(None).expect("there is always a kernel");
        Context::new(best, CacheSizes::default(), Team::solo())
    }

    /// The kernel.
    pub fn kernel(&self) -> &'static Kernel {
        self.kernel
    }

    /// The team.
    pub fn team(&self) -> &Team {
        &self.team
    }

    /// The blocks for products of depth `k`.
    pub fn blocking(&self, k: usize) -> Blocking {
        Blocking::from_caches(self.caches, self.shares, self.kernel, k)
    }

    /// The cache sizes that the blocks are derived from.
    pub fn caches(&self) -> CacheSizes {
        self.caches
    }

    /// The scratch memory of a member.
    pub fn scratch(&self, member: &Member) -> MutexGuard<'_, Scratch> {
        self.scratch[member.id()].lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Begins the record of what the members do; spans are kept if `keep`. Outside a phase.
    pub fn begin_timeline(&self, keep: bool) {
        let origin = Instant::now();
        for scratch in &self.scratch {
            scratch.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).lane = Lane::new(origin, keep);
        }
    }

    /// What the members did since then, in their order. Outside a phase.
    pub fn end_timeline(&self) -> Vec<Lane> {
        let lane = |scratch: &Mutex<Scratch>| {
            std::mem::take(&mut scratch.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).lane)
        };
        self.scratch.iter().map(lane).collect()
    }

    /// Memory for a packed left operand, kept from one product to the next.
    pub(crate) fn left(&self) -> MutexGuard<'_, Buffer> {
        self.left.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// The scratch memory of the main thread, outside a phase.
    pub fn main_scratch(&self) -> MutexGuard<'_, Scratch> {
        self.scratch[0].lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}
