//! `hpl submit`: from flags or a file to jobs, with what they take and what is wrong told before.

use std::io::Read;
use std::path::Path;
use std::time::Duration;

use client::door::{Method, Refusal};
use hpl_spec::api::jobs::{Cost, Estimate, Job, Needs, SubmitRequest, Submitted, Visibility, Waits};
use hpl_spec::benchmark;
use serde_json::{Value, json};

use crate::args::Submit;
use crate::ask;
use crate::error::{Error, fields, refused};
use crate::look::{Look, remark, write, write_answer};
use crate::parameters::{BENCHMARK, place};
use crate::site::Site;
use crate::table::{Side, Table};
use crate::watch::{Ended, watch};
use crate::words::{broken, bytes, duration, fact, plural, rate, rough};

/// Runs of a sweep that are shown before it is submitted.
const SHOWN: usize = 12;
/// How often a submission without an answer is made. It names a key, so it counts once.
const TRIES: u32 = 3;
/// The most that is read of a file: what the service takes, and one byte to see that it is more.
const MOST: u64 = (64 << 10) + 1;

/// What a person wants to run.
struct Wanted {
    request: SubmitRequest,
    /// The file's name, where there is one.
    file: Option<String>,
}

/// Submits, or says what it would take.
///
/// # Errors
/// Something is wrong with it, each mistake at its place; the service refuses.
pub async fn submit(site: &Site, look: &Look, asked: &Submit, json: bool) -> Result<Ended, Error> {
    let wanted = wanted(site, asked).await?;
    let file = wanted.file.as_deref();
    let answer = site.send(site.call(Method::Post, "/api/v1/estimate").json(&wanted.request)).await;
    let told = |refusal| refused("look at the run", site.url(), &refusal, |field| place(field, file));
    let answer = answer.map_err(told)?.unwrap_or_default();
    let estimate: Estimate = site.read("look at the run", &answer)?;
    if asked.dry_run && json {
        write_answer(&answer)?;
        return Ok(if estimate.ok { Ended::Well } else { Ended::NotDone });
    }
    if !estimate.ok {
        let wrong = fields(&estimate.errors, |field| place(field, file));
        return Err(Error::Told(format!("the run cannot be submitted{wrong}")));
    }
    for warning in estimate.warnings.iter().filter(|_| !asked.dry_run) {
        remark(&broken(&format!("warning: {}: {}", place(&warning.field, file), warning.message), 2));
    }
    if asked.dry_run {
        write(dry(&estimate, look, file).as_bytes())?;
        return Ok(Ended::Well);
    }
    if wanted.request.input.is_some() && !agreed(&estimate, look, asked.yes)? {
        return Err(Error::told("nothing was submitted"));
    }
    let answer = make(site, &wanted).await?;
    let made: Submitted = site.read("submit", &answer)?;
    let Some(first) = made.jobs.first() else { return Err(Error::told("submit: the service made no job")) };
    if let Some(sweep) = &made.sweep {
        site.post("submit the sweep", &format!("/api/v1/sweeps/{sweep}/submit"), &json!({})).await?;
    }
    if json {
        write_answer(&answer)?;
    } else if let Some(sweep) = &made.sweep {
        let text = format!("Submitted a sweep of {}\n", plural(made.cost.runs.into(), "run"))
            + &fact("id", sweep.as_str())
            + &fact("page", &format!("{}/sweeps/{sweep}", site.url()))
            + &fact("time", &cost(&made.cost))
            + &fact("next", &format!("hpl sweep {sweep}"));
        write(text.as_bytes())?;
    } else {
        // The answer does not say yet why it waits.
        let job: Job = site.look("look at the job", &format!("/api/v1/jobs/{}", first.id)).await?;
        write(submitted(site.url(), &job, &estimate, asked.watch).as_bytes())?;
    }
    if asked.watch { watch(site, look, first.id.as_str(), json).await } else { Ok(Ended::Well) }
}

