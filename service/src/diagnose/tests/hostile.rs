//! Whatever was sent: numbers that are none, and too many of them.

use serde_json::json;

use super::*;

/// Every number of a document in turn is another; calls `with` with each.
fn vary(document: &Value, with: &mut dyn FnMut(&Value)) {
    let mut paths = vec![];
    fn walk(value: &Value, path: &str, paths: &mut Vec<String>) {
        match value {
            Value::Object(fields) => fields.iter().for_each(|(name, v)| walk(v, &format!("{path}/{name}"), paths)),
            Value::Array(items) => items.iter().enumerate().for_each(|(i, v)| walk(v, &format!("{path}/{i}"), paths)),
            Value::Number(_) => paths.push(path.to_owned()),
            _ => {}
        }
    }
    walk(document, "", &mut paths);
    let others =
        [json!("NaN"), json!("inf"), json!(1e308), json!(-1), json!(0), json!(u64::MAX), json!(null), json!({})];
    for path in paths {
        for other in &others {
            let mut changed = document.clone();
            *changed.pointer_mut(&path).unwrap() = other.clone();
            with(&changed);
        }
    }
}

/// It can be sent, and what arrives is the same.
fn sendable(found: &Diagnosis) {
    let sent = serde_json::to_string(found).unwrap();
    assert_eq!(&serde_json::from_str::<Diagnosis>(&sent).unwrap(), found);
    let causes = found.causes.iter().flat_map(|c| c.facts.iter().map(|fact| &fact.text).chain([&c.headline]));
    for text in causes.chain(found.rules.iter().map(|rule| &rule.seen)).chain([&found.summary]) {
        let mut words = text.split([' ', '=', ':', ',', '.']);
        assert!(!words.any(|word| ["nan", "NaN", "inf", "-inf"].contains(&word)), "{text}");
    }
}

#[test]
fn hostile_numbers_do_no_harm() {
    let world = healthy();
    vary(&serde_json::to_value(&world.report).unwrap(), &mut |report| sendable(&world.with_report(report)));
    vary(&world.parameters, &mut |parameters| {
        let mut world = healthy();
        world.parameters = parameters.clone();
        world.history.push(Past { parameters: parameters.clone(), score: f64::MAX });
        sendable(&world.diagnosis());
    });
    for wild in [f64::NAN, f64::INFINITY, -1.0, 0.0, 1e308] {
        let mut world = healthy();
        world.percent = Some(wild);
        world.history[0].score = wild;
        let names: Vec<String> = world.samples[0].values.keys().cloned().collect();
        for name in names {
            world.from(100, &name, wild);
        }
        world.clock_from(150, wild);
        world.evidence.as_mut().unwrap().elapsed_s = wild;
        sendable(&world.diagnosis());
        world.samples[70].at_ms = u64::MAX;
        world.samples[71].per_core.insert("clock_hz".into(), vec![]);
        (world.node().cores, world.node().pus, world.node().memory_total) = (usize::MAX, 0, 0);
        sendable(&world.diagnosis());
    }
}

#[test]
fn a_day_of_samples_is_thinned_out() {
    let mut watched = Watched::default();
    (0..100_000).for_each(|i| watched.see(&sample(i)));
    let seconds: Vec<f64> = watched.all().iter().map(|moment| moment.at_s).collect();
    assert!((5000..20_000).contains(&seconds.len()) && seconds.is_sorted());
    let step = seconds[1] - seconds[0];
    assert!(
        seconds.windows(2).all(|pair| (pair[1] - pair[0] - step).abs() < 1e-9) && seconds.last().unwrap() > &99_900.0
    );
}
