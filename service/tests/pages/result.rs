//! The page of a result and what hangs on it: why it was slow, its certificate, badge and preview; who may see them.

use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode, header};
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::site::{Browser, Site, finish, site};

/// A node runs the next job; its end is `changed` before it is told. Returns the id of the result.
async fn run(site: &Site, changed: impl FnOnce(&mut Value)) -> String {
    let node = site.join_node().await;
    let claim = json!({ "boot_id": "b", "memory_available": 15u64 << 30, "free_disk": 1u64 << 40, "seq": 1 });
    let got = site.agent("POST", "claim?wait=0", &node, claim.to_string()).await;
    let (attempt, token) = (got["attempt"].as_str().unwrap(), got["token"].as_str().unwrap());
    let root = format!("attempts/{attempt}");
    for (i, kind) in ["preparing", "started", "finishing"].into_iter().enumerate() {
        let event = json!({ "seq": i + 1, "at_ms": 33_000 * i, "event": { "kind": kind } });
        let body = json!({ "fence": got["fence"], "events": [event] }).to_string();
        site.agent("POST", &format!("{root}/events"), token, body).await;
        site.advance(33_000 * i64::try_from(i).unwrap());
    }
    let mut end = finish(&got["fence"], 3);
    changed(&mut end);
    site.agent("POST", &format!("{root}/finish"), token, end.to_string()).await;
    attempt.to_owned()
}

async fn judge(site: &Site) {
    while service::reaper::tick(&site.app).await.unwrap() > 0 {}
}

fn report(end: &mut Value) -> &mut Value {
    &mut end["outcome"]["result"]["reports"][0]
}

/// The account of a run like the golden one, as a program of today tells it.
fn account() -> Value {
    let phases = |update: f64| json!({ "pfact": 6.0, "pivot": 1.2, "bcast": 3.0, "swap": 3.0, "update": update, "backsolve": 0.6 });
    let losses = [("at the FMA peak", 44.45), ("kernel shortfall", 5.55), ("panel", 6.0), ("<b>new</b>", 4.0)];
    let losses: Vec<Value> = losses.iter().map(|(what, s)| json!({ "what": what, "seconds": s })).collect();
    json!({
        "timers": { "rfact": 6.0, "pfact": 4.0, "mxswp": 1.2, "update": 42.0, "laswp": 3.0, "up_tr_sv": 0.6 },
        "ranks": { "min": phases(40.0), "median": phases(41.0), "max": phases(42.0) },
        "sent": { "pivot": 1024, "swap": 2048, "bcast": 4096, "backsolve": 0 },
        "panels_under_way": 4.0, "panels_waited_for": 1.0,
        "waterfall": { "peak": 120.0, "threads": 4, "losses": losses },
    })
}

/// What an address answers to somebody without a session.
async fn bare(site: &Site, path: &str, host: &str, tag: &str) -> (StatusCode, HeaderMap, Vec<u8>) {
    let mut request = Request::get(path).header(header::HOST, host);
    if !tag.is_empty() {
        request = request.header(header::IF_NONE_MATCH, tag);
    }
    let response = site.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let (parts, body) = response.into_parts();
    (parts.status, parts.headers, axum::body::to_bytes(body, 4 << 20).await.unwrap().to_vec())
}

#[tokio::test]
async fn a_result_is_told_in_plain_words_with_all_that_is_known() {
    let site = site(&[]).await;
    let mut ada = site.browser();
    ada.sign_up("ada").await;
    let job = ada.submit("a first try").await;
    let id = run(&site, |end| report(end)["account"] = account()).await;
    judge(&site).await;
    let page = site.browser().get(&format!("/results/{id}")).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text);
    for words in [
        "<h1>a first try</h1>",
        "88.90 Gflop/s is 74.1 % of the 120.0 Gflop/s that these 4 cores reach in nothing but multiply-adds.",
        "5.33 trillion operations",
        "169,000 years",
        "<strong>0.0172</strong>, must be below 16. Rounding only, 930 times below the limit.",
        "what the 4 threads of this run reach",
        "At that rate the work would take 44 s.",
        " waterfall\"",
        "&#60;b&#62;new&#60;/b&#62;",
        "data-label=\"Median\">41.00\u{a0}s",
        "75.0 % of their way was hidden",
        "7.0 KiB",
        "<code>up tr sv</code>",
        "Is it no more than the cores can do?",
        "No other node or day came to the same",
        "href=\"/learn/panel\"",
        "20000        Ns",
        "mpirun -np 4 --bind-to none xhpl --dat HPL.dat --threads 1",
        "http://here.example/api/v1/jobs",
        "SHA-256 <code>0000",
        "mpirun -np 4 xhpl",
        &format!("GET /api/v1/results/{id}</a>"),
        &format!("/api/v1/results/{id}/diagnosis"),
        &format!("/api/v1/results/{id}/previous"),
        &format!("<meta property=\"og:image\" content=\"http://here.example/results/{id}/card.png\">"),
        &format!("[![HPL: 88.90 Gflop/s, reported](http://here.example/results/{id}/badge.svg)]"),
        &format!("href=\"{job}\""),
        "data-copy=\"#input-0-text\"",
    ] {
        assert!(page.has(words), "{words}: {}", page.text);
    }
    // The form, with every parameter as it was.
    let form = page.text.split("href=\"/submit?").nth(1).unwrap().split('"').next().unwrap().replace("&#38;", "&");
    let mut names: Vec<&str> = form.split('&').filter_map(|pair| pair.split_once('=')).map(|(name, _)| name).collect();
    names.sort_unstable();
    assert_eq!(names.len(), 17, "{form}");
    assert!(form.contains("n=20000") && form.contains("bcast=ring_m") && form.contains("equil=true"), "{form}");
    assert!(!page.has("style=") && !page.has("<b>new"), "{}", page.text);
    // A first run has none before it.
    assert!(!page.has("Since the run before"));
    assert!(ada.get(&job).await.has(&format!("href=\"/results/{id}\"")));
}

