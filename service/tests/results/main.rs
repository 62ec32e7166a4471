//! Results, leaderboards and certificates over a real database, a real store and the real routes.

mod board;
mod certificates;
mod common;
mod judging;
mod lists;
