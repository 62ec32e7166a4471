//! What must not work, seen from outside. Every promise and the tests that keep it:
//!
//! | promise | tests |
//! |---|---|
//! | passwords are argon2id, with rules, and hashed again when the parameters rise | `accounts::signup`, unit tests of `password` |
//! | same answer and time for names that nobody has | `accounts::login::nobody_learns_which_names_exist`, `accounts::signup::a_recovery_code…` |
//! | delays by account and address, buckets by address | `accounts::login` |
//! | sessions: cookie, rotation, idle and absolute end, list, revocation | `accounts::sessions`; over TLS: [`program`] |
//! | CSRF: another origin changes nothing, forms carry a token | `accounts::csrf`; every route: [`matrix`] |
//! | tokens: from the header alone, kinds, scopes, expiry, rotation, revocation | `accounts::tokens`; every route: [`matrix`]; nodes: [`nodes`] |
//! | secrets are hashes in the data folder and nowhere in the log | `accounts::login::what_can_open_a_door…`, [`program`] |
//! | headers on every kind of answer | [`matrix`], `watch::layers` |
//! | artifacts are attachments, logs are text | `watch::files` |
//! | private jobs are as absent ones | [`matrix`], `watch::streams`, `results::lists` |
//! | every change is audited | `accounts::manage`, `accounts::login` |
#![forbid(unsafe_code)]

mod matrix;
mod nodes;
mod program;
#[path = "../accounts/support.rs"]
#[allow(dead_code, reason = "the tests of accounts use the rest")]
mod support;
