//! Memory for matrices: zeroed, 64-byte aligned, huge pages advised, touched first by whoever writes it first.
//!
//! Small buffers come from the allocator. From [`MAPPED`] bytes on, a buffer is an anonymous mapping
//! with `MADV_HUGEPAGE` (without huge pages LU of order 20000 on two cores is 2 to 3 % slower). Its pages are zero without
//! being touched, so that the member of the team that fills a part of it also decides on which NUMA node that part lies.
#![allow(unsafe_code)]

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;

/// Alignment of every buffer in bytes: one cache line, one 512-bit vector.
pub const ALIGN: usize = 64;
/// Buffers of at least this many bytes are mapped, and huge pages are advised for them.
pub const MAPPED: usize = 4 << 20;
const HUGE_PAGE: usize = 2 << 20;

/// The memory for a buffer could not be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot allocate {bytes} bytes ({} MiB): {why}", bytes >> 20)]
pub struct AllocError {
    /// What was asked for, in bytes.
    pub bytes: u64,
    /// What the system said.
    pub why: String,
}

/// `len` doubles, all initialised, aligned to [`ALIGN`] bytes.
///
/// The length can be set to anything up to the capacity without reallocation ([`Buffer::set_len`]),
/// because every double of the capacity is initialised from the start.
pub struct Buffer {
    ptr: NonNull<f64>,
    len: usize,
    capacity: usize,
    /// Start and bytes of the mapping, or `None` if the allocator owns the memory.
    mapping: Option<(NonNull<libc::c_void>, usize)>,
}

// SAFETY: a Buffer owns its memory alone and holds plain doubles; moving it moves that ownership.
unsafe impl Send for Buffer {}
// SAFETY: a shared Buffer only hands out shared slices.
unsafe impl Sync for Buffer {}

impl Buffer {
    /// `len` zeros.
    ///
    /// # Errors
    /// [`AllocError`] if the size overflows the address space or the system refuses it.
    pub fn zeroed(len: usize) -> Result<Buffer, AllocError> {
        let refused = |why: &str| AllocError { bytes: (len as u64).saturating_mul(8), why: why.to_owned() };
        let bytes = len.checked_mul(8).ok_or_else(|| refused("the size overflows"))?;
        if bytes == 0 {
            return Ok(Buffer { ptr: NonNull::dangling(), len: 0, capacity: 0, mapping: None });
        }
        if bytes >= MAPPED {
            return Buffer::map(len, bytes).map_err(|e| refused(&e.to_string()));
        }
        let layout = Layout::from_size_align(bytes, ALIGN).map_err(|e| refused(&e.to_string()))?;
        // SAFETY: the layout has a non-zero size; zero bytes are valid doubles.
        let raw = unsafe { alloc_zeroed(layout) }.cast::<f64>();
        let ptr = NonNull::new(raw).ok_or_else(|| refused("out of memory"))?;
        Ok(Buffer { ptr, len, capacity: len, mapping: None })
    }

    fn map(len: usize, bytes: usize) -> std::io::Result<Buffer> {
        let whole = bytes.checked_add(2 * HUGE_PAGE).ok_or_else(|| std::io::Error::other("the size overflows"))?
            / HUGE_PAGE
            * HUGE_PAGE;
        // SAFETY: a fresh anonymous private mapping touches no existing memory.
        let start = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                whole,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        if start == libc::MAP_FAILED {
            return Err(std::io::Error::last_os_error());
        }
        // SAFETY: the advice covers exactly the mapping made above; failure only costs speed.
        unsafe { libc::madvise(start, whole, libc::MADV_HUGEPAGE) };
        let start = NonNull::new(start).ok_or_else(|| std::io::Error::other("mapped at address 0"))?;
        let skip = start.as_ptr().addr().next_multiple_of(HUGE_PAGE) - start.as_ptr().addr();
        // SAFETY: skip < HUGE_PAGE and whole > bytes + skip, so the pointer and `len` doubles after it lie inside.
        let ptr = unsafe { start.cast::<u8>().add(skip) }.cast::<f64>();
        Ok(Buffer { ptr, len, capacity: len, mapping: Some((start, whole)) })
    }

    /// How long the buffer can be made.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Makes the buffer show its first `len` doubles.
    ///
    /// # Panics
    /// If `len` exceeds the capacity.
    pub fn set_len(&mut self, len: usize) {
        assert!(len <= self.capacity, "length {len} of a buffer of {} doubles", self.capacity);
        self.len = len;
    }
}

impl Deref for Buffer {
    type Target = [f64];
    fn deref(&self) -> &[f64] {
        // SAFETY: ptr is aligned and points to `capacity >= len` initialised doubles owned by self
        // (dangling only when len is 0).
        unsafe { std::slice::from_raw_parts(self.ptr.as_ptr(), self.len) }
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f64] {
        // SAFETY: as in `deref`, and the borrow of self is exclusive.
        unsafe { std::slice::from_raw_parts_mut(self.ptr.as_ptr(), self.len) }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if let Some((start, bytes)) = self.mapping {
            // SAFETY: start and bytes are those of the mapping made in `map`; nobody can hold a slice of it now.
            unsafe { libc::munmap(start.as_ptr(), bytes) };
        } else if self.capacity > 0 {
            let layout = Layout::from_size_align(self.capacity * 8, ALIGN).expect("it was valid when allocated");
            // SAFETY: allocated in `zeroed` with this very layout.
            unsafe { dealloc(self.ptr.as_ptr().cast(), layout) };
        }
    }
}

impl std::fmt::Debug for Buffer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Buffer({} of {} doubles)", self.len, self.capacity)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zeroed_aligned_and_resizable() {
        for len in [0, 1, 7, 1000, MAPPED / 8 - 1, MAPPED / 8, MAPPED / 8 + 12345] {
            let mut b = Buffer::zeroed(len).unwrap();
            assert_eq!(b.len(), len);
            assert!(b.iter().all(|&v| v == 0.0));
            assert!(len == 0 || b.as_ptr().addr().is_multiple_of(ALIGN));
            b.fill(1.0);
            b.set_len(len / 2);
            assert_eq!(b.len(), len / 2);
            b.set_len(len);
            assert!(b.iter().all(|&v| v == 1.0));
        }
    }

    #[test]
    fn absurd_sizes_are_errors() {
        assert!(Buffer::zeroed(usize::MAX).is_err());
        assert!(Buffer::zeroed(usize::MAX / 8).is_err());
        let e = Buffer::zeroed(1 << 58).unwrap_err();
        assert!(e.to_string().contains("MiB"), "{e}");
    }
}
