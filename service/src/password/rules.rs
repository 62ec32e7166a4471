//! What is accepted as a password and as a username.

/// Fewest characters of a password.
pub const MIN_CHARS: usize = 10;
/// Most characters of a password.
pub const MAX_CHARS: usize = 128;
/// Characters that must be left of a password once the username is taken out of it.
const MIN_CHARS_BESIDE_NAME: usize = 8;
/// A password that is guessed within so many tries is among the commonest. zxcvbn counts a listed word by its
/// rank, and 10 000 more for each further part: this is the list and the simplest pairs, `Password1234`.
const COMMON_GUESSES: u64 = 20_000;
/// Characters that are judged for commonness; the time of that judgement grows faster than their number.
const JUDGED_CHARS: usize = 64;

/// Why a text is not accepted as a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PasswordProblem {
    /// Too short.
    #[error("a password needs at least {MIN_CHARS} characters; this one has {found}")]
    TooShort {
        /// Characters that came.
        found: usize,
    },
    /// Too long.
    #[error("the password has {found} characters; at most {MAX_CHARS} are possible")]
    TooLong {
        /// Characters that came.
        found: usize,
    },
    /// The username, or little more than it.
    #[error(
        "the password is little more than the username; without it, {MIN_CHARS_BESIDE_NAME} characters must be left"
    )]
    Username,
    /// One of those that everybody tries first.
    #[error("the password is one of the commonest and would be guessed at once; take three or four unrelated words")]
    Common,
}

/// May this be a user's password?
///
/// # Errors
/// What is wrong with it, in words for the user.
pub fn check(password: &str, username: &str) -> Result<(), PasswordProblem> {
    let found = password.chars().count();
    if found < MIN_CHARS {
        return Err(PasswordProblem::TooShort { found });
    }
    if found > MAX_CHARS {
        return Err(PasswordProblem::TooLong { found });
    }
    let (password, username) = (password.to_lowercase(), username.to_lowercase());
    if !username.is_empty() && password.contains(&username) {
        let beside_name = password.replace(&username, "").chars().count();
        if beside_name < MIN_CHARS_BESIDE_NAME {
            return Err(PasswordProblem::Username);
        }
    }
    let judged: String = password.chars().take(JUDGED_CHARS).collect();
    let guesses = zxcvbn::zxcvbn(&judged, &[&username, "linpack", "hplaas"]).guesses();
    if guesses < COMMON_GUESSES { Err(PasswordProblem::Common) } else { Ok(()) }
}

/// Why a text is not accepted as a username.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UsernameProblem {
    /// Wrong length, wrong characters or a wrong first one.
    #[error("a username has 3 to 32 of the characters a-z, 0-9, _ and -, the first one a letter or a digit")]
    Form,
    /// A name that could be taken for the service's own.
    #[error("this username is reserved; choose another one")]
    Reserved,
}

/// Names that could be taken for a page, a part or a voice of the service.
const RESERVED: &[&str] = &[
    "about",
    "abuse",
    "account",
    "accounts",
    "admin",
    "administrator",
    "agent",
    "agents",
    "all",
    "anonymous",
    "api",
    "assets",
    "audit",
    "benchmark",
    "benchmarks",
    "compare",
    "docs",
    "everyone",
    "express",
    "guest",
    "healthz",
    "help",
    "hpl",
    "hplaas",
    "info",
    "invite",
    "job",
    "jobs",
    "join",
    "leaderboard",
    "learn",
    "linpack",
    "login",
    "logout",
    "me",
    "metrics",
    "mod",
    "moderator",
    "new",
    "nobody",
    "node",
    "nodes",
    "none",
    "null",
    "official",
    "openapi",
    "operator",
    "owner",
    "postmaster",
    "public",
    "queue",
    "readyz",
    "recover",
    "root",
    "security",
    "self",
    "service",
    "settings",
    "signup",
    "static",
    "staff",
    "status",
    "support",
    "sweep",
    "sweeps",
    "system",
    "test",
    "token",
    "tokens",
    "undefined",
    "user",
    "users",
    "webmaster",
    "you",
];

/// May this be a username?
///
/// # Errors
/// What is wrong with it, in words for the user.
pub fn check_username(name: &str) -> Result<(), UsernameProblem> {
    let is_alphanumeric = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let well_formed = (3..=32).contains(&name.len())
        && name.bytes().all(|b| is_alphanumeric(b) || b == b'_' || b == b'-')
        && name.bytes().next().is_some_and(is_alphanumeric);
    if !well_formed {
        return Err(UsernameProblem::Form);
    }
    if RESERVED.contains(&name) { Err(UsernameProblem::Reserved) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn passwords_are_judged() {
        assert_eq!(check("correct horse battery", "alice"), Ok(()));
        assert_eq!(check("Zürich-läuft-42", "alice"), Ok(()));
        assert_eq!(check("bobsled in a hot summer", "bob"), Ok(()));
        assert_eq!(check("123456789", "alice"), Err(PasswordProblem::TooShort { found: 9 }));
        assert_eq!(check("€€€€€€€€€", "alice"), Err(PasswordProblem::TooShort { found: 9 }));
        assert_eq!(check(&"ab3-".repeat(33), "alice"), Err(PasswordProblem::TooLong { found: 132 }));
        for common in ["1234567890", "password123", "qwertyuiop", "Password1234", "aaaaaaaaaaaa", "1q2w3e4r5t"] {
            assert_eq!(check(common, "alice"), Err(PasswordProblem::Common), "{common}");
        }
        for name in ["alice-the-great", "Alice-The-Great", "1alice-the-great!"] {
            assert_eq!(check(name, "alice-the-great"), Err(PasswordProblem::Username), "{name}");
        }
        assert_eq!(check("bob1234567", "bob"), Err(PasswordProblem::Username));
    }

    #[test]
    fn usernames_are_judged() {
        for good in ["bob", "7of9", "a-b_c", &"x".repeat(32)] {
            assert_eq!(check_username(good), Ok(()), "{good}");
        }
        for bad in ["", "ab", "-ab", "_ab", "Bob", "b b", "böb", "a/b", "a.b", "bob\n", "<b>", &"x".repeat(33)] {
            assert_eq!(check_username(bad), Err(UsernameProblem::Form), "{bad}");
        }
        for taken in RESERVED.iter().filter(|name| name.len() >= 3) {
            assert_eq!(check_username(taken), Err(UsernameProblem::Reserved), "{taken}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn no_password_panics(password in "\\PC{0,140}", username in "\\PC{0,40}") {
            let _ = check(&password, &username);
            let _ = check_username(&username);
        }
    }
}
