//! A convolution, (R, batch, filters, height′, width′), in one dispatch.

use super::shape::Params;
use crate::activation::Activation;
use crate::gpu::op::{BufferId, Grid, Op, Permutation};
use crate::gpu::ops::product::matmul;
use crate::gpu::shader::{STORAGE, Shader};
use crate::gpu::tile::{Product, Tile};
use crate::gpu::wgsl::{LHS_K, LHS_WHOLE, PLACE, SHAPE, TILE_MATMUL, VECTOR, WINDOW, wgsl};
use crate::nn::cnn::Conv;

/// The kernel: the convolution alone, or with bias and activation; `aligned` if the window's length is a
/// multiple of 4.
pub fn shader(activation: Option<&Activation>, tile: Tile, aligned: bool) -> Shader {
    let epilogue = match activation {
        None => wgsl!("conv/after/linear"),
        Some(_) => wgsl!("conv/after/activation"),
    };
    let [weights, _] = matmul::operands(aligned);
    let files = [
        TILE_MATMUL,
        tile.file(),
        tile.load_file(),
        LHS_K,
        LHS_WHOLE,
        weights,
        VECTOR,
        STORAGE,
        WINDOW,
        PLACE,
        SHAPE,
        epilogue,
    ];
    let shader = Shader::new(wgsl!("conv/conv2d_forward"), files);
    match activation {
        None => shader,
        Some(activation) => shader.with_activation(activation),
    }
}

/// The permutations that ship.
pub fn permutations() -> Vec<Permutation> {
    let forms = |tile| [true, false].map(|aligned| (tile, aligned));
    let forms = Tile::ALL.into_iter().flat_map(forms);
    Params::permutations(forms.flat_map(|(tile, aligned)| {
        let all = Activation::ALL.iter().chain([&Activation::RELU]);
        let all = [None].into_iter().chain(all.map(Some));
        all.map(move |activation| shader(activation, tile, aligned))
    }))
}

/// The convolution as a matrix product.
fn product(conv: &Conv, batch: usize) -> Product {
    Product {
        m: conv.filters,
        n: batch * conv.outputs() / conv.filters,
        k: conv.window(),
    }
}

/// The tile for it.
pub fn tile(conv: &Conv, batch: usize) -> Tile {
    Tile::for_product(product(conv, batch))
}

/// output = x ∗ weight, or ρ(x ∗ weight + bias) if `fused` has the activation and the bias.
pub fn conv2d_forward(
    conv: &Conv,
    rows @ [realizations, batch]: [usize; 2],
    tile: Tile,
    fused: Option<(&Activation, BufferId)>,
    [x, weight]: [BufferId; 2],
    output: BufferId,
) -> Op {
    let Product { m, n, .. } = product(conv, batch);
    let tiles = realizations * tile.tiles(m, n);
    let aligned = conv.window().is_multiple_of(4);
    let shader = shader(fused.map(|(activation, _)| activation), tile, aligned);
    let op = Op::new(shader, &Params::of(conv, rows), Grid::Workgroups(tiles))
        .bind("x", x)
        .bind("lhs", weight)
        .bind("output", output);
    match fused {
        None => op,
        Some((_, bias)) => op.bind("bias", bias),
    }
}
