//! Training: epochs of SGD on an executor, and what is reported of them.

pub mod events;
pub mod keeper;
pub mod tensorboard;

use std::time::Instant;

use serde::Serialize;

use crate::error::{Error, Result};
use crate::executor::{BatchMetrics, Executor, Split};
use crate::rng;

/// A loss above this many times the realization's first is divergence.
const DIVERGENCE: f64 = 1e6;

/// The first loss counts as at least this. A network that was loaded may start with a loss near 0,
/// and then meet a sample that it misjudges: a cross-entropy of about 100 in the worst case.
const SMALLEST_FIRST_LOSS: f64 = 1e-3;

/// How long training goes on before it asks whether to stop: no time to a person, and long beside
/// the read-back that ends a stretch of steps on an adapter.
const STRETCH_SECONDS: f64 = 0.1;

/// How long to train, and on what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// Passes over the training set, at least 1.
    pub epochs: u32,
    /// Seed of the first realization; realization r has seed + r, wrapping.
    pub seed: u64,
    /// R, at least 1.
    pub realizations: usize,
    /// Samples of the training set, at least 1.
    pub samples: usize,
    /// Samples in a mini-batch, at least 1.
    pub batch_size: usize,
    /// Whether there is a validation split to evaluate.
    pub validation: bool,
}

impl Schedule {
    /// Steps of an epoch; the last may be on a short batch.
    pub fn steps(&self) -> usize {
        self.samples.div_ceil(self.batch_size)
    }

    /// The seed of realization `r`.
    pub fn seed_of(&self, r: usize) -> u64 {
        self.seed.wrapping_add(r as u64)
    }
}

/// What an epoch did: a line of `metrics.jsonl`. Accuracies are fractions, and numbers without an
/// index are means over the realizations.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EpochMetrics {
    /// The epoch, from 1.
    pub epoch: u32,
    /// Running mean of the training loss over the epoch's samples, each before its step's update.
    pub train_loss: f64,
    /// The same of the training accuracy.
    pub train_accuracy: f64,
    /// Accuracy on the test set after the epoch.
    pub test_accuracy: f64,
    /// [`Self::train_loss`] of each realization.
    pub train_losses: Vec<f64>,
    /// [`Self::train_accuracy`] of each realization.
    pub train_accuracies: Vec<f64>,
    /// [`Self::test_accuracy`] of each realization.
    pub test_accuracies: Vec<f64>,
    /// Accuracy on the validation split after the epoch, if one is held out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub val_accuracy: Option<f64>,
    /// [`Self::val_accuracy`] of each realization.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub val_accuracies: Option<Vec<f64>>,
    /// Seconds of training alone, without evaluation.
    pub seconds: f64,
    /// Training samples a second, summed over the realizations.
    pub samples_per_second: f64,
}

impl EpochMetrics {
    /// Those of an epoch from what each realization has, the means added.
    fn new(
        epoch: u32,
        [train_losses, train_accuracies, test_accuracies]: [Vec<f64>; 3],
        val_accuracies: Option<Vec<f64>>,
        seconds: f64,
        samples_per_second: f64,
    ) -> Self {
        Self {
            epoch,
            train_loss: mean(&train_losses),
            train_accuracy: mean(&train_accuracies),
            test_accuracy: mean(&test_accuracies),
            train_losses,
            train_accuracies,
            test_accuracies,
            val_accuracy: val_accuracies.as_deref().map(mean),
            val_accuracies,
            seconds,
            samples_per_second,
        }
    }
}

/// The metrics of all epochs of a run, in no more memory than their numbers take: a run may have many
/// thousand.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    /// By epoch.
    pub(crate) seconds: Vec<f64>,
    pub(crate) samples_per_second: Vec<f64>,
    /// By epoch and realization.
    pub(crate) train_losses: Vec<f64>,
    pub(crate) train_accuracies: Vec<f64>,
    pub(crate) test_accuracies: Vec<f64>,
    /// Likewise; empty without a validation split.
    pub(crate) val_accuracies: Vec<f64>,
}

