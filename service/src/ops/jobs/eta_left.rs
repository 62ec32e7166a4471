//! How long a run still takes, and predicted moments in words: pure.
//!
//! A prediction is three numbers, of which the outer two are meant to hold in most cases. Their distance comes from what
//! the prediction rests on: a run that computes is judged by its own rates, one that has not begun by its estimate.

use hpl_spec::api::jobs::Expected;
use hpl_spec::job::{JobState, Progress};

// How far estimates are off was not measured: chosen by reasoning. Two runs of the same problem on one node differ by a
// few hundredths, one of another size by a fifth, and without any history the part of the peak is a guess.
/// A run takes hardly less than this part of its estimate, ...
const SHORT: f64 = 0.7;
/// ... and hardly more than so many times.
const LONG: f64 = 1.5;
/// What comes after the solve, check and delivery, in seconds.
const AFTER: Span = Span { early: 1.0, likely: 3.0, late: 20.0 };
/// Before this part of the work is done, a run's own rate tells too little.
const TOO_EARLY: f64 = 0.005;
/// After its walltime a run has so many seconds to end.
const GRACE: f64 = 60.0;

/// Seconds from now on: hardly less, likely, hardly more.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Span {
    /// Hardly less.
    pub early: f64,
    /// The likeliest.
    pub likely: f64,
    /// Hardly more.
    pub late: f64,
}

impl Span {
    /// The three in order, none below 0, none that is no number.
    #[must_use]
    pub fn new(early: f64, likely: f64, late: f64) -> Span {
        let real = |s: f64| if s.is_nan() { 0.0 } else { s.clamp(0.0, 1e12) };
        let likely = real(likely);
        Span { early: real(early).min(likely), likely, late: real(late).max(likely) }
    }

    fn at_most(self, most: f64) -> Span {
        Span::new(self.early.min(most), self.likely.min(most), self.late.min(most))
    }
}

impl std::ops::Add for Span {
    type Output = Span;

    fn add(self, other: Span) -> Span {
        Span::new(self.early + other.early, self.likely + other.likely, self.late + other.late)
    }
}

/// How long something takes.
#[derive(Debug, Clone, PartialEq)]
pub enum Left {
    /// So long.
    For(Span),
    /// It cannot be told.
    Unknown {
        /// Seconds after which it is over in any case.
        late: f64,
        /// Why it cannot be told.
        why: String,
    },
}

impl Left {
    /// The seconds to plan with: the likeliest, or the most where that is not known.
    #[must_use]
    pub fn to_plan_with(&self) -> Span {
        match self {
            Left::For(span) => *span,
            Left::Unknown { late, .. } => Span::new(0.0, *late, *late),
        }
    }
}

/// How long a run takes that has not begun.
#[must_use]
pub fn whole(estimate_s: Option<f64>, walltime_s: u32) -> Left {
    let most = f64::from(walltime_s) + GRACE;
    match estimate_s.filter(|s| s.is_finite() && *s >= 0.0) {
        Some(s) => Left::For((Span::new(SHORT * s, s, LONG * s) + AFTER).at_most(most)),
        None => Left::Unknown { late: most, why: "a run before it could not be predicted".into() },
    }
}

/// A run on a node.
#[derive(Debug, Clone, PartialEq)]
pub struct Run<'r> {
    /// Where the job stands.
    pub state: JobState,
    /// The node's name.
    pub node: &'r str,
    /// Seconds since the program began.
    pub ran_s: Option<f64>,
    /// How far it is.
    pub progress: Option<Progress>,
    /// The predicted seconds.
    pub estimate_s: Option<f64>,
    /// Seconds after which it is ended.
    pub walltime_s: u32,
}

