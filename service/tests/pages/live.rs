//! The queue and the page of a job that runs, without a script: what waits and when it starts, how far it is, and that
//! nobody sees what is not theirs.

use axum::http::{Request, StatusCode};
use serde_json::{Value, json};

use crate::site::{Page, REPORT, Site, site};

/// What is between two words of a page.
fn between<'p>(page: &'p Page, from: &str, to: &str) -> &'p str {
    let after = page.text.split_once(from).unwrap_or_else(|| panic!("no {from}: {}", page.text)).1;
    after.split_once(to).map_or(after, |(part, _)| part)
}

/// A node takes the next job and computes. Its attempt's path, token and fence.
async fn running(site: &Site, progress: u32) -> (String, String, Value) {
    let token = site.join_node().await;
    let claim = json!({ "boot_id": "b", "memory_available": 15u64 << 30, "free_disk": 1u64 << 40, "seq": 1 });
    let got = site.agent("POST", "claim?wait=0", &token, claim.to_string()).await;
    let root = format!("attempts/{}", got["attempt"].as_str().unwrap());
    let (token, fence) = (got["token"].as_str().unwrap().to_owned(), got["fence"].clone());
    let mut events = vec![
        json!({ "seq": 1, "at_ms": 0, "event": { "kind": "preparing" } }),
        json!({ "seq": 2, "at_ms": 1, "event": { "kind": "started" } }),
    ];
    events.extend((1..=progress).map(|n| {
        let fraction = f64::from(n) / f64::from(2 * progress);
        let event = json!({ "kind": "progress", "fraction": fraction, "seconds": 30.0 * fraction, "score": 80.0,
                            "score_now": 82.5 });
        json!({ "seq": n + 2, "at_ms": 2, "event": event })
    }));
    for part in events.chunks(500) {
        let body = json!({ "fence": fence, "events": part });
        site.agent("POST", &format!("{root}/events"), &token, body.to_string()).await;
    }
    (root, token, fence)
}

#[tokio::test]
async fn a_run_shows_its_way_its_pace_and_its_curve() {
    let site = site(&[]).await;
    let mut ada = site.browser();
    ada.sign_up("ada").await;
    let job = ada.submit("a long one").await;
    let page = ada.get(&job).await;
    assert!(page.has("When it starts:</strong> cannot be told: no node fits"), "{}", page.text);
    assert!(page.has("<a href=\"/queue\">See the whole queue</a>"));
    running(&site, 3000).await;
    let page = ada.get(&job).await;
    assert!(page.has("<li class=\"now\" aria-current=\"step\">"));
    assert!(between(&page, "id=\"pace-percent\">", "<") == "50 %", "half of the work: {}", page.text);
    assert!(between(&page, "id=\"pace-ends\">", "</dd>").starts_with("in about 20 s (between"), "{}", page.text);
    assert_eq!(between(&page, "id=\"pace-projected\">", "<"), "80.61 Gflop/s");
    assert!(page.has("<title>Gflop/s over time</title>") && !page.has("style="), "{}", page.text);
    assert!(page.text.len() < 120_000, "thousands of points make no large page: {}", page.text.len());
    assert!(page.has("The program began to compute.") && page.has("<summary>Cancel it…</summary>"));
    let refresh = "<meta http-equiv=\"refresh\" content=\"5; url=";
    let lives = page.has("src=\"/static/live-");
    assert_eq!(page.has(&format!("<noscript>{refresh}")), lives, "where a script keeps it up to date it stays");
    assert!(page.has(refresh) && !ada.get(&format!("{job}?still=1")).await.has(refresh));
    // Who may not change it is not offered to.
    assert!(!site.browser().get(&job).await.has("Cancel it"));
}

