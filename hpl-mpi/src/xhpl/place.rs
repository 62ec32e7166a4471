//! Which cores a rank computes on: how many threads it has, and where they are pinned.

use hpl_core::context::Context;
use hpl_core::gemm::kernel::Kernel;
use hpl_core::team::Team;
use hpl_core::topology::Topology;
use hpl_mpi::comm::{Comm, sum_all};

/// A rank's place on its node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// T, the threads of the rank.
    pub threads: usize,
    /// The PU of each thread; none when they are not to be pinned.
    pub pus: Vec<usize>,
    /// More threads than cores: who waits must yield.
    pub oversubscribed: bool,
    /// What the person who started the ranks should know.
    pub warning: Option<String>,
}

/// What a rank knows about its node.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Node {
    /// The first PUs of the cores in this rank's affinity mask.
    mask: Vec<usize>,
    /// How many ranks have this very mask; they share it out …
    sharing: usize,
    /// … and which of them this rank is.
    turn: usize,
    /// Cores of the node.
    cores: usize,
}

impl Node {
    /// T is what was asked for, else this rank's part of its mask, at least 1.
    fn threads(&self, asked: Option<usize>) -> usize {
        asked.unwrap_or((self.mask.len() / self.sharing).max(1))
    }

    /// The PUs of `threads` threads, beside those of the ranks that share the mask; none if they do not fit.
    fn pus(&self, threads: usize) -> Vec<usize> {
        let first = self.turn * threads;
        self.mask.get(first..first + threads).map_or(Vec::new(), <[usize]>::to_vec)
    }

    /// Whether `threads` of each rank that shares the mask are more than it has cores.
    fn oversubscribed(&self, threads: usize) -> bool {
        threads * self.sharing > self.mask.len()
    }

    /// What is wrong with `threads` for this rank and `all` threads on the node.
    fn warning(&self, threads: usize, asked: bool, all: usize) -> Option<String> {
        let Node { mask, cores, .. } = self;
        let bound = mask.len() < *cores;
        if threads > mask.len() && bound {
            return Some(format!(
                "{threads} threads a rank, but a rank is bound to {} of the node's {cores} cores. \
                 Start with: mpirun --bind-to none",
                mask.len()
            ));
        }
        if threads > mask.len() {
            return Some(format!("{threads} threads a rank on {cores} cores: they take turns, which is slow"));
        }
        (!asked && bound && all < *cores).then(|| {
            format!(
                "the ranks are bound to {all} of the node's {cores} cores, the others stay idle. \
                 Start with: mpirun --bind-to none"
            )
        })
    }
}

/// Decides on the place of this rank. Collective over the ranks of the node.
pub fn decide<C: Comm>(ranks: &C, topology: &Topology, asked: Option<usize>) -> Place {
    let mask: Vec<usize> = topology.allowed_cores().iter().map(|core| core.pu).collect();
    // Masks are compared by a number that is the same for the same cores.
    let mut prints = vec![0.0; ranks.size()];
    let mine = mask.iter().fold(1.0 + mask.len() as f64, |h, &pu| (h * 31.0 + pu as f64) % 1e9);
    prints[ranks.rank()] = mine;
    sum_all(ranks, &mut prints);
    let alike = |prints: &[f64]| prints.iter().filter(|&&p| p == mine).count();
    let node =
        Node { mask, sharing: alike(&prints), turn: alike(&prints[..ranks.rank()]), cores: topology.cores.len() };
    let threads = node.threads(asked);
    let mut all = [threads as f64];
    sum_all(ranks, &mut all);
    let oversubscribed = node.oversubscribed(threads) || all[0] > node.cores as f64;
    Place {
        threads,
        pus: if oversubscribed { Vec::new() } else { node.pus(threads) },
        oversubscribed,
        warning: node.warning(threads, asked.is_some(), all[0] as usize),
    }
}

/// Makes the rank's team at its place.
///
/// # Errors
/// A sentence, if threads cannot be started or bound.
pub fn settle(place: &Place, topology: Topology, kernel: &'static Kernel) -> Result<Context, String> {
    let Place { threads, pus, .. } = place.clone();
    let caches = topology.cache_sizes();
    if !pus.is_empty() {
        // Says whether binding works at all; each member then binds itself to its own PU.
        topology.restrict_current_thread(&pus).map_err(|e| e.to_string())?;
    }
    let team = Team::new(threads, place.oversubscribed, move |member| {
        if let Some(&pu) = pus.get(member)
            && let Err(e) = topology.bind_current_thread(pu)
        {
            eprintln!("xhpl: warning: thread {member} is not pinned: {e}");
        }
    })?;
    Ok(Context::new(kernel, caches, team))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(turn: usize, sharing: usize, mask: &[usize], cores: usize) -> Node {
        Node { mask: mask.to_vec(), sharing, turn, cores }
    }

    #[test]
    fn ranks_share_a_mask_out() {
        let all = [0, 1, 2, 3];
        let place = |node: Node, asked| node.pus(node.threads(asked));
        assert_eq!(place(node(0, 1, &all, 4), None), all);
        assert_eq!(place(node(1, 2, &all, 4), None), [2, 3]);
        assert_eq!(place(node(1, 2, &all, 4), Some(1)), [1]);
        // Two ranks bound to each of two sockets.
        assert_eq!(place(node(1, 2, &[4, 5, 6, 7], 8), None), [6, 7]);
        let many = node(5, 6, &all, 4);
        assert_eq!((many.threads(None), many.oversubscribed(1), many.warning(1, false, 6)), (1, true, None));
    }

    #[test]
    fn bound_ranks_keep_to_their_masks() {
        let bound = node(0, 1, &[2, 3], 4);
        assert_eq!((bound.pus(2), bound.oversubscribed(2), bound.warning(2, false, 4)), (vec![2, 3], false, None));
        let warning = bound.warning(4, true, 8).unwrap();
        assert!(warning.contains("--bind-to none") && warning.contains("2 of the node's 4"), "{warning}");
        assert!(bound.oversubscribed(4));
    }

    #[test]
    fn idle_and_crowded_cores_are_told() {
        let alone = node(0, 1, &[0], 4);
        assert!(alone.warning(1, false, 1).unwrap().contains("--bind-to none"));
        assert_eq!(alone.warning(1, true, 1), None);
        let crowded = node(0, 1, &[0, 1], 2);
        assert!(crowded.warning(3, true, 3).unwrap().contains("take turns"));
    }
}
