//! Sweeps: thousands of trainings of networks of two neurons a layer, side by side.
//!
//! A network of three layers of two neurons with one output has 21 parameters, so one invocation of
//! a compute shader, or one lane of a vector, holds a whole training run: seeds and learning rates
//! differ from run to run, all else is shared. Run r of a sweep is the same run everywhere: its
//! initial parameters and the order of its samples come from its own seed through [`crate::rng`].
//!
//! ```text
//! Sweep        network, initialisation, epochs, batch size, and the runs
//!   → reference  f64, one run after the other: the textbook
//!   → cpu        16 runs in the lanes of a vector, groups of runs on all cores; any depth
//!   → gpu        a run an invocation, in `shaders/sweep.wgsl`; up to 4 layers
//!   → Record     loss and accuracy by run and epoch, and the trained parameters
//! ```

pub mod cpu;
pub mod gpu;
pub mod reference;

use std::ops::Range;

use crate::activation::Activation;
use crate::data::spirals::Spirals;
use crate::error::{Error, Result};
use crate::executor::Sgd;
use crate::nn::{Form, Init, LayerKind, Loss, Model, Parameters};

/// Neurons of every layer, and coordinates of a point.
pub const WIDTH: usize = 2;

/// Parameters of a layer: W, (2, 2), then b.
pub const LAYER_PARAMETERS: usize = WIDTH * WIDTH + WIDTH;

/// `layers` layers of two neurons and a linear head, of one output for squared error, of two for
/// cross-entropy.
///
/// # Errors
/// [`Error::InvalidValue`] for no layer.
pub fn network(
    kind: LayerKind,
    form: Form,
    activation: &'static Activation,
    loss: Loss,
    layers: usize,
) -> Result<Model> {
    let outputs = match loss {
        Loss::MeanSquaredError => 1,
        Loss::CrossEntropy => 2,
    };
    let widths = vec![WIDTH; layers + 1];
    Model::new(kind, form, activation, loss, &widths, outputs)
}

/// What tells the runs of a sweep apart.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Run {
    /// Of initial parameters and of the order of samples.
    pub seed: u64,
    /// The learning rate.
    pub learning_rate: f32,
}

/// Trainings of one network, to be run side by side.
#[derive(Clone, Debug)]
pub struct Sweep {
    /// The network, see [`network`].
    pub model: Model,
    /// How parameters start.
    pub init: Init,
    /// The trainings.
    pub runs: Vec<Run>,
    /// Passes over the training set.
    pub epochs: u32,
    /// Samples in a mini-batch; the last one of an epoch is kept, short, and averaged over its size.
    pub batch_size: usize,
    /// Loss and accuracy are recorded after every so many epochs, and after the last.
    pub record_every: u32,
}

impl Sweep {
    /// Whether the network has the shapes of [`network`], and whether it can be trained on `data`.
    ///
    /// # Errors
    /// [`Error::Shape`] for other shapes or no data; [`Error::InvalidValue`] for counts of zero and
    /// rates that are not finite and positive.
    pub fn check(&self, data: &Spirals) -> Result<()> {
        let model = &self.model;
        let expected = network(
            model.kind,
            model.form,
            model.activation,
            model.loss,
            model.layers.len(),
        )?;
        let shape = |operation: &str, expected: &[usize], found: &[usize]| Error::Shape {
            operation: operation.to_owned(),
            expected: expected.to_vec(),
            found: found.to_vec(),
        };
        let widths = |model: &Model| {
            let layers = model.layers.iter().chain([&model.head]);
            layers
                .flat_map(|l| [l.inputs, l.outputs])
                .collect::<Vec<_>>()
        };
        let (found, expected) = (widths(model), widths(&expected));
        if found != expected || model.cnn.is_some() {
            return Err(shape("widths of a sweep's network", &expected, &found));
        }
        let points = [data.points.len(), WIDTH];
        let fits = data.points.len() == data.labels.len() && !data.is_empty();
        if !fits || data.labels.iter().any(|&label| label > 1) {
            let samples = data.len().max(1);
            return Err(shape("points of two classes", &[samples, WIDTH], &points));
        }
        if u32::try_from(data.len()).is_err() {
            let most = u32::MAX as usize;
            return Err(shape("points of a sweep", &[most, WIDTH], &points));
        }
        for run in &self.runs {
            let sgd = Sgd {
                batch_size: self.batch_size,
                learning_rate: run.learning_rate,
            };
            sgd.check(self.runs.len())?;
        }
        let counts = [
            ("runs", self.runs.len()),
            ("epochs", self.epochs as usize),
            ("batch_size", self.batch_size),
            ("record_every", self.record_every as usize),
        ];
        match counts.into_iter().find(|(_, count)| *count == 0) {
            None => Ok(()),
            Some((field, _)) => Err(Error::InvalidValue {
                field,
                value: "0".to_owned(),
                reason: "must be at least 1".to_owned(),
            }),
        }
    }

    /// Steps of one run on `samples` samples.
    pub fn steps(&self, samples: usize) -> u64 {
        u64::from(self.epochs) * samples.div_ceil(self.batch_size) as u64
    }

    /// Whether metrics are recorded after `epoch`, counted from 1.
    pub fn records(&self, epoch: u32) -> bool {
        epoch.is_multiple_of(self.record_every) || epoch == self.epochs
    }

    /// The epochs, counted from 1, after which metrics are recorded.
    pub fn recorded_epochs(&self) -> Vec<u32> {
        (1..=self.epochs).filter(|&e| self.records(e)).collect()
    }

    /// The initial parameters of `run`.
    pub fn initial(&self, run: &Run) -> Parameters {
        self.init.parameters(&self.model, run.seed)
    }
}

/// A network on the whole training set, as it stands after an epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Metrics {
    /// The mean loss; NaN where it or a parameter is not finite: the run has diverged.
    pub loss: f32,
    /// How many samples are classified correctly.
    pub correct: u32,
}

/// What a sweep leaves; before its end, all that its continuation needs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Record {
    /// [`Sweep::recorded_epochs`].
    pub epochs: Vec<u32>,
    /// By run and recorded epoch.
    pub metrics: Vec<Vec<Metrics>>,
    /// By run, after the epochs that it has done.
    pub parameters: Vec<Parameters>,
    /// The epochs that each run has done.
    pub done: Vec<u32>,
}

impl Record {
    /// Of a sweep that has not begun.
    pub fn new(sweep: &Sweep) -> Self {
        Self {
            epochs: sweep.recorded_epochs(),
            metrics: vec![Vec::new(); sweep.runs.len()],
            parameters: sweep.runs.iter().map(|run| sweep.initial(run)).collect(),
            done: vec![0; sweep.runs.len()],
        }
    }

    /// The epochs that all runs have done, together.
    pub fn run_epochs(&self) -> u64 {
        self.done.iter().map(|&done| u64::from(done)).sum()
    }

    /// The runs, in parts of neighbours that have done as much as each other, but for those that are
    /// done with `epochs`.
    fn parts(&self, epochs: u32) -> Vec<Range<usize>> {
        let mut first = 0;
        let parts = self.done.chunk_by(|a, b| a == b).map(|part| {
            let runs = first..first + part.len();
            first = runs.end;
            runs
        });
        parts
            .filter(|runs| self.done[runs.start] < epochs)
            .collect()
    }
}
