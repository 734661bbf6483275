//! What to run: buffers and dispatches of a network's training step, with no device in sight.

mod front;

use front::Front;

use super::ops::{self, Product};
use super::shader::{Layout, Shader, Tile};
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
    /// The tiles of an (m, n) output for each realization.
    Tiles {
        /// The tile.
        tile: Tile,
        /// Rows.
        m: usize,
        /// Columns.
        n: usize,
        /// R.
        realizations: usize,
    },
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

    pub(super) fn bind(mut self, name: &'static str, buffer: BufferId) -> Self {
        self.buffers.push((name, buffer));
        self
    }
}

/// Bytes from one step's uniform to the next: the largest alignment that WebGPU lets an adapter ask
/// for.
pub(super) const STEP_STRIDE: usize = 256;

/// How a plan is made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PlanOptions {
    /// R.
    pub realizations: usize,
    /// Batch size and learning rate.
    pub sgd: Sgd,
    /// Fused kernels, or each operation in a dispatch of its own.
    pub fused: bool,
}

/// The programs of one data set.
#[derive(Clone, Debug)]
pub(super) struct SplitPlan {
    pub split: Split,
    pub samples: usize,
    pub order: BufferId,
    pub steps: BufferId,
    pub metrics: BufferId,
    /// Gather, forward, loss.
    pub evaluate: Vec<Op>,
}

