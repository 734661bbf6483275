//! Training in one call: a network, data, and what comes of them.
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

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use crate::checkpoint::{self, Checkpoint, Run};
use crate::cpu::Predictor;
use crate::data::{Dataset, Inputs, Splits, Targets};
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
use crate::reference::loss_and_gradient;
use crate::train::keeper::{Ended, Keeper};
use crate::train::{Course, EpochMetrics, Keep, Observer, Outcome, Position, Schedule};

/// Samples of a batch of predictions.
const PREDICTED_AT_ONCE: usize = 256;

/// Receives the metrics of each epoch, and says whether to go on.
type OnEpoch<'a> = Box<dyn FnMut(&EpochMetrics) -> ControlFlow<()> + 'a>;

/// How a network is trained. The defaults are those of `bregman train`: plain SGD at 0.2, batches of 32,
/// 20 epochs, seed 0, one realization, on a hardware adapter if there is one.
#[must_use = "`fit` trains"]
pub struct Trainer<'a> {
    model: &'a Model,
    optimizer: Optimizer,
    schedule: RateSchedule,
    clip_norm: Option<f32>,
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

/// The moments of each realization's optimizer, and the number of steps that made them.
#[doc(hidden)]
#[derive(Clone, Debug, Default)]
pub struct Moments {
    /// The number of steps.
    pub steps: u64,
    /// The moments of each realization.
    pub of_realizations: Vec<Vec<Parameters>>,
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

    /// Continues the run that [`Self::checkpoint`] saved to `path`, to the same bits as if it had not been
    /// stopped. The other settings must be those that it was begun with, but for a larger number of epochs,
    /// unless the schedule depends on it. On another device the result is as good, but not to the bit the
    /// same; [`Trained::warnings`] says so.
    pub fn resume(mut self, path: impl Into<PathBuf>) -> Self {
        self.resume = Some(path.into());
        self
    }

    /// Calls `observe` after each epoch. `Break(())` stops training; what is trained until then is the
    /// result.
    pub fn on_epoch(mut self, observe: impl FnMut(&EpochMetrics) -> ControlFlow<()> + 'a) -> Self {
        self.on_epoch = Some(Box::new(observe));
        self
    }

    /// Stops training once `stop` returns true, which is asked about every tenth of a second and after each
    /// epoch; what is trained until then is the result.
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
        let course = self.course(train.len(), &recipe);
        recipe.check_run(course.seeds.len(), train.len())?;
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
                    "the run was begun on {} and continues on {}: the result is as good, but not to the bit \
                     what it would have been",
                    run.device, keeper.run.device
                ));
            }
            initial = Some(run.parameters);
            moments = run.moments;
            recipe.first_step = position.number(course.schedule.steps() as u64);
        }
        if let Some(given) = self.moments.take()
            && given.of_realizations.len() == course.seeds.len()
            && given
                .of_realizations
                .iter()
                .all(|all| all.len() == recipe.moments())
        {
            recipe.first_step = given.steps;
            moments = given.of_realizations;
        }
        let first_step = recipe.first_step;
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
            is_regression: train.is_regression(),
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
            // What is trained is not lost because it cannot be saved.
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
        let moments = match self.keeps_moments {
            true => Some(Moments {
                steps: first_step + position.number(course.schedule.steps() as u64),
                of_realizations: executor.moments().await?,
            }),
            false => None,
        };
        let mut outcomes = course.outcomes(&position);
        let mut history: Vec<EpochMetrics> = position.epochs.iter().collect();
        if train.is_regression() {
            history.iter_mut().for_each(EpochMetrics::drop_accuracies);
            outcomes.iter_mut().for_each(Outcome::drop_accuracies);
        }
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
            let reason = "`runs` says how many networks there are, and their seeds";
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
            schedule: self.schedule.clone(),
            epochs: self.epochs,
            first_step: 0,
            runs: self.runs.clone().unwrap_or_else(|| vec![run]),
        }
    }

    fn course(&self, samples: usize, recipe: &Recipe) -> Course {
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
    is_regression: bool,
}

