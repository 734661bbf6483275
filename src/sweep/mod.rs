//! Sweeps: thousands of trainings of networks of two neurons per layer, side by side.
//!
//! A network of three layers of two neurons with one output has 21 parameters, so one lane of a vector holds a
//! whole training run, and so do a few invocations of a compute shader. Seeds and learning rates
//! differ from run to run, and the samples may, too; everything else is shared. Run r of a sweep is the
//! same run everywhere: its initial parameters and the order of its samples depend only on its own seed,
//! through [`crate::rng`].
//!
//! ```text
//! Sweep        network, initialisation, epochs, batch size, and the runs
//!   → reference  f64, one run after another: the textbook
//!   → cpu        16 runs in the lanes of a vector, groups of runs on all cores; any depth
//!   → gpu        16 invocations per run, which take the samples of a batch side by side; up to 4 layers
//!   → Record     loss and accuracy by run and epoch, and the trained parameters
//! ```

pub mod cpu;
pub mod gpu;
#[doc(hidden)]
pub mod reference;

use std::collections::BTreeMap;
use std::ops::Range;

use crate::activation::Activation;
use crate::data::spirals::Spirals;
use crate::error::{Error, Result, at_least_one};
use crate::kernels::lanes::records;
#[doc(hidden)]
pub use crate::kernels::lanes::{LAYER_PARAMETERS, Metrics, WIDTH};
use crate::kind::{Form, Init, LayerKind, Loss};
use crate::nn::{Model, Parameters};
use crate::optim::Sgd;

/// `layers` layers of two neurons and a linear head with one output for squared error, two for
/// cross-entropy.
///
/// # Errors
/// [`Error::InvalidValue`] for no layer, and for a loss that does not take classes.
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
        Loss::Huber => return Err(no_classes()),
    };
    let widths = vec![WIDTH; layers + 1];
    Model::new(kind, form, activation, loss, &widths, outputs)
}

/// The error for a loss that does not take the classes of a sweep.
fn no_classes() -> Error {
    Error::InvalidValue {
        field: "loss",
        value: Loss::Huber.name().to_owned(),
        reason: "the points of a sweep have classes; mse and cross-entropy take them".to_owned(),
    }
}

/// The settings that differ between the runs of a sweep.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Run {
    /// Seed of the initial parameters and of the order of the samples.
    pub seed: u64,
    /// The learning rate.
    pub learning_rate: f32,
}

/// The samples that the runs of sweeps are trained on.
#[derive(Clone, Copy, Debug)]
pub enum Samples<'a> {
    /// The same for all runs.
    Shared(&'a Spirals),
    /// Those of a run's seed for each run, the same number for all seeds.
    OfSeed(&'a BTreeMap<u64, Spirals>),
}

impl<'a> From<&'a Spirals> for Samples<'a> {
    fn from(samples: &'a Spirals) -> Self {
        Self::Shared(samples)
    }
}

impl<'a> From<&'a BTreeMap<u64, Spirals>> for Samples<'a> {
    fn from(samples: &'a BTreeMap<u64, Spirals>) -> Self {
        Self::OfSeed(samples)
    }
}

impl<'a> Samples<'a> {
    /// The samples of a run with `seed`; none if there are none of this seed.
    pub fn of(self, seed: u64) -> Option<&'a Spirals> {
        match self {
            Self::Shared(samples) => Some(samples),
            Self::OfSeed(samples) => samples.get(&seed),
        }
    }

    /// Number of samples of a run.
    #[expect(clippy::len_without_is_empty, reason = "a sweep has samples")]
    pub fn len(self) -> usize {
        match self {
            Self::Shared(samples) => samples.len(),
            Self::OfSeed(samples) => samples.values().next().map_or(0, Spirals::len),
        }
    }

    /// One set of samples for all `runs`, or one for each.
    fn sets(self, runs: &[Run]) -> Vec<&'a Spirals> {
        let of_run = |run: &Run| self.of(run.seed).expect("`Sweep::check` has found it");
        match self {
            Self::Shared(samples) => vec![samples],
            Self::OfSeed(_) => runs.iter().map(of_run).collect(),
        }
    }
}

