//! The part of a plan that concerns the convolutions before the layers.

use super::{Builder, LayerState, TensorState};
use crate::gpu::op::{BufferId, Op};
use crate::gpu::ops;
use crate::gpu::ops::conv::conv2d_backward_weight::Parts;
use crate::nn::Model;
use crate::nn::cnn::{Block, Cnn, Conv};

/// Buffers of the convolutions.
pub(super) struct Convolutions {
    /// Images, (R, batch, channels, height, width).
    pub images: BufferId,
    blocks: Vec<BlockBuffers>,
    /// f, (R, batch, features): in dual form a₀. Without dropout it is the last block's output.
    pub features: BufferId,
    /// dL/df, (R, batch, features). Without dropout it is that of the last block's output.
    pub delta: BufferId,
    /// The parts of the gradients of one block.
    partial_gradient: BufferId,
}

/// Whether the features are a dual variable within bounds.
fn limits_features(model: &Model) -> bool {
    let first = &model.layers[0];
    first.is_dual() && first.limits_dual()
}

struct BlockBuffers {
    conv: Conv,
    weight: BufferId,
    bias: BufferId,
    /// The stored gradients of weight and bias, unless the kernel that sums them updates both.
    gradients: Option<[BufferId; 2]>,
    state: LayerState,
    /// The convolution after the activation.
    active: BufferId,
    /// Output and positions of the pooling, if there is one.
    pooled: Option<[BufferId; 2]>,
    /// dL/d of the convolution.
    delta: BufferId,
    /// dL/d of the block's output: `delta` itself without pooling.
    output_delta: BufferId,
}

impl BlockBuffers {
    /// The updates of weight and bias, if their gradients are stored.
    fn stored_updates(&self, builder: &Builder<'_>) -> Vec<Op> {
        let Some(gradients) = self.gradients else {
            return Vec::new();
        };
        let conv = &self.conv;
        let lengths = [conv.filters * conv.window(), conv.filters];
        let tensors = [self.weight, self.bias].into_iter().zip(gradients);
        let states = lengths.into_iter().zip(self.state.apart());
        tensors
            .zip(states)
            .map(|((tensor, gradient), (len, state))| {
                builder.optimizer_step([1, len], state, gradient, tensor)
            })
            .collect()
    }

    fn output(&self) -> BufferId {
        self.pooled.map_or(self.active, |[output, _]| output)
    }
}

impl Convolutions {
    /// Lays the buffers out.
    pub(super) fn new(builder: &mut Builder<'_>, cnn: &Cnn) -> Self {
        let [r, batch] = builder.rows();
        let rows = r * batch;
        let mut blocks = Vec::new();
        for (number, Block { conv, pool }) in cnn.blocks.iter().enumerate() {
            let lengths = [r * conv.filters * conv.window(), r * conv.filters];
            let stored = builder.clips() || !builder.options.fused;
            let state = builder.state(&format!("conv.{number}"), !stored, lengths);
            let mut zeros = |name: &str, len| {
                let name = format!("conv.{number}.{name}");
                builder.zeros(name, len)
            };
            let [weight, bias] =
                [("weight", lengths[0]), ("bias", lengths[1])].map(|(name, len)| zeros(name, len));
            let gradients = stored.then(|| {
                [
                    ("weight gradient", lengths[0]),
                    ("bias gradient", lengths[1]),
                ]
                .map(|(name, len)| zeros(name, len))
            });
            let active = zeros("active", rows * conv.outputs());
            let delta = zeros("delta", rows * conv.outputs());
            let pooled = pool
                .map(|pool| ["pooled", "positions"].map(|name| zeros(name, rows * pool.outputs())));
            let output_delta = match pool {
                Some(pool) => zeros("output delta", rows * pool.outputs()),
                None => delta,
            };
            blocks.push(BlockBuffers {
                conv: *conv,
                weight,
                bias,
                gradients,
                state,
                active,
                pooled,
                delta,
                output_delta,
            });
        }
        let largest = |len: &dyn Fn(&Conv) -> usize| {
            let all = cnn.blocks.iter().map(|block| len(&block.conv));
            all.max().unwrap_or(1)
        };
        let parts = largest(&|conv| Parts::of(conv, batch).len(conv, r));
        let partial_gradient = builder.zeros("conv gradient parts", parts);
        let len = rows * cnn.features();
        let last = &blocks[blocks.len() - 1];
        let [features, delta] = match cnn.dropout.is_some() {
            true => ["features", "features delta"].map(|name| builder.zeros(name, len)),
            // The bounds of the dual variable act on it in place, but the slope below needs what was there.
            false if last.pooled.is_none() && limits_features(builder.model) => {
                [builder.zeros("features", len), last.output_delta]
            }
            false => [last.output(), last.output_delta],
        };
        Self {
            images: builder.zeros("images", rows * cnn.inputs()),
            blocks,
            features,
            delta,
            partial_gradient,
        }
    }

