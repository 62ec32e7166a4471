//! Logs arrive whole over a wire that loses, doubles, delays, reorders and spoils chunks.

use proptest::prelude::*;
use proptest::test_runner::TestRng;
use service::disk::Load;
use service::store::{AppendError, Chunk, FileName, Quota, SealError, Store, Stream};
use sha2::{Digest, Sha256};

use crate::store::{attempt, block_on, open};

/// What the wire does with chunks, in parts of 100.
#[derive(Debug, Clone, Copy)]
struct Wire {
    lost: u32,
    answer_lost: u32,
    doubled: u32,
    delayed: u32,
    spoiled: u32,
}

fn wires() -> impl Strategy<Value = Wire> {
    (0..40_u32, 0..40_u32, 0..40_u32, 0..40_u32, 0..4_u32).prop_map(|(lost, answer_lost, doubled, delayed, spoiled)| {
        Wire { lost, answer_lost, doubled, delayed, spoiled }
    })
}

/// A node that sends one file, as the protocol tells it to.
struct Sender<'a> {
    store: &'a Store,
    content: &'a [u8],
    /// Where it believes the service to be.
    sent: usize,
    /// Chunks still on their way.
    under_way: Vec<Chunk>,
    rng: TestRng,
    wire: Wire,
}

impl Sender<'_> {
    fn chance(&mut self, percent: u32) -> bool {
        self.rng.random_range(0..100) < percent
    }

    /// A chunk from where it believes the service to be, or from a little before.
    fn chunk(&mut self) -> Chunk {
        let back = if self.chance(20) { self.rng.random_range(0..=self.sent.min(700)) } else { 0 };
        let from = self.sent - back;
        let most = (self.content.len() - from).min(2_000);
        let length = self.rng.random_range(0..=most);
        let mut bytes = self.content[from..from + length].to_vec();
        if length > 0 && self.chance(self.wire.spoiled) {
            let at = self.rng.random_range(0..length);
            bytes[at] ^= 1;
        }
        Chunk { offset: from as u64, bytes: bytes.into(), load: Load::Bulk }
    }

    /// Sends a chunk and believes the answer, if one comes.
    async fn step(&mut self, file: &FileName) {
        let chunk = self.chunk();
        if self.chance(self.wire.lost) {
            return;
        }
        if self.chance(self.wire.delayed) {
            self.under_way.push(chunk);
            return;
        }
        if self.chance(self.wire.doubled) {
            self.under_way.push(chunk.clone());
        }
        let answer = self.store.append(&attempt(1), file, chunk, Quota::default()).await;
        let have = match answer {
            Ok(appended) => appended.length,
            Err(AppendError::Mismatch { have, .. }) => have,
            Err(other) => panic!("{other}"),
        };
        if !self.chance(self.wire.answer_lost) {
            self.sent = usize::try_from(have).unwrap().min(self.content.len());
        }
        if !self.under_way.is_empty() && self.chance(50) {
            let at = self.rng.random_range(0..self.under_way.len());
            let late = self.under_way.swap_remove(at);
            let _ = self.store.append(&attempt(1), file, late, Quota::default()).await;
        }
    }

    /// Sends until the service has sealed the file; says how often it began anew.
    async fn run(&mut self, file: &FileName) -> usize {
        let hash: [u8; 32] = Sha256::digest(self.content).into();
        let mut anew = 0;
        for _ in 0..100_000 {
            self.step(file).await;
            if self.sent < self.content.len() {
                continue;
            }
            match self.store.seal(&attempt(1), file, self.content.len() as u64, hash).await {
                Ok(()) => return anew,
                Err(SealError::Absent) => self.sent = 0,
                Err(SealError::Length { have, .. }) => {
                    self.sent = usize::try_from(have).unwrap().min(self.content.len())
                }
                Err(SealError::Hash { .. }) => {
                    assert!(self.store.reset(&attempt(1), file).await.unwrap());
                    self.sent = 0;
                    anew += 1;
                    self.wire.spoiled = 0;
                    self.under_way.clear();
                }
                Err(other) => panic!("{other}"),
            }
        }
        panic!("the file never came to its end");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_log_arrives_whole(
        content in prop::collection::vec(any::<u8>(), 0..20_000),
        wire in wires(),
        seed in any::<[u8; 32]>(),
    ) {
        let (_folder, store) = open();
        block_on(async {
            let rng = TestRng::from_seed(prop::test_runner::RngAlgorithm::ChaCha, &seed);
            let mut sender = Sender { store: &store, content: &content, sent: 0, under_way: Vec::new(), rng, wire };
            let file = FileName::Log(Stream::Out);
            let anew = sender.run(&file).await;
            assert!(wire.spoiled > 0 || anew == 0, "nothing was spoiled, yet it was sent again");
            // What is still under way finds the door closed.
            for late in std::mem::take(&mut sender.under_way) {
                let _ = store.append(&attempt(1), &file, late, Quota::default()).await;
            }
            let part = store.read(&attempt(1), &file, 0, 1 << 20).await.unwrap();
            assert_eq!(&part.bytes[..], &content[..]);
            assert!(part.sealed);
        });
    }
}

/// Two daemons under one identity, each with a log of its own: every byte that was acknowledged is there.
#[test]
fn writers_of_one_file_take_turns() {
    let (_folder, store) = open();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).build().unwrap();
    runtime.block_on(async {
        let mut writers = tokio::task::JoinSet::new();
        for letter in b'a'..b'i' {
            let store = store.clone();
            writers.spawn(async move { (letter, write_own_letter(&store, letter).await) });
        }
        let mut acknowledged = Vec::new();
        while let Some(done) = writers.join_next().await {
            let (letter, ranges) = done.unwrap();
            acknowledged.extend(ranges.into_iter().map(|range| (letter, range)));
        }
        let content = store.read(&attempt(2), &Stream::Err.into(), 0, 8 << 20).await.unwrap().bytes;
        assert_eq!(content.len(), acknowledged.iter().map(|(_, range)| range.len()).sum::<usize>());
        for (letter, range) in acknowledged {
            assert!(content[range].iter().all(|b| *b == letter), "what {letter} wrote was overwritten");
        }
    });
}

/// Appends chunks of one letter where the file is believed to end; says where they went.
async fn write_own_letter(store: &Store, letter: u8) -> Vec<std::ops::Range<usize>> {
    let mut end = 0;
    let mut acknowledged = Vec::new();
    for round in 0..300_usize {
        let length = 1 + round * 7 % 500;
        let chunk = Chunk { offset: end, bytes: vec![letter; length].into(), load: Load::Bulk };
        match store.append(&attempt(2), &Stream::Err.into(), chunk, Quota::default()).await {
            Ok(appended) => {
                assert!(!appended.dup);
                end = appended.length;
                let after = usize::try_from(end).unwrap();
                acknowledged.push(after - length..after);
            }
            Err(AppendError::Mismatch { have, .. }) => end = have,
            Err(other) => panic!("{other}"),
        }
    }
    acknowledged
}
