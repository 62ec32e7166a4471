//! A field of the form out of a property of a schema.

use serde_json::Value;

use super::super::forms::{Fields, Wrong};

/// A field of the form.
pub(super) struct Choice {
    pub(super) name: String,
    pub(super) title: String,
    pub(super) about: String,
    /// What stands in it: what was typed, else the default.
    pub(super) value: String,
    /// The words to choose from and what they are called; empty where something is typed.
    pub(super) words: Vec<(String, String)>,
    /// What is written in an empty field as an example.
    pub(super) example: &'static str,
    pub(super) wrong: String,
}

/// All fields of a schema.
pub(super) fn all(schema: &Value, sent: &Fields, wrong: &Wrong) -> Vec<Choice> {
    let properties = schema["properties"].as_object().into_iter().flatten();
    let fields = properties.map(|(name, field)| one(name, field, needed(schema, name), sent, wrong));
    fields.collect()
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

fn one(name: &str, field: &Value, needed: bool, sent: &Fields, wrong: &Wrong) -> Choice {
    let mut sent = sent.clone();
    sent.prefill(name, typed(&field["default"]));
    let words: Vec<(String, String)> = match field["type"].as_str() {
        Some("boolean") => [("true", "yes"), ("false", "no")].map(|(a, b)| (a.to_owned(), b.to_owned())).to_vec(),
        _ => {
            let words = field["enum"].as_array().into_iter().flatten().filter_map(Value::as_str);
            words.map(|word| (word.to_owned(), word.replace('_', " "))).collect()
        }
    };
    Choice {
        title: field["title"].as_str().unwrap_or(name).to_owned(),
        about: field["description"].as_str().unwrap_or_default().to_owned(),
        value: sent.get(name).to_owned(),
        words,
        example: if needed { "for example 8000" } else { "chosen for you" },
        wrong: wrong.at(name),
        name: name.to_owned(),
    }
}
