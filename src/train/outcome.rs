//! The result of a realization.

use serde::{Deserialize, Serialize};

use super::regression::Fit;

/// The result of one realization. Losses are means over samples, accuracies are fractions; missing values are
/// none.
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
    /// R² of the kept network on the validation set, if it predicts values.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub validation_r2: Option<f64>,
    /// Mean absolute error on the validation set, likewise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub validation_mae: Option<f64>,
    /// Root mean squared error on the validation set, likewise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub validation_rmse: Option<f64>,
    /// R² on the test set, likewise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test_r2: Option<f64>,
    /// Mean absolute error on the test set, likewise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test_mae: Option<f64>,
    /// Root mean squared error on the test set, likewise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test_rmse: Option<f64>,
    /// The step, from 1 over the whole run, in which the realization diverged.
    pub diverged_at_step: Option<u64>,
}

impl Outcome {
    /// Adds the errors of predicted values on the test set and on the validation set, if there is one.
    pub fn add_fits(&mut self, test: Option<Fit>, validation: Option<Fit>) {
        self.test_r2 = test.and_then(|fit| fit.r2);
        self.test_mae = test.map(|fit| fit.mae);
        self.test_rmse = test.map(|fit| fit.rmse);
        self.validation_r2 = validation.and_then(|fit| fit.r2);
        self.validation_mae = validation.map(|fit| fit.mae);
        self.validation_rmse = validation.map(|fit| fit.rmse);
    }

    /// Removes accuracies: values have no classes that could be right.
    pub(crate) fn drop_accuracies(&mut self) {
        self.best_validation_accuracy = None;
        self.validation_accuracy = None;
        self.test_accuracy = None;
    }
}
