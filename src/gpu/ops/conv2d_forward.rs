//! A convolution, (R, batch, filters, height′, width′), in one dispatch.

use super::params;
use crate::activation::{self, Activation};
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
}

impl Params {
    /// The parameters of a convolution of (R, batch) images.
    pub(super) fn of(conv: &Conv, [realizations, batch]: [usize; 2]) -> Self {
        let [out_height, out_width] = conv.output().map(|extent| extent as u32);
        let [kernel_height, kernel_width] = conv.kernel.map(|extent| extent as u32);
        Self {
            batch: batch as u32,
            channels: conv.channels as u32,
            height: conv.height as u32,
            width: conv.width as u32,
            filters: conv.filters as u32,
            out_height,
            out_width,
            kernel_height,
            kernel_width,
            stride: conv.stride as u32,
            padding: conv.padding as u32,
            realizations: realizations as u32,
        }
    }
}

/// The kernel: the convolution alone, or bias and activation with it.
pub fn shader(activation: Option<&Activation>) -> Shader {
    let epilogue = match activation {
        None => wgsl!("epilogue/conv_linear"),
        Some(_) => wgsl!("epilogue/conv_activation"),
    };
    let files = [TILE_CONV, CONV_TILE, wgsl!("window"), epilogue];
    let shader = Shader::new(wgsl!("conv2d_forward"), files);
    match activation {
        None => shader,
        Some(activation) => shader.with_activation(activation),
    }
}

/// Every permutation.
pub fn shaders() -> impl Iterator<Item = Shader> {
    let all = activation::ALL.iter().chain([&activation::RELU]);
    [None].into_iter().chain(all.map(Some)).map(shader)
}

/// output = x ∗ weight, or ρ(x ∗ weight + bias) with the activation and the bias.
pub fn conv2d_forward(
    conv: &Conv,
    rows @ [realizations, batch]: [usize; 2],
    fused: Option<(&Activation, BufferId)>,
    [x, weight]: [BufferId; 2],
    output: BufferId,
) -> Op {
    let pixels = batch * conv.outputs() / conv.filters;
    let tiles = realizations * conv_tiles(conv.filters, pixels);
    let shader = shader(fused.map(|(activation, _)| activation));
    let op = Op::new(shader, &Params::of(conv, rows), Grid::Workgroups(tiles))
        .bind("x", x)
        .bind("weight", weight)
        .bind("output", output);
    match fused {
        None => op,
        Some((_, bias)) => op.bind("bias", bias),
    }
}
