//! A whole layer that changes the width, in one dispatch: u = Mz and z′ (R, batch, out) from
//! z (R, batch, in).

use super::layer_forward::Epilogue;
use crate::activation::Activation;
use crate::gpu::op::{BufferId, Grid, Op, Permutation, params};
use crate::gpu::shader::{STORAGE, Shader};
use crate::gpu::tile::Tile;
use crate::gpu::wgsl::{LHS_K, LHS_WHOLE, NUMBERS, RHS_K, TILE_MATMUL, VECTOR, wgsl};
use crate::nn::LayerShape;

params! {
    batch: u32,
    outputs: u32,
    inputs: u32,
    realizations: u32,
    clamp_low: f32,
    clamp_high: f32,
}

/// The kernel for one epilogue, activation and tile; `aligned` if lines are multiples of 4.
pub fn shader(epilogue: Epilogue, activation: &Activation, tile: Tile, aligned: bool) -> Shader {
    let [lhs, _] = crate::gpu::ops::product::matmul::operands(aligned);
    let weights = match aligned {
        true => wgsl!("product/operand/weights_vec4"),
        false => wgsl!("product/operand/weights_scalar"),
    };
    let layout = [LHS_K, LHS_WHOLE, RHS_K];
    let files = [
        TILE_MATMUL,
        tile.file(),
        tile.load_file(),
        VECTOR,
        lhs,
        weights,
    ]
    .into_iter()
    .chain(layout)
    .chain([epilogue.file(), STORAGE, NUMBERS]);
    Shader::new(wgsl!("layer/layer_forward_mix"), files).with_activation(activation)
}

/// The permutations that ship.
pub fn permutations() -> Vec<Permutation> {
    let [u, dual] = [BufferId(0), BufferId(1)];
    let epilogues = [
        Epilogue::Euclidean { u },
        Epilogue::Bregman { u },
        Epilogue::BregmanLift { u, dual },
    ];
    Params::permutations(Tile::ALL.into_iter().flat_map(move |tile| {
        Activation::ALL.iter().flat_map(move |activation| {
            epilogues.into_iter().flat_map(move |epilogue| {
                [true, false].map(|aligned| shader(epilogue, activation, tile, aligned))
            })
        })
    }))
}

/// Buffers of a layer's forward.
#[derive(Clone, Copy, Debug)]
pub struct Operands {
    /// (R, batch, in).
    pub z: BufferId,
    /// W, (R, out, in).
    pub weight: BufferId,
    /// b, (R, out).
    pub bias: BufferId,
    /// M, (R, out, in).
    pub mix: BufferId,
    /// (R, batch, out).
    pub output: BufferId,
}

/// The forward pass of a layer; `epilogue` names the buffer of u.
///
/// # Panics
/// For an epilogue without u = Mz.
pub fn layer_forward_mix(
    epilogue: Epilogue,
    activation: &Activation,
    clamp: [f32; 2],
    tile: Tile,
    [realizations, batch]: [usize; 2],
    layer: &LayerShape,
    operands: Operands,
) -> Op {
    let params = Params {
        batch: batch as u32,
        outputs: layer.outputs as u32,
        inputs: layer.inputs as u32,
        realizations: realizations as u32,
        clamp_low: clamp[0],
        clamp_high: clamp[1],
    };
    let aligned = layer.inputs.is_multiple_of(4);
    let [u, dual] = epilogue.buffers();
    let op = Op::new(
        shader(epilogue, activation, tile, aligned),
        &params,
        Grid::Workgroups(realizations * tile.tiles(batch, layer.outputs)),
    )
    .bind("lhs", operands.z)
    .bind("rhs", operands.weight)
    .bind("mix", operands.mix)
    .bind("bias", operands.bias)
    .bind("output", operands.output)
    .bind("u", u.expect("an epilogue with a skip path"));
    dual.into_iter().fold(op, |op, dual| op.bind("dual", dual))
}
