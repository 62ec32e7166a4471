//! Named steps, run one after the other and timed; the first failure ends them.

use std::ffi::OsStr;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::error::Error;

/// A step that runs a program: plain data, so that a plan can be read and tested.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// What the table of minutes calls it.
    pub name: &'static str,
    /// The arguments of cargo.
    pub cargo: Vec<String>,
    /// Environment variables set for it.
    pub env: Vec<(String, String)>,
}

impl Step {
    /// A cargo command line, cut at blanks.
    pub fn cargo(name: &'static str, line: &str) -> Step {
        let cargo = line.split_whitespace().map(str::to_owned).collect();
        Step { name, cargo, env: vec![] }
    }

    /// The same with these variables set too.
    pub fn with(mut self, env: &[(&str, &str)]) -> Step {
        self.env.extend(env.iter().map(|&(k, v)| (k.to_owned(), v.to_owned())));
        self
    }
}

/// The cargo that runs us, so that no other toolchain comes into play.
pub fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// The steps done so far.
#[derive(Debug, Default)]
pub struct Steps {
    done: Vec<(&'static str, Duration)>,
}

impl Steps {
    /// Does something under a name and remembers how long it took.
    ///
    /// # Errors
    /// Those of `act`; the table of the steps so far is printed before.
    pub fn act<T>(&mut self, name: &'static str, act: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
        let start = Instant::now();
        let result = act();
        self.done.push((name, start.elapsed()));
        if result.is_err() {
            println!("\n{}", table(&self.done, Some(name)));
        }
        result
    }

    /// Runs a step with its output passed through.
    ///
    /// # Errors
    /// [`Error::Step`] if it ends with a status other than zero.
    pub fn run(&mut self, step: &Step) -> Result<(), Error> {
        let shown = format!("cargo {}", step.cargo.join(" "));
        println!("\n==> {}: {shown}", step.name);
        self.act(step.name, || {
            let mut command = cargo();
            command.args(&step.cargo).envs(step.env.iter().map(|(k, v)| (k, v)));
            run(step.name, &shown, &mut command)
        })
    }

    /// The table of minutes, with a total.
    pub fn table(&self) -> String {
        table(&self.done, None)
    }

    /// What the steps are called.
    pub fn names(&self) -> Vec<&'static str> {
        self.done.iter().map(|(name, _)| *name).collect()
    }

    /// The time of all steps.
    pub fn total(&self) -> Duration {
        self.done.iter().map(|(_, time)| time).sum()
    }
}

fn run(name: &str, shown: &str, command: &mut Command) -> Result<(), Error> {
    let program = command.get_program().to_owned();
    let program = OsStr::to_string_lossy(&program);
    let status = command.status().map_err(Error::start(&program))?;
    if status.success() {
        return Ok(());
    }
    Err(Error::Step { step: name.to_owned(), status: status.to_string(), command: shown.to_owned() })
}

fn table(done: &[(&'static str, Duration)], failed: Option<&str>) -> String {
    let width = done.iter().map(|(name, _)| name.len()).max().unwrap_or(0).max("total".len());
    let mut text = String::new();
    for (name, time) in done {
        let mark = if failed == Some(*name) { "  FAILED" } else { "" };
        text += &format!("{name:<width$}  {:>6.1} min{mark}\n", minutes(*time));
    }
    let total = done.iter().map(|(_, time)| *time).sum();
    text + &format!("{:<width$}  {:>6.1} min", "total", minutes(total))
}

fn minutes(time: Duration) -> f64 {
    time.as_secs_f64() / 60.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_aligned_and_marks_the_failure() {
        let done = [("format", Duration::from_secs(3)), ("clippy", Duration::from_secs(90))];
        assert_eq!(table(&done, Some("clippy")), "format     0.1 min\nclippy     1.5 min  FAILED\ntotal      1.6 min");
    }

    #[test]
    fn a_failing_step_is_named_and_stops() {
        let error = run("never", "false", &mut Command::new("false")).unwrap_err();
        assert!(error.to_string().contains("step `never` failed"), "{error}");
        let error = run("never", "-", &mut Command::new("/no/such/program")).unwrap_err();
        assert!(error.to_string().contains("cannot start"), "{error}");
    }
}
