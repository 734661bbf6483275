//! Matrix products: the `gemm` crate behind slices with checked extents.

use crate::nn::Layer;

/// A matrix in a slice: element (row, col) is at row · `row_stride` + col · `col_stride`.
#[derive(Clone, Copy)]
struct Strided<'a> {
    values: &'a [f32],
    row_stride: usize,
    col_stride: usize,
}

/// Row-major (rows, cols).
fn rows(values: &[f32], cols: usize) -> Strided<'_> {
    Strided {
        values,
        row_stride: cols,
        col_stride: 1,
    }
}

/// The transpose of row-major (rows, cols), read in place.
fn transposed(values: &[f32], cols: usize) -> Strided<'_> {
    Strided {
        values,
        row_stride: 1,
        col_stride: cols,
    }
}

/// out (m, n) = keep · out + scale · lhs (m, k) · rhs (k, n); `keep` 0 overwrites.
fn gemm(
    [m, n, k]: [usize; 3],
    out: &mut [f32],
    keep: f32,
    scale: f32,
    lhs: Strided<'_>,
    rhs: Strided<'_>,
) {
    let extent = |s: &Strided<'_>, rows: usize, cols: usize| {
        (rows - 1) * s.row_stride + (cols - 1) * s.col_stride + 1
    };
    assert!(m > 0 && n > 0 && k > 0, "an empty product: {m} × {n} × {k}");
    assert!(out.len() >= m * n, "output of {m} × {n}");
    assert!(
        lhs.values.len() >= extent(&lhs, m, k),
        "left operand of {m} × {k}"
    );
    assert!(
        rhs.values.len() >= extent(&rhs, k, n),
        "right operand of {k} × {n}"
    );
    // SAFETY: the extents were checked above, and `out` is borrowed mutably, so it overlaps
    // neither operand.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            out.as_mut_ptr(),
            1,
            n as isize,
            keep != 0.0,
            lhs.values.as_ptr(),
            lhs.col_stride as isize,
            lhs.row_stride as isize,
            rhs.values.as_ptr(),
            rhs.col_stride as isize,
            rhs.row_stride as isize,
            keep,
            scale,
            false,
            false,
            false,
            gemm::Parallelism::Rayon(0),
        );
    }
}

/// out (batch, out) = z · matrixᵀ.
pub(super) fn forward_product(layer: &Layer, z: &[f32], matrix: &[f32], out: &mut [f32]) {
    let Layer {
        inputs, outputs, ..
    } = *layer;
    let batch = z.len() / inputs;
    let extents = [batch, outputs, inputs];
    gemm(
        extents,
        out,
        0.0,
        1.0,
        rows(z, inputs),
        transposed(matrix, inputs),
    );
}

/// out (batch, in) = delta · matrix.
pub(super) fn backward_product(layer: &Layer, delta: &[f32], matrix: &[f32], out: &mut [f32]) {
    let Layer {
        inputs, outputs, ..
    } = *layer;
    let batch = delta.len() / outputs;
    let extents = [batch, inputs, outputs];
    gemm(
        extents,
        out,
        0.0,
        1.0,
        rows(delta, outputs),
        rows(matrix, inputs),
    );
}

/// matrix (out, in) −= rate · deltaᵀ · z: the SGD update, without a gradient buffer.
pub(super) fn update(layer: &Layer, rate: f32, delta: &[f32], z: &[f32], matrix: &mut [f32]) {
    let Layer {
        inputs, outputs, ..
    } = *layer;
    let batch = delta.len() / outputs;
    let extents = [outputs, inputs, batch];
    gemm(
        extents,
        matrix,
        1.0,
        -rate,
        transposed(delta, outputs),
        rows(z, inputs),
    );
}
