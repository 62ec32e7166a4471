//! Matrices and views: f64, column-major, one leading dimension.
//!
//! A [`MatMut`] is split, never aliased: [`MatMut::split_at_row`], [`MatMut::split_at_col`],
//! [`MatMut::sub`]. Element (i, j) of a view lies `i + j*ld` doubles behind its first one.
#![allow(unsafe_code)]

use std::marker::PhantomData;

use crate::buffer::{AllocError, Buffer};

/// The leading dimension for `rows` rows: an odd multiple of eight doubles, so that columns start
/// on cache lines and neighbours in a row never fall into the same few cache sets.
pub fn leading_dimension(rows: usize) -> usize {
    let lines = rows.div_ceil(8).max(1);
    8 * (lines | 1)
}

/// An owned column-major matrix.
#[derive(Debug)]
pub struct Matrix {
    data: Buffer,
    rows: usize,
    cols: usize,
    ld: usize,
}

impl Matrix {
    /// A `rows`×`cols` matrix of zeros whose pages nobody has touched yet.
    ///
    /// # Errors
    /// [`AllocError`] if the memory cannot be had.
    pub fn zeros(rows: usize, cols: usize) -> Result<Matrix, AllocError> {
        Matrix::zeros_apart(rows, cols, leading_dimension(rows))
    }

    /// As [`Matrix::zeros`], with columns that begin `ld` doubles apart.
    ///
    /// # Errors
    /// [`AllocError`] if the memory cannot be had.
    ///
    /// # Panics
    /// If `ld` is below `rows`.
    pub fn zeros_apart(rows: usize, cols: usize, ld: usize) -> Result<Matrix, AllocError> {
        assert!(ld >= rows, "columns of {rows} rows that begin {ld} doubles apart");
        let len = ld.checked_mul(cols).ok_or(AllocError {
            bytes: u64::MAX,
            why: format!("a {rows}x{cols} matrix overflows the address space"),
        })?;
        Ok(Matrix { data: Buffer::zeroed(len)?, rows, cols, ld })
    }

    /// Builds a matrix from a function of (row, column).
    ///
    /// # Panics
    /// If the memory cannot be had.
    pub fn from_fn(rows: usize, cols: usize, mut f: impl FnMut(usize, usize) -> f64) -> Matrix {
        let mut m = Matrix::zeros(rows, cols).expect("memory for a matrix");
        for j in 0..cols {
            for (i, v) in m.as_mut().col(j).iter_mut().enumerate() {
                *v = f(i, j);
            }
        }
        m
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of columns.
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// Doubles from one column to the next.
    pub fn ld(&self) -> usize {
        self.ld
    }

    /// The memory, padding included: `ld * cols` doubles.
    pub fn data(&self) -> &[f64] {
        &self.data
    }

    /// The memory for writing, padding included.
    pub fn data_mut(&mut self) -> &mut [f64] {
        &mut self.data
    }

    /// The whole matrix for reading.
    pub fn as_ref(&self) -> MatRef<'_> {
        MatRef::new(&self.data, self.rows, self.cols, self.ld)
    }

    /// The whole matrix for writing.
    pub fn as_mut(&mut self) -> MatMut<'_> {
        MatMut::new(&mut self.data, self.rows, self.cols, self.ld)
    }
}

/// A view for reading.
#[derive(Clone, Copy)]
pub struct MatRef<'a> {
    ptr: *const f64,
    rows: usize,
    cols: usize,
    ld: usize,
    life: PhantomData<&'a [f64]>,
}

// SAFETY: a MatRef is a shared borrow of doubles.
unsafe impl Send for MatRef<'_> {}
// SAFETY: as above.
unsafe impl Sync for MatRef<'_> {}

/// A view for writing; the only one of its elements while it lives.
pub struct MatMut<'a> {
    ptr: *mut f64,
    rows: usize,
    cols: usize,
    ld: usize,
    life: PhantomData<&'a mut [f64]>,
}

// SAFETY: a MatMut is an exclusive borrow of the doubles it shows (and of no others: padding and
// rows of other views in the same columns are never touched).
unsafe impl Send for MatMut<'_> {}
// SAFETY: through a shared MatMut one can only read.
unsafe impl Sync for MatMut<'_> {}

fn check_shape(len: usize, rows: usize, cols: usize, ld: usize) {
    assert!(ld >= rows, "leading dimension {ld} of {rows} rows");
    assert!(
        rows == 0
            || cols == 0
            || (cols - 1).checked_mul(ld).and_then(|v| v.checked_add(rows)).is_some_and(|v| v <= len),
        "a {rows}x{cols} view with leading dimension {ld} of {len} doubles"
    );
}