impl History {
    /// How many epochs there are.
    pub fn len(&self) -> usize {
        self.seconds.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.seconds.is_empty()
    }

    /// Adds the next epoch, which is of the same realizations and splits as those before.
    pub fn push(&mut self, epoch: &EpochMetrics) {
        self.seconds.push(epoch.seconds);
        self.samples_per_second.push(epoch.samples_per_second);
        self.train_losses.extend(&epoch.train_losses);
        self.train_accuracies.extend(&epoch.train_accuracies);
        self.test_accuracies.extend(&epoch.test_accuracies);
        let val_accuracies = epoch.val_accuracies.iter().flatten();
        self.val_accuracies.extend(val_accuracies);
    }

    /// The epochs, first to last.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = EpochMetrics> + ExactSizeIterator {
        (0..self.len()).map(|index| {
            let realizations = self.train_losses.len() / self.len();
            let of_epoch =
                |numbers: &[f64]| numbers[index * realizations..][..realizations].to_vec();
            let columns = [
                &self.train_losses,
                &self.train_accuracies,
                &self.test_accuracies,
            ];
            let validated = !self.val_accuracies.is_empty();
            EpochMetrics::new(
                index as u32 + 1,
                columns.map(|column| of_epoch(column)),
                validated.then(|| of_epoch(&self.val_accuracies)),
                self.seconds[index],
                self.samples_per_second[index],
            )
        })
    }

    /// The last epoch.
    pub fn last(&self) -> Option<EpochMetrics> {
        self.iter().next_back()
    }
}

impl FromIterator<EpochMetrics> for History {
    fn from_iter<I: IntoIterator<Item = EpochMetrics>>(epochs: I) -> Self {
        let mut history = Self::default();
        epochs.into_iter().for_each(|epoch| history.push(&epoch));
        history
    }
}

/// A whole run: `summary.json`. Accuracies are fractions, the last epoch's and never the best.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary<O> {
    /// The options as resolved.
    pub options: O,
    /// The data set's name.
    pub dataset: String,
    /// `gpu` or `cpu`.
    pub device: &'static str,
    /// The adapter; none on the processor.
    pub adapter: Option<String>,
    /// The lines of `metrics.jsonl`; empty if the network was only evaluated.
    pub epochs: Vec<EpochMetrics>,
    /// Mean test accuracy over the realizations.
    pub test_accuracy: f64,
    /// Test accuracy of each realization.
    pub test_accuracies: Vec<f64>,
    /// The last epoch's mean training loss; none if the network was only evaluated.
    pub train_loss: Option<f64>,
    /// Seconds of training alone, all epochs together.
    pub seconds: f64,
    /// Training samples a second over all epochs, summed over the realizations; none if the network
    /// was only evaluated.
    pub samples_per_second: Option<f64>,
}

impl<O> Summary<O> {
    /// Sums the epochs of a run up. `test_accuracies`, one a realization, are the last epoch's, or
    /// those of the evaluation where nothing was trained.
    pub fn new(
        options: O,
        dataset: String,
        device: &'static str,
        adapter: Option<String>,
        epochs: Vec<EpochMetrics>,
        test_accuracies: Vec<f64>,
    ) -> Self {
        let seconds = epochs.iter().map(|e| e.seconds).sum();
        let samples: f64 = epochs
            .iter()
            .map(|e| e.samples_per_second * e.seconds)
            .sum();
        Self {
            options,
            dataset,
            device,
            adapter,
            test_accuracy: mean(&test_accuracies),
            test_accuracies,
            train_loss: epochs.last().map(|e| e.train_loss),
            seconds,
            samples_per_second: (!epochs.is_empty()).then(|| rate(samples, seconds)),
            epochs,
        }
    }
}

/// Is told how training goes.
pub trait Observer {
    /// `steps` steps of `epoch` (from 1) are done; 0 at its start.
    fn step(&mut self, epoch: u32, steps: usize);

