//! Lists of jobs: filters, and pages while jobs are added.

use serde_json::{Value, json};

use crate::house::{House, MACHINE, Person, SECOND, long, with};

async fn ids(house: &House, who: &Person, query: &str) -> Vec<String> {
    let page = House::done(house.get(who, &format!("/jobs?{query}")).await);
    page["jobs"].as_array().unwrap().iter().map(|job| job["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn filters() {
    let house = House::new(&["--queued-max", "50"]).await;
    let (ada, bob) = (house.person("ada").await, house.person("bob").await);
    let mut node = house.node("one", MACHINE).await;
    let failed = house.submit(&ada, long()).await;
    node.claim(&house).await.unwrap().run(&house, SECOND).await;
    let private = house.submit(&ada, with(long(), json!({"visibility": "private"}))).await;
    let draft = house.submit(&ada, with(long(), json!({"draft": true}))).await;
    let queued = house.submit(&ada, long()).await;
    let others = house.submit(&bob, long()).await;
    let secret = house.submit(&bob, with(long(), json!({"visibility": "private"}))).await;

    let list = |ids: &[&String]| ids.iter().map(ToString::to_string).collect::<Vec<String>>();
    for (who, query, expected) in [
        (&ada, "owner=me", list(&[&queued, &draft, &private, &failed])),
        (&ada, "owner=ada", list(&[&queued, &draft, &private, &failed])),
        (&ada, "owner=bob", list(&[&others])),
        (&bob, "owner=ada", list(&[&queued, &draft, &failed])),
        (&house.nobody, "", list(&[&others, &queued, &draft, &failed])),
        (&house.root, "", list(&[&secret, &others, &queued, &draft, &private, &failed])),
        (&house.root, "owner=bob", list(&[&secret, &others])),
        (&house.nobody, "state=queued", list(&[&others, &queued])),
        (&ada, "state=queued&owner=me", list(&[&queued, &private])),
        (&ada, "state=draft&owner=me", list(&[&draft])),
        (&house.nobody, "state=failed", list(&[&failed])),
        (&house.nobody, "state=running", vec![]),
        (&house.nobody, "benchmark=hpl&state=queued", list(&[&others, &queued])),
        (&ada, "benchmark=hpl&owner=ada", list(&[&queued, &draft, &private, &failed])),
        (&house.nobody, "benchmark=stream", vec![]),
        (&house.nobody, "limit=1", list(&[&others])),
        (&house.nobody, &format!("before={queued}"), list(&[&draft, &failed])),
        (&house.nobody, &format!("before={others}&limit=2"), list(&[&queued, &draft])),
        (&ada, &format!("before={queued}&owner=me&state=queued"), list(&[&private])),
        (&ada, "sweep=0190f5fe-7c00-7a3b-8b1e-0123456789ab", vec![]),
    ] {
        assert_eq!(ids(&house, who, query).await, expected, "{} {query}", who.name);
    }
    for (who, query, verdict) in [
        (&house.nobody, "owner=me", (401, "unauthenticated")),
        (&ada, "owner=nobody", (404, "not_found")),
        (&ada, "limit=0", (422, "invalid")),
        (&ada, "limit=101", (422, "invalid")),
        (&ada, "limit=-1", (400, "bad_request")),
        (&ada, "state=sleeping", (400, "bad_request")),
        (&ada, "before=1", (400, "bad_request")),
        (&ada, "sweep=1", (400, "bad_request")),
        (&ada, "color=red", (400, "bad_request")),
    ] {
        assert_eq!(house.get(who, &format!("/jobs?{query}")).await.verdict(), verdict, "{query}");
    }
}

#[tokio::test]
async fn pages_have_no_gap_and_no_repetition_while_jobs_are_added() {
    let house = House::new(&["--queued-max", "200"]).await;
    let (ada, bob) = (house.person("ada").await, house.person("bob").await);
    let mut there = vec![];
    for i in 0..23 {
        let (who, visibility) = if i % 3 == 0 { (&bob, "public") } else { (&ada, "private") };
        there.push((who.name.clone(), house.submit(who, with(long(), json!({"visibility": visibility}))).await));
    }
    there.reverse();
    for (who, query) in [(&ada, "owner=me"), (&ada, "owner=bob"), (&house.root, ""), (&bob, "state=queued&owner=me")] {
        let owner = if query.ends_with("bob") { "bob" } else { who.name.as_str() };
        let expected: Vec<String> =
            there.iter().filter(|(name, _)| owner == "root" || name == owner).map(|(_, id)| id.clone()).collect();
        let (mut read, mut next, mut added) = (vec![], Value::Null, vec![]);
        loop {
            let before = next.as_str().map_or(String::new(), |id| format!("&before={id}"));
            let page = House::done(house.get(who, &format!("/jobs?limit=4&{query}{before}")).await);
            let jobs = page["jobs"].as_array().unwrap();
            read.extend(jobs.iter().map(|job| job["id"].as_str().unwrap().to_owned()));
            next = page["next"].clone();
            if next.is_null() {
                break;
            }
            assert_eq!((jobs.len(), jobs.last().map(|job| &job["id"])), (4, Some(&next)));
            for person in [&ada, &bob] {
                added.push(house.submit(person, long()).await);
            }
        }
        assert_eq!(read, expected, "{} {query}", who.name);
        for id in added {
            let who = if house.job(&ada, &id).await["owner"] == "ada" { &ada } else { &bob };
            House::done(house.post(who, &format!("/jobs/{id}/cancel"), Value::Null).await);
            House::done(house.ask(who, "DELETE", &format!("/jobs/{id}"), &[], Value::Null).await);
        }
    }
}

#[tokio::test]
async fn a_page_that_ends_with_the_list_has_no_next_one() {
    let house = House::new(&[]).await;
    let ada = house.person("ada").await;
    for _ in 0..4 {
        house.submit(&ada, long()).await;
    }
    let page = House::done(house.get(&ada, "/jobs?limit=4").await);
    assert_eq!((page["jobs"].as_array().unwrap().len(), &page["next"]), (4, &Value::Null));
    let page = House::done(house.get(&ada, "/jobs?limit=3").await);
    let rest = format!("/jobs?limit=3&before={}", page["next"].as_str().unwrap());
    let page = House::done(house.get(&ada, &rest).await);
    assert_eq!((page["jobs"].as_array().unwrap().len(), &page["next"]), (1, &Value::Null));
}
