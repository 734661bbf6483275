//! The bias gradient of a convolution, (R, filters), or the SGD update by it.

use super::params;
use crate::gpu::plan::{BufferId, Grid, Op};
use crate::gpu::shader::{Shader, wgsl};
use crate::nn::cnn::Conv;

params! { batch: u32, filters: u32, plane: u32, realizations: u32, learning_rate: f32 }

/// The kernel: it updates, or stores the gradient.
pub fn shader(update: bool) -> Shader {
    let epilogue = match update {
        true => wgsl!("epilogue/sgd_step"),
        false => wgsl!("epilogue/store_gradient"),
    };
    Shader::new(wgsl!("conv2d_backward_bias"), [epilogue])
}

/// parameter = dL/dbias from delta = dL/dy, or with a learning rate parameter −= rate · dL/dbias.
pub fn conv2d_backward_bias(
    conv: &Conv,
    [realizations, batch]: [usize; 2],
    learning_rate: Option<f32>,
    delta: BufferId,
    parameter: BufferId,
) -> Op {
    let params = Params {
        batch: batch as u32,
        filters: conv.filters as u32,
        plane: (conv.outputs() / conv.filters) as u32,
        realizations: realizations as u32,
        learning_rate: learning_rate.unwrap_or(0.0),
    };
    let grid = Grid::Workgroups(realizations * conv.filters);
    Op::new(shader(learning_rate.is_some()), &params, grid)
        .bind("delta", delta)
        .bind("parameter", parameter)
}
