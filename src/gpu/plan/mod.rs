//! The plan: the buffers and dispatches of a network's training and evaluation, independent of a device.
//! [`Plan::new`] is the place to start reading.

mod convolutions;
mod data;
mod layers;
mod small;
mod unfused;
mod updates;

use convolutions::Convolutions;
pub use small::SmallSteps;

use super::buffers::BufferSpecs;
use super::op::{BufferId, BufferSpec, Op, Step};
use super::ops;
use super::ops::elementwise::gradient_squares::parts as squares_of;
use super::ops::layer::gather::Source;
use super::ops::layer::layer_backward::Skip;
use super::ops::layer::layer_forward::Input;
use super::ops::update::{Update, Updating};
use super::storage::to_half;
use crate::data::{Inputs, Split, Splits};
use crate::error::{Error, Result};
use crate::kind::Storage;
use crate::nn::{LayerShape, Model};
use crate::optim::Recipe;

/// The options of a plan.
#[derive(Clone, Debug, PartialEq)]
pub struct PlanOptions {
    /// R.
    pub realizations: usize,
    /// The batch size, the optimizer and its settings.
    pub recipe: Recipe,
    /// Whether layers run in fused kernels, or each operation in a dispatch of its own.
    pub fused: bool,
    /// The storage of weights and activations.
    pub storage: Storage,
    /// Whether a network that one workgroup's memory holds trains there, many steps to a dispatch:
    /// [`SmallSteps`] says which networks do. Fused kernels only.
    pub small: bool,
}

/// The part of a plan for one data set.
#[derive(Clone, Debug)]
pub(super) struct SplitPlan {
    pub split: Split,
    pub samples: usize,
    pub source: Source,
    pub targets: BufferId,
    pub order: BufferId,
    pub steps: BufferId,
    pub metrics: BufferId,
    /// Forward and loss.
    pub evaluate: Vec<Op>,
    /// Forward, and the logits in [`Plan::logits`].
    pub outputs: Vec<Op>,
}

/// A network's buffers and dispatches.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Its options.
    pub options: PlanOptions,
    /// The buffers, by [`BufferId`].
    pub buffers: Vec<BufferSpec>,
    /// A training step. In the next step the buffers of each pair are swapped.
    pub train_step: Vec<Op>,
    /// The same steps in one workgroup for each realization, if the network is small.
    pub small: Option<SmallSteps>,
    /// Each weight, and the buffer to which a step writes its new value while others still read the old
    /// one.
    pub pairs: Vec<[BufferId; 2]>,
    /// The dispatches after each epoch.
    pub epoch_end: Vec<Op>,
    /// The parameters, (R, …), in canonical order, before the first step.
    pub tensors: Vec<BufferId>,
    /// The optimizer's state for each of them; empty if it has none.
    pub(super) states: Vec<TensorState>,
    /// Whether a parameter is infinite or NaN, (R).
    pub flags: BufferId,
    /// (R, batch, outputs); a step of training does not always fill it.
    pub(super) logits: BufferId,
    pub(super) splits: Vec<SplitPlan>,
}

impl Plan {
    /// Lays out training and evaluation of `model` on `splits`.
    ///
    /// # Errors
    /// [`Error::Shape`] if the data does not fit the model, [`Error::Label`] for a label that is not
    /// below the number of classes, [`Error::InvalidValue`] for half precision without fused kernels
    /// or behind convolutions.
    pub fn new(model: &Model, splits: &Splits, options: PlanOptions) -> Result<Self> {
        let present = [Split::Train, Split::Validation, Split::Test]
            .into_iter()
            .filter(|&split| split != Split::Validation || splits.validation.is_some());
        model.check_splits(splits)?;
        options
            .recipe
            .check_run(options.realizations, &splits.train)?;
        let storage = options.storage;
        if storage == Storage::F16 {
            check_half(splits)?;
        }
        let mut builder = Builder::new(model, options)?;
        let mut split_plans = Vec::new();
        let mut train_step = Vec::new();
        let mut small = None;
        for split in present {
            let (plan, ends) = builder.split(split, splits)?;
            if split == Split::Train {
                train_step = builder.train_forward(&plan.evaluate, ends);
                small = builder.small_steps(&splits.train, &plan);
            }
            split_plans.push(plan);
        }
        train_step.extend(builder.backward());
        let flags = builder.zeros("flags", builder.options.realizations);
        let mut epoch_end = builder.check_finite(flags);
        let mut buffers = std::mem::take(&mut builder.specs.0);
        if storage == Storage::F16 {
            let mut all: Vec<&mut Op> = train_step.iter_mut().chain(&mut epoch_end).collect();
            for split in &mut split_plans {
                all.extend(split.evaluate.iter_mut().chain(&mut split.outputs));
            }
            to_half(&mut all, &mut buffers)?;
        }
        Ok(Self {
            tensors: builder.tensors().collect(),
            states: builder.states(),
            pairs: builder
                .layers
                .iter()
                .filter_map(|l| l.next_weight.map(|next| [l.weight, next]))
                .collect(),
            options: builder.options,
            buffers,
            train_step,
            small,
            epoch_end,
            flags,
            logits: builder.logits,
            splits: split_plans,
        })
    }

