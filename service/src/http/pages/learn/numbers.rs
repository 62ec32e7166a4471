//! The reader's own numbers: N, NB, P and Q as a page was asked for them, with what is wrong at its field.

use hpl_spec::advice::block_size;
use hpl_spec::benchmark::Problem;
use hpl_spec::params::{Order, RunParams};

use crate::error::Error;
use crate::http::pages::forms::{Fields, Wrong};
use crate::picture::layout::Layout;
use crate::picture::text;

/// The largest numbers that are drawn: beyond any machine there is.
const MOST_N: u64 = 50_000_000;
const MOST_NB: u64 = 10_000;
const MOST_SIDE: u64 = 64;
/// Block columns for every column of the grid below which ranks wait for each other, as the registry warns.
const ENOUGH: u64 = 20;
const LEAST_NB: u64 = 32;

/// N, NB, P and Q.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Numbers {
    pub n: u64,
    pub nb: u64,
    pub p: u64,
    pub q: u64,
}

impl Numbers {
    /// With a block size that serves for N on that grid: the usual one, halved until every row and column of the grid
    /// has enough blocks to wait little.
    pub fn usual(n: u64, p: u64, q: u64) -> Numbers {
        let mut nb = block_size(n as usize) as u64;
        while nb > LEAST_NB && ENOUGH * nb * p.max(q) > n {
            nb /= 2;
        }
        Numbers { n, nb, p, q }
    }

    /// The same with N in whole blocks, where it has any.
    pub fn in_blocks(self) -> Numbers {
        let n = self.n / self.nb * self.nb;
        if n == 0 { self } else { Numbers { n, ..self } }
    }

    /// The numbers of a run by its label, such as `N=8000 NB=192 1x2`.
    pub fn of_label(label: &str) -> Option<Numbers> {
        let mut words = label.split_whitespace();
        let n = words.next()?.strip_prefix("N=")?.parse().ok()?;
        let nb = words.next()?.strip_prefix("NB=")?.parse().ok()?;
        let (p, q) = words.next()?.split_once('x')?;
        Some(Numbers { n, nb, p: p.parse().ok()?, q: q.parse().ok()? })
    }

    /// As the query of an address.
    pub fn query(&self) -> String {
        format!("?n={}&nb={}&p={}&q={}", self.n, self.nb, self.p, self.q)
    }

    /// In words.
    pub fn words(&self) -> String {
        format!("N = {}, NB = {}, {} × {}", text::count(self.n), self.nb, self.p, self.q)
    }

    pub fn layout(&self) -> Layout {
        Layout::new(self.n, self.nb, self.p, self.q)
    }

    /// With the usual values for all else.
    pub fn params(&self) -> RunParams {
        RunParams::new(self.n as usize, self.nb as usize, self.p as usize, self.q as usize)
    }

    pub fn ranks(&self) -> u64 {
        self.p * self.q
    }

    /// Panels of the whole factorization.
    pub fn panels(&self) -> u64 {
        self.n.div_ceil(self.nb)
    }

    /// Bytes of the matrix.
    pub fn matrix_bytes(&self) -> u64 {
        self.n.saturating_mul(self.n).saturating_mul(8)
    }

    /// The same ranks numbered by columns.
    pub fn by_columns(&self) -> Layout {
        self.layout().numbered(Order::ColumnMajor)
    }
}

/// A field of the small form.
pub struct NumberField {
    pub name: &'static str,
    pub title: &'static str,
    pub about: &'static str,
    pub value: String,
    pub wrong: String,
}

/// What a page was asked for.
pub struct Asked {
    pub numbers: Numbers,
    /// Whether any of them was named, so that they are taken along from page to page.
    pub named: bool,
    pub fields: Vec<NumberField>,
    pub wrong: Wrong,
}

