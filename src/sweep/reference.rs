//! The textbook: f64, one run after another, with the gradients of [`crate::reference`].
//!
//! It is not meant to be fast.

use super::{Metrics, Record, Run, Samples, Sweep};
use crate::data::Targets;
use crate::data::spirals::Spirals;
use crate::error::Result;
use crate::nn::{Model, Parameters};
use crate::reference::{forward, gradients, loss_and_gradient};
use crate::rng::sample_order;

/// Trains every run of `sweep` on its own of `samples`.
///
/// # Errors
/// Those of [`Sweep::check`].
pub fn train<'a>(sweep: &Sweep, samples: impl Into<Samples<'a>>) -> Result<Record> {
    train_from(sweep, samples, |run| sweep.initial(run))
}

/// Trains every run from the parameters that `initial` returns for it.
///
/// # Errors
/// Those of [`Sweep::check`].
pub fn train_from<'a>(
    sweep: &Sweep,
    samples: impl Into<Samples<'a>>,
    initial: impl Fn(&Run) -> Parameters,
) -> Result<Record> {
    let samples = samples.into();
    sweep.check(samples)?;
    let mut record = Record {
        epochs: sweep.recorded_epochs(),
        ..Record::default()
    };
    for run in &sweep.runs {
        let data = samples.of(run.seed).expect("`Sweep::check` has found it");
        let mut parameters = initial(run).map(f64::from);
        let mut metrics = Vec::new();
        for epoch in 0..sweep.epochs {
            let order = sample_order(run.seed, epoch, data.len());
            for indices in order.chunks(sweep.batch_size) {
                let (x, targets) = batch(data, indices);
                let (_, gradient) = gradients(&sweep.model, &parameters, &x, &targets);
                let rate = f64::from(run.learning_rate);
                for (tensor, gradient) in parameters.tensors_mut().zip(gradient.tensors()) {
                    for (p, g) in tensor.iter_mut().zip(gradient) {
                        *p -= rate * g;
                    }
                }
            }
            if sweep.records(epoch + 1) {
                metrics.push(evaluate(&sweep.model, &parameters, data));
            }
        }
        record.metrics.push(metrics);
        record.parameters.push(parameters.map(|p| p as f32));
        record.done.push(sweep.epochs);
    }
    Ok(record)
}

/// Loss and accuracy of a network on `data`.
pub fn evaluate(model: &Model, parameters: &Parameters<f64>, data: &Spirals) -> Metrics {
    let indices: Vec<u32> = (0..data.len() as u32).collect();
    let (x, targets) = batch(data, &indices);
    let logits = forward(model, parameters, &x).logits;
    let loss = loss_and_gradient(model.loss, &logits, model.head.outputs, &targets);
    let finite = parameters.tensors().flatten().all(|p| p.is_finite());
    Metrics {
        loss: if finite { loss.loss as f32 } else { f32::NAN },
        correct: loss.correct,
    }
}

/// Inputs (batch, 2) and targets of the samples `indices`.
pub fn batch(data: &Spirals, indices: &[u32]) -> (Vec<f64>, Targets) {
    let points = indices.iter().map(|&i| data.points[i as usize]);
    let labels = indices.iter().map(|&i| u32::from(data.labels[i as usize]));
    (
        points.flat_map(|p| p.map(f64::from)).collect(),
        Targets::Classes(labels.collect()),
    )
}
