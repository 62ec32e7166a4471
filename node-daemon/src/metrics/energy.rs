//! Energy by the processors' own counters (RAPL), which AMD's processors have under the same name as Intel's.
//!
//! Only whole packages count: cores and graphics are parts of them, and the counter of the platform holds them too.

use std::path::{Path, PathBuf};

use super::heat::{sorted, word};
use super::kept::Kept;

/// The counter of a package.
#[derive(Debug)]
struct Package {
    counter: Kept,
    /// Where the counter begins anew, in microjoules.
    range: u64,
    last: u64,
}

impl Package {
    /// Microjoules since the last look; None if the counter cannot be read or fell without reason.
    fn step(&mut self) -> Option<u64> {
        let now = u64::try_from(self.counter.number()?).ok()?;
        let step = match now.checked_sub(self.last) {
            Some(step) => step,
            // it began anew, once: at 300 W that takes a quarter of an hour
            None => self.range.checked_sub(self.last).filter(|_| now <= self.range)?.checked_add(now)?,
        };
        self.last = now;
        Some(step)
    }
}

/// The energy of all packages since it was made. It must be looked at every few minutes.
#[derive(Debug)]
pub struct Energy {
    packages: Vec<Package>,
    microjoules: u64,
    marked: u64,
    /// A counter could not be read: the sum would be too small from then on.
    broken: bool,
}

impl Energy {
    /// Of this machine, from now on.
    #[must_use]
    pub fn new() -> Energy {
        Energy::below(Path::new("/"))
    }

    /// As [`Energy::new`], with `sys` in the folder `root`.
    #[must_use]
    pub fn below(root: &Path) -> Energy {
        let open = |zone: &PathBuf| {
            let counter = Kept::open(zone.join("energy_uj"))?;
            let last = u64::try_from(counter.number()?).ok()?;
            Some(Package { counter, range: word(&zone.join("max_energy_range_uj")).parse().unwrap_or(0), last })
        };
        let packages: Option<Vec<Package>> = packages_below(root).iter().map(open).collect();
        // one package of two would be half of the truth
        Energy { packages: packages.unwrap_or_default(), microjoules: 0, marked: 0, broken: false }
    }

    /// Joules until now; None if the node does not tell.
    pub fn joules(&mut self) -> Option<f64> {
        for package in &mut self.packages {
            match package.step() {
                Some(step) => self.microjoules = self.microjoules.saturating_add(step),
                None => self.broken = true,
            }
        }
        (!self.packages.is_empty() && !self.broken).then_some(self.microjoules as f64 / 1e6)
    }

    /// Joules between the last mark and the last look.
    pub(super) fn since_last(&self) -> Option<f64> {
        (!self.broken).then_some(self.microjoules.saturating_sub(self.marked) as f64 / 1e6)
    }

    pub(super) fn mark(&mut self) {
        self.marked = self.microjoules;
    }
}

impl Default for Energy {
    fn default() -> Energy {
        Energy::new()
    }
}

/// The folders of the packages' counters, whether they can be read or not, with `sys` in the folder `root`.
#[must_use]
pub fn packages_below(root: &Path) -> Vec<PathBuf> {
    let mut names = Vec::new();
    let mut is_package = |zone: &PathBuf| {
        // `intel-rapl:0`; parts of it are `intel-rapl:0:1`, and `intel-rapl-mmio:0` is the same counter once more
        let file = zone.file_name().and_then(|f| f.to_str()).unwrap_or_default();
        let number = file.strip_prefix("intel-rapl:").unwrap_or_default();
        let name = word(&zone.join("name"));
        let is_one = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()) && name.starts_with("package");
        let first = is_one && !names.contains(&name);
        if is_one {
            names.push(name);
        }
        first
    };
    sorted(&root.join("sys/class/powercap")).into_iter().filter(|zone| is_package(zone)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::Sampler;
    use super::super::tests::{told, tree, write};
    use super::*;
    use std::time::Duration;

    const ZONES: [(&str, &str, &str); 6] = [
        ("intel-rapl", "", ""),
        ("intel-rapl:0", "package-0", "900000"),
        ("intel-rapl:0:0", "core", "500000"),
        ("intel-rapl:1", "package-1", "100000"),
        ("intel-rapl:2", "psys", "700000"),
        ("intel-rapl-mmio:0", "package-0", "900000"),
    ];

    fn machine() -> tempfile::TempDir {
        let root = tree(&[("sys/class/powercap/dtpm/enabled", "1\n")]);
        for (zone, name, energy) in ZONES {
            let file = |name: &str| format!("sys/class/powercap/{zone}/{name}");
            write(root.path(), &file("name"), &format!("{name}\n"));
            if !energy.is_empty() {
                write(root.path(), &file("energy_uj"), &format!("{energy}\n"));
                write(root.path(), &file("max_energy_range_uj"), "1000000\n");
            }
        }
        root
    }

    fn set(root: &Path, zone: &str, energy: &str) {
        write(root, &format!("sys/class/powercap/{zone}/energy_uj"), energy);
    }

    #[test]
    fn packages_are_added_up_once_and_counters_begin_anew() {
        let root = machine();
        let mut sampler = Sampler::below(root.path(), Duration::ZERO);
        assert_eq!(sampler.energy(), Some(0.0));
        // the first passes its end: 0.1 J up to it and 0.2 J after it
        set(root.path(), "intel-rapl:0", "200000\n");
        set(root.path(), "intel-rapl:1", "400000\n");
        set(root.path(), "intel-rapl:2", "999000\n");
        assert_eq!(told(&sampler.sample_at(0, Duration::from_millis(500))), "energy_j=0.6,power_w=1.2");
        set(root.path(), "intel-rapl:1", "500000\n");
        assert_eq!(sampler.energy(), Some(0.7));
        // looked at in between, the power is still that of the whole span
        set(root.path(), "intel-rapl:1", "600000\n");
        assert_eq!(told(&sampler.sample_at(0, Duration::from_millis(1000))), "energy_j=0.8,power_w=0.4");
    }

    #[test]
    fn what_cannot_be_read_is_absent() {
        let root = machine();
        let mut sampler = Sampler::below(root.path(), Duration::ZERO);
        set(root.path(), "intel-rapl:1", "no number\n");
        assert_eq!(told(&sampler.sample_at(0, Duration::from_secs(5))), "");
        set(root.path(), "intel-rapl:1", "200000\n");
        assert_eq!(sampler.energy(), None);
        // one of two from the beginning
        std::fs::remove_file(root.path().join("sys/class/powercap/intel-rapl:1/energy_uj")).unwrap();
        assert_eq!(Sampler::below(root.path(), Duration::ZERO).energy(), None);
        assert_eq!(packages_below(root.path()).len(), 2);
        // a counter beyond its own end
        let root = machine();
        let mut energy = Energy::below(root.path());
        write(root.path(), "sys/class/powercap/intel-rapl:0/energy_uj", "5\n");
        assert!(energy.joules().is_some());
        write(root.path(), "sys/class/powercap/intel-rapl:1/max_energy_range_uj", "1\n");
        let mut energy = Energy::below(root.path());
        set(root.path(), "intel-rapl:1", "2\n");
        assert_eq!(energy.joules(), None);
    }
}
