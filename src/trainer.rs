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

use crate::checkpoint::{self, Run};
use crate::data::prepare::TargetRule;
use crate::data::reader;
use crate::data::{Dataset, Inputs, Splits, Targets};
use crate::device::{Device, DeviceKind};
use crate::error::{CheckpointFault, Error, Result, at_least_one};
use crate::executor::Executor;
use crate::files::atomic;
use crate::gpu::PlanOptions;
use crate::kind::{Init, Loss, Storage};
use crate::memory;
use crate::nn::{Model, Parameters};
use crate::optim::{Optimizer, RateSchedule, Recipe, RunSettings};
use crate::predict;
use crate::reference::loss_and_gradient;
use crate::train::keeper::Keeper;
use crate::train::{Course, EpochMetrics, Fit, Keep, Observer, Outcome, Position, Schedule};

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
        };
        let ended = keeper
            .train(
                &mut executor,
                &course,
                &mut position,
                &mut observer,
                &|| stopped.get(),
                &mut |error| warnings.push(error.to_string()),
            )
            .await;
        match ended {
            // What is trained is not lost because it cannot be saved.
            Err(error @ Error::Io { .. }) if stopped.get() => warnings.push(error.to_string()),
            Err(error) => return Err(error),
            Ok(_) => {}
        }
        let parameters = course.networks(&mut executor, &position).await?;
        if parameters.iter().all(Option::is_none)
            && let Some(error) = position.divergence(course.schedule.steps())
        {
            return Err(error);
        }
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

/// Trained networks, one for each realization, and the course of their training.
///
/// Predictions are those of the first realization that did not diverge; [`Self::realization`] chooses
/// another. They are computed on the processor, so that they are the same bits wherever the network was
/// trained; each call lays the network out anew, so predict for many samples at once.
#[derive(Clone, Debug)]
pub struct Trained {
    model: Model,
    dataset: String,
    parameters: Vec<Option<Parameters>>,
    history: Vec<EpochMetrics>,
    outcomes: Vec<Outcome>,
    device: String,
    is_regression: bool,
    stopped: bool,
    warnings: Vec<String>,
}

/// How well a network does on a data set.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Score {
    /// Mean loss.
    pub loss: f64,
    /// Share of the samples that are classified correctly; none for regression.
    pub accuracy: Option<f64>,
    /// The coefficient of determination R², the mean over the outputs, as scikit-learn's `r2_score`; none
    /// for classification, and for one sample.
    pub r2: Option<f64>,
    /// The mean absolute error, in the units of the targets; none for classification.
    pub mae: Option<f64>,
    /// The root of the mean squared error, likewise.
    pub rmse: Option<f64>,
}

impl Trained {
    /// The network that [`Self::save`] or `bregman train --save` wrote to `path`. It has no history. Of a
    /// network without a preparation the file does not say whether a squared error was that of values or of
    /// classes, so [`Self::predict`] takes it for that of classes; the values are [`Self::logits`].
    ///
    /// # Errors
    /// Those of [`checkpoint::load`].
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        let checkpoint = checkpoint::load(path.as_ref())?;
        let target = checkpoint.model.target();
        let is_regression = target.map(TargetRule::is_regression);
        Ok(Self {
            is_regression: is_regression.unwrap_or(checkpoint.model.loss == Loss::Huber),
            model: checkpoint.model,
            dataset: checkpoint.dataset,
            parameters: vec![Some(checkpoint.parameters)],
            history: Vec::new(),
            outcomes: Vec::new(),
            device: String::new(),
            stopped: false,
            warnings: Vec::new(),
        })
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

    /// The outputs of the network, (samples, outputs), of inputs as it takes them: scores of classes before the
    /// softmax, or the numbers that a regression was trained on.
    ///
    /// # Errors
    /// Those of [`predict::logits`].
    pub fn logits(&self, inputs: impl Into<Inputs>) -> Result<Vec<f32>> {
        predict::logits(&self.model, self.first(), inputs.into())
    }

    /// The values that the network predicts, (samples, values): the [`Self::logits`], in the units of its
    /// targets if they were standardised by its preparation.
    ///
    /// # Errors
    /// Those of [`Self::logits`].
    pub fn values(&self, inputs: impl Into<Inputs>) -> Result<Vec<f64>> {
        Ok(predict::values(&self.model, &self.logits(inputs)?))
    }

    /// Inputs as the network takes them, of the raw data at `path`: a table with the columns of training,
    /// arrays, or a folder of images, of which the first part is taken if there are several.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] for a network without a preparation; those of [`reader::open`] and of
    /// [`Preparation::inputs`](crate::data::prepare::Preparation::inputs).
    pub fn inputs_at(&self, path: impl AsRef<Path>) -> Result<Inputs> {
        let path = path.as_ref();
        let Some(preparation) = &self.model.preparation else {
            return Err(Error::InvalidValue {
                field: "data",
                value: path.display().to_string(),
                reason: "the network was trained on data that were prepared already".to_owned(),
            });
        };
        let parts = reader::open(path, &preparation.read_options(false))?;
        let inputs = preparation.inputs(&parts.train);
        let (inputs, _) = inputs.map_err(|fault| Error::Data {
            path: path.to_owned(),
            fault: fault.into(),
        })?;
        Ok(inputs)
    }

    /// The parameters of the first realization that did not diverge.
    fn first(&self) -> &Parameters {
        let first = self.parameters.iter().flatten().next();
        first.expect("training fails if every realization diverges")
    }

    /// Fails if the network was trained on values, which have no classes.
    fn check_classes(&self) -> Result<()> {
        match self.is_regression {
            false => Ok(()),
            true => Err(Error::InvalidValue {
                field: "targets",
                value: "values".to_owned(),
                reason: "a regression has no classes; `values` are what it predicts".to_owned(),
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

    /// Loss and accuracy, or how close values are, on `data`.
    ///
    /// # Errors
    /// [`Error::Shape`], [`Error::Label`] and [`Error::InvalidValue`] for data that do not fit the network,
    /// and [`Error::NonFiniteLoss`].
    pub fn evaluate(&self, data: &Dataset) -> Result<Score> {
        self.model.check_dataset(data)?;
        let found = self.logits(data)?;
        let logits: Vec<f64> = found.iter().map(|&logit| f64::from(logit)).collect();
        let outputs = self.model.head.outputs;
        let loss = loss_and_gradient(self.model.loss, &logits, outputs, &data.targets);
        if !loss.loss.is_finite() {
            return Err(Error::NonFiniteLoss {
                realization: 0,
                loss: loss.loss,
            });
        }
        let (accuracy, fit) = match &data.targets {
            Targets::Classes(labels) => {
                let accuracy = f64::from(loss.correct) / labels.len() as f64;
                (Some(accuracy), None)
            }
            Targets::Values(values) => {
                let found = predict::values(&self.model, &found);
                (
                    None,
                    Fit::of(&found, &predict::values(&self.model, values), outputs),
                )
            }
        };
        Ok(Score {
            loss: loss.loss,
            accuracy,
            r2: fit.and_then(|fit| fit.r2),
            mae: fit.map(|fit| fit.mae),
            rmse: fit.map(|fit| fit.rmse),
        })
    }
}

/// The class of each sample: the first largest output, or whether the only one is above ½.
fn classes(logits: &[f32], outputs: usize) -> Vec<u32> {
    let class = |row: &[f32]| match row {
        [output] => u32::from(*output > 0.5),
        _ => (1..outputs).fold(0, |best, j| if row[j] > row[best] { j } else { best }) as u32,
    };
    logits.chunks_exact(outputs).map(class).collect()
}
