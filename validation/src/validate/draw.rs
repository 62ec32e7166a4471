//! The parameter sets, drawn by a seed: inputs of one grid each, whose lists are crossed. Pure.
//!
//! Values are dealt from decks that are shuffled anew when they are empty, so that a draw of some length has all of
//! them, in ever other company.

use hpl_spec::Sweep;
use hpl_spec::params::{Bcast, Fact, Order, RunParams, Storage, Swap};
use rand::rngs::Xoshiro256PlusPlus;
use rand::seq::SliceRandom;
use rand::{Rng, RngExt, SeedableRng};

use crate::validate::agree::PASSES;

/// The most ranks under `mpirun`: each is a process that spins while it waits.
pub const MOST_PROCESSES: usize = 6;
/// The most ranks that are threads of one process.
pub const MOST_THREADS: usize = 12;
/// The reference solves the systems of larger grids of threads on so many ranks.
const REFERENCE_RANKS: usize = 4;
/// The largest order, and that of most sets.
const LARGEST: usize = 1000;
const USUAL: usize = 500;

/// Blocking factors: one column, powers of two and others, wider than many a matrix.
const NBS: [usize; 12] = [1, 2, 3, 8, 16, 24, 37, 64, 100, 128, 256, 600];
const NBMINS: [usize; 7] = [1, 2, 3, 4, 8, 16, 64];
const NDIVS: [usize; 4] = [2, 3, 4, 7];
/// Deeper than some matrices have panels.
const DEPTHS: [usize; 5] = [0, 1, 2, 3, 4];
const THRESHOLDS: [usize; 5] = [0, 1, 20, 64, 5000];
const ALIGNS: [usize; 8] = [1, 2, 3, 4, 7, 8, 16, 33];

/// How our ranks are started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Through {
    /// `xhpl`, started by `mpirun`.
    Mpirun,
    /// Threads of one process, that send as far as there is room.
    Threads,
    /// Threads of one process, whose sends wait for their receivers.
    Rendezvous,
}

impl Through {
    /// Its name in the table.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Through::Mpirun => "mpirun",
            Through::Threads => "threads",
            Through::Rendezvous => "threads, rendezvous",
        }
    }
}

/// Sets that are run together: one HPL.dat of one grid.
#[derive(Debug, Clone, PartialEq)]
pub struct Input {
    /// The number of its first set; all sets of a draw are counted from 1.
    pub first: usize,
    /// How our ranks are started.
    pub through: Through,
    /// The sets.
    pub sweep: Sweep,
}

impl Input {
    /// The grid.
    #[must_use]
    pub fn grid(&self) -> (usize, usize) {
        self.sweep.grids[0]
    }

    /// The sets and their numbers.
    pub fn sets(&self) -> impl Iterator<Item = (usize, RunParams)> {
        (self.first..).zip(self.sweep.runs())
    }

    /// What the reference runs: the same, but for a large grid of threads on a smaller one. Norms do not depend on it.
    #[must_use]
    pub fn for_reference(&self) -> Sweep {
        let (mut p, mut q) = self.grid();
        while self.through != Through::Mpirun && p * q > REFERENCE_RANKS {
            if p > q { p -= 1 } else { q -= 1 }
        }
        Sweep { grids: vec![(p, q)], ..self.sweep.clone() }
    }

    /// The one set of this number, if it is here.
    #[must_use]
    pub fn only(&self, number: usize) -> Option<Input> {
        let (_, params) = self.sets().find(|(set, _)| *set == number)?;
        Some(Input { first: number, sweep: Sweep::of(params, self.sweep.threshold), ..self.clone() })
    }
}

/// Draws inputs until they have so many sets, or a few more.
#[must_use]
pub fn draw(seed: u64, sets: usize) -> Vec<Input> {
    let mut decks = Decks::new(seed);
    let (mut inputs, mut drawn) = (Vec::new(), 0);
    while drawn < sets {
        let through = [Through::Mpirun, Through::Threads, Through::Mpirun, Through::Rendezvous][inputs.len() % 4];
        let sweep = decks.sweep(through);
        let first = drawn + 1;
        drawn += sweep.tests();
        inputs.push(Input { first, through, sweep });
    }
    inputs
}

/// Values to deal.
struct Deck<T> {
    cards: Vec<T>,
    next: usize,
}

impl<T: Copy + PartialEq> Deck<T> {
    fn new(cards: impl IntoIterator<Item = T>) -> Deck<T> {
        let cards: Vec<T> = cards.into_iter().collect();
        Deck { next: cards.len(), cards }
    }