    /// Checks each buffer against the limits of a device, before anything is allocated.
    ///
    /// # Errors
    /// [`Error::TooLarge`] with the first buffer that does not fit, in MiB.
    pub fn check_limits(&self, limits: &wgpu::Limits) -> Result<()> {
        let limit = limits
            .max_buffer_size
            .min(limits.max_storage_buffer_binding_size);
        let mib = |bytes: u64| bytes.div_ceil(1 << 20);
        match self.buffers.iter().find(|b| b.bytes > limit) {
            None => Ok(()),
            Some(buffer) => Err(Error::TooLarge {
                name: buffer.name.clone(),
                mib: mib(buffer.bytes),
                limit_mib: limit >> 20,
                total_mib: mib(self.buffers.iter().map(|b| b.bytes).sum()),
            }),
        }
    }
}

/// Fails for inputs that half precision cannot hold.
fn check_half(splits: &Splits) -> Result<()> {
    let all = [
        Some(&splits.train),
        splits.validation.as_ref(),
        Some(&splits.test),
    ];
    for data in all.into_iter().flatten() {
        let Inputs::Numbers(numbers) = &data.inputs else {
            continue;
        };
        let largest = f32::from(half::f16::MAX);
        if let Some(number) = numbers.iter().find(|number| number.abs() > largest) {
            return Err(Error::InvalidValue {
                field: "storage",
                value: Storage::F16.name().to_owned(),
                reason: format!("{} has the input {number}, beyond {largest}", data.name),
            });
        }
    }
    Ok(())
}

/// One layer of a network by itself, for measurements.
#[derive(Clone, Debug)]
pub struct LayerPlan {
    /// The network's buffers.
    pub buffers: Vec<BufferSpec>,
    /// The uniform of one step.
    pub steps: BufferId,
    /// From its input to its output.
    pub forward: Vec<Op>,
    /// From its output's gradient to its input's, and its update.
    pub backward: Vec<Op>,
}

impl LayerPlan {
    /// Layer `l` of `model`, whose input is a buffer.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] as for a [`Plan`].
    pub fn new(model: &Model, l: usize, options: PlanOptions) -> Result<Self> {
        let storage = options.storage;
        let mut builder = Builder::new(model, options)?;
        let batch = builder.options.recipe.batch_size;
        let steps = builder.specs.steps("steps", Step::all(batch, batch));
        let (mut forward, mut backward) = (Vec::new(), Vec::new());
        builder.layer_forward(l, Input::Buffer(builder.z[l]), &mut forward);
        let shape = &model.layers[l].shape;
        builder.layer_backward(l, shape, builder.skip(l), &mut backward);
        let mut buffers = builder.specs.0;
        if storage == Storage::F16 {
            let mut ops: Vec<&mut Op> = forward.iter_mut().chain(&mut backward).collect();
            to_half(&mut ops, &mut buffers)?;
        }
        Ok(Self {
            buffers,
            steps,
            forward,
            backward,
        })
    }
}

/// Buffers of a layer, the head included.
struct LayerBuffers {
    weight: BufferId,
    /// The weight after an odd number of steps; the unfused path updates it in place.
    next_weight: Option<BufferId>,
    bias: BufferId,
    /// The stored gradients of weight and bias, (R, parts, …), unless the kernel that computes them updates them.
    gradients: Option<[BufferId; 2]>,
    /// The number of parts of the batch whose gradients are stored.
    gradient_parts: usize,
    state: LayerState,
    mix: Option<MixBuffers>,
}

struct MixBuffers {
    matrix: BufferId,
    /// u = Mz, (R, batch, out).
    u: BufferId,
    /// The stored gradient of M, where all are stored.
    gradient: Option<BufferId>,
    state: Option<BufferId>,
}

/// The optimizer's state for the weight and the bias of a layer or a convolution.
#[derive(Clone, Copy)]
enum LayerState {
    /// There is none.
    None,
    /// Line by line, (R, out, in + 1), the bias last in each.
    Joined(BufferId),
    /// In buffers of their own.
    Apart([BufferId; 2]),
}

