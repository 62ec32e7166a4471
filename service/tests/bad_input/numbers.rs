//! Numbers out of range: which of them are refused, and at which field.

use serde_json::{Value, json};

use crate::program::{Answer, Running};

const ALL: &[&str] = &["n", "nb", "p", "q", "depth"];

/// What is written for a number, and which of [`ALL`] cannot be it.
const NUMBERS: [(&str, &[&str]); 27] = [
    ("-1", ALL),
    ("0", &["nb", "p", "q"]),
    ("-0", &["nb", "p", "q"]),
    ("0.5", ALL),
    ("-0.5", ALL),
    ("1", &[]),
    ("1.0", &[]),
    ("1e3", &[]),
    ("4096", &[]),
    ("4097", &["p", "q"]),
    ("1e5", &["p", "q"]),
    ("100000", &["p", "q"]),
    ("2147483647", &["p", "q"]),
    ("2147483648", ALL),
    ("4294967295", ALL),
    ("4294967296", ALL),
    ("9223372036854775808", ALL),
    ("18446744073709551615", ALL),
    ("18446744073709551616", ALL),
    ("1e30", ALL),
    ("1000000000000000000000000000000", ALL),
    ("1e308", ALL),
    ("\"5\"", ALL),
    ("null", ALL),
    ("true", ALL),
    ("[]", ALL),
    ("{}", ALL),
];

/// What is no number of JSON.
const NONE: [&str; 10] = ["NaN", "Infinity", "-Infinity", "1e999", "-1e999", "0x10", "01", "+1", "1.", ""];