#[tokio::test]
async fn the_queue_says_who_is_next_and_when() {
    let site = site(&["--running-max", "2"]).await;
    let (mut ada, mut bob) = (site.browser(), site.browser());
    ada.sign_up("ada").await;
    bob.sign_up("bob").await;
    assert!(ada.get("/queue").await.has("No node has a job."));
    ada.submit("the first").await;
    running(&site, 10).await;
    let second = ada.submit("the second").await;
    let hidden = bob.submit("a secret of mine").await;
    let token = bob.get(&hidden).await.token();
    let private = [("csrf", token.as_str()), ("visibility", "private")];
    assert_eq!(bob.post(&format!("{hidden}/visibility"), &private).await.status, StatusCode::SEE_OTHER);

    let page = ada.get("/queue").await;
    assert!(page.has("node-one") && page.has("80.00 Gflop/s so far") && page.has("50 %"), "{}", page.text);
    assert!(page.has("<h2 id=\"own\">Yours</h2>") && page.has("in about"), "{}", page.text);
    let own = between(&page, "aria-label=\"Your waiting jobs\"", "</table>");
    assert!(own.contains("the second") && !own.contains("private"), "{own}");
    assert!(page.has("A private run") && !page.has("a secret of mine") && !page.has(hidden.as_str()), "{}", page.text);
    assert!(bob.get("/queue").await.has("a secret of mine"));
    assert!(!site.browser().get("/queue").await.has("Yours</h2>"));

    let (status, queue) = site.call(Request::get("/api/v1/queue").body(String::new().into()).unwrap()).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!((queue["running"].as_array().unwrap().len(), &queue["more"]), (1, &json!(0)), "{queue}");
    let waiting = queue["waiting"].as_array().unwrap();
    let places: Vec<_> = waiting.iter().map(|row| row["place"].as_u64()).collect();
    assert_eq!(places, [Some(1), Some(2)], "{queue}");
    let secret = waiting.iter().find(|row| row["job"]["id"].is_null()).unwrap();
    assert!(secret["job"]["owner"].is_null() && secret["job"]["name"].is_null() && secret["estimate_s"].is_null());
    let start = |row: &Value| row["waits"]["starts"]["at"].as_i64().unwrap();
    let free = queue["running"][0]["ends"]["at"].as_i64().unwrap();
    assert!(free <= start(&waiting[0]) && start(&waiting[0]) < start(&waiting[1]), "{queue}");

    // The page of a job says the same.
    let id = second.rsplit('/').next().unwrap();
    let (_, job) = site.call(Request::get(format!("/api/v1/jobs/{id}")).body(String::new().into()).unwrap()).await;
    let row = waiting.iter().find(|row| row["job"]["id"] == id).unwrap();
    assert_eq!(job["waits"]["starts"], row["waits"]["starts"]);
    assert!(ada.get(&second).await.has("When it starts:</strong> in about"));
}

#[tokio::test]
async fn the_queue_tells_nothing_of_a_private_sweep() {
    let site = site(&["--running-max", "2"]).await;
    site.join_node().await;
    let (mut ada, mut bob) = (site.browser(), site.browser());
    ada.sign_up("ada").await;
    bob.sign_up("bob").await;
    let form = bob.get("/sweeps/new").await;
    let (token, once) = (form.token(), form.field("once"));
    let fields = [
        ("csrf", token.as_str()),
        ("once", &once),
        ("seen", "yes"),
        ("do", "submit"),
        ("n", "2000 3000 4000"),
        ("nb", "128"),
        ("grid", "1x1"),
        ("title", "a secret of mine"),
        ("visibility", "private"),
    ];
    let made = bob.post("/sweeps/new", &fields).await;
    assert_eq!(made.status, StatusCode::SEE_OTHER, "{}", made.text);
    let path = made.location.split('?').next().unwrap().to_owned();
    let token = bob.get(&path).await.token();
    assert_eq!(bob.post(&format!("{path}/submit"), &[("csrf", token.as_str())]).await.status, StatusCode::SEE_OTHER);
    let id = path.rsplit('/').next().unwrap();
    assert!(bob.get("/queue").await.has("1 more run of the same sweep"));
    for page in [ada.get("/queue").await, ada.get("/api/v1/queue").await, site.browser().get("/api/v1/queue").await] {
        assert!(page.has("rivate run"), "{}", page.text);
        for secret in [id, "a secret of mine", "bob", "N=", "of the same sweep", "\"more_of_sweep\":1"] {
            assert!(!page.has(secret), "{secret}: {}", page.text);
        }
    }
    // Nor does the sweep itself.
    for hidden in [path.clone(), format!("/api/v1{path}")] {
        assert_eq!(ada.get(&hidden).await.status, StatusCode::NOT_FOUND);
        assert_eq!(bob.get(&hidden).await.status, StatusCode::OK);
    }
}

#[tokio::test]
async fn lists_have_tabs_and_name_their_call() {
    let site = site(&[]).await;
    let mut ada = site.browser();
    ada.sign_up("ada").await;
    ada.submit("mine").await;
    let page = ada.get("/jobs?owner=me&state=queued").await;
    assert!(page.has("<a href=\"/jobs?owner=me&#38;state=queued\" aria-current=\"page\">Yours</a>"), "{}", page.text);
    assert!(page.has("<a href=\"/jobs?state=queued\">Everybody’s</a>") && page.has("<a href=\"/queue\">"));
    assert!(page.has("GET /api/v1/jobs?owner=me&#38;state=queued"), "{}", page.text);
    assert!(!site.browser().get("/jobs").await.has(">Yours<"));
}

#[tokio::test]
async fn the_report_of_the_program_stands_on_the_page() {
    let site = site(&[]).await;
    let mut ada = site.browser();
    ada.sign_up("ada").await;
    let job = ada.submit("one").await;
    site.run_next_job(b"").await;
    let page = ada.get(&job).await;
    assert!(
        page.has("aria-label=\"HPL.out\"") && page.has("High-Performance Linpack benchmark, native Rust"),
        "{}",
        page.text
    );
    assert!(between(&page, "aria-label=\"HPL.out\">", "</pre>").contains("T/V "));
    // Where the program printed it as well, it is there once.
    let other = ada.submit("two").await;
    site.run_next_job(REPORT).await;
    let page = ada.get(&other).await;
    assert!(page.has("T/V ") && !page.has("aria-label=\"HPL.out\""), "{}", page.text);
}
