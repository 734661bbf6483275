//! The head of a network and the loss, in one dispatch.

use std::sync::LazyLock;

use crate::gpu::op::{BufferId, Grid, Op, Permutation, params};
use crate::gpu::ops::loss::Objective;
use crate::gpu::reflect::reflect;
use crate::gpu::shader::{STORAGE, Shader};
use crate::gpu::wgsl::{MATH, METRICS, NUMBERS, STEP, wgsl};
use crate::nn::LayerShape;

params! { batch: u32, inputs: u32, outputs: u32, order_stride: u32, realizations: u32 }

/// The largest number of outputs that the kernel takes, as its file states.
static MOST_OUTPUTS: LazyLock<usize> = LazyLock::new(|| {
    let reflection = reflect(&shader(Objective::Values));
    let constants = reflection.expect("checked by a test").constants;
    constants["HEAD_CLASSES"] as usize
});

/// Whether the kernel takes this number of outputs.
pub fn takes(outputs: usize) -> bool {
    outputs <= *MOST_OUTPUTS
}

/// The kernel for one objective.
pub fn shader(objective: Objective) -> Shader {
    let files = [objective.file(), METRICS, STEP, STORAGE, NUMBERS, MATH];
    Shader::new(wgsl!("layer/head"), files)
}

/// The permutations that ship.
pub fn permutations() -> Vec<Permutation> {
    Params::permutations(Objective::ALL.map(shader))
}

/// Buffers of the head.
#[derive(Clone, Copy, Debug)]
pub struct Operands {
    /// (R, batch, in).
    pub z: BufferId,
    /// W, (R, outputs, in).
    pub weight: BufferId,
    /// b, (R, outputs).
    pub bias: BufferId,
    /// As of [`crate::gpu::ops::loss::Operands`].
    pub targets: BufferId,
    /// Sample indices, as for the gather.
    pub order: BufferId,
    /// dL/dlogits, (R, batch, outputs).
    pub delta: BufferId,
    /// As of [`crate::gpu::ops::loss::Operands`].
    pub metrics: BufferId,
}

/// Logits, loss, gradient and metrics of a batch.
///
/// # Panics
/// For more outputs than the kernel [`takes`].
pub fn head(
    objective: Objective,
    [realizations, batch]: [usize; 2],
    layer: &LayerShape,
    order_stride: usize,
    operands: Operands,
) -> Op {
    assert!(takes(layer.outputs), "{layer:?}");
    let params = Params {
        batch: batch as u32,
        inputs: layer.inputs as u32,
        outputs: layer.outputs as u32,
        order_stride: order_stride as u32,
        realizations: realizations as u32,
    };
    let workgroups = Grid::Workgroups(realizations * batch);
    Op::new(shader(objective), &params, workgroups)
        .bind("z", operands.z)
        .bind("weight", operands.weight)
        .bind("bias", operands.bias)
        .bind("targets", operands.targets)
        .bind("order", operands.order)
        .bind("delta", operands.delta)
        .bind("metrics", operands.metrics)
}
