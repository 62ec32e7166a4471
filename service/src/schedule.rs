//! Which job goes to which node, and why the others wait: pure.
//!
//! - A job fits a node that has its cores, memory and labels (section 3 of the issue: a node set it fits on; today
//!   a set is one node).
//! - Owners take turns by fair share: who used less of the nodes lately goes first. That order is an index of the
//!   database, see the migration of the jobs; here is what it rests on.
//! - Express jobs, those of at most [`EXPRESS_S`] seconds, go before the others, but never more than
//!   [`EXPRESS_STREAK`] in a row on a node where another one waits that fits.

/// Runs of at most so many seconds are express.
pub const EXPRESS_S: u32 = 120;
/// So many express runs in a row may a node take while others wait.
pub const EXPRESS_STREAK: i64 = 3;
/// Use of nodes counts half as much after this time: a week.
pub const HALF_LIFE_MS: f64 = 7.0 * 24.0 * 3600.0 * 1000.0;
/// The share of who never used anything: so little that it is less than any use.
pub const NO_SHARE: f64 = -1000.0;
/// From here on the weight of use grows, 2026-01-01, so that numbers stay small.
const SHARE_EPOCH_MS: i64 = 1_767_225_600_000;

/// The part of a node's memory that a run may take.
const MEMORY_SHARE: f64 = 0.95;

/// Memory that a node with `memory` bytes in all may give to a run.
#[must_use]
pub fn capacity(memory: u64) -> u64 {
    (memory as f64 * MEMORY_SHARE) as u64
}

/// What a job needs of a node.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Needs {
    /// This very node.
    pub node: Option<String>,
    /// Not this node: the last try failed there. Only a wish, see [`Offer::fits`].
    pub avoid: Option<String>,
    /// Physical cores.
    pub cores: u32,
    /// Bytes of memory.
    pub memory: u64,
    /// Labels.
    pub labels: Vec<String>,
}

/// What a node has.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Offer {
    /// Its id.
    pub node: String,
    /// Physical cores.
    pub cores: u32,
    /// Bytes of memory that a job may take.
    pub memory: u64,
    /// Labels, set by the service.
    pub labels: Vec<String>,
}

impl Offer {
    /// Whether a job fits here; a node to be avoided is the caller's concern, since it is better than none.
    ///
    /// # Errors
    /// What is missing, in words.
    pub fn fits(&self, needs: &Needs) -> Result<(), String> {
        if needs.node.as_ref().is_some_and(|node| *node != self.node) {
            return Err("it is another node".into());
        }
        if needs.cores > self.cores {
            return Err(format!("it has {} cores of {} needed", self.cores, needs.cores));
        }
        if needs.memory > self.memory {
            return Err(format!("it has {} of memory, {} are needed", gib(self.memory), gib(needs.memory)));
        }
        match needs.labels.iter().find(|label| !self.labels.contains(label)) {
            Some(label) => Err(format!("it lacks the label `{label}`")),
            None => Ok(()),
        }
    }
}

/// Bytes as people read them.
#[must_use]
pub fn gib(bytes: u64) -> String {
    format!("{:.1} GiB", bytes as f64 / (1u64 << 30) as f64)
}

/// The share after `node_ms` more milliseconds of nodes, used at `now`: log2 of the sum of all use, each second
/// weighted with 2^(weeks since 2026).
#[must_use]
pub fn share_after(share: f64, node_ms: i64, now: i64) -> f64 {
    if node_ms <= 0 {
        return share;
    }
    let added = (node_ms as f64 / 1000.0).log2() + weight(now);
    let (large, small) = if share > added { (share, added) } else { (added, share) };
    // log2(2^a + 2^b) without 2^a, which may be beyond any number.
    large + (1.0 + (small - large).exp2()).log2()
}

/// Node seconds of a share, as they count at `now`.
#[must_use]
pub fn recent_seconds(share: f64, now: i64) -> f64 {
    if share <= NO_SHARE { 0.0 } else { (share - weight(now)).exp2() }
}

