//! `xhpl describe`: the node, without MPI.

use std::sync::Barrier;
use std::time::{Duration, Instant};

use hpl_core::gemm::kernel;
use hpl_core::memory;
use hpl_core::topology::{Topology, hostname, kernel_release};
use hpl_spec::node::{NodeInfo, Peak};

/// How long the FMA loop runs.
const PEAK_TIME: Duration = Duration::from_secs(1);
/// Rounds between two looks at the clock: some tens of microseconds.
const ROUNDS: usize = 20_000;

/// What this node is; with `peak`, one second of multiply-adds tells what it can do.
///
/// # Errors
/// A sentence, if the topology cannot be had.
pub fn describe(peak: bool) -> Result<NodeInfo, String> {
    let topology = Topology::discover().map_err(|e| e.to_string())?;
    let memory = memory::available();
    Ok(NodeInfo {
        hostname: hostname(),
        os: os_name(),
        kernel_release: kernel_release(),
        cpu_model: topology.cpu_model.clone(),
        packages: topology.packages,
        cores: topology.cores.len(),
        pus: topology.pus(),
        numa_nodes: topology.numa_nodes.len(),
        caches: topology.caches.clone(),
        memory_total: memory.total,
        memory_available: memory.available,
        huge_pages: memory::huge_page_mode().unwrap_or_else(|| "unknown".into()),
        kernel: kernel::pick(None)?.name.into(),
        kernels: kernel::available().map(|k| k.name.into()).collect(),
        peak: peak.then(|| measure_peak(&topology)),
        program: env!("CARGO_BIN_NAME").into(),
        version: env!("CARGO_PKG_VERSION").into(),
    })
}

fn os_name() -> String {
    let text = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    let name = text.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
    name.map_or_else(|| std::env::consts::OS.to_owned(), |name| name.trim_matches('"').to_owned())
}

/// All cores at once, a thread pinned to each, independent multiply-adds.
fn measure_peak(topology: &Topology) -> Peak {
    let cores = topology.allowed_cores();
    let start = Barrier::new(cores.len());
    let rates: Vec<f64> = std::thread::scope(|scope| {
        let threads: Vec<_> = cores
            .iter()
            .map(|core| {
                let start = &start;
                scope.spawn(move || {
                    // Unpinned, the figure is a little lower; it is no reason to give none.
                    let _ = topology.bind_current_thread(core.pu);
                    kernel::fma_loop(ROUNDS);
                    start.wait();
                    let begin = Instant::now();
                    let mut flops = 0.0;
                    while begin.elapsed() < PEAK_TIME {
                        flops += kernel::fma_loop(ROUNDS);
                    }
                    flops / begin.elapsed().as_secs_f64()
                })
            })
            .collect();
        threads.into_iter().map(|t| t.join().unwrap_or(0.0)).collect()
    });
    Peak { gflops: rates.iter().sum::<f64>() / 1e9, cores: cores.len(), seconds: PEAK_TIME.as_secs_f64() }
}
