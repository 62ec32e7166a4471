//! Leaderboards: the ranking, parts of it, as it stood on a day, and how the record grew.

use axum::http::StatusCode;

use crate::site::site;

/// A day, in milliseconds.
const DAY: i64 = 86_400_000;

#[tokio::test]
async fn a_ranking_can_be_looked_at_as_it_stood() {
    let site = site(&[]).await;
    let mut ada = site.browser();
    ada.sign_up("ada").await;
    let empty = ada.get("/leaderboard/hpl").await;
    assert!(empty.has("Nobody is in this leaderboard.") && empty.has("You have no result in this leaderboard yet."));
    assert!(!empty.has("History of the record"));
    ada.submit("the first").await;
    site.run_next_job(b"log").await;
    site.advance(2 * DAY);
    let mut bob = site.browser();
    bob.sign_up("bob").await;
    bob.submit("the second").await;
    site.run_next_job(b"log").await;

    let now = bob.get("/leaderboard/hpl").await;
    let row = "<th scope=\"row\" role=\"rowheader\">ada</th>";
    assert!(now.has("2 people are in this leaderboard") && now.has(row), "{}", now.text);
    assert!(now.has("You are number 1 of 2"), "equals share a rank: {}", now.text);
    // The same score again is no new record.
    let history = now.text.split_once("History of the record").unwrap().1.split("</table>").next().unwrap();
    assert!(history.contains(">ada</th>") && !history.contains(">bob</th>"), "{history}");
    for (query, people) in [
        ("on=2026-11-01", "1 person is"),
        ("on=2026-10-31", "Nobody is"),
        ("on=2026-11-03", "2 people are"),
        ("measure=percent", "2 people are"),
        ("cores=4", "2 people are"),
        ("cores=8", "Nobody is"),
        ("kind=Test%20%3CCPU%3E&on=2026-11-01", "1 person is"),
        ("verified=yes", "Nobody is"),
    ] {
        let page = bob.get(&format!("/leaderboard/hpl?{query}")).await;
        assert_eq!(page.status, StatusCode::OK, "{query}");
        assert!(page.has(&format!("{people} in this leaderboard")), "{query}: {}", page.text);
    }
    for (query, field) in [("on=yesterday", "on"), ("cores=many", "cores"), ("measure=weight", "measure")] {
        let page = bob.get(&format!("/leaderboard/hpl?{query}")).await;
        assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY, "{query}");
        assert!(page.has(&format!("href=\"#f-{field}\"")), "{query}: {}", page.text);
    }
    // A cohort is for its own people.
    assert_eq!(bob.get("/leaderboard/hpl?cohort=course-1").await.status, StatusCode::FORBIDDEN);
    let twin = format!("/api/v1/leaderboards/hpl?at={}", 1_793_491_200_000_i64 + DAY);
    let text = site.browser().get(&twin).await.text;
    assert!(text.contains("\"entries\":1") && text.contains("\"ada\"") && !text.contains("\"bob\""), "{text}");
}

#[tokio::test]
async fn a_ranking_per_watt_teaches_what_it_takes_and_then_ranks() {
    let site = site(&[]).await;
    let mut ada = site.browser();
    ada.sign_up("ada").await;
    ada.submit("without counters").await;
    site.run_next_job(b"log").await;
    let path = "/leaderboard/hpl?measure=per_watt";
    let empty = ada.get(path).await;
    for words in ["Nobody is in this leaderboard", "What it takes to be here", "hpl-node doctor", "/sys/class/powercap"]
    {
        assert!(empty.has(words), "{words}: {}", empty.text);
    }
    assert!(!ada.get("/leaderboard/hpl").await.has("Per watt"), "no column of nothing");
    let boards = ada.get("/leaderboard").await;
    assert!(boards.has("Gflop/s per watt</a> (nobody yet)") && boards.has("score</a> (1 person)"), "{}", boards.text);

    for (name, joules) in [("bob", 6600.0), ("cleo", 3300.0)] {
        let mut browser = site.browser();
        browser.sign_up(name).await;
        browser.submit(name).await;
        site.run_next_job_with(b"log", Some(joules)).await;
        site.advance(DAY);
    }
    let page = ada.get(path).await;
    assert!(page.has("2 people are in this leaderboard") && !page.has("What it takes to be here"), "{}", page.text);
    assert!(page.has("does not compare with the Green500") && page.has("href=\"/about-score#per-watt\""));
    assert!(page.has("<option value=\"per_watt\" selected>Gflop/s per watt</option>"), "{}", page.text);
    // 88.90 Gflop/s on 100 W, and on 50 W.
    let (bob, cleo) = ("data-label=\"Per watt\">0.8890 Gflop/s<", "data-label=\"Per watt\">1.778 Gflop/s<");
    assert!(page.has(bob) && page.has(cleo), "{}", page.text);
    let history = page.text.split_once("History of the record").unwrap().1;
    assert!(history.contains("data-label=\"Per watt\"") && history.contains("+100.0 %"), "{history}");
    assert!(history.contains("<svg") && history.contains(">Gflop/s per watt<"), "{history}");
    // By score there is the column, too, and who has no figure says so.
    let by_score = ada.get("/leaderboard/hpl").await;
    assert!(by_score.has("data-label=\"Per watt\">not known") && by_score.has(cleo), "{}", by_score.text);
    assert!(ada.get("/leaderboard").await.has("Gflop/s per watt</a> (2 people)"));

    let id = page.text.split_once("/results/").unwrap().1.split('"').next().unwrap().to_owned();
    let result = ada.get(&format!("/results/{id}")).await;
    assert!(result.has("Score per watt") && result.has("1.778 Gflop/s per watt: the score over the mean power"));
    let about = ada.get("/about-score").await;
    assert!(about.has("id=\"per-watt\"") && about.has("The result worked out above: 1.778 Gflop/s per watt."));
}
