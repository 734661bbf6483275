//! Training in one call: from a network and data to a trained network.
//!
//! ```
//! use bregman::prelude::*;
//!
//! let points = [[-0.5, 0.1], [0.4, 0.6], [0.7, -0.2], [-0.3, -0.8]];
//! let data = Dataset::classification(&points, &[0u8, 1, 1, 0])?;
//! let model = Model::input(2).bregman(8).bregman(8).classes(2).build()?;
//! let trained = Trainer::new(&model)
//!     .optimizer(Optimizer::adam(0.02))
//!     .epochs(50)
//!     .device(Device::cpu())
//!     .fit(&data, &data)?;
//! assert_eq!(trained.predict(&points)?, [0, 1, 1, 0]);
//! # Ok::<(), bregman::error::Error>(())
//! ```

mod trained;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

#[doc(hidden)]
pub use trained::Moments;
#[cfg(feature = "python")]
pub(crate) use trained::classes;
pub use trained::{Score, Trained};

use crate::checkpoint::{self, Run};
use crate::data::{Augmentation, Dataset, Splits};
use crate::device::{Device, DeviceKind};
use crate::error::{CheckpointFault, Error, Result, at_least_one};
use crate::executor::Executor;
use crate::files::atomic;
use crate::gpu::PlanOptions;
use crate::kind::{Init, Storage};
use crate::memory;
use crate::nn::{Model, Parameters};
use crate::optim::{Optimizer, RateSchedule, Recipe, RunSettings};
use crate::predict;
use crate::train::keeper::{Ended, Keeper};
use crate::train::{Course, EpochMetrics, Keep, Observer, Position, Schedule};

/// Receives the metrics of each epoch, and returns whether to continue.
type OnEpoch<'a> = Box<dyn FnMut(&EpochMetrics) -> ControlFlow<()> + 'a>;

/// How a network is trained. The defaults are those of `bregman train`: plain SGD at 0.2, batches of 32,
/// 20 epochs, seed 0, one realization, on a hardware adapter if there is one.
#[must_use = "`fit` trains"]
pub struct Trainer<'a> {
    model: &'a Model,
    optimizer: Optimizer,
    schedule: RateSchedule,
    clip_norm: Option<f32>,
    augmentation: Option<Augmentation>,
    batch_size: usize,
    epochs: u32,
    seed: u64,
    realizations: Option<usize>,
    runs: Option<Vec<RunSettings>>,
    init: Init,
    initial: Option<Vec<Parameters>>,
    validation: Option<&'a Dataset>,
    patience: Option<u32>,
    keep: Option<Keep>,
    storage: Storage,
    device: Option<Device>,
    checkpoint: Option<(PathBuf, u32)>,
    resume: Option<PathBuf>,
    on_epoch: Option<OnEpoch<'a>>,
    stop: Option<Box<dyn Fn() -> bool + 'a>>,
    keeps_moments: bool,
    moments: Option<Moments>,
}

impl fmt::Debug for Trainer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trainer")
            .field("optimizer", &self.optimizer)
            .field("schedule", &self.schedule)
            .field("batch_size", &self.batch_size)
            .field("epochs", &self.epochs)
            .field("seed", &self.seed)
            .field("realizations", &self.realizations)
            .finish_non_exhaustive()
    }
}

impl<'a> Trainer<'a> {
    /// Training of `model` with the defaults.
    pub fn new(model: &'a Model) -> Self {
        Self {
            model,
            optimizer: Optimizer::sgd(0.2),
            schedule: RateSchedule::CONSTANT,
            clip_norm: None,
            augmentation: None,
            batch_size: 32,
            epochs: 20,
            seed: 0,
            realizations: None,
            runs: None,
            init: Init::Random,
            initial: None,
            validation: None,
            patience: None,
            keep: None,
            storage: Storage::F32,
            device: None,
            checkpoint: None,
            resume: None,
            on_epoch: None,
            stop: None,
            keeps_moments: false,
            moments: None,
        }
    }

    /// The optimizer and its settings.
    pub fn optimizer(mut self, optimizer: Optimizer) -> Self {
        self.optimizer = optimizer;
        self
    }

    /// The schedule of the learning rate.
    pub fn schedule(mut self, schedule: RateSchedule) -> Self {
        self.schedule = schedule;
        self
    }

