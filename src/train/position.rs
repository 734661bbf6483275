//! The progress of a run.

use super::metrics::History;
use crate::executor::BatchMetrics;

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
}

impl Position {
    /// The number of training steps done, where an epoch has `steps`.
    pub fn number(&self, steps: u64) -> u64 {
        self.epochs.len() as u64 * steps + self.steps as u64
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
