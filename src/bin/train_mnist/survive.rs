//! Training that can be stopped, killed and resumed.

use std::path::PathBuf;

use bregman::checkpoint::Run;
use bregman::error::{Error, Result};
use bregman::executor::Executor;
use bregman::train::{Position, Schedule, train_until};

use crate::report::Progress;
use bregman::cli::say::say;
use bregman::cli::stop;

/// How a run ended that met no error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// All epochs are done.
    Whole,
    /// Ctrl-C or SIGTERM asked it to stop.
    Stopped,
}

/// Where a run is saved, and when.
pub struct Keeper {
    /// The file; without one, nothing is saved.
    pub path: Option<PathBuf>,
    /// Epochs between checkpoints; without, only a stop saves.
    pub every: Option<u32>,
    /// The run, but for what training changes.
    pub run: Run,
    /// The epoch that is in the file, if it is this run's.
    pub saved: Option<usize>,
}

impl Keeper {
    /// Saves `position`, with the parameters that `executor` has.
    ///
    /// # Errors
    /// The outer result is the executor's error, the inner one [`Error::Io`] and [`Error::Checkpoint`].
    async fn save(
        &mut self,
        executor: &mut impl Executor,
        position: &mut Position,
    ) -> Result<Result<()>> {
        let Some(path) = &self.path else {
            return Ok(Ok(()));
        };
        self.run.parameters = executor.parameters().await?;
        // Lent to the run, not copied.
        std::mem::swap(&mut self.run.position, position);
        let saved = self.run.save(path).map(drop);
        std::mem::swap(&mut self.run.position, position);
        self.run.parameters = Vec::new();
        if saved.is_ok() {
            self.saved = Some(position.epochs.len());
        }
        Ok(saved)
    }

    /// Trains, saves as it should, and tells what a run that does not end well leaves.
    ///
    /// # Errors
    /// Whatever training meets; [`Error::Io`] if a run that is stopped cannot be saved.
    pub async fn train(
        &mut self,
        executor: &mut impl Executor,
        schedule: &Schedule,
        position: &mut Position,
        progress: &mut Progress,
    ) -> Result<Ended> {
        let result = self
            .train_and_save(executor, schedule, position, progress)
            .await;
        // One that diverged would do so again.
        let may_go_on = matches!(&result, Err(e) if !matches!(e, Error::Diverged { .. }));
        if let Some(epoch) = self.saved.filter(|_| may_go_on) {
            say(format_args!(
                "the checkpoint of epoch {epoch} is intact; resume with\n  {}",
                self.resume_command()
            ));
        }
        result
    }

    async fn train_and_save(
        &mut self,
        executor: &mut impl Executor,
        schedule: &Schedule,
        position: &mut Position,
        progress: &mut Progress,
    ) -> Result<Ended> {
        progress.begin(executor, position).await?;
        while position.epochs.len() < schedule.epochs as usize {
            let done = position.epochs.len() as u32;
            let stop = &stop::requested;
            train_until(executor, schedule, position, progress, done + 1, stop).await?;
            if position.epochs.len() as u32 > done {
                progress.layers(executor, position).await?;
            } else {
                self.stopped(executor, schedule, position).await?;
                return Ok(Ended::Stopped);
            }
            let done = done + 1;
            let due = self.every.is_some_and(|every| done.is_multiple_of(every));
            let last = self.every.is_some() && done == schedule.epochs;
            if due || last {
                // Training goes on, and the next one may find room.
                if let Err(error) = self.save(executor, position).await? {
                    say(format_args!("warning: {error}"));
                }
            }
        }
        Ok(Ended::Whole)
    }

    async fn stopped(
        &mut self,
        executor: &mut impl Executor,
        schedule: &Schedule,
        position: &mut Position,
    ) -> Result<()> {
        self.save(executor, position).await??;
        let place = format!(
            "stopped in epoch {}, after {} of {} steps",
            position.epochs.len() + 1,
            position.steps,
            schedule.steps()
        );
        match &self.path {
            Some(path) => say(format_args!(
                "{place}; saved {}; resume with\n  {}",
                path.display(),
                self.resume_command()
            )),
            None => say(format_args!(
                "{place}; nothing was saved: a run with --out-dir is, and can be resumed"
            )),
        }
        Ok(())
    }

    /// The command line that goes on from the checkpoint.
    fn resume_command(&self) -> String {
        let path = self.path.as_deref().unwrap_or("last".as_ref());
        stop::command_line(["--resume".to_owned(), path.display().to_string()])
    }
}
