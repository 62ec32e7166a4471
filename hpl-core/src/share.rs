//! How the members of a team share a matrix, in ways that the borrow checker can follow:
//!
//! - [`Strips`], [`StripPairs`]: a bag of column strips of one matrix or of two; each is handed out once.
//! - [`RowBands`]: rows that belong to one member between two barriers, plus a state that all may
//!   read then and that only the leader may write in a *serial section*.
#![allow(unsafe_code)]

use std::cell::UnsafeCell;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::matrix::MatMut;
use crate::team::{Meeting, Member, Squad};

/// How columns are cut into strips.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    /// Where each strip begins, and where the last one ends.
    bounds: Vec<usize>,
}

impl Cut {
    /// Strips of `width` columns, the last perhaps narrower.
    ///
    /// # Panics
    /// If `width` is 0.
    pub fn even(cols: usize, width: usize) -> Cut {
        assert!(width > 0, "strips of no columns");
        Cut { bounds: (0..cols).step_by(width).chain([cols]).collect() }
    }

    /// Strips that take a part of what is left, half of a member's share, in multiples of `unit` columns and at most
    /// `widest`: wide ones at first, and narrow ones at the end, so that no member of a team has a wide one in hand
    /// when the others are done (guided self-scheduling: C. Polychronopoulos and D. Kuck, IEEE Transactions on
    /// Computers C-36, 1987).
    ///
    /// # Panics
    /// If `unit` is 0.
    pub fn guided(cols: usize, widest: usize, unit: usize, members: usize) -> Cut {
        assert!(unit > 0, "strips of no columns");
        let (mut bounds, mut first) = (vec![0], 0);
        while first < cols {
            let fair = (cols - first).div_ceil(2 * members.max(1)).next_multiple_of(unit);
            first = cols.min(first + fair.min(widest.max(unit)));
            bounds.push(first);
        }
        Cut { bounds }
    }

    /// How many columns are cut.
    fn cols(&self) -> usize {
        self.bounds.last().copied().unwrap_or(0)
    }

    /// The columns of strip number `index`; `None` beyond the last.
    fn strip(&self, index: usize) -> Option<Range<usize>> {
        Some(*self.bounds.get(index)?..*self.bounds.get(index.checked_add(1)?)?)
    }
}

/// A bag of column strips of a matrix.
pub struct Strips<'a> {
    ptr: *mut f64,
    rows: usize,
    ld: usize,
    cut: Cut,
    next: AtomicUsize,
    life: std::marker::PhantomData<&'a mut [f64]>,
}

// SAFETY: the counter hands out each strip once, so threads get disjoint columns.
unsafe impl Sync for Strips<'_> {}
// SAFETY: it owns the exclusive borrow of the whole view.
unsafe impl Send for Strips<'_> {}

impl<'a> Strips<'a> {
    /// The strips of `matrix`.
    ///
    /// # Panics
    /// If the cut is one for another number of columns.
    pub fn new(mut matrix: MatMut<'a>, cut: Cut) -> Strips<'a> {
        assert_eq!(matrix.cols(), cut.cols(), "a cut for other columns");
        Strips {
            ptr: matrix.as_mut_ptr(),
            rows: matrix.rows(),
            ld: matrix.ld(),
            cut,
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
        let columns = self.cut.strip(index)?;
        let offset = if self.rows == 0 { 0 } else { columns.start * self.ld };
        // SAFETY: the cut is one of this matrix's columns, so these lie inside the view; it cuts them into disjoint
        // strips, and the caller takes none twice.
        let strip = unsafe { MatMut::from_parts(self.ptr.add(offset), self.rows, columns.len(), self.ld) };
        Some((columns.start, strip))
    }
}

/// A bag of strips of two matrices side by side: the same columns of both.
pub struct StripPairs<'a> {
    first: Strips<'a>,
    second: Strips<'a>,
}

impl<'a> StripPairs<'a> {
    /// The strips of both matrices.
    ///
    /// # Panics
    /// If the cut is one for another number of columns than they have.
    pub fn new(first: MatMut<'a>, second: MatMut<'a>, cut: Cut) -> StripPairs<'a> {
        StripPairs { first: Strips::new(first, cut.clone()), second: Strips::new(second, cut) }
    }

