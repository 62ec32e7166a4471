//! The agent protocol against the real router and database: one whole run, the failure table, races, and random
//! interleavings of daemons, losses, restarts and clocks.
#![forbid(unsafe_code)]

mod chaos;
mod daemon;
mod door;
mod example;
mod held;
mod late;
mod orders;
mod orphans;
mod outcomes;
mod pick;
mod race;
mod table;
mod talk;
mod timers;
mod world;