    /// The parameters, in canonical order.
    pub(super) fn tensors(&self) -> impl Iterator<Item = BufferId> + use<'_> {
        self.blocks
            .iter()
            .flat_map(|block| [block.weight, block.bias])
    }

    /// z₀ = ρ(f) from the images, with dropout in training.
    pub(super) fn forward(&self, builder: &Builder<'_>, cnn: &Cnn, training: bool) -> Vec<Op> {
        let rows @ [r, batch] = builder.rows();
        let model = builder.model;
        let mut ops = Vec::new();
        let mut x = self.images;
        for (Block { conv, pool }, buffers) in cnn.blocks.iter().zip(&self.blocks) {
            let active = buffers.active;
            let operands = [x, buffers.weight];
            let tile = ops::conv::conv2d_forward::tile(conv, batch);
            if builder.options.fused {
                let fused = Some((cnn.activation, buffers.bias));
                ops.push(ops::conv::conv2d_forward::conv2d_forward(
                    conv, rows, tile, fused, operands, active,
                ));
            } else {
                // The gradient's buffer has the pre-activation: the gradient is written later in the step.
                let scratch = buffers.delta;
                ops.push(ops::conv::conv2d_forward::conv2d_forward(
                    conv, rows, tile, None, operands, scratch,
                ));
                ops.push(ops::elementwise::add_channel_bias::add_channel_bias(
                    conv,
                    rows,
                    buffers.bias,
                    scratch,
                ));
                let len = r * batch * conv.outputs();
                ops.push(ops::elementwise::apply_rho::apply_rho(
                    cnn.activation,
                    len,
                    scratch,
                    active,
                ));
            }
            if let (Some(pool), Some(pooled)) = (pool, buffers.pooled) {
                ops.push(ops::conv::max_pool2d_forward::max_pool2d_forward(
                    pool,
                    r * batch,
                    active,
                    pooled,
                ));
            }
            x = buffers.output();
        }
        let len = batch * cnn.features();
        if self.features != x {
            let dropout = cnn.dropout.as_ref().filter(|_| training);
            ops.push(ops::elementwise::dropout::dropout(
                dropout,
                [r, len],
                builder.seeds,
                x,
                self.features,
            ));
        }
        let activation = model.layers[0].activation;
        if limits_features(model) {
            ops.push(ops::elementwise::limit_dual::limit_dual(
                activation,
                r * len,
                self.features,
            ));
        }
        ops.push(ops::elementwise::apply_rho::apply_rho(
            activation,
            r * len,
            self.features,
            builder.z[0],
        ));
        ops
    }

    /// The update of the convolutions from dL/df in `delta`. Each input gradient is computed before the
    /// weights that it needs are updated.
    pub(super) fn backward(&self, builder: &Builder<'_>, cnn: &Cnn) -> Vec<Op> {
        let rows @ [r, batch] = builder.rows();
        let fused = builder.options.fused;
        let mut ops = Vec::new();
        let last = &self.blocks[self.blocks.len() - 1];
        if let Some(dropout) = &cnn.dropout {
            ops.push(ops::elementwise::dropout::dropout(
                Some(dropout),
                [r, batch * cnn.features()],
                builder.seeds,
                self.delta,
                last.output_delta,
            ));
        }
        for (number, block) in cnn.blocks.iter().enumerate().rev() {
            let Block { conv, pool } = block;
            let buffers = &self.blocks[number];
            let delta = buffers.delta;
            let activation = cnn.activation;
            let slope = ops::elementwise::apply_rho_slope::apply_rho_slope(
                activation,
                r * batch * conv.outputs(),
                buffers.active,
                delta,
            );
            match (pool, buffers.pooled) {
                (Some(pool), Some([_, positions])) => {
                    ops.push(ops::conv::max_pool2d_backward::max_pool2d_backward(
                        pool,
                        r * batch,
                        fused.then_some((activation, buffers.active)),
                        [buffers.output_delta, positions],
                        delta,
                    ));
                    if !fused {
                        ops.push(slope);
                    }
                }
                _ => ops.push(slope),
            }
            let x = match number {
                0 => self.images,
                _ => {
                    let below = &self.blocks[number - 1];
                    ops.push(ops::conv::conv2d_backward_input::conv2d_backward_input(
                        conv,
                        rows,
                        ops::conv::conv2d_backward_input::tile(conv, rows[1]),
                        [delta, buffers.weight],
                        below.output_delta,
                    ));
                    below.output()
                }
            };
            self.update(builder, conv, buffers, x, &mut ops);
        }
        ops
    }

    /// The gradients that are stored, with the length of each realization's.
    pub(super) fn stored_gradients(&self) -> impl Iterator<Item = (BufferId, usize)> {
        let all = self.blocks.iter().filter_map(|block| {
            let [weight, bias] = block.gradients?;
            let conv = &block.conv;
            Some([(weight, conv.filters * conv.window()), (bias, conv.filters)])
        });
        all.flatten()
    }

    /// The updates from stored gradients.
    pub(super) fn stored_updates(&self, builder: &Builder<'_>) -> Vec<Op> {
        let blocks = self.blocks.iter();
        blocks
            .flat_map(|block| block.stored_updates(builder))
            .collect()
    }

    /// Where the optimizer's state of each tensor is, if there is any.
    pub(super) fn states(&self) -> impl Iterator<Item = TensorState> {
        let blocks = self.blocks.iter();
        let both = blocks.filter_map(|block| block.state.tensors(block.conv.window()));
        both.flatten()
    }

    fn update(
        &self,
        builder: &Builder<'_>,
        conv: &Conv,
        buffers: &BlockBuffers,
        x: BufferId,
        ops: &mut Vec<Op>,
    ) {
        use ops::conv::conv2d_update::conv2d_update;
        let rows @ [r, batch] = builder.rows();
        let delta = buffers.delta;
        let parts = Parts::of(conv, batch);
        let partial = self.partial_gradient;
        ops.push(ops::conv::conv2d_backward_weight::conv2d_backward_weight(
            conv,
            rows,
            parts,
            [delta, x],
            partial,
        ));
        let (tensors, updating) = match buffers.gradients {
            None => (
                [buffers.weight, buffers.bias],
                builder.updating(buffers.state.joined()),
            ),
            Some(gradients) => (gradients, builder.storing()),
        };
        ops.push(conv2d_update(conv, r, parts, updating, partial, tensors));
        if !builder.clips() {
            ops.extend(buffers.stored_updates(builder));
        }
    }
}
