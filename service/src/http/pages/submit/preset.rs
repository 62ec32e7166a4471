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
/// Seconds of a run on the square grid.
const SQUARE_S: f64 = 60.0;
/// Gflop/s of a core of which nothing is known.
const PER_CORE: f64 = 20.0;
/// What is assumed while there is no node: cores, and memory in bytes.
const NO_NODE: (u32, u64) = (2, 8 << 30);

/// Fields with what is put into them, and why.
#[derive(Default)]
pub(in super::super) struct Filled {
    pub(in super::super) fields: Vec<(&'static str, String)>,
    pub(in super::super) why: Vec<String>,
}

/// What presets count on.
pub(in super::super) struct Ground {
    name: String,
    cores: u32,
    memory: u64,
    room: u64,
    rates: Rates,
    /// In words: what the speed rests on, or what is assumed.
    rests: String,
}

impl Ground {
    /// A node and its past; without one, what is assumed.
    pub(in super::super) fn of(site: Option<&Site>) -> Ground {
        let Some(site) = site else {
            let (cores, memory) = NO_NODE;
            let rests = format!(
                "No node has joined yet. A computer with {cores} cores, {} of memory and {PER_CORE} Gflop/s for each \
                 core is assumed.",
                bytes(memory)
            );
            let speed = PER_CORE * f64::from(cores);
            return Ground { name: "such a computer".into(), cores, memory, room: memory, rates: level(speed), rests };
        };
        let name = site.node.name.clone();
        let (rates, rests) = match (site.history.as_slice(), site.expected()) {
            ([], Some(expected)) => {
                let rests = format!("The time rests on the measured peak of {name}; there is no earlier run to go by.");
                (level(expected), rests)
            }
            ([], None) => {
                let rests =
                    format!("The speed of {name} is not known yet; {PER_CORE} Gflop/s for each core are assumed.");
                (level(PER_CORE * f64::from(site.cores.max(1))), rests)
            }
            (history, _) => {
                let solves = history.iter().map(|(size, score)| solve(*size as usize, *score)).collect();
                let fastest = history.iter().map(|(_, score)| *score).fold(site.peak.unwrap_or(0.0), f64::max);
                (Rates { product: fastest, solves }, format!("The time rests on earlier runs on {name}."))
            }
        };
        Ground { name, cores: site.cores, memory: site.memory, room: site.room, rates, rests }
    }

    fn plan(&self, ranks: usize, fraction: f64, minutes: Option<f64>) -> Result<RunPlan, String> {
        let site = plan::Site {
            ranks,
            threads: (self.cores as usize / ranks).max(1),
            cores: self.cores as usize,
            memory: Some(self.memory / ranks as u64),
            nb: None,
            p: None,
        };
        let fraction = fraction.min(self.room as f64 / self.memory.max(1) as f64);
        let wish = Wish { n: None, memory_fraction: fraction, minutes };
        plan::plan(&site, &wish, &self.rates).map_err(|why| why.to_string())
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
        "first" | "tune" => short(ground),
        "fill" => full(ground, longest),
        "square" => square(ground),
        _ => return None,
    };
    Some(made.unwrap_or_else(|why| Filled { fields: vec![], why: vec![format!("There is no such run: {why}.")] }))
}

fn short(ground: &Ground) -> Result<Filled, String> {
    let plan = ground.plan(1, MEMORY_FRACTION, Some(SHORT_S / 60.0))?;
    let params = plan.params;
    let why = format!(
        "N = {} is the largest that {} is expected to solve within {}. One rank with a thread on each of its {} needs \
         no messages.",
        params.n,
        ground.name,
        duration(SHORT_S),
        count(ground.cores, "core", "cores"),
    );
    Ok(filled(&params, vec![why, ground.rests.clone()]))
}

fn full(ground: &Ground, longest: u32) -> Result<Filled, String> {
    let plan = ground.plan(1, MEMORY_FRACTION, None)?;
    let params = plan.params;
    let mut why = vec![format!(
        "N = {} is the largest multiple of NB = {} whose run needs at most 80 % of the {} of {}: {}, the program \
         included. It is expected to take about {}.",
        params.n,
        params.nb,
        bytes(ground.memory),
        ground.name,
        bytes(plan.bytes),
        duration(plan.seconds)
    )];
    if plan.seconds > f64::from(longest) {
        let fits = ground.plan(1, MEMORY_FRACTION, Some(f64::from(longest) / 60.0));
        let smaller = fits.map(|plan| format!(" N = {} would be through in time.", plan.params.n)).unwrap_or_default();
        why.push(format!(
            "That is more than your longest walltime of {}: it would be ended before its end.{smaller}",
            duration(f64::from(longest))
        ));
    }
    why.push(ground.rests.clone());
    Ok(filled(&params, why))
}

fn square(ground: &Ground) -> Result<Filled, String> {
    let ranks = ground.cores.max(1) as usize;
    let (p, q) = squarest_grid(ranks);
    let plan = ground.plan(ranks, MEMORY_FRACTION, Some(SQUARE_S / 60.0))?;
    let why = format!(
        "{p} × {q} is the squarest grid of {} on the {} of {}, with P at most Q. N = {} takes about {}.",
        count(ranks as u64, "rank", "ranks"),
        count(ground.cores, "core", "cores"),
        ground.name,
        plan.params.n,
        duration(plan.seconds)
    );
    Ok(filled(&plan.params, vec![why, ground.rests.clone()]))
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
        let none = fill("first", &Ground::of(None), 1800).unwrap();
        assert!(none.why.iter().any(|why| why.contains("is assumed")) && number(&none, "n") > 1000);
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
