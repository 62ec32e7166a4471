//! Every variant of our xhpl beside the usual one, on two ranks of one node: where messages are copies in memory, all
//! should be nearly as fast.

use hpl_spec::params::{Bcast, Fact, RunParams, Swap};

/// What is compared in one table: what the variants share, then each with its name, the usual one first.
pub type Group = (String, Vec<(String, RunParams)>);

/// All groups, for matrices of order `n`.
pub fn groups(n: usize) -> Vec<Group> {
    let nb = hpl_spec::advice::block_size(n);
    let (row, column) = (RunParams::new(n, nb, 1, 2), RunParams::new(n, nb, 2, 1));
    let name = |params: &RunParams| params.variant();
    let mut broadcasts = vec![("usual: ".to_owned() + &name(&row), row)];
    for bcast in Bcast::TABLE.iter().map(|row| row.value).filter(|bcast| *bcast != row.bcast) {
        let params = RunParams { bcast, ..row };
        broadcasts.push((format!("BCAST {}: {}", bcast.title(), name(&params)), params));
    }
    for depth in [0, 2, 3] {
        let params = RunParams { depth, ..row };
        broadcasts.push((format!("DEPTH {depth}: {}", name(&params)), params));
    }
    let mut swaps = vec![("usual: spread-roll".to_owned(), column)];
    let others = [
        ("SWAP binary exchange", RunParams { swap: Swap::BinaryExchange, ..column }),
        ("SWAP mix, threshold 64", RunParams { swap: Swap::Mix { threshold: 64 }, ..column }),
        ("SWAP mix, threshold NB", RunParams { swap: Swap::Mix { threshold: nb }, ..column }),
        ("EQUIL no", RunParams { equil: false, ..column }),
        ("DEPTH 0", RunParams { depth: 0, ..column }),
        ("ALIGN 1", RunParams { align: 1, ..column }),
        ("ALIGN 64", RunParams { align: 64, ..column }),
    ];
    swaps.extend(others.map(|(name, params)| (name.to_owned(), params)));
    let mut panels = vec![("usual: ".to_owned() + &name(&row), row)];
    let facts = || Fact::TABLE.iter().map(|row| row.value);
    for (rfact, pfact) in facts().flat_map(|rfact| facts().map(move |pfact| (rfact, pfact))) {
        if (rfact, pfact) != (row.rfact, row.pfact) {
            let params = RunParams { rfact, pfact, ..row };
            panels.push((format!("RFACT {}, PFACT {}: {}", rfact.title(), pfact.title(), name(&params)), params));
        }
    }
    for (nbmin, ndiv) in [(1, 2), (4, 2), (16, 2), (8, 3), (8, 4)] {
        let params = RunParams { nbmin, ndiv, ..row };
        panels.push((format!("NBMIN {nbmin}, NDIV {ndiv}: {}", name(&params)), params));
    }
    vec![
        (format!("broadcast and look-ahead, N={n}, NB={nb}, 1x2"), broadcasts),
        (format!("row swap, N={n}, NB={nb}, 2x1"), swaps),
        (format!("panel, N={n}, NB={nb}, 1x2"), panels),
    ]
}