    /// The largest norm of the gradient; longer ones are shortened to it.
    pub fn clip_norm(mut self, norm: f32) -> Self {
        self.clip_norm = Some(norm);
        self
    }

    /// Random changes of the training images, different in each epoch; [`Self::fit`] refuses rows of numbers.
    pub fn augment(mut self, augmentation: Augmentation) -> Self {
        self.augmentation = Some(augmentation);
        self
    }

    /// Samples of a mini-batch; the last one of an epoch may be smaller.
    pub fn batch_size(mut self, samples: usize) -> Self {
        self.batch_size = samples;
        self
    }

    /// Passes over the training set.
    pub fn epochs(mut self, epochs: u32) -> Self {
        self.epochs = epochs;
        self
    }

    /// The seed of the initial parameters, of the order of the samples and of dropout. Realization r has
    /// `seed` + r.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// The number of networks that are trained side by side, which differ in their seeds.
    pub fn realizations(mut self, realizations: usize) -> Self {
        self.realizations = Some(realizations);
        self
    }

    /// Trains one network for each of `runs`, side by side, with these settings in place of the seed and of
    /// the optimizer's; the rule remains the optimizer's. A network has the same bits alone and beside
    /// others. It excludes [`Self::realizations`].
    pub fn runs(mut self, runs: impl Into<Vec<RunSettings>>) -> Self {
        self.runs = Some(runs.into());
        self
    }

    /// The method that gives parameters their initial values.
    pub fn init(mut self, init: Init) -> Self {
        self.init = init;
        self
    }

    /// Initial parameters in place of drawn ones, one set for each realization.
    pub fn initial(mut self, parameters: impl Into<Vec<Parameters>>) -> Self {
        self.initial = Some(parameters.into());
        self
    }

    /// Samples that are neither trained nor tested on, for [`Self::patience`] and [`Self::keep`].
    pub fn validation(mut self, data: &'a Dataset) -> Self {
        self.validation = Some(data);
        self
    }

    /// Ends training once the loss on the validation set has had no new minimum for this number of epochs,
    /// and keeps the network of the best epoch unless [`Self::keep`] says otherwise.
    pub fn patience(mut self, epochs: u32) -> Self {
        self.patience = Some(epochs);
        self
    }

    /// Which epoch's network is the result.
    pub fn keep(mut self, keep: Keep) -> Self {
        self.keep = Some(keep);
        self
    }

    /// The precision in which an adapter stores weights and activations.
    pub fn storage(mut self, storage: Storage) -> Self {
        self.storage = storage;
        self
    }

    /// Where to train.
    pub fn device(mut self, device: Device) -> Self {
        self.device = Some(device);
        self
    }

    /// Saves the run to `path` after every `epochs` epochs, after the last one, and when it is stopped, so
    /// that [`Self::resume`] continues it.
    pub fn checkpoint(mut self, path: impl Into<PathBuf>, epochs: u32) -> Self {
        self.checkpoint = Some((path.into(), epochs));
        self
    }

    /// Continues the run that [`Self::checkpoint`] saved to `path`, so that the result has the same bits as an
    /// uninterrupted run. The other settings must be those with which it was begun, except for a larger number of
    /// epochs, unless the schedule depends on it. On a different device the result is equally valid, but not
    /// bit-identical; [`Trained::warnings`] then has a note.
    pub fn resume(mut self, path: impl Into<PathBuf>) -> Self {
        self.resume = Some(path.into());
        self
    }

    /// Calls `observe` after each epoch. `Break(())` stops training; the network trained until then is the
    /// result.
    pub fn on_epoch(mut self, observe: impl FnMut(&EpochMetrics) -> ControlFlow<()> + 'a) -> Self {
        self.on_epoch = Some(Box::new(observe));
        self
    }

    /// Stops training once `stop` returns true; it is called about every tenth of a second and after each epoch.
    /// The network trained until then is the result.
    #[doc(hidden)]
    pub fn stop_when(mut self, stop: impl Fn() -> bool + 'a) -> Self {
        self.stop = Some(Box::new(stop));
        self
    }

    /// Keeps the moments of the optimizer in the result, and starts from those of `moments`, if they are of
    /// an optimizer of the same kind.
    #[doc(hidden)]
    pub fn keep_moments(mut self, moments: Option<Moments>) -> Self {
        self.keeps_moments = true;
        self.moments = moments;
        self
    }

