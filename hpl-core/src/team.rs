//! The threads of one rank: the main thread (member 0) and a pinned rayon pool of T−1.
//!
//! Work is done in *phases*: every member runs a closure, the phase ends when all have. Only the main
//! thread's closure may hold what is not `Sync` (the communicator). Inside a phase members meet at
//! barriers. Data is shared in three ways, each of which the borrow checker can follow:
//!
//! - [`Strips`], [`StripPairs`]: a bag of column strips of one matrix or of two; each is handed out once.
//! - [`RowBands`]: rows that belong to one member between two barriers, plus a state that all may
//!   read then and that only the leader may write in a *serial section*.
//! - slices split beforehand.
#![allow(unsafe_code)]

use std::cell::UnsafeCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};

use crate::matrix::MatMut;

/// What a member does at a barrier; members that meet must mean the same.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Meeting {
    Plain = 0,
    EnterSerial = 1,
    LeaveSerial = 2,
}

/// Looks at the barrier before a member yields: some 50 microseconds, more than a pivot exchange takes
/// (not tuned; the panel's part of a run shows it).
const SPINS: u32 = 4000;

/// A barrier that spins briefly, then yields, and that a panicking member poisons.
struct Barrier {
    size: u64,
    spins: u32,
    arrived: AtomicU64,
    generation: AtomicU32,
    /// Members that are done with the phase: nobody will meet them any more.
    departed: AtomicUsize,
    poisoned: AtomicBool,
}

impl Barrier {
    fn meet(&self, meeting: Meeting) {
        if self.size == 1 {
            return;
        }
        let generation = self.generation.load(Ordering::Acquire);
        let field = 16 * meeting as u32;
        // One counter per kind of meeting, side by side in one word: a mismatch is seen by the last.
        let arrived = self.arrived.fetch_add(1 << field, Ordering::AcqRel) + (1 << field);
        let total = (arrived & 0xffff) + (arrived >> 16 & 0xffff) + (arrived >> 32 & 0xffff);
        // Before anything else: a member that caught the panic of a meeting may have been counted twice.
        assert!(!self.poisoned.load(Ordering::Relaxed), "another member of the team panicked");
        if total == self.size {
            if arrived >> field != self.size {
                self.poison();
                panic!("the members of a team met at different barriers");
            }
            self.arrived.store(0, Ordering::Relaxed);
            self.generation.store(generation.wrapping_add(1), Ordering::Release);
            return;
        }
        let mut spins = 0;
        while self.generation.load(Ordering::Acquire) == generation {
            assert!(!self.poisoned.load(Ordering::Relaxed), "another member of the team panicked");
            // A member departs after the meeting only if that is over, so the generation is looked at again.
            if self.departed.load(Ordering::Acquire) > 0 && self.generation.load(Ordering::Acquire) == generation {
                self.poison();
                panic!("a member of the team ended its phase while another waited for it");
            }
            if spins < self.spins {
                spins += 1;
                std::hint::spin_loop();
            } else {
                std::thread::yield_now();
            }
        }
    }

    fn poison(&self) {
        self.poisoned.store(true, Ordering::Relaxed);
    }
}

/// One member of a team inside a phase. There is exactly one `Member` value per member and phase.
pub struct Member<'t> {
    id: usize,
    barrier: &'t Barrier,
}

impl Member<'_> {
    /// 0 for the main thread, 1..T for the others.
    pub fn id(&self) -> usize {
        self.id
    }

    /// How many members the team has.
    pub fn count(&self) -> usize {
        self.barrier.size as usize
    }

    /// Waits until every member of the team has come to this barrier.
    ///
    /// # Panics
    /// If another member panicked, or waits at another kind of barrier.
    pub fn barrier(&mut self) {
        self.barrier.meet(Meeting::Plain);
    }
}

/// Tells the others when a member's closure ends, and poisons the barrier if it unwinds: nobody waits for it.
struct Departure<'t>(&'t Barrier);

impl Drop for Departure<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.poison();
        }
        self.0.departed.fetch_add(1, Ordering::Release);
    }
}

/// The main thread and its pinned helpers.
pub struct Team {
    pool: Option<rayon::ThreadPool>,
    barrier: Barrier,
    busy: AtomicBool,
}

