//! Files beside the database, as the rest of the service and its users see them.

mod backup;
mod certificate;
mod private;
#[path = "../faults/small_disk.rs"]
mod small_disk;
mod store;
mod transfer;
