//! A step of training, as each member of a team executes it.
//!
//! Everything except the weights is feature-major, (width, batch). All three products of a layer then
//! read their operands in place, except one that packs activations; and a member that owns some of a
//! layer's neurons owns contiguous rows of its outputs, its weights and its gradients. It continues
//! from product to activation, and from gradient to update, without waiting for other members.

use std::ops::Range;

use super::linalg::{Matrix, least_rows, multiply, multiply_add};
use super::loss::{BlockLoss, block_loss};
use super::team::Member;
use super::workspace::{Workspace, columns, hands_on, is_gated, stride};
use crate::data::Dataset;
use crate::executor::BatchMetrics;
use crate::kernels::dense::{Loops, Rows};
use crate::kernels::{LANES, limit, sum};
use crate::kind::{Form, LayerKind, Loss};
use crate::nn::{Layer, LayerParameters, Model, project_simplex};

/// The parameters and matrices of a layer, as the team shares them.
struct LayerView<'a> {
    shape: Layer,
    /// The smallest number of its neurons that a member takes.
    least: usize,
    weight: Matrix<'a>,
    /// One column.
    bias: Matrix<'a>,
    mix: Option<Matrix<'a>>,
    /// z of the layer below.
    z: Matrix<'a>,
    /// z of this layer; the logits of the head.
    out: Matrix<'a>,
    delta: Matrix<'a>,
    /// As in [`Workspace`], where they are not empty.
    a: Option<Matrix<'a>>,
    u: Option<Matrix<'a>>,
    q: Option<Matrix<'a>>,
}

/// One realization of a network, as the team shares it.
pub(super) struct Network<'a> {
    model: &'a Model,
    loops: &'a Loops,
    rate: f32,
    pixel_values: &'a [f32; 256],
    input: Matrix<'a>,
    input_a: Option<Matrix<'a>>,
    input_delta: Option<Matrix<'a>>,
    layers: Vec<LayerView<'a>>,
    head: LayerView<'a>,
    outcomes: Matrix<'a>,
    stride: usize,
}

/// The number of samples of a batch, and the columns that they take.
#[derive(Clone, Copy)]
struct Extent {
    batch: usize,
    rows: Rows,
}

