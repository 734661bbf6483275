//! Predictions of a trained network, computed on the processor.

use std::sync::Arc;

use rayon::prelude::*;

use crate::cpu::CpuExecutor;
use crate::data::{Dataset, Inputs, Split, Splits, Targets};
use crate::error::{Error, Result};
use crate::executor::Executor;
use crate::kind::{LayerKind, Loss};
use crate::nn::{Layer, LayerParameters, LayerShape, Model, Parameters};
use crate::optim::Sgd;
use crate::reference;
use crate::train::Fit;

/// Number of samples of one task: a row of weights is loaded once for all of them.
const ROWS: usize = 32;

/// Samples of a batch of [`logits`].
const AT_ONCE: usize = 256;

/// The head's outputs, (samples, outputs), for preprocessed inputs, (samples, in) row-major.
pub fn outputs(model: &Model, parameters: &Parameters, inputs: &Inputs) -> Vec<f64> {
    let values = model.pixel_values().map(f64::from);
    let parameters: Parameters<f64> = parameters.map(f64::from);
    let of_block = |x: Vec<f64>| match &model.cnn {
        // The reference is slow, but it has convolutions.
        Some(_) => reference::forward(model, &parameters, &x).logits,
        None => forward(model, &parameters, x),
    };
    let block = ROWS * model.inputs();
    match inputs {
        Inputs::Bytes(pixels) => {
            let values = |pixels: &[u8]| pixels.iter().map(|&p| values[usize::from(p)]).collect();
            let blocks = pixels.par_chunks(block);
            blocks
                .flat_map_iter(|pixels| of_block(values(pixels)))
                .collect()
        }
        Inputs::Numbers(numbers) => {
            let values = |numbers: &[f32]| numbers.iter().map(|&x| f64::from(x)).collect();
            let blocks = numbers.par_chunks(block);
            blocks
                .flat_map_iter(|numbers| of_block(values(numbers)))
                .collect()
        }
    }
}

/// The head's outputs, (samples, outputs), of inputs as the network takes them, in float32 and as fast as in
/// training. The network is laid out again in each call, so predict for many samples at once.
///
/// # Errors
/// [`Error::Shape`] for inputs that are no whole number of samples, at least one; [`Error::InvalidValue`] for
/// numbers that are not finite or outside the range of a first Bregman layer.
pub fn logits(model: &Model, parameters: &Parameters, inputs: Inputs) -> Result<Vec<f32>> {
    let features = model.inputs();
    let samples = inputs.len() / features;
    if samples == 0 || inputs.len() != samples * features {
        return Err(Error::Shape {
            operation: "inputs to predict from".to_owned(),
            expected: vec![samples.max(1), features],
            found: vec![inputs.len()],
        });
    }
    let shape = match &model.cnn {
        None => [1, 1, features],
        Some(cnn) => {
            let conv = &cnn.blocks[0].conv;
            [conv.channels, conv.height, conv.width]
        }
    };
    // The targets are not used.
    let targets = match model.loss {
        Loss::Huber => Targets::Values(vec![0.0; samples * model.head.outputs]),
        _ => Targets::Classes(vec![0; samples]),
    };
    let data = Dataset::new("inputs", shape, inputs, targets)?;
    let sgd = Sgd {
        batch_size: AT_ONCE.min(samples),
        learning_rate: 1.0,
    };
    // An executor takes no empty training set.
    let splits = Splits {
        train: data.select(&[0]),
        validation: None,
        test: data,
    };
    let parameters = vec![parameters.clone()];
    let mut executor = CpuExecutor::new(model, Arc::new(splits), parameters, sgd)?;
    // Futures of the processor are ready at once.
    let logits = pollster::block_on(executor.logits(Split::Test))?;
    Ok(logits.into_iter().next().unwrap_or_default())
}

/// The values that a network predicts, (samples, values), in the units of its targets where these are known.
pub fn values(model: &Model, logits: &[f32]) -> Vec<f64> {
    let mut values: Vec<f64> = logits.iter().map(|&value| f64::from(value)).collect();
    if let Some(target) = model.target() {
        target.restore(&mut values);
    }
    values
}

/// The errors of the values that a network predicts for `data`, in the units of its targets where these are
/// known; none where the targets are classes.
///
/// # Errors
/// Those of [`logits`].
pub fn fit(model: &Model, parameters: &Parameters, data: &Dataset) -> Result<Option<Fit>> {
    let Targets::Values(targets) = &data.targets else {
        return Ok(None);
    };
    let found = values(model, &logits(model, parameters, data.inputs.clone())?);
    Ok(Fit::of(&found, &values(model, targets), data.classes))
}

/// The probabilities of the classes, from the outputs of one sample. For cross-entropy they are the
/// softmax of the outputs. Squared error is smallest if the outputs are the probabilities themselves,
/// so outputs are limited to [0, 1] and divided by their sum; a single output is the probability of
/// class 1.
pub fn probabilities(loss: Loss, outputs: &[f64]) -> Vec<f64> {
    let shares: Vec<f64> = match (loss, outputs) {
        (Loss::MeanSquaredError | Loss::Huber, &[y]) => {
            vec![1.0 - y.clamp(0.0, 1.0), y.clamp(0.0, 1.0)]
        }
        (Loss::MeanSquaredError | Loss::Huber, _) => {
            outputs.iter().map(|y| y.clamp(0.0, 1.0)).collect()
        }
        (Loss::CrossEntropy, _) => {
            let largest = outputs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            outputs.iter().map(|y| (y - largest).exp()).collect()
        }
    };
    let sum: f64 = shares.iter().sum();
    let classes = shares.len() as f64;
    let share = |share| {
        if sum > 0.0 {
            share / sum
        } else {
            1.0 / classes
        }
    };
    shares.into_iter().map(share).collect()
}

