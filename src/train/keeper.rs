//! Training that can be stopped, killed and resumed.

use std::path::{Path, PathBuf};

use super::events::EventFiles;
use super::{Course, Observer, Position, Schedule, train_course};
use crate::checkpoint::Run;
use crate::error::{CheckpointFault, Error, Result};
use crate::executor::Executor;
use crate::kind::Init;
use crate::nn::Parameters;

/// The name of a run's checkpoint in the folder of its results.
#[doc(hidden)]
pub const CHECKPOINT: &str = "checkpoint.safetensors";

/// The end of a run without an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// All epochs are done, or the patience of every realization is over.
    Whole,
    /// It was asked to stop; if there is a file for it, the checkpoint is saved.
    Stopped,
}

/// A run with its checkpoint and the files that follow it.
pub struct Keeper {
    /// The checkpoint; without it, nothing is saved.
    pub path: Option<PathBuf>,
    /// Epochs between checkpoints; without it, only a stop saves.
    pub every: Option<u32>,
    /// The run, except for its position and parameters.
    pub run: Run,
    /// The number of epochs in the checkpoint, if the checkpoint is of this run.
    pub saved: Option<usize>,
    /// The records that are written after each epoch.
    pub events: Option<EventFiles>,
}

impl Keeper {
    /// The position from which the run that was saved in `path` continues.
    ///
    /// # Errors
    /// [`Error::OtherData`] if it was trained on other data than [`Self::run`],
    /// [`Error::Checkpoint`] if its epochs have another number of steps.
    pub fn resume(&mut self, path: &Path, saved: &Run, schedule: &Schedule) -> Result<Position> {
        if saved.data_sha256 != self.run.data_sha256 {
            return Err(Error::OtherData {
                path: path.to_owned(),
                found: saved.data_sha256.clone(),
                given: self.run.data_sha256.clone(),
            });
        }
        let position = saved.position.clone();
        if position.steps > schedule.steps() {
            return Err(Error::Checkpoint {
                path: path.to_owned(),
                fault: CheckpointFault::Metadata {
                    key: "step",
                    value: position.steps.to_string(),
                    reason: format!("an epoch has {} steps", schedule.steps()),
                },
            });
        }
        let own = self.path.as_deref() == Some(path);
        self.saved = own.then_some(position.epochs.len());
        Ok(position)
    }

    /// Trains from `position` until all epochs of `course` are done, [`Course::is_over`], or `stop` asks to
    /// stop, and saves when due. `warn` is called with files that could not be written while training continued.
    ///
    /// # Errors
    /// Those of [`train_course`]; [`Error::Io`] if a stopped run cannot be saved.
    pub async fn train(
        &mut self,
        executor: &mut impl Executor,
        course: &Course,
        position: &mut Position,
        observer: &mut impl Observer,
        stop: &dyn Fn() -> bool,
        warn: &mut dyn FnMut(&Error),
    ) -> Result<Ended> {
        position.epochs.is_regression = course.variance.is_some();
        if let Some(events) = &mut self.events {
            events.begin(executor, position, warn).await?;
        }
        let epochs = course.schedule.epochs;
        let first = position.epochs.len();
        while position.epochs.len() < epochs as usize && !course.is_over(position) {
            let done = position.epochs.len() as u32;
            train_course(executor, course, position, observer, done + 1, stop).await?;
            let is_over = course.is_over(position);
            if position.epochs.len() as u32 == done {
                if is_over {
                    break;
                }
                self.save(executor, course, position).await??;
                return Ok(Ended::Stopped);
            }
            if let Some(events) = &mut self.events {
                events.epoch(executor, position, warn).await?;
            }
            let done = done + 1;
            let due = self.every.is_some_and(|every| done.is_multiple_of(every));
            let last = self.every.is_some() && (done == epochs || is_over);
            if due || last {
                // Training continues: the next checkpoint may find room.
                if let Err(error) = self.save(executor, course, position).await? {
                    warn(&error);
                }
            }
        }
        // A run that was done already may have its checkpoint elsewhere.
        let is_elsewhere = position.epochs.len() == first && self.saved.is_none();
        if is_elsewhere
            && self.every.is_some()
            && let Err(error) = self.save(executor, course, position).await?
        {
            warn(&error);
        }
        Ok(Ended::Whole)
    }

    /// Saves `position` with the parameters of `executor`.
    ///
    /// # Errors
    /// The outer result is the executor's error, the inner one [`Error::Io`] and
    /// [`Error::Checkpoint`].
    async fn save(
        &mut self,
        executor: &mut impl Executor,
        course: &Course,
        position: &mut Position,
    ) -> Result<Result<()>> {
        let Some(path) = &self.path else {
            return Ok(Ok(()));
        };
        self.run.parameters = executor.parameters().await?;
        self.run.moments = executor.moments().await?;
        // Training of a realization that is done is not used, and its numbers may not be finite.
        for r in 0..self.run.parameters.len() {
            if course.is_done(position, r) {
                self.run.parameters[r] = Init::Deterministic.parameters(&self.run.model, 0);
                for moment in self.run.moments.get_mut(r).into_iter().flatten() {
                    *moment = Parameters::zeros(&self.run.model);
                }
            }
        }
        // Lent to the run, not copied.
        std::mem::swap(&mut self.run.position, position);
        let saved = self.run.save(path).map(drop);
        std::mem::swap(&mut self.run.position, position);
        (self.run.parameters, self.run.moments) = (Vec::new(), Vec::new());
        if saved.is_ok() {
            self.saved = Some(position.epochs.len());
        }
        Ok(saved)
    }
}
