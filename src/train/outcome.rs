//! What comes of a realization.

use serde::{Deserialize, Serialize};

/// The result of one realization. Losses are means over samples, accuracies are fractions; what does not
/// exist is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// The epoch of the network that is the result; none if the realization diverged.
    pub kept_epoch: Option<u32>,
    /// The epoch with the lowest validation loss.
    pub best_epoch: Option<u32>,
    /// Training loss of the kept epoch.
    pub train_loss: Option<f64>,
    /// The lowest validation loss.
    pub best_validation_loss: Option<f64>,
    /// Validation loss of the kept network.
    pub validation_loss: Option<f64>,
    /// Validation accuracy of the best epoch.
    pub best_validation_accuracy: Option<f64>,
    /// Validation accuracy of the kept network.
    pub validation_accuracy: Option<f64>,
    /// Test loss of the kept network.
    pub test_loss: Option<f64>,
    /// Test accuracy of the kept network.
    pub test_accuracy: Option<f64>,
    /// The step, from 1 over the whole run, in which the realization diverged.
    pub diverged_at_step: Option<u64>,
}

impl Outcome {
    /// Removes accuracies: values have no classes that could be right.
    pub(crate) fn drop_accuracies(&mut self) {
        self.best_validation_accuracy = None;
        self.validation_accuracy = None;
        self.test_accuracy = None;
    }
}
