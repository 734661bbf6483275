//! A step of training, as each member of a team executes it.
//!
//! Everything except the weights is feature-major, (width, batch). All three products of a layer then
//! read their operands in place, except one that packs activations; and a member that owns some of a
//! layer's neurons owns contiguous rows of its outputs, its weights and its gradients. It continues
//! from product to activation, and from gradient to update, without waiting for other members.
//!
//! Plain SGD updates the weights in the product itself. Other optimizers compute a block of rows of the
//! gradient, then update these rows; with a largest gradient norm all gradients are stored first.

use std::ops::Range;

use super::linalg::{Matrix, least_rows, multiply, multiply_add};
use super::loss::{BlockLoss, BlockTargets, block_loss};
use super::product::Operand;
use super::team::Member;
use super::update::{Squares, Tensors, Updater, blocks, scratch_len, square_sum, two};
use super::workspace::{Workspace, columns, stride};
use crate::data::augment::Augmenting;
use crate::data::{Dataset, Inputs, Targets};
use crate::executor::BatchMetrics;
use crate::kernels::dense::{Loops, Rows};
use crate::kernels::update::Numbers;
use crate::kernels::{Isa, LANES, limit, sum};
use crate::kind::{Form, LayerKind, Loss};
use crate::nn::{Layer, LayerParameters, LayerShape, Model, Parameters, project_simplex};
use crate::optim::StepRates;

/// The parameters and matrices of a layer, as the team shares them.
struct LayerView<'a> {
    shape: LayerShape,
    /// The smallest number of its neurons that a member takes.
    least: usize,
    weight: Matrix<'a>,
    /// One column.
    bias: Matrix<'a>,
    mix: Option<Matrix<'a>>,
    /// z of the layer below, or ρ(a) in place of it after a dual passage.
    z: Matrix<'a>,
    /// z of this layer; the logits of the head.
    out: Matrix<'a>,
    delta: Matrix<'a>,
    /// As in [`Workspace`], where they are not empty.
    a: Option<Matrix<'a>>,
    passed_a: Option<Matrix<'a>>,
    u: Option<Matrix<'a>>,
    q: Option<Matrix<'a>>,
    /// The optimizer's moments, as many as it needs.
    moments: Vec<Tensors<'a>>,
    /// The gradients, where all are stored before any is used.
    gradient: Option<Tensors<'a>>,
    /// The place of the first neuron's sum of squares.
    first_square: usize,
}

/// The state of an optimizer beside the parameters, unless it is plain SGD.
pub(super) struct State<'a> {
    pub updater: Updater,
    /// The moments: those of each hidden layer, and of the head.
    pub moments: Vec<(&'a mut [LayerParameters<f32>], &'a mut LayerParameters<f32>)>,
    /// The largest norm of the gradient, and memory for all gradients.
    pub clipped: Option<(f32, &'a mut Parameters)>,
    /// [`scratch_of`] the network for each member.
    pub scratch: &'a mut Vec<f32>,
}

/// Numbers of scratch memory for gradients that each member needs.
pub(super) fn scratch_of(model: &Model) -> usize {
    let layers = model.layers.iter().enumerate();
    let of_layer = |(l, layer): (usize, &Layer)| {
        let LayerShape {
            inputs, outputs, ..
        } = layer.shape;
        let weight = scratch_len(outputs, inputs, least_neurons(model, l));
        weight.max(outputs)
    };
    let head = model.head.outputs * (model.head.inputs + 1);
    layers.map(of_layer).chain([head]).max().unwrap_or(0)
}

/// The smallest number of neurons of layer `l`, or of the head above all layers, that a member takes:
/// they are rows or columns of products whose other side is their inputs or the neurons of the layer
/// above.
fn least_neurons(model: &Model, l: usize) -> usize {
    let shape = shape_of(model, l);
    least_rows(shape.inputs.min(shape_of(model, l + 1).outputs).min(LANES))
}

