//! Rules about the machine: clocks, heat, memory, cores, and who else was there.

use super::known::Known;
use super::watched::Moment;
use super::{Draft, Seen, advice, fact, rounded};
use crate::statistics::{median, quantile, sorted};

/// Fewer samples tell nothing of a course.
const LEAST: usize = 6;
/// Clocks must be low in this part of the samples, ...
const LOW_SHARE: f64 = 0.2;
/// ... and so often one after the other where it is said to begin.
const LOW_IN_A_ROW: usize = 3;
/// From here on, in degrees Celsius, heat is the likely reason for a lower clock.
const WARM: f64 = 85.0;
/// The load is a mean over the last minute: shorter runs are not judged by it.
const LOAD_SPAN_S: f64 = 90.0;
const GIGA: f64 = 1e9;
const MIB: f64 = 1_048_576.0;
const GIB: f64 = 1024.0 * MIB;

const NO_SAMPLES: &str = "the node sent too few samples of this while the run was on";

/// A figure of all moments in which it was measured, with the second.
fn course(moments: &[&Moment], figure: fn(&Moment) -> Option<f64>) -> Vec<(f64, f64)> {
    moments.iter().filter_map(|moment| Some((moment.at_s, figure(moment)?))).collect()
}

fn values(course: &[(f64, f64)]) -> Vec<f64> {
    sorted(&course.iter().map(|(_, value)| *value).collect::<Vec<_>>())
}

fn mean(course: &[(f64, f64)]) -> f64 {
    course.iter().map(|(_, value)| value).sum::<f64>() / course.len() as f64
}

/// The moment with the most, if any.
fn highest(course: &[(f64, f64)]) -> Option<(f64, f64)> {
    course.iter().copied().max_by(|a, b| a.1.total_cmp(&b.1))
}

pub(super) fn clocks_fell(known: &Known<'_>, limit: f64) -> Seen {
    let moments = known.computing();
    let clocks = course(&moments, |m| m.clock);
    if clocks.len() < LEAST {
        return Seen::Unknown(NO_SAMPLES);
    }
    // What the cores ran at in the beginning, but for the moments in which they only came up.
    let first = values(&clocks[..clocks.len().div_ceil(3)]);
    let Some(usual) = quantile(&first, 0.75).filter(|clock| *clock > 0.0) else { return Seen::Unknown(NO_SAMPLES) };
    let is_low = |clock: f64| clock < usual * (1.0 - limit / 100.0);
    let low: Vec<f64> = clocks.iter().map(|(_, clock)| *clock).filter(|clock| is_low(*clock)).collect();
    let began = clocks.windows(LOW_IN_A_ROW).find(|row| row.iter().all(|(_, clock)| is_low(*clock)));
    let (Some(began), true) = (began, low.len() as f64 >= LOW_SHARE * clocks.len() as f64) else {
        let least = values(&clocks)[0];
        let text = format!(
            "{} GHz at first, never for long below {} GHz",
            rounded(usual / GIGA),
            rounded(usual * (1.0 - limit / 100.0) / GIGA)
        );
        return Seen::Clear(if is_low(least) { text } else { format!("{} GHz throughout", rounded(usual / GIGA)) });
    };
    let at = began[0].0;
    let then = median(&sorted(&low)).unwrap_or(usual);
    let lost = clocks.iter().map(|(_, clock)| (1.0 - clock / usual).max(0.0)).sum::<f64>() / clocks.len() as f64;
    let mut facts = vec![
        fact("clock at the beginning", usual / GIGA, "GHz"),
        fact("clock after it fell", then / GIGA, "GHz"),
        fact("it began at", at, "s from the start"),
    ];
    let heat = highest(&course(&moments, |m| m.temperature)).map(|(_, degrees)| degrees);
    facts.extend(heat.map(|degrees| fact("highest temperature", degrees, "°C")));
    let power = highest(&course(&moments, |m| m.power)).map(|(_, watts)| watts);
    facts.extend(power.map(|watts| fact("highest power", watts, "W")));
    let (why_it_fell, next) = match (heat, power) {
        (Some(degrees), _) if degrees >= WARM => {
            ("the processor was hot", "Let the node cool down and run it again; ask its operator to look at the fans.")
        }
        (Some(_), _) => ("it was not hot: a power limit is likely", "Ask the node's operator about its power limit."),
        (None, _) => ("heat or a power limit", "Ask the node's operator about cooling and its power limit."),
    };
    let headline = format!(
        "After {} s the cores slowed down from {} to {} GHz: {why_it_fell}.",
        rounded(at),
        rounded(usual / GIGA),
        rounded(then / GIGA)
    );
    let next = vec![advice(next), known.try_with("The same run again, to see whether it stays so", &[])];
    let why = "The score follows the clock: a core that runs a tenth slower computes a tenth less.";
    Draft { cost: Some(100.0 * lost), headline, facts, why, at_s: Some(at), next, ..Draft::default() }.fired()
}

