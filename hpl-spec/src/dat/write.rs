//! The text of an HPL.dat.

use std::fmt::Display;

use super::fields::FIELDS;
use super::{DEFAULT_FILE_NAME, Output, Sweep};
use crate::params::Swap;

/// netlib's default for a threshold that is written but not used.
const USUAL_SWAP_THRESHOLD: usize = 64;

pub(super) fn dat(sweep: &Sweep) -> String {
    let device = match sweep.output {
        Output::Stdout => 6,
        Output::Stderr => 7,
        Output::File(_) => 8,
    };
    let threshold = match sweep.swap {
        Swap::Mix { threshold } => threshold,
        Swap::BinaryExchange | Swap::SpreadRoll => USUAL_SWAP_THRESHOLD,
    };
    let file_name = match &sweep.output {
        Output::File(name) => name,
        Output::Stdout | Output::Stderr => &sweep.file_name,
    };
    let values: [String; 31] = [
        one_line(&sweep.titles[0]),
        one_line(&sweep.titles[1]),
        word(file_name).into(),
        device.to_string(),
        sweep.ns.len().to_string(),
        list(&sweep.ns),
        sweep.nbs.len().to_string(),
        list(&sweep.nbs),
        sweep.order.number().to_string(),
        sweep.grids.len().to_string(),
        list(sweep.grids.iter().map(|(p, _)| p)),
        list(sweep.grids.iter().map(|(_, q)| q)),
        // The shortest digits that read back as the same number.
        format!("{:?}", sweep.threshold),
        sweep.pfacts.len().to_string(),
        list(sweep.pfacts.iter().map(|fact| fact.number())),
        sweep.nbmins.len().to_string(),
        list(&sweep.nbmins),
        sweep.ndivs.len().to_string(),
        list(&sweep.ndivs),
        sweep.rfacts.len().to_string(),
        list(sweep.rfacts.iter().map(|fact| fact.number())),
        sweep.bcasts.len().to_string(),
        list(sweep.bcasts.iter().map(|bcast| bcast.number())),
        sweep.depths.len().to_string(),
        list(&sweep.depths),
        sweep.swap.number().to_string(),
        threshold.to_string(),
        sweep.l1.number().to_string(),
        sweep.u.number().to_string(),
        u8::from(sweep.equil).to_string(),
        sweep.align.to_string(),
    ];
    let mut text = String::new();
    for (value, field) in values.iter().zip(&FIELDS) {
        match field.comment {
            "" => text.push_str(value),
            comment => text.push_str(&format!("{value:<12} {comment}")),
        }
        text.push('\n');
    }
    text
}

/// Free text must not spill into the next line.
fn one_line(text: &str) -> String {
    text.replace(['\n', '\r'], " ")
}

/// A name is read back as the first word of its line.
fn word(name: &str) -> &str {
    name.split_whitespace().next().unwrap_or(DEFAULT_FILE_NAME)
}

fn list<T: Display>(values: impl IntoIterator<Item = T>) -> String {
    let words: Vec<String> = values.into_iter().map(|value| value.to_string()).collect();
    words.join(" ")
}
