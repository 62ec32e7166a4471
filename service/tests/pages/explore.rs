//! Pictures of results, results side by side, and the list that one chooses from.

use std::fmt::Write;

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::site::{Page, Site, site};

/// A run that passed.
#[derive(Clone)]
struct Run {
    owner: i64,
    node: i64,
    n: u64,
    nb: u64,
    grid: (u64, u64),
    score: f64,
    public: bool,
    tier: &'static str,
}

fn run(nb: u64, score: f64) -> Run {
    Run { owner: 1, node: 1, n: 20_000, nb, grid: (2, 2), score, public: true, tier: "reported" }
}

const LONG: &str = "a-name-of-sixty-four-characters-that-somebody-gave-to-a-node-xyz";

fn id(key: usize) -> String {
    format!("0190f5fe-7c00-7a3b-8b1e-aa{key:010x}")
}

/// A service with those runs, the first of which has the number 1; node 1 is `node-one`, node 2 has a long name, and
/// `ada` and `grace` are there, too.
async fn with(runs: &[Run]) -> Site {
    let site = site(&[]).await;
    site.browser().sign_up("ada").await;
    site.browser().sign_up("grace").await;
    let mut sql = String::new();
    for (key, name, kind, cores) in [(1, "node-one", "CPU <one>", 4), (2, LONG, LONG, 128)] {
        let node = format!("0190f5fe-7c00-7a3b-8b1e-0d{key:010x}");
        let _ = write!(
            sql,
            "INSERT INTO nodes (key, id, name, token, machine_id, boot_id, kind, cores, joined_at, seen_at)
             VALUES ({key}, '{node}', '{name}', x'{key:02x}', 'm', 'b', '{kind}', {cores}, 0, 0);"
        );
    }
    for (run, key) in runs.iter().zip(1..) {
        sql.push_str(&rows(run, key, site.app.clock.now()));
    }
    let unit = site.app.db.write(move |tx| {
        Box::pin(async move {
            let statement = sqlx::AssertSqlSafe(sql);
            sqlx::raw_sql(statement).execute(&mut tx.conn).await.map_err(service::db::explain)
        })
    });
    unit.await.unwrap();
    site
}

fn rows(run: &Run, key: usize, now: i64) -> String {
    let Run { owner, node, n, nb, grid: (p, q), score, public, tier } = run;
    let mut parameters: Value = golden()["reports"][0]["params"].clone();
    for (name, value) in [("n", n), ("nb", nb), ("p", p), ("q", q)] {
        parameters[name] = json!(value);
    }
    let mut report = golden();
    report["reports"][0]["params"] = parameters.clone();
    let (kind, cores) = if *node == 1 { ("CPU <one>", 4) } else { (LONG, 128) };
    let visibility = if *public { "public" } else { "private" };
    let (job, at, id) = (format!("0190f5fe-7c00-7a3b-8b1e-bb{key:010x}"), now - 1000 + key as i64, id(key));
    format!(
        "INSERT INTO jobs (key, id, owner, benchmark, parameters, spec_hash, label, title, size, work, ranks,
            bytes_per_rank, bytes, express, walltime_s, visibility, state, due_at, fence, attempts, created_at,
            state_at, last_event)
         VALUES ({key}, '{job}', {owner}, 'hpl', '{parameters}', 'spec{n}x{nb}x{p}x{q}', '', '', {n}, 1, 4, 1, 4, 0, 600,
            '{visibility}', 'done', NULL, 1, 1, {at}, {at}, 0);
         INSERT INTO results (key, id, job, job_id, owner, benchmark, accepted, public, tier, assessed, rankable, passed,
            check_text, score, seconds, size, percent, node, kind, cores, label, created_at, spec_hash, parameters, report)
         VALUES ({key}, '{id}', {key}, '{job}', {owner}, 'hpl', 1, {public}, '{tier}', 'reported', 1, 1,
            'residual 0.0172', {score}, 60, {n}, 75, {node}, '{kind}', {cores}, 'N={n} NB={nb}', {at},
            'spec{n}x{nb}x{p}x{q}', '{parameters}', '{report}');"
    )
}

fn golden() -> Value {
    serde_json::from_str(include_str!("../../../hpl-spec/tests/golden/hpl_result.json")).unwrap()
}

