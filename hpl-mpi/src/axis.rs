//! How one dimension of the matrix is dealt to one dimension of the grid: block-cyclically.
//!
//! ```text
//! global index   0 1 2 | 3 4 5 | 6 7 8 | 9 10      block = 3, procs = 2
//! owner            0       1       0       1
//! local index    0 1 2 | 0 1 2 | 3 4 5 | 3 4
//! ```
//! Pure arithmetic; indices count from 0.

use std::ops::Range;

/// One dimension of a block-cyclic deal, as seen by one process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Axis {
    /// How many global indices there are.
    pub len: usize,
    /// Indices in a block.
    pub block: usize,
    /// Processes the blocks are dealt to, starting with process 0.
    pub procs: usize,
    /// Which of them this one is.
    pub me: usize,
}

/// A block, or the part of it asked for, that belongs to one process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Block {
    /// Its first index on this process.
    pub local: usize,
    /// Its first global index.
    pub global: usize,
    /// How many indices, at least 1.
    pub len: usize,
}

impl Axis {
    /// `len` indices in blocks of `block`, dealt to `procs` processes, of which this is `me`.
    ///
    /// # Panics
    /// If `block` or `procs` is 0, or if `me` is no process.
    pub fn new(len: usize, block: usize, procs: usize, me: usize) -> Axis {
        assert!(block > 0, "a block of no indices");
        assert!(me < procs, "process {me} of {procs}");
        Axis { len, block, procs, me }
    }

    /// The process that has global index `g`.
    pub fn owner(&self, g: usize) -> usize {
        g / self.block % self.procs
    }

    /// Whether this process has global index `g`.
    pub fn is_mine(&self, g: usize) -> bool {
        self.owner(g) == self.me
    }

    /// The local index of global index `g` on its owner.
    pub fn local(&self, g: usize) -> usize {
        g / self.block / self.procs * self.block + g % self.block
    }

    /// The global index of my local index `l`.
    pub fn global(&self, l: usize) -> usize {
        (l / self.block * self.procs + self.me) * self.block + l % self.block
    }

    /// How many indices are mine.
    pub fn local_len(&self) -> usize {
        self.local_len_of(self.me)
    }

    /// How many indices process `proc` has.
    pub fn local_len_of(&self, proc: usize) -> usize {
        self.below(self.len, proc)
    }

    /// My first local index whose global index is `g` or more: how many of mine are below `g`. It is
    /// [`Axis::local_len`] if there is none.
    pub fn first_local_at_or_after(&self, g: usize) -> usize {
        self.below(g.min(self.len), self.me)
    }

    /// How many indices of the global range are mine.
    pub fn count(&self, range: Range<usize>) -> usize {
        self.count_of(range, self.me)
    }

    /// How many indices of the global range process `proc` has.
    pub fn count_of(&self, range: Range<usize>, proc: usize) -> usize {
        self.below(range.end.min(self.len), proc).saturating_sub(self.below(range.start.min(self.len), proc))
    }

    /// My blocks, in order.
    pub fn blocks(&self) -> impl Iterator<Item = Block> + use<> {
        self.blocks_in(0..self.len)
    }

    /// My parts of the global range, block by block, in order.
    pub fn blocks_in(&self, range: Range<usize>) -> impl Iterator<Item = Block> + use<> {
        let axis = *self;
        let end = range.end.min(axis.len);
        let mut local = axis.first_local_at_or_after(range.start);
        let last = axis.first_local_at_or_after(end).max(local);
        std::iter::from_fn(move || {
            if local == last {
                return None;
            }
            let len = (axis.block - local % axis.block).min(last - local);
            let block = Block { local, global: axis.global(local), len };
            local += len;
            Some(block)
        })
    }

