//! What mostly waits: for a lease to run out, for the pause before another try, for a node to look at itself again. A
//! runner that has a core for each test would wait for one after the other; here they wait side by side.
//!
//! `HPLAAS_CHAIN=words cargo test -p validation --test chain what_mostly_waits` runs those alone whose names hold the
//! words.

use std::panic::catch_unwind;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use super::{away, full, identity, killed, network, orders};

/// So many at a time: each is a service and a daemon or two, which take the processor when they start.
const AT_ONCE: usize = 8;

/// Those that wait longest go first.
const ALL: &[(&str, fn())] = &[
    ("full::the_disk_of_the_node_is_full_while_a_run_is_on", full::the_disk_of_the_node_is_full_while_a_run_is_on),
    ("full::the_disk_of_the_service_is_full", full::the_disk_of_the_service_is_full),
    ("network::gone_before_the_start_was_acknowledged", network::gone_before_the_start_was_acknowledged),
    ("killed::the_machine_is_started_anew", killed::the_machine_is_started_anew),
    ("network::gone_before_the_start_was_heard_of", network::gone_before_the_start_was_heard_of),
    ("network::gone_until_the_run_is_long_over", network::gone_until_the_run_is_long_over),
    (
        "away::a_result_of_a_run_that_was_given_up_is_kept_on_the_node",
        away::a_result_of_a_run_that_was_given_up_is_kept_on_the_node,
    ),
    ("away::the_owner_gives_up_a_run_that_is_not_heard_of", away::the_owner_gives_up_a_run_that_is_not_heard_of),
    (
        "away::a_run_is_cancelled_while_its_node_is_not_heard_of",
        away::a_run_is_cancelled_while_its_node_is_not_heard_of,
    ),
    (
        "killed::the_machine_is_started_anew_when_the_run_has_ended",
        killed::the_machine_is_started_anew_when_the_run_has_ended,
    ),
    ("network::gone_in_the_middle_of_a_run_and_back", network::gone_in_the_middle_of_a_run_and_back),
    ("killed::the_shim_is_killed", killed::the_shim_is_killed),
    (
        "full::the_disk_of_the_node_is_full_when_the_end_is_written",
        full::the_disk_of_the_node_is_full_when_the_end_is_written,
    ),
    ("identity::a_node_is_revoked_before_it_can_deliver", identity::a_node_is_revoked_before_it_can_deliver),
    ("identity::a_node_is_revoked_while_its_run_is_on", identity::a_node_is_revoked_while_its_run_is_on),
    ("killed::daemon_and_shim_are_killed", killed::daemon_and_shim_are_killed),
    ("network::it_comes_and_goes", network::it_comes_and_goes),
    ("orders::a_node_is_drained_by_its_service", orders::a_node_is_drained_by_its_service),
    ("orders::an_administrator_gives_a_run_more_time", orders::an_administrator_gives_a_run_more_time),
    ("full::the_disk_of_the_service_is_nearly_full", full::the_disk_of_the_service_is_nearly_full),
];

#[test]
fn what_mostly_waits() {
    let words = std::env::var("HPLAAS_CHAIN").unwrap_or_default();
    let wanted: Vec<_> = ALL.iter().filter(|(name, _)| name.contains(&words)).collect();
    assert!(!wanted.is_empty(), "no name holds `{words}`");
    let (next, failed) = (AtomicUsize::new(0), Mutex::new(vec![]));
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some((name, scenario)) = wanted.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let began = Instant::now();
                    let well = catch_unwind(scenario).is_ok();
                    println!(
                        "{} {name} ({:.0} s)",
                        if well { "well  " } else { "FAILED" },
                        began.elapsed().as_secs_f64()
                    );
                    if !well {
                        failed.lock().unwrap().push(*name);
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap();
    assert!(failed.is_empty(), "{failed:#?}");
}
