//! Trained networks.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use numpy::{PyArray1, PyArrayDyn};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyType};

use super::arrays;
use super::compute::run_quietly;
use super::data::PyDataset;
use super::network::PyModel;
use crate::checkpoint::{self, Checkpoint};
use crate::cpu::Predictor;
use crate::data::{Dataset, Inputs};
use crate::nn::{Model, Parameters};
use crate::onnx;
use crate::optim::RunSettings;
use crate::predict;
use crate::train::{EpochMetrics, Outcome};
use crate::trainer::{Moments, Trained};

/// Samples that are predicted on the calling thread, by a network that stays laid out.
const FEW: usize = 16;

/// Trained networks, one for each realization, and the course of their training.
///
/// Predictions are those of the first realization that did not diverge; `realization` chooses another.
/// They are computed on the processor, so they are the same bits wherever the network was trained.
#[pyclass(frozen, name = "Trained", module = "bregman")]
pub(super) struct PyTrained {
    pub(super) trained: Trained,
    /// The settings of each realization; none where they are not known.
    pub(super) runs: Vec<RunSettings>,
    /// Whether there was a test set.
    pub(super) tested: bool,
    /// The network, laid out for a few samples.
    few: Mutex<Option<Predictor>>,
}

/// The outputs that a call computes for each sample.
enum Output {
    Logits,
    Layer(usize),
}

macro_rules! metrics {
    ($($name:ident),+) => {
        /// The metrics of an epoch, by name.
        pub(super) fn metrics_dict<'py>(
            py: Python<'py>,
            metrics: &EpochMetrics,
            tested: bool,
        ) -> PyResult<Bound<'py, PyDict>> {
            let entries = PyDict::new(py);
            $(if tested || !stringify!($name).starts_with("test_") {
                entries.set_item(stringify!($name), &metrics.$name)?;
            })+
            Ok(entries)
        }

        /// The metrics in a dict of all of them.
        fn metrics_of(entries: &Bound<'_, PyDict>) -> PyResult<EpochMetrics> {
            Ok(EpochMetrics {
                $($name: entries
                    .get_item(stringify!($name))?
                    .ok_or_else(|| PyValueError::new_err("the metrics of an epoch are incomplete"))?
                    .extract()?),+
            })
        }
    };
}
metrics!(
    epoch,
    train_loss,
    train_accuracy,
    test_loss,
    test_accuracy,
    train_losses,
    train_accuracies,
    test_losses,
    test_accuracies,
    val_loss,
    val_accuracy,
    val_losses,
    val_accuracies,
    seconds,
    samples_per_second
);

/// The state of trained networks that pickle keeps.
#[derive(FromPyObject, IntoPyObject)]
#[pyo3(from_item_all)]
struct Kept<'py> {
    networks: Vec<Option<Bound<'py, PyBytes>>>,
    model: Bound<'py, PyBytes>,
    history: Vec<Bound<'py, PyDict>>,
    outcomes: String,
    runs: Vec<(u64, f32, f32, f32)>,
    dataset: String,
    device: String,
    warnings: Vec<String>,
    is_regression: bool,
    stopped: bool,
    tested: bool,
    moments: Option<(u64, Vec<Vec<Bound<'py, PyBytes>>>)>,
}

/// Moments as bytes.
fn moments_bytes<'py>(py: Python<'py>, moments: &Moments) -> (u64, Vec<Vec<Bound<'py, PyBytes>>>) {
    let bytes = |parameters: &Parameters| {
        let tensors = parameters.tensors().flatten();
        PyBytes::new(
            py,
            &tensors.flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>(),
        )
    };
    let all = moments.of_realizations.iter();
    let all = all.map(|moments| moments.iter().map(bytes).collect());
    (moments.steps, all.collect())
}

/// The moments of `model` in such bytes.
fn moments_of(model: &Model, steps: u64, all: &[Vec<Bound<'_, PyBytes>>]) -> PyResult<Moments> {
    let parameters = |bytes: &Bound<'_, PyBytes>| {
        let (numbers, rest) = bytes.as_bytes().as_chunks();
        if numbers.len() != model.parameter_count() || !rest.is_empty() {
            return Err(PyValueError::new_err("the moments are incomplete"));
        }
        let mut made = Parameters::zeros(model);
        for (place, &bytes) in made.tensors_mut().flatten().zip(numbers) {
            *place = f32::from_le_bytes(bytes);
        }
        Ok(made)
    };
    let of_realizations = all.iter();
    let of_realizations =
        of_realizations.map(|moments| moments.iter().map(parameters).collect::<PyResult<_>>());
    Ok(Moments {
        steps,
        of_realizations: of_realizations.collect::<PyResult<_>>()?,
    })
}

