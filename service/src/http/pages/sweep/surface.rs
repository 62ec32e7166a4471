//! What a sweep has found, as a picture: a chart along one parameter, a heat map of two.

use hpl_spec::api::sweeps::{SweepPoint, SweepView};
use hpl_spec::benchmark;
use serde_json::Value;

use crate::picture::axis::Scale;
use crate::picture::chart::{Along, Chart, Draw, Point, Series};
use crate::picture::heat::{Cell, Heat};
use crate::picture::responsive;

/// Something that differs between the points of a sweep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Axis {
    /// The parameter, or `grid` for P and Q together.
    name: String,
    pub(super) title: String,
}

impl Axis {
    /// What it is at a point, in words.
    pub(super) fn at(&self, point: &SweepPoint) -> String {
        let word = |name: &str| match &point.parameters[name] {
            Value::String(word) => word.replace('_', " "),
            other => other.to_string(),
        };
        if self.name == "grid" { format!("{} × {}", word("p"), word("q")) } else { word(&self.name) }
    }

    fn number(&self, point: &SweepPoint) -> Option<f64> {
        point.parameters[&self.name].as_f64()
    }
}

/// What differs, in the order of HPL.dat's first lines: N, NB, the grid, then the rest.
pub(super) fn axes(view: &SweepView, schema: &Value) -> Vec<Axis> {
    let title = |name: &str| match name {
        "grid" => "P × Q".to_owned(),
        name => schema["properties"][name]["title"].as_str().unwrap_or(name).to_owned(),
    };
    let mut names: Vec<&str> = vec![];
    for name in &view.varied {
        let name = if matches!(name.as_str(), "p" | "q") { "grid" } else { name };
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let rank = |name: &&str| ["n", "nb", "grid"].iter().position(|first| first == name).unwrap_or(usize::MAX);
    names.sort_by_key(rank);
    names.into_iter().map(|name| Axis { title: title(name), name: name.to_owned() }).collect()
}

/// The picture of the scores; empty where more than two parameters differ, or none.
pub(super) fn picture(view: &SweepView, axes: &[Axis]) -> String {
    let unit = benchmark::find(&view.benchmark).map_or("", |row| row.unit);
    match axes {
        [one] => chart(view, one, unit),
        [across, down] => heat(view, across, down, unit),
        _ => String::new(),
    }
}

fn chart(view: &SweepView, axis: &Axis, unit: &str) -> String {
    let numbers: Option<Vec<f64>> = view.points.iter().map(|point| axis.number(point)).collect();
    let (along, places) = match numbers {
        Some(numbers) => (Along::Values(Scale::Linear), numbers),
        None => {
            let names: Vec<String> = view.points.iter().map(|point| axis.at(point)).collect();
            let places = (0..names.len()).map(|place| place as f64).collect();
            (Along::Categories(names), places)
        }
    };
    let measured = view.points.iter().zip(&places).filter_map(|(point, &x)| {
        let scores = || point.runs.iter().filter_map(|run| run.score);
        let (low, high) = (scores().fold(f64::INFINITY, f64::min), scores().fold(f64::NEG_INFINITY, f64::max));
        Some(Point { x, y: point.score?, range: (point.scored > 1).then_some((low, high)) })
    });
    let predicted = view.points.iter().zip(&places).filter_map(|(point, &x)| Some(Point::new(x, point.predicted?)));
    let chart = Chart {
        title: format!("Score by {}", axis.title),
        description: String::new(),
        along,
        x_label: axis.title.clone(),
        upwards: Scale::Linear,
        y_label: unit.to_owned(),
        series: vec![
            Series { name: "measured, median".into(), draw: Draw::Both, points: measured.collect() },
            Series { name: "predicted".into(), draw: Draw::Line, points: predicted.collect() },
        ],
        levels: view.best.iter().map(|best| (best.score, format!("best{}", super::so_far(view)))).collect(),
    };
    responsive(|shape| chart.picture(shape))
}

fn heat(view: &SweepView, across: &Axis, down: &Axis, unit: &str) -> String {
    let each = |axis: &Axis| {
        let mut names: Vec<(Option<f64>, String)> = vec![];
        for point in &view.points {
            let name = axis.at(point);
            if names.iter().all(|(_, known)| *known != name) {
                names.push((axis.number(point), name));
            }
        }
        names.sort_by(|a, b| a.0.unwrap_or(0.0).total_cmp(&b.0.unwrap_or(0.0)));
        names.into_iter().map(|(_, name)| name).collect::<Vec<String>>()
    };
    let (columns, rows) = (each(across), each(down));
    let mut cells = vec![None; columns.len() * rows.len()];
    for point in &view.points {
        let place = |names: &[String], name: String| names.iter().position(|known| *known == name);
        if let (Some(column), Some(row)) = (place(&columns, across.at(point)), place(&rows, down.at(point))) {
            let cell = point.score.map(|value| Cell { value, runs: point.scored as usize });
            cells[row * columns.len() + column] = cell;
        }
    }
    let heat = Heat {
        title: format!("Score by {} and {}", across.title, down.title),
        x_label: across.title.clone(),
        y_label: down.title.clone(),
        unit: unit.to_owned(),
        columns,
        rows,
        cells,
    };
    heat.picture()
}