impl LayerState {
    /// That of weight and bias, in an update of both.
    fn joined(self) -> Option<BufferId> {
        match self {
            Self::Joined(state) => Some(state),
            _ => None,
        }
    }

    /// That of the weight and that of the bias, in updates of their own.
    fn apart(self) -> [Option<BufferId>; 2] {
        match self {
            Self::Apart(states) => states.map(Some),
            _ => [None; 2],
        }
    }

    /// Where the states of a weight with lines of `cols` numbers and of its bias are.
    fn tensors(self, cols: usize) -> Option<[TensorState; 2]> {
        let tensor = |buffer, cols, stride, offset| TensorState {
            buffer,
            cols,
            stride,
            offset,
        };
        match self {
            Self::None => None,
            Self::Joined(state) => Some([
                tensor(state, cols, cols + 1, 0),
                tensor(state, 1, cols + 1, cols),
            ]),
            Self::Apart([weight, bias]) => {
                Some([tensor(weight, cols, cols, 0), tensor(bias, 1, 1, 0)])
            }
        }
    }
}

/// Where a buffer has the state of a tensor: number `col` of line `line` is at
/// line · stride + offset + col.
#[derive(Clone, Copy, Debug)]
pub(super) struct TensorState {
    pub buffer: BufferId,
    /// Numbers of the tensor in a line.
    pub cols: usize,
    pub stride: usize,
    pub offset: usize,
}

impl TensorState {
    /// Calls `f` with each number of a tensor of `len` numbers of realization `r`, and its place in the
    /// buffer.
    pub(super) fn each(self, r: usize, len: usize, mut f: impl FnMut(usize, usize)) {
        let lines = len / self.cols;
        for line in 0..lines {
            let start = (r * lines + line) * self.stride + self.offset;
            for col in 0..self.cols {
                f(line * self.cols + col, start + col);
            }
        }
    }
}

impl LayerBuffers {
    fn tensors(&self) -> impl Iterator<Item = BufferId> + use<> {
        [self.weight, self.bias]
            .into_iter()
            .chain(self.mix.as_ref().map(|m| m.matrix))
    }
}

/// Buffers of a dual passage, (R, batch, in) of the layer that it leads to.
#[derive(Clone, Copy)]
struct Passage {
    /// The dual variable from below, within the bounds of the layer's own activation.
    a: BufferId,
    /// ρ(a), which stands for z.
    z: BufferId,
    /// dL/da, where not all of it is δ of the layer below.
    delta: Option<BufferId>,
}

/// Buffers that only the unfused path needs.
struct Scratch {
    skip: BufferId,
    /// The gradient in u = Mz, (R, batch, out).
    q: BufferId,
    pre_activation: BufferId,
    weight_gradient: BufferId,
    bias_gradient: BufferId,
}

struct Builder<'a> {
    model: &'a Model,
    options: PlanOptions,
    update: Update,
    specs: BufferSpecs,
    /// The settings of each realization.
    runs: BufferId,
    /// The factors of stored gradients, (R).
    scales: BufferId,
    /// Parts of the sums of squares of all gradients, (R, parts), if their norm is limited.
    squares: BufferId,
    /// The seed of each realization, (R), two words each.
    seeds: BufferId,
    /// The buffers of the convolutions before the layers, if there are any.
    convolutions: Option<Convolutions>,
    layers: Vec<LayerBuffers>,
    /// z₀ … z_L, (R, batch, width).
    z: Vec<BufferId>,
    /// a₁ … a_L at 1 … L of layers in dual form, (R, batch, width).
    a: Vec<Option<BufferId>>,
    /// The dual passage of each layer that has one.
    passages: Vec<Option<Passage>>,
    /// dL/da of each layer's output, the head's last.
    delta: Vec<BufferId>,
    logits: BufferId,
    pixel_values: BufferId,
    /// Bound where δ of the input would go; it is never computed.
    unused: BufferId,
    scratch: Option<Scratch>,
}

