//! The daemon's own decisions ([`node_daemon::agent`]) against the service's own router and database, with a network in
//! between that loses, doubles, delays and reorders calls, under a clock that jumps, with daemons and machines that
//! restart at any moment. Only files and processes are played here; both sides of the wire are the real ones.
#![forbid(unsafe_code)]

mod chaos;
mod node;
#[path = "../../../service/tests/protocol/world.rs"]
mod world;
