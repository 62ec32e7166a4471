use std::io::Write;

use axum::body::Body;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::Response;
use service::serve::Peer;

use crate::house::{House, bytes, house, id, loopback, problem};

fn post(path: &str, body: impl Into<Body>) -> axum::http::request::Request<Body> {
    Request::builder().method("POST").uri(path).body(body.into()).unwrap()
}

fn has_all_headers(response: &Response) {
    let headers = response.headers();
    let policy = headers["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe"), "{policy}");
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "same-origin"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cache-control", "no-store"),
    ] {
        assert_eq!(headers[name], value);
    }
    assert!(headers.contains_key("permissions-policy") && headers["x-request-id"].len() == 36);
}

#[tokio::test]
async fn every_answer_has_the_headers_and_every_error_the_form() {
    let house = house().await;
    house.job(1, true).await;
    let paths = ["/healthz", "/readyz", "/text", "/api/v1/events"];
    let history = format!("/api/v1/jobs/{}/history", id(1));
    for path in paths.into_iter().chain([history.as_str()]) {
        let response = house.get(path, &[("x-request-id", "mine")]).await;
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        has_all_headers(&response);
        assert!(response.headers().get("strict-transport-security").is_none());
    }
    for (request, status, code) in [
        (house.get("/nowhere?token=hpl_u_secret", &[]).await, 404, "not_found"),
        (house.get("/api/v1/jobs/1/history", &[]).await, 404, "not_found"),
        (house.get("/length", &[]).await, 405, "method_not_allowed"),
        (house.get("/panic", &[]).await, 500, "internal"),
        (house.get(&format!("{history}?limit=0"), &[]).await, 422, "invalid"),
        (house.get(&format!("{history}?limit=x"), &[]).await, 400, "bad_request"),
        (house.get(&format!("{history}?colour=red"), &[]).await, 400, "bad_request"),
        (house.get("/api/v1/jobs/%ff/history", &[]).await, 404, "not_found"),
    ] {
        assert_eq!(request.status(), status, "{code}");
        has_all_headers(&request);
        assert_eq!(request.headers().contains_key("allow"), status == 405, "{code}");
        let problem = problem(request).await;
        assert_eq!(problem["code"], code);
        assert!(!problem.to_string().contains("secret"), "{problem}");
    }
    let mut request = Request::builder().uri("/healthz").body(Body::empty()).unwrap();
    request.extensions_mut().insert(Peer { tls: true, ..loopback() });
    assert!(house.call(request).await.headers().contains_key("strict-transport-security"));
}

async fn too_large(house: &House, request: Request, limit: u64) {
    let response = house.call(request).await;
    assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);
    has_all_headers(&response);
    let problem = problem(response).await;
    assert_eq!((problem["code"].as_str(), problem["limit"].as_u64()), (Some("too_large"), Some(limit)));
}

/// A gzip stream of stored blocks, with no library's help.
fn gzip(bytes: &[u8]) -> Vec<u8> {
    let crc = bytes.iter().fold(!0u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg()))
    });
    let mut out = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    let chunks: Vec<&[u8]> = bytes.chunks(0xffff).collect();
    for (at, chunk) in chunks.iter().enumerate() {
        let length = u16::try_from(chunk.len()).unwrap();
        out.push(u8::from(at + 1 == chunks.len()));
        out.extend(length.to_le_bytes());
        out.extend((!length).to_le_bytes());
        out.write_all(chunk).unwrap();
    }
    out.extend((!crc).to_le_bytes());
    out.extend(u32::try_from(bytes.len()).unwrap().to_le_bytes());
    out
}

#[tokio::test]
async fn bodies_are_limited_after_they_are_unpacked() {
    let house = house().await;
    assert_eq!(bytes(house.call(post("/length", vec![0; 1 << 20])).await).await, "1048576");
    too_large(&house, post("/length", vec![0; 10 << 20]), 1 << 20).await;
    too_large(&house, post("/large", vec![0; 3 << 20]), 2 << 20).await;
    assert_eq!(bytes(house.call(post("/large", vec![0; 2 << 20])).await).await, "2097152");
    let packed = |path, bytes: Vec<u8>, encoding| {
        let mut request = post(path, bytes);
        request.headers_mut().insert("content-encoding", axum::http::HeaderValue::from_static(encoding));
        request
    };
    assert_eq!(bytes(house.call(packed("/length", gzip(b"hello"), "gzip")).await).await, "5");
    too_large(&house, packed("/length", gzip(&vec![7; (1 << 20) + 1]), "gzip"), 1 << 20).await;
    let bad = house.call(packed("/length", b"no gzip".to_vec(), "gzip")).await;
    assert_eq!(problem(bad).await["code"], "bad_request");
    let strange = house.call(packed("/length", vec![], "br")).await;
    assert_eq!(problem(strange).await["code"], "unsupported_media_type");
}

#[tokio::test]
async fn large_texts_are_packed_and_streams_are_not() {
    let house = house().await;
    let response = house.get("/text", &[("accept-encoding", "gzip")]).await;
    assert_eq!(response.headers()["content-encoding"], "gzip");
    assert!(bytes(response).await.len() < 10_000);
    let response = house.get("/api/v1/events", &[("accept-encoding", "gzip")]).await;
    assert!(response.headers().get("content-encoding").is_none());
    assert!(house.get("/healthz", &[("accept-encoding", "gzip")]).await.headers().get("content-encoding").is_none());
}

#[tokio::test]
async fn health_says_ok_or_not_and_no_more() {
    let house = house().await;
    for path in ["/healthz", "/readyz"] {
        assert_eq!(bytes(house.get(path, &[]).await).await, "ok\n");
    }
    house.app.stop.cancel();
    let response = house.get("/readyz", &[]).await;
    assert_eq!((response.status(), &bytes(response).await[..]), (StatusCode::SERVICE_UNAVAILABLE, &b"not ok\n"[..]));
}

#[tokio::test]
async fn figures_are_for_those_beside_the_service() {
    let house = house().await;
    house.job(1, true).await;
    let ask = |peer: Option<Peer>, header: Option<&'static str>| {
        let mut request = Request::builder().uri("/metrics");
        if let Some(name) = header {
            request = request.header(name, "192.0.2.9");
        }
        let mut request = request.body(Body::empty()).unwrap();
        request.extensions_mut().extend(
            peer.map(|peer| {
                let mut extensions = axum::http::Extensions::new();
                extensions.insert(peer);
                extensions
            })
            .unwrap_or_default(),
        );
        house.call(request)
    };
    let stranger = Peer { addr: ([192, 0, 2, 9], 1).into(), tls: true };
    for (peer, header) in [(None, None), (Some(stranger), None), (Some(loopback()), Some("x-forwarded-for"))] {
        assert_eq!(ask(peer, header).await.status(), StatusCode::UNAUTHORIZED);
    }
    assert_eq!(house.get("/metrics", &[("x-user", "bob")]).await.status(), StatusCode::FORBIDDEN);
    let response = ask(Some(loopback()), None).await;
    assert!(response.headers()["content-type"].to_str().unwrap().starts_with("application/openmetrics-text"));
    let text = String::from_utf8(bytes(response).await.to_vec()).unwrap();
    for line in [
        "hpl_service_jobs{state=\"queued\"} 1",
        "hpl_service_requests_total{route=\"/metrics\",method=\"GET\",status=\"401\"} 3",
        "hpl_service_problems_total{code=\"forbidden\"} 1",
    ] {
        assert!(text.lines().any(|l| l == line), "{line} is missing in\n{text}");
    }
}
