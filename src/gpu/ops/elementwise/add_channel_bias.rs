//! output (R, batch, filters, height′, width′) += bias (R, filters).

use crate::gpu::op::{BufferId, Grid, Op, Permutation, params};
use crate::gpu::shader::Shader;
use crate::gpu::wgsl::{GRID, wgsl};
use crate::nn::cnn::Conv;

params! { len: u32, batch: u32, filters: u32, plane: u32 }

/// The kernel.
pub fn shader() -> Shader {
    Shader::new(wgsl!("elementwise/add_channel_bias"), [GRID])
}

/// The permutations that ship.
pub fn permutations() -> Vec<Permutation> {
    Params::permutations([shader()])
}

/// output (R, batch, filters, height′, width′) += bias (R, filters).
pub fn add_channel_bias(
    conv: &Conv,
    [realizations, batch]: [usize; 2],
    bias: BufferId,
    output: BufferId,
) -> Op {
    let len = realizations * batch * conv.outputs();
    let params = Params {
        len: len as u32,
        batch: batch as u32,
        filters: conv.filters as u32,
        plane: (conv.outputs() / conv.filters) as u32,
    };
    Op::new(shader(), &params, Grid::Elements(len))
        .bind("bias", bias)
        .bind("output", output)
}
