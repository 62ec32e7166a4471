//! One look each at time, rate, memory, processor time, energy, program and clock.

use hpl_spec::benchmark::{Colour, Finding, figure};
use hpl_spec::evidence::MemorySource;

use super::{Look, Seen, seconds_between};

/// What two clocks may differ by, and what a call may take: seconds.
const CLOCK_SLACK_S: f64 = 1.0;
/// Start, making the problem and checking the answer may take so long beside what is measured: seconds, and a part
/// of what is measured.
const OVERHEAD_S: f64 = 15.0;
const OVERHEAD_SHARE: f64 = 0.5;
/// The word of the start may come so late, in seconds, before the stop-watch tells nothing.
const LATE_START_S: f64 = 30.0;
/// Logs, artifacts and the result may take so long to come, in seconds.
const DELIVERY_S: f64 = 120.0;
/// A rate may be above the measured peak by this factor: clocks are not quite steady.
const ROOFLINE: f64 = 1.05;
/// The part of the processor time at peak rate that must have been spent. Cores that run while others rest are
/// clocked up, above what the peak of all cores says.
const CPU_SHARE_ALL: f64 = 0.9;
const CPU_SHARE_SOME: f64 = 0.5;
/// Processor time above elapsed time times cores by this factor is odd.
const CPU_MOST: f64 = 1.1;
/// Memory that is sampled may be missed at its highest in runs below so many seconds.
const SAMPLED_S: f64 = 30.0;
/// Watts of a used core that a node may have, its other parts included.
const WATTS_PER_CORE: std::ops::RangeInclusive<f64> = 0.05..=500.0;
/// The part of the run that the score must be of before it is divided by the run's mean power. A processor that starts a
/// program takes little: of a run that hardly solves anything the mean power is far below that of the solve, and the
/// shortest runs would look the best.
const SOLVE_SHARE: f64 = 0.5;
/// Milliseconds by which a clock that is kept may be off.
const CLOCK_OFFSET_MS: u64 = 2000;

/// Whether these are numbers of things that are never negative.
pub(super) fn sane(numbers: &[f64]) -> bool {
    numbers.iter().all(|v| v.is_finite() && *v >= 0.0)
}

/// The node's peak, if it is one.
fn measured_peak(look: &Look<'_>) -> Option<f64> {
    look.node.peak.filter(|peak| peak.is_finite() && *peak > 0.0)
}

/// The service's watch, the daemon's, and the time that was measured.
pub(super) fn stopwatch(look: &Look<'_>) -> Finding {
    const NAME: &str = "stopwatch";
    let (seconds, elapsed) = (look.outcome.seconds, look.evidence.elapsed_s);
    let held = seconds_between(look.stopwatch.claimed_ms, look.stopwatch.finished_ms);
    let seen = look.stopwatch.started_ms.map(|started| seconds_between(started, look.stopwatch.finished_ms));
    let ours = seen.map_or("no start".to_owned(), |seen| format!("{} s", figure(seen)));
    let text = format!(
        "{} s measured, {} s by the daemon, {ours} by the service, {} s from claim to result",
        figure(seconds),
        figure(elapsed),
        figure(held)
    );
    if !sane(&[seconds, elapsed, held]) {
        return Finding::red(NAME, format!("{text}: not times"));
    }
    let longest = if elapsed > seconds { elapsed } else { seconds };
    if elapsed + CLOCK_SLACK_S < seconds {
        return Finding::red(NAME, format!("{text}: measured longer than the program ran"));
    }
    if held * 1.001 + CLOCK_SLACK_S < longest || seen.is_some_and(|seen| seen + CLOCK_SLACK_S < seconds) {
        return Finding::red(NAME, format!("{text}: the result came before the run can have ended"));
    }
    let Some(seen) = seen else {
        return Finding::amber(NAME, format!("{text}: when it started was not seen"));
    };
    if elapsed > seconds * (1.0 + OVERHEAD_SHARE) + OVERHEAD_S {
        return Finding::amber(NAME, format!("{text}: most of the time was not measured"));
    }
    if seen + LATE_START_S < elapsed || seen > elapsed * 1.05 + DELIVERY_S {
        return Finding::amber(NAME, format!("{text}: the service and the daemon disagree"));
    }
    Finding::green(NAME, text)
}

/// No more than the node can.
pub(super) fn roofline(look: &Look<'_>) -> Finding {
    const NAME: &str = "roofline";
    let (score, unit) = (look.outcome.score, look.unit);
    let Some(peak) = measured_peak(look) else {
        return Finding::amber(NAME, format!("{} {unit}; the node's peak was not measured", figure(score)));
    };
    let share = 100.0 * score / peak;
    let text = format!("{} {unit} of the node's {}, {share:.1} %", figure(score), figure(peak));
    if sane(&[score]) && score <= peak * ROOFLINE { Finding::green(NAME, text) } else { Finding::red(NAME, text) }
}

