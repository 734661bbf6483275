//! Runs side by side on the processor: 16 in the lanes of a vector, groups of runs on all cores.
//!
//! The loops are those of [`crate::kernels`]; a run has the same bits in any company, on any number of
//! cores and with any vectors. Here the runs are cut into groups and the groups are handed to threads.

use std::ops::Range;

use rayon::prelude::*;

use super::{Record, Run, Samples, Sweep};
use crate::error::Result;
#[doc(hidden)]
pub use crate::kernels::lanes::Layout;
use crate::kernels::lanes::{Set, Task, Trained};
use crate::kernels::{Isa, LANES};
use crate::nn::Parameters;
use crate::threads;

/// Trains every run of `sweeps`, each on its own of `samples`, on all cores. `progress` is called, from any
/// thread, with the number of steps finished since its last call, summed over runs.
///
/// # Errors
/// Those of [`Sweep::check`].
pub fn train<'a>(
    sweeps: &[Sweep],
    samples: impl Into<Samples<'a>>,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<Vec<Record>> {
    train_in(sweeps, samples, None, Isa::widest(), progress)
}

/// [`train`] in the given layout, or in whichever is faster, and with the vectors of `isa`. Neither
/// changes a bit of the result.
///
/// # Errors
/// Those of [`Sweep::check`].
#[doc(hidden)]
pub fn train_in<'a>(
    sweeps: &[Sweep],
    samples: impl Into<Samples<'a>>,
    layout: Option<Layout>,
    isa: Isa,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<Vec<Record>> {
    let samples = samples.into();
    threads::ready()?;
    sweeps.iter().try_for_each(|sweep| sweep.check(samples))?;
    let mut records: Vec<Record> = sweeps.iter().map(Record::new).collect();
    let how = (layout, isa);
    resume_in(sweeps, samples, &mut records, how, &|| false, progress);
    Ok(records)
}

/// Continues `sweeps` from where `records` are, to their end or until `stop` answers true, which is
/// asked from any thread before each epoch of a group. Where training stops does not change a bit of
/// what it computes.
///
/// # Errors
/// Those of [`Sweep::check`].
#[doc(hidden)]
pub fn resume<'a>(
    sweeps: &[Sweep],
    samples: impl Into<Samples<'a>>,
    records: &mut [Record],
    stop: &(dyn Fn() -> bool + Sync),
    progress: &(dyn Fn(u64) + Sync),
) -> Result<()> {
    let samples = samples.into();
    sweeps.iter().try_for_each(|sweep| sweep.check(samples))?;
    let how = (None, Isa::widest());
    resume_in(sweeps, samples, records, how, stop, progress);
    Ok(())
}

fn resume_in(
    sweeps: &[Sweep],
    samples: Samples<'_>,
    records: &mut [Record],
    (layout, isa): (Option<Layout>, Isa),
    stop: &(dyn Fn() -> bool + Sync),
    progress: &(dyn Fn(u64) + Sync),
) {
    let largest = match layout {
        Some(Layout::Samples) => 1,
        _ => LANES,
    };
    let groups: Vec<(usize, Range<usize>)> = sweeps
        .iter()
        .zip(&*records)
        .enumerate()
        .flat_map(|(s, (sweep, record))| {
            let parts = record.parts(sweep.epochs).into_iter();
            let groups = parts.flat_map(|part| groups(part, largest));
            groups.map(move |runs| (s, runs))
        })
        .collect();
    let trained: Vec<Trained> = groups
        .par_iter()
        .with_max_len(1)
        .map(|(s, runs)| {
            let layout = layout.unwrap_or(match runs.len() {
                1 => Layout::Samples,
                _ => Layout::Runs,
            });
            let group = Group::new(&sweeps[*s], &records[*s], runs.clone());
            group.train(samples, layout, isa, stop, progress)
        })
        .collect();
    for ((s, runs), trained) in groups.into_iter().zip(trained) {
        let record = &mut records[s];
        for (run, (metrics, values)) in runs.zip(trained.runs) {
            record.metrics[run].extend(metrics);
            let mut parameters = Parameters::zeros(&sweeps[s].model);
            for (place, value) in parameters.tensors_mut().flatten().zip(values) {
                *place = value;
            }
            record.parameters[run] = parameters;
            record.done[run] = trained.done;
        }
    }
}

/// Runs in groups of at most `largest`, of sizes as even as possible.
fn groups(runs: Range<usize>, largest: usize) -> impl Iterator<Item = Range<usize>> {
    let size = runs.len().div_ceil(runs.len().div_ceil(largest));
    let starts = runs.clone().step_by(size);
    starts.map(move |first| first..runs.end.min(first + size))
}

/// Up to 16 runs of a sweep that have done the same number of epochs, as numbers.
struct Group<'a> {
    sweep: &'a Sweep,
    done: u32,
    runs: &'a [Run],
    /// By run, in the canonical order of [`crate::nn::Model::tensors`].
    parameters: Vec<Vec<f32>>,
}

impl<'a> Group<'a> {
    fn new(sweep: &'a Sweep, record: &Record, runs: Range<usize>) -> Self {
        let numbers = |p: &Parameters| p.tensors().flatten().copied().collect();
        Self {
            sweep,
            done: record.done[runs.start],
            runs: &sweep.runs[runs.clone()],
            parameters: record.parameters[runs].iter().map(numbers).collect(),
        }
    }

    fn train(
        &self,
        samples: Samples<'_>,
        layout: Layout,
        isa: Isa,
        stop: &(dyn Fn() -> bool + Sync),
        progress: &(dyn Fn(u64) + Sync),
    ) -> Trained {
        let sweep = self.sweep;
        let model = &sweep.model;
        let seeds: Vec<u64> = self.runs.iter().map(|run| run.seed).collect();
        let rates: Vec<f32> = self.runs.iter().map(|run| run.learning_rate).collect();
        let sets = samples.sets(self.runs);
        let sets: Vec<Set<'_>> = (sets.iter())
            .map(|set| Set {
                points: &set.points,
                labels: &set.labels,
            })
            .collect();
        let task = Task {
            kind: model.layers[0].kind,
            form: model.layers[0].form,
            loss: model.loss,
            clamp: model.layers[0].clamp,
            depth: model.layers.len(),
            outputs: model.head.outputs,
            batch: sweep.batch_size,
            sets: &sets,
            seeds: &seeds,
            rates: &rates,
            parameters: &self.parameters,
            epochs: self.done..sweep.epochs,
            record_every: sweep.record_every,
            stop,
            progress,
        };
        (model.layers[0].activation.loops.lanes)(&task, layout, isa)
    }
}