impl Team {
    /// A team of `size` members (at least 1). `bind(member)` is called once on each member's own
    /// thread, the calling thread being member 0. With `oversubscribed`, members that wait for each
    /// other yield their core at once.
    ///
    /// # Errors
    /// If the threads cannot be started.
    pub fn new(
        size: usize,
        oversubscribed: bool,
        bind: impl Fn(usize) + Send + Sync + 'static,
    ) -> Result<Team, String> {
        let size = size.clamp(1, 0xffff);
        let bind = Arc::new(bind);
        bind(0);
        let pool = (size > 1)
            .then(|| {
                let bind = Arc::clone(&bind);
                rayon::ThreadPoolBuilder::new()
                    .num_threads(size - 1)
                    .thread_name(|i| format!("member-{}", i + 1))
                    .start_handler(move |i| bind(i + 1))
                    .build()
                    .map_err(|e| format!("cannot start {} threads: {e}", size - 1))
            })
            .transpose()?;
        let barrier = Barrier {
            size: size as u64,
            spins: if oversubscribed { 0 } else { SPINS },
            arrived: AtomicU64::new(0),
            generation: AtomicU32::new(0),
            departed: AtomicUsize::new(0),
            poisoned: AtomicBool::new(false),
        };
        Ok(Team { pool, barrier, busy: AtomicBool::new(false) })
    }

    /// A team of the calling thread alone.
    pub fn solo() -> Team {
        Team::new(1, false, |_| {}).expect("no thread is started")
    }

    /// How many members the team has.
    pub fn size(&self) -> usize {
        self.barrier.size as usize
    }

    /// Every member runs `work`.
    ///
    /// # Panics
    /// If a member panics, or if called from inside a phase.
    pub fn phase(&self, work: impl Fn(&mut Member) + Sync) {
        self.phase_with(&work, &work);
    }

    /// The main thread runs `main`, which need not be `Send`; the others run `work`. Returns what
    /// `main` returned once all are done.
    ///
    /// # Panics
    /// If a member panics, or if called from inside a phase.
    pub fn phase_with<R>(&self, main: impl FnOnce(&mut Member) -> R, work: impl Fn(&mut Member) + Sync) -> R {
        assert!(!self.busy.swap(true, Ordering::Acquire), "a phase inside a phase, or after one that panicked");
        self.barrier.departed.store(0, Ordering::Release);
        let run_main = || {
            let _guard = Departure(&self.barrier);
            main(&mut Member { id: 0, barrier: &self.barrier })
        };
        let result = match &self.pool {
            None => run_main(),
            Some(pool) => pool.in_place_scope(|scope| {
                scope.spawn_broadcast(|_, context| {
                    let _guard = Departure(&self.barrier);
                    work(&mut Member { id: context.index() + 1, barrier: &self.barrier });
                });
                run_main()
            }),
        };
        self.busy.store(false, Ordering::Release);
        result
    }
}

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
            barrier: &raw const team.barrier,
            state: UnsafeCell::new(state),
            life: std::marker::PhantomData,
        }
    }

    fn check(&self, member: &Member) {
        assert!(!member.barrier.poisoned.load(Ordering::Relaxed), "another member of the team panicked");
        assert!(std::ptr::eq(self.barrier, member.barrier), "a member of another team");
    }

    /// The member's own band: its first row, its rows, and the shared state for reading.
    pub fn mine<'m>(&'m self, member: &'m mut Member) -> (usize, MatMut<'m>, &'m S) {
        self.check(member);
        let (first, end) = (self.cuts[member.id], self.cuts[member.id + 1]);
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
        assert_eq!(member.id == 0, lead.is_some(), "member 0 leads, and only it");
        member.barrier.meet(Meeting::EnterSerial);
        if let Some(lead) = lead {
            // SAFETY: every member stands between the two meetings (the barrier checks that all
            // came to the same kind), so none holds a view of a band or of the state.
            let (all, state) =
                unsafe { (MatMut::from_parts(self.ptr, self.rows, self.cols, self.ld), &mut *self.state.get()) };
            lead(all, state);
        }
        member.barrier.meet(Meeting::LeaveSerial);
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
    fn a_panic_in_one_member_ends_the_phase() {
        let team = Team::new(3, true, |_| {}).unwrap();
        let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            team.phase(|member| {
                assert!(member.id() != 1, "on purpose");
                member.barrier();
            });
        }));
        assert!(caught.is_err());
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
    fn a_member_that_leaves_is_not_waited_for() {
        let team = Team::new(2, true, |_| {}).unwrap();
        let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            team.phase(|member| {
                if member.id() == 0 {
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
