//! The input gradient of a convolution, (R, batch, channels, height, width).

use super::conv2d_forward::Params;
use crate::gpu::plan::{BufferId, Grid, Op};
use crate::gpu::shader::{CONV_TILE, Shader, TILE_CONV, conv_tiles, wgsl};
use crate::nn::cnn::Conv;

/// The kernel.
pub fn shader() -> Shader {
    Shader::new(wgsl!("conv2d_backward_input"), [TILE_CONV, CONV_TILE])
}

/// output = dL/dx from delta = dL/dy.
pub fn conv2d_backward_input(
    conv: &Conv,
    rows @ [realizations, batch]: [usize; 2],
    [delta, weight]: [BufferId; 2],
    output: BufferId,
) -> Op {
    let pixels = batch * conv.height * conv.width;
    let tiles = realizations * conv_tiles(conv.channels, pixels);
    Op::new(shader(), &Params::of(conv, rows), Grid::Workgroups(tiles))
        .bind("delta", delta)
        .bind("weight", weight)
        .bind("output", output)
}