/// The ids of the results that can be chosen, in their order.
fn boxes(page: &Page) -> Vec<String> {
    let parts = page.text.split("name=\"results\" value=\"").skip(1);
    parts.map(|part| part.split('"').next().unwrap().to_owned()).collect()
}

fn whole(page: &Page) {
    assert_eq!(page.text.matches("<h1").count(), 1, "{}", page.text);
    for bad in ["style=", "onclick", "<one>", "NaN", "inf ", "infinity"] {
        assert!(!page.has(bad), "{bad}: {}", page.text);
    }
}

#[tokio::test]
async fn nothing_one_and_a_thousand_results_are_drawn() {
    let empty = with(&[]).await;
    let page = empty.browser().get("/explore").await;
    assert!(
        page.has("Nothing to draw yet")
            && page.has("href=\"/submit")
            && !page.has("<form method=\"get\" action=\"/compare\"")
    );
    assert!(empty.browser().get("/explore?user=ada").await.has("No result matches"));

    let one = with(&[run(192, 1e6)]).await;
    let page = one.browser().get("/explore").await;
    assert_eq!((page.status, boxes(&page)), (StatusCode::OK, vec![id(1)]));
    assert!(page.has("One result, of") && page.has("1,000,000 Gflop/s</a> with N = 20000, NB = 192, P × Q = 2 × 2"));
    whole(&page);

    let mut many: Vec<Run> = vec![];
    for i in 0..1000_u64 {
        let node = 1 + i64::try_from(i % 2).unwrap();
        let (n, nb, score) = (1000 * (1 + i % 90), 32 * (1 + i % 12), 0.5 + (i * i % 977) as f64 * 1024.5);
        many.push(Run { node, n, grid: (1 + i % 3, 1 + i % 5), ..run(nb, score) });
    }
    let site = with(&many).await;
    for (path, rows) in [
        ("/explore", 50),
        ("/explore?limit=300", 300),
        ("/explore?limit=1000", 1000),
        ("/explore?limit=1000&x=nb&by=kind", 1000),
        ("/explore?limit=100&x=grid&by=nb&cell=median", 100),
    ] {
        let page = site.browser().get(path).await;
        assert_eq!((page.status, boxes(&page).len()), (StatusCode::OK, rows), "{path}");
        assert_eq!(page.text.matches("role=\"img\"").count(), 3, "{path}: narrow, wide, and the heat map");
        assert!(page.has("Older results") || rows == 1000, "{path}");
        whole(&page);
    }
    let page = site.browser().get("/explore?limit=100").await;
    let older = page.text.split("rel=\"next\"").next().unwrap().rsplit("href=\"").next().unwrap();
    let older = older.split('"').next().unwrap().replace("&#38;", "&");
    let next = site.browser().get(&older).await;
    assert_eq!(boxes(&next).len(), 100, "{older}");
    assert!(boxes(&next).iter().all(|id| !boxes(&page).contains(id)) && next.has("Back to the beginning"));
    let last = site.browser().get(&format!("/explore?before={}", id(1))).await;
    assert!(last.has("There are no older results") && last.has("Back to the beginning"), "{}", last.text);
}

