//! What the node does while a run is on: one [`Sampler`] gives a sample of all figures the node shows.
//!
//! | file | figures |
//! |---|---|
//! | [`processors`] | `cpu_busy_ratio`, `cpu_stolen_ratio`, the first also of each core; `clock_mean_hz`, `clock_hz` of each core |
//! | here | `memory_total_bytes`, `memory_available_bytes`, `memory_used_bytes`, `swap_used_bytes`; `load_tasks`; `pressure_cpu_ratio`, `pressure_memory_ratio`, `pressure_io_ratio` |
//! | [`traffic`] | `network_received_bytes_per_s`, `network_sent_bytes_per_s`, `disk_read_bytes_per_s`, `disk_written_bytes_per_s` |
//! | [`heat`] | `temperature_max_celsius` |
//! | [`energy`] | `power_w`, `energy_j` |
//! | [`spool`] | samples that wait to be sent |
//!
//! What the node does not show is absent, never zero. The daemon lives beside a run that wants every core, so a sample
//! costs little: each file is opened once and read again from its beginning into one buffer that stays. Measured by
//! `cargo test -p node-daemon --release --test metrics -- --ignored --nocapture`.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use hpl_spec::api::agent::Sample;

use crate::host::{self, load::parse_loadavg, memory};

pub mod energy;
pub mod heat;
mod kept;
pub mod processors;
pub mod spool;
pub mod traffic;

pub use energy::Energy;
pub use spool::Spool;

use kept::{Buffer, Kept};

/// Looks nearer to each other than this give no rates.
const LEAST_SPAN: Duration = Duration::from_millis(100);

/// Reads the node's figures, every few seconds. Rates are those since the sample before.
#[derive(Debug)]
pub struct Sampler {
    buffer: Buffer,
    at: Duration,
    processors: processors::Processors,
    memory: Option<Kept>,
    load: Option<Kept>,
    pressure: Vec<(&'static str, Kept)>,
    traffic: traffic::Traffic,
    heat: heat::Heat,
    energy: Energy,
}

/// A sample in the making.
#[derive(Debug, Default)]
struct Making {
    values: BTreeMap<String, f64>,
    per_core: BTreeMap<String, Vec<f64>>,
}

impl Making {
    /// Notes a figure, rounded to so many decimals: more would be noise that is sent and kept.
    fn note(&mut self, name: &str, value: f64, decimals: i32) {
        if value.is_finite() {
            self.values.insert(name.to_owned(), rounded(value, decimals));
        }
    }
}

fn rounded(value: f64, decimals: i32) -> f64 {
    let scale = 10f64.powi(decimals);
    (value * scale).round() / scale
}

impl Default for Sampler {
    fn default() -> Sampler {
        Sampler::new()
    }
}

impl Sampler {
    /// Looks for what this machine shows. The rates of the first sample count from here, and so does the energy.
    #[must_use]
    pub fn new() -> Sampler {
        Sampler::below(Path::new("/"), host::now())
    }

    /// As [`Sampler::new`], with `proc` and `sys` in the folder `root`, at the moment `now`.
    #[must_use]
    pub fn below(root: &Path, now: Duration) -> Sampler {
        let mut buffer = Buffer::default();
        let pressure = ["cpu", "memory", "io"].map(|what| (what, root.join("proc/pressure").join(what)));
        // a kernel may have the files and refuse to read them
        let reads = |kept: Kept, buffer: &mut Buffer| kept.bytes(buffer).is_some().then_some(kept);
        let pressure = pressure
            .into_iter()
            .filter_map(|(what, path)| Some((what, Kept::open(path).and_then(|kept| reads(kept, &mut buffer))?)));
        let pressure = pressure.collect();
        Sampler {
            at: now,
            processors: processors::Processors::below(root, &mut buffer),
            memory: Kept::open(root.join("proc/meminfo")),
            load: Kept::open(root.join("proc/loadavg")),
            pressure,
            traffic: traffic::Traffic::below(root, &mut buffer),
            heat: heat::Heat::below(root),
            energy: Energy::below(root),
            buffer,
        }
    }

    /// The figures now; `at_ms` is written on the sample.
    pub fn sample(&mut self, at_ms: u64) -> Sample {
        self.sample_at(at_ms, host::now())
    }

