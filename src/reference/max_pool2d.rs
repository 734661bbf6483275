//! Max-pooling, forward and backward, by its definition.

use crate::nn::cnn::Pool;

/// The largest number of each window, (batch, channels, height′, width′), and its position in x.
pub fn max_pool2d_forward(pool: &Pool, x: &[f64]) -> (Vec<f64>, Vec<usize>) {
    let [out_height, out_width] = pool.output();
    let planes = x.len() / (pool.height * pool.width);
    let mut largest = Vec::new();
    let mut positions = Vec::new();
    for plane in 0..planes {
        for row in 0..out_height {
            for col in 0..out_width {
                let mut best = None;
                for ky in 0..pool.kernel {
                    for kx in 0..pool.kernel {
                        let (y, x_) = (row * pool.stride + ky, col * pool.stride + kx);
                        let position = (plane * pool.height + y) * pool.width + x_;
                        // Of equal numbers the first is taken.
                        if best.is_none_or(|best: usize| x[position] > x[best]) {
                            best = Some(position);
                        }
                    }
                }
                let best = best.expect("a window has at least one pixel");
                largest.push(x[best]);
                positions.push(best);
            }
        }
    }
    (largest, positions)
}

/// dL/dx from delta = dL/dy and the positions that the forward pass found.
pub fn max_pool2d_backward(delta: &[f64], positions: &[usize], inputs: usize) -> Vec<f64> {
    let mut gradient = vec![0.0; inputs];
    for (delta, &position) in delta.iter().zip(positions) {
        gradient[position] += delta;
    }
    gradient
}
