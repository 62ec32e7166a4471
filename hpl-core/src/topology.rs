//! The machine below this process: its packages, cores and caches, and the binding of threads to it.
//!
//! hwloc is asked for what the machine is made of and to bind threads; no other file names it. NUMA nodes, the
//! CPU's model and the like come from `/proc` and `/sys`: hwloc's Rust look-ups of those free or overrun memory.
//!
//! ```text
//!   package          a chip in its socket
//!     cache (L3)     what cores share, or have to themselves
//!       core         one set of floating point units: one member of a team
//!         PU         a place where the system runs a thread; several in a core if it is hyper-threaded
//! ```
//!
//! PUs are known by the system's numbers for them, as in `taskset -c`.
#![allow(unsafe_code)]

use crate::gemm::blocking::CacheSizes;
use hpl_spec::node::{Cache, CacheKind};
use hwloc2::{CpuBindFlags, CpuSet, ObjectType, TopologyObject};
use std::sync::{Arc, Mutex, PoisonError};
use std::{fs, io};

/// One thread discovers at a time: hwloc registers its components in globals of the process.
static DISCOVERY: Mutex<()> = Mutex::new(());

/// Why the topology is not known, or a thread is not bound.
#[derive(Debug, thiserror::Error)]
pub enum TopologyError {
    /// hwloc could not be initialised or found nothing.
    #[error("hwloc cannot discover the topology of this machine")]
    Discovery,
    /// The thread's affinity mask is not within the PUs asked for.
    #[error("cannot bind the thread to PUs {pus:?}: {why}")]
    Bind {
        /// The PUs asked for.
        pus: Vec<usize>,
        /// What hwloc or the system said.
        why: String,
    },
}

/// A core and what runs on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Core {
    /// The system's numbers of its PUs, rising; never empty.
    pub pus: Vec<usize>,
}

/// A core that the calling thread may run on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AllowedCore {
    /// Its place in [`Topology::cores`].
    pub core: usize,
    /// The first of its PUs that is allowed.
    pub pu: usize,
}

/// A part of the memory and the PUs next to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NumaNode {
    /// The system's number of the node.
    pub index: usize,
    /// The system's numbers of its PUs, rising; empty for memory without any.
    pub pus: Vec<usize>,
}

/// What this process can see of the machine.
///
/// In a container that is confined to some PUs (a cpuset), cores and caches are those within it.
#[derive(Clone)]
pub struct Topology {
    /// Number of packages, at least 1.
    pub packages: usize,
    /// The cores, neighbours next to each other.
    pub cores: Vec<Core>,
    /// The NUMA nodes, at least one.
    pub numa_nodes: Vec<NumaNode>,
    /// The caches that are known: one entry for each level and kind, the levels rising.
    pub caches: Vec<Cache>,
    /// The CPU's name for itself, or "unknown".
    pub cpu_model: String,
    /// The system's numbers of all PUs that are online, rising; some may be denied to this process.
    pub online: Vec<usize>,
    hwloc: Arc<Mutex<hwloc2::Topology>>,
}

impl Topology {
    /// Asks hwloc and the system about this machine. It takes some milliseconds.
    ///
    /// # Errors
    /// [`TopologyError::Discovery`] if hwloc fails or knows no PU.
    pub fn discover() -> Result<Topology, TopologyError> {
        let _turn = DISCOVERY.lock().unwrap_or_else(PoisonError::into_inner);
        let hwloc = hwloc2::Topology::new().ok_or(TopologyError::Discovery)?;
        let cores = find_cores(&hwloc);
        let first = cores.first().ok_or(TopologyError::Discovery)?.pus[0];
        let packages = hwloc.objects_with_type(&ObjectType::Package).map_or(1, |all| all.len());
        let online = parse_list(&read("/sys/devices/system/cpu/online"));
        let online = if online.is_empty() { pus_of(hwloc.object_at_root()) } else { online };
        let mut caches = find_caches(&hwloc, &cores);
        caches.extend(find_instruction_caches(first, &cores));
        caches.retain(|cache| cache.bytes > 0);
        caches.sort_by_key(|cache| (cache.level, cache.kind as u8, cache.bytes));
        caches.dedup_by_key(|cache| (cache.level, cache.kind));
        let numa_nodes = find_numa_nodes(&online);
        let cpu_model = parse_model(&read("/proc/cpuinfo"));
        let hwloc = Arc::new(Mutex::new(hwloc));
        Ok(Topology { packages, cores, numa_nodes, caches, cpu_model, online, hwloc })
    }

