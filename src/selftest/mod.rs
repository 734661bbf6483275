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

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError, mpsc};
use std::thread;
use std::time::Instant;

use serde::Serialize;

use crate::error::Result;
use crate::gpu::Gpu;
use checks::{Check, Checks, Row};
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
    let groups: [&[(&str, Check)]; 5] = [
        &activations::ALL,
        &kernels::ALL,
        &convolutions::ALL,
        &training::ALL,
        &sweeps::ALL,
    ];
    let all: Vec<(&str, Check)> = groups.concat();
    let mut found = side_by_side(gpu, full, &all, progress)?.into_iter();
    let [activations, mut kernels, convolutions, mut training, sweeps] = groups.map(|group| {
        let mut checks = Checks::new(full);
        for rows in found.by_ref().take(group.len()) {
            checks.extend(rows);
        }
        // A check that only begins rows of other names leaves its own row empty.
        let rows = checks.into_rows().into_iter();
        rows.filter(|row| row.numbers > 0).collect::<Vec<_>>()
    });
    kernels.extend(convolutions);
    training.extend(sweeps);
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

/// The rows of each of `all`, which share the processors: drivers spend most of the time on compiling kernels.
/// Where the system has no threads to give, this one does all of them.
fn side_by_side(
    gpu: &Gpu,
    full: bool,
    all: &[(&str, Check)],
    progress: &mut dyn FnMut(&str),
) -> Result<Vec<Vec<Row>>> {
    let next = AtomicUsize::new(0);
    let rows = Mutex::new(vec![Vec::new(); all.len()]);
    let work = |report: &mut dyn FnMut(usize)| -> Result<()> {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some((name, check)) = all.get(index) else {
                return Ok(());
            };
            report(index);
            let mut checks = Checks::new(full);
            checks.begin(name);
            check(&mut gpu.clone(), &mut checks)?;
            let mut rows = rows.lock().unwrap_or_else(PoisonError::into_inner);
            rows[index] = checks.into_rows();
        }
    };
    let (begun, names) = mpsc::channel();
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let work = &work;
    let outcome = thread::scope(|scope| {
        let helpers: Vec<_> = (0..threads.min(all.len()))
            .map_while(|_| {
                let begun = begun.clone();
                let helper = move || {
                    work(&mut |index| {
                        // The receiver outlives the threads.
                        let _ = begun.send(index);
                    })
                };
                thread::Builder::new().spawn_scoped(scope, helper).ok()
            })
            .collect();
        drop(begun);
        let own = match helpers.is_empty() {
            true => work(&mut |index| progress(all[index].0)),
            false => {
                names.iter().for_each(|index: usize| progress(all[index].0));
                Ok(())
            }
        };
        let others = helpers.into_iter().map(|helper| {
            helper
                .join()
                .unwrap_or_else(|payload| std::panic::resume_unwind(payload))
        });
        others.fold(own, |first, other| first.and(other))
    });
    outcome?;
    Ok(rows.into_inner().unwrap_or_else(PoisonError::into_inner))
}
