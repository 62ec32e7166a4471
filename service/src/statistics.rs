//! What can be said of a few numbers that scatter: the middle, where it lies, and whether two groups differ.
//!
//! Times of runs are not normal: a run can be much slower than usual and never much faster. So nothing here takes a mean
//! or asks for a normal distribution, and everything says nothing rather than too much where there are few numbers.
//!
//! | what | how | from |
//! |---|---|---|
//! | quartiles | linear between order statistics, the default of R | Hyndman and Fan, The American Statistician 50 (1996), type 7 |
//! | interval of the median | order statistics and the binomial distribution | Conover, Practical Nonparametric Statistics, section 3.2 |
//! | whether two groups differ | U, with its exact distribution or the normal one | Mann and Whitney, Annals of Mathematical Statistics 18 (1947) |
//! | the same with ties | counting all ways to deal the mid-ranks | Streitberg and Röhmel, Statistical Software Newsletter 12 (1986) |
//! | many pairs at once | p times the number of pairs | Bonferroni; Dunn, JASA 56 (1961) |
//!
//! Pure. Numbers that are none (NaN, infinite) are left out.

/// The part of all samples for which an interval of the median may be wrong, and chance may make two groups differ.
pub const ALPHA: f64 = 0.05;
/// Up to so many numbers in both groups together, all ways to deal the ranks are counted.
const EXACT: usize = 40;

/// The numbers that are ones, the least first.
#[must_use]
pub fn sorted(values: &[f64]) -> Vec<f64> {
    let mut sorted: Vec<f64> = values.iter().copied().filter(|v| v.is_finite()).collect();
    sorted.sort_by(f64::total_cmp);
    sorted
}

/// The number below which the part `share` (0 to 1) of a sorted sample lies: type 7 of Hyndman and Fan. None of none.
#[must_use]
pub fn quantile(sorted: &[f64], share: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    let at = last as f64 * share.clamp(0.0, 1.0);
    let below = *sorted.get(at.floor() as usize)?;
    let above = *sorted.get(at.ceil() as usize)?;
    Some(below + (above - below) * at.fract())
}

/// The middle of a sorted sample.
#[must_use]
pub fn median(sorted: &[f64]) -> Option<f64> {
    quantile(sorted, 0.5)
}

/// Between which numbers of a sample the median of all lies.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// The lower bound.
    pub low: f64,
    /// The upper bound.
    pub high: f64,
    /// In which part of all such samples the bounds hold the median, whatever the distribution: at least 1 - [`ALPHA`].
    pub confidence: f64,
}

/// The narrowest interval between the k-th number from below and the k-th from above that holds the median in at least
/// 95 of 100 samples. None of fewer than six numbers: even the least and the most of five hold it in 93.75 only.
#[must_use]
pub fn median_interval(sorted: &[f64]) -> Option<Interval> {
    let n = sorted.len();
    // The median is below the k-th number where fewer than k of n fall below it, each with a chance of a half.
    let mut log_chance = -(n as f64) * std::f64::consts::LN_2;
    let (mut below, mut best) = (0.0, None);
    for k in 1..=n.div_ceil(2) {
        below += log_chance.exp();
        if 2.0 * below > ALPHA {
            break;
        }
        best = Some((k, 1.0 - 2.0 * below));
        log_chance += ((n - k + 1) as f64 / k as f64).ln();
    }
    let (k, confidence) = best?;
    Some(Interval { low: *sorted.get(k - 1)?, high: *sorted.get(n - k)?, confidence })
}

/// What can be said of two groups of numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Verdict {
    /// Whatever the numbers, nothing could be told of so few.
    TooFew {
        /// With so many in the first group, and ...
        first: usize,
        /// ... so many in the second, it could.
        second: usize,
    },
    /// Chance makes two groups as different as these too often.
    NoDifference {
        /// How often.
        p: f64,
    },
    /// The numbers of one group are larger.
    Differ {
        /// How often chance makes two groups as different.
        p: f64,
        /// Whether those of the first are.
        first_is_larger: bool,
    },
}

