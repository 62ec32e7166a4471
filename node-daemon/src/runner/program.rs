//! How the benchmarks of the registry are started: a row each. A benchmark that has a row in the registry and none here
//! is one that this daemon is too old for.

use std::path::Path;

use hpl_spec::api::agent::Assignment;
use hpl_spec::benchmark::{self, Benchmark};

use super::Failure;

/// A benchmark's program: what it is given, and what it writes in its work folder.
pub struct Program {
    /// The row of the registry.
    pub row: &'static Benchmark,
    /// Lines of what happens, while it happens.
    pub events: &'static str,
    /// The report, in JSON.
    pub report: &'static str,
    arguments: Arguments,
}

/// The arguments of a program, with the name of its input file and its profile of this CPU.
type Arguments = fn(&Program, input: &str, profile: Option<&Path>) -> Vec<String>;

/// One benchmark that this daemon can run.
struct Row {
    name: &'static str,
    events: &'static str,
    report: &'static str,
    arguments: Arguments,
}

/// All of them.
const ROWS: &[Row] = &[Row { name: "hpl", events: "events.jsonl", report: "report.json", arguments: xhpl }];

fn xhpl(program: &Program, input: &str, profile: Option<&Path>) -> Vec<String> {
    // Always said, so that what a run uses stands in its launch line and depends on nobody's configuration folder.
    let profile = profile.map_or("none".into(), |file| file.to_string_lossy().into_owned());
    // The report is a file to keep, and what one reads while it grows.
    let fixed = ["--dat", input, "--tee", "--events", program.events, "--json", program.report, "--profile"];
    fixed.map(str::to_owned).into_iter().chain([profile]).collect()
}

impl Program {
    /// The program of that benchmark.
    ///
    /// # Errors
    /// The registry or this daemon knows none of that name.
    pub fn find(name: &str) -> Result<Program, Failure> {
        let row = benchmark::find(name);
        match (row, ROWS.iter().find(|ours| ours.name == name)) {
            (Some(row), Some(&Row { events, report, arguments, .. })) => Ok(Program { row, events, report, arguments }),
            _ => {
                let known = ROWS.iter().map(|r| r.name).collect::<Vec<_>>().join(", ");
                let ours = env!("CARGO_PKG_VERSION");
                Err(Failure::infra(
                    "unknown_benchmark",
                    format!("the daemon {ours} cannot run `{name}`; it knows {known}. Install a newer one."),
                ))
            }
        }
    }

    /// The arguments of the program for this assignment.
    ///
    /// # Errors
    /// It has no input file, or one whose name could lead out of the work folder.
    pub fn arguments(&self, assignment: &Assignment, profile: Option<&Path>) -> Result<Vec<String>, Failure> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
        for input in &assignment.inputs {
            let name = &input.name;
            let taken = [self.events, self.report, self.row.output].contains(&name.as_str());
            if name.is_empty() || name.len() > 64 || name.starts_with('.') || !name.bytes().all(plain) || taken {
                let detail = format!("the input file `{}` has a name that is not taken here", name.escape_default());
                return Err(Failure::infra("bad_assignment", detail));
            }
        }
        let input = assignment.inputs.first().map(|i| i.name.as_str());
        let input = input.ok_or_else(|| Failure::infra("bad_assignment", "there is no input file"))?;
        Ok((self.arguments)(self, input, profile))
    }
}
