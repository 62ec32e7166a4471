//! What speaks for a result, where it ran, and with which parameters, in words.

use std::collections::BTreeMap;

use hpl_spec::NodeInfo;
use hpl_spec::api::results::{ResultDetail, ResultRow};
use hpl_spec::benchmark::{self, Colour, figure};
use hpl_spec::evidence::Evidence;
use hpl_spec::node::{Cache, CacheKind};
use hpl_spec::report::SweepReport;
use serde_json::Value;

use crate::http::pages::words;
pub(super) use crate::http::pages::words::{plain, sentence};

/// A look at a result and what it saw.
pub(super) struct FindingLine {
    pub(super) name: String,
    pub(super) asks: &'static str,
    pub(super) word: &'static str,
    pub(super) class: &'static str,
    pub(super) text: String,
}

/// The looks: name on the wire, name for people, what is asked.
const LOOKS: [(&str, &str, &str); 16] = [
    ("parameters", "Parameters", "Is it the run that was asked for?"),
    ("score", "Score", "Does the score follow from N and the time?"),
    ("residual", "Residual", "Is the answer right?"),
    ("norms", "Norms", "Does the residual follow from its parts?"),
    ("verdict", "Verdict", "Do the program and the service come to the same?"),
    ("time", "Time", "Do the phases fit into the time?"),
    ("matrix", "Matrix", "Is it the matrix that N makes?"),
    ("output", "HPL.out", "Does the printed report tell of the same run?"),
    ("stopwatch", "Stopwatch", "Do the clocks of program, node and service agree?"),
    ("progress", "Progress", "Did the work grow as it must, while the service watched?"),
    ("roofline", "Peak", "Is it no more than the cores can do?"),
    ("memory", "Memory", "Was as much memory held as the matrix needs?"),
    ("cpu", "Processor time", "Did the cores work as long as the operations take?"),
    ("energy", "Energy", "Did the node take as much power as such work takes?"),
    ("binary", "Program", "Is the program one of ours?"),
    ("clock", "Node", "Did the node run through, with a clock that is kept?"),
];

/// The evidence: what was looked at, the worst first, and how much of it there is of each colour.
pub(super) struct Looks {
    pub(super) summary: String,
    pub(super) lines: Vec<FindingLine>,
}

impl Looks {
    pub(super) fn of(detail: &ResultDetail) -> Looks {
        let mut findings: Vec<_> = detail.findings.iter().collect();
        findings.sort_by_key(|finding| std::cmp::Reverse(finding.colour));
        let many = |colour| findings.iter().filter(|finding| finding.colour == colour).count();
        let mut parts = vec![format!("{} of {} checks are as they should be", many(Colour::Green), findings.len())];
        for (colour, one, more) in
            [(Colour::Amber, "1 cannot be told", "cannot be told"), (Colour::Red, "1 cannot be true", "cannot be true")]
        {
            match many(colour) {
                0 => {}
                1 => parts.push(one.to_owned()),
                number => parts.push(format!("{number} {more}")),
            }
        }
        let lines = findings.into_iter().map(|finding| {
            let (word, class) = words::colour(finding.colour);
            let known = LOOKS.iter().find(|(name, ..)| *name == finding.name);
            FindingLine {
                name: known.map_or_else(|| finding.name.replace('_', " "), |(_, title, _)| (*title).to_owned()),
                asks: known.map_or("", |(.., asks)| asks),
                word,
                class,
                text: sentence(&finding.text),
            }
        });
        Looks { summary: format!("{}.", parts.join(", ")), lines: lines.collect() }
    }
}

/// How often the same run came out the same elsewhere.
pub(super) fn reproduced(times: u32) -> String {
    match times {
        0 => "No other node or day came to the same with these parameters yet.".to_owned(),
        1 => "The same run came within 5 % of this score once more, on another node or another day.".to_owned(),
        1000.. => "The same run came within 5 % of this score 1000 times or more, on other nodes or days.".to_owned(),
        times => format!("The same run came within 5 % of this score {times} times more, on other nodes or days."),
    }
}

/// A fact: what, and how much.
pub(super) type Fact = (String, String);

fn fact(name: &str, value: impl Into<String>) -> Fact {
    (name.to_owned(), value.into())
}

