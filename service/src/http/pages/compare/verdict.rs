//! What can be said of each two columns, and the sweep that would tell more.

use hpl_spec::api::insight::{PairOutcome, PairVerdict};
use hpl_spec::dat::Sweep;
use hpl_spec::params::RunParams;
use serde::Serialize;

use super::super::forms::query;
use super::number;
use super::rows::Side;

/// The limit of the residual that input files name, as HPL has it.
const THRESHOLD: f64 = 16.0;

/// A verdict in words.
pub(super) struct Said {
    /// The numbers of the columns.
    pub(super) pair: String,
    pub(super) mark: &'static str,
    pub(super) word: String,
    pub(super) text: String,
    /// Whether there is one run on each side.
    pub(super) one_each: bool,
    /// Whether more runs would tell more.
    pub(super) undecided: bool,
    /// The sweeps that run both again; none where there are runs enough.
    pub(super) repeat: Vec<Repeat>,
}

/// The verdicts on all pairs, in the order of the columns.
pub(super) fn all(verdicts: &[PairVerdict], sides: &[Side<'_>], repeats: u32) -> Vec<Said> {
    verdicts.iter().filter_map(|verdict| said(verdict, sides, repeats)).collect()
}

fn said(verdict: &PairVerdict, sides: &[Side<'_>], repeats: u32) -> Option<Said> {
    let (first, second) = (verdict.first as usize, verdict.second as usize);
    let both = [sides.get(first)?, sides.get(second)?];
    let one_each = both.iter().all(|side| side.group.n == 1);
    let (mark, word) = match verdict.outcome {
        // Whatever was answered: of one run each there is no winner.
        _ if one_each => ("waits", "Cannot be told".to_owned()),
        PairOutcome::TooFew => ("waits", "Cannot be told".to_owned()),
        PairOutcome::NoDifference => ("live", "No difference".to_owned()),
        PairOutcome::FirstFaster => ("good", format!("{} is faster", number(first))),
        PairOutcome::SecondFaster => ("good", format!("{} is faster", number(second))),
    };
    let undecided = one_each || verdict.outcome == PairOutcome::TooFew;
    Some(Said {
        pair: format!("{} and {}", number(first), number(second)),
        mark,
        word,
        text: if one_each { String::new() } else { text(verdict) },
        one_each,
        undecided,
        repeat: if undecided { repeat(&[(first, both[0]), (second, both[1])], repeats) } else { vec![] },
    })
}

/// The verdict, and by how much the medians differ where they do.
fn text(verdict: &PairVerdict) -> String {
    let (slower, faster, change) = match (verdict.outcome, verdict.median_change_percent) {
        (PairOutcome::SecondFaster, Some(change)) => (verdict.first, verdict.second, change),
        // From the first one's point of view it is another share.
        (PairOutcome::FirstFaster, Some(change)) => {
            (verdict.second, verdict.first, 100.0 * (1.0 / (1.0 + change / 100.0) - 1.0))
        }
        _ => return verdict.text.clone(),
    };
    let (slower, faster) = (number(slower as usize), number(faster as usize));
    if !change.is_finite() || change <= 0.0 {
        return verdict.text.clone();
    }
    format!("{} The median of {faster} is {change:.1} % above that of {slower}.", verdict.text)
}

/// A link to a new sweep.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Repeat {
    /// The columns that it runs again.
    pub(super) which: String,
    pub(super) address: String,
}

/// Pages of new sweeps that run exactly those groups again, on the nodes where they ran: one where lists of values can
/// say so, else one each.
pub(super) fn repeat(groups: &[(usize, &Side<'_>)], repeats: u32) -> Vec<Repeat> {
    let parameters: Option<Vec<RunParams>> =
        groups.iter().map(|(_, side)| serde_json::from_value(side.group.parameters.clone()).ok()).collect();
    let Some(parameters) = parameters else { return vec![] };
    let kind = |side: &Side<'_>| (side.group.kind.clone(), side.group.cores);
    let one_kind = groups.windows(2).all(|pair| kind(pair[0].1) == kind(pair[1].1));
    if let Some(pairs) = Some(&parameters).filter(|_| one_kind).and_then(|runs| as_lists(runs)) {
        let which = groups.iter().map(|(column, _)| number(*column).to_string()).collect::<Vec<_>>().join(" and ");
        let which = format!("{} {which}", if groups.len() == 1 { "group" } else { "groups" });
        let node = groups.iter().find_map(|(_, side)| side.node());
        return vec![Repeat { which, address: sweep(&pairs, node, repeats) }];
    }
    let each = groups.iter().zip(&parameters).map(|((column, side), one)| {
        let pairs = as_lists(&[*one]).unwrap_or_else(|| as_input(*one));
        Repeat { which: format!("group {}", number(*column)), address: sweep(&pairs, side.node(), repeats) }
    });
    each.collect()
}

/// The page of a new sweep, filled in. All its runs go to their end, however slow they are.
fn sweep(pairs: &[(&str, String)], node: Option<&str>, repeats: u32) -> String {
    let repeats = repeats.to_string();
    let given = pairs.iter().map(|(name, value)| (*name, value.as_str()));
    // `seen`: the page leaves out what it would choose by itself, that is to stop hopeless runs.
    let rest = [("node", node.unwrap_or_default()), ("repeats", &repeats), ("seen", "1")];
    format!("/sweeps/new{}", query(&given.chain(rest).collect::<Vec<_>>()))
}

/// What the lists of the page of a new sweep can say of a run, by the names of its fields. The page runs each value with
/// each other.
fn listed(run: &RunParams) -> [(&'static str, String); 9] {
    [
        ("n", run.n.to_string()),
        ("nb", run.nb.to_string()),
        ("grid", format!("{}x{}", run.p, run.q)),
        ("depth", run.depth.to_string()),
        ("bcast", wire(&run.bcast)),
        ("rfact", wire(&run.rfact)),
        ("pfact", wire(&run.pfact)),
        ("nbmin", run.nbmin.to_string()),
        ("ndiv", run.ndiv.to_string()),
    ]
}

fn wire(word: &impl Serialize) -> String {
    serde_json::to_value(word).ok().and_then(|word| word.as_str().map(str::to_owned)).unwrap_or_default()
}

/// The runs as lists of values; None where lists would make other runs, too, or leave something out.
fn as_lists(runs: &[RunParams]) -> Option<Vec<(&'static str, String)>> {
    let mut lists: Vec<(&str, Vec<String>)> = vec![];
    for run in runs {
        let RunParams { n, nb, p, q, depth, bcast, rfact, pfact, nbmin, ndiv, .. } = *run;
        let usual = RunParams { depth, bcast, rfact, pfact, nbmin, ndiv, ..RunParams::new(n, nb, p, q) };
        if usual != *run {
            return None;
        }
        for (name, value) in listed(run) {
            match lists.iter_mut().find(|(known, _)| *known == name) {
                Some((_, values)) if values.contains(&value) => {}
                Some((_, values)) => values.push(value),
                None => lists.push((name, vec![value])),
            }
        }
    }
    let made: usize = lists.iter().map(|(_, values)| values.len()).product();
    let joined = lists.into_iter().map(|(name, values)| (name, values.join(" ")));
    (made == runs.len()).then(|| joined.collect())
}

/// A run as the input file that says all of it.
fn as_input(run: RunParams) -> Vec<(&'static str, String)> {
    vec![("input", Sweep::of(run, THRESHOLD).to_dat())]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_repeats_exactly_what_was_run() {
        let run = RunParams::new(20_000, 192, 2, 4);
        let pairs = as_lists(&[run, RunParams { nb: 256, ..run }]).unwrap();
        let address = sweep(&pairs, Some("some-node"), 5);
        assert!(address.starts_with("/sweeps/new?n=20000&nb=192%20256&grid=2x4&depth=1&bcast=ring_m&"), "{address}");
        assert!(address.ends_with("&node=some-node&repeats=5&seen=1"), "{address}");
        // Two lists of two would make four runs of them.
        assert_eq!(as_lists(&[run, RunParams { nb: 256, p: 1, q: 8, ..run }]), None);
        // What the lists cannot say goes as an input file.
        let unusual = RunParams { align: 16, ..run };
        assert_eq!(as_lists(&[unusual]), None);
        let address = sweep(&as_input(unusual), None, 5);
        assert!(address.starts_with("/sweeps/new?input=HPL") && address.ends_with("&repeats=5&seen=1"), "{address}");
    }
}