    fn deal(&mut self, rng: &mut impl Rng) -> T {
        if self.next == self.cards.len() {
            self.cards.shuffle(rng);
            self.next = 0;
        }
        self.next += 1;
        self.cards[self.next - 1]
    }

    /// One value, or two that differ.
    fn list(&mut self, rng: &mut impl Rng, two: bool) -> Vec<T> {
        let first = self.deal(rng);
        let mut list = vec![first];
        while two && list.len() < 2 {
            let other = self.deal(rng);
            if other != first {
                list.push(other);
            }
        }
        list
    }
}

/// What is special about an order.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    /// This one.
    Exactly(usize),
    /// So many columns beside a whole number of blocks.
    Blocks(usize, isize),
    /// Whole blocks on every rank.
    Even,
    /// Anything.
    Any,
}

/// A deck for each field. The grids of `mpirun` and of threads are dealt apart.
struct Decks {
    rng: Xoshiro256PlusPlus,
    processes: Deck<(usize, usize)>,
    threads: Deck<(usize, usize)>,
    orders: Deck<Kind>,
    nbs: Deck<usize>,
    pmaps: Deck<Order>,
    pfacts: Deck<Fact>,
    rfacts: Deck<Fact>,
    nbmins: Deck<usize>,
    ndivs: Deck<usize>,
    bcasts: Deck<Bcast>,
    depths: Deck<usize>,
    swaps: Deck<Swap>,
    forms: Deck<(Storage, Storage, bool)>,
    aligns: Deck<usize>,
    /// Which list has a second value.
    second: Deck<usize>,
}

impl Decks {
    fn new(seed: u64) -> Decks {
        let kinds = [
            Kind::Exactly(1),
            Kind::Exactly(2),
            Kind::Blocks(1, -1),
            Kind::Blocks(1, 0),
            Kind::Blocks(1, 1),
            Kind::Blocks(2, 1),
            Kind::Even,
            Kind::Any,
        ];
        let forms = || Storage::TABLE.iter().map(|row| row.value);
        let forms = forms().flat_map(|l1| forms().flat_map(move |u| [true, false].map(|equil| (l1, u, equil))));
        let swaps = [Swap::BinaryExchange, Swap::SpreadRoll].into_iter();
        Decks {
            rng: Xoshiro256PlusPlus::seed_from_u64(seed),
            processes: Deck::new(grids(1..=MOST_PROCESSES)),
            threads: Deck::new(grids(MOST_PROCESSES + 1..=MOST_THREADS)),
            orders: Deck::new(kinds),
            nbs: Deck::new(NBS),
            pmaps: Deck::new(Order::TABLE.iter().map(|row| row.value)),
            pfacts: Deck::new(Fact::TABLE.iter().map(|row| row.value)),
            rfacts: Deck::new(Fact::TABLE.iter().map(|row| row.value)),
            nbmins: Deck::new(NBMINS),
            ndivs: Deck::new(NDIVS),
            bcasts: Deck::new(Bcast::TABLE.iter().map(|row| row.value)),
            depths: Deck::new(DEPTHS),
            swaps: Deck::new(swaps.chain(THRESHOLDS.map(|threshold| Swap::Mix { threshold }))),
            forms: Deck::new(forms),
            aligns: Deck::new(ALIGNS),
            second: Deck::new(0..7),
        }
    }

    /// An input: two orders, one of them special, and one or two other lists of two values.
    fn sweep(&mut self, through: Through) -> Sweep {
        let rng = &mut self.rng;
        let seconds = [self.second.deal(rng), if rng.random() { self.second.deal(rng) } else { usize::MAX }];
        let two = |list: usize| seconds.contains(&list);
        let deck = if through == Through::Mpirun { &mut self.processes } else { &mut self.threads };
        let (p, q) = deck.deal(rng);
        let nbs = self.nbs.list(rng, two(0));
        let kind = self.orders.deal(rng);
        let ns = orders(rng, kind, nbs[0], (p, q));
        let (l1, u, equil) = self.forms.deal(rng);
        Sweep {
            ns,
            nbs,
            order: self.pmaps.deal(rng),
            pfacts: self.pfacts.list(rng, two(1)),
            nbmins: self.nbmins.list(rng, two(2)),
            ndivs: self.ndivs.list(rng, two(3)),
            rfacts: self.rfacts.list(rng, two(4)),
            bcasts: self.bcasts.list(rng, two(5)),
            depths: self.depths.list(rng, two(6)),
            swap: self.swaps.deal(rng),
            l1,
            u,
            equil,
            align: self.aligns.deal(rng),
            ..Sweep::of(RunParams::new(0, 1, p, q), PASSES)
        }
    }
}