    /// Number of PUs of all cores.
    pub fn pus(&self) -> usize {
        self.cores.iter().map(|core| core.pus.len()).sum()
    }

    /// The cache of this level and kind, if it is known.
    pub fn cache(&self, level: u8, kind: CacheKind) -> Option<Cache> {
        self.caches.iter().find(|cache| cache.level == level && cache.kind == kind).copied()
    }

    /// The first-level cache for data.
    pub fn l1d(&self) -> Option<Cache> {
        self.data_cache(1)
    }

    /// The second-level cache.
    pub fn l2(&self) -> Option<Cache> {
        self.data_cache(2)
    }

    fn data_cache(&self, level: u8) -> Option<Cache> {
        self.cache(level, CacheKind::Data).or_else(|| self.cache(level, CacheKind::Unified))
    }

    /// The PUs that the calling thread may run on now, rising: its affinity mask, as far as online.
    ///
    /// Ask before the first binding: a bound thread sees its own PU only, and so does every thread that it starts.
    pub fn allowed(&self) -> Vec<usize> {
        let Ok(mask) = affinity() else { return self.online.clone() };
        mask.into_iter().filter(|pu| self.online.binary_search(pu).is_ok()).collect()
    }

    /// The cores that the calling thread may run on now, each with the first PU allowed to it.
    pub fn allowed_cores(&self) -> Vec<AllowedCore> {
        let allowed = self.allowed();
        let place = |(core, pus): (usize, &Core)| {
            let pu = *pus.pus.iter().find(|pu| allowed.contains(pu))?;
            Some(AllowedCore { core, pu })
        };
        self.cores.iter().enumerate().filter_map(place).collect()
    }

    /// What the block sizes are derived from; 0 where unknown.
    pub fn cache_sizes(&self) -> CacheSizes {
        let bytes = |cache: Option<Cache>| cache.map_or(0, |cache| cache.bytes as usize);
        CacheSizes { l1: bytes(self.l1d()), l2: bytes(self.l2()) }
    }

    /// Binds the calling thread to one PU; [`Topology::restrict_current_thread`] loosens it again.
    ///
    /// # Errors
    /// [`TopologyError::Bind`] if the PU is not online or denied to this process.
    pub fn bind_current_thread(&self, pu: usize) -> Result<(), TopologyError> {
        self.restrict_current_thread(&[pu])
    }

    /// Lets the calling thread run on these PUs and on no other, whatever it was bound to before.
    ///
    /// PUs that are denied to this process are left out, as long as some remain.
    ///
    /// # Errors
    /// [`TopologyError::Bind`] if there are no PUs, one is not online, or all are denied.
    pub fn restrict_current_thread(&self, pus: &[usize]) -> Result<(), TopologyError> {
        let refused = |why: String| TopologyError::Bind { pus: pus.to_vec(), why };
        if let Some(pu) = pus.iter().find(|pu| self.online.binary_search(pu).is_err()) {
            return Err(refused(format!("PU {pu} is not online")));
        }
        let set: CpuSet = pus.iter().map(|pu| *pu as u32).collect();
        let mut hwloc = self.hwloc.lock().unwrap_or_else(PoisonError::into_inner);
        let bound = hwloc.set_cpubind(set, CpuBindFlags::CPUBIND_THREAD);
        bound.map_err(|hwloc2::CpuBindError::Generic(_, why)| refused(why))?;
        // hwloc does nothing but reports success if an environment variable made it read another system's topology.
        let mask = affinity().map_err(|error| refused(error.to_string()))?;
        if mask.is_empty() || mask.iter().any(|pu| !pus.contains(pu)) {
            return Err(refused(format!("the thread's mask is {mask:?}")));
        }
        Ok(())
    }
}

/// The name of this machine, or "unknown".
pub fn hostname() -> String {
    or_unknown(&read("/proc/sys/kernel/hostname"))
}

/// The release of the kernel, as `uname -r` tells it, or "unknown".
pub fn kernel_release() -> String {
    or_unknown(&read("/proc/sys/kernel/osrelease"))
}

