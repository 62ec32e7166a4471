//! The figures of a node while a job ran: as they came, or thinned out for a chart.

use std::collections::BTreeMap;

use hpl_spec::api::agent::Sample;
use hpl_spec::api::insight::{MetricsChart, MetricsPage, MetricsSeries};
use hpl_spec::id::AttemptId;
use serde::Deserialize;
use utoipa::IntoParams;

use super::pieces;
use crate::app::App;
use crate::error::{Error, Result};
use crate::http::caller::Caller;
use crate::ops::jobs;

/// Stretches of a chart, at the least and at the most.
const POINTS: std::ops::RangeInclusive<u32> = 2..=2000;
/// Figures of a chart.
const MOST_SERIES: usize = 64;

/// Which samples.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct MetricsQuery {
    /// Go on here: `next` of the page before. A page holds at most 1 MiB of what is kept.
    pub offset: Option<u64>,
    /// All samples thinned out to at most so many points for a chart, 2 to 2000; without figures of single cores.
    #[param(minimum = 2, maximum = 2000)]
    pub points: Option<u32>,
}

/// Samples of a job's latest attempt.
///
/// # Errors
/// There is no job of that id for the caller to see; a field is wrong; database or disk fail.
pub async fn metrics(app: &App, caller: &Caller, job: &str, query: &MetricsQuery) -> Result<MetricsPage> {
    if let Some(points) = query.points.filter(|points| !POINTS.contains(points)) {
        let (least, most) = (POINTS.start(), POINTS.end());
        return Err(Error::field("points", format!("found {points}, expected {least} to {most}")));
    }
    if query.points.is_some() && query.offset.is_some() {
        return Err(Error::field("offset", "a chart is of all samples: leave out `offset` or `points`"));
    }
    let row = jobs::find(&mut *app.db.read().await?, caller, job).await?;
    let attempt = row.latest.as_ref().map(|latest| latest.attempt.parse::<AttemptId>().map_err(Error::internal));
    let offset = query.offset.unwrap_or(0);
    let mut page = MetricsPage {
        job: row.id.parse().map_err(Error::internal)?,
        attempt: attempt.transpose()?,
        offset,
        next: None,
        total: 0,
        count: 0,
        unreadable: 0,
        samples: vec![],
        chart: None,
    };
    let Some(attempt) = page.attempt.clone() else {
        page.chart = query.points.map(|_| MetricsChart::default());
        return Ok(page);
    };
    match query.points {
        None => {
            let read = pieces::piece(&app.store, &attempt, offset).await?;
            (page.next, page.total, page.unreadable, page.samples) =
                (read.next, read.total, read.unreadable, read.samples);
            page.count = u32::try_from(page.samples.len()).unwrap_or(u32::MAX);
        }
        Some(points) => {
            let read = app.samples.chart(&app.store, &attempt, points).await?;
            (page.total, page.unreadable, page.count) = (read.total, read.unreadable, read.of.count);
            page.chart = Some(read.of.chart());
        }
    }
    Ok(page)
}

/// Samples put into stretches of equal length, which double whenever there are too many.
#[derive(Debug, Clone)]
pub(super) struct Thin {
    points: u64,
    step_ms: u64,
    count: u32,
    names: Vec<String>,
    stretches: BTreeMap<u64, Stretch>,
}

#[derive(Debug, Clone, Default)]
struct Stretch {
    count: u32,
    at_ms: f64,
    values: Vec<Option<Summed>>,
}

#[derive(Debug, Clone, Copy)]
struct Summed {
    min: f64,
    sum: f64,
    max: f64,
    count: u32,
}

impl Summed {
    fn and(self, other: Summed) -> Summed {
        Summed {
            min: self.min.min(other.min),
            sum: self.sum + other.sum,
            max: self.max.max(other.max),
            count: self.count + other.count,
        }
    }
}

impl Stretch {
    fn note(&mut self, series: usize, summed: Summed) {
        if self.values.len() <= series {
            self.values.resize(series + 1, None);
        }
        self.values[series] = Some(self.values[series].map_or(summed, |before| before.and(summed)));
    }

    fn join(&mut self, other: &Stretch) {
        self.count += other.count;
        self.at_ms += other.at_ms;
        for (series, summed) in other.values.iter().enumerate() {
            if let Some(summed) = summed {
                self.note(series, *summed);
            }
        }
    }
}

impl Thin {
    pub(super) fn new(points: u32) -> Thin {
        Thin { points: points.into(), step_ms: 1, count: 0, names: vec![], stretches: BTreeMap::new() }
    }

