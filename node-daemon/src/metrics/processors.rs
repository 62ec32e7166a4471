//! How busy the cores are and how fast their clocks run.

use std::path::Path;
use std::time::{Duration, Instant};

use super::kept::{Buffer, Kept};
use super::{Making, rounded};
use crate::host::load::{Ticks, cpu_ticks};

/// No more cores are told one by one.
const CORES: usize = 1024;
/// If reading all clocks took longer, they are read more rarely: some kernels interrupt every core for it.
const SLOW_CLOCKS: Duration = Duration::from_millis(10);
/// Then only every so many samples.
const RARELY: u32 = 12;

/// The cores.
#[derive(Debug)]
pub(super) struct Processors {
    stat: Option<Kept>,
    before: Vec<Ticks>,
    now: Vec<Ticks>,
    clocks: Vec<Kept>,
    /// How many samples are still to pass before the clocks are read again.
    rest: u32,
}

impl Processors {
    pub(super) fn below(root: &Path, buffer: &mut Buffer) -> Processors {
        let folder = root.join("sys/devices/system/cpu");
        let online = std::fs::read_to_string(folder.join("online")).unwrap_or_default();
        let cores = parse_cores(&online);
        let clock = |n: &usize| Kept::open(folder.join(format!("cpu{n}/cpufreq/scaling_cur_freq")));
        let clocks: Option<Vec<Kept>> = cores.iter().take(CORES).map(clock).collect();
        let stat = Kept::open(root.join("proc/stat"));
        let mut before = Vec::new();
        if let Some(text) = stat.as_ref().and_then(|file| file.bytes(buffer)) {
            parse_ticks(text, &mut before);
        }
        // of some cores only: which of them would be meant could not be told
        Processors { stat, before, now: Vec::new(), clocks: clocks.unwrap_or_default(), rest: 0 }
    }

    pub(super) fn read(&mut self, buffer: &mut Buffer, making: &mut Making) {
        if let Some(text) = self.stat.as_ref().and_then(|file| file.bytes(buffer)) {
            parse_ticks(text, &mut self.now);
            self.note_ticks(making);
        }
        match self.rest {
            0 => self.read_clocks(making),
            _ => self.rest -= 1,
        }
    }

    fn note_ticks(&mut self, making: &mut Making) {
        // a core that came or went makes the two looks incomparable
        if self.before.len() == self.now.len() {
            let mut pairs = self.before.iter().zip(&self.now);
            if let Some((before, now)) = pairs.next() {
                let stolen = ratio(now.stolen.saturating_sub(before.stolen), before, now);
                let busy = ratio(now.busy.saturating_sub(before.busy), before, now);
                for (name, value) in [("cpu_busy_ratio", busy), ("cpu_stolen_ratio", stolen)] {
                    making.note(name, value.unwrap_or(f64::NAN), 4);
                }
            }
            let busy = pairs.take(CORES).map(|(b, n)| ratio(n.busy.saturating_sub(b.busy), b, n));
            let busy: Option<Vec<f64>> = busy.map(|core| core.map(|core| rounded(core, 3))).collect();
            if let Some(busy) = busy.filter(|busy| !busy.is_empty()) {
                making.per_core.insert("cpu_busy_ratio".to_owned(), busy);
            }
        }
        std::mem::swap(&mut self.before, &mut self.now);
    }

    fn read_clocks(&mut self, making: &mut Making) {
        if self.clocks.is_empty() {
            return;
        }
        let began = Instant::now();
        // in kHz
        let read = |clock: &Kept| clock.number().filter(|khz| *khz > 0).map(|khz| khz as f64 * 1000.0);
        let clocks: Option<Vec<f64>> = self.clocks.iter().map(read).collect();
        if let Some(clocks) = clocks {
            making.note("clock_mean_hz", clocks.iter().sum::<f64>() / clocks.len() as f64, 0);
            making.per_core.insert("clock_hz".to_owned(), clocks);
        }
        if began.elapsed() > SLOW_CLOCKS {
            self.rest = RARELY - 1;
        }
    }
}

fn ratio(part: u64, before: &Ticks, now: &Ticks) -> Option<f64> {
    let all = now.all.checked_sub(before.all).filter(|all| *all > 0)?;
    Some((part as f64 / all as f64).min(1.0))
}

