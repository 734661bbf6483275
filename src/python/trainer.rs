//! Training.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Mutex, PoisonError};

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::arrays::whole;
use super::compute::{Ended, run};
use super::data::PyDataset;
use super::fault::Interrupted;
use super::network::{PyModel, only_keys};
use super::optim::{PyOptimizer, PyRateSchedule};
use super::trained::{PyTrained, metrics_dict};
use crate::data::Augmentation;
use crate::device::{Device, DeviceKind};
use crate::error::Result;
use crate::kind::{Init, Storage};
use crate::nn::Parameters;
use crate::optim::{Optimizer, RateSchedule, RunSettings};
use crate::train::{EpochMetrics, Keep};
use crate::trainer::{Moments, Trainer};

/// How a network is trained. The defaults are those of `bregman train`: plain SGD at 0.2, batches of 32, 20
/// epochs, seed 0, one realization, on a hardware adapter if there is one.
///
/// realizations: number of networks trained side by side, with the seeds `seed`, `seed` + 1, …
/// augment: random changes of training images, different in each epoch, such as "flip,shift:4,rotate:11"
/// runs: one network for each dict of `seed`, `learning_rate`, `momentum` and `weight_decay`; settings that
///     a dict omits are the optimizer's, or `seed`
/// initial: a `Trained` whose networks are trained further
/// keep_moments: whether the result keeps the optimizer's moments, so that training with it as `initial`
///     continues from them too
/// validation: a `Dataset` for `patience` and `keep` ("last" or "best")
/// checkpoint: (path, epochs between two checkpoints); `resume` continues from one
/// device: "auto", "cpu" or "gpu", with a part of an adapter's name in `adapter`
/// threads: of the processor; all cores if not given. They change no bit of the result
/// on_epoch: called with the metrics of each epoch as a dict; training stops if it returns True
#[pyclass(frozen, name = "Trainer", module = "bregman")]
pub(super) struct PyTrainer {
    model: Py<PyModel>,
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
    keep_moments: bool,
    moments: Option<Moments>,
    validation: Option<Py<PyDataset>>,
    patience: Option<u32>,
    keep: Option<Keep>,
    storage: Storage,
    device: DeviceKind,
    adapter: Option<String>,
    threads: Option<usize>,
    checkpoint: Option<(PathBuf, u32)>,
    resume: Option<PathBuf>,
    on_epoch: Option<Py<PyAny>>,
}

/// The settings of one run.
fn run_settings(entries: &Bound<'_, PyDict>, default: RunSettings) -> PyResult<RunSettings> {
    const KEYS: [&str; 4] = ["seed", "learning_rate", "momentum", "weight_decay"];
    only_keys(entries, "a run", &KEYS)?;
    let number = |key: &str, default: f32| match entries.get_item(key)? {
        Some(value) => value.extract(),
        None => Ok(default),
    };
    Ok(RunSettings {
        seed: match entries.get_item("seed")? {
            Some(value) => whole("seed", value.extract()?)?,
            None => default.seed,
        },
        learning_rate: number("learning_rate", default.learning_rate)?,
        momentum: number("momentum", default.momentum)?,
        weight_decay: number("weight_decay", default.weight_decay)?,
    })
}

/// [`whole`] of a number that may be left out.
fn given<T: TryFrom<i128>>(field: &str, value: Option<i128>) -> PyResult<Option<T>> {
    value.map(|value| whole(field, value)).transpose()
}

/// The networks of `trained`, which must all exist.
fn networks(trained: &PyTrained) -> PyResult<Vec<Parameters>> {
    let all: Option<Vec<Parameters>> = trained.trained.parameters.iter().cloned().collect();
    all.ok_or_else(|| {
        PyValueError::new_err("initial: a network of it diverged; choose others with `realization`")
    })
}

