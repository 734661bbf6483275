//! Two-dimensional convolution: image by image a matrix product over the windows of the image, laid
//! out once (im2col) where the caches still hold them, images side by side on all cores.

use gemm::Parallelism;
use rayon::prelude::*;

use crate::nn::cnn::Conv;

/// Images that one task sums the weight gradient of. Fixed, so that no sum depends on the number of
/// threads.
const IMAGES_PER_SUM: usize = 4;

/// A matrix in a slice: element (row, col) is at row · `stride[0]` + col · `stride[1]`.
#[derive(Clone, Copy)]
struct Matrix<'a> {
    values: &'a [f32],
    stride: [usize; 2],
}

/// out (m, n) = keep · out + lhs (m, k) · rhs (k, n) on the calling thread; `keep` 0 overwrites.
fn product([m, n, k]: [usize; 3], out: &mut [f32], keep: f32, lhs: Matrix<'_>, rhs: Matrix<'_>) {
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
            keep != 0.0,
            lhs.values.as_ptr(),
            lhs.stride[1] as isize,
            lhs.stride[0] as isize,
            rhs.values.as_ptr(),
            rhs.stride[1] as isize,
            rhs.stride[0] as isize,
            keep,
            1.0,
            false,
            false,
            false,
            Parallelism::None,
        );
    }
}

/// Calls `visit(row of the windows, output row, first and last + 1 output column, first pixel)` for
/// each run of pixels that a row of `columns` takes from the image: pixel first + i · stride goes to
/// output column first column + i; the rest of the output row is padding.
fn runs(conv: &Conv, mut visit: impl FnMut(usize, usize, [usize; 2], usize)) {
    let [out_height, out_width] = conv.output();
    let (stride, padding) = (conv.stride, conv.padding);
    for channel in 0..conv.channels {
        for ky in 0..conv.kernel[0] {
            for kx in 0..conv.kernel[1] {
                let window = (channel * conv.kernel[0] + ky) * conv.kernel[1] + kx;
                // Columns whose pixel col · stride + kx − padding lies in the image.
                let first = padding.saturating_sub(kx).div_ceil(stride);
                let last = (conv.width + padding).saturating_sub(kx).div_ceil(stride);
                let last = last.min(out_width);
                for row in 0..out_height {
                    let y = row * stride + ky;
                    let inside = (padding..padding + conv.height).contains(&y);
                    if !inside || first >= last {
                        visit(window, row, [0, 0], 0);
                        continue;
                    }
                    let plane = channel * conv.height + y - padding;
                    let pixel = plane * conv.width + first * stride + kx - padding;
                    visit(window, row, [first, last], pixel);
                }
            }
        }
    }
}

/// The windows of one image: columns (window, height′ · width′).
fn image_to_columns(conv: &Conv, image: &[f32], columns: &mut [f32]) {
    let [out_height, out_width] = conv.output();
    runs(conv, |window, row, [first, last], pixel| {
        let columns = &mut columns[(window * out_height + row) * out_width..][..out_width];
        columns[..first].fill(0.0);
        columns[last..].fill(0.0);
        if first == last {
            return;
        }
        let columns = &mut columns[first..last];
        if conv.stride == 1 {
            columns.copy_from_slice(&image[pixel..][..last - first]);
        } else {
            let pixels = image[pixel..].iter().step_by(conv.stride);
            columns.iter_mut().zip(pixels).for_each(|(c, p)| *c = *p);
        }
    });
}

/// image += the windows' gradients, each where its pixel is: the transpose of [`image_to_columns`].
fn columns_to_image(conv: &Conv, columns: &[f32], image: &mut [f32]) {
    let [out_height, out_width] = conv.output();
    runs(conv, |window, row, [first, last], pixel| {
        if first == last {
            return;
        }
        let columns = &columns[(window * out_height + row) * out_width..][first..last];
        let pixels = image[pixel..].iter_mut().step_by(conv.stride);
        pixels.zip(columns).for_each(|(p, c)| *p += c);
    });
}

