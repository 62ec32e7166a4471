//! The first row of the registry: parameters, their schema, what a run takes, HPL.dat.
use hpl_spec::benchmark::{self, Benchmark, Plan, Problem};
use hpl_spec::{Bcast, Fact, Order, Output, Peak, Phases, RunEvent, RunParams, Storage, Swap, Sweep};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};

fn hpl() -> &'static Benchmark {
    benchmark::find("hpl").unwrap()
}

fn plan(parameters: Value) -> Plan {
    (hpl().plan)(&parameters).unwrap()
}

fn problems(parameters: Value) -> Vec<Problem> {
    (hpl().plan)(&parameters).unwrap_err()
}

fn fields(problems: &[Problem]) -> Vec<&str> {
    problems.iter().map(|p| p.field.as_str()).collect()
}

fn warned(parameters: Value) -> Vec<String> {
    plan(parameters).warnings.into_iter().map(|w| w.field).collect()
}

#[test]
fn what_is_not_named_takes_its_default() {
    let plan = plan(json!({"n": 12800, "q": 2}));
    let all = json!({
        "n": 12800, "nb": 256, "p": 1, "q": 2, "order": "row_major", "pfact": "right", "nbmin": 8, "ndiv": 2,
        "rfact": "right", "bcast": "ring_m", "depth": 1, "swap": "spread_roll", "swap_threshold": 64,
        "l1": "transposed", "u": "transposed", "equil": true, "align": 8,
    });
    assert_eq!(plan.parameters, all);
    assert_eq!((plan.label.as_str(), plan.size, plan.ranks), ("N=12800 NB=256 1x2", 12800.0, 2));
    assert_eq!(plan.warnings, []);
}

#[test]
fn everything_wrong_is_said_at_once() {
    let wrong = json!({"n": -1, "nb": 0, "p": "two", "bcast": "tree", "equil": 1, "align": 1.5, "file": "/etc/passwd"});
    let found = problems(wrong);
    assert_eq!(fields(&found), ["file", "n", "nb", "p", "bcast", "equil", "align"]);
    assert_eq!(found[1].message, "found -1, expected a whole number from 0 to 2147483647");
    assert!(found[0].message.contains("n, nb, order, p, q"), "{}", found[0].message);
    assert!(found[4].message.contains("'tree'") && found[4].message.contains("two_ring_m"), "{}", found[4].message);
    for (parameters, field) in [(json!([1]), ""), (json!({}), "n"), (json!({"n": 9, "p": 4096, "q": 2}), "q")] {
        assert_eq!(fields(&problems(parameters)), [field]);
    }
    let long = "x".repeat(10_000);
    let found = problems(json!({"n": 9, "order": long, long.as_str(): 1}));
    assert!(found.iter().all(|p| p.field.len() + p.message.len() < 400), "{found:?}");
}

/// What the schema says of a value of one field.
fn allows(schema: &Value, value: &Value) -> bool {
    let whole = value.as_f64().filter(|v| v.fract() == 0.0);
    match schema["type"].as_str().unwrap() {
        "integer" => whole
            .is_some_and(|v| (schema["minimum"].as_f64().unwrap()..=schema["maximum"].as_f64().unwrap()).contains(&v)),
        "boolean" => value.is_boolean(),
        "string" => schema["enum"].as_array().unwrap().contains(value),
        other => panic!("{other}"),
    }
}

#[test]
fn schema_and_reader_agree_on_every_field() {
    let schema = (hpl().schema)();
    assert_eq!((&schema["required"], &schema["additionalProperties"]), (&json!(["n"]), &json!(false)));
    let properties = schema["properties"].as_object().unwrap();
    let full = plan(json!({"n": 100})).parameters;
    let named = |object: &Map<String, Value>| object.keys().cloned().collect::<std::collections::BTreeSet<_>>();
    assert_eq!(named(properties), named(full.as_object().unwrap()));
    let mut probes =
        vec![json!(null), json!([]), json!({}), json!(true), json!("x"), json!("1"), json!(1e300), json!(0.5)];
    probes.extend([-1_i64, 0, 1, 2, 3, 4096, 4097, 2_147_483_647, 2_147_483_648, i64::MAX].map(|v| json!(v)));
    probes.extend([json!(2.0), json!(-0.0), json!(u64::MAX)]);
    let words = properties.values().filter_map(|field| field["enum"].as_array()).flatten();
    probes.extend(words.cloned().collect::<Vec<_>>());
    for (name, field) in properties {
        assert!(field["title"].is_string() && field["description"].as_str().unwrap().len() > 30, "{name}");
        if let Some(default) = field.get("default") {
            assert_eq!(default, &full[name], "{name}");
        }
        for value in &probes {
            let mut parameters = json!({"n": 100});
            parameters[name] = value.clone();
            let found = (hpl().plan)(&parameters);
            assert_eq!(found.is_ok(), allows(field, value), "{name}: {value}");
            assert!(found.is_ok() || fields(&found.unwrap_err()) == [name.as_str()], "{name}: {value}");
        }
    }
}

