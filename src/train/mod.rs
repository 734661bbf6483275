//! Training: epochs of SGD on an executor, and their metrics.

#[doc(hidden)]
pub mod events;
pub mod keeper;
mod metrics;
mod position;
#[doc(hidden)]
#[cfg(feature = "tensorboard")]
pub mod tensorboard;

use web_time::Instant;

pub use metrics::EpochMetrics;
#[doc(hidden)]
pub use metrics::{History, Summary, mean, standard_deviation};
pub use position::{Position, Sums};

use crate::data::Split;
use crate::error::{Error, Result};
use crate::executor::{BatchMetrics, Executor};
use crate::rng;
use metrics::rate;

/// A loss above this multiple of the realization's first loss counts as divergence.
const DIVERGENCE: f64 = 1e6;

/// The first loss counts as at least this. A loaded network may start with a loss near 0, and a later
/// sample that it misclassifies then has a much larger one: a cross-entropy of about 100 at worst.
const SMALLEST_FIRST_LOSS: f64 = 1e-3;

/// How long training runs before it asks whether to stop: too short for a person to notice, and long
/// compared with the read-back that ends a stretch of steps on an adapter.
const STRETCH_SECONDS: f64 = 0.1;

/// The number of epochs, and the counts that the steps of an epoch follow from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// Passes over the training set, at least 1.
    pub epochs: u32,
    /// Seed of the first realization; realization r has seed + r, wrapping.
    pub seed: u64,
    /// Number of realizations R, at least 1.
    pub realizations: usize,
    /// Samples of the training set, at least 1.
    pub samples: usize,
    /// Samples in a mini-batch, at least 1.
    pub batch_size: usize,
    /// Whether there is a validation split to evaluate.
    pub validation: bool,
}

impl Schedule {
    /// Number of steps of an epoch. The last batch may be smaller.
    pub fn steps(&self) -> usize {
        self.samples.div_ceil(self.batch_size)
    }

    /// The seed of realization `r`.
    pub fn seed_of(&self, r: usize) -> u64 {
        self.seed.wrapping_add(r as u64)
    }
}

/// Receives the progress of training.
pub trait Observer {
    /// `steps` steps of `epoch` (from 1) are done; 0 at its start.
    fn step(&mut self, epoch: u32, steps: usize);

    /// An epoch is done, evaluation included.
    fn epoch(&mut self, metrics: &EpochMetrics);
}

/// An observer that ignores every event.
#[derive(Clone, Copy, Debug)]
pub struct Silent;

impl Observer for Silent {
    fn step(&mut self, _epoch: u32, _steps: usize) {}

    fn epoch(&mut self, _metrics: &EpochMetrics) {}
}

/// Trains `executor` by `schedule`, and evaluates it after each epoch.
///
/// # Errors
/// Those of [`train_until`].
pub async fn train(
    executor: &mut impl Executor,
    schedule: &Schedule,
    observer: &mut impl Observer,
) -> Result<Vec<EpochMetrics>> {
    let mut position = Position::default();
    let epochs = schedule.epochs;
    train_until(executor, schedule, &mut position, observer, epochs, &|| {
        false
    })
    .await?;
    Ok(position.epochs.iter().collect())
}

/// Trains `executor`, which has the parameters of `position`, until `epochs` epochs are done in all
/// or `stop` returns true. `stop` is called about every tenth of a second and after each epoch.
/// Stopping and continuing does not change any bit of the result.
///
/// # Errors
/// [`Error::Diverged`] once a loss is not finite or above 10⁶ × the realization's first; whatever
/// the executor meets. `position` must not be used then.
#[doc(hidden)]
pub async fn train_until(
    executor: &mut impl Executor,
    schedule: &Schedule,
    position: &mut Position,
    observer: &mut impl Observer,
    epochs: u32,
    stop: &dyn Fn() -> bool,
) -> Result<()> {
    let mut stretch = 1;
    while position.epochs.len() < epochs as usize && !stop() {
        let index = position.epochs.len() as u32;
        observer.step(index + 1, position.steps);
        if position.steps < schedule.steps() {
            let orders: Vec<_> = (0..schedule.realizations)
                .map(|r| rng::sample_order(schedule.seed_of(r), index, schedule.samples))
                .collect();
            while position.steps < schedule.steps() && !stop() {
                stretch = train_stretch(
                    executor, schedule, position, observer, &orders, stretch, stop,
                )
                .await?;
            }
        }
        if position.steps == schedule.steps() && !stop() {
            finish_epoch(executor, schedule, position, observer).await?;
        }
    }
    Ok(())
}

