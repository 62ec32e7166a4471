//! The progress that a node told while it ran: in itself, against the result, and against the service's clock.

use hpl_spec::Progress;
use hpl_spec::benchmark::{Finding, figure};

use super::looks::sane;
use super::{Arrival, Look, seconds_between};

const NAME: &str = "progress";

/// A run of so many seconds shows progress.
const WATCHED_S: f64 = 20.0;
/// The part done, as told and as it follows from score and time, may differ by this: steps have their sizes.
const STEP: f64 = 0.2;
/// From this part on, the rate so far says what the rest can take.
const TELLING: f64 = 0.3;
/// The rest may be so many times faster than what was before, ...
const FASTER: f64 = 1.5;
/// ... and not so many times without a contradiction; ...
const MUCH_FASTER: f64 = 3.0;
/// ... or this part of it, since small remains are slow.
const SLOWER: f64 = 0.1;
/// Progress rides on signs of life: it may come so late, in seconds and as a part of the time.
const LATE_S: f64 = 30.0;
const LATE_SHARE: f64 = 0.1;
/// Clocks and calls, in seconds.
const SLACK_S: f64 = 2.0;

/// The curve of a run. Green, too, where a run is too short to have one.
pub(super) fn progress(look: &Look<'_>) -> Finding {
    let seconds = look.outcome.seconds;
    let (Some(first), Some(last)) = (look.progress.first(), look.progress.last()) else {
        return if seconds > WATCHED_S {
            Finding::amber(NAME, format!("no progress was told in {} s", figure(seconds)))
        } else {
            Finding::green(NAME, format!("{} s are too short to be watched", figure(seconds)))
        };
    };
    let text = format!(
        "{} times, the last at {:.1} % after {} s",
        look.progress.len(),
        100.0 * last.progress.fraction,
        figure(last.progress.seconds)
    );
    let said = in_itself(look.progress).and_then(|()| against_the_result(look, last.progress));
    match said.and_then(|()| against_the_clock(look, first, last)) {
        Ok(()) => Finding::green(NAME, text),
        Err(Objection { red: true, why }) => Finding::red(NAME, format!("{text}: {why}")),
        Err(Objection { red: false, why }) => Finding::amber(NAME, format!("{text}: {why}")),
    }
}

/// What speaks against a curve.
struct Objection {
    /// Whether it cannot be true, or only cannot be told.
    red: bool,
    why: String,
}

fn red(why: impl Into<String>) -> Result<(), Objection> {
    Err(Objection { red: true, why: why.into() })
}

fn amber(why: impl Into<String>) -> Result<(), Objection> {
    Err(Objection { red: false, why: why.into() })
}

/// Time and work only grow.
fn in_itself(curve: &[Arrival]) -> Result<(), Objection> {
    let numbers = |p: &Progress| [p.fraction, p.seconds, p.score, p.score_now];
    if !curve.iter().all(|a| sane(&numbers(&a.progress)) && a.progress.fraction <= 1.0 + 1e-9) {
        return red("numbers that no progress has");
    }
    let back = |pair: &[Arrival]| {
        let [before, after] = [pair[0].progress, pair[1].progress];
        after.fraction < before.fraction || after.seconds < before.seconds
    };
    if curve.windows(2).any(back) { red("it goes back") } else { Ok(()) }
}

/// The curve leads to the result.
fn against_the_result(look: &Look<'_>, last: Progress) -> Result<(), Objection> {
    let (seconds, work) = (look.outcome.seconds, look.plan.work);
    if last.seconds > seconds * 1.001 + 0.1 {
        return red(format!("it goes on after the end at {} s", figure(seconds)));
    }
    let done = last.fraction * work;
    let told = last.score * last.seconds;
    if (told - done).abs() > STEP * work {
        let (told, work) = (figure(told), figure(work));
        return red(format!("score times seconds is {told} of {work}, which is not the part that was done"));
    }
    if seconds > WATCHED_S && last.seconds < 0.5 * seconds - LATE_S {
        return amber("more than half of the run was not told of");
    }
    if last.fraction < TELLING || last.score <= 0.0 {
        return Ok(());
    }
    let left = (work - done).max(0.0);
    let ends_at = |factor: f64| last.seconds + left / (factor * last.score);
    let slack = SLACK_S + 0.05 * seconds;
    if seconds + slack < ends_at(MUCH_FASTER) {
        return red(format!("at that rate it would not end at {} s", figure(seconds)));
    }
    if seconds + slack < ends_at(FASTER) || seconds > ends_at(SLOWER) + slack {
        return amber(format!("it hardly leads to an end at {} s", figure(seconds)));
    }
    Ok(())
}

/// It came while it happened.
fn against_the_clock(look: &Look<'_>, first: &Arrival, last: &Arrival) -> Result<(), Objection> {
    let told = last.progress.seconds - first.progress.seconds;
    let came = seconds_between(first.at_ms, last.at_ms);
    if seconds_between(look.stopwatch.claimed_ms, last.at_ms) + SLACK_S < last.progress.seconds {
        return red("it came before it can have happened");
    }
    let early = look
        .stopwatch
        .started_ms
        .is_some_and(|started| seconds_between(started, last.at_ms) + SLACK_S < last.progress.seconds);
    if early || (came - told).abs() > LATE_S + LATE_SHARE * told {
        return amber(format!("it tells of {} s and came within {} s", figure(told), figure(came)));
    }
    Ok(())
}