/// Whether two groups differ, as one of so many pairs that are looked at: with each pair more, chance has one try more,
/// so that p is multiplied by their number. Of a group with one number nothing is ever said.
#[must_use]
pub fn compare(first: &[f64], second: &[f64], pairs: usize) -> Verdict {
    let (a, b) = (sorted(first), sorted(second));
    let pairs = pairs.max(1) as f64;
    if !can_tell(a.len(), b.len(), pairs) {
        let least = (2..).find(|&n| can_tell(a.len().max(n), b.len().max(n), pairs)).unwrap_or(usize::MAX);
        return Verdict::TooFew { first: a.len().max(least), second: b.len().max(least) };
    }
    let Some(MannWhitney { u, p }) = mann_whitney(&a, &b) else { return Verdict::NoDifference { p: 1.0 } };
    let p = (p * pairs).min(1.0);
    if p <= ALPHA {
        Verdict::Differ { p, first_is_larger: u > a.len() as f64 * b.len() as f64 / 2.0 }
    } else {
        Verdict::NoDifference { p }
    }
}

/// Whether groups of these sizes can differ at all: whether all of one above all of the other is rare enough. There are
/// C(a+b, a) ways to deal the ranks, and two of them are that extreme.
fn can_tell(a: usize, b: usize, pairs: f64) -> bool {
    if a.min(b) < 2 {
        return false;
    }
    let ways: f64 = (1..=a.min(b)).map(|i| (a.max(b) + i) as f64 / i as f64).product();
    2.0 / ways * pairs <= ALPHA
}

/// The test of Mann and Whitney.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MannWhitney {
    /// How many pairs of a number of each group have the larger one in the first; half of those that are equal.
    pub u: f64,
    /// How often chance alone makes U as far from its mean, to either side.
    pub p: f64,
}

/// Mann and Whitney's test of two groups, two-sided: exact for up to 40 numbers, ties or not; else by the normal
/// distribution, corrected for ties and for continuity. None where a group is empty.
#[must_use]
pub fn mann_whitney(first: &[f64], second: &[f64]) -> Option<MannWhitney> {
    let (a, b) = (sorted(first), sorted(second));
    if a.is_empty() || b.is_empty() {
        return None;
    }
    let (ranks, ties) = doubled_ranks(&a, &b);
    let sum: usize = ranks[..a.len()].iter().sum();
    let (n, m) = (a.len() as f64, b.len() as f64);
    let u = sum as f64 / 2.0 - n * (n + 1.0) / 2.0;
    let p = if ranks.len() <= EXACT { exact(&ranks, a.len(), sum) } else { normal(u, n, m, ties) };
    Some(MannWhitney { u, p: p.min(1.0) })
}

/// Twice the rank of every number among those of both groups, those of the first group first, equal ones sharing the
/// mean of theirs; and the sum of t³ - t over all sets of t equal ones.
fn doubled_ranks(a: &[f64], b: &[f64]) -> (Vec<usize>, f64) {
    let all = sorted(&[a, b].concat());
    let mut ties = 0.0;
    let mut rank = Vec::with_capacity(all.len());
    for value in a.iter().chain(b) {
        let below = all.partition_point(|other| other < value);
        let upto = all.partition_point(|other| other <= value);
        // The ranks below+1 ..= upto, twice their mean; each of t equal numbers adds t² - 1 to the sum.
        rank.push(below + 1 + upto);
        let equal = (upto - below) as f64;
        ties += equal * equal - 1.0;
    }
    (rank, ties)
}

/// In which part of all ways to deal the ranks the first group's sum is as far from its mean as `sum`.
fn exact(ranks: &[usize], first: usize, sum: usize) -> f64 {
    let most: usize = ranks.iter().sum();
    // ways[k][s]: to choose k of the ranks so far with the sum s.
    let mut ways = vec![vec![0.0; most + 1]; first + 1];
    ways[0][0] = 1.0;
    for &rank in ranks {
        for k in (1..=first).rev() {
            let (fewer, these) = ways.split_at_mut(k);
            for s in rank..=most {
                these[0][s] += fewer[k - 1][s - rank];
            }
        }
    }
    let all: f64 = ways[first].iter().sum();
    // Twice the mean times the size, in whole numbers: no rounding decides what is as far.
    let distance = |s: usize| (s * ranks.len()).abs_diff(most * first);
    let far: f64 = (0..=most).filter(|&s| distance(s) >= distance(sum)).map(|s| ways[first][s]).sum();
    far / all
}

