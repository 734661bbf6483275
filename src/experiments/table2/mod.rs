//! The paper's Table 2: 7 networks × 3 layers, each trained several times, with the mean and the
//! standard deviation of the test accuracy; and trials of single networks on the validation split.
//!
//! ```text
//! Options      rows, layers, runs
//!   → Recipe   how a cell is trained, from the settings of its Row
//!   → Cell     its accuracies, kept in table2.json; Trial for a single network
//!   → Results  all of them, as JSON, CSV, Markdown and figures
//! ```

mod deep;
mod figures;
mod recipe;
mod report;
mod train;

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Instant;

pub use deep::Deep;
pub use figures::figures;
pub use recipe::{LEARNING_RATES, Phase, ROWS, Recipe, Row, Settings};
pub use report::{Cell, Results, Trial};

use crate::data::{self, Loaded, Request, Splits};
use crate::device::Device;
use crate::error::{Error, Result, at_least_one};
use crate::files::lock;
use crate::kind::LayerKind;
use crate::train::{EpochMetrics, mean};
use report::percent;

/// Number of training images that are held out to choose recipes by.
const VALIDATION: usize = 10_000;
/// Number of training and of test images of a quick experiment.
const QUICK: (usize, usize) = (2_000, 1_000);

/// The cells to train, and the folder of the results.
#[derive(Clone, Debug)]
pub struct Options {
    /// The rows.
    pub rows: Vec<&'static Row>,
    /// The kinds of layer.
    pub layers: Vec<LayerKind>,
    /// Runs of each cell, at least 1; run r has seed r.
    pub runs: usize,
    /// Number of epochs, at least 1, in place of the recipe's; its phases keep their shares.
    pub epochs: Option<u32>,
    /// Whether to train one run of one epoch on 2,000 images, to check that everything works.
    pub quick: bool,
    /// The folder that has the data, see [`data::load`].
    pub data_dir: Option<PathBuf>,
    /// The folder for the results.
    pub out_dir: PathBuf,
}

impl Options {
    /// Whether the counts can work.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] for a count of zero.
    pub fn check(&self) -> Result<()> {
        at_least_one(&[
            ("runs", self.runs),
            ("epochs", self.epochs.map_or(1, |epochs| epochs as usize)),
        ])
    }

    fn recipe(&self, row: &Row) -> Recipe {
        Recipe::of(row, self.epochs, self.quick)
    }
}

/// The cells or networks that an experiment trains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// The cells of the table.
    Cells,
    /// One network at each of [`LEARNING_RATES`], for a third of the recipe's epochs; its accuracy
    /// is that on the validation split.
    LearningRates,
    /// One Bregman network by each recipe of [`Row::grid`]; its accuracy is that on the validation split.
    Grid,
    /// The deep networks of two more figures.
    Deep,
}

/// An event of an experiment, for the user.
#[derive(Debug)]
pub enum Event<'a> {
    /// Where the data come from.
    Data(&'a str),
    /// Runs continue from their checkpoint.
    Resumed {
        /// The cell.
        name: &'a str,
        /// Epochs done before.
        epochs: usize,
        /// Steps done in the next epoch.
        steps: usize,
    },
    /// A checkpoint has other runs and will be replaced.
    Replaced {
        /// The checkpoint.
        checkpoint: &'a Path,
    },
    /// An epoch of some runs is done.
    Epoch {
        /// The cell.
        name: &'a str,
        /// Number of epochs.
        epochs: u32,
        /// Its metrics.
        metrics: &'a EpochMetrics,
    },
    /// A checkpoint could not be saved; training continues.
    NotSaved(&'a Error),
    /// An error ends training, and its checkpoint stays.
    Intact {
        /// The checkpoint.
        checkpoint: &'a Path,
    },
    /// A cell is done: it was complete before, or its last run has just been trained.
    Cell {
        /// The cell's name.
        name: &'a str,
        /// The cell.
        cell: &'a Cell,
        /// Whether it was found done.
        before: bool,
    },
    /// A network has been trained and evaluated on the validation split.
    Trial {
        /// Its name.
        name: &'a str,
        /// Its accuracy.
        trial: &'a Trial,
    },
    /// A deep network has been trained.
    Deep {
        /// Its name.
        name: &'a str,
        /// Its accuracies and norms.
        deep: &'a Deep,
    },
}

impl fmt::Display for Event<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent_or_diverged = |accuracy: Option<f64>| match accuracy {
            Some(accuracy) => format!("{} %", percent(&[accuracy])),
            None => "diverged".to_owned(),
        };
        match *self {
            Self::Data(note) => write!(f, "note: {note}"),
            Self::Resumed {
                name,
                epochs,
                steps,
            } => write!(f, "{name}: going on after epoch {epochs} and {steps} steps"),
            Self::Replaced { checkpoint } => write!(
                f,
                "note: {} is of different runs; it is replaced",
                checkpoint.display()
            ),
            Self::Epoch {
                name,
                epochs,
                metrics,
            } => write!(
                f,
                "{name}: epoch {}/{epochs}: train loss {:.4}, accuracy {} %, {:.1} s",
                metrics.epoch,
                metrics.train_loss,
                percent(&metrics.test_accuracies),
                metrics.seconds,
            ),
            Self::NotSaved(error) => write!(f, "warning: {error}"),
            Self::Intact { checkpoint } => write!(
                f,
                "{} is intact; the same command continues from it",
                checkpoint.display()
            ),
            Self::Cell { name, cell, before } => {
                let done = if before { "done before, " } else { "" };
                write!(
                    f,
                    "{name}: {done}{} % (runs: {}, paper: {:.2} %), {:.0} s",
                    percent(&cell.accuracies),
                    cell.runs,
                    100.0 * cell.paper,
                    cell.seconds,
                )
            }
            Self::Trial { name, trial } => write!(
                f,
                "{name}: validation {}, {:.0} s",
                percent_or_diverged(trial.validation_accuracy),
                trial.seconds
            ),
            Self::Deep { name, deep } => {
                let accuracies = deep.test_accuracy_by_epoch.as_deref();
                let last = accuracies.and_then(|accuracies| accuracies.last().copied());
                write!(
                    f,
                    "{name}: {}, {:.0} s",
                    percent_or_diverged(last),
                    deep.seconds
                )
            }
        }
    }
}

