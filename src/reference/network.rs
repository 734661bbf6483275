//! Forward and backward of a network on one batch.

use super::cnn::{CnnTrace, cnn_backward, cnn_forward};
use super::loss::{LossGradient, loss_and_gradient};
use crate::data::Targets;
use crate::kind::LayerKind;
use crate::nn::{Layer, LayerParameters, Model, Parameters};

/// What the backward pass needs of the forward pass.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    /// The trace of the convolutions, if there are any.
    pub cnn: Option<CnnTrace>,
    /// z₀ … z_L, (batch, width).
    pub z: Vec<Vec<f64>>,
    /// a₁ … a_L in dual form, and a₀ after convolutions, else empty; `a[l]` belongs to `z[l]`.
    pub a: Vec<Vec<f64>>,
    /// u = Mz of each layer, or z where there is no M.
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
fn times_transposed(layer: &Layer, z: &[f64], weight: &[f64]) -> Vec<f64> {
    let Layer {
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
fn times(layer: &Layer, delta: &[f64], weight: &[f64]) -> Vec<f64> {
    let Layer {
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
fn outer(layer: &Layer, delta: &[f64], z: &[f64]) -> Vec<f64> {
    let Layer {
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
fn affine(layer: &Layer, z: &[f64], p: &LayerParameters<f64>) -> Vec<f64> {
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
    let rho = model.activation.rho;
    let rho_inv = model.activation.rho_inv;
    let [low, high] = model.clamp.map(f64::from);
    let dual_max = f64::from(model.activation.dual_max);
    let mut trace = Trace {
        z: vec![x.to_vec()],
        a: vec![vec![]],
        ..Trace::default()
    };
    if let Some(cnn) = &model.cnn {
        let front = cnn_forward(cnn, &parameters.conv, x, factors);
        // The features are the dual variable.
        let a: Vec<f64> = front
            .features
            .iter()
            .map(|f| f.clamp(-dual_max, dual_max))
            .collect();
        trace.z[0] = a.iter().map(|&a| rho(a)).collect();
        if model.is_dual() {
            trace.a[0] = a;
        }
        trace.cnn = Some(front);
    }
    for (l, (layer, p)) in model.layers.iter().zip(&parameters.layers).enumerate() {
        let z = &trace.z[l];
        let u = match &p.mix {
            None => z.clone(),
            Some(mix) => times_transposed(layer, z, mix),
        };
        let affine = affine(layer, z, p);
        let n = affine.len();
        let lifted = |i: usize| rho_inv(u[i].clamp(low, high));
        let a = match model.kind {
            LayerKind::Standard => affine,
            LayerKind::Euclidean => each(n, |i| u[i] + affine[i]),
            LayerKind::Bregman if !model.is_dual() => each(n, |i| lifted(i) + affine[i]),
            LayerKind::Bregman => {
                let carried = &trace.a[l];
                let carries = model.carries_dual(l);
                each(n, |i| {
                    let a = if carries { carried[i] } else { lifted(i) };
                    (a + affine[i]).clamp(-dual_max, dual_max)
                })
            }
        };
        trace.z.push(a.iter().map(|&a| rho(a)).collect());
        trace.a.push(if model.is_dual() { a } else { vec![] });
        trace.u.push(u);
    }
    trace.logits = affine(&model.head, &trace.z[model.layers.len()], &parameters.head);
    trace
}

/// Gradients of the loss in all parameters, from dL/dlogits.
pub fn backward(
    model: &Model,
    parameters: &Parameters<f64>,
    trace: &Trace,
    delta_logits: &[f64],
) -> Parameters<f64> {
    let h = model.activation.rho_slope;
    let [low, high] = model.clamp.map(f64::from);
    let within = |z: f64| if z >= low && z <= high { 1.0 } else { 0.0 };
    let dual_max = f64::from(model.activation.dual_max);
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
    let mut delta = each(g.len(), |i| h(trace.z[depth][i]) * g[i]);

    for l in (0..depth).rev() {
        let (layer, p) = (&model.layers[l], &parameters.layers[l]);
        let (z, u) = (&trace.z[l], &trace.u[l]);
        layer_gradient(layer, &delta, z, &mut gradient.layers[l]);
        // The gradient in u, through the skip.
        let q = match model.kind {
            LayerKind::Standard => vec![0.0; delta.len()],
            LayerKind::Euclidean => delta.clone(),
            LayerKind::Bregman => each(delta.len(), |i| match within(u[i]) {
                0.0 => 0.0,
                _ => delta[i] / h(u[i]),
            }),
        };
        if let Some(mix) = &mut gradient.layers[l].mix {
            *mix = outer(layer, &q, z);
        }
        if l == 0 && model.cnn.is_none() {
            break;
        }
        let mut g = times(layer, &delta, &p.weight);
        let carries = model.carries_dual(l);
        if !carries && model.kind != LayerKind::Standard {
            let skip = match &p.mix {
                None => q,
                Some(mix) => times(layer, &q, mix),
            };
            g.iter_mut().zip(skip).for_each(|(g, skip)| *g += skip);
        }
        delta = each(g.len(), |i| {
            let through_rho = h(z[i]) * g[i];
            if !carries {
                return through_rho;
            }
            // The skip carries a itself, except where a was limited.
            let pass = if trace.a[l][i].abs() < dual_max {
                1.0
            } else {
                0.0
            };
            through_rho + pass * delta[i]
        });
    }
    if let (Some(cnn), Some(front)) = (&model.cnn, &trace.cnn) {
        // δ is now dL/da₀, and a₀ are the features.
        gradient.conv = cnn_backward(cnn, &parameters.conv, front, &delta);
    }
    gradient
}

/// dW = δᵀ z, db = Σ δ over the batch.
fn layer_gradient(layer: &Layer, delta: &[f64], z: &[f64], gradient: &mut LayerParameters<f64>) {
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