#[tokio::test]
async fn filters_choose_and_are_kept_by_every_link() {
    let runs = [
        run(64, 50.0),
        Run { n: 30_000, ..run(128, 60.0) },
        Run { owner: 2, node: 2, tier: "verified", ..run(192, 70.0) },
        Run { owner: 2, public: false, ..run(256, 80.0) },
        Run { tier: "flagged", ..run(384, 9e9) },
    ];
    let site = with(&runs).await;
    let mut stranger = site.browser();
    let kind = LONG;
    for (query, found) in [
        ("", vec![3, 2, 1]),
        ("user=ada", vec![2, 1]),
        ("user=nobody", vec![]),
        ("node=node-one&by=grid", vec![2, 1]),
        (&format!("kind={kind}"), vec![3]),
        ("cores=128", vec![3]),
        ("min_n=25000", vec![2]),
        ("max_n=20000&tier=reported", vec![1]),
        ("tier=verified", vec![3]),
    ] {
        let page = stranger.get(&format!("/explore?{query}")).await;
        let wanted: Vec<String> = found.into_iter().map(id).collect();
        assert_eq!((page.status, boxes(&page)), (StatusCode::OK, wanted.clone()), "{query}");
        // What the page names for programs says the same.
        let call = page.text.split("GET /api/v1/explore").nth(1).unwrap().split('<').next().unwrap();
        let call = format!("/api/v1/explore{}", call.replace("&#38;", "&"));
        let answer: Value = serde_json::from_str(&stranger.get(&call).await.text).unwrap();
        let ids: Vec<&str> = answer["points"].as_array().unwrap().iter().map(|p| p["id"].as_str().unwrap()).collect();
        assert_eq!(ids, wanted, "{call}");
    }
    let page = stranger.get("/explore?user=ada&min_n=1000&x=nb").await;
    assert!(page.has("/explore?user=ada&#38;min_n=1000&#38;x=nb&#38;by=kind"), "{}", page.text);
    assert!(page.has("/explore?min_n=1000&#38;x=nb\">Everybody"), "{}", page.text);
    assert!(page.has("/api/v1/results.csv?benchmark=hpl&#38;user=ada&#38;min_size=1000"), "{}", page.text);
    assert!(page.has("href=\"/results?benchmark=hpl&#38;user=ada&#38;min_size=1000\""), "{}", page.text);
    assert!(page.has("name=\"x\" value=\"nb\"") && !page.has("Only mine"));

    let mut grace = site.browser();
    let token = grace.get("/login").await.token();
    let password = crate::site::PASSWORD;
    grace.post("/login", &[("csrf", &token), ("username", "grace"), ("password", password)]).await;
    let page = grace.get("/explore").await;
    assert!(page.has("href=\"/explore?user=grace\">Only mine"), "{}", page.text);
    assert_eq!(boxes(&grace.get("/explore?user=grace").await), [id(4), id(3)], "her private one, too");
    assert_eq!(boxes(&stranger.get("/explore?user=grace").await), [id(3)]);
}

#[tokio::test]
async fn what_is_wrong_with_a_filter_is_said_at_its_field() {
    let site = with(&[run(64, 50.0)]).await;
    for (query, words) in [
        ("node=nowhere", "there is no node called `nowhere`"),
        ("cores=many", "found `many`"),
        ("min_n=9&max_n=8", "8 is below the least N"),
        ("x=w", "expected one of those that the page offers"),
        ("limit=5000", "expected 1 to 1000"),
        ("before=x", "expected the id of a result"),
        ("tier=flagged", "expected one of those that the page offers"),
    ] {
        let page = site.browser().get(&format!("/explore?{query}")).await;
        assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY, "{query}");
        assert!(page.has(words) && page.has("role=\"alert\"") && page.has("f-kind"), "{query}: {}", page.text);
        assert!(boxes(&page).is_empty());
    }
}

#[tokio::test]
async fn one_run_each_has_no_winner() {
    let site = with(&[run(64, 50.0), run(128, 5000.0)]).await;
    let page = site.browser().get(&format!("/compare?results={},{}", id(1), id(2))).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text);
    assert!(page.has("One run each tells nothing: repeat both 5 times.") && !page.has("is faster"), "{}", page.text);
    assert!(page.has("href=\"/sweeps/new?") && page.has("repeats=5"), "{}", page.text);
    assert!(page.has("cannot be told from 1 run") && page.text.matches("class=\"dot\"").count() == 4, "{}", page.text);
    whole(&page);
}

