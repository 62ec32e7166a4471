//! The pictures of the page, out of points in groups.

use super::filter::{Axis, Cell, Wanted};
use super::groups::{HeatCell, HeatTable, Spot};
use crate::picture::axis::Scale;
use crate::picture::chart::{Along, Chart, Draw, Point, Series};
use crate::picture::heat::{self, Heat};
use crate::picture::responsive;

/// From this ratio of the largest to the smallest on, values stand by powers of ten: else all small ones would lie at
/// the edge.
const FAR: f64 = 40.0;

/// What stands along the picture.
pub(super) fn along(axis: Axis) -> &'static str {
    match axis {
        Axis::N => "N",
        Axis::Nb => "NB",
        Axis::Grid => "P × Q",
    }
}

/// What it tells.
pub(super) fn about(axis: Axis) -> &'static str {
    match axis {
        Axis::N => {
            "Gflop/s usually grow with N: the larger the matrix, the larger the part of the work that runs at full speed."
        }
        Axis::Nb => {
            "Too small an NB leaves the cache unused, too large a one lets ranks wait: the best lies in between, and \
             another one on each node."
        }
        Axis::Grid => "Grids near a square, with P a little smaller than Q, usually serve best.",
    }
}

/// Where each spot stands along the axis, and what is written there; grids stand at 1, 2, 3 and so on.
pub(super) fn places(spots: &[Spot<'_>], axis: Axis, grids: &[(u64, u64)]) -> Vec<(f64, String)> {
    let place = |spot: &Spot<'_>| match axis {
        Axis::N => (spot.place.n as f64, spot.place.n.to_string()),
        Axis::Nb => (spot.place.nb as f64, spot.place.nb.to_string()),
        Axis::Grid => {
            let own = grids.iter().position(|grid| *grid == (spot.place.p, spot.place.q)).unwrap_or_default();
            (own as f64 + 1.0, spot.place.grid())
        }
    };
    spots.iter().map(place).collect()
}

/// How values are spread over an axis.
fn scale(values: impl Iterator<Item = f64> + Clone) -> Scale {
    let least = values.clone().fold(f64::INFINITY, f64::min);
    let most = values.fold(0.0, f64::max);
    if least > 0.0 && most / least > FAR { Scale::Log } else { Scale::Linear }
}

/// The axes whose values stand by powers of ten, for the script that draws the picture anew.
pub(super) fn logs(spots: &[Spot<'_>], places: &[(f64, String)], axis: Axis) -> String {
    let x = axis != Axis::Grid && scale(places.iter().map(|place| place.0)) == Scale::Log;
    let y = scale(spots.iter().map(|spot| spot.point.score)) == Scale::Log;
    [(x, "x"), (y, "y")].iter().filter(|(is, _)| *is).map(|(_, name)| *name).collect()
}

/// The score of each spot against what stands along the axis; nothing of no spots.
pub(super) fn scatter(
    spots: &[Spot<'_>],
    groups: &[String],
    wanted: &Wanted,
    grids: &[(u64, u64)],
    unit: &str,
) -> String {
    if spots.is_empty() {
        return String::new();
    }
    let places = places(spots, wanted.axis, grids);
    let name = along(wanted.axis);
    // Categories of a chart are counted from 0.
    let first = if wanted.axis == Axis::Grid { 1.0 } else { 0.0 };
    let along = match wanted.axis {
        Axis::Grid => Along::Categories(grids.iter().map(|(p, q)| format!("{p} × {q}")).collect()),
        Axis::N | Axis::Nb => Along::Values(scale(places.iter().map(|place| place.0))),
    };
    let series = groups.iter().enumerate().map(|(group, name)| Series {
        name: name.clone(),
        draw: Draw::Points,
        points: spots
            .iter()
            .zip(&places)
            .filter(|(spot, _)| spot.group == group)
            .map(|(spot, place)| Point::new(place.0 - first, spot.point.score))
            .collect(),
    });
    let upwards = match scale(spots.iter().map(|spot| spot.point.score)) {
        Scale::Log => Scale::Log,
        _ => Scale::FromZero,
    };
    let chart = Chart {
        title: format!("{unit} against {name}"),
        description: String::new(),
        along,
        x_label: name.to_owned(),
        upwards,
        y_label: unit.to_owned(),
        series: series.collect(),
        levels: vec![],
    };
    responsive(|shape| chart.picture(shape))
}

/// NB against N; nothing where there is no cell.
pub(super) fn heat(table: &HeatTable, says: Cell, unit: &str) -> String {
    if table.rows.is_empty() {
        return String::new();
    }
    let cell = |cell: HeatCell| {
        let value = if says == Cell::Best { cell.best } else { cell.median };
        heat::Cell { value, runs: cell.runs }
    };
    let word = if says == Cell::Best { "Best" } else { "Median" };
    let map = Heat {
        title: format!("{word} {unit} by NB and N"),
        x_label: "N".to_owned(),
        y_label: "NB".to_owned(),
        unit: unit.to_owned(),
        columns: table.columns.iter().map(|n| n.short()).collect(),
        rows: table.rows.iter().map(|(nb, _)| nb.short()).collect(),
        cells: table.rows.iter().flat_map(|(_, cells)| cells).map(|found| found.map(cell)).collect(),
    };
    map.picture()
}
