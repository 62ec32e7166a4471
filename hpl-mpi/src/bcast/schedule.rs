//! Who sends what to whom: the six topologies of BCAST (section 4.4 of the reference).
//!
//! A message is cut into pieces: one for the rings, and for the long broadcasts as many as there are processes to serve.

use std::ops::Range;

use hpl_spec::params::Bcast;

/// A message of some pieces, to or from the process at that place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The other side's place.
    pub peer: usize,
    /// What is sent.
    pub pieces: Range<usize>,
}

/// What the process at one place does. Each send waits until its pieces are there; receives wait for nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// Into how many pieces the message is cut.
    pub pieces: usize,
    /// What comes, from each peer in this order.
    pub receives: Vec<Step>,
    /// What goes, in this order.
    pub sends: Vec<Step>,
}

impl Schedule {
    /// What the process at `place` does in a row of `q`; place 0 has the message.
    pub fn new(bcast: Bcast, place: usize, q: usize) -> Schedule {
        match bcast {
            Bcast::Long => long(place, q),
            Bcast::LongM => relieved(place, q),
            _ => {
                let to = |peer| Step { peer, pieces: 0..1 };
                let source = (0..q).find(|&from| ring(bcast, from, q).contains(&place));
                let sends = ring(bcast, place, q).into_iter().map(to).collect();
                Schedule { pieces: 1, receives: source.map(to).into_iter().collect(), sends }
            }
        }
    }
}

/// A message cut into pieces.
#[derive(Debug, Clone, Copy)]
pub struct Cut {
    /// How many pieces.
    pub pieces: usize,
    /// How many doubles in all.
    pub len: usize,
}

impl Cut {
    /// The doubles of these pieces: equal pieces, the last with what is left over; there may be empty ones.
    pub fn doubles(&self, pieces: &Range<usize>) -> Range<usize> {
        let each = (self.len / self.pieces).max(1);
        let begin = |piece: usize| if piece == self.pieces { self.len } else { (piece * each).min(self.len) };
        begin(pieces.start)..begin(pieces.end)
    }
}

/// To which places does `place` send, in order?
fn ring(bcast: Bcast, place: usize, q: usize) -> Vec<usize> {
    let half = q.div_ceil(2);
    let next = place + 1;
    let targets = match (bcast, place) {
        (Bcast::Ring, _) => vec![next],
        (Bcast::RingM, 0) => vec![1, 2],
        (Bcast::TwoRing, 0) => vec![1, half],
        (Bcast::TwoRingM, 0) => vec![1, 2, half],
        (Bcast::RingM | Bcast::TwoRingM, 1) => vec![],
        // The first of the two rings ends before the second begins.
        (Bcast::TwoRing | Bcast::TwoRingM, _) if next == half => vec![],
        _ => vec![next],
    };
    let mut targets: Vec<usize> = targets.into_iter().filter(|&to| to < q).collect();
    // In short rows two of the root's neighbours are one.
    targets.dedup();
    targets
}

/// The pieces that the spread brings to `place`: its own, and those that it passes on. The root's are all.
fn spread(place: usize, q: usize) -> Range<usize> {
    let lowest_bit = if place == 0 { q } else { 1 << place.trailing_zeros() };
    place..q.min(place + lowest_bit)
}

/// Spread down a binary tree, then roll: pieces go round between neighbours, both ways in turn. A piece that the spread
/// brought somewhere is not sent there again (netlib sends it).
fn long(place: usize, q: usize) -> Schedule {
    let mut this = Schedule { pieces: q, receives: Vec::new(), sends: Vec::new() };
    let mine = spread(place, q);
    if place > 0 {
        this.receives.push(Step { peer: place & (place - 1), pieces: mine.clone() });
    }
    let distances = (0..usize::BITS).rev().map(|bit| 1_usize << bit).filter(|&distance| distance < mine.len());
    for peer in distances.map(|distance| place + distance) {
        this.sends.push(Step { peer, pieces: spread(peer, q) });
    }
    for step in 0..q - 1 {
        let (lap, before, after) = (step / 2, (place + q - 1) % q, (place + 1) % q);
        let (up, down) = ((place + lap) % q, (place + q - lap) % q);
        let (peer, goes, comes) = match (place + step) % 2 {
            1 => (before, up, (down + q - 1) % q),
            _ => (after, down, (up + 1) % q),
        };
        if !spread(peer, q).contains(&goes) {
            this.sends.push(Step { peer, pieces: goes..goes + 1 });
        }
        if !mine.contains(&comes) {
            this.receives.push(Step { peer, pieces: comes..comes + 1 });
        }
    }
    this
}