/// How a caller follows an experiment and stops it.
#[derive(Clone, Copy)]
pub struct Watch<'a> {
    /// Called for every event.
    pub tell: &'a dyn Fn(Event<'_>),
    /// Whether to stop.
    pub stop: &'a dyn Fn() -> bool,
}

/// An experiment on a device. All that it has trained is kept in the folder of the results, so that
/// it can be stopped, killed and started again.
#[derive(Clone, Copy)]
pub struct Experiment<'a> {
    /// The cells to train.
    pub options: &'a Options,
    /// Where to train.
    pub device: &'a Device,
    /// How to follow and stop it.
    pub watch: Watch<'a>,
}

impl Experiment<'_> {
    /// Trains the missing parts of `task`; false if it was stopped before the end.
    ///
    /// # Errors
    /// Those of [`Options::check`], of the data, of the device and of the files; [`Error::Locked`] for a
    /// folder that another process has for itself, and for a cell that another process trains.
    pub async fn run(&self, task: Task) -> Result<bool> {
        self.options.check()?;
        let _lock = lock::share_folder(&self.options.out_dir)?;
        Results::check_writable(&self.options.out_dir)?;
        if task == Task::Deep {
            return self.deep().await;
        }
        for &row in &self.options.rows {
            let mut loaded = None;
            if task == Task::Grid {
                if !self.grid(row, &mut loaded).await? {
                    return Ok(false);
                }
                continue;
            }
            for &layer in &self.options.layers {
                let whole = match task {
                    Task::LearningRates => self.rates(row, layer, &mut loaded).await?,
                    _ => self.cell(row, layer, &mut loaded).await?,
                };
                if !whole {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    fn load(&self, dataset: &str, limit: Option<(usize, usize)>) -> Result<Loaded> {
        let request = Request {
            dataset: Some(dataset.to_owned()),
            data_dir: self.options.data_dir.clone(),
            limit,
        };
        let loaded = data::load(&request, &mut |_| {})?;
        for note in &loaded.notes {
            (self.watch.tell)(Event::Data(note));
        }
        Ok(loaded)
    }

    /// The data of a row, loaded when its first cell is trained.
    fn data<'l>(&self, row: &Row, loaded: &'l mut Option<Loaded>) -> Result<&'l Loaded> {
        if loaded.is_none() {
            *loaded = Some(self.load(row.dataset, self.options.quick.then_some(QUICK))?);
        }
        Ok(loaded.as_ref().expect("loaded above"))
    }

    /// Trains a cell, or the runs that it lacks; false if it was stopped before its end.
    async fn cell(
        &self,
        row: &'static Row,
        layer: LayerKind,
        loaded: &mut Option<Loaded>,
    ) -> Result<bool> {
        let Self {
            options,
            device,
            watch,
        } = *self;
        let recipe = options.recipe(row);
        let runs = if options.quick { 1 } else { options.runs };
        let name = format!("{} {}", row.name, layer.name());
        let checkpoint = format!("{}-{}.safetensors", row.name, layer.name());
        let checkpoint = options.out_dir.join(checkpoint);
        let _lock = lock::own_file(&checkpoint)?;
        let mut cell = Results::read(&options.out_dir)?
            .cell(row, layer)
            .cloned()
            .filter(|cell| cell.recipe == recipe)
            .unwrap_or_else(|| Cell::new(row, layer, recipe));
        if cell.runs >= runs {
            (watch.tell)(Event::Cell {
                name: &name,
                cell: &cell,
                before: true,
            });
            return Ok(true);
        }
        let data = self.data(row, loaded)?;
        let splits = Splits {
            train: cell.recipe.training_set(data.train.clone()),
            validation: None,
            test: data.test.clone(),
        };
        let model = cell.recipe.model(layer, &data.train)?;
        let seeds = cell.runs as u64..runs as u64;
        let training = self.train(
            &name,
            &model,
            &cell.recipe,
            splits,
            seeds,
            Some(&checkpoint),
        );
        let trained = training.await.inspect_err(|_| {
            if checkpoint.exists() {
                let checkpoint = &checkpoint;
                (watch.tell)(Event::Intact { checkpoint });
            }
        })?;
        let Some(trained) = trained else {
            return Ok(false);
        };
        cell.add(&trained.accuracies, trained.seconds);
        cell.device = device.name();
        cell.test_images = data.test.len();
        (watch.tell)(Event::Cell {
            name: &name,
            cell: &cell,
            before: false,
        });
        Results::update(&options.out_dir, |results| results.add(cell))?;
        // The cell is done. If its checkpoint cannot be removed, nothing will ask for it again.
        let _ = std::fs::remove_file(&checkpoint);
        Ok(true)
    }

    /// Trains a row's network once at each learning rate; false if it was stopped before the last.
    async fn rates(
        &self,
        row: &'static Row,
        layer: LayerKind,
        loaded: &mut Option<Loaded>,
    ) -> Result<bool> {
        let folder = &self.options.out_dir;
        for learning_rate in LEARNING_RATES {
            let recipe = self.options.recipe(row).at_constant(learning_rate);
            let name = format!("{} {} at {learning_rate}", row.name, layer.name());
            if Results::read(folder)?.has_rate(row, layer, &recipe) {
                continue;
            }
            let data = self.data(row, loaded)?;
            let Some(trial) = self.validate(&name, row, layer, recipe, data).await? else {
                return Ok(false);
            };
            Results::update(folder, |results| results.add_rate(trial))?;
        }
        Ok(true)
    }

    /// Trains a Bregman network by each recipe of a row's grid; false if it was stopped before the
    /// last.
    async fn grid(&self, row: &'static Row, loaded: &mut Option<Loaded>) -> Result<bool> {
        let Options {
            epochs,
            quick,
            out_dir: folder,
            ..
        } = self.options;
        for settings in row.grid() {
            let recipe = Recipe::with(row, &settings, *epochs, *quick);
            if Results::read(folder)?.has_trial(row, &recipe) {
                continue;
            }
            let name = format!("{}, {}", row.name, recipe.describe());
            let data = self.data(row, loaded)?;
            let trial = self.validate(&name, row, LayerKind::Bregman, recipe, data);
            let Some(trial) = trial.await? else {
                return Ok(false);
            };
            Results::update(folder, |results| results.add_trial(trial))?;
        }
        Ok(true)
    }

    /// Trains one network on the training set without the validation split and evaluates it on that
    /// split; none if it was stopped. The test set is not used for choices.
    async fn validate(
        &self,
        name: &str,
        row: &Row,
        layer: LayerKind,
        recipe: Recipe,
        data: &Loaded,
    ) -> Result<Option<Trial>> {
        let mut train = data.train.clone();
        let held_out = train.split_off(VALIDATION.min(train.len() / 5));
        let splits = Splits {
            train: recipe.training_set(train),
            validation: None,
            test: held_out,
        };
        let started = Instant::now();
        let model = recipe.model(layer, &data.train)?;
        let training = self.train(name, &model, &recipe, splits, 0..1, None);
        let accuracy = match training.await {
            Ok(None) => return Ok(None),
            Ok(Some(trained)) => trained.accuracies.last().map(|accuracies| mean(accuracies)),
            Err(Error::Diverged { .. }) => None,
            Err(error) => return Err(error),
        };
        let trial = Trial {
            row: row.name.to_owned(),
            layer: layer.name().to_owned(),
            validation_accuracy: accuracy,
            seconds: started.elapsed().as_secs_f64(),
            recipe,
        };
        (self.watch.tell)(Event::Trial {
            name,
            trial: &trial,
        });
        Ok(Some(trial))
    }
}
