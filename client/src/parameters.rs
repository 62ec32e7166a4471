//! The parameters of a run as flags. What each is called, what it does and what it may be stands in the registry; here is
//! only which flag it has.

use clap::{Arg, ArgMatches, Args, Command, FromArgMatches};
use hpl_spec::benchmark;
use serde_json::{Map, Value};

/// The benchmark that is submitted.
pub const BENCHMARK: &str = "hpl";

/// Each parameter by its name on the wire and its flag, in the order of HPL.dat.
const FLAGS: [(&str, &str); 17] = [
    ("n", "n"),
    ("nb", "nb"),
    ("order", "order"),
    ("p", "p"),
    ("q", "q"),
    ("pfact", "pfact"),
    ("nbmin", "nbmin"),
    ("ndiv", "ndiv"),
    ("rfact", "rfact"),
    ("bcast", "bcast"),
    ("depth", "depth"),
    ("swap", "swap"),
    ("swap_threshold", "swap-threshold"),
    ("l1", "l1"),
    ("u", "u"),
    ("equil", "equil"),
    ("align", "align"),
];

/// The parameters that were named, as they go over the wire. Whether they can be is for the service to say.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Parameters(pub Map<String, Value>);

fn properties() -> Value {
    let row = benchmark::find(BENCHMARK).map(|row| (row.schema)());
    row.map(|mut schema| schema["properties"].take()).unwrap_or_default()
}

/// What a parameter does and may be.
fn help(property: &Value) -> String {
    let about = property["description"].as_str().unwrap_or_default();
    let words = |list: &Vec<Value>| list.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", ");
    let choice = property["enum"].as_array().map(|list| format!(" One of: {}.", words(list))).unwrap_or_default();
    let default = match &property["default"] {
        Value::Null => String::new(),
        Value::String(word) => format!(" [default: {word}]"),
        other => format!(" [default: {other}]"),
    };
    format!("{about}{choice}{default}")
}

/// A typed value as JSON: numbers and yes or no where it looks like that, else the word.
fn value(typed: &str) -> Value {
    match typed {
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        word => word.parse::<u64>().map_or_else(|_| Value::from(word), Value::from),
    }
}

impl Args for Parameters {
    fn augment_args(mut command: Command) -> Command {
        let properties = properties();
        for (name, flag) in FLAGS {
            let property = &properties[name];
            let title = if property["type"] == "integer" { "NUMBER" } else { "WORD" };
            let mut arg = Arg::new(name).long(flag).value_name(title).help_heading("Parameters of the run");
            arg = arg.long_help(help(property)).help(property["title"].as_str().unwrap_or_default().to_owned());
            if let ("p" | "q", Some(letter)) = (name, flag.chars().next()) {
                arg = arg.short(letter);
            }
            command = command.arg(arg.allow_hyphen_values(true));
        }
        command
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Parameters {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let typed = |name: &str| matches.get_one::<String>(name).map(|typed| value(typed));
        Ok(Parameters(FLAGS.iter().filter_map(|(name, _)| Some(((*name).to_owned(), typed(name)?))).collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// Where a person made the mistake that the service finds in a field: a flag, or a line of the file.
pub fn place(field: &str, file: Option<&str>) -> String {
    let known = |name: &str| FLAGS.iter().find(|(wire, _)| *wire == name).map(|(_, flag)| *flag);
    let (outer, inner) = match field.split_once('.') {
        Some(parts) => parts,
        None if known(field).is_some() => ("parameters", field),
        None => (field, ""),
    };
    match (outer, file) {
        ("input" | "parameters", Some(file)) if inner.is_empty() => file.to_owned(),
        ("input", Some(file)) => format!("{file}, {inner}"),
        ("parameters", Some(file)) => format!("{file}, {}", inner.to_uppercase()),
        ("parameters", None) => match known(inner) {
            Some(flag) if flag == "p" || flag == "q" => format!("-{flag}"),
            Some(flag) => format!("--{flag}"),
            None => "the run".to_owned(),
        },
        ("walltime_s", _) => "--walltime".to_owned(),
        ("stop_hopeless", _) => "--stop-hopeless".to_owned(),
        ("needs", _) => match inner {
            "labels" => "--label".to_owned(),
            other => format!("--{other}"),
        },
        (other, _) => format!("--{other}"),
    }
}

/// The line that submits a run of the submit page's query, e.g. `?n=8000&nb=192&p=1&q=2`, without what is so anyway; None
/// where it names what is no parameter.
pub fn line_of(query: &str) -> Option<String> {
    let properties = properties();
    let mut line = "hpl submit".to_owned();
    for pair in query.trim_start_matches('?').split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=')?;
        let (_, flag) = FLAGS.iter().find(|(wire, _)| *wire == name)?;
        if properties[name]["default"] == self::value(value) && !matches!(name, "p" | "q") {
            continue;
        }
        let plain = value.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
        line += &match *flag {
            _ if !plain => return None,
            "p" | "q" => format!(" -{flag} {value}"),
            _ => format!(" --{flag} {value}"),
        };
    }
    Some(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_parameter_of_the_registry_has_its_flag() {
        let properties = properties();
        let mut known: Vec<_> = properties.as_object().unwrap().keys().cloned().collect();
        let mut ours = FLAGS.map(|(name, _)| name.to_owned()).to_vec();
        known.sort();
        ours.sort();
        assert_eq!(ours, known);
        for (name, flag) in FLAGS {
            assert_eq!(name.replace('_', "-"), flag);
            assert!(help(&properties[name]).len() > 20, "{name}");
        }
        assert!(help(&properties["bcast"]).contains("One of: ring"), "{}", help(&properties["bcast"]));
    }

    #[test]
    fn mistakes_are_told_where_they_were_made() {
        let flags =
            ["parameters.n", "parameters.p", "parameters", "walltime_s", "needs.labels", "needs.cores", "title"];
        let told = flags.map(|field| place(field, None));
        assert_eq!(told, ["--n", "-p", "the run", "--walltime", "--label", "--cores", "--title"]);
        assert_eq!(place("input.line 6", Some("HPL.dat")), "HPL.dat, line 6");
        assert_eq!(place("parameters.n", Some("HPL.dat")), "HPL.dat, N");
        assert_eq!((place("n", Some("HPL.dat")), place("n", None)), ("HPL.dat, N".into(), "--n".into()));
        assert_eq!(place("input", Some("HPL.dat")), "HPL.dat");
    }

    #[test]
    fn advice_becomes_a_line_to_type() {
        let line = line_of("?n=8000&nb=192&p=1&q=2&swap_threshold=65&bcast=ring_m&equil=true").unwrap();
        assert_eq!(line, "hpl submit --n 8000 --nb 192 -p 1 -q 2 --swap-threshold 65");
        assert_eq!(line_of("?walltime=3"), None);
        assert_eq!(line_of("?n=1;rm"), None);
    }
}