impl Observer for EachEpoch<'_, '_> {
    fn step(&mut self, _epoch: u32, _steps: usize) {}

    fn epoch(&mut self, metrics: &EpochMetrics) {
        let Some(on_epoch) = &mut self.on_epoch else {
            return;
        };
        let mut metrics = metrics.clone();
        if self.is_regression {
            metrics.drop_accuracies();
        }
        self.stopped.set(on_epoch(&metrics).is_break());
    }
}

/// Trained networks, one for each realization, and the course of their training.
///
/// Predictions are those of the first realization that did not diverge; [`Self::realization`] chooses
/// another. They are computed on the processor, so that they are the same bits wherever the network was
/// trained; each call lays the network out anew, so predict for many samples at once.
#[derive(Clone, Debug)]
pub struct Trained {
    pub(crate) model: Model,
    pub(crate) dataset: String,
    pub(crate) parameters: Vec<Option<Parameters>>,
    pub(crate) history: Vec<EpochMetrics>,
    pub(crate) outcomes: Vec<Outcome>,
    pub(crate) device: String,
    pub(crate) is_regression: bool,
    pub(crate) stopped: bool,
    pub(crate) warnings: Vec<String>,
    /// The optimizer's moments, if they were asked for.
    pub(crate) moments: Option<Moments>,
}

/// How well a network does on a data set.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Score {
    /// Mean loss.
    pub loss: f64,
    /// Share of the samples that are classified correctly; none for regression.
    pub accuracy: Option<f64>,
    /// The coefficient of determination R², the mean over the outputs, as scikit-learn's `r2_score`; none
    /// for classification, and where all values of an output are equal.
    pub r2: Option<f64>,
}

