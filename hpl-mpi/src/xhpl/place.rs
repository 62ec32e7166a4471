//! Which cores a rank computes on: how many threads it has, and where they are pinned.

use hpl_core::context::Context;
use hpl_core::gemm::blocking::CacheSizes;
use hpl_core::gemm::kernel::Kernel;
use hpl_core::team::Team;
use hpl_core::topology::Topology;
use hpl_mpi::comm::{Comm, max_all, sum_all};

/// A rank's team, and what there is to say about its place.
pub struct Placed {
    /// Kernel, team, scratch memory.
    pub cx: Context,
    /// More threads than cores on this node: who waits must yield.
    pub oversubscribed: bool,
    /// What the person who started the ranks should know.
    pub warnings: Vec<String>,
}

/// What the ranks of a node know about its cores.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// The number of this rank among those of the node.
    pub rank: usize,
    /// How many ranks the node has.
    pub ranks: usize,
    /// The first PUs of the cores in this rank's affinity mask.
    pub mask: Vec<usize>,
    /// Whether all ranks of the node have the same mask: then they share it out.
    pub shared_mask: bool,
    /// Cores of the node.
    pub cores: usize,
}

/// How many threads, and the PU of each; no PUs when they are not to be pinned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// T.
    pub threads: usize,
    /// T PUs, or none.
    pub pus: Vec<usize>,
    /// What to warn of.
    pub warnings: Vec<String>,
}

/// Decides for one rank: T is what was asked for; else the cores of its mask; else, where the ranks of a
/// node share one mask, its part of them; at least 1.
pub fn plan(node: &Node, asked: Option<usize>) -> Plan {
    let mask = &node.mask;
    let part = if node.shared_mask { (mask.len() / node.ranks).max(1) } else { mask.len().max(1) };
    let threads = asked.unwrap_or(part);
    let first = if node.shared_mask { node.rank * threads } else { 0 };
    let pus = mask.get(first..first + threads).map_or(Vec::new(), <[usize]>::to_vec);
    let mut warnings = Vec::new();
    let bound = mask.len() < node.cores && !(node.shared_mask && node.ranks > 1);
    if threads > mask.len() {
        warnings.push(format!(
            "{threads} threads a rank, but this rank is bound to {} of the node's {} cores. \
             Start with: mpirun --bind-to none",
            mask.len(),
            node.cores
        ));
    } else if asked.is_none() && bound && node.ranks * mask.len() < node.cores {
        warnings.push(format!(
            "each rank is bound to {} of the node's {} cores, so cores stay idle. \
             Start with: mpirun --bind-to none",
            mask.len(),
            node.cores
        ));
    }
    Plan { threads, pus, warnings }
}

/// Makes the rank's team. Collective over the ranks of the node.
///
/// # Errors
/// A sentence, if the topology cannot be had or threads cannot be started.
pub fn place<C: Comm>(ranks: &C, kernel: &'static Kernel, asked: Option<usize>) -> Result<Placed, String> {
    let topology = Topology::discover().map_err(|e| e.to_string())?;
    let mask: Vec<usize> = topology.allowed_cores().iter().map(|core| core.pu).collect();
    // Masks are compared by a number that is the same for the same cores.
    let print = mask.iter().fold(mask.len() as f64, |h, &pu| (h * 31.0 + pu as f64) % 1e9);
    let mut extremes = [print, -print];
    max_all(ranks, &mut extremes);
    let shared_mask = extremes[0] == -extremes[1];
    let cores = topology.cores.len();
    let node = Node { rank: ranks.rank(), ranks: ranks.size(), mask, shared_mask, cores };
    let Plan { threads, pus, mut warnings } = plan(&node, asked);
    let mut running = [threads as f64];
    sum_all(ranks, &mut running);
    let room = if shared_mask { node.mask.len() } else { cores };
    let oversubscribed = running[0] > room as f64 || threads > node.mask.len();
    let pus = if oversubscribed { Vec::new() } else { pus };

    let caches = CacheSizes {
        l1: topology.l1d().map_or(0, |c| c.bytes as usize),
        l2: topology.l2().map_or(0, |c| c.bytes as usize),
        // Ranks that share the last level cache have a part of it each.
        l3: topology.l3().map_or(0, |c| {
            let sharing = (c.shared_by / threads.max(1)).clamp(1, ranks.size());
            c.bytes as usize / sharing
        }),
    };
    if pus.len() == threads
        && let Err(e) = topology.restrict_current_thread(&pus)
    {
        warnings.push(format!("threads are not pinned: {e}"));
    }
    let team = Team::new(threads, oversubscribed, move |member| {
        if let Some(&pu) = pus.get(member) {
            // Not pinned is slower, not wrong; the call above has told of it.
            let _ = topology.bind_current_thread(pu);
        }
    })?;
    Ok(Placed { cx: Context::new(kernel, caches, team), oversubscribed, warnings })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(rank: usize, ranks: usize, mask: &[usize], shared_mask: bool, cores: usize) -> Node {
        Node { rank, ranks, mask: mask.to_vec(), shared_mask, cores }
    }

    #[test]
    fn unbound_ranks_share_the_cores_out() {
        let all = [0, 1, 2, 3];
        assert_eq!(plan(&node(0, 1, &all, true, 4), None).pus, all);
        assert_eq!(plan(&node(1, 2, &all, true, 4), None).pus, [2, 3]);
        assert_eq!(plan(&node(1, 2, &all, true, 4), Some(1)).pus, [1]);
        let many = plan(&node(5, 6, &all, true, 4), None);
        assert_eq!((many.threads, many.pus.len(), many.warnings.len()), (1, 0, 0));
    }

    #[test]
    fn bound_ranks_keep_to_their_masks() {
        assert_eq!(plan(&node(1, 2, &[2, 3], false, 4), None).pus, [2, 3]);
        let greedy = plan(&node(1, 2, &[2, 3], false, 4), Some(4));
        assert_eq!((greedy.threads, greedy.pus.len()), (4, 0));
        assert!(greedy.warnings[0].contains("--bind-to none"), "{:?}", greedy.warnings);
    }

    #[test]
    fn a_lone_rank_bound_to_one_core_is_told() {
        let alone = plan(&node(0, 1, &[0], true, 4), None);
        assert_eq!((alone.threads, alone.pus), (1, vec![0]));
        assert!(alone.warnings[0].contains("--bind-to none"), "{:?}", alone.warnings);
    }
}
