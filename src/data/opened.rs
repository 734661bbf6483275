//! A source of the user's own data, divided into samples to train on, to choose by and to test on, and
//! prepared for a network.

use std::fmt;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::dataset::{Dataset, Inputs, Targets};
use super::idx::hex;
use super::prepare::{
    Choice, HeldOut, HeldOutOf, Input, Part, Preparation, Scale, Strata, TargetRule, hold_out,
    number,
};
use super::raw::{Cells, Column, Parts, Raw};
use super::reader::file::{check_memory, fault};
use super::reader::{self, ReadOptions};
use crate::activation::Activation;
use crate::error::{DataFault, Error, PrepareFault, Result};

/// The share of a source without a test set that is held out for the test.
const TEST_SHARE: f64 = 0.2;

/// Reads the data at `path`, whose form is found by looking at it: [`reader`](super::reader) lists the forms.
///
/// ```
/// use bregman::prelude::*;
/// use bregman::data;
///
/// # let folder = tempfile::tempdir().expect("a folder");
/// # let path = folder.path().join("flowers.csv");
/// # let rows = (0..20).map(|i| format!("{i},{}\n", ["rose", "tulip"][i % 2]));
/// # std::fs::write(&path, format!("height,kind\n{}", rows.collect::<String>())).expect("written");
/// let own = data::open(&path)?.target("kind").prepare(&Activation::TANH)?;
/// let model = Model::input(own.train.features())
///     .bregman(16)
///     .classes(own.train.classes)
///     .build()?
///     .with_preparation(own.preparation)?;
/// let trained = Trainer::new(&model).epochs(2).device(Device::cpu()).fit(&own.train, &own.test)?;
/// assert_eq!(model.target().expect("a target").names(), ["rose", "tulip"]);
/// # assert_eq!(trained.predict(&own.test)?.len(), 4);
/// # Ok::<(), bregman::error::Error>(())
/// ```
///
/// # Errors
/// [`Error::Io`] and [`Error::Data`].
pub fn open(path: impl AsRef<Path>) -> Result<Opened> {
    open_with(path, &ReadOptions::default())
}

/// [`open`] with `options`.
///
/// # Errors
/// Those of [`open`].
pub fn open_with(path: impl AsRef<Path>, options: &ReadOptions) -> Result<Opened> {
    let path = path.as_ref();
    let parts = reader::open(path, options)?;
    Ok(Opened::new(path, parts, options.clone()))
}

/// A source of data that was read, and the options for its division and preparation.
#[must_use = "`prepare` gives the data sets"]
pub struct Opened {
    path: PathBuf,
    parts: Parts,
    /// How others like it are read.
    read: ReadOptions,
    choice: Choice,
    input: Input,
    input_range: Option<[f32; 2]>,
    test: Option<HeldOut>,
    validation: Option<HeldOut>,
    split_seed: u64,
    limits: (usize, usize),
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opened")
            .field("path", &self.path)
            .field("choice", &self.choice)
            .field("test", &self.test)
            .field("validation", &self.validation)
            .finish_non_exhaustive()
    }
}

/// Data sets for training, and the preprocessing of the source.
#[derive(Clone, Debug, PartialEq)]
pub struct Prepared {
    /// Trained on.
    pub train: Dataset,
    /// Samples to choose between networks, if some were held out for that.
    pub validation: Option<Dataset>,
    /// To test on.
    pub test: Dataset,
    /// The preprocessing that was fitted on `train`, for
    /// [`Model::with_preparation`](crate::nn::Model::with_preparation).
    pub preparation: Preparation,
    /// Notes for the user, each a sentence.
    pub notes: Vec<String>,
}

/// The raw samples of each part.
struct Divided {
    train: Raw,
    validation: Option<Raw>,
    test: Raw,
    held_out: Option<HeldOutOf>,
    notes: Vec<String>,
}

impl Opened {
    /// A source that was read from `path` with the options `read`.
    fn new(path: &Path, parts: Parts, read: ReadOptions) -> Self {
        Self {
            path: path.to_owned(),
            parts,
            read,
            choice: Choice::default(),
            input: Input::default(),
            input_range: None,
            test: None,
            validation: None,
            split_seed: 0,
            limits: (usize::MAX, usize::MAX),
        }
    }

    /// The column of a table to predict, by name or by number, counted from 1. Texts are classes; numbers
    /// are values, unless [`Self::classes`] says otherwise.
    pub fn target(mut self, column: impl Into<String>) -> Self {
        self.choice.target = Some(column.into());
        self
    }

