//! Max-pooling of planes (height, width), forward and backward, on the calling thread.

use crate::nn::cnn::Pool;

/// out (planes, height′, width′) = the largest number of each window of x (planes, height, width);
/// `positions` are the indices of these pixels in their planes. Of equal numbers the first is taken.
pub(super) fn max_pool2d_forward(pool: &Pool, x: &[f32], out: &mut [f32], positions: &mut [u32]) {
    // Loops over a window whose size the compiler knows are unrolled.
    match (pool.kernel, pool.stride) {
        (2, 2) => windows(pool, 2, 2, x, out, positions),
        (3, 3) => windows(pool, 3, 3, x, out, positions),
        (3, 2) => windows(pool, 3, 2, x, out, positions),
        (kernel, stride) => windows(pool, kernel, stride, x, out, positions),
    }
}

#[inline(always)]
fn windows(
    pool: &Pool,
    kernel: usize,
    stride: usize,
    x: &[f32],
    out: &mut [f32],
    positions: &mut [u32],
) {
    let [out_height, out_width] = pool.output();
    let outputs = out_height * out_width;
    let planes = x.chunks_exact(pool.height * pool.width);
    let out = out.chunks_exact_mut(outputs);
    for ((x, out), positions) in planes.zip(out).zip(positions.chunks_exact_mut(outputs)) {
        let rows = out.chunks_exact_mut(out_width);
        let rows = rows.zip(positions.chunks_exact_mut(out_width));
        for (row, (out, positions)) in rows.enumerate() {
            let first = row * stride * pool.width;
            let lines =
                &x[first..][..(kernel - 1) * pool.width + (out_width - 1) * stride + kernel];
            for (col, (out, position)) in out.iter_mut().zip(positions).enumerate() {
                let window = &lines[col * stride..];
                let (mut best, mut at) = (window[0], 0);
                for ky in 0..kernel {
                    let line = &window[ky * pool.width..][..kernel];
                    for (kx, &value) in line.iter().enumerate() {
                        let larger = value > best;
                        best = if larger { value } else { best };
                        at = if larger { ky * pool.width + kx } else { at };
                    }
                }
                *out = best;
                *position = (first + col * stride + at) as u32;
            }
        }
    }
}

/// gradient = dL/dx (planes, height, width) from delta = dL/dy and the positions that the forward
/// pass found.
pub(super) fn max_pool2d_backward(
    pool: &Pool,
    delta: &[f32],
    positions: &[u32],
    gradient: &mut [f32],
) {
    let [height, width] = pool.output();
    gradient.fill(0.0);
    let planes = gradient.chunks_exact_mut(pool.height * pool.width);
    let delta = delta.chunks_exact(height * width);
    for ((plane, delta), positions) in planes
        .zip(delta)
        .zip(positions.chunks_exact(height * width))
    {
        for (delta, &position) in delta.iter().zip(positions) {
            plane[position as usize] += delta;
        }
    }
}
