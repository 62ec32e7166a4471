//! The lesson: six steps from what LINPACK is to the reader's own entry on the board. What is done is read from the
//! account; what was chosen travels in the address.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use hpl_spec::advice::squarest_grid;
use hpl_spec::api::jobs::{Estimate, Job};
use hpl_spec::api::results::{ResultRow, Standing};
use hpl_spec::job::JobState;

use super::numbers::{Asked, Numbers};
use super::picture::blocks;
use super::shown::{Row, row, submit};
use super::{BENCHMARK, draw, own_jobs, seen};
use crate::app::{App, Shared};
use crate::error::Result;
use crate::http::pages::forms::{Fields, query};
use crate::http::pages::submit::price;
use crate::http::pages::visitor::{Frame, Visitor};
use crate::http::pages::words::{bytes, duration};
use crate::ops::nodes::{self, Largest};
use crate::ops::results::{self, ResultQuery};
use crate::picture::{grid, text};
use crate::secret::random_id;

pub mod ends;

/// The steps by name.
const STEPS: [&str; 6] = ["What LINPACK is", "Choose N", "NB and the grid", "Start the run", "Watch it", "Your result"];
/// Seconds that the run of the lesson should take.
const SECONDS: f64 = 30.0;
/// N where no computer is known, and the smallest and the step of those that are proposed.
const UNKNOWN_N: u64 = 4000;
const ROUND: u64 = 1000;
/// Ranks of the lesson's run at most: a picture that can be taken in.
const RANKS: usize = 4;
/// How often N is guessed anew.
const GUESSES: u32 = 3;
/// Jobs that are looked through for one that ended.
const JOBS: u32 = 20;
const HERE: &str = "/learn/first-linpack";

/// A step in the list of steps.
pub struct Marked {
    pub number: usize,
    pub title: &'static str,
    pub address: String,
    pub done: bool,
    pub here: bool,
}

/// What the account says about the lesson.
pub struct Known {
    jobs: Vec<Job>,
    result: Option<ResultRow>,
    pub standing: Option<Standing>,
}

impl Known {
    /// Of the visitor; nothing of a stranger.
    ///
    /// # Errors
    /// The database fails.
    pub async fn load(app: &App, visitor: &Visitor) -> Result<Known> {
        let jobs: Vec<Job> =
            own_jobs(app, visitor, JOBS).await?.into_iter().filter(|job| job.state != JobState::Draft).collect();
        let result = match visitor.name().filter(|_| !jobs.is_empty()) {
            Some(name) => latest_result(app, visitor, Some(name)).await?,
            None => None,
        };
        let standing = if result.is_some() { seen::standing(app, visitor).await? } else { None };
        Ok(Known { jobs, result, standing })
    }

    /// The steps, seen from step `here`; `carried` is added to their addresses. Who is past a step, in the lesson or by
    /// what the account has, has done it.
    pub fn marks(&self, here: usize, carried: &str) -> Vec<Marked> {
        let done = |number: usize| match number {
            1..=3 => number < here || !self.jobs.is_empty(),
            4 => !self.jobs.is_empty(),
            5 => self.jobs.iter().any(|job| job.state.is_final()),
            _ => self.result.is_some(),
        };
        let mark = |(i, title): (usize, &&'static str)| Marked {
            number: i + 1,
            title,
            address: format!("{HERE}?step={}{carried}", i + 1),
            done: done(i + 1),
            here: i + 1 == here,
        };
        STEPS.iter().enumerate().map(mark).collect()
    }
}

/// The latest accepted result of a user, or of everybody.
async fn latest_result(app: &App, visitor: &Visitor, user: Option<&str>) -> Result<Option<ResultRow>> {
    let query = ResultQuery {
        benchmark: Some(BENCHMARK.to_owned()),
        user: user.map(str::to_owned),
        limit: Some(1),
        ..ResultQuery::default()
    };
    Ok(results::list(app, &visitor.caller, &query).await?.results.into_iter().next())
}

/// What all steps share.
struct Lesson {
    step: usize,
    title: &'static str,
    marks: Vec<Marked>,
    back: String,
    next: String,
    numbers: Numbers,
    logged_in: bool,
}

#[derive(Template)]
#[template(path = "learn/lesson1.html")]
struct Step1 {
    frame: Frame,
    lesson: Lesson,
    picture: String,
}

#[derive(Template)]
#[template(path = "learn/lesson2.html")]
struct Step2 {
    frame: Frame,
    lesson: Lesson,
    asked: Asked,
    node: String,
    /// Each with the address that chooses it.
    sizes: Vec<(Row, String)>,
    basis: String,
}

#[derive(Template)]
#[template(path = "learn/lesson3.html")]
struct Step3 {
    frame: Frame,
    lesson: Lesson,
    asked: Asked,
    picture: String,
    sentences: String,
    cores: u64,
    others: Vec<(String, String)>,
}

