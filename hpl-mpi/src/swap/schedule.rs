//! Who sends which rows to whom, for every way in which the rows of U come together (section 4.6 of the reference).
//!
//! Places are process rows, counted from the one that owns the top block (place 0). Two kinds of rows travel: those that
//! a place gives to U go *up* to all places, and as many of the top block go *down* to it. A schedule lists a place's
//! messages; [`super::Exchange`] plays any of them.
//!
//! ```text
//!   spread-roll       0 sends each place its rows; each place exchanges them with those it gives to U, which
//!                     then go round the ring of places
//!   binary exchange   in step k, place i and place i xor 2^k exchange what they have gathered for U; the rows that go
//!                     down are in the same messages, along a binomial tree
//! ```
//! Binary exchange takes log2 P messages one after the other and is for few columns; spread-roll moves each row at most
//! three times, in P messages that overlap, and is for many. When P is no power of two, places beyond the largest power H
//! join a partner below it before, and get all of U from it afterwards.

use std::ops::Range;

use hpl_spec::params::Swap;

/// A way in which the rows of U come together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// Few messages one after the other.
    BinaryExchange,
    /// Many messages that overlap, each row few times.
    SpreadRoll,
}

impl Route {
    /// The route of SWAP for an update of `columns` local columns.
    pub fn of(swap: Swap, columns: usize) -> Route {
        match swap {
            Swap::Mix { threshold } if columns <= threshold => Route::BinaryExchange,
            Swap::BinaryExchange => Route::BinaryExchange,
            Swap::SpreadRoll | Swap::Mix { .. } => Route::SpreadRoll,
        }
    }
}

/// A part of U that travels as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fragment {
    /// The place that gives it.
    pub from: usize,
    /// Which of the rows that this place gives.
    pub rows: Range<usize>,
    /// The place that starts it round the ring.
    pub by: usize,
}

/// U in one part for each place; `shares` are the rows that the places give.
pub fn whole(shares: &[usize]) -> Vec<Fragment> {
    let fragment = |(place, &share)| Fragment { from: place, rows: 0..share, by: place };
    shares.iter().enumerate().map(fragment).collect()
}

/// U cut so that all places start equally many rows round the ring (EQUIL), if they do not already: places with more than
/// their share hand the rest to others first. As netlib, only from three process rows on.
pub fn even(shares: &[usize]) -> Vec<Fragment> {
    let (p, all) = (shares.len(), shares.iter().sum::<usize>());
    if p <= 2 || shares.iter().all(|&share| share == all / p || share == all.div_ceil(p)) {
        return whole(shares);
    }
    let mut fragments = Vec::new();
    let mut first = 0;
    for (from, &share) in shares.iter().enumerate() {
        for by in 0..p {
            let (start, end) = ((all * by / p).max(first), (all * (by + 1) / p).min(first + share));
            if start < end {
                fragments.push(Fragment { from, rows: start - first..end - first, by });
            }
        }
        first += share;
    }
    fragments
}

