//! Numbers, times and states in words for people.

use std::collections::BTreeMap;

use hpl_spec::api::jobs::Job;
use hpl_spec::api::results::{Measure, ResultRow, ResultTier};
use hpl_spec::benchmark::{self, Colour, figure};
use hpl_spec::job::{FailClass, JobState};
use jiff::Timestamp;
use serde_json::Value;

pub(super) use crate::picture::text::rate;

/// A moment: for machines, for people, and how long ago it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct When {
    pub(super) iso: String,
    pub(super) text: String,
    pub(super) ago: String,
}

impl When {
    /// The moment `at`, seen from `now`.
    pub(super) fn new(at: i64, now: i64) -> When {
        let stamp = Timestamp::from_millisecond(at).unwrap_or_default();
        let ago = match now - at {
            ..=-1000 => format!("in {}", duration(((at - now) / 1000) as f64)),
            -999..=4999 => "just now".to_owned(),
            past => format!("{} ago", duration((past / 1000) as f64)),
        };
        When {
            iso: stamp.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            text: stamp.strftime("%-d %b %Y, %H:%M:%S UTC").to_string(),
            ago,
        }
    }
}

/// A span of time: two units at most.
pub(super) fn duration(seconds: f64) -> String {
    if !seconds.is_finite() || seconds < 0.0 {
        return "unknown".to_owned();
    }
    if seconds < 10.0 {
        return format!("{} s", figure((seconds * 100.0).round() / 100.0));
    }
    let whole = seconds.round() as u64;
    let (days, hours, minutes, rest) = (whole / 86_400, whole / 3600 % 24, whole / 60 % 60, whole % 60);
    let two = |a: u64, unit: &str, b: u64, small: &str| match b {
        0 => format!("{a} {unit}"),
        _ => format!("{a} {unit} {b} {small}"),
    };
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{rest} s"),
        (0, 0, _) => two(minutes, "min", rest, "s"),
        (0, _, _) => two(hours, "h", minutes, "min"),
        _ => two(days, "d", hours, "h"),
    }
}

/// A size of memory or of a file.
pub(super) fn bytes(bytes: u64) -> String {
    let units = ["bytes", "KiB", "MiB", "GiB", "TiB", "PiB"];
    let mut size = bytes as f64;
    let mut unit = 0;
    while size >= 1024.0 && unit + 1 < units.len() {
        size /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes} bytes") } else { format!("{size:.1} {}", units[unit]) }
}

/// `1 job`, `2 jobs`.
pub(super) fn count(number: impl Into<u64>, one: &str, many: &str) -> String {
    let number = number.into();
    if number == 1 { format!("1 {one}") } else { format!("{number} {many}") }
}

/// What a node had to drop, as [`Job::dropped`] has it; nothing where it dropped nothing.
pub(super) fn dropped(kinds: &BTreeMap<String, u64>) -> String {
    let words = kinds.iter().filter(|(_, number)| **number > 0).map(|(kind, &number)| match kind.as_str() {
        "samples" => count(number, "sample of its figures", "samples of its figures"),
        "log_bytes" => format!("{} of the log", bytes(number)),
        "events" => count(number, "word of how far it was", "words of how far it was"),
        other => format!("{number} {}", other.replace('_', " ")),
    });
    words.collect::<Vec<_>>().join(", ")
}

/// A score with its unit.
pub(super) fn score(benchmark: &str, score: f64) -> String {
    let unit = benchmark::find(benchmark).map_or("", |row| row.unit);
    format!("{} {unit}", rate(score))
}

/// A part of a hundred; nothing where it is not known.
pub(super) fn percent(percent: Option<f64>) -> String {
    percent.map_or_else(|| "not known".to_owned(), |value| format!("{value:.1} %"))
}

/// A score over the mean power of a run, with its unit.
pub(super) fn per_watt(benchmark: &str, value: f64) -> String {
    let unit = benchmark::find(benchmark).map_or("", |row| row.unit);
    format!("{} {}", rate(value), Measure::PerWatt.unit(unit))
}

/// What a result is worth by a measure, below a head that names the measure.
pub(super) fn value(measure: Measure, row: &ResultRow) -> String {
    let in_unit = |value: f64| score(&row.benchmark, value);
    match measure {
        Measure::Score => in_unit(row.score),
        Measure::Percent => percent(row.percent),
        Measure::PerWatt => row.per_watt.map_or_else(|| "not known".to_owned(), in_unit),
    }
}