impl PyTrained {
    pub(super) fn new(trained: Trained, runs: Vec<RunSettings>, tested: bool) -> Self {
        Self {
            trained,
            runs,
            tested,
            few: Mutex::new(None),
        }
    }

    /// A network whose parameters alone are known.
    fn of_checkpoint(checkpoint: Checkpoint, is_regression: bool) -> Self {
        Self::new(Trained::of(checkpoint, is_regression), Vec::new(), false)
    }

    /// The outputs of the network for `inputs`, (samples, width).
    fn compute(&self, py: Python<'_>, inputs: Inputs, output: &Output) -> PyResult<Vec<f32>> {
        let data = self.trained.samples(inputs)?;
        let layer = match output {
            Output::Logits => None,
            Output::Layer(layer) => Some(*layer),
        };
        if data.len() > FEW || self.trained.model.cnn.is_some() {
            return run_quietly(py, None, |_| self.trained.outputs_of(&data, layer));
        }
        let few = || -> crate::error::Result<Vec<f32>> {
            let mut few = self.few.lock().unwrap_or_else(PoisonError::into_inner);
            let predictor = match &mut *few {
                Some(predictor) => predictor,
                none => none.insert(self.trained.predictor(FEW, true)?),
            };
            predictor.outputs(&data, layer)
        };
        Ok(few()?)
    }

    fn logits_of(&self, x: &Bound<'_, PyAny>) -> PyResult<Vec<f32>> {
        self.compute(x.py(), self.inputs_of(x)?, &Output::Logits)
    }

    /// The samples in `x`, which have as many features as the network has inputs.
    fn inputs_of(&self, x: &Bound<'_, PyAny>) -> PyResult<Inputs> {
        let (shape, inputs) = arrays::features(x)?;
        let features: usize = shape[1..].iter().product();
        let expected = self.trained.model.inputs();
        if features != expected {
            return Err(PyValueError::new_err(format!(
                "features: a sample of {shape:?} has {features}, the network has {expected} inputs"
            )));
        }
        Ok(inputs)
    }

    /// The parameters of realization `r`, or the error for a realization that does not exist.
    fn parameters_of(&self, r: usize) -> PyResult<&Parameters> {
        // Its errors are those of a realization that does not exist.
        self.trained.realization(r)?;
        let parameters = self.trained.parameters.get(r).and_then(Option::as_ref);
        parameters.ok_or_else(|| PyValueError::new_err("it diverged"))
    }

    fn checkpoint(&self, r: usize) -> PyResult<Checkpoint> {
        Ok(Checkpoint {
            path: PathBuf::new(),
            model: self.trained.model.clone(),
            parameters: self.parameters_of(r)?.clone(),
            dataset: self.trained.dataset.clone(),
        })
    }

    /// The first realization that did not diverge.
    fn first(&self) -> usize {
        let first = self.trained.parameters.iter().position(Option::is_some);
        first.unwrap_or(0)
    }

    /// The mean of the last epoch's metrics, in words.
    fn summary(&self) -> String {
        let Some(last) = self.trained.history().last() else {
            return "no history".to_owned();
        };
        let mut text = format!(
            "{} epochs, training loss {:.4}",
            last.epoch, last.train_loss
        );
        if self.tested {
            text += &match self.trained.is_regression {
                true => format!(", test loss {:.4}", last.test_loss),
                false => format!(", test accuracy {:.4}", last.test_accuracy),
            };
        }
        text
    }
}

#[pymethods]
impl PyTrained {
    /// The network in the file `path`, which `save` or `bregman train --save` wrote; it has no history. The
    /// file does not say whether a squared error was that of values or of classes: `regression` does.
    #[staticmethod]
    #[pyo3(signature = (path, *, regression=false))]
    fn load(path: PathBuf, regression: bool) -> PyResult<Self> {
        Ok(Self::of_checkpoint(checkpoint::load(&path)?, regression))
    }

    /// The network in the bytes of such a file.
    #[staticmethod]
    #[pyo3(signature = (bytes, *, regression=false))]
    fn from_bytes(bytes: &[u8], regression: bool) -> PyResult<Self> {
        let parsed = checkpoint::parse(bytes);
        let (model, parameters, dataset) =
            parsed.map_err(|fault| PyValueError::new_err(fault.to_string()))?;
        let checkpoint = Checkpoint {
            path: PathBuf::new(),
            model,
            parameters,
            dataset,
        };
        Ok(Self::of_checkpoint(checkpoint, regression))
    }

