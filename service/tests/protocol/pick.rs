//! The database picks jobs by the same rules that `schedule` states.

use hpl_spec::JobState;
use hpl_spec::api::jobs::Visibility;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde_json::json;
use service::db::jobs::{self, NewJob};
use service::db::queue;
use service::schedule::{Needs, Offer, express_first};

use crate::world::World;

const LABELS: [&str; 3] = ["gpu", "ib", "room \"3\""];

fn labels() -> impl Strategy<Value = Vec<String>> {
    proptest::sample::subsequence(LABELS.to_vec(), 0..=3).prop_map(|l| l.into_iter().map(str::to_owned).collect())
}

fn needs() -> impl Strategy<Value = (Needs, bool)> {
    let node = proptest::option::weighted(0.2, prop_oneof![Just("a".to_owned()), Just("b".to_owned())]);
    (node, 0u32..4, 0u64..4, labels(), any::<bool>()).prop_map(|(node, cores, memory, labels, express)| {
        (Needs { node, avoid: None, cores, memory: memory << 30, labels }, express)
    })
}

fn offer() -> impl Strategy<Value = Offer> {
    let node = prop_oneof![Just("a".to_owned()), Just("b".to_owned()), Just("c".to_owned())];
    (node, 0u32..4, 0u64..4, labels()).prop_map(|(node, cores, memory, labels)| Offer {
        node,
        cores,
        memory: memory << 30,
        labels,
    })
}

fn job(number: usize, owner: i64, needs: &Needs, express: bool) -> NewJob {
    NewJob {
        id: format!("0190f5fe-7c00-7a3b-8b1e-{number:012}"),
        owner,
        benchmark: "hpl",
        parameters: json!({}),
        spec_hash: String::new(),
        label: String::new(),
        title: String::new(),
        size: 1.0,
        work: 1.0,
        ranks: 1,
        bytes_per_rank: 1,
        needs: needs.clone(),
        express,
        walltime_s: 60,
        estimate_s: None,
        visibility: Visibility::Public,
        sweep: None,
        state: JobState::Queued,
        hold: "",
    }
}

/// The job that the rules name: of the kind that is first, or else of the other, the oldest that fits.
fn expected(waiting: &[(Needs, bool)], offer: &Offer, streak: i64) -> Option<usize> {
    let first = express_first(streak);
    let of = |kind: bool| waiting.iter().position(|(needs, express)| *express == kind && offer.fits(needs).is_ok());
    of(first).or_else(|| of(!first))
}

#[test]
fn the_database_picks_as_the_rules_say() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let strategy = (proptest::collection::vec(needs(), 0..12), proptest::collection::vec((offer(), 0i64..5), 1..6));
    let mut runner = TestRunner::new(ProptestConfig { cases: 60, ..ProptestConfig::default() });
    runner
        .run(&strategy, |(waiting, offers)| {
            runtime.block_on(async {
                let world = World::new(&[]).await;
                let owner = world.user("ada").await.key().unwrap();
                let new: Vec<_> = waiting.iter().enumerate().map(|(i, (n, e))| job(i, owner, n, *e)).collect();
                let write = world.app.db.write(move |tx| {
                    Box::pin(async move {
                        let mut keys = vec![];
                        for job in &new {
                            keys.push(jobs::create(tx, job).await?);
                        }
                        Ok(keys)
                    })
                });
                let keys = write.await.unwrap();
                let mut conn = world.app.db.read().await.unwrap();
                for (offer, streak) in &offers {
                    let picked = queue::pick(&mut conn, offer, *streak, 1, world.now()).await.unwrap();
                    let wanted = expected(&waiting, offer, *streak).map(|i| keys[i]);
                    prop_assert_eq!(picked, wanted, "{:?}", offer);
                }
                Ok(())
            })
        })
        .unwrap();
}