/// How long a node still has a run.
#[must_use]
pub fn left(run: &Run) -> Left {
    let ran = run.ran_s.unwrap_or(0.0).max(0.0);
    let most = (f64::from(run.walltime_s) - ran).max(0.0) + GRACE;
    match run.state {
        JobState::Finishing | JobState::Verifying => return Left::For(AFTER),
        JobState::Lost => {
            return Left::Unknown { late: most, why: format!("{} has not been heard of for a while", run.node) };
        }
        _ => {}
    }
    if let Some(solve) = run.progress.and_then(|progress| solve_left(&progress)) {
        return Left::For((solve + AFTER).at_most(most));
    }
    match run.estimate_s.filter(|s| s.is_finite() && *s >= 0.0) {
        Some(s) => {
            let likely = (s - ran).max(0.1 * s);
            let span = Span::new((SHORT * s - ran).max(0.0), likely, (LONG * s - ran).max(0.2 * s));
            Left::For((span + AFTER).at_most(most))
        }
        None => Left::Unknown { late: most, why: format!("the run on {} could not be predicted", run.node) },
    }
}

/// How long the solve still takes, by its own rates: that of all steps so far, and that of the latest. The operations
/// that are left are known; how fast the rest goes lies mostly near these two, the less so the more is left.
#[must_use]
pub fn solve_left(progress: &Progress) -> Option<Span> {
    let Progress { fraction, seconds, score, score_now } = *progress;
    if fraction.is_nan() || fraction < TOO_EARLY || !seconds.is_finite() || seconds <= 0.0 {
        return None;
    }
    let rest = (1.0 - fraction).max(0.0);
    let so_far = seconds * rest / fraction;
    // A single step may be far off: it counts for at most half or twice the rate so far.
    let ratio = if score > 0.0 && score_now > 0.0 { (score / score_now).clamp(0.5, 2.0) } else { 1.0 };
    let now = so_far * ratio;
    let doubt = 0.05 + 0.25 * rest;
    Some(Span::new((1.0 - doubt) * so_far.min(now), f64::midpoint(so_far, now), (1.0 + doubt) * so_far.max(now)))
}

/// A span as a moment after `now`, in milliseconds, with its words.
#[must_use]
pub fn expected(left: &Left, now: i64) -> Expected {
    let after = |seconds: f64| now.saturating_add((seconds * 1000.0) as i64);
    match left {
        Left::For(span) => Expected {
            at: Some(after(span.likely)),
            earliest: Some(after(span.early)),
            latest: Some(after(span.late)),
            text: words(span),
        },
        Left::Unknown { late, why } => Expected {
            at: None,
            earliest: None,
            latest: Some(after(*late)),
            text: format!("cannot be told: {why}; at the latest in {}", rough(*late)),
        },
    }
}

/// What cannot be told at all.
#[must_use]
pub fn unknown(why: &str) -> Expected {
    Expected { text: format!("cannot be told: {why}"), ..Expected::default() }
}

/// `in about 12 min (between 8 and 20 min)`.
#[must_use]
pub fn words(span: &Span) -> String {
    let (early, late) = (rounded(span.early), rounded(span.late));
    if span.late < 10.0 {
        return "in a few seconds".to_owned();
    }
    let about =
        if span.likely < 10.0 { "in a few seconds".to_owned() } else { format!("in about {}", rough(span.likely)) };
    match (early, late) {
        ((a, _), (b, unit)) if a == "0" => format!("{about} ({b} {unit} at most)"),
        ((a, one), (b, other)) if one == other && a == b => about,
        ((a, one), (b, other)) if one == other => format!("{about} (between {a} and {b} {other})"),
        ((a, one), (b, other)) => format!("{about} (between {a} {one} and {b} {other})"),
    }
}

/// A time as one would say it.
#[must_use]
pub fn rough(seconds: f64) -> String {
    let (number, unit) = rounded(seconds);
    format!("{number} {unit}")
}

