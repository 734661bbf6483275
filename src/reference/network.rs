//! Forward and backward of a network on one batch.

use super::cnn::{CnnTrace, cnn_backward, cnn_forward};
use super::loss::{LossGradient, loss_and_gradient};
use crate::data::Targets;
use crate::kind::LayerKind;
use crate::nn::{Layer, LayerParameters, LayerShape, Model, Parameters};

/// The values of the forward pass that the backward pass needs.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    /// The trace of the convolutions, if there are any.
    pub cnn: Option<CnnTrace>,
    /// z₀ … z_L, (batch, width).
    pub z: Vec<Vec<f64>>,
    /// a₁ … a_L of layers in dual form, and a₀ after convolutions, else empty; `a[l]` belongs to `z[l]`.
    pub a: Vec<Vec<f64>>,
    /// u = Mz of each layer, or z where there is no M; z is ρ(a) of the layer's own after a dual passage.
    pub u: Vec<Vec<f64>>,
    /// The head's outputs, (batch, outputs).
    pub logits: Vec<f64>,
}

/// Σ over k of lhs(i, k) · rhs(k, j), for all i < m, j < n.
fn product(
    [m, n, k]: [usize; 3],
    lhs: impl Fn(usize, usize) -> f64,
    rhs: impl Fn(usize, usize) -> f64,
) -> Vec<f64> {
    let mut out = vec![0.0; m * n];
    for i in 0..m {
        for j in 0..n {
            for kk in 0..k {
                out[i * n + j] += lhs(i, kk) * rhs(kk, j);
            }
        }
    }
    out
}

/// z Wᵀ, (batch, out).
fn times_transposed(layer: &LayerShape, z: &[f64], weight: &[f64]) -> Vec<f64> {
    let LayerShape {
        inputs, outputs, ..
    } = *layer;
    let batch = z.len() / inputs;
    product(
        [batch, outputs, inputs],
        |i, k| z[i * inputs + k],
        |k, j| weight[j * inputs + k],
    )
}

/// δ W, (batch, in).
fn times(layer: &LayerShape, delta: &[f64], weight: &[f64]) -> Vec<f64> {
    let LayerShape {
        inputs, outputs, ..
    } = *layer;
    let batch = delta.len() / outputs;
    product(
        [batch, inputs, outputs],
        |i, k| delta[i * outputs + k],
        |k, j| weight[k * inputs + j],
    )
}

/// δᵀ z, (out, in).
fn outer(layer: &LayerShape, delta: &[f64], z: &[f64]) -> Vec<f64> {
    let LayerShape {
        inputs, outputs, ..
    } = *layer;
    let batch = delta.len() / outputs;
    product(
        [outputs, inputs, batch],
        |i, k| delta[k * outputs + i],
        |k, j| z[k * inputs + j],
    )
}

/// Wz + b for each row, (batch, out).
fn affine(layer: &LayerShape, z: &[f64], p: &LayerParameters<f64>) -> Vec<f64> {
    let mut out = times_transposed(layer, z, &p.weight);
    for row in out.chunks_exact_mut(layer.outputs) {
        for (y, b) in row.iter_mut().zip(&p.bias) {
            *y += b;
        }
    }
    out
}

/// f(i) for each element.
fn each(len: usize, f: impl Fn(usize) -> f64) -> Vec<f64> {
    (0..len).map(f).collect()
}

/// z, a, u of every layer and the logits, for inputs `x` (batch, in): eq. 20, or its dual.
pub fn forward(model: &Model, parameters: &Parameters<f64>, x: &[f64]) -> Trace {
    forward_with(model, parameters, x, None)
}