    /// Takes numbers to predict as classes: each different number is one.
    pub fn classes(mut self) -> Self {
        self.choice.classes = true;
        self
    }

    /// Leaves columns of a table out, by name or by number, counted from 1.
    pub fn drop_columns<T: Into<String>>(mut self, columns: impl IntoIterator<Item = T>) -> Self {
        self.choice.drop = columns.into_iter().map(Into::into).collect();
        self
    }

    /// Replaces missing numbers by the mean of their column in training. Without this they are an error.
    pub fn impute_mean(mut self) -> Self {
        self.choice.impute = true;
        self
    }

    /// All of the choices above at once.
    #[doc(hidden)]
    pub fn choice(mut self, choice: Choice) -> Self {
        self.choice = choice;
        self
    }

    /// How numbers become inputs: by default [`Input::Dual`].
    pub fn input(mut self, input: Input) -> Self {
        self.input = input;
        self
    }

    /// The interval of [`Input::Range`]: by default that of ρ.
    pub fn input_range(mut self, low: f32, high: f32) -> Self {
        self.input_range = Some([low, high]);
        self
    }

    /// The samples held out for the test. By default these are the test set of the source, or else a fifth.
    pub fn test(mut self, held_out: HeldOut) -> Self {
        self.test = Some(held_out);
        self
    }

    /// The samples held out of training to choose between networks; a share is one of the samples outside the
    /// test set.
    pub fn validation(mut self, held_out: HeldOut) -> Self {
        self.validation = Some(held_out);
        self
    }

    /// Chooses the samples that are held out; 0 by default.
    pub fn split_seed(mut self, seed: u64) -> Self {
        self.split_seed = seed;
        self
    }

    /// Limits the number of samples to train on and to test on; the first ones are used.
    #[doc(hidden)]
    pub fn limits(mut self, train: usize, test: usize) -> Self {
        self.limits = (train, test);
        self
    }

    /// The name in reports: that of the file or folder.
    pub fn name(&self) -> String {
        name_of(&self.path)
    }

    /// Divides the samples, fits the preprocessing on the training samples, and prepares all samples.
    /// `rho` is the activation of the network's first layer.
    ///
    /// # Errors
    /// [`Error::Data`] with a [`PrepareFault`] that describes the fault and its place; those of reading a test or
    /// validation set of its own; [`Error::InvalidValue`] for an input range outside the range of ρ.
    pub fn prepare(mut self, rho: &'static Activation) -> Result<Prepared> {
        let scale = self.scale(rho)?;
        let path = self.parts.train.path().to_owned();
        self.choice = self.choice.resolved(&self.parts.train).map_err(at(&path))?;
        self.choice.check(&self.parts.train).map_err(at(&path))?;
        let name = self.name();
        let choice = self.choice.clone();
        let mut divided = self.divide()?;
        let fitted = choice.fit(&divided.train, scale);
        let (inputs, target, notes) = fitted.map_err(at(&path))?;
        divided.notes.extend(notes);
        let preparation = Preparation {
            inputs,
            target,
            held_out: divided.held_out.take(),
        };
        divided.prepared(preparation, &name)
    }

    /// Divides the samples, and prepares all by the preprocessing that another training fitted.
    ///
    /// # Errors
    /// Those of [`Self::prepare`].
    pub fn prepare_by(mut self, preparation: &Preparation) -> Result<Prepared> {
        self.choice = choice_of(preparation);
        let path = self.parts.train.path().to_owned();
        // The row of a fault is that of the file.
        preparation
            .dataset(&self.parts.train, "")
            .map_err(at(&path))?;
        let name = self.name();
        let mut divided = self.divide()?;
        let preparation = Preparation {
            held_out: divided.held_out.take(),
            ..preparation.clone()
        };
        divided.prepared(preparation, &name)
    }

