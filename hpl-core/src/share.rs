//! How the members of a team share a matrix, in ways that the borrow checker can follow:
//!
//! - [`Strips`], [`StripPairs`]: a bag of column strips of one matrix or of two; each is handed out once.
//! - [`RowBands`]: rows that belong to one member between two barriers, plus a state that all may
//!   read then and that only the leader may write in a *serial section*.
#![allow(unsafe_code)]

use std::cell::UnsafeCell;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::matrix::MatMut;
use crate::team::{Barrier, Meeting, Member, Team};

/// A bag of column strips of a matrix.
pub struct Strips<'a> {
    ptr: *mut f64,
    rows: usize,
    cols: usize,
    ld: usize,
    width: usize,
    next: AtomicUsize,
    life: std::marker::PhantomData<&'a mut [f64]>,
}

// SAFETY: the counter hands out each strip once, so threads get disjoint columns.
unsafe impl Sync for Strips<'_> {}
// SAFETY: it owns the exclusive borrow of the whole view.
unsafe impl Send for Strips<'_> {}

impl<'a> Strips<'a> {
    /// Cuts `matrix` into strips of `width` columns (the last may be narrower).
    ///
    /// # Panics
    /// If `width` is 0.
    pub fn new(mut matrix: MatMut<'a>, width: usize) -> Strips<'a> {
        assert!(width > 0, "strips of no columns");
        Strips {
            ptr: matrix.as_mut_ptr(),
            rows: matrix.rows(),
            cols: matrix.cols(),
            ld: matrix.ld(),
            width,
            next: AtomicUsize::new(0),
            life: std::marker::PhantomData,
        }
    }

    /// The next strip: its first column, and the view of it; `None` when the bag is empty.
    pub fn next(&self) -> Option<(usize, MatMut<'a>)> {
        let index = self.next.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the counter gives each index once.
        unsafe { self.strip(index) }
    }

    /// Strip number `index`.
    ///
    /// # Safety
    /// Each index may be taken once.
    unsafe fn strip(&self, index: usize) -> Option<(usize, MatMut<'a>)> {
        let first = index.checked_mul(self.width)?;
        if first >= self.cols {
            return None;
        }
        let cols = self.width.min(self.cols - first);
        let offset = if self.rows == 0 { 0 } else { first * self.ld };
        // SAFETY: columns [first, first+cols) lie inside the view, and the caller takes no strip twice.
        Some((first, unsafe { MatMut::from_parts(self.ptr.add(offset), self.rows, cols, self.ld) }))
    }
}

/// A bag of strips of two matrices side by side: the same columns of both.
pub struct StripPairs<'a> {
    first: Strips<'a>,
    second: Strips<'a>,
}

impl<'a> StripPairs<'a> {
    /// Cuts both matrices into strips of `width` columns.
    ///
    /// # Panics
    /// If they differ in their number of columns, or `width` is 0.
    pub fn new(first: MatMut<'a>, second: MatMut<'a>, width: usize) -> StripPairs<'a> {
        assert_eq!(first.cols(), second.cols(), "strips of two matrices");
        StripPairs { first: Strips::new(first, width), second: Strips::new(second, width) }
    }

    /// The next strip of both: its first column and the two views; `None` when the bag is empty.
    pub fn next(&self) -> Option<(usize, MatMut<'a>, MatMut<'a>)> {
        let index = self.first.next.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the counter of the first bag gives each index once, to both.
        let ((j, first), (_, second)) = unsafe { (self.first.strip(index)?, self.second.strip(index)?) };
        Some((j, first, second))
    }
}

/// A matrix cut into bands of rows, one a member, and a state `S` shared by all.
///
/// Between barriers a member works on its own band and reads the state ([`RowBands::mine`]). In a
/// serial section ([`RowBands::serial`]) the leader alone has all rows and the state. Views borrow
/// the `Member`, and every section begins by meeting all members, which needs the `Member` again:
/// so nobody can hold a view across it.
pub struct RowBands<'a, S> {
    ptr: *mut f64,
    rows: usize,
    cols: usize,
    ld: usize,
    cuts: Vec<usize>,
    barrier: *const Barrier,
    state: UnsafeCell<S>,
    life: std::marker::PhantomData<&'a mut [f64]>,
}

// SAFETY: rows are exclusive to a member or, in a serial section, to the leader; the state is only
// read (S: Sync) except in a serial section, where the leader alone has it (S: Send).
unsafe impl<S: Send + Sync> Sync for RowBands<'_, S> {}

