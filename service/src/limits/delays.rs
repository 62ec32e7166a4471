//! The wait after a failed log-in: each failure doubles it for this account *from this address*. A stranger who
//! guesses thus never keeps the owner out; how often he may guess at all is the rate of log-ins.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use sha2::{Digest, Sha256};

use super::{RetryAfter, network, whole_seconds};

/// Longest wait after failed log-ins, in seconds.
const LONGEST_DELAY: u32 = 300;
/// Failures are forgotten when none came for so long, in milliseconds.
const FORGET_AFTER: i64 = 3_600_000;
/// Pairs of account and address that are remembered.
const REMEMBERED_PAIRS: usize = 100_000;

/// Account and network as one key, so that no typed name is kept.
type Pair = [u8; 16];

#[derive(Debug, Clone, Copy)]
struct Failures {
    count: u32,
    last: i64,
    /// Its place in [`Remembered::by_age`].
    turn: u64,
}

impl Failures {
    /// When the next log-in is listened to.
    fn until(self) -> i64 {
        let doubled = 1_u32.checked_shl(self.count.saturating_sub(1)).unwrap_or(LONGEST_DELAY);
        self.last.saturating_add(1000 * i64::from(doubled.min(LONGEST_DELAY)))
    }
}

#[derive(Debug, Default)]
struct Remembered {
    failures: HashMap<Pair, Failures>,
    /// The same pairs, those that failed longest ago first; by turn and not by time, which may repeat itself.
    by_age: BTreeMap<u64, Pair>,
    turns: u64,
}

impl Remembered {
    fn forget(&mut self, pair: &Pair) -> Option<Failures> {
        let old = self.failures.remove(pair)?;
        self.by_age.remove(&old.turn);
        Some(old)
    }
}

/// Growing delays after failed log-ins: 1, 2, 4 … 300 seconds for each pair of account and network.
#[derive(Debug)]
pub struct LoginDelays {
    remembered: Mutex<Remembered>,
    salt: [u8; 16],
    most: usize,
}

impl Default for LoginDelays {
    fn default() -> Self {
        Self::remembering(REMEMBERED_PAIRS)
    }
}

impl LoginDelays {
    /// Delays that remember at most so many pairs; beyond it, the pair that failed longest ago is forgotten.
    #[must_use]
    pub fn remembering(most: usize) -> LoginDelays {
        LoginDelays { remembered: Mutex::default(), salt: rand::random(), most: most.max(1) }
    }

    fn pair(&self, account: &str, address: IpAddr) -> Pair {
        let network = network(address).to_string();
        let digest = Sha256::new()
            .chain_update(self.salt)
            .chain_update(network)
            .chain_update([0])
            .chain_update(account.to_lowercase())
            .finalize();
        let mut pair = Pair::default();
        pair.copy_from_slice(&digest[..16]);
        pair
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Remembered> {
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// May this account be logged in to from here at `now` (milliseconds since the Unix epoch)? To be asked
    /// before the password is looked at; it counts nothing.
    ///
    /// # Errors
    /// [`RetryAfter`] while the delay of the last failure lasts.
    pub fn check(&self, account: &str, address: IpAddr, now: i64) -> Result<(), RetryAfter> {
        match self.lock().failures.get(&self.pair(account, address)) {
            // a clock that was set back must not lock anybody out
            Some(failed) if now >= failed.last && now < failed.until() => {
                Err(RetryAfter(whole_seconds(failed.until() - now)))
            }
            _ => Ok(()),
        }
    }

    /// A log-in to this account from here failed at `now`; the next delay is twice as long.
    pub fn failed(&self, account: &str, address: IpAddr, now: i64) {
        let pair = self.pair(account, address);
        let mut remembered = self.lock();
        let before = remembered.forget(&pair).filter(|old| now.saturating_sub(old.last) < FORGET_AFTER);
        let count = before.map_or(0, |old| old.count).saturating_add(1);
        let turn = remembered.turns;
        remembered.turns += 1;
        remembered.failures.insert(pair, Failures { count, last: now, turn });
        remembered.by_age.insert(turn, pair);
        if remembered.failures.len() > self.most
            && let Some((_, oldest)) = remembered.by_age.pop_first()
        {
            remembered.failures.remove(&oldest);
        }
    }

    /// A log-in to this account from here succeeded: its failures are forgotten.
    pub fn succeeded(&self, account: &str, address: IpAddr) {
        let pair = self.pair(account, address);
        self.lock().forget(&pair);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn delays_double_up_to_five_minutes_and_end() {
        let delays = LoginDelays::default();
        let here = ip("192.0.2.1");
        let mut now = 1_700_000_000_000;
        for expected in [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300] {
            assert_eq!(delays.check("alice", here, now), Ok(()));
            delays.failed("alice", here, now);
            assert_eq!(delays.check("alice", here, now), Err(RetryAfter(expected)));
            assert_eq!(delays.check("ALICE", here, now + 1), Err(RetryAfter(expected)));
            now += 1000 * i64::from(expected);
            assert_eq!(delays.check("alice", here, now - 1), Err(RetryAfter(1)));
        }
        delays.failed("alice", here, now + FORGET_AFTER);
        assert_eq!(
            delays.check("alice", here, now + FORGET_AFTER),
            Err(RetryAfter(1)),
            "an old row of failures is over"
        );
        delays.succeeded("alice", here);
        assert_eq!(delays.check("alice", here, now + FORGET_AFTER), Ok(()));
        delays.failed("alice", here, now);
        assert_eq!(delays.check("alice", here, now - 60_000), Ok(()), "the clock was set back");
    }

    #[derive(Debug, Clone)]
    enum Step {
        Fail { account: u8, from: u8 },
        Succeed { account: u8, from: u8 },
        Wait(i64),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (0..4_u8, 0..4_u8).prop_map(|(account, from)| Step::Fail { account, from }),
            1 => (0..4_u8, 0..4_u8).prop_map(|(account, from)| Step::Succeed { account, from }),
            2 => (0..400_000_i64).prop_map(Step::Wait),
        ]
    }

    proptest! {
        #[test]
        fn a_stranger_never_locks_the_owner_out(steps in prop::collection::vec(step(), 0..200)) {
            let delays = LoginDelays::remembering(8);
            let owner = ip("198.51.100.7");
            let mut now = 0;
            for step in steps {
                match step {
                    Step::Fail { account, from } => {
                        let (account, from) = (account.to_string(), IpAddr::from([192, 0, 2, from]));
                        delays.failed(&account, from, now);
                        prop_assert!(delays.check(&account, from, now).is_err());
                    }
                    Step::Succeed { account, from } => {
                        let (account, from) = (account.to_string(), IpAddr::from([192, 0, 2, from]));
                        delays.succeeded(&account, from);
                        prop_assert!(delays.check(&account, from, now).is_ok());
                    }
                    Step::Wait(millis) => now += millis,
                }
                for account in 0..4 {
                    prop_assert!(delays.check(&account.to_string(), owner, now).is_ok());
                }
                let remembered = delays.lock();
                prop_assert!(remembered.failures.len() <= 8);
                prop_assert_eq!(remembered.failures.len(), remembered.by_age.len());
                for failed in remembered.failures.values() {
                    prop_assert!(failed.until() - failed.last <= 1000 * i64::from(LONGEST_DELAY));
                }
            }
        }
    }
}
