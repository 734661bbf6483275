//! What is written while training goes on, for those who follow it: metrics line by line, and
//! TensorBoard's event files.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use bregman::atomic_file;
use bregman::error::{Error, Result};
use bregman::executor::Executor;
use bregman::nn::{Model, Parameters};
use bregman::tensorboard::Events;
use bregman::train::{EpochMetrics, Position, mean};

use crate::report::{METRICS_SO_FAR, json};
use bregman::cli::say::say;

/// The files of a run that goes on.
pub struct Follow {
    folder: PathBuf,
    learning_rate: f32,
    files: Option<(File, Events)>,
    /// The parameters at the end of the last epoch; empty if the run was resumed within one.
    before: Vec<Parameters>,
    tensors: Vec<String>,
}

impl Follow {
    /// Nothing is written before training begins.
    pub fn new(folder: &Path, learning_rate: f32, model: &Model) -> Self {
        Self {
            folder: folder.to_owned(),
            learning_rate,
            files: None,
            before: Vec::new(),
            tensors: model
                .tensors()
                .into_iter()
                .map(|shape| shape.name)
                .collect(),
        }
    }

    /// Training begins at `position`: the metrics so far are written anew.
    ///
    /// # Errors
    /// Those of the executor; a file that cannot be written is a warning.
    pub async fn begin(&mut self, executor: &mut impl Executor, position: &Position) -> Result<()> {
        let path = self.folder.join(METRICS_SO_FAR);
        let lines: String = position.epochs.iter().map(|e| json(&e) + "\n").collect();
        let opened = atomic_file::write(&path, lines.as_bytes()).and_then(|path| {
            let file = File::options().append(true).open(&path);
            let first = position.epochs.len() as u32 + 1;
            Ok((
                file.map_err(Error::io("write", path))?,
                Events::create(&self.folder, first)?,
            ))
        });
        self.files = warn(opened);
        if position.steps == 0 && self.files.is_some() {
            self.before = executor.parameters().await?;
        }
        Ok(())
    }

    /// The last epoch of `position` is done.
    ///
    /// # Errors
    /// Those of the executor; a file that cannot be written is a warning, and the last of it.
    pub async fn epoch(&mut self, executor: &mut impl Executor, position: &Position) -> Result<()> {
        let (Some((file, events)), Some(metrics)) = (&mut self.files, position.epochs.last())
        else {
            return Ok(());
        };
        let after = executor.parameters().await?;
        let mut scalars = of_epoch(&metrics, self.learning_rate);
        scalars.extend(norms(&self.tensors, &self.before, &after));
        let line = json(&metrics) + "\n";
        let written = file
            .write_all(line.as_bytes())
            .map_err(Error::io("write", self.folder.join(METRICS_SO_FAR)))
            .and_then(|()| events.scalars(metrics.epoch, scalars));
        if warn(written).is_none() {
            self.files = None;
        }
        self.before = after;
        Ok(())
    }
}

/// What went well; the end of the run writes the metrics once more, and fails if it must.
fn warn<T>(result: Result<T>) -> Option<T> {
    result
        .inspect_err(|error| say(format_args!("warning: {error}")))
        .ok()
}

fn of_epoch(metrics: &EpochMetrics, learning_rate: f32) -> Vec<(String, f64)> {
    let scalars = [
        ("loss/train", Some(metrics.train_loss)),
        ("accuracy/train", Some(metrics.train_accuracy)),
        ("accuracy/test", Some(metrics.test_accuracy)),
        ("accuracy/validation", metrics.val_accuracy),
        ("learning rate", Some(f64::from(learning_rate))),
        ("samples per second", Some(metrics.samples_per_second)),
    ];
    let there = scalars
        .into_iter()
        .filter_map(|(tag, number)| Some((tag.to_owned(), number?)));
    there.collect()
}

/// The Euclidean norms of each tensor and of what the epoch added to it, means over the
/// realizations.
fn norms(names: &[String], before: &[Parameters], after: &[Parameters]) -> Vec<(String, f64)> {
    let norm = |numbers: &mut dyn Iterator<Item = f64>| numbers.map(|x| x * x).sum::<f64>().sqrt();
    let mut scalars = Vec::new();
    for (t, name) in names.iter().enumerate() {
        let of = |p: &Parameters| p.tensors().nth(t).cloned().unwrap_or_default();
        let weights: Vec<f64> = after
            .iter()
            .map(|p| norm(&mut of(p).into_iter().map(f64::from)))
            .collect();
        scalars.push((format!("weight norm/{name}"), mean(&weights)));
        let updates: Vec<f64> = before
            .iter()
            .zip(after)
            .map(|(b, a)| {
                let pairs = of(b).into_iter().zip(of(a));
                norm(&mut pairs.map(|(b, a)| f64::from(a) - f64::from(b)))
            })
            .collect();
        if !updates.is_empty() {
            scalars.push((format!("update norm/{name}"), mean(&updates)));
        }
    }
    scalars
}