pub(super) fn hot(known: &Known<'_>, limit: f64) -> Seen {
    let all: Vec<&Moment> = known.case.watched.all().iter().collect();
    let Some((at, most)) = highest(&course(&all, |m| m.temperature)) else { return Seen::Unknown(NO_SAMPLES) };
    if most < limit {
        return Seen::Clear(format!("{} °C at most", rounded(most)));
    }
    Draft {
        headline: format!("The processor reached {} °C.", rounded(most)),
        facts: vec![fact("highest temperature", most, "°C"), fact("reached at", at, "s from the start")],
        why: "A hot processor lowers its clock to save itself, and the score falls with it.",
        at_s: Some(at),
        next: vec![advice(
            "Ask the node's operator to look at fans and air; run it again when the node has cooled down.",
        )],
        ..Draft::default()
    }
    .fired()
}

pub(super) fn swapped(known: &Known<'_>, limit: f64) -> Seen {
    let all: Vec<&Moment> = known.case.watched.all().iter().collect();
    let swap = course(&all, |m| m.swap_used);
    let (Some((_, first)), Some((at, most))) = (swap.first().copied(), highest(&swap)) else {
        return Seen::Unknown("the node has no swap, or sent no samples");
    };
    let grown = (most - first) / MIB;
    if grown < limit {
        return Seen::Clear(format!("{} MiB more than at the start, at most", rounded(grown)));
    }
    let mut facts =
        vec![fact("swapped out while the run was on", grown / 1024.0, "GiB"), fact("most at", at, "s from the start")];
    let mut next = vec![advice("Ask the node's operator whether something else needs its memory.")];
    if let Some(shape) = known.shape {
        facts.push(fact("the matrix", shape.bytes() / GIB, "GiB"));
        let n = shape.whole_blocks(0.9 * shape.n as f64);
        next.insert(0, known.try_with(format!("A smaller matrix: N={n}"), &[("n", n.into())]));
    }
    Draft {
        severe: true,
        headline: format!("{} GiB of memory went to disk while the run was on.", rounded(grown / 1024.0)),
        facts,
        why: "A disk is far slower than memory; a run that swaps measures the disk.",
        at_s: Some(at),
        next,
        ..Draft::default()
    }
    .fired()
}

pub(super) fn memory_full(known: &Known<'_>, limit: f64) -> Seen {
    let all: Vec<&Moment> = known.case.watched.all().iter().collect();
    let left = course(&all, |m| Some(100.0 * m.memory_available? / m.memory_total.filter(|total| *total > 0.0)?));
    let Some((at, least)) = left.iter().copied().min_by(|a, b| a.1.total_cmp(&b.1)) else {
        return Seen::Unknown(NO_SAMPLES);
    };
    if least >= limit {
        return Seen::Clear(format!("{} % were free at the least", rounded(least)));
    }
    let mut facts = vec![fact("least free memory", least, "%"), fact("at", at, "s from the start")];
    let mut next = vec![];
    if let (Some(shape), Some(memory)) = (known.shape, known.memory()) {
        facts.push(fact("the matrix", 100.0 * shape.bytes() / memory, "% of the memory"));
        let n = shape.whole_blocks((0.8 * memory / 8.0).sqrt().min(0.95 * shape.n as f64));
        next.push(known.try_with(format!("A smaller matrix: N={n}"), &[("n", n.into())]));
    }
    Draft {
        headline: format!("Only {} % of the node's memory was free.", rounded(least)),
        facts,
        why: "Without free memory the system throws out files and programs that it needs again, and waits for them.",
        at_s: Some(at),
        next,
        ..Draft::default()
    }
    .fired()
}