/// A sample that the network misclassifies.
#[derive(Clone, Copy, Debug, PartialEq)]
#[doc(hidden)]
pub struct Mistake {
    /// Its position in the data.
    pub sample: usize,
    /// Its class.
    pub label: usize,
    /// The class that the network predicts.
    pub prediction: usize,
    /// The probability that the network gives to its prediction.
    pub probability: f64,
}

/// The mistakes on `data` with the highest probabilities, highest first; at most `most` of them.
#[doc(hidden)]
pub fn mistakes(
    model: &Model,
    parameters: &Parameters,
    data: &Dataset,
    most: usize,
) -> Vec<Mistake> {
    let outputs = outputs(model, parameters, &data.inputs);
    let samples = outputs.chunks_exact(model.head.outputs).zip(data.labels());
    let mut mistakes: Vec<Mistake> = samples
        .enumerate()
        .filter_map(|(sample, (outputs, &label))| {
            let probabilities = probabilities(model.loss, outputs);
            let (prediction, probability) = ranked(&probabilities)[0];
            let label = label as usize;
            (prediction != label).then_some(Mistake {
                sample,
                label,
                prediction,
                probability,
            })
        })
        .collect();
    mistakes.sort_by(|a, b| b.probability.total_cmp(&a.probability));
    mistakes.truncate(most);
    mistakes
}

/// Classes with their probabilities, most probable first; equal ones in their own order.
pub fn ranked(probabilities: &[f64]) -> Vec<(usize, f64)> {
    let mut ranked: Vec<(usize, f64)> = probabilities.iter().copied().enumerate().collect();
    ranked.sort_by(|a, b| b.1.total_cmp(&a.1));
    ranked
}

/// The outputs for inputs `x`, (batch, in), of a network without convolutions: eq. 20, or its dual
/// form.
fn forward(model: &Model, parameters: &Parameters<f64>, x: Vec<f64>) -> Vec<f64> {
    let mut z = x;
    // The dual variable of the layer below, if that is in dual form.
    let mut dual: Option<Vec<f64>> = None;
    for (l, (layer, p)) in model.layers.iter().zip(&parameters.layers).enumerate() {
        if model.passes_dual(l) {
            let below = &model.layers[l - 1];
            let mut a = dual.take().unwrap_or_else(|| lift(below, z));
            limit_dual(layer, &mut a);
            z = a.iter().map(|&a| (layer.activation.rho)(a)).collect();
            dual = Some(a);
        }
        let mut a = affine(&layer.shape, &z, p);
        let u = || match &p.mix {
            Some(mix) => product(&layer.shape, &z, mix),
            None => z.clone(),
        };
        let skip = match layer.kind {
            LayerKind::Standard => None,
            LayerKind::Euclidean => Some(u()),
            LayerKind::Bregman => match dual.take() {
                Some(carried) if model.carries_dual(l) => Some(carried),
                _ => Some(lift(layer, u())),
            },
        };
        for (a, skip) in a.iter_mut().zip(skip.iter().flatten()) {
            *a += skip;
        }
        if layer.is_dual() {
            limit_dual(layer, &mut a);
        }
        z = a.iter().map(|&a| (layer.activation.rho)(a)).collect();
        dual = layer.is_dual().then_some(a);
    }
    affine(&model.head, &z, &parameters.head)
}

/// ρ⁻¹(clamp(u)) of a layer.
fn lift(layer: &Layer, u: Vec<f64>) -> Vec<f64> {
    let [low, high] = layer.clamp.map(f64::from);
    let clamped = u.into_iter().map(|u| u.clamp(low, high));
    clamped.map(layer.activation.rho_inv).collect()
}

/// Keeps a within the bounds of a layer's activation.
fn limit_dual(layer: &Layer, a: &mut [f64]) {
    let dual_max = f64::from(layer.activation.dual_max);
    a.iter_mut().for_each(|a| *a = a.clamp(-dual_max, dual_max));
}

/// zWᵀ + b, (batch, out).
fn affine(layer: &LayerShape, z: &[f64], p: &LayerParameters<f64>) -> Vec<f64> {
    let mut out = product(layer, z, &p.weight);
    for row in out.chunks_exact_mut(layer.outputs) {
        row.iter_mut().zip(&p.bias).for_each(|(y, b)| *y += b);
    }
    out
}

/// zWᵀ, (batch, out).
fn product(layer: &LayerShape, z: &[f64], weight: &[f64]) -> Vec<f64> {
    let mut out = vec![0.0; z.len() / layer.inputs * layer.outputs];
    for (j, weights) in weight.chunks_exact(layer.inputs).enumerate() {
        for (i, z) in z.chunks_exact(layer.inputs).enumerate() {
            out[i * layer.outputs + j] = dot(z, weights);
        }
    }
    out
}

/// The dot product, in eight independent sums.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let (a, a_rest) = a.as_chunks::<8>();
    let (b, b_rest) = b.as_chunks::<8>();
    let mut sums = [0.0; 8];
    for (a, b) in a.iter().zip(b) {
        for i in 0..8 {
            sums[i] += a[i] * b[i];
        }
    }
    let rest: f64 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    sums.iter().sum::<f64>() + rest
}
