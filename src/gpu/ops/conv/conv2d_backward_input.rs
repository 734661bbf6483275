//! The input gradient of a convolution, (R, batch, channels, height, width).

use super::shape::Params;
use crate::gpu::op::{BufferId, Grid, Op, Permutation};
use crate::gpu::shader::Shader;
use crate::gpu::tile::{Product, Tile};
use crate::gpu::wgsl::{LHS_WHOLE, PLACE, SHAPE, TILE_MATMUL, wgsl};
use crate::nn::cnn::Conv;

/// The kernel for one tile.
pub fn shader(tile: Tile) -> Shader {
    let files = [
        TILE_MATMUL,
        LHS_WHOLE,
        tile.file(),
        tile.load_file(),
        PLACE,
        SHAPE,
    ];
    Shader::new(wgsl!("conv/conv2d_backward_input"), files)
}

/// The permutations that ship.
pub fn permutations() -> Vec<Permutation> {
    Params::permutations(Tile::ALL.map(shader))
}

/// The gradient as a matrix product.
fn product(conv: &Conv, batch: usize) -> Product {
    Product {
        m: conv.channels,
        n: batch * conv.height * conv.width,
        k: conv.filters * conv.kernel[0] * conv.kernel[1],
    }
}

/// The tile for it.
pub fn tile(conv: &Conv, batch: usize) -> Tile {
    Tile::for_product(product(conv, batch))
}

/// output = dL/dx from delta = dL/dy.
pub fn conv2d_backward_input(
    conv: &Conv,
    rows @ [realizations, batch]: [usize; 2],
    tile: Tile,
    [delta, weight]: [BufferId; 2],
    output: BufferId,
) -> Op {
    let Product { m, n, .. } = product(conv, batch);
    let tiles = Grid::Workgroups(realizations * tile.tiles(m, n));
    Op::new(shader(tile), &Params::of(conv, rows), tiles)
        .bind("delta", delta)
        .bind("weight", weight)
        .bind("output", output)
}
