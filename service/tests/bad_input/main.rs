//! Bytes that nobody should send, sent to the program itself. Whatever comes, the answer is a problem with clear words
//! or a closed connection; the service lives, nothing panics, and nothing of its inside is told.
#![forbid(unsafe_code)]

mod bodies;
mod bytes;
mod numbers;
mod program;
mod words;