/// All grids with so many ranks.
fn grids(ranks: std::ops::RangeInclusive<usize>) -> Vec<(usize, usize)> {
    ranks.flat_map(|ranks| (1..=ranks).filter(move |p| ranks.is_multiple_of(*p)).map(move |p| (p, ranks / p))).collect()
}

/// A special order, and one of some size: hpcc's other tests take their memory from it.
fn orders(rng: &mut impl Rng, kind: Kind, nb: usize, (p, q): (usize, usize)) -> Vec<usize> {
    // Thousands of panels would take long on ranks that share cores.
    let most = if rng.random_ratio(1, 5) { LARGEST } else { USUAL }.min(60 + 40 * nb);
    let mut some = rng.random_range(61..=most.max(62));
    let special = match kind {
        Kind::Exactly(n) => n,
        Kind::Blocks(blocks, beside) => (blocks * nb).saturating_add_signed(beside),
        Kind::Even => p * q * nb,
        Kind::Any => rng.random_range(3..=most),
    };
    let special = special.clamp(1, LARGEST + 1);
    some += usize::from(some == special);
    if rng.random() { vec![special, some] } else { vec![some, special] }
}

/// How many of the sets have each value, a line for each field: `BCAST` and `1ring 40, 1ringM 41, …`.
#[must_use]
pub fn coverage(inputs: &[Input]) -> Vec<(&'static str, String)> {
    let sets: Vec<(Through, RunParams)> =
        inputs.iter().flat_map(|input| input.sets().map(|(_, params)| (input.through, params))).collect();
    let count = |value: &dyn Fn(Through, &RunParams) -> (usize, String)| {
        let mut counts = std::collections::BTreeMap::new();
        for (through, params) in &sets {
            *counts.entry(value(*through, params)).or_insert(0) += 1;
        }
        let counted: Vec<String> = counts.iter().map(|((_, name), count)| format!("{name}: {count}")).collect();
        counted.join(", ")
    };
    let number = |number: usize| (number, number.to_string());
    let fact = |fact: Fact| (fact.number() as usize, fact.title().to_owned());
    let form = |form: Storage| (form.number() as usize, form.title().to_owned());
    vec![
        ("through", count(&|through, _| (through as usize, through.name().into()))),
        ("grid", count(&|_, set| (100 * set.p * set.q + set.p, format!("{}x{}", set.p, set.q)))),
        ("PMAP", count(&|_, set| (set.order.number() as usize, set.order.title().into()))),
        ("N", count(&|_, set| of_order(set))),
        ("NB", count(&|_, set| number(set.nb))),
        ("PFACT", count(&|_, set| fact(set.pfact))),
        ("NBMIN", count(&|_, set| number(set.nbmin))),
        ("NDIV", count(&|_, set| number(set.ndiv))),
        ("RFACT", count(&|_, set| fact(set.rfact))),
        ("BCAST", count(&|_, set| (set.bcast.number() as usize, set.bcast.title().into()))),
        ("DEPTH", count(&|_, set| number(set.depth))),
        ("SWAP", count(&|_, set| of_swap(set.swap))),
        ("L1", count(&|_, set| form(set.l1))),
        ("U", count(&|_, set| form(set.u))),
        ("EQUIL", count(&|_, set| (usize::from(set.equil), if set.equil { "yes" } else { "no" }.into()))),
        ("ALIGN", count(&|_, set| number(set.align))),
    ]
}

/// What is to be said of an order.
fn of_order(set: &RunParams) -> (usize, String) {
    let RunParams { n, nb, depth, .. } = *set;
    let words = [
        (n <= 2, "1 or 2"),
        (n < nb, "below NB"),
        (n == nb, "NB"),
        (n == nb + 1, "NB + 1"),
        (n < depth * nb, "below DEPTH NB"),
        (n.is_multiple_of(nb), "whole blocks"),
        (n <= USUAL, "uneven, up to 500"),
        (true, "uneven, above 500"),
    ];
    let first = words.iter().position(|(so, _)| *so).unwrap_or(0);
    (first, words[first].1.to_owned())
}

fn of_swap(swap: Swap) -> (usize, String) {
    match swap {
        Swap::Mix { threshold } => (2 + threshold, swap_name(swap)),
        other => (other.number() as usize, swap_name(other)),
    }
}

