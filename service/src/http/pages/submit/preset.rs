//! Presets: links that fill the form, with numbers for the node that is chosen.

use hpl_spec::advice::{block_size, squarest_grid};
use hpl_spec::params::RunParams;
use hpl_spec::plan::{self, MEMORY_FRACTION, RunPlan, Wish};
use hpl_spec::rates::{Rates, Solve};

use super::super::words::{bytes, count, duration};
use crate::ops::jobs::Site;

/// A link above the form.
pub(super) struct Preset {
    /// Its word in addresses.
    pub(super) key: &'static str,
    pub(super) title: &'static str,
    pub(super) about: &'static str,
}

pub(super) const PRESETS: [Preset; 6] = [
    Preset { key: "first", title: "First run, about 30 s", about: "A matrix that this node solves in half a minute." },
    Preset { key: "fill", title: "Fill 80 % of memory", about: "The largest matrix that leaves the system its share." },
    Preset { key: "tune", title: "Tune NB", about: "A sweep: the same matrix in blocks of several widths." },
    Preset { key: "square", title: "Square grid", about: "A rank for each core, on a grid as square as can be." },
    Preset { key: "expert", title: "Expert", about: "Every line of HPL.dat." },
    Preset { key: "paste", title: "Paste an HPL.dat", about: "A file of yours: one run, or a sweep." },
];

/// Orders of matrices at which it is asked what a node reached.
pub(in super::super) const SIZES: [f64; 8] = [1e3, 2e3, 4e3, 8e3, 16e3, 32e3, 64e3, 128e3];
/// Seconds of a first run, and of each run of a sweep.
const SHORT_S: f64 = 30.0;
/// Widths of blocks among which the best usually is.
pub(in super::super) const TUNE_NB: &str = "64 96 128 192 256";
/// The least multiple of all of them.
const TUNE_UNIT: usize = 768;
/// Seconds of a run on the square grid.
const SQUARE_S: f64 = 60.0;
/// N where no speed is known, so that no time can be told: half a gigabyte, a multiple of each width that is tried.
const UNTIMED_N: usize = 10 * TUNE_UNIT;

/// Fields with what is put into them, and why.
#[derive(Default)]
pub(in super::super) struct Filled {
    pub(in super::super) fields: Vec<(&'static str, String)>,
    pub(in super::super) why: Vec<String>,
}

/// What presets count on.
pub(in super::super) struct Ground {
    /// The node; None while there is none.
    node: Option<Node>,
    /// How fast it is, if that is known.
    rates: Option<Rates>,
    /// In words: what the time rests on, or why none is told.
    rests: String,
}

struct Node {
    name: String,
    cores: u32,
    memory: u64,
    room: u64,
}

/// A run that a preset chose.
struct Chosen {
    params: RunParams,
    /// How long it is expected to take; None where no speed is known.
    seconds: Option<f64>,
}

impl Ground {
    /// A node and its past.
    pub(in super::super) fn of(site: Option<&Site>) -> Ground {
        let Some(site) = site else {
            let rests = "No node has joined yet, so nothing is known of its speed or memory, and no time is told.";
            return Ground { node: None, rates: None, rests: rests.into() };
        };
        let name = site.node.name.clone();
        let (rates, rests) = match (site.history.as_slice(), site.expected()) {
            ([], Some(expected)) => {
                let rests = format!("The time rests on the measured peak of {name}; there is no earlier run to go by.");
                (Some(level(expected)), rests)
            }
            ([], None) => {
                (None, format!("The speed of {name} is not known yet, so no time is told; the first run measures it."))
            }
            (history, _) => {
                let solves = history.iter().map(|(size, score)| solve(*size as usize, *score)).collect();
                let fastest = history.iter().map(|(_, score)| *score).fold(site.peak.unwrap_or(0.0), f64::max);
                let rates = Rates { product: fastest, solves };
                (Some(rates), format!("The time rests on earlier runs on {name}."))
            }
        };
        let node = Node { name, cores: site.cores, memory: site.memory, room: site.room };
        Ground { node: Some(node), rates, rests }
    }

    /// The largest run that takes at most so many seconds; a small one where no speed is known.
    fn within(&self, ranks: usize, seconds: f64) -> Result<Chosen, String> {
        let wish = Wish { n: None, memory_fraction: MEMORY_FRACTION, minutes: Some(seconds / 60.0) };
        match (&self.node, &self.rates) {
            (Some(node), Some(rates)) => {
                let plan = node.plan(ranks, &wish, rates)?;
                Ok(Chosen { params: plan.params, seconds: Some(plan.seconds) })
            }
            (Some(node), None) => {
                let untimed = Wish { minutes: None, ..wish };
                let mut params = node.plan(ranks, &untimed, &UNKNOWN)?.params;
                if params.n > UNTIMED_N {
                    params = node.plan(ranks, &Wish { n: Some(UNTIMED_N), ..untimed }, &UNKNOWN)?.params;
                }
                Ok(Chosen { params, seconds: None })
            }
            (None, _) => {
                let (p, q) = squarest_grid(ranks);
                Ok(Chosen { params: RunParams::new(UNTIMED_N, block_size(UNTIMED_N), p, q), seconds: None })
            }
        }
    }

