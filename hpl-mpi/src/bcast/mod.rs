//! The panel broadcast along a process row: start, poll, finish.
//!
//! Places are counted from the root (place 0 owns the panel). A schedule says for each place what it receives and
//! what it sends; the machine below does that, whatever the topology, and never blocks except in [`Broadcast::finish`]
//! and [`Broadcast::reclaim`].

mod schedule;

use std::cell::Cell;
use std::collections::VecDeque;
use std::ops::Range;
use std::time::{Duration, Instant};

use hpl_spec::params::Bcast;

use crate::comm::stage::{FIRST_PANEL, PANELS};
use crate::comm::{Buf, Comm, awaited, wait, wait_until};
use crate::workspace::Pool;
use schedule::{Cut, Schedule, Step};

/// One panel's way along the process row.
pub struct Broadcast<C: Comm> {
    tag: u32,
    root: usize,
    cut: Cut,
    /// Where the message is put together, if it does not come as one.
    room: Option<Buf>,
    receiving: Vec<(Range<usize>, C::Ticket)>,
    /// What is here: pieces, and the memory they lie in.
    here: Vec<(Range<usize>, Buf)>,
    unsent: VecDeque<Step>,
    sends: Vec<C::Ticket>,
    /// When the root began to send, and how long it took until the last send was done.
    begun: Instant,
    sent: Option<Duration>,
}

impl<C: Comm> Broadcast<C> {
    /// Starts the broadcast of panel number `index` from rank `root`: the root brings the message, the
    /// others a buffer of the same length. Collective over the process row. `pool` lends memory for pieces.
    pub fn start(
        along_row: &C,
        bcast: Bcast,
        root: usize,
        index: usize,
        message: Buf,
        pool: &mut Pool,
    ) -> Broadcast<C> {
        let q = along_row.size();
        let place = (along_row.rank() + q - root) % q;
        let Schedule { pieces, receives, sends } = Schedule::new(bcast, place, q);
        let all = 0..pieces;
        let mut this = Broadcast {
            tag: FIRST_PANEL + (index % PANELS as usize) as u32,
            root,
            cut: Cut { pieces, len: message.len() },
            room: None,
            receiving: Vec::new(),
            here: Vec::new(),
            unsent: sends.into(),
            sends: Vec::new(),
            begun: Instant::now(),
            sent: None,
        };
        if place == 0 {
            this.here.push((all, message));
        } else {
            this.room = Some(message);
            for Step { peer, pieces } in receives {
                let buf = if pieces == all {
                    this.room.take().expect("it comes once")
                } else {
                    pool.take(this.cut.doubles(&pieces).len())
                };
                this.receiving.push((pieces, along_row.start_recv((peer + root) % q, this.tag, buf)));
            }
        }
        this.send_on(along_row);
        this
    }

    /// Sends what is here and whose turn it is.
    fn send_on(&mut self, along_row: &C) {
        let Broadcast { cut, root, tag, here, unsent, sends, .. } = self;
        while let Some(Step { peer, pieces }) = unsent.front()
            && let Some((held, buf)) =
                here.iter().find(|(held, _)| held.start <= pieces.start && pieces.end <= held.end)
        {
            let begin = cut.doubles(held).start;
            let doubles = cut.doubles(pieces);
            let part = buf.part(doubles.start - begin..doubles.end - begin);
            sends.push(along_row.start_send((peer + *root) % along_row.size(), *tag, part));
            unsent.pop_front();
        }
    }

    /// Moves the broadcast on: takes what has arrived and forwards it. Returns at once.
    pub fn poll(&mut self, along_row: &C) {
        let Broadcast { receiving, here, .. } = self;
        receiving.retain_mut(|(pieces, ticket)| {
            let Some(buf) = along_row.poll(ticket) else { return true };
            here.push((pieces.clone(), buf));
            false
        });
        self.send_on(along_row);
        self.sends.retain_mut(|ticket| along_row.poll(ticket).is_none());
        if self.sends.is_empty() && self.unsent.is_empty() && self.sent.is_none() {
            self.sent = Some(self.begun.elapsed());
        }
    }

    /// Waits until the panel is here and returns it. Forwards may still be under way: the message is
    /// shared with them until [`Broadcast::reclaim`].
    pub fn finish(&mut self, along_row: &C) -> Buf {
        let missing = Cell::new(None);
        let what = || awaited(along_row, missing.get());
        wait_until(along_row, what, || {
            self.poll(along_row);
            missing.set(self.receiving.first().map(|(_, ticket)| along_row.describe(ticket)));
            self.receiving.is_empty().then_some(())
        });
        let Some(mut message) = self.room.take() else {
            return self.here.pop().expect("it came as one").1;
        };
        for (pieces, buf) in &self.here {
            message.as_mut()[self.cut.doubles(pieces)].copy_from_slice(buf);
        }
        message
    }

    /// Waits until all forwards are done, so that the message may be written again. `pool` gets its memory back. For how
    /// long this process, if it is the root, had sends under way (as seen by polls).
    pub fn reclaim(self, along_row: &C, pool: &mut Pool) -> Duration {
        for ticket in self.sends {
            drop(wait(along_row, ticket));
        }
        self.here.into_iter().for_each(|(_, buf)| pool.give(buf));
        match self.sent {
            _ if along_row.rank() != self.root || along_row.size() == 1 => Duration::ZERO,
            Some(sent) => sent,
            None => self.begun.elapsed(),
        }
    }
}
