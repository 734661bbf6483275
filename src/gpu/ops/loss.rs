//! The loss of each sample of a step, its gradient in the logits, and whether the class is right.

use crate::data::Dataset;
use crate::gpu::op::{BufferId, Grid, Op, Permutation, params};
use crate::gpu::shader::{STORAGE, Shader};
use crate::gpu::wgsl::{File, GRID, MATH, METRICS, NUMBERS, STEP, wgsl};
use crate::kind::Loss;

params! { batch: u32, outputs: u32, order_stride: u32, realizations: u32 }

/// A loss, and the kind of its targets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Objective {
    /// The loss of classes.
    Classes(Loss),
    /// The mean squared error of values.
    Values,
    /// Huber's loss of values.
    Huber,
}

impl Objective {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::Classes(Loss::CrossEntropy),
        Self::Classes(Loss::MeanSquaredError),
        Self::Values,
        Self::Huber,
    ];

    /// That of `loss` on `data`, which it fits.
    pub fn of(loss: Loss, data: &Dataset) -> Self {
        match (data.is_regression(), loss) {
            (false, _) => Self::Classes(loss),
            (true, Loss::Huber) => Self::Huber,
            (true, _) => Self::Values,
        }
    }

    /// The file that defines it.
    pub(in crate::gpu::ops) fn file(self) -> File {
        match self {
            Self::Classes(Loss::CrossEntropy) => wgsl!("loss/cross_entropy"),
            // Models refuse classes under Huber's loss.
            Self::Classes(Loss::MeanSquaredError | Loss::Huber) => wgsl!("loss/mse"),
            Self::Values => wgsl!("loss/mse_values"),
            Self::Huber => wgsl!("loss/huber"),
        }
    }
}

/// The kernel for one objective.
pub fn shader(objective: Objective) -> Shader {
    let file = objective.file();
    let files = [file, METRICS, GRID, STEP, STORAGE, NUMBERS, MATH];
    Shader::new(wgsl!("loss/loss"), files)
}

/// The permutations that ship.
pub fn permutations() -> Vec<Permutation> {
    Params::permutations(Objective::ALL.map(shader))
}

/// Buffers of a loss.
#[derive(Clone, Copy, Debug)]
pub struct Operands {
    /// (R, batch, outputs).
    pub logits: BufferId,
    /// The class of each sample, (samples), or the bits of its values, (samples, outputs).
    pub targets: BufferId,
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
    objective: Objective,
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
    let samples = Grid::Elements(realizations * batch);
    Op::new(shader(objective), &params, samples)
        .bind("logits", operands.logits)
        .bind("targets", operands.targets)
        .bind("order", operands.order)
        .bind("delta", operands.delta)
        .bind("metrics", operands.metrics)
}
