//! What the three executors of a network have in common.

use std::ops::Range;

pub use crate::data::{Split, Splits}; // moved
use crate::error::{Error, Result};
use crate::nn::Parameters;

/// One mini-batch, as training or evaluation saw it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BatchMetrics {
    /// The mean loss over the batch, before the update.
    pub loss: f64,
    /// How many of its samples were classified correctly.
    pub correct: u32,
    /// How many samples it had; the last batch of an epoch may be short.
    pub samples: u32,
}

/// How a network is trained.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sgd {
    /// Samples in a mini-batch; the last one of an epoch is kept, short, and averaged over its size.
    pub batch_size: usize,
    /// The learning rate.
    pub learning_rate: f32,
}

impl Sgd {
    /// Whether this can train `realizations` of a network.
    ///
    /// # Errors
    /// [`Error::InvalidOption`] for a count of zero and a rate that is not finite and positive.
    pub fn check(&self, realizations: usize) -> Result<()> {
        let invalid = |option, value: String, reason: &str| {
            Err(Error::InvalidOption {
                option,
                value,
                reason: reason.to_owned(),
            })
        };
        let counts = [
            ("--batch-size", self.batch_size),
            ("--realizations", realizations),
        ];
        if let Some((option, _)) = counts.into_iter().find(|(_, count)| *count == 0) {
            return invalid(option, 0.to_string(), "must be at least 1");
        }
        let rate = self.learning_rate;
        if !(rate.is_finite() && rate > 0.0) {
            let reason = "a learning rate must be finite and positive";
            return invalid("--lr", rate.to_string(), reason);
        }
        Ok(())
    }
}

/// Runs R realizations of a network: one description, R sets of parameters, one data set.
///
/// Futures are ready at once on processors; on an adapter they wait for its results.
#[allow(
    async_fn_in_trait,
    reason = "training is generic over executors and never sends its future to another thread"
)]
pub trait Executor {
    /// One epoch of plain mini-batch SGD: [`Self::train_steps`], all of them.
    ///
    /// # Errors
    /// Those of [`Self::train_steps`].
    async fn train_epoch(
        &mut self,
        orders: &[Vec<u32>],
        progress: &mut dyn FnMut(usize),
    ) -> Result<Vec<Vec<BatchMetrics>>> {
        self.train_steps(orders, 0..usize::MAX, progress).await
    }

    /// The steps of an epoch of plain mini-batch SGD that lie in `steps`, counted from 0; an epoch
    /// in parts is the epoch to the bit. `orders[r]` is the order in which realization r sees the
    /// training samples, in the whole epoch. `progress` is told the number of these steps finished
    /// so far, now and then. Returns the batches' metrics by realization and step; where a parameter
    /// is no longer finite at the end of the epoch, the last loss is NaN.
    ///
    /// # Errors
    /// See [`check_orders`]; [`Error::Gpu`] and [`Error::DeviceLost`] on an adapter.
    async fn train_steps(
        &mut self,
        orders: &[Vec<u32>],
        steps: Range<usize>,
        progress: &mut dyn FnMut(usize),
    ) -> Result<Vec<Vec<BatchMetrics>>>;

    /// The steps of an epoch from `first` on, to its end or until `stop` says so: for executors whose
    /// results take long to arrive, and which can look at `stop` without waiting for them. Others
    /// give none, and are asked for a few steps at a time.
    ///
    /// # Errors
    /// Those of [`Self::train_steps`].
    async fn train_rest(
        &mut self,
        _orders: &[Vec<u32>],
        _first: usize,
        _stop: &dyn Fn() -> bool,
        _progress: &mut dyn FnMut(usize),
    ) -> Result<Option<Vec<Vec<BatchMetrics>>>> {
        Ok(None)
    }

    /// Loss and accuracy on a split, in the data's own order, in batches of the training's size; by
    /// realization and batch.
    ///
    /// # Errors
    /// [`Error::Gpu`] and [`Error::DeviceLost`] on an adapter.
    ///
    /// # Panics
    /// If there is no such split.
    async fn evaluate(&mut self, split: Split) -> Result<Vec<Vec<BatchMetrics>>>;

    /// The parameters of every realization.
    async fn parameters(&mut self) -> Result<Vec<Parameters>>;
}

/// Whether `orders` has one order a realization, each of `samples` positions of samples.
///
/// # Errors
/// [`Error::Shape`] if not.
pub fn check_orders(orders: &[Vec<u32>], realizations: usize, samples: usize) -> Result<()> {
    let shape = |operation: &str, expected, found| Error::Shape {
        operation: operation.to_owned(),
        expected,
        found,
    };
    if orders.len() != realizations {
        let found = vec![orders.len()];
        return Err(shape(
            "orders of the realizations",
            vec![realizations],
            found,
        ));
    }
    for order in orders {
        if order.len() != samples {
            return Err(shape(
                "order of the samples",
                vec![samples],
                vec![order.len()],
            ));
        }
        if let Some(&beyond) = order.iter().find(|&&sample| sample as usize >= samples) {
            let found = vec![beyond as usize + 1];
            return Err(shape("samples named by an order", vec![samples], found));
        }
    }
    Ok(())
}
