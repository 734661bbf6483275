//! The textbook: f64 loops that the other executors are checked against.
//!
//! It is not meant to be fast: it has no blocking, no threads, no fused operations, and it shares no
//! function with the other executors. It is written like the paper, with corrections where the print
//! is wrong.

#[doc(hidden)]
pub mod cnn;
#[doc(hidden)]
pub mod conv2d;
mod loss;
#[doc(hidden)]
pub mod max_pool2d;
mod network;
mod simplex;

#[doc(hidden)]
pub use loss::{LossGradient, loss_and_gradient};
#[doc(hidden)]
pub use network::{Trace, backward, forward, forward_with, gradients, gradients_with};
#[doc(hidden)]
pub use simplex::project_simplex;

use std::ops::Range;

use crate::data::Dataset;
use crate::data::{Split, Splits};
use crate::error::Result;
use crate::executor::{BatchMetrics, Executor, Sgd, check_orders};
use crate::nn::{Model, Parameters};

/// R realizations of a network in f64.
pub struct Reference {
    model: Model,
    splits: Splits,
    sgd: Sgd,
    parameters: Vec<Parameters<f64>>,
    /// Number of training steps done.
    steps: u32,
}

impl Reference {
    /// The network with one set of parameters for each realization.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::error::Error::Shape) or
    /// [`Error::Label`](crate::error::Error::Label) for data or parameters that do not fit.
    pub fn new(
        model: &Model,
        splits: &Splits,
        parameters: &[Parameters],
        sgd: Sgd,
    ) -> Result<Self> {
        model.check_splits(splits)?;
        sgd.check(parameters.len())?;
        for p in parameters {
            model.check_parameters(p)?;
        }
        Ok(Self {
            model: model.clone(),
            splits: splits.clone(),
            sgd,
            parameters: parameters.iter().map(|p| p.map(f64::from)).collect(),
            steps: 0,
        })
    }

    /// Inputs (batch, in) and labels (batch) of samples `indices` of `data`.
    fn batch(&self, data: &Dataset, indices: &[u32]) -> (Vec<f64>, Vec<u8>) {
        let values = self.model.pixel_values();
        let width = data.features();
        let mut x = Vec::new();
        let mut labels = Vec::new();
        for &sample in indices {
            let sample = sample as usize;
            for &pixel in &data.pixels[sample * width..(sample + 1) * width] {
                x.push(f64::from(values[usize::from(pixel)]));
            }
            labels.push(data.labels[sample]);
        }
        (x, labels)
    }
}

fn metrics(loss: &LossGradient, samples: usize) -> BatchMetrics {
    BatchMetrics {
        loss: loss.loss,
        correct: loss.correct,
        samples: samples as u32,
    }
}

/// parameters −= learning_rate · gradient, then M back onto the simplex.
fn sgd_step(
    model: &Model,
    parameters: &mut Parameters<f64>,
    gradient: &Parameters<f64>,
    rate: f64,
) {
    for (tensor, gradient) in parameters.tensors_mut().zip(gradient.tensors()) {
        for (p, g) in tensor.iter_mut().zip(gradient) {
            *p -= rate * g;
        }
    }
    for (layer, p) in model.layers.iter().zip(&mut parameters.layers) {
        if let Some(mix) = &mut p.mix {
            mix.chunks_exact_mut(layer.inputs).for_each(project_simplex);
        }
    }
}

impl Executor for Reference {
    async fn train_steps(
        &mut self,
        orders: &[Vec<u32>],
        steps: Range<usize>,
        progress: &mut dyn FnMut(usize),
    ) -> Result<Vec<Vec<BatchMetrics>>> {
        check_orders(orders, self.parameters.len(), self.splits.train.len())?;
        let mut all = Vec::new();
        for (r, order) in orders.iter().enumerate() {
            let mut batches = Vec::new();
            let epoch = order.chunks(self.sgd.batch_size);
            for (step, indices) in epoch.take(steps.end).skip(steps.start).enumerate() {
                let (x, labels) = self.batch(&self.splits.train, indices);
                let number = self.steps + step as u32;
                let factors = cnn::training_factors(&self.model, r, number, labels.len());
                let (loss, gradient) = gradients_with(
                    &self.model,
                    &self.parameters[r],
                    &x,
                    &labels,
                    factors.as_deref(),
                );
                let rate = f64::from(self.sgd.learning_rate);
                sgd_step(&self.model, &mut self.parameters[r], &gradient, rate);
                batches.push(metrics(&loss, indices.len()));
                progress(step + 1);
            }
            all.push(batches);
        }
        self.steps += all[0].len() as u32;
        Ok(all)
    }

    async fn evaluate(&mut self, split: Split) -> Result<Vec<Vec<BatchMetrics>>> {
        let data = self.splits.get(split);
        let order: Vec<u32> = (0..data.len() as u32).collect();
        let mut all = Vec::new();
        for parameters in &self.parameters {
            let mut batches = Vec::new();
            for indices in order.chunks(self.sgd.batch_size) {
                let (x, labels) = self.batch(data, indices);
                let logits = forward(&self.model, parameters, &x).logits;
                let loss = loss_and_gradient(self.model.loss, &logits, &labels);
                batches.push(metrics(&loss, indices.len()));
            }
            all.push(batches);
        }
        Ok(all)
    }

    async fn parameters(&mut self) -> Result<Vec<Parameters>> {
        Ok(self
            .parameters
            .iter()
            .map(|p| p.map(|x| x as f32))
            .collect())
    }
}
