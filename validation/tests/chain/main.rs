//! The whole chain as real processes: service, daemon, shim, launcher and program, and everything that can happen to
//! them on the way. The rows of the failure table of the protocol (service reference, 3.5) are tests here.
//!
//! | file | what is done to the chain |
//! |---|---|
//! | `real` | nothing: real runs, over plain HTTP and over TLS |
//! | `network` | the network is gone, slow, or says everything twice |
//! | `killed` | daemon, service and shim are killed, the machine is started anew |
//! | `full` | a disk is full, on either side |
//! | `orders` | drain, cancel, walltime |
//! | `identity` | a copied identity, a revoked token |
//! | `away` | the service is restored from a backup; the owner gives a run up |
//! | `contained` | programs that do what no run may |
//! | `crowd` | three daemons, ten users, cancels and kills |
//! | `load` | what the daemon costs, and whether it is heard under full load (soak) |
//!
//! Those that mostly wait have no `#[test]` of their own: `waiting` runs them side by side.
//!
//! Each test has a service, daemons and folders of its own and ends with [`audit::Audit::hold`]. `site`, `node`, `relay`,
//! `fake` and `witness` are what they share. A fake program stands in where a run must behave in a special way.
#![forbid(unsafe_code)]

mod audit;
mod away;
mod contained;
mod crowd;
mod fake;
mod full;
mod http;
mod identity;
mod killed;
mod load;
mod network;
mod node;
mod orders;
mod real;
mod relay;
mod site;
mod waiting;
mod witness;
