//! The operator's pages: who may see them, and that every form does what it says, once, and is audited.

use axum::http::StatusCode;
use serde_json::json;
use service::db::testing::crowd::{Crowd, fill};
use service::ops::accounts::{By, create_user};
use service::ops::operator::Reach;

use crate::site::{Browser, PASSWORD, Site, site};

/// An administrator who is logged in.
async fn operator<'s>(site: &'s Site, name: &str) -> Browser<'s> {
    let request = serde_json::from_value(json!({"username": name, "password": PASSWORD, "admin": true})).unwrap();
    create_user(&site.app.db, &site.app.passwords, By::console(), request).await.unwrap();
    let reach = Reach { host: "hpl.example".into(), port: 443, pin: None, plain: false };
    site.app.reach.set(reach).unwrap();
    let mut browser = site.browser();
    let token = browser.get("/login").await.token();
    let page = browser.post("/login", &[("csrf", &token), ("username", name), ("password", PASSWORD)]).await;
    assert_eq!(page.status, StatusCode::SEE_OTHER, "{}", page.text);
    browser
}

#[tokio::test]
async fn only_administrators_see_them() {
    let site = site(&[]).await;
    let mut ada = site.browser();
    let pages = ["/operator", "/operator/users", "/operator/audit"];
    for path in pages {
        assert_eq!(ada.get(path).await.status, StatusCode::UNAUTHORIZED, "{path}");
    }
    ada.sign_up("ada").await;
    assert!(!ada.get("/").await.has("href=\"/operator\""));
    let token = ada.get("/account").await.token();
    for path in pages {
        let page = ada.get(path).await;
        assert_eq!(page.status, StatusCode::FORBIDDEN, "{path}");
        assert!(!page.has("join_token"), "{path}");
    }
    for path in ["/operator/join-tokens", "/operator/quotas", "/operator/invites", "/operator/users/ada/disable"] {
        assert_eq!(ada.post(path, &[("csrf", &token)]).await.status, StatusCode::FORBIDDEN, "{path}");
    }
}

#[tokio::test]
async fn a_node_joins_is_drained_and_revoked() {
    let site = site(&[]).await;
    let mut grace = operator(&site, "grace").await;
    assert!(grace.get("/").await.has("href=\"/operator\""));
    let page = grace.get("/operator").await;
    assert!(page.has("No node has joined yet"), "{}", page.text);
    let token = page.token();

    let wrong = [("csrf", token.as_str()), ("nodes", "many"), ("minutes", "0"), ("labels", "gpu")];
    let page = grace.post("/operator/join-tokens", &wrong).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(page.has("id=\"wrong-nodes\"") && page.has("value=\"many\"") && page.has("value=\"gpu\""));
    let fields = [("csrf", token.as_str()), ("nodes", "3"), ("labels", "gpu, room-3"), ("trusted", "yes")];
    let page = grace.post("/operator/join-tokens", &fields).await;
    assert_eq!(page.status, StatusCode::CREATED, "{}", page.text);
    assert!(page.has("hpl-join://hpl_j_") && page.has("@hpl.example:443"), "{}", page.text);
    let page = grace.get("/operator").await;
    assert!(page.has("For 3 nodes more") && page.has("gpu, room-3") && !page.has("hpl_j_"));
    let revoke = page.text.split("action=\"/operator/join-tokens/").nth(1).unwrap().split('"').next().unwrap();
    let page = grace.post(&format!("/operator/join-tokens/{revoke}"), &[("csrf", &token)]).await;
    assert_eq!(page.location, "/operator?said=join_revoked");
    assert!(!grace.get("/operator").await.has("For 3 nodes more"));

    site.join_node().await;
    let page = grace.get("/operator").await;
    assert!(page.has("node-one") && page.has(">Free<") && page.has("Test &#60;CPU&#62;"), "{}", page.text);
    let address =
        page.text.split("action=\"/operator/nodes/").nth(1).unwrap().split("/drain").next().unwrap().to_owned();
    for (what, note, state) in [("drain", "draining", ">Takes no jobs<"), ("undrain", "undrained", ">Free<")] {
        let page = grace.post(&format!("/operator/nodes/{address}/{what}"), &[("csrf", &token)]).await;
        assert_eq!(page.location, format!("/operator?said={note}"));
        assert!(grace.get("/operator").await.has(state), "{what}");
    }
    // Silence is seen.
    site.advance(10 * 60_000);
    assert!(grace.get("/operator").await.has("longer than a lease"));
    let page = grace.post(&format!("/operator/nodes/{address}/revoke"), &[("csrf", &token)]).await;
    assert_eq!(page.location, "/operator?said=revoked");
    assert!(grace.get("/operator").await.has(">Revoked<"));
    let again = grace.post(&format!("/operator/nodes/{address}/drain"), &[("csrf", &token)]).await;
    assert_eq!(again.status, StatusCode::NOT_FOUND);

    let audit = grace.get("/operator/audit").await;
    for action in ["join_token.create", "join_token.revoke", "node.drain", "node.undrain", "node.revoke"] {
        assert!(audit.has(&format!(">{action}</a>")), "{action}");
    }
    let some = grace.get("/operator/audit?action=node.drain").await;
    assert!(some.has(">node.drain</a>") && !some.has(">node.revoke</a>"));
}

