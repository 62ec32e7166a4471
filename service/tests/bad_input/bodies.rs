//! Bodies that are no JSON, the wrong JSON, too much, or never end.

use std::io::Write;
use std::time::Instant;

use serde_json::json;

use crate::program::{Running, read};

#[test]
fn what_is_no_json_or_another_json_is_told_where_it_goes_wrong() {
    let mut service = Running::start();
    let deep = "[".repeat(200_000);
    let nested = format!(r#"{{"benchmark":"hpl","parameters":{}}}"#, r#"{"a":"#.repeat(40_000));
    let long = format!(r#"{{"{}":1}}"#, "x".repeat(100_000));
    let cases: [&[u8]; 20] = [
        b"",
        b"{",
        b"{}",
        b"[]",
        b"null",
        b"7",
        b"\"x\"",
        b"{\"benchmark\":\"hpl\",}",
        b"{\"benchmark\":\"hpl\"} x",
        b"{\"benchmark\":7}",
        b"{\"benchmark\":\"hpl\",\"nothing\":1}",
        b"{\"benchmark\":\"hpl\",\"benchmark\":\"hpl\"}",
        b"{\"benchmark\":\"hpl\",\"visibility\":\"root\"}",
        b"{\"benchmark\":\"\xff\xfe\"}",
        b"{\"benchmark\":\"\\ud800\"}",
        b"{'benchmark':'hpl'}",
        b"\xef\xbb\xbf{}",
        deep.as_bytes(),
        nested.as_bytes(),
        long.as_bytes(),
    ];
    for body in cases {
        for path in ["/api/v1/jobs", "/api/v1/estimate"] {
            let problem = service.post(path, body).is_problem(&[400]);
            assert_eq!(problem["code"], "malformed_json");
        }
        for path in ["/api/v1/login", "/api/v1/signup", "/api/v1/recover"] {
            service.ask("POST", path, &[("content-type", "application/json")], body).is_problem(&[400]);
        }
    }
    service.is_well();
}

#[test]
fn too_much_is_refused_without_being_read() {
    let mut service = Running::start();
    let large = vec![b' '; 10 << 20];
    let answer = service.post("/api/v1/jobs", &large);
    // A sender that goes on after the answer may see a reset instead of it.
    if answer.status != 0 {
        answer.is_problem(&[413]);
    }
    let announced = format!(
        "POST /api/v1/jobs HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\n\
         connection: close\r\ncontent-length: 10485760\r\n\r\n",
        service.token
    );
    let mut stream = service.connect();
    stream.write_all(announced.as_bytes()).unwrap();
    stream.write_all(&[b' '; 300 << 10]).unwrap();
    read(&mut stream).is_problem(&[413]);
    service.is_well();
}

#[test]
fn what_unfolds_is_limited_by_its_unfolded_size() {
    let mut service = Running::start();
    let token = format!("Bearer {}", service.token);
    let headers = |encoding: &'static str| {
        [("authorization", token.as_str()), ("content-type", "application/json"), ("content-encoding", encoding)]
    };
    service.ask("POST", "/api/v1/jobs", &headers("gzip"), &bomb()).is_problem(&[413]);
    service.ask("POST", "/api/v1/jobs", &headers("gzip"), b"no gzip at all").is_problem(&[400]);
    service.ask("POST", "/api/v1/jobs", &headers("gzip"), &bomb()[..200]).is_problem(&[400, 413]);
    service.ask("POST", "/api/v1/jobs", &headers("zstd"), b"no zstd at all").is_problem(&[400]);
    service.ask("POST", "/api/v1/jobs", &headers("br"), b"{}").is_problem(&[415]);
    service.ask("POST", "/api/v1/jobs", &headers("gzip, gzip"), &bomb()).is_problem(&[400, 413, 415]);
    service.is_well();
}

/// 64 MiB of blanks as gzip: one stored-length stream of repeated matches, made by hand so that no library is needed.
fn bomb() -> Vec<u8> {
    // A block of fixed codes: the letter ' ', then matches of length 258 at distance 1, then the end.
    let mut bits: Vec<bool> = vec![true, true, false];
    let mut code = |value: u32, length: u32| bits.extend((0..length).rev().map(|at| value >> at & 1 == 1));
    code(0x30 + u32::from(b' '), 8);
    for _ in 0..(64 << 20) / 258 {
        code(0b1100_0101, 8);
        code(0, 5);
    }
    code(0, 7);
    let mut bytes = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3];
    bytes.extend(bits.chunks(8).map(|eight| eight.iter().rev().fold(0_u8, |byte, bit| byte << 1 | u8::from(*bit))));
    bytes
}

#[test]
fn a_body_that_never_ends_ends() {
    let mut service = Running::start();
    let head = format!(
        "POST /api/v1/jobs HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\n\
         transfer-encoding: chunked\r\nconnection: close\r\n\r\n",
        service.token
    );
    // It grows for ever: cut off at the limit.
    let mut stream = service.connect();
    stream.write_all(head.as_bytes()).unwrap();
    let began = Instant::now();
    let chunk = [b"4000\r\n".to_vec(), vec![b' '; 0x4000], b"\r\n".to_vec()].concat();
    let sent = (0..100_000).take_while(|_| stream.write_all(&chunk).is_ok()).count();
    assert!(sent < 10_000, "{sent} chunks were taken");
    assert!(began.elapsed().as_secs() < 60);
    // Lengths that are none.
    for size in ["zz", "-1", "ffffffffffffffffff", "", "1;x=\u{1b}"] {
        service.say(format!("{head}{size}\r\nx\r\n0\r\n\r\n").as_bytes()).is_refused();
    }
    service.is_well();
}

#[test]
fn a_body_has_the_type_that_it_says() {
    let mut service = Running::start();
    let token = format!("Bearer {}", service.token);
    let body = json!({"benchmark": "hpl", "parameters": {"n": 2000, "nb": 128, "p": 1, "q": 1}}).to_string();
    for media in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/xml",
        "",
        "json",
        "application/json/x",
        "text/json",
        "application/octet-stream",
    ] {
        let headers = [("authorization", token.as_str()), ("content-type", media)];
        service.ask("POST", "/api/v1/jobs", &headers, body.as_bytes()).is_problem(&[415]);
    }
    let none = [("authorization", token.as_str())];
    service.ask("POST", "/api/v1/jobs", &none, body.as_bytes()).is_problem(&[415]);
    service.is_well();
}
