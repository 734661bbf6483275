//! Two-dimensional convolution of a few images on the calling thread: a matrix product over their
//! windows, laid out (im2col) where the caches still hold them.
//!
//! Images are channel-major, (channels, images, height, width), so that all images of a group share
//! each product.

use gemm::Parallelism;

use crate::kernels::sum;
use crate::nn::cnn::Conv;

/// A matrix in a slice: element (row, col) is at row · `stride[0]` + col · `stride[1]`.
#[derive(Clone, Copy)]
struct Matrix<'a> {
    values: &'a [f32],
    stride: [usize; 2],
}

/// out (m, n) = lhs (m, k) · rhs (k, n) on the calling thread.
fn product([m, n, k]: [usize; 3], out: &mut [f32], lhs: Matrix<'_>, rhs: Matrix<'_>) {
    let extent = |matrix: &Matrix<'_>, rows: usize, cols: usize| {
        (rows - 1) * matrix.stride[0] + (cols - 1) * matrix.stride[1] + 1
    };
    assert!(m > 0 && n > 0 && k > 0, "an empty product: {m} × {n} × {k}");
    assert!(out.len() >= m * n, "output of {m} × {n}");
    assert!(lhs.values.len() >= extent(&lhs, m, k), "left operand");
    assert!(rhs.values.len() >= extent(&rhs, k, n), "right operand");
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
            false,
            lhs.values.as_ptr(),
            lhs.stride[1] as isize,
            lhs.stride[0] as isize,
            rhs.values.as_ptr(),
            rhs.stride[1] as isize,
            rhs.stride[0] as isize,
            0.0,
            1.0,
            false,
            false,
            false,
            Parallelism::None,
        );
    }
}

/// Calls `visit(output row among all of the columns', first and last + 1 output column, first pixel)`
/// for each run of pixels that a row of `columns` takes from the images: pixel first + i · stride goes
/// to output column first column + i; the rest of the output row is padding.
fn runs(conv: &Conv, images: usize, mut visit: impl FnMut(usize, [usize; 2], usize)) {
    let [out_height, out_width] = conv.output();
    let (stride, padding) = (conv.stride, conv.padding);
    let mut out_row = 0;
    for channel in 0..conv.channels {
        for ky in 0..conv.kernel[0] {
            for kx in 0..conv.kernel[1] {
                // Columns whose pixel col · stride + kx − padding lies in the image.
                let first = padding.saturating_sub(kx).div_ceil(stride);
                let last = (conv.width + padding).saturating_sub(kx).div_ceil(stride);
                let last = last.min(out_width);
                for plane in channel * images..(channel + 1) * images {
                    for row in 0..out_height {
                        let y = row * stride + ky;
                        let inside = (padding..padding + conv.height).contains(&y);
                        if inside && first < last {
                            let line = plane * conv.height + y - padding;
                            let pixel = line * conv.width + first * stride + kx - padding;
                            visit(out_row, [first, last], pixel);
                        } else {
                            visit(out_row, [0, 0], 0);
                        }
                        out_row += 1;
                    }
                }
            }
        }
    }
}

/// The windows of the images: columns (window, images · height′ · width′).
fn images_to_columns(conv: &Conv, images: usize, x: &[f32], columns: &mut [f32]) {
    let [_, out_width] = conv.output();
    runs(conv, images, |row, [first, last], pixel| {
        let columns = &mut columns[row * out_width..][..out_width];
        columns[..first].fill(0.0);
        columns[last..].fill(0.0);
        if first == last {
            return;
        }
        let columns = &mut columns[first..last];
        if conv.stride == 1 {
            columns.copy_from_slice(&x[pixel..][..last - first]);
        } else {
            let pixels = x[pixel..].iter().step_by(conv.stride);
            columns.iter_mut().zip(pixels).for_each(|(c, p)| *c = *p);
        }
    });
}

/// gradient += the windows' gradients, each where its pixel is: the transpose of
/// [`images_to_columns`].
fn columns_to_images(conv: &Conv, images: usize, columns: &[f32], gradient: &mut [f32]) {
    let [_, out_width] = conv.output();
    runs(conv, images, |row, [first, last], pixel| {
        if first == last {
            return;
        }
        let columns = &columns[row * out_width..][first..last];
        if conv.stride == 1 {
            let pixels = &mut gradient[pixel..][..last - first];
            pixels.iter_mut().zip(columns).for_each(|(p, c)| *p += c);
        } else {
            let pixels = gradient[pixel..].iter_mut().step_by(conv.stride);
            pixels.zip(columns).for_each(|(p, c)| *p += c);
        }
    });
}

