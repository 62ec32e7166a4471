//! How long to be silent after a call that was not answered.

use std::time::Duration;

/// The longest that the daemon waits by itself: a service that comes back is not to wait for its nodes.
const LONGEST: Duration = Duration::from_secs(30);
/// The first wait.
const FIRST: Duration = Duration::from_millis(500);
/// The longest that a service can ask for.
const ASKED_AT_MOST: u64 = 300;

/// Twice as long after every failure, up to half a minute, spread so that many nodes do not come at once.
#[derive(Debug, Default)]
pub(super) struct Pause {
    failures: u32,
    until: Duration,
}

impl Pause {
    /// Until when to be silent; None if it is not to be.
    pub fn until(&self, now: Duration) -> Option<Duration> {
        (now < self.until).then_some(self.until)
    }

    /// A call failed. `retry_after` is what the service asked for, in seconds.
    pub fn longer(&mut self, now: Duration, dice: f64, retry_after: Option<u64>) {
        let whole = FIRST.saturating_mul(1 << self.failures.min(10)).min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        let asked = Duration::from_secs(retry_after.unwrap_or(0).min(ASKED_AT_MOST));
        let spread = whole.mul_f64(0.5 + 0.5 * dice.clamp(0.0, 1.0));
        self.until = now + if asked.is_zero() { spread } else { asked + spread.min(Duration::from_secs(1)) };
    }

    /// A call was answered.
    pub fn over(&mut self) {
        *self = Pause::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_grows_to_half_a_minute_and_no_further() {
        let mut pause = Pause::default();
        let now = Duration::from_secs(1000);
        assert_eq!(pause.until(now), None);
        let waits: Vec<_> = (0..9)
            .map(|_| {
                pause.longer(now, 1.0, None);
                (pause.until(now).unwrap() - now).as_secs_f64()
            })
            .collect();
        assert_eq!(waits, [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]);
        pause.longer(now, 0.0, None);
        assert_eq!(pause.until(now), Some(now + Duration::from_secs(15)));
        pause.over();
        pause.longer(now, 0.0, None);
        assert_eq!(pause.until(now), Some(now + Duration::from_millis(250)));
    }

    #[test]
    fn what_the_service_asks_for_is_kept() {
        let mut pause = Pause::default();
        pause.longer(Duration::ZERO, 0.5, Some(55));
        let wait = pause.until(Duration::ZERO).unwrap().as_secs_f64();
        assert!((55.0..=56.0).contains(&wait), "{wait}");
        pause.longer(Duration::ZERO, 0.5, Some(u64::MAX));
        assert!(pause.until(Duration::ZERO).unwrap() <= Duration::from_secs(301));
    }
}