    /// Trains on `train`, and evaluates on `test` after each epoch. Blocks until training ends.
    ///
    /// # Errors
    /// Those of [`Self::fit_async`].
    #[cfg(not(target_arch = "wasm32"))]
    pub fn fit(self, train: &Dataset, test: &Dataset) -> Result<Trained> {
        pollster::block_on(self.fit_async(train, test))
    }

    /// Trains on `train`, and evaluates on `test` after each epoch. The future is not `Send`.
    ///
    /// # Errors
    /// [`Error::Shape`], [`Error::Label`] and [`Error::InvalidValue`] for data that do not fit the network
    /// and for settings that cannot work; [`Error::OutOfMemory`] for more networks than fit; [`Error::Diverged`] if every realization diverged; those of
    /// [`Device::choose`] and [`Device::executor`]; of [`Run::load`] and [`Error::OtherData`] for a run
    /// that cannot be resumed; and [`Error::Io`] for a checkpoint that cannot be written, before anything is
    /// trained. A checkpoint that fails later is a warning.
    pub async fn fit_async(mut self, train: &Dataset, test: &Dataset) -> Result<Trained> {
        let splits = Splits {
            train: train.clone(),
            validation: self.validation.cloned(),
            test: test.clone(),
        };
        self.model.check_splits(&splits)?;
        self.check()?;
        let mut recipe = self.recipe(train.len().max(test.len()));
        let course = self.course(train, &recipe);
        recipe.check_run(course.seeds.len(), train)?;
        course.check()?;
        let device = match self.device.take() {
            Some(device) => device,
            None => Device::choose(DeviceKind::Auto, None).await?,
        };
        let (path, every) = self.checkpoint.take().unzip();
        let resumable = path.is_some() || self.resume.is_some();
        let mut keeper = Keeper {
            path,
            every,
            run: Run {
                model: self.model.clone(),
                dataset: train.name.clone(),
                // The hash of large data takes a while.
                data_sha256: match resumable {
                    true => splits.sha256(),
                    false => String::new(),
                },
                device: device.adapter().unwrap_or_else(|| "cpu".to_owned()),
                options: self.settings(&recipe, &course),
                seed: course.seeds[0],
                position: Position::default(),
                parameters: Vec::new(),
                moments: Vec::new(),
            },
            saved: None,
            events: None,
        };
        let mut position = Position::default();
        let mut initial = self.initial.take();
        let mut moments = Vec::new();
        let mut warnings: Vec<String> = device.warning.iter().cloned().collect();
        if let Some(path) = &self.resume {
            let run = Run::load(path)?;
            check_settings(path, &run, &keeper.run)?;
            position = keeper.resume(path, &run, &course.schedule)?;
            let done = position.epochs.len();
            if done > self.epochs as usize {
                return Err(Error::OtherRun {
                    path: path.clone(),
                    field: "epochs".to_owned(),
                    found: done.to_string(),
                    given: self.epochs.to_string(),
                });
            }
            if run.device != keeper.run.device {
                warnings.push(format!(
                    "the run was begun on {} and continues on {}: the result is equally valid, but \
                     not bit-identical",
                    run.device, keeper.run.device
                ));
            }
            initial = Some(run.parameters);
            moments = run.moments;
            recipe.first_step = position.number(course.schedule.steps() as u64);
        }
        // The steps that were made before this training and the run that it resumes.
        let mut steps_before = 0;
        if let Some(given) = self.moments.take()
            && given.of_realizations.len() == course.seeds.len()
            && given
                .of_realizations
                .iter()
                .all(|all| all.len() == recipe.moments())
        {
            if resumable {
                return Err(Error::InvalidValue {
                    field: "resume",
                    value: "beside moments".to_owned(),
                    reason: "a run that is saved or resumed has moments of its own".to_owned(),
                });
            }
            steps_before = given.steps;
            recipe.first_step = given.steps;
            moments = given.of_realizations;
        }
        if let Some(initial) = &initial
            && initial.len() != course.seeds.len()
        {
            return Err(Error::Shape {
                operation: "sets of initial parameters".to_owned(),
                expected: vec![course.seeds.len()],
                found: vec![initial.len()],
            });
        }
        let options = PlanOptions {
            realizations: course.seeds.len(),
            recipe,
            fused: true,
            storage: self.storage,
            small: true,
        };
        let drawn = || {
            let draw = |&seed: &u64| self.init.parameters(self.model, seed);
            initial.unwrap_or_else(|| course.seeds.iter().map(draw).collect())
        };
        let description = device.description.clone();
        let mut executor = device.executor(self.model, splits, options, drawn).await?;
        if !moments.is_empty() {
            executor.set_moments(&moments)?;
        }
        let stopped = Cell::new(false);
        let mut observer = EachEpoch {
            on_epoch: self.on_epoch.take(),
            stopped: &stopped,
        };
        let stop = self.stop.take();
        let should_stop = || stopped.get() || stop.as_ref().is_some_and(|stop| stop());
        let ended = keeper
            .train(
                &mut executor,
                &course,
                &mut position,
                &mut observer,
                &should_stop,
                &mut |error| warnings.push(error.to_string()),
            )
            .await;
        match ended {
            // A network that cannot be saved is still returned.
            Err(error @ Error::Io { .. }) if should_stop() => {
                stopped.set(true);
                warnings.push(error.to_string());
            }
            Err(error) => return Err(error),
            Ok(Ended::Stopped) => stopped.set(true),
            Ok(Ended::Whole) => {}
        }
        let parameters = course.networks(&mut executor, &position).await?;
        if parameters.iter().all(Option::is_none)
            && let Some(error) = position.divergence(course.schedule.steps())
        {
            return Err(error);
        }
        // Those of the last epoch do not belong to the network of an earlier one.
        let moments = match self.keeps_moments && course.keep == Keep::Last {
            true => Some(Moments {
                steps: steps_before + position.number(course.schedule.steps() as u64),
                of_realizations: executor.moments().await?,
            }),
            false => None,
        };
        let mut outcomes = course.outcomes(&position);
        if train.is_regression() {
            for (outcome, parameters) in outcomes.iter_mut().zip(&parameters) {
                if let Some(parameters) = parameters {
                    let fit = |data: &Dataset| predict::fit(self.model, parameters, data);
                    let validation = self.validation.map(fit).transpose()?;
                    outcome.add_fits(fit(test)?, validation.flatten());
                }
            }
        }
        let history = position.epochs.iter().collect();
        Ok(Trained {
            model: self.model.clone(),
            dataset: train.name.clone(),
            parameters,
            history,
            outcomes,
            device: description,
            is_regression: train.is_regression(),
            stopped: stopped.get(),
            warnings,
            moments,
        })
    }

