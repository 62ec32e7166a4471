//! Jobs over the routes, with real people, real nodes and a clock that is moved: whose turn it is, what may be asked,
//! what is answered and why something waits. And results of cheats, delivered as a node delivers them.
#![forbid(unsafe_code)]

mod change;
mod cheats;
mod estimate;
mod hopeless;
mod house;
mod lists;
mod quotas;
mod share;
mod submit;
mod sweeps;
mod waits;
#[allow(dead_code, reason = "shared with the tests of the protocol, which use more of it")]
#[path = "../protocol/world.rs"]
mod world;
