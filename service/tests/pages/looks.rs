//! What pages show, to whom, and how.

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use serde_json::json;
use tower::ServiceExt;

use crate::site::{PASSWORD, finish, site};

#[tokio::test]
async fn every_page_answers_under_its_heading() {
    let site = site(&[]).await;
    let mut ada = site.browser();
    ada.sign_up("ada").await;
    let job = ada.submit("a first try").await;
    site.run_next_job(b"it works\n").await;
    let mut stranger = site.browser();
    for (path, heading) in [
        ("/", "How fast can a computer solve equations?"),
        ("/signup", "Sign up"),
        ("/login", "Log in"),
        ("/recover", "Forgotten password"),
        ("/submit", "Submit a run"),
        ("/jobs", "Jobs"),
        ("/jobs?owner=ada&state=done&benchmark=hpl", "Jobs"),
        ("/queue", "Queue"),
        (&job, "a first try"),
        ("/leaderboard", "Leaderboards"),
        ("/leaderboard/hpl", "Leaderboard: High Performance Linpack"),
        ("/leaderboard/hpl?measure=percent&kind=&cores=4", "Leaderboard: High Performance Linpack"),
        ("/results", "Results"),
        ("/results?benchmark=hpl&user=ada&tier=&min_score=1", "Results"),
        ("/nodes", "Nodes"),
        ("/limits", "Limits"),
        ("/about-score", "How scores are made"),
    ] {
        for browser in [&mut stranger, &mut ada] {
            let page = browser.get(path).await;
            assert_eq!(page.status, StatusCode::OK, "{path}: {}", page.text);
            assert!(page.has(&format!("<h1>{heading}</h1>")), "{path}: {}", page.text);
            assert_eq!(page.text.matches("<h1").count(), 1, "{path}");
            assert!(page.has("<html lang=\"en\">") && page.has("<main"), "{path}");
            assert!(
                !page.has("style=") && !page.without_scripts().contains("<script") && !page.has("onclick"),
                "{path}"
            );
        }
    }
    assert!(ada.get("/account").await.has("<h1>Your account</h1>"));
    assert!(ada.get("/jobs?owner=me").await.has("<h1>Your jobs</h1>"));
    let page = stranger.get(&job).await;
    assert!(
        page.has("88.90 Gflop/s")
            && page.has("Download the certificate")
            && page.has("it works")
            && page.has("/artifacts/HPL.out\">HPL.out</a>"),
        "{}",
        page.text
    );
    assert!(!page.has("Delete it") && ada.get(&job).await.has("Delete it"));
    assert!(ada.get("/leaderboard/hpl").await.has("You are number 1 of 1"));
}

