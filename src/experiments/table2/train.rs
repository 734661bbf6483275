//! Trains the runs of a cell side by side.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use super::recipe::Recipe;
use super::{Event, Experiment};
use crate::checkpoint::Run;
use crate::data::Splits;
use crate::error::Result;
use crate::executor::Executor;
use crate::experiments::json;
use crate::gpu::PlanOptions;
use crate::kind::{Init, Storage};
use crate::memory;
use crate::nn::{Model, Parameters};
use crate::train::keeper::{Ended, Keeper};
use crate::train::{Course, EpochMetrics, Observer, Position, Schedule};

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
    /// in `checkpoint` after each epoch and where they stop, and they continue from there.
    ///
    /// # Errors
    /// [`Diverged`](crate::error::Error::Diverged) if a run had a loss that is not finite or far above
    /// the first; [`OutOfMemory`](crate::error::Error::OutOfMemory); those of the device; [`Io`](crate::error::Error::Io) if runs that are stopped cannot be saved.
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
        // Parameters and gradients of all runs.
        let numbers = model.parameter_count() as u128 * u128::from(seeds.end - seeds.start) * 2;
        memory::check(numbers.saturating_mul(4))?;
        let tell = self.watch.tell;
        let splits = Arc::new(splits);
        let schedule = Schedule {
            epochs: recipe.epochs(),
            seed: seeds.start,
            realizations: seeds.clone().count(),
            samples: splits.train.len(),
            batch_size: recipe.batch_size,
            validation: false,
        };
        let run = Run {
            model: model.clone(),
            dataset: splits.train.name.clone(),
            data_sha256: splits.sha256(),
            device: self.device.name(),
            options: [
                ("recipe".to_owned(), json(recipe)),
                ("seeds".to_owned(), format!("{seeds:?}")),
            ]
            .into(),
            seed: seeds.start,
            position: Position::default(),
            parameters: Vec::new(),
            moments: Vec::new(),
        };
        let mut keeper = Keeper {
            path: checkpoint.map(Path::to_owned),
            every: Some(1),
            run,
            saved: None,
            events: None,
        };
        let earlier = checkpoint.map_or(Ok(None), |path| self.earlier(path, &keeper.run))?;
        let (mut position, mut parameters, moments) = match (checkpoint, earlier) {
            (Some(path), Some(earlier)) => {
                let position = keeper.resume(path, &earlier, &schedule)?;
                tell(Event::Resumed {
                    name,
                    epochs: position.epochs.len(),
                    steps: position.steps,
                });
                (position, earlier.parameters, earlier.moments)
            }
            _ => {
                let initial = seeds.map(|seed| init.parameters(model, seed));
                (Position::default(), initial.collect(), Vec::new())
            }
        };
        let mut observer = Epochs {
            name,
            epochs: recipe.epochs(),
            tell,
        };
        let seed = schedule.seed;
        let options = PlanOptions {
            realizations: schedule.realizations,
            recipe: recipe.training(seed, position.number(schedule.steps() as u64)),
            fused: true,
            storage: Storage::F32,
            small: true,
        };
        if position.epochs.len() < schedule.epochs as usize {
            let executor = self
                .device
                .clone()
                .executor(model, splits, options, || parameters);
            let mut executor = executor.await?;
            executor.set_moments(&moments)?;
            let course = Course::from(&schedule);
            let mut warn = |error: &_| tell(Event::NotSaved(error));
            let training = keeper.train(
                &mut executor,
                &course,
                &mut position,
                &mut observer,
                self.watch.stop,
                &mut warn,
            );
            if training.await? == Ended::Stopped {
                return Ok(None);
            }
            parameters = executor.parameters().await?;
        }
        // Each cell is the mean of all its runs.
        if let Some(diverged) = position.divergence(schedule.steps()) {
            return Err(diverged);
        }
        let epochs = || position.epochs.iter();
        Ok(Some(Trained {
            seconds: epochs().map(|epoch| epoch.seconds).sum(),
            accuracies: epochs().map(|epoch| epoch.test_accuracies).collect(),
            parameters,
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

/// Reports each epoch.
struct Epochs<'a> {
    name: &'a str,
    /// Number of epochs of all phases.
    epochs: u32,
    tell: &'a dyn Fn(Event<'_>),
}

impl Observer for Epochs<'_> {
    fn step(&mut self, _epoch: u32, _steps: usize) {}

    fn epoch(&mut self, metrics: &EpochMetrics) {
        (self.tell)(Event::Epoch {
            name: self.name,
            epochs: self.epochs,
            metrics,
        });
    }
}
