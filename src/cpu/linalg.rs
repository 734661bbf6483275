//! Matrices that several threads work on, and their products.

use std::marker::PhantomData;
use std::ops::Range;

use super::product::{Operand, Parallelism, product};
use crate::kernels::LANES;

/// The longest sum that goes through the microkernel at once. Products are cut into parts of at most
/// this depth; where the `gemm` crate cuts, the bits would depend on which part a thread takes.
const MAX_DEPTH: usize = 512;

/// Products with fewer elements, or with one row, take different paths of the crate, which round in
/// a different order: a thread's part must be larger, unless it is the whole product.
const SMALL_PRODUCT: usize = 256;

/// The smallest number of rows that a thread may take of a product with `columns` columns.
pub(super) fn least_rows(columns: usize) -> usize {
    (SMALL_PRODUCT / columns + 1).max(2)
}

/// A row-major matrix that the members of a team read and write at the same time, each in its own
/// part.
#[derive(Clone, Copy)]
pub(super) struct Matrix<'a> {
    start: *mut f32,
    rows: usize,
    cols: usize,
    /// Distance from one row to the next, at least `cols`.
    stride: usize,
    values: PhantomData<&'a mut [f32]>,
}

// SAFETY: a matrix borrows its numbers mutably, and every function that reads or writes them is
// unsafe: its caller guarantees that no two threads use the same numbers.
unsafe impl Send for Matrix<'_> {}
// SAFETY: as above.
unsafe impl Sync for Matrix<'_> {}

impl<'a> Matrix<'a> {
    /// `values` as a matrix (rows, cols) with `stride` from one row to the next.
    pub(super) fn new(values: &'a mut [f32], rows: usize, cols: usize, stride: usize) -> Self {
        assert!(cols <= stride, "{cols} columns with a stride of {stride}");
        assert_eq!(values.len(), rows * stride, "values of {rows} × {stride}");
        Self {
            start: values.as_mut_ptr(),
            rows,
            cols,
            stride,
            values: PhantomData,
        }
    }

    /// An operand of a product: the first `cols` columns of some rows.
    pub(super) fn part(self, rows: Range<usize>, cols: usize) -> Operand<'a> {
        assert!(cols <= self.cols, "{cols} columns of {}", self.cols);
        Operand::new(self.start, self.rows, cols, self.stride).rows(rows)
    }

    /// The whole matrix as an operand of a product.
    pub(super) fn whole(self) -> Operand<'a> {
        self.part(0..self.rows, self.cols)
    }

    /// Some rows as a slice, with the gaps between them.
    ///
    /// # Safety
    /// No thread writes to these rows while the slice lives.
    pub(super) unsafe fn read(self, rows: Range<usize>) -> &'a [f32] {
        let len = rows.len() * self.stride;
        let part = self.part(rows, self.cols);
        // SAFETY: within the values given to `new`; the caller vouches for the rest.
        unsafe { std::slice::from_raw_parts(part.start(), len) }
    }

    /// Some rows as a slice to write to, with the gaps between them.
    ///
    /// # Safety
    /// No other thread reads or writes these rows while the slice lives.
    pub(super) unsafe fn write(self, rows: Range<usize>) -> &'a mut [f32] {
        let len = rows.len() * self.stride;
        let part = self.part(rows, self.cols);
        // SAFETY: within the values given to `new`; the caller vouches for the rest.
        unsafe { std::slice::from_raw_parts_mut(part.start(), len) }
    }

    /// Some columns of one row as a slice to write to.
    ///
    /// # Safety
    /// No other thread reads or writes them while the slice lives.
    pub(super) unsafe fn write_columns(self, row: usize, cols: Range<usize>) -> &'a mut [f32] {
        let len = cols.len();
        let part = self.part(row..row + 1, self.cols).cols(cols);
        // SAFETY: within the values given to `new`; the caller vouches for the rest.
        unsafe { std::slice::from_raw_parts_mut(part.start(), len) }
    }

    /// The [`LANES`] numbers of `row` from `col` on.
    ///
    /// # Safety
    /// No thread writes to it at the same time.
    pub(super) unsafe fn load(self, row: usize, col: usize) -> [f32; LANES] {
        // SAFETY: `block` checks the extent; the caller vouches for the rest.
        unsafe { self.block(row, col).read() }
    }

    /// Replaces the [`LANES`] numbers of `row` from `col` on.
    ///
    /// # Safety
    /// No other thread reads or writes it at the same time.
    pub(super) unsafe fn store(self, row: usize, col: usize, values: [f32; LANES]) {
        // SAFETY: `block` checks the extent; the caller vouches for the rest.
        unsafe { self.block(row, col).write(values) }
    }

    /// The address of the [`LANES`] numbers of `row` from `col` on.
    fn block(self, row: usize, col: usize) -> *mut [f32; LANES] {
        let inside = row < self.rows && col + LANES <= self.stride;
        assert!(inside, "a block at ({row}, {col})");
        // SAFETY: within the values given to `new`.
        unsafe { self.start.add(row * self.stride + col).cast() }
    }
}

/// out (m, n) = lhs (m, k) · rhs (k, n), on the calling thread.
///
/// # Safety
/// No other thread writes to the operands, nor reads or writes `out`, at the same time.
pub(super) unsafe fn multiply(out: Operand<'_>, lhs: Operand<'_>, rhs: Operand<'_>) {
    // SAFETY: the caller vouches for it.
    unsafe { in_parts(out, false, 1.0, lhs, rhs) }
}

/// out (m, n) += scale · lhs (m, k) · rhs (k, n), on the calling thread.
///
/// # Safety
/// As for [`multiply`].
pub(super) unsafe fn multiply_add(
    out: Operand<'_>,
    scale: f32,
    lhs: Operand<'_>,
    rhs: Operand<'_>,
) {
    // SAFETY: the caller vouches for it.
    unsafe { in_parts(out, true, scale, lhs, rhs) }
}

unsafe fn in_parts(out: Operand<'_>, add: bool, scale: f32, lhs: Operand<'_>, rhs: Operand<'_>) {
    let [_, depth] = lhs.extent();
    let parts = depth.div_ceil(MAX_DEPTH).max(1);
    for part in 0..parts {
        let k = depth * part / parts..depth * (part + 1) / parts;
        let (lhs, rhs) = (lhs.cols(k.clone()), rhs.rows(k));
        let add = add || part > 0;
        // SAFETY: matrices check the extents of their parts; the caller vouches for the rest.
        unsafe { product(out, add, scale, lhs, rhs, Parallelism::None) }
    }
}