/// The node, as it described itself last.
pub(super) fn node(info: &NodeInfo) -> Vec<Fact> {
    let mut facts = vec![
        fact("Processor", &info.cpu_model),
        fact(
            "Cores",
            format!(
                "{}, {}, in {}",
                words::count(info.cores as u64, "core", "cores"),
                words::count(info.pus as u64, "hardware thread", "hardware threads"),
                words::count(info.packages as u64, "socket", "sockets")
            ),
        ),
        fact("NUMA nodes", info.numa_nodes.to_string()),
        fact("Memory", words::bytes(info.memory_total)),
    ];
    let caches: Vec<String> = info.caches.iter().filter(|c| c.kind != CacheKind::Instruction).map(cache).collect();
    if !caches.is_empty() {
        facts.push(fact("Caches", caches.join(", ")));
    }
    if let Some(peak) = info.peak {
        let cores = words::count(peak.cores as u64, "core", "cores");
        facts.push(fact("Measured peak", format!("{} Gflop/s on {cores}", words::rate(peak.gflops))));
    }
    facts.push(fact("Operating system", &info.os));
    facts.push(fact("Its kernel", &info.kernel_release));
    facts.push(fact("Huge pages", &info.huge_pages));
    facts
}

fn cache(cache: &Cache) -> String {
    let shared = if cache.shared_by > 1 { format!(", shared by {} cores", cache.shared_by) } else { String::new() };
    format!("L{} {}{shared}", cache.level, words::bytes(cache.bytes))
}

/// The program and how it was started, as its report has it.
pub(super) fn program(sweep: &SweepReport) -> Vec<Fact> {
    let ranks = words::count(sweep.ranks as u64, "rank", "ranks");
    let threads = words::count(sweep.threads as u64, "thread", "threads");
    let mut facts = vec![
        fact("Program", format!("{} {}", sweep.program, sweep.version)),
        fact("Kernel of the products", &sweep.kernel),
        fact("Ranks and threads", format!("{ranks}, {threads} each")),
    ];
    if let Some(profile) = &sweep.profile {
        facts.push(fact("Tuned profile", format!("{} (SHA-256 {})", profile.file, profile.sha256)));
    }
    facts
}

/// What the node's daemon measured, and what follows from it for this result.
pub(super) fn measured(evidence: &Evidence, row: &ResultRow) -> Vec<Fact> {
    let mut facts = vec![fact("Program ran for", words::duration(evidence.elapsed_s))];
    let mut add = |name: &str, value: Option<String>| facts.push(fact(name, value.unwrap_or("not measured".into())));
    add("Processor time", evidence.cpu_s.map(words::duration));
    let held = |m: hpl_spec::evidence::MemoryPeak| format!("{} ({})", words::bytes(m.bytes), m.source.title());
    add("Memory held at most", evidence.memory_peak.map(held));
    let joules = |j: f64| format!("{} J, {} W on average", figure(j.round()), figure((j / evidence.elapsed_s).round()));
    add("Energy", evidence.energy_j.map(joules));
    add("Score per watt", evidence.energy_j.map(|_| per_watt(row)));
    let no_yes = |flag: bool| Some(if flag { "yes" } else { "no" }.to_owned());
    add("More threads than cores", no_yes(evidence.oversubscribed));
    add("Could reach the network", no_yes(evidence.network_open));
    if evidence.log_missing_bytes > 0 || evidence.dropped_samples > 0 {
        let lost = format!(
            "{} of the log, {}",
            words::bytes(evidence.log_missing_bytes),
            words::count(evidence.dropped_samples, "sample of its figures", "samples of its figures")
        );
        add("Dropped by the node", Some(lost));
    }
    facts
}

/// The score over the mean power, in words; or why a result whose energy was measured has none.
fn per_watt(row: &ResultRow) -> String {
    match row.per_watt {
        Some(value) => format!(
            "{}: the score over the mean power of the processors, from the start of the program to its end",
            words::per_watt(&row.benchmark, value)
        ),
        None => "not told: it takes a result that can be ranked, energy as such work takes it, and a run of which at \
                 least half is the solve"
            .to_owned(),
    }
}

