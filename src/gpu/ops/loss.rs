//! The loss of each sample of a step, its gradient in the logits, and whether the class is right.

use crate::gpu::op::{BufferId, Grid, Op, Permutation, params};
use crate::gpu::shader::{STORAGE, Shader};
use crate::gpu::wgsl::{File, GRID, MATH, METRICS, NUMBERS, STEP, wgsl};
use crate::kind::Loss;

params! { batch: u32, outputs: u32, order_stride: u32, realizations: u32 }

/// The file that defines a loss.
pub(super) fn file(loss: Loss) -> File {
    match loss {
        Loss::CrossEntropy => wgsl!("loss/cross_entropy"),
        Loss::MeanSquaredError => wgsl!("loss/mse"),
    }
}

/// The kernel for one loss.
pub fn shader(loss: Loss) -> Shader {
    let files = [file(loss), METRICS, GRID, STEP, STORAGE, NUMBERS, MATH];
    Shader::new(wgsl!("loss/loss"), files)
}

/// The permutations that ship.
pub fn permutations() -> Vec<Permutation> {
    Params::permutations(Loss::ALL.iter().map(|&loss| shader(loss)))
}

/// Buffers of a loss.
#[derive(Clone, Copy, Debug)]
pub struct Operands {
    /// (R, batch, outputs).
    pub logits: BufferId,
    /// Bytes (samples), four to a word.
    pub labels: BufferId,
    /// Sample indices, as for the gather.
    pub order: BufferId,
    /// dL/dlogits, (R, batch, outputs).
    pub delta: BufferId,
    /// (steps, R, batch) pairs: the bits of a sample's loss, and 1 if its class is right. Pairs of rows
    /// past a step's count are not written.
    pub metrics: BufferId,
}

/// Loss, gradient and metrics of a batch.
pub fn loss(
    loss: Loss,
    [realizations, batch, outputs]: [usize; 3],
    order_stride: usize,
    operands: Operands,
) -> Op {
    let params = Params {
        batch: batch as u32,
        outputs: outputs as u32,
        order_stride: order_stride as u32,
        realizations: realizations as u32,
    };
    Op::new(shader(loss), &params, Grid::Elements(realizations * batch))
        .bind("logits", operands.logits)
        .bind("labels", operands.labels)
        .bind("order", operands.order)
        .bind("delta", operands.delta)
        .bind("metrics", operands.metrics)
}
