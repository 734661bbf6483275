//! The update of M (R, out, in) by qᵀz and the projection of its rows, in one dispatch.

use super::layer_backward::mix_file;
use crate::activation::Activation;
use crate::gpu::op::{BufferId, Grid, Op, Permutation, params};
use crate::gpu::ops::update::{Update, Updating};
use crate::gpu::shader::{STORAGE, Shader};
use crate::gpu::wgsl::{NUMBERS, SIMPLEX, wgsl};
use crate::kind::LayerKind;
use crate::nn::LayerShape;

params! {
    batch: u32,
    inputs: u32,
    outputs: u32,
    realizations: u32,
    gate_low: f32,
    gate_high: f32,
}

/// The kernel for a kind of layer, an activation and an update.
pub fn shader(kind: LayerKind, activation: &Activation, update: Update) -> Shader {
    let files = [SIMPLEX, mix_file(kind), STORAGE, NUMBERS].into_iter();
    let shader = Shader::new(wgsl!("layer/mix_update"), files.chain(update.files()));
    match kind {
        LayerKind::Bregman => shader.with_activation(activation),
        _ => shader,
    }
}

/// The permutations that ship.
pub fn permutations() -> Vec<Permutation> {
    let updates = Update::ALL.into_iter().filter(|&u| u != Update::Store);
    Params::permutations(updates.flat_map(|update| {
        let bregman = Activation::ALL
            .iter()
            .map(move |activation| shader(LayerKind::Bregman, activation, update));
        let euclidean = shader(LayerKind::Euclidean, &Activation::IDENTITY, update);
        bregman.chain([euclidean])
    }))
}

/// Buffers of an update of M.
#[derive(Clone, Copy, Debug)]
pub struct Operands {
    /// δ′, (R, batch, out).
    pub delta: BufferId,
    /// u = Mz, (R, batch, out).
    pub u: BufferId,
    /// The layer's input, (R, batch, in).
    pub z: BufferId,
    /// M, (R, out, in).
    pub matrix: BufferId,
}

/// Updates M of a layer.
pub fn mix_update(
    kind: LayerKind,
    activation: &Activation,
    clamp: [f32; 2],
    updating: Updating,
    [realizations, batch]: [usize; 2],
    layer: &LayerShape,
    operands: Operands,
) -> Op {
    let params = Params {
        batch: batch as u32,
        inputs: layer.inputs as u32,
        outputs: layer.outputs as u32,
        realizations: realizations as u32,
        gate_low: clamp[0],
        gate_high: clamp[1],
    };
    let rows = Grid::Workgroups(realizations * layer.outputs);
    let op = Op::new(shader(kind, activation, updating.update), &params, rows)
        .bind("delta", operands.delta)
        .bind("u", operands.u)
        .bind("z", operands.z)
        .bind("matrix", operands.matrix);
    updating.bind(op)
}