impl Trained {
    /// The network that [`Self::save`] or `bregman train --save` wrote to `path`. It has no history. The file
    /// does not say whether a squared error was that of values or of classes, so [`Self::predict`] takes it
    /// for that of classes; the values are [`Self::logits`].
    ///
    /// # Errors
    /// Those of [`checkpoint::load`].
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        Ok(Self::of(checkpoint::load(path.as_ref())?, false))
    }

    /// The network of a checkpoint, which has no history.
    pub(crate) fn of(checkpoint: Checkpoint, is_regression: bool) -> Self {
        Self {
            model: checkpoint.model,
            dataset: checkpoint.dataset,
            parameters: vec![Some(checkpoint.parameters)],
            history: Vec::new(),
            outcomes: Vec::new(),
            device: String::new(),
            is_regression,
            stopped: false,
            warnings: Vec::new(),
            moments: None,
        }
    }

    /// The description of the network.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// The parameters of each realization; none for one that diverged.
    pub fn parameters(&self) -> &[Option<Parameters>] {
        &self.parameters
    }

    /// The metrics of each epoch. Accuracies of a regression are NaN.
    pub fn history(&self) -> &[EpochMetrics] {
        &self.history
    }

    /// The result of each realization: which epoch was kept, its losses and accuracies, and where it
    /// diverged.
    pub fn outcomes(&self) -> &[Outcome] {
        &self.outcomes
    }

    /// Where it was trained, and why there.
    pub fn device(&self) -> &str {
        &self.device
    }

    /// Whether [`Trainer::on_epoch`] stopped training.
    pub fn is_stopped(&self) -> bool {
        self.stopped
    }

    /// The optimizer's moments, if [`Trainer::keep_moments`] asked for them.
    #[doc(hidden)]
    pub fn moments(&self) -> Option<&Moments> {
        self.moments.as_ref()
    }

    /// What is to be known of the device, of a resumed run, and of checkpoints that could not be written.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Realization `r` alone.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] if there is none of this number, or if it diverged.
    pub fn realization(&self, r: usize) -> Result<Self> {
        let fault = |reason: String| Error::InvalidValue {
            field: "realization",
            value: r.to_string(),
            reason,
        };
        let Some(parameters) = self.parameters.get(r) else {
            return Err(fault(format!("there are {}", self.parameters.len())));
        };
        if parameters.is_none() {
            return Err(fault("it diverged".to_owned()));
        }
        let history = self.history.iter().map(|epoch| epoch.of_realization(r));
        Ok(Self {
            model: self.model.clone(),
            dataset: self.dataset.clone(),
            parameters: vec![parameters.clone()],
            history: history.collect(),
            outcomes: self.outcomes.get(r).copied().into_iter().collect(),
            device: self.device.clone(),
            is_regression: self.is_regression,
            stopped: self.stopped,
            warnings: self.warnings.clone(),
            moments: None,
        })
    }

    /// The number of the realization with the lowest validation loss; none without a validation set.
    pub fn best(&self) -> Option<usize> {
        let losses = self.outcomes.iter().map(|outcome| outcome.validation_loss);
        let losses = losses.enumerate().filter_map(|(r, loss)| Some((r, loss?)));
        losses.min_by(|a, b| a.1.total_cmp(&b.1)).map(|(r, _)| r)
    }

    /// Saves each realization that did not diverge as a network of its own: with several, realization r goes
    /// to `x-r.safetensors` for `x.safetensors`. Returns the paths.
    ///
    /// # Errors
    /// Those of [`checkpoint::save`].
    pub fn save(&self, path: impl AsRef<Path>) -> Result<Vec<PathBuf>> {
        let paths = checkpoint::paths(path.as_ref(), self.parameters.len());
        let mut saved = Vec::new();
        for (path, parameters) in paths.iter().zip(&self.parameters) {
            if let Some(parameters) = parameters {
                let one = std::slice::from_ref(parameters);
                saved.extend(checkpoint::save(path, &self.model, &self.dataset, one)?);
            }
        }
        Ok(saved)
    }

    /// The outputs of the network, (samples, outputs): scores of classes before the softmax, or the numbers
    /// that a regression predicts.
    ///
    /// # Errors
    /// [`Error::Shape`] for inputs that are no whole number of samples, at least one;
    /// [`Error::InvalidValue`] for numbers that are not finite or outside the range of a first Bregman
    /// layer.
    pub fn logits(&self, inputs: impl Into<Inputs>) -> Result<Vec<f32>> {
        self.outputs_of(&self.samples(inputs.into())?, None)
    }

    /// The output z of hidden layer `layer`, counted from 0, for each sample: (samples, width of the layer),
    /// row-major.
    ///
    /// # Errors
    /// Those of [`Self::logits`], and [`Error::InvalidValue`] for a layer that the network does not have.
    pub fn representation(&self, layer: usize, inputs: impl Into<Inputs>) -> Result<Vec<f32>> {
        let layers = self.model.layers.len();
        if layer >= layers {
            return Err(Error::InvalidValue {
                field: "layer",
                value: layer.to_string(),
                reason: format!("the network has {layers} hidden layers, counted from 0"),
            });
        }
        self.outputs_of(&self.samples(inputs.into())?, Some(layer))
    }

    /// Samples of this network's shape, without classes.
    pub(crate) fn samples(&self, inputs: Inputs) -> Result<Dataset> {
        let features = self.model.inputs();
        let samples = inputs.len() / features;
        if samples == 0 || inputs.len() != samples * features {
            return Err(Error::Shape {
                operation: "inputs to predict from".to_owned(),
                expected: vec![samples.max(1), features],
                found: vec![inputs.len()],
            });
        }
        let shape = match &self.model.cnn {
            None => [1, 1, features],
            Some(cnn) => {
                let conv = &cnn.blocks[0].conv;
                [conv.channels, conv.height, conv.width]
            }
        };
        let targets = Targets::Classes(vec![0; samples]);
        Dataset::new("inputs", shape, inputs, targets)
    }

    /// The outputs of hidden layer `layer`, or of the head, for the samples of `data`.
    pub(crate) fn outputs_of(&self, data: &Dataset, layer: Option<usize>) -> Result<Vec<f32>> {
        let at_once = PREDICTED_AT_ONCE.min(data.len().max(1));
        self.predictor(at_once)?.outputs(data, layer)
    }

    /// The network, laid out for predictions of `samples` samples at once.
    pub(crate) fn predictor(&self, samples: usize) -> Result<Predictor> {
        let parameters = self.parameters.iter().flatten().next();
        let parameters = parameters.expect("training fails if every realization diverges");
        Predictor::new(&self.model, parameters.clone(), samples)
    }

    /// Fails if the network was trained on values, which have no classes.
    pub(crate) fn check_classes(&self) -> Result<()> {
        match self.is_regression {
            false => Ok(()),
            true => Err(Error::InvalidValue {
                field: "targets",
                value: "values".to_owned(),
                reason: "a regression has no classes; `logits` are the values that it predicts"
                    .to_owned(),
            }),
        }
    }

    /// The class of each sample.
    ///
    /// # Errors
    /// Those of [`Self::logits`], and [`Error::InvalidValue`] for a network that was trained on values.
    pub fn predict(&self, inputs: impl Into<Inputs>) -> Result<Vec<u32>> {
        self.check_classes()?;
        let logits = self.logits(inputs)?;
        Ok(classes(&logits, self.model.head.outputs))
    }

    /// The probability of each class, for each sample; see [`predict::probabilities`].
    ///
    /// # Errors
    /// Those of [`Self::predict`].
    pub fn probabilities(&self, inputs: impl Into<Inputs>) -> Result<Vec<Vec<f64>>> {
        self.check_classes()?;
        let logits: Vec<f64> = self.logits(inputs)?.into_iter().map(f64::from).collect();
        let rows = logits.chunks_exact(self.model.head.outputs);
        Ok(rows
            .map(|row| predict::probabilities(self.model.loss, row))
            .collect())
    }

    /// Loss and accuracy, or R², on `data`.
    ///
    /// # Errors
    /// [`Error::Shape`], [`Error::Label`] and [`Error::InvalidValue`] for data that do not fit the network,
    /// and [`Error::NonFiniteLoss`].
    pub fn evaluate(&self, data: &Dataset) -> Result<Score> {
        self.model.check_dataset(data)?;
        let logits = self.outputs_of(data, None)?;
        let logits: Vec<f64> = logits.into_iter().map(f64::from).collect();
        let outputs = self.model.head.outputs;
        let loss = loss_and_gradient(self.model.loss, &logits, outputs, &data.targets);
        if !loss.loss.is_finite() {
            return Err(Error::NonFiniteLoss {
                realization: 0,
                loss: loss.loss,
            });
        }
        let (accuracy, r2) = match &data.targets {
            Targets::Classes(labels) => {
                let accuracy = f64::from(loss.correct) / labels.len() as f64;
                (Some(accuracy), None)
            }
            Targets::Values(values) => (None, r2(&logits, values, outputs)),
        };
        Ok(Score {
            loss: loss.loss,
            accuracy,
            r2,
        })
    }
}

