//! How fast a run goes: the figures beside its progress, and its curve as a picture for those without a script.

use hpl_spec::benchmark;
use hpl_spec::job::Progress;

use crate::http::pages::words;
use crate::ops::jobs::{Span, solve_left};
use crate::picture::axis::Scale;
use crate::picture::chart::{Along, Chart, Draw, Point, Series};
use crate::picture::responsive;

/// How far a run is and how fast it goes, in words.
pub(super) struct Pace {
    pub(super) percent: u32,
    pub(super) took: String,
    pub(super) now: String,
    pub(super) so_far: String,
    /// Empty before it can be told.
    pub(super) projected: String,
}

impl Pace {
    pub(super) fn of(benchmark: &str, progress: &Progress) -> Pace {
        let projected = projected(progress).map(|(_, score)| words::score(benchmark, score));
        Pace {
            percent: words::hundredths(progress.fraction),
            took: words::duration(progress.seconds),
            now: words::score(benchmark, progress.score_now),
            so_far: words::score(benchmark, progress.score),
            projected: projected.unwrap_or_default(),
        }
    }
}

/// When the solve will have ended, in seconds since it began, and with which score.
pub(super) fn projected(progress: &Progress) -> Option<(f64, f64)> {
    let Span { likely, .. } = solve_left(progress)?;
    let all = progress.seconds + likely;
    // The work is the score times the time, so far and in all.
    Some((all, progress.score * progress.seconds / progress.fraction / all))
}

/// The curve of a try: `runs` where it goes on. None before there is something to draw.
pub(super) fn picture(benchmark: &str, points: &[Progress], runs: bool, best: Option<(f64, String)>) -> Option<String> {
    let last = points.last().filter(|_| points.len() > 1)?;
    let unit = benchmark::find(benchmark).map_or("", |row| row.unit);
    let line = |name: &str, value: fn(&Progress) -> f64| Series {
        name: name.to_owned(),
        draw: Draw::Line,
        points: points.iter().map(|p| Point::new(p.seconds, value(p))).collect(),
    };
    let mut series = vec![line("now", |p| p.score_now), line("so far", |p| p.score)];
    let end = projected(last).filter(|_| runs && last.fraction < 1.0);
    if let Some((seconds, score)) = end {
        let points = vec![Point::new(last.seconds, last.score), Point::new(seconds, score)];
        series.push(Series { name: "projected".to_owned(), draw: Draw::Line, points });
    }
    let mut description = format!(
        "After {} of computing: {} {unit} in the latest step, {} {unit} so far.",
        words::duration(last.seconds),
        words::rate(last.score_now),
        words::rate(last.score)
    );
    if let Some((seconds, score)) = end {
        let (seconds, score) = (words::duration(seconds), words::rate(score));
        description += &format!(" Projected: {score} {unit} after {seconds}.");
    }
    let chart = Chart {
        title: format!("{unit} over time"),
        description,
        along: Along::Values(Scale::FromZero),
        x_label: "seconds of computing".to_owned(),
        upwards: Scale::FromZero,
        y_label: unit.to_owned(),
        series,
        levels: best.into_iter().collect(),
    };
    Some(responsive(|shape| chart.picture(shape)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_projection_does_the_whole_work_in_the_whole_time() {
        let progress = Progress { fraction: 0.5, seconds: 100.0, score: 50.0, score_now: 50.0 };
        let (seconds, score) = projected(&progress).unwrap();
        assert!((seconds - 200.0).abs() < 1e-9 && (score - 50.0).abs() < 1e-9);
        let slower = Progress { score_now: 25.0, ..progress };
        let (seconds, score) = projected(&slower).unwrap();
        assert!((seconds - 250.0).abs() < 1e-9 && (score - 40.0).abs() < 1e-9);
        assert_eq!(projected(&Progress::default()), None);
        let pace = Pace::of("hpl", &slower);
        assert_eq!((pace.percent, pace.projected.as_str()), (50, "40.00 Gflop/s"));
    }

    #[test]
    fn the_picture_says_what_it_shows() {
        let point = |n: u32| {
            let seconds = f64::from(n);
            Progress { fraction: seconds / 10.0, seconds, score: 40.0, score_now: 41.23456 }
        };
        let points: Vec<Progress> = (1..6).map(point).collect();
        let picture = picture("hpl", &points, true, Some((44.0, "Your best".into()))).unwrap();
        assert!(picture.contains("41.23 Gflop/s in the latest step") && picture.contains("Projected: "), "{picture}");
        assert!(picture.contains("Your best") && !picture.contains("style="));
        assert!(!super::picture("hpl", &points, false, None).unwrap().contains("Projected"));
        assert_eq!(super::picture("hpl", &points[..1], true, None), None);
    }
}
