//! Names, titles, ranges: words that are tricks.

use serde_json::{Value, json};

use crate::program::Running;

fn submit(service: &Running, title: &str) -> crate::program::Answer {
    let run = json!({"benchmark": "hpl", "parameters": {"n": 2000, "nb": 128, "p": 1, "q": 1}, "title": title});
    service.post("/api/v1/jobs", run.to_string().as_bytes())
}

#[test]
fn titles_are_text_whatever_they_say() {
    let mut service = Running::start();
    for title in ["a\u{1b}[2Jb", "a\nb", "a\0b", "\u{7f}", &"x".repeat(121), &"\u{1f980}".repeat(121), "a\u{202e}b"] {
        let answer = submit(&service, title);
        if title != "a\u{202e}b" || answer.status != 201 {
            answer.is_problem(&[422]);
        }
    }
    let html = "<script>alert(1)</script><img src=x onerror=alert(1)>'\"";
    let made = submit(&service, html);
    assert_eq!(made.status, 201, "{made:?}");
    let made: Value = serde_json::from_str(&made.body).unwrap();
    let seen = service.get(&format!("/api/v1/jobs/{}", made["jobs"][0]["id"].as_str().unwrap()));
    assert!(seen.head.contains("content-type: application/json") && seen.head.contains("nosniff"), "{seen:?}");
    assert_eq!(serde_json::from_str::<Value>(&seen.body).unwrap()["title"], html);
    service.is_well();
}

#[test]
fn names_of_files_lead_nowhere_else() {
    let mut service = Running::start();
    let made: Value = serde_json::from_str(&submit(&service, "").body).unwrap();
    let job = made["jobs"][0]["id"].as_str().unwrap().to_owned();
    for name in [
        "..%2f..%2fhpl.db",
        "%2e%2e%2fkeys%2fsign",
        "..",
        "%2fetc%2fpasswd",
        "a%00.txt",
        "%E2%80%A5%2fpasswd.txt",
        "%EF%BC%8E%EF%BC%8E%EF%BC%8Fpasswd",
        "..%5c..%5chpl.db",
        "%252e%252e%252fhpl.db",
        "HPL.out%2f..%2f..",
        "con.txt:stream",
        ".txt",
        "-.txt",
    ] {
        for place in ["artifacts", "log"] {
            service.get(&format!("/api/v1/jobs/{job}/{place}/{name}")).is_problem(&[400, 404]);
        }
        service.get(&format!("/api/v1/jobs/{name}")).is_problem(&[400, 404]);
    }
    let raw = b"GET /api/v1/jobs/../../etc/passwd HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    service.say(raw).is_problem(&[404]);
    for attempt in ["..%2f..", "%00", "x", "%ff", "0190f5fe-7c00-7a3b-8b1e-0123456789ab"] {
        let path = format!("/api/v1/jobs/{job}/artifacts/HPL.out?attempt={attempt}");
        service.get(&path).is_problem(&[400, 404]);
    }
    service.is_well();
}

#[test]
fn ranges_that_are_none_do_no_harm() {
    let mut service = Running::start();
    let made: Value = serde_json::from_str(&submit(&service, "").body).unwrap();
    let path = format!("/api/v1/jobs/{}/log/out", made["jobs"][0]["id"].as_str().unwrap());
    let token = format!("Bearer {}", service.token);
    for range in [
        "bytes=-",
        "bytes=5-2",
        "bytes=a-b",
        "bytes=0-18446744073709551616",
        "bytes=18446744073709551615-",
        "lines=0-1",
        "bytes=0-0,1-1,2-2",
        "bytes=-18446744073709551615",
        "",
        "bytes",
        "bytes=--1",
        "bytes=0-\u{e9}",
    ] {
        let answer = service.ask("GET", &path, &[("authorization", &token), ("range", range)], b"");
        if answer.status != 200 {
            answer.is_problem(&[400, 404, 416]);
        }
    }
    for query in ["tail=-1", "offset=1e9", "tail=1&offset=1", "offset=18446744073709551615", "follow=maybe", "x=1"] {
        let answer = service.get(&format!("{path}?{query}"));
        if answer.status != 200 {
            answer.is_problem(&[400, 404, 416, 422]);
        }
    }
    service.is_well();
}
