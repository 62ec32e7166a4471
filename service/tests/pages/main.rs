//! The pages, through the whole router with a real database: each one answers, shows what strangers wrote as text,
//! refuses forms that are not its own, and loses nothing that was typed.
#![forbid(unsafe_code)]

mod board;
mod forms;
mod looks;
mod operator;
mod site;
mod submit;
mod sweeps;