    /// The samples to evaluate a trained network on, and notes: those of [`Self::test`], or the test set of the
    /// source, or the samples that training held out of the same source, or else all.
    ///
    /// # Errors
    /// Those of [`Self::prepare`].
    pub fn evaluation(mut self, preparation: &Preparation) -> Result<(Dataset, Vec<String>)> {
        self.choice = choice_of(preparation);
        let name = self.name();
        let mut notes = std::mem::take(&mut self.parts.notes);
        let other = match (&self.test, self.parts.test.take()) {
            (Some(HeldOut::Path(path)), _) => {
                let mut read = preparation.read_options(true);
                (read.skip_broken, read.coarse) = (self.read.skip_broken, self.read.coarse);
                let parts = reader::open(path, &read)?;
                notes.extend(parts.notes);
                Some(parts.train)
            }
            (None, test) => test,
            (Some(_), _) => None,
        };
        let raw = other.as_ref().unwrap_or(&self.parts.train);
        let prepared = preparation.dataset(raw, &name).map_err(at(raw.path()));
        let (mut data, counts) = prepared?;
        notes.extend(counts.notes("the samples"));
        if other.is_none() {
            let known = preparation.held_out.as_ref();
            let known = known.filter(|known| known.sha256 == self.sha256());
            let held_out = match (&self.test, known) {
                (Some(held_out), _) => Some((number(held_out, raw.len()), self.split_seed)),
                (None, Some(known)) => Some((known.samples, known.seed)),
                (None, None) => None,
            };
            match held_out {
                Some((samples, seed)) => {
                    let [_, test] = self.hold_out(raw, samples, seed, Part::Test)?;
                    if self.test.is_none() {
                        notes.push(format!(
                            "the network was trained on {name}: it is evaluated on the {samples} of {} samples \
                             that were held out for the test",
                            raw.len()
                        ));
                    }
                    data = data.select(&test);
                }
                None => notes.push(format!("all {} samples of {name} are evaluated", raw.len())),
            }
        }
        data.truncate(self.limits.1);
        Ok((data, notes))
    }

    /// How numbers become inputs for a first layer of `rho`.
    fn scale(&self, rho: &'static Activation) -> Result<Scale> {
        let [low, high] = self.input_range.unwrap_or(rho.input_range);
        let [least, most] = rho.range;
        let inside = f64::from(low) >= least && f64::from(high) <= most;
        if !(low.is_finite() && high.is_finite() && low < high && inside) {
            return Err(Error::InvalidValue {
                field: "input_range",
                value: format!("{low},{high}"),
                reason: format!(
                    "low < high must be finite and within the range of {}, [{least}, {most}]",
                    rho.name
                ),
            });
        }
        Ok(match self.input {
            Input::Dual => Scale::Dual(rho),
            Input::Range => Scale::Range([low, high]),
        })
    }

    /// `count` samples of `raw` that are held out, and the rest.
    fn hold_out(&self, raw: &Raw, count: usize, seed: u64, part: Part) -> Result<[Vec<u32>; 2]> {
        let strata = match self.choice.strata(raw) {
            Strata::Classes(classes) => classes,
            Strata::Values(samples) => vec![0; samples],
        };
        hold_out(&strata, count, seed, part).map_err(at(raw.path()))
    }

    /// Takes the samples that `held_out` describes out of `train`, or reads them.
    fn part(
        &self,
        train: &mut Raw,
        held_out: &HeldOut,
        part: Part,
        notes: &mut Vec<String>,
    ) -> Result<Raw> {
        if let HeldOut::Path(path) = held_out {
            let parts = reader::open(path, &self.read_like())?;
            notes.extend(parts.notes);
            return Ok(parts.train);
        }
        let count = number(held_out, train.len());
        let [rest, own] = self.hold_out(train, count, self.split_seed, part)?;
        let held_out = train.select(&own);
        *train = train.select(&rest);
        Ok(held_out)
    }

    fn divide(mut self) -> Result<Divided> {
        let mut notes = std::mem::take(&mut self.parts.notes);
        let own = (self.parts.test.take(), self.parts.validation.take());
        let sha256 = self.sha256();
        let mut train = self.parts.train.clone();
        let all = train.len();
        let mut held_out = None;
        let test = match (&self.test, own.0) {
            (None, Some(test)) => test,
            (asked, own) => {
                let fifth = HeldOut::Share(TEST_SHARE);
                let asked = asked.as_ref().unwrap_or(&fifth);
                if own.is_some() {
                    notes.push(format!(
                        "{} has a test set, which `test` replaces",
                        self.name()
                    ));
                }
                let test = self.part(&mut train, asked, Part::Test, &mut notes)?;
                if !matches!(asked, HeldOut::Path(_)) {
                    held_out = Some(HeldOutOf {
                        sha256,
                        samples: test.len(),
                        seed: self.split_seed,
                    });
                }
                if self.test.is_none() {
                    notes.push(format!(
                        "{} has no test set: {} of its {all} samples are held out for it (`test`)",
                        self.name(),
                        test.len()
                    ));
                }
                test
            }
        };
        let validation = match (&self.validation, own.1) {
            (Some(asked), _) => Some(self.part(&mut train, asked, Part::Validation, &mut notes)?),
            (None, own) => own,
        };
        let first = |raw: Raw, most: usize| match raw.len() > most {
            true => raw.select(&(0..most as u32).collect::<Vec<_>>()),
            false => raw,
        };
        Ok(Divided {
            train: first(train, self.limits.0),
            validation,
            test: first(test, self.limits.1),
            held_out,
            notes,
        })
    }

