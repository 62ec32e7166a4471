//! Which tag belongs to which part of the algorithm, and how much was sent in each.

use std::sync::atomic::{AtomicU64, Ordering};

use super::FIRST_RESERVED_TAG;

/// The tag of pivot exchanges.
pub const PIVOT: u32 = 1001;
/// The tag of rows on their way between process rows.
pub const SWAP: u32 = 1002;
/// Panel k has tag `FIRST_PANEL + k % PANELS`.
pub const FIRST_PANEL: u32 = 2001;
/// How many tags panels have.
pub const PANELS: u32 = 1000;
/// Sums along a process row in the back-substitution.
pub const SUM: u32 = 3001;
/// Solved blocks of x on their way along a process column.
pub const SPREAD: u32 = 3002;

/// A part of the algorithm in which messages are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Pivots and their rows, down a process column.
    Pivot,
    /// Row interchanges between process rows.
    Swap,
    /// Panels along process rows.
    Broadcast,
    /// Back-substitution.
    Backsolve,
    /// All else: set-up, barriers, verification.
    Other,
}

impl Stage {
    /// All there are.
    pub const ALL: [Stage; 5] = [Stage::Pivot, Stage::Swap, Stage::Broadcast, Stage::Backsolve, Stage::Other];

    /// That of a message.
    pub fn of(tag: u32) -> Stage {
        match tag {
            PIVOT => Stage::Pivot,
            SWAP => Stage::Swap,
            SUM | SPREAD => Stage::Backsolve,
            _ if (FIRST_PANEL..FIRST_PANEL + PANELS).contains(&tag) => Stage::Broadcast,
            _ => Stage::Other,
        }
    }

    /// Its name for people.
    pub fn name(self) -> &'static str {
        match self {
            Stage::Pivot => "pivot exchange",
            Stage::Swap => "row swap",
            Stage::Broadcast => "panel broadcast",
            Stage::Backsolve => "back-substitution",
            Stage::Other => "set-up or verification",
        }
    }
}

const _: () = assert!(SPREAD < FIRST_RESERVED_TAG && FIRST_PANEL + PANELS <= SUM);

/// Bytes that a rank has sent, by stage, in the order of [`Stage::ALL`].
#[derive(Debug, Default)]
pub struct Traffic([AtomicU64; 5]);

impl Traffic {
    /// Counts a message of `len` doubles.
    pub(super) fn count(&self, tag: u32, len: usize) {
        self.0[Stage::of(tag) as usize].fetch_add(8 * len as u64, Ordering::Relaxed);
    }

    /// What was sent so far.
    pub fn sent(&self) -> [u64; 5] {
        std::array::from_fn(|stage| self.0[stage].load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tag_has_its_stage() {
        let tags = [PIVOT, SWAP, FIRST_PANEL, FIRST_PANEL + PANELS - 1, SUM, SPREAD, 0, FIRST_RESERVED_TAG];
        use Stage::{Backsolve, Broadcast, Other, Pivot, Swap};
        assert_eq!(tags.map(Stage::of), [Pivot, Swap, Broadcast, Broadcast, Backsolve, Backsolve, Other, Other]);
        assert_eq!(Stage::ALL.map(|stage| stage as usize), [0, 1, 2, 3, 4]);
        let traffic = Traffic::default();
        traffic.count(SWAP, 10);
        traffic.count(SWAP, 1);
        assert_eq!(traffic.sent(), [0, 88, 0, 0, 0]);
    }
}
