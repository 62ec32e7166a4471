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
    spent: [Duration; Work::ALL.len()],
    waited: Duration,
    spans: Vec<Span>,
    /// What passed inside of work or beside it.
    pub aside: Aside,
}

/// Times that are part of others.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Aside {
    /// In pivot exchanges, while a panel was factored.
    pub exchanging: Duration,
    /// In the smallest parts of panels, below the recursion; exchanges included.
    pub base: Duration,
    /// In which panels of this process were on their way to others.
    pub sending: Duration,
}

impl Default for Lane {
    fn default() -> Lane {
        Lane::new(Instant::now(), false)
    }
}

impl Lane {
    /// An empty lane of a timeline that began at `origin`; spans are kept if `keep`.
    pub fn new(origin: Instant, keep: bool) -> Lane {
        Lane {
            origin,
            keep,
            spent: [Duration::ZERO; Work::ALL.len()],
            waited: Duration::ZERO,
            spans: Vec::new(),
            aside: Aside::default(),
        }
    }

    /// Notes work for panel number `panel` that began at `start` and ends now; `waited` of it was not work.
    pub fn note(&mut self, work: Work, panel: usize, start: Instant, waited: Duration) {
        let length = start.elapsed();
        let waited = if work.is_waiting() { length } else { waited.min(length) };
        if work.is_waiting() {
            self.spent[work as usize] += length;
        } else {
            self.spent[work as usize] += length - waited;
            self.waited += waited;
        }
        self.keep(Span { work, panel, start: start.duration_since(self.origin), length, waited });
    }

    /// Notes a wait that began at `start` and ends now; `worked` of it was noted as work.
    pub fn note_wait(&mut self, work: Work, panel: usize, start: Instant, worked: Duration) {
        let length = start.elapsed();
        self.spent[work as usize] += length.saturating_sub(worked);
        self.keep(Span { work, panel, start: start.duration_since(self.origin), length, waited: length });
    }

    fn keep(&mut self, span: Span) {
        if self.keep {
            self.spans.push(span);
        }
    }

    /// How long the member did such work, or waited so; waiting inside of work does not count.
    pub fn spent(&self, work: Work) -> Duration {
        self.spent[work as usize]
    }

    /// How long the member waited inside of work: at barriers, and in pivot exchanges.
    pub fn waited(&self) -> Duration {
        self.waited
    }

    /// For how long the member computed.
    pub fn busy(&self) -> Duration {
        Work::ALL.into_iter().filter(|work| !work.is_waiting()).map(|work| self.spent(work)).sum()
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
            lane.note_wait(Work::Exchange, 4, ago(40), Duration::from_millis(30));
            let busy = lane.busy().as_millis();
            assert!((130..200).contains(&busy), "{busy}");
            let spent = [Work::Multiply, Work::Panel, Work::Broadcast, Work::Exchange, Work::Swap, Work::Solve];
            let spent = spent.map(|work| lane.spent(work).as_millis() / 10);
            assert_eq!(spent[..5], [10, 3, 50, 1, 0], "{lane:?}");
            assert_eq!((spent[5], lane.waited().as_millis() / 10), (0, 3));
            assert_eq!(lane.spans().len(), if keep { 5 } else { 0 });
            for span in lane.spans() {
                assert!(span.start < Duration::from_secs(2) && span.waited <= span.length);
            }
        }
    }

    #[test]
    fn names_are_unique() {
        let names: std::collections::BTreeSet<_> = Work::ALL.iter().map(|work| work.name()).collect();
        assert_eq!(names.len(), Work::ALL.len());
        assert!((0..).zip(Work::ALL).all(|(i, work)| i == work as usize));
    }
}
