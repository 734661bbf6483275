//! The convolutions before the layers: features of a batch, and their gradients.

use super::conv2d::{conv2d_backward_input, conv2d_backward_weight, conv2d_forward};
use super::max_pool2d::{max_pool2d_backward, max_pool2d_forward};
use crate::nn::cnn::{Cnn, Dropout};
use crate::nn::{LayerParameters, Model};
use crate::rng::{Purpose, Stream};

/// The values of the forward pass of the convolutions that their backward pass needs.
#[derive(Clone, Debug, Default)]
pub struct CnnTrace {
    /// The input of each block, (batch, channels, height, width).
    pub x: Vec<Vec<f64>>,
    /// The output of each block's activation.
    pub active: Vec<Vec<f64>>,
    /// The positions of the numbers that each block's pooling took; empty without pooling.
    pub positions: Vec<Vec<usize>>,
    /// The factor of each feature: 1, or with dropout 0 or 1 / (1 − probability).
    pub factors: Vec<f64>,
    /// f, (batch, features).
    pub features: Vec<f64>,
}

/// The factors of dropout in step `step` of the realization with `seed`, (rows, features).
pub fn dropout_factors(
    dropout: &Dropout,
    seed: u64,
    step: u64,
    rows: usize,
    features: usize,
) -> Vec<f64> {
    let step = step as u32;
    let stream = Stream::new(seed, Purpose::Dropout, step);
    let factor = |i: usize| {
        let stays = stream.uniform(i as u64) >= dropout.probability;
        let kept = 1.0 / (1.0 - f64::from(dropout.probability));
        if stays { kept } else { 0.0 }
    };
    (0..rows * features).map(factor).collect()
}

/// f for images `x` (batch, channels, height, width), each feature multiplied by its factor in
/// `factors`, if there are any.
pub fn cnn_forward(
    cnn: &Cnn,
    parameters: &[LayerParameters<f64>],
    x: &[f64],
    factors: Option<&[f64]>,
) -> CnnTrace {
    let mut trace = CnnTrace::default();
    let mut x = x.to_vec();
    for (block, p) in cnn.blocks.iter().zip(parameters) {
        let mut active = conv2d_forward(&block.conv, &x, &p.weight, &p.bias);
        for value in &mut active {
            *value = (cnn.activation.rho)(*value);
        }
        trace.x.push(x);
        let positions;
        (x, positions) = match &block.pool {
            Some(pool) => max_pool2d_forward(pool, &active),
            None => (active.clone(), Vec::new()),
        };
        trace.active.push(active);
        trace.positions.push(positions);
    }
    trace.factors = factors.map_or(vec![1.0; x.len()], <[f64]>::to_vec);
    let features = x.iter().zip(&trace.factors);
    trace.features = features.map(|(x, factor)| x * factor).collect();
    trace
}

/// The gradients of the convolutions' parameters from dL/df (batch, features).
pub fn cnn_backward(
    cnn: &Cnn,
    parameters: &[LayerParameters<f64>],
    trace: &CnnTrace,
    gradient: &[f64],
) -> Vec<LayerParameters<f64>> {
    let gradient = gradient.iter().zip(&trace.factors);
    let mut delta: Vec<f64> = gradient.map(|(g, factor)| g * factor).collect();
    let mut gradients = Vec::new();
    for (number, block) in cnn.blocks.iter().enumerate().rev() {
        let active = &trace.active[number];
        if block.pool.is_some() {
            delta = max_pool2d_backward(&delta, &trace.positions[number], active.len());
        }
        for (delta, &z) in delta.iter_mut().zip(active) {
            *delta *= (cnn.activation.rho_slope)(z);
        }
        let [weight, bias] = conv2d_backward_weight(&block.conv, &delta, &trace.x[number]);
        gradients.push(LayerParameters {
            weight,
            bias,
            mix: None,
        });
        if number > 0 {
            delta = conv2d_backward_input(&block.conv, &delta, &parameters[number].weight);
        }
    }
    gradients.reverse();
    gradients
}

/// The factors of a training step, if `model` has dropout.
pub fn training_factors(model: &Model, seed: u64, step: u64, rows: usize) -> Option<Vec<f64>> {
    let cnn = model.cnn.as_ref()?;
    let dropout = cnn.dropout.as_ref()?;
    Some(dropout_factors(dropout, seed, step, rows, cnn.features()))
}