    /// Fails for settings that cannot work together, for a checkpoint that cannot be written, and for more
    /// networks than memory holds.
    fn check(&self) -> Result<()> {
        let fault = |field, value: String, reason: &str| {
            Err(Error::InvalidValue {
                field,
                value,
                reason: reason.to_owned(),
            })
        };
        self.optimizer.check()?;
        if let (Some(realizations), Some(_)) = (self.realizations, &self.runs) {
            let reason = "`runs` sets the number of networks, and their seeds";
            return fault("realizations", realizations.to_string(), reason);
        }
        if self.initial.is_some()
            && let Some(path) = &self.resume
        {
            let reason = "the parameters are those of the run that is resumed";
            return fault("initial", path.display().to_string(), reason);
        }
        if let Some((path, every)) = &self.checkpoint {
            at_least_one(&[("checkpoint", *every as usize)])?;
            atomic::check_writable(path)?;
        }
        // Parameters, gradients, moments, and the networks that are kept.
        let copies = 5 * self.count() as u128;
        memory::check(copies.saturating_mul(4 * self.model.parameter_count() as u128))
    }

    /// The number of networks.
    fn count(&self) -> usize {
        let runs = self.runs.as_ref().map(Vec::len);
        runs.or(self.realizations).unwrap_or(1)
    }

    /// The recipe of an executor, whose batches need not be larger than `samples`.
    fn recipe(&self, samples: usize) -> Recipe {
        let run = RunSettings {
            seed: self.seed,
            ..self.optimizer.run
        };
        Recipe {
            batch_size: self.batch_size.min(samples),
            rule: self.optimizer.rule,
            clip_norm: self.clip_norm,
            augmentation: self.augmentation,
            schedule: self.schedule.clone(),
            epochs: self.epochs,
            first_step: 0,
            runs: self.runs.clone().unwrap_or_else(|| vec![run]),
        }
    }

