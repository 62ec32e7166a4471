//! Who did what when: the spans of work of every member of a team.
//!
//! Each member writes into a [`Lane`] of its own, which lies in its scratch memory; so nothing is shared and
//! nothing is locked. Work that is done is always added up, which costs two looks at the clock a span; the
//! spans themselves are kept only where somebody asked for them.

use std::time::{Duration, Instant};

/// What a span of time was spent on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// A panel is factored.
    Panel,
    /// L2 is packed for the products of an update, or copied into a message.
    Pack,
    /// Rows change places.
    Swap,
    /// U = L1⁻¹·U.
    Solve,
    /// C −= A·B.
    Multiply,
    /// x = U⁻¹·y.
    Backsolve,
    /// Waiting for a panel to arrive.
    Broadcast,
    /// Waiting for rows to arrive.
    Exchange,
}

impl Work {
    /// All there are.
    pub const ALL: [Work; 8] = [
        Work::Panel,
        Work::Pack,
        Work::Swap,
        Work::Solve,
        Work::Multiply,
        Work::Backsolve,
        Work::Broadcast,
        Work::Exchange,
    ];

    /// Its name in a trace.
    pub fn name(self) -> &'static str {
        match self {
            Work::Panel => "panel",
            Work::Pack => "pack",
            Work::Swap => "swap",
            Work::Solve => "solve",
            Work::Multiply => "multiply",
            Work::Backsolve => "backsolve",
            Work::Broadcast => "wait for panel",
            Work::Exchange => "wait for rows",
        }
    }

    /// Whether nothing is computed in it.
    pub fn is_waiting(self) -> bool {
        matches!(self, Work::Broadcast | Work::Exchange)
    }
}

/// A piece of work of one member.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Span {
    /// What was done.
    pub work: Work,
    /// For which panel, from 0.
    pub panel: usize,
    /// When it began, since the timeline began.
    pub start: Duration,
    /// How long it took.
    pub length: Duration,
    /// How much of that passed at barriers and in messages.
    pub waited: Duration,
}

/// What one member did.
#[derive(Debug, Clone)]
pub struct Lane {
    origin: Instant,
    keep: bool,
    busy: Duration,
    spans: Vec<Span>,
}

impl Default for Lane {
    fn default() -> Lane {
        Lane::new(Instant::now(), false)
    }
}

impl Lane {
    /// An empty lane of a timeline that began at `origin`; spans are kept if `keep`.
    pub fn new(origin: Instant, keep: bool) -> Lane {
        Lane { origin, keep, busy: Duration::ZERO, spans: Vec::new() }
    }

    /// Notes work for panel number `panel` that began at `start` and ends now; `waited` of it was not work.
    pub fn note(&mut self, work: Work, panel: usize, start: Instant, waited: Duration) {
        let length = start.elapsed();
        let waited = if work.is_waiting() { length } else { waited.min(length) };
        self.busy += length - waited;
        if self.keep {
            self.spans.push(Span { work, panel, start: start.duration_since(self.origin), length, waited });
        }
    }

    /// For how long the member computed.
    pub fn busy(&self) -> Duration {
        self.busy
    }

    /// What it did, in order; empty unless spans are kept.
    pub fn spans(&self) -> &[Span] {
        &self.spans
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_added_up_and_waiting_is_not() {
        let begin = Instant::now();
        let ago = |ms| begin.checked_sub(Duration::from_millis(ms)).unwrap();
        for keep in [false, true] {
            let mut lane = Lane::new(ago(1000), keep);
            lane.note(Work::Multiply, 3, ago(100), Duration::ZERO);
            lane.note(Work::Panel, 4, ago(50), Duration::from_millis(20));
            lane.note(Work::Broadcast, 4, ago(500), Duration::ZERO);
            // Nothing is negative, however the clocks of those who waited were read.
            lane.note(Work::Swap, 4, ago(10), Duration::from_secs(60));
            let busy = lane.busy().as_millis();
            assert!((130..200).contains(&busy), "{busy}");
            assert_eq!(lane.spans().len(), if keep { 4 } else { 0 });
            for span in lane.spans() {
                assert!(span.start < Duration::from_secs(2) && span.waited <= span.length);
            }
        }
    }

    #[test]
    fn names_are_unique() {
        let names: std::collections::BTreeSet<_> = Work::ALL.iter().map(|work| work.name()).collect();
        assert_eq!(names.len(), Work::ALL.len());
    }
}