impl<'a> Builder<'a> {
    fn new(model: &'a Model, options: PlanOptions) -> Result<Self> {
        let nowhere = BufferId(usize::MAX);
        let mut specs = BufferSpecs::default();
        let runs = specs.runs(&options.recipe, options.realizations)?;
        let scales = specs.values("gradient scales", &vec![1.0f32; options.realizations]);
        let [r, rows] = [1, options.recipe.batch_size].map(|n| n * options.realizations);
        let fused = options.fused;
        let mut builder = Self {
            model,
            update: Update::of(&options.recipe),
            options,
            specs,
            runs,
            scales,
            squares: nowhere,
            seeds: nowhere,
            convolutions: None,
            layers: Vec::new(),
            z: Vec::new(),
            a: vec![None],
            passages: Vec::new(),
            delta: Vec::new(),
            logits: nowhere,
            pixel_values: nowhere,
            unused: nowhere,
            scratch: None,
        };
        let names = (0..model.layers.len()).map(|l| format!("layers.{l}"));
        let names = names.chain(["head".to_owned()]);
        for ((l, layer), name) in model.shapes().enumerate().zip(names) {
            let [matrix, vector] = [layer.inputs, 1].map(|n| r * layer.outputs * n);
            // Weight and bias are updated by the kernel that computes their gradients, unless M takes the
            // place of the state among its buffers.
            let gradient_parts = builder.gradient_parts(l, layer);
            let through_state = layer.mix && builder.state_words() > 0;
            let stored = builder.clips() || through_state || gradient_parts > 1;
            let buffers = LayerBuffers {
                weight: builder.zeros(format!("{name}.weight"), matrix),
                next_weight: (fused && !stored)
                    .then(|| builder.zeros(format!("{name}.next weight"), matrix)),
                bias: builder.zeros(format!("{name}.bias"), vector),
                gradients: stored.then(|| {
                    [("weight", matrix), ("bias", vector)].map(|(tensor, len)| {
                        builder.zeros(format!("{name}.{tensor} gradient"), gradient_parts * len)
                    })
                }),
                gradient_parts,
                state: builder.state(&name, fused && !stored, [matrix, vector]),
                mix: layer.mix.then(|| MixBuffers {
                    matrix: builder.zeros(format!("{name}.mix"), matrix),
                    u: builder.zeros(format!("{name}.u"), rows * layer.outputs),
                    gradient: builder
                        .clips()
                        .then(|| builder.zeros(format!("{name}.mix gradient"), matrix)),
                    state: builder.moments(format!("{name}.mix state"), matrix),
                }),
            };
            builder.layers.push(buffers);
            let z = builder
                .specs
                .zeros(format!("{name}.z"), rows * layer.inputs);
            builder.z.push(z);
            let delta = builder
                .specs
                .zeros(format!("{name}.delta"), rows * layer.outputs);
            builder.delta.push(delta);
        }
        let seeds: Vec<u64> = (0..r).map(|r| builder.options.recipe.run(r).seed).collect();
        builder.seeds = builder.specs.values("seeds", &seeds);
        if let Some(cnn) = &model.cnn {
            let convolutions = Convolutions::new(&mut builder, cnn);
            // The features are the dual variable that the first layer takes over.
            builder.a[0] = (model.layers[0].is_dual()).then_some(convolutions.features);
            builder.convolutions = Some(convolutions);
        }
        for (l, layer) in model.layers.iter().enumerate() {
            let len = rows * layer.shape.outputs;
            let a = layer.is_dual();
            let a = a.then(|| builder.specs.zeros(format!("layers.{l}.a"), len));
            builder.a.push(a);
        }
        for l in 0..model.layers.len() {
            let passage = builder.passage(l);
            builder.passages.push(passage);
        }
        builder.logits = builder.zeros("logits", rows * model.head.outputs);
        builder.unused = builder.zeros("unused", 1);
        builder.pixel_values = builder.specs.values("pixel values", &model.pixel_values());
        if builder.clips() {
            let parts = builder.stored_gradients().map(|(_, len)| squares_of(len));
            let parts = r * parts.sum::<usize>();
            builder.squares = builder.zeros("gradient squares", parts);
        }
        if !fused || builder.clips() {
            let all = || model.shapes();
            let widest = all().map(|l| l.inputs.max(l.outputs)).max().unwrap_or(1);
            let largest = all().map(|l| l.inputs * l.outputs).max().unwrap_or(1);
            // Fused layers need the gradient in u = Mz only, where all gradients are stored.
            let unfused = |len| if fused { 1 } else { len };
            builder.scratch = Some(Scratch {
                skip: builder.zeros("unfused skip", unfused(rows * widest)),
                q: builder.zeros("unfused q", rows * widest),
                pre_activation: builder.zeros("unfused pre-activation", unfused(rows * widest)),
                weight_gradient: builder.zeros("unfused weight gradient", unfused(r * largest)),
                bias_gradient: builder.zeros("unfused bias gradient", unfused(r * widest)),
            });
        }
        Ok(builder)
    }

