//! Training: epochs of SGD on an executor, and their metrics.

#[doc(hidden)]
pub mod confusion;
mod course;
#[doc(hidden)]
pub mod events;
#[doc(hidden)]
pub mod grid;
#[doc(hidden)]
pub mod keeper;
mod metrics;
mod outcome;
mod position;
mod regression;
#[doc(hidden)]
#[cfg(feature = "tensorboard")]
pub mod tensorboard;

use web_time::Instant;

pub use course::Keep;
#[doc(hidden)]
pub use course::{Course, Standing};
pub use metrics::EpochMetrics;
#[doc(hidden)]
pub use metrics::{Fits, History, Summary, mean, present, standard_deviation};
pub use outcome::Outcome;
#[doc(hidden)]
pub use position::{Divergence, Position, Sums};
pub use regression::Fit;

use crate::data::Split;
use crate::error::{Error, Result};
use crate::executor::{BatchMetrics, Executor};
use crate::rng;
use metrics::{Columns, rate};

/// A loss above this multiple of the realization's first loss counts as divergence.
const DIVERGENCE: f64 = 1e6;

/// The first loss counts as at least this. A loaded network may start with a loss near 0, and a later
/// sample that it misclassifies then has a much larger one: a cross-entropy of about 100 at worst.
const SMALLEST_FIRST_LOSS: f64 = 1e-3;

/// The time of training between two checks whether to stop: too short for a person to notice, and long
/// compared with the read-back that ends a stretch of steps on an adapter.
const STRETCH_SECONDS: f64 = 0.1;

/// The number of epochs, and the counts that the steps of an epoch follow from.
#[doc(hidden)]
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
#[doc(hidden)]
pub trait Observer {
    /// `steps` steps of `epoch` (from 1) are done; 0 at its start.
    fn step(&mut self, epoch: u32, steps: usize);

    /// An epoch is done, evaluation included.
    fn epoch(&mut self, metrics: &EpochMetrics);

    /// The same epoch is the last of `position`.
    fn position(&mut self, _position: &Position) {}
}

/// An observer that ignores every event.
#[doc(hidden)]
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
#[doc(hidden)]
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

/// [`train_course`] with nothing but a schedule.
///
/// # Errors
/// Those of [`train_course`].
#[doc(hidden)]
pub async fn train_until(
    executor: &mut impl Executor,
    schedule: &Schedule,
    position: &mut Position,
    observer: &mut impl Observer,
    epochs: u32,
    stop: &dyn Fn() -> bool,
) -> Result<()> {
    let course = Course::from(schedule);
    train_course(executor, &course, position, observer, epochs, stop).await
}

/// Trains `executor`, which has the parameters of `position`, until `epochs` epochs are done in all,
/// [`Course::is_over`], or `stop` returns true. `stop` is called about every tenth of a second and
/// after each epoch. Stopping and continuing does not change any bit of the result.
///
/// A realization diverges with a loss that is not finite or above 10⁶ × its first one. It is marked in
/// `position`, its metrics are NaN from that epoch on, and the others are trained as without it.
///
/// # Errors
/// [`Error::Diverged`] with the first divergence once all realizations have diverged; whatever the
/// executor meets. Training must not continue from `position` then.
#[doc(hidden)]
pub async fn train_course(
    executor: &mut impl Executor,
    course: &Course,
    position: &mut Position,
    observer: &mut impl Observer,
    epochs: u32,
    stop: &dyn Fn() -> bool,
) -> Result<()> {
    course.check()?;
    let schedule = &course.schedule;
    position.epochs.is_regression = course.variance.is_some();
    position.diverged.resize(schedule.realizations, None);
    let mut stretch = 1;
    while position.epochs.len() < epochs as usize && !course.is_over(position) && !stop() {
        let index = position.epochs.len() as u32;
        observer.step(index + 1, position.steps);
        let active: Vec<bool> = (0..schedule.realizations)
            .map(|r| !course.is_done(position, r))
            .collect();
        if position.steps < schedule.steps() {
            let orders: Vec<_> = course
                .seeds
                .iter()
                .map(|&seed| rng::sample_order(seed, index, schedule.samples))
                .collect();
            let stretches = Stretches {
                course,
                orders: &orders,
                active: &active,
                stop,
            };
            while position.steps < schedule.steps() && !course.is_over(position) && !stop() {
                stretch = stretches
                    .train(executor, position, observer, stretch)
                    .await?;
            }
        }
        let is_trained = position.steps == schedule.steps() && !course.is_over(position);
        if is_trained && !stop() {
            finish_epoch(executor, course, position, observer, &active).await?;
        }
    }
    Ok(())
}

