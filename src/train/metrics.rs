//! The metrics of epochs and of a whole run.

use serde::Serialize;

use super::outcome::Outcome;

/// The metrics of one epoch: a line of `metrics.jsonl`. Accuracies are fractions, and single numbers
/// are means over the realizations that have them. A realization that diverged, or whose patience was
/// over in an earlier epoch, has NaN, which JSON writes as null.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EpochMetrics {
    /// The epoch, from 1.
    pub epoch: u32,
    /// Mean of the training loss over the epoch's samples, each taken before its step's update.
    pub train_loss: f64,
    /// The same mean of the training accuracy. Accuracies are NaN where the targets are values, and JSON has
    /// none.
    #[serde(skip_serializing_if = "f64_is_nan")]
    pub train_accuracy: f64,
    /// Loss on the test set after the epoch.
    pub test_loss: f64,
    /// Accuracy on the test set after the epoch.
    #[serde(skip_serializing_if = "f64_is_nan")]
    pub test_accuracy: f64,
    /// [`Self::train_loss`] of each realization.
    pub train_losses: Vec<f64>,
    /// [`Self::train_accuracy`] of each realization.
    #[serde(skip_serializing_if = "all_nan")]
    pub train_accuracies: Vec<f64>,
    /// [`Self::test_loss`] of each realization.
    pub test_losses: Vec<f64>,
    /// [`Self::test_accuracy`] of each realization.
    #[serde(skip_serializing_if = "all_nan")]
    pub test_accuracies: Vec<f64>,
    /// Loss on the validation split after the epoch, if one is held out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub val_loss: Option<f64>,
    /// Accuracy on the validation split after the epoch, if one is held out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub val_accuracy: Option<f64>,
    /// [`Self::val_loss`] of each realization.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub val_losses: Option<Vec<f64>>,
    /// [`Self::val_accuracy`] of each realization.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub val_accuracies: Option<Vec<f64>>,
    /// Seconds of training, without evaluation.
    pub seconds: f64,
    /// Training samples a second, summed over the realizations.
    pub samples_per_second: f64,
}

/// The metrics of an epoch by realization.
pub(super) struct Columns {
    pub train_losses: Vec<f64>,
    pub train_accuracies: Vec<f64>,
    pub test_losses: Vec<f64>,
    pub test_accuracies: Vec<f64>,
    /// Losses and accuracies.
    pub validation: Option<[Vec<f64>; 2]>,
}

impl EpochMetrics {
    /// The metrics of an epoch from those of each realization; computes the means.
    pub(super) fn new(epoch: u32, columns: Columns, seconds: f64, samples_per_second: f64) -> Self {
        let Columns {
            train_losses,
            train_accuracies,
            test_losses,
            test_accuracies,
            validation,
        } = columns;
        let [val_losses, val_accuracies] = match validation {
            Some(columns) => columns.map(Some),
            None => [None, None],
        };
        Self {
            epoch,
            train_loss: mean_of_present(&train_losses),
            train_accuracy: mean_of_present(&train_accuracies),
            test_loss: mean_of_present(&test_losses),
            test_accuracy: mean_of_present(&test_accuracies),
            train_losses,
            train_accuracies,
            test_losses,
            test_accuracies,
            val_loss: val_losses.as_deref().map(mean_of_present),
            val_accuracy: val_accuracies.as_deref().map(mean_of_present),
            val_losses,
            val_accuracies,
            seconds,
            samples_per_second,
        }
    }
}

impl EpochMetrics {
    /// Replaces accuracies by NaN: values have no classes that could be right.
    pub(crate) fn drop_accuracies(&mut self) {
        self.train_accuracy = f64::NAN;
        self.test_accuracy = f64::NAN;
        self.train_accuracies.fill(f64::NAN);
        self.test_accuracies.fill(f64::NAN);
        (self.val_accuracy, self.val_accuracies) = (None, None);
    }

