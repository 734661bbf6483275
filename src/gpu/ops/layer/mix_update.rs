//! The SGD update of M (R, out, in) by qᵀz and the projection of its rows, in one dispatch.

use super::layer_backward::mix_file;
use crate::activation::{self, Activation};
use crate::gpu::op::{BufferId, Grid, Op, Permutation, params};
use crate::gpu::shader::{STORAGE, Shader};
use crate::gpu::wgsl::{NUMBERS, SIMPLEX, wgsl};
use crate::kind::LayerKind;
use crate::nn::Layer;

params! {
    batch: u32,
    inputs: u32,
    outputs: u32,
    realizations: u32,
    learning_rate: f32,
    gate_low: f32,
    gate_high: f32,
}

/// The kernel for a kind of layer and an activation.
pub fn shader(kind: LayerKind, activation: &Activation) -> Shader {
    let files = [SIMPLEX, mix_file(kind), STORAGE, NUMBERS];
    let shader = Shader::new(wgsl!("layer/mix_update"), files);
    match kind {
        LayerKind::Bregman => shader.with_activation(activation),
        _ => shader,
    }
}

/// The permutations that ship.
pub fn permutations() -> Vec<Permutation> {
    let bregman = activation::ALL
        .iter()
        .map(|activation| shader(LayerKind::Bregman, activation));
    let euclidean = shader(LayerKind::Euclidean, &activation::IDENTITY);
    Params::permutations(bregman.chain([euclidean]))
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
    learning_rate: f32,
    [realizations, batch]: [usize; 2],
    layer: &Layer,
    operands: Operands,
) -> Op {
    let params = Params {
        batch: batch as u32,
        inputs: layer.inputs as u32,
        outputs: layer.outputs as u32,
        realizations: realizations as u32,
        learning_rate,
        gate_low: clamp[0],
        gate_high: clamp[1],
    };
    let rows = Grid::Workgroups(realizations * layer.outputs);
    Op::new(shader(kind, activation), &params, rows)
        .bind("delta", operands.delta)
        .bind("u", operands.u)
        .bind("z", operands.z)
        .bind("matrix", operands.matrix)
}
