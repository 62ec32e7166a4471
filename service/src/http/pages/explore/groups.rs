//! Points in groups: of which colour and mark each is, and in which cell of the heat map it lies.

use std::collections::BTreeMap;

use hpl_spec::api::insight::ExplorePoint;

use super::filter::{By, Place};

/// So many groups have a colour and a mark of their own, `others` among them; more could not be told apart.
pub(super) const MOST: usize = 6;
/// So many rows and columns of the heat map can be read.
const MOST_COLUMNS: usize = 12;

/// A result that a picture can show.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spot<'a> {
    pub(super) point: &'a ExplorePoint,
    pub(super) place: Place,
    /// The number of its group.
    pub(super) group: usize,
}

/// Groups by their names, the last one `others` where there would be more than [`MOST`], and the points that say all their
/// parameters.
pub(super) fn grouped(points: &[ExplorePoint], by: By) -> (Vec<String>, Vec<Spot<'_>>) {
    // Ordered as people read them: numbers by size, grids by their ranks, names by the alphabet.
    let key = |point: &ExplorePoint, place: Place| match by {
        By::Nb => (place.nb, 0, format!("NB {}", place.nb)),
        By::Grid => (place.p.saturating_mul(place.q), place.p, place.grid()),
        By::Kind => (0, 0, kind(point)),
    };
    let placed: Vec<_> = points.iter().filter_map(|point| Place::of(point).map(|place| (point, place))).collect();
    let mut counts = BTreeMap::new();
    for (point, place) in &placed {
        *counts.entry(key(point, *place)).or_insert(0_usize) += 1;
    }
    let mut kept: Vec<_> = counts.into_iter().collect();
    let others = kept.len() > MOST;
    if others {
        kept.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        kept.truncate(MOST - 1);
        kept.sort();
    }
    let spots = placed.into_iter().map(|(point, place)| {
        let own = key(point, place);
        let group = kept.binary_search_by(|(key, _)| key.cmp(&own)).unwrap_or(kept.len());
        Spot { point, place, group }
    });
    let spots = spots.collect();
    let mut names: Vec<String> = kept.into_iter().map(|((_, _, name), _)| name).collect();
    if others {
        names.push("others".to_owned());
    }
    (names, spots)
}

/// The processor and the cores of a point's node.
fn kind(point: &ExplorePoint) -> String {
    let cores = super::super::words::count(point.cores, "core", "cores");
    if point.kind.is_empty() { cores } else { format!("{}, {cores}", point.kind) }
}

/// The grids that points have, the fewest ranks first: the places along an axis of grids.
pub(super) fn grids(spots: &[Spot<'_>]) -> Vec<(u64, u64)> {
    let mut grids: Vec<(u64, u64)> = spots.iter().map(|spot| (spot.place.p, spot.place.q)).collect();
    grids.sort_by_key(|(p, q)| (p.saturating_mul(*q), *p, *q));
    grids.dedup();
    grids
}

/// A stretch of numbers, both ends inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Stretch {
    pub(super) first: u64,
    pub(super) last: u64,
}

impl Stretch {
    /// In few letters, for the head of a narrow column: `5–10k` for 5000 to 9999.
    pub(super) fn short(self) -> String {
        let round = |unit: u64| self.first.is_multiple_of(unit) && self.last % unit == unit - 1;
        match [(1_000_000, "M"), (1000, "k")].into_iter().find(|(unit, _)| round(*unit)) {
            Some((unit, name)) => format!("{}–{}{name}", self.first / unit, self.last / unit + 1),
            None => self.words(),
        }
    }

    pub(super) fn words(self) -> String {
        match self.first == self.last {
            true => self.first.to_string(),
            false => format!("{}–{}", self.first, self.last),
        }
    }
}

/// Numbers in a few stretches: each by itself while there are few, else together in steps of one width.
pub(super) fn stretches(numbers: impl Iterator<Item = u64>) -> Vec<Stretch> {
    let mut all: Vec<u64> = numbers.collect();
    all.sort_unstable();
    all.dedup();
    let (Some(&least), Some(&most)) = (all.first(), all.last()) else { return vec![] };
    if all.len() <= MOST_COLUMNS {
        return all.into_iter().map(|number| Stretch { first: number, last: number }).collect();
    }
    let steps = (0..19).flat_map(|power| [1, 2, 5].map(|digit| digit * 10_u64.pow(power)));
    let fits = |step: &u64| most / step - least / step < MOST_COLUMNS as u64;
    let step = steps.into_iter().find(fits).unwrap_or(u64::MAX);
    let mut found: Vec<Stretch> = all
        .into_iter()
        .map(|number| {
            let first = number / step * step;
            Stretch { first, last: first.saturating_add(step - 1) }
        })
        .collect();
    found.dedup();
    found
}

/// The score in a cell of the heat map, and of how many runs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct HeatCell {
    pub(super) best: f64,
    pub(super) median: f64,
    pub(super) runs: usize,
}

/// NB against N: rows of NB, columns of N.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct HeatTable {
    pub(super) columns: Vec<Stretch>,
    pub(super) rows: Vec<(Stretch, Vec<Option<HeatCell>>)>,
}