/// The shape of layer `l`, or of the head above all layers.
fn shape_of(model: &Model, l: usize) -> LayerShape {
    model.layers.get(l).map_or(model.head, |layer| layer.shape)
}

/// One realization of a network, as the team shares it.
pub(super) struct Network<'a> {
    model: &'a Model,
    /// Those of each hidden layer's activation.
    loops: Vec<&'a Loops>,
    /// None for plain SGD.
    updater: Option<Updater>,
    /// A row for each member.
    scratch: Option<Matrix<'a>>,
    /// The largest norm of the gradient, and the sums of squares that it takes.
    clipped: Option<(f32, Squares)>,
    pixel_values: &'a [f32; 256],
    /// In training with random changes of the images.
    pub(super) augmenting: Option<Augmenting<'a>>,
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
        isa: Isa,
        layers: &'a mut [LayerParameters<f32>],
        head: &'a mut LayerParameters<f32>,
        state: Option<State<'a>>,
        workspace: &'a mut Workspace,
    ) -> Self {
        let Workspace {
            batch,
            pixel_values,
            input_a,
            input_delta,
            z,
            a,
            passed_a,
            passed_z,
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
        let view = |l: usize, p: &'a mut LayerParameters<f32>, z, out, delta| {
            let shape = shape_of(model, l);
            let LayerShape {
                inputs, outputs, ..
            } = shape;
            LayerView {
                shape,
                least: least_neurons(model, l),
                weight: Matrix::new(&mut p.weight, outputs, inputs, inputs),
                bias: Matrix::new(&mut p.bias, outputs, 1, 1),
                mix: (p.mix.as_mut()).map(|mix| Matrix::new(mix, outputs, inputs, inputs)),
                z,
                out,
                delta,
                a: None,
                passed_a: None,
                u: None,
                q: None,
                moments: Vec::new(),
                gradient: None,
                first_square: 0,
            }
        };
        let z: Vec<_> = z.iter_mut().map(numbers).collect();
        let delta: Vec<_> = delta.iter_mut().map(numbers).collect();
        let depth = model.layers.len();
        let (input_a, input_delta) = (some(input_a), some(input_delta));
        let parameters = layers;
        let mut layers: Vec<LayerView<'a>> = Vec::with_capacity(depth);
        let optional = a.iter_mut().zip(u).zip(q).zip(passed_a).zip(passed_z);
        for (l, (p, optional)) in parameters.iter_mut().zip(optional).enumerate() {
            let ((((a, u), q), passed_a), passed_z) = optional;
            let below = some(passed_z).unwrap_or(z[l]);
            let mut layer = view(l, p, below, z[l + 1], delta[l]);
            layer.passed_a = some(passed_a);
            let in_place = model.hands_on_dual(l) && a.is_empty();
            layer.a = match l.checked_sub(1) {
                _ if !in_place => some(a),
                Some(below) => layer.passed_a.or(layers[below].a),
                None => input_a,
            };
            layer.u = some(u);
            layer.q = some(q);
            layers.push(layer);
        }
        let mut head = view(depth, head, z[depth], numbers(logits), delta[depth]);
        let (mut updater, mut scratch, mut clipped) = (None, None, None);
        if let Some(state) = state {
            let tensors = |p: &'a mut LayerParameters<f32>, shape: LayerShape| {
                Tensors::new(p, shape.inputs, shape.outputs)
            };
            for (moment, of_head) in state.moments {
                for (layer, p) in layers.iter_mut().zip(moment) {
                    layer.moments.push(tensors(p, layer.shape));
                }
                head.moments.push(tensors(of_head, head.shape));
            }
            if let Some((norm, gradient)) = state.clipped {
                let of_layers = gradient.layers.iter_mut().chain([&mut gradient.head]);
                let mut neurons = 0;
                for (layer, p) in layers.iter_mut().chain([&mut head]).zip(of_layers) {
                    layer.gradient = Some(tensors(p, layer.shape));
                    layer.first_square = neurons;
                    neurons += layer.shape.outputs;
                }
                clipped = Some((norm, Squares::new(neurons)));
            }
            let len = scratch_of(model);
            let members = state.scratch.len() / len;
            scratch = Some(Matrix::new(state.scratch, members, len, len));
            updater = Some(state.updater);
        }
        Self {
            model,
            loops: (model.layers.iter())
                .map(|layer| layer.activation.loops.dense(isa))
                .collect(),
            updater,
            scratch,
            clipped,
            pixel_values,
            augmenting: None,
            input: z[0],
            input_a,
            input_delta,
            layers,
            head,
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
            self.pass_dual(member, l + 1);
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

    /// Appends the outputs of hidden layer `layer`, or of the head, (samples, width), of the batch of
    /// `samples` that went forward last.
    pub(super) fn append_outputs(
        &self,
        layer: Option<usize>,
        samples: usize,
        outputs: &mut Vec<f32>,
    ) {
        let layer = layer.map_or(&self.head, |l| &self.layers[l]);
        // SAFETY: no member writes outputs before the first member waits again.
        let rows: Vec<&[f32]> = (0..layer.shape.outputs)
            .map(|j| unsafe { layer.out.read(j..j + 1) })
            .collect();
        outputs.extend((0..samples).flat_map(|sample| rows.iter().map(move |row| row[sample])));
    }

    /// The divisor of the mean of the loss.
    fn terms(&self, samples: usize) -> f32 {
        match self.model.loss {
            Loss::CrossEntropy => samples as f32,
            Loss::MeanSquaredError | Loss::Huber => (samples * self.model.head.outputs) as f32,
        }
    }

    /// Fills this member's columns of z₀.
    fn gather(&self, member: Member<'_>, data: &Dataset, indices: &[u32], extent: Extent) {
        let width = data.features();
        let columns = member.share(extent.rows.columns, LANES, LANES);
        let mut augmented = vec![0; self.augmenting.map_or(0, |_| LANES * width)];
        for col in columns.step_by(LANES) {
            // An incomplete block repeats its last sample.
            let samples: [u32; LANES] =
                std::array::from_fn(|i| indices[(col + i).min(indices.len() - 1)]);
            let own = samples.map(|sample| {
                let first = sample as usize * width;
                first..first + width
            });
            // SAFETY: the columns are this member's own.
            let store = |row, values| unsafe { self.input.store(row, col, values) };
            match &data.inputs {
                Inputs::Bytes(all) => {
                    let mut pixels = own.map(|own| &all[own]);
                    if let Some(augmenting) = self.augmenting {
                        let images = augmented.chunks_exact_mut(width);
                        for ((image, sample), pixels) in images.zip(samples).zip(&mut pixels) {
                            augmenting.apply(sample, pixels, image);
                            *pixels = image;
                        }
                    }
                    for row in 0..width {
                        let value = |pixels: &[u8]| self.pixel_values[usize::from(pixels[row])];
                        store(row, pixels.map(value));
                    }
                }
                Inputs::Numbers(all) => {
                    let numbers = own.map(|own| &all[own]);
                    for row in 0..width {
                        store(row, numbers.map(|numbers| numbers[row]));
                    }
                }
            }
        }
    }

    /// Fills this member's columns of z₀ = ρ(f), and of a₀ = f in dual form.
    fn enter(&self, member: Member<'_>, features: &[f32], extent: Extent) {
        let width = self.layers[0].shape.inputs;
        let max = self.model.layers[0].activation.dual_max;
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
                (self.loops[0].rho)(&mut z, &f);
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
            Some(below) => self.layers[l].passed_a.or(self.layers[below].a),
            None => self.input_a,
        };
        self.model.carries_dual(l).then(below).flatten()
    }

    /// The input of layer l through a dual passage, if it has one: a from this member's neurons of the layer
    /// below, and ρ(a).
    fn pass_dual(&self, member: Member<'_>, l: usize) {
        let Some(passed_a) = self.layers.get(l).and_then(|layer| layer.passed_a) else {
            return;
        };
        let (layer, below) = (&self.layers[l], &self.layers[l - 1]);
        let own = below.own(member);
        // SAFETY: the rows are this member's own. Other members read them in the step before, in
        // `layer_forward`, `layer_backward` and the update of layer l, and two barriers lie between.
        let (a, z) = unsafe { (passed_a.write(own.clone()), layer.z.write(own.clone())) };
        match below.a {
            // SAFETY: the rows are this member's own.
            Some(dual) => a.copy_from_slice(unsafe { dual.read(own) }),
            None => {
                let [low, high] = self.model.layers[l - 1].clamp;
                // SAFETY: the rows are this member's own.
                let output = unsafe { below.out.read(own) };
                for (z, &output) in z.iter_mut().zip(output) {
                    *z = limit(output, low, high);
                }
                (self.loops[l - 1].rho_inv)(a, z);
            }
        }
        let settings = &self.model.layers[l];
        if settings.limits_dual() {
            let max = settings.activation.dual_max;
            a.iter_mut().for_each(|a| *a = limit(*a, -max, max));
        }
        (self.loops[l].rho)(z, a);
    }

    /// Removes from delta of this member's neurons of the layer below l the parts that the dual passage of layer
    /// l blocks: where the layer below limited a, or z was clamped.
    fn pass_delta(&self, member: Member<'_>, l: usize) {
        if !self.model.passes_dual(l) {
            return;
        }
        let (below, settings) = (&self.layers[l - 1], &self.model.layers[l - 1]);
        let own = below.own(member);
        let (gate, [low, high]) = match below.a {
            Some(_) if !settings.limits_dual() => return,
            Some(a) => {
                let max = settings.activation.dual_max.next_down();
                (a, [-max, max])
            }
            None => (below.out, settings.clamp),
        };
        // SAFETY: the rows are this member's own, and no member writes z or a in the backward pass.
        let (delta, gate) = unsafe { (below.delta.write(own.clone()), gate.read(own)) };
        for (delta, gate) in delta.iter_mut().zip(gate) {
            if !(low..=high).contains(gate) {
                *delta = 0.0;
            }
        }
    }

    /// u, a and z of this member's neurons: eq. 20, or its dual.
    fn layer_forward(&self, member: Member<'_>, l: usize, extent: Extent) {
        let layer = &self.layers[l];
        let own = layer.own(member);
        if own.is_empty() {
            return;
        }
        let rows = extent.rows;
        let settings = &self.model.layers[l];
        let (clamp, loops) = (settings.clamp, self.loops[l]);
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
        match (settings.kind, settings.form) {
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
                        if settings.limits_dual() {
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
                // An incomplete block repeats its last sample.
                let sample = |i: usize| indices[(col + i).min(indices.len() - 1)] as usize;
                let targets = match &data.targets {
                    Targets::Classes(all) => {
                        BlockTargets::Classes(std::array::from_fn(|i| all[sample(i)]))
                    }
                    Targets::Values(all) => BlockTargets::Values(std::array::from_fn(|i| {
                        &all[sample(i) * outputs..][..outputs]
                    })),
                };
                let matrices = [head.out, head.delta];
                let BlockLoss { losses, hits } =
                    block_loss(self.model.loss, outputs, terms, matrices, col, &targets);
                self.outcomes.store(0, col, losses);
                self.outcomes.store(1, col, hits);
            }
        }
    }

    /// One step of the optimizer from the head down. Every input gradient is computed before the weights
    /// that it needs change. With a largest gradient norm [`Self::apply_clipped`] must follow.
    pub(super) fn backward(&self, member: Member<'_>, batch: usize, rates: StepRates) {
        let extent = self.extent(batch);
        self.head_backward(member, extent, rates);
        // Whether all members have finished delta of the current layer.
        let mut complete = false;
        for (l, layer) in self.layers.iter().enumerate().rev() {
            self.mix_backward(member, l, extent);
            if l > 0 || self.input_delta.is_some() {
                if !complete || layer.q.is_some() {
                    member.wait();
                }
                self.layer_backward(member, l, extent);
                self.pass_delta(member, l);
                member.wait();
                complete = true;
            }
            self.update(member, layer, extent, rates);
        }
    }

    /// delta of this member's neurons of the last hidden layer, then an update of their weights in
    /// the head.
    fn head_backward(&self, member: Member<'_>, extent: Extent, rates: StepRates) {
        let head = &self.head;
        if member.leads() {
            // SAFETY: until the next barrier no other member touches the bias.
            unsafe { self.step_bias(member, head, 0..head.shape.outputs, extent, rates) };
        }
        let depth = self.layers.len();
        let last = &self.layers[depth - 1];
        let own = last.own(member);
        if own.is_empty() {
            return;
        }
        let LayerShape {
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
            (self.loops[depth - 1].standard_backward)(
                below.write(own.clone()),
                head.z.read(own.clone()),
                rows,
            );
            let delta = head.delta.part(0..outputs, extent.batch);
            let z = head.z.part(own.clone(), extent.batch).transposed();
            let Some(updater) = &self.updater else {
                return multiply_add(weight, -rates.learning_rate, delta, z);
            };
            if let Some(gradient) = &head.gradient {
                let gradient = gradient.weight.part(0..outputs, inputs).cols(own);
                return multiply(gradient, delta, z);
            }
            let numbers = updater.numbers(rates, 1.0);
            let scratch = self.scratch(member);
            let width = own.len();
            let gradient = Operand::new(scratch.as_mut_ptr(), outputs, width, width);
            multiply(gradient, delta, z);
            for (row, gradient) in scratch.chunks_exact(width).take(outputs).enumerate() {
                let part = |matrix: Matrix<'a>| matrix.write_columns(row, own.clone());
                let moments = two(head.moments.iter().map(|moment| part(moment.weight)));
                updater.apply(part(head.weight), moments, gradient, numbers);
            }
        }
    }

    /// This member's scratch memory.
    #[allow(clippy::mut_from_ref, reason = "each member has a row of its own")]
    fn scratch(&self, member: Member<'_>) -> &'a mut [f32] {
        let scratch = self.scratch.expect("an optimizer that is not plain SGD");
        // SAFETY: the row is this member's own, and no function that holds it calls another that does.
        unsafe { scratch.write(member.index()..member.index() + 1) }
    }

    /// The gradient in u = Mz of this member's neurons, where it differs from delta.
    fn mix_backward(&self, member: Member<'_>, l: usize, extent: Extent) {
        let layer = &self.layers[l];
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
            let clamp = self.model.layers[l].clamp;
            (self.loops[l].mix_backward)(q, delta, u, clamp, extent.rows);
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
        let LayerShape {
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
        let settings = &self.model.layers[l];
        let loops = self.loops[l];
        // z is the output of the activation below, where that is not this layer's own.
        let foreign = self.model.foreign_input(l).then(|| self.loops[l - 1]);
        let below = foreign.unwrap_or(loops);
        if layer.mix.is_some() || settings.kind == LayerKind::Standard {
            return (below.standard_backward)(delta, z, rows);
        }
        // SAFETY: delta of this layer is complete.
        let skip = unsafe { layer.delta.read(own.clone()) };
        if settings.kind == LayerKind::Euclidean {
            return (below.euclidean_backward)(delta, z, skip, rows);
        }
        if foreign.is_some() {
            (loops.bregman_nested_backward)(delta, z, skip, settings.clamp, rows);
            return (below.standard_backward)(delta, z, rows);
        }
        // The gradient passes through the skip where z (primal form) is within the clamp, or a (dual
        // form) is strictly within the bound that it is limited to.
        match self.dual_below(l) {
            None => {
                let window = settings.clamp;
                (loops.bregman_gated_backward)(delta, z, skip, z, window, rows);
            }
            Some(a) if settings.limits_dual() => {
                let max = settings.activation.dual_max.next_down();
                // SAFETY: no member writes a in the backward pass.
                let a = unsafe { a.read(own) };
                (loops.bregman_gated_backward)(delta, z, skip, a, [-max, max], rows);
            }
            Some(_) => (loops.bregman_backward)(delta, z, skip, rows),
        }
    }

    /// Updates the parameters of this member's neurons, or stores their gradients.
    fn update(&self, member: Member<'_>, layer: &LayerView<'a>, extent: Extent, rates: StepRates) {
        let own = layer.own(member);
        if own.is_empty() {
            return;
        }
        let inputs = layer.shape.inputs;
        let z = layer.z.part(0..inputs, extent.batch).transposed();
        let q = layer.q.unwrap_or(layer.delta);
        let part = |matrix: Matrix<'a>| matrix.part(own.clone(), inputs);
        let delta_of = |delta: Matrix<'a>| delta.part(own.clone(), extent.batch);
        // SAFETY, here and below: the rows of the matrices and of delta are this member's own, and z is
        // complete.
        unsafe {
            match (&self.updater, &layer.gradient) {
                (None, _) => {
                    let scale = -rates.learning_rate;
                    multiply_add(part(layer.weight), scale, delta_of(layer.delta), z);
                    if let Some(mix) = layer.mix {
                        multiply_add(part(mix), scale, delta_of(q), z);
                    }
                }
                (Some(_), Some(gradient)) => {
                    multiply(part(gradient.weight), delta_of(layer.delta), z);
                    if let Some(mix) = gradient.mix {
                        multiply(part(mix), delta_of(q), z);
                    }
                }
                (Some(updater), None) => {
                    let numbers = updater.numbers(rates, 1.0);
                    let scratch = self.scratch(member);
                    for block in blocks(own.clone(), layer.least) {
                        let len = block.len() * inputs;
                        let gradient = &mut scratch[..len];
                        let mut step = |tensor: fn(&Tensors<'a>) -> Option<Matrix<'a>>,
                                        matrix: Matrix<'a>,
                                        delta: Matrix<'a>| {
                            let start = gradient.as_mut_ptr();
                            let out = Operand::new(start, block.len(), inputs, inputs);
                            multiply(out, delta.part(block.clone(), extent.batch), z);
                            let moments = layer.moments.iter().filter_map(tensor);
                            let moments = two(moments.map(|m| m.write(block.clone())));
                            let rows = matrix.write(block.clone());
                            updater.apply(rows, moments, gradient, numbers);
                        };
                        step(|t| Some(t.weight), layer.weight, layer.delta);
                        if let Some(mix) = layer.mix {
                            step(|t| t.mix, mix, q);
                        }
                    }
                }
            }
            self.step_bias(member, layer, own.clone(), extent, rates);
            if layer.gradient.is_some() {
                self.note_squares(layer, own);
            } else if let Some(mix) = layer.mix {
                let rows = mix.write(own);
                rows.chunks_exact_mut(inputs).for_each(project_simplex);
            }
        }
    }

    /// Updates the biases of some neurons by the sums of their δ over the batch, or stores these.
    ///
    /// # Safety
    /// No other thread writes to their rows of delta, nor touches their biases, at the same time.
    unsafe fn step_bias(
        &self,
        member: Member<'_>,
        layer: &LayerView<'a>,
        own: Range<usize>,
        extent: Extent,
        rates: StepRates,
    ) {
        // SAFETY: the caller vouches for it.
        let (bias, delta) =
            unsafe { (layer.bias.write(own.clone()), layer.delta.read(own.clone())) };
        let rows = delta.chunks_exact(extent.rows.stride);
        let sums = rows.map(|row| sum(&row[..extent.batch]));
        let Some(updater) = &self.updater else {
            for (bias, sum) in bias.iter_mut().zip(sums) {
                *bias -= rates.learning_rate * sum;
            }
            return;
        };
        // SAFETY: the caller vouches for it.
        let write = |matrix: Matrix<'a>| unsafe { matrix.write(own.clone()) };
        let gradient = match &layer.gradient {
            Some(gradient) => write(gradient.bias),
            None => &mut self.scratch(member)[..own.len()],
        };
        gradient.iter_mut().zip(sums).for_each(|(g, sum)| *g = sum);
        if layer.gradient.is_none() {
            let moments = two(layer.moments.iter().map(|moment| write(moment.bias)));
            updater.apply(bias, moments, gradient, updater.numbers(rates, 1.0));
        }
    }

    /// Notes the sums of the squares of some neurons' gradients.
    ///
    /// # Safety
    /// No thread writes to them.
    unsafe fn note_squares(&self, layer: &LayerView<'a>, neurons: Range<usize>) {
        let (Some(gradient), Some((_, squares))) = (&layer.gradient, &self.clipped) else {
            return;
        };
        for neuron in neurons {
            let tensors = [Some(gradient.weight), Some(gradient.bias), gradient.mix];
            let sums = tensors.into_iter().flatten().map(|matrix| {
                // SAFETY: the caller vouches for it.
                square_sum(unsafe { matrix.read(neuron..neuron + 1) })
            });
            squares.set(layer.first_square + neuron, sums.sum());
        }
    }

    /// Updates this member's parameters from the stored gradients, which are first scaled so that their
    /// norm is at most the largest one; `others` is the sum of the squares of the convolutions'
    /// gradients. Returns the scale. Without a largest norm it does nothing.
    pub(super) fn apply_clipped(&self, member: Member<'_>, rates: StepRates, others: f64) -> f32 {
        let (Some(updater), Some((norm, squares))) = (&self.updater, &self.clipped) else {
            return 1.0;
        };
        let own_of = |layer: &LayerView<'a>| match std::ptr::eq(layer, &self.head) {
            true => member.share(layer.shape.outputs, 1, 1),
            false => layer.own(member),
        };
        // The head's gradient is complete.
        member.wait();
        // SAFETY: no member writes gradients before the next batch has gone forward.
        unsafe { self.note_squares(&self.head, own_of(&self.head)) };
        member.wait();
        let scale = squares.scale(others, *norm);
        let numbers = updater.numbers(rates, scale);
        for layer in self.layers.iter().chain([&self.head]) {
            let own = own_of(layer);
            if let Some(gradient) = &layer.gradient {
                // SAFETY: the rows are this member's own, and the gradients are complete.
                unsafe { layer.apply(updater, gradient, own, numbers) };
            }
        }
        scale
    }
}