pub(super) fn memory_pressure(known: &Known<'_>, limit: f64) -> Seen {
    let pressure = course(&known.computing(), |m| m.pressure_memory.map(|ratio| 100.0 * ratio));
    let Some((at, most)) = highest(&pressure) else { return Seen::Unknown(NO_SAMPLES) };
    let mean = mean(&pressure);
    if mean < limit {
        return Seen::Clear(format!("{} % of the time", rounded(mean)));
    }
    Draft {
        cost: Some(mean),
        headline: format!("Some task waited for memory in {} % of the time.", rounded(mean)),
        facts: vec![fact("waiting for memory", mean, "% of the time"), fact("at worst", most, "% of the time")],
        why: "Ranks work in step: while one waits for memory, all wait.",
        at_s: Some(at),
        next: vec![advice("Take a smaller N, or ask the node's operator what else needs its memory.")],
        ..Draft::default()
    }
    .fired()
}

pub(super) fn cpu_stolen(known: &Known<'_>, limit: f64) -> Seen {
    let stolen = course(&known.computing(), |m| m.stolen.map(|ratio| 100.0 * ratio));
    let Some((at, most)) = highest(&stolen) else { return Seen::Unknown(NO_SAMPLES) };
    let mean = mean(&stolen);
    if mean < limit {
        return Seen::Clear(format!("{} % of the processors' time", rounded(mean)));
    }
    Draft {
        cost: Some(mean),
        headline: format!("Other guests of the same machine took {} % of the processors' time.", rounded(mean)),
        facts: vec![
            fact("stolen on average", mean, "%"),
            fact("at worst", most, "%"),
            fact("worst at", at, "s from the start"),
        ],
        why: "The ranks work in step: what one loses, all lose, so that it costs at least as much as was taken.",
        at_s: Some(at),
        next: vec![
            known.try_with("The same run again, at another hour", &[]),
            advice("Run it on a node that is no virtual machine."),
        ],
        ..Draft::default()
    }
    .fired()
}

pub(super) fn other_load(known: &Known<'_>, limit: f64) -> Seen {
    let load = course(&known.computing(), |m| m.load);
    let (Some(threads), Some((start, _)), Some((end, _))) = (known.threads(), load.first(), load.last()) else {
        return Seen::Unknown(NO_SAMPLES);
    };
    if end - start < LOAD_SPAN_S {
        return Seen::Unknown("the run is too short: the load is a mean over a minute");
    }
    let late: Vec<(f64, f64)> = load.iter().copied().filter(|(at, _)| *at >= f64::midpoint(*start, *end)).collect();
    let (mean, ours) = (mean(&late), threads as f64);
    let others = mean - ours;
    if others < limit + 0.05 * ours {
        return Seen::Clear(format!("{} tasks wanted to run, {threads} of them ours", rounded(mean)));
    }
    // With a thread on every core each other task takes its turn from one of ours.
    let full = known.cores().is_some_and(|cores| threads >= cores);
    Draft {
        cost: full.then(|| 100.0 * others / (others + ours)),
        headline: format!("Other programs ran on the node: {} tasks beside ours.", rounded(others)),
        facts: vec![fact("tasks that wanted to run", mean, ""), fact("threads of this run", ours, "")],
        why: "Each takes its turns on a core from one of our threads, and the others wait for that one.",
        next: vec![
            known.try_with("The same run again, when the node is quiet", &[]),
            advice("Ask the node's operator what else runs there."),
        ],
        ..Draft::default()
    }
    .fired()
}

/// Whoever computes and gets no processor time was stopped for others. The program counts the time for which its threads
/// computed by the clock on the wall, the system counts what it gave them; that holds the start and the check of the
/// answer besides, so that what is found here is the least that was missing.
pub(super) fn cpu_missing(known: &Known<'_>, limit: f64) -> Seen {
    let given = known.case.evidence.and_then(|evidence| evidence.cpu_s).filter(|s| (0.0..1e12).contains(s));
    let idle: Vec<f64> = known.run().map(|run| run.idle.concat()).unwrap_or_default();
    let (Some(given), Some(seconds), false) = (given, known.seconds(), idle.is_empty()) else {
        return Seen::Unknown("processor time, or how long threads rested, was not measured");
    };
    if !idle.iter().all(|share| (0.0..=1.0).contains(share)) {
        return Seen::Unknown("how long threads rested is no part of the time");
    }
    let wanted = seconds * idle.iter().map(|share| 1.0 - share).sum::<f64>();
    let missing = 100.0 * (1.0 - given / wanted);
    if !missing.is_finite() || missing < limit {
        return Seen::Clear(format!("{} s given, {} s of computing in the solve", rounded(given), rounded(wanted)));
    }
    Draft {
        cost: Some(100.0 * (wanted - given) / (seconds * idle.len() as f64)),
        headline: format!(
            "The cores worked for others: at least {} % of our threads' time was missing.",
            rounded(missing)
        ),
        facts: vec![
            fact("threads computed for", wanted, "s"),
            fact("processor time they got", given, "s"),
            fact("missing, at the least", missing, "%"),
        ],
        why: "A thread that is stopped in the midst of its work is waited for by all others.",
        next: vec![
            known.try_with("The same run again, when the node is quiet", &[]),
            advice("Ask the node's operator what else runs there."),
        ],
        ..Draft::default()
    }
    .fired()
}