impl<'a, S: Send + Sync> RowBands<'a, S> {
    /// Cuts `matrix` into bands for the members of `team`, each a multiple of eight rows.
    pub fn new(mut matrix: MatMut<'a>, team: &Team, state: S) -> RowBands<'a, S> {
        let (rows, members) = (matrix.rows(), team.size());
        let band = rows.div_ceil(members).next_multiple_of(8);
        RowBands {
            ptr: matrix.as_mut_ptr(),
            rows,
            cols: matrix.cols(),
            ld: matrix.ld(),
            cuts: (0..=members).map(|m| (m * band).min(rows)).collect(),
            barrier: team.place(),
            state: UnsafeCell::new(state),
            life: std::marker::PhantomData,
        }
    }

    fn check(&self, member: &Member) {
        assert!(!member.place().is_poisoned(), "another member of the team panicked");
        assert!(std::ptr::eq(self.barrier, member.place()), "a member of another team");
    }

    /// The member's own band: its first row, its rows, and the shared state for reading.
    pub fn mine<'m>(&'m self, member: &'m mut Member) -> (usize, MatMut<'m>, &'m S) {
        self.check(member);
        let (first, end) = (self.cuts[member.id()], self.cuts[member.id() + 1]);
        let offset = if first == end || self.cols == 0 { 0 } else { first };
        // SAFETY: rows [first, end) belong to this member: there is one Member per id, it is borrowed
        // for as long as the view lives, and the leader takes all rows only after every Member has
        // come to the serial section, which needs that borrow to be over.
        let band = unsafe { MatMut::from_parts(self.ptr.add(offset), end - first, self.cols, self.ld) };
        // SAFETY: the state is written only in serial sections; see above.
        (first, band, unsafe { &*self.state.get() })
    }

    /// All members meet; the one that brought `lead` runs it on all rows and the state; all meet again.
    ///
    /// # Panics
    /// If the leader is not member 0, brings no closure, or another member brings one; or if
    /// another member panicked.
    pub fn serial(&self, member: &mut Member, lead: Option<impl FnOnce(MatMut, &mut S)>) {
        self.check(member);
        assert_eq!(member.id() == 0, lead.is_some(), "member 0 leads, and only it");
        member.place().meet(Meeting::EnterSerial);
        if let Some(lead) = lead {
            // SAFETY: every member stands between the two meetings (the barrier checks that all
            // came to the same kind), so none holds a view of a band or of the state.
            let (all, state) =
                unsafe { (MatMut::from_parts(self.ptr, self.rows, self.cols, self.ld), &mut *self.state.get()) };
            lead(all, state);
        }
        member.place().meet(Meeting::LeaveSerial);
    }

    /// The state, when the phase is over.
    pub fn into_state(self) -> S {
        self.state.into_inner()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::Matrix;

    #[test]
    fn strips_cover_every_column_once() {
        for threads in [1, 2, 5] {
            let team = Team::new(threads, true, |_| {}).unwrap();
            let mut m = Matrix::zeros(9, 103).unwrap();
            let bag = Strips::new(m.as_mut(), 10);
            team.phase(|_| {
                while let Some((first, mut strip)) = bag.next() {
                    for j in 0..strip.cols() {
                        strip.col(j).iter_mut().for_each(|v| *v += (first + j) as f64 + 1.0);
                    }
                }
            });
            for j in 0..103 {
                assert!(m.as_ref().col(j).iter().all(|&v| v == (j + 1) as f64));
            }
        }
    }

    #[test]
    fn bands_and_serial_sections_alternate() {
        for threads in [1, 2, 3, 8] {
            let team = Team::new(threads, true, |_| {}).unwrap();
            let mut m = Matrix::zeros(37, 3).unwrap();
            let bands = RowBands::new(m.as_mut(), &team, 0.0f64);
            let step = |member: &mut Member| {
                for round in 1..=200 {
                    let (_, mut band, &state) = bands.mine(member);
                    assert_eq!(state, f64::from(round - 1));
                    band.col(1).iter_mut().for_each(|v| *v += state);
                    let lead = (member.id() == 0).then_some(|all: MatMut, state: &mut f64| {
                        let expected = f64::from(round * (round - 1) / 2);
                        assert!(all.as_ref().col(1).iter().all(|&v| v == expected));
                        *state += 1.0;
                    });
                    bands.serial(member, lead);
                }
            };
            team.phase(step);
            assert_eq!(bands.into_state(), 200.0);
        }
    }

    #[test]
    fn meeting_at_different_barriers_is_a_panic() {
        let team = Team::new(2, true, |_| {}).unwrap();
        let mut m = Matrix::zeros(16, 1).unwrap();
        let bands = RowBands::new(m.as_mut(), &team, ());
        let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            team.phase(|member| {
                if member.id() == 0 {
                    bands.serial(member, Some(|_: MatMut, _: &mut ()| {}));
                } else {
                    member.barrier();
                }
            });
        }));
        assert!(caught.is_err());
    }

    #[test]
    fn bands_of_no_columns() {
        let team = Team::new(3, true, |_| {}).unwrap();
        let mut m = Matrix::zeros(40, 0).unwrap();
        let bands = RowBands::new(m.as_mut(), &team, ());
        team.phase(|member| assert_eq!(bands.mine(member).1.cols(), 0));
        let _ = m.as_mut().split_at_row(3);
    }
}
