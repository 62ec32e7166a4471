//! Passwords: what is accepted as one, and the slow hash that is kept of it.
//!
//! The hash is argon2id (RFC 9106) with 19 MiB, two passes and one lane, the values OWASP names. A semaphore
//! bounds how many run at once, so that log-ins cannot eat the memory; who waits too long for it is told to
//! come back. A log-in under a name that nobody has does the same work on a hash of nothing, so that time does not
//! tell who exists.

mod rules;

use std::sync::Arc;
use std::time::Duration;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

pub use self::rules::{MAX_CHARS, MIN_CHARS, PasswordProblem, UsernameProblem, check, check_username};

/// Most bytes of a password: four a character.
const MAX_BYTES: usize = 4 * MAX_CHARS;
/// How long a log-in waits for its turn, in seconds.
const PATIENCE_SECONDS: u64 = 5;

/// What makes a hash dear.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Cost {
    memory_kib: u32,
    passes: u32,
}

/// 19 MiB and two passes.
const COST: Cost = Cost { memory_kib: 19 * 1024, passes: 2 };

/// What a log-in learnt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified {
    /// The password is the right one.
    pub ok: bool,
    /// The password is right and its stored hash is weaker than a new one would be: hash it again.
    pub rehash: bool,
}

/// Why there is no hash and no verdict.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// Too many passwords are being checked; to be answered as 503 with `Retry-After`.
    #[error("too many passwords are being checked at the moment; try again in {retry_after} s")]
    Busy {
        /// Seconds to wait.
        retry_after: u32,
    },
    /// The hash itself failed; for the log only.
    #[error("the password could not be hashed: {0}")]
    Broken(String),
}

/// Hashes passwords and checks them, a bounded number at once.
#[derive(Debug, Clone)]
pub struct Passwords {
    hasher: Argon2<'static>,
    cost: Cost,
    turns: Arc<Semaphore>,
    patience: Duration,
    dummy: Arc<str>,
}

impl Passwords {
    /// A hasher that works on at most `at_once` passwords at a time, each with 19 MiB.
    ///
    /// # Errors
    /// [`PasswordError::Broken`] if the hash does not work at all.
    pub fn new(at_once: usize) -> Result<Passwords, PasswordError> {
        Self::with_cost(at_once, COST)
    }

    /// A hasher without any strength, for tests that log in often.
    ///
    /// # Errors
    /// As [`Passwords::new`].
    #[doc(hidden)]
    pub fn cheap() -> Result<Passwords, PasswordError> {
        Self::with_cost(4, Cost { memory_kib: 8, passes: 1 })
    }

    fn with_cost(at_once: usize, cost: Cost) -> Result<Passwords, PasswordError> {
        let params = Params::new(cost.memory_kib, cost.passes, 1, None).map_err(broken)?;
        let hasher = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let dummy = hash_text(&hasher, &rand::random::<[u8; 16]>())?;
        Ok(Passwords {
            hasher,
            cost,
            turns: Arc::new(Semaphore::new(at_once.max(1))),
            patience: Duration::from_secs(PATIENCE_SECONDS),
            dummy: dummy.into(),
        })
    }

    /// The hash of a password, to be stored, as a PHC string.
    ///
    /// # Errors
    /// [`PasswordError::Busy`] if its turn did not come; [`PasswordError::Broken`] if the hash failed.
    pub async fn hash(&self, password: &str) -> Result<String, PasswordError> {
        let hasher = self.hasher.clone();
        let password = password.to_owned();
        self.in_turn(move || hash_text(&hasher, password.as_bytes())).await?
    }

    /// Is this the password whose hash was stored? With `None`, when nobody has that name, the answer is no
    /// after the same work. Spaces and case count.
    ///
    /// # Errors
    /// [`PasswordError::Busy`] if its turn did not come; [`PasswordError::Broken`] if the work was cut off.
    pub async fn verify(&self, password: &str, stored: Option<&str>) -> Result<Verified, PasswordError> {
        let stored = stored.filter(|text| match PasswordHash::new(text) {
            Ok(_) => password.len() <= MAX_BYTES,
            Err(why) => {
                tracing::error!(%why, "a stored password hash cannot be read; nobody can log in with it");
                false
            }
        });
        let known = stored.is_some();
        let against = stored.unwrap_or(&self.dummy).to_owned();
        let hasher = self.hasher.clone();
        // a password of any length costs the same
        let password = password.as_bytes()[..password.len().min(MAX_BYTES)].to_owned();
        let cost = self.cost;
        self.in_turn(move || {
            let matches =
                PasswordHash::new(&against).is_ok_and(|hash| hasher.verify_password(&password, &hash).is_ok());
            let ok = matches && known;
            Verified { ok, rehash: ok && is_weaker(&against, cost) }
        })
        .await
    }

