//! R realizations, one after the other, each step on all cores.

use std::ops::Range;
use std::sync::Arc;

use rayon::prelude::*;

use super::cnn::Front;
use super::kernels::limit;
use super::linalg::{backward_product, forward_product, update};
use super::loss::loss;
use crate::data::Dataset;
use crate::error::Result;
use crate::executor::{BatchMetrics, Executor, Sgd, Split, Splits, check_orders};
use crate::nn::{Form, Layer, LayerKind, LayerParameters, Model, Parameters, project_simplex};

/// Rows of an elementwise loop that one task takes.
const ROWS_PER_TASK: usize = 8;

/// R realizations of a network on the processor.
///
/// The same seed gives the same bits on one machine: no sum depends on how work fell to threads.
pub struct CpuExecutor {
    model: Model,
    splits: Arc<Splits>,
    sgd: Sgd,
    parameters: Vec<Parameters>,
    workspace: Workspace,
    /// Training steps done.
    steps: u32,
}

impl CpuExecutor {
    /// The network with one set of parameters a realization.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::error::Error::Shape) or
    /// [`Error::Label`](crate::error::Error::Label) for data or parameters that do not fit.
    pub fn new(
        model: &Model,
        splits: Arc<Splits>,
        parameters: Vec<Parameters>,
        sgd: Sgd,
    ) -> Result<Self> {
        model.check_splits(&splits)?;
        sgd.check(parameters.len())?;
        for p in &parameters {
            model.check_parameters(p)?;
        }
        let workspace = Workspace::new(model, sgd.batch_size);
        Ok(Self {
            model: model.clone(),
            splits,
            sgd,
            parameters,
            workspace,
            steps: 0,
        })
    }
}

/// Buffers of a step, allocated once for the full batch; a short batch uses their first rows.
struct Workspace {
    pixel_values: [f32; 256],
    labels: Vec<u8>,
    /// The front-end's, if there is one.
    front: Option<Front>,
    /// z₀ … z_L, (batch, width).
    z: Vec<Vec<f32>>,
    /// a₁ … a_L at 1 … L in dual form, and a₀ behind a front-end, else empty.
    a: Vec<Vec<f32>>,
    /// u = Mz where there is M, else empty; then the gradient in u, and qM.
    u: Vec<Vec<f32>>,
    q: Vec<Vec<f32>>,
    skip: Vec<Vec<f32>>,
    logits: Vec<f32>,
    /// dL/da of each layer's output, the head's last.
    delta: Vec<Vec<f32>>,
}

impl Workspace {
    fn new(model: &Model, batch: usize) -> Self {
        let outputs = |layer: &Layer| vec![0.0; batch * layer.outputs];
        let if_mix =
            |layer: &Layer, width: usize| vec![0.0; if layer.mix { batch * width } else { 0 }];
        let layers = &model.layers;
        let input = vec![0.0; batch * layers[0].inputs];
        let dual = layers
            .iter()
            .map(|l| if model.is_dual() { outputs(l) } else { vec![] });
        Self {
            pixel_values: model.pixel_values(),
            labels: Vec::with_capacity(batch),
            front: model.cnn.as_ref().map(|cnn| Front::new(cnn, batch)),
            z: std::iter::once(input.clone())
                .chain(layers.iter().map(outputs))
                .collect(),
            a: std::iter::once(if model.is_dual() && model.cnn.is_some() {
                input
            } else {
                vec![]
            })
            .chain(dual)
            .collect(),
            u: layers.iter().map(|l| if_mix(l, l.outputs)).collect(),
            q: layers.iter().map(|l| if_mix(l, l.outputs)).collect(),
            skip: layers.iter().map(|l| if_mix(l, l.inputs)).collect(),
            logits: outputs(&model.head),
            delta: layers.iter().chain([&model.head]).map(outputs).collect(),
        }
    }
}

/// Fills the first rows of z₀, or of the front-end's images, with samples `indices` of a split, and
/// their labels.
fn gather(workspace: &mut Workspace, data: &Dataset, indices: &[u32]) {
    let width = data.features();
    let values = &workspace.pixel_values;
    let samples = match &mut workspace.front {
        Some(front) => &mut front.x,
        None => &mut workspace.z[0],
    };
    let rows = samples.par_chunks_exact_mut(width);
    rows.zip(indices)
        .with_min_len(ROWS_PER_TASK)
        .for_each(|(row, &sample)| {
            let pixels = &data.pixels[sample as usize * width..][..width];
            for (value, &pixel) in row.iter_mut().zip(pixels) {
                *value = values[usize::from(pixel)];
            }
        });
    workspace.labels.clear();
    workspace
        .labels
        .extend(indices.iter().map(|&sample| data.labels[sample as usize]));
}

