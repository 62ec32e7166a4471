//! Heads that are no heads of HTTP, or too much of one.

use crate::program::Running;

#[test]
fn what_is_no_http_is_refused_or_closed() {
    let mut service = Running::start();
    let long_line = format!("GET /{} HTTP/1.1\r\nhost: x\r\n\r\n", "a".repeat(200_000));
    let long_header = format!("GET / HTTP/1.1\r\nhost: x\r\nx-a: {}\r\n\r\n", "a".repeat(100_000));
    let many_headers = format!("GET / HTTP/1.1\r\nhost: x\r\n{}\r\n", "x-a: b\r\n".repeat(1000));
    let cases: [&[u8]; 18] = [
        b"\0\0\0\0\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\nhost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: x\r\nno colon\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: x\r\n: no name\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: x\r\nx-a: a\0b\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: x\r\nx a: b\r\n\r\n",
        b"GET /a b HTTP/1.1\r\nhost: x\r\n\r\n",
        b"GET \\ HTTP/1.1\r\nhost: x\r\n\r\n",
        b"POST /api/v1/jobs HTTP/1.1\r\nhost: x\r\ncontent-length: x\r\n\r\n",
        b"POST /api/v1/jobs HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n",
        b"POST /api/v1/jobs HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nx",
        b"POST /api/v1/jobs HTTP/1.1\r\nhost: x\r\ntransfer-encoding: gzip\r\n\r\nx",
        b"POST /api/v1/jobs HTTP/1.1\r\nhost: x\r\ncontent-length: 99999999999999999999999\r\n\r\nx",
        long_line.as_bytes(),
        long_header.as_bytes(),
        many_headers.as_bytes(),
    ];
    for bytes in cases {
        let answer = service.say(bytes);
        assert!(answer.status != 200, "{:?}", String::from_utf8_lossy(&bytes[..bytes.len().min(80)]));
        answer.is_refused();
    }
    service.is_well();
}

#[test]
fn old_http_and_odd_methods_are_answered() {
    let mut service = Running::start();
    let old = service.say(b"GET /healthz HTTP/1.0\r\n\r\n");
    assert_eq!((old.status, old.body.as_str()), (200, "ok\n"));
    service.say(b"GET /api/v1/me HTTP/1.0\r\n\r\n").is_problem(&[401]);
    let close = "host: x\r\nconnection: close\r\n\r\n";
    for method in ["PATCH", "PUT", "DELETE", "BREW", "get", "PROPFIND", "TRACE", "OPTIONS", "x"] {
        let answer = service.say(format!("{method} /api/v1/estimate HTTP/1.1\r\n{close}").as_bytes());
        answer.is_problem(&[405]);
        assert!(answer.head.contains("\r\nallow: POST"), "{answer:?}");
    }
    service.say(format!("CONNECT example.org:443 HTTP/1.1\r\n{close}").as_bytes()).is_refused();
    service.say(format!("GET http://example.org/api/v1/me HTTP/1.1\r\n{close}").as_bytes()).is_problem(&[401]);
    service.say(format!("OPTIONS * HTTP/1.1\r\n{close}").as_bytes()).is_refused();
    service.is_well();
}

#[test]
fn bytes_that_are_no_utf8_are_told_apart_from_names() {
    let mut service = Running::start();
    let ask = |path: &str, header: &[u8]| {
        let head = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n");
        service.say(&[head.as_bytes(), header, b"\r\n"].concat())
    };
    for path in ["/api/v1/jobs/%ff", "/api/v1/benchmarks/%c3%28", "/api/v1/jobs/%00", "/api/v1/jobs/%", "/%zz"] {
        ask(path, b"").is_problem(&[400, 404]);
    }
    for query in ["owner=%ff", "state=%ff", "limit=%ff", "%ff=1", "owner=%00", "sweep=%zz"] {
        let answer = ask(&format!("/api/v1/jobs?{query}"), b"");
        if answer.status != 200 {
            answer.is_problem(&[400, 404, 422]);
        }
    }
    ask("/api/v1/me", b"authorization: Bearer \xff\xfe\r\n").is_problem(&[401]);
    ask("/api/v1/me", b"cookie: hpl-session=\xff\xfe\r\n").is_problem(&[401]);
    ask("/api/v1/me", b"cookie: \xff\r\ncookie: ;;;=;=\r\n").is_problem(&[401]);
    ask("/api/v1/jobs/x/events", b"last-event-id: \xff\r\n").is_problem(&[400, 404]);
    service.is_well();
}
