//! The head of a network and the loss, in one dispatch.

use std::sync::LazyLock;

use crate::gpu::op::{BufferId, Grid, Op, Permutation, params};
use crate::gpu::reflect::reflect;
use crate::gpu::shader::{STORAGE, Shader};
use crate::gpu::wgsl::{MATH, METRICS, NUMBERS, STEP, wgsl};
use crate::kind::Loss;
use crate::nn::LayerShape;

params! { batch: u32, inputs: u32, outputs: u32, order_stride: u32, realizations: u32 }

/// The largest number of classes that the kernel takes, as its file states.
static MOST_CLASSES: LazyLock<usize> = LazyLock::new(|| {
    let reflection = reflect(&shader(Loss::CrossEntropy));
    let constants = reflection.expect("checked by a test").constants;
    constants["HEAD_CLASSES"] as usize
});

/// Whether the kernel takes this number of classes.
pub fn takes(classes: usize) -> bool {
    classes <= *MOST_CLASSES
}

/// The kernel for one loss.
pub fn shader(loss: Loss) -> Shader {
    let files = [
        crate::gpu::ops::loss::file(loss),
        METRICS,
        STEP,
        STORAGE,
        NUMBERS,
        MATH,
    ];
    Shader::new(wgsl!("layer/head"), files)
}

/// The permutations that ship.
pub fn permutations() -> Vec<Permutation> {
    Params::permutations(Loss::ALL.iter().map(|&loss| shader(loss)))
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
    /// Bytes (samples), four to a word.
    pub labels: BufferId,
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
    loss: Loss,
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
    Op::new(shader(loss), &params, workgroups)
        .bind("z", operands.z)
        .bind("weight", operands.weight)
        .bind("bias", operands.bias)
        .bind("labels", operands.labels)
        .bind("order", operands.order)
        .bind("delta", operands.delta)
        .bind("metrics", operands.metrics)
}