/// z₀, and a₀ in dual form, from the features of the first `rows` images: z₀ = ρ(f), a₀ = f.
fn enter(model: &Model, workspace: &mut Workspace, rows: usize) {
    let Some(front) = &workspace.front else {
        return;
    };
    let len = rows * model.layers[0].inputs;
    let features = &front.features[..len];
    let z = &mut workspace.z[0][..len];
    if !model.is_dual() {
        return (model.activation.kernels.rho)(z, features);
    }
    let a = &mut workspace.a[0][..len];
    let max = model.activation.dual_max;
    for (a, &f) in a.iter_mut().zip(features) {
        *a = limit(f, -max, max);
    }
    (model.activation.kernels.rho)(z, a);
}

/// z, a, u and logits of the first `rows` samples: eq. 20, or its dual. `training` is the
/// realization and the step, if dropout is to act.
fn forward(
    model: &Model,
    parameters: &Parameters,
    workspace: &mut Workspace,
    rows: usize,
    training: Option<(usize, u32)>,
) {
    if let (Some(cnn), Some(front)) = (&model.cnn, &mut workspace.front) {
        front.forward(cnn, &parameters.conv, rows, training);
        enter(model, workspace, rows);
    }
    for l in 0..model.layers.len() {
        layer_forward(model, &parameters.layers[l], workspace, l, rows);
    }
    let (head, p) = (&model.head, &parameters.head);
    let logits = &mut workspace.logits[..rows * head.outputs];
    let z = &workspace.z[model.layers.len()][..rows * head.inputs];
    forward_product(head, z, &p.weight, logits);
    for row in logits.chunks_exact_mut(head.outputs) {
        row.iter_mut().zip(&p.bias).for_each(|(y, b)| *y += b);
    }
}

fn layer_forward(
    model: &Model,
    p: &LayerParameters<f32>,
    workspace: &mut Workspace,
    l: usize,
    rows: usize,
) {
    let layer = &model.layers[l];
    let width = layer.outputs;
    let len = rows * width;
    let (below, above) = workspace.z.split_at_mut(l + 1);
    let (z, out) = (&below[l][..rows * layer.inputs], &mut above[0][..len]);
    forward_product(layer, z, &p.weight, out);
    let u = match &p.mix {
        None => z,
        Some(mix) => {
            forward_product(layer, z, mix, &mut workspace.u[l][..len]);
            &workspace.u[l][..len]
        }
    };

    let kernels = &model.activation.kernels;
    let clamp = model.clamp;
    let bias = &p.bias[..];
    let chunk = width * ROWS_PER_TASK;
    let out_chunks = out.par_chunks_mut(chunk);
    match model.kind {
        LayerKind::Standard => out_chunks.for_each(|out| {
            out.chunks_exact_mut(width)
                .for_each(|out| (kernels.standard)(out, bias));
        }),
        LayerKind::Euclidean => out_chunks.zip(u.par_chunks(chunk)).for_each(|(out, u)| {
            for (out, u) in out.chunks_exact_mut(width).zip(u.chunks_exact(width)) {
                (kernels.euclidean)(out, bias, u);
            }
        }),
        LayerKind::Bregman if model.form == Form::Primal => {
            out_chunks.zip(u.par_chunks(chunk)).for_each(|(out, u)| {
                for (out, u) in out.chunks_exact_mut(width).zip(u.chunks_exact(width)) {
                    (kernels.bregman)(out, bias, u, clamp);
                }
            });
        }
        LayerKind::Bregman => {
            let (below, above) = workspace.a.split_at_mut(l + 1);
            let dual_chunks = above[0][..len].par_chunks_mut(chunk);
            // a is carried over from the layer below, or begins here as ρ⁻¹(u).
            let carried = model.carries_dual(l);
            let skip = if carried { &below[l][..len] } else { u };
            out_chunks
                .zip(dual_chunks)
                .zip(skip.par_chunks(chunk))
                .for_each(|((out, dual), skip)| {
                    let rows = out
                        .chunks_exact_mut(width)
                        .zip(dual.chunks_exact_mut(width));
                    for ((out, dual), skip) in rows.zip(skip.chunks_exact(width)) {
                        if carried {
                            (kernels.bregman_dual)(out, dual, bias, skip);
                        } else {
                            (kernels.bregman_lift)(out, dual, bias, skip, clamp);
                        }
                    }
                });
        }
    }
}

