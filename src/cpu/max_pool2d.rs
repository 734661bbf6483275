//! Max-pooling, forward and backward, images side by side on all cores.

use rayon::prelude::*;

use crate::nn::cnn::Pool;

/// out (rows, channels, height′, width′) = the largest of each window of x; `positions` tell which
/// pixel of its image that is. Of equal numbers the first counts.
pub(super) fn max_pool2d_forward(pool: &Pool, x: &[f32], out: &mut [f32], positions: &mut [u32]) {
    let [out_height, out_width] = pool.output();
    let (pixels, outputs) = (pool.height * pool.width, out_height * out_width);
    out.par_chunks_exact_mut(pool.outputs())
        .zip(positions.par_chunks_exact_mut(pool.outputs()))
        .zip(x.par_chunks_exact(pool.channels * pixels))
        .for_each(|((out, positions), x)| {
            let planes = out
                .chunks_exact_mut(outputs)
                .zip(positions.chunks_exact_mut(outputs));
            for (channel, (out, positions)) in planes.enumerate() {
                for row in 0..out_height {
                    for col in 0..out_width {
                        let y = channel * pool.height + row * pool.stride;
                        let corner = y * pool.width + col * pool.stride;
                        let mut best = corner;
                        for ky in 0..pool.kernel {
                            for kx in 0..pool.kernel {
                                let position = corner + ky * pool.width + kx;
                                if x[position] > x[best] {
                                    best = position;
                                }
                            }
                        }
                        out[row * out_width + col] = x[best];
                        positions[row * out_width + col] = best as u32;
                    }
                }
            }
        });
}

/// gradient = dL/dx (rows, channels, height, width) from delta = dL/dy and the positions that the
/// forward pass found.
pub(super) fn max_pool2d_backward(
    pool: &Pool,
    delta: &[f32],
    positions: &[u32],
    gradient: &mut [f32],
) {
    let pixels = pool.channels * pool.height * pool.width;
    gradient
        .par_chunks_exact_mut(pixels)
        .zip(delta.par_chunks_exact(pool.outputs()))
        .zip(positions.par_chunks_exact(pool.outputs()))
        .for_each(|((gradient, delta), positions)| {
            gradient.fill(0.0);
            for (delta, &position) in delta.iter().zip(positions) {
                gradient[position as usize] += delta;
            }
        });
}