/// The same by the normal distribution.
fn normal(u: f64, n: f64, m: f64, ties: f64) -> f64 {
    let all = n + m;
    let variance = n * m / 12.0 * (all + 1.0 - ties / (all * (all - 1.0)));
    let distance = ((u - n * m / 2.0).abs() - 0.5).max(0.0);
    if variance > 0.0 { two_tails(distance / variance.sqrt()) } else { 1.0 }
}

/// The chance of a normal number to be at least `z` from its mean, in its standard deviation: Abramowitz and Stegun,
/// formula 7.1.26, good to 2e-7.
fn two_tails(z: f64) -> f64 {
    let x = z.abs() / std::f64::consts::SQRT_2;
    let t = 1.0 / (1.0 + 0.327_591_1 * x);
    let terms = [1.061_405_429, -1.453_152_027, 1.421_413_741, -0.284_496_736, 0.254_829_592];
    terms.iter().fold(0.0, |sum, term| sum * t + term) * t * (-x * x).exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(found: f64, expected: f64, within: f64) -> bool {
        (found - expected).abs() <= within
    }

    #[test]
    fn quartiles_are_those_of_r() {
        // quantile(c(1, 2, 4, 8, 16, 32)) and quantile(c(3, 5, 9))
        let of = |values: &[f64]| [0.25, 0.5, 0.75].map(|share| quantile(&sorted(values), share).unwrap());
        assert_eq!(of(&[32.0, 1.0, 2.0, 4.0, 8.0, 16.0, f64::NAN]), [2.5, 6.0, 14.0]);
        assert_eq!(of(&[3.0, 5.0, 9.0]), [4.0, 5.0, 7.0]);
        assert_eq!(of(&[7.0]), [7.0; 3]);
        assert_eq!((median(&[]), quantile(&[1.0], 7.0)), (None, Some(1.0)));
    }

    #[test]
    fn intervals_of_the_median_are_those_of_tables() {
        // Ranks and confidence as printed for the sign test's interval: n, k, per cent.
        let table = [(6, 1, 96.88), (7, 1, 98.44), (8, 1, 99.22), (9, 2, 96.09), (10, 2, 97.85), (15, 4, 96.48)];
        for (n, k, percent) in table.into_iter().chain([(20, 6, 95.86), (25, 8, 95.67), (30, 10, 95.72)]) {
            let sample: Vec<f64> = (1..=n).map(f64::from).collect();
            let Interval { low, high, confidence } = median_interval(&sample).unwrap();
            assert_eq!((low, high), (f64::from(k), f64::from(n + 1 - k)), "{n}");
            assert!(near(100.0 * confidence, percent, 0.006), "{n}: {confidence}");
        }
        for few in 0..6 {
            assert_eq!(median_interval(&vec![1.0; few]), None);
        }
        let many: Vec<f64> = (1..=10_000).map(f64::from).collect();
        let Interval { low, high, confidence } = median_interval(&many).unwrap();
        assert!(near(low, 5000.0 - 98.0, 2.0) && near(high, 5001.0 + 98.0, 2.0) && confidence < 0.952);
    }

    /// All of the first above all of the second but so many pairs.
    fn with_u(n: usize, m: usize, u: usize) -> MannWhitney {
        // The u pairs are made by raising numbers of the first group over the second one by one.
        let second: Vec<f64> = (1..=m).map(|i| i as f64).collect();
        let first: Vec<f64> = (0..n)
            .map(|i| {
                let over = u.saturating_sub(i * m).min(m);
                over as f64 + 0.5 - (n - i) as f64 * 1e-3
            })
            .collect();
        mann_whitney(&first, &second).unwrap()
    }

    #[test]
    fn exact_chances_are_those_of_the_tables_of_mann_and_whitney() {
        // P(U <= u) of their tables I, here two-sided: m, n, u, and the one-sided chance printed there.
        for (n, m, u, one_sided) in [
            (3, 3, 0, 0.050),
            (3, 4, 1, 0.057),
            (4, 4, 1, 0.029),
            (4, 4, 3, 0.100),
            (5, 5, 2, 0.016),
            (5, 5, 4, 0.048),
            (6, 6, 5, 0.021),
            (7, 7, 8, 0.019),
            (8, 8, 13, 0.025),
        ] {
            let found = with_u(n, m, u);
            assert_eq!(found.u, u as f64);
            assert!(near(found.p, 2.0 * one_sided, 0.0011), "{n} {m} {u}: {found:?}");
        }
        // The critical values of the two-sided test at 5 %: the largest U that is significant.
        for (n, m, critical) in [(4, 4, 0), (5, 5, 2), (6, 6, 5), (8, 8, 13), (10, 10, 23), (5, 10, 8), (20, 20, 127)] {
            assert!(with_u(n, m, critical).p <= 0.05 && with_u(n, m, critical + 1).p > 0.05, "{n} {m}");
        }
    }

    #[test]
    fn ties_are_counted_as_they_are() {
        // wilcox.test of coin, exact: all ways to deal {1, 2, 2, 3}, two and two.
        let found = mann_whitney(&[1.0, 2.0], &[2.0, 3.0]).unwrap();
        assert!(found.u == 0.5 && near(found.p, 2.0 / 3.0, 1e-12), "{found:?}");
        assert_eq!(mann_whitney(&[5.0; 4], &[5.0; 4]).unwrap().p, 1.0);
        assert_eq!(mann_whitney(&[5.0; 30], &[5.0; 30]).unwrap().p, 1.0);
        assert_eq!(mann_whitney(&[], &[1.0]), None);
    }

    #[test]
    fn many_numbers_go_by_the_normal_distribution() {
        for (z, p) in [(0.0, 1.0), (1.0, 0.317_311), (1.959_964, 0.05), (2.575_829, 0.01), (4.0, 6.334e-5)] {
            assert!(near(two_tails(z), p, 1e-6), "{z}: {}", two_tails(z));
        }
        let second: Vec<f64> = (0..20).map(f64::from).collect();
        for shift in [0.5, 3.5, 6.5, 9.5] {
            let first: Vec<f64> = second.iter().map(|v| v + shift).collect();
            let exact = mann_whitney(&first, &second).unwrap();
            let by_normal = normal(exact.u, 20.0, 20.0, 0.0);
            assert!(near(exact.p, by_normal, 0.01), "{shift}: {exact:?} {by_normal}");
        }
    }

    #[test]
    fn no_winner_of_too_few() {
        assert_eq!(compare(&[100.0], &[1.0], 1), Verdict::TooFew { first: 4, second: 4 });
        assert_eq!(compare(&[], &[], 1), Verdict::TooFew { first: 4, second: 4 });
        assert_eq!(compare(&[9.0, 8.0, 7.0], &[1.0, 2.0, 3.0], 1), Verdict::TooFew { first: 4, second: 4 });
        assert_eq!(compare(&[9.0], &[1.0; 100], 1), Verdict::TooFew { first: 2, second: 100 });
        let (high, low) = ([9.0, 8.0, 7.0, 6.0], [1.0, 2.0, 3.0, 4.0]);
        assert!(
            matches!(compare(&high, &low, 1), Verdict::Differ { first_is_larger: true, p } if near(p, 0.02857, 1e-4))
        );
        assert!(matches!(compare(&low, &high, 1), Verdict::Differ { first_is_larger: false, .. }));
        assert_eq!(compare(&high, &low, 28), Verdict::TooFew { first: 7, second: 7 }, "among eight groups");
        assert!(matches!(compare(&high, &[7.5, 6.5, 8.5, 9.5], 1), Verdict::NoDifference { p } if p > 0.5));
        let nan = [f64::NAN, f64::INFINITY, 1.0, 2.0];
        assert_eq!(compare(&nan, &nan, 1), Verdict::TooFew { first: 4, second: 4 });
    }

    #[test]
    fn chance_is_taken_for_a_difference_as_seldom_as_promised() {
        // A plain generator: the same draws every time.
        let mut state = 12_345_u64;
        let mut draw = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as f64
        };
        let differs = (0..2000).filter(|_| {
            let groups: [Vec<f64>; 2] = std::array::from_fn(|_| (0..6).map(|_| draw()).collect());
            matches!(compare(&groups[0], &groups[1], 1), Verdict::Differ { .. })
        });
        let wrong = differs.count();
        assert!((30..=110).contains(&wrong), "{wrong} of 2000, 82 are expected");
    }
}