/// Trainings of one network that are run side by side.
#[derive(Clone, Debug)]
pub struct Sweep {
    /// The network, see [`network`].
    pub model: Model,
    /// The initialization of the parameters.
    pub init: Init,
    /// The trainings.
    pub runs: Vec<Run>,
    /// Passes over the training set.
    pub epochs: u32,
    /// Samples of a mini-batch. The last batch of an epoch may be smaller; its loss and gradient are
    /// means over its own size.
    pub batch_size: usize,
    /// Loss and accuracy are recorded after each epoch whose number, from 1, is a multiple of this,
    /// and after the last one.
    pub record_every: u32,
}

impl Sweep {
    /// Fails unless the network has the shapes of [`network`] and can be trained on `samples`.
    ///
    /// # Errors
    /// [`Error::Shape`] for different shapes, no samples, and numbers of samples that differ from run to
    /// run; [`Error::InvalidValue`] for counts of zero, rates that are not finite and positive, and layers
    /// that differ.
    pub fn check<'a>(&self, samples: impl Into<Samples<'a>>) -> Result<()> {
        let model = &self.model;
        let layer = model.require_uniform("layers")?;
        let expected = network(
            layer.kind,
            layer.form,
            layer.activation,
            model.loss,
            model.layers.len(),
        )?;
        let shape = |operation: &str, expected: &[usize], found: &[usize]| Error::Shape {
            operation: operation.to_owned(),
            expected: expected.to_vec(),
            found: found.to_vec(),
        };
        let widths = |model: &Model| {
            let shapes = model.shapes();
            shapes
                .flat_map(|shape| [shape.inputs, shape.outputs])
                .collect::<Vec<_>>()
        };
        let (found, expected) = (widths(model), widths(&expected));
        if found != expected || model.cnn.is_some() {
            return Err(shape("widths of a sweep's network", &expected, &found));
        }
        let samples = samples.into();
        let seeds = match samples {
            Samples::Shared(_) => &self.runs[..self.runs.len().min(1)],
            Samples::OfSeed(_) => &self.runs,
        };
        for run in seeds {
            let Some(data) = samples.of(run.seed) else {
                let operation = format!("points of the run with seed {}", run.seed);
                return Err(shape(&operation, &[samples.len(), WIDTH], &[0, WIDTH]));
            };
            let points = [data.points.len(), WIDTH];
            let fits = data.points.len() == data.labels.len() && data.len() == samples.len();
            if !fits || data.is_empty() || data.labels.iter().any(|&label| label > 1) {
                let samples = samples.len().max(1);
                return Err(shape("points of two classes", &[samples, WIDTH], &points));
            }
            if u32::try_from(data.len()).is_err() {
                let most = u32::MAX as usize;
                return Err(shape("points of a sweep", &[most, WIDTH], &points));
            }
        }
        for run in &self.runs {
            let sgd = Sgd {
                batch_size: self.batch_size,
                learning_rate: run.learning_rate,
            };
            sgd.check(self.runs.len())?;
        }
        at_least_one(&[
            ("runs", self.runs.len()),
            ("epochs", self.epochs as usize),
            ("batch_size", self.batch_size),
            ("record_every", self.record_every as usize),
        ])
    }

    /// Number of steps of one run on `samples` samples.
    pub fn steps(&self, samples: usize) -> u64 {
        u64::from(self.epochs) * samples.div_ceil(self.batch_size) as u64
    }

    /// Whether metrics are recorded after `epoch`, counted from 1.
    pub fn records(&self, epoch: u32) -> bool {
        records(epoch, self.epochs, self.record_every)
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

/// The results of a sweep; before its end, everything that is needed to continue it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Record {
    /// [`Sweep::recorded_epochs`].
    pub epochs: Vec<u32>,
    /// The metrics by run and recorded epoch.
    pub metrics: Vec<Vec<Metrics>>,
    /// The parameters by run, after the epochs that it has done.
    pub parameters: Vec<Parameters>,
    /// The number of epochs that each run has done.
    pub done: Vec<u32>,
}

impl Record {
    /// The record of a sweep that has not begun.
    pub fn new(sweep: &Sweep) -> Self {
        Self {
            epochs: sweep.recorded_epochs(),
            metrics: vec![Vec::new(); sweep.runs.len()],
            parameters: sweep.runs.iter().map(|run| sweep.initial(run)).collect(),
            done: vec![0; sweep.runs.len()],
        }
    }

    /// The number of epochs that the runs have done, summed over all runs.
    pub fn run_epochs(&self) -> u64 {
        self.done.iter().map(|&done| u64::from(done)).sum()
    }

    /// The runs that have not done `epochs` epochs, in ranges of neighbours that have done the same
    /// number.
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
