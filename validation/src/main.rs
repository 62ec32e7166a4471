//! `validate`: parameter sets drawn by a seed, through ours and through netlib's code, and a table of what came of it.
//!
//! `cargo xtask validate` builds `xhpl`, names it in `HPLAAS_XHPL` and starts this. What it does is in
//! `validation::validate`; here are its options, its date and its files. It ends with status 1 if a set disagrees.
#![forbid(unsafe_code)]

use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use clap::Parser;
use hpl_spec::node::NodeInfo;
use validation::program;
use validation::validate::draw::{Input, draw};
use validation::validate::hold;
use validation::validate::reference::Reference;
use validation::validate::report::{Head, counts, disagreement, line, render};

/// Compares xhpl with netlib's HPL on parameter sets drawn by a seed (a few minutes; exit status 1 if one disagrees)
#[derive(Debug, Parser)]
#[command(name = "cargo xtask validate")]
struct Arguments {
    /// An xhpl that was built from netlib's HPL; default: hpcc, which contains HPL 2.0
    #[arg(long, value_name = "PATH")]
    reference: Option<PathBuf>,
    /// Which draw
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// How many sets at least
    #[arg(long, value_name = "K", default_value_t = 300)]
    sets: usize,
    /// Only the set of this number; no report is written unless one is named
    #[arg(long, value_name = "NUMBER")]
    only: Option<usize>,
    /// Where the report goes; default: validation/report.md of this project
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
}

/// The report of this project.
const REPORT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/report.md");

fn main() -> ExitCode {
    match validate(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(why) => {
            eprintln!("validate: {why}");
            ExitCode::FAILURE
        }
    }
}

/// Runs, prints and writes all. The answer is whether all sets agree.
fn validate(arguments: &Arguments) -> Result<bool, String> {
    let reference = match &arguments.reference {
        Some(path) => Reference::xhpl(path)?,
        None => Reference::hpcc()?,
    };
    let inputs = inputs(arguments)?;
    let began = Instant::now();
    let (mut records, mut name) = (Vec::new(), None);
    for (index, input) in inputs.iter().enumerate() {
        let held = hold(input, &reference);
        println!("[{:>2}/{}] {}", index + 1, inputs.len(), line(input, &held));
        name = name.or(held.reference);
        records.extend(held.records);
    }
    let node = describe()?;
    let mut head = Head {
        date: jiff::Zoned::now().date().to_string(),
        machine: machine(&node),
        versions: versions(&node, name.as_deref())?,
        seed: arguments.seed,
        sets: arguments.sets,
        seconds: 0.0,
    };
    head.seconds = began.elapsed().as_secs_f64();
    for record in records.iter().filter(|record| !record.agrees()) {
        eprintln!("\n{}", disagreement(record, &head));
    }
    println!("\n{}", counts(&records).replace("**", ""));
    let file = arguments.write.clone().or_else(|| arguments.only.is_none().then(|| REPORT.into()));
    if let Some(file) = file {
        std::fs::write(&file, render(&head, &inputs, &records)).map_err(|e| format!("{}: {e}", file.display()))?;
        println!("written to {}", file.display());
    }
    Ok(records.iter().all(|record| record.agrees()))
}

/// The inputs to run.
fn inputs(arguments: &Arguments) -> Result<Vec<Input>, String> {
    if arguments.sets == 0 {
        return Err("--sets 0: found no sets to compare, expected at least 1".into());
    }
    let all = draw(arguments.seed, arguments.sets);
    let Some(number) = arguments.only else { return Ok(all) };
    let last = all.last().map_or(0, |input| input.first + input.sweep.tests() - 1);
    let one = all.iter().find_map(|input| input.only(number));
    one.map(|input| vec![input]).ok_or_else(|| format!("--only {number}: this draw has the sets 1 to {last}"))
}

/// What a program prints, or why it does not.
fn said(command: &mut Command) -> Result<String, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output().map_err(|e| format!("{name}: {e}"))?;
    if !output.status.success() {
        return Err(format!("{name}: {}: {}", output.status, String::from_utf8_lossy(&output.stderr)));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// This machine, as our own program sees it.
fn describe() -> Result<NodeInfo, String> {
    let json = said(Command::new(program::xhpl()).arg("describe"))?;
    serde_json::from_str(&json).map_err(|e| format!("xhpl describe: {e}\n{json}"))
}

fn machine(node: &NodeInfo) -> String {
    let NodeInfo { cpu_model, cores, memory_total, os, kernel_release, .. } = node;
    let gib = *memory_total as f64 / f64::from(1 << 30);
    format!("{cpu_model}, {cores} cores, {gib:.0} GiB of memory, {os}, kernel release {kernel_release}")
}

/// Ours, the reference, the launcher.
fn versions(node: &NodeInfo, reference: Option<&str>) -> Result<Vec<String>, String> {
    // The source, where it comes from a clone.
    let here = ["-C", env!("CARGO_MANIFEST_DIR"), "describe", "--always", "--dirty", "--exclude=*"];
    let source = said(Command::new("git").args(here)).map_or_else(|_| String::new(), |id| format!(" of {}", id.trim()));
    let launcher = said(program::mpirun(1).arg("--version"))?;
    Ok(vec![
        format!("ours: {} {}{source}, matrix kernel {}", node.program, node.version, node.kernel),
        format!("reference: {}", reference.unwrap_or("it never answered")),
        format!("launcher: {}", launcher.lines().next().unwrap_or("unknown")),
    ])
}