impl<'a> Network<'a> {
    pub(super) fn new(
        model: &'a Model,
        loops: &'a Loops,
        rate: f32,
        layers: &'a mut [LayerParameters<f32>],
        head: &'a mut LayerParameters<f32>,
        workspace: &'a mut Workspace,
    ) -> Self {
        let Workspace {
            batch,
            pixel_values,
            input_a,
            input_delta,
            z,
            a,
            u,
            q,
            logits,
            delta,
            outcomes,
        } = workspace;
        let stride = stride(*batch);
        let columns = columns(*batch);
        let numbers = |values: &'a mut Vec<f32>| {
            let rows = values.len() / stride;
            Matrix::new(values, rows, columns, stride)
        };
        let some = |values: &'a mut Vec<f32>| {
            let there = !values.is_empty();
            there.then(|| numbers(values))
        };
        // A layer's neurons are rows or columns of products whose other side is its inputs or the
        // neurons of the layer above.
        let least = |shape: &Layer, above: &Layer| {
            let narrowest = shape.inputs.min(above.outputs).min(LANES);
            least_rows(narrowest)
        };
        let view = |shape: Layer, above: &Layer, p: &'a mut LayerParameters<f32>, z, out, delta| {
            let Layer {
                inputs, outputs, ..
            } = shape;
            LayerView {
                shape,
                least: least(&shape, above),
                weight: Matrix::new(&mut p.weight, outputs, inputs, inputs),
                bias: Matrix::new(&mut p.bias, outputs, 1, 1),
                mix: (p.mix.as_mut()).map(|mix| Matrix::new(mix, outputs, inputs, inputs)),
                z,
                out,
                delta,
                a: None,
                u: None,
                q: None,
            }
        };
        let z: Vec<_> = z.iter_mut().map(numbers).collect();
        let delta: Vec<_> = delta.iter_mut().map(numbers).collect();
        let depth = model.layers.len();
        let (input_a, input_delta) = (some(input_a), some(input_delta));
        let parameters = layers;
        let mut layers: Vec<LayerView<'a>> = Vec::with_capacity(depth);
        let optional = a.iter_mut().zip(u).zip(q);
        for (l, (p, ((a, u), q))) in parameters.iter_mut().zip(optional).enumerate() {
            let above = model.layers.get(l + 1).unwrap_or(&model.head);
            let mut layer = view(model.layers[l], above, p, z[l], z[l + 1], delta[l]);
            let in_place = hands_on(model, l) && a.is_empty();
            layer.a = match l.checked_sub(1) {
                _ if !in_place => some(a),
                Some(below) => layers[below].a,
                None => input_a,
            };
            layer.u = some(u);
            layer.q = some(q);
            layers.push(layer);
        }
        Self {
            model,
            loops,
            rate,
            pixel_values,
            input: z[0],
            input_a,
            input_delta,
            layers,
            head: view(
                model.head,
                &model.head,
                head,
                z[depth],
                numbers(logits),
                delta[depth],
            ),
            outcomes: numbers(outcomes),
            stride,
        }
    }

    fn extent(&self, batch: usize) -> Extent {
        Extent {
            batch,
            rows: Rows {
                stride: self.stride,
                columns: columns(batch),
            },
        }
    }

    /// Forward and loss of samples `indices` of `data`, or of their `features` (batch, width) where
    /// convolutions have computed them. After it returns, [`Self::metrics`] are those of this batch,
    /// until the first member waits for the others again.
    pub(super) fn forward(
        &self,
        member: Member<'_>,
        data: &Dataset,
        indices: &[u32],
        features: Option<&[f32]>,
    ) {
        let extent = self.extent(indices.len());
        // All members have read the inputs of the step before.
        member.wait();
        match features {
            None => self.gather(member, data, indices, extent),
            Some(features) => self.enter(member, features, extent),
        }
        member.wait();
        for l in 0..self.layers.len() {
            self.layer_forward(member, l, extent);
            member.wait();
        }
        self.head_forward(member, data, indices, extent);
        member.wait();
    }

    /// The metrics of the batch of `samples` that went forward last.
    pub(super) fn metrics(&self, samples: usize) -> BatchMetrics {
        // SAFETY: no member writes outcomes before the first member waits again.
        let [losses, hits] = [0..1, 1..2].map(|row| unsafe { self.outcomes.read(row) });
        let sum =
            |values: &[f32]| -> f64 { values[..samples].iter().copied().map(f64::from).sum() };
        BatchMetrics {
            loss: sum(losses) / f64::from(self.terms(samples)),
            correct: sum(hits) as u32,
            samples: samples as u32,
        }
    }

    /// The divisor of the mean of the loss.
    fn terms(&self, samples: usize) -> f32 {
        match self.model.loss {
            Loss::CrossEntropy => samples as f32,
            Loss::MeanSquaredError => (samples * self.model.head.outputs) as f32,
        }
    }

    /// Fills this member's columns of z₀.
    fn gather(&self, member: Member<'_>, data: &Dataset, indices: &[u32], extent: Extent) {
        let width = data.features();
        let columns = member.share(extent.rows.columns, LANES, LANES);
        for col in columns.step_by(LANES) {
            // An incomplete block repeats its last sample.
            let pixels: [&[u8]; LANES] = std::array::from_fn(|i| {
                let sample = indices[(col + i).min(indices.len() - 1)] as usize;
                &data.pixels[sample * width..(sample + 1) * width]
            });
            for row in 0..width {
                let values = pixels.map(|pixels| self.pixel_values[usize::from(pixels[row])]);
                // SAFETY: the columns are this member's own.
                unsafe { self.input.store(row, col, values) };
            }
        }
    }

    /// Fills this member's columns of z₀ = ρ(f), and of a₀ = f in dual form.
    fn enter(&self, member: Member<'_>, features: &[f32], extent: Extent) {
        let width = self.layers[0].shape.inputs;
        let max = self.model.activation.dual_max;
        let columns = member.share(extent.rows.columns, LANES, LANES);
        for col in columns.step_by(LANES) {
            for row in 0..width {
                // An incomplete block repeats its last sample.
                let mut f: [f32; LANES] = std::array::from_fn(|i| {
                    features[(col + i).min(extent.batch - 1) * width + row]
                });
                let mut z = [0.0; LANES];
                if self.input_a.is_some() {
                    f = f.map(|f| limit(f, -max, max));
                }
                (self.loops.rho)(&mut z, &f);
                // SAFETY: the columns are this member's own.
                unsafe {
                    self.input.store(row, col, z);
                    if let Some(a) = self.input_a {
                        a.store(row, col, f);
                    }
                }
            }
        }
    }

    /// Writes dL/df of the last batch that went backward into `delta`, (batch, width).
    pub(super) fn feature_gradient(&self, delta: &mut [f32]) {
        let width = self.layers[0].shape.inputs;
        if let Some(input_delta) = self.input_delta {
            // SAFETY: the team has finished.
            let values = unsafe { input_delta.read(0..width) };
            for (sample, delta) in delta.chunks_exact_mut(width).enumerate() {
                for (row, delta) in delta.iter_mut().enumerate() {
                    *delta = values[row * self.stride + sample];
                }
            }
        }
    }

    /// The dual variable that layer l takes over from below, if it does.
    fn dual_below(&self, l: usize) -> Option<Matrix<'a>> {
        let below = || match l.checked_sub(1) {
            Some(below) => self.layers[below].a,
            None => self.input_a,
        };
        self.model.carries_dual(l).then(below).flatten()
    }

    /// u, a and z of this member's neurons: eq. 20, or its dual.
    fn layer_forward(&self, member: Member<'_>, l: usize, extent: Extent) {
        let layer = &self.layers[l];
        let own = layer.own(member);
        if own.is_empty() {
            return;
        }
        let rows = extent.rows;
        let (clamp, loops) = (self.model.clamp, self.loops);
        let z = layer.z.part(0..layer.shape.inputs, rows.columns);
        let times = |matrix: Matrix<'_>, out: Matrix<'_>| {
            let matrix = matrix.part(own.clone(), layer.shape.inputs);
            // SAFETY: the rows of `out` are this member's own; z is complete, and no member writes
            // it or a matrix before the next barrier.
            unsafe { multiply(out.part(own.clone(), rows.columns), matrix, z) }
        };
        times(layer.weight, layer.out);
        if let (Some(mix), Some(u)) = (layer.mix, layer.u) {
            times(mix, u);
        }
        // SAFETY: the rows are this member's own, or of the layer below, which is complete.
        let (out, bias, u) = unsafe {
            (
                layer.out.write(own.clone()),
                layer.bias.read(own.clone()),
                || layer.u.unwrap_or(layer.z).read(own.clone()),
            )
        };
        match (self.model.kind, self.model.form) {
            (LayerKind::Standard, _) => (loops.standard)(out, bias, rows),
            (LayerKind::Euclidean, _) => (loops.euclidean)(out, bias, u(), rows),
            (LayerKind::Bregman, Form::Primal) => (loops.bregman)(out, bias, u(), clamp, rows),
            (LayerKind::Bregman, Form::Dual) => {
                let below = self.dual_below(l);
                match (below, layer.a) {
                    (None, None) => (loops.bregman)(out, bias, u(), clamp, rows),
                    (None, Some(a)) => {
                        // SAFETY: the rows are this member's own.
                        let dual = unsafe { a.write(own.clone()) };
                        (loops.bregman_lift)(out, dual, bias, u(), clamp, rows);
                    }
                    (Some(below), None) => {
                        // SAFETY: the layer below is complete.
                        let a = unsafe { below.read(own) };
                        (loops.euclidean)(out, bias, a, rows);
                    }
                    (Some(below), Some(a)) => {
                        if is_gated(self.model) {
                            // SAFETY: two matrices; the rows are this member's own.
                            unsafe {
                                a.write(own.clone())
                                    .copy_from_slice(below.read(own.clone()))
                            };
                        }
                        // SAFETY: the rows are this member's own.
                        let dual = unsafe { a.write(own.clone()) };
                        (loops.bregman_dual)(out, dual, bias, rows);
                    }
                }
            }
        }
    }

    /// Logits, outcomes and dL/dlogits of this member's samples.
    fn head_forward(&self, member: Member<'_>, data: &Dataset, indices: &[u32], extent: Extent) {
        let head = &self.head;
        let outputs = head.shape.outputs;
        let columns = member.share(extent.rows.columns, LANES, LANES);
        if columns.is_empty() {
            return;
        }
        let terms = self.terms(extent.batch);
        // SAFETY: the columns of logits, delta and outcomes are this member's own; z is complete,
        // and the head's parameters change only after the next barrier.
        unsafe {
            let z = head.z.whole().cols(columns.clone());
            multiply(
                head.out.whole().cols(columns.clone()),
                head.weight.whole(),
                z,
            );
            let bias = head.bias.read(0..outputs);
            for col in columns.step_by(LANES) {
                for (j, bias) in bias.iter().enumerate() {
                    let logits = head.out.load(j, col);
                    head.out.store(j, col, logits.map(|y| y + bias));
                }
                let label = |i: usize| {
                    let sample = indices.get(col + i);
                    sample.map_or(0, |&sample| data.labels[sample as usize])
                };
                let labels = std::array::from_fn(label);
                let matrices = [head.out, head.delta];
                let BlockLoss { losses, hits } =
                    block_loss(self.model.loss, outputs, terms, matrices, col, labels);
                self.outcomes.store(0, col, losses);
                self.outcomes.store(1, col, hits);
            }
        }
    }

    /// One step of SGD from the head down. Every input gradient is computed before the weights that it
    /// needs change.
    pub(super) fn backward(&self, member: Member<'_>, batch: usize) {
        let extent = self.extent(batch);
        self.head_backward(member, extent);
        // Whether all members have finished delta of the current layer.
        let mut complete = false;
        for (l, layer) in self.layers.iter().enumerate().rev() {
            self.mix_backward(member, layer, extent);
            if l > 0 || self.input_delta.is_some() {
                if !complete || layer.q.is_some() {
                    member.wait();
                }
                self.layer_backward(member, l, extent);
                member.wait();
                complete = true;
            }
            self.update(member, layer, extent);
        }
    }

    /// delta of this member's neurons of the last hidden layer, then an update of their weights in
    /// the head.
    fn head_backward(&self, member: Member<'_>, extent: Extent) {
        let head = &self.head;
        if member.leads() {
            // SAFETY: until the next barrier no other member touches the bias.
            unsafe { head.step_bias(0..head.shape.outputs, self.rate, extent) };
        }
        let last = &self.layers[self.layers.len() - 1];
        let own = last.own(member);
        if own.is_empty() {
            return;
        }
        let Layer {
            inputs, outputs, ..
        } = head.shape;
        let rows = extent.rows;
        let below = last.delta;
        let weight = head.weight.part(0..outputs, inputs).cols(own.clone());
        // SAFETY: the head's delta and z are complete; the rows of the layer below, and the columns
        // of the head's weight, are this member's own.
        unsafe {
            let delta = head.delta.part(0..outputs, rows.columns);
            multiply(
                below.part(own.clone(), rows.columns),
                weight.transposed(),
                delta,
            );
            (self.loops.standard_backward)(
                below.write(own.clone()),
                head.z.read(own.clone()),
                rows,
            );
            let delta = head.delta.part(0..outputs, extent.batch);
            let z = head.z.part(own, extent.batch).transposed();
            multiply_add(weight, -self.rate, delta, z);
        }
    }

    /// The gradient in u = Mz of this member's neurons, where it differs from delta.
    fn mix_backward(&self, member: Member<'_>, layer: &LayerView<'_>, extent: Extent) {
        let own = layer.own(member);
        if let (Some(q), Some(u)) = (layer.q, layer.u) {
            // SAFETY: the rows of delta, u and q are this member's own.
            let (q, delta, u) = unsafe {
                (
                    q.write(own.clone()),
                    layer.delta.read(own.clone()),
                    u.read(own),
                )
            };
            (self.loops.mix_backward)(q, delta, u, self.model.clamp, extent.rows);
        }
    }

    /// delta of this member's neurons of the layer below l, or of the features.
    fn layer_backward(&self, member: Member<'_>, l: usize, extent: Extent) {
        let layer = &self.layers[l];
        let (own, below) = match (l.checked_sub(1), self.input_delta) {
            (Some(below), _) => (self.layers[below].own(member), self.layers[below].delta),
            (None, Some(delta)) => {
                let least = least_rows(layer.shape.outputs.min(LANES));
                (member.share(layer.shape.inputs, 1, least), delta)
            }
            (None, None) => return,
        };
        if own.is_empty() {
            return;
        }
        let Layer {
            inputs, outputs, ..
        } = layer.shape;
        let rows = extent.rows;
        let out = below.part(own.clone(), rows.columns);
        let columns_of = |matrix: Matrix<'a>| {
            let whole = matrix.part(0..outputs, inputs);
            whole.cols(own.clone()).transposed()
        };
        let delta_of = |matrix: Matrix<'a>| matrix.part(0..outputs, rows.columns);
        // SAFETY: delta and q of this layer are complete, its parameters change only after the next
        // barrier, and the rows of the layer below are this member's own.
        let (delta, z) = unsafe {
            multiply(out, columns_of(layer.weight), delta_of(layer.delta));
            if let Some(mix) = layer.mix {
                let q = layer.q.unwrap_or(layer.delta);
                multiply_add(out, 1.0, columns_of(mix), delta_of(q));
            }
            (below.write(own.clone()), layer.z.read(own.clone()))
        };
        let loops = self.loops;
        if layer.mix.is_some() || self.model.kind == LayerKind::Standard {
            return (loops.standard_backward)(delta, z, rows);
        }
        // SAFETY: delta of this layer is complete.
        let skip = unsafe { layer.delta.read(own.clone()) };
        if self.model.kind == LayerKind::Euclidean {
            return (loops.euclidean_backward)(delta, z, skip, rows);
        }
        // The gradient passes through the skip where z (primal form) is within the clamp, or a (dual
        // form) is strictly within the bound that it is limited to.
        match self.dual_below(l) {
            None => {
                let window = self.model.clamp;
                (loops.bregman_gated_backward)(delta, z, skip, z, window, rows);
            }
            Some(a) if is_gated(self.model) => {
                let max = self.model.activation.dual_max.next_down();
                // SAFETY: no member writes a in the backward pass.
                let a = unsafe { a.read(own) };
                (loops.bregman_gated_backward)(delta, z, skip, a, [-max, max], rows);
            }
            Some(_) => (loops.bregman_backward)(delta, z, skip, rows),
        }
    }

    /// Updates the parameters of this member's neurons; no gradient is stored.
    fn update(&self, member: Member<'_>, layer: &LayerView<'_>, extent: Extent) {
        let own = layer.own(member);
        if own.is_empty() {
            return;
        }
        let inputs = layer.shape.inputs;
        let z = layer.z.part(0..inputs, extent.batch).transposed();
        let step = |matrix: Matrix<'_>, delta: Matrix<'_>| {
            let delta = delta.part(own.clone(), extent.batch);
            // SAFETY: the rows of the matrix and of delta are this member's own, and z is complete.
            unsafe { multiply_add(matrix.part(own.clone(), inputs), -self.rate, delta, z) }
        };
        step(layer.weight, layer.delta);
        if let Some(mix) = layer.mix {
            step(mix, layer.q.unwrap_or(layer.delta));
            // SAFETY: the rows are this member's own.
            let rows = unsafe { mix.write(own.clone()) };
            rows.chunks_exact_mut(inputs).for_each(project_simplex);
        }
        // SAFETY: the rows are this member's own.
        unsafe { layer.step_bias(own, self.rate, extent) };
    }
}

impl LayerView<'_> {
    /// The neurons of `member`, the same in every phase: it may read without waiting what it wrote for
    /// them.
    fn own(&self, member: Member<'_>) -> Range<usize> {
        member.share(self.shape.outputs, 1, self.least)
    }

    /// b −= rate · Σ δ over the batch, for some neurons.
    ///
    /// # Safety
    /// No other thread writes to their rows of delta, nor touches their biases, at the same time.
    unsafe fn step_bias(&self, own: Range<usize>, rate: f32, extent: Extent) {
        // SAFETY: the caller vouches for it.
        let (bias, delta) = unsafe { (self.bias.write(own.clone()), self.delta.read(own)) };
        for (bias, row) in bias.iter_mut().zip(delta.chunks_exact(extent.rows.stride)) {
            *bias -= rate * sum(&row[..extent.batch]);
        }
    }
}
