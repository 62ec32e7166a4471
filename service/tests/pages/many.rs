//! Pages of much: many nodes, a long queue. What is shown is a part, and the rest is a link away.

use axum::body::Body;
use axum::http::{Request, StatusCode};
use service::db::testing::crowd::{Crowd, fill};

use super::site::site;

#[tokio::test]
async fn of_many_nodes_a_page_is_shown_and_any_can_be_chosen() {
    let site = site(&[]).await;
    fill(&site.app.db, Crowd { jobs: 0, users: 1, nodes: 130 }, |_| ()).await.unwrap();
    let mut browser = site.browser();
    let rows = |text: &str| text.matches(">Run on it<").count();
    let (first, last) = (browser.get("/nodes").await, browser.get("/nodes?offset=125").await);
    assert_eq!([rows(&first.text), rows(&last.text)], [20, 5]);
    assert!(first.has("href=\"/nodes?offset=20\" rel=\"next\"") && !first.has("Back to the beginning"));
    assert!(last.has("<a href=\"/nodes\">Back to the beginning</a>") && !last.has("rel=\"next\""));
    assert!(browser.get("/nodes?offset=x").await.has("crowd-node-"), "what is no number is none");
    assert_eq!(rows(&browser.get("/nodes?offset=4000000000").await.text), 0);

    // One of the last page, which the form does not offer by itself.
    let far = last.text.split("preset=first&#38;node=").nth(1).unwrap().split('"').next().unwrap();
    let offered = |text: &str| text.matches("data-cores=").count();
    let form = browser.get("/submit").await;
    assert!(form.has("those heard of last are offered") && !form.has(far));
    assert_eq!(offered(&form.text), 50);
    let form = browser.get(&format!("/submit?preset=first&node={far}")).await;
    let option = form.text.split(&format!("<option value=\"{far}\"")).nth(1).expect("it is offered");
    assert!(option.split('>').next().unwrap().contains("selected"));
    assert_eq!(offered(&form.text), 51);

    // The lessons speak of the largest and the fastest of all.
    let peaks = browser.get("/learn/peak").await;
    assert_eq!(peaks.text.matches("<td>5,120 Gflop/s</td>").count(), 12, "{}", peaks.text);
    let grid = browser.get("/learn/grid?n=20000&nb=192&p=12&q=12").await;
    assert!(grid.has("144 ranks are more than the 128 cores of the largest node"), "{}", grid.text);

    let part = |query: &str| Request::get(format!("/api/v1/nodes{query}")).body(Body::empty()).unwrap();
    let (_, all) = site.call(part("")).await;
    let (_, some) = site.call(part("?limit=2&offset=129")).await;
    assert_eq!((all.as_array().unwrap().len(), some.as_array().unwrap()), (130, &vec![all[129].clone()]));
    for wrong in ["?limit=0", "?limit=1001", "?offset=-1", "?page=2"] {
        let (status, said) = site.call(part(wrong)).await;
        assert!(status == StatusCode::UNPROCESSABLE_ENTITY || status == StatusCode::BAD_REQUEST, "{wrong}: {said}");
    }
}

#[tokio::test]
async fn of_a_long_queue_the_first_are_shown() {
    let site = site(&["--queued-max", "60"]).await;
    let mut ada = site.browser();
    ada.sign_up("ada").await;
    for _ in 0..53 {
        ada.submit("one of many").await;
    }
    let rows = |text: &str| text.matches("one of many</a>").count();
    let (part, all) = (ada.get("/queue").await, ada.get("/queue?all=1").await);
    // Her own are there twice: among hers, and among all.
    assert_eq!([rows(&part.text), rows(&all.text)], [40, 106], "{}", part.text);
    assert!(part.has("<a href=\"/queue?all=1\">Show all: 66 rows more</a>") && !all.has("Show all"));
    assert!(part.has("url=/queue\"") && all.has("url=/queue?all=1\""), "each renews itself as it is");
}
