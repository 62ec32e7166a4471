//! Whether somebody else computes on this machine now.
//!
//! The load average answers late: it still tells of a run that ended a minute ago. So two looks at `/proc/stat`, half
//! a second apart, say how many cores were busy between them, and what this process used itself is taken off.

use std::io;
use std::time::Duration;

use super::{about, now, process_cpu};

/// The load of the last minute: processes that run or wait, on average.
///
/// # Errors
/// `/proc/loadavg` is not there or reads otherwise.
pub fn load() -> io::Result<f64> {
    let path = "/proc/loadavg";
    let text = std::fs::read_to_string(path).map_err(|e| about(path, &e))?;
    parse_loadavg(&text).ok_or_else(|| io::Error::other(format!("{path}: expected a number first, found {text:?}")))
}

/// The first number of `/proc/loadavg`.
#[must_use]
pub fn parse_loadavg(text: &str) -> Option<f64> {
    text.split_whitespace().next()?.parse().ok().filter(|load: &f64| load.is_finite())
}

/// What the processors have done since the machine was started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CpuLook {
    /// When.
    pub at: Duration,
    /// Ticks of all cores, doing anything.
    pub busy: u64,
    /// Ticks of all cores, those without work included.
    pub all: u64,
    /// Cores.
    pub cores: usize,
    /// What this process used.
    pub own: Duration,
}

impl CpuLook {
    /// Looks.
    ///
    /// # Errors
    /// `/proc/stat` is not there or reads otherwise.
    pub fn take() -> io::Result<CpuLook> {
        let path = "/proc/stat";
        let text = std::fs::read_to_string(path).map_err(|e| about(path, &e))?;
        let parsed = parse_stat(&text).ok_or_else(|| io::Error::other(format!("{path}: expected a line `cpu …`")))?;
        Ok(CpuLook { at: now(), own: process_cpu(), busy: parsed.0, all: parsed.1, cores: parsed.2 })
    }
}

/// Busy ticks, all ticks and the number of cores in `/proc/stat`.
#[must_use]
pub fn parse_stat(text: &str) -> Option<(u64, u64, usize)> {
    let mut total = None;
    let mut cores = 0;
    for line in text.lines() {
        match line.strip_prefix("cpu") {
            Some(rest) if rest.starts_with(' ') => total = cpu_ticks(rest),
            Some(_) => cores += 1,
            None => break,
        }
    }
    let ticks = total?;
    Some((ticks.busy, ticks.all, cores))
}

/// The ticks of one line of `/proc/stat`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ticks {
    /// Doing anything.
    pub busy: u64,
    /// Ready to work, while another guest of the same hardware ran.
    pub stolen: u64,
    /// All, those without work included.
    pub all: u64,
}

/// What follows the name in a line of `/proc/stat`: user nice system idle iowait irq softirq steal guest guest_nice.
/// The time of guests is counted in user already.
#[must_use]
pub fn cpu_ticks(line: &str) -> Option<Ticks> {
    let mut counts = [0u64; 8];
    let mut words = line.split_ascii_whitespace();
    for (n, count) in counts.iter_mut().enumerate() {
        match words.next() {
            Some(word) => *count = word.parse().ok()?,
            // the last four came later
            None if n >= 4 => break,
            None => return None,
        }
    }
    let [user, nice, system, idle, iowait, irq, softirq, stolen] = counts;
    let busy = user + nice + system + irq + softirq;
    Some(Ticks { busy, stolen, all: busy + idle + iowait + stolen })
}

/// How many cores were busy between two looks with work that is not this process's; None if they are too near to each
/// other (less than 0.1 s) to tell.
#[must_use]
pub fn busy_cores(earlier: &CpuLook, later: &CpuLook) -> Option<f64> {
    let elapsed = later.at.checked_sub(earlier.at).filter(|d| *d >= Duration::from_millis(100))?;
    let all = later.all.checked_sub(earlier.all).filter(|ticks| *ticks > 0)?;
    let busy = later.busy.saturating_sub(earlier.busy) as f64 / all as f64 * later.cores as f64;
    let own = later.own.saturating_sub(earlier.own).as_secs_f64() / elapsed.as_secs_f64();
    Some((busy - own).max(0.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAT: &str = "cpu  100 10 20 700 30 1 2 3 50 0\ncpu0 50 5 10 350 15 1 1 1 0 0\ncpu1 50 5 10 350 15 0 1 2 0 0\n\
                        intr 9 9 9\nctxt 12\n";

    #[test]
    fn stat_is_read() {
        assert_eq!(parse_stat(STAT), Some((133, 866, 2)));
        assert_eq!(cpu_ticks(" 1 2 3 4"), Some(Ticks { busy: 6, stolen: 0, all: 10 }));
        assert_eq!((cpu_ticks(" 1 2 3"), cpu_ticks(" 1 2 x 4"), parse_stat("intr 9\n")), (None, None, None));
        assert_eq!((parse_loadavg("0.52 0.4 0.3 1/99 12\n"), parse_loadavg("")), (Some(0.52), None));
    }

    #[test]
    fn foreign_work_is_what_is_not_our_own() {
        let s = Duration::from_secs;
        let look = |at, busy, all, own| CpuLook { at: s(at), busy, all, cores: 4, own: s(own) };
        let first = look(10, 1000, 4000, 3);
        // 2 s on 4 cores are 800 ticks; 300 of them busy are 1.5 cores; ours was 1 s in 2 s
        assert_eq!(busy_cores(&first, &look(12, 1300, 4800, 4)), Some(1.0));
        assert_eq!(busy_cores(&first, &look(12, 1000, 4800, 4)), Some(0.0));
        assert_eq!(busy_cores(&first, &look(10, 1300, 4800, 4)), None);
        assert_eq!(busy_cores(&look(12, 1300, 4800, 4), &first), None);
        assert_eq!(busy_cores(&first, &look(12, 1000, 4000, 4)), None);
    }

    #[test]
    fn this_machine_can_be_looked_at() {
        let earlier = CpuLook::take().unwrap();
        let until = std::time::Instant::now() + Duration::from_secs(60);
        let busy = loop {
            let later = CpuLook::take().unwrap();
            match busy_cores(&earlier, &later) {
                Some(busy) => break busy,
                None => assert!(std::time::Instant::now() < until),
            }
        };
        assert!(busy <= earlier.cores as f64 + 0.5 && load().unwrap() >= 0.0, "{busy}");
    }
}
