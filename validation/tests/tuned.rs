//! What makes a run fast and shows where its time went: profiles of the CPU, idle shares, traces.
#![forbid(unsafe_code)]

use std::fs;

use hpl_spec::profile::Profile;
use serde_json::Value;
use sha2::{Digest, Sha256};
use validation::{Job, Outcome};

fn run(profile: &[&str], home: &str) -> Outcome {
    let args = [&["--n", "150", "--json", "report.json"], profile].concat();
    let outcome = Job::xhpl().variable("HOME", home).variable("XDG_CONFIG_HOME", "").args(&args).run();
    assert_eq!(outcome.code, Some(0), "{}", outcome.said());
    outcome
}

/// Tunes into a user's configuration folder; the text of the profile.
fn tuned(home: &str) -> String {
    let tune = Job::xhpl().variable("HOME", home).variable("XDG_CONFIG_HOME", "").args(&["tune", "--quick"]).run();
    assert_eq!(tune.code, Some(0), "{}", tune.said());
    let file = format!("{home}/.config/hplaas/xhpl-profile.json");
    assert!(tune.stdout.contains(&file) && tune.stdout.contains("Gflop/s"), "{}", tune.said());
    fs::read_to_string(&file).unwrap()
}

#[test]
fn a_profile_is_tuned_used_and_named() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().to_str().unwrap();
    let without = run(&[], home);
    assert_eq!((without.json().profile, without.stderr.as_str()), (None, ""), "a missing one is no error");

    let text = tuned(home);
    let profile = Profile::parse(&text).unwrap();
    assert!(profile.shares.are_sane() && profile.measured.lu > 0.0, "{profile:?}");
    let sha256: String = Sha256::digest(&text).iter().map(|byte| format!("{byte:02x}")).collect();
    let usual = run(&[], home);
    let used = usual.json().profile.expect("the user's profile");
    assert_eq!((&used.sha256, used.file.starts_with(home)), (&sha256, true), "{used:?}");
    assert!(usual.stdout.contains(&sha256), "HPL.out names it\n{}", usual.stdout);
    // What reads HPL.out still reads it.
    assert_eq!(usual.report().tally.passed, 1);
    assert_eq!(run(&["--profile", "none"], home).json().profile, None);

    let named = format!("{home}/elsewhere.json");
    fs::write(&named, &text).unwrap();
    assert_eq!(run(&["--profile", &named], "/nonexistent").json().profile.map(|used| used.file), Some(named));
}

/// None of these is an error, and each says why it is not used.
#[test]
fn a_profile_that_does_not_serve_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().to_str().unwrap();
    let text = tuned(home);
    let changed = |change: fn(&mut Profile)| {
        let mut profile = Profile::parse(&text).unwrap();
        change(&mut profile);
        profile.to_text()
    };
    let foreign = changed(|profile| profile.cpu_model = "Another CPU".into());
    let insane = changed(|profile| profile.shares.widest = 0);
    for (name, text, why) in [
        ("missing.json", None, "No such file"),
        ("foreign.json", Some(foreign.as_str()), "Another CPU"),
        ("garbage.json", Some("{\"format\": 2}"), "no profile"),
        ("insane.json", Some(insane.as_str()), "out of range"),
    ] {
        let file = format!("{home}/{name}");
        if let Some(text) = text {
            fs::write(&file, text).unwrap();
        }
        let outcome = run(&["--profile", &file], home);
        assert_eq!(outcome.json().profile, None, "{name}");
        assert!(outcome.stderr.contains(why) && outcome.stderr.contains("is not used"), "{name}: {}", outcome.stderr);
    }
}

#[test]
fn a_trace_shows_every_thread_and_the_report_how_idle_it_was() {
    let args = ["--n", "300", "--nb", "32", "-p", "1", "-q", "2", "--threads", "2", "--profile", "none"];
    let files = ["--json", "report.json", "--trace", "trace.json"];
    let outcome = Job::xhpl().ranks(2).args(&[&args[..], &files].concat()).run();
    assert_eq!(outcome.code, Some(0), "{}", outcome.said());
    let run = &outcome.json().reports[0];
    assert!(run.around.generate > 0.0 && run.around.verify > 0.0, "{:?}", run.around);
    assert_eq!(run.idle.iter().map(Vec::len).collect::<Vec<_>>(), [2, 2]);
    assert!(run.idle.iter().flatten().all(|idle| (0.0..=1.0).contains(idle)), "{:?}", run.idle);

    let trace: Value = serde_json::from_str(&outcome.file("trace.json").unwrap()).unwrap();
    let events = trace["traceEvents"].as_array().unwrap();
    let of = |rank: u64, thread: u64, name: &str| {
        let this = |e: &&Value| e["pid"] == rank && e["tid"] == thread && e["name"] == name;
        events.iter().filter(this).count()
    };
    for rank in 0..2 {
        // Ten panels, five of each process column.
        assert_eq!(of(rank, 0, "panel"), 5, "rank {rank}");
        assert!(of(rank, 0, "multiply") + of(rank, 1, "multiply") > 5, "rank {rank}");
    }
    let end = events.iter().map(|e| e["ts"].as_f64().unwrap() + e["dur"].as_f64().unwrap()).fold(0.0, f64::max);
    assert!(end / 1e6 <= run.seconds + 0.5, "{end} us of {} s", run.seconds);
}

#[test]
fn a_trace_that_cannot_be_written_is_said_before_anything_is_computed() {
    let outcome = Job::xhpl().args(&["--n", "100", "--trace", "no/such/folder/trace.json"]).run();
    assert_eq!(outcome.code, Some(1), "{}", outcome.said());
    assert!(outcome.stderr.contains("--trace") && outcome.stdout.is_empty(), "{}", outcome.said());
}
