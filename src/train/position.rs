//! The progress of a run.

use super::metrics::History;
use crate::error::{Error, Result};
use crate::executor::BatchMetrics;
use crate::nn::Parameters;

/// The progress of a run: everything needed to continue it except the parameters. The order of the
/// samples is a function of seed and epoch, so the position in it is the number of steps.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Position {
    /// The epochs that are done, including their evaluation.
    pub epochs: History,
    /// Number of steps done in the next epoch. If all of them are done, only its evaluation is left.
    pub steps: usize,
    /// Seconds of training that these steps took.
    pub seconds: f64,
    /// Sums over these steps for the epoch's means, by realization; empty before the first step.
    pub sums: Vec<Sums>,
    /// The largest loss allowed for each realization; empty before the run's first step.
    pub limits: Vec<f64>,
    /// The divergence of each realization; empty before the run's first step.
    pub diverged: Vec<Option<Divergence>>,
    /// The network of an earlier epoch that is the result of a realization so far, for each realization;
    /// empty if there is none yet.
    pub kept: Vec<Option<Parameters>>,
}

/// A step whose loss was not finite, or above 10⁶ × the realization's first.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Divergence {
    /// The step, from 1 over the whole run.
    pub step: u64,
    /// Its loss.
    pub loss: f64,
}

impl Position {
    /// The number of training steps done, where an epoch has `steps`.
    pub fn number(&self, steps: u64) -> u64 {
        self.epochs.len() as u64 * steps + self.steps as u64
    }

    /// Marks realization `r` as diverged in `step`, with `loss`.
    pub(super) fn mark(&mut self, r: usize, step: u64, loss: f64) {
        self.diverged[r] = Some(Divergence { step, loss });
        // Discard the epoch's sums.
        self.sums[r] = Sums::default();
    }

    /// Fails if every realization has diverged, where an epoch has `steps` steps.
    pub(super) fn fail_if_all_diverged(&self, steps: usize) -> Result<()> {
        match self.diverged.iter().all(Option::is_some) {
            true => self.divergence(steps).map_or(Ok(()), Err),
            false => Ok(()),
        }
    }

    /// The first divergence as an error, where an epoch has `steps` steps; none if no realization
    /// diverged.
    pub fn divergence(&self, steps: usize) -> Option<Error> {
        let marked = self.diverged.iter().enumerate();
        let marked = marked.filter_map(|(r, divergence)| Some((r, (*divergence)?)));
        let (realization, Divergence { step, loss }) = marked.min_by_key(|(_, d)| d.step)?;
        let before = step.saturating_sub(1);
        let steps = steps.max(1) as u64;
        Some(Error::Diverged {
            epoch: (before / steps) as u32 + 1,
            step: (before % steps) as usize + 1,
            realization,
            loss,
            limit: self.limits.get(realization).copied().unwrap_or(f64::NAN),
        })
    }
}

/// Sums over samples, from which an epoch's means are computed.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[doc(hidden)]
pub struct Sums {
    /// Sum of the losses, each taken before its step's update.
    pub loss: f64,
    /// Number of samples that were classified correctly.
    pub correct: u64,
    /// Number of samples.
    pub samples: u64,
}

impl Sums {
    /// Adds a batch.
    pub(super) fn add(&mut self, batch: &BatchMetrics) {
        self.loss += batch.loss * f64::from(batch.samples);
        self.correct += u64::from(batch.correct);
        self.samples += u64::from(batch.samples);
    }
}
