//! A field of the form out of a property of a schema.

use serde_json::Value;

use super::super::forms::{Fields, Wrong};
use super::super::words::choice;
use super::about;

/// A field of the form.
pub(in super::super) struct Choice {
    pub(in super::super) name: String,
    pub(in super::super) title: String,
    pub(in super::super) unit: &'static str,
    pub(in super::super) about: String,
    /// Where more is said; empty where nothing is.
    pub(in super::super) topic: &'static str,
    /// Its line in HPL.dat; 0 where it has none.
    pub(in super::super) line: u8,
    /// What it takes, for the script: `number`, `flag` or `word`.
    pub(in super::super) kind: &'static str,
    /// What stands in it: what was typed, else the default.
    pub(in super::super) value: String,
    /// The words to choose from and what they are called; empty where something is typed.
    pub(in super::super) words: Vec<(String, String)>,
    /// What is written in an empty field as an example.
    pub(in super::super) example: &'static str,
    pub(in super::super) wrong: String,
    /// What is legal and probably not meant.
    pub(in super::super) doubt: String,
}

/// All fields of a schema, the ones that matter most first, then in the order of the input file.
pub(in super::super) fn all(schema: &Value, sent: &Fields, wrong: &Wrong, doubts: &Wrong) -> Vec<Choice> {
    let properties = schema["properties"].as_object().into_iter().flatten();
    let mut fields: Vec<Choice> =
        properties.map(|(name, field)| one(name, field, needed(schema, name), sent, wrong, doubts)).collect();
    let known = |name: &str| about::ABOUT.iter().position(|about| about.name == name).unwrap_or(usize::MAX);
    fields.sort_by_key(|field| known(&field.name));
    fields
}

fn needed(schema: &Value, name: &str) -> bool {
    schema["required"].as_array().is_some_and(|names| names.iter().any(|n| n == name))
}

/// A value as it is typed.
fn typed(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(word) => word.clone(),
        other => other.to_string(),
    }
}

/// The words that a field takes, and what they are called.
pub(in super::super) fn words(field: &Value) -> Vec<(String, String)> {
    if field["type"] == "boolean" {
        return [("true", "yes"), ("false", "no")].map(|(a, b)| (a.to_owned(), b.to_owned())).to_vec();
    }
    let words = field["enum"].as_array().into_iter().flatten().filter_map(Value::as_str);
    words.map(|word| (word.to_owned(), choice(word))).collect()
}

fn one(name: &str, field: &Value, needed: bool, sent: &Fields, wrong: &Wrong, doubts: &Wrong) -> Choice {
    let mut sent = sent.clone();
    sent.prefill(name, typed(&field["default"]));
    let known = about::of(name);
    let said = || field["description"].as_str().unwrap_or_default().to_owned();
    Choice {
        title: field["title"].as_str().unwrap_or(name).to_owned(),
        unit: known.map_or("", |about| about.unit),
        about: known.map_or_else(said, |about| about.sentence.to_owned()),
        topic: known.map_or("", |about| about.topic),
        line: known.map_or(0, |about| about.line),
        kind: match field["type"].as_str() {
            Some("integer" | "number") => "number",
            Some("boolean") => "flag",
            _ => "word",
        },
        value: sent.get(name).to_owned(),
        words: words(field),
        example: if needed { "for example 8000" } else { "chosen for you" },
        wrong: wrong.at(name),
        doubt: doubts.at(name),
        name: name.to_owned(),
    }
}
