//! How often somebody may do something, and how long a failed log-in must wait.
//!
//! Rates are kept by the generic cell rate algorithm (the crate `governor`): whoever was quiet may do his whole
//! hour's worth at once, then only as fast as the rate refills. IPv6 callers are counted by their /64, the
//! smallest network that anybody is given.
//!
//! Log-ins have a second guard, [`LoginDelays`].

mod delays;

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};

use clap::Args;
use governor::clock::{Clock, DefaultClock};
use governor::middleware::NoOpMiddleware;
use governor::state::keyed::DefaultKeyedStateStore;
use governor::{Quota, RateLimiter};

pub use self::delays::LoginDelays;

/// After so many checks the keys that have become idle are forgotten.
const CHECKS_BETWEEN_SWEEPS: u64 = 1 << 16;

/// Come back in so many whole seconds, at least one: the number of `Retry-After`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many requests; try again in {0} s")]
pub struct RetryAfter(pub u32);

/// The rates, which are settings; 0 switches a limit off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Args)]
pub struct Rates {
    /// Sign-ups an hour and address; 0: no limit, as with the other rates
    #[arg(long = "signups-per-hour", env = "HPL_SERVICE_SIGNUPS_PER_HOUR", value_name = "TIMES")]
    #[arg(default_value_t = Rates::USUAL.sign_up_per_hour)]
    pub sign_up_per_hour: u32,
    /// Log-ins a minute and address
    #[arg(long = "logins-per-minute", env = "HPL_SERVICE_LOGINS_PER_MINUTE", value_name = "TIMES")]
    #[arg(default_value_t = Rates::USUAL.log_in_per_minute)]
    pub log_in_per_minute: u32,
    /// Submitted jobs an hour and user
    #[arg(long = "submits-per-hour", env = "HPL_SERVICE_SUBMITS_PER_HOUR", value_name = "TIMES")]
    #[arg(default_value_t = Rates::USUAL.submit_per_hour)]
    pub submit_per_hour: u32,
    /// API requests an hour and token, or user of a session
    #[arg(long = "calls-per-hour", env = "HPL_SERVICE_CALLS_PER_HOUR", value_name = "TIMES")]
    #[arg(default_value_t = Rates::USUAL.api_per_hour)]
    pub api_per_hour: u32,
    /// Requests a minute and node, and as many of its run
    #[arg(long = "node-calls-per-minute", env = "HPL_SERVICE_NODE_CALLS_PER_MINUTE", value_name = "TIMES")]
    #[arg(default_value_t = Rates::USUAL.agent_per_minute)]
    pub agent_per_minute: u32,
    /// Requests a minute and address of callers who say not who they are
    #[arg(long = "stranger-calls-per-minute", env = "HPL_SERVICE_STRANGER_CALLS_PER_MINUTE", value_name = "TIMES")]
    #[arg(default_value_t = Rates::USUAL.anonymous_per_minute)]
    pub anonymous_per_minute: u32,
}

impl Default for Rates {
    fn default() -> Self {
        Rates::USUAL
    }
}

impl Rates {
    /// What holds if nothing is said.
    pub const USUAL: Rates = Rates {
        sign_up_per_hour: 30,
        log_in_per_minute: 10,
        submit_per_hour: 60,
        api_per_hour: 6000,
        agent_per_minute: 600,
        anonymous_per_minute: 1200,
    };

    /// No limit at all, for measuring what the service can do.
    #[must_use]
    pub fn unlimited() -> Rates {
        Rates {
            sign_up_per_hour: 0,
            log_in_per_minute: 0,
            submit_per_hour: 0,
            api_per_hour: 0,
            agent_per_minute: 0,
            anonymous_per_minute: 0,
        }
    }
}

/// What is limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// Signing up; counted by address.
    SignUp,
    /// Logging in; counted by address.
    LogIn,
    /// Submitting a job; counted by user.
    Submit,
    /// Any call of the API; counted by token, or by user of a session.
    Api,
    /// Any call of a daemon; counted by node, or by attempt.
    Agent,
    /// Any call of a stranger; counted by address.
    Anonymous,
}