    /// The network `model` with the arrays of `parameters`, by their names in `Trained.parameters`.
    #[staticmethod]
    #[pyo3(signature = (model, parameters, *, regression=false))]
    fn from_parameters(
        model: &Bound<'_, PyModel>,
        parameters: &Bound<'_, PyDict>,
        regression: bool,
    ) -> PyResult<Self> {
        let model = &model.get().0;
        let shapes = model.tensors();
        let known: Vec<&str> = shapes.iter().map(|shape| shape.name.as_str()).collect();
        super::network::only_keys(parameters, "this network", &known)?;
        let mut made = Parameters::zeros(model);
        for (tensor, shape) in made.tensors_mut().zip(&shapes) {
            let Some(given) = parameters.get_item(&shape.name)? else {
                return Err(PyValueError::new_err(format!(
                    "{}: it is missing, an array of shape {:?}",
                    shape.name, shape.dims
                )));
            };
            let given = arrays::numbers(&given, &shape.name)?;
            if given.shape != shape.dims {
                return Err(PyValueError::new_err(format!(
                    "{}: its shape is {:?}, not {:?}",
                    shape.name, shape.dims, given.shape
                )));
            }
            *tensor = given.numbers;
        }
        // The checks of a file's numbers are these parameters' too.
        Self::from_bytes(&checkpoint::to_bytes(model, "", &made)?, regression)
    }

