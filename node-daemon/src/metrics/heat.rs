//! How hot the processors are.

use std::path::{Path, PathBuf};

use super::Making;
use super::kept::{Buffer, Kept};

/// Drivers of sensors in processors, each with the beginning of the labels that stand for a whole package, the best
/// first. Without such a label, all of the driver's sensors count.
const DRIVERS: [(&str, &[&str]); 6] = [
    ("coretemp", &["Package"]),
    ("k10temp", &["Tdie", "Tctl"]),
    ("zenpower", &["Tdie", "Tctl"]),
    ("k8temp", &[]),
    ("cpu_thermal", &[]),
    ("scpi_sensors", &[]),
];
/// Thermal zones that are processors, for machines without such a driver.
const ZONES: [&str; 5] = ["x86_pkg_temp", "cpu-thermal", "cpu_thermal", "soc-thermal", "soc_thermal"];
/// What a sensor that works can say, in thousandths of a degree.
const SENSIBLE: std::ops::RangeInclusive<i64> = -50_000..=200_000;

/// The sensors.
#[derive(Debug)]
pub(super) struct Heat {
    sensors: Vec<Kept>,
}

impl Heat {
    pub(super) fn below(root: &Path) -> Heat {
        let works = |path: PathBuf| Kept::open(path).filter(|sensor| sensor.number().is_some());
        let chips = sorted(&root.join("sys/class/hwmon"));
        let mut sensors: Vec<Kept> = chips.iter().flat_map(|chip| of_chip(chip)).filter_map(works).collect();
        if sensors.is_empty() {
            let is_cpu = |zone: &PathBuf| ZONES.contains(&word(&zone.join("type")).as_str());
            let zones = sorted(&root.join("sys/class/thermal")).into_iter().filter(is_cpu);
            sensors = zones.map(|zone| zone.join("temp")).filter_map(works).collect();
        }
        Heat { sensors }
    }

    pub(super) fn read(&self, _: &mut Buffer, making: &mut Making) {
        let hottest = self.sensors.iter().filter_map(Kept::number).filter(|t| SENSIBLE.contains(t)).max();
        if let Some(thousandths) = hottest {
            making.note("temperature_max_celsius", thousandths as f64 / 1000.0, 1);
        }
    }
}

/// The sensors of a chip that count.
fn of_chip(chip: &Path) -> Vec<PathBuf> {
    let name = word(&chip.join("name"));
    let Some((_, labels)) = DRIVERS.iter().find(|(driver, _)| *driver == name) else { return Vec::new() };
    let is_input = |path: &PathBuf| {
        let file = path.file_name().and_then(|f| f.to_str()).unwrap_or_default();
        file.starts_with("temp") && file.ends_with("_input")
    };
    let inputs: Vec<PathBuf> = sorted(chip).into_iter().filter(is_input).collect();
    let label = |input: &PathBuf| word(Path::new(&input.to_string_lossy().replace("_input", "_label")));
    let labelled = |wanted: &&str| -> Vec<PathBuf> {
        inputs.iter().filter(|input| label(input).starts_with(wanted)).cloned().collect()
    };
    labels.iter().map(labelled).find(|found| !found.is_empty()).unwrap_or(inputs)
}

/// What lies in a folder, by name; nothing if there is none.
pub(super) fn sorted(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

/// The text of a file without the space around it; empty if it cannot be read.
pub(super) fn word(file: &Path) -> String {
    std::fs::read_to_string(file).unwrap_or_default().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::super::Sampler;
    use super::super::tests::{told, tree};
    use std::time::Duration;

    fn shown(files: &[(&str, &str)]) -> String {
        let root = tree(files);
        told(&Sampler::below(root.path(), Duration::ZERO).sample_at(0, Duration::from_secs(5)))
    }

    #[test]
    fn the_hottest_package_is_told() {
        let intel = [
            ("sys/class/hwmon/hwmon0/name", "nvme\n"),
            ("sys/class/hwmon/hwmon0/temp1_input", "99000\n"),
            ("sys/class/hwmon/hwmon1/name", "coretemp\n"),
            ("sys/class/hwmon/hwmon1/temp1_label", "Package id 0\n"),
            ("sys/class/hwmon/hwmon1/temp1_input", "61000\n"),
            ("sys/class/hwmon/hwmon1/temp2_label", "Core 0\n"),
            ("sys/class/hwmon/hwmon1/temp2_input", "75000\n"),
            ("sys/class/hwmon/hwmon2/name", "coretemp\n"),
            ("sys/class/hwmon/hwmon2/temp1_label", "Package id 1\n"),
            ("sys/class/hwmon/hwmon2/temp1_input", "63250\n"),
        ];
        assert_eq!(shown(&intel), "temperature_max_celsius=63.3");
        let amd = [
            ("sys/class/hwmon/hwmon0/name", "k10temp\n"),
            ("sys/class/hwmon/hwmon0/temp1_label", "Tctl\n"),
            ("sys/class/hwmon/hwmon0/temp1_input", "70000\n"),
            ("sys/class/hwmon/hwmon0/temp3_label", "Tccd1\n"),
            ("sys/class/hwmon/hwmon0/temp3_input", "80000\n"),
        ];
        assert_eq!(shown(&amd), "temperature_max_celsius=70");
        let arm = [("sys/class/hwmon/hwmon0/name", "cpu_thermal\n"), ("sys/class/hwmon/hwmon0/temp1_input", "45000\n")];
        assert_eq!(shown(&arm), "temperature_max_celsius=45");
    }

    #[test]
    fn zones_serve_where_no_driver_does() {
        let zones = [
            ("sys/class/thermal/thermal_zone0/type", "acpitz\n"),
            ("sys/class/thermal/thermal_zone0/temp", "90000\n"),
            ("sys/class/thermal/thermal_zone1/type", "x86_pkg_temp\n"),
            ("sys/class/thermal/thermal_zone1/temp", "50000\n"),
            ("sys/class/thermal/thermal_zone2/type", "cpu-thermal\n"),
            ("sys/class/thermal/thermal_zone2/temp", "-274000\n"),
        ];
        assert_eq!(shown(&zones), "temperature_max_celsius=50");
        assert_eq!(shown(&zones[..2]), "");
    }
}
