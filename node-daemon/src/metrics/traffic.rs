//! Bytes over the network and to the disks. Only devices of the hardware count: what goes through a bridge, a bond or a
//! mapped volume goes through one of them too, and would be counted twice.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Making;
use super::kept::{Buffer, Kept};

/// The kernel counts the bytes of disks in sectors of this size, whatever theirs is.
const SECTOR: u64 = 512;

/// Bytes in and out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Bytes {
    inward: u64,
    outward: u64,
}

impl Bytes {
    fn sum(all: impl Iterator<Item = Bytes>) -> Option<Bytes> {
        all.reduce(|a, b| Bytes { inward: a.inward.wrapping_add(b.inward), outward: a.outward.wrapping_add(b.outward) })
    }
}

/// Which devices count.
#[derive(Debug)]
struct Known {
    folder: PathBuf,
    /// Each that was seen, and whether it is hardware.
    names: Vec<(String, bool)>,
}

impl Known {
    fn hardware(&mut self, name: &str) -> bool {
        if let Some((_, hardware)) = self.names.iter().find(|(known, _)| known == name) {
            return *hardware;
        }
        let place = self.folder.join(name.replace('/', "!"));
        // the paths of a disk with several ways to it are hidden, and the disk itself is there as well
        let hidden = std::fs::read_to_string(place.join("hidden")).is_ok_and(|text| text.trim() == "1");
        let hardware = place.join("device").exists() && !hidden;
        self.names.push((name.to_owned(), hardware));
        hardware
    }
}

/// Network and disks.
#[derive(Debug)]
pub(super) struct Traffic {
    network: Counter,
    disks: Counter,
}

#[derive(Debug)]
struct Counter {
    file: Option<Kept>,
    known: Known,
    parse: fn(&str, &mut Known) -> Option<Bytes>,
    names: [&'static str; 2],
    before: Option<Bytes>,
}

impl Traffic {
    pub(super) fn below(root: &Path, buffer: &mut Buffer) -> Traffic {
        let counter = |file: &str, folder: &str, parse, names| Counter {
            file: Kept::open(root.join(file)),
            known: Known { folder: root.join(folder), names: Vec::new() },
            parse,
            names,
            before: None,
        };
        let network = ["network_received_bytes_per_s", "network_sent_bytes_per_s"];
        let disks = ["disk_read_bytes_per_s", "disk_written_bytes_per_s"];
        let mut traffic = Traffic {
            network: counter("proc/net/dev", "sys/class/net", parse_network, network),
            disks: counter("proc/diskstats", "sys/block", parse_disks, disks),
        };
        traffic.network.before = traffic.network.count(buffer);
        traffic.disks.before = traffic.disks.count(buffer);
        traffic
    }

    pub(super) fn read(&mut self, buffer: &mut Buffer, span: Option<Duration>, making: &mut Making) {
        if let Some(span) = span {
            self.network.read(buffer, span, making);
            self.disks.read(buffer, span, making);
        }
    }
}

impl Counter {
    fn count(&mut self, buffer: &mut Buffer) -> Option<Bytes> {
        (self.parse)(self.file.as_ref()?.text(buffer)?, &mut self.known)
    }

    fn read(&mut self, buffer: &mut Buffer, span: Duration, making: &mut Making) {
        let now = self.count(buffer);
        if let (Some(before), Some(now)) = (self.before, now) {
            let pairs = [(before.inward, now.inward), (before.outward, now.outward)];
            for (name, (before, now)) in self.names.iter().zip(pairs) {
                // a device that went away takes its count with it
                if let Some(bytes) = now.checked_sub(before) {
                    making.note(name, bytes as f64 / span.as_secs_f64(), 0);
                }
            }
        }
        self.before = now;
    }
}

/// `/proc/net/dev`: `name: bytes packets errs drop fifo frame compressed multicast bytes …`. Without any hardware, as
/// in a container, all but the loopback count.
fn parse_network(text: &str, known: &mut Known) -> Option<Bytes> {
    let parse = |line: &str| {
        let (name, counts) = line.split_once(':')?;
        let mut counts = counts.split_ascii_whitespace();
        let inward = counts.next()?.parse().ok()?;
        Some((name.trim().to_owned(), Bytes { inward, outward: counts.nth(7)?.parse().ok()? }))
    };
    let all: Vec<_> = text.lines().filter_map(parse).filter(|(name, _)| name != "lo").collect();
    let hardware: Vec<Bytes> = all.iter().filter(|(name, _)| known.hardware(name)).map(|(_, bytes)| *bytes).collect();
    Bytes::sum(hardware.into_iter()).or_else(|| Bytes::sum(all.into_iter().map(|(_, bytes)| bytes)))
}

/// `/proc/diskstats`: `major minor name reads merged sectors ms writes merged sectors …`.
fn parse_disks(text: &str, known: &mut Known) -> Option<Bytes> {
    let parse = |line: &str| {
        let mut words = line.split_ascii_whitespace();
        let name = words.nth(2)?;
        if !known.hardware(name) {
            return None;
        }
        let inward: u64 = words.nth(2)?.parse().ok()?;
        let outward: u64 = words.nth(3)?.parse().ok()?;
        Some(Bytes { inward: inward.wrapping_mul(SECTOR), outward: outward.wrapping_mul(SECTOR) })
    };
    Bytes::sum(text.lines().filter_map(parse))
}

#[cfg(test)]
mod tests {
    use super::super::Sampler;
    use super::super::tests::{told, tree, write};
    use super::*;

