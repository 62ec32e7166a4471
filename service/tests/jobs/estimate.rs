//! What a run would take, said before it is submitted and without a trace.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::house::{Delivery, House, MACHINE, Machine, Person, SECOND, fields, golden, long, with};

/// HPL.dat of the golden run, every byte of it.
const GOLDEN_DAT: &str = "\
HPLinpack benchmark input file
One run, written by hpl-spec
HPL.out      output file name (if any)
8            device out (6=stdout,7=stderr,file)
1            # of problems sizes (N)
20000        Ns
1            # of NBs
192          NBs
0            PMAP process mapping (0=Row-,1=Column-major)
1            # of process grids (P x Q)
2            Ps
2            Qs
16.0         threshold
1            # of panel fact
2            PFACTs (0=left, 1=Crout, 2=Right)
1            # of recursive stopping criterium
8            NBMINs (>= 1)
1            # of panels in recursion
2            NDIVs
1            # of recursive panel fact.
2            RFACTs (0=left, 1=Crout, 2=Right)
1            # of broadcast
1            BCASTs (0=1rg,1=1rM,2=2rg,3=2rM,4=Lng,5=LnM)
1            # of lookahead depth
1            DEPTHs (>=0)
1            SWAP (0=bin-exch,1=long,2=mix)
64           swapping threshold
0            L1 in (0=transposed,1=no-transposed) form
0            U  in (0=transposed,1=no-transposed) form
1            Equilibration (0=no,1=yes)
8            memory alignment in double (> 0)
";

async fn estimate(house: &House, who: &Person, run: Value) -> Value {
    House::done(house.post(who, "/estimate", run).await)
}

fn near(found: &Value, expected: f64) {
    let found = found.as_f64().unwrap();
    assert!((found / expected - 1.0).abs() < 1e-6, "found {found}, expected {expected}");
}

/// Every row of every table.
async fn contents(house: &House) -> BTreeMap<String, String> {
    let conn = &mut *house.world.app.db.read().await.unwrap();
    let tables = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'";
    let tables: Vec<String> = sqlx::query_scalar(tables).fetch_all(&mut *conn).await.unwrap();
    let mut all = BTreeMap::new();
    for table in tables {
        let columns = "SELECT group_concat('quote(\"' || name || '\")', '||'',''||') FROM pragma_table_info(?)";
        let columns: String = sqlx::query_scalar(columns).bind(&table).fetch_one(&mut *conn).await.unwrap();
        let rows = format!("SELECT coalesce(group_concat({columns}, char(10)), '') FROM \"{table}\"");
        let rows: String = sqlx::query_scalar(sqlx::AssertSqlSafe(rows)).fetch_one(&mut *conn).await.unwrap();
        all.insert(table, rows);
    }
    assert!(all.len() > 10 && all["users"].contains("root"), "{:?}", all.keys());
    all
}

#[tokio::test]
async fn the_golden_run_in_numbers() {
    let house = House::new(&[]).await;
    let ada = house.person("ada").await;
    let mut node = house.node("one", MACHINE).await;
    let said = estimate(&house, &ada, with(golden(), json!({"walltime_s": null}))).await;
    assert_eq!((&said["ok"], &said["errors"]), (&json!(true), &json!([])), "{said}");
    let run = &said["runs"][0];
    assert_eq!(run["label"], "N=20000 NB=192 2x2");
    assert_eq!(run["inputs"]["HPL.dat"].as_str().unwrap(), GOLDEN_DAT);
    assert_eq!(run["inputs"].as_object().unwrap().len(), 1);
    // The rank at (0, 0) has 10016 rows and 10017 columns of [A|b]: 52 blocks of 192 and what is left over. Columns
    // lie as far apart (a multiple of 8, and no power of two); two panels, four times a chunk of U (it, the next one, and what travels), packed L2; and 100 MB for the program and MPI.
    let (rows, columns) = (52 * 192 + 32, 52 * 192 + 33);
    let panels = 2 * 192 * (rows + 2 * 192 + 2);
    let doubles = rows * columns + panels + 192 * 4 * 2048 + 192 * (rows + 24);
    let bytes = 8 * doubles + 100_000_000_u64;
    assert_eq!((&run["bytes_per_rank"], &run["bytes_per_node"]), (&json!(bytes), &json!(4 * bytes)));
    assert_eq!(run["node_bytes"], 16_u64 << 30);
    let gflop = (2.0 / 3.0 * 20_000_f64.powi(3) + 1.5 * 20_000_f64.powi(2)) / 1e9;
    near(&run["work"], gflop);
    // No history: 80 % of a peak of 120 Gflop/s, and a walltime of three times that and a minute.
    assert_eq!((&said["basis"], &said["node"]["name"]), (&json!("peak"), &json!("one")));
    near(&run["score"], 96.0);
    near(&run["seconds"], gflop / 96.0);
    assert_eq!(run["walltime_s"], (3.0 * gflop / 96.0 + 60.0) as u32);
    near(&said["cost"]["node_hours"], gflop / 96.0 / 3600.0);
    assert_eq!((&said["cost"]["runs"], &said["cost"]["walltime_s"]), (&json!(1), &run["walltime_s"]));

    // The same run, delivered: 60 seconds.
    house.submit(&ada, golden()).await;
    let held = node.claim(&house).await.unwrap();
    assert_eq!(held.given["inputs"], json!([{"name": "HPL.dat", "text": GOLDEN_DAT}]), "what was said is what is run");
    held.deliver(&house, &Delivery::honest(&held)).await;
    let said = estimate(&house, &ada, golden()).await;
    assert_eq!(said["basis"], "history");
    near(&said["runs"][0]["seconds"], 60.0);
    near(&said["runs"][0]["score"], gflop / 60.0);
    // Far from any size that was run there is no history.
    let said = estimate(&house, &ada, json!({"benchmark": "hpl", "parameters": {"n": 2000}})).await;
    assert_eq!(said["basis"], "peak");
}

