//! Trains the runs of a cell side by side.

use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use bregman::cpu::CpuExecutor;
use bregman::error::{Error, Result};
use bregman::executor::{BatchMetrics, Executor, Sgd, Split, Splits};
use bregman::gpu::{Gpu, GpuExecutor, PlanOptions, Selection};
use bregman::nn::{Init, Model, Parameters};
use bregman::rng;
use bregman::train::mean;

use crate::options::DeviceKind;
use crate::recipe::Recipe;
use crate::report::{percent, say};

/// Where cells are trained.
pub struct Device {
    /// How to find the adapter again; none on the processor.
    adapter: Option<Selection>,
    description: String,
}

impl Device {
    /// The device asked for.
    ///
    /// # Errors
    /// [`Error::NoAdapter`] or [`Error::Gpu`] if an adapter was asked for and there is none.
    pub async fn choose(kind: DeviceKind) -> Result<Self> {
        let cpu = || {
            let threads = std::thread::available_parallelism().map_or(1, usize::from);
            Self {
                adapter: None,
                description: format!("cpu, {threads} threads"),
            }
        };
        if kind == DeviceKind::Cpu {
            return Ok(cpu());
        }
        let name = std::env::var("WGPU_ADAPTER_NAME").ok();
        let selection = Selection {
            name: name.filter(|name| !name.is_empty()),
            allow_software: kind == DeviceKind::Gpu,
        };
        match Gpu::request(&selection).await {
            Ok(gpu) => Ok(Self {
                adapter: Some(selection),
                description: gpu.summary().name.clone(),
            }),
            Err(Error::NoAdapter { .. }) if kind == DeviceKind::Auto => Ok(cpu()),
            Err(error) => Err(error),
        }
    }

    /// Its name for reports.
    pub fn description(&self) -> &str {
        &self.description
    }
}

/// What training leaves.
pub struct Trained {
    /// Accuracies on the test split, by epoch and run.
    pub accuracies: Vec<Vec<f64>>,
    /// By run.
    pub parameters: Vec<Parameters>,
}

/// Trains a network with each of `seeds` by `recipe`.
///
/// # Errors
/// [`Error::Diverged`] for a loss that is not finite; whatever the device meets.
pub async fn train(
    name: &str,
    model: &Model,
    recipe: &Recipe,
    splits: Splits,
    seeds: Range<u64>,
    device: &Device,
) -> Result<Trained> {
    let init = Init::by_name(&recipe.init)?;
    let mut parameters: Vec<Parameters> = seeds
        .clone()
        .map(|seed| init.parameters(model, seed))
        .collect();
    let splits = Arc::new(splits);
    let mut progress = Progress {
        name,
        epochs: recipe.epochs(),
        samples: splits.train.len(),
        seeds,
        accuracies: Vec::new(),
    };
    let steps = splits.train.len().div_ceil(recipe.batch_size) as u32;
    for phase in &recipe.phases {
        // The masks of dropout go on where the phase before left them.
        let done = progress.accuracies.len() as u32 * steps;
        let mut model = model.clone();
        let cnn = model.cnn.take();
        model.cnn = cnn.map(|cnn| cnn.with_seed(progress.seeds.start, done));
        let model = &model;
        let sgd = Sgd {
            batch_size: recipe.batch_size,
            learning_rate: phase.learning_rate,
        };
        parameters = match &device.adapter {
            None => {
                let splits = Arc::clone(&splits);
                let mut executor = CpuExecutor::new(model, splits, parameters, sgd)?;
                progress.epochs(&mut executor, phase.epochs).await?
            }
            Some(selection) => {
                let gpu = Gpu::request(selection).await?;
                let options = PlanOptions {
                    realizations: parameters.len(),
                    sgd,
                    fused: true,
                };
                let executor = GpuExecutor::new(gpu, model, &splits, &parameters, options);
                progress.epochs(&mut executor.await?, phase.epochs).await?
            }
        };
    }
    Ok(Trained {
        accuracies: progress.accuracies,
        parameters,
    })
}

struct Progress<'a> {
    name: &'a str,
    epochs: u32,
    samples: usize,
    seeds: Range<u64>,
    /// By epoch and run.
    accuracies: Vec<Vec<f64>>,
}

impl Progress<'_> {
    /// Some more epochs; the parameters after them.
    async fn epochs(
        &mut self,
        executor: &mut impl Executor,
        epochs: u32,
    ) -> Result<Vec<Parameters>> {
        for _ in 0..epochs {
            let epoch = self.accuracies.len() as u32;
            let started = Instant::now();
            let orders: Vec<Vec<u32>> = self
                .seeds
                .clone()
                .map(|seed| rng::sample_order(seed, epoch, self.samples))
                .collect();
            let trained = executor.train_epoch(&orders, &mut |_| {}).await?;
            check(epoch, &trained)?;
            let tested = executor.evaluate(Split::Test).await?;
            check(epoch, &tested)?;
            let accuracies: Vec<f64> = tested.iter().map(|batches| accuracy(batches)).collect();
            let losses: Vec<f64> = trained.iter().map(|batches| loss(batches)).collect();
            say(format_args!(
                "{}: epoch {}/{}: train loss {:.4}, accuracy {}, {:.1} s",
                self.name,
                epoch + 1,
                self.epochs,
                mean(&losses),
                percent(&accuracies),
                started.elapsed().as_secs_f64(),
            ));
            self.accuracies.push(accuracies);
        }
        executor.parameters().await
    }
}

fn check(epoch: u32, batches: &[Vec<BatchMetrics>]) -> Result<()> {
    for (realization, batches) in batches.iter().enumerate() {
        if let Some(step) = batches.iter().position(|batch| !batch.loss.is_finite()) {
            return Err(Error::Diverged {
                epoch: epoch + 1,
                step: step + 1,
                realization,
                loss: batches[step].loss,
                limit: f64::MAX,
            });
        }
    }
    Ok(())
}

fn samples(batches: &[BatchMetrics]) -> f64 {
    batches.iter().map(|b| f64::from(b.samples)).sum()
}

fn accuracy(batches: &[BatchMetrics]) -> f64 {
    batches.iter().map(|b| f64::from(b.correct)).sum::<f64>() / samples(batches)
}

fn loss(batches: &[BatchMetrics]) -> f64 {
    let sum: f64 = batches.iter().map(|b| b.loss * f64::from(b.samples)).sum();
    sum / samples(batches)
}
