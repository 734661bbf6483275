//! The losses, by the conventions of [`Loss`], for a block of samples at once.

use std::array::from_fn;

use super::linalg::Matrix;
use crate::kernels::LANES;
use crate::kind::Loss;
use crate::math::{exp_f32, log_f32};

/// The loss of each sample of a block, and whether it was classified correctly.
pub(super) struct BlockLoss {
    /// The loss; the loss of the batch is its mean over the samples (and outputs).
    pub(super) losses: [f32; LANES],
    /// 1 if the sample was classified correctly, else 0.
    pub(super) hits: [f32; LANES],
}

/// The targets of a block of samples.
pub(super) enum BlockTargets<'a> {
    /// Their classes.
    Classes([u32; LANES]),
    /// The values of each, (outputs).
    Values([&'a [f32]; LANES]),
}

/// The losses of the [`LANES`] samples from column `col` of `logits` (outputs, batch) on; their
/// dL/dlogits go to the same columns of `delta`. `terms` is the divisor of the mean.
///
/// # Safety
/// No other thread writes to these columns of `logits`, nor reads or writes those of `delta`, at the
/// same time.
pub(super) unsafe fn block_loss(
    loss: Loss,
    outputs: usize,
    terms: f32,
    [logits, delta]: [Matrix<'_>; 2],
    col: usize,
    targets: &BlockTargets<'_>,
) -> BlockLoss {
    // SAFETY: the caller vouches for it.
    let logits = |j: usize| unsafe { logits.load(j, col) };
    // SAFETY: the caller vouches for it.
    let set_delta = |j: usize, values| unsafe { delta.store(j, col, values) };
    // SAFETY: the caller vouches for it.
    let delta = |j: usize| unsafe { delta.load(j, col) };
    // Values have no class, so that none of them is right.
    let labels = match targets {
        BlockTargets::Classes(labels) => *labels,
        BlockTargets::Values(_) => [u32::MAX; LANES],
    };

    let mut largest = logits(0);
    let mut class = [0; LANES];
    for j in 1..outputs {
        let logits = logits(j);
        for i in 0..LANES {
            let larger = logits[i] > largest[i];
            largest[i] = if larger { logits[i] } else { largest[i] };
            class[i] = if larger { j as u32 } else { class[i] };
        }
    }
    if outputs == 1 {
        class = largest.map(|logit| u32::from(logit > 0.5));
    }
    let hits = from_fn(|i| if class[i] == labels[i] { 1.0 } else { 0.0 });
    // The targets of output j: one-hot, the label itself where there is one output, or values.
    let target = |j: usize| -> [f32; LANES] {
        match targets {
            BlockTargets::Classes(_) => {
                let hit = if outputs == 1 { 1 } else { j as u32 };
                labels.map(|label| if label == hit { 1.0 } else { 0.0 })
            }
            BlockTargets::Values(values) => values.map(|values| values[j]),
        }
    };

    let mut losses = [0.0; LANES];
    match loss {
        Loss::CrossEntropy => {
            let mut sum = [0.0; LANES];
            let mut at_label = [0.0; LANES];
            for j in 0..outputs {
                let logits = logits(j);
                let mut exp = [0.0; LANES];
                for i in 0..LANES {
                    exp[i] = exp_f32(logits[i] - largest[i]);
                    sum[i] += exp[i];
                    at_label[i] = if labels[i] == j as u32 {
                        logits[i]
                    } else {
                        at_label[i]
                    };
                }
                set_delta(j, exp);
            }
            for j in 0..outputs {
                let (exp, target) = (delta(j), target(j));
                set_delta(j, from_fn(|i| (exp[i] / sum[i] - target[i]) / terms));
            }
            for i in 0..LANES {
                losses[i] = log_f32(sum[i]) + (largest[i] - at_label[i]);
            }
        }
        Loss::MeanSquaredError => {
            for j in 0..outputs {
                let (logits, target) = (logits(j), target(j));
                let difference: [f32; LANES] = from_fn(|i| logits[i] - target[i]);
                for i in 0..LANES {
                    losses[i] += difference[i] * difference[i];
                }
                set_delta(j, difference.map(|d| 2.0 * d / terms));
            }
        }
        Loss::Huber => {
            for j in 0..outputs {
                let (logits, target) = (logits(j), target(j));
                let difference: [f32; LANES] = from_fn(|i| logits[i] - target[i]);
                // With s = min(|d|, 1), both branches are s · (|d| − s/2).
                for i in 0..LANES {
                    let size = difference[i].abs();
                    let small = if size < 1.0 { size } else { 1.0 };
                    losses[i] += small * (size - 0.5 * small);
                }
                let slope = |d: f32| if d.abs() < 1.0 { d } else { 1.0f32.copysign(d) };
                set_delta(j, difference.map(|d| slope(d) / terms));
            }
        }
    }
    BlockLoss { losses, hits }
}