fn check_sub(rows: usize, cols: usize, row: usize, col: usize, height: usize, width: usize) {
    assert!(
        row <= rows && height <= rows - row && col <= cols && width <= cols - col,
        "block {height}x{width} at ({row}, {col}) of a {rows}x{cols} view"
    );
}

impl<'a> MatRef<'a> {
    /// A view of `data`, whose first element is element (0, 0).
    ///
    /// # Panics
    /// If the shape does not fit into `data`.
    pub fn new(data: &'a [f64], rows: usize, cols: usize, ld: usize) -> MatRef<'a> {
        check_shape(data.len(), rows, cols, ld);
        MatRef { ptr: data.as_ptr(), rows, cols, ld, life: PhantomData }
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of columns.
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// Doubles from one column to the next.
    pub fn ld(&self) -> usize {
        self.ld
    }

    /// Where element (0, 0) lies.
    pub fn as_ptr(&self) -> *const f64 {
        self.ptr
    }

    /// Element (i, j).
    ///
    /// # Panics
    /// Outside the view.
    pub fn at(&self, i: usize, j: usize) -> f64 {
        self.col(j)[i]
    }

    /// Column j.
    ///
    /// # Panics
    /// Outside the view.
    pub fn col(&self, j: usize) -> &'a [f64] {
        assert!(j < self.cols, "column {j} of {}", self.cols);
        // SAFETY: column j of the view lies inside the borrowed memory (checked at construction).
        unsafe { std::slice::from_raw_parts(self.ptr.add(if self.rows == 0 { 0 } else { j * self.ld }), self.rows) }
    }

    /// The `height`×`width` block whose corner is (row, col).
    ///
    /// # Panics
    /// If the block leaves the view.
    pub fn sub(&self, row: usize, col: usize, height: usize, width: usize) -> MatRef<'a> {
        check_sub(self.rows, self.cols, row, col, height, width);
        let offset = if height == 0 || width == 0 { 0 } else { row + col * self.ld };
        // SAFETY: the corner of a non-empty block inside the view lies inside the borrowed memory.
        MatRef { ptr: unsafe { self.ptr.add(offset) }, rows: height, cols: width, ld: self.ld, life: PhantomData }
    }
}

impl<'a> MatMut<'a> {
    /// A view of `data`, whose first element is element (0, 0).
    ///
    /// # Panics
    /// If the shape does not fit into `data`.
    pub fn new(data: &'a mut [f64], rows: usize, cols: usize, ld: usize) -> MatMut<'a> {
        check_shape(data.len(), rows, cols, ld);
        MatMut { ptr: data.as_mut_ptr(), rows, cols, ld, life: PhantomData }
    }

    /// A view made of parts: for the files that split one (`team.rs`).
    ///
    /// # Safety
    /// For `'a`, the `rows`×`cols` elements `ptr + i + j*ld` must be valid for reads and writes, and
    /// no other reference or view may reach them.
    pub(crate) unsafe fn from_parts(ptr: *mut f64, rows: usize, cols: usize, ld: usize) -> MatMut<'a> {
        MatMut { ptr, rows, cols, ld, life: PhantomData }
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of columns.
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// Doubles from one column to the next.
    pub fn ld(&self) -> usize {
        self.ld
    }

    /// Where element (0, 0) lies.
    pub fn as_mut_ptr(&mut self) -> *mut f64 {
        self.ptr
    }

    /// The same view for reading, as long as self is borrowed.
    pub fn as_ref(&self) -> MatRef<'_> {
        MatRef { ptr: self.ptr, rows: self.rows, cols: self.cols, ld: self.ld, life: PhantomData }
    }

