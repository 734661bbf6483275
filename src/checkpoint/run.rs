//! The checkpoint of a run: everything needed to continue it, with all realizations in one file.
//!
//! Tensors are those of [`Model::tensors`] with the realization as first dimension, and arrays of
//! the epochs so far. The random number generator has no state but seed and epoch ([`crate::rng`]),
//! and the position in the order of the samples is the number of steps.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::format::{self, VERSION_KEY, at};
use crate::error::{CheckpointFault, Result};
use crate::executor::check_moments;
use crate::files::atomic::{Disk, System};
use crate::files::safetensors::{Numbers, State};
use crate::nn::{Model, Parameters};
use crate::train::{Divergence, History, Position, Sums};

/// Version 2 is version 1 with the moments of an optimizer, `moments.K.TENSOR`, if it has any. Version 3 adds the
/// losses of evaluation, the steps in which realizations diverged, and the networks that are kept, `kept.TENSOR`.
const VERSIONS: [&str; 3] = ["1", "2", "3"];
const GENERATOR: &str = "philox4x32-10";

/// A run and its progress so far.
#[derive(Clone, Debug)]
pub struct Run {
    /// The network.
    pub model: Model,
    /// The data set's name.
    pub dataset: String,
    /// [`Splits::sha256`](crate::data::Splits::sha256) of the data.
    pub data_sha256: String,
    /// The device on which it was last trained: `cpu`, or the adapter's name. On another device the result is
    /// equally valid but not bit-identical.
    pub device: String,
    /// The options of the program that started it, by name.
    pub options: BTreeMap<String, String>,
    /// The seed of the first realization.
    pub seed: u64,
    /// The epochs and steps that are done.
    pub position: Position,
    /// The parameters of each realization.
    pub parameters: Vec<Parameters>,
    /// The moments of the optimizer for each realization, see
    /// [`Executor::moments`](crate::executor::Executor::moments).
    pub moments: Vec<Vec<Parameters>>,
}

impl Run {
    /// Writes the run to `path`. The file's earlier contents stay until the new ones are durable.
    ///
    /// # Errors
    /// [`Error::Checkpoint`](crate::error::Error::Checkpoint) for a parameter that is not finite, [`Error::Io`](crate::error::Error::Io).
    pub fn save(&self, path: &Path) -> Result<PathBuf> {
        self.save_on(System, path)
    }

    /// [`Self::save`] on `disk`.
    ///
    /// # Errors
    /// Those of [`Self::save`].
    pub fn save_on<D: Disk>(&self, disk: D, path: &Path) -> Result<PathBuf> {
        for parameters in &self.parameters {
            self.model.check_parameters(parameters)?;
            format::check_numbers(&self.model, parameters).map_err(at(path))?;
        }
        let sets = self.moments.first().map_or(0, Vec::len);
        check_moments(&self.moments, self.parameters.len(), sets)?;
        for kept in self.position.kept.iter().flatten() {
            self.model.check_parameters(kept)?;
            format::check_numbers(&self.model, kept).map_err(at(path))?;
        }
        for (set, moments) in self.moments.iter().flatten().enumerate() {
            self.model.check_parameters(moments)?;
            let name = |tensor: &str| moment_name(set % sets, tensor);
            format::check_finite(&self.model, moments, &name).map_err(at(path))?;
        }
        self.state().save_on(disk, path)
    }

    /// Reads the run in `path`.
    ///
    /// # Errors
    /// [`Error::Io`](crate::error::Error::Io) if it cannot be read, [`Error::Checkpoint`](crate::error::Error::Checkpoint) with the [`CheckpointFault`] if it
    /// cannot be used.
    pub fn load(path: &Path) -> Result<Self> {
        Self::of_state(State::load(path)?).map_err(at(path))
    }

    /// The run in the bytes of a file.
    ///
    /// # Errors
    /// A description of the fault.
    pub fn parse(bytes: &[u8]) -> Result<Self, CheckpointFault> {
        Self::of_state(State::of_bytes(bytes)?)
    }

    fn state(&self) -> State<'_> {
        let mut state = State::default();
        let options = serde_json::to_string(&self.options).expect("strings serialize");
        let position = &self.position;
        let sets = self.moments.first().map_or(0, Vec::len);
        let text = [
            (VERSION_KEY, VERSIONS[2].to_owned()),
            ("data_sha256", self.data_sha256.clone()),
            ("device", self.device.clone()),
            ("options", options),
            ("generator", GENERATOR.to_owned()),
            ("seed", self.seed.to_string()),
            ("epoch", position.epochs.len().to_string()),
            ("step", position.steps.to_string()),
        ];
        state.metadata = format::metadata(&self.model, &self.dataset);
        let text = text.map(|(key, value)| (key.to_owned(), value));
        state.metadata.extend(text);

