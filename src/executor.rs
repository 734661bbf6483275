//! The interface of the three executors of a network.

use std::ops::Range;

use crate::data::Split;
use crate::error::{Error, Result};
use crate::nn::Parameters;

/// The metrics of one mini-batch in training or evaluation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BatchMetrics {
    /// The mean loss over the batch, before the update.
    pub loss: f64,
    /// The number of its samples that were classified correctly.
    pub correct: u32,
    /// The number of its samples. The last batch of an epoch may be smaller.
    pub samples: u32,
}

/// Runs R realizations of a network: one description, R sets of parameters, one data set.
///
/// On processors futures are ready at once; on an adapter they wait for its results.
#[allow(
    async_fn_in_trait,
    reason = "training is generic over executors and never sends its future to another thread"
)]
pub trait Executor {
    /// One epoch of training: [`Self::train_steps`] for all steps.
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

    /// The steps `steps` of an epoch, counted from 0. Training an epoch in parts gives
    /// the same bits as training it at once. `orders[r]` is the order in which realization r sees the
    /// training samples in the whole epoch. `progress` is called now and then with the number of these
    /// steps that are finished. Returns the batches' metrics by realization and step. If a parameter is
    /// not finite at the end of the epoch, the last loss is NaN.
    ///
    /// # Errors
    /// See [`check_orders`]; [`Error::Gpu`] and [`Error::DeviceLost`] on an adapter.
    async fn train_steps(
        &mut self,
        orders: &[Vec<u32>],
        steps: Range<usize>,
        progress: &mut dyn FnMut(usize),
    ) -> Result<Vec<Vec<BatchMetrics>>>;

    /// The steps of an epoch from `first` to its end, or until `stop` returns true. Executors implement
    /// this if their results take long to arrive and they can call `stop` without waiting for them.
    /// The others return `None`, and training calls [`Self::train_steps`] for a few steps at a time.
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

    /// Loss and accuracy on a split, by realization and batch. Samples are taken in the data's order, in
    /// batches of the same size as in training.
    ///
    /// # Errors
    /// [`Error::Gpu`] and [`Error::DeviceLost`] on an adapter.
    ///
    /// # Panics
    /// If the split does not exist.
    async fn evaluate(&mut self, split: Split) -> Result<Vec<Vec<BatchMetrics>>>;

    /// The outputs of the head on a split, (samples, outputs), by realization. Samples are taken in the
    /// data's order.
    ///
    /// # Errors
    /// [`Error::Gpu`] and [`Error::DeviceLost`] on an adapter.
    ///
    /// # Panics
    /// If the split does not exist.
    async fn logits(&mut self, split: Split) -> Result<Vec<Vec<f32>>>;

    /// The parameters of every realization.
    ///
    /// # Errors
    /// [`Error::Gpu`] and [`Error::DeviceLost`] on an adapter.
    async fn parameters(&mut self) -> Result<Vec<Parameters>>;

    /// The moments of the optimizer ([`crate::optim`]), by realization: none for plain SGD, v for SGD with
    /// momentum, m and s for Adam. Each has the shapes of the parameters.
    ///
    /// # Errors
    /// [`Error::Gpu`] and [`Error::DeviceLost`] on an adapter.
    async fn moments(&mut self) -> Result<Vec<Vec<Parameters>>> {
        Ok(Vec::new())
    }

    /// Replaces the moments by those that [`Self::moments`] returned.
    ///
    /// # Errors
    /// [`Error::Shape`] for moments of another optimizer or network.
    fn set_moments(&mut self, moments: &[Vec<Parameters>]) -> Result<()> {
        check_moments(moments, 0, 0)
    }
}

/// An executor on either kind of device.
#[doc(hidden)]
pub enum Either<C, G> {
    /// On the processor.
    Cpu(Box<C>),
    /// On an adapter.
    Gpu(Box<G>),
}

impl<C: Executor, G: Executor> Executor for Either<C, G> {
    async fn train_steps(
        &mut self,
        orders: &[Vec<u32>],
        steps: Range<usize>,
        progress: &mut dyn FnMut(usize),
    ) -> Result<Vec<Vec<BatchMetrics>>> {
        match self {
            Self::Cpu(executor) => executor.train_steps(orders, steps, progress).await,
            Self::Gpu(executor) => executor.train_steps(orders, steps, progress).await,
        }
    }

    async fn train_rest(
        &mut self,
        orders: &[Vec<u32>],
        first: usize,
        stop: &dyn Fn() -> bool,
        progress: &mut dyn FnMut(usize),
    ) -> Result<Option<Vec<Vec<BatchMetrics>>>> {
        match self {
            Self::Cpu(executor) => executor.train_rest(orders, first, stop, progress).await,
            Self::Gpu(executor) => executor.train_rest(orders, first, stop, progress).await,
        }
    }

    async fn evaluate(&mut self, split: Split) -> Result<Vec<Vec<BatchMetrics>>> {
        match self {
            Self::Cpu(executor) => executor.evaluate(split).await,
            Self::Gpu(executor) => executor.evaluate(split).await,
        }
    }

    async fn logits(&mut self, split: Split) -> Result<Vec<Vec<f32>>> {
        match self {
            Self::Cpu(executor) => executor.logits(split).await,
            Self::Gpu(executor) => executor.logits(split).await,
        }
    }

    async fn parameters(&mut self) -> Result<Vec<Parameters>> {
        match self {
            Self::Cpu(executor) => executor.parameters().await,
            Self::Gpu(executor) => executor.parameters().await,
        }
    }

    async fn moments(&mut self) -> Result<Vec<Vec<Parameters>>> {
        match self {
            Self::Cpu(executor) => executor.moments().await,
            Self::Gpu(executor) => executor.moments().await,
        }
    }

    fn set_moments(&mut self, moments: &[Vec<Parameters>]) -> Result<()> {
        match self {
            Self::Cpu(executor) => executor.set_moments(moments),
            Self::Gpu(executor) => executor.set_moments(moments),
        }
    }
}

/// Fails unless `moments` has `count` sets for each of `realizations`.
///
/// # Errors
/// [`Error::Shape`].
#[doc(hidden)]
pub fn check_moments(moments: &[Vec<Parameters>], realizations: usize, count: usize) -> Result<()> {
    let found = moments.iter().map(Vec::len).max().unwrap_or(0);
    let fits = moments.iter().all(|sets| sets.len() == count)
        && (moments.len() == realizations || count == 0);
    match fits {
        true => Ok(()),
        false => Err(Error::Shape {
            operation: "moments of the optimizer".to_owned(),
            expected: vec![realizations, count],
            found: vec![moments.len(), found],
        }),
    }
}

/// Fails unless `orders` has one order for each realization, each of `samples` positions of samples.
///
/// # Errors
/// [`Error::Shape`].
#[doc(hidden)]
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
