//! Sweeps as pages: lists with their cost before the click, then what the sweep has found, what it stopped and why.

use axum::http::StatusCode;
use serde_json::json;

use crate::site::site;

#[tokio::test]
async fn lists_become_points_whose_cost_is_seen_first() {
    let site = site(&[]).await;
    site.join_node().await;
    let mut ada = site.browser();
    ada.sign_up("ada").await;
    let form = ada.get("/sweeps/new").await;
    assert!(
        form.has("<h1>New sweep</h1>") && form.has("name=\"stop_hopeless\" value=\"true\" checked"),
        "{}",
        form.text
    );
    let (token, once) = (form.token(), form.field("once"));
    let with = |more: &[(&'static str, &'static str)]| {
        let mut fields = vec![("csrf", token.clone()), ("once", once.clone()), ("seen", "yes".into())];
        fields.extend(more.iter().map(|(name, value)| (*name, (*value).to_owned())));
        fields
    };
    async fn send(ada: &mut crate::site::Browser<'_>, fields: &[(&str, String)]) -> crate::site::Page {
        let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        ada.post("/sweeps/new", &fields).await
    }
    // Wrong lists are said at their field, and nothing that was typed is lost.
    let wrong =
        with(&[("n", "many"), ("nb", "1..9"), ("grid", "4"), ("repeats", "3"), ("do", "check"), ("title", "mine")]);
    let page = send(&mut ada, &wrong).await;
    assert_eq!(page.status, StatusCode::OK, "to check is to ask what is wrong");
    for kept in ["value=\"many\"", "value=\"1..9\"", "value=\"4\"", "<option value=\"3\" selected>", "value=\"mine\""] {
        assert!(page.has(kept), "{kept} is lost: {}", page.text);
    }
    for field in ["n", "nb", "grid"] {
        assert!(page.has(&format!("id=\"wrong-{field}\"")), "{field}: {}", page.text);
    }
    assert!(!page.has("name=\"stop_hopeless\" value=\"true\" checked"), "it was not ticked");
    // What does not fit is named, point by point.
    let page = send(&mut ada, &with(&[("n", "8000 60000"), ("nb", "128 256"), ("do", "check")])).await;
    assert!(page.has("N=60000 NB=128 1x1 needs") && page.has("N=60000 NB=256 1x1 needs"), "{}", page.text);
    assert!(!page.has("N=8000 NB=128 1x1 needs"));

    let lists = [("n", "4000..12000 step 4000"), ("nb", "128 192"), ("grid", "1x1 2x2"), ("repeats", "2")];
    let page =
        send(&mut ada, &with(&[&lists[..], &[("bcast", "ring"), ("bcast", "long"), ("do", "check")]].concat())).await;
    for part in
        ["24 points", "48 runs", "<dt>Node hours</dt>", "N=12000 NB=192 2x2", "Predicted time of the longest run"]
    {
        assert!(page.has(part), "{part}: {}", page.text);
    }
    assert!(ada.get("/jobs").await.has("There is no job yet"), "to check costs nothing");

    let submit = with(&[&lists[..], &[("stop_hopeless", "true"), ("do", "submit")]].concat());
    let (made, again) = (send(&mut ada, &submit).await, send(&mut ada, &submit).await);
    assert!(made.status == StatusCode::SEE_OTHER && made.location.starts_with("/sweeps/"), "{}", made.text);
    assert_eq!(made.location, again.location, "pressed twice is pressed once");
    let path = made.location.split('?').next().unwrap().to_owned();
    let page = ada.get(&path).await;
    for part in ["12 points, 24 runs", "Start these 24 runs", "random order", "2 of each point", "are stopped early"] {
        assert!(page.has(part), "{part}: {}", page.text);
    }
    assert!(!page.has("http-equiv=\"refresh\""), "drafts stand still");
    // The table is in the order of N, though the runs are not.
    let places: Vec<usize> =
        ["4000", "8000", "12000"].map(|n| page.text.find(&format!("<th scope=\"row\">{n}</th>")).unwrap()).to_vec();
    assert!(places.is_sorted(), "{places:?}");
    ada.post(&format!("{path}/submit"), &[("csrf", &page.token())]).await;
    let page = ada.get(&path).await;
    assert!(
        page.has("http-equiv=\"refresh\"") && !ada.get(&format!("{path}?still=1")).await.has("http-equiv=\"refresh\"")
    );
    // A stranger looks, and has no button.
    let seen = site.browser().get(&path).await;
    assert!(seen.has("12 points") && !seen.has("Cancel all runs") && !seen.has("<button>Start"));
    let ended = ada.post(&format!("{path}/cancel"), &[("csrf", &page.token())]).await;
    assert_eq!(ended.status, StatusCode::SEE_OTHER);
    let page = ada.get(&ended.location).await;
    assert!(page.has("24 of 24</strong> runs have ended") && !page.has("Cancel all runs"), "{}", page.text);
}