impl<'a> LayerView<'a> {
    /// The neurons of `member`, the same in every phase: it may read without waiting what it wrote for
    /// them.
    fn own(&self, member: Member<'_>) -> Range<usize> {
        member.share(self.shape.outputs, 1, self.least)
    }

    /// Updates the parameters of some neurons from stored gradients.
    ///
    /// # Safety
    /// No other thread reads or writes the neurons' parameters and moments, or writes their gradients.
    unsafe fn apply(
        &self,
        updater: &Updater,
        gradient: &Tensors<'a>,
        own: Range<usize>,
        numbers: Numbers,
    ) {
        let apply = |tensor: fn(&Tensors<'a>) -> Option<Matrix<'a>>, matrix: Matrix<'a>| {
            let Some(gradient) = tensor(gradient) else {
                return;
            };
            let moments = self.moments.iter().filter_map(tensor);
            // SAFETY: the caller vouches for it.
            unsafe {
                let moments = two(moments.map(|moment| moment.write(own.clone())));
                let rows = matrix.write(own.clone());
                updater.apply(rows, moments, gradient.read(own.clone()), numbers);
            }
        };
        apply(|t| Some(t.weight), self.weight);
        apply(|t| Some(t.bias), self.bias);
        if let Some(mix) = self.mix {
            apply(|t| t.mix, mix);
            // SAFETY: the caller vouches for it.
            let rows = unsafe { mix.write(own.clone()) };
            rows.chunks_exact_mut(self.shape.inputs)
                .for_each(project_simplex);
        }
    }
}
