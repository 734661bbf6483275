//! The compiled half of the Python package: the module `bregman._native`.
//!
//! `pyproject.toml` builds it, with the Python files in `bregman/` beside this file. Everything that
//! takes a while runs without Python's lock ([`compute`]); arrays come in and go out through NumPy
//! ([`arrays`]); an [`Error`](crate::error::Error) becomes one of Python's own exceptions ([`fault`]).

mod arrays;
mod compute;
mod data;
mod engine;
mod fault;
mod network;
mod optim;
mod prepare;
mod trained;
mod trainer;

use pyo3::prelude::*;

/// The engine of the Python package `bregman`. Import it through `bregman`.
#[pymodule]
mod _native {
    #[pymodule_export]
    use super::data::PyDataset;
    #[pymodule_export]
    use super::engine::{adapters, run_command, selftest, spirals, sweep};
    #[pymodule_export]
    use super::fault::Interrupted;
    #[pymodule_export]
    use super::network::{PyCnn, PyModel, PyModelBuilder};
    #[pymodule_export]
    use super::optim::{PyOptimizer, PyRateSchedule};
    #[pymodule_export]
    use super::prepare::prepared;
    #[pymodule_export]
    use super::trained::PyTrained;
    #[pymodule_export]
    use super::trainer::PyTrainer;

    /// The version of the package.
    #[pymodule_export]
    const VERSION: &str = env!("CARGO_PKG_VERSION");
}