#[tokio::test]
async fn a_sweep_tells_its_best_and_what_was_stopped() {
    let site = site(&[]).await;
    let mut ada = site.browser();
    ada.sign_up("ada").await;
    let form = ada.get("/sweeps/new?n=20000&nb=192&p=2&q=2").await;
    assert!(form.has("name=\"grid\" value=\"2x2\""), "{}", form.text);
    let (token, once) = (form.token(), form.field("once"));
    let fields = [
        ("csrf", token.as_str()),
        ("once", &once),
        ("n", "20000"),
        ("nb", "192"),
        ("grid", "2x2"),
        ("repeats", "3"),
        ("stop_hopeless", "true"),
        ("walltime_s", "600"),
        ("do", "submit"),
    ];
    let made = ada.post("/sweeps/new", &fields).await;
    let path = made.location.split('?').next().unwrap().to_owned();
    let csrf = ada.get(&path).await.token();
    ada.post(&format!("{path}/submit"), &[("csrf", &csrf)]).await;
    site.run_next_job(b"the first").await;
    let page = ada.get(&path).await;
    assert!(page.has("Best so far") && page.has("88.9") && page.has("The median of 1 run"), "{}", page.text);
    let take = "/submit?align=8&#38;bcast=ring_m&#38;depth=1";
    assert!(page.has(take) && page.has("Take these parameters"), "{}", page.text);

    // The second one is slow, and is stopped; the page and that of the job say why, with the numbers.
    let token = site.join_node().await;
    let claim = json!({ "boot_id": "b", "memory_available": 15u64 << 30, "free_disk": 1u64 << 40, "seq": 1 });
    let got = site.agent("POST", "claim?wait=0", &token, claim.to_string()).await;
    let root = format!("attempts/{}", got["attempt"].as_str().unwrap());
    let (token, fence) = (got["token"].as_str().unwrap(), &got["fence"]);
    let slow = json!({ "kind": "progress", "fraction": 0.4, "seconds": 30.0, "score": 70.0, "score_now": 60.0 });
    let events = [json!({ "kind": "preparing" }), json!({ "kind": "started" }), slow];
    let events: Vec<_> =
        (1..).zip(events).map(|(seq, event)| json!({ "seq": seq, "at_ms": seq, "event": event })).collect();
    site.agent("POST", &format!("{root}/events"), token, json!({ "fence": fence, "events": events }).to_string()).await;
    let finish = json!({ "fence": fence, "events": 3, "outcome": { "outcome": "cancelled" }, "evidence": null });
    site.agent("POST", &format!("{root}/finish"), token, finish.to_string()).await;
    let page = ada.get(&path).await;
    assert!(page.has("Stopped early") && page.has("at 40 % it made 70.00 of the best 88.90 Gflop/s"), "{}", page.text);
    let job = ada.get(&format!("/jobs/{}", got["job"].as_str().unwrap())).await;
    assert!(
        job.has("The sweep (at 40 % of its work it made 70 of the best 88.8989 Gflop/s) cancelled it."),
        "{}",
        job.text
    );
}
