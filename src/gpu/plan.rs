//! What to run: buffers and dispatches of a network's training step, with no device in sight.

mod front;

use front::Front;

use super::ops::layer_backward::Skip;
use super::ops::layer_forward::Input;
use super::ops::{self, Product};
use super::shader::{Layout, Shader, Storage, Tile};
use super::storage;
use crate::error::{Error, Result};
use crate::executor::{Sgd, Split, Splits};
use crate::nn::{Form, Layer, LayerKind, Model};

/// A buffer of a plan, by position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BufferId(pub usize);

/// A buffer to be laid out.
#[derive(Clone, Debug)]
pub struct BufferSpec {
    /// What it holds.
    pub name: String,
    /// Its size in bytes, a multiple of 4.
    pub bytes: u64,
    /// Whether its numbers are in half precision.
    pub half: bool,
    /// What it starts with.
    pub contents: Contents,
}

/// What a buffer starts with.
#[derive(Clone, Debug)]
pub enum Contents {
    /// Zeros.
    Zeros,
    /// These bytes.
    Bytes(Vec<u8>),
    /// The samples of each step, bound as a uniform one step at a time.
    Steps(Vec<u8>),
}

/// How many workgroups a dispatch takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grid {
    /// One invocation for each of so many elements.
    Elements(usize),
    /// So many workgroups.
    Workgroups(usize),
}

/// One dispatch.
#[derive(Clone, Debug)]
pub struct Op {
    /// Its kernel.
    pub shader: Shader,
    /// The bytes of its `Params`.
    pub params: Vec<u8>,
    /// What its resources are bound to, by name.
    pub buffers: Vec<(&'static str, BufferId)>,
    /// Its extent.
    pub grid: Grid,
}

impl Op {
    pub(super) fn new<P: bytemuck::Pod>(shader: Shader, params: &P, grid: Grid) -> Self {
        let params = bytemuck::bytes_of(params).to_vec();
        Self {
            shader,
            params,
            buffers: Vec::new(),
            grid,
        }
    }

    /// The same dispatch after an odd number of steps: the buffers of each pair trade places.
    pub(super) fn traded(&self, pairs: &[[BufferId; 2]]) -> Self {
        let mut op = self.clone();
        for (_, id) in &mut op.buffers {
            let pair = pairs.iter().find(|pair| pair.contains(id));
            if let Some(&[a, b]) = pair {
                *id = if *id == a { b } else { a };
            }
        }
        op
    }

    pub(super) fn bind(mut self, name: &'static str, buffer: BufferId) -> Self {
        self.buffers.push((name, buffer));
        self
    }
}

/// Bytes from one step's uniform to the next: the largest alignment that WebGPU lets an adapter ask
/// for.
pub(crate) const STEP_STRIDE: usize = 256;

/// How a plan is made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PlanOptions {
    /// R.
    pub realizations: usize,
    /// Batch size and learning rate.
    pub sgd: Sgd,
    /// Fused kernels, or each operation in a dispatch of its own.
    pub fused: bool,
    /// How weights and activations lie in memory.
    pub storage: Storage,
}

