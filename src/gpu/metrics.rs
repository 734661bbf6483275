//! Decoding of the metrics that the loss kernels store for each sample.

use std::ops::Range;

use crate::executor::BatchMetrics;

/// The metrics of the steps `slots` over `samples`, by realization and step, from a buffer of
/// (steps, R, batch) pairs: the bits of a sample's loss, and 1 if its class is right.
pub(crate) fn batch_metrics(
    bytes: &[u8],
    [realizations, batch]: [usize; 2],
    samples: usize,
    slots: Range<usize>,
) -> Vec<Vec<BatchMetrics>> {
    let pairs: Vec<[u32; 2]> = bytemuck::pod_collect_to_vec(bytes);
    let of = |realization: usize, slot: usize| {
        let count = batch.min(samples - slot * batch);
        let pairs = &pairs[(slot * realizations + realization) * batch..][..count];
        let losses = pairs.iter().map(|pair| f64::from(f32::from_bits(pair[0])));
        BatchMetrics {
            loss: losses.sum::<f64>() / count as f64,
            correct: pairs.iter().map(|pair| pair[1]).sum(),
            samples: count as u32,
        }
    };
    let of = |realization| slots.clone().map(|slot| of(realization, slot)).collect();
    (0..realizations).map(of).collect()
}