/// Devices by process, kind and adapter.
type Devices = HashMap<(u32, &'static str, Option<String>), Device>;

/// Devices that were opened, which takes long.
static OPEN: Mutex<Option<Devices>> = Mutex::new(None);

/// The device for `kind` and `adapter`, which stays open.
pub(super) fn device(kind: DeviceKind, adapter: Option<&str>) -> Result<Device> {
    let choose = || pollster::block_on(Device::choose(kind, adapter.map(str::to_owned)));
    if kind == DeviceKind::Cpu {
        return choose();
    }
    let key = (std::process::id(), kind.name(), adapter.map(str::to_owned));
    let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
    let open = open.get_or_insert_default();
    if let Some(device) = open.get(&key) {
        return Ok(device.clone());
    }
    let device = choose()?;
    open.insert(key, device.clone());
    Ok(device)
}

/// Forgets all adapters after one of them failed.
fn close_devices() {
    let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
    *open = None;
}

#[pymethods]
impl PyTrainer {
    #[new]
    #[pyo3(signature = (
        model, *, optimizer=None, schedule=None, clip_norm=None, augment=None, batch_size=32, epochs=20,
        seed=0, realizations=None, runs=None, init="random", initial=None, keep_moments=false, validation=None,
        patience=None, keep=None, storage="f32", device="auto", adapter=None, threads=None, checkpoint=None,
        resume=None, on_epoch=None
    ))]
    #[expect(clippy::too_many_arguments, reason = "they are keywords in Python")]
    fn new(
        model: Py<PyModel>,
        optimizer: Option<&Bound<'_, PyOptimizer>>,
        schedule: Option<&Bound<'_, PyRateSchedule>>,
        clip_norm: Option<f32>,
        augment: Option<&str>,
        batch_size: i128,
        epochs: i128,
        seed: i128,
        realizations: Option<i128>,
        runs: Option<Vec<Bound<'_, PyDict>>>,
        init: &str,
        initial: Option<&Bound<'_, PyTrained>>,
        keep_moments: bool,
        validation: Option<Py<PyDataset>>,
        patience: Option<i128>,
        keep: Option<&str>,
        storage: &str,
        device: &str,
        adapter: Option<String>,
        threads: Option<i128>,
        checkpoint: Option<(PathBuf, u32)>,
        resume: Option<PathBuf>,
        on_epoch: Option<Py<PyAny>>,
    ) -> PyResult<Self> {
        let optimizer = optimizer.map_or(Optimizer::sgd(0.2), |optimizer| optimizer.get().0);
        let seed = whole("seed", seed)?;
        let default = RunSettings {
            seed,
            ..optimizer.run
        };
        let settings = |runs: Vec<Bound<'_, PyDict>>| -> PyResult<Vec<RunSettings>> {
            runs.iter().map(|run| run_settings(run, default)).collect()
        };
        Ok(Self {
            model,
            optimizer,
            schedule: schedule.map_or(RateSchedule::CONSTANT, |schedule| schedule.get().0.clone()),
            clip_norm,
            augmentation: augment.map(str::parse).transpose()?,
            batch_size: whole("batch_size", batch_size)?,
            epochs: whole("epochs", epochs)?,
            seed,
            realizations: given("realizations", realizations)?,
            runs: runs.map(settings).transpose()?,
            init: Init::by_name(init)?,
            initial: initial.map(|initial| networks(initial.get())).transpose()?,
            keep_moments,
            moments: initial.and_then(|initial| initial.get().trained.moments().cloned()),
            validation,
            patience: given("patience", patience)?,
            keep: keep.map(Keep::by_name).transpose()?,
            storage: Storage::by_name(storage)?,
            device: DeviceKind::by_name(device)?,
            adapter,
            threads: given("threads", threads)?,
            checkpoint,
            resume,
            on_epoch,
        })
    }

    /// Trains on `train`, and evaluates on `test`, if it is given, after each epoch.
    ///
    /// Ctrl-C stops training within about a tenth of a second, saves the checkpoint if there is one, and
    /// raises `Interrupted`, whose `trained` is the network trained until then. An exception of `on_epoch`
    /// stops training too.
    #[pyo3(signature = (train, test=None))]
    fn fit<'py>(
        &self,
        py: Python<'py>,
        train: &Bound<'py, PyDataset>,
        test: Option<&Bound<'py, PyDataset>>,
    ) -> PyResult<PyTrained> {
        let train = &train.get().0;
        let test = test.map(|test| &test.get().0);
        let on_message = |py: Python<'_>, metrics: EpochMetrics| match &self.on_epoch {
            None => Ok(true),
            Some(on_epoch) => {
                let answer = on_epoch.call1(py, (metrics_dict(py, &metrics, test.is_some())?,))?;
                Ok(!answer.is_truthy(py)?)
            }
        };
        let Ended { result, exception } = run(py, self.threads, &on_message, |link| {
            // Without a test set, one sample is used in place of it.
            let one = test.is_none().then(|| train.select(&[0]));
            let test = test.or(one.as_ref()).unwrap_or(train);
            let mut trainer = self.trainer(device(self.device, self.adapter.as_deref())?);
            trainer = trainer.stop_when(|| link.stop.load(Ordering::Relaxed));
            if self.on_epoch.is_some() {
                trainer = trainer.on_epoch(|metrics| match link.tell(metrics.clone()) {
                    true => ControlFlow::Continue(()),
                    false => ControlFlow::Break(()),
                });
            }
            trainer.fit(train, test)
        })?;
        if result.is_err() && self.device != DeviceKind::Cpu {
            close_devices();
        }
        let interrupted = match exception {
            Some(exception)
                if exception.is_instance_of::<pyo3::exceptions::PyKeyboardInterrupt>(py) =>
            {
                true
            }
            Some(exception) => return Err(exception),
            None => false,
        };
        let trained = PyTrained::new(result?, self.settings(), test.is_some());
        if !interrupted {
            return Ok(trained);
        }
        let error = Interrupted::new_err(format!(
            "training was stopped after {} epochs; `trained` has the network",
            trained.trained.history().len()
        ));
        error.value(py).setattr("trained", Py::new(py, trained)?)?;
        Err(error)
    }

    fn __repr__(&self) -> String {
        let count = self.runs.as_ref().map(Vec::len).or(self.realizations);
        format!(
            "Trainer({}, {}, batch_size={}, epochs={}, networks={}, device={:?})",
            self.model.get().describe(),
            PyOptimizer(self.optimizer).describe(),
            self.batch_size,
            self.epochs,
            count.unwrap_or(1),
            self.device.name()
        )
    }
}

