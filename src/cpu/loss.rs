//! The two losses, by the conventions of [`Loss`].

use crate::executor::BatchMetrics;
use crate::math::{exp_f32, log_f32};
use crate::nn::Loss;

/// Fills `delta` (batch, outputs) with dL/dlogits.
pub(super) fn loss(
    loss: Loss,
    outputs: usize,
    logits: &[f32],
    labels: &[u8],
    delta: &mut [f32],
) -> BatchMetrics {
    let terms = match loss {
        Loss::CrossEntropy => labels.len(),
        Loss::MeanSquaredError => labels.len() * outputs,
    } as f32;
    let mut sum = 0.0;
    let mut correct = 0;
    let rows = logits
        .chunks_exact(outputs)
        .zip(delta.chunks_exact_mut(outputs));
    for ((logits, delta), &label) in rows.zip(labels) {
        let label = usize::from(label);
        let best = (1..outputs).fold(0, |b, j| if logits[j] > logits[b] { j } else { b });
        let class = match outputs {
            1 => usize::from(logits[0] > 0.5),
            _ => best,
        };
        correct += u32::from(class == label);
        sum += f64::from(match loss {
            Loss::CrossEntropy => cross_entropy(logits, logits[best], label, terms, delta),
            Loss::MeanSquaredError => squared_error(logits, label, terms, delta),
        });
    }
    BatchMetrics {
        loss: sum / f64::from(terms),
        correct,
        samples: labels.len() as u32,
    }
}

fn cross_entropy(logits: &[f32], largest: f32, label: usize, terms: f32, delta: &mut [f32]) -> f32 {
    let mut sum = 0.0;
    for (delta, logit) in delta.iter_mut().zip(logits) {
        *delta = exp_f32(logit - largest);
        sum += *delta;
    }
    for (j, delta) in delta.iter_mut().enumerate() {
        let target = if j == label { 1.0 } else { 0.0 };
        *delta = (*delta / sum - target) / terms;
    }
    log_f32(sum) + (largest - logits[label])
}

fn squared_error(logits: &[f32], label: usize, terms: f32, delta: &mut [f32]) -> f32 {
    let single = logits.len() == 1;
    let mut sum = 0.0;
    for (j, (delta, logit)) in delta.iter_mut().zip(logits).enumerate() {
        let hit = if single { label == 1 } else { j == label };
        let difference = logit - if hit { 1.0 } else { 0.0 };
        sum += difference * difference;
        *delta = 2.0 * difference / terms;
    }
    sum
}