#[test]
fn what_is_probably_not_meant_is_warned_of() {
    assert_eq!(warned(json!({"n": 25600, "nb": 256, "p": 1, "q": 2})), [""; 0]);
    for (parameters, field) in [
        (json!({"n": 0}), "n"),
        (json!({"n": 25601, "nb": 256}), "n"),
        (json!({"n": 25600, "nb": 128, "p": 2}), "p"),
        (json!({"n": 26000, "nb": 16, "q": 2}), "nb"),
        (json!({"n": 260_000, "nb": 260, "q": 2}), "nb"),
        (json!({"n": 200, "nb": 250}), "nb"),
        (json!({"n": 5120, "nb": 256, "q": 2}), "n"),
        (json!({"n": 25600, "depth": 2, "q": 1}), "depth"),
        (json!({"n": 25600, "l1": "no_transposed"}), "l1"),
        (json!({"n": 25600, "u": "no_transposed"}), "u"),
        (json!({"n": 25600, "swap_threshold": 9}), "swap_threshold"),
    ] {
        assert_eq!(warned(parameters.clone()), [field], "{parameters}");
    }
}

#[test]
fn what_a_run_takes() {
    let small = plan(json!({"n": 5656}));
    assert_eq!(small.bytes_held, None);
    let params = RunParams::new(8000, 256, 1, 2);
    let large = plan(json!({"n": 8000, "nb": 256, "q": 2}));
    assert_eq!(large.bytes_held, Some(8 * 8000 * 8000 / 20 * 19));
    assert_eq!(large.bytes_per_rank, params.bytes_per_rank() + 100_000_000);
    assert_eq!(large.work, params.flops() / 1e9);
    assert!((large.seconds(100.0).unwrap() - 3.414).abs() < 1e-3);
    assert_eq!((large.seconds(0.0), large.seconds(f64::NAN)), (None, None));
    let largest = plan(json!({"n": 2_147_483_647, "nb": 2_147_483_647, "p": 1, "q": 1}));
    assert!(largest.bytes_per_rank <= i64::MAX as u64 && largest.bytes_held.unwrap() <= i64::MAX as u64);
    assert!(largest.work.is_finite());
}

#[test]
fn a_run_gets_an_hpl_dat_of_ours() {
    let plan = plan(json!({"n": 8000, "swap": "mix", "swap_threshold": 9}));
    let [input] = &plan.inputs[..] else { panic!("{:?}", plan.inputs) };
    let sweep = Sweep::parse(&input.text, 1).unwrap();
    assert_eq!((input.name.as_str(), sweep.output), ("HPL.dat", Output::File("HPL.out".into())));
    assert_eq!((sweep.threshold, sweep.swap), (16.0, Swap::Mix { threshold: 9 }));
}

#[test]
fn a_pasted_file_names_neither_file_nor_threshold() {
    let ours = include_str!("golden/netlib.dat");
    let runs = (hpl().parse_input)(ours).unwrap();
    assert_eq!(runs.len(), Sweep::parse(ours, 4).unwrap().tests());
    let theirs: Vec<&str> = (1..)
        .zip(ours.lines())
        .map(|(number, line)| match number {
            3 => "../../etc/passwd",
            4 => "nonsense",
            13 => "1e99",
            _ => line,
        })
        .collect();
    assert_eq!((hpl().parse_input)(&theirs.join("\r\n")).unwrap(), runs);
    for run in &runs {
        let plan = plan(run.clone());
        assert_eq!(&plan.parameters, run);
        assert!(plan.inputs[0].text.lines().nth(2).unwrap().starts_with("HPL.out"), "{}", plan.inputs[0].text);
    }
}

