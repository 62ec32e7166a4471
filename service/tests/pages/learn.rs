//! Home, the lesson, the topics and how scores are made: what a stranger reads, and what is read from the account.

use std::collections::BTreeSet;

use axum::http::StatusCode;

use crate::site::{PASSWORD, Page, site};

const TOPICS: [&str; 11] =
    ["n", "nb", "grid", "panel", "broadcast", "depth", "swap", "storage", "residual", "peak", "work"];

/// The addresses of links of a page that begin so.
fn links(page: &Page, begin: &str) -> BTreeSet<String> {
    let hrefs = page.text.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next());
    hrefs.map(|href| href.replace("&#38;", "&")).filter(|href| href.starts_with(begin)).collect()
}

#[tokio::test]
async fn every_topic_explains_draws_and_leads_to_a_run() {
    let site = site(&[]).await;
    let mut reader = site.browser();
    let index = reader.get("/learn").await;
    assert!(index.has("<h1>Learn</h1>") && index.has("href=\"/learn/first-linpack?step=1\">Start the lesson</a>"));
    for topic in TOPICS {
        assert!(index.has(&format!("href=\"/learn/{topic}\"")), "{topic}");
        let page = reader.get(&format!("/learn/{topic}")).await;
        assert_eq!(page.status, StatusCode::OK, "{topic}: {}", page.text);
        assert_eq!(page.text.matches("<h1").count(), 1, "{topic}");
        assert!(!page.has("style=") && !page.has("<style") && !page.has("onclick"), "{topic}");
        assert!(page.has("For programs:") && page.has("/api/v1/"), "{topic} names no call");
        assert!(!links(&page, "/submit?n=").is_empty(), "{topic} leads to no run");
        // Without a node there are no peaks to draw.
        assert_eq!(page.has("<svg xmlns"), topic != "peak", "{topic}");
        // What the reader asks for is what is drawn, and goes along to the next topic and into the form.
        let own = reader.get(&format!("/learn/{topic}?n=5000&nb=100&p=3&q=5")).await;
        assert_eq!(own.status, StatusCode::OK, "{topic}");
        assert!(own.has("value=\"5000\""), "{topic}: {}", own.text);
        let carried = "?n=5000&#38;nb=100&#38;p=3&#38;q=5";
        assert!(own.has(&format!("href=\"/learn/nb{carried}")) || !["n", "grid"].contains(&topic), "{topic}");
        assert!(links(&own, "/submit?n=5000&nb=").len() + links(&own, "/submit?n=10000&").len() > 0, "{topic}");
    }
    assert_eq!(reader.get("/learn/chess").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn what_is_wrong_stands_at_its_field_and_stays_typed() {
    let site = site(&[]).await;
    let mut reader = site.browser();
    for topic in ["nb", "broadcast"] {
        let page = reader.get(&format!("/learn/{topic}?n=many&nb=64&p=0&q=2%22%3E%3Cscript%3E")).await;
        assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
        for field in ["n", "p", "q"] {
            assert!(page.has(&format!("id=\"wrong-{field}\"")) && page.has(&format!("href=\"#f-{field}\"")), "{field}");
        }
        assert!(!page.has("id=\"wrong-nb\"") && page.has("value=\"many\"") && page.has("<svg xmlns"));
        assert!(!page.has("\"><script"));
    }
    let page = reader.get("/about-score?n=-1&seconds=soon").await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(page.has("id=\"wrong-n\"") && page.has("id=\"wrong-seconds\"") && page.has("value=\"soon\""));
}

#[tokio::test]
async fn one_steps_through_the_panels_by_links() {
    let site = site(&[]).await;
    let mut reader = site.browser();
    let first = reader.get("/learn/panel?n=1000&nb=100&p=2&q=3").await;
    assert!(first.has("Panel 0") && first.has("of 0 to 9") && !first.has(">Back</a>"), "{}", first.text);
    let next = links(&first, "/learn/panel?n=1000&nb=100&p=2&q=3&k=").into_iter().next().unwrap();
    assert!(next.ends_with("&k=1#step"), "{next}");
    let second = reader.get(next.split('#').next().unwrap()).await;
    assert!(second.has("Panel 1") && second.has(">Back</a>") && second.has("column 1 of the grid"), "{}", second.text);
    let last = reader.get("/learn/panel?n=1000&nb=100&p=2&q=3&k=12345").await;
    assert!(last.has("Panel 9") && !last.has(">Next step</a>"));
    // Who owns the panel begins its broadcast.
    let fourth = reader.get("/learn/broadcast?n=1000&nb=100&p=2&q=3&k=4").await;
    assert!(fourth.has("panel 4 belongs to column 1") && fourth.has("in order: 1 to 2 and 2 to 0."), "{}", fourth.text);
}

#[tokio::test]
async fn every_word_that_is_looked_up_is_in_the_glossary() {
    let site = site(&[]).await;
    let mut reader = site.browser();
    let glossary = reader.get("/learn/glossary").await;
    let mut pages = vec!["/learn".to_owned(), "/about-score".to_owned(), "/learn/glossary".to_owned(), "/".to_owned()];
    pages.extend(TOPICS.iter().map(|topic| format!("/learn/{topic}")));
    pages.extend((1..=6).map(|step| format!("/learn/first-linpack?step={step}")));
    let mut looked_up = 0;
    for path in pages {
        let page = reader.get(&path).await;
        for link in links(&page, "/learn/glossary#") {
            let anchor = link.split('#').nth(1).unwrap();
            assert!(glossary.has(&format!("<div id=\"{anchor}\">")), "{path} looks up {anchor}");
            looked_up += 1;
        }
        for link in links(&page, "/learn") {
            let to = link.split('#').next().unwrap();
            assert_eq!(reader.get(to).await.status, StatusCode::OK, "{path} leads to {to}");
        }
    }
    assert!(looked_up > 20, "{looked_up}");
}

#[tokio::test]
async fn a_stranger_reads_the_lesson_and_comes_back_to_its_place() {
    let site = site(&[]).await;
    let mut reader = site.browser();
    for (step, title) in ["What LINPACK is", "Choose N", "NB and the grid", "Start the run", "Watch it", "Your result"]
        .into_iter()
        .enumerate()
    {
        let page = reader.get(&format!("/learn/first-linpack?step={}", step + 1)).await;
        assert_eq!(page.status, StatusCode::OK, "{}", page.text);
        assert!(page.has(&format!("<h1>{title}</h1>")) && page.has(&format!("step {} of 6", step + 1)), "{title}");
        assert_eq!(page.text.matches("aria-current=\"step\"").count(), 1);
        assert_eq!(page.has("rel=\"prev\""), step > 0);
    }
    let nowhere = reader.get("/learn/first-linpack?step=99").await;
    assert!(nowhere.has("<h1>Your result</h1>"));
    // The numbers go along, into the log-in and back.
    let page = reader.get("/learn/first-linpack?step=4&n=3000&nb=64&p=1&q=2").await;
    assert!(!page.has("action=\"/submit\"") && page.has("3,000"), "{}", page.text);
    let sign_up = links(&page, "/signup?next=").into_iter().next().unwrap();
    let form = reader.get(&sign_up).await;
    let next = form.field("next").replace("&#38;", "&");
    assert_eq!(next, "/learn/first-linpack?step=4&n=3000&nb=64&p=1&q=2");
    let token = form.token();
    let fields = [("csrf", token.as_str()), ("username", "ada"), ("password", PASSWORD), ("next", &next)];
    let codes = reader.post("/signup", &fields).await;
    assert_eq!(codes.status, StatusCode::CREATED);
    assert!(links(&codes, "/learn").contains(&next), "{}", codes.text);
    // Who comes from nowhere, or is sent elsewhere, begins with the lesson.
    let mut other = site.browser();
    let token = other.get("/signup").await.token();
    let fields = [("csrf", token.as_str()), ("username", "bob"), ("password", PASSWORD), ("next", "//evil.example")];
    let codes = other.post("/signup", &fields).await;
    assert!(codes.has("href=\"/learn/first-linpack\"") && !codes.has("evil"), "{}", codes.text);
}

#[tokio::test]
async fn the_lesson_ends_with_an_entry_of_ones_own() {
    let site = site(&[]).await;
    let mut ada = site.browser();
    ada.sign_up("ada").await;
    let before = ada.get("/learn/first-linpack?step=5").await;
    assert!(before.has("You have not started a run yet"), "{}", before.text);
    let page = ada.get("/learn/first-linpack?step=4&n=20000&nb=192&p=2&q=2").await;
    let names = ["csrf", "once", "way", "n", "nb", "p", "q", "title"];
    let values = names.map(|name| {
        page.text.split("<form method=\"post\" action=\"/submit\"").nth(1).and_then(|form| {
            let after = form.split(&format!("name=\"{name}\" value=\"")).nth(1)?;
            Some(after.split('"').next()?.to_owned())
        })
    });
    let mut fields: Vec<(&str, &str)> =
        names.iter().zip(&values).map(|(name, value)| (*name, value.as_deref().expect(name))).collect();
    fields.extend([("visibility", "public"), ("do", "submit"), ("walltime_s", "600")]);
    let made = ada.post("/submit", &fields).await;
    assert_eq!(made.status, StatusCode::SEE_OTHER, "{}", made.text);
    let job = made.location.split('?').next().unwrap().to_owned();
    let waiting = ada.get("/learn/first-linpack?step=5").await;
    assert!(waiting.has(&format!("href=\"{job}\"")) && waiting.has("Waiting for a node"), "{}", waiting.text);
    assert!(waiting.has("no node has joined yet") && ada.get("/learn").await.has("You have done 4 of six steps"));
    site.run_next_job(b"it works\n").await;
    let end = ada.get("/learn/first-linpack?step=6").await;
    for words in [
        "You have solved 20,000 equations on node-one",
        "88.90 Gflop/s",
        "74.1 %",
        "0.0172 is 930 times below the limit of 16",
        "number 1, and so far the only one",
        "<tr class=\"own\">",
        "What to try next",
    ] {
        assert!(end.has(words), "{words}: {}", end.text);
    }
    assert!(ada.get("/learn").await.has("You have done all six steps"));
    // A stranger sees it as an example, and not as their own.
    let stranger = site.browser().get("/learn/first-linpack?step=6").await;
    assert!(stranger.has("this is the latest one, by ada") && !stranger.has("You have solved"), "{}", stranger.text);
    // What was measured is shown where it is explained, and no more.
    let residual = ada.get("/learn/residual").await;
    assert!(residual.has("Residuals of your latest results") && residual.has("0.0172"), "{}", residual.text);
    let peak = site.browser().get("/learn/peak").await;
    assert!(peak.has("120.0 Gflop/s") && peak.has("node-one") && peak.has("74.1 %"), "{}", peak.text);
    let sizes = ada.get("/learn/n?n=20000&nb=192&p=2&q=2").await;
    assert!(sizes.has("about 1 min") && sizes.has("N = 41,280"), "{}", sizes.text);
}

#[tokio::test]
async fn home_shows_the_record_and_what_is_ones_own() {
    let site = site(&[]).await;
    let mut ada = site.browser();
    let empty = ada.get("/").await;
    for words in ["No run has been ranked yet", "Nothing runs at the moment", "No job waits", "Start the lesson"] {
        assert!(empty.has(words), "{words}: {}", empty.text);
    }
    ada.sign_up("ada").await;
    let new = ada.get("/").await;
    assert!(new.has("You have not submitted a run yet") && new.has("Your first LINPACK</a>"), "{}", new.text);
    ada.submit("a first try").await;
    let waiting = ada.get("/").await;
    assert!(waiting.has("One job waits") && waiting.has("a first try") && waiting.has("Waiting for a node"));
    site.run_next_job(b"it works\n").await;
    let after = ada.get("/").await;
    for words in ["by <strong>ada</strong> on node-one", "74.1 % of peak", "and so far the only one"] {
        assert!(after.has(words), "{words}: {}", after.text);
    }
    assert!(after.has("GET /api/v1/leaderboards/hpl?limit=1") && after.has("GET /api/v1/jobs?owner=me"));
    let stranger = site.browser().get("/").await;
    assert!(stranger.has("88.90 Gflop/s") && !stranger.has("Your best"));
}

#[tokio::test]
async fn a_score_is_worked_out_from_the_latest_result_or_from_ones_own_numbers() {
    let site = site(&[]).await;
    let mut ada = site.browser();
    assert!(ada.get("/about-score").await.has("No result has been ranked yet"));
    ada.sign_up("ada").await;
    ada.submit("a first try").await;
    site.run_next_job(b"it works\n").await;
    let page = site.browser().get("/about-score").await;
    // ⅔·20000³ + ³⁄₂·20000², in a minute, on a node of 120 Gflop/s.
    for words in
        ["20,000", "5333.33 Gflop", "0.6 Gflop", "5333.93 Gflop", "60 s", "88.90 Gflop/s", "120.0 Gflop/s", "74.1 %"]
    {
        assert!(page.has(words), "{words}: {}", page.text);
    }
    assert!(page.has("The latest ranked result, worked out") && page.has("GET /api/v1/results/"));
    let own = ada.get("/about-score?n=1000&seconds=0.5").await;
    assert!(own.has("Your numbers, worked out") && own.has("1.336 Gflop/s"), "{}", own.text);
}