    const DEV: &str = "Inter-| Receive | Transmit\n face |bytes |bytes\n";

    fn dev(lo: u64, eth: u64, bridge: u64) -> String {
        format!(
            "{DEV}    lo: {lo} 1 0 0 0 0 0 0 {lo} 1 0\n  eth0: {eth} 1 0 0 0 0 0 0 {} 1 0\n br0:{bridge} 1 0 0 0 0 0 0 {bridge} 1 0\n",
            eth / 2
        )
    }

    fn disks(read: u64, written: u64) -> String {
        let row = |name: &str| format!("   8  0 {name} 5 0 {read} 9 7 0 {written} 9 0 9 9\n");
        ["sda", "sda1", "dm-0", "cciss/c0d0", "nvme0c0n1"].map(row).concat()
    }

    #[test]
    fn what_goes_through_hardware_counts_once() {
        let root = tree(&[
            ("proc/net/dev", &dev(1000, 1000, 1000)),
            ("proc/diskstats", &disks(10, 20)),
            ("sys/class/net/eth0/device/vendor", ""),
            ("sys/class/net/br0/bridge", ""),
            ("sys/block/sda/device/vendor", ""),
            ("sys/block/dm-0/size", ""),
            ("sys/block/cciss!c0d0/device/vendor", ""),
            ("sys/block/nvme0c0n1/device/vendor", ""),
            ("sys/block/nvme0c0n1/hidden", "1\n"),
        ]);
        let mut sampler = Sampler::below(root.path(), Duration::ZERO);
        write(root.path(), "proc/net/dev", &dev(99_000, 6000, 99_000));
        write(root.path(), "proc/diskstats", &disks(20, 50));
        let expected = "disk_read_bytes_per_s=2048,disk_written_bytes_per_s=6144,network_received_bytes_per_s=1000,\
                        network_sent_bytes_per_s=500";
        assert_eq!(told(&sampler.sample_at(0, Duration::from_secs(5))), expected);
        // too near to the last
        assert_eq!(told(&sampler.sample_at(0, Duration::from_millis(5050))), "");
        // counts that fall say nothing
        write(root.path(), "proc/net/dev", &dev(0, 0, 0));
        write(root.path(), "proc/diskstats", &disks(20, 50));
        let still = "disk_read_bytes_per_s=0,disk_written_bytes_per_s=0";
        assert_eq!(told(&sampler.sample_at(0, Duration::from_secs(10))), still);
    }

    #[test]
    fn a_container_has_a_network_without_hardware() {
        let root = tree(&[("proc/net/dev", &dev(1000, 0, 0))]);
        let mut sampler = Sampler::below(root.path(), Duration::ZERO);
        write(root.path(), "proc/net/dev", &dev(9000, 500, 500));
        let expected = "network_received_bytes_per_s=1000,network_sent_bytes_per_s=750";
        assert_eq!(told(&sampler.sample_at(0, Duration::from_secs(1))), expected);
        assert_eq!(parse_network(&format!("{DEV} lo: 1 1"), &mut sampler.traffic.network.known), None);
        assert_eq!(parse_disks("8 0 sda 1\n\nrubbish", &mut sampler.traffic.disks.known), None);
    }
}