/// One step of SGD from the head down: every input gradient is taken before the weights that it
/// needs change.
fn backward(
    model: &Model,
    parameters: &mut Parameters,
    workspace: &mut Workspace,
    rate: f32,
    rows: usize,
) {
    let depth = model.layers.len();
    let kernels = &model.activation.kernels;
    let head = &model.head;
    {
        let (below, above) = workspace.delta.split_at_mut(depth);
        let delta_head = &above[0][..rows * head.outputs];
        let z = &workspace.z[depth][..rows * head.inputs];
        let delta = &mut below[depth - 1][..rows * head.inputs];
        backward_product(head, delta_head, &parameters.head.weight, delta);
        let chunk = head.inputs * ROWS_PER_TASK;
        delta
            .par_chunks_mut(chunk)
            .zip(z.par_chunks(chunk))
            .for_each(|(delta, z)| (kernels.standard_backward)(delta, z));
        update_layer(head, &mut parameters.head, rate, delta_head, z);
    }
    for l in (0..depth).rev() {
        layer_backward(model, &mut parameters.layers[l], workspace, l, rate, rows);
    }
    if let (Some(cnn), Some(front)) = (&model.cnn, &mut workspace.front) {
        front.backward(cnn, &mut parameters.conv, rows, rate);
    }
}

fn layer_backward(
    model: &Model,
    p: &mut LayerParameters<f32>,
    workspace: &mut Workspace,
    l: usize,
    rate: f32,
    rows: usize,
) {
    let layer = &model.layers[l];
    let kernels = &model.activation.kernels;
    let (below, above) = workspace.delta.split_at_mut(l);
    let delta = &above[0][..rows * layer.outputs];
    let z = &workspace.z[l][..rows * layer.inputs];

    // The gradient in u = Mz.
    let q = match (&p.mix, model.kind) {
        (Some(_), LayerKind::Bregman) => {
            let q = &mut workspace.q[l][..delta.len()];
            let chunk = layer.outputs * ROWS_PER_TASK;
            q.par_chunks_mut(chunk)
                .zip(delta.par_chunks(chunk))
                .zip(workspace.u[l].par_chunks(chunk))
                .for_each(|((q, delta), u)| {
                    (kernels.mix_backward)(q, delta, &u[..delta.len()], model.clamp);
                });
            &*q
        }
        _ => delta,
    };

    // What is below: a layer, or the front-end's features.
    let below_delta = match below.last_mut() {
        Some(delta) => Some(&mut delta[..]),
        None => workspace.front.as_mut().map(|front| &mut front.delta[..]),
    };
    if let Some(below_delta) = below_delta {
        let below_delta = &mut below_delta[..rows * layer.inputs];
        backward_product(layer, delta, &p.weight, below_delta);
        let chunk = layer.inputs * ROWS_PER_TASK;
        let chunks = below_delta.par_chunks_mut(chunk).zip(z.par_chunks(chunk));
        if let Some(mix) = &p.mix {
            let skip = &mut workspace.skip[l][..rows * layer.inputs];
            backward_product(layer, q, mix, skip);
            chunks
                .zip(skip.par_chunks(chunk))
                .for_each(|((delta, z), skip)| {
                    (kernels.euclidean_backward)(delta, z, skip);
                });
        } else {
            match model.kind {
                LayerKind::Standard => {
                    chunks.for_each(|(delta, z)| (kernels.standard_backward)(delta, z));
                }
                LayerKind::Euclidean => {
                    chunks
                        .zip(delta.par_chunks(chunk))
                        .for_each(|((below, z), delta)| {
                            (kernels.euclidean_backward)(below, z, delta);
                        });
                }
                LayerKind::Bregman => {
                    let (gate, window) = skip_gate(model, &workspace.a[l], z);
                    chunks
                        .zip(delta.par_chunks(chunk))
                        .zip(gate.par_chunks(chunk))
                        .for_each(|(((below, z), delta), gate)| {
                            (kernels.bregman_backward)(
                                below,
                                z,
                                delta,
                                &gate[..delta.len()],
                                window,
                            );
                        });
                }
            }
        }
    }

    update_layer(layer, p, rate, delta, z);
    if let Some(mix) = &mut p.mix {
        update(layer, rate, q, z, mix);
        mix.par_chunks_exact_mut(layer.inputs)
            .with_min_len(ROWS_PER_TASK)
            .for_each(project_simplex);
    }
}