        let realizations = self.parameters.len();
        for (t, shape) in self.model.tensors().into_iter().enumerate() {
            let tensors = self.parameters.iter().map(|p| p.tensors().nth(t));
            let numbers: Vec<f32> = tensors.flatten().flatten().copied().collect();
            let dims = [&[realizations], &shape.dims[..]].concat();
            for set in 0..sets {
                let of_set = self.moments.iter().map(|sets| sets[set].tensors().nth(t));
                let numbers: Vec<f32> = of_set.flatten().flatten().copied().collect();
                state.insert(moment_name(set, &shape.name), &dims, numbers);
            }
            let kept: Vec<f32> = position
                .kept
                .iter()
                .flatten()
                .flat_map(|kept| kept.tensors().nth(t).into_iter().flatten().copied())
                .collect();
            if !kept.is_empty() {
                let networks = position.kept.iter().flatten().count();
                let dims = [&[networks], &shape.dims[..]].concat();
                state.insert(kept_name(&shape.name), &dims, kept);
            }
            state.insert(shape.name, &dims, numbers);
        }
        // Which realizations have one.
        let has_kept: Vec<u64> = position
            .kept
            .iter()
            .map(|k| u64::from(k.is_some()))
            .collect();
        state.insert(HAS_KEPT, &[has_kept.len()], has_kept);
        let divergences = position.diverged.iter();
        let steps: Vec<u64> = divergences
            .clone()
            .map(|d| d.map_or(0, |d| d.step))
            .collect();
        let losses: Vec<f64> = divergences.map(|d| d.map_or(0.0, |d| d.loss)).collect();
        state.insert(DIVERGED_STEPS, &[steps.len()], steps);
        state.insert(DIVERGED_LOSSES, &[losses.len()], losses);
        let epochs = &position.epochs;
        let by_epoch = [
            ("epochs.seconds", &epochs.seconds),
            ("epochs.samples_per_second", &epochs.samples_per_second),
        ];
        for (name, numbers) in by_epoch {
            state.insert(name, &[epochs.len()], &numbers[..]);
        }
        let by_realization = [
            (TRAIN_LOSSES, &epochs.train_losses),
            (TRAIN_ACCURACIES, &epochs.train_accuracies),
            (TEST_LOSSES, &epochs.test_losses),
            (TEST_ACCURACIES, &epochs.test_accuracies),
            (VAL_LOSSES, &epochs.val_losses),
            (VAL_ACCURACIES, &epochs.val_accuracies),
        ];
        for (name, numbers) in by_realization {
            if ![VAL_LOSSES, VAL_ACCURACIES].contains(&name) || !numbers.is_empty() {
                state.insert(name, &[epochs.len(), realizations], &numbers[..]);
            }
        }
        state.insert("epoch.seconds", &[], vec![position.seconds]);
        let mut of_sums = |name: &str, numbers: Numbers<'static>| {
            state.insert(name, &[position.sums.len()], numbers);
        };
        let sums = &position.sums;
        of_sums(
            "epoch.loss",
            sums.iter().map(|s| s.loss).collect::<Vec<_>>().into(),
        );
        of_sums(
            "epoch.correct",
            sums.iter().map(|s| s.correct).collect::<Vec<_>>().into(),
        );
        of_sums(
            "epoch.samples",
            sums.iter().map(|s| s.samples).collect::<Vec<_>>().into(),
        );
        state.insert("limits", &[position.limits.len()], &position.limits[..]);
        state
    }

    fn of_state(mut state: State<'_>) -> Result<Self, CheckpointFault> {
        match state.metadata.get(VERSION_KEY).map(String::as_str) {
            None => return Err(CheckpointFault::NotARun),
            Some(version) if VERSIONS.contains(&version) => {}
            Some(other) => {
                return Err(CheckpointFault::Metadata {
                    key: VERSION_KEY,
                    value: other.to_owned(),
                    reason: format!("this program reads versions {}", VERSIONS.join(" and ")),
                });
            }
        }
        // The first dimension is the realization.
        let (model, dataset) = format::read_model(&state, 1)?;
        let realizations = state.arrays["head.weight"].dims[0];
        let length = |name: &str| state.arrays.get(name).map_or(0, |a| a.numbers.len());
        let [sums, limits] = ["epoch.loss", "limits"].map(length);
        let [diverged, kept] = [DIVERGED_STEPS, HAS_KEPT].map(length);
        for (tensor, found) in [
            ("head.weight", realizations),
            ("epoch.loss", sums),
            ("limits", limits),
            (DIVERGED_STEPS, diverged),
            (HAS_KEPT, kept),
        ] {
            // A run that has just started has no sums and limits yet.
            if found != realizations.max(1) && (found > 0 || tensor == "head.weight") {
                return Err(CheckpointFault::Shape {
                    tensor: tensor.to_owned(),
                    expected: vec![realizations.max(1)],
                    found: vec![found],
                });
            }
        }
        let epochs = read_epochs(&mut state, realizations)?;
        let [seconds] = state.take::<f64>("epoch.seconds", &[])?[..] else {
            unreachable!("an array without dimensions has one number");
        };
        let loss: Vec<f64> = state.take("epoch.loss", &[sums])?;
        let correct: Vec<u64> = state.take("epoch.correct", &[sums])?;
        let samples: Vec<u64> = state.take("epoch.samples", &[sums])?;
        let sums = loss.into_iter().zip(correct).zip(samples);
        let steps = state.parse("step")?;
        for (tensor, found) in [("epoch.loss", sums.len()), ("limits", limits)] {
            if steps > 0 && found == 0 {
                return Err(CheckpointFault::Shape {
                    tensor: tensor.to_owned(),
                    expected: vec![realizations],
                    found: vec![0],
                });
            }
        }
        let position = Position {
            epochs,
            steps,
            seconds,
            sums: sums
                .map(|((loss, correct), samples)| Sums {
                    loss,
                    correct,
                    samples,
                })
                .collect(),
            limits: state.take("limits", &[limits])?,
            diverged: take_divergences(&mut state, diverged)?,
            kept: take_kept(&mut state, &model, kept)?,
        };
        check_absent(&position, realizations)?;
        let parameters = format::take_parameters(&mut state, &model, &[realizations])?;
        let mut moments = vec![Vec::new(); realizations];
        for set in 0..MOST_MOMENTS {
            let first = moment_name(set, "head.weight");
            if !state.arrays.contains_key(&first) {
                break;
            }
            let name = |tensor: &str| moment_name(set, tensor);
            let taken = format::take_tensors(&mut state, &model, &[realizations], &name)?;
            for (sets, moment) in moments.iter_mut().zip(taken) {
                sets.push(moment);
            }
        }
        format::check_rest(&state)?;
        let options = state.text("options")?;
        let options = serde_json::from_str(options).map_err(|e| CheckpointFault::Metadata {
            key: "options",
            value: options.to_owned(),
            reason: e.to_string(),
        })?;
        match state.text("generator")? {
            GENERATOR => {}
            other => {
                return Err(CheckpointFault::Metadata {
                    key: "generator",
                    value: other.to_owned(),
                    reason: format!("this program uses {GENERATOR}"),
                });
            }
        }
        Ok(Self {
            model,
            dataset,
            data_sha256: state.text("data_sha256")?.to_owned(),
            device: state.text("device")?.to_owned(),
            options,
            seed: state.parse("seed")?,
            position,
            parameters,
            moments,
        })
    }
}

