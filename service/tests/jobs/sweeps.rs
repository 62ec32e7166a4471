//! A sweep from a pasted HPL.dat: the cost first, then one run at a time, in a random order.

use serde_json::{Value, json};

use crate::house::{House, MACHINE, Person, SECOND, long, with};

/// What somebody might paste: with a file name, a device and a threshold of their own.
const PASTED: &str = "\
HPLinpack benchmark input file
whatever they call it
/etc/passwd  output file name (if any)
7            device out (6=stdout,7=stderr,file)
2            # of problems sizes (N)
2000 3000    Ns
2            # of NBs
128 192      NBs
0            PMAP process mapping (0=Row-,1=Column-major)
2            # of process grids (P x Q)
1 2          Ps
2 1          Qs
-1.0         threshold
1            # of panel fact
2            PFACTs (0=left, 1=Crout, 2=Right)
1            # of recursive stopping criterium
4            NBMINs (>= 1)
1            # of panels in recursion
2            NDIVs
1            # of recursive panel fact.
1            RFACTs (0=left, 1=Crout, 2=Right)
1            # of broadcast
0            BCASTs (0=1rg,1=1rM,2=2rg,3=2rM,4=Lng,5=LnM)
2            # of lookahead depth
0 1          DEPTHs (>=0)
2            SWAP (0=bin-exch,1=long,2=mix)
64           swapping threshold
0            L1 in (0=transposed,1=no-transposed) form
0            U  in (0=transposed,1=no-transposed) form
1            Equilibration (0=no,1=yes)
8            memory alignment in double (> 0)
";

/// P, Q, N, NB and DEPTH of its runs in netlib's order: the last changes fastest.
fn order() -> Vec<[u64; 5]> {
    let mut runs = vec![];
    for (p, q) in [(1, 2), (2, 1)] {
        for n in [2000, 3000] {
            for nb in [128, 192] {
                runs.extend([0, 1].map(|depth| [p, q, n, nb, depth]));
            }
        }
    }
    runs
}

fn numbers(parameters: &Value) -> [u64; 5] {
    ["p", "q", "n", "nb", "depth"].map(|name| parameters[name].as_u64().unwrap())
}

fn pasted(input: &str) -> Value {
    json!({"benchmark": "hpl", "input": input, "walltime_s": 300})
}

async fn states(house: &House, who: &Person, sweep: &str) -> Vec<String> {
    let page = House::done(house.get(who, &format!("/jobs?sweep={sweep}&limit=100")).await);
    let mut states: Vec<String> =
        page["jobs"].as_array().unwrap().iter().map(|job| job["state"].as_str().unwrap().to_owned()).collect();
    states.reverse();
    states
}

