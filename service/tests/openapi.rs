//! The OpenAPI document: what is committed is what the program says, and it says what a client needs.
#![forbid(unsafe_code)]

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

fn document() -> Value {
    serde_json::from_str(&service::http::openapi()).unwrap()
}

/// Every operation, with its path.
fn operations(document: &Value) -> Vec<(&str, &str, &Value)> {
    let paths = document["paths"].as_object().unwrap();
    let all = paths.iter().flat_map(|(path, item)| {
        item.as_object().unwrap().iter().map(move |(method, operation)| (path.as_str(), method.as_str(), operation))
    });
    all.collect()
}

/// Every `$ref` below a value.
fn references<'v>(value: &'v Value, found: &mut BTreeSet<&'v str>) {
    match value {
        Value::Object(fields) => {
            found.extend(fields.get("$ref").and_then(Value::as_str));
            fields.values().for_each(|field| references(field, found));
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => (),
    }
}

/// The parts of every `allOf` below a value.
fn joined<'v>(value: &'v Value, found: &mut Vec<&'v Value>) {
    match value {
        Value::Object(fields) => {
            found.extend(fields.get("allOf").and_then(Value::as_array).into_iter().flatten());
            fields.values().for_each(|field| joined(field, found));
        }
        Value::Array(items) => items.iter().for_each(|item| joined(item, found)),
        _ => (),
    }
}

#[test]
fn nothing_that_allows_no_more_fields_is_put_together_with_others() {
    let document = document();
    let mut parts = vec![];
    joined(&document, &mut parts);
    assert!(!parts.is_empty());
    for part in parts {
        // As an event it has its kind beside it, which the generator cannot say.
        if part["$ref"] == "#/components/schemas/Progress" {
            continue;
        }
        let meant = part["$ref"].as_str().and_then(|path| document.pointer(path.trim_start_matches('#')));
        assert_ne!(meant.unwrap_or(part)["additionalProperties"], false, "no value is both: {part}");
    }
}

#[test]
fn the_committed_document_is_the_programs_own() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi.json");
    let said = service::http::openapi().trim_end().to_owned() + "\n";
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&file, &said).unwrap();
    }
    let committed = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(committed == said, "{} is old; UPDATE_GOLDEN=1 rewrites it", file.display());
}

#[test]
fn operations_have_names_errors_and_doors() {
    let document = document();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1."));
    let schemes = document["components"]["securitySchemes"].as_object().unwrap();
    let tags: Vec<&str> = document["tags"].as_array().unwrap().iter().filter_map(|tag| tag["name"].as_str()).collect();
    let mut names = BTreeSet::new();
    for (path, method, operation) in operations(&document) {
        let at = format!("{method} {path}");
        assert!(names.insert(operation["operationId"].as_str().unwrap()), "{at}: its operationId is another's, too");
        assert!(tags.contains(&operation["tags"][0].as_str().unwrap()), "{at}");
        for way in operation["security"].as_array().unwrap() {
            assert!(way.as_object().unwrap().keys().all(|scheme| schemes.contains_key(scheme)), "{at}");
        }
        let responses = operation["responses"].as_object().unwrap();
        assert!(responses.contains_key("default") && responses.keys().any(|status| status.starts_with('2')), "{at}");
        for (status, response) in responses {
            assert!(response["description"].is_string(), "{at} {status}");
            let media: Vec<&String> = response["content"].as_object().into_iter().flat_map(|c| c.keys()).collect();
            // `not ok` is said in two words.
            let error = !status.starts_with('2') && (path, status.as_str()) != ("/readyz", "503");
            assert_eq!(error, media == ["application/problem+json"], "{at} {status}: {media:?}");
        }
    }
}

#[test]
fn parameters_are_where_they_are_said_to_be() {
    let document = document();
    for (path, method, operation) in operations(&document) {
        let in_path: BTreeSet<&str> = path.split(['{', '}']).skip(1).step_by(2).collect();
        let parameters = operation["parameters"].as_array().map_or(&[][..], Vec::as_slice);
        let said = parameters.iter().filter(|p| p["in"] == "path").map(|p| p["name"].as_str().unwrap());
        assert_eq!(said.collect::<BTreeSet<_>>(), in_path, "{method} {path}");
        for parameter in parameters.iter().filter(|p| p["name"] == "limit" || p["name"] == "wait") {
            assert!(parameter["schema"]["maximum"].is_number(), "{method} {path}: {parameter}");
        }
    }
}

#[test]
fn every_reference_leads_somewhere() {
    let document = document();
    let mut found = BTreeSet::new();
    references(&document, &mut found);
    assert!(found.len() > 30);
    for reference in found {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
}
