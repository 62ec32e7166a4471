//! Memory of a run besides the matrix: allocated once, handed around, kept.

use hpl_core::context::Context;
use hpl_core::gemm::triangle::PackedPanel;

use crate::comm::Buf;
use crate::matrix::DistMatrix;
use crate::panel::Desk;

/// Buffers for messages that come and go.
#[derive(Debug, Default)]
pub struct Pool {
    free: Vec<Buf>,
}

impl Pool {
    /// A buffer of `len` doubles, of any content.
    ///
    /// # Panics
    /// If the memory cannot be had.
    pub fn take(&mut self, len: usize) -> Buf {
        // The smallest that is large enough, so that large ones stay for large messages.
        let fit =
            (0..self.free.len()).filter(|&i| self.free[i].capacity() >= len).min_by_key(|&i| self.free[i].capacity());
        let mut buf = match fit {
            Some(i) => self.free.swap_remove(i),
            None => Buf::zeroed(len).unwrap_or_else(|e| panic!("message buffer: {e}")),
        };
        buf.set_len(len);
        buf
    }

    /// Takes a buffer back for later use. One that is still shared is dropped.
    pub fn give(&mut self, buf: Buf) {
        if !buf.is_shared() && buf.capacity() > 0 {
            self.free.push(buf);
        }
    }
}

/// What the factorization works with.
pub struct Workspace {
    /// Packed L1 and L2, for the strips of an update: one for each panel that is applied at a time.
    pub packed: Vec<PackedPanel>,
    /// Buffers of row exchanges.
    pub pool: Pool,
    /// Buffers of panels that are not under way.
    pub panels: Pool,
    /// The panel that is being factored.
    pub desk: Desk,
}

impl Workspace {
    /// A workspace for the factorization of `a` with `ready` panels that wait to be applied, at most.
    ///
    /// # Panics
    /// If the memory cannot be had; it was counted before the matrix was allocated.
    pub fn new(cx: &Context, a: &DistMatrix, ready: usize) -> Workspace {
        let width = a.rows.block.min(a.n()).max(1);
        let rows = a.rows.local_len();
        Workspace {
            packed: (0..ready)
                .map(|_| PackedPanel::new(cx, rows, width).unwrap_or_else(|e| panic!("workspace: {e}")))
                .collect(),
            pool: Pool::default(),
            panels: Pool::default(),
            desk: Desk::new(width, cx.team().size()),
        }
    }
}