    fn course(&self, train: &Dataset, recipe: &Recipe) -> Course {
        let samples = train.len();
        let realizations = self.count();
        Course {
            schedule: Schedule {
                epochs: self.epochs,
                seed: self.seed,
                realizations,
                samples,
                batch_size: recipe.batch_size.max(1),
                validation: self.validation.is_some(),
            },
            seeds: match realizations {
                0 => Vec::new(),
                _ => (0..realizations).map(|r| recipe.run(r).seed).collect(),
            },
            patience: self.patience,
            keep: self.keep.unwrap_or(match self.patience {
                Some(_) => Keep::Best,
                None => Keep::Last,
            }),
            variance: train.variance(),
        }
    }

    /// The settings that change the result, by name, for the checkpoint.
    fn settings(&self, recipe: &Recipe, course: &Course) -> BTreeMap<String, String> {
        let runs = (0..course.seeds.len()).map(|r| recipe.run(r));
        let runs: Vec<String> = runs
            .map(|run| {
                let RunSettings {
                    seed,
                    learning_rate,
                    momentum,
                    weight_decay,
                } = run;
                format!("{seed} {learning_rate} {momentum} {weight_decay}")
            })
            .collect();
        let mut settings = vec![
            ("runs", runs.join(", ")),
            ("batch_size", recipe.batch_size.to_string()),
            ("rule", format!("{:?}", recipe.rule)),
            ("clip_norm", format!("{:?}", recipe.clip_norm)),
            (
                "augment",
                (recipe.augmentation).map_or("none".to_owned(), |a| a.to_string()),
            ),
            ("schedule", recipe.schedule.shape.to_string()),
            ("warm_up", recipe.schedule.warm_up.to_string()),
            ("patience", format!("{:?}", course.patience)),
            ("keep", course.keep.name().to_owned()),
            ("storage", self.storage.name().to_owned()),
        ];
        if recipe.schedule.has_horizon() {
            settings.push(("epochs", recipe.epochs.to_string()));
        }
        let text = |(name, value): (&str, String)| (name.to_owned(), value);
        settings.into_iter().map(text).collect()
    }
}

/// Fails unless the run in `path` was begun with the network and the settings of `now`.
fn check_settings(path: &Path, saved: &Run, now: &Run) -> Result<()> {
    let other = |field: &str, found: &str, given: &str| Error::OtherRun {
        path: path.to_owned(),
        field: field.to_owned(),
        found: found.to_owned(),
        given: given.to_owned(),
    };
    let names = |run: &Run| checkpoint::description(&run.model);
    for ((key, found), (_, given)) in names(saved).iter().zip(&names(now)) {
        if found != given {
            return Err(other(key, found, given));
        }
    }
    if saved.model.tensors() != now.model.tensors() {
        return Err(Error::Checkpoint {
            path: path.to_owned(),
            fault: CheckpointFault::OtherValue {
                field: "widths",
                found: widths(&saved.model),
                given: widths(&now.model),
            },
        });
    }
    for (name, given) in &now.options {
        let found = saved.options.get(name).map_or("none", String::as_str);
        if found != given {
            return Err(other(name, found, given));
        }
    }
    Ok(())
}

/// The widths of a network, from its inputs to its outputs.
fn widths(model: &Model) -> String {
    let hidden = model.layers.iter().map(|layer| layer.shape.outputs);
    let all = [model.inputs()].into_iter().chain(hidden);
    let all: Vec<String> = all
        .chain([model.head.outputs])
        .map(|width| width.to_string())
        .collect();
    all.join(" → ")
}

/// Hands each epoch to the caller, who may stop.
struct EachEpoch<'a, 'b> {
    on_epoch: Option<OnEpoch<'a>>,
    stopped: &'b Cell<bool>,
}

impl Observer for EachEpoch<'_, '_> {
    fn step(&mut self, _epoch: u32, _steps: usize) {}

    fn epoch(&mut self, metrics: &EpochMetrics) {
        if let Some(on_epoch) = &mut self.on_epoch {
            self.stopped.set(on_epoch(metrics).is_break());
        }
    }
}
