//! The gradients of a convolution's weights and bias, or the SGD update by them, from their parts.

use super::conv2d_backward_weight::Parts;
use crate::gpu::op::{BufferId, Grid, Op, Permutation, params};
use crate::gpu::shader::Shader;
use crate::gpu::wgsl::{GRID, wgsl};
use crate::nn::cnn::Conv;

params! { len: u32, parts: u32, window: u32, learning_rate: f32 }

/// The kernel: it updates the parameters, or stores the gradients.
pub fn shader(update: bool) -> Shader {
    let epilogue = match update {
        true => wgsl!("elementwise/update/sgd_step"),
        false => wgsl!("elementwise/update/store_gradient"),
    };
    Shader::new(wgsl!("conv/conv2d_update"), [GRID, epilogue])
}

/// The permutations that ship.
pub fn permutations() -> Vec<Permutation> {
    Params::permutations([false, true].map(shader))
}

/// [weight, bias] = the sums of the parts that
/// [`conv2d_backward_weight`](super::conv2d_backward_weight) wrote, or with a learning rate
/// [weight, bias] −= rate · sums.
pub fn conv2d_update(
    conv: &Conv,
    realizations: usize,
    parts: Parts,
    learning_rate: Option<f32>,
    partial_gradient: BufferId,
    [weight, bias]: [BufferId; 2],
) -> Op {
    let len = realizations * conv.filters * (conv.window() + 1);
    let params = Params {
        len: len as u32,
        parts: parts.count as u32,
        window: conv.window() as u32,
        learning_rate: learning_rate.unwrap_or(0.0),
    };
    let shader = shader(learning_rate.is_some());
    Op::new(shader, &params, Grid::Elements(len))
        .bind("partial_gradient", partial_gradient)
        .bind("weight", weight)
        .bind("bias", bias)
}
