//! The wall clock. Nothing depends on it: durations are taken by a clock that cannot be set, and the service uses its
//! own. But people read times.

use std::path::Path;

use super::{Ability, State};
use crate::sys;

/// A clock that is off by more, in milliseconds, is said to be wrong.
const OFF: i64 = 2000;

/// Whether the clock is right, and kept right.
#[must_use]
pub fn clock(data: &Path) -> Ability {
    let status = std::fs::read_to_string(data.join("status.json")).ok();
    judge(status.as_deref().and_then(parse_offset), kept_by())
}

/// Milliseconds by which this clock is ahead of the service's, as the daemon wrote it down last.
fn parse_offset(status: &str) -> Option<i64> {
    serde_json::from_str::<serde_json::Value>(status).ok()?.get("clock_offset_ms")?.as_i64()
}

/// What keeps the clock right, if the kernel says that something does.
fn kept_by() -> Option<&'static str> {
    let known = [
        ("/run/systemd/timesync/synchronized", "systemd-timesyncd"),
        ("/run/chrony/chronyd.pid", "chrony"),
        ("/run/ntpd.pid", "ntpd"),
    ];
    let by = known.iter().find(|(file, _)| Path::new(file).exists());
    sys::clock_is_kept().ok()?.then(|| by.map_or("a time service", |(_, name)| name))
}

fn judge(offset: Option<i64>, kept: Option<&str>) -> Ability {
    let off = offset.map(|ms| match ms {
        0 => "equal to the service's".to_owned(),
        ahead @ 1.. => format!("{:.3} s ahead of the service's", ahead as f64 / 1000.0),
        behind => format!("{:.3} s behind the service's", -(behind as f64) / 1000.0),
    });
    let by = kept.map(|by| format!("kept right by {by}"));
    let found = [off, by].into_iter().flatten().collect::<Vec<_>>().join(", ");
    let costs =
        "times of this node may be shown wrong; no result is lost, but one of a node whose clock is far off is marked";
    let mend = "timedatectl set-ntp true, or install chrony";
    match (offset, kept) {
        (Some(ms), _) if ms.abs() > OFF => Ability::lacks("clock", State::Partly, found, costs, mend),
        (None, None) => Ability::lacks("clock", State::Partly, "nothing keeps it right", costs, mend),
        _ => Ability::has("clock", found),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_right_or_kept() {
        assert_eq!(judge(Some(-250), None), Ability::has("clock", "0.250 s behind the service's"));
        assert_eq!(judge(Some(0), Some("chrony")).found, "equal to the service's, kept right by chrony");
        assert_eq!(judge(None, Some("chrony")).state, State::Yes);
        assert_eq!(judge(Some(2001), Some("chrony")).state, State::Partly);
        assert_eq!(judge(Some(i64::MIN + 1), None).state, State::Partly);
        assert_eq!(judge(None, None).state, State::Partly);
        assert_eq!(parse_offset(r#"{"clock_offset_ms": -12}"#), Some(-12));
        assert_eq!((parse_offset("{}"), parse_offset("rubbish"), parse_offset("[1]")), (None, None, None));
    }
}