fn weight(now: i64) -> f64 {
    (now - SHARE_EPOCH_MS) as f64 / HALF_LIFE_MS
}

/// Whether the node takes an express job next, if jobs of both kinds fit.
#[must_use]
pub fn express_first(streak: i64) -> bool {
    streak < EXPRESS_STREAK
}

/// The walltime of a run, in seconds, for which none was asked: three times what was predicted and a minute, at
/// least two minutes, never more than `most`; `most` where nothing could be predicted.
#[must_use]
pub fn walltime(estimate_s: Option<f64>, most: u32) -> u32 {
    match estimate_s {
        Some(s) if s.is_finite() => ((3.0 * s + 60.0).clamp(f64::from(EXPRESS_S), 1e9) as u32).min(most),
        _ => most,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const WEEK: i64 = 7 * 24 * 3600 * 1000;

    #[test]
    fn what_is_missing_is_said() {
        let node = Offer { node: "a".into(), cores: 4, memory: 1 << 32, labels: vec!["gpu".into()] };
        let needs = Needs { cores: 4, memory: 1 << 32, labels: vec!["gpu".into()], ..Needs::default() };
        assert_eq!(node.fits(&needs), Ok(()));
        assert!(node.fits(&Needs { cores: 5, ..needs.clone() }).unwrap_err().contains("4 cores of 5"));
        assert!(node.fits(&Needs { memory: 1 << 33, ..needs.clone() }).unwrap_err().contains("8.0 GiB are needed"));
        assert!(node.fits(&Needs { labels: vec!["ib".into()], ..needs.clone() }).unwrap_err().contains("`ib`"));
        assert!(node.fits(&Needs { node: Some("b".into()), ..needs }).is_err());
    }

    #[test]
    fn use_fades_by_half_a_week() {
        let now = SHARE_EPOCH_MS + 40 * WEEK;
        let share = share_after(NO_SHARE, 3_600_000, now);
        assert!((recent_seconds(share, now) - 3600.0).abs() < 1e-6);
        assert!((recent_seconds(share, now + WEEK) - 1800.0).abs() < 1e-6);
        assert_eq!(recent_seconds(NO_SHARE, now), 0.0);
    }

    #[test]
    fn walltimes_leave_room_and_have_a_limit() {
        assert_eq!(walltime(Some(1.0), 1800), 120);
        assert_eq!(walltime(Some(100.0), 1800), 360);
        assert_eq!(walltime(Some(1e9), 1800), 1800);
        assert_eq!(walltime(None, 1800), 1800);
        assert_eq!(walltime(Some(f64::NAN), 1800), 1800);
    }

    proptest! {
        #[test]
        fn who_waits_keeps_the_order(a in 1i64..1_000_000_000, b in 1i64..1_000_000_000, at in 0i64..500, wait in 0i64..500) {
            let now = SHARE_EPOCH_MS + at * WEEK;
            let (x, y) = (share_after(NO_SHARE, a, now), share_after(NO_SHARE, b, now));
            prop_assert!(a == b || (a < b) == (x < y));
            let later = now + wait * WEEK;
            let (p, q) = (recent_seconds(x, later), recent_seconds(y, later));
            prop_assert!(p.is_finite() && (a == b || p == 0.0 || (a < b) == (p < q)));
        }

        #[test]
        fn shares_add_up(first in 1i64..1_000_000_000, second in 1i64..1_000_000_000, weeks in 0i64..20) {
            let (then, now) = (SHARE_EPOCH_MS + 100 * WEEK, SHARE_EPOCH_MS + (100 + weeks) * WEEK);
            let share = share_after(share_after(NO_SHARE, first, then), second, now);
            let expected = first as f64 / 1000.0 / 2f64.powi(weeks as i32) + second as f64 / 1000.0;
            prop_assert!((recent_seconds(share, now) / expected - 1.0).abs() < 1e-9);
        }
    }
}
