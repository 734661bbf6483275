//! The self-test of an adapter: elementary functions, activations, each kernel and whole trainings
//! are compared with f64, each result within a bound that is derived for it.
//!
//! `bregman selftest` runs it on the user's adapters; the crate's tests run the same checks. Each
//! check blocks until the adapter is done.

#[doc(hidden)]
pub mod activations;
#[doc(hidden)]
pub mod checks;
#[doc(hidden)]
pub mod convolutions;
#[doc(hidden)]
pub mod dispatch;
#[doc(hidden)]
pub mod functions;
#[doc(hidden)]
pub mod kernels;
#[doc(hidden)]
pub mod networks;
#[doc(hidden)]
pub mod sweeps;
#[doc(hidden)]
pub mod training;

use std::time::Instant;

use serde::Serialize;

use crate::error::Result;
use crate::gpu::Gpu;
use checks::{Checks, Row};
use functions::FunctionRow;

/// The result of the self-test of one adapter.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// The adapter's name.
    pub adapter: String,
    /// The graphics interface: "vulkan", "metal", "dx12".
    pub backend: String,
    /// Driver name and version.
    pub driver: String,
    /// Whether all results are within their bounds.
    pub passed: bool,
    /// The elementary functions.
    pub functions: Vec<FunctionRow>,
    /// The contracts of the activations.
    pub activations: Vec<Row>,
    /// The kernels.
    pub kernels: Vec<Row>,
    /// The trainings.
    pub training: Vec<Row>,
    /// The duration.
    pub seconds: f64,
}

/// Runs all checks, with `full` on all permutations. `progress` gets the name of each check before
/// it runs.
///
/// # Errors
/// Errors of the adapter. A wrong result is no error; it is in the report.
pub fn run(gpu: &mut Gpu, full: bool, progress: &mut dyn FnMut(&str)) -> Result<Report> {
    let start = Instant::now();
    progress("elementary functions");
    let functions = functions::check(gpu)?;
    let mut rows = |all: &[(&str, checks::Check)]| -> Result<Vec<Row>> {
        let mut checks = Checks::new(full);
        for (name, check) in all {
            progress(name);
            checks.begin(name);
            check(gpu, &mut checks)?;
        }
        // A check that only begins rows of other names leaves its own row empty.
        let rows = checks.into_rows().into_iter();
        Ok(rows.filter(|row| row.numbers > 0).collect())
    };
    let activations = rows(&activations::ALL)?;
    let mut kernels = rows(&kernels::ALL)?;
    kernels.extend(rows(&convolutions::ALL)?);
    let mut training = rows(&training::ALL)?;
    training.extend(rows(&sweeps::ALL)?);
    let right = |rows: &[Row]| rows.iter().all(|row| row.failure.is_none());
    let passed = functions.iter().all(FunctionRow::passes)
        && [&activations, &kernels, &training].map(|rows| right(rows)) == [true; 3];
    let summary = gpu.summary();
    Ok(Report {
        adapter: summary.name.clone(),
        backend: summary.backend.clone(),
        driver: summary.driver.clone(),
        passed,
        functions,
        activations,
        kernels,
        training,
        seconds: start.elapsed().as_secs_f64(),
    })
}
