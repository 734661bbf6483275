//! output (R, m, n) = lhs · rhs, with the operands in the order of a [`Layout`].

use crate::gpu::op::{BufferId, Grid, Op, Permutation, params};
use crate::gpu::shader::{STORAGE, Shader};
use crate::gpu::tile::{Layout, Product, Tile};
use crate::gpu::wgsl::{File, LHS_WHOLE, TILE_MATMUL, VECTOR, wgsl};

params! { m: u32, n: u32, k: u32, realizations: u32 }

/// The kernel for one layout and tile; `aligned` if the operands' lines are multiples of 4.
pub fn shader(layout: Layout, tile: Tile, aligned: bool) -> Shader {
    let [lhs, rhs] = operands(aligned);
    let [lhs_layout, rhs_layout] = layout.files();
    let files = [
        TILE_MATMUL,
        lhs_layout,
        LHS_WHOLE,
        rhs_layout,
        tile.file(),
        tile.load_file(),
        VECTOR,
        STORAGE,
        lhs,
        rhs,
    ];
    Shader::new(wgsl!("product/matmul"), files)
}

/// The files of the operands lhs and rhs; `aligned` if their lines are multiples of 4.
pub(in crate::gpu::ops) fn operands(aligned: bool) -> [File; 2] {
    match aligned {
        true => [
            wgsl!("product/operand/lhs_vec4"),
            wgsl!("product/operand/rhs_vec4"),
        ],
        false => [
            wgsl!("product/operand/lhs_scalar"),
            wgsl!("product/operand/rhs_scalar"),
        ],
    }
}

/// The permutations that ship.
pub fn permutations() -> Vec<Permutation> {
    Params::permutations(Layout::ALL.into_iter().flat_map(|layout| {
        Tile::ALL
            .into_iter()
            .flat_map(move |tile| [true, false].map(|aligned| shader(layout, tile, aligned)))
    }))
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
        realizations: realizations as u32,
    };
    let lines = match layout {
        Layout::Nt => [k, k],
        Layout::Nn => [k, n],
        Layout::Tn => [m, n],
    };
    let aligned = lines.iter().all(|line| line.is_multiple_of(4));
    let tiles = Grid::Workgroups(realizations * tile.tiles(m, n));
    Op::new(shader(layout, tile, aligned), &params, tiles)
        .bind("lhs", lhs)
        .bind("rhs", rhs)
        .bind("output", output)
}
