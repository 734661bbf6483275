//! What to run: the buffers and dispatches of a network's training and evaluation, with no device in sight.
//! [`Plan::new`] is the place to start reading.

mod convolutions;
mod data;
mod layers;
mod unfused;

use convolutions::Convolutions;

use super::buffers::BufferSpecs;
use super::op::{BufferId, BufferSpec, Op};
use super::ops::layer::layer_backward::Skip;
use super::ops::layer::layer_forward::Input;
use super::storage::to_half;
use crate::data::{Split, Splits};
use crate::error::{Error, Result};
use crate::executor::Sgd;
use crate::kind::Storage;
use crate::nn::Model;

/// The options of a plan.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PlanOptions {
    /// R.
    pub realizations: usize,
    /// Batch size and learning rate.
    pub sgd: Sgd,
    /// Whether layers run in fused kernels, or each operation in a dispatch of its own.
    pub fused: bool,
    /// The storage of weights and activations.
    pub storage: Storage,
}

/// The part of a plan for one data set.
#[derive(Clone, Debug)]
pub(super) struct SplitPlan {
    pub split: Split,
    pub samples: usize,
    pub order: BufferId,
    pub steps: BufferId,
    pub metrics: BufferId,
    /// Forward and loss.
    pub evaluate: Vec<Op>,
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
    /// Each weight, and the buffer to which a step writes its new value while others still read the old
    /// one.
    pub pairs: Vec<[BufferId; 2]>,
    /// The dispatches after each epoch.
    pub epoch_end: Vec<Op>,
    /// The parameters, (R, …), in canonical order, before the first step.
    pub tensors: Vec<BufferId>,
    /// Whether a parameter is infinite or NaN, (R).
    pub flags: BufferId,
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
        options.sgd.check(options.realizations)?;
        let mut builder = Builder::new(model, options);
        let mut split_plans = Vec::new();
        let mut train_step = Vec::new();
        for split in present {
            let plan = builder.split(split, splits);
            if split == Split::Train {
                train_step = builder.train_forward(&plan.evaluate);
            }
            split_plans.push(plan);
        }
        train_step.extend(builder.backward());
        let flags = builder.zeros("flags", options.realizations);
        let mut epoch_end = builder.check_finite(flags);
        let mut buffers = std::mem::take(&mut builder.specs.0);
        if options.storage == Storage::F16 {
            let evaluations = split_plans.iter_mut().map(|split| &mut split.evaluate);
            let all = evaluations.chain([&mut train_step, &mut epoch_end]);
            to_half(&mut all.flatten().collect::<Vec<_>>(), &mut buffers)?;
        }
        Ok(Self {
            options,
            tensors: builder.tensors().collect(),
            pairs: builder
                .layers
                .iter()
                .filter_map(|l| l.next_weight.map(|next| [l.weight, next]))
                .collect(),
            buffers,
            train_step,
            epoch_end,
            flags,
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

/// One layer of a network by itself, for measurements.
#[derive(Clone, Debug)]
pub struct LayerPlan {
    /// The network's buffers.
    pub buffers: Vec<BufferSpec>,
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
        let builder = Builder::new(model, options);
        let (mut forward, mut backward) = (Vec::new(), Vec::new());
        builder.layer_forward(l, Input::Buffer(builder.z[l]), &mut forward);
        builder.layer_backward(l, &model.layers[l], builder.skip(l), &mut backward);
        let mut buffers = builder.specs.0;
        if options.storage == Storage::F16 {
            let mut ops: Vec<&mut Op> = forward.iter_mut().chain(&mut backward).collect();
            to_half(&mut ops, &mut buffers)?;
        }
        Ok(Self {
            buffers,
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
    mix: Option<MixBuffers>,
}

struct MixBuffers {
    matrix: BufferId,
    /// u = Mz, (R, batch, out).
    u: BufferId,
}

impl LayerBuffers {
    fn tensors(&self) -> impl Iterator<Item = BufferId> + use<> {
        [self.weight, self.bias]
            .into_iter()
            .chain(self.mix.as_ref().map(|m| m.matrix))
    }
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
    specs: BufferSpecs,
    /// The buffers of the convolutions before the layers, if there are any.
    convolutions: Option<Convolutions>,
    layers: Vec<LayerBuffers>,
    /// z₀ … z_L, (R, batch, width).
    z: Vec<BufferId>,
    /// a₁ … a_L at 1 … L in dual form, (R, batch, width).
    a: Vec<Option<BufferId>>,
    /// dL/da of each layer's output, the head's last.
    delta: Vec<BufferId>,
    logits: BufferId,
    pixel_values: BufferId,
    /// Bound where δ of the input would go; it is never computed.
    unused: BufferId,
    scratch: Option<Scratch>,
}

impl<'a> Builder<'a> {
    fn new(model: &'a Model, options: PlanOptions) -> Self {
        let nowhere = BufferId(usize::MAX);
        let mut builder = Self {
            model,
            options,
            specs: BufferSpecs::default(),
            convolutions: None,
            layers: Vec::new(),
            z: Vec::new(),
            a: vec![None],
            delta: Vec::new(),
            logits: nowhere,
            pixel_values: nowhere,
            unused: nowhere,
            scratch: None,
        };
        let r = options.realizations;
        let rows = r * options.sgd.batch_size;
        let names = (0..model.layers.len()).map(|l| format!("layers.{l}"));
        let names = names.chain(["head".to_owned()]);
        for (layer, name) in model.layers.iter().chain([&model.head]).zip(names) {
            let matrix = r * layer.outputs * layer.inputs;
            let buffers = LayerBuffers {
                weight: builder.zeros(format!("{name}.weight"), matrix),
                next_weight: options
                    .fused
                    .then(|| builder.zeros(format!("{name}.next weight"), matrix)),
                bias: builder
                    .specs
                    .zeros(format!("{name}.bias"), r * layer.outputs),
                mix: layer.mix.then(|| MixBuffers {
                    matrix: builder.zeros(format!("{name}.mix"), matrix),
                    u: builder
                        .specs
                        .zeros(format!("{name}.u"), rows * layer.outputs),
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
        if let Some(cnn) = &model.cnn {
            let convolutions = Convolutions::new(&mut builder, cnn);
            // The features are the dual variable that the first layer takes over.
            builder.a[0] = model.is_dual().then_some(convolutions.features);
            builder.convolutions = Some(convolutions);
        }
        for (l, layer) in model.layers.iter().enumerate() {
            let a = model.is_dual().then(|| {
                builder
                    .specs
                    .zeros(format!("layers.{l}.a"), rows * layer.outputs)
            });
            builder.a.push(a);
        }
        builder.logits = builder.zeros("logits", rows * model.head.outputs);
        builder.unused = builder.zeros("unused", 1);
        builder.pixel_values = builder.specs.values("pixel values", &model.pixel_values());
        if !options.fused {
            let all = || model.layers.iter().chain([&model.head]);
            let widest = all().map(|l| l.inputs.max(l.outputs)).max().unwrap_or(1);
            let largest = all().map(|l| l.inputs * l.outputs).max().unwrap_or(1);
            builder.scratch = Some(Scratch {
                skip: builder.zeros("unfused skip", rows * widest),
                q: builder.zeros("unfused q", rows * widest),
                pre_activation: builder.zeros("unfused pre-activation", rows * widest),
                weight_gradient: builder.zeros("unfused weight gradient", r * largest),
                bias_gradient: builder.zeros("unfused bias gradient", r * widest),
            });
        }
        builder
    }

    /// A buffer of `len` words, all 0.
    fn zeros(&mut self, name: impl Into<String>, len: usize) -> BufferId {
        self.specs.zeros(name, len)
    }

    /// (R, batch).
    fn rows(&self) -> [usize; 2] {
        [self.options.realizations, self.options.sgd.batch_size]
    }

    /// From the images to z₀, if there are convolutions.
    fn convolutions_forward(&self, training: bool) -> Vec<Op> {
        match (&self.convolutions, &self.model.cnn) {
            (Some(convolutions), Some(cnn)) => convolutions.forward(self, cnn, training),
            _ => Vec::new(),
        }
    }

    /// The forward pass of evaluation, with dropout.
    fn train_forward(&self, evaluate: &[Op]) -> Vec<Op> {
        let mut ops = evaluate.to_vec();
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
            self.layer_backward(l, layer, self.skip(l), &mut ops);
        }
        if let (Some(convolutions), Some(cnn)) = (&self.convolutions, &self.model.cnn) {
            ops.extend(convolutions.backward(self, cnn));
        }
        ops
    }
}