#[tokio::test]
async fn an_old_report_without_an_account_is_told_as_far_as_it_goes() {
    let site = site(&[]).await;
    let mut ada = site.browser();
    ada.sign_up("ada").await;
    ada.submit("").await;
    let id = run(&site, |_| ()).await;
    judge(&site).await;
    let page = ada.get(&format!("/results/{id}")).await;
    assert!(
        page.has("did not say where its time went") && page.has("data-label=\"Time\">42.00\u{a0}s"),
        "{}",
        page.text
    );
    assert!(!page.has("Bytes sent") && !page.has("timers") && !page.has("hidden behind"), "{}", page.text);
    assert!(page.has("<h1>N=20000 NB=192 2x2</h1>"));
}

#[tokio::test]
async fn what_does_not_count_says_so() {
    let site = site(&[]).await;
    let mut ada = site.browser();
    ada.sign_up("ada").await;
    let mut ids = vec![];
    let wrong = |end: &mut Value| {
        let check = report(end)["verdict"]["passed"].take();
        report(end)["verdict"] = json!({ "failed": check });
        report(end)["verdict"]["failed"]["residual"] = json!(3.2e7);
    };
    let unchecked = |end: &mut Value| report(end)["verdict"] = json!("unchecked");
    let faster = |end: &mut Value| report(end)["params"]["nb"] = json!(256);
    for change in [&wrong as &dyn Fn(&mut Value), &unchecked, &faster, &|_| ()] {
        ada.submit("").await;
        ids.push(run(&site, change).await);
        if ids.len() < 4 {
            judge(&site).await;
        }
    }
    for (id, words) in ids.iter().zip([
        ["This score does not count.", "the answer is wrong", "Not passed"],
        ["This score does not count.", "was not checked", "Failed its check"],
        ["This result is not ranked.", "nb is 256 instead of 192", "Cannot be true"],
        ["Not checked yet.", "The service has not looked at it yet.", "No score"],
    ]) {
        let page = ada.get(&format!("/results/{id}")).await;
        assert_eq!(page.status, StatusCode::OK, "{}", page.text);
        for words in words {
            assert!(page.has(words), "{words}: {}", page.text);
        }
        // What does not count is not shown elsewhere as if it did.
        let badge = ada.get(&format!("/results/{id}/badge.svg")).await;
        assert!(badge.status == StatusCode::OK && badge.has("<svg") && !badge.has("Gflop/s"), "{}", badge.text);
    }
    // What was judged is everybody's, as its job is; what was not is its owner's.
    for (id, status) in ids.iter().zip([StatusCode::OK, StatusCode::OK, StatusCode::OK, StatusCode::NOT_FOUND]) {
        assert_eq!(bare(&site, &format!("/results/{id}/card.png"), "here.example", "").await.0, status);
    }
    let page = ada.get(&format!("/results/{}", ids[3])).await;
    assert!(page.has("It can be shared once it is checked") && !page.has("Make it public"), "{}", page.text);
    // A certificate is for what was accepted.
    let page = ada.get(&format!("/results/{}/certificate", ids[0])).await;
    assert!(page.status == StatusCode::CONFLICT && page.has("only the accepted result"), "{}", page.text);
}