/// The most moments that an optimizer has.
const MOST_MOMENTS: usize = 2;

/// The name of a tensor of moments.
fn moment_name(set: usize, tensor: &str) -> String {
    format!("moments.{set}.{tensor}")
}

const TRAIN_LOSSES: &str = "epochs.train_losses";
const TRAIN_ACCURACIES: &str = "epochs.train_accuracies";
const TEST_LOSSES: &str = "epochs.test_losses";
const TEST_ACCURACIES: &str = "epochs.test_accuracies";
const VAL_LOSSES: &str = "epochs.val_losses";
const VAL_ACCURACIES: &str = "epochs.val_accuracies";

/// The name of a tensor of the networks that are kept.
fn kept_name(tensor: &str) -> String {
    format!("kept.{tensor}")
}

const HAS_KEPT: &str = "has_kept";
const DIVERGED_STEPS: &str = "diverged.steps";
const DIVERGED_LOSSES: &str = "diverged.losses";

/// The divergence of each realization, if the run has begun.
fn take_divergences(
    state: &mut State<'_>,
    realizations: usize,
) -> Result<Vec<Option<Divergence>>, CheckpointFault> {
    if !state.arrays.contains_key(DIVERGED_STEPS) {
        return Ok(Vec::new());
    }
    let steps: Vec<u64> = state.take(DIVERGED_STEPS, &[realizations])?;
    let losses: Vec<f64> = state.take(DIVERGED_LOSSES, &[realizations])?;
    let marks = steps.into_iter().zip(losses);
    Ok(marks
        .map(|(step, loss)| (step > 0).then_some(Divergence { step, loss }))
        .collect())
}

/// The networks that are kept, by realization.
fn take_kept(
    state: &mut State<'_>,
    model: &Model,
    realizations: usize,
) -> Result<Vec<Option<Parameters>>, CheckpointFault> {
    if !state.arrays.contains_key(HAS_KEPT) {
        return Ok(Vec::new());
    }
    let has_kept: Vec<u64> = state.take(HAS_KEPT, &[realizations])?;
    let networks = has_kept.iter().filter(|&&has| has != 0).count();
    if networks == 0 {
        return Ok(vec![None; realizations]);
    }
    let taken = format::take_tensors(state, model, &[networks], &kept_name)?;
    for kept in &taken {
        format::check_numbers(model, kept)?;
    }
    let mut taken = taken.into_iter();
    let of = |has: u64| if has == 0 { None } else { taken.next() };
    Ok(has_kept.into_iter().map(of).collect())
}