/// A value of a parameter, or another fact.
pub(super) fn plain(value: &Value) -> String {
    match value {
        Value::Null => "not known".to_owned(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::String(word) => choice(word),
        Value::Object(fields) => {
            let pairs = fields.iter().map(|(name, value)| format!("{} {}", name.replace('_', " "), plain(value)));
            pairs.collect::<Vec<_>>().join(", ")
        }
        other => other.to_string(),
    }
}

/// A word that a parameter takes, as the lessons call it, with HPL's own name where that is another.
pub(super) fn choice(word: &str) -> String {
    let said = match word {
        "row_major" => "row-major",
        "column_major" => "column-major",
        "crout" => "Crout",
        "ring" => "ring (1ring)",
        "ring_m" => "modified ring (1ringM)",
        "two_ring" => "two rings (2ring)",
        "two_ring_m" => "modified two rings (2ringM)",
        "long_m" => "modified long (longM)",
        "spread_roll" => "spread-roll",
        "no_transposed" => "not transposed",
        other => return other.replace('_', " "),
    };
    said.to_owned()
}

/// The parts of the peak that are healthy on one node.
pub(super) fn healthy() -> String {
    let (low, high) = crate::diagnose::HEALTHY;
    format!("{low} to {high} %")
}

/// What a field of a form is called, by its name on the wire.
pub(super) fn field(name: &str) -> String {
    let said = match name {
        "order" => "PMAP",
        "swap_threshold" => "Swapping threshold",
        "grid" => "P × Q",
        "walltime_s" => "Longest time",
        "walltime_max_s" => "Longest run",
        "input" => "HPL.dat",
        "min_n" | "min_size" => "N at least",
        "max_n" => "N at most",
        "min_score" => "Score at least",
        "running_max" => "Runs at the same time",
        "queued_max" => "Waiting jobs and sweeps",
        "expires_in_days" => "Days until it ends",
        "scopes" => "What it may do",
        "name" => "What it is for",
        "subject" => "Name",
        "uses" => "How many accounts it is good for",
        "nodes" => "How many nodes may join by it",
        "minutes" => "Minutes until it ends",
        "days" => "Days until it ends",
        "kind" => "Processor",
        "repeats" => "Runs of each point",
        "on" => "As it stood on",
        other if super::submit::about::of(other).is_some() => return other.to_uppercase(),
        other => return sentence(&other.replace('_', " ")),
    };
    said.to_owned()
}

/// With a capital letter at its beginning.
pub(super) fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// The name of a fact about a run as people write it.
pub(super) fn titled(name: &str) -> String {
    let word = |word: &str| match word {
        "aslr" | "cpu" | "gpu" | "mpi" | "numa" | "oom" | "smt" => word.to_uppercase(),
        "s" => "in seconds".to_owned(),
        other => other.to_owned(),
    };
    let name = name.split('_').map(word).collect::<Vec<_>>().join(" ");
    if name == "xhpl" { name } else { sentence(&name) }
}

/// A state in a word or two.
pub(super) fn state(state: JobState) -> &'static str {
    match state {
        JobState::Draft => "Draft",
        JobState::Held => "On hold",
        JobState::Queued => "Waiting for a node",
        JobState::Claimed => "Taken by a node",
        JobState::Preparing => "Getting ready",
        JobState::Running => "Running",
        JobState::Finishing => "Sending its results",
        JobState::Verifying => "Being checked",
        JobState::Lost => "Contact lost",
        JobState::Done => "Done",
        JobState::Failed => "Failed",
        JobState::Cancelled => "Cancelled",
        JobState::Expired => "Out of time",
    }
}

/// A state in a sentence.
pub(super) fn about_state(state: JobState) -> &'static str {
    match state {
        JobState::Draft => "It is saved and costs nothing until you start it.",
        JobState::Held => "It waits for something other than a free node.",
        JobState::Queued => "It starts when a node that is large enough is free and its turn has come.",
        JobState::Claimed => "A node has taken it and begins in a moment.",
        JobState::Preparing => "The node gets ready: it writes the input and starts the program.",
        JobState::Running => "The program is computing.",
        JobState::Finishing => "The program has ended; its output is on the way here.",
        JobState::Verifying => "The service looks at the result before it counts.",
        JobState::Lost => {
            "The node has not been heard of for a while. The run may still go on, so no second one is started yet."
        }
        JobState::Done => "It ended, and its answer passed the check.",
        JobState::Failed => "It ended without a result that counts.",
        JobState::Cancelled => "Somebody ended it.",
        JobState::Expired => "Its time was over before it came to an end.",
    }
}

/// The look of a state; its words stand beside it.
pub(super) fn state_class(state: JobState) -> &'static str {
    match state {
        JobState::Draft | JobState::Held | JobState::Queued => "waits",
        JobState::Done => "good",
        JobState::Failed | JobState::Expired => "bad",
        JobState::Lost => "doubt",
        JobState::Cancelled => "over",
        _ => "live",
    }
}

/// Whose fault a failure was.
pub(super) fn fail_class(class: FailClass) -> &'static str {
    match class {
        FailClass::Benchmark => "The run itself went wrong",
        FailClass::Infra => "The node or the network failed, not your run",
        FailClass::Policy => "A limit was reached",
    }
}