#[tokio::test]
async fn the_stylesheet_is_kept_for_ever_under_the_name_of_its_content() {
    let site = site(&[]).await;
    let mut browser = site.browser();
    let home = browser.get("/").await;
    let path = home.text.split("rel=\"stylesheet\" href=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let request = Request::get(&path).body(Body::empty()).unwrap();
    let style = site.router.clone().oneshot(request).await.unwrap();
    assert_eq!(style.status(), StatusCode::OK);
    assert_eq!(style.headers()[header::CACHE_CONTROL], "public, max-age=31536000, immutable");
    assert_eq!(browser.get("/static/style-000000000000.css").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn pages_are_compressed_but_for_those_with_a_secret() {
    let site = site(&[]).await;
    let gzip = |path: &str| Request::get(path).header(header::ACCEPT_ENCODING, "gzip");
    for path in ["/submit", "/learn/nb"] {
        let page = site.router.clone().oneshot(gzip(path).body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(page.headers()[header::CONTENT_ENCODING], "gzip", "{path}");
    }
    let mut ada = site.browser();
    let token = ada.get("/signup").await.token();
    assert_ne!(token, ada.get("/signup").await.token(), "no two pages hold the same token");
    let body = format!("csrf={token}&username=ada&password={}", PASSWORD.replace(' ', "+"));
    let request = Request::post("/signup")
        .header(header::ACCEPT_ENCODING, "gzip")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header(header::ORIGIN, "http://here.example");
    // Read as text: it would not be one if it were compressed.
    let codes = ada.send(request, body).await;
    assert!(codes.status == StatusCode::CREATED && codes.text.len() > 2048, "{}", codes.text.len());
}

#[tokio::test]
async fn errors_are_pages_for_browsers_and_problems_for_programs() {
    let site = site(&[]).await;
    let mut browser = site.browser();
    for (path, status, words) in [
        ("/nothing/here", StatusCode::NOT_FOUND, "There is nothing at this address"),
        ("/jobs/x", StatusCode::NOT_FOUND, "There is no such thing, or it is not yours to see"),
        ("/jobs/0190f5fe-7c00-7a3b-8b1e-0123456789ab", StatusCode::NOT_FOUND, "No job of that name"),
        ("/sweeps/0190f5fe-7c00-7a3b-8b1e-0123456789ab", StatusCode::NOT_FOUND, "No sweep of that name"),
        ("/leaderboard/chess", StatusCode::NOT_FOUND, "No benchmark of that name"),
        ("/jobs?state=happy", StatusCode::UNPROCESSABLE_ENTITY, "expected one of those that the page offers"),
        ("/account", StatusCode::UNAUTHORIZED, "href=\"/login?next=%2Faccount\""),
        ("/jobs?owner=me", StatusCode::UNAUTHORIZED, "Log in"),
        ("/logout", StatusCode::METHOD_NOT_ALLOWED, "This address does not take that method"),
    ] {
        let page = browser.get(path).await;
        assert_eq!(page.status, status, "{path}");
        assert!(page.has(words) && page.has("<nav aria-label=\"Main\">"), "{path}: {}", page.text);
    }
    for path in ["/nothing/here", "/api/v1/jobs/x"] {
        let (status, problem) = site.call(Request::get(path).body(Body::empty()).unwrap()).await;
        assert_eq!((status, &problem["code"]), (StatusCode::NOT_FOUND, &json!("not_found")), "{path}");
    }
    assert!(browser.get("/api/v1/jobs/x").await.text.starts_with('{'), "an address for programs stays one");
}

#[tokio::test]
async fn what_strangers_wrote_is_shown_as_text() {
    let site = site(&[]).await;
    let mut mallory = site.browser();
    mallory.sign_up("mallory").await;
    let job = mallory.submit("</title><script>alert('1')</script>\"onmouseover=\"x\" & <b>").await;
    site.run_next_job(b"\x1b[31m<script>alert(2)</script>\x1b[0m & \"quotes\" \x1b]0;pwned\x07end\r\n").await;
    let mut reader = site.browser();
    for path in [job.as_str(), "/jobs", "/", "/leaderboard/hpl", "/results", "/nodes"] {
        let page = reader.get(path).await;
        assert_eq!(page.status, StatusCode::OK);
        for bad in ["<script", "\"onmouseover", "<b>", "\u{1b}", "pwned", "<CPU>"] {
            assert!(!page.without_scripts().contains(bad), "{path} holds {bad}: {}", page.text);
        }
    }
    let page = reader.get(&job).await;
    assert!(page.has("&#60;script&#62;alert(2)&#60;/script&#62; &#38; &#34;quotes&#34; end"), "{}", page.text);
    // What is typed into a form, or stands in an address, comes back as text, too.
    for path in [
        "/login?username=%22%3E%3Cscript%3E",
        "/results?user=%22%3E%3Cscript%3E",
        "/results?cores=%3Cscript%3E",
        "/login?next=javascript%3Aalert(1)",
        "/?said=%3Cscript%3E",
    ] {
        let page = reader.get(path).await;
        assert!(!page.without_scripts().contains("<script") && !page.has("javascript:"), "{path}: {}", page.text);
    }
}

#[tokio::test]
async fn signing_up_by_invitation_shows_the_field_and_closed_says_so() {
    let site_invite = site(&["--signup", "invite"]).await;
    let page = site_invite.browser().get("/signup?invite=hpl_i_abc").await;
    assert!(page.has("id=\"f-invite\" name=\"invite\" value=\"hpl_i_abc\""), "{}", page.text);
    let site_closed = site(&["--signup", "closed"]).await;
    let page = site_closed.browser().get("/signup").await;
    assert!(page.has("made by the administrators") && !page.has("f-password"));
}

#[tokio::test]
async fn what_came_too_late_has_a_page_with_its_files() {
    let site = site(&[]).await;
    let mut ada = site.browser();
    ada.sign_up("ada").await;
    let node = site.join_node().await;
    // Of a job that nobody knows any more, after a restore.
    let (job, attempt) = ("0190f5fe-7c00-7a3b-8b1e-0123456789aa", "0190f5fe-7c00-7a3b-8b1e-0123456789ab");
    let token = site.app.attempt_key.token(attempt, 7).reveal().to_owned();
    let orphan = json!({
        "assignment": { "job": job, "attempt": attempt, "token": token, "owner": "ada", "benchmark": "hpl",
                        "parameters": { "n": 20000, "nb": 192, "p": 2, "q": 2 } },
        "finish": finish(&json!(7), 0),
    });
    site.agent("POST", "orphans", &node, orphan.to_string()).await;
    site.agent("PUT", &format!("attempts/{attempt}/log/out?fence=7&offset=0"), &token, "late words").await;
    let list = ada.get("/results?user=ada&tier=orphan").await;
    let path = format!("/results/{attempt}");
    assert!(list.has(&format!("href=\"{path}\"")) && list.has("all=true"), "{}", list.text);
    let page = ada.get(&path).await;
    assert_eq!(page.status, StatusCode::OK);
    let file = format!("/api/v1{path}/log/out");
    assert!(page.has(&format!("<a href=\"{file}\">log/out</a>")) && page.has("not known any more"), "{}", page.text);
    assert!(page.has("Came too late") && page.text.matches("<h1").count() == 1, "{}", page.text);
    assert_eq!(ada.get(&file).await.text, "late words");
    // It is hers alone.
    assert_eq!(site.browser().get(&path).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn what_a_node_dropped_and_what_it_may_ask_is_told() {
    let site = site(&["--node-calls-per-minute", "123"]).await;
    let mut ada = site.browser();
    ada.sign_up("ada").await;
    let job = ada.submit("with holes").await;
    assert!(!ada.get(&job).await.has("dropped"));
    site.run_next_job(b"words").await;
    let page = ada.get(&job).await;
    assert!(page.has("dropped 2 samples of its figures."), "{}", page.text);
    assert!(page.has("Result</h2>") && !page.has("What came with it"), "{}", page.text);
    assert!(ada.get("/limits").await.has("123 a minute"));
    let node = site.join_node().await;
    let claim = json!({ "boot_id": "b", "memory_available": 1, "free_disk": 1, "seq": 1, "unhealthy": ["<too> warm"] });
    let request = Request::post("/agent/v1/claim").header(header::AUTHORIZATION, format!("Bearer {node}"));
    let request = request.header(header::CONTENT_TYPE, "application/json").body(Body::from(claim.to_string()));
    assert_eq!(site.call(request.unwrap()).await.0, StatusCode::CONFLICT);
    let page = ada.get("/nodes").await;
    assert!(page.has("Not well") && page.has("&#60;too&#62; warm"), "{}", page.text);
}
