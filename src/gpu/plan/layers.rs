//! The part of a plan that concerns the layers, on the fused path.

use super::{Builder, LayerBuffers, Passage};
use crate::activation::Activation;
use crate::gpu::op::{BufferId, Op};
use crate::gpu::ops;
use crate::gpu::ops::layer::layer_backward::Skip;
use crate::gpu::ops::layer::layer_forward::Input;
use crate::gpu::ops::loss::Objective;
use crate::gpu::tile::{Product, Tile};
use crate::kind::LayerKind;
use crate::nn::LayerShape;

/// The product of a layer's forward.
pub(super) fn forward_product(batch: usize, layer: &LayerShape) -> Product {
    Product {
        m: batch,
        n: layer.outputs,
        k: layer.inputs,
    }
}

/// The interval of the dual variable in which no bound of the activation acts: the skip path is open
/// strictly within a bound that clamping reaches.
fn dual_window(activation: &Activation) -> [f32; 2] {
    let max = activation.dual_max;
    let max = if max < f32::MAX { max.next_down() } else { max };
    [-max, max]
}

impl Builder<'_> {
    /// Whether a training step's head goes on to δ of the last layer.
    pub(super) fn head_goes_below(&self) -> bool {
        let outputs = self.model.head.outputs;
        self.options.fused
            && ops::layer::head::takes(outputs)
            && ops::layer::head::goes_below(outputs)
    }

    /// The head and the loss; `training` if δ of the last layer may follow in the same dispatch.
    pub(super) fn head_and_loss(
        &self,
        objective: Objective,
        order_stride: usize,
        [targets, order, metrics]: [BufferId; 3],
        training: bool,
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
            let below = ops::layer::head::Below {
                activation: self.activation_of_input(l),
                delta: self.delta[l - 1],
            };
            ops.push(ops::layer::head::head(
                objective,
                [r, batch],
                head,
                order_stride,
                operands,
                (training && self.head_goes_below()).then_some(below),
                ops::layer::head::Samples::of(r * batch),
            ));
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

    /// The tile of a layer's forward.
    pub(super) fn forward_tile(&self, layer: &LayerShape) -> Tile {
        let [r, batch] = self.rows();
        let product = forward_product(batch, layer);
        Tile::for_product(product).for_realizations(r, [[product.m, product.n]])
    }

    pub(super) fn fused_forward(
        &self,
        epilogue: ops::layer::layer_forward::Epilogue,
        l: usize,
        layer: &LayerShape,
        z: Input,
        output: BufferId,
    ) -> Op {
        let rows = self.rows();
        let tile = self.forward_tile(layer);
        let LayerBuffers { weight, bias, .. } = self.layers[l];
        let operands = ops::layer::layer_forward::Operands {
            z,
            weight,
            bias,
            output,
        };
        // The head is linear and reads neither.
        let layers = &self.model.layers;
        let settings = &layers[l.min(layers.len() - 1)];
        ops::layer::layer_forward::layer_forward(
            epilogue,
            settings.activation,
            settings.clamp,
            tile,
            rows,
            layer,
            operands,
        )
    }

    pub(super) fn layer_forward(&self, l: usize, z: Input, ops: &mut Vec<Op>) {
        let settings = &self.model.layers[l];
        let layer = &settings.shape;
        let output = self.z[l + 1];
        let LayerBuffers {
            weight, bias, mix, ..
        } = &self.layers[l];
        self.pass_dual(l, ops);
        if !self.options.fused {
            self.unfused_forward(l, ops);
        } else if let Some(mix) = mix {
            let rows = self.rows();
            ops.push(ops::layer::layer_forward_mix::layer_forward_mix(
                self.forward_epilogue(l, mix.u),
                settings.activation,
                settings.clamp,
                self.forward_tile(layer),
                rows,
                layer,
                ops::layer::layer_forward_mix::Operands {
                    z: self.input(l),
                    weight: *weight,
                    bias: *bias,
                    mix: mix.matrix,
                    output,
                },
            ));
        } else {
            let epilogue = self.forward_epilogue(l, self.input(l));
            ops.push(self.fused_forward(epilogue, l, layer, z, output));
        }
    }

    fn forward_epilogue(&self, l: usize, u: BufferId) -> ops::layer::layer_forward::Epilogue {
        use ops::layer::layer_forward::Epilogue;
        match self.model.layers[l].kind {
            LayerKind::Standard => Epilogue::Standard,
            LayerKind::Euclidean => Epilogue::Euclidean { u },
            LayerKind::Bregman => match (self.a[l + 1], self.dual_input(l)) {
                (None, _) => Epilogue::Bregman { u },
                (Some(dual), None) => Epilogue::BregmanLift { u, dual },
                (Some(dual), Some(a)) => Epilogue::BregmanDual { a, dual },
            },
        }
    }

    /// The buffers of the dual passage to layer `l`, if it has one.
    pub(super) fn passage(&mut self, l: usize) -> Option<Passage> {
        if !self.model.passes_dual(l) {
            return None;
        }
        let [below, layer] = [l - 1, l].map(|l| &self.model.layers[l]);
        let [r, batch] = self.rows();
        let len = r * batch * layer.shape.inputs;
        let mut buffer = |name: &str| self.specs.zeros(format!("layers.{l}.passed {name}"), len);
        let lets_all_through = below.is_dual() && !below.limits_dual();
        Some(Passage {
            z: buffer("z"),
            delta: (!lets_all_through).then(|| buffer("delta")),
            a: match self.a[l] {
                Some(a) if !layer.limits_dual() => a,
                _ => buffer("a"),
            },
        })
    }

    /// Layer `l`'s input: the output of the layer below, or ρ(a) in place of it after a dual passage.
    pub(super) fn input(&self, l: usize) -> BufferId {
        let passage = self.passages.get(l).copied().flatten();
        passage.map_or(self.z[l], |passage| passage.z)
    }

    /// The dual passage to layer `l`, if it has one.
    fn pass_dual(&self, l: usize, ops: &mut Vec<Op>) {
        use ops::elementwise::{apply_rho::apply_rho, apply_rho_inv::apply_rho_inv, limit_dual};
        let Some(Passage { a, z, .. }) = self.passages[l] else {
            return;
        };
        let [below, layer] = [l - 1, l].map(|l| &self.model.layers[l]);
        let [r, batch] = self.rows();
        let len = r * batch * layer.shape.inputs;
        let most = layer.activation.dual_max;
        match self.a[l] {
            Some(dual) if dual == a => {}
            // The inverse of the identity only limits.
            Some(dual) => ops.push(apply_rho_inv(
                &Activation::IDENTITY,
                len,
                [-most, most],
                dual,
                a,
            )),
            None => {
                let output = self.z[l];
                ops.push(apply_rho_inv(below.activation, len, below.clamp, output, a));
                if layer.limits_dual() {
                    ops.push(limit_dual::limit_dual(layer.activation, len, a));
                }
            }
        }
        ops.push(apply_rho(layer.activation, len, a, z));
    }

    /// From dL/da of the dual passage to layer `l` to δ of the layer below, which is 0 where that layer
    /// limited a, or its z was clamped.
    fn pass_delta(&self, l: usize, ops: &mut Vec<Op>) {
        let passage = self.passages.get(l).copied().flatten();
        let Some(delta) = passage.and_then(|passage| passage.delta) else {
            return;
        };
        let below = &self.model.layers[l - 1];
        let [r, batch] = self.rows();
        let (gate, window) = match self.a[l] {
            Some(a) => (a, dual_window(below.activation)),
            None => (self.z[l], below.clamp),
        };
        ops.push(ops::elementwise::apply_gate::apply_gate(
            r * batch * below.shape.outputs,
            window,
            gate,
            delta,
            self.delta[l - 1],
        ));
    }

    /// The dual variable that layer `l` takes from below, if it takes one.
    pub(super) fn dual_input(&self, l: usize) -> Option<BufferId> {
        let passage = self.passages[l].map(|passage| passage.a);
        let carries = self.model.carries_dual(l);
        carries.then(|| passage.or(self.a[l])).flatten()
    }

    /// The activation whose output layer `l`, or the head, takes as z.
    pub(super) fn activation_of_input(&self, l: usize) -> &'static Activation {
        let layers = &self.model.layers;
        match layers.get(l) {
            Some(layer) if !self.model.foreign_input(l) => layer.activation,
            _ => layers[l - 1].activation,
        }
    }

    pub(super) fn skip(&self, l: usize) -> Skip {
        let layer = &self.model.layers[l];
        let (kind, clamp) = (layer.kind, layer.clamp);
        let nested = kind == LayerKind::Bregman && self.model.foreign_input(l);
        if let Some(mix) = &self.layers[l].mix {
            return Skip::Mix {
                kind,
                u: mix.u,
                matrix: mix.matrix,
                clamp,
                nested,
            };
        }
        match kind {
            // No gradient goes below the first layer.
            _ if self.input_delta(l).is_none() => Skip::None,
            LayerKind::Standard => Skip::None,
            LayerKind::Euclidean => Skip::Euclidean,
            LayerKind::Bregman if nested => Skip::BregmanNested { clamp },
            LayerKind::Bregman => match self.dual_input(l) {
                Some(gate) => Skip::Bregman {
                    gate,
                    window: dual_window(layer.activation),
                },
                None => Skip::Bregman {
                    gate: self.input(l),
                    window: clamp,
                },
            },
        }
    }

    /// The buffer for dL/da of the layer's input, if anything before it is trained and no other dispatch
    /// computes it.
    pub(super) fn input_delta(&self, l: usize) -> Option<BufferId> {
        match l.checked_sub(1) {
            Some(_) if l == self.model.layers.len() && self.head_goes_below() => None,
            Some(below) => Some(self.delta[below]),
            None => self
                .convolutions
                .as_ref()
                .map(|convolutions| convolutions.delta),
        }
    }

    /// δ of the layer below, if it is needed, and the layer's update.
    pub(super) fn layer_backward(
        &self,
        l: usize,
        layer: &LayerShape,
        skip: Skip,
        ops: &mut Vec<Op>,
    ) {
        let [r, batch] = self.rows();
        let delta = self.delta[l];
        let z = self.input(l);
        let passage = self.passages.get(l).copied().flatten();
        let passed_delta = passage.and_then(|passage| passage.delta);
        let input_delta = passed_delta.or(self.input_delta(l));
        let tile = ops::layer::layer_backward::tile([r, batch], layer, input_delta.is_some());
        if !self.options.fused {
            self.unfused_backward(l, layer, skip, tile, input_delta, ops);
            self.pass_delta(l, ops);
            return;
        }
        let below = self.activation_of_input(l);
        let own = self.model.layers.get(l).map(|layer| layer.activation);
        // Where the activations differ, a Bregman layer stops at dL/dz.
        let stops = skip.stops_at_input();
        let activation = own.filter(|_| stops).unwrap_or(below);
        let buffers = &self.layers[l];
        let weight = buffers.weight;
        let ([next_weight, bias], updating) = match (buffers.next_weight, buffers.gradients) {
            (Some(next), _) => ([next, buffers.bias], self.updating(buffers.state.joined())),
            (None, Some(gradients)) => (gradients, self.storing()),
            (None, None) => unreachable!("a fused layer updates its weight or stores its gradient"),
        };
        let operands = ops::layer::layer_backward::Operands {
            delta,
            z,
            weight,
            next_weight,
            bias,
            output: input_delta.unwrap_or(self.unused),
            input_wanted: input_delta.is_some(),
        };
        // Each part of the batch stands for a realization of its own, whose gradient is stored.
        let parts = buffers.gradient_parts;
        ops.push(ops::layer::layer_backward::layer_backward(
            skip,
            activation,
            tile,
            updating,
            [r * parts, batch / parts],
            layer,
            operands,
        ));
        if let (Some(output), true) = (input_delta, stops) {
            let len = r * batch * layer.inputs;
            ops.push(ops::elementwise::apply_rho_slope::apply_rho_slope(
                below, len, z, output,
            ));
        }
        self.pass_delta(l, ops);
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
            ..
        } = skip
        {
            let operands = ops::layer::mix_update::Operands {
                delta,
                u,
                z,
                matrix,
            };
            ops.push(ops::layer::mix_update::mix_update(
                kind,
                self.model.layers[l].activation,
                clamp,
                self.updating(buffers.mix.as_ref().and_then(|mix| mix.state)),
                [r, batch],
                layer,
                operands,
            ));
        }
    }
}