/// [`long`] without place 1, which is served at once and is then free to factor the next panel.
fn relieved(place: usize, q: usize) -> Schedule {
    if q == 1 {
        return long(0, 1);
    }
    let whole = |peer| Step { peer, pieces: 0..q - 1 };
    if place == 1 {
        return Schedule { pieces: q - 1, receives: vec![whole(0)], sends: Vec::new() };
    }
    let mut this = long(place.saturating_sub(1), q - 1);
    for step in this.sends.iter_mut().chain(&mut this.receives) {
        step.peer += usize::from(step.peer > 0);
    }
    if place == 0 {
        this.sends.insert(0, whole(1));
    }
    this
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn all(bcast: Bcast, q: usize) -> Vec<Schedule> {
        (0..q).map(|place| Schedule::new(bcast, place, q)).collect()
    }

    fn peers(bcast: Bcast, q: usize) -> Vec<Vec<usize>> {
        all(bcast, q).iter().map(|place| place.sends.iter().map(|step| step.peer).collect()).collect()
    }

    /// The tables of section 4.4, word by word.
    /// A message of more doubles than a 32-bit count holds, in pieces.
    #[test]
    fn pieces_beyond_32_bits_hold() {
        let cut = Cut { pieces: 7, len: (1 << 33) + 3 };
        let ends: Vec<_> = (0..7).map(|piece| cut.doubles(&(piece..piece + 1))).collect();
        assert_eq!((ends[0].start, ends[6].end), (0, cut.len));
        assert!(ends.windows(2).all(|two| two[0].end == two[1].start && two[0].len() == cut.len / 7));
    }

    #[test]
    fn rings_are_those_of_the_reference() {
        for q in 1..=32_usize {
            let half = q.div_ceil(2);
            let mut want: HashMap<Bcast, Vec<Vec<usize>>> = HashMap::new();
            let chain = |sends: &mut Vec<Vec<usize>>, from: usize, to: usize| {
                (from..to).for_each(|place| sends[place].push(place + 1));
            };
            // 0→1, 1→2, … , Q−2→Q−1
            let mut sends = vec![vec![]; q];
            chain(&mut sends, 0, q - 1);
            want.insert(Bcast::Ring, sends);
            // 0→1 then 0→2 (if Q>2); 1 never forwards; 2→3→…→Q−1
            let mut sends = vec![vec![]; q];
            sends[0].extend((1..q).take(2));
            chain(&mut sends, 2, q - 1);
            want.insert(Bcast::RingM, sends);
            // 0→1 then 0→h (Q>2). 1→2→…→h−1 and h→h+1→…→Q−1
            let mut sends = vec![vec![]; q];
            sends[0].extend((1..q).take(1));
            sends[0].extend((q > 2).then_some(half));
            chain(&mut sends, 1, half - 1);
            chain(&mut sends, half.max(1), q - 1);
            want.insert(Bcast::TwoRing, sends);
            // 0→1, then 0→2 if 2≠h, then 0→h (Q>2). 1 never forwards; 2→3→…→h−1; h→h+1→…→Q−1
            let mut sends = vec![vec![]; q];
            sends[0].extend((1..q).take(1));
            if q > 2 {
                sends[0].extend((half != 2).then_some(2));
                sends[0].push(half);
            }
            chain(&mut sends, 2, half - 1);
            chain(&mut sends, half.max(2), q - 1);
            want.insert(Bcast::TwoRingM, sends);
            for (bcast, want) in want {
                assert_eq!(peers(bcast, q), want, "{bcast:?} {q}");
            }
        }
    }

    type Sends = Vec<(usize, Range<usize>)>;

    /// The spread of section 4.4, from the root down: who sends what to whom.
    fn spreads(first: usize, mut end: usize, to: &mut Vec<(usize, usize, Range<usize>)>) {
        while end - first > 1 {
            let distance = (end - first).next_power_of_two() / 2;
            to.push((first, first + distance, first + distance..end));
            spreads(first + distance, end, to);
            end = first + distance;
        }
    }

    /// The roll of section 4.4: in step k, with l = k/2, d sends piece d+l to d−1 if d+k is odd, else piece d−l to d+1.
    fn rolls(q: usize, place: usize) -> Sends {
        let (d, n) = (place as isize, q as isize);
        let at = |i: isize| i.rem_euclid(n) as usize;
        let step = |k: isize| if (d + k) % 2 == 1 { (at(d - 1), at(d + k / 2)) } else { (at(d + 1), at(d - k / 2)) };
        (0..n - 1).map(step).map(|(peer, piece)| (peer, piece..piece + 1)).collect()
    }

    #[test]
    fn the_long_broadcast_is_that_of_the_reference() {
        for q in 1..=32_usize {
            let mut tree = Vec::new();
            spreads(0, q, &mut tree);
            match q {
                4 => assert_eq!(tree, [(0, 2, 2..4), (2, 3, 3..4), (0, 1, 1..2)]),
                5 => assert_eq!(tree, [(0, 4, 4..5), (0, 2, 2..4), (2, 3, 3..4), (0, 1, 1..2)]),
                _ => {}
            }
            let brought =
                |place: usize| if place == 0 { 0..q } else { tree.iter().find(|s| s.1 == place).unwrap().2.clone() };
            for place in 0..q {
                let mut want: Sends = tree.iter().filter(|s| s.0 == place).map(|s| (s.1, s.2.clone())).collect();
                want.extend(rolls(q, place).into_iter().filter(|(peer, piece)| !brought(*peer).contains(&piece.start)));
                let sends = Schedule::new(Bcast::Long, place, q).sends;
                assert_eq!(sends.into_iter().map(|s| (s.peer, s.pieces)).collect::<Sends>(), want, "{place} of {q}");
            }
            // Place 1 is served first; the others are a row without it.
            let relieved = all(Bcast::LongM, q);
            let others = |place: usize| place + usize::from(place > 0);
            for (place, long) in all(Bcast::Long, q.max(2) - 1).into_iter().enumerate().filter(|_| q > 1) {
                let mut want: Vec<_> = long.sends.into_iter().map(|s| (others(s.peer), s.pieces)).collect();
                want.splice(0..0, (place == 0).then_some((1, 0..q - 1)));
                let sends = relieved[others(place)].sends.iter().map(|s| (s.peer, s.pieces.clone()));
                assert_eq!(sends.collect::<Sends>(), want, "{place} of {q}");
            }
        }
    }

    /// Played through with every message at once or as late as can be, every place gets every piece, and what a place
    /// expects next from a peer is what that peer sends it next.
    #[test]
    fn every_place_gets_every_piece_in_the_order_expected() {
        for bcast in Bcast::TABLE.iter().map(|row| row.value) {
            for q in 1..=32_usize {
                let places = all(bcast, q);
                let pieces = places[0].pieces;
                for from in 0..q {
                    for to in 0..q {
                        let sent = places[from].sends.iter().filter(|s| s.peer == to).map(|s| &s.pieces);
                        let awaited = places[to].receives.iter().filter(|s| s.peer == from).map(|s| &s.pieces);
                        assert!(sent.eq(awaited), "{bcast:?} {q}: {from} to {to}");
                    }
                }
                let mut held = vec![vec![false; pieces]; q];
                held[0].fill(true);
                let mut sent = vec![0; q];
                loop {
                    let ready = (0..q).find_map(|place| {
                        let step = places[place].sends.get(sent[place])?;
                        step.pieces.clone().all(|piece| held[place][piece]).then(|| (place, step.clone()))
                    });
                    let Some((place, step)) = ready else { break };
                    sent[place] += 1;
                    step.pieces.for_each(|piece| held[step.peer][piece] = true);
                }
                assert!(held.iter().flatten().all(|&held| held), "{bcast:?} {q}");
                assert!((0..q).all(|place| sent[place] == places[place].sends.len()), "{bcast:?} {q}");
            }
        }
    }

    #[test]
    fn pieces_cover_the_message() {
        for (pieces, len) in [(1, 0), (1, 7), (4, 3), (4, 4), (5, 23), (7, 0)] {
            let cut = Cut { pieces, len };
            let all: Vec<_> = (0..pieces).map(|piece| cut.doubles(&(piece..piece + 1))).collect();
            assert!(all.windows(2).all(|w| w[0].end == w[1].start), "{all:?}");
            assert_eq!((all[0].start, all[pieces - 1].end, cut.doubles(&(0..pieces))), (0, len, 0..len));
        }
    }
}