/// Fails unless the metrics of each realization are absent from some epoch on, or in none, and only if
/// it diverged or a network of it is kept.
fn check_absent(position: &Position, realizations: usize) -> Result<(), CheckpointFault> {
    let epochs = &position.epochs;
    let losses = &epochs.train_losses;
    for (index, loss) in losses.iter().enumerate().filter(|(_, loss)| loss.is_nan()) {
        let r = index % realizations;
        let diverged = position.diverged.get(r).is_some_and(Option::is_some);
        let kept = position.kept.get(r).is_some_and(Option::is_some);
        let next = losses.get(index + realizations);
        if !(diverged || kept) || next.is_some_and(|next| !next.is_nan()) {
            return Err(CheckpointFault::NonFinite {
                tensor: TRAIN_LOSSES.to_owned(),
                index,
                value: *loss as f32,
            });
        }
    }
    Ok(())
}

/// Numbers; those at the places of `absent` are NaN. All others are finite, or NaN as well if
/// `may_lack`.
fn take_present(
    state: &mut State<'_>,
    name: &str,
    dims: &[usize],
    absent: &[f64],
    may_lack: bool,
) -> Result<Vec<f64>, CheckpointFault> {
    let numbers: Vec<f64> = state.take(name, dims)?;
    let bad = |(number, absent): (&f64, &f64)| match absent.is_nan() {
        true => !number.is_nan(),
        false if may_lack => number.is_infinite(),
        false => !number.is_finite(),
    };
    match numbers.iter().zip(absent).position(bad) {
        None => Ok(numbers),
        Some(index) => Err(CheckpointFault::NonFinite {
            tensor: name.to_owned(),
            index,
            value: numbers[index] as f32,
        }),
    }
}

/// The finite numbers of an array.
fn take_finite(
    state: &mut State<'_>,
    name: &str,
    dims: &[usize],
) -> Result<Vec<f64>, CheckpointFault> {
    let numbers: Vec<f64> = state.take(name, dims)?;
    match numbers.iter().position(|x| !x.is_finite()) {
        None => Ok(numbers),
        Some(index) => Err(CheckpointFault::NonFinite {
            tensor: name.to_owned(),
            index,
            value: numbers[index] as f32,
        }),
    }
}

fn read_epochs(state: &mut State, realizations: usize) -> Result<History, CheckpointFault> {
    // At most the number of epochs for which the file has numbers.
    let epochs = state
        .arrays
        .get(TRAIN_LOSSES)
        .map_or(0, |a| a.numbers.len() / realizations);
    let done: usize = state.parse("epoch")?;
    if epochs != done || u32::try_from(done).is_err() {
        return Err(CheckpointFault::Metadata {
            key: "epoch",
            value: done.to_string(),
            reason: format!("`{TRAIN_LOSSES}` has {epochs} epochs"),
        });
    }
    let seconds = take_finite(state, "epochs.seconds", &[epochs])?;
    let samples_per_second = take_finite(state, "epochs.samples_per_second", &[epochs])?;
    let dims = [epochs, realizations];
    let train_losses: Vec<f64> = state.take(TRAIN_LOSSES, &dims)?;
    if let Some(index) = train_losses.iter().position(|loss| loss.is_infinite()) {
        return Err(CheckpointFault::NonFinite {
            tensor: TRAIN_LOSSES.to_owned(),
            index,
            value: train_losses[index] as f32,
        });
    }
    let mut of_each = |name: &str| take_present(state, name, &dims, &train_losses, false);
    let train_accuracies = of_each(TRAIN_ACCURACIES)?;
    let test_accuracies = of_each(TEST_ACCURACIES)?;
    let val_accuracies = match of_each(VAL_ACCURACIES) {
        Err(CheckpointFault::MissingTensor { .. }) => Vec::new(),
        found => found?,
    };
    // Runs of earlier versions have no losses of evaluation.
    let mut losses =
        |name: &str, numbers: usize| match take_present(state, name, &dims, &train_losses, true) {
            Err(CheckpointFault::MissingTensor { .. }) => Ok(vec![f64::NAN; numbers]),
            found => found,
        };
    let test_losses = losses(TEST_LOSSES, test_accuracies.len())?;
    let val_losses = losses(VAL_LOSSES, val_accuracies.len())?;
    Ok(History {
        is_regression: false,
        seconds,
        samples_per_second,
        train_losses,
        train_accuracies,
        test_losses,
        test_accuracies,
        val_losses,
        val_accuracies,
    })
}
