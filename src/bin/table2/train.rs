//! Trains the runs of a cell side by side.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use bregman::checkpoint::Run;
use bregman::cpu::CpuExecutor;
use bregman::device::DeviceKind;
use bregman::error::{Error, Result};
use bregman::executor::{BatchMetrics, Executor, Sgd, Split, Splits};
use bregman::gpu::shader::Storage;
use bregman::gpu::{Gpu, GpuExecutor, PlanOptions, Selection};
use bregman::nn::{Init, Model, Parameters};
use bregman::rng;
use bregman::train::{EpochMetrics, Position, mean};

use crate::recipe::Recipe;
use crate::report::{json, percent, say};

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
            let threads = rayon::current_num_threads();
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

/// Trains a network with each of `seeds` by `recipe`; the accuracies on the test split, by epoch
/// and run. After each epoch the runs are saved in `checkpoint`, from which they go on.
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
    checkpoint: Option<&Path>,
) -> Result<Trained> {
    let init = Init::by_name(&recipe.init)?;
    let mut run = Run {
        model: model.clone(),
        dataset: splits.train.name.clone(),
        data_sha256: splits.sha256(),
        device: device.description().to_owned(),
        options: [
            ("recipe".to_owned(), json(recipe)),
            ("seeds".to_owned(), format!("{seeds:?}")),
        ]
        .into(),
        seed: seeds.start,
        position: Position::default(),
        parameters: Vec::new(),
    };
    let mut parameters = match checkpoint.map_or(Ok(None), |path| earlier(path, &run))? {
        Some(earlier) => {
            run.position = earlier.position;
            let done = run.position.epochs.len();
            say(format_args!("{name}: going on after epoch {done}"));
            earlier.parameters
        }
        None => seeds
            .clone()
            .map(|seed| init.parameters(model, seed))
            .collect(),
    };
    let splits = Arc::new(splits);
    let mut progress = Progress {
        name,
        epochs: recipe.epochs(),
        samples: splits.train.len(),
        seeds,
        accuracies: run
            .position
            .epochs
            .iter()
            .map(|e| e.test_accuracies.clone())
            .collect(),
        keep: checkpoint.map(|path| (path, run)),
    };
    let mut end = 0;
    let steps = splits.train.len().div_ceil(recipe.batch_size) as u32;
    for phase in &recipe.phases {
        end += phase.epochs;
        // What a checkpoint has done of the phases.
        let left = end.saturating_sub(progress.accuracies.len() as u32);
        if left == 0 {
            continue;
        }
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
                progress.epochs(&mut executor, left).await?
            }
            Some(selection) => {
                let gpu = Gpu::request(selection).await?;
                let options = PlanOptions {
                    realizations: parameters.len(),
                    sgd,
                    fused: true,
                    storage: Storage::F32,
                };
                let executor = GpuExecutor::new(gpu, model, &splits, &parameters, options);
                progress.epochs(&mut executor.await?, left).await?
            }
        };
    }
    Ok(Trained {
        accuracies: progress.accuracies,
        parameters,
    })
}

/// The run in `path`, if there is one with the network, data, recipe and seeds of `wanted`.
fn earlier(path: &Path, wanted: &Run) -> Result<Option<Run>> {
    if !path.exists() {
        return Ok(None);
    }
    let found = Run::load(path)?;
    let same = found.options == wanted.options
        && found.data_sha256 == wanted.data_sha256
        && found.model.tensors() == wanted.model.tensors()
        && found.position.steps == 0;
    if !same {
        say(format_args!(
            "note: {} is of other runs; it is replaced",
            path.display()
        ));
    }
    Ok(same.then_some(found))
}

struct Progress<'a> {
    name: &'a str,
    epochs: u32,
    samples: usize,
    seeds: Range<u64>,
    /// By epoch and run.
    accuracies: Vec<Vec<f64>>,
    /// The file of the runs so far, and what is in it.
    keep: Option<(&'a Path, Run)>,
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
            let seconds = started.elapsed().as_secs_f64();
            self.save(executor, &trained, seconds).await?;
        }
        executor.parameters().await
    }

    /// Saves the runs after their last epoch.
    async fn save(
        &mut self,
        executor: &mut impl Executor,
        trained: &[Vec<BatchMetrics>],
        seconds: f64,
    ) -> Result<()> {
        let (Some((path, run)), Some(tested)) = (&mut self.keep, self.accuracies.last()) else {
            return Ok(());
        };
        let losses: Vec<f64> = trained.iter().map(|batches| loss(batches)).collect();
        let accuracies: Vec<f64> = trained.iter().map(|batches| accuracy(batches)).collect();
        run.position.epochs.push(EpochMetrics {
            epoch: self.accuracies.len() as u32,
            train_loss: mean(&losses),
            train_accuracy: mean(&accuracies),
            test_accuracy: mean(tested),
            train_losses: losses,
            train_accuracies: accuracies,
            test_accuracies: tested.clone(),
            val_accuracy: None,
            val_accuracies: None,
            seconds,
            samples_per_second: (self.samples * trained.len()) as f64 / seconds.max(1e-9),
        });
        run.parameters = executor.parameters().await?;
        // Training goes on, and the next one may find room.
        if let Err(error) = run.save(path) {
            say(format_args!("warning: {error}"));
        }
        run.parameters.clear();
        Ok(())
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
