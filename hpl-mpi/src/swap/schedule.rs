//! Who sends which rows to whom, for every way in which U comes together on all process rows (section 4.6 of the
//! reference).
//!
//! Places are process rows, counted from the one that owns the top block (place 0). Two kinds of rows travel: those that
//! a place gives to U go *up* to all places, and as many of the top block go *down* to it. A schedule lists a place's
//! messages; [`super::Exchange`] plays any of them.
//!
//! ```text
//!   spread-roll       0 sends each place its rows; each place exchanges them with those it gives to U, which
//!                     then go round the ring of places
//!   shared solve      the same, but before the ring each place gets its share of the columns of U from all others and
//!                     solves them; what goes round are columns of L⁻¹·U
//!   binary exchange   in step k, place i and place i xor 2^k exchange what they have gathered for U; the rows that go
//!                     down are in the same messages, along a binomial tree
//! ```
//! Binary exchange takes log2 P messages one after the other and is for few columns; the others move each row at most
//! three times, in messages that overlap, and are for many. When P is no power of two, places beyond the largest power H
//! join a partner below it before, and get all of U from it afterwards.
//!
//! With the shared solve no place solves what another has solved, and the shares make up for the blocks that some have
//! more of than others; at most 1/P of U more travels than by spread-roll.

use std::ops::Range;

use hpl_spec::params::Swap;

/// A way in which U comes together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// Few messages one after the other.
    BinaryExchange,
    /// Many messages that overlap, each row few times.
    SpreadRoll,
    /// Each place solves a share of the columns of U for all.
    SharedSolve,
}

impl Route {
    /// The route of SWAP and EQUIL for an update of `columns` local columns.
    pub fn of(swap: Swap, equil: bool, columns: usize) -> Route {
        match swap {
            Swap::Mix { threshold } if columns <= threshold => Route::BinaryExchange,
            Swap::BinaryExchange => Route::BinaryExchange,
            Swap::SpreadRoll | Swap::Mix { .. } if equil => Route::SharedSolve,
            Swap::SpreadRoll | Swap::Mix { .. } => Route::SpreadRoll,
        }
    }
}

/// Shares of columns are multiples of this, as long as there are enough: whole tiles of every kernel.
const UNIT: usize = 8;

/// Which columns of U each place solves for all, one place's after the other's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shares {
    bounds: Vec<usize>,
}

impl Shares {
    /// Shares of `columns` columns of U, which has `width` rows. `below` are the rows of L2 that each place multiplies
    /// with what was solved: where blocks do not come out even, some have `width` rows less than others and solve more, so
    /// that all have as equally much to do as can be.
    pub fn new(below: &[usize], width: usize, columns: usize) -> Shares {
        // For each column and row of U: a product takes 2 operations for a row of L2, a solve `width` of all places.
        let products = || below.iter().map(|rows| 2 * rows);
        let mut least: Vec<usize> = products().collect();
        least.sort_unstable();
        // As many places as can come up to one level with what is to be solved: those that have least to multiply.
        let (mut places, mut filled) = (0, width);
        for product in least {
            if places > 0 && filled <= places * product {
                break;
            }
            (places, filled) = (places + 1, filled + product);
        }
        let blocks = columns.div_ceil(UNIT);
        let (mut bounds, mut solved) = (vec![0], 0);
        for product in products() {
            solved += filled.saturating_sub(places * product);
            bounds.push((blocks * solved / (places * width).max(1) * UNIT).min(columns));
        }
        Shares { bounds }
    }

    /// Those of a place.
    pub fn of(&self, place: usize) -> Range<usize> {
        self.bounds[place]..self.bounds[place + 1]
    }
}

/// What a message holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Item {
    /// The rows that go down to this place.
    Down(usize),
    /// All that this place gives to U.
    Up(usize),
    /// What a place gives to the columns that another solves.
    Part {
        /// The place that gives it.
        from: usize,
        /// The place that solves it.
        to: usize,
    },
    /// The columns that this place has solved.
    Solved(usize),
}