impl Asked {
    /// Reads the query. For what is left out, or wrong, `usual` is taken; a left out NB follows N.
    pub fn read(asked: &Fields, usual: Numbers) -> Asked {
        let mut problems = vec![];
        let mut read = |name: &'static str, most: u64| number(asked, name, most, &mut problems);
        let (n, nb) = (read("n", MOST_N), read("nb", MOST_NB));
        let (p, q) = (read("p", MOST_SIDE), read("q", MOST_SIDE));
        let size = n.unwrap_or(usual.n);
        let (p, q) = (p.unwrap_or(usual.p), q.unwrap_or(usual.q));
        let follows = if n.is_some() { Numbers::usual(size, p, q).nb } else { usual.nb };
        let numbers = Numbers { n: size, nb: nb.unwrap_or(follows), p, q };
        let wrong = match problems.is_empty() {
            true => Wrong::default(),
            false => Wrong::of(&Error::invalid(problems), str::to_owned),
        };
        let field = |name, title, about, value: u64| NumberField {
            name,
            title,
            about,
            value: asked.filled(name).map_or_else(|| value.to_string(), str::to_owned),
            wrong: wrong.at(name),
        };
        let fields = vec![
            field("n", "N", "equations", numbers.n),
            field("nb", "NB", "columns of a block", numbers.nb),
            field("p", "P", "rows of ranks", numbers.p),
            field("q", "Q", "columns of ranks", numbers.q),
        ];
        let named = ["n", "nb", "p", "q"].iter().any(|name| asked.filled(name).is_some());
        Asked { numbers, named, fields, wrong }
    }

    /// What is added to the addresses of other topics.
    pub fn carried(&self) -> String {
        if self.named { self.numbers.query() } else { String::new() }
    }
}

/// A whole number from 1 on; blanks and commas between its digits are left out, as people write them.
pub fn number(asked: &Fields, name: &str, most: u64, problems: &mut Vec<Problem>) -> Option<u64> {
    let text = asked.filled(name)?;
    let digits: String = text.chars().filter(|c| !c.is_whitespace() && !matches!(c, ',' | '_')).collect();
    let number = digits.parse().ok().filter(|number| (1..=most).contains(number));
    if number.is_none() {
        let found: String = text.chars().take(60).collect();
        problems.push(Problem::new(name, format!("found `{found}`; expected a whole number from 1 to {most}")));
    }
    number
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(pairs: &[(&str, &str)]) -> Asked {
        let mut fields = Fields::default();
        pairs.iter().for_each(|(name, value)| fields.prefill(name, *value));
        Asked::read(&fields, Numbers::usual(8000, 2, 4))
    }

    #[test]
    fn what_is_left_out_or_wrong_is_usual() {
        let none = asked(&[]);
        assert_eq!((none.numbers, none.named), (Numbers { n: 8000, nb: 64, p: 2, q: 4 }, false));
        let some = asked(&[("n", "2,000"), ("q", "3")]);
        assert_eq!(some.numbers, Numbers { n: 2000, nb: 32, p: 2, q: 3 });
        assert_eq!(some.carried(), "?n=2000&nb=32&p=2&q=3");
        let wrong = asked(&[("n", "many"), ("p", "0"), ("q", "65"), ("nb", "1e3")]);
        assert_eq!(wrong.numbers, none.numbers);
        assert!(wrong.fields.iter().all(|field| field.wrong.starts_with("found `")));
        assert_eq!(wrong.fields[0].value, "many", "what was typed stands there");
    }

    #[test]
    fn proposed_blocks_raise_no_warning() {
        for (n, p, q) in [(2000, 1, 1), (7000, 1, 2), (16_000, 2, 2), (50_000, 2, 4), (1_000_000, 8, 8)] {
            let numbers = Numbers::usual(n, p, q).in_blocks();
            let parameters = serde_json::json!({"n": numbers.n, "nb": numbers.nb, "p": p, "q": q});
            let plan = (hpl_spec::benchmark::find("hpl").unwrap().plan)(&parameters).unwrap();
            assert_eq!(plan.warnings, [], "{numbers:?}");
        }
    }

    #[test]
    fn labels_are_read_as_the_registry_writes_them() {
        let plan = (hpl_spec::benchmark::find("hpl").unwrap().plan)(
            &serde_json::json!({"n": 20000, "nb": 192, "p": 2, "q": 3}),
        );
        let read = Numbers::of_label(&plan.unwrap().label);
        assert_eq!(read, Some(Numbers { n: 20000, nb: 192, p: 2, q: 3 }));
        for other in ["", "N=1", "N=x NB=1 1x1", "N=1 NB=1 1", "depth 3"] {
            assert_eq!(Numbers::of_label(other), None, "{other}");
        }
    }
}
