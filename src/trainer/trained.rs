//! The result of training: networks that predict, and the course of their training.

use std::path::{Path, PathBuf};

use crate::checkpoint::{self, Checkpoint};
use crate::cpu::Predictor;
use crate::data::prepare::TargetRule;
use crate::data::reader;
use crate::data::{Dataset, Inputs, Targets};
use crate::error::{Error, Result};
use crate::kind::Loss;
use crate::nn::{Model, Parameters};
use crate::predict;
use crate::reference::loss_and_gradient;
use crate::train::{EpochMetrics, Fit, Outcome};

/// Samples of a batch of predictions.
const PREDICTED_AT_ONCE: usize = 256;

/// The moments of each realization's optimizer, and the number of steps that made them.
#[doc(hidden)]
#[derive(Clone, Debug, Default)]
pub struct Moments {
    /// The number of steps.
    pub steps: u64,
    /// The moments of each realization.
    pub of_realizations: Vec<Vec<Parameters>>,
}

/// Trained networks, one for each realization, and the course of their training.
///
/// Predictions are those of the first realization that did not diverge; [`Self::realization`] chooses
/// another. They are computed on the processor, so that they are the same bits wherever the network was
/// trained; each call lays the network out again, so predict for many samples at once.
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

/// The scores of a network on a data set.
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
        let is_regression = is_regression.unwrap_or(checkpoint.model.loss == Loss::Huber);
        Ok(Self::of(checkpoint, is_regression))
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

    /// The device on which it was trained, and the reason for this choice.
    pub fn device(&self) -> &str {
        &self.device
    }

    /// Whether [`Trainer::on_epoch`](super::Trainer::on_epoch) stopped training.
    pub fn is_stopped(&self) -> bool {
        self.stopped
    }

    /// The optimizer's moments, if [`Trainer::keep_moments`](super::Trainer::keep_moments) asked for them.
    #[doc(hidden)]
    pub fn moments(&self) -> Option<&Moments> {
        self.moments.as_ref()
    }

    /// Notes on the device, on a resumed run, and on checkpoints that could not be written.
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

    /// The outputs of the network, (samples, outputs), for preprocessed inputs: scores of classes before the
    /// softmax, or the numbers that a regression was trained on.
    ///
    /// # Errors
    /// [`Error::Shape`] for inputs that are no whole number of samples, at least one;
    /// [`Error::InvalidValue`] for numbers that are not finite or outside the range of a first Bregman
    /// layer.
    pub fn logits(&self, inputs: impl Into<Inputs>) -> Result<Vec<f32>> {
        self.outputs_of(&self.samples(inputs.into())?, None)
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
    /// arrays, or a folder of images; if it has several parts, the first one is used.
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
        self.predictor(at_once, false)?.outputs(data, layer)
    }

    /// The network, laid out for predictions of `samples` samples at once; with `alone` on the calling thread.
    pub(crate) fn predictor(&self, samples: usize, alone: bool) -> Result<Predictor> {
        let parameters = self.parameters.iter().flatten().next();
        let parameters = parameters.expect("training fails if every realization diverges");
        Predictor::new(&self.model, parameters.clone(), samples, alone)
    }

    /// Fails if the network was trained on values, which have no classes.
    pub(crate) fn check_classes(&self) -> Result<()> {
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

    /// Loss and accuracy, or the errors of values, on `data`.
    ///
    /// # Errors
    /// [`Error::Shape`], [`Error::Label`] and [`Error::InvalidValue`] for data that do not fit the network,
    /// and [`Error::NonFiniteLoss`].
    pub fn evaluate(&self, data: &Dataset) -> Result<Score> {
        self.model.check_dataset(data)?;
        let found = self.outputs_of(data, None)?;
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
                let values = predict::values(&self.model, values);
                (None, Fit::of(&found, &values, outputs))
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
pub(crate) fn classes(logits: &[f32], outputs: usize) -> Vec<u32> {
    let class = |row: &[f32]| match row {
        [output] => u32::from(*output > 0.5),
        _ => (1..outputs).fold(0, |best, j| if row[j] > row[best] { j } else { best }) as u32,
    };
    logits.chunks_exact(outputs).map(class).collect()
}
