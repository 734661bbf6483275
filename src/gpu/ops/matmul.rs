//! output (R, m, n) = lhs · rhs, the operands in the order of a [`Layout`].

use super::{Product, params};
use crate::gpu::plan::{BufferId, Grid, Op};
use crate::gpu::shader::{Layout, Shader, TILE_MATMUL, Tile, wgsl};

params! { m: u32, n: u32, k: u32 }

/// The kernel for one layout and tile.
pub fn shader(layout: Layout, tile: Tile) -> Shader {
    Shader::new(wgsl!("matmul"), [TILE_MATMUL, layout.file(), tile.file()])
}

/// Every permutation.
pub fn shaders() -> impl Iterator<Item = Shader> {
    Layout::ALL
        .into_iter()
        .flat_map(|layout| Tile::ALL.map(|tile| shader(layout, tile)))
}

/// The product of R pairs of matrices.
pub fn matmul(
    layout: Layout,
    tile: Tile,
    realizations: usize,
    product: Product,
    lhs: BufferId,
    rhs: BufferId,
    output: BufferId,
) -> Op {
    let Product { m, n, k } = product;
    let params = Params {
        m: m as u32,
        n: n as u32,
        k: k as u32,
    };
    Op::new(
        shader(layout, tile),
        &params,
        Grid::Tiles {
            tile,
            m,
            n,
            realizations,
        },
    )
    .bind("lhs", lhs)
    .bind("rhs", rhs)
    .bind("output", output)
}
