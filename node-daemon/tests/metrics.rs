//! The figures of this machine, and what they cost.
#![forbid(unsafe_code)]

use std::time::{Duration, Instant};

use node_daemon::metrics::Sampler;

/// `[a-z][a-z0-9_]{0,47}`, the unit last.
fn well_named(name: &str) -> bool {
    let units = ["_ratio", "_hz", "_bytes", "_bytes_per_s", "_tasks", "_celsius", "_w", "_j"];
    let letters = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    letters && name.len() <= 48 && name.as_bytes()[0].is_ascii_lowercase() && units.iter().any(|u| name.ends_with(u))
}

#[test]
fn this_machine_shows_figures_that_make_sense() {
    let mut sampler = Sampler::new();
    let until = Instant::now() + Duration::from_secs(60);
    // rates need a moment, and a machine that is asleep counts no ticks
    let sample = loop {
        let sample = sampler.sample(5000);
        if sample.values.contains_key("cpu_busy_ratio") && sample.values.contains_key("disk_read_bytes_per_s") {
            break sample;
        }
        assert!(Instant::now() < until, "{sample:?}");
        std::thread::yield_now();
    };
    assert!(sample.values.len() <= 64 && sample.per_core.len() <= 8 && sample.at_ms == 5000);
    for (name, value) in &sample.values {
        assert!(well_named(name) && value.is_finite() && *value >= 0.0, "{name} = {value}");
        assert!(!name.ends_with("_ratio") || *value <= 1.0, "{name} = {value}");
    }
    for name in ["memory_total_bytes", "memory_used_bytes", "load_tasks"] {
        assert!(sample.values.contains_key(name), "{name}: {sample:?}");
    }
    let cores = std::fs::read_to_string("/proc/stat").unwrap();
    let cores = cores.lines().filter(|l| l.starts_with("cpu") && !l.starts_with("cpu ")).count();
    if let Some(busy) = sample.per_core.get("cpu_busy_ratio") {
        assert_eq!(busy.len(), cores);
        assert!(busy.iter().all(|ratio| (0.0..=1.0).contains(ratio)));
    }
    serde_json::to_string(&sample).unwrap();
}

/// Processor time of this thread, the kernel's part included.
fn thread_cpu() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.try_into().unwrap(), time.tv_nsec.try_into().unwrap())
}

fn mean_us(rounds: u32, mut work: impl FnMut()) -> f64 {
    let before = thread_cpu();
    (0..rounds).for_each(|_| work());
    (thread_cpu() - before).as_secs_f64() * 1e6 / f64::from(rounds)
}

/// A machine of 256 cores as files: what reading and rendering cost there, the kernel's own work left out.
fn large_machine() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        let path = root.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    let mut stat = String::from("cpu  123456789 1234 12345678 1234567890 123456 0 123456 0 0 0\n");
    for n in 0..256 {
        stat += &format!("cpu{n} 1234567 1234 123456 12345678 1234 0 1234 0 0 0\n");
        write(&format!("sys/devices/system/cpu/cpu{n}/cpufreq/scaling_cur_freq"), "2596130\n");
    }
    stat += &format!("intr 1234567890{}\nctxt 1\n", " 12".repeat(4096));
    write("proc/stat", &stat);
    write("sys/devices/system/cpu/online", "0-255\n");
    for file in ["proc/meminfo", "proc/diskstats", "proc/net/dev", "proc/loadavg"] {
        write(file, &std::fs::read_to_string(format!("/{file}")).unwrap());
    }
    root
}

/// Prints what a sample costs; asserts nothing, as a speed says nothing on a machine that is shared.
#[test]
#[ignore = "a measurement: run it alone, in release, with --nocapture"]
fn what_a_sample_costs() {
    let mut sampler = Sampler::new();
    let cost = mean_us(2000, || drop(sampler.sample(0)));
    println!("a sample of this machine: {cost:.0} us, {:.4} % of a core at one in 5 s", cost / 5e6 * 100.0);
    let root = large_machine();
    let mut sampler = Sampler::below(root.path(), Duration::ZERO);
    let mut now = Duration::ZERO;
    let large = mean_us(2000, || {
        now += Duration::from_secs(5);
        drop(sampler.sample_at(0, now));
    });
    println!("a sample of 256 cores, from plain files: {large:.0} us");
    let json = mean_us(200, || drop(serde_json::to_string(&sampler.sample_at(0, now)).unwrap()));
    println!("the same, written as JSON: {json:.0} us");
}
