//! The part of a plan that concerns the layers, on the fused path.

use super::{Builder, LayerBuffers};
use crate::gpu::op::{BufferId, Op};
use crate::gpu::ops;
use crate::gpu::ops::layer::layer_backward::Skip;
use crate::gpu::ops::layer::layer_forward::Input;
use crate::gpu::ops::loss::Objective;
use crate::gpu::tile::{Product, Tile};
use crate::kind::{Form, LayerKind};
use crate::nn::{Layer, Model};

/// The product of a layer's forward.
pub(super) fn forward_product(batch: usize, layer: &Layer) -> Product {
    Product {
        m: batch,
        n: layer.outputs,
        k: layer.inputs,
    }
}

impl Builder<'_> {
    pub(super) fn head_and_loss(
        &self,
        objective: Objective,
        order_stride: usize,
        [targets, order, metrics]: [BufferId; 3],
        ops: &mut Vec<Op>,
    ) {
        let [r, batch] = self.rows();
        let head = &self.model.head;
        let l = self.model.layers.len();
        let LayerBuffers { weight, bias, .. } = self.layers[l];
        let delta = self.delta[l];
        if self.options.fused && ops::layer::head::takes(head.outputs) {
            let operands = ops::layer::head::Operands {
                z: self.z[l],
                weight,
                bias,
                targets,
                order,
                delta,
                metrics,
            };
            let rows = self.rows();
            let op = ops::layer::head::head(objective, rows, head, order_stride, operands);
            ops.push(op);
            return;
        }
        self.head_logits(ops);
        ops.push(ops::loss::loss(
            objective,
            [r, batch, head.outputs],
            order_stride,
            ops::loss::Operands {
                logits: self.logits,
                targets,
                order,
                delta,
                metrics,
            },
        ));
    }

    /// The outputs of the head, in a buffer.
    pub(super) fn head_logits(&self, ops: &mut Vec<Op>) {
        let head = &self.model.head;
        let l = self.model.layers.len();
        if self.options.fused {
            let linear = ops::layer::layer_forward::Epilogue::Linear;
            let z = Input::Buffer(self.z[l]);
            ops.push(self.fused_forward(linear, l, head, z, self.logits));
        } else {
            self.affine(l, head, self.logits, ops);
        }
    }

    pub(super) fn fused_forward(
        &self,
        epilogue: ops::layer::layer_forward::Epilogue,
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
        let operands = ops::layer::layer_forward::Operands {
            z,
            weight,
            bias,
            output,
        };
        ops::layer::layer_forward::layer_forward(
            epilogue, activation, *clamp, tile, rows, layer, operands,
        )
    }

    pub(super) fn layer_forward(&self, l: usize, z: Input, ops: &mut Vec<Op>) {
        let layer = &self.model.layers[l];
        let output = self.z[l + 1];
        let LayerBuffers {
            weight, bias, mix, ..
        } = &self.layers[l];
        if !self.options.fused {
            self.unfused_forward(l, ops);
        } else if let Some(mix) = mix {
            let rows = self.rows();
            ops.push(ops::layer::layer_forward_mix::layer_forward_mix(
                self.forward_epilogue(l, mix.u),
                self.model.activation,
                self.model.clamp,
                Tile::for_product(forward_product(rows[1], layer)),
                rows,
                layer,
                ops::layer::layer_forward_mix::Operands {
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

    fn forward_epilogue(&self, l: usize, u: BufferId) -> ops::layer::layer_forward::Epilogue {
        use ops::layer::layer_forward::Epilogue;
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

    /// The dual variable that layer `l` takes from the layer below, if it takes one.
    pub(super) fn dual_input(&self, l: usize) -> Option<BufferId> {
        if self.layers[l].mix.is_some() {
            None
        } else {
            self.a[l]
        }
    }

    pub(super) fn skip(&self, l: usize) -> Skip {
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
            // No gradient goes below the first layer.
            _ if self.input_delta(l).is_none() => Skip::None,
            LayerKind::Standard => Skip::None,
            LayerKind::Euclidean => Skip::Euclidean,
            LayerKind::Bregman => match (form, self.a[l]) {
                (Form::Dual, Some(gate)) => {
                    let max = self.model.activation.dual_max;
                    // The skip path is open strictly within a bound that clamping reaches.
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

    /// The buffer for dL/da of the layer's input, if anything before it is trained.
    pub(super) fn input_delta(&self, l: usize) -> Option<BufferId> {
        match l.checked_sub(1) {
            Some(below) => Some(self.delta[below]),
            None => self
                .convolutions
                .as_ref()
                .map(|convolutions| convolutions.delta),
        }
    }

    /// δ of the layer below, if it is needed, and the layer's update.
    pub(super) fn layer_backward(&self, l: usize, layer: &Layer, skip: Skip, ops: &mut Vec<Op>) {
        let [r, batch] = self.rows();
        let activation = self.model.activation;
        let delta = self.delta[l];
        let input_delta = self.input_delta(l);
        let tile = ops::layer::layer_backward::tile(batch, layer, input_delta.is_some());
        if !self.options.fused {
            self.unfused_backward(l, layer, skip, tile, ops);
            return;
        }
        let buffers = &self.layers[l];
        let weight = buffers.weight;
        let ([next_weight, bias], updating) = match (buffers.next_weight, buffers.gradients) {
            (Some(next), _) => ([next, buffers.bias], self.updating(buffers.state.joined())),
            (None, Some(gradients)) => (gradients, self.storing()),
            (None, None) => unreachable!("a fused layer updates its weight or stores its gradient"),
        };
        let operands = ops::layer::layer_backward::Operands {
            delta,
            z: self.z[l],
            weight,
            next_weight,
            bias,
            output: input_delta.unwrap_or(self.unused),
            input_wanted: input_delta.is_some(),
        };
        ops.push(ops::layer::layer_backward::layer_backward(
            skip,
            activation,
            tile,
            updating,
            [r, batch],
            layer,
            operands,
        ));
        if let (Some(gradients), false) = (buffers.gradients, self.clips()) {
            ops.extend(self.stored_updates(layer, buffers, gradients));
        }
        if self.clips() {
            let through_mix = self.through_mix(l, skip, ops);
            self.store_mix_gradient(l, layer, through_mix, tile, ops);
        } else if let Skip::Mix {
            kind,
            u,
            matrix,
            clamp,
        } = skip
        {
            let z = self.z[l];
            let operands = ops::layer::mix_update::Operands {
                delta,
                u,
                z,
                matrix,
            };
            ops.push(ops::layer::mix_update::mix_update(
                kind,
                activation,
                clamp,
                self.updating(buffers.mix.as_ref().and_then(|mix| mix.state)),
                [r, batch],
                layer,
                operands,
            ));
        }
    }
}
