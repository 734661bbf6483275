//! Sweeps compared with the textbook: the first 20 steps of 8 runs, and the dependences of a run.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::checks::{Check, Checks};
use super::networks::{ETA, KINDS, largest_difference, perturb};
use crate::activation::Activation;
use crate::data::spirals::Spirals;
use crate::error::Result;
use crate::gpu::Gpu;
use crate::gpu::ops::sweep::MAX_LAYERS;
use crate::kind::{Form, Init, LayerKind, Loss};
use crate::nn::{Model, Parameters};
use crate::sweep::{self, Record, Run, Samples, Sweep, reference};

/// The checks of adapters, by name.
pub const ALL: [(&str, Check); 4] = [
    ("sweep, 20 steps", |gpu, checks| {
        for model in models(checks.full) {
            first_steps(&model, checks, &mut |sweep, data| train(gpu, sweep, data))?;
        }
        Ok(())
    }),
    ("sweep, batches", |gpu, checks| {
        batches(checks, &mut |sweep, data| train(gpu, sweep, data))
    }),
    ("sweep, runs", |gpu, checks| {
        runs(MAX_LAYERS, checks, &mut |sweep, data| {
            train(gpu, sweep, data)
        })
    }),
    ("sweep, dispatches", dispatches),
];

/// Many epochs in a dispatch give the same as one epoch in each dispatch, so no driver has cut a
/// loop short. The clock decides the number: one that stands still allows the most.
fn dispatches(gpu: &mut Gpu, checks: &mut Checks) -> Result<()> {
    let (kind, form, loss) = (LayerKind::Bregman, Form::Dual, Loss::MeanSquaredError);
    let model = sweep::network(kind, form, &Activation::ARCTAN, loss, 3)?;
    let data = few(&model, 200);
    let sweep = Sweep {
        model,
        init: Init::Random,
        runs: eight_runs(),
        epochs: 60,
        batch_size: 10,
        record_every: 1,
    };
    let mut record = |seconds: u64| {
        let ticks = Cell::new(0);
        let clock = || {
            ticks.set(ticks.get() + seconds);
            Duration::from_secs(ticks.get())
        };
        let mut ignored = |_| {};
        let training = sweep::gpu::train(gpu, &sweep, &data, &clock, &mut ignored);
        pollster::block_on(training)
    };
    let (few, many) = (record(0)?, record(10)?);
    for (run, (few, many)) in few.metrics.iter().zip(&many.metrics).enumerate() {
        let same = few.iter().zip(many).all(|(a, b)| a == b && a.loss > 0.0);
        checks.require(same, || format!("run {run} depends on its dispatches"));
    }
    let same = few.parameters == many.parameters;
    checks.require(same, || "parameters depend on dispatches".to_owned());
    Ok(())
}

