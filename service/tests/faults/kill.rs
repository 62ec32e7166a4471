//! A world under load in which the program comes and goes, here by `kill -9` at random moments.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::sync::watch;
use tokio::time::sleep;

use crate::load::{FLAGS, Load};
use crate::program::{Folder, Program, check, join_token, make_account, start};

/// A world under load, in which the program comes and goes.
pub struct Siege {
    pub folder: Folder,
    /// Where the program is; empty while it is away.
    pub place: watch::Sender<String>,
}

impl Siege {
    /// Under load; the program is away.
    pub async fn begin() -> (Siege, Load) {
        let siege = Siege { folder: Folder::new(), place: watch::channel(String::new()).0 };
        make_account(&siege.folder.data());
        let join = join_token(&siege.folder.data(), 50);
        let first = siege.come();
        let load = Load::begin(&siege.place.subscribe(), &join, 2).await;
        siege.kill(first);
        (siege, load)
    }

    fn come(&self) -> Program {
        let program = start(&self.folder.data(), FLAGS);
        self.place.send_replace(program.url.clone());
        program
    }

    fn kill(&self, program: Program) {
        program.kill();
        self.place.send_replace(String::new());
    }

    /// The program comes and stays; everything comes to its end and is looked at.
    pub async fn end(self, load: Load) {
        let program = self.come();
        let mut account = load.end().await;
        account.finish(Duration::from_secs(20)).await;
        account.everything_happened_once().await;
        program.stop();
        check(&self.folder.data()).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_random_nothing_is_lost_or_done_twice() {
    let (siege, load) = Siege::begin().await;
    let mut dice = StdRng::seed_from_u64(20);
    for _ in 0..15 {
        let program = siege.come();
        sleep(Duration::from_millis(dice.random_range(10..500))).await;
        siege.kill(program);
        load.still_well();
    }
    siege.end(load).await;
}