/// [`forward`] with each feature of the convolutions multiplied by its factor of dropout.
pub fn forward_with(
    model: &Model,
    parameters: &Parameters<f64>,
    x: &[f64],
    factors: Option<&[f64]>,
) -> Trace {
    let mut trace = Trace {
        z: vec![x.to_vec()],
        a: vec![vec![]],
        ..Trace::default()
    };
    if let Some(cnn) = &model.cnn {
        let front = cnn_forward(cnn, &parameters.conv, x, factors);
        // The features are the dual variable.
        let first = &model.layers[0];
        let a = limited(first, &front.features);
        trace.z[0] = a.iter().map(|&a| (first.activation.rho)(a)).collect();
        if first.is_dual() {
            trace.a[0] = a;
        }
        trace.cnn = Some(front);
    }
    for (l, (layer, p)) in model.layers.iter().zip(&parameters.layers).enumerate() {
        let (rho, rho_inv) = (layer.activation.rho, layer.activation.rho_inv);
        let input = input(model, &trace, l);
        let z = &input.z;
        let u = match &p.mix {
            None => z.clone(),
            Some(mix) => times_transposed(&layer.shape, z, mix),
        };
        let affine = affine(&layer.shape, z, p);
        let n = affine.len();
        let [low, high] = layer.clamp.map(f64::from);
        let lifted = |i: usize| rho_inv(u[i].clamp(low, high));
        let a = match layer.kind {
            LayerKind::Standard => affine,
            LayerKind::Euclidean => each(n, |i| u[i] + affine[i]),
            LayerKind::Bregman if !layer.is_dual() => each(n, |i| lifted(i) + affine[i]),
            LayerKind::Bregman => {
                let a = match model.carries_dual(l) {
                    true => each(n, |i| input.a[i] + affine[i]),
                    false => each(n, |i| lifted(i) + affine[i]),
                };
                limited(layer, &a)
            }
        };
        trace.z.push(a.iter().map(|&a| rho(a)).collect());
        trace.a.push(if layer.is_dual() { a } else { vec![] });
        trace.u.push(u);
    }
    trace.logits = affine(&model.head, &trace.z[model.layers.len()], &parameters.head);
    trace
}

/// The input of a layer from the layer below.
struct Input {
    /// The variable to which W, M and the skip path are applied: z, or ρ(a) after a dual passage.
    z: Vec<f64>,
    /// The dual variable, where there is one.
    a: Vec<f64>,
}

/// The input of layer l.
fn input(model: &Model, trace: &Trace, l: usize) -> Input {
    let (z, a) = (&trace.z[l], &trace.a[l]);
    if !model.passes_dual(l) {
        let [z, a] = [z, a].map(Vec::clone);
        return Input { z, a };
    }
    let (below, layer) = (&model.layers[l - 1], &model.layers[l]);
    let a = match below.is_dual() {
        true => limited(layer, a),
        false => {
            let [low, high] = below.clamp.map(f64::from);
            let dual = |z: &f64| (below.activation.rho_inv)(z.clamp(low, high));
            limited(layer, &z.iter().map(dual).collect::<Vec<f64>>())
        }
    };
    Input {
        z: a.iter().map(|&a| (layer.activation.rho)(a)).collect(),
        a,
    }
}

/// a within ±dual_max of the layer's activation.
fn limited(layer: &Layer, a: &[f64]) -> Vec<f64> {
    let dual_max = f64::from(layer.activation.dual_max);
    a.iter().map(|a| a.clamp(-dual_max, dual_max)).collect()
}

/// 1 where a is strictly within ±dual_max of the layer's activation, else 0.
fn unlimited(layer: &Layer, a: f64) -> f64 {
    let within = a.abs() < f64::from(layer.activation.dual_max);
    if within { 1.0 } else { 0.0 }
}

/// 1 where z is within the layer's clamp, else 0.
fn unclamped(layer: &Layer, z: f64) -> f64 {
    let [low, high] = layer.clamp.map(f64::from);
    if z >= low && z <= high { 1.0 } else { 0.0 }
}