/// Facts by name, as they came.
pub(super) fn named(facts: &BTreeMap<String, String>) -> Vec<Fact> {
    facts.iter().map(|(name, value)| (words::titled(name), value.clone())).collect()
}

/// The words of a launch line as a shell takes them.
pub(super) fn command(words: &[String]) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,@%+".contains(c);
    let quoted = |word: &String| match word.chars().all(plain) && !word.is_empty() {
        true => word.clone(),
        false => format!("'{}'", word.replace('\'', "'\\''")),
    };
    words.iter().map(quoted).collect::<Vec<_>>().join(" ")
}

/// A parameter: its name, its value, what it is.
pub(super) struct ParameterLine {
    /// Where it is explained, below `/learn/`; empty where it is not.
    pub(super) topic: &'static str,
    pub(super) title: String,
    pub(super) value: String,
    pub(super) about: String,
}

/// The parameters in the order in which HPL.dat has them; others after them.
const ORDER: [&str; 17] = [
    "n",
    "nb",
    "order",
    "p",
    "q",
    "pfact",
    "nbmin",
    "ndiv",
    "rfact",
    "bcast",
    "depth",
    "swap",
    "swap_threshold",
    "l1",
    "u",
    "equil",
    "align",
];

/// The pages that explain parameters.
const TOPICS: [(&str, &[&str]); 8] = [
    ("n", &["n"]),
    ("nb", &["nb"]),
    ("grid", &["order", "p", "q"]),
    ("panel", &["pfact", "nbmin", "ndiv", "rfact"]),
    ("broadcast", &["bcast"]),
    ("depth", &["depth"]),
    ("swap", &["swap", "swap_threshold", "equil"]),
    ("storage", &["l1", "u", "align"]),
];

/// Where a parameter stands.
fn place(name: &str) -> usize {
    ORDER.iter().position(|known| *known == name).unwrap_or(ORDER.len())
}

pub(super) fn parameters(benchmark: &str, values: &Value) -> Vec<ParameterLine> {
    let schema = schema(benchmark);
    let mut lines: Vec<_> = values.as_object().into_iter().flatten().collect();
    lines.sort_by_key(|(name, _)| place(name));
    let line = |(name, value): (&String, &Value)| ParameterLine {
        title: title(&schema, name),
        value: plain(value),
        about: schema["properties"][name]["description"].as_str().unwrap_or_default().to_owned(),
        topic: TOPICS.iter().find(|(_, names)| names.contains(&name.as_str())).map_or("", |(topic, _)| *topic),
    };
    lines.into_iter().map(line).collect()
}

/// The schema of a benchmark's parameters; null of one that is not known any more.
pub(super) fn schema(benchmark: &str) -> Value {
    benchmark::find(benchmark).map(|row| (row.schema)()).unwrap_or_default()
}

/// A parameter's name for people.
pub(super) fn title(schema: &Value, name: &str) -> String {
    schema["properties"][name]["title"].as_str().map_or_else(|| name.replace('_', " "), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_parameter_has_its_place_in_hpl_dat() {
        let schema = schema("hpl");
        let names: Vec<&String> = schema["properties"].as_object().unwrap().keys().collect();
        assert_eq!(names.len(), ORDER.len());
        assert!(names.iter().all(|name| place(name) < ORDER.len()), "{names:?}");
        let all =
            benchmark::find("hpl").map(|row| (row.plan)(&serde_json::json!({ "n": 5 })).unwrap().parameters).unwrap();
        assert!(parameters("hpl", &all).iter().all(|line| !line.topic.is_empty() && !line.about.is_empty()));
        let lines = parameters("hpl", &serde_json::json!({ "u": "transposed", "n": 5, "equil": true, "new": null }));
        let titles: Vec<_> = lines.iter().map(|l| (l.title.as_str(), l.value.as_str())).collect();
        assert_eq!(titles, [("N", "5"), ("U", "transposed"), ("EQUIL", "yes"), ("new", "not known")]);
    }

    #[test]
    fn a_launch_line_can_be_typed() {
        let words = ["/usr/bin/mpirun", "-np", "2", "", "it's", "a b"].map(str::to_owned);
        assert_eq!(command(&words), "/usr/bin/mpirun -np 2 '' 'it'\\''s' 'a b'");
    }
}
