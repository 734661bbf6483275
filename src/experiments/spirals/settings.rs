//! The settings with which a figure is trained: its own, or those of the options.

use super::saved;
use crate::activation::Activation;
use crate::data::spirals::Spirals;
use crate::error::{Result, at_least_one};
use crate::kind::{Form, Init, LayerKind, Loss};
use crate::memory;
use crate::optim::Sgd;
use crate::sweep::{self, Metrics, Run, Sweep};

/// Points of each class, in the training set and in the test set.
const PER_CLASS: usize = 500;

/// The settings that all figures share, and those that replace the settings of each.
#[derive(Clone, Debug)]
pub struct Options {
    /// Runs of each setting, at least 1; run r has seed `seed` + r, wrapping.
    pub runs: usize,
    /// Passes over the training set, at least 1; by default the figure's own.
    pub epochs: Option<u32>,
    /// Learning rates, finite and positive; by default the figure's own. A figure of one rate takes
    /// the first.
    pub learning_rates: Option<Vec<f32>>,
    /// Samples in a mini-batch, at least 1; by default the figure's own.
    pub batch_size: Option<usize>,
    /// ρ.
    pub activation: &'static Activation,
    /// Hidden layers of two neurons, at least 1; by default the figure's own.
    pub layers: Option<usize>,
    /// The initial weights; by default the figure's own.
    pub init: Option<Init>,
    /// The form of Bregman layers.
    pub form: Form,
    /// Squared error of one output, or cross-entropy of two.
    pub loss: Loss,
    /// The seed of the points and of the first run.
    pub seed: u64,
}

impl Options {
    /// Whether these values can work.
    ///
    /// # Errors
    /// [`Error::InvalidValue`](crate::error::Error::InvalidValue) for a count of zero and a rate that is not finite and positive.
    pub fn check(&self) -> Result<()> {
        at_least_one(&[
            ("runs", self.runs),
            ("epochs", self.epochs.map_or(1, |epochs| epochs as usize)),
            ("layers", self.layers.unwrap_or(1)),
        ])?;
        let batch_size = self.batch_size.unwrap_or(1);
        let rates = self.learning_rates.as_deref().unwrap_or(&[1.0]);
        let mut optimizers = rates.iter().map(|&learning_rate| Sgd {
            batch_size,
            learning_rate,
        });
        optimizers.try_for_each(|sgd| sgd.check(1))
    }
}

/// The points to train on and those to test on.
#[derive(Clone, Debug)]
pub struct Points {
    /// 500 points of each class.
    pub train: Spirals,
    /// The same number of points, drawn independently.
    pub test: Spirals,
}

impl Points {
    /// The points of `options`, where its activation can take them.
    pub fn draw(options: &Options) -> Self {
        let drawn = Spirals::draw(PER_CLASS, options.seed);
        let [train, test] = drawn.map(|spirals| spirals.within(options.activation));
        Self { train, test }
    }
}

/// The settings of a figure, with the options in place.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The figure's name.
    pub figure: &'static str,
    /// The settings that are the same for every figure.
    pub options: Options,
    /// The kinds of layer.
    pub kinds: &'static [LayerKind],
    /// Hidden layers.
    pub layers: usize,
    /// Passes over the training set.
    pub epochs: u32,
    /// Samples in a mini-batch.
    pub batch_size: usize,
    /// Learning rates.
    pub rates: Vec<f32>,
    /// Kinds of initial weights.
    pub inits: Vec<Init>,
    /// The largest number of epochs whose metrics are recorded; the last epoch is always one.
    pub recorded: u32,
}

impl Settings {
    /// The runs of the figure, for each kind of initial weights and each kind of layer.
    ///
    /// # Errors
    /// Those of [`sweep::network`].
    pub fn sweeps(&self) -> Result<Vec<Sweep>> {
        let kinds = |&init| self.kinds.iter().map(move |&kind| (init, kind));
        let pairs = self.inits.iter().flat_map(kinds);
        pairs.map(|(init, kind)| self.sweep(kind, init)).collect()
    }

    /// One sweep of `kind`: all runs at all rates, rate by rate.
    fn sweep(&self, kind: LayerKind, init: Init) -> Result<Sweep> {
        let Options {
            form,
            activation,
            loss,
            runs,
            seed,
            ..
        } = self.options;
        let of_rate = |&learning_rate| {
            (0..runs as u64).map(move |run| Run {
                seed: seed.wrapping_add(run),
                learning_rate,
            })
        };
        Ok(Sweep {
            model: sweep::network(kind, form, activation, loss, self.layers)?,
            init,
            runs: self.rates.iter().flat_map(of_rate).collect(),
            epochs: self.epochs,
            batch_size: self.batch_size,
            record_every: self.epochs.div_ceil(self.recorded),
        })
    }

    /// Whether this machine can hold all runs: their parameters and the metrics that are recorded.
    pub(super) fn check_memory(&self) -> Result<()> {
        // A layer of two neurons has six numbers, and the head at most as many.
        let parameters = (self.layers as u128 + 1) * 6 * size_of::<f32>() as u128;
        let metrics = u128::from(self.epochs.min(self.recorded)) * size_of::<Metrics>() as u128;
        let one = size_of::<Run>() as u128 + parameters + metrics;
        let counts = [
            self.options.runs,
            self.rates.len(),
            self.kinds.len(),
            self.inits.len(),
        ];
        let all = counts.iter().map(|&count| count as u128);
        memory::check(all.fold(one, u128::saturating_mul))
    }

    /// All that the sweeps depend on, by the names that files of saved sweeps have.
    pub(super) fn described(&self) -> saved::Description {
        let options = &self.options;
        let list = |words: Vec<String>| words.join(",");
        [
            ("--runs", options.runs.to_string()),
            ("--epochs", self.epochs.to_string()),
            (
                "--lr",
                list(self.rates.iter().map(f32::to_string).collect()),
            ),
            ("--batch-size", self.batch_size.to_string()),
            ("--activation", options.activation.name.to_owned()),
            ("--layers", self.layers.to_string()),
            (
                "--init",
                list(self.inits.iter().map(|i| i.name().to_owned()).collect()),
            ),
            ("--form", options.form.name().to_owned()),
            ("--loss", options.loss.name().to_owned()),
            ("--seed", options.seed.to_string()),
        ]
        .into()
    }

    /// `what` and the settings, for the caption of a picture.
    pub(super) fn caption(&self, what: &str) -> String {
        let options = &self.options;
        let last = options.seed.wrapping_add(options.runs as u64 - 1);
        let rate = match self.rates.as_slice() {
            [rate] => format!(", learning rate {rate}"),
            _ => String::new(),
        };
        format!(
            "{what} {} layers of 2 neurons, {}, {} form, {}, batches of {}, {} epochs{rate}.\n\
             {} runs, seeds {} to {last}, on 1000 points.",
            self.layers,
            options.activation.name,
            options.form.name(),
            match options.loss {
                Loss::MeanSquaredError => "squared error",
                Loss::Huber => "Huber's loss",
                Loss::CrossEntropy => "cross-entropy",
            },
            self.batch_size,
            self.epochs,
            options.runs,
            options.seed,
        )
    }

    /// The label of an axis of losses.
    pub(super) fn loss_label(&self) -> &'static str {
        match self.options.loss {
            Loss::MeanSquaredError => "training loss (mean squared error)",
            Loss::Huber => "training loss (Huber)",
            Loss::CrossEntropy => "training loss (cross-entropy, nats)",
        }
    }
}
