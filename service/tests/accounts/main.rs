//! Accounts through the router, with a real database: each line of section 5.3 as a test that it cannot be got round.

mod console;
mod csrf;
mod login;
mod manage;
mod proxy;
mod sessions;
mod signup;
mod support;
mod tokens;