#[derive(Template)]
#[template(path = "learn/lesson4.html")]
struct Step4 {
    frame: Frame,
    lesson: Lesson,
    csrf: String,
    once: String,
    lines: Vec<(&'static str, String)>,
    problems: Vec<String>,
    warnings: Vec<String>,
    log_in: String,
    sign_up: String,
    form: String,
    /// A run that is under way already.
    under_way: bool,
}

/// The page of a step.
///
/// # Errors
/// The database fails.
pub async fn page(State(app): State<Shared>, visitor: Visitor, asked: Fields) -> Result<Response> {
    let step = asked.get("step").parse().unwrap_or(1).clamp(1, STEPS.len());
    let largest = nodes::largest(&app).await?;
    let (usual, trial) = usual(&app, &visitor).await?;
    let read = Asked::read(&asked, usual);
    let carried = read.carried().replace('?', "&");
    let known = Known::load(&app, &visitor).await?;
    let to = |step: usize| format!("{HERE}?step={step}{carried}");
    let lesson = Lesson {
        step,
        title: STEPS[step - 1],
        marks: known.marks(step, &carried),
        back: if step > 1 { to(step - 1) } else { String::new() },
        next: if step < STEPS.len() { to(step + 1) } else { String::new() },
        numbers: read.numbers,
        logged_in: visitor.name().is_some(),
    };
    let frame = visitor.frame(format!("Your first LINPACK: {}", STEPS[step - 1]), "/learn").with_script("learn");
    match step {
        1 => crate::http::pages::page(&Step1 {
            frame: frame.with_call("GET", "/api/v1/benchmarks/hpl"),
            picture: blocks::system(read.numbers.n),
            lesson,
        }),
        2 => size(&app, &visitor, frame, lesson, read, &trial).await,
        3 => shape(frame, lesson, read, &largest),
        4 => start(&app, &visitor, frame, lesson, &known).await,
        5 => ends::watch(&app, &visitor, frame, lesson, &known).await,
        _ => ends::result(&app, &visitor, frame, lesson, known, &largest).await,
    }
}

/// The numbers of the lesson: what takes half a minute on the node that a run would get, or what fits it. And the
/// estimate that this rests on.
async fn usual(app: &App, visitor: &Visitor) -> Result<(Numbers, Estimate)> {
    let mut trial = seen::estimate(app, &visitor.caller, Numbers::usual(ROUND, 1, 1)).await?;
    let node = match &trial.node {
        Some(node) => nodes::find(app, &node.id).await?,
        None => None,
    };
    let node = node.as_ref();
    let (p, q) = squarest_grid(node.map_or(1, |node| node.cores as usize).clamp(1, RANKS));
    let (p, q, memory) = (p as u64, q as u64, node.map_or(0, |node| node.memory));
    let mut numbers = Numbers::usual(UNKNOWN_N, p, q).in_blocks();
    // What is predicted depends on N: runs of about that size may have been slower, or faster.
    for _ in 0..GUESSES {
        let better = seen::estimate(app, &visitor.caller, numbers).await?;
        let Some(run) = better.runs.first() else { break };
        let next = Numbers::usual(proposed(run.score, memory), p, q).in_blocks();
        trial = better;
        if next == numbers {
            break;
        }
        numbers = next;
    }
    Ok((numbers, trial))
}

/// N that takes [`SECONDS`] at that score, if it fits 80 % of that memory.
fn proposed(score: Option<f64>, memory: u64) -> u64 {
    let Some(score) = score.filter(|score| score.is_finite() && *score > 0.0) else { return UNKNOWN_N };
    let in_time = (1.5 * score * 1e9 * SECONDS).cbrt();
    let n = if memory > 0 { in_time.min(fits(memory)) } else { in_time };
    ((n as u64) / ROUND * ROUND).max(ROUND)
}

/// N of a matrix that fills 80 % of so much memory.
fn fits(memory: u64) -> f64 {
    (memory as f64 * 0.8 / 8.0).sqrt()
}

async fn size(
    app: &App,
    visitor: &Visitor,
    frame: Frame,
    lesson: Lesson,
    asked: Asked,
    trial: &Estimate,
) -> Result<Response> {
    let numbers = lesson.numbers;
    let memory = trial.runs.first().and_then(|run| run.node_bytes);
    let mut sizes = vec![ROUND, numbers.n / 2];
    sizes.extend(memory.map(|memory| fits(memory) as u64));
    let usual = |n: u64| Numbers::usual(n, numbers.p, numbers.q).in_blocks();
    let mut sizes: Vec<Numbers> = sizes.into_iter().filter(|n| *n > 0).map(usual).collect();
    sizes.retain(|other| other.n != numbers.n);
    sizes.push(numbers);
    sizes.sort_unstable_by_key(|numbers| numbers.n);
    sizes.dedup();
    let mut rows = vec![];
    let mut basis = String::new();
    for other in sizes {
        let n = other.n;
        let estimate = seen::estimate(app, &visitor.caller, other).await?;
        if n == numbers.n {
            basis = seen::basis(&estimate);
        }
        let all = draw::all_bytes(&other);
        let of = memory.map_or(String::new(), |memory| format!(", {}", text::percent(all as f64 / memory as f64)));
        let cells = [
            text::count(n),
            format!("{}{of}", bytes(all)),
            draw::work_words(draw::gflop(&other)),
            seen::predicted(&estimate),
        ];
        rows.push((row(n == numbers.n, cells), format!("{HERE}?step=2{}", other.query().replace('?', "&"))));
    }
    let node = match (&trial.node, memory) {
        (Some(node), Some(memory)) => format!("{}, which has {} of memory", node.name, bytes(memory)),
        _ => String::new(),
    };
    let frame = frame.with_call("POST", "/api/v1/estimate");
    crate::http::pages::page(&Step2 { frame, lesson, asked, node, sizes: rows, basis })
}

fn shape(frame: Frame, lesson: Lesson, asked: Asked, largest: &Largest) -> Result<Response> {
    let numbers = lesson.numbers;
    let layout = numbers.layout();
    let cores = u64::from(largest.most_cores);
    let ranks = usize::try_from(numbers.ranks()).unwrap_or(1);
    let mut others: Vec<(u64, u64)> = vec![(1, numbers.ranks()), (numbers.ranks(), 1), (1, 1)];
    let (p, q) = squarest_grid(ranks);
    others.push((p as u64, q as u64));
    others.retain(|(p, q)| (*p, *q) != (numbers.p, numbers.q) && *p <= 64 && *q <= 64);
    others.sort_unstable();
    others.dedup();
    let others = others.into_iter().map(|(p, q)| {
        let other = Numbers { p, q, ..numbers };
        (format!("{p} × {q}"), format!("{HERE}?step=3{}", other.query().replace('?', "&")))
    });
    crate::http::pages::page(&Step3 {
        frame: frame.with_call("GET", "/api/v1/nodes"),
        lesson,
        asked,
        picture: grid::map(&layout),
        sentences: grid::sentences(&layout).join(" "),
        cores,
        others: others.collect(),
    })
}

async fn start(app: &App, visitor: &Visitor, frame: Frame, lesson: Lesson, known: &Known) -> Result<Response> {
    let numbers = lesson.numbers;
    let estimate = seen::estimate(app, &visitor.caller, numbers).await?;
    let mut lines = vec![
        ("Equations, N", text::count(numbers.n)),
        ("Block, NB", numbers.nb.to_string()),
        ("Grid, P × Q", format!("{} × {}", numbers.p, numbers.q)),
    ];
    if let Some(run) = estimate.runs.first() {
        let of = run.node_bytes.map(|all| format!(" of {}", bytes(all))).unwrap_or_default();
        lines.push(("Memory", format!("{}{of}", bytes(run.bytes_per_node))));
        lines.push(("Work", draw::work_words(run.work)));
        lines.push(("Predicted time", seen::predicted(&estimate)));
        lines.push(("Longest time", duration(f64::from(run.walltime_s))));
        lines.push(("Would it wait?", price::waits(&estimate)));
    }
    let here = format!("{HERE}?step=4{}", numbers.query().replace('?', "&"));
    let back = query(&[("next", &here)]);
    crate::http::pages::page(&Step4 {
        frame: frame.with_call("POST", "/api/v1/jobs"),
        csrf: visitor.token(),
        once: random_id::<hpl_spec::id::JobId>(app.clock.now()).to_string(),
        lines,
        problems: estimate.errors.iter().map(|problem| problem.message.clone()).collect(),
        warnings: estimate.warnings.iter().map(|problem| problem.message.clone()).collect(),
        log_in: format!("/login{back}"),
        sign_up: format!("/signup{back}"),
        form: submit(numbers, &[]),
        under_way: known.jobs.iter().any(|job| !job.state.is_final()),
        lesson,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_proposed_run_takes_half_a_minute_and_fits() {
        assert_eq!(proposed(None, 1 << 34), UNKNOWN_N);
        assert_eq!(proposed(Some(f64::NAN), 1 << 34), UNKNOWN_N);
        let n = proposed(Some(96.0), 16 << 30);
        let seconds = draw::gflop(&Numbers::usual(n, 1, 1)) / 96.0;
        assert!(n.is_multiple_of(ROUND) && (20.0..=31.0).contains(&seconds), "{n}: {seconds}");
        let small = proposed(Some(1e6), 1 << 30);
        assert!(8 * small * small <= (1 << 30) * 8 / 10, "{small}");
        assert_eq!(proposed(Some(1e-6), 1 << 30), ROUND);
    }
}
