//! From JB interchanges one after the other to one net movement of rows.

use std::collections::HashMap;

use crate::axis::Axis;

/// Where the rows of one panel's interchanges come from and go to, for every place: process rows are counted from the
/// one that owns the top block, which is place 0.
///
/// A row outside the top block moves at most once: up into the top block; and into its place moves one row
/// of the top block, down. So for each process row there are two lists of equal meaning on both sides. Outside the top
/// block the rows that go up are those into which others come, in one order: `sources` and `vacated` of every place but 0
/// are the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SwapPlan {
    /// Per place: the slots of U (rows of the top block after the interchanges) that it holds
    /// before them, in ascending order.
    pub slots: Vec<Vec<usize>>,
    /// Per place: the local rows in which these slots lie.
    pub sources: Vec<Vec<usize>>,
    /// Per place: local rows outside the top block into which a row of the top block moves …
    pub vacated: Vec<Vec<usize>>,
    /// … and which one: local row at place 0.
    pub displaced: Vec<Vec<usize>>,
    /// Per place: its rows below the top block.
    pub below: Vec<usize>,
}

impl SwapPlan {
    /// The net movement of the interchanges row `first + i` ↔ row `pivots[i]`, done in order.
    pub fn new(rows: &Axis, first: usize, pivots: impl ExactSizeIterator<Item = usize>) -> SwapPlan {
        let place = |row: usize| (rows.owner(row) + rows.procs - rows.owner(first)) % rows.procs;
        let width = pivots.len();
        let mut top: Vec<usize> = (first..first + width).collect();
        let mut outside: HashMap<usize, usize> = HashMap::new();
        // Vacated rows in the order of their first use, so that all process rows list them alike.
        let mut order = Vec::new();
        for (i, pivot) in pivots.enumerate() {
            if pivot < first + width {
                top.swap(i, pivot - first);
            } else {
                let there = outside.entry(pivot).or_insert_with(|| {
                    order.push(pivot);
                    pivot
                });
                std::mem::swap(&mut top[i], there);
            }
        }
        let lists = || vec![Vec::new(); rows.procs];
        let [mut slots, mut sources, mut vacated, mut displaced] = [lists(), lists(), lists(), lists()];
        for (slot, &row) in top.iter().enumerate() {
            slots[place(row)].push(slot);
            sources[place(row)].push(rows.local(row));
        }
        for row in order {
            vacated[place(row)].push(rows.local(row));
            displaced[place(row)].push(rows.local(outside[&row]));
        }
        let below = |place: usize| {
            let axis = Axis { me: (place + rows.owner(first)) % rows.procs, ..*rows };
            axis.local_len() - axis.first_local_at_or_after(first + width)
        };
        SwapPlan { slots, sources, vacated, displaced, below: (0..rows.procs).map(below).collect() }
    }

    /// Rows of U.
    pub fn width(&self) -> usize {
        self.slots.iter().map(Vec::len).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Moving rows by the plan gives what the interchanges give one by one.
        #[test]
        fn the_net_movement_is_that_of_the_interchanges(
            n in 1usize..80, nb in 1usize..12, p in 1usize..6, panel in 0usize..10, seed in any::<u64>()
        ) {
            let first = panel * nb % n / nb * nb;
            let width = nb.min(n - first);
            let mut state = seed;
            let pivots: Vec<usize> = (0..width).map(|i| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                first + i + (state >> 33) as usize % (n - first - i)
            }).collect();
            let mut want: Vec<usize> = (0..n).collect();
            pivots.iter().enumerate().for_each(|(i, &p)| want.swap(first + i, p));

            let axes: Vec<Axis> = (0..p).map(|me| Axis::new(n, nb, p, me)).collect();
            let plan = SwapPlan::new(&axes[0], first, pivots.iter().copied());
            let mut got: Vec<usize> = (0..n).collect();
            let owner = axes[0].owner(first);
            let top = &axes[owner];
            for r in 0..p {
                let axis = &axes[(owner + r) % p];
                prop_assert!(plan.slots[r].is_sorted());
                if r != 0 {
                    prop_assert_eq!(&plan.sources[r], &plan.vacated[r]);
                }
                for (&slot, &source) in plan.slots[r].iter().zip(&plan.sources[r]) {
                    got[first + slot] = axis.global(source);
                }
                for (&to, &from) in plan.vacated[r].iter().zip(&plan.displaced[r]) {
                    got[axis.global(to)] = top.global(from);
                }
            }
            prop_assert_eq!(got, want);
        }
    }
}
