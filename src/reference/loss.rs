//! The losses.

use crate::data::Targets;
use crate::kind::Loss;

/// Loss, number of correct samples and output gradient of a batch.
#[derive(Clone, Debug)]
pub struct LossGradient {
    /// The mean loss.
    pub loss: f64,
    /// dL/dlogits, (batch, outputs).
    pub delta: Vec<f64>,
    /// Number of samples that were classified correctly.
    pub correct: u32,
}

/// The loss of `logits` (batch, `outputs`) against `targets`, by the conventions of [`Loss`]. Values have
/// no class, so none of them counts as correct.
pub fn loss_and_gradient(
    loss: Loss,
    logits: &[f64],
    outputs: usize,
    targets: &Targets,
) -> LossGradient {
    let batch = (logits.len() / outputs) as f64;
    let mut result = LossGradient {
        loss: 0.0,
        delta: Vec::new(),
        correct: 0,
    };
    for (sample, row) in logits.chunks_exact(outputs).enumerate() {
        let label = match targets {
            Targets::Classes(labels) => Some(labels[sample] as usize),
            Targets::Values(_) => None,
        };
        let target = |j: usize| match targets {
            Targets::Classes(labels) if outputs == 1 => f64::from(labels[sample]),
            Targets::Classes(labels) => f64::from(u8::from(labels[sample] as usize == j)),
            Targets::Values(values) => f64::from(values[sample * outputs + j]),
        };
        match loss {
            Loss::CrossEntropy => {
                let largest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let sum: f64 = row.iter().map(|y| (y - largest).exp()).sum();
                let at_label = label.map_or(f64::NAN, |label| row[label]);
                result.loss += (sum.ln() + largest - at_label) / batch;
                for (j, y) in row.iter().enumerate() {
                    result
                        .delta
                        .push(((y - largest).exp() / sum - target(j)) / batch);
                }
            }
            Loss::MeanSquaredError => {
                let terms = batch * outputs as f64;
                for (j, y) in row.iter().enumerate() {
                    result.loss += (y - target(j)).powi(2) / terms;
                    result.delta.push(2.0 * (y - target(j)) / terms);
                }
            }
            Loss::Huber => {
                let terms = batch * outputs as f64;
                for (j, y) in row.iter().enumerate() {
                    let difference = y - target(j);
                    result.loss += match difference.abs() {
                        small if small < 1.0 => 0.5 * difference.powi(2) / terms,
                        large => (large - 0.5) / terms,
                    };
                    result.delta.push(difference.clamp(-1.0, 1.0) / terms);
                }
            }
        }
        let class = match outputs {
            1 => usize::from(row[0] > 0.5),
            _ => (0..outputs).fold(0, |best, j| if row[j] > row[best] { j } else { best }),
        };
        result.correct += u32::from(Some(class) == label);
    }
    result
}
