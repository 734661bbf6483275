//! Trains the runs of a cell side by side.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use bregman::checkpoint::Run;
use bregman::cpu::CpuExecutor;
use bregman::device::DeviceKind;
use bregman::error::{Error, Result};
use bregman::executor::{Executor, Sgd, Splits};
use bregman::gpu::shader::Storage;
use bregman::gpu::{Gpu, GpuExecutor, PlanOptions, Selection};
use bregman::nn::{Init, Model, Parameters};
use bregman::train::{EpochMetrics, Observer, Position, Schedule, train_until};

use crate::recipe::Recipe;
use crate::report::{json, percent, say};
use bregman::cli::stop;

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
    /// Seconds of training without evaluation, before the runs were stopped and after.
    pub seconds: f64,
}

/// Trains a network with each of `seeds` by `recipe`; none if the program was asked to stop. After
/// each epoch, and where it stops, the runs are saved in `checkpoint`, from which they go on.
///
/// # Errors
/// [`Error::Diverged`] for a loss that is not finite or far above the first; whatever the device
/// meets; [`Error::Io`] if runs that are stopped cannot be saved.
pub async fn train(
    name: &str,
    model: &Model,
    recipe: &Recipe,
    splits: Splits,
    seeds: Range<u64>,
    device: &Device,
    checkpoint: Option<&Path>,
) -> Result<Option<Trained>> {
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
    match checkpoint.map_or(Ok(None), |path| earlier(path, &run))? {
        Some(earlier) => {
            (run.position, run.parameters) = (earlier.position, earlier.parameters);
            let (done, steps) = (run.position.epochs.len(), run.position.steps);
            say(format_args!(
                "{name}: going on after epoch {done} and {steps} steps"
            ));
        }
        None => run
            .parameters
            .extend(seeds.map(|seed| init.parameters(model, seed))),
    }
    let splits = Arc::new(splits);
    let schedule = Schedule {
        epochs: recipe.epochs(),
        seed: run.seed,
        realizations: run.parameters.len(),
        samples: splits.train.len(),
        batch_size: recipe.batch_size,
        validation: false,
    };
    let mut end = 0;
    for phase in &recipe.phases {
        end += phase.epochs;
        let done = run.position.epochs.len();
        if done >= end as usize {
            continue;
        }
        // The masks of dropout go on where the phase before left them.
        let steps = done * schedule.steps() + run.position.steps;
        let mut model = model.clone();
        model.cnn = model.cnn.map(|cnn| cnn.with_seed(run.seed, steps as u32));
        let sgd = Sgd {
            batch_size: recipe.batch_size,
            learning_rate: phase.learning_rate,
        };
        let phase = Phase {
            name,
            schedule,
            end,
            checkpoint,
        };
        let whole = match &device.adapter {
            None => {
                let splits = Arc::clone(&splits);
                let parameters = std::mem::take(&mut run.parameters);
                let mut executor = CpuExecutor::new(&model, splits, parameters, sgd)?;
                phase.train(&mut executor, &mut run).await?
            }
            Some(selection) => {
                let gpu = Gpu::request(selection).await?;
                let options = PlanOptions {
                    realizations: run.parameters.len(),
                    sgd,
                    fused: true,
                    storage: Storage::F32,
                };
                let executor = GpuExecutor::new(gpu, &model, &splits, &run.parameters, options);
                phase.train(&mut executor.await?, &mut run).await?
            }
        };
        if !whole {
            return Ok(None);
        }
    }
    let epochs = || run.position.epochs.iter();
    Ok(Some(Trained {
        seconds: epochs().map(|epoch| epoch.seconds).sum(),
        accuracies: epochs().map(|epoch| epoch.test_accuracies).collect(),
        parameters: run.parameters,
    }))
}

/// The run in `path`, if there is one with the network, data, recipe and seeds of `wanted`.
fn earlier(path: &Path, wanted: &Run) -> Result<Option<Run>> {
    if !path.exists() {
        return Ok(None);
    }
    let found = Run::load(path)?;
    let same = found.options == wanted.options
        && found.data_sha256 == wanted.data_sha256
        && found.model.tensors() == wanted.model.tensors();
    if !same {
        say(format_args!(
            "note: {} is of other runs; it is replaced",
            path.display()
        ));
    }
    Ok(same.then_some(found))
}

/// The epochs of one learning rate.
struct Phase<'a> {
    name: &'a str,
    schedule: Schedule,
    /// The epoch that it ends with.
    end: u32,
    /// The file of the runs so far.
    checkpoint: Option<&'a Path>,
}

impl Phase<'_> {
    /// Goes on with `run` to the end, whose parameters it leaves there; false if the program was
    /// asked to stop before.
    async fn train(mut self, executor: &mut impl Executor, run: &mut Run) -> Result<bool> {
        let (schedule, end) = (self.schedule, self.end);
        loop {
            let done = run.position.epochs.len() as u32;
            let stop = &stop::requested;
            train_until(
                executor,
                &schedule,
                &mut run.position,
                &mut self,
                done + 1,
                stop,
            )
            .await?;
            let stopped = run.position.epochs.len() as u32 == done;
            run.parameters = executor.parameters().await?;
            let saved = self
                .checkpoint
                .map_or(Ok(()), |path| run.save(path).map(drop));
            match saved {
                Err(error) if stopped => return Err(error),
                // Training goes on, and the next one may find room.
                Err(error) => say(format_args!("warning: {error}")),
                Ok(()) => {}
            }
            if stopped || done + 1 == end {
                return Ok(!stopped);
            }
        }
    }
}

impl Observer for Phase<'_> {
    fn step(&mut self, _epoch: u32, _steps: usize) {}

    fn epoch(&mut self, metrics: &EpochMetrics) {
        say(format_args!(
            "{}: epoch {}/{}: train loss {:.4}, accuracy {}, {:.1} s",
            self.name,
            metrics.epoch,
            self.schedule.epochs,
            metrics.train_loss,
            percent(&metrics.test_accuracies),
            metrics.seconds,
        ));
    }
}