impl PyTrainer {
    /// The settings of each network.
    fn settings(&self) -> Vec<RunSettings> {
        let alike = || {
            let realizations = self.realizations.unwrap_or(1) as u64;
            let of = |r| RunSettings {
                seed: self.seed.wrapping_add(r),
                ..self.optimizer.run
            };
            (0..realizations).map(of).collect()
        };
        self.runs.clone().unwrap_or_else(alike)
    }

    fn trainer(&self, device: Device) -> Trainer<'_> {
        let mut trainer = Trainer::new(&self.model.get().0)
            .optimizer(self.optimizer)
            .schedule(self.schedule.clone())
            .batch_size(self.batch_size)
            .epochs(self.epochs)
            .seed(self.seed)
            .init(self.init)
            .storage(self.storage)
            .device(device);
        if let Some(norm) = self.clip_norm {
            trainer = trainer.clip_norm(norm);
        }
        if let Some(augmentation) = self.augmentation {
            trainer = trainer.augment(augmentation);
        }
        if let Some(realizations) = self.realizations {
            trainer = trainer.realizations(realizations);
        }
        if let Some(runs) = &self.runs {
            trainer = trainer.runs(runs.clone());
        }
        if let Some(initial) = &self.initial {
            trainer = trainer.initial(initial.clone());
        }
        if self.keep_moments {
            trainer = trainer.keep_moments(self.moments.clone());
        }
        if let Some(validation) = &self.validation {
            trainer = trainer.validation(&validation.get().0);
        }
        if let Some(patience) = self.patience {
            trainer = trainer.patience(patience);
        }
        if let Some(keep) = self.keep {
            trainer = trainer.keep(keep);
        }
        if let Some((path, epochs)) = &self.checkpoint {
            trainer = trainer.checkpoint(path, *epochs);
        }
        if let Some(path) = &self.resume {
            trainer = trainer.resume(path);
        }
        trainer
    }
}
