//! Files beside the database, as the rest of the service and its users see them.

mod backup;
mod certificate;
mod private;
mod store;
mod transfer;