/// `mix 64`, or the name alone.
#[must_use]
pub fn swap_name(swap: Swap) -> String {
    match swap {
        Swap::Mix { threshold } => format!("mix {threshold}"),
        Swap::BinaryExchange => "binary".into(),
        Swap::SpreadRoll => "long".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `cargo xtask validate` draws if nothing is said.
    const SETS: usize = 300;

    fn sets(inputs: &[Input]) -> Vec<(usize, RunParams)> {
        inputs.iter().flat_map(Input::sets).collect()
    }

    #[test]
    fn a_seed_draws_the_same_again_and_another_something_else() {
        assert_eq!(draw(1, 60), draw(1, 60));
        assert_ne!(draw(1, 60), draw(2, 60));
        // More sets are the same and some more.
        assert_eq!(draw(1, 200)[..5], draw(1, 60)[..5]);
    }

    #[test]
    fn all_sets_are_legal_numbered_and_within_their_limits() {
        for seed in 0..20 {
            let inputs = draw(seed, SETS);
            let numbered: Vec<usize> = sets(&inputs).iter().map(|(number, _)| *number).collect();
            assert!((SETS..SETS + 8).contains(&numbered.len()));
            assert_eq!(numbered, (1..=numbered.len()).collect::<Vec<_>>());
            for input in &inputs {
                let most = if input.through == Through::Mpirun { MOST_PROCESSES } else { MOST_THREADS };
                assert_eq!(Sweep::parse(&input.sweep.to_dat(), most).as_ref(), Ok(&input.sweep));
                assert!(input.sweep.ns.iter().all(|n| (1..=LARGEST + 1).contains(n)), "{:?}", input.sweep);
                assert!(input.sweep.ns.iter().any(|n| *n > 60), "hpcc needs some memory: {:?}", input.sweep);
                let reference = input.for_reference();
                let (p, q) = reference.grids[0];
                assert!(p * q <= MOST_PROCESSES && (p, q) <= input.grid());
                assert_eq!(Sweep { grids: input.sweep.grids.clone(), ..reference }, input.sweep);
            }
        }
    }

    /// Every value of every deck, whatever the seed.
    #[test]
    fn a_draw_has_every_variant() {
        for seed in 0..20 {
            let covered = coverage(&draw(seed, SETS));
            let values = |field: &str| {
                let (_, line) = covered.iter().find(|(name, _)| *name == field).unwrap();
                line.split(", ").filter(|value| !value.starts_with("rendezvous")).count()
            };
            let found = ["PMAP", "PFACT", "RFACT", "BCAST", "L1", "U", "EQUIL"].map(values);
            assert_eq!(found, [2, 3, 3, 6, 2, 2, 2], "seed {seed}: {covered:?}");
            let found = ["NB", "NBMIN", "NDIV", "DEPTH", "SWAP", "ALIGN"].map(values);
            let decks = [NBS.len(), NBMINS.len(), NDIVS.len(), DEPTHS.len(), 2 + THRESHOLDS.len(), ALIGNS.len()];
            assert_eq!(found, decks, "seed {seed}: {covered:?}");
            let (_, orders) = covered.iter().find(|(name, _)| *name == "N").unwrap();
            for kind in ["1 or 2", "below NB", "NB", "NB + 1", "below DEPTH NB", "whole blocks", "above 500"] {
                assert!(orders.contains(&format!("{kind}: ")), "seed {seed}: {kind} in {orders}");
            }
            let inputs = draw(seed, SETS);
            let wide = |ranks| inputs.iter().filter(|input| input.grid().0 * input.grid().1 == ranks).count();
            assert!(wide(MOST_PROCESSES) > 0 && wide(MOST_THREADS) > 0, "seed {seed}: {covered:?}");
        }
    }

    #[test]
    fn a_set_is_found_by_its_number() {
        let inputs = draw(3, 30);
        for (number, params) in sets(&inputs) {
            let only: Vec<Input> = inputs.iter().filter_map(|input| input.only(number)).collect();
            let [one] = &only[..] else { panic!("{only:?}") };
            assert_eq!(one.sets().collect::<Vec<_>>(), [(number, params)]);
        }
        assert!(inputs.iter().all(|input| input.only(0).is_none()));
    }

    #[test]
    fn the_grids_of_a_number_of_ranks() {
        assert_eq!(grids(5..=6), [(1, 5), (5, 1), (1, 6), (2, 3), (3, 2), (6, 1)]);
    }
}