/// The steps of an epoch, which are trained a stretch at a time.
struct Stretches<'a> {
    course: &'a Course,
    orders: &'a [Vec<u32>],
    /// Whether each realization still counted at the start of the epoch.
    active: &'a [bool],
    stop: &'a dyn Fn() -> bool,
}

impl Stretches<'_> {
    /// Trains the rest of the epoch if the executor calls `stop` by itself, else `stretch` steps. Returns
    /// the number of steps to train next, so that they take about [`STRETCH_SECONDS`].
    async fn train(
        &self,
        executor: &mut impl Executor,
        position: &mut Position,
        observer: &mut impl Observer,
        stretch: usize,
    ) -> Result<usize> {
        let schedule = &self.course.schedule;
        let epoch = position.epochs.len() as u32 + 1;
        let first = position.steps;
        let start = Instant::now();
        let mut progress = |steps| observer.step(epoch, first + steps);
        let batches = match executor
            .train_rest(self.orders, first, self.stop, &mut progress)
            .await?
        {
            Some(batches) => batches,
            None => {
                let steps = first..schedule.steps().min(first + stretch);
                executor
                    .train_steps(self.orders, steps, &mut progress)
                    .await?
            }
        };
        let seconds = start.elapsed().as_secs_f64();
        if position.limits.is_empty() {
            position.limits = {
                let least = self.course.variance.unwrap_or(0.0);
                batches.iter().map(|steps| limit(steps, least)).collect()
            };
        }
        let number = position.number(schedule.steps() as u64);
        position.sums.resize(schedule.realizations, Sums::default());
        for (r, batches) in batches.iter().enumerate() {
            if !self.active[r] || position.diverged[r].is_some() {
                continue;
            }
            let limit = position.limits[r];
            let bad = |batch: &BatchMetrics| !batch.loss.is_finite() || batch.loss > limit;
            if let Some(step) = batches.iter().position(bad) {
                position.mark(r, number + step as u64 + 1, batches[step].loss);
                continue;
            }
            let sums = &mut position.sums[r];
            batches.iter().for_each(|batch| sums.add(batch));
        }
        position.fail_if_all_diverged(schedule.steps())?;
        position.steps = first + batches[0].len();
        position.seconds += seconds;
        Ok(match seconds {
            _ if seconds < STRETCH_SECONDS / 2.0 => (2 * stretch).min(schedule.steps()),
            _ if seconds > STRETCH_SECONDS => (stretch / 2).max(1),
            _ => stretch,
        })
    }
}

/// Evaluates an epoch whose steps are done, and adds it to `position`. `active` says whether each
/// realization counted at the start of the epoch.
async fn finish_epoch(
    executor: &mut impl Executor,
    course: &Course,
    position: &mut Position,
    observer: &mut impl Observer,
    active: &[bool],
) -> Result<()> {
    let schedule = &course.schedule;
    let test = evaluate_split(executor, Split::Test).await?;
    let validation = match schedule.validation {
        true => Some(evaluate_split(executor, Split::Validation).await?),
        false => None,
    };
    // The update of the last step may have diverged: only evaluation shows it.
    let number = position.number(schedule.steps() as u64);
    for r in (0..schedule.realizations).filter(|&r| active[r]) {
        let splits = [Some(&test), validation.as_ref()].into_iter().flatten();
        let bad = splits.filter_map(|evaluated| evaluated[r].err()).next();
        if let (Some(loss), None) = (bad, position.diverged[r]) {
            position.mark(r, number, loss);
        }
    }
    position.fail_if_all_diverged(schedule.steps())?;
    if course.is_over(position) {
        return Ok(());
    }
    let counts: Vec<bool> = (0..schedule.realizations)
        .map(|r| active[r] && position.diverged[r].is_none())
        .collect();
    let column = |of: &dyn Fn(usize) -> f64| -> Vec<f64> {
        let numbers = counts.iter().enumerate();
        numbers
            .map(|(r, &counts)| if counts { of(r) } else { f64::NAN })
            .collect()
    };
    let losses = |evaluated: &[Evaluated]| column(&|r| evaluated[r].map_or(f64::NAN, |e| e.loss));
    let accuracies =
        |evaluated: &[Evaluated]| column(&|r| evaluated[r].map_or(f64::NAN, |e| e.accuracy));
    let sums = std::mem::take(&mut position.sums);
    let seconds = std::mem::take(&mut position.seconds);
    position.steps = 0;
    let epoch = position.epochs.len() as u32 + 1;
    let mut metrics = EpochMetrics::new(
        epoch,
        Columns {
            train_losses: column(&|r| sums[r].loss / sums[r].samples as f64),
            train_accuracies: column(&|r| sums[r].correct as f64 / sums[r].samples as f64),
            test_losses: losses(&test),
            test_accuracies: accuracies(&test),
            validation: validation.map(|split| [losses(&split), accuracies(&split)]),
        },
        seconds,
        rate((schedule.samples * schedule.realizations) as f64, seconds),
    );
    position.epochs.push(&metrics);
    if course.variance.is_some() {
        metrics.drop_accuracies();
    }
    keep(executor, course, position, &counts).await?;
    observer.epoch(&metrics);
    observer.position(position);
    Ok(())
}

