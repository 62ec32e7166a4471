//! The small collectives, written over [`Comm`]: latency counts, bandwidth does not.
//!
//! All are collective: every rank of the communicator calls them in the same order, with equal
//! lengths, roots and tags. A tag may be used again at once, because messages of one sender and
//! tag do not overtake each other.

use super::{Buf, Comm, FIRST_RESERVED_TAG, wait};

const BARRIER: u32 = FIRST_RESERVED_TAG;
const MAX_ALL: u32 = FIRST_RESERVED_TAG + 1;
const SUM_ALL: u32 = FIRST_RESERVED_TAG + 2;
const BYTES: u32 = FIRST_RESERVED_TAG + 3;
const GATHER: u32 = FIRST_RESERVED_TAG + 4;

/// Reductions, with the second buffer they need: keep one and no call allocates.
#[derive(Debug, Default)]
pub struct Reduce {
    /// Receives what the partner has; changes places with the caller's buffer where the result lies in it.
    scratch: Buf,
}

impl Reduce {
    /// A reduction for messages of up to `len` doubles; longer ones make the scratch grow.
    ///
    /// # Panics
    /// If the memory cannot be had.
    pub fn new(len: usize) -> Reduce {
        Reduce { scratch: Buf::small(len) }
    }

    /// Combines the `buf`s of all ranks and gives every rank the result, by recursive doubling in
    /// `log2(size)` exchanges (two more messages where `size` is no power of two).
    ///
    /// `combine(lower, higher)` puts into `lower` what the two stand for together; `lower` always
    /// speaks for ranks just below those of `higher`. It must be associative but for rounding and
    /// need not be commutative. All ranks end with the same bits: partners combine the same two
    /// operands in the same order, and who takes no part receives a copy.
    ///
    /// The buffer handed back need not be the memory handed in.
    ///
    /// # Panics
    /// If `buf` is shared; as [`wait`] does.
    pub fn all_reduce<C: Comm>(
        &mut self,
        comm: &C,
        mut buf: Buf,
        tag: u32,
        mut combine: impl FnMut(&mut [f64], &[f64]),
    ) -> Buf {
        let (me, size) = (comm.rank(), comm.size());
        let doublers = 1_usize << size.ilog2();
        // The first 2*extra ranks meet in pairs, and the odd one speaks for both; so the doublers
        // are numbered 0.. in the order of the ranks they speak for.
        let extra = size - doublers;
        if me < 2 * extra && me.is_multiple_of(2) {
            buf = wait(comm, comm.start_send(me + 1, tag, buf));
            return wait(comm, comm.start_recv(me + 1, tag, buf));
        }
        if me < 2 * extra {
            self.receive(comm, me - 1, tag, buf.len());
            self.combine(&mut buf, true, &mut combine);
        }
        let mine = if me < 2 * extra { me / 2 } else { me - extra };
        let rank_of = |doubler: usize| if doubler < extra { 2 * doubler + 1 } else { doubler + extra };
        let mut step = 1;
        while step < doublers {
            let partner = mine ^ step;
            let send = comm.start_send(rank_of(partner), tag, buf);
            self.receive(comm, rank_of(partner), tag, comm.describe(&send).len);
            buf = wait(comm, send);
            self.combine(&mut buf, partner < mine, &mut combine);
            step *= 2;
        }
        if me < 2 * extra {
            buf = wait(comm, comm.start_send(me - 1, tag, buf));
        }
        buf
    }

    /// Combines the `buf`s of all ranks at `root`, over a binomial tree. The other ranks get their
    /// buffer back with parts of the result. `combine` as in [`Reduce::all_reduce`], where ranks
    /// count from `root` upwards, modulo `size`.
    ///
    /// # Panics
    /// If `buf` is shared or there is no rank `root`; as [`wait`] does.
    pub fn reduce_to<C: Comm>(
        &mut self,
        comm: &C,
        mut buf: Buf,
        root: usize,
        tag: u32,
        mut combine: impl FnMut(&mut [f64], &[f64]),
    ) -> Buf {
        let tree = Tree::new(comm, root);
        let mut step = 1;
        while step < tree.size {
            if tree.place & step != 0 {
                return wait(comm, comm.start_send(tree.rank(tree.place - step), tag, buf));
            }
            if tree.place + step < tree.size {
                self.receive(comm, tree.rank(tree.place + step), tag, buf.len());
                self.combine(&mut buf, false, &mut combine);
            }
            step *= 2;
        }
        buf
    }

    /// Fills the scratch with `len` doubles from rank `from`.
    fn receive<C: Comm>(&mut self, comm: &C, from: usize, tag: u32, len: usize) {
        let mut scratch = std::mem::take(&mut self.scratch);
        if scratch.capacity() < len {
            scratch = Buf::small(len);
        }
        scratch.set_len(len);
        self.scratch = wait(comm, comm.start_recv(from, tag, scratch));
    }

    /// Combines `buf` with what was received, which is the lower operand or not; the result is in `buf`.
    fn combine(&mut self, buf: &mut Buf, received_is_lower: bool, combine: &mut impl FnMut(&mut [f64], &[f64])) {
        if received_is_lower {
            std::mem::swap(buf, &mut self.scratch);
        }
        combine(buf.as_mut(), &self.scratch);
    }
}

/// A binomial tree whose places count from the root upwards, modulo the number of ranks.
struct Tree {
    place: usize,
    root: usize,
    size: usize,
}