/// Whom a limit counts.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Key {
    /// An address: IPv4 whole, IPv6 without its last 64 bits.
    Address(IpAddr),
    /// The id of a user, a token or a node that has proved who it is.
    Name(Box<str>),
}

impl Key {
    /// The key of an address.
    #[must_use]
    pub fn address(address: IpAddr) -> Key {
        Key::Address(network(address))
    }

    /// The key of an id. The id must be known to exist, as every key takes memory.
    #[must_use]
    pub fn name(id: &str) -> Key {
        Key::Name(id.into())
    }
}

/// The network that an address stands for: itself for IPv4, its /64 for IPv6.
#[must_use]
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) => IpAddr::V4(v4),
        IpAddr::V6(v6) => IpAddr::V6((u128::from(v6) & !u128::from(u64::MAX)).into()),
    }
}

type Limiter<C> = RateLimiter<Key, DefaultKeyedStateStore<Key>, C, NoOpMiddleware<<C as Clock>::Instant>>;

/// All rate limits of the service. Their clock is a monotonic one, not the service's clock.
#[derive(Debug)]
pub struct Limits<C: Clock = DefaultClock> {
    clock: C,
    sign_up: Option<Limiter<C>>,
    log_in: Option<Limiter<C>>,
    submit: Option<Limiter<C>>,
    api: Option<Limiter<C>>,
    agent: Option<Limiter<C>>,
    anonymous: Option<Limiter<C>>,
    checks: AtomicU64,
}

impl Limits {
    /// Limits by these rates.
    #[must_use]
    pub fn new(rates: &Rates) -> Limits {
        Self::with_clock(rates, DefaultClock::default())
    }
}

impl<C: Clock + Clone> Limits<C> {
    fn with_clock(rates: &Rates, clock: C) -> Limits<C> {
        let limiter = |rate: u32, quota: fn(NonZeroU32) -> Quota| {
            NonZeroU32::new(rate)
                .map(|rate| RateLimiter::new(quota(rate), DefaultKeyedStateStore::default(), clock.clone()))
        };
        Limits {
            sign_up: limiter(rates.sign_up_per_hour, Quota::per_hour),
            log_in: limiter(rates.log_in_per_minute, Quota::per_minute),
            submit: limiter(rates.submit_per_hour, Quota::per_hour),
            api: limiter(rates.api_per_hour, Quota::per_hour),
            agent: limiter(rates.agent_per_minute, Quota::per_minute),
            anonymous: limiter(rates.anonymous_per_minute, Quota::per_minute),
            checks: AtomicU64::new(0),
            clock,
        }
    }

    fn limiter(&self, limit: Limit) -> Option<&Limiter<C>> {
        match limit {
            Limit::SignUp => self.sign_up.as_ref(),
            Limit::LogIn => self.log_in.as_ref(),
            Limit::Submit => self.submit.as_ref(),
            Limit::Api => self.api.as_ref(),
            Limit::Agent => self.agent.as_ref(),
            Limit::Anonymous => self.anonymous.as_ref(),
        }
    }

    /// Counts one more for this key. A refused one does not count.
    ///
    /// # Errors
    /// [`RetryAfter`] if the rate is exceeded.
    pub fn check(&self, limit: Limit, key: &Key) -> Result<(), RetryAfter> {
        let Some(limiter) = self.limiter(limit) else { return Ok(()) };
        if self.checks.fetch_add(1, Ordering::Relaxed) % CHECKS_BETWEEN_SWEEPS == CHECKS_BETWEEN_SWEEPS - 1 {
            self.sweep();
        }
        limiter.check_key(key).map_err(|until| {
            let wait = until.wait_time_from(self.clock.now());
            RetryAfter(whole_seconds(i64::try_from(wait.as_millis()).unwrap_or(i64::MAX)))
        })
    }

