//! Two-dimensional convolution of a few images on the calling thread: a matrix product over their
//! windows, which are laid out (im2col) in a buffer that fits the caches.
//!
//! Images are channel-major, (channels, images, height, width), so that all images of a group share
//! each product.

use super::product::Slice::{Plain, Transposed};
use super::product::{Parallelism, Slice, multiply_slices};
use crate::kernels::sum;
use crate::nn::cnn::Conv;

/// out (m, n) = lhs (m, k) · rhs (k, n) on the calling thread.
fn multiply(extent: [usize; 3], out: &mut [f32], lhs: Slice<'_>, rhs: Slice<'_>) {
    multiply_slices(extent, out, false, lhs, rhs, Parallelism::None);
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

/// Number of float32 of the windows of `images` images.
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
    let extent = [conv.filters, pixels, window];
    multiply(extent, out, Plain(weight), Plain(columns));
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
    let extent = [conv.filters, conv.window(), pixels];
    let weight = &mut gradient.weight;
    multiply(extent, weight, Plain(delta), Transposed(columns));
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
    let extent = [window, pixels, conv.filters];
    multiply(extent, columns, Transposed(weight), Plain(delta));
    gradient.fill(0.0);
    columns_to_images(conv, images, columns, gradient);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The two are transposes of each other: ⟨columns(x), c⟩ = ⟨x, image(c)⟩, exact in integers.
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