    /// How many global indices below `g` process `proc` has.
    fn below(&self, g: usize, proc: usize) -> usize {
        let blocks = g / self.block;
        let (rounds, dealt) = (blocks / self.procs, blocks % self.procs);
        rounds * self.block
            + match proc.cmp(&dealt) {
                std::cmp::Ordering::Less => self.block,
                std::cmp::Ordering::Equal => g % self.block,
                std::cmp::Ordering::Greater => 0,
            }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn axes(len: usize, block: usize, procs: usize) -> impl Iterator<Item = Axis> {
        (0..procs).map(move |me| Axis::new(len, block, procs, me))
    }

    #[test]
    fn the_picture() {
        let [zero, one]: [Axis; 2] = axes(11, 3, 2).collect::<Vec<_>>().try_into().unwrap();
        assert_eq!((0..11).map(|g| zero.owner(g)).collect::<Vec<_>>(), [0, 0, 0, 1, 1, 1, 0, 0, 0, 1, 1]);
        assert_eq!((0..11).map(|g| zero.local(g)).collect::<Vec<_>>(), [0, 1, 2, 0, 1, 2, 3, 4, 5, 3, 4]);
        assert_eq!((zero.local_len(), one.local_len()), (6, 5));
        let blocks: Vec<_> = one.blocks().map(|b| (b.local, b.global, b.len)).collect();
        assert_eq!(blocks, [(0, 3, 3), (3, 9, 2)]);
        let part: Vec<_> = zero.blocks_in(1..8).map(|b| (b.local, b.global, b.len)).collect();
        assert_eq!(part, [(1, 1, 2), (3, 6, 2)]);
        assert_eq!(zero.blocks_in(3..6).count() + zero.blocks_in(8..8).count(), 0);
    }

    #[test]
    fn an_empty_axis_has_nothing() {
        for axis in axes(0, 4, 3) {
            assert_eq!((axis.local_len(), axis.blocks().count(), axis.count(0..9)), (0, 0, 0));
        }
    }

    proptest! {
        #[test]
        fn local_and_global_are_a_bijection(len in 0_usize..300, block in 1_usize..40, procs in 1_usize..8) {
            let mut seen = vec![0; len];
            for axis in axes(len, block, procs) {
                for l in 0..axis.local_len() {
                    let g = axis.global(l);
                    prop_assert!(axis.is_mine(g));
                    prop_assert_eq!(axis.local(g), l);
                    prop_assert_eq!(axis.first_local_at_or_after(g), l);
                    prop_assert!(l == 0 || axis.global(l - 1) < g);
                    seen[g] += 1;
                }
            }
            prop_assert!(seen.iter().all(|&n| n == 1));
        }

        #[test]
        fn counts_are_those_of_a_walk(
            len in 0_usize..200, block in 1_usize..30, procs in 1_usize..6, ends in (0_usize..250, 0_usize..250),
        ) {
            for axis in axes(len, block, procs) {
                let range = ends.0..ends.1;
                let mine: Vec<usize> = range.clone().filter(|&g| g < len && axis.is_mine(g)).collect();
                prop_assert_eq!(axis.count(range.clone()), mine.len());
                let blocks = axis.blocks_in(range).collect::<Vec<_>>();
                prop_assert!(blocks.iter().all(|b| b.len > 0 && axis.local(b.global) == b.local));
                let walked: Vec<usize> = blocks.iter().flat_map(|b| b.global..b.global + b.len).collect();
                prop_assert_eq!(walked, mine);
            }
        }

        #[test]
        fn lengths_sum_and_indices_beyond_32_bits_hold(
            len in (1_usize << 33)..(1 << 45), block in 1_usize..5000, procs in 1_usize..5000, at in 0.0..1.0,
        ) {
            let axis = Axis::new(len, block, procs, procs - 1);
            prop_assert_eq!((0..procs).map(|p| axis.local_len_of(p)).sum::<usize>(), len);
            let g = ((len as f64 * at) as usize).min(len - 1);
            let owner = Axis { me: axis.owner(g), ..axis };
            prop_assert_eq!(owner.global(owner.local(g)), g);
            prop_assert_eq!(owner.first_local_at_or_after(g), owner.local(g));
            prop_assert_eq!(axis.count(0..g) + axis.count(g..len), axis.local_len());
        }
    }
}
