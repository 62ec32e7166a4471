//! From lists that people type to the HPL.dat of a sweep.
//!
//! ```text
//!   128 192 256                 values
//!   4000..20000 step 4000       a range, both ends included
//!   1x4 2x2                     grids, P x Q
//! ```

use hpl_spec::advice::block_size;
use hpl_spec::benchmark::Problem;
use hpl_spec::dat::Sweep;
use hpl_spec::params::{Bcast, Fact, RunParams};

use super::super::forms::Fields;

/// Values of a list in HPL.dat.
const MOST: usize = 20;
/// The limit of the check: line 13 is ours, whatever is written there.
const THRESHOLD: f64 = 16.0;

/// The HPL.dat of the lists of a form.
///
/// # Errors
/// What is wrong, list by list.
pub(super) fn dat(sent: &Fields) -> Result<String, Vec<Problem>> {
    let mut problems = vec![];
    let mut list = |name: &str| match numbers(sent.get(name)) {
        Ok(values) => values,
        Err(why) => {
            problems.push(Problem::new(name, why));
            vec![]
        }
    };
    let [ns, nbs, depths, nbmins, ndivs] = ["n", "nb", "depth", "nbmin", "ndiv"].map(&mut list);
    let grids = grids(sent.get("grid")).unwrap_or_else(|why| {
        problems.push(Problem::new("grid", why));
        vec![]
    });
    let (bcasts, pfacts, rfacts) = (
        words("bcast", sent, Bcast::from_name, &mut problems),
        words("pfact", sent, Fact::from_name, &mut problems),
        words("rfact", sent, Fact::from_name, &mut problems),
    );
    if ns.is_empty() && problems.iter().all(|p| p.field != "n") {
        problems.push(Problem::new("n", "is missing; expected one value or more, such as 4000 8000"));
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let largest = ns.iter().copied().max().unwrap_or_default();
    let one = Sweep::of(RunParams::new(largest, block_size(largest), 1, 1), THRESHOLD);
    let or = |list: Vec<usize>, usual: Vec<usize>| if list.is_empty() { usual } else { list };
    let sweep = Sweep {
        ns,
        nbs: or(nbs, one.nbs.clone()),
        grids: if grids.is_empty() { one.grids.clone() } else { grids },
        depths: or(depths, one.depths.clone()),
        nbmins: or(nbmins, one.nbmins.clone()),
        ndivs: or(ndivs, one.ndivs.clone()),
        bcasts: if bcasts.is_empty() { one.bcasts.clone() } else { bcasts },
        pfacts: if pfacts.is_empty() { one.pfacts.clone() } else { pfacts },
        rfacts: if rfacts.is_empty() { one.rfacts.clone() } else { rfacts },
        titles: [one.titles[0].clone(), "A sweep, written by the service".to_owned()],
        ..one
    };
    Ok(sweep.to_dat())
}

/// Whole numbers and ranges of them; what is there twice counts once.
fn numbers(text: &str) -> Result<Vec<usize>, String> {
    // A step may be written apart from its range and its number, and dots apart from theirs.
    let text = text.replace([',', ';'], " ").replace("..", " .. ").replace("step", " step ");
    let mut words = text.split_whitespace().peekable();
    let mut values = vec![];
    while let Some(word) = words.next() {
        let first = number(word)?;
        if words.next_if_eq(&"..").is_none() {
            values.push(first);
        } else {
            let last = number(words.next().unwrap_or_default())?;
            let (Some(_), Some(step)) = (words.next_if_eq(&"step"), words.next()) else {
                return Err(format!("a range needs its step: expected such as {first}..{last} step 1000"));
            };
            let step = number(step)?;
            if step == 0 || last < first {
                return Err(format!(
                    "found {first}..{last} step {step}; expected the smaller end first and a step above 0"
                ));
            }
            values.extend((first..=last).step_by(step).take(MOST + 1));
        }
        if values.len() > 10 * MOST {
            break;
        }
    }
    one_each(values)
}

fn number(word: &str) -> Result<usize, String> {
    let found: String = word.chars().take(60).collect();
    let wrong = || format!("found `{found}`; expected whole numbers, such as 128 192 256, or 4000..20000 step 4000");
    word.parse().ok().filter(|n| *n <= hpl_spec::params::INT_MAX).ok_or_else(wrong)
}

fn grids(text: &str) -> Result<Vec<(usize, usize)>, String> {
    let text = text.to_lowercase().replace(['×', '*'], "x").replace([',', ';'], " ").replace('x', " x ");
    let mut words = text.split_whitespace();
    let mut grids = vec![];
    while let Some(p) = words.next() {
        let side = |word: Option<&str>| word.and_then(|word| word.parse::<usize>().ok()).filter(|side| *side > 0);
        let (p, x, q) = (side(Some(p)), words.next(), side(words.next()));
        match (p, x, q) {
            (Some(p), Some("x"), Some(q)) => grids.push((p, q)),
            _ => return Err("expected grids of P x Q, such as 1x4 2x2".to_owned()),
        }
        if grids.len() > 10 * MOST {
            break;
        }
    }
    one_each(grids)
}

fn words<W: PartialEq>(name: &str, sent: &Fields, read: fn(&str) -> Option<W>, problems: &mut Vec<Problem>) -> Vec<W> {
    let mut found = vec![];
    for word in sent.all(name).flat_map(str::split_whitespace) {
        match read(word) {
            Some(word) if !found.contains(&word) => found.push(word),
            Some(_) => {}
            None => problems.push(Problem::new(name, "expected the words that the form offers")),
        }
    }
    found
}

fn one_each<T: PartialEq>(values: Vec<T>) -> Result<Vec<T>, String> {
    let mut each = vec![];
    for value in values {
        if !each.contains(&value) {
            each.push(value);
        }
    }
    if each.len() > MOST { Err(format!("expected at most {MOST} values; cut the list in parts")) } else { Ok(each) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(pairs: &[(&str, &str)]) -> Fields {
        let mut fields = Fields::default();
        pairs.iter().for_each(|(name, value)| fields.push(name, *value));
        fields
    }

    #[test]
    fn lists_are_values_and_ranges() {
        for (text, values) in [
            ("", &[][..]),
            ("128 192,256", &[128, 192, 256]),
            ("4000..20000 step 4000", &[4000, 8000, 12_000, 16_000, 20_000]),
            ("1 .. 6 step 2;9", &[1, 3, 5, 9]),
            ("8..8 step1 8 8", &[8]),
        ] {
            assert_eq!(numbers(text).as_deref(), Ok(values), "{text}");
        }
        for (text, words) in [
            ("4000..8000", "needs its step"),
            ("4000..", "found ``"),
            ("9..1 step 1", "the smaller end first"),
            ("1..9 step 0", "a step above 0"),
            ("1e3", "found `1e3`"),
            ("-1", "found `-1`"),
            ("1..21 step 1", "at most 20"),
            ("1..2000000000 step 1", "at most 20"),
        ] {
            let why = numbers(text).unwrap_err();
            assert!(why.contains(words), "{text}: {why}");
        }
    }

    #[test]
    fn grids_are_pairs() {
        assert_eq!(grids("1x4 2 × 2, 4X1"), Ok(vec![(1, 4), (2, 2), (4, 1)]));
        for wrong in ["1", "1x", "x4", "0x4", "1x4x2", "2y2"] {
            assert!(grids(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_typed_reads_back_as_the_sweep() {
        let typed = fields(&[
            ("n", "4000..8000 step 4000"),
            ("nb", "128 192"),
            ("grid", "1x2 2x1"),
            ("bcast", "ring"),
            ("bcast", "long"),
            ("depth", "0 1"),
        ]);
        let sweep = Sweep::parse(&dat(&typed).unwrap(), usize::MAX).unwrap();
        assert_eq!((sweep.ns.as_slice(), sweep.nbs.as_slice()), (&[4000, 8000][..], &[128, 192][..]));
        assert_eq!(
            (sweep.grids.as_slice(), sweep.bcasts.as_slice()),
            (&[(1, 2), (2, 1)][..], &[Bcast::Ring, Bcast::Long][..])
        );
        assert_eq!((sweep.depths.as_slice(), sweep.nbmins.as_slice(), sweep.tests()), (&[0, 1][..], &[8][..], 32));
        let short = Sweep::parse(&dat(&fields(&[("n", "9000")])).unwrap(), usize::MAX).unwrap();
        assert_eq!((short.nbs, short.grids), (vec![256], vec![(1, 1)]));
        let wrong = dat(&fields(&[("nb", "x"), ("grid", "x"), ("bcast", "x")])).unwrap_err();
        let named: Vec<_> = wrong.iter().map(|problem| problem.field.as_str()).collect();
        assert_eq!(named, ["nb", "grid", "bcast", "n"]);
    }
}
