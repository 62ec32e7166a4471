//! The results of a picture as rows of a table, out of which some are chosen to stand side by side.

use std::collections::HashMap;

use hpl_spec::api::insight::ExplorePoint;
use hpl_spec::id::AttemptId;

use super::super::words::{self, When};
use super::filter::Place;
use super::groups::Spot;

/// A result as a row of the table.
pub(super) struct Line {
    pub(super) id: String,
    /// What it is called where its columns are not seen.
    pub(super) name: String,
    pub(super) n: String,
    pub(super) nb: String,
    pub(super) grid: String,
    /// Where it stands in the picture, and in which group, for the script; None where it has no place there.
    pub(super) spot: Option<SpotData>,
    pub(super) score: String,
    pub(super) percent: String,
    pub(super) took: String,
    pub(super) node: String,
    pub(super) kind: String,
    pub(super) cores: String,
    pub(super) owner: String,
    pub(super) tier: &'static str,
    pub(super) tier_class: &'static str,
    pub(super) when: When,
}

/// A point in numbers.
pub(super) struct SpotData {
    pub(super) x: String,
    /// What is written at that place of the axis.
    pub(super) at: String,
    pub(super) y: String,
    pub(super) group: usize,
}

/// A row for each point; `places` are those of the spots along the axis, with the words that stand there.
pub(super) fn lines(points: &[ExplorePoint], spots: &[Spot<'_>], places: &[(f64, String)], now: i64) -> Vec<Line> {
    let mut spots: HashMap<&AttemptId, SpotData> = spots
        .iter()
        .zip(places)
        .map(|(spot, (x, at))| {
            let data =
                SpotData { x: x.to_string(), at: at.clone(), y: spot.point.score.to_string(), group: spot.group };
            (&spot.point.id, data)
        })
        .collect();
    points.iter().map(|point| line(point, spots.remove(&point.id), now)).collect()
}

fn line(point: &ExplorePoint, spot: Option<SpotData>, now: i64) -> Line {
    let number = |value: Option<u64>| value.map_or_else(|| "–".to_owned(), |value| value.to_string());
    let grid = match (point.p, point.q) {
        (Some(p), Some(q)) => format!("{p} × {q}"),
        _ => "–".to_owned(),
    };
    let score = words::rate(point.score);
    let name = match Place::of(point) {
        Some(place) => format!("N {}, NB {}, {}: {score}", place.n, place.nb, place.grid()),
        None => format!("{score}, parameters not known"),
    };
    Line {
        id: point.id.to_string(),
        name,
        n: number(point.n),
        nb: number(point.nb),
        grid,
        spot,
        score,
        percent: words::percent(point.percent),
        took: words::duration(point.seconds),
        node: point.node.as_ref().map(|node| node.name.clone()).unwrap_or_default(),
        kind: point.kind.clone(),
        cores: words::count(point.cores, "core", "cores"),
        owner: point.owner.clone().unwrap_or_default(),
        tier: words::tier(point.tier),
        tier_class: words::tier_class(point.tier),
        when: When::new(point.created_at, now),
    }
}