#[tokio::test]
async fn quotas_invitations_and_accounts_are_changed() {
    let site = site(&[]).await;
    let mut ada = site.browser();
    ada.sign_up("ada").await;
    let mut grace = operator(&site, "grace").await;
    let token = grace.get("/operator").await.token();
    let csrf = ("csrf", token.as_str());

    for (fields, field) in [
        (&[csrf, ("whose", "user"), ("subject", "nobody"), ("running_max", "2")][..], "subject"),
        (&[csrf, ("whose", "user"), ("subject", "ada"), ("running_max", "x")], "running_max"),
        (&[csrf, ("whose", "user"), ("subject", "ada")], "running_max"),
        (&[csrf, ("whose", "user"), ("subject", "ada"), ("walltime_max_s", "0")], "walltime_max_s"),
    ] {
        let page = grace.post("/operator/quotas", fields).await;
        assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY, "{fields:?}");
        assert!(page.has(&format!("id=\"wrong-{field}\"")), "{fields:?}");
    }
    let set = [csrf, ("whose", "user"), ("subject", "ada"), ("running_max", "4")];
    assert_eq!(grace.post("/operator/quotas", &set).await.location, "/operator?said=quota");
    assert!(grace.get("/operator").await.has("user:ada"));
    assert!(ada.get("/account").await.has("<dt>Runs at the same time</dt><dd>0 of 4 now</dd>"));
    let clear = [csrf, ("subject", "user:ada")];
    assert_eq!(grace.post("/operator/quotas/clear", &clear).await.location, "/operator?said=quota");
    assert!(!grace.get("/operator").await.has("user:ada"));

    let page = grace.post("/operator/invites", &[csrf, ("uses", "30"), ("days", "2"), ("cohort", "course-1")]).await;
    assert_eq!(page.status, StatusCode::CREATED);
    assert!(page.has("hpl_i_"), "{}", page.text);
    let page = grace.get("/operator").await;
    assert!(page.has("For 30 accounts more") && page.has("cohort course-1") && !page.has("hpl_i_"));
    let revoke = page.text.split("action=\"/operator/invites/").nth(1).unwrap().split('"').next().unwrap();
    let page = grace.post(&format!("/operator/invites/{revoke}"), &[csrf]).await;
    assert_eq!(page.location, "/operator?said=invite_revoked");
    assert!(grace.get("/operator").await.has("No invitation is open."));

    assert!(grace.get("/operator/users").await.has("this is you"));
    assert_eq!(grace.post("/operator/users/ada/disable", &[csrf]).await.location, "/operator/users?said=disabled");
    assert!(grace.get("/operator/users").await.has(">Disabled<"));
    assert_eq!(ada.get("/account").await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(grace.post("/operator/users/ada/enable", &[csrf]).await.location, "/operator/users?said=enabled");
    assert_eq!(grace.post("/operator/users/grace/disable", &[csrf]).await.status, StatusCode::CONFLICT);
}

#[tokio::test]
async fn of_many_nodes_those_that_need_somebody_stand_first() {
    let site = site(&[]).await;
    fill(&site.app.db, Crowd { jobs: 0, users: 1, nodes: 30 }, |_| ()).await.unwrap();
    let shape =
        "UPDATE nodes SET seen_at = iif(key % 3 = 0, 0, ?1), unhealthy = iif(key % 3 = 1, '[\"its fan\"]', '[]')";
    let now = site.app.clock.now();
    let changed = site.app.db.write(move |tx| {
        Box::pin(async move { sqlx::query(shape).bind(now).execute(&mut tx.conn).await.map_err(service::db::explain) })
    });
    changed.await.unwrap();
    let mut grace = operator(&site, "grace").await;
    let (first, last) = (grace.get("/operator").await, grace.get("/operator?offset=20").await);
    let rows = |text: &str| text.matches("data-label=\"Daemon\"").count();
    assert_eq!([rows(&first.text), rows(&last.text)], [20, 10]);
    assert!(first.has("30 nodes: 10 not heard of, 10 not well. They stand first."), "{}", first.text);
    assert!(first.has("href=\"/operator?offset=20\" rel=\"next\"") && last.has("Back to the beginning"));
    let states: Vec<&str> =
        first.text.split("data-label=\"State\">").skip(1).map(|row| row.split("</span>").next().unwrap()).collect();
    let of = |word: &str| states.iter().filter(|state| state.ends_with(word)).count();
    assert!(states[9].ends_with("Not heard of") && states[19].ends_with("Not well"), "{states:?}");
    assert_eq!((of("Not heard of"), of("Not well"), of("Free")), (10, 10, 0));
    assert_eq!(last.text.matches("Free</span>").count(), 10, "{}", last.text);
    assert_eq!(rows(&grace.get("/operator?offset=x").await.text), 20);
}
