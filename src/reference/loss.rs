//! The two losses.

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

/// The loss of `logits` (batch, outputs) against `labels` (batch), by the conventions of
/// [`Loss`].
pub fn loss_and_gradient(loss: Loss, logits: &[f64], labels: &[u8]) -> LossGradient {
    let outputs = (logits.len() / labels.len().max(1)).max(1);
    let batch = labels.len() as f64;
    let mut result = LossGradient {
        loss: 0.0,
        delta: Vec::new(),
        correct: 0,
    };
    for (row, &label) in logits.chunks_exact(outputs).zip(labels) {
        let label = usize::from(label);
        let target = |j: usize| match (outputs, j == label) {
            (1, _) => label as f64,
            (_, true) => 1.0,
            (_, false) => 0.0,
        };
        match loss {
            Loss::CrossEntropy => {
                let largest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let sum: f64 = row.iter().map(|y| (y - largest).exp()).sum();
                result.loss += (sum.ln() + largest - row[label]) / batch;
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
        }
        let class = match outputs {
            1 => usize::from(row[0] > 0.5),
            _ => (0..outputs).fold(0, |best, j| if row[j] > row[best] { j } else { best }),
        };
        result.correct += u32::from(class == label);
    }
    result
}