fn rounded(seconds: f64) -> (String, &'static str) {
    const MINUTE: f64 = 60.0;
    const HOUR: f64 = 3600.0;
    const DAY: f64 = 24.0 * HOUR;
    let (number, unit) = match seconds {
        s if s < 10.0 => (s.round(), "s"),
        s if s < 1.5 * MINUTE => (5.0 * (s / 5.0).round(), "s"),
        s if s < 10.0 * MINUTE => ((s / MINUTE * 2.0).round() / 2.0, "min"),
        s if s < 1.5 * HOUR => ((s / MINUTE).round(), "min"),
        s if s < 10.0 * HOUR => ((s / HOUR * 2.0).round() / 2.0, "h"),
        s if s < 2.0 * DAY => ((s / HOUR).round(), "h"),
        s => ((s / DAY).round(), "d"),
    };
    (number.to_string(), unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn running(progress: Option<Progress>, estimate_s: Option<f64>) -> Run<'static> {
        Run { state: JobState::Running, node: "one", ran_s: Some(10.0), progress, estimate_s, walltime_s: 600 }
    }

    #[test]
    fn a_run_is_judged_by_its_own_rates() {
        let progress = Progress { fraction: 0.5, seconds: 100.0, score: 50.0, score_now: 40.0 };
        let span = solve_left(&progress).unwrap();
        // 100 s at the rate so far, 125 s at the latest one.
        assert!((span.likely - 112.5).abs() < 1e-9 && span.early < 100.0 && span.late > 125.0, "{span:?}");
        let near = solve_left(&Progress { fraction: 0.99, ..progress }).unwrap();
        assert!((near.late - near.early) / near.likely < (span.late - span.early) / span.likely);
        assert_eq!(solve_left(&Progress { fraction: 0.001, ..progress }), None);
        // A single slow step does not make hours of minutes.
        let slow = solve_left(&Progress { score_now: 0.01, ..progress }).unwrap();
        assert!(slow.likely < 160.0, "{slow:?}");
    }

    #[test]
    fn without_progress_the_estimate_is_taken_and_without_it_nothing() {
        let Left::For(span) = left(&running(None, Some(60.0))) else { panic!() };
        assert!((span.likely - 53.0).abs() < 1e-9 && span.early < 40.0 && span.late > 80.0, "{span:?}");
        // It should have ended, and goes on: a little more.
        let Left::For(over) = left(&Run { ran_s: Some(100.0), ..running(None, Some(60.0)) }) else { panic!() };
        assert!(over.likely > 0.0 && over.late >= over.likely);
        assert!(matches!(left(&running(None, None)), Left::Unknown { late, .. } if late == 650.0));
        assert!(matches!(left(&Run { state: JobState::Lost, ..running(None, Some(60.0)) }), Left::Unknown { .. }));
        assert!(matches!(whole(Some(f64::NAN), 60), Left::Unknown { .. }));
        // Nothing lasts longer than it may.
        let Left::For(long) = whole(Some(1e9), 600) else { panic!() };
        assert_eq!(long.late, 660.0);
    }

    #[test]
    fn the_page_of_a_job_says_the_same() {
        let examples: serde_json::Value =
            serde_json::from_str(include_str!("../../../web/test/time-left.json")).unwrap();
        for example in examples["left"].as_array().unwrap() {
            let progress: Progress = serde_json::from_value(example["progress"].clone()).unwrap();
            let text = solve_left(&progress).map(|solve| words(&(solve + AFTER)));
            assert_eq!(serde_json::to_value(text).unwrap(), example["text"]);
        }
        for example in examples["rough"].as_array().unwrap() {
            assert_eq!(rough(example[0].as_f64().unwrap()), example[1].as_str().unwrap());
        }
    }

    #[test]
    fn moments_are_said_with_their_spread() {
        for (span, text) in [
            (Span::new(1.0, 3.0, 8.0), "in a few seconds"),
            (Span::new(0.0, 5.0, 40.0), "in a few seconds (40 s at most)"),
            (Span::new(480.0, 720.0, 1200.0), "in about 12 min (between 8 and 20 min)"),
            (Span::new(50.0, 120.0, 240.0), "in about 2 min (between 50 s and 4 min)"),
            (Span::new(7100.0, 7200.0, 7300.0), "in about 2 h"),
            (Span::new(3.0 * 86_400.0, 4.0 * 86_400.0, 9.0 * 86_400.0), "in about 4 d (between 3 and 9 d)"),
        ] {
            assert_eq!(words(&span), text);
        }
        let said = expected(&Left::Unknown { late: 1800.0, why: "nobody knows".into() }, 1000);
        assert_eq!(said.text, "cannot be told: nobody knows; at the latest in 30 min");
        assert_eq!((said.at, said.latest), (None, Some(1_801_000)));
        assert_eq!(expected(&Left::For(Span::new(1.0, 2.0, 3.0)), 1000).at, Some(3000));
    }
}