    /// The same view for writing, as long as self is borrowed.
    pub fn as_mut(&mut self) -> MatMut<'_> {
        MatMut { ptr: self.ptr, rows: self.rows, cols: self.cols, ld: self.ld, life: PhantomData }
    }

    /// Element (i, j).
    ///
    /// # Panics
    /// Outside the view.
    pub fn at(&self, i: usize, j: usize) -> f64 {
        self.as_ref().at(i, j)
    }

    /// Column j for writing.
    ///
    /// # Panics
    /// Outside the view.
    pub fn col(&mut self, j: usize) -> &mut [f64] {
        assert!(j < self.cols, "column {j} of {}", self.cols);
        // SAFETY: column j of the view is ours alone while self is borrowed.
        unsafe { std::slice::from_raw_parts_mut(self.ptr.add(if self.rows == 0 { 0 } else { j * self.ld }), self.rows) }
    }

    /// The `height`×`width` block whose corner is (row, col).
    ///
    /// # Panics
    /// If the block leaves the view.
    pub fn sub(self, row: usize, col: usize, height: usize, width: usize) -> MatMut<'a> {
        check_sub(self.rows, self.cols, row, col, height, width);
        let offset = if height == 0 || width == 0 { 0 } else { row + col * self.ld };
        // SAFETY: the corner of a non-empty block inside the view lies inside its memory; self is consumed.
        MatMut { ptr: unsafe { self.ptr.add(offset) }, rows: height, cols: width, ld: self.ld, life: PhantomData }
    }

    /// The rows above `row`, and the rest.
    ///
    /// # Panics
    /// If the view has fewer rows.
    pub fn split_at_row(self, row: usize) -> (MatMut<'a>, MatMut<'a>) {
        assert!(row <= self.rows, "row {row} of {}", self.rows);
        let below = if row == self.rows || self.cols == 0 { 0 } else { row };
        let (cols, ld) = (self.cols, self.ld);
        // SAFETY: the two views show different rows of the same columns, so no element is in both;
        // the offset of a non-empty lower part lies inside the memory.
        let ptr = unsafe { self.ptr.add(below) };
        (
            MatMut { ptr: self.ptr, rows: row, cols, ld, life: PhantomData },
            MatMut { ptr, rows: self.rows - row, cols, ld, life: PhantomData },
        )
    }

    /// The columns left of `col`, and the rest.
    ///
    /// # Panics
    /// If the view has fewer columns.
    pub fn split_at_col(self, col: usize) -> (MatMut<'a>, MatMut<'a>) {
        assert!(col <= self.cols, "column {col} of {}", self.cols);
        let right = if col == self.cols || self.rows == 0 { 0 } else { col * self.ld };
        let (rows, ld) = (self.rows, self.ld);
        // SAFETY: the two views show different columns; the offset of a non-empty right part lies inside.
        let ptr = unsafe { self.ptr.add(right) };
        (
            MatMut { ptr: self.ptr, rows, cols: col, ld, life: PhantomData },
            MatMut { ptr, rows, cols: self.cols - col, ld, life: PhantomData },
        )
    }

    /// Copies the elements of `from`.
    ///
    /// # Panics
    /// If the shapes differ.
    pub fn copy_from(&mut self, from: MatRef<'_>) {
        assert_eq!((self.rows, self.cols), (from.rows(), from.cols()), "shapes of a copy");
        for j in 0..self.cols {
            self.col(j).copy_from_slice(from.col(j));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_show_the_same_elements() {
        let mut m = Matrix::from_fn(5, 7, |i, j| (10 * i + j) as f64);
        assert_eq!(m.as_ref().at(4, 6), 46.0);
        let (mut top, bottom) = m.as_mut().split_at_row(2);
        let (mut left, right) = bottom.split_at_col(3);
        assert_eq!((top.rows(), left.rows(), right.rows(), left.cols(), right.cols()), (2, 3, 3, 3, 4));
        assert_eq!(right.at(0, 0), 23.0);
        left.col(1)[2] = -1.0;
        top.col(0)[0] = -2.0;
        assert_eq!(m.as_ref().at(4, 1), -1.0);
        assert_eq!(m.as_ref().sub(0, 0, 1, 1).at(0, 0), -2.0);
        let _ = m.as_ref().sub(5, 7, 0, 0);
        let _ = m.as_mut().sub(5, 0, 0, 7);
    }

    #[test]
    #[should_panic(expected = "block 3x1 at (3, 0) of a 5x7 view")]
    fn a_block_outside_is_refused() {
        let m = Matrix::zeros(5, 7).unwrap();
        let _ = m.as_ref().sub(3, 0, 3, 1);
    }

    /// Columns 2^31 doubles apart: 16 GiB of addresses, of which two pages are touched. Where the system gives no such
    /// addresses there is nothing to be seen.
    #[test]
    fn offsets_beyond_32_bits_hold() {
        let ld = 1 << 31;
        let Ok(mut memory) = Buffer::zeroed(ld + 3) else {
            eprintln!("SKIPPED: the system gives no 16 GiB of addresses");
            return;
        };
        let mut m = MatMut::new(&mut memory, 3, 2, ld);
        m.col(0)[2] = 1.0;
        m.col(1)[2] = 2.0;
        let block = m.as_mut().sub(1, 1, 2, 1);
        assert_eq!(block.as_ref().col(0), [0.0, 2.0]);
        assert_eq!((m.as_ref().at(2, 0), m.as_ref().at(2, 1), memory[ld + 2]), (1.0, 2.0, 2.0));
    }

    #[test]
    fn leading_dimensions_are_odd_multiples_of_a_line() {
        for rows in 0..3000 {
            let ld = leading_dimension(rows);
            assert!(ld >= rows && ld < rows + 24 && ld % 16 == 8);
        }
    }
}