/// What the flags and the file stand for.
async fn wanted(site: &Site, asked: &Submit) -> Result<Wanted, Error> {
    let flags = &asked.parameters.0;
    let (parameters, input, file) = match &asked.file {
        Some(file) if !flags.is_empty() => {
            return Err(Error::Told(format!(
                "found both the file {} and parameters of a run; expected one of them",
                file.display()
            )));
        }
        None if flags.is_empty() => {
            return Err(Error::told("found no run; expected an HPL.dat, or at least --n: hpl submit --n 4000"));
        }
        None => (Some(Value::Object(flags.clone())), None, None),
        Some(path) => {
            let (name, text) = read(path)?;
            let (parameters, input) = runs(&name, text, asked.repeats)?;
            (parameters, input, Some(name))
        }
    };
    let node = match &asked.node {
        None => None,
        Some(name) => {
            let nodes = site.nodes("look for the node").await?;
            let found = nodes.into_iter().find(|node| node.name == *name || node.id.as_str() == name);
            let found = found.ok_or_else(|| {
                Error::Told(format!("--node: found `{name}`; expected the name of a node: `hpl nodes` lists them"))
            })?;
            Some(found.id)
        }
    };
    let request = SubmitRequest {
        benchmark: BENCHMARK.to_owned(),
        parameters,
        input,
        draft: false,
        visibility: if asked.private { Visibility::Private } else { Visibility::Public },
        needs: Needs { node, cores: asked.cores, labels: asked.label.clone() },
        walltime_s: asked.walltime,
        title: asked.title.clone(),
        stop_hopeless: asked.stop_hopeless,
        repeats: asked.repeats,
    };
    Ok(Wanted { request, file })
}

/// The file's name for people, and what it says.
fn read(path: &Path) -> Result<(String, String), Error> {
    let (name, mut text) = (path.display().to_string(), String::new());
    let (name, read) = if name == "-" {
        ("standard input".to_owned(), std::io::stdin().take(MOST).read_to_string(&mut text))
    } else {
        let read = std::fs::File::open(path).and_then(|file| file.take(MOST).read_to_string(&mut text));
        (name, read)
    };
    match read {
        Ok(_) => Ok((name, text)),
        Err(why) => Err(Error::Told(format!("{name}: {why}; expected an HPL.dat"))),
    }
}

/// The parameters of the one run of a file; or the file itself, where it has several: a sweep.
fn runs(name: &str, text: String, repeats: u32) -> Result<(Option<Value>, Option<String>), Error> {
    let row = benchmark::find(BENCHMARK).ok_or_else(|| Error::told("this program knows no benchmark"))?;
    let read = (row.parse_input)(&text);
    let told = |wrong: Vec<_>| {
        let line = |field: &str| if field.is_empty() { name.to_owned() } else { format!("{name}, {field}") };
        Error::Told(format!("{name} cannot be read as an HPL.dat{}", fields(&wrong, line)))
    };
    match <[Value; 1]>::try_from(read.map_err(told)?) {
        Ok([one]) if repeats == 1 => Ok((Some(one), None)),
        _ => Ok((None, Some(text))),
    }
}

/// Submits under a key, so that a copy makes no second job.
async fn make(site: &Site, wanted: &Wanted) -> Result<Vec<u8>, Error> {
    let key = format!("{:032x}", rand::random::<u128>());
    let call = site.call(Method::Post, "/api/v1/jobs").header("idempotency-key", key).json(&wanted.request);
    let mut left = TRIES;
    loop {
        left -= 1;
        match site.send(call.clone()).await {
            Ok(answer) => return Ok(answer.unwrap_or_default()),
            Err(Refusal::NoAnswer(_)) if left > 0 => tokio::time::sleep(Duration::from_secs(1)).await,
            Err(refusal) => {
                let file = wanted.file.as_deref();
                return Err(refused("submit", site.url(), &refusal, |field| place(field, file)));
            }
        }
    }
}

/// Shows a sweep and asks whether it is meant.
fn agreed(estimate: &Estimate, look: &Look, yes: bool) -> Result<bool, Error> {
    if yes {
        return Ok(true);
    }
    if !ask::somebody_is_there() {
        let runs = plural(estimate.cost.runs.into(), "run");
        return Err(Error::Told(format!(
            "this is a sweep of {runs}, {}, and nobody is there to ask: say --yes if it is meant",
            cost(&estimate.cost)
        )));
    }
    remark(&sweep(estimate, look));
    ask::is_yes("Submit them all?")
}

/// What all runs take.
fn cost(cost: &Cost) -> String {
    let limit = format!("over after {} at the latest", duration(cost.walltime_s as f64));
    match (cost.seconds, cost.node_hours) {
        (Some(seconds), Some(hours)) if hours < 0.01 => format!("{}, {limit}", rough(seconds)),
        (Some(seconds), Some(hours)) => format!("{} ({hours:.2} node hours), {limit}", rough(seconds)),
        _ => format!("not predicted, {limit}"),
    }
}

/// The runs of a sweep, and what they take.
fn sweep(estimate: &Estimate, look: &Look) -> String {
    let mut table =
        Table::new(&[("run", Side::Cut), ("memory", Side::Right), ("time", Side::Right), ("Gflop/s", Side::Right)]);
    for run in estimate.runs.iter().take(SHOWN) {
        let (seconds, score) = (run.seconds.map(rough), run.score.map(rate));
        let unknown = || "-".to_owned();
        let cells = [seconds.unwrap_or_else(unknown), score.unwrap_or_else(unknown)];
        let [seconds, score] = cells;
        table.row([run.label.clone(), bytes(run.bytes_per_node), seconds, score]);
    }
    let more = estimate.runs.len().saturating_sub(SHOWN);
    let more = if more > 0 { format!("  and {more} more\n") } else { String::new() };
    table.to_text(look) + &more + &format!("  {}: {}", plural(estimate.cost.runs.into(), "run"), cost(&estimate.cost))
}

