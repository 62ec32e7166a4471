//! What crosses the communication layer: an owned, shareable buffer of doubles.

use std::ops::{Deref, Range};
use std::sync::Arc;

use hpl_core::buffer::{AllocError, Buffer};

/// An owned buffer of doubles that can have several readers.
///
/// A `Buf` is moved into a send or a receive and handed back when that is done, so nothing borrowed
/// crosses a call. [`Buf::share`] gives a second reader of the same memory: a panel can be on its
/// way to the next rank while the update reads it. Writing needs the only handle.
///
/// Contents are only ever copied bit by bit; a NaN keeps its payload.
pub struct Buf {
    memory: Arc<Buffer>,
    /// Which part of the memory this handle shows; all of it else.
    part: Option<Range<usize>>,
}

impl Buf {
    /// `len` zeros.
    ///
    /// # Errors
    /// [`AllocError`] if the memory cannot be had.
    pub fn zeroed(len: usize) -> Result<Buf, AllocError> {
        Buffer::zeroed(len).map(Buf::from)
    }

    /// A copy of `values`, for small messages.
    ///
    /// # Panics
    /// If the memory cannot be had.
    pub fn from_slice(values: &[f64]) -> Buf {
        let mut buf = Buf::small(values.len());
        buf.as_mut().copy_from_slice(values);
        buf
    }

    /// `len` zeros for a message whose size is no plan of the user: lack of memory is a panic.
    pub(crate) fn small(len: usize) -> Buf {
        Buf::zeroed(len).unwrap_or_else(|e| panic!("a message buffer: {e}"))
    }

    /// The doubles, to be written.
    ///
    /// # Panics
    /// If the buffer is shared.
    // Not the trait AsMut: that one must not panic.
    #[allow(clippy::should_implement_trait)]
    pub fn as_mut(&mut self) -> &mut [f64] {
        let part = self.part.clone();
        let all = &mut **self.only_handle("written");
        match part {
            Some(part) => &mut all[part],
            None => all,
        }
    }

    /// Makes the buffer show the first `len` doubles of its memory, which stays as it is.
    ///
    /// # Panics
    /// If the buffer is shared, or if `len` exceeds the capacity.
    pub fn set_len(&mut self, len: usize) {
        self.only_handle("resized").set_len(len);
        self.part = None;
    }

    /// How long the buffer can be made, in doubles.
    pub fn capacity(&self) -> usize {
        self.memory.capacity()
    }

    /// A second handle to the same memory, for reading. All handles but one must be gone before
    /// the buffer can be written, resized or received into again.
    pub fn share(&self) -> Buf {
        Buf { memory: Arc::clone(&self.memory), part: self.part.clone() }
    }

    /// As [`Buf::share`], but the handle shows only the doubles `part`.
    ///
    /// # Panics
    /// If there are fewer.
    pub fn part(&self, part: Range<usize>) -> Buf {
        let len = self.len();
        assert!(part.start <= part.end && part.end <= len, "doubles {part:?} of {len}");
        let first = self.part.as_ref().map_or(0, |mine| mine.start);
        Buf { memory: Arc::clone(&self.memory), part: Some(first + part.start..first + part.end) }
    }

    /// Whether another handle to this memory exists.
    pub fn is_shared(&self) -> bool {
        Arc::strong_count(&self.memory) > 1
    }

    fn only_handle(&mut self, deed: &str) -> &mut Buffer {
        let handles = Arc::strong_count(&self.memory);
        Arc::get_mut(&mut self.memory)
            .unwrap_or_else(|| panic!("a message buffer with {handles} handles cannot be {deed}"))
    }
}

impl Deref for Buf {
    type Target = [f64];
    fn deref(&self) -> &[f64] {
        match &self.part {
            Some(part) => &self.memory[part.clone()],
            None => &self.memory,
        }
    }
}

impl From<Buffer> for Buf {
    fn from(buffer: Buffer) -> Buf {
        Buf { memory: Arc::new(buffer), part: None }
    }
}

/// The empty buffer.
impl Default for Buf {
    fn default() -> Buf {
        Buf::small(0)
    }
}

impl std::fmt::Debug for Buf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Buf({} doubles, {} handles)", self.len(), Arc::strong_count(&self.memory))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shared_reads_then_alone_writes() {
        let mut a = Buf::from_slice(&[1.0, 2.0, 3.0]);
        let b = a.share();
        assert!(a.is_shared() && b.is_shared());
        assert_eq!(&b[..], &[1.0, 2.0, 3.0]);
        drop(b);
        a.as_mut()[0] = 7.0;
        a.set_len(2);
        assert_eq!(&a[..], &[7.0, 2.0]);
        assert_eq!(a.capacity(), 3);
        assert_eq!(a.len(), 2);
    }

    #[test]
    fn a_part_shows_a_part() {
        let a = Buf::from_slice(&[1.0, 2.0, 3.0, 4.0]);
        let mut b = a.part(1..4).part(1..3);
        assert_eq!(&b[..], &[3.0, 4.0]);
        assert!(a.part(4..4).is_empty());
        assert!(std::panic::catch_unwind(|| a.part(2..5).len()).is_err());
        drop(a);
        b.as_mut()[0] = 7.0;
        b.set_len(4);
        assert_eq!(&b[..], &[1.0, 2.0, 7.0, 4.0]);
    }

    #[test]
    #[should_panic(expected = "2 handles cannot be written")]
    fn writing_a_shared_buffer_panics() {
        let mut a = Buf::from_slice(&[1.0]);
        let _b = a.share();
        a.as_mut()[0] = 2.0;
    }
}
