//! The weight gradient of a convolution, (R, filters, channels, kernel, kernel), or the SGD update by
//! it.

use super::{conv2d_forward, params};
use crate::gpu::plan::{BufferId, Grid, Op};
use crate::gpu::shader::{CONV_TILE, Shader, TILE_CONV, conv_tiles, wgsl};
use crate::nn::cnn::Conv;

params! {
    batch: u32,
    channels: u32,
    height: u32,
    width: u32,
    filters: u32,
    out_height: u32,
    out_width: u32,
    kernel_height: u32,
    kernel_width: u32,
    stride: u32,
    padding: u32,
    realizations: u32,
    learning_rate: f32,
}

/// The kernel: it updates, or stores the gradient.
pub fn shader(update: bool) -> Shader {
    let epilogue = match update {
        true => wgsl!("epilogue/sgd_step"),
        false => wgsl!("epilogue/store_gradient"),
    };
    let files = [TILE_CONV, CONV_TILE, wgsl!("window"), epilogue];
    Shader::new(wgsl!("conv2d_backward_weight"), files)
}

/// parameter = dL/dweight from delta = dL/dy, or with a learning rate parameter −= rate · dL/dweight.
pub fn conv2d_backward_weight(
    conv: &Conv,
    rows @ [realizations, _]: [usize; 2],
    learning_rate: Option<f32>,
    [delta, x]: [BufferId; 2],
    parameter: BufferId,
) -> Op {
    let common = conv2d_forward::Params::of(conv, rows);
    let params = Params {
        batch: common.batch,
        channels: common.channels,
        height: common.height,
        width: common.width,
        filters: common.filters,
        out_height: common.out_height,
        out_width: common.out_width,
        kernel_height: common.kernel_height,
        kernel_width: common.kernel_width,
        stride: common.stride,
        padding: common.padding,
        realizations: common.realizations,
        learning_rate: learning_rate.unwrap_or(0.0),
    };
    let tiles = realizations * conv_tiles(conv.filters, conv.window());
    let shader = shader(learning_rate.is_some());
    Op::new(shader, &params, Grid::Workgroups(tiles))
        .bind("delta", delta)
        .bind("x", x)
        .bind("parameter", parameter)
}