    /// Runs the work on a thread that may block, once it is its turn. The turn lasts as long as the work, also
    /// if nobody waits for its end any more.
    async fn in_turn<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, PasswordError> {
        let turn: OwnedSemaphorePermit = tokio::time::timeout(self.patience, self.turns.clone().acquire_owned())
            .await
            .map_err(|_| PasswordError::Busy { retry_after: PATIENCE_SECONDS as u32 })?
            .map_err(broken)?;
        tokio::task::spawn_blocking(move || {
            let done = work();
            drop(turn);
            done
        })
        .await
        .map_err(broken)
    }
}

fn broken(why: impl std::fmt::Display) -> PasswordError {
    PasswordError::Broken(why.to_string())
}

/// The PHC string of a password with a new salt of 16 random bytes.
fn hash_text(hasher: &Argon2<'_>, password: &[u8]) -> Result<String, PasswordError> {
    let salt: [u8; 16] = rand::random();
    Ok(hasher.hash_password_with_salt(password, &salt).map_err(broken)?.to_string())
}

/// Was this hash made with less memory, fewer passes or another algorithm than we would take now?
fn is_weaker(stored: &str, now: Cost) -> bool {
    let Ok(hash) = PasswordHash::new(stored) else { return true };
    let Ok(params) = Params::try_from(&hash) else { return true };
    hash.algorithm.as_str() != "argon2id" || params.m_cost() < now.memory_kib || params.t_cost() < now.passes
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[tokio::test]
    async fn right_wrong_and_unknown() {
        let passwords = Passwords::cheap().unwrap();
        let stored = passwords.hash("correct horse battery").await.unwrap();
        assert!(stored.starts_with("$argon2id$v=19$m=8,t=1,p=1$"), "{stored}");
        assert_ne!(stored, passwords.hash("correct horse battery").await.unwrap(), "salted");
        let yes = Verified { ok: true, rehash: false };
        let no = Verified { ok: false, rehash: false };
        assert_eq!(passwords.verify("correct horse battery", Some(&stored)).await.unwrap(), yes);
        assert_eq!(passwords.verify("Correct horse battery", Some(&stored)).await.unwrap(), no);
        assert_eq!(passwords.verify("correct horse battery", None).await.unwrap(), no);
        assert_eq!(passwords.verify("correct horse battery", Some("rubbish")).await.unwrap(), no);
        assert_eq!(passwords.verify(&"x".repeat(1 << 20), Some(&stored)).await.unwrap(), no);
        assert_eq!(passwords.verify(&"€".repeat(1 << 10), Some(&stored)).await.unwrap(), no);
    }

    #[tokio::test]
    async fn the_real_cost_is_the_one_promised_and_a_cheaper_hash_is_made_anew() {
        let strong = Passwords::new(1).unwrap();
        assert!(strong.dummy.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{}", strong.dummy);
        let cheap = Passwords::cheap().unwrap();
        let old = cheap.hash("a password of old").await.unwrap();
        let seen = strong.verify("a password of old", Some(&old)).await.unwrap();
        assert_eq!(seen, Verified { ok: true, rehash: true });
        let wrong = strong.verify("another password", Some(&old)).await.unwrap();
        assert_eq!(wrong, Verified { ok: false, rehash: false });
        let new = strong.hash("a password of old").await.unwrap();
        let seen = strong.verify("a password of old", Some(&new)).await.unwrap();
        assert_eq!(seen, Verified { ok: true, rehash: false });
        assert!(!is_weaker(&new, cheap.cost));
    }

    #[tokio::test]
    async fn who_waits_too_long_is_told_so() {
        let mut passwords = Passwords::with_cost(1, Cost { memory_kib: 8, passes: 1 }).unwrap();
        passwords.patience = Duration::from_millis(20);
        let turn = passwords.turns.clone().acquire_owned().await.unwrap();
        assert_eq!(passwords.verify("x", None).await, Err(PasswordError::Busy { retry_after: 5 }));
        drop(turn);
        passwords.patience = Duration::from_secs(20);
        assert!(passwords.verify("x", None).await.is_ok());
    }

    /// The two answers need the same work; a factor of three forgives a busy machine.
    #[tokio::test]
    async fn an_unknown_user_costs_as_much_as_a_known_one() {
        let passwords = Passwords::new(1).unwrap();
        let stored = passwords.hash("correct horse battery").await.unwrap();
        let mut shortest = [Duration::MAX; 2];
        for _ in 0..5 {
            for (kind, stored) in [Some(stored.as_str()), None].into_iter().enumerate() {
                let begin = Instant::now();
                passwords.verify("a wrong guess", stored).await.unwrap();
                shortest[kind] = shortest[kind].min(begin.elapsed());
            }
        }
        let [known, unknown] = shortest;
        assert!(known < 3 * unknown && unknown < 3 * known, "{known:?} {unknown:?}");
    }
}
