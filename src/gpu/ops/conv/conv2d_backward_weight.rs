//! Parts of the gradients of a convolution's weights and bias, for
//! [`conv2d_update`](super::conv2d_update) to add.

use super::shape::Params;
use crate::gpu::op::{BufferId, Grid, Op, Permutation};
use crate::gpu::shader::Shader;
use crate::gpu::tile::Tile;
use crate::gpu::wgsl::{LHS_WHOLE, PLACE, SHAPE, TILE_MATMUL, WINDOW, wgsl};
use crate::nn::cnn::Conv;

/// How the sums over a batch's output pixels are split between workgroups. It depends on the shapes only,
/// so that results do not depend on the adapter or on R.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parts {
    /// The tile of each part's product.
    pub tile: Tile,
    /// The number of parts.
    pub count: usize,
    /// The number of output pixels in each part; the last may have fewer.
    pub positions: usize,
}

impl Parts {
    /// The tiles that a part may have, largest first.
    pub const TILES: [Tile; 3] = [Tile::Medium, Tile::Small, Tile::Deep];

    /// The parts with the largest tile that the gradient fills.
    pub fn of(conv: &Conv, batch: usize) -> Self {
        let tile = Tile::filled(Self::TILES, conv.filters, conv.window() + 1);
        Self::with_tile(conv, batch, tile)
    }

    /// The parts with `tile`: enough workgroups for most of the processors of a big card, unless the sums
    /// get short.
    pub fn with_tile(conv: &Conv, batch: usize, tile: Tile) -> Self {
        const WORKGROUPS: usize = 128;
        const SHORTEST: usize = 128;
        let (m, n) = (conv.filters, conv.window() + 1);
        let k = batch * conv.outputs() / conv.filters;
        let parts = WORKGROUPS
            .div_ceil(tile.tiles(m, n))
            .min(k.div_ceil(SHORTEST));
        let positions = k.div_ceil(parts).next_multiple_of(tile.sizes().k as usize);
        Self {
            tile,
            count: k.div_ceil(positions),
            positions,
        }
    }

    /// The number of elements in the buffer of all parts.
    pub fn len(self, conv: &Conv, realizations: usize) -> usize {
        self.count * realizations * conv.filters * (conv.window() + 1)
    }
}

/// The kernel for one tile.
pub fn shader(tile: Tile) -> Shader {
    let files = [
        TILE_MATMUL,
        LHS_WHOLE,
        tile.file(),
        tile.load_file(),
        WINDOW,
        PLACE,
        SHAPE,
    ];
    Shader::new(wgsl!("conv/conv2d_backward_weight"), files)
}

/// The permutations that ship.
pub fn permutations() -> Vec<Permutation> {
    Params::permutations(Parts::TILES.map(shader))
}

/// partial_gradient = the parts of dL/dweight and dL/dbias, from delta = dL/dy.
pub fn conv2d_backward_weight(
    conv: &Conv,
    rows: [usize; 2],
    parts: Parts,
    [delta, x]: [BufferId; 2],
    partial_gradient: BufferId,
) -> Op {
    let params = Params {
        parts: parts.count as u32,
        part_positions: parts.positions as u32,
        ..Params::of(conv, rows)
    };
    let tiles = parts.tile.tiles(conv.filters, conv.window() + 1);
    let workgroups = Grid::Workgroups(rows[0] * parts.count * tiles);
    Op::new(shader(parts.tile), &params, workgroups)
        .bind("delta", delta)
        .bind("x", x)
        .bind("partial_gradient", partial_gradient)
}