    /// An epoch is done, evaluation included.
    fn epoch(&mut self, metrics: &EpochMetrics);
}

/// An observer that looks away.
#[derive(Clone, Copy, Debug)]
pub struct Silent;

impl Observer for Silent {
    fn step(&mut self, _epoch: u32, _steps: usize) {}

    fn epoch(&mut self, _metrics: &EpochMetrics) {}
}

/// How far a run has come: all that its continuation needs beside the parameters. The order of the
/// samples is a function of seed and epoch, so the position in it is the number of steps.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Position {
    /// The epochs that are done, evaluation included.
    pub epochs: History,
    /// Steps done of the epoch after them; with all of them done, its evaluation is left.
    pub steps: usize,
    /// Seconds of training that they took.
    pub seconds: f64,
    /// What they add to the epoch's running means, a realization each; empty before the first.
    pub sums: Vec<Sums>,
    /// What the losses of each realization must stay below; empty before the run's first step.
    pub limits: Vec<f64>,
}

/// Sums over samples, of which an epoch's running means are made.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sums {
    /// Of the losses, each before its step's update.
    pub loss: f64,
    /// Samples that were classified correctly.
    pub correct: u64,
    /// Samples.
    pub samples: u64,
}

impl Sums {
    fn add(&mut self, batch: &BatchMetrics) {
        self.loss += batch.loss * f64::from(batch.samples);
        self.correct += u64::from(batch.correct);
        self.samples += u64::from(batch.samples);
    }
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

/// Trains `executor`, which has the parameters of `position`, until `epochs` epochs are done in all,
/// or until `stop` says so: it is asked after the steps of about a tenth of a second, and after
/// epochs. Where training stops does not change what it computes, not by a bit.
///
/// # Errors
/// [`Error::Diverged`] once a loss is not finite or above 10⁶ × the realization's first; whatever
/// the executor meets. `position` is then of no use.
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

/// Trains what is left of the epoch if the executor looks at `stop` by itself, else `stretch` steps;
/// returns how many to train next, so that they take about [`STRETCH_SECONDS`].
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

/// Evaluates an epoch whose steps are done, and adds it to those of `position`.
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
/// [`Error::NonFiniteLoss`] if a loss is not finite: no accuracy is reported of a network that
/// computes infinities; whatever the executor meets.
pub async fn evaluate(executor: &mut impl Executor, split: Split) -> Result<Vec<f64>> {
    evaluate_finite(executor, split)
        .await?
        .map_err(|found| Error::NonFiniteLoss {
            realization: found.realization,
            loss: found.loss,
        })
}

/// A loss that should not have been.
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

/// Finds the first step, and in it the first realization, with a loss that is not finite or is
/// beyond the realization's limit; `first` steps of the epoch went before `batches`.
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

/// The mean; 0 of nothing.
pub fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// The sample's standard deviation (n − 1); none of fewer than two values.
pub fn standard_deviation(values: &[f64]) -> Option<f64> {
    let degrees = values.len().checked_sub(1).filter(|&d| d > 0)?;
    let mean = mean(values);
    let squares: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
    Some((squares / degrees as f64).sqrt())
}

fn rate(samples: f64, seconds: f64) -> f64 {
    samples / seconds.max(1e-9)
}

fn samples(batches: &[BatchMetrics]) -> f64 {
    batches.iter().map(|b| f64::from(b.samples)).sum()
}

fn accuracy(batches: &[BatchMetrics]) -> f64 {
    batches.iter().map(|b| f64::from(b.correct)).sum::<f64>() / samples(batches)
}

/// What the losses of a realization must stay below, from those of its first epoch.
fn limit(steps: &[BatchMetrics]) -> f64 {
    let first = steps.first().map_or(0.0, |b| b.loss);
    DIVERGENCE * first.max(SMALLEST_FIRST_LOSS)
}
