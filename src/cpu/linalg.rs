//! Matrices that several threads work on, and their products by the `gemm` crate.

use std::marker::PhantomData;
use std::ops::Range;

use crate::kernels::LANES;

/// The longest sum that goes through the microkernel at once. A product is cut there, and not where
/// the crate would, so that its bits do not depend on which part of it a thread takes.
const MAX_DEPTH: usize = 512;

/// Products with fewer elements, or with one row, take other paths of the crate, which round in
/// another order: a part must be larger, unless it is the whole.
const SMALL_PRODUCT: usize = 256;

/// The fewest rows that a thread may take of a product with so many columns.
pub(super) fn least_rows(columns: usize) -> usize {
    (SMALL_PRODUCT / columns + 1).max(2)
}

/// A row-major matrix that the members of a team read and write at the same time, each its own part.
#[derive(Clone, Copy)]
pub(super) struct Matrix<'a> {
    start: *mut f32,
    rows: usize,
    cols: usize,
    /// From one row to the next, at least `cols`.
    stride: usize,
    values: PhantomData<&'a mut [f32]>,
}

// SAFETY: a matrix borrows its numbers mutably, and what reads or writes them is unsafe: whoever
// does so on two threads vouches that they stay apart.
unsafe impl Send for Matrix<'_> {}
// SAFETY: as above.
unsafe impl Sync for Matrix<'_> {}

impl<'a> Matrix<'a> {
    /// `values` as (rows, cols), each row `stride` after the one before.
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
        Operand {
            start: self.start,
            rows: self.rows,
            cols,
            row_stride: self.stride,
            col_stride: 1,
            values: PhantomData,
        }
        .rows(rows)
    }

    /// The whole as an operand of a product.
    pub(super) fn whole(self) -> Operand<'a> {
        self.part(0..self.rows, self.cols)
    }

    /// Rows as a slice, with what lies between them.
    ///
    /// # Safety
    /// While the slice lives no thread writes to them.
    pub(super) unsafe fn read(self, rows: Range<usize>) -> &'a [f32] {
        let part = self.part(rows, self.cols);
        // SAFETY: within the values given to `new`; the caller vouches for the rest.
        unsafe { std::slice::from_raw_parts(part.start, part.rows * self.stride) }
    }

    /// Rows as a slice to write to, with what lies between them.
    ///
    /// # Safety
    /// While the slice lives no other thread reads or writes them.
    pub(super) unsafe fn write(self, rows: Range<usize>) -> &'a mut [f32] {
        let part = self.part(rows, self.cols);
        // SAFETY: within the values given to `new`; the caller vouches for the rest.
        unsafe { std::slice::from_raw_parts_mut(part.start, part.rows * self.stride) }
    }

    /// A block of a row.
    ///
    /// # Safety
    /// No thread writes to it at the same time.
    pub(super) unsafe fn load(self, row: usize, col: usize) -> [f32; LANES] {
        // SAFETY: `block` checks the extent; the caller vouches for the rest.
        unsafe { self.block(row, col).read() }
    }

    /// Replaces a block of a row.
    ///
    /// # Safety
    /// No other thread reads or writes it at the same time.
    pub(super) unsafe fn store(self, row: usize, col: usize, values: [f32; LANES]) {
        // SAFETY: `block` checks the extent; the caller vouches for the rest.
        unsafe { self.block(row, col).write(values) }
    }

    /// Where a block of a row is.
    fn block(self, row: usize, col: usize) -> *mut [f32; LANES] {
        let inside = row < self.rows && col + LANES <= self.stride;
        assert!(inside, "a block at ({row}, {col})");
        // SAFETY: within the values given to `new`.
        unsafe { self.start.add(row * self.stride + col).cast() }
    }
}

/// A part of a matrix, or its transpose, read in place: element (row, col) is at
/// row · `row_stride` + col · `col_stride`.
#[derive(Clone, Copy)]
pub(super) struct Operand<'a> {
    start: *mut f32,
    rows: usize,
    cols: usize,
    row_stride: usize,
    col_stride: usize,
    values: PhantomData<&'a mut [f32]>,
}

impl Operand<'_> {
    /// The transpose.
    pub(super) fn transposed(self) -> Self {
        Self {
            rows: self.cols,
            cols: self.rows,
            row_stride: self.col_stride,
            col_stride: self.row_stride,
            ..self
        }
    }

    /// Some of its rows.
    pub(super) fn rows(self, rows: Range<usize>) -> Self {
        let inside = rows.start <= rows.end && rows.end <= self.rows;
        assert!(inside, "rows {rows:?} of {}", self.rows);
        Self {
            // Wrapping: the end of a matrix may lie past that of its values.
            start: self.start.wrapping_add(rows.start * self.row_stride),
            rows: rows.len(),
            ..self
        }
    }

    /// Some of its columns.
    pub(super) fn cols(self, cols: Range<usize>) -> Self {
        self.transposed().rows(cols).transposed()
    }
}

/// out (m, n) = lhs (m, k) · rhs (k, n), on the calling thread.
///
/// # Safety
/// No other thread writes to the operands, nor reads or writes `out`, at the same time.
pub(super) unsafe fn multiply(out: Operand<'_>, lhs: Operand<'_>, rhs: Operand<'_>) {
    // SAFETY: passed on to the caller.
    unsafe { product(out, false, 1.0, lhs, rhs) }
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
    // SAFETY: passed on to the caller.
    unsafe { product(out, true, scale, lhs, rhs) }
}

unsafe fn product(out: Operand<'_>, add: bool, scale: f32, lhs: Operand<'_>, rhs: Operand<'_>) {
    let (m, n, depth) = (out.rows, out.cols, lhs.cols);
    assert_eq!([lhs.rows, rhs.rows, rhs.cols], [m, depth, n], "a product");
    if m == 0 || n == 0 {
        return;
    }
    let parts = depth.div_ceil(MAX_DEPTH).max(1);
    for part in 0..parts {
        let k = depth * part / parts..depth * (part + 1) / parts;
        let (lhs, rhs) = (lhs.cols(k.clone()), rhs.rows(k.clone()));
        let add = add || part > 0;
        // SAFETY: the extents are those of the matrices; the caller vouches for the rest.
        unsafe {
            gemm::gemm(
                m,
                n,
                k.len(),
                out.start,
                out.col_stride as isize,
                out.row_stride as isize,
                add,
                lhs.start,
                lhs.col_stride as isize,
                lhs.row_stride as isize,
                rhs.start,
                rhs.col_stride as isize,
                rhs.row_stride as isize,
                if add { 1.0 } else { 0.0 },
                scale,
                false,
                false,
                false,
                gemm::Parallelism::None,
            );
        }
    }
}
