//! Watching, with a real database, a real router and all outer layers: streams that lose and double nothing, files,
//! health, figures, and what every answer has.

mod files;
mod house;
mod layers;
mod streams;
