//! What the address of the page asks for: which results, and how they are drawn.

use hpl_spec::api::insight::ExplorePoint;
use hpl_spec::api::results::ResultTier;
use hpl_spec::benchmark::Problem;

use super::super::forms::{Fields, query};
use crate::error::{Error, Result};

/// The only benchmark whose results have an N, an NB and a grid.
pub(super) const BENCHMARK: &str = "hpl";
/// What results are chosen by.
pub(super) const FILTERS: [&str; 7] = ["user", "kind", "node", "cores", "min_n", "max_n", "tier"];
/// What else the address may say.
const LOOKS: [&str; 5] = ["limit", "x", "by", "cell", "before"];
/// How many of the latest results may be asked for; the page of the fewest is there at once.
pub(super) const LIMITS: [u32; 4] = [50, 100, 300, 1000];
/// What is shown where no number was asked for.
const LIMIT: u32 = LIMITS[0];

/// What goes along the picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Axis {
    N,
    Nb,
    Grid,
}

/// What colour and mark of a point say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    Nb,
    Grid,
    Kind,
}

/// What a cell of the heat map says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cell {
    Best,
    Median,
}

/// Which results, and how they are drawn.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Wanted {
    pub(super) cores: Option<u32>,
    pub(super) min_n: Option<u64>,
    pub(super) max_n: Option<u64>,
    pub(super) tier: Option<ResultTier>,
    pub(super) limit: u32,
    pub(super) axis: Axis,
    pub(super) by: By,
    pub(super) cell: Cell,
}

/// One of the choices by its name; the first where nothing is asked for.
fn choice<T: Copy>(asked: &Fields, name: &str, choices: &[(&str, T)], problems: &mut Vec<Problem>) -> T {
    let found = asked.filled(name).map(|word| choices.iter().find(|(known, _)| *known == word));
    match found {
        Some(Some((_, choice))) => *choice,
        Some(None) => {
            problems.push(Problem::new(name, "expected one of those that the page offers"));
            choices[0].1
        }
        None => choices[0].1,
    }
}

impl Wanted {
    /// # Errors
    /// Every field that is wrong.
    pub(super) fn read(asked: &Fields) -> Result<Wanted> {
        let mut problems = vec![];
        let axes = [("n", Axis::N), ("nb", Axis::Nb), ("grid", Axis::Grid)];
        let axis = choice(asked, "x", &axes, &mut problems);
        // What stands on the axis already says nothing new as a colour.
        let by = match axis {
            Axis::Nb => [("grid", By::Grid), ("nb", By::Nb), ("kind", By::Kind)],
            Axis::N | Axis::Grid => [("nb", By::Nb), ("grid", By::Grid), ("kind", By::Kind)],
        };
        let tier = asked.filled("tier").and_then(|name| {
            let tier = ResultTier::from_name(name).filter(|tier| TIERS.contains(tier));
            if tier.is_none() {
                problems.push(Problem::new("tier", "expected one of those that the page offers"));
            }
            tier
        });
        let limit = asked.number("limit", &mut problems).unwrap_or(LIMIT);
        let most = LIMITS[LIMITS.len() - 1];
        if !(1..=most).contains(&limit) {
            problems.push(Problem::new("limit", format!("found {limit}; expected 1 to {most}")));
        }
        let wanted = Wanted {
            cores: asked.number("cores", &mut problems),
            min_n: asked.number("min_n", &mut problems),
            max_n: asked.number("max_n", &mut problems),
            tier,
            limit,
            axis,
            by: choice(asked, "by", &by, &mut problems),
            cell: choice(asked, "cell", &[("best", Cell::Best), ("median", Cell::Median)], &mut problems),
        };
        if let (Some(least), Some(most)) = (wanted.min_n, wanted.max_n)
            && least > most
        {
            problems.push(Problem::new("max_n", format!("{most} is below the least N, which is {least}")));
        }
        if problems.is_empty() { Ok(wanted) } else { Err(Error::invalid(problems)) }
    }
}

impl Default for Wanted {
    fn default() -> Wanted {
        Wanted {
            cores: None,
            min_n: None,
            max_n: None,
            tier: None,
            limit: LIMIT,
            axis: Axis::N,
            by: By::Nb,
            cell: Cell::Best,
        }
    }
}

/// Where a result can stand that is drawn: others count for nothing.
pub(super) const TIERS: [ResultTier; 2] = [ResultTier::Verified, ResultTier::Reported];

/// The address of the page with one or more things changed; what is not named stays as it is.
pub(super) fn address(asked: &Fields, changes: &[(&str, &str)]) -> String {
    let now = FILTERS.iter().chain(&LOOKS).map(|name| {
        let changed = changes.iter().find(|(changed, _)| changed == name);
        (*name, changed.map_or_else(|| asked.get(name).trim(), |(_, value)| *value))
    });
    format!("/explore{}", query(&now.collect::<Vec<_>>()))
}

/// The parameters of a point, all of which a picture needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) n: u64,
    pub(super) nb: u64,
    pub(super) p: u64,
    pub(super) q: u64,
}

impl Place {
    /// None where the result does not say one of them.
    pub(super) fn of(point: &ExplorePoint) -> Option<Place> {
        Some(Place { n: point.n?, nb: point.nb?, p: point.p?, q: point.q? })
    }

    pub(super) fn grid(self) -> String {
        format!("{} × {}", self.p, self.q)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(pairs: &[(&str, &str)]) -> Fields {
        let mut fields = Fields::default();
        for (name, value) in pairs {
            fields.prefill(name, *value);
        }
        fields
    }

    #[test]
    fn an_address_says_all_or_every_wrong_field() {
        assert_eq!(Wanted::read(&Fields::default()).unwrap(), Wanted::default());
        let asked =
            fields(&[("x", "nb"), ("cores", " 8 "), ("min_n", "1000"), ("tier", "verified"), ("limit", "1000")]);
        let wanted = Wanted::read(&asked).unwrap();
        assert_eq!((wanted.axis, wanted.by), (Axis::Nb, By::Grid), "not the axis once more");
        assert_eq!((wanted.cores, wanted.min_n, wanted.limit), (Some(8), Some(1000), 1000));
        assert_eq!(wanted.tier, Some(ResultTier::Verified));
        let bad =
            [("x", "w"), ("by", "q"), ("cores", "many"), ("tier", "failed"), ("limit", "1001"), ("cell", "worst")];
        let wrong = Wanted::read(&fields(&bad)).unwrap_err();
        let mut named: Vec<&str> = wrong.errors.iter().map(|p| p.field.as_str()).collect();
        named.sort_unstable();
        assert_eq!(named, ["by", "cell", "cores", "limit", "tier", "x"]);
        let crossed = Wanted::read(&fields(&[("min_n", "9"), ("max_n", "8")])).unwrap_err();
        assert_eq!(crossed.errors[0].field, "max_n");
    }

    #[test]
    fn links_keep_what_they_do_not_change() {
        let asked = fields(&[("user", "ada"), ("x", "nb"), ("before", "abc"), ("junk", "1")]);
        assert_eq!(address(&asked, &[("x", "grid")]), "/explore?user=ada&x=grid&before=abc");
        assert_eq!(address(&asked, &[("user", ""), ("before", "")]), "/explore?x=nb");
    }
}