    pub(super) fn see(&mut self, sample: &Sample) {
        self.count = self.count.saturating_add(1);
        let mut this = Stretch { count: 1, at_ms: sample.at_ms as f64, values: vec![] };
        for (name, value) in sample.values.iter().filter(|(_, value)| value.is_finite()) {
            let known = self.names.iter().position(|known| known == name);
            let series = match known {
                Some(series) => series,
                None if self.names.len() >= MOST_SERIES => continue,
                None => {
                    self.names.push(name.clone());
                    self.names.len() - 1
                }
            };
            this.note(series, Summed { min: *value, sum: *value, max: *value, count: 1 });
        }
        self.stretches.entry(sample.at_ms / self.step_ms).or_default().join(&this);
        let too_long = |all: &BTreeMap<u64, Stretch>, points: u64| {
            let ends = all.first_key_value().zip(all.last_key_value());
            ends.is_some_and(|((first, _), (last, _))| last - first >= points)
        };
        while too_long(&self.stretches, self.points) {
            let before = std::mem::take(&mut self.stretches);
            for (at, stretch) in before {
                self.stretches.entry(at / 2).or_default().join(&stretch);
            }
            self.step_ms = self.step_ms.saturating_mul(2);
        }
    }

    fn chart(&self) -> MetricsChart {
        let mut chart = MetricsChart { step_ms: self.step_ms, ..MetricsChart::default() };
        chart.at_ms = self.stretches.values().map(|s| (s.at_ms / f64::from(s.count.max(1))).round() as u64).collect();
        for (series, name) in self.names.iter().enumerate() {
            let of = |pick: fn(Summed) -> f64| -> Vec<Option<f64>> {
                let one = |s: &Stretch| s.values.get(series).copied().flatten().map(pick).filter(|v| v.is_finite());
                self.stretches.values().map(one).collect()
            };
            let mean = |s: Summed| s.sum / f64::from(s.count.max(1));
            chart.series.insert(name.clone(), MetricsSeries { min: of(|s| s.min), mean: of(mean), max: of(|s| s.max) });
        }
        chart
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(at_ms: u64, name: &str, value: f64) -> Sample {
        Sample { at_ms, values: [(name.to_owned(), value)].into(), per_core: BTreeMap::new() }
    }

    #[test]
    fn charts_keep_the_extremes() {
        let mut thin = Thin::new(10);
        for i in 0..1000 {
            thin.see(&sample(5000 * i, "load_tasks", if i == 777 { 99.0 } else { 1.0 }));
        }
        thin.see(&sample(1, "power_w", 7.0));
        let chart = thin.chart();
        let load = &chart.series["load_tasks"];
        assert!((5..=10).contains(&chart.at_ms.len()), "{chart:?}");
        assert!(chart.at_ms.is_sorted() && chart.at_ms.len() == load.mean.len());
        let most = load.max.iter().flatten().copied().fold(0.0, f64::max);
        assert!((most - 99.0).abs() < 1e-9, "{chart:?}");
        assert!(load.min.iter().flatten().all(|v| (v - 1.0).abs() < 1e-9));
        assert!(load.mean.iter().flatten().all(|v| (1.0..3.0).contains(v)));
        assert_eq!(chart.series["power_w"].max.iter().filter(|v| v.is_some()).count(), 1);
    }

    #[test]
    fn few_samples_stay_as_they_are() {
        let mut thin = Thin::new(300);
        assert_eq!(Thin::new(2).chart().at_ms, [] as [u64; 0]);
        thin.see(&sample(5000, "a", 1.0));
        thin.see(&sample(10_000, "a", 2.0));
        let chart = thin.chart();
        assert_eq!(chart.at_ms, [5000, 10_000]);
        assert_eq!(chart.series["a"].mean, [Some(1.0), Some(2.0)]);
    }

    #[test]
    fn wild_times_and_numbers_are_borne() {
        let mut thin = Thin::new(2);
        for (at, value) in [(u64::MAX, f64::MAX), (0, f64::MAX), (u64::MAX, f64::MAX), (3, f64::NAN)] {
            thin.see(&sample(at, "a", value));
        }
        let chart = thin.chart();
        assert!(chart.at_ms.len() <= 2);
        assert!(chart.series["a"].mean.iter().flatten().all(|v| v.is_finite()));
        let mut thin = Thin::new(2);
        (0..1000).for_each(|i| thin.see(&sample(0, &format!("x{i}"), 1.0)));
        assert_eq!(thin.chart().series.len(), MOST_SERIES);
    }
}
