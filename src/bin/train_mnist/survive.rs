//! Training that can be stopped, killed and resumed.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bregman::checkpoint::Run;
use bregman::error::{Error, Result};
use bregman::executor::Executor;
use bregman::train::{Position, Schedule, train_until};

use crate::report::{Progress, say};

/// How a run ended that met no error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// All epochs are done.
    Whole,
    /// Ctrl-C asked it to stop.
    Stopped,
}

/// Turns Ctrl-C into a question that training asks; the second one ends the program at once.
pub fn stop_on_ctrl_c() -> Arc<AtomicBool> {
    let stop = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&stop);
    let handler = ctrlc::set_handler(move || {
        if asked.swap(true, Ordering::SeqCst) {
            std::process::exit(STOPPED);
        }
        say("stopping after this step; once more to stop at once");
    });
    if let Err(error) = handler {
        say(format_args!(
            "warning: Ctrl-C will end the run without saving ({error})"
        ));
    }
    stop
}

/// The exit code of a program that Ctrl-C ended, by the shells' custom.
pub const STOPPED: i32 = 130;

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
        position: &Position,
    ) -> Result<Result<()>> {
        let Some(path) = &self.path else {
            return Ok(Ok(()));
        };
        self.run.parameters = executor.parameters().await?;
        self.run.position.clone_from(position);
        let saved = self.run.save(path).map(drop);
        // They are kept once, not twice.
        self.run.parameters = Vec::new();
        self.run.position = Position::default();
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
        stop: &AtomicBool,
    ) -> Result<Ended> {
        let result = self
            .train_and_save(executor, schedule, position, progress, stop)
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
        stop: &AtomicBool,
    ) -> Result<Ended> {
        let stop = || stop.load(Ordering::SeqCst);
        progress.begin(executor, position).await?;
        while position.epochs.len() < schedule.epochs as usize {
            let done = position.epochs.len() as u32;
            train_until(executor, schedule, position, progress, done + 1, &stop).await?;
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
        position: &Position,
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
        let program = std::env::args().next();
        let program = program.unwrap_or_else(|| env!("CARGO_BIN_NAME").to_owned());
        let path = self.path.as_deref().unwrap_or("last".as_ref());
        format!(
            "{} --resume {}",
            quoted(&program),
            quoted(&path.display().to_string())
        )
    }
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "/._-+=:,@%".contains(c);
    match word.chars().all(plain) && !word.is_empty() {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', "'\\''")),
    }
}