#[tokio::test]
async fn a_private_result_is_its_owners_alone() {
    let site = site(&[]).await;
    let mut ada = site.browser();
    ada.sign_up("ada").await;
    let job = ada.submit("mine").await;
    let id = run(&site, |_| ()).await;
    judge(&site).await;
    let token = ada.get(&job).await.token();
    let hidden = ada.post(&format!("{job}/visibility"), &[("csrf", &token), ("visibility", "private")]).await;
    assert_eq!(hidden.status, StatusCode::SEE_OTHER);
    let mut bob = site.browser();
    bob.sign_up("bob").await;
    for part in ["", "/why", "/certificate", "/badge.svg", "/card.png"] {
        let path = format!("/results/{id}{part}");
        let page = bob.get(&path).await;
        assert_eq!(page.status, StatusCode::NOT_FOUND, "{path}");
        assert!(!page.has("88.8989") && !page.has("mine"), "{path}: {}", page.text);
        assert_eq!(bare(&site, &path, "here.example", "").await.0, StatusCode::NOT_FOUND, "{path}");
    }
    let page = ada.get(&format!("/results/{id}")).await;
    assert!(page.has("This result is private") && page.has("Make it public") && !page.has("og:image"), "{}", page.text);
    assert_eq!(status_of_image(&mut ada, &id).await, StatusCode::OK);
}

/// Badges are text; browsers of tests read no other images.
async fn status_of_image(browser: &mut Browser<'_>, id: &str) -> StatusCode {
    browser.get(&format!("/results/{id}/badge.svg")).await.status
}

#[tokio::test]
async fn badge_and_preview_can_be_shown_elsewhere_and_are_asked_for_once() {
    let site = site(&[]).await;
    let mut ada = site.browser();
    ada.sign_up("ada").await;
    ada.submit("<script>alert(1)</script>").await;
    let id = run(&site, |end| report(end)["account"] = account()).await;
    judge(&site).await;
    for (name, kind) in [("badge.svg", "image/svg+xml"), ("card.png", "image/png")] {
        let path = format!("/results/{id}/{name}");
        let (status, headers, image) = bare(&site, &path, "here.example", "").await;
        assert_eq!((status, headers[header::CONTENT_TYPE].to_str().unwrap()), (StatusCode::OK, kind));
        assert_eq!(headers[header::CACHE_CONTROL], "public, max-age=300");
        assert_eq!(headers["cross-origin-resource-policy"], "cross-origin");
        assert!(!headers.contains_key(header::SET_COOKIE), "{headers:?}");
        assert!(image.starts_with(b"\x89PNG\r\n") || image.starts_with(b"<svg"), "{path}");
        let tag = headers[header::ETAG].to_str().unwrap();
        for same in [tag.to_owned(), format!("\"other\", W/{tag}")] {
            let (status, headers, image) = bare(&site, &path, "here.example", &same).await;
            assert_eq!(
                (status, image.len(), headers[header::ETAG].to_str().unwrap()),
                (StatusCode::NOT_MODIFIED, 0, tag)
            );
        }
        assert_eq!(bare(&site, &path, "here.example", "\"other\"").await.0, StatusCode::OK);
    }
    let (_, _, badge) = bare(&site, &format!("/results/{id}/badge.svg"), "here.example", "").await;
    assert!(String::from_utf8(badge).unwrap().contains("88.90 Gflop/s · reported"));
}

