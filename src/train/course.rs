//! The length of training of each realization, and the choice of the epoch that is its result.

use super::{Divergence, Outcome, Position, Schedule};
use crate::error::{Error, Result};
use crate::executor::Executor;
use crate::kind::names;
use crate::nn::Parameters;

/// The epoch whose network is the result of a realization.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Keep {
    /// The last one.
    #[default]
    Last,
    /// The one with the lowest loss on the validation split, the first of equal ones.
    Best,
}

names!(Keep, "network to keep", Last = "last", Best = "best");

/// A [`Schedule`], and the rules that may end a realization earlier or choose among its epochs.
#[derive(Clone, Debug, PartialEq)]
pub struct Course {
    /// The number of epochs and steps. Its seed is not used.
    pub schedule: Schedule,
    /// The seed of the order of the samples, for each realization.
    pub seeds: Vec<u64>,
    /// A realization ends once the validation loss has had no new minimum for this number of epochs.
    pub patience: Option<u32>,
    /// Which network is the result.
    pub keep: Keep,
    /// If the targets are values: their variance. There are no accuracies then, and the first loss counts as at
    /// least this much in the test for divergence, since one value far from all others may have a loss that is
    /// many times a small first one.
    pub variance: Option<f64>,
}

impl From<&Schedule> for Course {
    fn from(schedule: &Schedule) -> Self {
        Self {
            schedule: *schedule,
            seeds: (0..schedule.realizations)
                .map(|r| schedule.seed_of(r))
                .collect(),
            patience: None,
            keep: Keep::Last,
            variance: None,
        }
    }
}

/// The state of a realization.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Standing {
    /// The last epoch that counts, from 1; 0 if there is none.
    pub last: u32,
    /// The epoch with the lowest validation loss, if there is a validation split.
    pub best: Option<u32>,
    /// Whether patience is over.
    pub is_out_of_patience: bool,
    /// Where it diverged.
    pub diverged: Option<Divergence>,
}

impl Standing {
    /// Whether further training cannot change the result.
    pub fn is_done(&self) -> bool {
        self.is_out_of_patience || self.diverged.is_some()
    }
}

impl Course {
    /// Fails unless the course fits its schedule.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] for a patience of 0, and for a patience or [`Keep::Best`] without a
    /// validation split; [`Error::Shape`] for another number of seeds than of realizations.
    pub fn check(&self) -> Result<()> {
        let fault = |field, value: String, reason: &str| {
            Err(Error::InvalidValue {
                field,
                value,
                reason: reason.to_owned(),
            })
        };
        let validation = self.schedule.validation;
        match self.patience {
            Some(0) => return fault("patience", "0".to_owned(), "must be at least 1"),
            Some(epochs) if !validation => {
                let reason =
                    "it watches the validation loss; `validation` holds out samples for it";
                return fault("patience", epochs.to_string(), reason);
            }
            _ => {}
        }
        if self.keep == Keep::Best && !validation {
            let reason = "the best epoch is that with the lowest validation loss; `validation` holds out \
                          samples for it";
            return fault("keep", self.keep.name().to_owned(), reason);
        }
        if self.seeds.len() != self.schedule.realizations {
            return Err(Error::Shape {
                operation: "seeds of the realizations".to_owned(),
                expected: vec![self.schedule.realizations],
                found: vec![self.seeds.len()],
            });
        }
        Ok(())
    }

    /// The state of realization `r` in `position`.
    pub fn standing(&self, position: &Position, r: usize) -> Standing {
        let epochs = &position.epochs;
        let last = epochs.present_of(r) as u32;
        let losses = epochs.of_realization(&epochs.val_losses, r);
        let losses = (1..=last).zip(losses).filter(|(_, loss)| !loss.is_nan());
        let best = losses.reduce(|best, next| if next.1 < best.1 { next } else { best });
        let best = best.map(|(epoch, _)| epoch);
        let waited = best.map(|best| last - best);
        let is_out_of_patience = self
            .patience
            .zip(waited)
            .is_some_and(|(patience, waited)| waited >= patience);
        Standing {
            last,
            best,
            is_out_of_patience,
            diverged: position.diverged.get(r).copied().flatten(),
        }
    }

    /// Whether further training of realization `r` cannot change its result.
    pub fn is_done(&self, position: &Position, r: usize) -> bool {
        let diverged = position.diverged.get(r).is_some_and(Option::is_some);
        // Without patience there is no need to look at all epochs.
        diverged || (self.patience.is_some() && self.standing(position, r).is_done())
    }

    /// Whether no realization has anything left to train, however many epochs there are.
    pub fn is_over(&self, position: &Position) -> bool {
        (0..self.seeds.len()).all(|r| self.is_done(position, r))
    }

    /// The epoch, from 1, whose network is the result of a realization, if training ends now.
    pub(super) fn kept(&self, standing: &Standing) -> Option<u32> {
        let epoch = match self.keep {
            Keep::Last => Some(standing.last),
            Keep::Best => standing.best,
        };
        epoch.filter(|&epoch| epoch > 0 && standing.diverged.is_none())
    }

    /// The result of realization `r` in `position`.
    pub fn outcome(&self, position: &Position, r: usize) -> Outcome {
        let standing = self.standing(position, r);
        let epochs = &position.epochs;
        let at = |numbers: &[f64], epoch: Option<u32>| {
            let number = epochs.of_realization(numbers, r).nth(epoch? as usize - 1)?;
            (!number.is_nan()).then_some(number)
        };
        let (kept, best) = (self.kept(&standing), standing.best);
        let mut outcome = Outcome {
            kept_epoch: kept,
            best_epoch: best,
            train_loss: at(&epochs.train_losses, kept),
            best_validation_loss: at(&epochs.val_losses, best),
            validation_loss: at(&epochs.val_losses, kept),
            best_validation_accuracy: at(&epochs.val_accuracies, best),
            validation_accuracy: at(&epochs.val_accuracies, kept),
            test_loss: at(&epochs.test_losses, kept),
            test_accuracy: at(&epochs.test_accuracies, kept),
            diverged_at_step: standing.diverged.map(|divergence| divergence.step),
            ..Outcome::default()
        };
        if self.variance.is_some() {
            outcome.drop_accuracies();
        }
        outcome
    }

    /// The results of all realizations.
    pub fn outcomes(&self, position: &Position) -> Vec<Outcome> {
        (0..self.seeds.len())
            .map(|r| self.outcome(position, r))
            .collect()
    }

    /// The network of each realization that is its result; none for one that diverged.
    ///
    /// # Errors
    /// Those of the executor.
    pub async fn networks(
        &self,
        executor: &mut impl Executor,
        position: &Position,
    ) -> Result<Vec<Option<Parameters>>> {
        let now = executor.parameters().await?;
        let networks = now.into_iter().enumerate().map(|(r, now)| {
            let is_finite = self.standing(position, r).diverged.is_none();
            let kept = position.kept.get(r).cloned().flatten();
            is_finite.then(|| kept.unwrap_or(now))
        });
        Ok(networks.collect())
    }
}