/// The lines `cpu`, `cpu0`, … of `/proc/stat`: all cores together first, then each. The rest of the file, which is long
/// on large machines, is not looked at.
fn parse_ticks(text: &[u8], ticks: &mut Vec<Ticks>) {
    ticks.clear();
    for line in text.split(|b| *b == b'\n') {
        let Some(rest) = line.strip_prefix(b"cpu") else { break };
        let numbers = rest.iter().position(|b| *b == b' ').map_or(&[][..], |at| &rest[at..]);
        match std::str::from_utf8(numbers).ok().and_then(cpu_ticks) {
            Some(found) => ticks.push(found),
            None => {
                ticks.clear();
                break;
            }
        }
    }
}

/// The numbers in a list of the kernel: `0-3,8`. Nothing if it is no such list.
#[must_use]
pub fn parse_cores(text: &str) -> Vec<usize> {
    let range = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (usize, usize) = (first.parse().ok()?, last.parse().ok()?);
        (first <= last && last < 1 << 16).then_some(first..=last)
    };
    let ranges: Option<Vec<_>> = text.trim().split(',').map(range).collect();
    ranges.into_iter().flatten().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::{told, tree, write};
    use super::super::*;
    use super::*;

    const BEFORE: &str = "cpu  10 0 10 180 0 0 0 0 0 0\ncpu0 5 0 5 90 0 0 0 0 0 0\ncpu1 5 0 5 90 0 0 0 0 0 0\nintr 1\n";
    const AFTER: &str =
        "cpu  60 0 20 290 0 0 0 20 0 0\ncpu0 50 0 15 130 0 0 0 0 0 0\ncpu1 10 0 5 160 0 0 0 20 0 0\nintr\n";

    #[test]
    fn cores_are_busy_one_by_one() {
        let root = tree(&[("proc/stat", BEFORE)]);
        let mut sampler = Sampler::below(root.path(), Duration::ZERO);
        // nothing has passed: nothing can be said
        assert_eq!(told(&sampler.sample_at(0, Duration::from_secs(1))), "");
        write(root.path(), "proc/stat", AFTER);
        let sample = sampler.sample_at(0, Duration::from_secs(5));
        assert_eq!(told(&sample), "cpu_busy_ratio=0.3158,cpu_stolen_ratio=0.1053");
        assert_eq!(sample.per_core["cpu_busy_ratio"], [0.579, 0.053]);
        // a core went away
        write(root.path(), "proc/stat", "cpu  99 0 99 999 0 0 0 20 0 0\ncpu0 99 0 99 999 0 0 0 0 0 0\nintr\n");
        assert_eq!(told(&sampler.sample_at(0, Duration::from_secs(10))), "");
    }

    #[test]
    fn clocks_are_of_all_cores_or_of_none() {
        let clock = |n: u32| format!("sys/devices/system/cpu/cpu{n}/cpufreq/scaling_cur_freq");
        let root = tree(&[("sys/devices/system/cpu/online", "0,2-3\n")]);
        for (n, khz) in [(0, "2000000\n"), (2, "3000000\n")] {
            write(root.path(), &clock(n), khz);
        }
        let sample = |root: &Path| Sampler::below(root, Duration::ZERO).sample_at(0, Duration::from_secs(5));
        assert_eq!(sample(root.path()).per_core.len(), 0);
        write(root.path(), &clock(3), "4000000\n");
        let shown = sample(root.path());
        assert_eq!(shown.per_core["clock_hz"], [2e9, 3e9, 4e9]);
        assert_eq!(told(&shown), "clock_mean_hz=3000000000");
        write(root.path(), &clock(3), "<unknown>\n");
        assert_eq!(told(&sample(root.path())), "");
    }

    #[test]
    fn lists_of_cores() {
        assert_eq!(parse_cores("0-2,8,10-11\n"), [0, 1, 2, 8, 10, 11]);
        for wrong in ["", "\n", "a", "3-1", "0-", "0-99999999999"] {
            assert_eq!(parse_cores(wrong), Vec::<usize>::new(), "{wrong}");
        }
        let mut ticks = vec![Ticks::default()];
        parse_ticks(b"cpu  1 2 x 4\n", &mut ticks);
        assert_eq!(ticks, []);
    }
}