/// How soon a run would start, or why it waits.
fn queue(estimate: &Estimate) -> String {
    estimate.waits.as_ref().map_or_else(|| "a node is free".to_owned(), soon)
}

/// Why it waits, and when it is expected to start.
fn soon(waits: &Waits) -> String {
    match &waits.starts {
        Some(starts) => format!("{}; starts {}", waits.why, starts.text),
        None => waits.why.clone(),
    }
}

/// What a submission would come to.
fn dry(estimate: &Estimate, look: &Look, file: Option<&str>) -> String {
    let mut text = match estimate.runs.as_slice() {
        [run] => {
            let node = match (&estimate.node, run.node_bytes) {
                (Some(node), Some(whole)) => format!(" of the {} of {}", bytes(whole), node.name),
                _ => String::new(),
            };
            fact("run", &run.label)
                + &fact("memory", &format!("{}{node}", bytes(run.bytes_per_node)))
                + &fact("time", &predicted(run.seconds, run.score, &estimate.basis, run.walltime_s))
        }
        _ => sweep(estimate, look) + "\n",
    };
    text += &fact("queue", &queue(estimate));
    for warning in &estimate.warnings {
        text += &fact("warning", &format!("{}: {}", place(&warning.field, file), warning.message));
    }
    text + "Nothing was submitted (--dry-run).\n"
}

fn predicted(seconds: Option<f64>, score: Option<f64>, basis: &str, walltime_s: u32) -> String {
    let limit = format!("ended after {} at the latest", duration(walltime_s.into()));
    let from = match basis {
        "history" => "told from earlier runs there",
        "peak" => "told from the peak of the node",
        _ => "a guess",
    };
    match (seconds, score) {
        (Some(seconds), Some(score)) => {
            format!("{} at {} Gflop/s, {from}; {limit}", rough(seconds), rate(score))
        }
        _ => format!("not predicted: no node that fits is known; {limit}"),
    }
}

/// The job that was made.
fn submitted(url: &str, job: &Job, estimate: &Estimate, watched: bool) -> String {
    let score = estimate.runs.first().and_then(|run| run.score);
    let waits = job.waits.as_ref().map_or_else(|| job.state.to_string(), soon);
    let text = format!("Submitted {}\n", job.label)
        + &fact("id", job.id.as_str())
        + &fact("page", &format!("{url}/jobs/{}", job.id))
        + &fact("queue", &waits)
        + &fact("time", &predicted(job.estimate_s, score, &estimate.basis, job.walltime_s));
    if watched { text } else { text + &fact("next", "hpl watch last") }
}

#[cfg(test)]
mod tests {
    use hpl_spec::{RunParams, Sweep};

    use super::*;

    #[test]
    fn a_file_of_one_run_is_a_run_and_one_of_two_a_sweep() {
        let mut dat = Sweep::of(RunParams::new(100, 32, 1, 1), 16.0);
        let (one, input) = runs("HPL.dat", dat.to_dat(), 1).unwrap();
        assert_eq!((one.unwrap()["n"].clone(), input), (json!(100), None));
        let (one, input) = runs("HPL.dat", dat.to_dat(), 2).unwrap();
        assert!(one.is_none() && input.is_some(), "repeats make a sweep");
        dat.ns.push(200);
        let (one, input) = runs("HPL.dat", dat.to_dat(), 1).unwrap();
        assert!(one.is_none() && input.is_some());
        let why = runs("my.dat", "no file\n".into(), 1).unwrap_err().to_string();
        assert!(why.starts_with("my.dat cannot be read as an HPL.dat\n  my.dat, line "), "{why}");
    }

    #[test]
    fn what_runs_take_is_told_as_far_as_it_is_known() {
        let known = Cost { runs: 2, seconds: Some(90.0), node_hours: Some(0.025), walltime_s: 240 };
        assert_eq!(cost(&known), "about 1 min 30 s (0.03 node hours), over after 4 min at the latest");
        assert_eq!(cost(&Cost { seconds: None, ..known }), "not predicted, over after 4 min at the latest");
        let told = predicted(Some(3.0), Some(95.0), "history", 120);
        assert_eq!(told, "about 3 s at 95.00 Gflop/s, told from earlier runs there; ended after 2 min at the latest");
        assert!(predicted(None, None, "nothing", 120).starts_with("not predicted"));
    }
}
