//! The communication layer over the real MPI: collectives, splits, long messages, parts, wrong lengths.
#![forbid(unsafe_code)]

use validation::{Job, program};

#[test]
fn mpi_passes_the_checks_on_one_to_five_ranks() {
    for ranks in 1..=5 {
        let outcome = Job::of(program::comm_check()).ranks(ranks).run();
        assert_eq!(outcome.code, Some(0), "{ranks} ranks: {}", outcome.said());
        assert!(outcome.stdout.contains("ok"), "{ranks} ranks: {}", outcome.said());
    }
}