#[tokio::test]
async fn the_cost_comes_first_and_the_runs_one_by_one() {
    let house = House::new(&["--running-max", "4", "--queued-max", "2"]).await;
    let ada = house.person("ada").await;
    let (mut node, mut other) = (house.node("one", MACHINE).await, house.node("two", MACHINE).await);
    let said = House::done(house.post(&ada, "/estimate", pasted(PASTED)).await);
    let runs: Vec<_> = said["runs"].as_array().unwrap().iter().map(|run| numbers(&run["parameters"])).collect();
    assert_eq!((&said["ok"], runs), (&json!(true), order()));
    // 16 runs at 96 Gflop/s: 80 % of the peak.
    let seconds: f64 = order().iter().map(|[_, _, n, ..]| *n as f64).map(|n| n * n * (n / 1.5 + 1.5) / 96e9).sum();
    assert!((said["cost"]["seconds"].as_f64().unwrap() / seconds - 1.0).abs() < 1e-9, "{}", said["cost"]);
    assert_eq!((&said["cost"]["runs"], &said["cost"]["walltime_s"]), (&json!(16), &json!(16 * 300)));

    let made = House::done(house.post(&ada, "/jobs", pasted(PASTED)).await);
    assert_eq!(made["cost"], said["cost"]);
    let sweep = made["sweep"].as_str().unwrap().to_owned();
    let jobs: Vec<&str> = made["jobs"].as_array().unwrap().iter().map(|job| job["id"].as_str().unwrap()).collect();
    assert_eq!(states(&house, &ada, &sweep).await, vec!["draft"; 16]);
    assert_eq!(node.gets(&house).await, "", "nothing runs before it is asked for");
    let one = house.post(&ada, &format!("/jobs/{}/submit", jobs[3]), Value::Null).await;
    assert_eq!((one.verdict(), &one.body["sweep"]), ((409, "conflict"), &json!(sweep)));
    let submitted = House::done(house.post(&ada, &format!("/sweeps/{sweep}/submit"), Value::Null).await);
    assert_eq!(submitted, json!({"jobs": 16}));
    // Sixteen jobs wait, and take one place of two.
    assert_eq!(states(&house, &ada, &sweep).await, [vec!["queued"], vec!["held"; 15]].concat());
    assert_eq!(house.job(&ada, jobs[1]).await["waits"]["code"], "sweep_turn");
    let quota = House::done(house.post(&ada, "/estimate", long()).await);
    assert_eq!(quota["quota"]["queued"], 1);

    // What comes first, the answer tells; which it is, the dice.
    let drawn: Vec<_> = made["jobs"].as_array().unwrap().iter().map(|job| numbers(&job["parameters"])).collect();
    let (mut sorted, mut all) = (drawn.clone(), order());
    sorted.sort_unstable();
    all.sort_unstable();
    assert!(sorted == all && drawn != order(), "{drawn:?}");
    for (at, job) in jobs.iter().enumerate() {
        let held = node.claim(&house).await.unwrap();
        assert_eq!((held.job.as_str(), numbers(&held.given["parameters"])), (*job, drawn[at]));
        assert_eq!(other.gets(&house).await, "", "one at a time");
        let input = held.given["inputs"][0]["text"].as_str().unwrap();
        let lines: Vec<&str> = input.lines().collect();
        let firsts = [2, 3, 12].map(|line: usize| lines[line].split_whitespace().next().unwrap());
        assert_eq!(firsts, ["HPL.out", "8", "16.0"], "file, device and threshold are ours");
        assert!(!input.contains("passwd") && !input.contains("whatever"), "{input}");
        held.run(&house, SECOND).await;
    }
    assert_eq!(states(&house, &ada, &sweep).await, vec!["failed"; 16], "one that fails does not stop the others");
    house.world.check("swept").await;
}

#[tokio::test]
async fn however_a_run_ends_the_next_one_has_its_turn() {
    let house = House::new(&["--running-max", "4"]).await;
    let (ada, bob) = (house.person("ada").await, house.person("bob").await);
    let mut node = house.node("one", MACHINE).await;
    let made = House::done(house.post(&ada, "/jobs", pasted(PASTED)).await);
    let sweep = made["sweep"].as_str().unwrap().to_owned();
    let job = |at: usize| made["jobs"][at]["id"].as_str().unwrap().to_owned();
    let submit = format!("/sweeps/{sweep}/submit");
    assert_eq!(house.post(&bob, &submit, Value::Null).await.verdict(), (404, "not_found"), "it is ada's");
    House::done(house.post(&ada, &submit, Value::Null).await);
    assert_eq!(house.post(&ada, &submit, Value::Null).await.verdict(), (404, "not_found"), "no drafts are left");
    // Cancelled while it is queued; while it is held; and while it runs.
    for at in [0, 2] {
        House::done(house.post(&ada, &format!("/jobs/{}/cancel", job(at)), Value::Null).await);
    }
    assert_eq!(states(&house, &ada, &sweep).await[..4], ["cancelled", "queued", "cancelled", "held"]);
    let held = node.claim(&house).await.unwrap();
    held.start(&house).await;
    House::done(house.post(&ada, &format!("/jobs/{}/cancel", job(1)), Value::Null).await);
    assert_eq!(states(&house, &ada, &sweep).await[3], "held", "the node has not confirmed");
    held.fail(&house, 2, "benchmark").await;
    assert_eq!(states(&house, &ada, &sweep).await[1..4], ["cancelled", "cancelled", "queued"]);
    // Tried again: still its turn.
    let held = node.claim(&house).await.unwrap();
    held.start(&house).await;
    held.fail(&house, 2, "infra").await;
    assert_eq!(states(&house, &ada, &sweep).await[3..5], ["queued", "held"]);
    house.world.check("turns").await;
}