    /// The node, for what cannot be chosen without one.
    fn node(&self) -> Result<&Node, String> {
        self.node.as_ref().ok_or_else(|| "it is made for a node, and none has joined yet".into())
    }
}

/// Rates for plans that are not bounded by time: their times are not told.
const UNKNOWN: Rates = Rates { product: 1.0, solves: vec![] };

impl Node {
    fn plan(&self, ranks: usize, wish: &Wish, rates: &Rates) -> Result<RunPlan, String> {
        let site = plan::Site {
            ranks,
            threads: (self.cores as usize / ranks).max(1),
            cores: self.cores as usize,
            memory: Some(self.memory / ranks as u64),
            nb: None,
            p: None,
        };
        let memory_fraction = wish.memory_fraction.min(self.room as f64 / self.memory.max(1) as f64);
        plan::plan(&site, &Wish { memory_fraction, ..*wish }, rates).map_err(|why| why.to_string())
    }
}

fn solve(n: usize, score: f64) -> Solve {
    let params = RunParams::new(n, block_size(n), 1, 1);
    Solve { n, nb: params.nb, seconds: params.flops() / (score * 1e9) }
}

/// The same speed whatever the size.
fn level(speed: f64) -> Rates {
    Rates { product: speed, solves: vec![solve(16_000, speed)] }
}

fn filled(params: &RunParams, why: Vec<String>) -> Filled {
    let RunParams { n, nb, p, q, .. } = params;
    let fields = vec![("n", n.to_string()), ("nb", nb.to_string()), ("p", p.to_string()), ("q", q.to_string())];
    Filled { fields, why }
}

/// What a preset puts into the form; None for one that puts in nothing. `longest` is the caller's longest walltime.
pub(in super::super) fn fill(key: &str, ground: &Ground, longest: u32) -> Option<Filled> {
    let made = match key {
        "first" => short(ground),
        "tune" => tune(ground),
        "fill" => full(ground, longest),
        "square" => square(ground),
        _ => return None,
    };
    Some(made.unwrap_or_else(|why| Filled { fields: vec![], why: vec![format!("There is no such run: {why}.")] }))
}

fn short(ground: &Ground) -> Result<Filled, String> {
    let Chosen { params, seconds } = ground.within(1, SHORT_S)?;
    let n = params.n;
    let size = match (&ground.node, seconds) {
        (Some(node), Some(_)) => {
            let limit = duration(SHORT_S);
            format!("N = {n} is the largest that {} is expected to solve within {limit}.", node.name)
        }
        _ => format!("N = {n} needs {}: a small matrix, to begin with.", bytes(params.bytes_per_rank())),
    };
    let cores = ground.node.as_ref().map_or_else(|| "cores".to_owned(), |node| count(node.cores, "core", "cores"));
    let why = format!("{size} One rank with a thread on each of its {cores} needs no messages.");
    Ok(filled(&params, vec![why, ground.rests.clone()]))
}

/// One N for all widths of blocks that are tried.
fn tune(ground: &Ground) -> Result<Filled, String> {
    let largest = ground.within(1, SHORT_S)?.params;
    let even = largest.n / TUNE_UNIT * TUNE_UNIT;
    let params = RunParams::new(if even > 0 { even } else { largest.n }, largest.nb, 1, 1);
    let mut why = format!("N = {} is a multiple of each NB below, so that no point has a narrow last block.", params.n);
    if let (Some(node), Some(rates)) = (&ground.node, &ground.rates) {
        let seconds = duration(rates.seconds(params.n, params.nb));
        why +=
            &format!(" A run of it takes about {seconds} on {}, with one rank and a thread on each core.", node.name);
    }
    Ok(filled(&params, vec![why, ground.rests.clone()]))
}

fn full(ground: &Ground, longest: u32) -> Result<Filled, String> {
    let node = ground.node()?;
    let all = Wish { n: None, memory_fraction: MEMORY_FRACTION, minutes: None };
    let plan = node.plan(1, &all, ground.rates.as_ref().unwrap_or(&UNKNOWN))?;
    let params = plan.params;
    let mut why = vec![format!(
        "N = {} is the largest multiple of NB = {} whose run needs at most 80 % of the {} of {}: {}, the program \
         included.",
        params.n,
        params.nb,
        bytes(node.memory),
        node.name,
        bytes(plan.bytes)
    )];
    if ground.rates.is_some() {
        why.push(format!("It is expected to take about {}.", duration(plan.seconds)));
        if plan.seconds > f64::from(longest) {
            let fits = ground.within(1, f64::from(longest));
            let smaller = fits.map(|fits| format!(" N = {} would be through in time.", fits.params.n));
            why.push(format!(
                "That is more than your longest walltime of {}: it would be ended before its end.{}",
                duration(f64::from(longest)),
                smaller.unwrap_or_default()
            ));
        }
    }
    why.push(ground.rests.clone());
    Ok(filled(&params, why))
}

fn square(ground: &Ground) -> Result<Filled, String> {
    let node = ground.node()?;
    let ranks = node.cores.max(1) as usize;
    let (p, q) = squarest_grid(ranks);
    let Chosen { params, seconds } = ground.within(ranks, SQUARE_S)?;
    let mut why = format!(
        "{p} × {q} is the squarest grid of {} on the {} of {}, with P at most Q.",
        count(ranks as u64, "rank", "ranks"),
        count(node.cores, "core", "cores"),
        node.name
    );
    if let Some(seconds) = seconds {
        why += &format!(" N = {} takes about {}.", params.n, duration(seconds));
    }
    Ok(filled(&params, vec![why, ground.rests.clone()]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site(cores: u32, gib: u64, history: &[(f64, f64)]) -> Site {
        let memory = gib << 30;
        Site {
            node: hpl_spec::api::jobs::NodeRef {
                id: "0190f5fe-7c00-7a3b-8b1e-0123456789ab".parse().unwrap(),
                name: "one".into(),
            },
            cores,
            memory,
            room: memory / 20 * 19,
            peak: Some(100.0),
            history: history.to_vec(),
        }
    }

    fn number(filled: &Filled, name: &str) -> usize {
        filled.fields.iter().find(|(field, _)| *field == name).unwrap().1.parse().unwrap()
    }

    #[test]
    fn a_first_run_takes_half_a_minute_at_the_speed_that_is_known() {
        for (history, speed) in [(&[][..], 80.0), (&[(8e3, 40.0)][..], 40.0)] {
            let made = fill("first", &Ground::of(Some(&site(4, 64, history))), 1800).unwrap();
            let (n, nb) = (number(&made, "n"), number(&made, "nb"));
            let seconds = |n: usize| RunParams::new(n, nb, 1, 1).flops() / (speed * 1e9);
            assert!(seconds(n) <= 30.0 && seconds(n + nb) > 30.0, "{n} takes {}", seconds(n));
            assert!(n.is_multiple_of(nb));
        }
    }

    #[test]
    fn no_time_is_told_where_no_speed_is_known() {
        let slow = Site { peak: None, ..site(4, 16, &[]) };
        let small = Site { memory: 600 << 20, room: 570 << 20, ..slow.clone() };
        for (ground, presets, n) in [
            (Ground::of(None), &["first", "tune"][..], UNTIMED_N..=UNTIMED_N),
            (Ground::of(Some(&slow)), &["first", "tune", "square"], UNTIMED_N..=UNTIMED_N),
            (Ground::of(Some(&slow)), &["fill"], 30_000..=50_000),
            (Ground::of(Some(&small)), &["first", "fill"], 1000..=UNTIMED_N - 1),
        ] {
            for preset in presets {
                let made = fill(preset, &ground, 1800).unwrap();
                assert!(n.contains(&number(&made, "n")), "{preset}: {:?}", made.fields);
                let said = made.why.join(" ");
                assert!(!said.contains("about") && said.contains("no time is told"), "{preset}: {said}");
            }
        }
        for preset in ["fill", "square"] {
            let made = fill(preset, &Ground::of(None), 1800).unwrap();
            assert!(made.fields.is_empty() && made.why[0].contains("none has joined yet"), "{:?}", made.why);
        }
    }

    #[test]
    fn memory_is_filled_to_four_fifths_and_time_is_said() {
        let ground = Ground::of(Some(&site(4, 16, &[])));
        let made = fill("fill", &ground, 1_000_000).unwrap();
        let (n, nb) = (number(&made, "n"), number(&made, "nb"));
        let need = |n: usize| RunParams::new(n, nb, 1, 1).bytes_per_rank() + hpl_spec::params::PROCESS;
        let limit = ((16_u64 << 30) as f64 * 0.8) as u64;
        assert!(n.is_multiple_of(nb) && need(n) <= limit && need(n + nb) > limit, "{n}");
        assert!(!made.why.iter().any(|why| why.contains("longest walltime")));
        let made = fill("fill", &ground, 60).unwrap();
        assert!(made.why.iter().any(|why| why.contains("your longest walltime of 1 min")), "{:?}", made.why);
    }

    #[test]
    fn a_square_grid_has_a_rank_for_each_core() {
        for (cores, grid) in [(1, (1, 1)), (4, (2, 2)), (6, (2, 3)), (12, (3, 4)), (7, (1, 7))] {
            let made = fill("square", &Ground::of(Some(&site(cores, 32, &[]))), 1800).unwrap();
            assert_eq!((number(&made, "p"), number(&made, "q")), grid);
        }
        assert!(fill("expert", &Ground::of(None), 1800).is_none());
    }

    #[test]
    fn a_node_without_room_says_so() {
        let tiny = Site { room: 50 << 20, memory: 60 << 20, ..site(1, 1, &[]) };
        let made = fill("fill", &Ground::of(Some(&tiny)), 1800).unwrap();
        assert!(made.fields.is_empty() && made.why[0].starts_with("There is no such run: "), "{:?}", made.why);
    }
}
