//! Matrix products by the `gemm` crate: the only place that calls it.

use std::marker::PhantomData;
use std::ops::Range;

pub(crate) use gemm::Parallelism;

/// A matrix, or its transpose, read in place: element (row, col) is at
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
    /// The row-major matrix (rows, cols) that begins at `start`, with `stride` from one row to the
    /// next.
    pub(super) fn new(start: *mut f32, rows: usize, cols: usize, stride: usize) -> Self {
        Self {
            start,
            rows,
            cols,
            row_stride: stride,
            col_stride: 1,
            values: PhantomData,
        }
    }

    /// Where its first element is.
    pub(super) fn start(self) -> *mut f32 {
        self.start
    }

    /// (rows, cols).
    pub(super) fn extent(self) -> [usize; 2] {
        [self.rows, self.cols]
    }

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

/// out (m, n) = lhs (m, k) · rhs (k, n) times `scale`, or, with `add`, out plus that.
///
/// # Safety
/// The operands lie within memory that may be read, and `out` within memory that may be written and
/// overlaps neither. No other thread writes to the operands, nor reads or writes `out`, at the same
/// time.
pub(super) unsafe fn product(
    out: Operand<'_>,
    add: bool,
    scale: f32,
    lhs: Operand<'_>,
    rhs: Operand<'_>,
    parallelism: Parallelism,
) {
    let (m, n, k) = (out.rows, out.cols, lhs.cols);
    assert_eq!([lhs.rows, rhs.rows, rhs.cols], [m, k, n], "a product");
    if m == 0 || n == 0 {
        return;
    }
    // SAFETY: the extents agree; the caller vouches for the rest.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
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
            parallelism,
        );
    }
}

/// A matrix at the beginning of a slice, row-major without gaps.
#[derive(Clone, Copy)]
pub(crate) enum Slice<'a> {
    /// The matrix itself.
    Plain(&'a [f32]),
    /// Its transpose.
    Transposed(&'a [f32]),
}

impl<'a> Slice<'a> {
    fn operand(self, rows: usize, cols: usize) -> Operand<'a> {
        let (Self::Plain(values) | Self::Transposed(values)) = self;
        assert!(values.len() >= rows * cols, "an operand of {rows} × {cols}");
        // Operands are never written to.
        let start = values.as_ptr().cast_mut();
        match self {
            Self::Plain(_) => Operand::new(start, rows, cols, cols),
            Self::Transposed(_) => Operand::new(start, cols, rows, rows).transposed(),
        }
    }
}

/// out (m, n) = lhs (m, k) · rhs (k, n), or, with `add`, out plus that.
pub(crate) fn multiply_slices(
    [m, n, k]: [usize; 3],
    out: &mut [f32],
    add: bool,
    lhs: Slice<'_>,
    rhs: Slice<'_>,
    parallelism: Parallelism,
) {
    assert!(out.len() >= m * n, "an output of {m} × {n}");
    let out = Operand::new(out.as_mut_ptr(), m, n, n);
    let (lhs, rhs) = (lhs.operand(m, k), rhs.operand(k, n));
    // SAFETY: the lengths were checked, and `out` is borrowed mutably, so it overlaps neither
    // operand and no other thread has it.
    unsafe { product(out, add, 1.0, lhs, rhs, parallelism) }
}
