//! How the benchmarks of the registry are started: a row each. A benchmark that has a row in the registry and none here
//! is one that this daemon is too old for.

use hpl_spec::api::agent::Assignment;
use hpl_spec::benchmark::{self, Benchmark};

use super::Failure;

/// What a benchmark's program writes and reads in its work folder.
pub struct Program {
    /// The row of the registry.
    pub row: &'static Benchmark,
    /// Lines of what happens, while it happens.
    pub events: &'static str,
    /// The report, in JSON.
    pub report: &'static str,
    arguments: fn(&Program, input: &str) -> Vec<String>,
}

/// Every benchmark that this daemon can run.
const PROGRAMS: &[(&str, &str, &str, fn(&Program, &str) -> Vec<String>)] =
    &[("hpl", "events.jsonl", "report.json", xhpl)];

fn xhpl(program: &Program, input: &str) -> Vec<String> {
    ["--dat", input, "--events", program.events, "--json", program.report].map(str::to_owned).into()
}

impl Program {
    /// The program of that benchmark.
    ///
    /// # Errors
    /// The registry or this daemon knows none of that name.
    pub fn find(name: &str) -> Result<Program, Failure> {
        let row = benchmark::find(name);
        let ours = PROGRAMS.iter().find(|(of, ..)| *of == name);
        match (row, ours) {
            (Some(row), Some(&(_, events, report, arguments))) => Ok(Program { row, events, report, arguments }),
            _ => {
                let known = PROGRAMS.iter().map(|p| p.0).collect::<Vec<_>>().join(", ");
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
    pub fn arguments(&self, assignment: &Assignment) -> Result<Vec<String>, Failure> {
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
        Ok((self.arguments)(self, input))
    }
}