/// Gradients of the loss in all parameters, from dL/dlogits.
pub fn backward(
    model: &Model,
    parameters: &Parameters<f64>,
    trace: &Trace,
    delta_logits: &[f64],
) -> Parameters<f64> {
    let mut gradient = Parameters::zeros(model);

    let depth = model.layers.len();
    layer_gradient(
        &model.head,
        delta_logits,
        &trace.z[depth],
        &mut gradient.head,
    );
    // g = dL/dz of the layer below, δ = dL/da = h(z) ∘ g.
    let g = times(&model.head, delta_logits, &parameters.head.weight);
    let h = model.layers[depth - 1].activation.rho_slope;
    let mut delta = each(g.len(), |i| h(trace.z[depth][i]) * g[i]);

    for l in (0..depth).rev() {
        let (layer, p) = (&model.layers[l], &parameters.layers[l]);
        let input = input(model, trace, l);
        let (z, u) = (&input.z, &trace.u[l]);
        layer_gradient(&layer.shape, &delta, z, &mut gradient.layers[l]);
        // The gradient in u, through the skip.
        let h = layer.activation.rho_slope;
        let q = match layer.kind {
            LayerKind::Standard => vec![0.0; delta.len()],
            LayerKind::Euclidean => delta.clone(),
            LayerKind::Bregman => each(delta.len(), |i| match unclamped(layer, u[i]) {
                0.0 => 0.0,
                _ => delta[i] / h(u[i]),
            }),
        };
        if let Some(mix) = &mut gradient.layers[l].mix {
            *mix = outer(&layer.shape, &q, z);
        }
        if l == 0 && model.cnn.is_none() {
            break;
        }
        let mut g = times(&layer.shape, &delta, &p.weight);
        let carries = model.carries_dual(l);
        if !carries && layer.kind != LayerKind::Standard {
            let skip = match &p.mix {
                None => q,
                Some(mix) => times(&layer.shape, &q, mix),
            };
            g.iter_mut().zip(skip).for_each(|(g, skip)| *g += skip);
        }
        // z is the output of the activation below, or ρ(a) of this layer's own for a dual variable a
        // from below.
        let passes = model.passes_dual(l);
        let below = l.checked_sub(1).map(|below| &model.layers[below]);
        let h = match below {
            Some(below) if !passes => below.activation.rho_slope,
            _ => h,
        };
        delta = each(g.len(), |i| {
            let through_rho = h(z[i]) * g[i];
            match carries {
                false => through_rho,
                // The skip carries a itself, except where a was limited.
                true => through_rho + unlimited(layer, input.a[i]) * delta[i],
            }
        });
        if let Some(below) = below.filter(|_| passes) {
            // δ is now dL/da, and a = ρ⁻¹(z) has the slope 1 / h(z): δ below is the same, except where
            // the layer below limited a, or z was clamped.
            let (z, a) = (&trace.z[l], &trace.a[l]);
            delta = each(delta.len(), |i| match below.is_dual() {
                true => unlimited(below, a[i]) * delta[i],
                false => unclamped(below, z[i]) * delta[i],
            });
        }
    }
    if let (Some(cnn), Some(front)) = (&model.cnn, &trace.cnn) {
        // δ is now dL/da₀, and a₀ are the features.
        gradient.conv = cnn_backward(cnn, &parameters.conv, front, &delta);
    }
    gradient
}

/// dW = δᵀ z, db = Σ δ over the batch.
fn layer_gradient(
    layer: &LayerShape,
    delta: &[f64],
    z: &[f64],
    gradient: &mut LayerParameters<f64>,
) {
    gradient.weight = outer(layer, delta, z);
    for row in delta.chunks_exact(layer.outputs) {
        for (b, d) in gradient.bias.iter_mut().zip(row) {
            *b += d;
        }
    }
}

/// The loss of a batch and its gradients in all parameters.
pub fn gradients(
    model: &Model,
    parameters: &Parameters<f64>,
    x: &[f64],
    targets: &Targets,
) -> (LossGradient, Parameters<f64>) {
    gradients_with(model, parameters, x, targets, None)
}

/// [`gradients`] with each feature of the convolutions multiplied by its factor of dropout.
pub fn gradients_with(
    model: &Model,
    parameters: &Parameters<f64>,
    x: &[f64],
    targets: &Targets,
    factors: Option<&[f64]>,
) -> (LossGradient, Parameters<f64>) {
    let trace = forward_with(model, parameters, x, factors);
    let loss = loss_and_gradient(model.loss, &trace.logits, model.head.outputs, targets);
    let gradient = backward(model, parameters, &trace, &loss.delta);
    (loss, gradient)
}