/// The class of each sample: the first largest output, or whether the only one is above ½.
pub(crate) fn classes(logits: &[f32], outputs: usize) -> Vec<u32> {
    let class = |row: &[f32]| match row {
        [output] => u32::from(*output > 0.5),
        _ => (1..outputs).fold(0, |best, j| if row[j] > row[best] { j } else { best }) as u32,
    };
    logits.chunks_exact(outputs).map(class).collect()
}

/// R², the mean over the outputs; none if an output's values are all equal.
fn r2(found: &[f64], values: &[f32], outputs: usize) -> Option<f64> {
    let of_output = |j: usize| {
        let values = || {
            values
                .iter()
                .skip(j)
                .step_by(outputs)
                .map(|&v| f64::from(v))
        };
        let mean = values().sum::<f64>() / values().count() as f64;
        let total: f64 = values().map(|v| (v - mean).powi(2)).sum();
        let found = found.iter().skip(j).step_by(outputs);
        let residual: f64 = values().zip(found).map(|(v, y)| (v - y).powi(2)).sum();
        (total > 0.0).then(|| 1.0 - residual / total)
    };
    let all: Option<Vec<f64>> = (0..outputs).map(of_output).collect();
    all.map(|all| all.iter().sum::<f64>() / outputs as f64)
}
