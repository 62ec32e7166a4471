//! `kill -9` at every fail point, under load and at the first start.

use std::collections::BTreeSet;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::kill::Siege;
use crate::load::{FLAGS, Load};
use crate::program::{Folder, Start, check, start, try_start};

/// The points that are passed at every start.
const AT_START: &[&str] = &["migrated", "before_reconcile", "after_reconcile"];
/// The points that are passed under load.
const UNDER_LOAD: &[&str] = &[
    "writer_after_begin",
    "writer_after_unit",
    "writer_before_commit",
    "writer_after_commit",
    "writer_after_reply",
    "file_opened",
    "file_appended",
    "file_synced",
    "file_sealed",
    "result_judged",
];
/// How long a point may take to be passed.
const PATIENCE: Duration = Duration::from_secs(10);

impl Siege {
    /// Starts the program, which is to die at a point. Waits for that.
    async fn die_at(&self, load: &Load, point: &str) {
        let began = Instant::now();
        let status = match try_start(&self.folder.data(), FLAGS, Some(point)) {
            Start::Ended(status) => status,
            Start::Ready(mut program) => {
                self.place.send_replace(program.url.clone());
                loop {
                    if let Some(status) = program.ended() {
                        break status;
                    }
                    load.still_well();
                    assert!(began.elapsed() < PATIENCE, "{point} was not passed");
                    sleep(Duration::from_millis(5)).await;
                }
            }
        };
        self.place.send_replace(String::new());
        assert_eq!(status.signal(), Some(9), "{point}: the program ended by itself: {status}");
    }
}

/// The names of the fail points in the sources below `folder`.
fn points_below(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            points_below(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            found.extend(text.split("fail_point!(\"").skip(1).map(|rest| rest.split('"').next().unwrap().to_owned()));
        }
    }
}

#[test]
fn every_point_is_in_the_lists() {
    let mut found = BTreeSet::new();
    points_below(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);
    let listed: BTreeSet<String> = AT_START.iter().chain(UNDER_LOAD).map(ToString::to_string).collect();
    assert_eq!(found, listed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_every_point_nothing_is_lost_or_done_twice() {
    let (siege, load) = Siege::begin().await;
    for point in AT_START {
        siege.die_at(&load, point).await;
    }
    for passing in [1, 6] {
        for point in UNDER_LOAD {
            // Runs come to their end more seldom than anything else happens.
            let passing = if *point == "result_judged" { 1 + passing / 6 } else { passing };
            siege.die_at(&load, &format!("{point}:{passing}")).await;
        }
    }
    siege.end(load).await;
}

/// The very first start may die anywhere on its way; the next one begins where it stood.
#[tokio::test]
async fn killed_at_the_first_start() {
    for point in AT_START {
        let folder = Folder::new();
        std::fs::create_dir(folder.data()).unwrap();
        assert!(matches!(try_start(&folder.data(), FLAGS, Some(point)), Start::Ended(_)), "{point}");
        start(&folder.data(), FLAGS).stop();
        check(&folder.data()).await;
    }
}
