//! The experiment that the paper leaves open (end of Sec. 5): Problem 2.2 at growing L against the
//! problem at its limit, with tied, symmetric weights.

use serde::Serialize;

use super::{CpuLayer, Equilibrium, Gradient};
use crate::error::Result;
use crate::executor::BatchMetrics;
use crate::nn::Parameters;
use crate::rng;

/// Inputs and labels to learn.
#[derive(Clone, Debug)]
pub struct Samples {
    /// (samples, features).
    pub inputs: Vec<f32>,
    /// (samples).
    pub labels: Vec<u8>,
}

/// Plain mini-batch SGD, the same for every L.
#[derive(Clone, Copy, Debug)]
pub struct Training {
    /// Passes over the samples.
    pub epochs: u32,
    /// Samples in a mini-batch.
    pub batch_size: usize,
    /// The learning rate.
    pub learning_rate: f32,
    /// Of initial parameters and order of samples.
    pub seed: u64,
}

/// A trained network's worth on what it was trained on.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Outcome {
    /// L; none for the limit.
    pub layers: Option<usize>,
    /// The training loss after the last epoch, of the network that was trained.
    pub loss: f64,
    /// The training accuracy, a fraction.
    pub accuracy: f64,
    /// The training loss with h in the place of h_L.
    pub loss_at_limit: f64,
    /// ‖h_L − h‖ over √n at these parameters, the mean over the samples.
    pub distance: f64,
}

fn metrics(batches: &[BatchMetrics]) -> [f64; 2] {
    let samples: f64 = batches.iter().map(|b| f64::from(b.samples)).sum();
    let loss: f64 = batches.iter().map(|b| b.loss * f64::from(b.samples)).sum();
    let correct: f64 = batches.iter().map(|b| f64::from(b.correct)).sum();
    [loss / samples, correct / samples]
}

/// Trains one network, by the gradient of its own L or of the limit.
///
/// # Errors
/// Those of [`CpuLayer::new`].
pub fn train(
    equilibrium: &Equilibrium,
    samples: &Samples,
    training: Training,
    way: Gradient,
) -> Result<(Outcome, Parameters)> {
    let features = equilibrium.model.inputs();
    let batch = training.batch_size;
    let mut layer = CpuLayer::new(equilibrium, equilibrium.initial(training.seed), way)?;
    for epoch in 0..training.epochs {
        let order = rng::sample_order(training.seed, epoch, samples.labels.len());
        for indices in order.chunks(batch) {
            let row = |&i: &u32| &samples.inputs[i as usize * features..][..features];
            let x: Vec<f32> = indices.iter().flat_map(row).copied().collect();
            let labels: Vec<u8> = indices
                .iter()
                .map(|&i| samples.labels[i as usize])
                .collect();
            layer.forward(&x, &labels);
            let gradient = layer.backward(&x);
            layer.update(&gradient, training.learning_rate);
        }
    }
    let parameters = layer.parameters().clone();
    let mut limit = CpuLayer::new(equilibrium, parameters.clone(), Gradient::Implicit)?;
    let evaluate = |layer: &mut CpuLayer| {
        let batches = samples
            .inputs
            .chunks(batch * features)
            .zip(samples.labels.chunks(batch));
        let batches: Vec<_> = batches
            .map(|(x, labels)| layer.forward(x, labels))
            .collect();
        metrics(&batches)
    };
    let [loss, accuracy] = evaluate(&mut layer);
    let [loss_at_limit, _] = evaluate(&mut limit);
    let layers = match way {
        Gradient::Implicit => None,
        Gradient::Unrolled(layers) => Some(layers),
    };
    let outcome = Outcome {
        layers,
        loss,
        accuracy,
        loss_at_limit,
        distance: layers.map_or(Ok(0.0), |layers| {
            distance(equilibrium, &parameters, samples, layers)
        })?,
    };
    Ok((outcome, parameters))
}

/// The mean over the samples of ‖h_L − h‖ over √n.
///
/// # Errors
/// Those of [`CpuLayer::new`].
pub fn distance(
    equilibrium: &Equilibrium,
    parameters: &Parameters,
    samples: &Samples,
    layers: usize,
) -> Result<f64> {
    let n = equilibrium.width();
    let mut layer = CpuLayer::new(equilibrium, parameters.clone(), Gradient::Implicit)?;
    let mut sum = 0.0;
    for x in samples.inputs.chunks(equilibrium.model.inputs() * 100) {
        let [cut, limit] = [Some(layers), None].map(|layers| layer.represent(x, layers));
        for (cut, limit) in cut.chunks_exact(n).zip(limit.chunks_exact(n)) {
            let squares = cut.iter().zip(limit).map(|(a, b)| f64::from(a - b).powi(2));
            sum += (squares.sum::<f64>() / n as f64).sqrt();
        }
    }
    Ok(sum / samples.labels.len() as f64)
}