#[tokio::test]
async fn to_draw_a_preview_counts_as_many_calls() {
    let site = site(&["--stranger-calls-per-minute", "50"]).await;
    let mut ada = site.browser();
    ada.sign_up("ada").await;
    ada.submit("").await;
    let id = run(&site, |_| ()).await;
    judge(&site).await;
    let card = async |host: &str| bare(&site, &format!("/results/{id}/card.png"), host, "").await.0;
    // Whatever host is named, it is another picture; the same one is kept.
    assert_eq!(card("one.example").await, StatusCode::OK);
    assert_eq!(card("one.example").await, StatusCode::OK);
    assert_eq!(card("two.example").await, StatusCode::OK);
    assert_eq!(card("three.example").await, StatusCode::TOO_MANY_REQUESTS);
    let (status, ..) = bare(&site, &format!("/results/{id}/badge.svg"), "three.example", "").await;
    assert_eq!(status, StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test]
async fn nobody_chooses_the_host_that_is_shared() {
    let site_open = site(&[]).await;
    let mut ada = site_open.browser();
    ada.sign_up("ada").await;
    ada.submit("").await;
    let id = run(&site_open, |_| ()).await;
    judge(&site_open).await;
    for host in ["evil.example/x", "me@evil.example", "evil.example\"><script>", "evil example"] {
        let (status, _, page) = bare(&site_open, &format!("/results/{id}"), host, "").await;
        let page = String::from_utf8(page).unwrap();
        assert_eq!(status, StatusCode::OK, "{host}");
        assert!(!page.contains("evil") && !page.contains("og:image"), "{host}: {page}");
    }
    // Where the service has a name, that is the one.
    let site = site(&["--public-name", "hpl.example.org:8443"]).await;
    let mut ada = site.browser();
    ada.sign_up("ada").await;
    ada.submit("").await;
    let id = run(&site, |_| ()).await;
    judge(&site).await;
    let (_, _, page) = bare(&site, &format!("/results/{id}"), "evil.example", "").await;
    let page = String::from_utf8(page).unwrap();
    assert!(page.contains(&format!("http://hpl.example.org:8443/results/{id}")) && !page.contains("evil"), "{page}");
}

#[tokio::test]
async fn the_certificate_is_one_page_that_says_how_it_is_checked() {
    let site = site(&[]).await;
    let mut ada = site.browser();
    ada.sign_up("ada").await;
    let job = ada.submit("").await;
    let id = run(&site, |_| ()).await;
    judge(&site).await;
    let page = site.browser().get(&format!("/results/{id}/certificate")).await;
    let key = site.app.signing.public_key();
    for words in [
        "<h1>Certificate</h1>",
        "Run by</span> <strong>ada</strong>",
        "88.90 <span class=\"unit\">Gflop/s</span>",
        "The scaled residual 0.0172 is below 16.",
        &format!("--key {key}"),
        &format!("<strong>{}</strong>", key.id()),
        &format!("http://here.example/api/v1{job}/certificate"),
        &format!("hpl-{id}.zip"),
    ] {
        assert!(page.has(words), "{words}: {}", page.text);
    }
}

#[tokio::test]
async fn why_it_was_slow_is_told_with_evidence_and_ready_links() {
    let site = site(&[]).await;
    let mut ada = site.browser();
    ada.sign_up("ada").await;
    ada.submit("slow").await;
    let id = run(&site, |end| {
        report(end)["account"] = account();
        let losses = &mut report(end)["account"]["waterfall"]["losses"];
        losses[1]["seconds"] = json!(1.55);
        losses[2]["seconds"] = json!(10.0);
    })
    .await;
    judge(&site).await;
    let page = site.browser().get(&format!("/results/{id}/why")).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text);
    let (_, told) =
        site.call(Request::get(format!("/api/v1/results/{id}/diagnosis")).body(Body::empty()).unwrap()).await;
    let causes = told["causes"].as_array().unwrap();
    assert!(!causes.is_empty(), "{told}");
    let escape =
        |text: &str| text.replace('&', "&#38;").replace('\'', "&#39;").replace('<', "&#60;").replace('>', "&#62;");
    let mut before = 0;
    for cause in causes {
        // In the same order, each with its facts.
        let headline = format!("<h2>{}</h2>", escape(cause["headline"].as_str().unwrap()));
        let at = page.text.find(&headline).unwrap_or_else(|| panic!("{headline}: {}", page.text));
        assert!(at > before);
        before = at;
        for fact in cause["facts"].as_array().unwrap() {
            assert!(page.has(&escape(fact["text"].as_str().unwrap())), "{fact}");
        }
    }
    for rule in told["rules"].as_array().unwrap() {
        assert!(page.has(&escape(rule["title"].as_str().unwrap())), "{rule}");
    }
    // What is to be tried fills in the form.
    let link = page.text.split("href=\"/submit?").nth(1).expect("a link to try").split('"').next().unwrap();
    let form = site.browser().get(&format!("/submit?{}", link.replace("&#38;", "&"))).await;
    assert_eq!(form.status, StatusCode::OK);
    assert!(page.has(&format!("GET /api/v1/results/{id}/diagnosis")));
    // The page of the result quotes the first.
    let result = site.browser().get(&format!("/results/{id}")).await;
    assert!(result.has(&escape(causes[0]["headline"].as_str().unwrap())), "{}", result.text);
}

#[tokio::test]
async fn a_second_run_is_held_against_the_first() {
    let site = site(&[]).await;
    let mut ada = site.browser();
    ada.sign_up("ada").await;
    let mut ids = vec![];
    for kernel in ["avx2_8x6", "avx512-24x8"] {
        ada.submit("").await;
        let id = run(&site, |end| {
            end["outcome"]["result"]["kernel"] = json!(kernel);
            end["evidence"]["environment"] = json!({ "mpi": format!("Open MPI {}", ids.len()), "smt": "off" });
        });
        ids.push(id.await);
        judge(&site).await;
    }
    let page = site.browser().get(&format!("/results/{}", ids[1])).await;
    for words in [
        "Since the run before",
        &format!("<a href=\"/results/{}\">", ids[0]),
        "the same within 0.1 %",
        "One run each tells little",
        "data-label=\"Then\">Open MPI 0</td>",
        "data-label=\"Now\">Open MPI 1</td>",
        &format!("href=\"/compare?results={},{}\"", ids[0], ids[1]),
    ] {
        assert!(page.has(words), "{words}: {}", page.text);
    }
    assert!(!page.has("data-label=\"Then\">off"), "what is the same is not told: {}", page.text);
}
