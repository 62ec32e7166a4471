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