/// What a message holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Item {
    /// The rows that go down to this place.
    Down(usize),
    /// The fragment of U of this number.
    Up(usize),
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
    /// The messages of `place` among `places`, with U in those fragments.
    ///
    /// # Panics
    /// If binary exchange is asked for with other fragments than [`whole`] ones.
    pub fn new(route: Route, place: usize, places: usize, fragments: &[Fragment]) -> Schedule {
        match route {
            Route::BinaryExchange => {
                assert!(fragments.len() == places, "binary exchange moves whole pieces");
                Schedule::binary_exchange(place, places)
            }
            Route::SpreadRoll => Schedule::spread_roll(place, places, fragments),
        }
    }

    fn send(&mut self, peer: usize, items: impl IntoIterator<Item = Item>) {
        self.sends.push(Step { peer, items: items.into_iter().collect() });
    }

    fn receive(&mut self, peer: usize, items: impl IntoIterator<Item = Item>) {
        self.receives.push(Step { peer, items: items.into_iter().collect() });
    }

    fn spread_roll(me: usize, p: usize, fragments: &[Fragment]) -> Schedule {
        let mut this = Schedule::default();
        if me == 0 {
            (1..p).for_each(|place| this.send(place, [Item::Down(place)]));
        } else {
            this.receive(0, [Item::Down(me)]);
        }
        for (f, Fragment { from, by, .. }) in fragments.iter().enumerate().filter(|(_, f)| f.from != f.by) {
            if *from == me {
                this.send(*by, [Item::Up(f)]);
            } else if *by == me {
                this.receive(*from, [Item::Up(f)]);
            }
        }
        // They lie in the order of the places that start them. What was handed to another has not to come back.
        let started = |place: usize, to: usize| {
            let end = |before: usize| fragments.partition_point(|f| f.by < before);
            (end(place)..end(place + 1)).filter(move |&f| fragments[f].from != to)
        };
        let (next, previous) = ((me + 1) % p, (me + p - 1) % p);
        for step in 1..p {
            started((me + p + 1 - step) % p, next).for_each(|f| this.send(next, [Item::Up(f)]));
            started((me + p - step) % p, me).for_each(|f| this.receive(previous, [Item::Up(f)]));
        }
        this
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
    fn play(route: Route, shares: &[usize], fragments: &[Fragment]) -> usize {
        let p = shares.len();
        let mut schedules: Vec<_> = (0..p).map(|place| Schedule::new(route, place, p, fragments)).collect();
        let mut here: Vec<Vec<Item>> = (0..p).map(|_| Vec::new()).collect();
        let gives = |place: usize| (0..fragments.len()).filter(move |&f| fragments[f].from == place).map(Item::Up);
        here[0].extend((1..p).map(Item::Down).chain(gives(0)));
        if route == Route::BinaryExchange {
            (1..p).for_each(|place| here[place].extend(gives(place)));
        }
        let mut under_way: HashMap<(usize, usize), VecDeque<Vec<Item>>> = HashMap::new();
        for round in 0.. {
            let mut moved = false;
            for place in 0..p {
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
                        if item == Item::Down(place) && route == Route::SpreadRoll {
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
                let up = here[place].iter().filter(|item| matches!(item, Item::Up(_))).count();
                assert_eq!(up, fragments.len(), "place {place} of {p}");
                assert!(place == 0 || here[place].contains(&Item::Down(place)), "place {place} of {p}");
            }
            return round;
        }
        unreachable!("rounds end")
    }

    #[test]
    fn binary_exchange_takes_no_more_rounds_than_netlibs() {
        for p in 1_usize..=33 {
            let shares = vec![1; p];
            let around = if p.is_power_of_two() { 0 } else { 2 };
            let rounds = play(Route::BinaryExchange, &shares, &whole(&shares));
            // A message after the others may leave before the last of them has come.
            let (least, most) = (p.ilog2() as usize, p.ilog2() as usize + around);
            assert!((least..=most).contains(&rounds), "{rounds} for {p}");
        }
    }

    #[test]
    fn three_places_by_hand() {
        use Item::{Down, Up};
        let step = |peer, items: &[Item]| Step { peer, items: items.to_vec() };
        let zero = Schedule {
            sends: vec![step(2, &[Down(2)]), step(1, &[Up(0), Up(2), Down(1)]), step(2, &[Up(0), Up(1)])],
            receives: vec![step(2, &[Up(2)]), step(1, &[Up(1)])],
        };
        assert_eq!(Schedule::new(Route::BinaryExchange, 0, 3, &whole(&[1; 3])), zero);
        // Place 1 gives 4 of 6 rows: one on to place 0, one on to place 2.
        let fragments = even(&[1, 4, 1]);
        let cut: Vec<_> = fragments.iter().map(|f| (f.from, f.rows.clone(), f.by)).collect();
        assert_eq!(cut, [(0, 0..1, 0), (1, 0..1, 0), (1, 1..3, 1), (1, 3..4, 2), (2, 0..1, 2)]);
        let one = Schedule::new(Route::SpreadRoll, 1, 3, &fragments);
        assert_eq!(one.sends[..3], [step(0, &[Up(1)]), step(2, &[Up(3)]), step(2, &[Up(2)])]);
        assert_eq!(one.receives[..2], [step(0, &[Down(1)]), step(0, &[Up(0)])]);
    }

    #[test]
    fn shares_that_are_even_stay_whole() {
        assert_eq!(even(&[2, 3, 2]), whole(&[2, 3, 2]));
        assert_eq!(even(&[0, 8]), whole(&[0, 8]));
    }

    proptest! {
        #[test]
        fn everything_arrives_everywhere(shares in prop::collection::vec(0_usize..9, 1..14)) {
            play(Route::BinaryExchange, &shares, &whole(&shares));
            let (whole, even) = (whole(&shares), even(&shares));
            let rounds = play(Route::SpreadRoll, &shares, &whole);
            prop_assert!(rounds <= shares.len(), "{rounds} for {shares:?}");
            play(Route::SpreadRoll, &shares, &even);
            let (all, p) = (shares.iter().sum::<usize>(), shares.len());
            for place in 0..p {
                let rows = |of: fn(&Fragment) -> usize| -> usize {
                    even.iter().filter(|f| of(f) == place).map(|f| f.rows.len()).sum()
                };
                prop_assert_eq!(rows(|f| f.from), shares[place]);
                if p > 2 {
                    let started = rows(|f| f.by);
                    prop_assert!(started == all / p || started == all.div_ceil(p), "{even:?}");
                }
            }
        }
    }

    #[test]
    fn mix_asks_how_many_columns_there_are() {
        let mix = Swap::Mix { threshold: 64 };
        let routes = [(mix, 64), (mix, 65), (Swap::BinaryExchange, 999), (Swap::SpreadRoll, 1)];
        let routes = routes.map(|(swap, columns)| Route::of(swap, columns));
        use Route::{BinaryExchange, SpreadRoll};
        assert_eq!(routes, [BinaryExchange, SpreadRoll, BinaryExchange, SpreadRoll]);
    }
}
