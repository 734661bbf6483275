//! The textbook: f64 loops against which the other executors are checked.
//!
//! It is not meant to be fast: it has no blocking, no threads, no fused operations, and it shares no
//! function with the other executors. It is written like the paper, with corrections of its errors.

mod augment;
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
pub use augment::augment;
#[doc(hidden)]
pub use loss::{LossGradient, loss_and_gradient};
#[doc(hidden)]
pub use network::{Trace, backward, forward, forward_with, gradients, gradients_with};
#[doc(hidden)]
pub use simplex::project_simplex;

use std::ops::Range;

use crate::data::{Augmentation, Dataset, Inputs, Split, Splits, Targets};
use crate::error::Result;
use crate::executor::{BatchMetrics, Executor, check_moments, check_orders};
use crate::nn::{Model, Parameters};
use crate::optim::{Recipe, Rule, StepRates};

/// R realizations of a network in f64.
pub struct Reference {
    model: Model,
    splits: Splits,
    recipe: Recipe,
    parameters: Vec<Parameters<f64>>,
    /// The moments of each realization.
    moments: Vec<Vec<Parameters<f64>>>,
    /// Number of training steps done.
    steps: u64,
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
        recipe: impl Into<Recipe>,
    ) -> Result<Self> {
        let recipe = recipe.into();
        model.check_splits(splits)?;
        recipe.check_run(parameters.len(), &splits.train)?;
        for p in parameters {
            model.check_parameters(p)?;
        }
        Ok(Self {
            model: model.clone(),
            splits: splits.clone(),
            moments: vec![vec![Parameters::zeros(model); recipe.moments()]; parameters.len()],
            parameters: parameters.iter().map(|p| p.map(f64::from)).collect(),
            steps: recipe.first_step,
            recipe,
        })
    }

    /// The training samples as they are in `epoch` of realization r.
    fn augmented(&self, augmentation: Augmentation, r: usize, epoch: u32) -> Dataset {
        let mut data = self.splits.train.clone();
        let shape = [data.channels, data.image[0], data.image[1]];
        let seed = self.recipe.run(r).seed;
        let images = data.pixels().chunks(data.features());
        let images = (0..).zip(images).flat_map(|(sample, image)| {
            augment(augmentation, [seed, epoch.into(), sample], shape, image)
        });
        data.inputs = Inputs::Bytes(images.collect());
        data
    }

    /// Inputs (batch, in) and targets of samples `indices` of `data`.
    fn batch(&self, data: &Dataset, indices: &[u32]) -> (Vec<f64>, Targets) {
        let x = data.values_of(indices, &self.model.pixel_values());
        (
            x.into_iter().map(f64::from).collect(),
            data.targets_of(indices),
        )
    }
}

fn metrics(loss: &LossGradient, samples: usize) -> BatchMetrics {
    BatchMetrics {
        loss: loss.loss,
        correct: loss.correct,
        samples: samples as u32,
    }
}