#[tokio::test]
async fn groups_of_many_runs_are_told_apart_by_statistics() {
    let mut runs: Vec<Run> = (0..6).map(|i| run(64, 100.0 + f64::from(i))).collect();
    runs.extend((0..6).map(|i| run(192, 110.0 + f64::from(i))));
    runs.extend((0..6).map(|i| Run { owner: 2, ..run(256, 109.5 + f64::from(i)) }));
    runs.push(Run { node: 2, n: 999_999, ..run(64, 1e6) });
    let site = with(&runs).await;
    let mut browser = site.browser();
    let page = browser.get(&format!("/compare?results={},{}", id(1), id(7))).await;
    assert!(page.has("2 is faster") && page.has("The median of 2 is 9.8 % above that of 1."), "{}", page.text);
    assert!(page.has("median of 6 runs") && page.has("112.5 Gflop/s") && page.has("110.0 to 115.0"), "{}", page.text);
    let differs = "<th scope=\"row\">NB <span class=\"mark doubt\">differs</span>";
    assert!(page.has(differs) && page.text.matches(">differs<").count() == 1, "{}", page.text);
    assert!(page.has("Panel factorization") && page.has("Passed: residual 0.0172"), "{}", page.text);

    let page = browser.get(&format!("/compare?results={},{}", id(7), id(13))).await;
    assert!(page.has("No difference") && !page.has("is faster"), "{}", page.text);
    let all = format!("{},{},{},{}", id(1), id(7), id(13), id(19));
    let page = browser.get(&format!("/compare?results={all}")).await;
    assert!(
        page.has("Cannot be told") && page.has(&format!("results={},{},{}\"", id(1), id(7), id(19))),
        "{}",
        page.text
    );
    whole(&page);
    // Programs are told the same.
    let call = page.text.split("GET /api/v1/compare").nth(1).unwrap().split('<').next().unwrap();
    let answer: Value = serde_json::from_str(&browser.get(&format!("/api/v1/compare{call}")).await.text).unwrap();
    assert_eq!(answer["groups"].as_array().unwrap().len(), 4, "{answer}");

    let page = browser.get(&format!("/compare?results={},{}", id(1), id(2))).await;
    assert!(page.has("they are one group") && !page.has("Remove"), "{}", page.text);
}

#[tokio::test]
async fn what_cannot_stand_side_by_side_is_named() {
    let mut runs = vec![run(64, 50.0), Run { owner: 2, public: false, ..run(128, 60.0) }];
    runs.push(Run { tier: "flagged", ..run(192, 70.0) });
    let site = with(&runs).await;
    let mut browser = site.browser();
    let page = browser.get("/compare").await;
    assert!(
        page.status == StatusCode::OK && page.has("How to choose") && page.has("href=\"/explore\""),
        "{}",
        page.text
    );
    let page = browser.get(&format!("/compare?results={}", id(1))).await;
    assert!(page.status == StatusCode::OK && page.has("One result alone") && page.has(&id(1)), "{}", page.text);
    let nine: Vec<String> = (1..=9).map(id).collect();
    for (results, status, words) in [
        (format!("{},hello", id(1)), 422, "found `hello`".to_owned()),
        (format!("{},%3Cscript%3E", id(1)), 422, "&#60;script&#62;".to_owned()),
        (format!("{},{}", id(1), id(99)), 404, format!("There is no result {} for you to see.", id(99))),
        (format!("{},{}", id(1), id(2)), 404, format!("There is no result {} for you to see.", id(2))),
        (format!("{},{}", id(1), id(3)), 422, format!("{} is flagged", id(3))),
        (nine.join(","), 422, "You chose 9 results, and at most 8 fit".to_owned()),
    ] {
        let page = browser.get(&format!("/compare?results={results}")).await;
        assert_eq!(page.status.as_u16(), status, "{results}");
        assert!(page.has("role=\"alert\"") && page.has(&words) && page.has("Remove"), "{results}: {}", page.text);
        assert!(!page.has("<script>"));
    }
    // As a form without a script sends them.
    let sent = browser.get(&format!("/compare?results={}&results={}&results={}", id(1), id(3), id(1))).await;
    assert_eq!((sent.status, sent.location), (StatusCode::SEE_OTHER, format!("/compare?results={},{}", id(1), id(3))));
}

#[tokio::test]
async fn the_list_leads_to_results_pictures_and_comparisons() {
    let site = with(&[run(64, 50.0), Run { tier: "flagged", ..run(128, 60.0) }]).await;
    let page = site.browser().get("/results?user=ada&kind=CPU%20%3Cone%3E&min_size=1000").await;
    assert_eq!(boxes(&page), [id(1)], "a flagged one cannot be compared: {}", page.text);
    assert!(page.has(&format!("href=\"/results/{}\"", id(2))) && page.has("action=\"/compare\""), "{}", page.text);
    let filters = "user=ada&#38;kind=CPU%20%3Cone%3E";
    assert!(page.has(&format!("href=\"/explore?{filters}&#38;min_n=1000\"")), "{}", page.text);
    for twin in ["/api/v1/results.csv", "/api/v1/results"] {
        assert!(page.has(&format!("href=\"{twin}?{filters}&#38;min_size=1000\"")), "{twin}: {}", page.text);
    }
    assert!(page.has("GET /api/v1/results?"), "{}", page.text);
}