    /// Whether the norm of the gradient is limited, so that all gradients are stored before any is used.
    fn clips(&self) -> bool {
        self.options.recipe.clip_norm.is_some()
    }

    /// The number of parts of the batch whose gradients layer `l` stores before they are added: more than one
    /// where the batch is so large that the few workgroups of the update would run on after all others. It
    /// depends on the shape only.
    fn gradient_parts(&self, l: usize, layer: &LayerShape) -> usize {
        const ENOUGH_WORKGROUPS: usize = 512;
        const LEAST_SAMPLES: usize = 512;
        let options = &self.options;
        let alone = l == 0 && self.model.cnn.is_none() && !layer.mix;
        if !alone || !options.fused || self.clips() || options.storage == Storage::F16 {
            return 1;
        }
        let batch = options.recipe.batch_size;
        let tile = ops::layer::layer_backward::tile([1, batch], layer, false);
        let tiles = tile.tiles(layer.outputs, layer.inputs);
        let mut parts = 1;
        while parts * tiles < ENOUGH_WORKGROUPS
            && batch.is_multiple_of(2 * parts)
            && batch / (2 * parts) >= LEAST_SAMPLES
        {
            parts *= 2;
        }
        parts
    }

    /// Words of the optimizer's state for each parameter.
    fn state_words(&self) -> usize {
        self.options.recipe.moments()
    }

    /// A buffer for the moments of `len` parameters, if there are any.
    fn moments(&mut self, name: String, len: usize) -> Option<BufferId> {
        let words = self.state_words();
        (words > 0).then(|| self.zeros(name, words * len))
    }

    /// The state of a weight and a bias of these lengths; `joined` if one kernel updates both.
    fn state(&mut self, name: &str, joined: bool, [weight, bias]: [usize; 2]) -> LayerState {
        if self.state_words() == 0 {
            return LayerState::None;
        }
        if joined {
            let both = self.moments(format!("{name}.state"), weight + bias);
            return both.map_or(LayerState::None, LayerState::Joined);
        }
        let weight = self.moments(format!("{name}.weight state"), weight);
        let bias = self.moments(format!("{name}.bias state"), bias);
        let both = weight.zip(bias);
        both.map_or(LayerState::None, |(weight, bias)| {
            LayerState::Apart([weight, bias])
        })
    }

    /// The optimizer's update, with the state of the tensor that it updates.
    fn updating(&self, state: Option<BufferId>) -> Updating {
        Updating {
            update: self.update,
            runs: self.runs,
            state,
        }
    }

    /// The update that stores gradients.
    fn storing(&self) -> Updating {
        Updating {
            update: Update::Store,
            runs: self.runs,
            state: None,
        }
    }

    /// A buffer of `len` words, all 0.
    fn zeros(&mut self, name: impl Into<String>, len: usize) -> BufferId {
        self.specs.zeros(name, len)
    }

    /// (R, batch).
    fn rows(&self) -> [usize; 2] {
        [self.options.realizations, self.options.recipe.batch_size]
    }

    /// From the images to z₀, if there are convolutions.
    fn convolutions_forward(&self, training: bool) -> Vec<Op> {
        match (&self.convolutions, &self.model.cnn) {
            (Some(convolutions), Some(cnn)) => convolutions.forward(self, cnn, training),
            _ => Vec::new(),
        }
    }

    /// The forward pass of evaluation, with dropout, and with these dispatches in place of the first and the last
    /// one, if there are any.
    fn train_forward(&self, evaluate: &[Op], [first, last]: [Option<Op>; 2]) -> Vec<Op> {
        let mut ops = evaluate.to_vec();
        if let Some((op, first)) = ops.first_mut().zip(first) {
            *op = first;
        }
        if let Some((op, last)) = ops.last_mut().zip(last) {
            *op = last;
        }
        let convolutions = self.convolutions_forward(true);
        // After the gather.
        ops.splice(1..=convolutions.len(), convolutions);
        ops
    }

    /// The backward pass and the updates, from the head down.
    fn backward(&self) -> Vec<Op> {
        let mut ops = Vec::new();
        let l = self.model.layers.len();
        self.layer_backward(l, &self.model.head, Skip::None, &mut ops);
        for (l, layer) in self.model.layers.iter().enumerate().rev() {
            self.layer_backward(l, &layer.shape, self.skip(l), &mut ops);
        }
        if let (Some(convolutions), Some(cnn)) = (&self.convolutions, &self.model.cnn) {
            ops.extend(convolutions.backward(self, cnn));
        }
        if let Some(norm) = self.options.recipe.clip_norm {
            self.clipped_updates(norm, &mut ops);
        }
        ops
    }
}