/// The cells that points lie in.
pub(super) fn heat(spots: &[Spot<'_>]) -> HeatTable {
    let columns = stretches(spots.iter().map(|spot| spot.place.n));
    let rows = stretches(spots.iter().map(|spot| spot.place.nb));
    let within = |all: &[Stretch], number: u64| all.partition_point(|stretch| stretch.last < number);
    let mut scores = vec![vec![vec![]; columns.len()]; rows.len()];
    for spot in spots {
        scores[within(&rows, spot.place.nb)][within(&columns, spot.place.n)].push(spot.point.score);
    }
    let cells = scores.into_iter().map(|row| row.into_iter().map(cell).collect());
    HeatTable { rows: rows.into_iter().zip(cells).collect(), columns }
}

fn cell(mut scores: Vec<f64>) -> Option<HeatCell> {
    scores.sort_by(f64::total_cmp);
    let best = *scores.last()?;
    let half = scores.len() / 2;
    let median = if scores.len() % 2 == 1 { scores[half] } else { f64::midpoint(scores[half - 1], scores[half]) };
    Some(HeatCell { best, median, runs: scores.len() })
}

#[cfg(test)]
mod tests {
    use hpl_spec::api::results::ResultTier;

    use super::*;

    fn point(number: u64, place: Option<(u64, u64, u64, u64)>, score: f64) -> ExplorePoint {
        let id = |kind: &str| format!("0190f5fe-7c00-7a3b-8b1e-{kind}{number:010x}");
        ExplorePoint {
            id: id("aa").parse().unwrap(),
            job: id("bb").parse().unwrap(),
            owner: None,
            n: place.map(|p| p.0),
            nb: place.map(|p| p.1),
            p: place.map(|p| p.2),
            q: place.map(|p| p.3),
            score,
            percent: None,
            seconds: 1.0,
            tier: ResultTier::Reported,
            node: None,
            kind: String::new(),
            cores: 4,
            created_at: 0,
        }
    }

    #[test]
    fn the_largest_groups_have_names_and_the_rest_is_others() {
        let mut points: Vec<_> = (0..8)
            .flat_map(|nb| (0..=nb).map(move |i| point(nb * 100 + i, Some((1000, 32 * (nb + 1), 1, 1)), 1.0)))
            .collect();
        points.push(point(999, None, 1.0));
        let (names, spots) = grouped(&points, By::Nb);
        assert_eq!(names, ["NB 128", "NB 160", "NB 192", "NB 224", "NB 256", "others"]);
        assert_eq!(spots.len(), points.len() - 1, "what does not say its N has no place");
        let of = |nb| spots.iter().find(|spot| spot.place.nb == nb).unwrap().group;
        assert_eq!([of(32), of(64), of(96), of(128), of(256)], [5, 5, 5, 0, 4]);
        let (none, nowhere) = grouped(&[], By::Kind);
        assert!(none.is_empty() && nowhere.is_empty());
        assert_eq!(grouped(&points, By::Kind).0, ["4 cores"]);
    }

    #[test]
    fn grids_stand_in_the_order_of_their_ranks() {
        let points: Vec<_> =
            [(2, 4), (1, 2), (4, 2), (1, 8), (1, 2)].map(|(p, q)| point(p * 10 + q, Some((9, 9, p, q)), 1.0)).into();
        let (names, spots) = grouped(&points, By::Grid);
        assert_eq!(grids(&spots), [(1, 2), (1, 8), (2, 4), (4, 2)]);
        assert_eq!(names, ["1 × 2", "1 × 8", "2 × 4", "4 × 2"]);
    }

    #[test]
    fn many_numbers_fall_into_a_few_stretches() {
        let words = |numbers: &[u64]| stretches(numbers.iter().copied()).iter().map(|s| s.words()).collect::<Vec<_>>();
        assert_eq!(words(&[]), Vec::<String>::new());
        assert_eq!(words(&[5, 3, 5]), ["3", "5"]);
        let many: Vec<u64> = (1..=90).map(|i| i * 1000).collect();
        let found = words(&many);
        assert_eq!((found[0].as_str(), found[9].as_str(), found.len()), ("0–9999", "90000–99999", 10));
        assert_eq!(stretches(many.into_iter()).first().unwrap().short(), "0–10k");
        assert_eq!(Stretch { first: 20_000, last: 20_000 }.short(), "20000");
        let far: Vec<u64> = (0..64).map(|i| 1_u64 << i).chain([u64::MAX]).collect();
        let found = stretches(far.iter().copied());
        assert!(found.len() <= MOST_COLUMNS && found.iter().all(|s| s.first <= s.last), "{found:?}");
        for number in far {
            assert!(found.iter().any(|s| (s.first..=s.last).contains(&number)), "{number}");
        }
    }

    #[test]
    fn a_cell_says_the_best_the_median_and_how_many() {
        let points = [
            point(1, Some((1000, 64, 1, 1)), 10.0),
            point(2, Some((1000, 64, 1, 1)), 30.0),
            point(3, Some((2000, 64, 1, 1)), 1e6),
            point(4, Some((2000, 128, 1, 1)), 5.0),
        ];
        let table = heat(&grouped(&points, By::Nb).1);
        assert_eq!(table.columns.iter().map(|c| c.words()).collect::<Vec<_>>(), ["1000", "2000"]);
        let cells: Vec<_> = table.rows.iter().flat_map(|(_, cells)| cells).copied().collect();
        let cell = |best, median, runs| Some(HeatCell { best, median, runs });
        assert_eq!(cells, [cell(30.0, 20.0, 2), cell(1e6, 1e6, 1), None, cell(5.0, 5.0, 1)]);
        assert!(heat(&[]).rows.is_empty());
    }
}
