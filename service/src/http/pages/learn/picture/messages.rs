//! Who sends what to whom, and when: the six topologies of BCAST and the two ways of SWAP, played through.
//!
//! Places are counted from the one that begins: for a broadcast the process column that owns the panel, for an exchange
//! of rows the process row that owns the top block. Time is counted in messages of a whole panel (or of a whole U): what
//! a message costs before its first byte goes is left out.

use hpl_spec::params::Bcast;

/// The most places that are played through: more cannot be drawn.
pub const MOST_PLACES: usize = 16;

/// A message between two places.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Message {
    pub from: usize,
    pub to: usize,
    /// When it begins to go.
    pub start: f64,
    /// When all of it is there.
    pub end: f64,
    /// Which part of the whole it is.
    pub share: f64,
}

/// All messages, and when each place has everything.
#[derive(Debug, Clone, PartialEq)]
pub struct Played {
    pub messages: Vec<Message>,
    pub complete: Vec<f64>,
}

impl Played {
    /// When the last place has everything.
    pub fn end(&self) -> f64 {
        self.complete.iter().copied().fold(0.0, f64::max)
    }

    /// How much the place sends, in wholes.
    pub fn sent_by(&self, place: usize) -> f64 {
        self.messages.iter().filter(|m| m.from == place).map(|m| m.share).sum()
    }

    /// The most that any place sends.
    pub fn most_sent(&self) -> f64 {
        (0..self.complete.len()).map(|place| self.sent_by(place)).fold(0.0, f64::max)
    }

    /// How many messages the busiest place sends.
    pub fn most_messages(&self) -> usize {
        let of = |place: usize| self.messages.iter().filter(|m| m.from == place).count();
        (0..self.complete.len()).map(of).max().unwrap_or(0)
    }
}

/// Parts of the whole, one bit each.
type Parts = u64;

/// A message that a place is to send as soon as it has the parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Send {
    to: usize,
    parts: Parts,
}

fn parts(range: std::ops::Range<usize>) -> Parts {
    range.fold(0, |mask, part| mask | (1 << part))
}

/// The broadcast of a panel to `q` places, at most [`MOST_PLACES`].
pub fn broadcast(bcast: Bcast, q: usize) -> Played {
    let q = q.clamp(1, MOST_PLACES);
    match bcast {
        Bcast::Long => roll(q, q, |place| place, None),
        Bcast::LongM if q > 1 => roll(q - 1, q, |place| if place == 0 { 0 } else { place + 1 }, Some(1)),
        Bcast::LongM => roll(1, 1, |place| place, None),
        _ => {
            let sends = (0..q).map(|place| ring(bcast, place, q)).collect();
            let mut here = vec![0; q];
            here[0] = 1;
            play(sends, &here, |_| 1, 1.0, |_, came| came)
        }
    }
}

/// To whom a place of a ring passes the panel on, in this order.
fn ring(bcast: Bcast, place: usize, q: usize) -> Vec<Send> {
    let half = q.div_ceil(2);
    let mut to = match (bcast, place) {
        (Bcast::RingM, 0) => vec![1, 2],
        (Bcast::TwoRing, 0) => vec![1, half],
        (Bcast::TwoRingM, 0) => vec![1, 2, half],
        // The next process column is spared, as it has a panel of its own to factor.
        (Bcast::RingM | Bcast::TwoRingM, 1) => vec![],
        (Bcast::TwoRing | Bcast::TwoRingM, _) if place + 1 == half => vec![],
        _ => vec![place + 1],
    };
    to.retain(|&to| to < q);
    to.dedup();
    to.into_iter().map(|to| Send { to, parts: 1 }).collect()
}

