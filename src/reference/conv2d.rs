//! Two-dimensional convolution, forward and backward, by its definition.

use crate::nn::cnn::Conv;

/// Calls `visit(output index, weight index, input index)` for every output (image, filter, row,
/// column) and every weight (filter, channel, ky, kx) whose pixel lies in the image.
fn pairs(conv: &Conv, batch: usize, mut visit: impl FnMut(usize, usize, usize)) {
    let [out_height, out_width] = conv.output();
    let [kernel_height, kernel_width] = conv.kernel;
    for image in 0..batch {
        for filter in 0..conv.filters {
            for row in 0..out_height {
                for col in 0..out_width {
                    let output = ((image * conv.filters + filter) * out_height + row) * out_width;
                    for channel in 0..conv.channels {
                        for ky in 0..kernel_height {
                            for kx in 0..kernel_width {
                                // The pixel, counted from the padding's corner.
                                let (y, x) = (row * conv.stride + ky, col * conv.stride + kx);
                                let rows = conv.padding..conv.padding + conv.height;
                                let cols = conv.padding..conv.padding + conv.width;
                                if !rows.contains(&y) || !cols.contains(&x) {
                                    continue;
                                }
                                let (y, x) = (y - conv.padding, x - conv.padding);
                                let plane = image * conv.channels + channel;
                                let input = (plane * conv.height + y) * conv.width + x;
                                let plane = filter * conv.channels + channel;
                                let weight = (plane * kernel_height + ky) * kernel_width + kx;
                                visit(output + col, weight, input);
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Number of elements of one output channel.
fn plane(conv: &Conv) -> usize {
    conv.outputs() / conv.filters
}

/// y (batch, filters, height′, width′) = x (batch, channels, height, width) ∗ weight (OIHW) + bias.
pub fn conv2d_forward(conv: &Conv, x: &[f64], weight: &[f64], bias: &[f64]) -> Vec<f64> {
    let batch = x.len() / conv.inputs();
    let mut y = vec![0.0; batch * conv.outputs()];
    for (i, y) in y.iter_mut().enumerate() {
        *y = bias[i / plane(conv) % conv.filters];
    }
    pairs(conv, batch, |output, kernel, input| {
        y[output] += weight[kernel] * x[input];
    });
    y
}

/// dL/dx from delta = dL/dy.
pub fn conv2d_backward_input(conv: &Conv, delta: &[f64], weight: &[f64]) -> Vec<f64> {
    let batch = delta.len() / conv.outputs();
    let mut gradient = vec![0.0; batch * conv.inputs()];
    pairs(conv, batch, |output, kernel, input| {
        gradient[input] += weight[kernel] * delta[output];
    });
    gradient
}

/// dL/dweight (OIHW) and dL/dbias (filters) from delta = dL/dy.
pub fn conv2d_backward_weight(conv: &Conv, delta: &[f64], x: &[f64]) -> [Vec<f64>; 2] {
    let batch = delta.len() / conv.outputs();
    let mut weight = vec![0.0; conv.filters * conv.window()];
    pairs(conv, batch, |output, kernel, input| {
        weight[kernel] += delta[output] * x[input];
    });
    let mut bias = vec![0.0; conv.filters];
    for (i, delta) in delta.iter().enumerate() {
        bias[i / plane(conv) % conv.filters] += delta;
    }
    [weight, bias]
}
