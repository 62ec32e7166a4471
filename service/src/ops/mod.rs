//! What can be done, for the JSON routes and the pages alike: both call the same functions.

pub mod accounts;
pub mod insight;
pub mod jobs;
pub mod nodes;
pub mod operator;
pub mod record;
pub mod results;