/// A message to or from a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The other place.
    pub peer: usize,
    /// What the message holds, in this order.
    pub items: Vec<Item>,
}

/// The messages of one place. Sends go out in their order, each when all its items are here; messages of the same two
/// places arrive in the order of both lists.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Schedule {
    /// What comes.
    pub receives: Vec<Step>,
    /// What goes.
    pub sends: Vec<Step>,
}

impl Schedule {
    /// The messages of `place` among `places`.
    pub fn new(route: Route, place: usize, places: usize) -> Schedule {
        match route {
            Route::BinaryExchange => Schedule::binary_exchange(place, places),
            Route::SpreadRoll => Schedule::down(place, places).ring(place, places, Item::Up),
            Route::SharedSolve => Schedule::down(place, places).parts(place, places).ring(place, places, Item::Solved),
        }
    }

    fn send(&mut self, peer: usize, items: impl IntoIterator<Item = Item>) {
        self.sends.push(Step { peer, items: items.into_iter().collect() });
    }

    fn receive(&mut self, peer: usize, items: impl IntoIterator<Item = Item>) {
        self.receives.push(Step { peer, items: items.into_iter().collect() });
    }

    /// The rows that go down.
    fn down(me: usize, p: usize) -> Schedule {
        let mut this = Schedule::default();
        if me == 0 {
            (1..p).for_each(|place| this.send(place, [Item::Down(place)]));
        } else {
            this.receive(0, [Item::Down(me)]);
        }
        this
    }

    /// To each place the columns that it solves. Everybody begins with the next, so that not all send to the same one.
    fn parts(mut self, me: usize, p: usize) -> Schedule {
        for step in 1..p {
            let (to, from) = ((me + step) % p, (me + p - step) % p);
            self.send(to, [Item::Part { from: me, to }]);
            self.receive(from, [Item::Part { from, to: me }]);
        }
        self
    }

    /// One item of each place, round the ring.
    fn ring(mut self, me: usize, p: usize, item: fn(usize) -> Item) -> Schedule {
        let (next, previous) = ((me + 1) % p, (me + p - 1) % p);
        for step in 1..p {
            self.send(next, [item((me + p + 1 - step) % p)]);
            self.receive(previous, [item((me + p - step) % p)]);
        }
        self
    }

