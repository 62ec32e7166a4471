//! The one clock: the service's own, in milliseconds since the Unix epoch. Handed in, so that tests can move it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// Tells the time.
#[derive(Debug, Clone)]
pub enum Clock {
    /// The machine's clock.
    System,
    /// Stands still until it is moved.
    Manual(Arc<AtomicI64>),
}

impl Clock {
    /// A clock that stands at `now` until the second part of the answer is changed.
    #[must_use]
    pub fn manual(now: i64) -> (Clock, Arc<AtomicI64>) {
        let hand = Arc::new(AtomicI64::new(now));
        (Clock::Manual(hand.clone()), hand)
    }

    /// Milliseconds since the Unix epoch.
    #[must_use]
    pub fn now(&self) -> i64 {
        match self {
            Clock::System => {
                let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
            }
            Clock::Manual(hand) => hand.load(Ordering::SeqCst),
        }
    }
}
