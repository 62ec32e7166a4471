//! Secrets that are shown once, and the ids that may be seen by anybody.
//!
//! A token is `hpl_` + the letter of its kind + `_` + 32 random bytes + a checksum of six characters, so that a
//! token that was cut or mistyped is known for what it is without a look into the database. The database
//! holds the SHA-256 of the whole text and nothing else: 256 random bits need no slow hash.
//!
//! A recovery code is 80 random bits in Crockford's base 32, which has no look-alikes: what a person reads
//! as `O`, `I` or `L` is taken for `0` or `1`.

use std::fmt;
use std::sync::Mutex;

use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use uuid::{ContextV7, Timestamp, Uuid};

/// Random bytes in a token.
const RANDOM_BYTES: usize = 32;
/// Characters of those bytes in base64url without padding.
const RANDOM_CHARS: usize = 43;
/// Characters of the checksum: 36 bits, so one typing error in 7 × 10^10 goes unseen.
const CHECK_CHARS: usize = 6;

/// How many recovery codes an account gets.
pub const RECOVERY_CODES: usize = 8;
/// Symbols of a recovery code, five bits each.
const RECOVERY_SYMBOLS: usize = 16;
/// Crockford's base 32: no i, l, o, u.
const CROCKFORD: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// What a token lets its bearer be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TokenKind {
    /// A user of the API.
    User,
    /// A compute node.
    Node,
    /// One attempt of one job.
    Attempt,
    /// A node that wants to join.
    Join,
    /// A person who was invited to sign up.
    Invite,
}

impl TokenKind {
    const ALL: [TokenKind; 5] =
        [TokenKind::User, TokenKind::Node, TokenKind::Attempt, TokenKind::Join, TokenKind::Invite];

    /// What a token of this kind begins with.
    #[must_use]
    pub fn prefix(self) -> &'static str {
        match self {
            TokenKind::User => "hpl_u_",
            TokenKind::Node => "hpl_n_",
            TokenKind::Attempt => "hpl_a_",
            TokenKind::Join => "hpl_j_",
            TokenKind::Invite => "hpl_i_",
        }
    }

    /// The kind that a text claims to be, by its prefix alone.
    #[must_use]
    pub fn of(text: &str) -> Option<TokenKind> {
        Self::ALL.into_iter().find(|kind| text.starts_with(kind.prefix()))
    }
}

impl fmt::Display for TokenKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TokenKind::User => "API token",
            TokenKind::Node => "node token",
            TokenKind::Attempt => "attempt token",
            TokenKind::Join => "join token",
            TokenKind::Invite => "invite token",
        })
    }
}

/// Why a text is no token of the kind asked for. The text itself is never repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It begins like no token.
    #[error("this is no token; needed here: {expected}, which begins with {}", .expected.prefix())]
    NoToken {
        /// The kind asked for.
        expected: TokenKind,
    },
    /// It is a token for something else.
    #[error("this token is of another kind ({found}); needed here: {expected}, which begins with {}", .expected.prefix())]
    OtherKind {
        /// The kind that came.
        found: TokenKind,
        /// The kind asked for.
        expected: TokenKind,
    },
    /// It was cut, or something was pasted with it.
    #[error("this {expected} has {found} characters instead of {}; copy the whole of it", token_length(*.expected))]
    Length {
        /// The kind asked for.
        expected: TokenKind,
        /// Characters that came.
        found: usize,
    },
    /// Its checksum is wrong.
    #[error("this {expected} is mistyped: its checksum is wrong; copy it again")]
    Checksum {
        /// The kind asked for.
        expected: TokenKind,
    },
}

fn token_length(kind: TokenKind) -> usize {
    kind.prefix().len() + RANDOM_CHARS + CHECK_CHARS
}

/// SHA-256 of a secret's text: what the database stores and finds it by. Compared in constant time.
#[derive(Clone, Copy)]
pub struct TokenHash([u8; 32]);

impl TokenHash {
    /// The hash of a text, whatever it is; for tokens use [`parse`].
    #[must_use]
    pub fn of(text: &str) -> TokenHash {
        TokenHash(Sha256::digest(text.as_bytes()).into())
    }

    /// The 32 bytes, for a column of the database.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// A hash out of a column of the database; `None` if it has not 32 bytes.
    #[must_use]
    pub fn from_slice(bytes: &[u8]) -> Option<TokenHash> {
        bytes.try_into().ok().map(TokenHash)
    }
}

impl PartialEq for TokenHash {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for TokenHash {}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenHash({})", HEXLOWER.encode(&self.0))
    }
}

/// A secret on its way to its owner. It is neither cloned nor printed; [`Secret::reveal`] is the one way to see it.
pub struct Secret {
    text: String,
    hash: TokenHash,
}