/// out (rows, filters, height′, width′) = act(x ∗ weight + bias), `act(out, bias)` being
/// out = ρ(out + bias) element by element.
pub(super) fn conv2d_forward(
    conv: &Conv,
    x: &[f32],
    weight: &[f32],
    bias: &[f32],
    act: fn(&mut [f32], &[f32]),
    out: &mut [f32],
) {
    let [height, width] = conv.output();
    let (plane, window) = (height * width, conv.window());
    let weights = Matrix {
        values: weight,
        stride: [window, 1],
    };
    let scratch = || (vec![0.0; window * plane], vec![0.0; plane]);
    out.par_chunks_exact_mut(conv.outputs())
        .zip(x.par_chunks_exact(conv.inputs()))
        .for_each_init(scratch, |(columns, row), (out, x)| {
            image_to_columns(conv, x, columns);
            let columns = Matrix {
                values: columns,
                stride: [plane, 1],
            };
            product([conv.filters, plane, window], out, 0.0, weights, columns);
            for (out, &bias) in out.chunks_exact_mut(plane).zip(bias) {
                row.fill(bias);
                act(out, row);
            }
        });
}

/// The gradients that a convolution's backward pass gives.
pub(super) struct ConvGradient {
    /// (filters, window).
    pub weight: Vec<f32>,
    /// (filters).
    pub bias: Vec<f32>,
}

/// The gradients of weight and bias from delta = dL/dy (rows, filters, height′, width′), and where
/// it is asked for that of x, (rows, channels, height, width).
pub(super) fn conv2d_backward(
    conv: &Conv,
    delta: &[f32],
    x: &[f32],
    weight: &[f32],
    input_gradient: Option<&mut [f32]>,
) -> ConvGradient {
    let [height, width] = conv.output();
    let (plane, window, filters) = (height * width, conv.window(), conv.filters);
    let zeros = || ConvGradient {
        weight: vec![0.0; filters * window],
        bias: vec![0.0; filters],
    };
    let delta_chunks = delta.par_chunks(IMAGES_PER_SUM * conv.outputs());
    let chunks = delta_chunks.zip(x.par_chunks(IMAGES_PER_SUM * conv.inputs()));
    let sum = |delta: &[f32], x: &[f32]| {
        let mut sum = zeros();
        let mut columns = vec![0.0; window * plane];
        let images = delta.chunks_exact(conv.outputs());
        for (delta, x) in images.zip(x.chunks_exact(conv.inputs())) {
            image_to_columns(conv, x, &mut columns);
            let lhs = Matrix {
                values: delta,
                stride: [plane, 1],
            };
            let rhs = Matrix {
                values: &columns,
                stride: [1, plane],
            };
            product([filters, window, plane], &mut sum.weight, 1.0, lhs, rhs);
            for (bias, delta) in sum.bias.iter_mut().zip(delta.chunks_exact(plane)) {
                *bias += delta.iter().sum::<f32>();
            }
        }
        sum
    };
    let sums: Vec<ConvGradient> = match input_gradient {
        None => chunks.map(|(delta, x)| sum(delta, x)).collect(),
        Some(gradient) => chunks
            .zip(gradient.par_chunks_mut(IMAGES_PER_SUM * conv.inputs()))
            .map(|((delta, x), gradient)| {
                backward_input(conv, delta, weight, gradient);
                sum(delta, x)
            })
            .collect(),
    };
    // In the images' order.
    let mut total = zeros();
    for sum in sums {
        let tensors = [(&mut total.weight, sum.weight), (&mut total.bias, sum.bias)];
        for (total, sum) in tensors {
            total.iter_mut().zip(sum).for_each(|(t, s)| *t += s);
        }
    }
    total
}

/// gradient = dL/dx of a few images.
fn backward_input(conv: &Conv, delta: &[f32], weight: &[f32], gradient: &mut [f32]) {
    let [height, width] = conv.output();
    let (plane, window) = (height * width, conv.window());
    let transposed = Matrix {
        values: weight,
        stride: [1, window],
    };
    let mut columns = vec![0.0; window * plane];
    gradient.fill(0.0);
    let images = delta.chunks_exact(conv.outputs());
    for (delta, gradient) in images.zip(gradient.chunks_exact_mut(conv.inputs())) {
        let delta = Matrix {
            values: delta,
            stride: [plane, 1],
        };
        product(
            [window, plane, conv.filters],
            &mut columns,
            0.0,
            transposed,
            delta,
        );
        columns_to_image(conv, &columns, gradient);
    }
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
            let len = conv.window() * conv.outputs();
            let x: Vec<f32> = (0..conv.inputs()).map(|i| (i * 7 % 13) as f32).collect();
            let c: Vec<f32> = (0..len).map(|i| (i * 5 % 11) as f32).collect();
            let mut columns = vec![f32::NAN; len];
            image_to_columns(&conv, &x, &mut columns);
            let mut image = vec![0.0; x.len()];
            columns_to_image(&conv, &c, &mut image);
            let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
            assert_eq!(dot(&columns, &c), dot(&x, &image), "{conv:?}");
        }
    }
}