/// Copies the networks that the epoch just done made the results of their realizations, and that further
/// training would change.
async fn keep(
    executor: &mut impl Executor,
    course: &Course,
    position: &mut Position,
    counts: &[bool],
) -> Result<()> {
    if course.keep == Keep::Last && course.patience.is_none() {
        return Ok(());
    }
    let epoch = position.epochs.len() as u32;
    let is_due = |&r: &usize| {
        let standing = course.standing(position, r);
        let lasts = course.keep == Keep::Best || standing.is_out_of_patience;
        counts[r] && lasts && course.kept(&standing) == Some(epoch)
    };
    let due: Vec<usize> = (0..counts.len()).filter(is_due).collect();
    if due.is_empty() {
        return Ok(());
    }
    position.kept.resize(counts.len(), None);
    for (r, parameters) in executor.parameters().await?.into_iter().enumerate() {
        if due.contains(&r) {
            position.kept[r] = Some(parameters);
        }
    }
    Ok(())
}

/// The evaluation of a network on a split.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Evaluation {
    /// Mean of the loss over the samples.
    pub loss: f64,
    /// Fraction of the samples that are classified correctly.
    pub accuracy: f64,
}

/// Loss and accuracy of each realization on `split`.
///
/// # Errors
/// [`Error::NonFiniteLoss`] if a loss is not finite, since the accuracy would then mean nothing;
/// whatever the executor meets.
#[doc(hidden)]
pub async fn evaluate(executor: &mut impl Executor, split: Split) -> Result<Vec<Evaluation>> {
    let evaluated = evaluate_split(executor, split).await?;
    let realizations = evaluated.into_iter().enumerate();
    realizations
        .map(|(realization, evaluated)| {
            evaluated.map_err(|loss| Error::NonFiniteLoss { realization, loss })
        })
        .collect()
}

/// An evaluation, or a loss that is not finite.
type Evaluated = std::result::Result<Evaluation, f64>;

async fn evaluate_split(executor: &mut impl Executor, split: Split) -> Result<Vec<Evaluated>> {
    let batches = executor.evaluate(split).await?;
    Ok(batches.iter().map(|batches| evaluation(batches)).collect())
}

fn evaluation(batches: &[BatchMetrics]) -> Evaluated {
    if let Some(bad) = batches.iter().find(|b| !b.loss.is_finite()) {
        return Err(bad.loss);
    }
    let mut sums = Sums::default();
    batches.iter().for_each(|batch| sums.add(batch));
    let samples = sums.samples as f64;
    Ok(Evaluation {
        loss: sums.loss / samples,
        accuracy: sums.correct as f64 / samples,
    })
}

/// The largest loss allowed for a realization, from its first loss, which counts as `least` at least.
fn limit(steps: &[BatchMetrics], least: f64) -> f64 {
    let first = steps.first().map_or(0.0, |b| b.loss);
    DIVERGENCE * first.max(least).max(SMALLEST_FIRST_LOSS)
}