/// How many numbers the windows of `images` images are.
pub(super) fn columns_len(conv: &Conv, images: usize) -> usize {
    let [height, width] = conv.output();
    conv.window() * images * height * width
}

/// out (filters, images, height′, width′) = x ∗ weight. `columns` is scratch of [`columns_len`].
pub(super) fn conv2d_forward(
    conv: &Conv,
    images: usize,
    x: &[f32],
    weight: &[f32],
    columns: &mut [f32],
    out: &mut [f32],
) {
    let window = conv.window();
    let pixels = out.len() / conv.filters;
    images_to_columns(conv, images, x, columns);
    let weights = Matrix {
        values: weight,
        stride: [window, 1],
    };
    let columns = Matrix {
        values: columns,
        stride: [pixels, 1],
    };
    product([conv.filters, pixels, window], out, weights, columns);
}

/// The gradients of a convolution's parameters.
pub(super) struct ConvGradient {
    /// (filters, window).
    pub weight: Vec<f32>,
    /// (filters).
    pub bias: Vec<f32>,
}

impl ConvGradient {
    pub(super) fn new(conv: &Conv) -> Self {
        Self {
            weight: vec![0.0; conv.filters * conv.window()],
            bias: vec![0.0; conv.filters],
        }
    }
}

/// The gradients of weight and bias from delta = dL/dy (filters, images, height′, width′).
pub(super) fn conv2d_backward_weight(
    conv: &Conv,
    images: usize,
    delta: &[f32],
    x: &[f32],
    columns: &mut [f32],
    gradient: &mut ConvGradient,
) {
    let pixels = delta.len() / conv.filters;
    images_to_columns(conv, images, x, columns);
    let lhs = Matrix {
        values: delta,
        stride: [pixels, 1],
    };
    let rhs = Matrix {
        values: columns,
        stride: [1, pixels],
    };
    let extent = [conv.filters, conv.window(), pixels];
    product(extent, &mut gradient.weight, lhs, rhs);
    for (bias, delta) in gradient.bias.iter_mut().zip(delta.chunks_exact(pixels)) {
        *bias = sum(delta);
    }
}

/// gradient = dL/dx (channels, images, height, width) from delta = dL/dy.
pub(super) fn conv2d_backward_input(
    conv: &Conv,
    images: usize,
    delta: &[f32],
    weight: &[f32],
    columns: &mut [f32],
    gradient: &mut [f32],
) {
    let window = conv.window();
    let pixels = delta.len() / conv.filters;
    let transposed = Matrix {
        values: weight,
        stride: [1, window],
    };
    let delta = Matrix {
        values: delta,
        stride: [pixels, 1],
    };
    product([window, pixels, conv.filters], columns, transposed, delta);
    gradient.fill(0.0);
    columns_to_images(conv, images, columns, gradient);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Both directions agree with one another: ⟨columns(x), c⟩ = ⟨x, image(c)⟩ in whole numbers.
    #[test]
    fn columns_and_image_are_transposes() {
        for (kernel, stride, padding) in [([3, 3], 1, 1), ([2, 5], 3, 2), ([5, 1], 2, 0)] {
            let conv = Conv {
                channels: 2,
                height: 7,
                width: 11,
                filters: 1,
                kernel,
                stride,
                padding,
            };
            let images = 3;
            let len = columns_len(&conv, images);
            let x: Vec<f32> = (0..images * conv.inputs())
                .map(|i| (i * 7 % 13) as f32)
                .collect();
            let c: Vec<f32> = (0..len).map(|i| (i * 5 % 11) as f32).collect();
            let mut columns = vec![f32::NAN; len];
            images_to_columns(&conv, images, &x, &mut columns);
            let mut image = vec![0.0; x.len()];
            columns_to_images(&conv, images, &c, &mut image);
            let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
            assert_eq!(dot(&columns, &c), dot(&x, &image), "{conv:?}");
        }
    }
}
