//! The files of a run: metrics line by line and TensorBoard's event files while it is trained, and
//! its results at the end.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::Serialize;

#[cfg(feature = "tensorboard")]
use super::tensorboard::Events;
use super::{EpochMetrics, Position, Summary, mean};
use crate::error::{Error, Result};
use crate::executor::Executor;
use crate::files::atomic;
use crate::nn::{Model, Parameters};
use crate::optim::Recipe;

/// The metrics of a run that has ended, one line of JSON for each epoch.
pub const METRICS: &str = "metrics.jsonl";
/// The metrics of a run that is being trained or that did not end well. Those of an earlier run stay
/// in [`METRICS`] until then.
pub const METRICS_SO_FAR: &str = "metrics.partial.jsonl";
/// The [`Summary`] of a run.
pub const SUMMARY: &str = "summary.json";

/// The [`Summary`] of an evaluation. Its name is not that of a run, since the network may be evaluated
/// in the folder of the run that trained it.
pub const EVALUATION: &str = "evaluation.json";

/// Replaces TensorBoard's event file in a build without the feature `tensorboard`: writes nothing.
#[cfg(not(feature = "tensorboard"))]
struct Events;

#[cfg(not(feature = "tensorboard"))]
impl Events {
    fn create(_folder: &Path, _first: u32) -> Result<Self> {
        Ok(Self)
    }

    fn scalars(
        &mut self,
        _step: u32,
        _scalars: impl IntoIterator<Item = (String, f64)>,
    ) -> Result<()> {
        Ok(())
    }
}

/// The records that are written after each epoch of a run: its metrics and its event file.
pub struct EventFiles {
    folder: PathBuf,
    recipe: Recipe,
    /// Steps of an epoch.
    steps: u64,
    files: Option<(MetricsFile, Events)>,
    /// The parameters at the end of the last epoch; empty if the run was resumed within one.
    before: Vec<Parameters>,
    tensors: Vec<String>,
}

impl EventFiles {
    /// The files in `folder` of a run of `model` by `recipe`, with `steps` steps in an epoch. Nothing is written before [`Self::begin`].
    pub fn new(folder: &Path, recipe: &Recipe, steps: usize, model: &Model) -> Self {
        Self {
            folder: folder.to_owned(),
            recipe: recipe.clone(),
            steps: steps as u64,
            files: None,
            before: Vec::new(),
            tensors: model
                .tensors()
                .into_iter()
                .map(|shape| shape.name)
                .collect(),
        }
    }

    /// Writes the metrics up to `position`, where training begins. If a file cannot be written,
    /// `warn` is called with the error and nothing more is written.
    ///
    /// # Errors
    /// Those of the executor.
    pub async fn begin(
        &mut self,
        executor: &mut impl Executor,
        position: &Position,
        warn: &mut dyn FnMut(&Error),
    ) -> Result<()> {
        let opened = MetricsFile::begin(&self.folder, position).and_then(|file| {
            let first = position.epochs.len() as u32 + 1;
            Ok((file, Events::create(&self.folder, first)?))
        });
        self.files = opened.inspect_err(warn).ok();
        if position.steps == 0 && self.files.is_some() {
            self.before = executor.parameters().await?;
        }
        Ok(())
    }

    /// Writes the last epoch of `position`. If that fails, `warn` is called with the error and nothing more is
    /// written.
    ///
    /// # Errors
    /// Those of the executor.
    pub async fn epoch(
        &mut self,
        executor: &mut impl Executor,
        position: &Position,
        warn: &mut dyn FnMut(&Error),
    ) -> Result<()> {
        let (Some((file, events)), Some(metrics)) = (&mut self.files, position.epochs.last())
        else {
            return Ok(());
        };
        let after = executor.parameters().await?;
        let last_step = position.number(self.steps).saturating_sub(1);
        let rate = self.recipe.rates(0, last_step, self.steps);
        let mut scalars = of_epoch(&metrics, rate.learning_rate);
        let counts = |r: usize| position.diverged.get(r).is_none_or(Option::is_none);
        scalars.extend(norms(&self.tensors, &self.before, &after, &counts));
        let written = file
            .add(&metrics)
            .and_then(|()| events.scalars(metrics.epoch, scalars));
        if let Err(error) = written {
            warn(&error);
            self.files = None;
        }
        self.before = after;
        Ok(())
    }
}

/// The file [`METRICS_SO_FAR`], which grows by a line with each epoch.
pub struct MetricsFile {
    path: PathBuf,
    file: File,
}