    /// The next strip of both: its first column and the two views; `None` when the bag is empty.
    pub fn next(&self) -> Option<(usize, MatMut<'a>, MatMut<'a>)> {
        let index = self.first.next.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the counter of the first bag gives each index once, to both.
        let ((j, first), (_, second)) = unsafe { (self.first.strip(index)?, self.second.strip(index)?) };
        Some((j, first, second))
    }
}

/// A matrix cut into bands of rows, one a member of a squad, and a state `S` shared by all of it.
///
/// Between barriers a member works on its own band and reads the state ([`RowBands::mine`]). In a
/// serial section ([`RowBands::serial`]) the leader alone has all rows and the state. Views borrow
/// the `Member` that [`Squad::enter`] made, and every section begins by meeting all members, which needs that
/// `Member` again: so nobody can hold a view across it.
pub struct RowBands<'a, S> {
    ptr: *mut f64,
    rows: usize,
    cols: usize,
    ld: usize,
    band: usize,
    squad: &'a Squad,
    finished: AtomicBool,
    state: UnsafeCell<S>,
    life: std::marker::PhantomData<&'a mut [f64]>,
}

// SAFETY: rows are exclusive to a member or, in a serial section, to the leader; the state is only
// read (S: Sync) except in a serial section, where the leader alone has it (S: Send).
unsafe impl<S: Send + Sync> Sync for RowBands<'_, S> {}