/// A function that trains a sweep.
pub type Train<'a> = &'a mut dyn FnMut(&Sweep, Samples<'_>) -> Result<Record>;

fn train(gpu: &mut Gpu, sweep: &Sweep, data: Samples<'_>) -> Result<Record> {
    let start = Instant::now();
    pollster::block_on(sweep::gpu::train(
        gpu,
        sweep,
        data,
        &|| start.elapsed(),
        &mut |_| {},
    ))
}

/// Networks of three layers of each kind, with each activation and loss, and of all other depths.
/// Without `full`, only some of those with three layers, which cover each kind, activation and loss.
pub fn models(full: bool) -> Vec<Model> {
    let mut models = Vec::new();
    let mut push = |(kind, form), activation, loss, layers| {
        let model = sweep::network(kind, form, activation, loss, layers);
        models.push(model.expect("a valid network"));
    };
    for (k, kind) in KINDS.into_iter().enumerate() {
        for (a, activation) in Activation::ALL.iter().enumerate() {
            for (l, &loss) in Loss::OF_CLASSES.iter().enumerate() {
                if full || (a + 2 * k + 3 * l) % 5 == 0 {
                    push(kind, activation, loss, 3);
                }
            }
        }
        for layers in [1, 2, MAX_LAYERS] {
            push(kind, &Activation::ARCTAN, Loss::MeanSquaredError, layers);
        }
    }
    models
}

/// Spirals of a few points.
fn few(model: &Model, samples: usize) -> Spirals {
    few_of(model, samples, 3)
}

/// Those that are drawn with `seed`.
fn few_of(model: &Model, samples: usize, seed: u64) -> Spirals {
    let [all, _] = Spirals::draw(100, seed).map(|s| s.within(model.layers[0].activation));
    let chosen = (0..samples).map(|i| i * 67 % all.len());
    Spirals {
        points: chosen.clone().map(|i| all.points[i]).collect(),
        labels: chosen.map(|i| all.labels[i]).collect(),
    }
}

/// Eight runs, at two learning rates.
fn eight_runs() -> Vec<Run> {
    let run = |r: u64| Run {
        seed: (r << 32) + 41 + r,
        learning_rate: [0.1, 0.02][r as usize % 2],
    };
    (0..8).map(run).collect()
}

/// The size of a compared training.
#[derive(Clone, Copy)]
struct Extent {
    samples: usize,
    batch: usize,
    epochs: u32,
    runs: usize,
}

/// Compares the first 20 steps of 8 runs with the textbook: 20 epochs of one batch, so that each is recorded,
/// and 5 epochs of 4 batches, with a short last one.
///
/// # Errors
/// Errors of `train`.
pub fn first_steps(model: &Model, checks: &mut Checks, train: Train<'_>) -> Result<()> {
    const BATCH: usize = 10;
    for (samples, epochs) in [(BATCH, 20), (3 * BATCH + 7, 5)] {
        let extent = Extent {
            samples,
            batch: BATCH,
            epochs,
            runs: 8,
        };
        compare(model, extent, checks, train)?;
    }
    Ok(())
}

/// Compares batches of one sample, of as many as an adapter takes side by side, of one more, and of all samples;
/// numbers of runs that do not fill a workgroup; and more samples than workgroup memory has room for, which
/// are also trained with points of each run's own.
///
/// # Errors
/// Errors of `train`.
pub fn batches(checks: &mut Checks, train: Train<'_>) -> Result<()> {
    let (activation, mse, entropy) = (
        &Activation::ARCTAN,
        Loss::MeanSquaredError,
        Loss::CrossEntropy,
    );
    let models = [
        sweep::network(LayerKind::Bregman, Form::Dual, activation, mse, 3)?,
        sweep::network(LayerKind::Standard, Form::Dual, activation, entropy, 2)?,
    ];
    for model in &models {
        for (samples, batch, epochs, runs) in [
            (5, 1, 4, 3),
            (37, 16, 5, 1),
            (37, 17, 5, 2),
            (37, 40, 10, 5),
            (MANY, 206, 2, 3),
        ] {
            let extent = Extent {
                samples,
                batch,
                epochs,
                runs,
            };
            compare(model, extent, checks, train)?;
        }
    }
    points_of_runs(&models[0], MANY, checks, train)
}

/// A number of samples whose order is not in workgroup memory.
const MANY: usize = 1030;

/// Compares each loss, count and parameter of the first steps of some runs, of at most 8. The tolerance is that of
/// [`super::networks::Expected`] for sums over two neurons and a batch.
fn compare(model: &Model, extent: Extent, checks: &mut Checks, train: Train<'_>) -> Result<()> {
    let Extent {
        samples,
        batch,
        epochs,
        runs,
    } = extent;
    let steps = epochs as usize * samples.div_ceil(batch);
    let roundings = (steps * (batch.min(samples) + 8)) as f64 / f64::from(1 << 23);
    let scale = roundings / f64::from(ETA);
    let data = few(model, samples);
    let data = Samples::from(&data);
    let sweep = Sweep {
        model: model.clone(),
        init: Init::Random,
        runs: eight_runs()[..runs].to_vec(),
        epochs,
        batch_size: batch,
        record_every: 1,
    };
    let found = train(&sweep, data)?;
    let own = reference::train(&sweep, data)?;
    let perturbed = (0..3)
        .map(|draw| reference::train_from(&sweep, data, |run| perturb(&sweep.initial(run), draw)));
    let perturbed = perturbed.collect::<Result<Vec<_>>>()?;
    let named = |run: usize| {
        let form = if model.layers[0].kind == LayerKind::Bregman {
            model.form_name()
        } else {
            ""
        };
        format!(
            "{} {form} {} {} of {} layers, run {run} of {samples} samples in batches of {batch}",
            model.kind_name(),
            model.activation_name(),
            model.loss.name(),
            model.layers.len(),
        )
    };
    checks.require(found.epochs == own.epochs, || "recorded epochs".to_owned());
    for run in 0..sweep.runs.len() {
        let pairs = found.metrics[run].iter().zip(&own.metrics[run]);
        checks.require(pairs.len() == epochs as usize, || named(run));
        for (e, (found, own)) in pairs.enumerate() {
            let loss = f64::from(own.loss);
            let mut bound = roundings * loss;
            let mut slack = 0;
            for other in &perturbed {
                let other = other.metrics[run][e];
                bound += scale * (f64::from(other.loss) - loss).abs();
                slack = slack.max(other.correct.abs_diff(own.correct));
            }
            let place = || {
                let name = named(run);
                format!("{name}, epoch {e}: {found:?}, expected {own:?} ± {bound:.1e}, {slack}")
            };
            checks.within((f64::from(found.loss) - loss).abs(), bound, place);
            checks.require(found.correct.abs_diff(own.correct) <= slack, place);
        }
        let tensors = |record: &Record| -> Vec<Vec<f32>> {
            record.parameters[run].tensors().cloned().collect()
        };
        let (found, own) = (tensors(&found), tensors(&own));
        for (t, shape) in model.tensors().iter().enumerate() {
            let largest = own[t].iter().fold(0.0, |m: f32, x| m.max(x.abs()));
            let changes = perturbed
                .iter()
                .map(|other| largest_difference(&tensors(other)[t], &own[t]));
            let bound = roundings * f64::from(largest) + scale * changes.sum::<f64>();
            checks.within(largest_difference(&found[t], &own[t]), bound, || {
                format!(
                    "{}, {}: {:?}, expected {:?} ± {bound:.1e}",
                    named(run),
                    shape.name,
                    found[t],
                    own[t]
                )
            });
        }
    }
    Ok(())
}

/// Checks that runs of `model` with points of their own have the bits that they have alone, on the same
/// points.
///
/// # Errors
/// Errors of `train`.
pub fn own_points(model: &Model, checks: &mut Checks, train: Train<'_>) -> Result<()> {
    points_of_runs(model, 23, checks, train)
}

/// [`own_points`] with a number of samples.
fn points_of_runs(
    model: &Model,
    samples: usize,
    checks: &mut Checks,
    train: Train<'_>,
) -> Result<()> {
    let sweep = Sweep {
        model: model.clone(),
        init: Init::Random,
        runs: eight_runs(),
        epochs: 2,
        batch_size: 10,
        record_every: 1,
    };
    let of_run = |run: &Run| (run.seed, few_of(model, samples, run.seed));
    let points: BTreeMap<u64, Spirals> = sweep.runs.iter().map(of_run).collect();
    let together = train(&sweep, (&points).into())?;
    for run in [0, 5] {
        let mut one = sweep.clone();
        one.runs = vec![sweep.runs[run]];
        let alone = train(&one, (&points[&sweep.runs[run].seed]).into())?;
        let same = alone.metrics[0] == together.metrics[run]
            && alone.parameters[0] == together.parameters[run];
        let depth = model.layers.len();
        checks.require(same, || {
            format!(
                "run {run} of {depth} layers on {samples} points of its own, beside others and alone"
            )
        });
    }
    Ok(())
}

/// Checks the dependences of a run. Its seed and its own points alone give its result and its initial
/// parameters; a run that diverges has the loss NaN and changes no other run; and a sweep repeats to the bit.
///
/// # Errors
/// Errors of `train`.
pub fn runs(layers: usize, checks: &mut Checks, train: Train<'_>) -> Result<()> {
    for (kind, form) in [
        (LayerKind::Standard, Form::Dual),
        (LayerKind::Euclidean, Form::Dual),
        (LayerKind::Bregman, Form::Dual),
    ] {
        let (activation, loss) = (&Activation::ARCTAN, Loss::MeanSquaredError);
        let model = sweep::network(kind, form, activation, loss, layers)?;
        own_points(&model, checks, train)?;
        let data = few(&model, 23);
        for &init in Init::ALL {
            let mut sweep = Sweep {
                model: model.clone(),
                init,
                runs: eight_runs(),
                epochs: 1,
                batch_size: 10,
                record_every: 1,
            };
            // The rate is so small that parameters do not change.
            sweep.runs.iter_mut().for_each(|r| r.learning_rate = 1e-30);
            let still = train(&sweep, (&data).into())?;
            for (run, found) in sweep.runs.iter().zip(&still.parameters) {
                let expected = sweep.initial(run);
                let bound = 1e-20 + f64::from(f32::EPSILON);
                let off = distance(found, &expected);
                checks.within(off, bound, || format!("initial parameters of {run:?}"));
            }
            sweep.epochs = 12;
            sweep.record_every = 5;
            sweep.runs = eight_runs();
            let calm = train(&sweep, (&data).into())?;
            let again = train(&sweep, (&data).into())?;
            checks.require(calm == again, || "a sweep does not repeat".to_owned());
            sweep.runs[3].learning_rate = 1e30;
            let one_diverges = train(&sweep, (&data).into())?;
            checks.require(calm.epochs == [5, 10, 12], || {
                format!("recorded after {:?}", calm.epochs)
            });
            for run in 0..sweep.runs.len() {
                let found = &one_diverges.metrics[run];
                let right = match run {
                    3 => found.iter().all(|m| m.loss.is_nan()),
                    _ => {
                        *found == calm.metrics[run]
                            && one_diverges.parameters[run] == calm.parameters[run]
                    }
                };
                checks.require(right, || format!("run {run} beside one that diverges"));
            }
        }
    }
    Ok(())
}

/// The largest difference of two sets of parameters.
fn distance(a: &Parameters, b: &Parameters) -> f64 {
    let tensors = a.tensors().zip(b.tensors());
    tensors.fold(0.0, |largest: f64, (a, b)| {
        largest.max(largest_difference(a, b))
    })
}
