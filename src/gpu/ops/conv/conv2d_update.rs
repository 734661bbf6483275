//! The gradients of a convolution's weights and bias, or the update by them, from their parts.

use super::conv2d_backward_weight::Parts;
use crate::gpu::op::{BufferId, Grid, Op, Permutation, params};
use crate::gpu::ops::update::{Update, Updating};
use crate::gpu::shader::Shader;
use crate::gpu::wgsl::{GRID, wgsl};
use crate::nn::cnn::Conv;

params! { len: u32, parts: u32, window: u32, filters: u32 }

/// The kernel: it updates the parameters, or stores the gradients.
pub fn shader(update: Update) -> Shader {
    let files = [GRID].into_iter().chain(update.files());
    Shader::new(wgsl!("conv/conv2d_update"), files)
}

/// The permutations that ship.
pub fn permutations() -> Vec<Permutation> {
    Params::permutations(Update::ALL.map(shader))
}

/// [weight, bias] = the sums of the parts that
/// [`conv2d_backward_weight`](super::conv2d_backward_weight) wrote, or updated by them. The state of the
/// optimizer is (R, filters, window + 1).
pub fn conv2d_update(
    conv: &Conv,
    realizations: usize,
    parts: Parts,
    updating: Updating,
    partial_gradient: BufferId,
    [weight, bias]: [BufferId; 2],
) -> Op {
    let len = realizations * conv.filters * (conv.window() + 1);
    let params = Params {
        len: len as u32,
        parts: parts.count as u32,
        window: conv.window() as u32,
        filters: conv.filters as u32,
    };
    let op = Op::new(shader(updating.update), &params, Grid::Elements(len))
        .bind("partial_gradient", partial_gradient)
        .bind("weight", weight)
        .bind("bias", bias);
    updating.bind(op)
}