/// Where the skip path lets the gradient through: z in primal form, a in dual form, strictly within
/// a bound that was reached by clamping.
fn skip_gate<'a>(model: &Model, a: &'a [f32], z: &'a [f32]) -> (&'a [f32], [f32; 2]) {
    if model.is_dual() {
        let max = model.activation.dual_max;
        let max = if max < f32::MAX { max.next_down() } else { max };
        (a, [-max, max])
    } else {
        (z, model.clamp)
    }
}

fn update_layer(layer: &Layer, p: &mut LayerParameters<f32>, rate: f32, delta: &[f32], z: &[f32]) {
    update(layer, rate, delta, z, &mut p.weight);
    let mut gradient = vec![0.0; layer.outputs];
    for row in delta.chunks_exact(layer.outputs) {
        gradient
            .iter_mut()
            .zip(row)
            .for_each(|(sum, delta)| *sum += delta);
    }
    p.bias
        .iter_mut()
        .zip(gradient)
        .for_each(|(b, gradient)| *b -= rate * gradient);
}

impl CpuExecutor {
    /// Forward and loss of samples `indices` of a split, under realization `r`.
    /// `step` is that of training, if it is.
    fn forward_loss(
        &mut self,
        r: usize,
        split: Split,
        indices: &[u32],
        step: Option<u32>,
    ) -> BatchMetrics {
        let workspace = &mut self.workspace;
        let rows = indices.len();
        gather(workspace, self.splits.get(split), indices);
        let training = step.map(|step| (r, step));
        forward(&self.model, &self.parameters[r], workspace, rows, training);
        let outputs = self.model.head.outputs;
        let logits = &workspace.logits[..rows * outputs];
        let delta = &mut workspace.delta[self.model.layers.len()][..rows * outputs];
        loss(self.model.loss, outputs, logits, &workspace.labels, delta)
    }
}

impl Executor for CpuExecutor {
    async fn train_steps(
        &mut self,
        orders: &[Vec<u32>],
        steps: Range<usize>,
        progress: &mut dyn FnMut(usize),
    ) -> Result<Vec<Vec<BatchMetrics>>> {
        check_orders(orders, self.parameters.len(), self.splits.train.len())?;
        let mut all = Vec::with_capacity(orders.len());
        let mut finished = 0;
        for (r, order) in orders.iter().enumerate() {
            let mut batches = Vec::new();
            let epoch = order.chunks(self.sgd.batch_size);
            let to_the_end = steps.end >= epoch.len();
            let epoch = epoch.take(steps.end).skip(steps.start);
            for (step, indices) in (self.steps..).zip(epoch) {
                batches.push(self.forward_loss(r, Split::Train, indices, Some(step)));
                let rate = self.sgd.learning_rate;
                let (p, workspace) = (&mut self.parameters[r], &mut self.workspace);
                backward(&self.model, p, workspace, rate, indices.len());
                finished += 1;
                progress(finished / orders.len());
            }
            // A parameter may overflow without a trace in the loss; the last step then owns up.
            let mut parameters = self.parameters[r].tensors().flatten();
            if let Some(last) = batches.last_mut()
                && to_the_end
                && !parameters.all(|p| p.is_finite())
            {
                last.loss = f64::NAN;
            }
            all.push(batches);
        }
        self.steps += all[0].len() as u32;
        Ok(all)
    }

    async fn evaluate(&mut self, split: Split) -> Result<Vec<Vec<BatchMetrics>>> {
        let order: Vec<u32> = (0..self.splits.get(split).len() as u32).collect();
        let mut all = Vec::with_capacity(self.parameters.len());
        for r in 0..self.parameters.len() {
            let batches = order.chunks(self.sgd.batch_size);
            all.push(
                batches
                    .map(|indices| self.forward_loss(r, split, indices, None))
                    .collect(),
            );
        }
        Ok(all)
    }

    async fn parameters(&mut self) -> Result<Vec<Parameters>> {
        Ok(self.parameters.clone())
    }
}
