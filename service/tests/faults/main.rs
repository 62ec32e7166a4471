//! The real program as a child process, and what may befall it: `kill -9` at every fail point and at random moments,
//! SIGTERM with requests in flight, a full disk, a restore from a backup, a certificate that changes.
//!
//! What is killed is the process: what it had handed to the system is still written. Whether it also outlives a power
//! cut rests on `synchronous=FULL` and the calls to `fsync`, which no test here can see.
#![forbid(unsafe_code)]

#[allow(dead_code, reason = "shared with the tests of the protocol, which use more of it")]
#[path = "../protocol/daemon.rs"]
mod daemon;
#[allow(dead_code, reason = "shared with the tests of the protocol, which use more of it")]
#[path = "../protocol/world.rs"]
mod world;

mod away;
mod certificate;
mod client;
mod descriptors;
mod disk;
mod kill;
mod load;
mod logs;
#[cfg(feature = "failpoints")]
mod points;
mod program;
mod restore;
mod run;
mod small_disk;
mod stop;
mod twice;