impl Secret {
    /// A new token of a kind, from the operating system's randomness by way of rand's generator.
    #[must_use]
    pub fn new(kind: TokenKind) -> Secret {
        Secret::from_bytes(kind, &rand::random())
    }

    /// The token of a kind whose random part is given.
    pub(crate) fn from_bytes(kind: TokenKind, bytes: &[u8; RANDOM_BYTES]) -> Secret {
        let text = format!("{}{}{}", kind.prefix(), BASE64URL_NOPAD.encode(bytes), checksum(kind, bytes));
        let hash = TokenHash::of(&text);
        Secret { text, hash }
    }

    /// The text, to be shown once.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.text
    }

    /// What is kept of it.
    #[must_use]
    pub fn hash(&self) -> TokenHash {
        self.hash
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// The first characters of base64url(SHA-256(prefix, bytes)).
fn checksum(kind: TokenKind, bytes: &[u8]) -> String {
    let digest = Sha256::new().chain_update(kind.prefix()).chain_update(bytes).finalize();
    let mut text = BASE64URL_NOPAD.encode(&digest);
    text.truncate(CHECK_CHARS);
    text
}

/// Reads a token of a kind; blanks around it are forgiven.
///
/// # Errors
/// What is wrong with the text, without the text.
pub fn parse(kind: TokenKind, text: &str) -> Result<TokenHash, TokenError> {
    let text = text.trim_ascii();
    match TokenKind::of(text) {
        None => return Err(TokenError::NoToken { expected: kind }),
        Some(found) if found != kind => return Err(TokenError::OtherKind { found, expected: kind }),
        Some(_) => {}
    }
    let wrong_length = || TokenError::Length { expected: kind, found: text.chars().count() };
    if text.len() != token_length(kind) {
        return Err(wrong_length());
    }
    let (head, check) = text.split_at_checked(text.len() - CHECK_CHARS).ok_or_else(wrong_length)?;
    let bytes = BASE64URL_NOPAD
        .decode(&head.as_bytes()[kind.prefix().len()..])
        .map_err(|_| TokenError::Checksum { expected: kind })?;
    if checksum(kind, &bytes) == check { Ok(TokenHash::of(text)) } else { Err(TokenError::Checksum { expected: kind }) }
}

/// Eight new recovery codes such as `7k3q-9mzx-04tv-hhw2`; [`Secret::hash`] equals [`recovery_hash`] of each.
#[must_use]
pub fn recovery_codes() -> Vec<Secret> {
    (0..RECOVERY_CODES).map(|_| recovery_code()).collect()
}

fn recovery_code() -> Secret {
    let bits: [u8; RECOVERY_SYMBOLS] = rand::random();
    let symbols: String = bits.iter().map(|b| char::from(CROCKFORD[usize::from(b % 32)])).collect();
    let hash = TokenHash::of(&symbols);
    let groups: Vec<&str> = (0..RECOVERY_SYMBOLS / 4).map(|g| &symbols[4 * g..4 * g + 4]).collect();
    Secret { text: groups.join("-"), hash }
}

/// The hash of a recovery code as a person typed it: capitals, hyphens and blanks do not matter, and O, I, L
/// stand for 0, 1, 1. `None` if it cannot be a code.
#[must_use]
pub fn recovery_hash(typed: &str) -> Option<TokenHash> {
    let mut symbols = String::with_capacity(RECOVERY_SYMBOLS);
    for typed in typed.chars().filter(|c| !c.is_whitespace() && *c != '-') {
        let symbol = match typed.to_ascii_lowercase() {
            'o' => '0',
            'i' | 'l' => '1',
            other => other,
        };
        if symbols.len() == RECOVERY_SYMBOLS || !CROCKFORD.contains(&u8::try_from(symbol).ok()?) {
            return None;
        }
        symbols.push(symbol);
    }
    (symbols.len() == RECOVERY_SYMBOLS).then(|| TokenHash::of(&symbols))
}

/// The clock and counter behind [`random_id`].
static IDS: Mutex<ContextV7> = Mutex::new(ContextV7::new());

/// A new id: UUID version 7 (RFC 9562) at `now`, in milliseconds since the Unix epoch. Ids of one process sort
/// in the order of their making, also within one millisecond and when the clock steps back.
///
/// # Panics
/// If `Id` refuses a UUID in lower case; the ids of `hpl-spec` and `String` do not.
#[must_use]
pub fn random_id<Id>(now: i64) -> Id
where
    Id: TryFrom<String>,
    Id::Error: fmt::Debug,
{
    let millis = u64::try_from(now).unwrap_or(0);
    let nanos = u32::try_from(millis % 1000 * 1_000_000).unwrap_or(0);
    let stamp = Timestamp::from_unix(&IDS, millis / 1000, nanos);
    Id::try_from(Uuid::new_v7(stamp).to_string()).expect("a UUID in lower case is an id")
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_token_is_read_back_and_only_as_its_kind() {
        for kind in TokenKind::ALL {
            let secret = Secret::new(kind);
            let text = secret.reveal();
            assert_eq!(text.len(), token_length(kind));
            assert_eq!(parse(kind, text), Ok(secret.hash()));
            assert_eq!(parse(kind, &format!(" {text}\n")), Ok(secret.hash()));
            for expected in TokenKind::ALL.into_iter().filter(|k| *k != kind) {
                assert_eq!(parse(expected, text), Err(TokenError::OtherKind { found: kind, expected }));
            }
            // a prefix that was exchanged does not turn one kind into another
            let other = if kind == TokenKind::User { TokenKind::Node } else { TokenKind::User };
            let forged = text.replacen(kind.prefix(), other.prefix(), 1);
            assert_eq!(parse(other, &forged), Err(TokenError::Checksum { expected: other }));
        }
    }

    #[test]
    fn every_single_mistyped_character_is_seen() {
        let secret = Secret::new(TokenKind::User);
        let text = secret.reveal();
        for at in 6..text.len() {
            for to in ["A", "b", "7", "-", "_", "+", "="] {
                let mut wrong = text.to_owned();
                wrong.replace_range(at..=at, to);
                assert_eq!(parse(TokenKind::User, &wrong).is_ok(), wrong == text, "{at} {to}");
            }
        }
        let cut = &text[..text.len() - 1];
        assert_eq!(parse(TokenKind::User, cut), Err(TokenError::Length { expected: TokenKind::User, found: 54 }));
        assert_eq!(parse(TokenKind::User, ""), Err(TokenError::NoToken { expected: TokenKind::User }));
    }

    #[test]
    fn nothing_printed_holds_the_secret() {
        let secret = Secret::new(TokenKind::Node);
        assert_eq!(format!("{secret:?}"), "Secret(…)");
        let random = &secret.reveal()[6..];
        let error = parse(TokenKind::User, secret.reveal()).unwrap_err();
        assert!(!error.to_string().contains(random) && !format!("{error:?}").contains(random));
    }

    #[test]
    fn a_hash_survives_the_database() {
        let hash = TokenHash::of("x");
        assert_eq!(TokenHash::from_slice(hash.as_bytes()), Some(hash));
        assert_eq!(TokenHash::from_slice(&[0; 31]), None);
        assert_ne!(TokenHash::of("y"), hash);
    }

    #[test]
    fn recovery_codes_forgive_how_they_are_typed() {
        let codes = recovery_codes();
        assert_eq!(codes.len(), RECOVERY_CODES);
        let different: HashSet<&str> = codes.iter().map(Secret::reveal).collect();
        assert_eq!(different.len(), RECOVERY_CODES);
        for code in &codes {
            let text = code.reveal();
            assert_eq!(text.len(), 19);
            assert_eq!(recovery_hash(text), Some(code.hash()));
            assert_eq!(recovery_hash(&text.to_uppercase().replace('-', " ")), Some(code.hash()));
            assert_eq!(recovery_hash(&text.replace('0', "O").replace('1', "l")), Some(code.hash()));
            assert_eq!(recovery_hash(&text[1..]), None);
            assert_eq!(recovery_hash(&format!("{text}0")), None);
        }
        assert_eq!(recovery_hash("uuuu-uuuu-uuuu-uuuu"), None);
        assert_eq!(recovery_hash("ſſſſ-ſſſſ-ſſſſ-ſſſſ"), None);
    }

    #[test]
    fn ids_sort_as_they_are_made_even_if_the_clock_steps_back() {
        let mut last: String = random_id(1_700_000_000_000);
        for step in 0..20_000_i64 {
            let now = 1_700_000_000_000 + step / 1000 - if step % 7 == 0 { 5 } else { 0 };
            let next: String = random_id(now);
            assert!(next > last, "{next} after {last}");
            last = next;
        }
        let before_the_epoch: String = random_id(-1);
        assert_eq!(before_the_epoch.len(), 36);
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "\\PC{0,80}", tail in "\\PC{0,60}") {
            let _ = recovery_hash(&text);
            for kind in TokenKind::ALL {
                prop_assert!(parse(kind, &text).is_err());
                let forged = format!("{}{tail}", kind.prefix());
                prop_assert!(parse(kind, &forged).is_err());
            }
        }
    }
}