    /// As [`Sampler::sample`], at the moment `now` of the clock that [`Sampler::below`] was given.
    pub fn sample_at(&mut self, at_ms: u64, now: Duration) -> Sample {
        let span = now.checked_sub(self.at).filter(|span| *span >= LEAST_SPAN);
        let mut making = Making::default();
        self.processors.read(&mut self.buffer, &mut making);
        self.memory(&mut making);
        self.traffic.read(&mut self.buffer, span, &mut making);
        self.heat.read(&mut self.buffer, &mut making);
        if let Some(joules) = self.energy.joules() {
            making.note("energy_j", joules, 3);
            if let (Some(span), Some(since)) = (span, self.energy.since_last()) {
                making.note("power_w", since / span.as_secs_f64(), 1);
            }
        }
        if span.is_some() {
            self.at = now;
            self.energy.mark();
        }
        Sample { at_ms, values: making.values, per_core: making.per_core }
    }

    /// Joules that the processors took since [`Sampler::new`], now; None if the node does not tell.
    pub fn energy(&mut self) -> Option<f64> {
        self.energy.joules()
    }

    /// Memory, load, and how long work waited for what.
    fn memory(&mut self, making: &mut Making) {
        if let Some(text) = self.memory.as_ref().and_then(|file| file.text(&mut self.buffer)) {
            let found = memory::parse_meminfo(text);
            let mut note = |name: &str, bytes: u64| making.note(name, bytes as f64, 0);
            if found.total > 0 {
                note("memory_total_bytes", found.total);
                note("memory_available_bytes", found.available);
                note("memory_used_bytes", found.total.saturating_sub(found.available));
            }
            if let Some(free) = memory::meminfo_field(text, "SwapFree").filter(|_| found.swap_total > 0) {
                note("swap_used_bytes", found.swap_total.saturating_sub(free));
            }
        }
        if let Some(load) = self.load.as_ref().and_then(|file| parse_loadavg(file.text(&mut self.buffer)?)) {
            making.note("load_tasks", load, 2);
        }
        for (what, file) in &self.pressure {
            if let Some(ratio) = file.text(&mut self.buffer).and_then(parse_pressure) {
                making.note(&format!("pressure_{what}_ratio"), ratio, 4);
            }
        }
    }
}

/// The part of the last ten seconds in which some work waited: `some avg10=21.38 …`, in percent.
fn parse_pressure(text: &str) -> Option<f64> {
    let some = text.lines().find_map(|line| line.strip_prefix("some "))?;
    let percent: f64 = some.split(' ').find_map(|word| word.strip_prefix("avg10="))?.parse().ok()?;
    Some(percent / 100.0).filter(|ratio| (0.0..=1.0).contains(ratio))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A folder with these files.
    pub(crate) fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        files.iter().for_each(|(path, text)| write(root.path(), path, text));
        root
    }

    pub(crate) fn write(root: &Path, path: &str, text: &str) {
        let path = root.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    #[test]
    fn a_bare_node_shows_nothing_and_says_so_by_silence() {
        let root = tempfile::tempdir().unwrap();
        let mut sampler = Sampler::below(root.path(), Duration::ZERO);
        let sample = sampler.sample_at(7, Duration::from_secs(5));
        assert_eq!((sample.at_ms, sample.values.len(), sample.per_core.len()), (7, 0, 0));
        assert_eq!(sampler.energy(), None);
    }

    #[test]
    fn memory_load_and_pressure() {
        let root = tree(&[
            ("proc/meminfo", "MemTotal: 100 kB\nMemAvailable: 40 kB\nSwapTotal: 10 kB\nSwapFree: 4 kB\n"),
            ("proc/loadavg", "1.257 0 0 1/2 3\n"),
            ("proc/pressure/cpu", "some avg10=21.38 avg60=0 avg300=0 total=9\nfull avg10=0.00\n"),
            ("proc/pressure/io", "nonsense\n"),
        ]);
        let mut sampler = Sampler::below(root.path(), Duration::ZERO);
        let expected = "load_tasks=1.26,memory_available_bytes=40960,memory_total_bytes=102400,\
                        memory_used_bytes=61440,pressure_cpu_ratio=0.2138,swap_used_bytes=6144";
        assert_eq!(told(&sampler.sample_at(0, Duration::from_secs(5))), expected);
        write(root.path(), "proc/meminfo", "MemTotal: 100 kB\nMemAvailable: 40 kB\nSwapTotal: 0 kB\nSwapFree: 0 kB\n");
        assert!(!told(&sampler.sample_at(0, Duration::from_secs(5))).contains("swap"));
    }

    pub(crate) fn told(sample: &Sample) -> String {
        sample.values.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(",")
    }
}