/// Trains the rest of the epoch if the executor calls `stop` by itself, else `stretch` steps. Returns
/// the number of steps to train next, so that they take about [`STRETCH_SECONDS`].
async fn train_stretch(
    executor: &mut impl Executor,
    schedule: &Schedule,
    position: &mut Position,
    observer: &mut impl Observer,
    orders: &[Vec<u32>],
    stretch: usize,
    stop: &dyn Fn() -> bool,
) -> Result<usize> {
    let epoch = position.epochs.len() as u32 + 1;
    let first = position.steps;
    let start = Instant::now();
    let mut progress = |steps| observer.step(epoch, first + steps);
    let batches = match executor
        .train_rest(orders, first, stop, &mut progress)
        .await?
    {
        Some(batches) => batches,
        None => {
            let steps = first..schedule.steps().min(first + stretch);
            executor.train_steps(orders, steps, &mut progress).await?
        }
    };
    let seconds = start.elapsed().as_secs_f64();
    if position.limits.is_empty() {
        position.limits = batches.iter().map(|steps| limit(steps)).collect();
    }
    check(epoch, first, &batches, &position.limits)?;
    position.sums.resize(schedule.realizations, Sums::default());
    for (sums, batches) in position.sums.iter_mut().zip(&batches) {
        batches.iter().for_each(|batch| sums.add(batch));
    }
    position.steps = first + batches[0].len();
    position.seconds += seconds;
    Ok(match seconds {
        _ if seconds < STRETCH_SECONDS / 2.0 => (2 * stretch).min(schedule.steps()),
        _ if seconds > STRETCH_SECONDS => (stretch / 2).max(1),
        _ => stretch,
    })
}

/// Evaluates an epoch whose steps are done, and adds it to `position`.
async fn finish_epoch(
    executor: &mut impl Executor,
    schedule: &Schedule,
    position: &mut Position,
    observer: &mut impl Observer,
) -> Result<()> {
    let epoch = position.epochs.len() as u32 + 1;
    // The last step's update may be what blew up: only evaluation shows it.
    let blew_up = |found| diverged(epoch, schedule.steps(), found, &position.limits);
    let test_accuracies = evaluate_finite(executor, Split::Test)
        .await?
        .map_err(blew_up)?;
    let val_accuracies = match schedule.validation {
        true => {
            let found = evaluate_finite(executor, Split::Validation).await?;
            Some(found.map_err(blew_up)?)
        }
        false => None,
    };
    let of_samples = |sum: f64, sums: &Sums| sum / sums.samples as f64;
    let sums = std::mem::take(&mut position.sums);
    let train_losses: Vec<f64> = sums.iter().map(|s| of_samples(s.loss, s)).collect();
    let train_accuracies: Vec<f64> = sums
        .iter()
        .map(|s| of_samples(s.correct as f64, s))
        .collect();
    let seconds = std::mem::take(&mut position.seconds);
    position.steps = 0;
    let metrics = EpochMetrics::new(
        epoch,
        [train_losses, train_accuracies, test_accuracies],
        val_accuracies,
        seconds,
        rate((schedule.samples * schedule.realizations) as f64, seconds),
    );
    observer.epoch(&metrics);
    position.epochs.push(&metrics);
    Ok(())
}

/// The accuracy of each realization on `split`.
///
/// # Errors
/// [`Error::NonFiniteLoss`] if a loss is not finite, since the accuracy would then mean nothing;
/// whatever the executor meets.
pub async fn evaluate(executor: &mut impl Executor, split: Split) -> Result<Vec<f64>> {
    evaluate_finite(executor, split)
        .await?
        .map_err(|found| Error::NonFiniteLoss {
            realization: found.realization,
            loss: found.loss,
        })
}

/// A loss that is not finite or too large, and its realization.
struct BadLoss {
    realization: usize,
    loss: f64,
}

async fn evaluate_finite(
    executor: &mut impl Executor,
    split: Split,
) -> Result<std::result::Result<Vec<f64>, BadLoss>> {
    let batches = executor.evaluate(split).await?;
    let realizations = batches.iter().enumerate();
    Ok(realizations
        .map(
            |(realization, batches)| match batches.iter().find(|b| !b.loss.is_finite()) {
                Some(&BatchMetrics { loss, .. }) => Err(BadLoss { realization, loss }),
                None => Ok(accuracy(batches)),
            },
        )
        .collect())
}

/// Fails at the first step, and in it the first realization, with a loss that is not finite or above
/// the realization's limit. `first` is the number of steps of the epoch before `batches`.
fn check(epoch: u32, first: usize, batches: &[Vec<BatchMetrics>], limits: &[f64]) -> Result<()> {
    let steps = batches.iter().map(Vec::len).max().unwrap_or(0);
    for step in 0..steps {
        for (realization, (batches, &limit)) in batches.iter().zip(limits).enumerate() {
            match batches.get(step) {
                Some(&BatchMetrics { loss, .. }) if !loss.is_finite() || loss > limit => {
                    return Err(diverged(
                        epoch,
                        first + step + 1,
                        BadLoss { realization, loss },
                        limits,
                    ));
                }
                _ => {}
            }
        }
    }
    Ok(())
}

fn diverged(epoch: u32, step: usize, found: BadLoss, limits: &[f64]) -> Error {
    let BadLoss { realization, loss } = found;
    Error::Diverged {
        epoch,
        step,
        realization,
        loss,
        limit: limits[realization],
    }
}

fn samples(batches: &[BatchMetrics]) -> f64 {
    batches.iter().map(|b| f64::from(b.samples)).sum()
}

fn accuracy(batches: &[BatchMetrics]) -> f64 {
    batches.iter().map(|b| f64::from(b.correct)).sum::<f64>() / samples(batches)
}

/// The largest loss allowed for a realization, from its first loss.
fn limit(steps: &[BatchMetrics]) -> f64 {
    let first = steps.first().map_or(0.0, |b| b.loss);
    DIVERGENCE * first.max(SMALLEST_FIRST_LOSS)
}