/// Spread and roll among `n` of the `q` places, which `name` names; before that, the root sends everything to `first`.
fn roll(n: usize, q: usize, name: fn(usize) -> usize, first: Option<usize>) -> Played {
    // What the spread brings to a place: its own piece, and those it passes on.
    let spread = |place: usize| {
        let span = if place == 0 { n } else { 1 << place.trailing_zeros() };
        place..n.min(place + span)
    };
    let mut sends = vec![vec![]; q];
    sends[0].extend(first.map(|to| Send { to, parts: parts(0..n) }));
    for place in 0..n {
        let own = &mut sends[name(place)];
        let far = (0..usize::BITS).rev().map(|bit| 1_usize << bit).filter(|far| *far < spread(place).len());
        own.extend(far.map(|far| Send { to: name(place + far), parts: parts(spread(place + far)) }));
        for step in 0..n.saturating_sub(1) {
            let lap = step / 2;
            let (to, goes) = match (place + step) % 2 {
                1 => ((place + n - 1) % n, (place + lap) % n),
                _ => ((place + 1) % n, (place + n - lap) % n),
            };
            if !spread(to).contains(&goes) {
                own.push(Send { to: name(to), parts: parts(goes..goes + 1) });
            }
        }
    }
    let mut here = vec![0; q];
    here[0] = parts(0..n);
    play(sends, &here, |_| parts(0..n), 1.0 / n as f64, |_, came| came)
}

/// What a place shall have after an exchange: all of U, and the rows that go down to it.
fn of_place(place: usize, p: usize) -> Parts {
    parts(0..p) | if place > 0 { 1 << (p + place) } else { 0 }
}

/// The rows of U come together on `p` places by binary exchange: in each round, places in pairs trade what they have.
pub fn binary_exchange(p: usize) -> Played {
    let p = p.clamp(1, MOST_PLACES);
    let half = 1_usize << p.ilog2();
    let beyond = p - half;
    let mut sends = vec![vec![]; p];
    // The rows that go down have bits of their own, after those of U. They travel along, down a tree.
    let down = |places: std::ops::Range<usize>, step: usize| {
        places.step_by(step).fold(0, |mask: Parts, place| mask | 1 << (p + place))
    };
    for place in half..p {
        let own = place - half;
        sends[place].push(Send { to: own, parts: 1 << place });
        for k in own.checked_ilog2().map_or(0, |k| k + 1).. {
            let child = own + (1 << k);
            if child >= beyond {
                break;
            }
            sends[place].push(Send { to: half + child, parts: down(half + child..p, 2 << k) });
        }
    }
    if beyond > 0 {
        sends[0].push(Send { to: half, parts: down(half..p, 1) });
    }
    for place in 0..half {
        for k in 0..half.ilog2() {
            // What it has by then, whatever the partners of its group brought included.
            let first = (place >> k) << k;
            let group = parts(first..first + (1 << k));
            let partners = (group & parts(0..beyond)) << half;
            let to = place ^ (1 << k);
            let along = if place < 1 << k { down(to..half, 2 << k) } else { 0 };
            sends[place].push(Send { to, parts: group | partners | along });
        }
        if place < beyond {
            sends[place].push(Send { to: place + half, parts: parts(0..p) & !(1 << (place + half)) });
        }
    }
    let mut here: Vec<Parts> = (0..p).map(|place| 1 << place).collect();
    here[0] |= parts(p + 1..2 * p);
    play(sends, &here, |place| of_place(place, p), 1.0 / p as f64, |_, came| came)
}

/// The same by spread-roll: the top rows are spread, each place puts its own in their stead, and all go round the ring.
pub fn spread_roll(p: usize) -> Played {
    let p = p.clamp(1, MOST_PLACES);
    let mut sends = vec![vec![]; p];
    sends[0].extend((1..p).map(|to| Send { to, parts: 1 << (p + to) }));
    for place in 0..p {
        for step in 1..p {
            sends[place].push(Send { to: (place + 1) % p, parts: 1 << ((place + p + 1 - step) % p) });
        }
    }
    let mut here = vec![0; p];
    here[0] = 1 | parts(p + 1..2 * p);
    // Who has the rows that come down can give its own in their stead.
    let gives = |place: usize, came: Parts| if came >> p == 0 { came } else { came | (1 << place) };
    play(sends, &here, |place| of_place(place, p), 1.0 / p as f64, gives)
}

