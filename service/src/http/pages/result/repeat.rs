//! How to make the same run again: its input file, the commands, the form, the call.

use hpl_spec::benchmark::{self, Input};
use hpl_spec::report::SweepReport;
use serde_json::{Value, json};

use super::facts;
use crate::http::pages::forms::query;

/// The ways to repeat a run.
pub(super) struct Repeat {
    /// An anchor, the name and the text of each input file.
    pub(super) inputs: Vec<(String, String, String)>,
    /// For a shell, with the file in the current folder.
    pub(super) command: String,
    /// The form, filled in.
    pub(super) form: String,
    /// For a shell, with a token in `TOKEN`.
    pub(super) call: String,
}

impl Repeat {
    /// `origin` is the address of this service.
    pub(super) fn of(benchmark: &str, parameters: &Value, sweep: Option<&SweepReport>, origin: &str) -> Repeat {
        let plan = benchmark::find(benchmark).and_then(|row| (row.plan)(parameters).ok());
        let numbered = |(i, input): (usize, &Input)| (format!("input-{i}"), input.name.clone(), input.text.clone());
        let inputs = plan.as_ref().map(|plan| plan.inputs.iter().enumerate().map(numbered).collect());
        Repeat {
            inputs: inputs.unwrap_or_default(),
            command: plan.map(|plan| command(plan.ranks, sweep)).unwrap_or_default(),
            form: form(parameters),
            call: call(benchmark, parameters, origin),
        }
    }
}

fn command(ranks: usize, sweep: Option<&SweepReport>) -> String {
    let threads = sweep.map(|sweep| format!(" --threads {}", sweep.threads)).unwrap_or_default();
    match ranks {
        1 => format!("xhpl --dat HPL.dat{threads}"),
        ranks => format!("mpirun -np {ranks} --bind-to none xhpl --dat HPL.dat{threads}"),
    }
}

/// The page on which a run is put together, with all parameters as they were.
pub(super) fn form(parameters: &Value) -> String {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let pairs: Vec<_> =
        parameters.as_object().into_iter().flatten().map(|(name, v)| (name.as_str(), text(v))).collect();
    let pairs: Vec<_> = pairs.iter().map(|(name, value)| (*name, value.as_str())).collect();
    format!("/submit{}", query(&pairs))
}

fn call(benchmark: &str, parameters: &Value, origin: &str) -> String {
    let body = json!({ "benchmark": benchmark, "parameters": parameters }).to_string();
    let body = facts::command(&[body]);
    format!(
        "curl -sS -H \"Authorization: Bearer $TOKEN\" -H 'Content-Type: application/json' \\\n  -d {body} \\\n  {origin}/api/v1/jobs"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_can_be_repeated_in_every_way() {
        let parameters = (benchmark::find("hpl").unwrap().plan)(&json!({ "n": 2000, "nb": 64, "p": 1, "q": 2 }));
        let parameters = parameters.unwrap().parameters;
        let repeat = Repeat::of("hpl", &parameters, None, "https://here.example");
        assert_eq!(repeat.inputs[0].1, "HPL.dat");
        // What the file says is what was run.
        let read = (benchmark::find("hpl").unwrap().parse_input)(&repeat.inputs[0].2).unwrap();
        assert!(read.len() == 1 && read[0] == parameters);
        assert_eq!(repeat.command, "mpirun -np 2 --bind-to none xhpl --dat HPL.dat");
        assert!(
            repeat.form.starts_with("/submit?")
                && repeat.form.contains("&n=2000&")
                && repeat.form.contains("equil=true")
        );
        assert!(
            repeat.call.contains("-d '{\"benchmark\":\"hpl\"")
                && repeat.call.ends_with("https://here.example/api/v1/jobs")
        );
        let unknown = Repeat::of("chess", &json!({}), None, "");
        assert!(unknown.inputs.is_empty() && unknown.command.is_empty() && unknown.form == "/submit");
    }
}
