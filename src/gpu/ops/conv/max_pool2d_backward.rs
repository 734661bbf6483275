//! The input gradient of max-pooling, with or without the slope of the activation before it.

use super::max_pool2d_forward::Params;
use crate::activation::Activation;
use crate::gpu::op::{BufferId, Grid, Op, Permutation};
use crate::gpu::shader::Shader;
use crate::gpu::wgsl::{GRID, wgsl};
use crate::nn::cnn::Pool;

/// The kernel: the gradient alone, or h(z) ∘ it.
pub fn shader(activation: Option<&Activation>) -> Shader {
    let kernel = wgsl!("conv/max_pool2d_backward");
    match activation {
        None => Shader::new(kernel, [GRID, wgsl!("conv/after/pool_linear")]),
        Some(activation) => {
            Shader::new(kernel, [GRID, wgsl!("conv/after/pool_slope")]).with_activation(activation)
        }
    }
}

/// The permutations that ship.
pub fn permutations() -> Vec<Permutation> {
    let all = Activation::ALL.iter().chain([&Activation::RELU]);
    Params::permutations([None].into_iter().chain(all.map(Some)).map(shader))
}

/// output = dL/dx, (images, channels, height, width), from delta = dL/dy; with an activation and its
/// output z, h(z) ∘ dL/dx.
pub fn max_pool2d_backward(
    pool: &Pool,
    images: usize,
    fused: Option<(&Activation, BufferId)>,
    [delta, positions]: [BufferId; 2],
    output: BufferId,
) -> Op {
    let len = images * pool.channels * pool.height * pool.width;
    let shader = shader(fused.map(|(activation, _)| activation));
    let op = Op::new(shader, &Params::of(pool, len), Grid::Elements(len))
        .bind("delta", delta)
        .bind("positions", positions)
        .bind("output", output);
    match fused {
        None => op,
        Some((_, active)) => op.bind("active_z", active),
    }
}
