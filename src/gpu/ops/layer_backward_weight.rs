//! The SGD update of a matrix (R, out, in) by δ′ᵀ z and of a bias (R, out) by Σ δ′, in one dispatch.

use super::params;
use crate::gpu::plan::{BufferId, Grid, Op};
use crate::gpu::shader::{Layout, Shader, TILE_MATMUL, Tile, wgsl};
use crate::nn::Layer;

params! { outputs: u32, inputs: u32, batch: u32, learning_rate: f32 }

/// The kernel with or without a bias, for one tile.
pub fn shader(with_bias: bool, tile: Tile) -> Shader {
    let bias = if with_bias {
        wgsl!("epilogue/bias_update")
    } else {
        wgsl!("epilogue/no_bias")
    };
    let files = [TILE_MATMUL, Layout::Tn.file(), tile.file(), bias];
    Shader::new(wgsl!("layer_backward_weight"), files)
}

/// Every permutation.
pub fn shaders() -> impl Iterator<Item = Shader> {
    Tile::ALL
        .into_iter()
        .flat_map(|tile| [true, false].map(|with_bias| shader(with_bias, tile)))
}

/// Updates `weight`, and `bias` where there is one.
pub fn layer_backward_weight(
    learning_rate: f32,
    tile: Tile,
    [realizations, batch]: [usize; 2],
    layer: &Layer,
    [delta, z]: [BufferId; 2],
    weight: BufferId,
    bias: Option<BufferId>,
) -> Op {
    let params = Params {
        outputs: layer.outputs as u32,
        inputs: layer.inputs as u32,
        batch: batch as u32,
        learning_rate,
    };
    let grid = Grid::Tiles {
        tile,
        m: layer.outputs,
        n: layer.inputs,
        realizations,
    };
    let op = Op::new(shader(bias.is_some(), tile), &params, grid)
        .bind("lhs", delta)
        .bind("rhs", z)
        .bind("weight", weight);
    bias.into_iter().fold(op, |op, bias| op.bind("bias", bias))
}