    /// The class of each sample of `x`, (samples, features).
    fn predict<'py>(&self, x: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyArray1<u32>>> {
        self.trained.check_classes()?;
        let logits = self.logits_of(x)?;
        let classes = crate::trainer::classes(&logits, self.trained.model.head.outputs);
        Ok(PyArray1::from_vec(x.py(), classes))
    }

    /// The probability of each class, (samples, classes), float64: the softmax of the logits under
    /// cross-entropy, and the outputs themselves, limited to [0, 1], under squared error.
    fn probabilities<'py>(&self, x: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyArrayDyn<f64>>> {
        self.trained.check_classes()?;
        let model = &self.trained.model;
        let logits: Vec<f64> = self.logits_of(x)?.into_iter().map(f64::from).collect();
        let of_row = |row: &[f64]| predict::probabilities(model.loss, row);
        let all = logits.chunks_exact(model.head.outputs).flat_map(of_row);
        let all: Vec<f64> = all.collect();
        arrays::rows(x.py(), model.head.outputs.max(2), all)
    }

    /// The outputs of the network, (samples, outputs): scores of classes before the softmax, or the numbers
    /// that a regression predicts.
    fn logits<'py>(&self, x: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyArrayDyn<f32>>> {
        arrays::rows(x.py(), self.trained.model.head.outputs, self.logits_of(x)?)
    }

    /// The representation of each sample after hidden layer `layer`, (samples, width). Layers are counted
    /// from 0, and from the last one as −1, −2, ….
    #[pyo3(signature = (x, layer=-1))]
    fn representation<'py>(
        &self,
        x: &Bound<'py, PyAny>,
        layer: isize,
    ) -> PyResult<Bound<'py, PyArrayDyn<f32>>> {
        let layers = &self.trained.model.layers;
        let from_end = layer.checked_add_unsigned(layers.len());
        let place = if layer < 0 { from_end } else { Some(layer) };
        let place = place.and_then(|place| usize::try_from(place).ok());
        let Some(place) = place.filter(|&place| place < layers.len()) else {
            return Err(PyValueError::new_err(format!(
                "layer {layer}: the network has {} hidden layers",
                layers.len()
            )));
        };
        let z = self.compute(x.py(), self.inputs_of(x)?, &Output::Layer(place))?;
        arrays::rows(x.py(), layers[place].shape.outputs, z)
    }

    /// Loss, accuracy (of classes) and R² (of values) on `data`, as a dict.
    fn evaluate<'py>(
        &self,
        py: Python<'py>,
        data: &Bound<'py, PyDataset>,
    ) -> PyResult<Bound<'py, PyDict>> {
        let data: &Dataset = &data.get().0;
        let score = run_quietly(py, None, |_| self.trained.evaluate(data))?;
        let entries = PyDict::new(py);
        entries.set_item("loss", score.loss)?;
        entries.set_item("accuracy", score.accuracy)?;
        entries.set_item("r2", score.r2)?;
        Ok(entries)
    }

    /// The description of the network.
    #[getter]
    fn model(&self) -> PyModel {
        PyModel(self.trained.model.clone())
    }

    /// The metrics of each epoch, as dicts. Numbers are means over the realizations, and lists have one
    /// number for each; NaN stands for a realization that diverged, and for accuracies of a regression.
    #[getter]
    fn history<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyDict>>> {
        let epochs = self.trained.history().iter();
        epochs
            .map(|metrics| metrics_dict(py, metrics, self.tested))
            .collect()
    }

    /// The settings and the result of each realization, as dicts: which epoch was kept, its losses and
    /// accuracies, and where it diverged.
    fn results<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyDict>>> {
        let row = |(r, outcome): (usize, &Outcome)| {
            let entries = PyDict::new(py);
            entries.set_item("run", r)?;
            if let Some(run) = self.runs.get(r) {
                entries.set_item("seed", run.seed)?;
                // The shortest decimal number that is this float32.
                let decimal = |number: f32| number.to_string().parse::<f64>().unwrap_or(f64::NAN);
                entries.set_item("learning_rate", decimal(run.learning_rate))?;
                entries.set_item("momentum", decimal(run.momentum))?;
                entries.set_item("weight_decay", decimal(run.weight_decay))?;
            }
            entries.set_item("kept_epoch", outcome.kept_epoch)?;
            entries.set_item("train_loss", outcome.train_loss)?;
            entries.set_item("validation_loss", outcome.validation_loss)?;
            entries.set_item("validation_accuracy", outcome.validation_accuracy)?;
            if self.tested {
                entries.set_item("test_loss", outcome.test_loss)?;
                entries.set_item("test_accuracy", outcome.test_accuracy)?;
            }
            entries.set_item("diverged_at_step", outcome.diverged_at_step)?;
            Ok(entries)
        };
        self.trained
            .outcomes()
            .iter()
            .enumerate()
            .map(row)
            .collect()
    }

    /// The parameters of a realization as arrays, by PyTorch's names: `layers.0.weight`, ….
    #[pyo3(signature = (realization=None))]
    fn parameters<'py>(
        &self,
        py: Python<'py>,
        realization: Option<usize>,
    ) -> PyResult<Bound<'py, PyDict>> {
        let parameters = self.parameters_of(realization.unwrap_or_else(|| self.first()))?;
        let entries = PyDict::new(py);
        for (shape, numbers) in self
            .trained
            .model
            .tensors()
            .iter()
            .zip(parameters.tensors())
        {
            let array = arrays::array(py, &shape.dims, numbers.clone())?;
            entries.set_item(&shape.name, array)?;
        }
        Ok(entries)
    }

    /// Realization `r` alone.
    fn realization(&self, r: usize) -> PyResult<Self> {
        let runs = self.runs.get(r).copied().into_iter().collect();
        Ok(Self::new(self.trained.realization(r)?, runs, self.tested))
    }

    /// The number of the realization with the lowest validation loss; None without a validation set.
    #[getter]
    fn best(&self) -> Option<usize> {
        self.trained.best()
    }

    /// The device on which it was trained, and the reason for this choice.
    #[getter]
    fn device(&self) -> &str {
        self.trained.device()
    }

    /// Whether a callback or Ctrl-C stopped training.
    #[getter]
    fn stopped(&self) -> bool {
        self.trained.is_stopped()
    }

    /// Notes on the device, on a resumed run, and on checkpoints that could not be written.
    #[getter]
    fn warnings(&self) -> Vec<String> {
        self.trained.warnings().to_vec()
    }

    /// Whether the network was trained on values.
    #[getter]
    fn is_regression(&self) -> bool {
        self.trained.is_regression
    }

    /// Saves each realization that did not diverge as a safetensors file: with several, realization r goes
    /// to `x-r.safetensors` for `x.safetensors`. Returns the paths.
    fn save(&self, path: PathBuf) -> PyResult<Vec<PathBuf>> {
        Ok(self.trained.save(path)?)
    }

    /// The bytes of such a file, of the first realization that did not diverge.
    fn to_bytes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let Checkpoint {
            model,
            parameters,
            dataset,
            ..
        } = self.checkpoint(self.first())?;
        Ok(PyBytes::new(
            py,
            &checkpoint::to_bytes(&model, &dataset, &parameters)?,
        ))
    }

    /// The network as ONNX: its bytes, which are also written to `path` if there is one. Its input
    /// `pixels` is bytes divided by 255, which the network maps to its input range.
    #[pyo3(signature = (path=None))]
    fn to_onnx<'py>(
        &self,
        py: Python<'py>,
        path: Option<PathBuf>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let bytes = onnx::export(&self.checkpoint(self.first())?)?;
        if let Some(path) = path {
            crate::files::atomic::write(&path, &bytes)?;
        }
        Ok(PyBytes::new(py, &bytes))
    }

    /// The network as a PyTorch module, `bregman.pytorch.Network`, ready to evaluate. It maps pixels in [0, 1]
    /// to its input range; its method `logits` takes preprocessed inputs.
    fn to_torch<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        let pytorch = py.import("bregman.pytorch")?;
        let (meta, state): (Bound<'_, PyAny>, Bound<'_, PyAny>) = pytorch
            .call_method1("parse", (slf.get().to_bytes(py)?,))?
            .extract()?;
        pytorch.call_method1("build", (meta, state))
    }

    fn _repr_html_<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let display = slf.py().import("bregman._display")?;
        display.call_method1("trained", (slf,))
    }

    fn __len__(&self) -> usize {
        self.trained.parameters.len()
    }

    fn __repr__(&self) -> String {
        let plural = match self.__len__() {
            1 => String::new(),
            several => format!("{several} realizations of "),
        };
        let model = PyModel(self.trained.model.clone());
        format!("Trained({plural}{}: {})", model.describe(), self.summary())
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, (Kept<'py>,))> {
        let (py, class): (_, Bound<'_, PyType>) = (slf.py(), slf.get_type());
        let Self {
            trained,
            runs,
            tested,
            ..
        } = slf.get();
        let model = &trained.model;
        let bytes = |parameters: &Parameters| -> PyResult<Bound<'py, PyBytes>> {
            let bytes = checkpoint::to_bytes(model, &trained.dataset, parameters)?;
            Ok(PyBytes::new(py, &bytes))
        };
        let network = |parameters: &Option<Parameters>| parameters.as_ref().map(bytes).transpose();
        let history = trained.history().iter();
        let numbers =
            |run: &RunSettings| (run.seed, run.learning_rate, run.momentum, run.weight_decay);
        let kept = Kept {
            networks: trained
                .parameters
                .iter()
                .map(network)
                .collect::<PyResult<_>>()?,
            model: bytes(&crate::kind::Init::Deterministic.parameters(model, 0))?,
            history: history
                .map(|metrics| metrics_dict(py, metrics, true))
                .collect::<PyResult<_>>()?,
            outcomes: serde_json::to_string(trained.outcomes())
                .map_err(|error| PyValueError::new_err(error.to_string()))?,
            runs: runs.iter().map(numbers).collect(),
            dataset: trained.dataset.clone(),
            device: trained.device().to_owned(),
            warnings: trained.warnings().to_vec(),
            is_regression: trained.is_regression,
            stopped: trained.is_stopped(),
            tested: *tested,
            moments: trained.moments().map(|moments| moments_bytes(py, moments)),
        };
        Ok((class.getattr("_of_kept")?, (kept,)))
    }

    /// The networks that pickle kept.
    #[staticmethod]
    fn _of_kept(kept: Kept<'_>) -> PyResult<Self> {
        let parse = |bytes: &Bound<'_, PyBytes>| {
            let parsed = checkpoint::parse(bytes.as_bytes());
            parsed.map_err(|fault| PyValueError::new_err(fault.to_string()))
        };
        let network = |bytes: &Option<Bound<'_, PyBytes>>| {
            let parsed = bytes.as_ref().map(parse).transpose()?;
            Ok(parsed.map(|(_, parameters, _)| parameters))
        };
        let run = |(seed, learning_rate, momentum, weight_decay)| RunSettings {
            seed,
            learning_rate,
            momentum,
            weight_decay,
        };
        let model = parse(&kept.model)?.0;
        let moments = kept.moments.as_ref();
        let moments = moments.map(|(steps, all)| moments_of(&model, *steps, all));
        let trained = Trained {
            model,
            dataset: kept.dataset,
            parameters: kept.networks.iter().map(network).collect::<PyResult<_>>()?,
            history: kept
                .history
                .iter()
                .map(metrics_of)
                .collect::<PyResult<_>>()?,
            outcomes: serde_json::from_str(&kept.outcomes)
                .map_err(|error| PyValueError::new_err(error.to_string()))?,
            device: kept.device,
            is_regression: kept.is_regression,
            stopped: kept.stopped,
            warnings: kept.warnings,
            moments: moments.transpose()?,
        };
        let runs = kept.runs.into_iter().map(run).collect();
        Ok(Self::new(trained, runs, kept.tested))
    }
}