/// A draft, for the quota of waiting jobs is not the question here.
fn run(field: &str, number: &str) -> String {
    let usual = [("n", "2000"), ("nb", "128"), ("p", "1"), ("q", "1"), ("depth", "1")];
    let fields = usual.map(|(name, value)| format!(r#""{name}":{}"#, if name == field { number } else { value }));
    format!(r#"{{"benchmark":"hpl","draft":true,"parameters":{{{}}}}}"#, fields.join(","))
}

/// A problem at this field and no other.
#[track_caller]
fn is_wrong(answer: &Answer, field: &str, what: &str) {
    let problem = answer.is_problem(&[422]);
    assert_eq!(problem["code"], "invalid", "{what}");
    assert_eq!(fields(&problem), [field], "{what}");
}

fn fields(said: &Value) -> Vec<&str> {
    said["errors"].as_array().unwrap().iter().map(|error| error["field"].as_str().unwrap()).collect()
}

#[test]
fn parameters_out_of_range_are_fields_that_are_wrong() {
    let mut service = Running::start();
    for field in ALL {
        for (number, refused) in NUMBERS {
            let (body, what) = (run(field, number), format!("{field} = {number}"));
            let submitted = service.post("/api/v1/jobs", body.as_bytes());
            let said = service.post("/api/v1/estimate", body.as_bytes());
            assert_eq!(said.status, 200, "{what}: {said:?}");
            let said: Value = serde_json::from_str(&said.body).unwrap();
            if refused.contains(field) {
                let field = format!("parameters.{field}");
                is_wrong(&submitted, &field, &what);
                assert_eq!((&said["ok"], fields(&said)), (&json!(false), vec![field.as_str()]), "{what}");
            } else {
                assert_eq!(submitted.status, 201, "{what}: {submitted:?}");
                let made: Value = serde_json::from_str(&submitted.body).unwrap();
                let taken = made["jobs"][0]["parameters"][field].as_f64().unwrap();
                assert_eq!((taken, &said["ok"]), (number.parse().unwrap(), &json!(true)), "{what}");
            }
        }
        for number in NONE {
            for path in ["/api/v1/jobs", "/api/v1/estimate"] {
                let problem = service.post(path, run(field, number).as_bytes()).is_problem(&[400]);
                assert_eq!(problem["code"], "malformed_json", "{field} = {number}");
            }
        }
    }
    service.is_well();
}

#[test]
fn numbers_that_do_not_fit_together_are_told_at_one_of_them() {
    let mut service = Running::start();
    for (p, q, refused) in [
        ("65", "64", "q"),
        ("4096", "2", "q"),
        ("4096", "4096", "q"),
        ("0", "4", "p"),
        ("4", "0", "q"),
        ("-1", "-1", "p q"),
        ("4097", "1", "p"),
    ] {
        let body = run("p", p).replace(r#""q":1"#, &format!(r#""q":{q}"#));
        let problem = service.post("/api/v1/jobs", body.as_bytes()).is_problem(&[422]);
        let wanted: Vec<String> = refused.split(' ').map(|field| format!("parameters.{field}")).collect();
        assert_eq!(fields(&problem), wanted, "{p} x {q}");
    }
    assert_eq!(service.post("/api/v1/jobs", run("p", "64").replace(r#""q":1"#, r#""q":64"#).as_bytes()).status, 201);
    service.is_well();
}

#[test]
fn other_numbers_of_a_submission() {
    let mut service = Running::start();
    let with = |more: &str| format!(r#"{{"benchmark":"hpl","draft":true,"parameters":{{"n":2000}},{more}}}"#);
    for (more, field) in [
        (r#""walltime_s":0"#, "walltime_s"),
        (r#""walltime_s":1801"#, "walltime_s"),
        (r#""walltime_s":4294967295"#, "walltime_s"),
        (r#""needs":{"cores":0}"#, "needs.cores"),
        (r#""needs":{"cores":1000001}"#, "needs.cores"),
        (r#""needs":{"cores":4294967295}"#, "needs.cores"),
    ] {
        is_wrong(&service.post("/api/v1/jobs", with(more).as_bytes()), field, more);
    }
    for number in ["-1", "0.5", "1e3", "4294967296", "1e30", "\"5\"", "true", "[]"].iter().chain(&NONE) {
        for more in [format!(r#""walltime_s":{number}"#), format!(r#""needs":{{"cores":{number}}}"#)] {
            let problem = service.post("/api/v1/jobs", with(&more).as_bytes()).is_problem(&[400]);
            assert_eq!(problem["code"], "malformed_json", "{more}");
        }
    }
    for more in [r#""walltime_s":null"#, r#""walltime_s":1"#, r#""walltime_s":1800"#, r#""needs":{"cores":1000000}"#] {
        assert_eq!(service.post("/api/v1/jobs", with(more).as_bytes()).status, 201, "{more}");
    }
    service.is_well();
}

#[test]
fn numbers_of_addresses() {
    let mut service = Running::start();
    let whole = ["-1", "-0", "0.5", "1e3", "NaN", "", "x", "4294967296", "18446744073709551616"];
    for (path, most) in [("/api/v1/jobs?", 100), ("/api/v1/results?", 200), ("/api/v1/leaderboards/hpl?", 200)] {
        for wrong in ["0", &(most + 1).to_string(), "4294967295"] {
            is_wrong(&service.get(&format!("{path}limit={wrong}")), "limit", path);
        }
        for wrong in whole {
            service.get(&format!("{path}limit={wrong}")).is_problem(&[400]);
        }
        for right in ["1", &most.to_string()] {
            assert_eq!(service.get(&format!("{path}limit={right}")).status, 200, "{path} {right}");
        }
    }
    for wrong in whole {
        service.get(&format!("/api/v1/results?cores={wrong}")).is_problem(&[400]);
    }
    for field in ["min_score", "max_score", "min_size", "max_size"] {
        for wrong in ["NaN", "inf", "-inf", "Infinity", "1e999"] {
            is_wrong(&service.get(&format!("/api/v1/results?{field}={wrong}")), field, wrong);
            is_wrong(&service.get(&format!("/api/v1/results.csv?{field}={wrong}")), field, wrong);
        }
        for wrong in ["", "x", "0x10", "1,5"] {
            service.get(&format!("/api/v1/results?{field}={wrong}")).is_problem(&[400]);
        }
        for right in ["0", "-1", "0.5", "1e308", "18446744073709551616"] {
            assert_eq!(service.get(&format!("/api/v1/results?{field}={right}")).status, 200, "{field} {right}");
        }
    }
    for field in ["since", "until"] {
        for wrong in ["", "NaN", "0.5", "9223372036854775808", "x"] {
            service.get(&format!("/api/v1/results?{field}={wrong}")).is_problem(&[400]);
        }
        for right in ["-1", "0", "9223372036854775807", "-9223372036854775808"] {
            assert_eq!(service.get(&format!("/api/v1/results?{field}={right}")).status, 200, "{field} {right}");
        }
    }
    service.is_well();
}
