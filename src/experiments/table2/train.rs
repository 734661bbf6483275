//! Trains the runs of a cell side by side.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use super::recipe::Recipe;
use super::{Event, Experiment, Watch};
use crate::checkpoint::Run;
use crate::cpu::CpuExecutor;
use crate::data::Splits;
use crate::device::{Device, DeviceKind};
use crate::error::Result;
use crate::executor::{Executor, Sgd};
use crate::experiments::json;
use crate::gpu::{GpuExecutor, PlanOptions};
use crate::kind::{Init, Storage};
use crate::nn::{Model, Parameters};
use crate::train::{EpochMetrics, Observer, Position, Schedule, train_until};

/// The device that trains all cells. It is opened anew for each network.
#[derive(Clone, Debug)]
pub struct Place {
    /// The adapter's name; none on the processor.
    adapter: Option<String>,
}

impl Place {
    /// The device of `kind`, see [`Device::choose`].
    ///
    /// # Errors
    /// Those of [`Device::choose`].
    pub async fn choose(kind: DeviceKind) -> Result<Self> {
        let device = Device::choose(kind, None).await?;
        Ok(Self {
            adapter: device.adapter(),
        })
    }

    /// Its name for reports.
    pub fn description(&self) -> String {
        self.adapter.clone().unwrap_or_else(|| {
            let threads = rayon::current_num_threads();
            format!("cpu, {threads} threads")
        })
    }

    /// Opens it.
    async fn open(&self) -> Result<Device> {
        let kind = match self.adapter {
            Some(_) => DeviceKind::Gpu,
            None => DeviceKind::Cpu,
        };
        Device::choose(kind, self.adapter.clone()).await
    }
}

/// Trained runs.
pub(super) struct Trained {
    /// Accuracies on the test split, by epoch and run.
    pub accuracies: Vec<Vec<f64>>,
    /// The parameters of each run.
    pub parameters: Vec<Parameters>,
    /// Seconds of training without evaluation, summed over all times that the runs were resumed.
    pub seconds: f64,
}

impl Experiment<'_> {
    /// Trains a network with each of `seeds` by `recipe`; none if it was stopped. The runs are saved
    /// in `checkpoint` after each epoch and where they stop, and they go on from there.
    ///
    /// # Errors
    /// [`Diverged`](crate::error::Error::Diverged) for a loss that is not finite or far above the
    /// first; those of the device; [`Io`](crate::error::Error::Io) if runs that are stopped cannot be saved.
    pub(super) async fn train(
        &self,
        name: &str,
        model: &Model,
        recipe: &Recipe,
        splits: Splits,
        seeds: Range<u64>,
        checkpoint: Option<&Path>,
    ) -> Result<Option<Trained>> {
        let init = Init::by_name(&recipe.init)?;
        let mut run = Run {
            model: model.clone(),
            dataset: splits.train.name.clone(),
            data_sha256: splits.sha256(),
            device: self.place.description(),
            options: [
                ("recipe".to_owned(), json(recipe)),
                ("seeds".to_owned(), format!("{seeds:?}")),
            ]
            .into(),
            seed: seeds.start,
            position: Position::default(),
            parameters: Vec::new(),
        };
        match checkpoint.map_or(Ok(None), |path| self.earlier(path, &run))? {
            Some(earlier) => {
                (run.position, run.parameters) = (earlier.position, earlier.parameters);
                (self.watch.tell)(Event::Resumed {
                    name,
                    epochs: run.position.epochs.len(),
                    steps: run.position.steps,
                });
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
            // The masks of dropout continue where the phase before left them.
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
                watch: self.watch,
            };
            let whole = match self.place.open().await?.gpu {
                None => {
                    let splits = Arc::clone(&splits);
                    let parameters = std::mem::take(&mut run.parameters);
                    let mut executor = CpuExecutor::new(&model, splits, parameters, sgd)?;
                    phase.train(&mut executor, &mut run).await?
                }
                Some(gpu) => {
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
    fn earlier(&self, path: &Path, wanted: &Run) -> Result<Option<Run>> {
        if !path.exists() {
            return Ok(None);
        }
        let found = Run::load(path)?;
        let same = found.options == wanted.options
            && found.data_sha256 == wanted.data_sha256
            && found.model.tensors() == wanted.model.tensors();
        if !same {
            (self.watch.tell)(Event::Replaced { checkpoint: path });
        }
        Ok(same.then_some(found))
    }
}

/// The epochs of one learning rate.
struct Phase<'a> {
    name: &'a str,
    schedule: Schedule,
    /// The last of these epochs, from 1.
    end: u32,
    /// The file of the runs so far.
    checkpoint: Option<&'a Path>,
    watch: Watch<'a>,
}

impl Phase<'_> {
    /// Trains `run` to the end of the phase and leaves its parameters there; false if it was
    /// stopped.
    async fn train(mut self, executor: &mut impl Executor, run: &mut Run) -> Result<bool> {
        let (schedule, end) = (self.schedule, self.end);
        loop {
            let done = run.position.epochs.len() as u32;
            let stop = self.watch.stop;
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
                // The next save may find room on the disk.
                Err(error) => (self.watch.tell)(Event::NotSaved(&error)),
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
        (self.watch.tell)(Event::Epoch {
            name: self.name,
            epochs: self.schedule.epochs,
            metrics,
        });
    }
}