    /// The metrics of realization `r` alone. The samples a second are those of all.
    pub(crate) fn of_realization(&self, r: usize) -> Self {
        let own = |numbers: &Vec<f64>| vec![numbers[r]];
        // Values have losses alone.
        let accuracies = self
            .val_accuracies
            .as_ref()
            .unwrap_or(&self.test_accuracies);
        let validation = self.val_losses.as_ref().map(|losses| (losses, accuracies));
        let columns = Columns {
            train_losses: own(&self.train_losses),
            train_accuracies: own(&self.train_accuracies),
            test_losses: own(&self.test_losses),
            test_accuracies: own(&self.test_accuracies),
            validation: validation.map(|(losses, accuracies)| [own(losses), own(accuracies)]),
        };
        let mut own = Self::new(self.epoch, columns, self.seconds, self.samples_per_second);
        if all_nan(&self.test_accuracies) {
            own.drop_accuracies();
        }
        own
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn f64_is_nan(number: &f64) -> bool {
    number.is_nan()
}

fn all_nan(numbers: &[f64]) -> bool {
    numbers.iter().all(|number| number.is_nan())
}

/// The metrics of all epochs of a run, stored compactly: a run may have many thousand epochs.
#[derive(Clone, Debug, Default, PartialEq)]
#[doc(hidden)]
pub struct History {
    /// Whether the targets are values, so that there are no accuracies.
    pub(crate) is_regression: bool,
    /// By epoch.
    pub(crate) seconds: Vec<f64>,
    pub(crate) samples_per_second: Vec<f64>,
    /// By epoch and realization.
    pub(crate) train_losses: Vec<f64>,
    pub(crate) train_accuracies: Vec<f64>,
    pub(crate) test_losses: Vec<f64>,
    pub(crate) test_accuracies: Vec<f64>,
    /// Likewise; empty without a validation split.
    pub(crate) val_losses: Vec<f64>,
    pub(crate) val_accuracies: Vec<f64>,
}

impl History {
    /// The number of epochs.
    pub fn len(&self) -> usize {
        self.seconds.len()
    }

    /// Whether there is no epoch.
    pub fn is_empty(&self) -> bool {
        self.seconds.is_empty()
    }

    /// Adds the next epoch. It must have the same realizations and splits as the earlier ones.
    pub fn push(&mut self, epoch: &EpochMetrics) {
        self.seconds.push(epoch.seconds);
        self.samples_per_second.push(epoch.samples_per_second);
        self.train_losses.extend(&epoch.train_losses);
        self.train_accuracies.extend(&epoch.train_accuracies);
        self.test_losses.extend(&epoch.test_losses);
        self.test_accuracies.extend(&epoch.test_accuracies);
        self.val_losses.extend(epoch.val_losses.iter().flatten());
        let val_accuracies = epoch.val_accuracies.iter().flatten();
        self.val_accuracies.extend(val_accuracies);
    }

    /// The number of realizations; 0 before the first epoch.
    fn realizations(&self) -> usize {
        self.train_losses.len().checked_div(self.len()).unwrap_or(0)
    }

    /// The number of epochs for which realization `r` has metrics; the later ones have none.
    pub(super) fn present_of(&self, r: usize) -> usize {
        let realizations = self.realizations().max(1);
        let mut present = self.len();
        while present > 0 && self.train_losses[(present - 1) * realizations + r].is_nan() {
            present -= 1;
        }
        present
    }

    /// Those of `numbers`, which are by epoch and realization, that belong to realization `r`.
    pub(super) fn of_realization<'a>(
        &self,
        numbers: &'a [f64],
        r: usize,
    ) -> impl Iterator<Item = f64> + use<'a> {
        let realizations = self.realizations().max(1);
        numbers.iter().skip(r).step_by(realizations).copied()
    }