pub(super) fn cores_unused(known: &Known<'_>, limit: f64) -> Seen {
    let (Some(threads), Some(cores)) = (known.threads(), known.cores()) else {
        return Seen::Unknown("threads or cores are not known");
    };
    let unused = cores.saturating_sub(threads);
    if (unused as f64) < limit {
        return Seen::Clear(format!("{threads} threads on {cores} cores"));
    }
    let next = match known.threads_of_a_rank() {
        Some(1) => {
            let (p, q) = hpl_spec::advice::squarest_grid(cores);
            known.try_with(format!("A rank on every core: {p} × {q}"), &[("p", p.into()), ("q", q.into())])
        }
        _ => known.try_with("One rank with a thread on every core", &[("p", 1.into()), ("q", 1.into())]),
    };
    Draft {
        cost: Some(100.0 * unused as f64 / cores as f64),
        headline: format!("{unused} of {cores} cores had nothing to do."),
        facts: vec![fact("threads", threads as f64, ""), fact("cores", cores as f64, "")],
        why: "The measured peak is that of all cores.",
        next: vec![next],
        ..Draft::default()
    }
    .fired()
}

pub(super) fn oversubscribed(known: &Known<'_>, limit: f64) -> Seen {
    let (Some(threads), Some(cores)) = (known.threads(), known.cores()) else {
        return Seen::Unknown("threads or cores are not known");
    };
    let beyond = threads.saturating_sub(cores);
    if (beyond as f64) < limit {
        return Seen::Clear(format!("{threads} threads on {cores} cores"));
    }
    let (p, q) = hpl_spec::advice::squarest_grid(cores);
    let mut facts = vec![fact("threads", threads as f64, ""), fact("cores", cores as f64, "")];
    let processors = known.case.node.map(|node| node.pus);
    facts.extend(processors.map(|pus| fact("hardware threads", pus as f64, "")));
    Draft {
        severe: processors.is_some_and(|pus| threads > pus),
        headline: format!("{threads} threads had to share {cores} cores."),
        facts,
        why: "Threads that wait for each other and share a core stop each other; such a run is not ranked.",
        next: vec![known.try_with(format!("As many ranks as cores: {p} × {q}"), &[("p", p.into()), ("q", q.into())])],
        ..Draft::default()
    }
    .fired()
}

pub(super) fn huge_pages_off(known: &Known<'_>, limit: f64) -> Seen {
    let told = known.case.evidence.and_then(|evidence| evidence.environment.get("huge_pages"));
    let told = told.or(known.case.node.map(|node| &node.huge_pages)).filter(|word| !word.is_empty());
    let (Some(told), Some(shape)) = (told, known.shape) else {
        return Seen::Unknown("the node does not say whether it has huge pages");
    };
    let gigabytes = shape.bytes() / GIB;
    if told != "never" || gigabytes < limit {
        return Seen::Clear(format!(
            "huge pages: {}; {} GiB of matrix",
            told.chars().take(32).collect::<String>(),
            rounded(gigabytes)
        ));
    }
    Draft {
        headline: "Huge pages are switched off on this node.".into(),
        facts: vec![fact("the matrix", gigabytes, "GiB"), fact("pages of 4 KiB in it", shape.bytes() / 4096.0, "")],
        why: "The processor remembers where some thousand pages are; with small ones it looks up addresses all the time.",
        next: vec![advice("Ask the node's operator to set transparent huge pages to `madvise`.")],
        ..Draft::default()
    }
    .fired()
}