    fn binary_exchange(me: usize, p: usize) -> Schedule {
        let mut this = Schedule::default();
        // Places from h on join me − h before, and get the result from it.
        let h = 1 << p.ilog2();
        let beyond = p - h;
        if me >= h {
            this.send(me - h, [Item::Up(me)]);
            // Their rows come from place h, along a tree of their own.
            let down = |places: Range<usize>, step| places.step_by(step).map(move |place| Item::Down(h + place));
            let t = me - h;
            match t.checked_ilog2() {
                None => this.receive(0, down(0..beyond, 1)),
                Some(k) => this.receive(h + t - (1 << k), down(t..beyond, 2 << k)),
            }
            for k in t.checked_ilog2().map_or(0, |k| k + 1).. {
                let child = t + (1 << k);
                if child >= beyond {
                    break;
                }
                this.send(h + child, down(child..beyond, 2 << k));
            }
            this.receive(me - h, (0..p).filter(|&place| place != me).map(Item::Up));
            return this;
        }
        if me < beyond {
            this.receive(me + h, [Item::Up(me + h)]);
        }
        if me == 0 && beyond > 0 {
            this.send(h, (h..p).map(Item::Down));
        }
        for k in 0..h.ilog2() {
            let peer = me ^ (1 << k);
            // What a place has gathered of U before step k, and the rows that go down to it and through it.
            let gathered = |place: usize| {
                let group = (place >> k << k)..((place >> k) + 1) << k;
                let partners = group.clone().map(move |i| i + h).filter(move |&i| i < p);
                group.chain(partners).map(Item::Up)
            };
            let down = |from: usize, to: usize| {
                let end = if from < 1 << k { h } else { to };
                (to..end).step_by(2 << k).map(Item::Down)
            };
            this.send(peer, gathered(me).chain(down(me, peer)));
            this.receive(peer, gathered(peer).chain(down(peer, me)));
        }
        if me < beyond {
            this.send(me + h, (0..p).filter(|&place| place != me + h).map(Item::Up));
        }
        this
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{HashMap, VecDeque};

    use super::*;
    use proptest::prelude::*;

    /// Plays the schedules of all places; the rounds of messages it took. Panics if a place sends what it has not, if
    /// messages do not meet, or if one lacks anything in the end.
    fn play(route: Route, p: usize) -> usize {
        let mut schedules: Vec<_> = (0..p).map(|place| Schedule::new(route, place, p)).collect();
        let mut here: Vec<Vec<Item>> = (0..p).map(|_| Vec::new()).collect();
        // What a place has as soon as its own rows are packed.
        let gives = |from: usize| match route {
            Route::SharedSolve => (0..p).map(|to| Item::Part { from, to }).collect(),
            _ => vec![Item::Up(from)],
        };
        here[0].extend((1..p).map(Item::Down).chain(gives(0)));
        if route == Route::BinaryExchange {
            (1..p).for_each(|place| here[place].extend(gives(place)));
        }
        let mut under_way: HashMap<(usize, usize), VecDeque<Vec<Item>>> = HashMap::new();
        for round in 0.. {
            let mut moved = false;
            for place in 0..p {
                let parts = (0..p).map(|from| Item::Part { from, to: place });
                if route == Route::SharedSolve
                    && !here[place].contains(&Item::Solved(place))
                    && parts.into_iter().all(|part| here[place].contains(&part))
                {
                    here[place].push(Item::Solved(place));
                }
                let ready = |step: &Step| step.items.iter().all(|item| here[place].contains(item));
                let can = schedules[place].sends.iter().take_while(|step| ready(step)).count();
                for Step { peer, items } in schedules[place].sends.drain(..can) {
                    under_way.entry((place, peer)).or_default().push_back(items);
                    moved = true;
                }
            }
            for place in 0..p {
                schedules[place].receives.retain(|step| {
                    let Some(items) = under_way.get_mut(&(step.peer, place)).and_then(VecDeque::pop_front) else {
                        return true;
                    };
                    assert_eq!(items, step.items, "from {} to {place} of {p}", step.peer);
                    for &item in &items {
                        assert!(!here[place].contains(&item), "{item:?} comes twice to {place} of {p}");
                        here[place].push(item);
                        if item == Item::Down(place) && route != Route::BinaryExchange {
                            here[place].extend(gives(place));
                        }
                    }
                    false
                });
            }
            if moved {
                continue;
            }
            for (place, schedule) in schedules.iter().enumerate() {
                assert_eq!(*schedule, Schedule::default(), "place {place} of {p} is not done");
                let all = (0..p).map(if route == Route::SharedSolve { Item::Solved } else { Item::Up });
                all.for_each(|item| assert!(here[place].contains(&item), "{item:?} at place {place} of {p}"));
                assert!(place == 0 || here[place].contains(&Item::Down(place)), "place {place} of {p}");
            }
            return round;
        }
        unreachable!("rounds end")
    }

    #[test]
    fn binary_exchange_takes_no_more_rounds_than_netlibs() {
        for p in 1_usize..=33 {
            let around = if p.is_power_of_two() { 0 } else { 2 };
            let rounds = play(Route::BinaryExchange, p);
            // A message after the others may leave before the last of them has come.
            let (least, most) = (p.ilog2() as usize, p.ilog2() as usize + around);
            assert!((least..=most).contains(&rounds), "{rounds} for {p}");
        }
    }

    #[test]
    fn round_the_ring_it_takes_as_many_rounds_as_there_are_places() {
        for p in 1..=17 {
            assert_eq!(play(Route::SpreadRoll, p), if p == 1 { 0 } else { p }, "{p}");
            // Down, the parts, and round the ring.
            let rounds = play(Route::SharedSolve, p);
            assert!(rounds <= p + 1, "{rounds} for {p}");
        }
    }

    #[test]
    fn three_places_by_hand() {
        use Item::{Down, Part, Solved, Up};
        let step = |peer, items: &[Item]| Step { peer, items: items.to_vec() };
        let zero = Schedule {
            sends: vec![step(2, &[Down(2)]), step(1, &[Up(0), Up(2), Down(1)]), step(2, &[Up(0), Up(1)])],
            receives: vec![step(2, &[Up(2)]), step(1, &[Up(1)])],
        };
        assert_eq!(Schedule::new(Route::BinaryExchange, 0, 3), zero);
        let part = |from, to| [Part { from, to }];
        let one = Schedule {
            sends: vec![step(2, &part(1, 2)), step(0, &part(1, 0)), step(2, &[Solved(1)]), step(2, &[Solved(0)])],
            receives: vec![
                step(0, &[Down(1)]),
                step(0, &part(0, 1)),
                step(2, &part(2, 1)),
                step(0, &[Solved(0)]),
                step(0, &[Solved(2)]),
            ],
        };
        assert_eq!(Schedule::new(Route::SharedSolve, 1, 3), one);
    }

    proptest! {
        #[test]
        fn shares_are_all_columns_and_nobody_has_more_to_do_than_must_be(
            below in prop::collection::vec(0_usize..500, 1..20), width in 1_usize..300, columns in 0_usize..3000
        ) {
            let shares = Shares::new(&below, width, columns);
            let shares: Vec<_> = (0..below.len()).map(|place| shares.of(place)).collect();
            prop_assert_eq!((shares[0].start, shares[shares.len() - 1].end), (0, columns));
            prop_assert!(shares.windows(2).all(|two| two[0].end == two[1].start));
            // Who solves has as much to do as all others that do, and nobody has less; but for whole units of columns.
            let work = |place: usize| 2 * below[place] * columns + shares[place].len() * width;
            let solving = (0..below.len()).filter(|&place| !shares[place].is_empty());
            let most = solving.map(work).max().unwrap_or(0);
            let least = (0..below.len()).map(work).min().unwrap_or(0);
            prop_assert!(most <= least + 4 * UNIT * width, "{most} and {least}: {shares:?}");
        }
    }

    #[test]
    fn who_has_less_to_multiply_solves_more() {
        let of = |below: &[usize]| Shares::new(below, 64, 2048).bounds;
        assert_eq!(of(&[640, 640]), [0, 1024, 2048]);
        assert_eq!(of(&[640, 704]), [0, 2048, 2048]);
        assert_eq!(of(&[640, 656]), [0, 1536, 2048]);
        assert_eq!(of(&[128, 64, 64, 64]), [0, 0, 680, 1360, 2048]);
        assert_eq!(of(&[0, 0]), [0, 1024, 2048]);
    }

    #[test]
    fn mix_asks_how_many_columns_there_are() {
        use Route::{BinaryExchange, SharedSolve, SpreadRoll};
        let mix = Swap::Mix { threshold: 64 };
        let routes = [(mix, 64), (mix, 65), (Swap::BinaryExchange, 999), (Swap::SpreadRoll, 1)];
        let [evenly, as_they_lie] = [true, false].map(|equil| routes.map(|(swap, n)| Route::of(swap, equil, n)));
        assert_eq!(evenly, [BinaryExchange, SharedSolve, BinaryExchange, SharedSolve]);
        assert_eq!(as_they_lie, [BinaryExchange, SpreadRoll, BinaryExchange, SpreadRoll]);
    }
}
