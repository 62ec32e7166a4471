//! What a computation is done with: kernel, cache sizes, team, scratch memory. Passed, never global.

use std::sync::{Mutex, MutexGuard};

use crate::buffer::Buffer;
use crate::gemm::blocking::{Blocking, CacheSizes};
use crate::gemm::kernel::{self, Kernel};
use crate::team::{Member, Team};

/// Packing memory of one member; grows to what is asked of it and is kept.
#[derive(Debug)]
pub struct Scratch {
    pub(crate) a: Buffer,
    pub(crate) b: Buffer,
    pub(crate) edge: Buffer,
}

impl Scratch {
    /// Empty scratch memory.
    pub fn new() -> Scratch {
        let none = || Buffer::zeroed(0).expect("no memory is asked for");
        Scratch { a: none(), b: none(), edge: none() }
    }
}

impl Default for Scratch {
    fn default() -> Scratch {
        Scratch::new()
    }
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
    team: Team,
    scratch: Vec<Mutex<Scratch>>,
}

impl Context {
    /// A context for `team` that computes with `kernel`.
    ///
    /// # Panics
    /// If this CPU cannot run the kernel.
    pub fn new(kernel: &'static Kernel, caches: CacheSizes, team: Team) -> Context {
        assert!(kernel.is_available(), "this CPU cannot run kernel {}", kernel.name);
        let scratch = (0..team.size()).map(|_| Mutex::new(Scratch::new())).collect();
        Context { kernel, caches, team, scratch }
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
        Blocking::from_caches(self.caches, self.kernel, k)
    }

    /// The cache sizes that the blocks are derived from.
    pub fn caches(&self) -> CacheSizes {
        self.caches
    }

    /// The scratch memory of a member.
    pub fn scratch(&self, member: &Member) -> MutexGuard<'_, Scratch> {
        self.scratch[member.id()].lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// The scratch memory of the main thread, outside a phase.
    pub fn main_scratch(&self) -> MutexGuard<'_, Scratch> {
        self.scratch[0].lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}