impl<'a, S: Send + Sync> RowBands<'a, S> {
    /// Cuts `matrix` into bands for the members of `squad`, each a multiple of eight rows.
    pub fn new(mut matrix: MatMut<'a>, squad: &'a Squad, state: S) -> RowBands<'a, S> {
        RowBands {
            ptr: matrix.as_mut_ptr(),
            rows: matrix.rows(),
            cols: matrix.cols(),
            ld: matrix.ld(),
            band: matrix.rows().div_ceil(squad.size()).next_multiple_of(8),
            squad,
            finished: AtomicBool::new(false),
            state: UnsafeCell::new(state),
            life: std::marker::PhantomData,
        }
    }

    fn check(&self, member: &Member) {
        assert!(!member.place().is_poisoned(), "another member of the team panicked");
        assert!(std::ptr::eq(self.squad.place(), member.place()), "a member of another squad");
        assert!(!self.finished.load(Ordering::Relaxed), "these bands are finished");
    }

    /// The member's own band: its first row, its rows, and the shared state for reading.
    pub fn mine<'m>(&'m self, member: &'m mut Member) -> (usize, MatMut<'m>, &'m S) {
        self.check(member);
        let cut = |band: usize| (band * self.band).min(self.rows);
        let (first, end) = (cut(member.id()), cut(member.id() + 1));
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
        member.meet(Meeting::EnterSerial);
        if let Some(lead) = lead {
            // SAFETY: every member stands between the two meetings (the barrier checks that all
            // came to the same kind), so none holds a view of a band or of the state.
            let (all, state) =
                unsafe { (MatMut::from_parts(self.ptr, self.rows, self.cols, self.ld), &mut *self.state.get()) };
            lead(all, state);
        }
        member.meet(Meeting::LeaveSerial);
    }

    /// All members meet for the last time; the one that brought `lead` runs it on all rows and the state, while the
    /// others go on with something else. No member may use these bands afterwards.
    ///
    /// # Panics
    /// As [`RowBands::serial`].
    pub fn finish(&self, member: &mut Member, lead: Option<impl FnOnce(MatMut, &mut S)>) {
        self.check(member);
        assert_eq!(member.id() == 0, lead.is_some(), "member 0 leads, and only it");
        member.meet(Meeting::Finish);
        // Each member stores it before it goes on, so it finds it whenever it should try to use the bands again.
        self.finished.store(true, Ordering::Relaxed);
        if let Some(lead) = lead {
            // SAFETY: every member came to this meeting (the barrier checks that all came to the same kind) and so holds
            // no view of a band or of the state; it gets none any more, because it has seen that they are finished.
            let (all, state) =
                unsafe { (MatMut::from_parts(self.ptr, self.rows, self.cols, self.ld), &mut *self.state.get()) };
            lead(all, state);
        }
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
    use crate::team::Team;

    #[test]
    fn strips_cover_every_column_once() {
        for threads in [1, 2, 5] {
            let team = Team::new(threads, true, |_| {}).unwrap();
            for cut in [Cut::even(103, 10), Cut::even(103, 200), Cut::guided(103, 24, 8, threads)] {
                let mut m = Matrix::zeros(9, 103).unwrap();
                let bag = Strips::new(m.as_mut(), cut);
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
    }

    #[test]
    fn a_guided_cut_ends_with_narrow_strips() {
        let widths = |cut: Cut| (0..).map_while(|index| cut.strip(index)).map(|strip| strip.len()).collect::<Vec<_>>();
        assert_eq!(widths(Cut::guided(200, 48, 8, 2)), [48, 40, 32, 24, 16, 16, 8, 8, 8]);
        assert_eq!(widths(Cut::guided(100, 4096, 8, 1)), [56, 24, 16, 4]);
        assert_eq!(widths(Cut::guided(5, 48, 8, 3)), [5]);
        assert_eq!(widths(Cut::even(70, 30)), [30, 30, 10]);
        assert!(widths(Cut::even(0, 30)).is_empty() && widths(Cut::guided(0, 48, 8, 2)).is_empty());
        assert_eq!(Cut::even(70, 30).strip(usize::MAX), None);
    }

    /// The others go on; the leader has everything to itself.
    #[test]
    fn the_leader_finishes_alone() {
        let team = Team::new(3, true, |_| {}).unwrap();
        let mut m = Matrix::zeros(37, 3).unwrap();
        let squad = team.squad(2);
        let bands = RowBands::new(m.as_mut(), &squad, 1.0);
        let left = AtomicUsize::new(0);
        team.phase(|member| {
            squad.enter(member, |member| {
                bands.mine(member).1.col(0).fill(1.0);
                let lead = (member.id() == 0).then_some(|mut all: MatMut, state: &mut f64| {
                    // The other one left without waiting for this.
                    while left.load(Ordering::Acquire) == 0 {
                        std::thread::yield_now();
                    }
                    *state += all.col(0).iter().sum::<f64>();
                });
                bands.finish(member, lead);
                left.fetch_add(1, Ordering::Release);
                let again = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| bands.mine(member).0));
                assert!(again.is_err());
            });
        });
        assert_eq!(bands.into_state(), 38.0);
    }

    #[test]
    fn bands_and_serial_sections_alternate() {
        for threads in [1, 2, 3, 8] {
            let team = Team::new(threads, true, |_| {}).unwrap();
            let mut m = Matrix::zeros(37, 3).unwrap();
            let squad = team.squad(threads.div_ceil(2));
            let bands = RowBands::new(m.as_mut(), &squad, 0.0f64);
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
            team.phase(|member| {
                squad.enter(member, step);
            });
            assert_eq!(bands.into_state(), 200.0);
        }
    }

    #[test]
    fn meeting_at_different_barriers_is_a_panic() {
        let team = Team::new(2, true, |_| {}).unwrap();
        let mut m = Matrix::zeros(16, 1).unwrap();
        let squad = team.squad(2);
        let bands = RowBands::new(m.as_mut(), &squad, ());
        let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            team.phase(|member| {
                squad.enter(member, |member| {
                    if member.id() == 0 {
                        bands.serial(member, Some(|_: MatMut, _: &mut ()| {}));
                    } else {
                        member.barrier();
                    }
                });
            });
        }));
        assert!(caught.is_err());
    }

    #[test]
    fn bands_of_no_columns() {
        let team = Team::new(3, true, |_| {}).unwrap();
        let mut m = Matrix::zeros(40, 0).unwrap();
        let squad = team.squad(3);
        let bands = RowBands::new(m.as_mut(), &squad, ());
        team.phase(|member| {
            squad.enter(member, |member| assert_eq!(bands.mine(member).1.cols(), 0));
        });
        let _ = m.as_mut().split_at_row(3);
    }
}
