//! The node's figures while a run was on, as few of them as rules look at.

use hpl_spec::api::agent::Sample;

/// No more moments are kept: a day and more at the usual five seconds. Then every second one is given up.
const MOST: usize = 20_000;
/// A core that computes is at least so busy.
const BUSY: f64 = 0.5;
/// What lies above these is no figure of a machine.
const HERTZ: f64 = 1e12;
const DEGREES: f64 = 200.0;
const WATTS: f64 = 1e6;
const BYTES: f64 = 1e18;
const TASKS: f64 = 1e7;

/// The node at one moment; None where it was not measured.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Moment {
    /// Seconds since the attempt began.
    pub at_s: f64,
    /// The mean clock of the cores that computed, or of all where that is not known, in Hz.
    pub clock: Option<f64>,
    /// Of the hottest sensor, in degrees Celsius.
    pub temperature: Option<f64>,
    /// Watts of the processors.
    pub power: Option<f64>,
    /// Bytes swapped out.
    pub swap_used: Option<f64>,
    /// Bytes of memory that could be had.
    pub memory_available: Option<f64>,
    /// Bytes of memory.
    pub memory_total: Option<f64>,
    /// The part of the processors' time in which they worked.
    pub busy: Option<f64>,
    /// The part that the hypervisor gave to others.
    pub stolen: Option<f64>,
    /// Tasks that ran or wanted to, over the last minute.
    pub load: Option<f64>,
    /// The part of the time in which some task waited for memory.
    pub pressure_memory: Option<f64>,
}

/// All moments.
#[derive(Debug, Clone, PartialEq)]
pub struct Watched {
    moments: Vec<Moment>,
    /// Of so many samples one is kept.
    every: u64,
    seen: u64,
}

impl Default for Watched {
    fn default() -> Watched {
        Watched { moments: Vec::new(), every: 1, seen: 0 }
    }
}

impl Watched {
    /// Takes note of a sample.
    pub fn see(&mut self, sample: &Sample) {
        let wanted = self.seen.is_multiple_of(self.every);
        self.seen += 1;
        if !wanted {
            return;
        }
        self.moments.push(moment(sample));
        if self.moments.len() >= MOST {
            let mut even = false;
            self.moments.retain(|_| {
                even = !even;
                even
            });
            self.every *= 2;
        }
    }

    /// All moments, in the order in which they came.
    #[must_use]
    pub fn all(&self) -> &[Moment] {
        &self.moments
    }

    /// Those in which at least half of the cores that the run had were busy: the program was computing. `share` is the
    /// part of all processors that the run had.
    pub(super) fn computing(&self, share: f64) -> Vec<&Moment> {
        let at_work = |m: &&Moment| m.busy.is_none_or(|busy| busy >= BUSY * share.clamp(0.0, 1.0));
        self.moments.iter().filter(at_work).collect()
    }
}

fn moment(sample: &Sample) -> Moment {
    let upto = |most: f64, name: &str| sample.values.get(name).copied().filter(|v| (0.0..=most).contains(v));
    Moment {
        at_s: sample.at_ms as f64 / 1e3,
        clock: clock_of_the_busy(sample).or_else(|| upto(HERTZ, "clock_mean_hz")).filter(|clock| *clock > 0.0),
        temperature: upto(DEGREES, "temperature_max_celsius"),
        power: upto(WATTS, "power_w"),
        swap_used: upto(BYTES, "swap_used_bytes"),
        memory_available: upto(BYTES, "memory_available_bytes"),
        memory_total: upto(BYTES, "memory_total_bytes"),
        busy: upto(1.0, "cpu_busy_ratio"),
        stolen: upto(1.0, "cpu_stolen_ratio"),
        load: upto(TASKS, "load_tasks"),
        pressure_memory: upto(1.0, "pressure_memory_ratio"),
    }
}

/// Cores that rest slow down, and say nothing about those that compute.
fn clock_of_the_busy(sample: &Sample) -> Option<f64> {
    let (clocks, busy) = (sample.per_core.get("clock_hz")?, sample.per_core.get("cpu_busy_ratio")?);
    if clocks.len() != busy.len() {
        return None;
    }
    let at_work = clocks.iter().zip(busy).filter(|(clock, busy)| (0.0..=HERTZ).contains(*clock) && **busy >= BUSY);
    let (sum, count) = at_work.fold((0.0, 0_u32), |(sum, count), (clock, _)| (sum + clock, count + 1));
    (count > 0).then(|| sum / f64::from(count))
}
