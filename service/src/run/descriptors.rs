//! How many files and connections the system lets this process have open.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors that are kept for what is no connection: the database, logs and artifacts that are read and written.
const OTHERS: u64 = 1000;

/// Raises the limit as far as the system lets us; what it is then, or None where there is none.
///
/// The usual soft limit of 1024 is for programs that count descriptors in a bit set. With it the service would run out
/// at a twentieth of the connections that it takes.
pub(super) fn raise() -> Option<u64> {
    let before = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: before.maximum, maximum: before.maximum };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => before.maximum,
        Err(why) => {
            tracing::warn!(%why, "the limit of open files could not be raised");
            before.current
        }
    }
}

/// How many connections may be taken under that limit, if `wanted` are to be.
pub(super) fn connections(limit: Option<u64>, wanted: usize) -> usize {
    let Some(limit) = limit else { return wanted };
    // Where there are few in all, half of them are for connections.
    let room = usize::try_from(limit - OTHERS.min(limit / 2)).unwrap_or(usize::MAX);
    if room < wanted {
        tracing::warn!(
            limit,
            "at most {room} connections at a time instead of {wanted}: the system allows so few open files; raise its \
             hard limit (ulimit -Hn, or LimitNOFILE of the unit)"
        );
    }
    room.min(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_descriptors_for_the_rest() {
        for (limit, expected) in [
            (None, 20_000),
            (Some(1 << 20), 20_000),
            (Some(21_000), 20_000),
            (Some(20_999), 19_999),
            (Some(4096), 3096),
            (Some(1024), 512),
            (Some(0), 0),
        ] {
            assert_eq!(connections(limit, 20_000), expected, "{limit:?}");
        }
    }
}