/// A network's buffers and dispatches.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What it was made with.
    pub options: PlanOptions,
    /// The buffers, by [`BufferId`].
    pub buffers: Vec<BufferSpec>,
    /// A training step.
    pub train_step: Vec<Op>,
    /// Run after each epoch.
    pub epoch_end: Vec<Op>,
    /// The parameters, (R, …), in canonical order.
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
    /// below the number of classes.
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
        let epoch_end = builder.check_finite(flags);
        Ok(Self {
            options,
            tensors: builder.tensors().collect(),
            buffers: builder.buffers,
            train_step,
            epoch_end,
            flags,
            splits: split_plans,
        })
    }

    /// Checks each buffer against the limits of a device, before anything is allocated.
    ///
    /// # Errors
    /// [`Error::TooLarge`] with the first buffer that does not fit, in MiB;
    /// [`Error::InvalidOption`] for more realizations than a dispatch can count.
    pub fn check_limits(&self, limits: &wgpu::Limits) -> Result<()> {
        let most = limits.max_compute_workgroups_per_dimension as usize;
        if self.options.realizations > most {
            return Err(Error::InvalidOption {
                option: "--realizations",
                value: self.options.realizations.to_string(),
                reason: format!("this adapter takes {most} at most"),
            });
        }
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

/// Buffers of a layer, the head included.
struct LayerBuffers {
    weight: BufferId,
    bias: BufferId,
    mix: Option<MixBuffers>,
}

struct MixBuffers {
    matrix: BufferId,
    /// u = Mz, (R, batch, out).
    u: BufferId,
    /// The gradient in u, (R, batch, out).
    q: BufferId,
    /// q M, (R, batch, in).
    skip: BufferId,
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
    pre_activation: BufferId,
    weight_gradient: BufferId,
    bias_gradient: BufferId,
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
            scratch: None,
        };
        let r = options.realizations;
        let rows = r * options.sgd.batch_size;
        let names = (0..model.layers.len()).map(|l| format!("layers.{l}"));
        let names = names.chain(["head".to_owned()]);
        for (layer, name) in model.layers.iter().chain([&model.head]).zip(names) {
            let buffers = LayerBuffers {
                weight: builder.zeros(format!("{name}.weight"), r * layer.outputs * layer.inputs),
                bias: builder.zeros(format!("{name}.bias"), r * layer.outputs),
                mix: layer.mix.then(|| MixBuffers {
                    matrix: builder.zeros(format!("{name}.mix"), r * layer.outputs * layer.inputs),
                    u: builder.zeros(format!("{name}.u"), rows * layer.outputs),
                    q: builder.zeros(format!("{name}.q"), rows * layer.outputs),
                    skip: builder.zeros(format!("{name}.skip"), rows * layer.inputs),
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
        let metrics = self.zeros(format!("{name} metrics"), 2 * steps * r);

        let mut evaluate = vec![ops::gather::gather(
            [r, batch, data.features()],
            order_stride,
            ops::gather::Operands {
                pixels,
                pixel_values: self.pixel_values,
                order,
                output: self.front.as_ref().map_or(self.z[0], |front| front.images),
            },
        )];
        evaluate.extend(self.front_forward(false));
        evaluate.extend(self.forward());
        let delta = self.delta[self.model.layers.len()];
        evaluate.push(ops::loss::loss(
            self.model.loss,
            [r, batch, self.model.head.outputs],
            order_stride,
            ops::loss::Operands {
                logits: self.logits,
                labels,
                order,
                delta,
                metrics,
            },
        ));
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

    fn forward(&self) -> Vec<Op> {
        let mut ops = Vec::new();
        for l in 0..self.model.layers.len() {
            self.layer_forward(l, &mut ops);
        }
        let head = &self.model.head;
        let l = self.model.layers.len();
        let operands = self.forward_operands(l, self.logits);
        if self.options.fused {
            let epilogue = ops::layer_forward::Epilogue::Linear;
            ops.push(self.fused_forward(epilogue, head, operands));
        } else {
            self.affine(head, operands, &mut ops);
        }
        ops
    }

    fn forward_operands(&self, l: usize, output: BufferId) -> ops::layer_forward::Operands {
        let LayerBuffers { weight, bias, .. } = self.layers[l];
        ops::layer_forward::Operands {
            z: self.z[l],
            weight,
            bias,
            output,
        }
    }

    fn fused_forward(
        &self,
        epilogue: ops::layer_forward::Epilogue,
        layer: &Layer,
        operands: ops::layer_forward::Operands,
    ) -> Op {
        let Model {
            activation, clamp, ..
        } = self.model;
        let rows = self.rows();
        let tile = Tile::for_output(rows[1], layer.outputs);
        ops::layer_forward::layer_forward(epilogue, activation, *clamp, tile, rows, layer, operands)
    }

    fn layer_forward(&self, l: usize, ops: &mut Vec<Op>) {
        let layer = &self.model.layers[l];
        let u = match &self.layers[l].mix {
            None => self.z[l],
            Some(mix) => {
                ops.push(self.forward_product(layer, self.z[l], mix.matrix, mix.u));
                mix.u
            }
        };
        let operands = self.forward_operands(l, self.z[l + 1]);
        if self.options.fused {
            ops.push(self.fused_forward(self.forward_epilogue(l, u), layer, operands));
        } else {
            self.unfused_forward(l, u, operands, ops);
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

    fn unfused_forward(
        &self,
        l: usize,
        u: BufferId,
        operands: ops::layer_forward::Operands,
        ops: &mut Vec<Op>,
    ) {
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
        let pre_activation = self.a[l + 1].unwrap_or(scratch.pre_activation);
        let affine = ops::layer_forward::Operands {
            output: pre_activation,
            ..operands
        };
        self.affine(layer, affine, ops);
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
        ops.push(ops::apply_rho::apply_rho(
            activation,
            len,
            pre_activation,
            operands.output,
        ));
    }

    /// output = zWᵀ + b in two dispatches.
    fn affine(&self, layer: &Layer, operands: ops::layer_forward::Operands, ops: &mut Vec<Op>) {
        let [r, batch] = self.rows();
        let ops::layer_forward::Operands {
            z,
            weight,
            bias,
            output,
        } = operands;
        ops.push(self.forward_product(layer, z, weight, output));
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
        let product = Product {
            m: batch,
            n: layer.outputs,
            k: layer.inputs,
        };
        let tile = Tile::for_output(product.m, product.n);
        ops::matmul::matmul(Layout::Nt, tile, r, product, z, matrix, output)
    }

    /// output (R, batch, in) = delta · matrix.
    fn backward_product(
        &self,
        layer: &Layer,
        delta: BufferId,
        matrix: BufferId,
        output: BufferId,
    ) -> Op {
        let [r, batch] = self.rows();
        let product = Product {
            m: batch,
            n: layer.inputs,
            k: layer.outputs,
        };
        let tile = Tile::for_output(product.m, product.n);
        ops::matmul::matmul(Layout::Nn, tile, r, product, delta, matrix, output)
    }

    /// From the head down: every input gradient is taken before the weights that it needs change.
    fn backward(&self) -> Vec<Op> {
        let mut ops = Vec::new();
        let l = self.model.layers.len();
        let standard = ops::layer_backward_input::Epilogue::Standard;
        self.backward_input(l, &self.model.head, standard, &mut ops);
        self.update(l, &self.model.head, &mut ops);
        for (l, layer) in self.model.layers.iter().enumerate().rev() {
            let q = self.mix_gradient(l, layer, &mut ops);
            if l > 0 || self.front.is_some() {
                let epilogue = self.backward_epilogue(l, layer, q, &mut ops);
                self.backward_input(l, layer, epilogue, &mut ops);
            }
            self.update(l, layer, &mut ops);
            if let (Some(mix), Some(q)) = (&self.layers[l].mix, q) {
                self.matrix_update(layer, q, self.z[l], mix.matrix, None, &mut ops);
                let rows = self.options.realizations * layer.outputs;
                ops.push(ops::project_simplex::project_simplex(
                    rows,
                    layer.inputs,
                    mix.matrix,
                ));
            }
        }
        if let (Some(front), Some(cnn)) = (&self.front, &self.model.cnn) {
            ops.extend(front.backward(self, cnn));
        }
        ops
    }

    /// The gradient in u = Mz, where there is an M.
    fn mix_gradient(&self, l: usize, layer: &Layer, ops: &mut Vec<Op>) -> Option<BufferId> {
        let mix = self.layers[l].mix.as_ref()?;
        if self.model.kind == LayerKind::Euclidean {
            return Some(self.delta[l]);
        }
        let [r, batch] = self.rows();
        let Model {
            activation, clamp, ..
        } = self.model;
        let len = r * batch * layer.outputs;
        let delta = self.delta[l];
        ops.push(ops::mix_backward::mix_backward(
            activation, len, *clamp, mix.u, delta, mix.q,
        ));
        Some(mix.q)
    }

    fn backward_epilogue(
        &self,
        l: usize,
        layer: &Layer,
        q: Option<BufferId>,
        ops: &mut Vec<Op>,
    ) -> ops::layer_backward_input::Epilogue {
        use ops::layer_backward_input::Epilogue;
        if let (Some(mix), Some(q)) = (&self.layers[l].mix, q) {
            ops.push(self.backward_product(layer, q, mix.matrix, mix.skip));
            return Epilogue::Euclidean { skip: mix.skip };
        }
        match self.model.kind {
            LayerKind::Standard => Epilogue::Standard,
            LayerKind::Euclidean => Epilogue::Euclidean {
                skip: self.delta[l],
            },
            LayerKind::Bregman => match (self.model.form, self.a[l]) {
                (Form::Dual, Some(gate)) => {
                    let max = self.model.activation.dual_max;
                    // Open strictly within a bound that was reached by clamping.
                    let max = if max < f32::MAX { max.next_down() } else { max };
                    Epilogue::Bregman {
                        gate,
                        window: [-max, max],
                    }
                }
                _ => Epilogue::Bregman {
                    gate: self.z[l],
                    window: self.model.clamp,
                },
            },
        }
    }

    fn backward_input(
        &self,
        l: usize,
        layer: &Layer,
        epilogue: ops::layer_backward_input::Epilogue,
        ops: &mut Vec<Op>,
    ) {
        use ops::layer_backward_input::{Epilogue, Operands};
        let [r, batch] = self.rows();
        let activation = self.model.activation;
        let weight = self.layers[l].weight;
        let operands = Operands {
            delta: self.delta[l],
            weight,
            z: self.z[l],
            output: match (l, &self.front) {
                (0, Some(front)) => front.delta,
                _ => self.delta[l - 1],
            },
        };
        let Some(scratch) = &self.scratch else {
            ops.push(ops::layer_backward_input::layer_backward_input(
                epilogue,
                activation,
                Tile::for_output(batch, layer.inputs),
                [r, batch],
                layer,
                operands,
            ));
            return;
        };
        let len = r * batch * layer.inputs;
        let Operands {
            delta, z, output, ..
        } = operands;
        ops.push(self.backward_product(layer, delta, weight, output));
        if let Epilogue::Euclidean { skip } = epilogue {
            ops.push(ops::add::add(len, skip, output));
        }
        ops.push(ops::apply_rho_slope::apply_rho_slope(
            activation, len, z, output,
        ));
        if let Epilogue::Bregman { gate, window } = epilogue {
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

    fn update(&self, l: usize, layer: &Layer, ops: &mut Vec<Op>) {
        let LayerBuffers { weight, bias, .. } = self.layers[l];
        self.matrix_update(layer, self.delta[l], self.z[l], weight, Some(bias), ops);
    }

    fn matrix_update(
        &self,
        layer: &Layer,
        delta: BufferId,
        z: BufferId,
        matrix: BufferId,
        bias: Option<BufferId>,
        ops: &mut Vec<Op>,
    ) {
        let [r, batch] = self.rows();
        let lr = self.options.sgd.learning_rate;
        let tile = Tile::for_output(layer.outputs, layer.inputs);
        let Some(scratch) = &self.scratch else {
            ops.push(ops::layer_backward_weight::layer_backward_weight(
                lr,
                tile,
                [r, batch],
                layer,
                [delta, z],
                matrix,
                bias,
            ));
            return;
        };
        let product = Product {
            m: layer.outputs,
            n: layer.inputs,
            k: batch,
        };
        let gradient = scratch.weight_gradient;
        ops.push(ops::matmul::matmul(
            Layout::Tn,
            tile,
            r,
            product,
            delta,
            z,
            gradient,
        ));
        ops.push(ops::sgd::sgd(
            r * layer.outputs * layer.inputs,
            lr,
            gradient,
            matrix,
        ));
        if let Some(bias) = bias {
            let gradient = scratch.bias_gradient;
            let shape = [r, batch, layer.outputs];
            ops.push(ops::bias_gradient::bias_gradient(shape, delta, gradient));
            ops.push(ops::sgd::sgd(r * layer.outputs, lr, gradient, bias));
        }
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