/// Plays lists of messages: a place sends one at a time, in order, and takes one at a time. `all` is what each place
/// shall have in the end, `weight` what a part is of the whole; `gains` says what a place has by what came.
fn play(
    sends: Vec<Vec<Send>>,
    here: &[Parts],
    all: impl Fn(usize) -> Parts,
    weight: f64,
    gains: impl Fn(usize, Parts) -> Parts,
) -> Played {
    let places = here.len();
    let bits = |mask: Parts| (0..Parts::BITS as usize).filter(move |bit| (mask >> bit) & 1 == 1);
    // Since when a place has a part.
    let mut since = vec![[f64::INFINITY; Parts::BITS as usize]; places];
    for (place, mask) in here.iter().enumerate() {
        bits(*mask).for_each(|part| since[place][part] = 0.0);
    }
    let (mut sending, mut taking) = (vec![0.0_f64; places], vec![0.0_f64; places]);
    let mut next = vec![0; places];
    let mut messages = vec![];
    loop {
        let ready = |place: usize| {
            let send = *sends[place].get(next[place])?;
            let there = bits(send.parts).map(|part| since[place][part]).fold(0.0, f64::max);
            let start = there.max(sending[place]).max(taking[send.to]);
            start.is_finite().then_some((start, place, send))
        };
        let first = (0..places).filter_map(ready).min_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let Some((start, from, Send { to, parts })) = first else { break };
        let share = f64::from(parts.count_ones()) * weight;
        let end = start + share;
        (sending[from], taking[to]) = (end, end);
        next[from] += 1;
        for part in bits(gains(to, parts)) {
            since[to][part] = since[to][part].min(end);
        }
        messages.push(Message { from, to, start, end, share });
    }
    let complete = since.iter().enumerate();
    let complete =
        complete.map(|(place, since)| bits(all(place)).map(|part| since[part]).fold(0.0, f64::max)).collect();
    Played { messages, complete }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receivers(bcast: Bcast, q: usize) -> Vec<Vec<usize>> {
        let played = broadcast(bcast, q);
        (0..q).map(|place| played.messages.iter().filter(|m| m.from == place).map(|m| m.to).collect()).collect()
    }

    /// The examples of the reference, word by word.
    #[test]
    fn rings_send_to_whom_they_should() {
        let none: Vec<usize> = vec![];
        assert_eq!(receivers(Bcast::Ring, 4), [vec![1], vec![2], vec![3], none.clone()]);
        assert_eq!(receivers(Bcast::RingM, 5), [vec![1, 2], none.clone(), vec![3], vec![4], none.clone()]);
        assert_eq!(receivers(Bcast::TwoRing, 5), [vec![1, 3], vec![2], none.clone(), vec![4], none.clone()]);
        assert_eq!(receivers(Bcast::TwoRingM, 5), [vec![1, 2, 3], none.clone(), none.clone(), vec![4], none.clone()]);
        let eight = [vec![1, 2, 4], none.clone(), vec![3], none.clone(), vec![5], vec![6], vec![7], none];
        assert_eq!(receivers(Bcast::TwoRingM, 8), eight);
    }

    #[test]
    fn everybody_gets_everything_in_the_time_that_is_known() {
        for q in 1..=MOST_PLACES {
            for row in Bcast::TABLE {
                let played = broadcast(row.value, q);
                assert!(played.complete.iter().all(|at| at.is_finite()), "{} {q}: {played:?}", row.title);
                assert_eq!(played.complete[0], 0.0);
            }
            let end = |bcast| broadcast(bcast, q).end();
            assert_eq!(end(Bcast::Ring), q as f64 - 1.0);
            if q > 2 {
                assert_eq!(end(Bcast::RingM), q as f64 - 1.0);
                assert!(end(Bcast::Long) < 2.5, "{q}: {}", end(Bcast::Long));
                let spared = broadcast(Bcast::LongM, q);
                assert_eq!((spared.complete[1], spared.sent_by(1)), (1.0, 0.0));
            }
        }
    }

    #[test]
    fn rows_come_together_both_ways() {
        for p in 1..=MOST_PLACES {
            let (binary, roll) = (binary_exchange(p), spread_roll(p));
            for played in [&binary, &roll] {
                assert!(played.complete.iter().all(|at| at.is_finite()), "{p}: {played:?}");
            }
            if p.is_power_of_two() {
                assert_eq!(binary.most_messages(), p.ilog2() as usize, "{p}");
            }
            // Spread-roll moves no more than U once down and once round, from any place.
            assert!(roll.most_sent() <= 2.0 + 1e-9, "{p}: {}", roll.most_sent());
        }
    }
}