    /// The epochs, first to last.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = EpochMetrics> + ExactSizeIterator {
        (0..self.len()).map(|index| {
            let realizations = self.realizations();
            let of_epoch =
                |numbers: &[f64]| numbers[index * realizations..][..realizations].to_vec();
            let validated = !self.val_accuracies.is_empty();
            let mut metrics = EpochMetrics::new(
                index as u32 + 1,
                Columns {
                    train_losses: of_epoch(&self.train_losses),
                    train_accuracies: of_epoch(&self.train_accuracies),
                    test_losses: of_epoch(&self.test_losses),
                    test_accuracies: of_epoch(&self.test_accuracies),
                    validation: validated
                        .then(|| [&self.val_losses, &self.val_accuracies].map(|c| of_epoch(c))),
                },
                self.seconds[index],
                self.samples_per_second[index],
            );
            if self.is_regression {
                metrics.drop_accuracies();
            }
            metrics
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

/// The errors of predicted values: means over the realizations that have each number. R² is null for fewer
/// than two samples; the numbers of the validation set are there if there is one.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Fits {
    /// R² on the test set.
    pub test_r2: Option<f64>,
    /// Mean absolute error on the test set.
    pub test_mae: Option<f64>,
    /// Root mean squared error on the test set.
    pub test_rmse: Option<f64>,
    /// The same three on the validation set.
    #[serde(flatten)]
    pub validation: Option<ValidationFits>,
}

/// The part of [`Fits`] on the validation set.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ValidationFits {
    /// R².
    pub validation_r2: Option<f64>,
    /// Mean absolute error.
    pub validation_mae: f64,
    /// Root mean squared error.
    pub validation_rmse: Option<f64>,
}

impl Fits {
    fn of(outcomes: &[Outcome]) -> Self {
        let mean = |of: fn(&Outcome) -> Option<f64>| {
            let numbers: Vec<f64> = outcomes.iter().filter_map(of).collect();
            (!numbers.is_empty()).then(|| mean(&numbers))
        };
        Self {
            test_r2: mean(|outcome| outcome.test_r2),
            test_mae: mean(|outcome| outcome.test_mae),
            test_rmse: mean(|outcome| outcome.test_rmse),
            validation: mean(|outcome| outcome.validation_mae).map(|mae| ValidationFits {
                validation_r2: mean(|outcome| outcome.validation_r2),
                validation_mae: mae,
                validation_rmse: mean(|outcome| outcome.validation_rmse),
            }),
        }
    }
}

/// The result of a whole run: `summary.json`. Accuracies are fractions. They are those of the networks
/// that were kept, see [`Outcome::kept_epoch`].
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary<O> {
    /// The options as resolved.
    pub options: O,
    /// The data set's name.
    pub dataset: String,
    /// The sha256 of the data, see [`Splits::sha256`](crate::data::Splits::sha256); none if the network was
    /// only evaluated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_sha256: Option<String>,
    /// `gpu` or `cpu`.
    pub device: &'static str,
    /// The adapter's name; none on the processor.
    pub adapter: Option<String>,
    /// The lines of `metrics.jsonl`; empty if the network was only evaluated.
    pub epochs: Vec<EpochMetrics>,
    /// The result of each realization.
    pub outcomes: Vec<Outcome>,
    /// Mean test loss over the realizations that have one.
    pub test_loss: f64,
    /// The kind of prediction: `classification` or `regression`.
    pub task: &'static str,
    /// Mean test accuracy over the realizations that have one; NaN where values are predicted, and JSON has
    /// none.
    #[serde(skip_serializing_if = "f64_is_nan")]
    pub test_accuracy: f64,
    /// Test accuracy of each realization; NaN for one that diverged, which JSON writes as null.
    #[serde(skip_serializing_if = "all_nan")]
    pub test_accuracies: Vec<f64>,
    /// The errors of predicted values, means over the realizations that have them.
    #[serde(flatten)]
    pub fits: Option<Fits>,
    /// The fraction of test samples whose class is among the most probable ones of their network, mean
    /// over the realizations that have one; none if it was not asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_k_accuracy: Option<f64>,
    /// Mean training loss of the kept epochs; none if the network was only evaluated.
    pub train_loss: Option<f64>,
    /// Seconds of training in all epochs, without evaluation.
    pub seconds: f64,
    /// Training samples a second over all epochs, summed over the realizations; none if the network
    /// was only evaluated.
    pub samples_per_second: Option<f64>,
}

impl<O> Summary<O> {
    /// Summarizes the epochs of a run, with the result of each realization: that of the run, or that of
    /// an evaluation if nothing was trained.
    pub fn new(
        options: O,
        dataset: String,
        device: &'static str,
        adapter: Option<String>,
        epochs: Vec<EpochMetrics>,
        outcomes: Vec<Outcome>,
    ) -> Self {
        let seconds = epochs.iter().map(|e| e.seconds).sum();
        let samples: f64 = epochs
            .iter()
            .map(|e| e.samples_per_second * e.seconds)
            .sum();
        let column = |of: fn(&Outcome) -> Option<f64>| -> Vec<f64> {
            let numbers = outcomes.iter().map(of);
            numbers.map(|number| number.unwrap_or(f64::NAN)).collect()
        };
        let train_loss = mean_of_present(&column(|outcome| outcome.train_loss));
        let is_regression = outcomes.iter().any(|outcome| outcome.test_mae.is_some());
        let fits = is_regression.then(|| Fits::of(&outcomes));
        let test_accuracies = column(|outcome| outcome.test_accuracy);
        Self {
            options,
            dataset,
            data_sha256: None,
            device,
            adapter,
            test_loss: mean_of_present(&column(|outcome| outcome.test_loss)),
            task: if is_regression {
                "regression"
            } else {
                "classification"
            },
            test_accuracy: mean_of_present(&test_accuracies),
            test_accuracies,
            fits,
            top_k_accuracy: None,
            train_loss: (!train_loss.is_nan()).then_some(train_loss),
            outcomes,
            seconds,
            samples_per_second: (!epochs.is_empty()).then(|| rate(samples, seconds)),
            epochs,
        }
    }
}

/// The numbers of the realizations that have one: all but NaN.
#[doc(hidden)]
pub fn present(values: &[f64]) -> Vec<f64> {
    values.iter().copied().filter(|x| !x.is_nan()).collect()
}

/// The mean over the realizations that have a number; NaN if none has.
pub(super) fn mean_of_present(values: &[f64]) -> f64 {
    match present(values)[..] {
        [] => f64::NAN,
        ref present => mean(present),
    }
}

/// The mean; 0 for no values.
#[doc(hidden)]
pub fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// The sample standard deviation (n − 1); none for fewer than two values.
#[doc(hidden)]
pub fn standard_deviation(values: &[f64]) -> Option<f64> {
    let degrees = values.len().checked_sub(1).filter(|&d| d > 0)?;
    let mean = mean(values);
    let squares: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
    Some((squares / degrees as f64).sqrt())
}

/// Samples a second.
pub(super) fn rate(samples: f64, seconds: f64) -> f64 {
    samples / seconds.max(1e-9)
}
