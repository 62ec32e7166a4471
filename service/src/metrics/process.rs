//! Memory and processor time of this process, read from /proc when somebody asks.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

/// Ticks of a second in /proc/self/stat: USER_HZ, which Linux shows as 100 whatever its own clock is.
const TICKS: f64 = 100.0;

/// Reads /proc/self.
#[derive(Debug)]
pub(super) struct Process;

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        let read = |file: &str| std::fs::read_to_string(format!("/proc/self/{file}")).ok();
        if let Some(bytes) = read("status").as_deref().and_then(resident) {
            let gauge = ConstGauge::new(bytes);
            let name = "process_resident_memory_bytes";
            gauge.encode(encoder.encode_descriptor(name, "Resident memory", None, gauge.metric_type())?)?;
        }
        if let Some(seconds) = read("stat").as_deref().and_then(processor) {
            let counter = ConstCounter::new(seconds);
            let name = "process_cpu_seconds";
            counter.encode(encoder.encode_descriptor(name, "Processor time", None, counter.metric_type())?)?;
        }
        Ok(())
    }
}

/// Bytes, of the line `VmRSS:   1234 kB`.
fn resident(status: &str) -> Option<i64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<i64>().ok()?.checked_mul(1024)
}

/// Seconds, of fields 14 and 15. The second field, a name in parentheses, may hold anything.
fn processor(stat: &str) -> Option<f64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11);
    let (user, system): (f64, f64) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    Some((user + system) / TICKS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proc_is_read() {
        assert_eq!(resident("Name:\tx\nVmRSS:\t    1234 kB\nVmData: 1 kB\n"), Some(1234 * 1024));
        let stat = "42 (a ) b) S 1 42 42 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 4 0 100 0 0";
        assert_eq!(processor(stat), Some(3.0));
        assert_eq!((resident(""), processor("1 (x")), (None, None));
        assert!(resident(&std::fs::read_to_string("/proc/self/status").unwrap()).unwrap() > 0);
    }
}
