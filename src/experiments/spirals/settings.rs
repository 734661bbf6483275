//! The settings with which a figure is trained: its own, or those of the options.

use std::collections::BTreeMap;

use rayon::prelude::*;

use super::saved;
use crate::activation::Activation;
use crate::data::spirals::{Draw, Spirals};
use crate::error::{Result, at_least_one};
use crate::kind::{Form, Init, LayerKind, Loss};
use crate::memory;
use crate::optim::Sgd;
use crate::sweep::{self, Metrics, Run, Samples, Sweep};

/// Points of each class, in the training set and in the test set.
const PER_CLASS: usize = 500;

/// The settings that all figures share, and those that replace the settings of each.
#[derive(Clone, Debug)]
pub struct Options {
    /// Runs of each setting, at least 1, by default the figure's own; run r has seed `seed` + r, wrapping.
    pub runs: Option<usize>,
    /// Whether each run has points of its own.
    pub points: Draw,
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
    /// The seed of the first run and, where they are shared, of the points.
    pub seed: u64,
}

impl Options {
    /// Whether these values can work.
    ///
    /// # Errors
    /// [`Error::InvalidValue`](crate::error::Error::InvalidValue) for a count of zero and a rate that is not finite and positive.
    pub fn check(&self) -> Result<()> {
        at_least_one(&[
            ("runs", self.runs.unwrap_or(1)),
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

/// The points to train on and those to test on, 500 of each class, drawn independently.
#[derive(Clone, Debug)]
pub struct Points {
    train: Sets,
    test: Sets,
}

/// Points for all runs, or for each seed.
#[derive(Clone, Debug)]
enum Sets {
    Shared(Spirals),
    OfSeed(BTreeMap<u64, Spirals>),
}

impl Sets {
    fn samples(&self) -> Samples<'_> {
        match self {
            Self::Shared(spirals) => spirals.into(),
            Self::OfSeed(sets) => sets.into(),
        }
    }
}

impl Points {
    /// The points of `runs` runs with `options`, where their activation can take them.
    pub fn draw(options: &Options, runs: usize) -> Self {
        let draw = |seed| {
            let drawn = Spirals::draw(PER_CLASS, seed);
            drawn.map(|spirals| spirals.within(options.activation))
        };
        let [train, test] = match options.points {
            Draw::Shared => draw(options.seed).map(Sets::Shared),
            Draw::Own => {
                let runs = (0..runs as u64).into_par_iter();
                let seeds = runs.map(|run| options.seed.wrapping_add(run));
                let drawn: Vec<_> = seeds.map(|seed| (seed, draw(seed))).collect();
                let mut sets = [(); 2].map(|()| BTreeMap::new());
                for (seed, drawn) in drawn {
                    for (sets, spirals) in sets.iter_mut().zip(drawn) {
                        sets.insert(seed, spirals);
                    }
                }
                sets.map(Sets::OfSeed)
            }
        };
        Self { train, test }
    }

    /// The points to train on.
    pub fn train(&self) -> Samples<'_> {
        self.train.samples()
    }

    /// The points to test on.
    pub fn test(&self) -> Samples<'_> {
        self.test.samples()
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
    /// Runs of each setting.
    pub runs: usize,
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
            seed,
            ..
        } = self.options;
        let of_rate = |&learning_rate| {
            (0..self.runs as u64).map(move |run| Run {
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

    /// Whether this machine can hold all runs: their parameters, the metrics that are recorded, and their
    /// points.
    pub(super) fn check_memory(&self) -> Result<()> {
        // A layer of two neurons has six numbers, and the head at most as many.
        let parameters = (self.layers as u128 + 1) * 6 * size_of::<f32>() as u128;
        let metrics = u128::from(self.epochs.min(self.recorded)) * size_of::<Metrics>() as u128;
        let one = size_of::<Run>() as u128 + parameters + metrics;
        let counts = [self.rates.len(), self.kinds.len(), self.inits.len()];
        let of_seed = counts.iter().map(|&count| count as u128);
        let of_seed = of_seed.fold(one, u128::saturating_mul);
        // Two coordinates and a label of each point to train on and to test on.
        let points = 2 * 2 * PER_CLASS as u128 * 9;
        memory::check((self.runs as u128).saturating_mul(of_seed.saturating_add(points)))
    }

    /// All that the sweeps depend on, by the names that files of saved sweeps have.
    pub(super) fn described(&self) -> saved::Description {
        let options = &self.options;
        let list = |words: Vec<String>| words.join(",");
        [
            ("--runs", self.runs.to_string()),
            ("--points", options.points.name().to_owned()),
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
        let last = options.seed.wrapping_add(self.runs as u64 - 1);
        let rate = match self.rates.as_slice() {
            [rate] => Some(*rate),
            _ => None,
        };
        format!(
            "{what} {}.\n{} runs, seeds {} to {last}, {}.",
            self.network(rate),
            self.runs,
            options.seed,
            match options.points {
                Draw::Own => "each on 1000 points of its own",
                Draw::Shared => "all on the same 1000 points",
            },
        )
    }

    /// The network and its training, at `rate` if that is not the only one.
    fn network(&self, rate: Option<f32>) -> String {
        let options = &self.options;
        let rate = rate.map_or(String::new(), |rate| format!(", learning rate {rate}"));
        format!(
            "{} layers of 2 neurons, {}, {} form, {}, batches of {}, {} epochs{rate}",
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
        )
    }

    /// What is trained, at `rate` or at the only rate, in words.
    pub(super) fn conditions(&self, rate: Option<f32>) -> String {
        let points = match self.options.points {
            Draw::Own => "points of each run's own",
            Draw::Shared => "one draw of the points for all runs",
        };
        let rate = rate.or(self.rates.first().copied());
        format!("{}, {points}", self.network(rate))
    }

    /// The command that trains the figure.
    pub(super) fn command(&self) -> String {
        let Options {
            points,
            epochs,
            learning_rates,
            batch_size,
            activation,
            layers,
            init,
            form,
            loss,
            seed,
            runs: _,
        } = &self.options;
        let rates = |rates: &Vec<f32>| {
            let rates: Vec<String> = rates.iter().map(f32::to_string).collect();
            rates.join(",")
        };
        // Those that are not what the command takes without them.
        let changed = |changed: bool, value: &str| changed.then(|| value.to_owned());
        let options = [
            ("figure", Some(self.figure.to_owned())),
            ("runs", Some(self.runs.to_string())),
            ("seed", Some(seed.to_string())),
            ("points", changed(*points != Draw::Own, points.name())),
            ("epochs", epochs.map(|epochs| epochs.to_string())),
            ("lr", learning_rates.as_ref().map(rates)),
            ("batch-size", batch_size.map(|size| size.to_string())),
            (
                "activation",
                changed(activation.name != "arctan", activation.name),
            ),
            ("layers", layers.map(|layers| layers.to_string())),
            ("init", init.map(|init| init.name().to_owned())),
            ("form", changed(*form != Form::Dual, form.name())),
            (
                "loss",
                changed(*loss != Loss::MeanSquaredError, loss.name()),
            ),
        ];
        let given = options.into_iter().filter_map(|(name, value)| {
            let value = value?;
            Some(format!(" --{name} {value}"))
        });
        format!("bregman spirals{}", given.collect::<String>())
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
