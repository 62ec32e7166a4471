//! What rank 0 tells the world while a sweep runs, and what it says last if the sweep is ended before its time.

use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

use hpl_mpi::comm::mpi::abort;
use hpl_mpi::trace::Traced;
use hpl_spec::event::RunEvent;
use hpl_spec::report::{Cancelled, CutShort, RunReport, SweepReport};

use crate::sink::Sinks;

/// The places that results go to and all that was found so far. The main thread writes; the thread that waits for
/// signals may have the last word.
pub struct Record(Mutex<Inner>);

struct Inner {
    sinks: Sinks,
    report: SweepReport,
    during: Option<CutShort>,
    /// All was said.
    over: bool,
}

impl Record {
    /// A record of a sweep that has not begun.
    pub fn new(sinks: Sinks, report: SweepReport) -> Record {
        Record(Mutex::new(Inner { sinks, report, during: None, over: false }))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes to the report. A report that cannot be written ends the job.
    pub fn say(&self, text: &str) {
        let written = self.lock().sinks.write(text);
        if let Err(e) = written {
            eprintln!("xhpl: {e}");
            abort(1);
        }
    }

    /// Says something to people.
    pub fn tell(&self, text: &str) {
        self.lock().sinks.tell(text);
    }

    /// Tells of an event.
    pub fn event(&self, event: &RunEvent) {
        let mut inner = self.lock();
        inner.sinks.event(event);
        match event {
            RunEvent::Started { test, tests, params } => {
                let (params, panels) = (*params, params.n.div_ceil(params.nb));
                let (test, tests) = (*test, *tests);
                inner.during = Some(CutShort { test, tests, params, panel: 0, panels, seconds: 0.0, gflops: 0.0 });
            }
            RunEvent::Panel { panel, seconds, gflops, .. } => {
                if let Some(during) = &mut inner.during {
                    (during.panel, during.seconds, during.gflops) = (*panel, *seconds, *gflops);
                }
            }
            RunEvent::Phases { seconds, gflops, .. } => {
                if let Some(during) = &mut inner.during {
                    (during.panel, during.seconds, during.gflops) = (during.panels, *seconds, *gflops);
                }
            }
            RunEvent::Verdict { .. } => inner.during = None,
            RunEvent::SweepStarted { .. } | RunEvent::SweepEnded { .. } | RunEvent::Cancelled(_) => {}
        }
    }

    /// Adds the spans of a test to the trace, if there is one.
    pub fn trace(&self, test: usize, spans: &[Traced]) {
        self.lock().sinks.trace(test, spans);
    }

    /// Counts a test.
    pub fn done(&self, report: RunReport) {
        let mut inner = self.lock();
        inner.report.tally.count(&report.verdict);
        if inner.sinks.wants_json() {
            inner.report.reports.push(report);
        }
    }

    /// Says the rest: the sweep is over.
    ///
    /// # Errors
    /// What the system says of files that cannot be written any more.
    pub fn end(&self, peak_memory: u64) -> Result<(), String> {
        let mut inner = self.lock();
        let Inner { sinks, report, over, .. } = &mut *inner;
        report.peak_memory = peak_memory;
        *over = true;
        sinks.write_json(report).and(sinks.end_trace())
    }

    /// The last words, unless all was said: an event, the report of what is done, a line for people. If the main thread
    /// is writing just now and does not come to an end, nothing.
    pub fn cut_short(&self, why: &str) {
        // Signals come once, and a panic may come from inside a write.
        let tries = (0..50).find_map(|_| match self.0.try_lock() {
            Ok(inner) => Some(inner),
            Err(TryLockError::Poisoned(inner)) => Some(inner.into_inner()),
            Err(TryLockError::WouldBlock) => {
                std::thread::sleep(std::time::Duration::from_millis(10));
                None
            }
        });
        let Some(mut inner) = tries.filter(|inner| !inner.over) else { return };
        let Inner { sinks, report, during, over } = &mut *inner;
        *over = true;
        let cancelled = Cancelled { why: why.to_owned(), during: during.take() };
        sinks.tell(&format!("xhpl: {cancelled}\n"));
        sinks.event(&RunEvent::Cancelled(cancelled.clone()));
        report.cancelled = Some(cancelled);
        if let Err(e) = sinks.write_json(report).and(sinks.end_trace()) {
            eprintln!("xhpl: {e}");
        }
    }
}
