//! What is reported of epochs and of a whole run.

use serde::Serialize;

/// The metrics of one epoch: a line of `metrics.jsonl`. Accuracies are fractions, and single numbers
/// are means over the realizations.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EpochMetrics {
    /// The epoch, from 1.
    pub epoch: u32,
    /// Mean of the training loss over the epoch's samples, each taken before its step's update.
    pub train_loss: f64,
    /// The same mean of the training accuracy.
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
    /// Seconds of training, without evaluation.
    pub seconds: f64,
    /// Training samples a second, summed over the realizations.
    pub samples_per_second: f64,
}

impl EpochMetrics {
    /// The metrics of an epoch from those of each realization; computes the means.
    pub(super) fn new(
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

/// The metrics of all epochs of a run, stored compactly: a run may have many thousand epochs.
#[derive(Clone, Debug, Default, PartialEq)]
#[doc(hidden)]
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

/// The result of a whole run: `summary.json`. Accuracies are fractions. They are the last epoch's,
/// not the best.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary<O> {
    /// The options as resolved.
    pub options: O,
    /// The data set's name.
    pub dataset: String,
    /// `gpu` or `cpu`.
    pub device: &'static str,
    /// The adapter's name; none on the processor.
    pub adapter: Option<String>,
    /// The lines of `metrics.jsonl`; empty if the network was only evaluated.
    pub epochs: Vec<EpochMetrics>,
    /// Mean test accuracy over the realizations.
    pub test_accuracy: f64,
    /// Test accuracy of each realization.
    pub test_accuracies: Vec<f64>,
    /// The last epoch's mean training loss; none if the network was only evaluated.
    pub train_loss: Option<f64>,
    /// Seconds of training in all epochs, without evaluation.
    pub seconds: f64,
    /// Training samples a second over all epochs, summed over the realizations; none if the network
    /// was only evaluated.
    pub samples_per_second: Option<f64>,
}

impl<O> Summary<O> {
    /// Summarizes the epochs of a run. `test_accuracies` has one entry for each realization: the last
    /// epoch's, or the evaluation's if nothing was trained.
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