#[tokio::test]
async fn without_nodes_nothing_is_predicted() {
    let house = House::new(&["--walltime-max", "900"]).await;
    let ada = house.person("ada").await;
    let said = estimate(&house, &ada, with(golden(), json!({"walltime_s": null}))).await;
    assert_eq!((&said["ok"], &said["basis"], &said["node"]), (&json!(true), &json!("nothing"), &Value::Null));
    let run = &said["runs"][0];
    assert_eq!([&run["seconds"], &run["score"], &run["node_bytes"], &said["cost"]["seconds"]], [&Value::Null; 4]);
    assert_eq!((&run["walltime_s"], &said["waits"]["code"]), (&json!(900), &json!("no_node_fits")));
}

#[tokio::test]
async fn position_and_quota() {
    let house = House::new(&["--queued-max", "3", "--walltime-max", "1234", "--running-max", "2"]).await;
    let (ada, bob) = (house.person("ada").await, house.person("bob").await);
    let mut node = house.node("one", MACHINE).await;
    house.submit(&ada, long()).await;
    let held = node.claim(&house).await.unwrap();
    for _ in 0..2 {
        house.submit(&ada, long()).await;
    }
    house.submit(&bob, long()).await;
    let quota = |running: u32, queued: u32| {
        json!({"running_max": 2, "running": running, "queued_max": 3, "queued": queued, "walltime_max_s": 1234,
               "recent_node_hours": 0.0})
    };
    // Ada has used nothing that is over, and came first.
    let said = estimate(&house, &ada, long()).await;
    assert_eq!((&said["position"], &said["quota"]), (&json!(2), &quota(1, 2)));
    let said = estimate(&house, &bob, long()).await;
    assert_eq!((&said["position"], &said["quota"]), (&json!(3), &quota(0, 1)));
    assert_eq!((&said["waits"]["code"], &said["waits"]["position"]), (&json!("nodes_busy"), &json!(3)));
    // Now she has used an hour's half; bob is before her.
    house.world.advance(1800 * SECOND);
    held.start(&house).await;
    held.fail(&house, 2, "benchmark").await;
    let said = estimate(&house, &ada, long()).await;
    assert_eq!(said["position"], 3);
    near(&said["quota"]["recent_node_hours"], 0.5);
    // Somebody who is not known gets the settings' own.
    let said = estimate(&house, &house.nobody, long()).await;
    assert_eq!(said["quota"], quota(0, 0));
    // What is used up is an error, and the numbers are there all the same.
    house.submit(&ada, long()).await;
    let said = estimate(&house, &ada, long()).await;
    assert_eq!((&said["ok"], fields(&said["errors"])), (&json!(false), vec![""]));
    assert!(said["errors"][0]["message"].as_str().unwrap().contains("3 jobs"), "{said}");
    assert_eq!(said["runs"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn errors_name_the_field() {
    let house = House::new(&[]).await;
    let ada = house.person("ada").await;
    house.node("one", Machine { memory: 4 << 30, ..MACHINE }).await;
    let hpl = |parameters: Value| json!({"benchmark": "hpl", "parameters": parameters});
    let nowhere = "0190f5fe-7c00-7a3b-8b1e-0123456789ab";
    let cases = [
        (json!({"benchmark": "stream", "parameters": {}}), vec!["benchmark"]),
        (json!({"benchmark": "hpl"}), vec!["parameters"]),
        (json!({"benchmark": "hpl", "parameters": {"n": 1}, "input": "x"}), vec!["parameters"]),
        (json!({"benchmark": "hpl", "input": "x"}), vec!["input.line 1"]),
        (hpl(json!({})), vec!["parameters.n"]),
        (hpl(json!(7)), vec!["parameters"]),
        (
            hpl(json!({"n": 1000, "nb": 0, "p": 0, "depht": 1})),
            vec!["parameters.depht", "parameters.nb", "parameters.p"],
        ),
        (hpl(json!({"n": 1000, "p": 65, "q": 64})), vec!["parameters.q"]),
        // 95 % of 4 GiB are less than 8 * 22500^2.
        (hpl(json!({"n": 22_500})), vec!["parameters"]),
        (with(long(), json!({"walltime_s": 1801})), vec!["walltime_s"]),
        (with(long(), json!({"title": "x".repeat(121)})), vec!["title"]),
        (with(long(), json!({"title": "\u{1b}[2J"})), vec!["title"]),
        (
            with(long(), json!({"needs": {"cores": 0, "labels": ["a b"], "node": nowhere}})),
            vec!["needs.labels", "needs.cores", "needs.node"],
        ),
    ];
    for (run, wrong) in cases {
        let said = estimate(&house, &ada, run.clone()).await;
        assert_eq!((&said["ok"], fields(&said["errors"])), (&json!(false), wrong.clone()), "{run} {said}");
        assert_eq!((&said["runs"], &said["cost"]["runs"]), (&json!([]), &json!(0)), "{run}");
        // A submission says the same.
        let refused = house.post(&ada, "/jobs", run).await;
        assert_eq!((refused.verdict(), refused.fields()), ((422, "invalid"), wrong));
    }
}

#[tokio::test]
async fn warnings_are_legal() {
    let house = House::new(&[]).await;
    let ada = house.person("ada").await;
    house.node("one", MACHINE).await;
    let cases = [
        (json!({"n": 5120, "nb": 256, "p": 1, "q": 1}), vec![]),
        (json!({"n": 5121, "nb": 256, "p": 1, "q": 1}), vec!["n"]),
        (json!({"n": 5120, "nb": 256, "p": 1, "q": 2}), vec!["n"]),
        (json!({"n": 25_600, "nb": 256, "p": 4, "q": 1}), vec!["p"]),
        (json!({"n": 20_480, "nb": 512, "p": 1, "q": 1}), vec!["nb"]),
        (json!({"n": 5120, "nb": 31, "p": 1, "q": 1}), vec!["n", "nb"]),
        (json!({"n": 0, "nb": 128}), vec!["n"]),
        (json!({"n": 5120, "nb": 256, "depth": 2, "bcast": "long"}), vec!["depth"]),
        (json!({"n": 5120, "nb": 256, "swap_threshold": 65}), vec!["swap_threshold"]),
    ];
    for (parameters, expected) in cases {
        let run = json!({"benchmark": "hpl", "parameters": parameters});
        let said = estimate(&house, &ada, run.clone()).await;
        assert_eq!((&said["ok"], fields(&said["warnings"])), (&json!(true), expected), "{run} {said}");
        let made = House::done(house.post(&ada, "/jobs", run).await);
        assert_eq!(made["warnings"], said["warnings"]);
    }
    // A walltime that will not do.
    let said = estimate(&house, &ada, with(golden(), json!({"walltime_s": 55}))).await;
    assert_eq!(fields(&said["warnings"]), ["n", "walltime_s"]);
    assert!(said["warnings"][1]["message"].as_str().unwrap().contains("56 s"), "{said}");
}

#[tokio::test]
async fn nothing_is_left_of_an_estimate() {
    let house = House::new(&[]).await;
    let ada = house.person("ada").await;
    let mut node = house.node("one", MACHINE).await;
    house.submit(&ada, golden()).await;
    node.claim(&house).await.unwrap();
    house.submit(&ada, golden()).await;
    let before = contents(&house).await;
    let input = GOLDEN_DAT.replace("1            # of NBs\n192  ", "2            # of NBs\n192 96");
    for run in [
        golden(),
        long(),
        with(long(), json!({"draft": true, "title": "t", "needs": {"cores": 4}})),
        json!({"benchmark": "hpl", "input": input}),
        json!({"benchmark": "hpl", "input": "no"}),
        json!({"benchmark": "no", "input": input}),
    ] {
        for who in [&ada, &house.root, &house.nobody] {
            let answer = house.ask(who, "POST", "/estimate", &[("idempotency-key", "k")], run.clone()).await;
            assert_eq!(answer.status, 200, "{}", answer.body);
        }
    }
    let after = contents(&house).await;
    // That root's token is in use is all that may be noted.
    for (table, rows) in &before {
        assert!(table == "api_tokens" || after[table] == *rows, "{table} was {rows} and is {}", after[table]);
    }
    assert_eq!(before.keys().collect::<Vec<_>>(), after.keys().collect::<Vec<_>>());
}
