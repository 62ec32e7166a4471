//! Whether two programs solved the same system: the norms of A, b and x, as far as they are printed. Pure.

use std::fmt;

use hpl_spec::report::{Check, Norms};

/// A threshold below every residual but that of a system solved without any rounding. netlib's code then counts the
/// test as failed, and prints its norms.
pub const PRINTS_NORMS: f64 = 1e-10;
/// What netlib's usual threshold asks for.
pub const PASSES: f64 = 16.0;
/// One unit of the last digit that is printed of a norm.
pub const UNIT: f64 = 1e-6;
/// How far two solutions may be apart, relative to their size.
const SOLUTION: f64 = 1e-8;

/// The norms that are compared, in the order of the table.
pub const NAMES: [&str; 5] = ["||A||_oo", "||A||_1", "||b||_oo", "||x||_oo", "||x||_1"];

/// A norm in which two programs differ.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Difference {
    /// Which norm, by its name in [`NAMES`].
    pub what: &'static str,
    /// What the reference printed.
    pub reference: f64,
    /// What ours computed.
    pub ours: f64,
    /// How far apart they may be.
    pub allowed: f64,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let Difference { what, reference, ours, allowed } = self;
        write!(f, "{what} is {reference:.6} by the reference and {ours:.6} by ours; they may be {allowed:.6} apart")
    }
}

