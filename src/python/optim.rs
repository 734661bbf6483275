//! Optimizers and schedules.

use pyo3::prelude::*;

use crate::optim::{Optimizer, RateSchedule, Rule, RunSettings, Shape};

/// An optimizer with its settings, by PyTorch's names and defaults.
///
/// >>> Optimizer.sgd(0.1, momentum=0.9)
/// >>> Optimizer.adam_w(1e-3, betas=(0.9, 0.99))
#[pyclass(frozen, name = "Optimizer", module = "bregman")]
#[derive(Clone, Copy)]
pub(super) struct PyOptimizer(pub(super) Optimizer);

#[pymethods]
impl PyOptimizer {
    /// Stochastic gradient descent, with momentum if it has any.
    #[staticmethod]
    #[pyo3(signature = (learning_rate, *, momentum=0.0, nesterov=false, weight_decay=0.0))]
    fn sgd(learning_rate: f32, momentum: f32, nesterov: bool, weight_decay: f32) -> Self {
        let sgd = Optimizer::sgd(learning_rate)
            .momentum(momentum)
            .weight_decay(weight_decay);
        Self(if nesterov { sgd.nesterov() } else { sgd })
    }

    /// Adam.
    #[staticmethod]
    #[pyo3(signature = (learning_rate, *, betas=[0.9, 0.999], epsilon=1e-8, weight_decay=0.0))]
    fn adam(learning_rate: f32, betas: [f64; 2], epsilon: f32, weight_decay: f32) -> Self {
        Self(
            Optimizer::adam(learning_rate)
                .betas(betas[0], betas[1])
                .epsilon(epsilon)
                .weight_decay(weight_decay),
        )
    }

    /// AdamW.
    #[staticmethod]
    #[pyo3(signature = (learning_rate, *, betas=[0.9, 0.999], epsilon=1e-8, weight_decay=0.01))]
    fn adam_w(learning_rate: f32, betas: [f64; 2], epsilon: f32, weight_decay: f32) -> Self {
        Self(
            Optimizer::adam_w(learning_rate)
                .betas(betas[0], betas[1])
                .epsilon(epsilon)
                .weight_decay(weight_decay),
        )
    }

    fn __repr__(&self) -> String {
        self.describe()
    }
}

impl PyOptimizer {
    /// The optimizer in a line.
    pub(super) fn describe(&self) -> String {
        let RunSettings {
            learning_rate,
            momentum,
            weight_decay,
            ..
        } = self.0.run;
        let name = match self.0.rule {
            Rule::Sgd { nesterov: false } => "sgd",
            Rule::Sgd { nesterov: true } => "sgd, nesterov",
            Rule::Adam {
                decoupled: false, ..
            } => "adam",
            Rule::Adam {
                decoupled: true, ..
            } => "adam_w",
        };
        format!(
            "Optimizer({name}, learning_rate={learning_rate}, momentum={momentum}, \
             weight_decay={weight_decay})"
        )
    }
}

/// A schedule of the learning rate: a factor of each run's own rate, which first rises linearly to 1 in
/// `warm_up` epochs.
#[pyclass(frozen, name = "RateSchedule", module = "bregman")]
#[derive(Clone)]
pub(super) struct PyRateSchedule(pub(super) RateSchedule);

fn schedule(shape: Shape, warm_up: f64) -> PyRateSchedule {
    PyRateSchedule(RateSchedule { shape, warm_up })
}

#[pymethods]
impl PyRateSchedule {
    /// The same rate in every step.
    #[staticmethod]
    #[pyo3(signature = (*, warm_up=0.0))]
    fn constant(warm_up: f64) -> Self {
        schedule(Shape::Constant, warm_up)
    }

    /// `factor` times the rate after every `epochs` epochs.
    #[staticmethod]
    #[pyo3(signature = (epochs, factor, *, warm_up=0.0))]
    fn step(epochs: u32, factor: f64, warm_up: f64) -> Self {
        schedule(Shape::Step { epochs, factor }, warm_up)
    }

    /// `factor` times the rate at each of the epochs `milestones`.
    #[staticmethod]
    #[pyo3(signature = (milestones, factor, *, warm_up=0.0))]
    fn multi_step(milestones: Vec<u32>, factor: f64, warm_up: f64) -> Self {
        schedule(Shape::MultiStep { milestones, factor }, warm_up)
    }

    /// `factor` times the rate after every epoch.
    #[staticmethod]
    #[pyo3(signature = (factor, *, warm_up=0.0))]
    fn exponential(factor: f64, warm_up: f64) -> Self {
        schedule(Shape::Exponential { factor }, warm_up)
    }

    /// A straight line from 1 to `last` at the end of the run.
    #[staticmethod]
    #[pyo3(signature = (last=0.0, *, warm_up=0.0))]
    fn linear(last: f64, warm_up: f64) -> Self {
        schedule(Shape::Linear { last }, warm_up)
    }

    /// Half a cosine wave from 1 to `last` at the end of the run.
    #[staticmethod]
    #[pyo3(signature = (last=0.0, *, warm_up=0.0))]
    fn cosine(last: f64, warm_up: f64) -> Self {
        schedule(Shape::Cosine { last }, warm_up)
    }

    fn __repr__(&self) -> String {
        let RateSchedule { shape, warm_up } = &self.0;
        format!("RateSchedule({shape}, warm_up={warm_up})")
    }
}
