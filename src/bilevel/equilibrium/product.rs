//! Matrix products of this module: the `gemm` crate behind slices with checked lengths.

/// A row-major matrix as an operand: as it is, or transposed.
#[derive(Clone, Copy)]
pub(super) enum Operand<'a> {
    /// (rows, cols) in a slice of that shape.
    Plain(&'a [f32]),
    /// (rows, cols) in a slice of (cols, rows).
    Transposed(&'a [f32]),
}

impl Operand<'_> {
    /// Pointer, row stride and column stride.
    fn strides(&self, rows: usize, cols: usize) -> (*const f32, isize, isize) {
        let (values, strides) = match self {
            Self::Plain(values) => (values, (cols, 1)),
            Self::Transposed(values) => (values, (1, rows)),
        };
        assert!(values.len() >= rows * cols, "an operand of {rows} × {cols}");
        (values.as_ptr(), strides.0 as isize, strides.1 as isize)
    }
}

/// out (m, n) = `keep`·out + lhs (m, k) · rhs (k, n); `keep` 0 overwrites.
pub(super) fn product(
    [m, n, k]: [usize; 3],
    out: &mut [f32],
    keep: f32,
    lhs: Operand<'_>,
    rhs: Operand<'_>,
) {
    assert!(out.len() >= m * n, "an output of {m} × {n}");
    let (left, left_row, left_col) = lhs.strides(m, k);
    let (right, right_row, right_col) = rhs.strides(k, n);
    // SAFETY: the lengths were checked above, and `out` is borrowed mutably, so it overlaps neither
    // operand.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            out.as_mut_ptr(),
            1,
            n as isize,
            keep != 0.0,
            left,
            left_col,
            left_row,
            right,
            right_col,
            right_row,
            keep,
            1.0,
            false,
            false,
            false,
            gemm::Parallelism::Rayon(0),
        );
    }
}
