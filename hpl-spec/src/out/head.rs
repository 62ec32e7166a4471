//! The parameter lines of HPL.out, read back into the sweep they came from.

use super::read::{OutError, wrong};
use crate::dat::Sweep;
use crate::params::{Bcast, Fact, Order, RunParams, Storage, Swap};

/// The labels, in the order of the file.
#[rustfmt::skip]
const LABELS: [&str; 16] = [
    "N", "NB", "PMAP", "P", "Q", "PFACT", "NBMIN", "NDIV", "RFACT", "BCAST", "DEPTH",
    "SWAP", "L1", "U", "EQUIL", "ALIGN",
];

/// The lines read so far: what stands after each label, continuations joined.
#[derive(Default)]
pub(super) struct Head<'a> {
    values: Vec<(usize, &'a str, String)>,
}

impl<'a> Head<'a> {
    /// Takes one line; the sweep once the last line, ALIGN, has come.
    pub fn line(&mut self, number: usize, line: &'a str) -> Result<Option<Sweep>, OutError> {
        if line.starts_with("        ") {
            if let Some((_, _, value)) = self.values.last_mut() {
                value.push_str(line);
            }
            return Ok(None);
        }
        let Some((label, value)) = line.split_once(':') else { return Ok(None) };
        let label = label.trim_end();
        if !LABELS.contains(&label) {
            return Ok(None);
        }
        self.values.push((number, label, value.to_string()));
        if label == "ALIGN" { self.sweep(number).map(Some) } else { Ok(None) }
    }

    fn sweep(&self, end: usize) -> Result<Sweep, OutError> {
        let found = |label: &str| -> Result<(usize, &str), OutError> {
            let value = self.values.iter().find(|(_, known, _)| *known == label);
            let (number, _, value) = value.ok_or_else(|| wrong(end, "ALIGN", format!("the line {label} before it")))?;
            Ok((*number, value.trim()))
        };
        let sizes = |label| {
            let (number, value) = found(label)?;
            list(number, value, |word| word.parse().ok(), "integers")
        };
        let facts = |label| {
            let (number, value) = found(label)?;
            list(number, value, Fact::from_title, "Left, Crout or Right")
        };
        let storage = |label| {
            let (number, value) = found(label)?;
            one(number, value, Storage::from_title, "transposed form or no-transposed form")
        };
        let (p_line, _) = found("P")?;
        let (ps, qs): (Vec<usize>, Vec<usize>) = (sizes("P")?, sizes("Q")?);
        if ps.len() != qs.len() {
            return Err(wrong(p_line, format!("{} P and {} Q", ps.len(), qs.len()), "as many P as Q"));
        }
        let (bcast_line, bcasts) = found("BCAST")?;
        let (order_line, order) = found("PMAP")?;
        let (swap_line, swap) = found("SWAP")?;
        let (equil_line, equil) = found("EQUIL")?;
        let (align_line, align) = found("ALIGN")?;

        let mut sweep = Sweep::of(RunParams::new(0, 1, 1, 1), 0.0);
        sweep.ns = sizes("N")?;
        sweep.nbs = sizes("NB")?;
        sweep.order = one(order_line, order, Order::from_title, "a process mapping")?;
        sweep.grids = ps.into_iter().zip(qs).collect();
        sweep.pfacts = facts("PFACT")?;
        sweep.nbmins = sizes("NBMIN")?;
        sweep.ndivs = sizes("NDIV")?;
        sweep.rfacts = facts("RFACT")?;
        sweep.bcasts = list(bcast_line, bcasts, Bcast::from_title, "names of broadcasts")?;
        sweep.depths = sizes("DEPTH")?;
        sweep.swap = one(swap_line, swap, swap_of, "a row interchange")?;
        sweep.l1 = storage("L1")?;
        sweep.u = storage("U")?;
        sweep.equil = one(equil_line, equil, yes_or_no, "yes or no")?;
        sweep.align = one(align_line, align, align_of, "a number of double precision words")?;
        Ok(sweep)
    }
}

/// `Mix (threshold = 64)` carries a number, the others are titles.
fn swap_of(text: &str) -> Option<Swap> {
    let Some((title, threshold)) = text.split_once(" (threshold = ") else {
        return Swap::from_title(text);
    };
    let threshold = threshold.strip_suffix(')')?.parse().ok()?;
    Some(Swap::from_title(title)?.with_threshold(threshold))
}

fn yes_or_no(text: &str) -> Option<bool> {
    match text {
        "yes" => Some(true),
        "no" => Some(false),
        _ => None,
    }
}

fn align_of(text: &str) -> Option<usize> {
    text.split_whitespace().next()?.parse().ok()
}

/// The value as a whole.
fn one<T>(number: usize, value: &str, read: impl Fn(&str) -> Option<T>, expected: &str) -> Result<T, OutError> {
    read(value).ok_or_else(|| wrong(number, format!("'{value}'"), expected))
}

/// The value word by word; one at least.
fn list<T>(number: usize, value: &str, read: impl Fn(&str) -> Option<T>, expected: &str) -> Result<Vec<T>, OutError> {
    let values: Vec<T> =
        value.split_whitespace().map(|word| one(number, word, &read, expected)).collect::<Result<_, _>>()?;
    if values.is_empty() {
        return Err(wrong(number, "nothing", expected));
    }
    Ok(values)
}