/// The norms in which the two differ: those of A and b by more than one unit of the last printed digit, those of x by
/// more than the larger of that and 1e-8 of the value.
#[must_use]
pub fn differences(reference: &Norms, ours: &Norms) -> Vec<Difference> {
    let values = |norms: &Norms| [norms.a_oo, norms.a_1, norms.b_oo, norms.x_oo, norms.x_1];
    let relative = [0.0, 0.0, 0.0, SOLUTION, SOLUTION];
    let rows = NAMES.into_iter().zip(relative).zip(values(reference).into_iter().zip(values(ours)));
    let differs = |((what, relative), (reference, ours)): ((&'static str, f64), (f64, f64))| {
        // Counted in printed units, so that "one unit" is not spoilt by rounding of the subtraction.
        let apart = ((reference / UNIT).round() - (ours / UNIT).round()).abs();
        let units = (relative * reference.abs() / UNIT).max(1.0);
        // A norm that is not a number agrees with none.
        let agrees = apart <= units;
        (!agrees).then_some(Difference { what, reference, ours, allowed: units * UNIT })
    };
    rows.filter_map(differs).collect()
}

/// What came of one system that both solved.
#[derive(Debug, Clone, PartialEq)]
pub enum Comparison {
    /// All norms agree.
    Agrees,
    /// The reference rounded nothing, as at N = 1, and so printed no norms.
    Unprinted,
    /// The norms that differ.
    Norms(Vec<Difference>),
    /// A residual that does not pass, or a norm that is missing: a sentence.
    Unfit(String),
}

/// Holds our check against that of the reference, which ran with the threshold [`PRINTS_NORMS`].
#[must_use]
pub fn compare(reference: &Check, ours: &Check) -> Comparison {
    for (whose, check) in [("the reference", reference), ("ours", ours)] {
        let passes = check.residual < PASSES;
        if !passes {
            return Comparison::Unfit(format!("the residual by {whose} is {}, which is not below 16", check.residual));
        }
    }
    match (reference.norms, ours.norms) {
        (Some(theirs), Some(ours)) => match differences(&theirs, &ours) {
            none if none.is_empty() => Comparison::Agrees,
            some => Comparison::Norms(some),
        },
        (None, _) if reference.residual < PRINTS_NORMS => Comparison::Unprinted,
        (None, _) => {
            Comparison::Unfit(format!("the reference printed no norms, with a residual of {}", reference.residual))
        }
        (_, None) => Comparison::Unfit("ours has no norms".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NORMS: Norms =
        Norms { residual_oo: 1e-12, a_oo: 262.773_468, a_1: 263.865_287, x_oo: 1500.25, x_1: 5e5, b_oo: 0.499_776 };

    fn check(residual: f64, norms: Option<Norms>) -> Check {
        Check { residual, norms }
    }

    fn names(found: &[Difference]) -> Vec<&'static str> {
        found.iter().map(|difference| difference.what).collect()
    }

    #[test]
    fn a_unit_of_the_last_digit_is_the_most_that_a_and_b_may_differ() {
        type Norm = fn(&mut Norms) -> &mut f64;
        let of_the_matrix: [(&str, Norm); 3] =
            [(NAMES[0], |n| &mut n.a_oo), (NAMES[1], |n| &mut n.a_1), (NAMES[2], |n| &mut n.b_oo)];
        for (name, norm) in of_the_matrix {
            for sign in [1.0, -1.0] {
                let mut other = NORMS;
                *norm(&mut other) += sign * UNIT;
                assert_eq!(differences(&NORMS, &other), [], "{name}, one unit");
                *norm(&mut other) += sign * UNIT;
                let found = differences(&NORMS, &other);
                assert_eq!(names(&found), [name], "two units");
                let said = found[0].to_string();
                assert!(said.contains(name) && said.contains(&format!("{:.6}", *norm(&mut other))), "{said}");
            }
        }
    }

    #[test]
    fn x_may_differ_by_1e_8_of_its_size_or_a_unit() {
        // 1e-8 of 1500.25 are 15 units, of 5e5 they are 5000.
        for (x_oo, x_1, want) in [
            (14.0, 4990.0, &[][..]),
            (17.0, 0.0, &["||x||_oo"]),
            (0.0, 5010.0, &["||x||_1"]),
            (-17.0, -5010.0, &["||x||_oo", "||x||_1"]),
        ] {
            let other = Norms { x_oo: NORMS.x_oo + x_oo * UNIT, x_1: NORMS.x_1 + x_1 * UNIT, ..NORMS };
            assert_eq!(names(&differences(&NORMS, &other)), want);
        }
        let small = Norms { x_oo: 0.25, x_1: 0.25, ..NORMS };
        assert_eq!(differences(&small, &Norms { x_oo: 0.25 + UNIT, ..small }), []);
        assert_eq!(names(&differences(&small, &Norms { x_oo: 0.25 + 2.0 * UNIT, ..small })), ["||x||_oo"]);
    }

    #[test]
    fn what_is_no_number_agrees_with_nothing() {
        let broken = Norms { a_1: f64::NAN, x_1: f64::INFINITY, ..NORMS };
        assert_eq!(names(&differences(&NORMS, &broken)), ["||A||_1", "||x||_1"]);
        assert_eq!(names(&differences(&broken, &broken)), ["||A||_1", "||x||_1"]);
    }

    #[test]
    fn a_comparison_accepts_only_what_agrees() {
        let good = check(0.004, Some(NORMS));
        assert_eq!(compare(&good, &good), Comparison::Agrees);
        // Nothing was rounded.
        assert_eq!(compare(&check(0.0, None), &good), Comparison::Unprinted);
        assert_eq!(compare(&check(0.0, None), &check(0.0, None)), Comparison::Unprinted);
        let off = check(0.004, Some(Norms { a_oo: NORMS.a_oo + 2.0 * UNIT, ..NORMS }));
        assert!(matches!(compare(&good, &off), Comparison::Norms(found) if names(&found) == ["||A||_oo"]));
        for (reference, ours, complaint) in [
            (&check(0.004, None), &good, "the reference printed no norms"),
            (&good, &check(0.004, None), "ours has no norms"),
            (&good, &check(16.0, Some(NORMS)), "the residual by ours is 16"),
            (&good, &check(f64::NAN, Some(NORMS)), "the residual by ours is NaN"),
            (&check(20.0, Some(NORMS)), &good, "the residual by the reference is 20"),
        ] {
            let found = compare(reference, ours);
            assert!(matches!(&found, Comparison::Unfit(why) if why.contains(complaint)), "{found:?}");
        }
    }
}