/// What was worked on was held.
pub(super) fn memory(look: &Look<'_>) -> Finding {
    const NAME: &str = "memory";
    let gigabytes = |bytes: u64| format!("{} GB", figure(bytes as f64 / 1e9));
    match (look.plan.bytes_held, look.evidence.memory_peak) {
        (None, None) => Finding::green(NAME, "a problem this small need not show in memory"),
        (None, Some(peak)) => {
            let held = gigabytes(peak.bytes);
            Finding::green(NAME, format!("{held} held; a problem this small need not show in memory"))
        }
        (Some(needed), None) => {
            Finding::amber(NAME, format!("not measured; at least {} must have been held", gigabytes(needed)))
        }
        (Some(needed), Some(peak)) => {
            let (held, by) = (gigabytes(peak.bytes), peak.source.title());
            let text = format!("{held} held (by {by}), at least {} needed", gigabytes(needed));
            if peak.bytes >= needed {
                Finding::green(NAME, text)
            } else if peak.source == MemorySource::Rss && look.evidence.elapsed_s < SAMPLED_S {
                Finding::amber(NAME, format!("{text}; the run was too short for samples"))
            } else {
                Finding::red(NAME, text)
            }
        }
    }
}

/// The work took the processor time that it must take.
pub(super) fn cpu(look: &Look<'_>) -> Finding {
    const NAME: &str = "cpu";
    let Some(cpu) = look.evidence.cpu_s else { return Finding::amber(NAME, "processor time was not measured") };
    let cores = look.cores_used.max(1);
    let text = format!("{} processor seconds in {} s on {cores} cores", figure(cpu), figure(look.evidence.elapsed_s));
    if !sane(&[cpu]) {
        return Finding::red(NAME, format!("{text}: no time"));
    }
    let Some(peak) = measured_peak(look) else {
        return Finding::amber(NAME, format!("{text}; what is needed is not known without the node's peak"));
    };
    let of_a_core = peak / look.node.cores.max(1) as f64;
    let share = if cores >= look.node.cores { CPU_SHARE_ALL } else { CPU_SHARE_SOME };
    let needed = look.plan.work / of_a_core * share;
    if cpu < needed {
        return Finding::red(NAME, format!("{text}; the work takes {} at the least", figure(needed)));
    }
    if cpu > look.evidence.elapsed_s * cores as f64 * CPU_MOST + CLOCK_SLACK_S {
        return Finding::amber(NAME, format!("{text}: more than these cores have"));
    }
    Finding::green(NAME, text)
}

/// The energy is such as a node takes. That it was not measured spoils nothing.
pub(super) fn energy(look: &Look<'_>) -> Seen {
    const NAME: &str = "energy";
    let Some(joules) = look.evidence.energy_j else {
        return Seen { finding: Finding::amber(NAME, "energy was not measured"), tolerated: true };
    };
    let watts = joules / look.evidence.elapsed_s;
    let text = format!("{} J, {} W", figure(joules), figure(watts));
    if !sane(&[joules]) {
        return Finding::red(NAME, format!("{text}: no energy")).into();
    }
    if WATTS_PER_CORE.contains(&(watts / look.cores_used.max(1) as f64)) {
        Finding::green(NAME, text).into()
    } else {
        Finding::amber(NAME, format!("{text}: not what {} cores take", look.cores_used)).into()
    }
}

/// The score over the mean power of the whole run, its start, the making of the problem and the check included; the
/// energy of the solve alone is not known. None where the energy is not known to be such as a node takes, or where too
/// much of the run was something else.
pub(super) fn per_watt(look: &Look<'_>) -> Option<f64> {
    let (seconds, elapsed) = (look.outcome.seconds, look.evidence.elapsed_s);
    let value = look.outcome.score / (look.evidence.energy_j? / elapsed);
    let known = energy(look).finding.colour == Colour::Green && seconds >= SOLVE_SHARE * elapsed;
    (known && value.is_finite() && value > 0.0).then_some(value)
}

/// The program is ours.
pub(super) fn binary(look: &Look<'_>) -> Finding {
    const NAME: &str = "binary";
    let hash = &look.evidence.binary_sha256;
    if hash.len() != 64 || !hash.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)) {
        return Finding::red(NAME, "the program's SHA-256 is not 64 lower-case hexadecimal digits");
    }
    let text = format!("SHA-256 {hash}");
    if (look.known_binary)(hash) {
        Finding::green(NAME, format!("{text}: ours"))
    } else {
        Finding::amber(NAME, format!("{text}: not a program of ours"))
    }
}

/// The node ran through, and its clock is kept. That the offset was not measured spoils nothing.
pub(super) fn clock(look: &Look<'_>) -> Seen {
    const NAME: &str = "clock";
    if !look.same_boot {
        return Finding::red(NAME, "the node was started anew between claim and result").into();
    }
    let Some(offset) = look.evidence.clock_offset_ms else {
        let finding = Finding::amber(NAME, "same boot; the offset of the clock was not measured");
        return Seen { finding, tolerated: true };
    };
    let text = format!("same boot, clock off by {offset} ms");
    if offset.unsigned_abs() <= CLOCK_OFFSET_MS {
        Finding::green(NAME, text).into()
    } else {
        Finding::amber(NAME, text).into()
    }
}
