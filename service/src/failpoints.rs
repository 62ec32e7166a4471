//! Points at which tests end the process, as `kill -9` would: built in with the feature `failpoints` alone.

/// Arms the points that `HPL_SERVICE_DIE_AT` names: `point` or `point:n`, for its n-th passing.
#[cfg(feature = "failpoints")]
pub fn arm() {
    use std::sync::atomic::{AtomicU32, Ordering};

    let Ok(named) = std::env::var("HPL_SERVICE_DIE_AT") else { return };
    let (point, passing) = named.split_once(':').unwrap_or((&named, "1"));
    let left = AtomicU32::new(passing.parse().unwrap_or(1));
    let armed = fail::cfg_callback(point, move || {
        if left.fetch_sub(1, Ordering::SeqCst) == 1 {
            // Neither destructors nor buffers: as if the power went.
            let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
        }
    });
    if let Err(why) = armed {
        tracing::error!(point, why, "the point could not be armed");
    }
}

/// There are none in this build.
#[cfg(not(feature = "failpoints"))]
pub fn arm() {}