impl Tree {
    fn new<C: Comm>(comm: &C, root: usize) -> Tree {
        let size = comm.size();
        assert!(root < size, "root {root} of {size} ranks");
        Tree { place: (comm.rank() + size - root) % size, root, size }
    }

    fn rank(&self, place: usize) -> usize {
        (place + self.root) % self.size
    }
}

/// Sends `buf` of rank `root` to all, over a binomial tree; the other ranks bring a buffer of the
/// same length, whose contents do not matter.
///
/// # Panics
/// If there is no rank `root`; on ranks other than `root`, if `buf` is shared; as [`wait`] does.
pub fn broadcast<C: Comm>(comm: &C, mut buf: Buf, root: usize, tag: u32) -> Buf {
    let tree = Tree::new(comm, root);
    // The lowest set bit of a place is the step its message came over; it forwards over all smaller ones.
    let mut step = match tree.place {
        0 => tree.size.next_power_of_two(),
        place => 1 << place.trailing_zeros(),
    };
    if tree.place > 0 {
        buf = wait(comm, comm.start_recv(tree.rank(tree.place - step), tag, buf));
    }
    let mut sends = Vec::new();
    while step > 1 {
        step /= 2;
        if tree.place + step < tree.size {
            sends.push(comm.start_send(tree.rank(tree.place + step), tag, buf.share()));
        }
    }
    for send in sends {
        drop(wait(comm, send));
    }
    buf
}

/// Sends the bytes of rank `root`, which passes `Some`, to all. The bytes travel as bit patterns of
/// doubles; nothing computes with them.
///
/// # Panics
/// If there is no rank `root`, or if it passes `None`; as [`wait`] does.
pub fn broadcast_bytes<C: Comm>(comm: &C, bytes: Option<&[u8]>, root: usize) -> Vec<u8> {
    const WORD: usize = size_of::<f64>();
    let sent = (comm.rank() == root).then(|| bytes.expect("the root has the bytes"));
    let len = f64::from_bits(sent.map_or(0, <[u8]>::len) as u64);
    let len = broadcast(comm, Buf::from_slice(&[len]), root, BYTES)[0].to_bits();
    let len = usize::try_from(len).expect("a length in memory");
    let mut words = Buf::small(len.div_ceil(WORD));
    if let Some(sent) = sent {
        for (word, chunk) in words.as_mut().iter_mut().zip(sent.chunks(WORD)) {
            let mut pattern = [0; WORD];
            pattern[..chunk.len()].copy_from_slice(chunk);
            *word = f64::from_ne_bytes(pattern);
        }
    }
    let words = broadcast(comm, words, root, BYTES);
    let mut bytes: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
    bytes.truncate(len);
    bytes
}

/// The values of every rank, in the order of the ranks, on rank 0; nothing on the others. Ranks may bring
/// different numbers of values.
///
/// # Panics
/// As [`wait`] does.
pub fn gather<C: Comm>(comm: &C, values: &[f64]) -> Vec<Vec<f64>> {
    if comm.rank() > 0 {
        wait(comm, comm.start_send(0, GATHER, Buf::from_slice(&[values.len() as f64])));
        wait(comm, comm.start_send(0, GATHER, Buf::from_slice(values)));
        return Vec::new();
    }
    let others = (1..comm.size()).map(|rank| {
        let len = wait(comm, comm.start_recv(rank, GATHER, Buf::small(1)))[0];
        wait(comm, comm.start_recv(rank, GATHER, Buf::small(len as usize))).to_vec()
    });
    std::iter::once(values.to_vec()).chain(others).collect()
}

/// Returns when every rank has called it: a true barrier, by dissemination.
///
/// # Panics
/// As [`wait`] does.
pub fn barrier<C: Comm>(comm: &C) {
    let (me, size) = (comm.rank(), comm.size());
    let mut step = 1;
    while step < size {
        let send = comm.start_send((me + step) % size, BARRIER, Buf::default());
        wait(comm, comm.start_recv((me + size - step) % size, BARRIER, Buf::default()));
        wait(comm, send);
        step *= 2;
    }
}

/// Replaces each value by the largest of all ranks; a NaN anywhere makes it a NaN everywhere.
///
/// # Panics
/// As [`wait`] does.
pub fn max_all<C: Comm>(comm: &C, values: &mut [f64]) {
    all(comm, values, MAX_ALL, max);
}

/// Replaces each value by its sum over all ranks, the same bits on each.
///
/// # Panics
/// As [`wait`] does.
pub fn sum_all<C: Comm>(comm: &C, values: &mut [f64]) {
    all(comm, values, SUM_ALL, add);
}

fn all<C: Comm>(comm: &C, values: &mut [f64], tag: u32, combine: fn(&mut [f64], &[f64])) {
    let result = Reduce::default().all_reduce(comm, Buf::from_slice(values), tag, combine);
    values.copy_from_slice(&result);
}

/// `lower += higher`: what [`Reduce`] needs for a sum.
pub fn add(lower: &mut [f64], higher: &[f64]) {
    for (l, h) in lower.iter_mut().zip(higher) {
        *l += h;
    }
}

/// `lower = max(lower, higher)`, NaN if one of them is: what [`Reduce`] needs for a maximum.
pub fn max(lower: &mut [f64], higher: &[f64]) {
    for (l, h) in lower.iter_mut().zip(higher) {
        if *h > *l || h.is_nan() {
            *l = *h;
        }
    }
}