/// The step of the optimizer, and M back onto the simplex.
fn step(
    model: &Model,
    recipe: &Recipe,
    parameters: &mut Parameters<f64>,
    moments: &mut [Parameters<f64>],
    gradient: &mut Parameters<f64>,
    rates: StepRates,
) {
    if let Some(norm) = recipe.clip_norm {
        let squares = gradient.tensors().flatten().map(|g| g * g);
        let found = squares.sum::<f64>().sqrt() + 1e-6;
        let factor = match found <= f64::from(norm) {
            true => 1.0,
            false => f64::from(norm) / found,
        };
        let all = gradient.tensors_mut().flatten();
        all.for_each(|g| *g *= factor);
    }
    let rate = f64::from(rates.learning_rate);
    let decay = f64::from(rates.weight_decay);
    let mut states: Vec<_> = moments.iter_mut().map(Parameters::tensors_mut).collect();
    for (tensor, gradient) in parameters.tensors_mut().zip(gradient.tensors()) {
        let mut states: Vec<_> = states.iter_mut().filter_map(Iterator::next).collect();
        for (i, (p, &g)) in tensor.iter_mut().zip(gradient).enumerate() {
            match (recipe.rule, &mut states[..]) {
                (Rule::Sgd { nesterov }, [v]) => {
                    let momentum = f64::from(rates.momentum);
                    let g = g + decay * *p;
                    v[i] = momentum * v[i] + g;
                    *p -= rate * if nesterov { g + momentum * v[i] } else { v[i] };
                }
                (
                    Rule::Adam {
                        betas: [first, second],
                        epsilon,
                        decoupled,
                    },
                    [m, s],
                ) => {
                    let g = if decoupled { g } else { g + decay * *p };
                    if decoupled {
                        *p -= rate * decay * *p;
                    }
                    m[i] = first * m[i] + (1.0 - first) * g;
                    s[i] = second * s[i] + (1.0 - second) * g * g;
                    let [m, s] = [(m[i], 0), (s[i], 1)]
                        .map(|(moment, which)| moment / f64::from(rates.corrections[which]));
                    *p -= rate * m / (s.sqrt() + f64::from(epsilon));
                }
                _ => *p -= rate * (g + decay * *p),
            }
        }
    }
    for (layer, p) in model.layers.iter().zip(&mut parameters.layers) {
        if let Some(mix) = &mut p.mix {
            mix.chunks_exact_mut(layer.shape.inputs)
                .for_each(project_simplex);
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
            let epoch = order.chunks(self.recipe.batch_size);
            let all_steps = epoch.len() as u64;
            let augmented = self.recipe.augmentation.map(|augmentation| {
                self.augmented(augmentation, r, self.recipe.epoch(self.steps, all_steps))
            });
            let train = augmented.as_ref().unwrap_or(&self.splits.train);
            for (done, indices) in epoch.take(steps.end).skip(steps.start).enumerate() {
                let (x, targets) = self.batch(train, indices);
                let number = self.steps + done as u64;
                let seed = self.recipe.run(r).seed;
                let factors = cnn::training_factors(&self.model, seed, number, indices.len());
                let (loss, mut gradient) = gradients_with(
                    &self.model,
                    &self.parameters[r],
                    &x,
                    &targets,
                    factors.as_deref(),
                );
                step(
                    &self.model,
                    &self.recipe,
                    &mut self.parameters[r],
                    &mut self.moments[r],
                    &mut gradient,
                    self.recipe.rates(r, number, all_steps),
                );
                batches.push(metrics(&loss, indices.len()));
                progress(done + 1);
            }
            all.push(batches);
        }
        self.steps += all[0].len() as u64;
        Ok(all)
    }

    async fn evaluate(&mut self, split: Split) -> Result<Vec<Vec<BatchMetrics>>> {
        let data = self.splits.get(split);
        let order: Vec<u32> = (0..data.len() as u32).collect();
        let mut all = Vec::new();
        for parameters in &self.parameters {
            let mut batches = Vec::new();
            for indices in order.chunks(self.recipe.batch_size) {
                let (x, targets) = self.batch(data, indices);
                let logits = forward(&self.model, parameters, &x).logits;
                let outputs = self.model.head.outputs;
                let loss = loss_and_gradient(self.model.loss, &logits, outputs, &targets);
                batches.push(metrics(&loss, indices.len()));
            }
            all.push(batches);
        }
        Ok(all)
    }

    async fn logits(&mut self, split: Split) -> Result<Vec<Vec<f32>>> {
        let data = self.splits.get(split);
        let order: Vec<u32> = (0..data.len() as u32).collect();
        let (x, _) = self.batch(data, &order);
        let logits = |p| forward(&self.model, p, &x).logits;
        let single = |logits: Vec<f64>| logits.into_iter().map(|y| y as f32).collect();
        Ok(self.parameters.iter().map(logits).map(single).collect())
    }

    async fn parameters(&mut self) -> Result<Vec<Parameters>> {
        Ok(self
            .parameters
            .iter()
            .map(|p| p.map(|x| x as f32))
            .collect())
    }

    async fn moments(&mut self) -> Result<Vec<Vec<Parameters>>> {
        let single = |p: &Parameters<f64>| p.map(|x| x as f32);
        let sets = self.moments.iter();
        Ok(sets.map(|set| set.iter().map(single).collect()).collect())
    }

    fn set_moments(&mut self, moments: &[Vec<Parameters>]) -> Result<()> {
        check_moments(moments, self.parameters.len(), self.recipe.moments())?;
        for (own, given) in self.moments.iter_mut().zip(moments) {
            *own = given.iter().map(|p| p.map(f64::from)).collect();
        }
        Ok(())
    }
}