    /// Forgets the keys that are as good as new. It also happens by itself after every 65 536 checks, which
    /// bounds the memory; calling it now and then gives the memory back sooner.
    pub fn sweep(&self) {
        let all = [&self.sign_up, &self.log_in, &self.submit, &self.api, &self.agent, &self.anonymous];
        for limiter in all.into_iter().flatten() {
            limiter.retain_recent();
            limiter.shrink_to_fit();
        }
    }

    #[cfg(test)]
    fn keys(&self) -> usize {
        let all = [&self.sign_up, &self.log_in, &self.submit, &self.api, &self.agent, &self.anonymous];
        all.into_iter().flatten().map(RateLimiter::len).sum()
    }
}

/// Milliseconds as whole seconds, rounded up, at least one.
fn whole_seconds(millis: i64) -> u32 {
    let seconds = u64::try_from(millis).unwrap_or(0).div_ceil(1000);
    u32::try_from(seconds).unwrap_or(u32::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use governor::clock::FakeRelativeClock;

    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn with_fake_clock(rates: &Rates) -> (Limits<FakeRelativeClock>, FakeRelativeClock) {
        let clock = FakeRelativeClock::default();
        (Limits::with_clock(rates, clock.clone()), clock)
    }

    #[test]
    fn each_limit_has_its_own_rate_and_says_when_to_come_back() {
        let (limits, clock) = with_fake_clock(&Rates::default());
        let here = Key::address(ip("192.0.2.1"));
        let user = Key::name("u1");
        for (limit, key, burst, refill) in [
            (Limit::SignUp, &here, 30, 120),
            (Limit::LogIn, &here, 10, 6),
            (Limit::Submit, &user, 60, 60),
            (Limit::Api, &user, 6000, 1),
            (Limit::Agent, &user, 600, 1),
            (Limit::Anonymous, &here, 1200, 1),
        ] {
            for _ in 0..burst {
                assert_eq!(limits.check(limit, key), Ok(()), "{limit:?}");
            }
            assert_eq!(limits.check(limit, key), Err(RetryAfter(refill)), "{limit:?}");
            clock.advance(Duration::from_secs(u64::from(refill)));
            assert_eq!(limits.check(limit, key), Ok(()), "{limit:?}");
        }
        assert_eq!(limits.check(Limit::LogIn, &Key::address(ip("192.0.2.2"))), Ok(()));
    }

    #[test]
    fn no_limit_is_none() {
        let limits = Limits::new(&Rates::unlimited());
        let key = Key::name("u1");
        for limit in [Limit::SignUp, Limit::LogIn, Limit::Submit, Limit::Api, Limit::Agent, Limit::Anonymous] {
            assert!((0..10_000).all(|_| limits.check(limit, &key).is_ok()));
        }
    }

    #[test]
    fn ipv6_is_counted_by_its_network() {
        let (limits, _) = with_fake_clock(&Rates::default());
        for host in 0..10 {
            assert_eq!(limits.check(Limit::LogIn, &Key::address(ip(&format!("2001:db8::{host}:1")))), Ok(()));
        }
        assert!(limits.check(Limit::LogIn, &Key::address(ip("2001:db8::ffff:2"))).is_err());
        assert_eq!(limits.check(Limit::LogIn, &Key::address(ip("2001:db8:0:1::1"))), Ok(()));
        assert_eq!(network(ip("::ffff:192.0.2.1")), ip("192.0.2.1"));
    }

    #[test]
    fn keys_are_forgotten_in_time() {
        let (limits, clock) = with_fake_clock(&Rates::default());
        for n in 0..500_000_u32 {
            let _ = limits.check(Limit::Anonymous, &Key::Address(IpAddr::V4(n.into())));
            clock.advance(Duration::from_millis(1));
        }
        assert!(limits.keys() < 100_000, "{}", limits.keys());
        clock.advance(Duration::from_secs(60));
        limits.sweep();
        assert_eq!(limits.keys(), 0);
    }
}
