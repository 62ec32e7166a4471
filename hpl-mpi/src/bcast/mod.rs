//! The panel broadcast along a process row: start, poll, finish.
//!
//! Places are counted from the root (place 0 owns the panel). A topology says for each place from whom it
//! receives and to whom it forwards; the machine below does the rest and never blocks except in
//! [`Broadcast::finish`] and [`Broadcast::reclaim`].

mod ring;

use crate::comm::{Buf, Comm, Message, wait, wait_until};

/// Panel messages are numbered modulo this many tags.
const TAGS: u32 = 1000;
const FIRST_TAG: u32 = 2001;

/// One panel's way along the process row.
pub struct Broadcast<C: Comm> {
    tag: u32,
    root: usize,
    receiving: Option<C::Ticket>,
    message: Option<Buf>,
    sends: Vec<C::Ticket>,
}

impl<C: Comm> Broadcast<C> {
    /// Starts the broadcast of panel number `index` from rank `root`: the root brings the message, the
    /// others a buffer of the same length. Collective over the process row.
    pub fn start(along_row: &C, root: usize, index: usize, message: Buf) -> Broadcast<C> {
        let q = along_row.size();
        let tag = FIRST_TAG + (index % TAGS as usize) as u32;
        let place = (along_row.rank() + q - root) % q;
        let source = (ring::source(place) + root) % q;
        let mut this = Broadcast { tag, root, receiving: None, message: None, sends: Vec::new() };
        if place == 0 {
            this.arrived(along_row, message);
        } else {
            this.receiving = Some(along_row.start_recv(source, tag, message));
        }
        this
    }

    fn arrived(&mut self, along_row: &C, message: Buf) {
        let q = along_row.size();
        let place = (along_row.rank() + q - self.root) % q;
        for next in ring::targets(place, q) {
            self.sends.push(along_row.start_send((next + self.root) % q, self.tag, message.share()));
        }
        self.message = Some(message);
    }

    /// Moves the broadcast on: takes what has arrived and forwards it. Returns at once.
    pub fn poll(&mut self, along_row: &C) {
        if let Some(ticket) = &mut self.receiving
            && let Some(message) = along_row.poll(ticket)
        {
            self.receiving = None;
            self.arrived(along_row, message);
        }
        self.sends.retain_mut(|ticket| along_row.poll(ticket).is_none());
    }

    /// Waits until the panel is here and returns it. Forwards may still be under way: the message is
    /// shared with them until [`Broadcast::reclaim`].
    pub fn finish(&mut self, along_row: &C) -> Buf {
        let here = Message { sending: false, peer: self.root, tag: self.tag, len: 0 };
        let what = self.receiving.as_ref().map_or(here, |ticket| along_row.describe(ticket));
        wait_until(along_row, what, || {
            self.poll(along_row);
            self.message.take()
        })
    }

    /// Waits until all forwards are done, so that the message may be written again.
    pub fn reclaim(self, along_row: &C) {
        for ticket in self.sends {
            drop(wait(along_row, ticket));
        }
    }
}