fn read(file: &str) -> String {
    fs::read_to_string(file).unwrap_or_default()
}

fn or_unknown(text: &str) -> String {
    let text = text.trim();
    if text.is_empty() { "unknown" } else { text }.to_owned()
}

/// The calling thread's affinity mask as PU numbers, rising.
fn affinity() -> io::Result<Vec<usize>> {
    const BITS: usize = libc::c_ulong::BITS as usize;
    // 8192 PUs: the most that Linux can be built for; a mask of its own size or longer suits the kernel.
    let mut words = [0 as libc::c_ulong; 8192 / BITS];
    let bytes = size_of_val(&words);
    // SAFETY: the call writes at most `bytes` bytes, which `words` owns, aligned as the words of a cpu_set_t are;
    // thread 0 is the calling one.
    if unsafe { libc::sched_getaffinity(0, bytes, words.as_mut_ptr().cast()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let set = |pu: &usize| words[pu / BITS] >> (pu % BITS) & 1 == 1;
    Ok((0..8192).filter(set).collect())
}

/// The PUs of an object, rising.
fn pus_of(object: &TopologyObject) -> Vec<usize> {
    object.cpuset().map_or(Vec::new(), |set| set.into_iter().map(|pu| pu as usize).collect())
}

/// The cores in hwloc's order; each PU by itself where hwloc knows no cores.
fn find_cores(hwloc: &hwloc2::Topology) -> Vec<Core> {
    let cores = |kind| {
        let objects = hwloc.objects_with_type(&kind).unwrap_or_default().into_iter();
        objects.map(|object| Core { pus: pus_of(object) }).filter(|core| !core.pus.is_empty()).collect::<Vec<_>>()
    };
    let known = cores(ObjectType::Core);
    if known.is_empty() { cores(ObjectType::PU) } else { known }
}

fn count_cores(cores: &[Core], pus: &[usize]) -> usize {
    cores.iter().filter(|core| core.pus.iter().any(|pu| pus.contains(pu))).count()
}

/// The caches for data, of which hwloc tells the most.
fn find_caches(hwloc: &hwloc2::Topology, cores: &[Core]) -> Vec<Cache> {
    use ObjectType::{L1Cache, L2Cache, L3Cache, L4Cache, L5Cache};
    let mut caches = Vec::new();
    for kind in [L1Cache, L2Cache, L3Cache, L4Cache, L5Cache] {
        for object in hwloc.objects_with_type(&kind).unwrap_or_default() {
            let Some(attributes) = object.cache_attributes() else { continue };
            // SAFETY: the field is a C enum that hwloc has set, hence a readable 32-bit integer; its Rust type cannot
            // be named outside of its crate, nor copied.
            let kind = unsafe { (&raw const attributes._type).cast::<u32>().read() };
            let lines = attributes.size.checked_div(u64::from(attributes.linesize)).unwrap_or(0);
            caches.push(Cache {
                level: attributes.depth as u8,
                kind: if kind == 1 { CacheKind::Data } else { CacheKind::Unified },
                bytes: attributes.size,
                line: attributes.linesize,
                // -1 means fully associative: as many ways as lines.
                ways: u32::try_from(attributes.associativity).unwrap_or(lines as u32),
                shared_by: count_cores(cores, &pus_of(object)),
            });
        }
    }
    caches
}

/// The caches of one PU for instructions, which hwloc leaves out.
fn find_instruction_caches(pu: usize, cores: &[Core]) -> Vec<Cache> {
    let cache = |index: usize| {
        let folder = format!("/sys/devices/system/cpu/cpu{pu}/cache/index{index}");
        let field = |name: &str| read(&format!("{folder}/{name}")).trim().to_owned();
        (field("type") == "Instruction").then_some(())?;
        Some(Cache {
            level: field("level").parse().ok()?,
            kind: CacheKind::Instruction,
            bytes: field("size").strip_suffix('K')?.parse::<u64>().ok()? << 10,
            line: field("coherency_line_size").parse().unwrap_or(0),
            ways: field("ways_of_associativity").parse().unwrap_or(0),
            shared_by: count_cores(cores, &parse_list(&field("shared_cpu_list"))).max(1),
        })
    };
    (0..8).filter_map(cache).collect()
}

/// The nodes that the kernel knows; a single one where it knows none.
fn find_numa_nodes(online: &[usize]) -> Vec<NumaNode> {
    let folder = "/sys/devices/system/node";
    let node = |index| {
        let pus = fs::read_to_string(format!("{folder}/node{index}/cpulist")).ok()?;
        Some(NumaNode { index, pus: parse_list(&pus) })
    };
    let listed = parse_list(&read(&format!("{folder}/online")));
    let nodes: Vec<NumaNode> = listed.into_iter().filter_map(node).collect();
    if nodes.is_empty() { vec![NumaNode { index: 0, pus: online.to_vec() }] } else { nodes }
}

/// The kernel's way of writing sets: `0-3,8,10-11`.
fn parse_list(text: &str) -> Vec<usize> {
    let range = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        Some(first.parse::<usize>().ok()?..=last.parse().ok()?)
    };
    text.trim().split(',').filter_map(range).flatten().collect()
}

/// The model from the text of `/proc/cpuinfo`. ARM writes numbers instead of a name.
fn parse_model(text: &str) -> String {
    let field = |name: &str| {
        let mut lines = text.lines().filter_map(|line| line.split_once(':'));
        lines.find(|(key, _)| key.trim() == name).map(|(_, value)| value.trim().to_owned())
    };
    let numbers = || Some(format!("CPU implementer {} part {}", field("CPU implementer")?, field("CPU part")?));
    or_unknown(&field("model name").or_else(numbers).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    #[test]
    fn this_machine_has_a_shape() {
        let topology = Topology::discover().unwrap();
        assert!(topology.packages > 0 && !topology.numa_nodes.is_empty());
        assert!(topology.pus() >= topology.cores.len() && topology.pus() > 0);
        for cache in &topology.caches {
            assert!(cache.bytes > 0 && cache.shared_by > 0, "{cache:?}");
            assert_eq!(topology.cache(cache.level, cache.kind).as_ref(), Some(cache));
        }
        assert!(topology.allowed_cores().iter().all(|at| topology.cores[at.core].pus.contains(&at.pu)));
        assert!(!hostname().is_empty() && !kernel_release().is_empty() && !topology.cpu_model.is_empty());
    }

    #[test]
    fn a_thread_is_where_it_was_bound_and_comes_back() {
        let topology = Topology::discover().unwrap();
        let before = topology.allowed();
        let visit = &|pu| {
            topology.bind_current_thread(pu).unwrap();
            assert_eq!(affinity().unwrap(), [pu]);
            assert_eq!((topology.allowed(), topology.allowed_cores().len()), (vec![pu], 1));
            topology.restrict_current_thread(&before).unwrap();
            assert_eq!(topology.allowed(), before);
        };
        thread::scope(|scope| {
            before.iter().for_each(|&pu| drop(scope.spawn(move || visit(pu))));
        });
        assert_eq!(topology.allowed(), before, "the other threads' binding is their own");
    }

    #[test]
    fn what_cannot_be_bound_is_refused() {
        let topology = Topology::discover().unwrap();
        let before = topology.allowed();
        let beyond = topology.online.last().unwrap() + 1;
        for pus in [vec![], vec![beyond], vec![before[0], usize::MAX]] {
            let error = topology.restrict_current_thread(&pus).unwrap_err();
            assert!(matches!(error, TopologyError::Bind { .. }), "{error}");
        }
        assert_eq!(topology.allowed(), before);
    }

    #[test]
    fn eight_threads_discover_at_once() {
        let discover = || {
            let found = Topology::discover().unwrap();
            (found.cores.clone(), found.caches.clone(), found.allowed())
        };
        let threads: Vec<_> = (0..8).map(|_| thread::spawn(discover)).collect();
        let shapes: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
        assert!(shapes.iter().all(|shape| *shape == shapes[0]));
    }

    #[test]
    fn texts_of_the_kernel() {
        assert_eq!(parse_list("0-3,8,10-11\n"), [0, 1, 2, 3, 8, 10, 11]);
        assert_eq!(parse_list("\n"), [0; 0]);
        assert_eq!(parse_model("vendor_id : A\nmodel name\t: Some CPU\nmodel name : b"), "Some CPU");
        assert_eq!(parse_model("CPU implementer\t: 0x41\nCPU part\t: 0xd40\n"), "CPU implementer 0x41 part 0xd40");
        assert_eq!(parse_model(""), "unknown");
    }
}