    /// The options with which another file or folder is read, so that it has the same columns and classes.
    fn read_like(&self) -> ReadOptions {
        let mut read = self.read.clone();
        match &self.parts.train {
            Raw::Table(table) => {
                let mut kinds = reader::kinds_of(table);
                kinds.retain(|(name, _)| !self.choice.drop.contains(name));
                read.kinds = Some(kinds);
            }
            Raw::Samples(samples) => {
                read.channels = Some(samples.shape[0]).filter(|channels| [1, 3].contains(channels));
                if !samples.class_names.is_empty() {
                    read.class_names = Some(samples.class_names.clone());
                }
            }
        }
        read
    }

    /// The sha256 of the samples that are divided, in hexadecimal digits.
    fn sha256(&self) -> String {
        let mut hash = Sha256::new();
        let mut text = |text: &str| {
            hash.update((text.len() as u64).to_le_bytes());
            hash.update(text);
        };
        match &self.parts.train {
            Raw::Table(table) => {
                // Those that are used, in any order.
                let mut columns: Vec<&Column> = table.columns.iter().collect();
                columns.retain(|column| !self.choice.drop.contains(&column.name));
                columns.sort_by(|a, b| a.name.cmp(&b.name));
                for column in columns {
                    text(&column.name);
                    match &column.cells {
                        Cells::Numbers(all) => text(&hex_of(bytemuck::cast_slice(all))),
                        Cells::Text { distinct, codes } => {
                            distinct.iter().for_each(|own| text(own));
                            text(&hex_of(bytemuck::cast_slice(codes)));
                        }
                    }
                }
            }
            Raw::Samples(samples) => {
                text(&format!("{:?}", samples.shape));
                text(&match &samples.inputs {
                    Inputs::Bytes(bytes) => hex_of(bytes),
                    Inputs::Numbers(numbers) => hex_of(bytemuck::cast_slice(numbers)),
                });
                text(&match &samples.targets {
                    None => String::new(),
                    Some(Targets::Classes(all)) => hex_of(bytemuck::cast_slice(all)),
                    Some(Targets::Values(all)) => hex_of(bytemuck::cast_slice(all)),
                });
            }
        }
        hex(&hash.finalize())
    }
}

fn hex_of(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// The options of the source that follow from the target of a trained network.
fn choice_of(preparation: &Preparation) -> Choice {
    match &preparation.target {
        TargetRule::Classes { column, .. } => Choice {
            target: Some(column.clone()),
            classes: true,
            ..Choice::default()
        },
        TargetRule::Values { columns, .. } => Choice {
            target: columns.first().cloned(),
            ..Choice::default()
        },
    }
}

impl Divided {
    fn prepared(self, preparation: Preparation, name: &str) -> Result<Prepared> {
        let mut notes = self.notes;
        let mut prepare = |raw: &Raw, part: &str| {
            let bytes = (raw.len() as u64).saturating_mul(4 * preparation.inputs.width() as u64);
            check_memory(bytes).map_err(fault(raw.path()))?;
            let (data, counts) = preparation.dataset(raw, name).map_err(at(raw.path()))?;
            notes.extend(counts.notes(part));
            Ok::<_, Error>(data)
        };
        let train = prepare(&self.train, "the training samples")?;
        let validation = self.validation.as_ref();
        let validation = validation.map(|raw| prepare(raw, "the validation samples"));
        let validation = validation.transpose()?;
        let test = prepare(&self.test, "the test samples")?;
        Ok(Prepared {
            train,
            validation,
            test,
            preparation,
            notes,
        })
    }
}

impl Raw {
    /// The file or folder.
    pub fn path(&self) -> &Path {
        match self {
            Self::Table(table) => &table.path,
            Self::Samples(samples) => &samples.path,
        }
    }
}

/// The name of a source in reports.
pub(crate) fn name_of(path: &Path) -> String {
    let name = path.file_name().unwrap_or(path.as_os_str());
    name.to_string_lossy().into_owned()
}

/// The error for a fault of the samples in `path`.
fn at(path: &Path) -> impl Fn(PrepareFault) -> Error {
    let path = path.to_owned();
    move |fault| Error::Data {
        path: path.clone(),
        fault: DataFault::Prepare(fault),
    }
}

#[cfg(test)]
mod tests;
