//! The pages, through the whole router with a real database: each one answers, shows what strangers wrote as text,
//! refuses forms that are not its own, and loses nothing that was typed.
#![forbid(unsafe_code)]

mod board;
mod explore;
mod forms;
mod learn;
mod live;
mod looks;
mod many;
mod operator;
mod result;
mod site;
mod submit;
mod sweeps;
