//! Samples that wait to be sent: so many at most; then the oldest goes and is counted.

use std::collections::VecDeque;

use hpl_spec::api::agent::Sample;

/// An hour of samples, one every five seconds.
pub const HOUR: usize = 720;

/// A bounded queue of samples. One call at a time takes from it: [`Spool::take`], then [`Spool::sent`] if they arrived.
#[derive(Debug)]
pub struct Spool {
    waiting: VecDeque<Sample>,
    capacity: usize,
    /// Dropped, and certainly not sent.
    dropped: u64,
    /// How many at the front are on their way.
    flying: usize,
    /// Dropped while they were on their way: whether they arrived is not known yet.
    doubtful: usize,
}

impl Default for Spool {
    /// Room for [`HOUR`].
    fn default() -> Self {
        Spool::new(HOUR)
    }
}

impl Spool {
    /// An empty one for so many samples, at least one.
    #[must_use]
    pub fn new(capacity: usize) -> Spool {
        Spool { waiting: VecDeque::new(), capacity: capacity.max(1), dropped: 0, flying: 0, doubtful: 0 }
    }

    /// Adds a sample; the oldest is dropped if there is no room.
    pub fn push(&mut self, sample: Sample) {
        if self.waiting.len() >= self.capacity {
            self.waiting.pop_front();
            if self.flying > 0 {
                self.flying -= 1;
                self.doubtful += 1;
            } else {
                self.dropped += 1;
            }
        }
        self.waiting.push_back(sample);
    }

    /// The oldest `n`, to be sent. They stay until [`Spool::sent`]; taken again, they are the same ones unless some had
    /// to be dropped.
    pub fn take(&mut self, n: usize) -> Vec<Sample> {
        // the call before did not say that it arrived
        self.dropped += self.doubtful as u64;
        self.doubtful = 0;
        self.flying = n.min(self.waiting.len());
        self.waiting.iter().take(n).cloned().collect()
    }

    /// The first `n` of those that were taken last have arrived.
    pub fn sent(&mut self, n: usize) {
        let arrived = n.min(self.doubtful);
        self.dropped += (self.doubtful - arrived) as u64;
        self.doubtful = 0;
        let remove = (n - arrived).min(self.flying);
        self.waiting.drain(..remove);
        self.flying = 0;
    }

    /// How many wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether none waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// How many were dropped so far; one that was on its way when its place was needed counts until it has arrived.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped + self.doubtful as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn sample(at_ms: u64) -> Sample {
        Sample { at_ms, values: BTreeMap::new(), per_core: BTreeMap::new() }
    }

    fn times(samples: &[Sample]) -> Vec<u64> {
        samples.iter().map(|s| s.at_ms).collect()
    }

    #[test]
    fn the_oldest_goes_first_and_is_counted() {
        let mut spool = Spool::new(3);
        (1..=5).for_each(|n| spool.push(sample(n)));
        assert_eq!((times(&spool.take(2)), spool.dropped(), spool.len()), (vec![3, 4], 2, 3));
        spool.sent(2);
        assert_eq!((times(&spool.take(9)), spool.len()), (vec![5], 1));
        spool.sent(9);
        assert!(spool.is_empty());
        spool.sent(1);
        assert_eq!((spool.take(1).len(), spool.dropped()), (0, 2));
    }

    #[test]
    fn what_is_dropped_on_its_way_may_still_arrive() {
        let mut spool = Spool::new(2);
        (1..=2).for_each(|n| spool.push(sample(n)));
        assert_eq!(times(&spool.take(2)), [1, 2]);
        spool.push(sample(3));
        assert_eq!(spool.dropped(), 1);
        spool.sent(2);
        assert_eq!((spool.dropped(), times(&spool.take(2))), (0, vec![3]));
    }

    #[derive(Debug, Clone)]
    enum Step {
        Push,
        Take(usize),
        Sent(usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            3 => Just(Step::Push),
            1 => (0..6usize).prop_map(Step::Take),
            1 => (0..6usize).prop_map(Step::Sent),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        /// Every sample is waiting, arrived or dropped, exactly one of them; what waits is in order and bounded.
        #[test]
        fn nothing_is_lost_without_being_counted(capacity in 1..6usize, steps in prop::collection::vec(step(), 0..60)) {
            let mut spool = Spool::new(capacity);
            let (mut pushed, mut taken, mut arrived) = (0u64, Vec::new(), 0u64);
            for step in steps {
                match step {
                    Step::Push => {
                        pushed += 1;
                        spool.push(sample(pushed));
                    }
                    Step::Take(n) => taken = times(&spool.take(n)),
                    Step::Sent(n) => {
                        let n = n.min(taken.len());
                        spool.sent(n);
                        arrived += n as u64;
                        taken.clear();
                    }
                }
                prop_assert!(spool.len() <= capacity);
                // those on their way that lost their place are counted until they have arrived
                prop_assert_eq!(spool.len() as u64 + arrived + spool.dropped(), pushed);
            }
            let rest = times(&spool.take(capacity));
            prop_assert!(rest.windows(2).all(|pair| pair[1] == pair[0] + 1));
            prop_assert!(rest.is_empty() || rest[rest.len() - 1] == pushed);
        }
    }
}
