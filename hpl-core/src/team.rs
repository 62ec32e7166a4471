//! The threads of one rank: the main thread (member 0) and a pinned rayon pool of T−1.
//!
//! Work is done in *phases*: every member runs a closure, the phase ends when all have. Only the main
//! thread's closure may hold what is not `Sync` (the communicator). Inside a phase members meet at
//! barriers: all of them, or those of a [`Squad`], while the others do something else. How they share a
//! matrix is in [`crate::share`].

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// What a member does at a barrier; members that meet must mean the same.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meeting {
    Plain = 0,
    EnterSerial = 1,
    LeaveSerial = 2,
    Finish = 3,
}

/// Looks at the barrier before a member yields: meant to outlast a pivot exchange (not tuned; the panel's
/// part of a run shows it).
const SPINS: u32 = 4000;

/// A barrier that spins briefly, then yields, and that a panicking member poisons.
pub(crate) struct Barrier {
    size: u64,
    spins: u32,
    arrived: AtomicU64,
    generation: AtomicU32,
    /// Members that are done with the phase: nobody will meet them any more.
    departed: AtomicUsize,
    poisoned: AtomicBool,
}

impl Barrier {
    fn new(size: usize, spins: u32) -> Barrier {
        Barrier {
            size: size as u64,
            spins,
            arrived: AtomicU64::new(0),
            generation: AtomicU32::new(0),
            departed: AtomicUsize::new(0),
            poisoned: AtomicBool::new(false),
        }
    }

    /// Meets the others; how long that took.
    fn meet(&self, meeting: Meeting) -> Duration {
        if self.size == 1 {
            return Duration::ZERO;
        }
        let generation = self.generation.load(Ordering::Acquire);
        let field = 16 * meeting as u32;
        // One counter per kind of meeting, side by side in one word: a mismatch is seen by the last.
        let arrived = self.arrived.fetch_add(1 << field, Ordering::AcqRel) + (1 << field);
        let total: u64 = [0, 16, 32, 48].into_iter().map(|field| arrived >> field & 0xffff).sum();
        // Before anything else: a member that caught the panic of a meeting may have been counted twice.
        assert!(!self.poisoned.load(Ordering::Relaxed), "another member of the team panicked");
        if total == self.size {
            if arrived >> field != self.size {
                self.poison();
                panic!("the members of a team met at different barriers");
            }
            self.arrived.store(0, Ordering::Relaxed);
            self.generation.store(generation.wrapping_add(1), Ordering::Release);
            return Duration::ZERO;
        }
        let (start, mut spins) = (Instant::now(), 0);
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
        start.elapsed()
    }

    /// Whether a member panicked.
    pub(crate) fn is_poisoned(&self) -> bool {
        self.poisoned.load(Ordering::Relaxed)
    }

    fn poison(&self) {
        self.poisoned.store(true, Ordering::Relaxed);
    }
}

/// One member of a team inside a phase. There is exactly one `Member` value per member and phase.
pub struct Member<'t> {
    id: usize,
    barrier: &'t Barrier,
    waited: Duration,
}

impl<'t> Member<'t> {
    fn new(id: usize, barrier: &'t Barrier) -> Member<'t> {
        Member { id, barrier, waited: Duration::ZERO }
    }

    /// 0 for the main thread, 1..T for the others.
    pub fn id(&self) -> usize {
        self.id
    }

    /// Where this member meets others.
    pub(crate) fn place(&self) -> &'t Barrier {
        self.barrier
    }

    /// How many members meet: those of the team, or of the squad.
    pub fn count(&self) -> usize {
        self.barrier.size as usize
    }

    /// How long this member has waited at barriers.
    pub fn waited(&self) -> Duration {
        self.waited
    }

    /// Waits until every member of the team, or of the squad, has come to this barrier.
    ///
    /// # Panics
    /// If another member panicked, or waits at another kind of barrier.
    pub fn barrier(&mut self) {
        self.meet(Meeting::Plain);
    }

    pub(crate) fn meet(&mut self, meeting: Meeting) {
        self.waited += self.barrier.meet(meeting);
    }
}

/// The first members of a team. Inside a phase they meet among themselves ([`Squad::enter`]), while the others
/// do something else. A squad serves one phase.
pub struct Squad {
    barrier: Barrier,
}

impl Squad {
    /// How many members it has.
    pub fn size(&self) -> usize {
        self.barrier.size as usize
    }

    /// Where its members meet.
    pub(crate) fn place(&self) -> &Barrier {
        &self.barrier
    }

    /// If `member`, as it came into the phase, is one of the squad, it does `work` as such; `None` if it is not.
    ///
    /// # Panics
    /// If another member of the squad panicked, or left while this one waited for it.
    pub fn enter<R>(&self, member: &mut Member, work: impl FnOnce(&mut Member) -> R) -> Option<R> {
        if member.id >= self.size() {
            return None;
        }
        let _guard = Departure(&self.barrier);
        let mut inside = Member::new(member.id, &self.barrier);
        let result = work(&mut inside);
        member.waited += inside.waited;
        Some(result)
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
        let barrier = Barrier::new(size, if oversubscribed { 0 } else { SPINS });
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

    /// The first `size` members (at least one, at most all), who meet among themselves in the next phase.
    pub fn squad(&self, size: usize) -> Squad {
        Squad { barrier: Barrier::new(size.clamp(1, self.size()), self.barrier.spins) }
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
            main(&mut Member::new(0, &self.barrier))
        };
        let result = match &self.pool {
            None => run_main(),
            Some(pool) => pool.in_place_scope(|scope| {
                scope.spawn_broadcast(|_, context| {
                    let _guard = Departure(&self.barrier);
                    work(&mut Member::new(context.index() + 1, &self.barrier));
                });
                run_main()
            }),
        };
        self.busy.store(false, Ordering::Release);
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn a_squad_meets_while_the_others_work() {
        let team = Team::new(4, true, |_| {}).unwrap();
        for size in 1..=4 {
            let (squad, met, others) = (team.squad(size), AtomicUsize::new(0), AtomicUsize::new(0));
            team.phase(|member| {
                let met_by_me = squad.enter(member, |inside| {
                    assert_eq!(inside.count(), size);
                    for round in 0..100 {
                        met.fetch_add(1, Ordering::Relaxed);
                        inside.barrier();
                        // Everyone has come; nobody can be further than a round ahead.
                        let now = met.load(Ordering::Relaxed);
                        assert!((size * (round + 1)..=size * (round + 2)).contains(&now), "{now} of {size}");
                        inside.barrier();
                    }
                });
                if met_by_me.is_none() {
                    others.fetch_add(1, Ordering::Relaxed);
                }
                member.barrier();
                assert_eq!((met.load(Ordering::Relaxed), others.load(Ordering::Relaxed)), (100 * size, 4 - size));
            });
        }
    }

    #[test]
    fn a_panic_in_a_squad_ends_the_phase() {
        let team = Team::new(3, true, |_| {}).unwrap();
        let squad = team.squad(2);
        let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            team.phase(|member| {
                squad.enter(member, |inside| {
                    assert!(inside.id() != 1, "on purpose");
                    inside.barrier();
                });
                member.barrier();
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
}