#[tokio::test]
async fn what_is_wrong_in_a_pasted_file_is_said_by_line() {
    let house = House::new(&[]).await;
    let ada = house.person("ada").await;
    let many = "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20";
    for (input, field) in [
        (PASTED.replace("2000 3000 ", "2000 1e3  "), "input.line 6"),
        (PASTED.replace("2000 3000 ", "2000 -3   "), "input.line 6"),
        (PASTED.replace("128 192 ", "128 0   "), "input.line 8"),
        (PASTED.replace("2            # of NBs", "21           # of NBs"), "input.line 7"),
        (PASTED.replace("1 2          Ps", "1 4097       Ps"), "input.line 12"),
        (PASTED.lines().take(20).collect::<Vec<_>>().join("\n"), "input.line 21"),
        (String::new(), "input.line 1"),
        // 20 * 20 * 2 * 2 runs are more than a sweep may have.
        (
            PASTED
                .replace("2            # of problems", "20           # of problems")
                .replace("2000 3000 ", &format!("{many} "))
                .replace("2            # of NBs", "20           # of NBs")
                .replace("128 192 ", &format!("{many} ")),
            "input",
        ),
        ("x".repeat(65 << 10), "input"),
    ] {
        let refused = house.post(&ada, "/jobs", pasted(&input)).await;
        assert_eq!((refused.verdict(), refused.fields()), ((422, "invalid"), vec![field]), "{}", refused.body);
        let said = House::done(house.post(&ada, "/estimate", pasted(&input)).await);
        assert_eq!(said["errors"], refused.body["errors"]);
    }
    assert_eq!(house.get(&ada, "/jobs").await.body["jobs"], json!([]), "nothing is left of them");
    // Even where nothing is wrong, a sweep waits to be submitted: `draft` says nothing new.
    let made = House::done(house.post(&ada, "/jobs", with(pasted(PASTED), json!({"draft": true}))).await);
    assert_eq!(made["jobs"][0]["state"], "draft");
}