impl MetricsFile {
    /// The file in `folder` with the epochs up to `position`.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn begin(folder: &Path, position: &Position) -> Result<Self> {
        let lines: String = position.epochs.iter().map(|e| json_line(&e)).collect();
        let path = atomic::write(&folder.join(METRICS_SO_FAR), lines.as_bytes())?;
        let file = File::options().append(true).open(&path);
        let file = file.map_err(Error::io("write", &path))?;
        Ok(Self { path, file })
    }

    /// Adds the line of an epoch.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn add(&mut self, metrics: &EpochMetrics) -> Result<()> {
        let written = self.file.write_all(json_line(metrics).as_bytes());
        written.map_err(Error::io("write", &self.path))
    }
}

/// Writes [`METRICS`] and [`SUMMARY`] to `folder`.
///
/// # Errors
/// [`Error::Io`].
pub fn write_results(folder: &Path, summary: &Summary<impl Serialize>) -> Result<()> {
    write_metrics(folder, &summary.epochs)?;
    write_summary(folder, summary)
}

/// Writes [`METRICS`] to `folder`.
///
/// # Errors
/// [`Error::Io`].
pub fn write_metrics(folder: &Path, epochs: &[EpochMetrics]) -> Result<()> {
    let lines: String = epochs.iter().map(json_line).collect();
    atomic::write(&folder.join(METRICS), lines.as_bytes())?;
    // There is none if nothing was left to train.
    let _ = fs::remove_file(folder.join(METRICS_SO_FAR));
    Ok(())
}

/// Writes [`SUMMARY`] to `folder`.
///
/// # Errors
/// [`Error::Io`].
pub fn write_summary(folder: &Path, summary: &impl Serialize) -> Result<()> {
    write_json(&folder.join(SUMMARY), summary)
}

/// Writes [`EVALUATION`] to `folder`.
///
/// # Errors
/// [`Error::Io`].
pub fn write_evaluation(folder: &Path, summary: &Summary<impl Serialize>) -> Result<()> {
    write_json(&folder.join(EVALUATION), summary)
}

fn write_json(path: &Path, summary: &impl Serialize) -> Result<()> {
    let text = serde_json::to_string_pretty(summary).expect("numbers and strings serialize");
    atomic::write(path, (text + "\n").as_bytes()).map(drop)
}

/// `value` as one line of JSON.
pub fn json_line(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("numbers and strings serialize") + "\n"
}

fn of_epoch(metrics: &EpochMetrics, learning_rate: f32) -> Vec<(String, f64)> {
    let scalars = [
        ("loss/train", Some(metrics.train_loss)),
        ("accuracy/train", Some(metrics.train_accuracy)),
        ("loss/test", Some(metrics.test_loss)),
        ("accuracy/test", Some(metrics.test_accuracy)),
        ("loss/validation", metrics.val_loss),
        ("accuracy/validation", metrics.val_accuracy),
        ("learning rate", Some(f64::from(learning_rate))),
        ("samples per second", Some(metrics.samples_per_second)),
    ];
    scalars
        .into_iter()
        .filter_map(|(tag, number)| Some((tag.to_owned(), number?)))
        .filter(|(_, number)| !number.is_nan())
        .collect()
}

/// The Euclidean norms of each tensor and of its change over the epoch, means over the realizations that
/// `counts` names.
fn norms(
    names: &[String],
    before: &[Parameters],
    after: &[Parameters],
    counts: &dyn Fn(usize) -> bool,
) -> Vec<(String, f64)> {
    let norm = |numbers: &mut dyn Iterator<Item = f64>| numbers.map(|x| x * x).sum::<f64>().sqrt();
    let realizations: Vec<usize> = (0..after.len()).filter(|&r| counts(r)).collect();
    let mut scalars = Vec::new();
    for (t, name) in names.iter().enumerate() {
        let of = |p: &Parameters| p.tensors().nth(t).cloned().unwrap_or_default();
        let of_weights = |&r: &usize| norm(&mut of(&after[r]).into_iter().map(f64::from));
        let weights: Vec<f64> = realizations.iter().map(of_weights).collect();
        scalars.push((format!("weight norm/{name}"), mean(&weights)));
        if before.is_empty() {
            continue;
        }
        let of_updates = |&r: &usize| {
            let pairs = of(&before[r]).into_iter().zip(of(&after[r]));
            norm(&mut pairs.map(|(b, a)| f64::from(a) - f64::from(b)))
        };
        let updates: Vec<f64> = realizations.iter().map(of_updates).collect();
        scalars.push((format!("update norm/{name}"), mean(&updates)));
    }
    scalars
}