#[test]
fn a_pasted_file_with_errors_names_the_line() {
    let ours = include_str!("golden/netlib.dat");
    let with = |at: usize, text: &str| {
        let lines: Vec<&str> = (1..).zip(ours.lines()).map(|(n, line)| if n == at { text } else { line }).collect();
        (hpl().parse_input)(&lines.join("\n"))
    };
    let first = |result: Result<Vec<Value>, Vec<Problem>>| result.unwrap_err().remove(0);
    assert_eq!(first(with(17, "2 x NBMINs")).field, "line 17");
    assert_eq!(first((hpl().parse_input)("")).field, "line 1");
    assert_eq!(first(with(12, "2 1 70000")).field, "line 12");
    let garbage = first(with(8, &"9".repeat(100_000)));
    assert!(garbage.message.len() < 400, "{}", garbage.message);
    let mut many = Sweep::parse(ours, 4).unwrap();
    (many.ns, many.nbs, many.nbmins) = (vec![100; 20], vec![8; 20], vec![4; 20]);
    let many = first((hpl().parse_input)(&many.to_dat()));
    assert!(many.message.contains("at most 1000"), "{}", many.message);
}

#[test]
fn only_panels_are_progress() {
    let panel = |panel, seconds| RunEvent::Panel {
        test: 1,
        panel,
        panels: 4,
        seconds,
        gflops: 10.0,
        gflops_step: 8.0,
        phases: Phases::default(),
    };
    let read = (hpl().progress)(&panel(2, 1.5).to_line()).unwrap();
    assert_eq!((read.fraction, read.seconds, read.score, read.score_now), (0.875, 1.5, 10.0, 8.0));
    let none = [panel(5, 1.0).to_line(), panel(1, f64::NAN).to_line(), panel(1, -1.0).to_line(), "{}".into()];
    assert!(none.iter().all(|line| (hpl().progress)(line).is_none()));
    let events = include_str!("golden/events.jsonl");
    assert!(events.lines().any(|line| (hpl().progress)(line).is_none()));
}

#[test]
fn the_peak_is_the_measured_one() {
    let mut node: hpl_spec::NodeInfo = serde_json::from_str(include_str!("golden/node.json")).unwrap();
    assert_eq!((hpl().peak)(&node), Some(5000.5));
    node.peak = Some(Peak { gflops: f64::NAN, cores: 1, seconds: 1.0 });
    assert_eq!((hpl().peak)(&node), None);
}

fn legal() -> impl Strategy<Value = RunParams> {
    let fact = || select(vec![Fact::Left, Fact::Crout, Fact::Right]);
    let storage = || select(vec![Storage::Transposed, Storage::NoTransposed]);
    let swaps = prop_oneof![
        Just(Swap::BinaryExchange),
        Just(Swap::SpreadRoll),
        (0..1000_usize).prop_map(|threshold| Swap::Mix { threshold })
    ];
    let bcasts: Vec<Bcast> = Bcast::TABLE.iter().map(|row| row.value).collect();
    let sizes = (0..=2_147_483_647_usize, 1..100_000_usize, 1..=64_usize, 1..=64_usize);
    let code = (select(vec![Order::RowMajor, Order::ColumnMajor]), 0..9_usize, select(bcasts), fact(), fact());
    let rest = (1..99_usize, 2..9_usize, swaps, storage(), storage(), any::<bool>(), 1..99_usize);
    (sizes, code, rest).prop_map(|((n, nb, p, q), (order, depth, bcast, rfact, pfact), rest)| {
        let (nbmin, ndiv, swap, l1, u, equil, align) = rest;
        RunParams { n, nb, p, q, order, depth, bcast, rfact, pfact, nbmin, ndiv, swap, l1, u, equil, align }
    })
}

proptest! {
    #[test]
    fn a_file_and_the_object_are_the_same_run(params in legal()) {
        let objects = (hpl().parse_input)(&Sweep::of(params, 0.0).to_dat()).unwrap();
        prop_assert_eq!(objects.len(), 1);
        let plan = plan(objects[0].clone());
        prop_assert_eq!(&plan.parameters, &objects[0]);
        let back = Sweep::parse(&plan.inputs[0].text, usize::MAX).unwrap();
        prop_assert_eq!(back.runs().collect::<Vec<_>>(), vec![params]);
    }

    #[test]
    fn no_paste_panics(text in "[0-9 \na-z.-]{0,400}") {
        if let Ok(runs) = (hpl().parse_input)(&text) {
            prop_assert!(runs.into_iter().all(|run| (hpl().plan)(&run).is_ok()));
        }
    }
}