#[tokio::test]
async fn a_sweep_is_shown_by_its_points_whatever_the_order_of_its_runs() {
    let house = House::new(&["--running-max", "4"]).await;
    let (ada, bob) = (house.person("ada").await, house.person("bob").await);
    let mut node = house.node("one", MACHINE).await;
    let asked = with(pasted(PASTED), json!({"repeats": 2, "stop_hopeless": true, "title": "which NB"}));
    let said = House::done(house.post(&ada, "/estimate", asked.clone()).await);
    assert_eq!(said["cost"]["runs"], 32);
    let made = House::done(house.post(&ada, "/jobs", asked).await);
    let path = format!("/sweeps/{}", made["sweep"].as_str().unwrap());
    let shown = House::done(house.get(&ada, &path).await);
    assert_eq!(
        json!([
            shown["owner"],
            shown["title"],
            shown["repeats"],
            shown["stop_hopeless"],
            shown["drafts"],
            shown["over"]
        ]),
        json!(["ada", "which NB", 2, true, 32, 0])
    );
    assert_eq!((&shown["varied"], &shown["cost"]), (&json!(["depth", "n", "nb", "p", "q"]), &made["cost"]));
    assert_eq!(shown["best"], Value::Null);
    let points = shown["points"].as_array().unwrap();
    let shown_order: Vec<_> = points.iter().map(|point| numbers(&point["parameters"])).collect();
    let mut by_n = order();
    by_n.sort_by_key(|[p, q, n, nb, depth]| [*n, *depth, *nb, *p, *q]);
    assert_eq!(shown_order, by_n);
    // Every turn is there once, and is that of the job with this place in the answer.
    let mut turns = vec![];
    for run in points.iter().flat_map(|point| point["runs"].as_array().unwrap()) {
        let turn = run["turn"].as_u64().unwrap();
        assert_eq!(run["job"], made["jobs"][turn as usize - 1]["id"]);
        turns.push(turn);
    }
    turns.sort_unstable();
    assert_eq!(turns, (1..=32).collect::<Vec<u64>>());
    assert!(points.iter().all(|point| point["runs"].as_array().unwrap().len() == 2 && point["predicted"] == 96.0));

    // Whoever may not see its jobs does not know of it.
    assert_eq!(house.get(&bob, &path).await.status, 200);
    for run in made["jobs"].as_array().unwrap() {
        let job = run["id"].as_str().unwrap();
        let private = json!({"visibility": "private"});
        House::done(house.ask(&ada, "PUT", &format!("/jobs/{job}/visibility"), &[], private).await);
    }
    assert_eq!(house.get(&bob, &path).await.verdict(), (404, "not_found"));
    assert_eq!(house.get(&ada, &path).await.status, 200);

    // All of it is ended at once; what a node has, when the node says so.
    let cancel = format!("{path}/cancel");
    House::done(house.post(&ada, &format!("{path}/submit"), Value::Null).await);
    let held = node.claim(&house).await.unwrap();
    held.start(&house).await;
    assert_eq!(house.post(&bob, &cancel, Value::Null).await.verdict(), (404, "not_found"));
    assert_eq!(House::done(house.post(&ada, &cancel, Value::Null).await), json!({"jobs": 32}));
    let shown = House::done(house.get(&ada, &path).await);
    assert_eq!((&shown["over"], house.state(&ada, &held.job).await.as_str()), (&json!(31), "running"));
    held.fail(&house, 2, "benchmark").await;
    let job = house.job(&ada, &held.job).await;
    assert_eq!((&job["state"], &job["stopped"]), (&json!("cancelled"), &Value::Null), "nobody but ada ended it");
    assert_eq!(house.post(&ada, &cancel, Value::Null).await.verdict(), (409, "conflict"));
    house.world.check("cancelled").await;
}

#[tokio::test]
async fn what_is_asked_of_a_sweep_is_checked() {
    let house = House::new(&[]).await;
    let ada = house.person("ada").await;
    for (asked, field) in [
        (with(pasted(PASTED), json!({"repeats": 0})), "repeats"),
        (with(pasted(PASTED), json!({"repeats": 6})), "repeats"),
        (with(long(), json!({"repeats": 2})), "repeats"),
        (with(long(), json!({"stop_hopeless": true})), "stop_hopeless"),
    ] {
        let refused = house.post(&ada, "/jobs", asked).await;
        assert_eq!((refused.verdict(), refused.fields()), ((422, "invalid"), vec![field]), "{}", refused.body);
    }
    // 5 * 48 runs are more than a sweep may have, though 48 are not.
    let wide = PASTED.replace("2            # of NBs", "6            # of NBs").replace("128 192 ", "1 2 3 4 5 6 ");
    assert_eq!(House::done(house.post(&ada, "/estimate", pasted(&wide)).await)["cost"]["runs"], 48);
    let refused = house.post(&ada, "/jobs", with(pasted(&wide), json!({"repeats": 5}))).await;
    assert_eq!((refused.verdict(), refused.fields()), ((422, "invalid"), vec!["input"]), "{}", refused.body);
    // Every point that does not fit is named.
    house.node("small", crate::house::Machine { memory: 1 << 30, ..MACHINE }).await;
    let large = PASTED.replace("2000 3000 ", "2000 30000");
    let said = House::done(house.post(&ada, "/estimate", pasted(&large)).await);
    let named = said["errors"].as_array().unwrap();
    assert!(
        named.len() == 4 && named.iter().all(|e| e["message"].as_str().unwrap().starts_with("N=30000")),
        "{named:?}"
    );
}