/// The programs of one data set.
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
    /// What it was made with.
    pub options: PlanOptions,
    /// The buffers, by [`BufferId`].
    pub buffers: Vec<BufferSpec>,
    /// A training step. In the next one the buffers of each pair have traded places.
    pub train_step: Vec<Op>,
    /// Weights, and where a step leaves them while others still read the old ones.
    pub pairs: Vec<[BufferId; 2]>,
    /// Run after each epoch.
    pub epoch_end: Vec<Op>,
    /// The parameters, (R, …), in canonical order, before the first step.
    pub tensors: Vec<BufferId>,
    /// Non-finite parameters, (R).
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
        let mut buffers = std::mem::take(&mut builder.buffers);
        if options.storage == Storage::F16 {
            let evaluations = split_plans.iter_mut().map(|split| &mut split.evaluate);
            let all = evaluations.chain([&mut train_step, &mut epoch_end]);
            storage::halve(&mut all.flatten().collect::<Vec<_>>(), &mut buffers)?;
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

/// One layer of a network, to be measured by itself.
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
    /// Layer `l` of `model`, on a buffer.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] as for a [`Plan`].
    pub fn new(model: &Model, l: usize, options: PlanOptions) -> Result<Self> {
        let builder = Builder::new(model, options);
        let (mut forward, mut backward) = (Vec::new(), Vec::new());
        builder.layer_forward(l, Input::Buffer(builder.z[l]), &mut forward);
        builder.layer_backward(l, &model.layers[l], builder.skip(l), &mut backward);
        let mut buffers = builder.buffers;
        if options.storage == Storage::F16 {
            let mut ops: Vec<&mut Op> = forward.iter_mut().chain(&mut backward).collect();
            storage::halve(&mut ops, &mut buffers)?;
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

/// The product of a layer's forward.
fn forward_product(batch: usize, layer: &Layer) -> Product {
    Product {
        m: batch,
        n: layer.outputs,
        k: layer.inputs,
    }
}

struct Builder<'a> {
    model: &'a Model,
    options: PlanOptions,
    buffers: Vec<BufferSpec>,
    /// What comes before the layers, if there is a front-end.
    front: Option<Front>,
    layers: Vec<LayerBuffers>,
    /// z₀ … z_L, (R, batch, width).
    z: Vec<BufferId>,
    /// a₁ … a_L at 1 … L in dual form, (R, batch, width).
    a: Vec<Option<BufferId>>,
    /// dL/da of each layer's output, the head's last.
    delta: Vec<BufferId>,
    logits: BufferId,
    pixel_values: BufferId,
    /// Stands for δ of the input, which nobody wants.
    no_delta: BufferId,
    scratch: Option<Scratch>,
}

impl<'a> Builder<'a> {
    fn new(model: &'a Model, options: PlanOptions) -> Self {
        let nowhere = BufferId(usize::MAX);
        let mut builder = Self {
            model,
            options,
            buffers: Vec::new(),
            front: None,
            layers: Vec::new(),
            z: Vec::new(),
            a: vec![None],
            delta: Vec::new(),
            logits: nowhere,
            pixel_values: nowhere,
            no_delta: nowhere,
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
                bias: builder.zeros(format!("{name}.bias"), r * layer.outputs),
                mix: layer.mix.then(|| MixBuffers {
                    matrix: builder.zeros(format!("{name}.mix"), matrix),
                    u: builder.zeros(format!("{name}.u"), rows * layer.outputs),
                }),
            };
            builder.layers.push(buffers);
            let z = builder.zeros(format!("{name}.z"), rows * layer.inputs);
            builder.z.push(z);
            let delta = builder.zeros(format!("{name}.delta"), rows * layer.outputs);
            builder.delta.push(delta);
        }
        if let Some(cnn) = &model.cnn {
            let front = Front::new(&mut builder, cnn);
            // The features are the dual variable that the first layer takes over.
            builder.a[0] = model.is_dual().then_some(front.features);
            builder.front = Some(front);
        }
        for (l, layer) in model.layers.iter().enumerate() {
            let a = model
                .is_dual()
                .then(|| builder.zeros(format!("layers.{l}.a"), rows * layer.outputs));
            builder.a.push(a);
        }
        builder.logits = builder.zeros("logits", rows * model.head.outputs);
        builder.no_delta = builder.zeros("no delta", 1);
        builder.pixel_values = builder.bytes(
            "pixel values",
            bytemuck::cast_slice(&model.pixel_values()).to_vec(),
        );
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

    fn push(&mut self, name: impl Into<String>, bytes: usize, contents: Contents) -> BufferId {
        self.buffers.push(BufferSpec {
            name: name.into(),
            bytes: bytes as u64,
            half: false,
            contents,
        });
        BufferId(self.buffers.len() - 1)
    }

    fn zeros(&mut self, name: impl Into<String>, len: usize) -> BufferId {
        self.push(name, 4 * len, Contents::Zeros)
    }

    fn bytes(&mut self, name: impl Into<String>, mut bytes: Vec<u8>) -> BufferId {
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        self.push(name, bytes.len(), Contents::Bytes(bytes))
    }

    /// (R, batch).
    fn rows(&self) -> [usize; 2] {
        [self.options.realizations, self.options.sgd.batch_size]
    }

    fn split(&mut self, split: Split, splits: &Splits) -> SplitPlan {
        let data = splits.get(split);
        let [r, batch] = self.rows();
        let samples = data.len();
        let steps = samples.div_ceil(batch);
        let name = format!("{split:?}").to_lowercase();
        let pixels = self.bytes(format!("{name} pixels"), data.pixels.clone());
        let labels = self.bytes(format!("{name} labels"), data.labels.clone());
        // Training visits the samples in each realization's own order, evaluation in file order.
        let (order, order_stride) = match split {
            Split::Train => (self.zeros(format!("{name} order"), r * samples), samples),
            _ => {
                let order: Vec<u32> = (0..samples as u32).collect();
                (
                    self.bytes(
                        format!("{name} order"),
                        bytemuck::cast_slice(&order).to_vec(),
                    ),
                    0,
                )
            }
        };
        let mut uniforms = vec![0u8; steps * STEP_STRIDE];
        for (slot, uniform) in uniforms.chunks_exact_mut(STEP_STRIDE).enumerate() {
            let first = slot * batch;
            let step = [first, batch.min(samples - first), slot].map(|x| x as u32);
            uniform[..12].copy_from_slice(bytemuck::cast_slice(&step));
        }
        let bytes = uniforms.len();
        let steps_buffer = self.push(format!("{name} steps"), bytes, Contents::Steps(uniforms));
        let metrics = self.zeros(format!("{name} metrics"), 2 * steps * r * batch);

        let mut evaluate = Vec::new();
        let gathered = ops::gather::Operands {
            pixels,
            pixel_values: self.pixel_values,
            order,
            output: self.front.as_ref().map_or(self.z[0], |front| front.images),
        };
        let on_the_way = self.front.is_none() && self.layers[0].mix.is_none();
        let input = if self.options.fused && on_the_way {
            Input::Pixels {
                order_stride,
                operands: gathered,
            }
        } else {
            let shape = [r, batch, data.features()];
            evaluate.push(ops::gather::gather(shape, order_stride, gathered));
            evaluate.extend(self.front_forward(false));
            Input::Buffer(self.z[0])
        };
        for l in 0..self.model.layers.len() {
            let z = if l == 0 {
                input
            } else {
                Input::Buffer(self.z[l])
            };
            self.layer_forward(l, z, &mut evaluate);
        }
        self.head_and_loss(order_stride, [labels, order, metrics], &mut evaluate);
        SplitPlan {
            split,
            samples,
            order,
            steps: steps_buffer,
            metrics,
            evaluate,
        }
    }

    /// From the images to z₀, if there is a front-end.
    fn front_forward(&self, training: bool) -> Vec<Op> {
        match (&self.front, &self.model.cnn) {
            (Some(front), Some(cnn)) => front.forward(self, cnn, training),
            _ => Vec::new(),
        }
    }

    /// What evaluation does, with dropout.
    fn train_forward(&self, evaluate: &[Op]) -> Vec<Op> {
        let mut ops = evaluate.to_vec();
        let front = self.front_forward(true);
        // Behind the gather.
        ops.splice(1..=front.len(), front);
        ops
    }

    fn head_and_loss(
        &self,
        order_stride: usize,
        [labels, order, metrics]: [BufferId; 3],
        ops: &mut Vec<Op>,
    ) {
        let [r, batch] = self.rows();
        let head = &self.model.head;
        let l = self.model.layers.len();
        let LayerBuffers { weight, bias, .. } = self.layers[l];
        let delta = self.delta[l];
        if self.options.fused && ops::head::takes(head.outputs) {
            let operands = ops::head::Operands {
                z: self.z[l],
                weight,
                bias,
                labels,
                order,
                delta,
                metrics,
            };
            let rows = self.rows();
            let op = ops::head::head(self.model.loss, rows, head, order_stride, operands);
            ops.push(op);
            return;
        }
        if self.options.fused {
            let linear = ops::layer_forward::Epilogue::Linear;
            let z = Input::Buffer(self.z[l]);
            ops.push(self.fused_forward(linear, l, head, z, self.logits));
        } else {
            self.affine(l, head, self.logits, ops);
        }
        ops.push(ops::loss::loss(
            self.model.loss,
            [r, batch, head.outputs],
            order_stride,
            ops::loss::Operands {
                logits: self.logits,
                labels,
                order,
                delta,
                metrics,
            },
        ));
    }

    fn fused_forward(
        &self,
        epilogue: ops::layer_forward::Epilogue,
        l: usize,
        layer: &Layer,
        z: Input,
        output: BufferId,
    ) -> Op {
        let Model {
            activation, clamp, ..
        } = self.model;
        let rows = self.rows();
        let tile = Tile::for_product(forward_product(rows[1], layer));
        let LayerBuffers { weight, bias, .. } = self.layers[l];
        let operands = ops::layer_forward::Operands {
            z,
            weight,
            bias,
            output,
        };
        ops::layer_forward::layer_forward(epilogue, activation, *clamp, tile, rows, layer, operands)
    }

    fn layer_forward(&self, l: usize, z: Input, ops: &mut Vec<Op>) {
        let layer = &self.model.layers[l];
        let output = self.z[l + 1];
        let LayerBuffers {
            weight, bias, mix, ..
        } = &self.layers[l];
        if !self.options.fused {
            self.unfused_forward(l, ops);
        } else if let Some(mix) = mix {
            let rows = self.rows();
            ops.push(ops::layer_forward_mix::layer_forward_mix(
                self.forward_epilogue(l, mix.u),
                self.model.activation,
                self.model.clamp,
                Tile::for_product(forward_product(rows[1], layer)),
                rows,
                layer,
                ops::layer_forward_mix::Operands {
                    z: self.z[l],
                    weight: *weight,
                    bias: *bias,
                    mix: mix.matrix,
                    output,
                },
            ));
        } else {
            let epilogue = self.forward_epilogue(l, self.z[l]);
            ops.push(self.fused_forward(epilogue, l, layer, z, output));
        }
    }

    fn forward_epilogue(&self, l: usize, u: BufferId) -> ops::layer_forward::Epilogue {
        use ops::layer_forward::Epilogue;
        match self.model.kind {
            LayerKind::Standard => Epilogue::Standard,
            LayerKind::Euclidean => Epilogue::Euclidean { u },
            LayerKind::Bregman => match (self.a[l + 1], self.dual_input(l)) {
                (None, _) => Epilogue::Bregman { u },
                (Some(dual), None) => Epilogue::BregmanLift { u, dual },
                (Some(dual), Some(a)) => Epilogue::BregmanDual { a, dual },
            },
        }
    }

    /// The dual variable that layer `l` takes over from the one below, if it does.
    fn dual_input(&self, l: usize) -> Option<BufferId> {
        if self.layers[l].mix.is_some() {
            None
        } else {
            self.a[l]
        }
    }

    fn unfused_forward(&self, l: usize, ops: &mut Vec<Op>) {
        let Some(scratch) = &self.scratch else { return };
        let Model {
            activation,
            clamp,
            kind,
            ..
        } = self.model;
        let layer = &self.model.layers[l];
        let [r, batch] = self.rows();
        let len = r * batch * layer.outputs;
        let u = match &self.layers[l].mix {
            None => self.z[l],
            Some(mix) => {
                ops.push(self.forward_product(layer, self.z[l], mix.matrix, mix.u));
                mix.u
            }
        };
        let pre_activation = self.a[l + 1].unwrap_or(scratch.pre_activation);
        self.affine(l, layer, pre_activation, ops);
        match kind {
            LayerKind::Standard => {}
            LayerKind::Euclidean => ops.push(ops::add::add(len, u, pre_activation)),
            LayerKind::Bregman => {
                let skip = self.dual_input(l).unwrap_or_else(|| {
                    let skip = scratch.skip;
                    ops.push(ops::apply_rho_inv::apply_rho_inv(
                        activation, len, *clamp, u, skip,
                    ));
                    skip
                });
                ops.push(ops::add::add(len, skip, pre_activation));
                if self.model.is_dual() && activation.dual_max < f32::MAX {
                    ops.push(ops::limit_dual::limit_dual(activation, len, pre_activation));
                }
            }
        }
        let output = self.z[l + 1];
        ops.push(ops::apply_rho::apply_rho(
            activation,
            len,
            pre_activation,
            output,
        ));
    }

    /// output = zWᵀ + b in two dispatches.
    fn affine(&self, l: usize, layer: &Layer, output: BufferId, ops: &mut Vec<Op>) {
        let [r, batch] = self.rows();
        let LayerBuffers { weight, bias, .. } = self.layers[l];
        ops.push(self.forward_product(layer, self.z[l], weight, output));
        ops.push(ops::add_bias::add_bias(
            [r, batch, layer.outputs],
            bias,
            output,
        ));
    }

    /// output (R, batch, out) = z · matrixᵀ.
    fn forward_product(
        &self,
        layer: &Layer,
        z: BufferId,
        matrix: BufferId,
        output: BufferId,
    ) -> Op {
        let [r, batch] = self.rows();
        let product = forward_product(batch, layer);
        let tile = Tile::for_product(product);
        ops::matmul::matmul(Layout::Nt, tile, r, product, z, matrix, output)
    }

    /// From the head down.
    fn backward(&self) -> Vec<Op> {
        let mut ops = Vec::new();
        let l = self.model.layers.len();
        self.layer_backward(l, &self.model.head, Skip::None, &mut ops);
        for (l, layer) in self.model.layers.iter().enumerate().rev() {
            self.layer_backward(l, layer, self.skip(l), &mut ops);
        }
        if let (Some(front), Some(cnn)) = (&self.front, &self.model.cnn) {
            ops.extend(front.backward(self, cnn));
        }
        ops
    }

    fn skip(&self, l: usize) -> Skip {
        let Model {
            kind, form, clamp, ..
        } = *self.model;
        if let Some(mix) = &self.layers[l].mix {
            return Skip::Mix {
                kind,
                u: mix.u,
                matrix: mix.matrix,
                clamp,
            };
        }
        match kind {
            // Nothing goes below the first layer.
            _ if self.input_delta(l).is_none() => Skip::None,
            LayerKind::Standard => Skip::None,
            LayerKind::Euclidean => Skip::Euclidean,
            LayerKind::Bregman => match (form, self.a[l]) {
                (Form::Dual, Some(gate)) => {
                    let max = self.model.activation.dual_max;
                    // Open strictly within a bound that was reached by clamping.
                    let max = if max < f32::MAX { max.next_down() } else { max };
                    Skip::Bregman {
                        gate,
                        window: [-max, max],
                    }
                }
                _ => Skip::Bregman {
                    gate: self.z[l],
                    window: clamp,
                },
            },
        }
    }

    /// Where dL/da of the layer's input goes, if anything before it is trained.
    fn input_delta(&self, l: usize) -> Option<BufferId> {
        match l.checked_sub(1) {
            Some(below) => Some(self.delta[below]),
            None => self.front.as_ref().map(|front| front.delta),
        }
    }

    /// δ of what is below, where it is wanted, and the layer's update.
    fn layer_backward(&self, l: usize, layer: &Layer, skip: Skip, ops: &mut Vec<Op>) {
        let [r, batch] = self.rows();
        let activation = self.model.activation;
        let learning_rate = self.options.sgd.learning_rate;
        let delta = self.delta[l];
        let input_delta = self.input_delta(l);
        let tile = ops::layer_backward::tile(batch, layer, input_delta.is_some());
        let LayerBuffers {
            weight,
            next_weight,
            bias,
            ..
        } = self.layers[l];
        let Some(next_weight) = next_weight else {
            self.unfused_backward(l, layer, skip, tile, ops);
            return;
        };
        let operands = ops::layer_backward::Operands {
            delta,
            z: self.z[l],
            weight,
            next_weight,
            bias,
            output: input_delta.unwrap_or(self.no_delta),
            input_wanted: input_delta.is_some(),
        };
        ops.push(ops::layer_backward::layer_backward(
            skip,
            activation,
            tile,
            learning_rate,
            [r, batch],
            layer,
            operands,
        ));
        if let Skip::Mix {
            kind,
            u,
            matrix,
            clamp,
        } = skip
        {
            let z = self.z[l];
            let operands = ops::mix_update::Operands {
                delta,
                u,
                z,
                matrix,
            };
            ops.push(ops::mix_update::mix_update(
                kind,
                activation,
                clamp,
                learning_rate,
                [r, batch],
                layer,
                operands,
            ));
        }
    }

    fn unfused_backward(&self, l: usize, layer: &Layer, skip: Skip, tile: Tile, ops: &mut Vec<Op>) {
        let Some(scratch) = &self.scratch else { return };
        let [r, batch] = self.rows();
        let activation = self.model.activation;
        let (delta, z) = (self.delta[l], self.z[l]);
        // The gradient in u = Mz, and M.
        let through_mix = match skip {
            Skip::Mix {
                kind: LayerKind::Bregman,
                u,
                matrix,
                clamp,
            } => {
                let len = r * batch * layer.outputs;
                let q = scratch.q;
                ops.push(ops::mix_backward::mix_backward(
                    activation, len, clamp, u, delta, q,
                ));
                Some((q, matrix))
            }
            Skip::Mix { matrix, .. } => Some((delta, matrix)),
            _ => None,
        };
        let LayerBuffers { weight, bias, .. } = self.layers[l];
        if let Some(output) = self.input_delta(l) {
            let len = r * batch * layer.inputs;
            let product = Product {
                m: batch,
                n: layer.inputs,
                k: layer.outputs,
            };
            let product = |delta, matrix, output| {
                ops::matmul::matmul(Layout::Nn, tile, r, product, delta, matrix, output)
            };
            ops.push(product(delta, weight, output));
            if let Some((q, matrix)) = through_mix {
                ops.push(product(q, matrix, scratch.skip));
                ops.push(ops::add::add(len, scratch.skip, output));
            }
            if let Skip::Euclidean = skip {
                ops.push(ops::add::add(len, delta, output));
            }
            ops.push(ops::apply_rho_slope::apply_rho_slope(
                activation, len, z, output,
            ));
            if let Skip::Bregman { gate, window } = skip {
                ops.push(ops::apply_gate::apply_gate(
                    len,
                    window,
                    gate,
                    delta,
                    scratch.skip,
                ));
                ops.push(ops::add::add(len, scratch.skip, output));
            }
        }
        let lr = self.options.sgd.learning_rate;
        let mut update = |delta, matrix| {
            let product = Product {
                m: layer.outputs,
                n: layer.inputs,
                k: batch,
            };
            let gradient = scratch.weight_gradient;
            let op = ops::matmul::matmul(Layout::Tn, tile, r, product, delta, z, gradient);
            let len = r * layer.outputs * layer.inputs;
            ops.extend([op, ops::sgd::sgd(len, lr, gradient, matrix)]);
        };
        update(delta, weight);
        if let Some((q, matrix)) = through_mix {
            update(q, matrix);
            let rows = r * layer.outputs;
            ops.push(ops::project_simplex::project_simplex(
                rows,
                layer.inputs,
                matrix,
            ));
        }
        let gradient = scratch.bias_gradient;
        let shape = [r, batch, layer.outputs];
        ops.push(ops::bias_gradient::bias_gradient(shape, delta, gradient));
        ops.push(ops::sgd::sgd(r * layer.outputs, lr, gradient, bias));
    }

    /// The parameters, in canonical order.
    fn tensors(&self) -> impl Iterator<Item = BufferId> {
        let front = self.front.iter().flat_map(Front::tensors);
        front.chain(self.layers.iter().flat_map(LayerBuffers::tensors))
    }

    fn check_finite(&self, flags: BufferId) -> Vec<Op> {
        let r = self.options.realizations;
        self.tensors()
            .map(|tensor| {
                let len = self.buffers[tensor.0].bytes as usize / 4;
                ops::check_finite::check_finite(r, len, tensor, flags)
            })
            .collect()
    }
}