/// A tier in a word.
pub(super) fn tier(tier: ResultTier) -> &'static str {
    match tier {
        ResultTier::Pending => "Not checked yet",
        ResultTier::Verified => "Verified",
        ResultTier::Reported => "Reported",
        ResultTier::Flagged => "Flagged",
        ResultTier::Failed => "Failed its check",
        ResultTier::Orphan => "Came too late",
    }
}

/// A tier in a sentence.
pub(super) fn about_tier(tier: ResultTier) -> &'static str {
    match tier {
        ResultTier::Pending => "It has come and was not looked at yet.",
        ResultTier::Verified => "Our own program on a node we trust, and every check is as it should be.",
        ResultTier::Reported => "Nothing speaks against it, but something rests on the word of others.",
        ResultTier::Flagged => "Something about it cannot be true. It is kept, with the reason, and is not ranked.",
        ResultTier::Failed => "The answer did not pass the check or could not be read, so it counts for nothing.",
        ResultTier::Orphan => "It came from a try that had been given up. It is kept and is not ranked.",
    }
}

/// The look of a tier.
pub(super) fn tier_class(tier: ResultTier) -> &'static str {
    match tier {
        ResultTier::Verified => "good",
        ResultTier::Reported => "live",
        ResultTier::Pending => "waits",
        ResultTier::Flagged => "doubt",
        ResultTier::Failed => "bad",
        ResultTier::Orphan => "over",
    }
}

/// A finding's colour: its word and its look.
pub(super) fn colour(colour: Colour) -> (&'static str, &'static str) {
    match colour {
        Colour::Green => ("As it should be", "good"),
        Colour::Amber => ("Cannot be told", "doubt"),
        Colour::Red => ("Cannot be true", "bad"),
    }
}

/// A job in lists.
pub(super) struct JobLine {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) label: String,
    pub(super) owner: String,
    pub(super) state: &'static str,
    pub(super) class: &'static str,
    pub(super) score: String,
    pub(super) percent: Option<u32>,
    pub(super) private: bool,
    pub(super) when: When,
}

impl JobLine {
    pub(super) fn new(job: &Job, now: i64) -> JobLine {
        let running = job.progress.filter(|_| job.state == JobState::Running);
        JobLine {
            id: job.id.to_string(),
            name: if job.title.is_empty() { job.label.clone() } else { job.title.clone() },
            label: job.label.clone(),
            owner: job.owner.clone(),
            state: state(job.state),
            class: state_class(job.state),
            score: job.score.map(|value| score(&job.benchmark, value)).unwrap_or_default(),
            percent: running.map(|p| hundredths(p.fraction)),
            private: job.visibility == hpl_spec::api::jobs::Visibility::Private,
            when: When::new(job.created_at, now),
        }
    }
}

/// A part from 0 to 1 in whole per cent.
pub(super) fn hundredths(fraction: f64) -> u32 {
    (fraction.clamp(0.0, 1.0) * 100.0).floor() as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_and_sizes_can_be_read() {
        let spans = [0.0, 1.234, 59.6, 60.0, 61.0, 3600.0, 5400.0, 90_000.0, f64::NAN].map(duration);
        assert_eq!(spans, ["0 s", "1.23 s", "1 min", "1 min", "1 min 1 s", "1 h", "1 h 30 min", "1 d 1 h", "unknown"]);
        assert_eq!([0, 1023, 1536, 8 << 30].map(bytes), ["0 bytes", "1023 bytes", "1.5 KiB", "8.0 GiB"]);
        assert_eq!([hundredths(0.999), hundredths(1.0), hundredths(f64::NAN), hundredths(-1.0)], [99, 100, 0, 0]);
    }

    #[test]
    fn what_was_dropped_is_said_with_its_numbers() {
        let kinds = |pairs: &[(&str, u64)]| pairs.iter().map(|(kind, number)| ((*kind).to_owned(), *number)).collect();
        assert_eq!(dropped(&kinds(&[("samples", 0)])), "");
        let all = kinds(&[("samples", 1), ("log_bytes", 2048), ("events", 3), ("other_things", 4)]);
        let said = "3 words of how far it was, 2.0 KiB of the log, 4 other things, 1 sample of its figures";
        assert_eq!(dropped(&all), said);
    }

    #[test]
    fn moments_are_said_in_both_ways() {
        let at = 1_795_405_800_000;
        let when = When::new(at, at + 61_000);
        assert_eq!((when.iso.as_str(), when.ago.as_str()), ("2026-11-23T03:50:00Z", "1 min 1 s ago"));
        assert_eq!(when.text, "23 Nov 2026, 03:50:00 UTC");
        assert_eq!(When::new(at, at - 3_600_000).ago, "in 1 h");
        assert_eq!(When::new(at, at + 5190).ago, "5 s ago");
    }
}
