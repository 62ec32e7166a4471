//! How one dimension of the matrix is dealt to one dimension of the grid: block-cyclically.
//!
//! ```text
//! global index   0 1 2 | 3 4 5 | 6 7 8 | 9 10      block = 3, procs = 2
//! owner            0       1       0       1
//! local index    0 1 2 | 0 1 2 | 3 4 5 | 3 4
//! ```
//! Pure arithmetic; indices count from 0.

use hpl_spec::params::numroc;

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
        numroc(self.len, self.block, proc, self.procs)
    }

    /// My first local index whose global index is `g` or more: how many of mine are below `g`. It is
    /// [`Axis::local_len`] if there is none.
    pub fn first_local_at_or_after(&self, g: usize) -> usize {
        numroc(g.min(self.len), self.block, self.me, self.procs)
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
    }

    #[test]
    fn an_empty_axis_has_nothing() {
        for axis in axes(0, 4, 3) {
            assert_eq!((axis.local_len(), axis.first_local_at_or_after(9)), (0, 0));
        }
    }

    proptest! {
        #[test]
        fn local_and_global_are_a_bijection(len in 0_usize..300, block in 1_usize..40, procs in 1_usize..8) {
            let mut seen = vec![0; len];
            for axis in axes(len, block, procs) {
                for l in 0..axis.local_len() {
                    let g = axis.global(l);
                    prop_assert_eq!(axis.owner(g), axis.me);
                    prop_assert_eq!(axis.local(g), l);
                    prop_assert_eq!(axis.first_local_at_or_after(g), l);
                    prop_assert!(l == 0 || axis.global(l - 1) < g);
                    seen[g] += 1;
                }
            }
            prop_assert!(seen.iter().all(|&n| n == 1));
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
        }
    }
}
