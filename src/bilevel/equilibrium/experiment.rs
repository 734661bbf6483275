//! An experiment that the paper leaves open (end of Sec. 5): Problem 2.2 with a growing number of
//! layers L against the problem at its limit L → ∞, with tied, symmetric weights.

use std::time::Instant;

use nalgebra::DVector;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::cpu::CpuLayer;
use super::layer::{Equilibrium, Gradient, Solver};
use super::reference::{self, Weight};
use crate::data::Dataset;
use crate::error::Result;
use crate::executor::BatchMetrics;
use crate::nn::Parameters;
use crate::rng;

/// Plain mini-batch SGD, the same for each L.
#[derive(Clone, Copy, Debug)]
pub struct Training {
    /// Passes over the samples.
    pub epochs: u32,
    /// Samples in a mini-batch.
    pub batch_size: usize,
    /// The learning rate.
    pub learning_rate: f32,
    /// The seed of the initial parameters and of the order of samples.
    pub seed: u64,
}

/// The result of training one network.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// L, or `None` for the limit.
    pub layers: Option<usize>,
    /// The seed of the initial parameters and of the order of samples.
    pub seed: u64,
    /// Its training loss after the last epoch.
    pub loss: f64,
    /// Its training accuracy, a fraction.
    pub accuracy: f64,
    /// Its test accuracy, a fraction.
    pub test_accuracy: f64,
    /// Its training loss with h in place of h_L.
    pub loss_at_limit: f64,
    /// The mean number of iterations for each sample of the training: L, or those of the solver.
    pub iterations: f64,
    /// Bytes of the states that the forward pass of a mini-batch keeps for the backward pass.
    pub kept_bytes: usize,
    /// The duration of training.
    pub seconds: f64,
}

fn metrics(batches: &[BatchMetrics]) -> [f64; 2] {
    let samples: f64 = batches.iter().map(|b| f64::from(b.samples)).sum();
    let loss: f64 = batches.iter().map(|b| b.loss * f64::from(b.samples)).sum();
    let correct: f64 = batches.iter().map(|b| f64::from(b.correct)).sum();
    [loss / samples, correct / samples]
}

/// Trains one network by the gradient of L layers or of the limit, as `method` says. Initial
/// parameters and order of samples do not depend on `method`. In training the limit is solved as
/// `equilibrium` says; for the reported numbers it is solved as `exact` says.
///
/// # Errors
/// Errors of [`CpuLayer::new`].
pub fn train(
    equilibrium: &Equilibrium,
    exact: Solver,
    [samples, test]: [&Dataset; 2],
    training: Training,
    method: Gradient,
) -> Result<(Outcome, Parameters)> {
    let pixel_values = equilibrium.model.pixel_values();
    let mut layer = CpuLayer::new(equilibrium, equilibrium.initial(training.seed), method)?;
    let mut kept_bytes = 0;
    let start = Instant::now();
    for epoch in 0..training.epochs {
        let order = rng::sample_order(training.seed, epoch, samples.len());
        for indices in order.chunks(training.batch_size) {
            let x = samples.values_of(indices, &pixel_values);
            layer.forward(&x, &samples.targets_of(indices));
            kept_bytes = kept_bytes.max(layer.kept_bytes());
            let gradient = layer.backward(&x);
            layer.update(&gradient, training.learning_rate);
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    let report = layer.take_report();
    let (layers, iterations) = match method {
        Gradient::Implicit => (None, report.iterations as f64 / report.samples as f64),
        Gradient::Unrolled(layers) => (Some(layers), layers as f64),
    };
    let parameters = layer.parameters().clone();
    let exact = Equilibrium {
        solver: exact,
        ..equilibrium.clone()
    };
    let evaluate = |method, samples: &Dataset| -> Result<[f64; 2]> {
        let mut layer = CpuLayer::new(&exact, parameters.clone(), method)?;
        let order: Vec<u32> = (0..samples.len() as u32).collect();
        let batches = order.chunks(training.batch_size).map(|indices| {
            let x = samples.values_of(indices, &pixel_values);
            layer.forward(&x, &samples.targets_of(indices))
        });
        Ok(metrics(&batches.collect::<Vec<_>>()))
    };
    let [loss, accuracy] = evaluate(method, samples)?;
    let [loss_at_limit, _] = evaluate(Gradient::Implicit, samples)?;
    let [_, test_accuracy] = evaluate(method, test)?;
    let outcome = Outcome {
        layers,
        seed: training.seed,
        loss,
        accuracy,
        test_accuracy,
        loss_at_limit,
        iterations,
        kept_bytes,
        seconds,
    };
    Ok((outcome, parameters))
}

/// ‖h_L − h‖ over √n for each L of `depths`, the mean over the inputs x (samples, features), in f64.
/// h is solved to a residual of 10⁻⁷, which leaves it within 3 · 10⁻⁶ of the minimiser for tanh.
///
/// # Errors
/// [`Error::Shape`](crate::error::Error::Shape) for parameters that do not fit.
pub fn distances(
    equilibrium: &Equilibrium,
    parameters: &Parameters,
    x: &[f32],
    depths: &[usize],
) -> Result<Vec<f64>> {
    equilibrium.check_parameters(parameters)?;
    let parameters = parameters.map(f64::from);
    let weight = Weight::new(equilibrium, &parameters.layers[1].weight).weight;
    let start = DVector::zeros(equilibrium.width());
    let of_sample = |x: &[f32]| -> Vec<f64> {
        let x: Vec<f64> = x.iter().map(|&x| f64::from(x)).collect();
        let injection = reference::injected(equilibrium, &parameters, &x);
        let run = |tolerance, most| {
            reference::solve(equilibrium, &weight, &injection, &start, tolerance, most).z
        };
        let limit = run(1e-7, 20_000);
        let distance = |&layers: &usize| {
            // No residual is below −1, so only L ends the iteration.
            let cut = run(-1.0, layers);
            ((cut - &limit).norm_squared() / limit.len() as f64).sqrt()
        };
        depths.iter().map(distance).collect()
    };
    let samples = x.par_chunks(equilibrium.model.inputs());
    let rows: Vec<Vec<f64>> = samples.map(of_sample).collect();
    let mean = |i: usize| rows.iter().map(|row| row[i]).sum::<f64>() / rows.len() as f64;
    Ok((0..depths.len()).map(mean).collect())
}
