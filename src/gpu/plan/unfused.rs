//! The part of a plan that concerns the layers, with each operation in a dispatch of its own.

use super::layers::forward_product;
use super::{Builder, LayerBuffers};
use crate::gpu::op::{BufferId, Op};
use crate::gpu::ops;
use crate::gpu::ops::layer::layer_backward::Skip;
use crate::gpu::tile::{Layout, Product, Tile};
use crate::kind::LayerKind;
use crate::nn::LayerShape;

impl Builder<'_> {
    pub(super) fn unfused_forward(&self, l: usize, ops: &mut Vec<Op>) {
        let Some(scratch) = &self.scratch else { return };
        let settings = &self.model.layers[l];
        let activation = settings.activation;
        let layer = &settings.shape;
        let [r, batch] = self.rows();
        let len = r * batch * layer.outputs;
        let u = match &self.layers[l].mix {
            None => self.input(l),
            Some(mix) => {
                ops.push(self.forward_product(layer, self.input(l), mix.matrix, mix.u));
                mix.u
            }
        };
        let pre_activation = self.a[l + 1].unwrap_or(scratch.pre_activation);
        self.affine(l, layer, pre_activation, ops);
        match settings.kind {
            LayerKind::Standard => {}
            LayerKind::Euclidean => ops.push(ops::elementwise::add::add(len, u, pre_activation)),
            LayerKind::Bregman => {
                let skip = self.dual_input(l).unwrap_or_else(|| {
                    let skip = scratch.skip;
                    ops.push(ops::elementwise::apply_rho_inv::apply_rho_inv(
                        activation,
                        len,
                        settings.clamp,
                        u,
                        skip,
                    ));
                    skip
                });
                ops.push(ops::elementwise::add::add(len, skip, pre_activation));
                if settings.is_dual() && settings.limits_dual() {
                    ops.push(ops::elementwise::limit_dual::limit_dual(
                        activation,
                        len,
                        pre_activation,
                    ));
                }
            }
        }
        let output = self.z[l + 1];
        ops.push(ops::elementwise::apply_rho::apply_rho(
            activation,
            len,
            pre_activation,
            output,
        ));
    }

    /// output = zWᵀ + b in two dispatches.
    pub(super) fn affine(&self, l: usize, layer: &LayerShape, output: BufferId, ops: &mut Vec<Op>) {
        let [r, batch] = self.rows();
        let LayerBuffers { weight, bias, .. } = self.layers[l];
        ops.push(self.forward_product(layer, self.input(l), weight, output));
        ops.push(ops::elementwise::add_bias::add_bias(
            [r, batch, layer.outputs],
            bias,
            output,
        ));
    }

    /// output (R, batch, out) = z · matrixᵀ.
    fn forward_product(
        &self,
        layer: &LayerShape,
        z: BufferId,
        matrix: BufferId,
        output: BufferId,
    ) -> Op {
        let [r, batch] = self.rows();
        let product = forward_product(batch, layer);
        let tile = self.forward_tile(layer);
        ops::product::matmul::matmul(Layout::Nt, tile, r, product, z, matrix, output)
    }

    pub(super) fn unfused_backward(
        &self,
        l: usize,
        layer: &LayerShape,
        skip: Skip,
        tile: Tile,
        input_delta: Option<BufferId>,
        ops: &mut Vec<Op>,
    ) {
        let Some(scratch) = &self.scratch else { return };
        let [r, batch] = self.rows();
        let (delta, z) = (self.delta[l], self.input(l));
        let through_mix = self.through_mix(l, skip, ops);
        let buffers = &self.layers[l];
        let weight = buffers.weight;
        if let Some(output) = input_delta {
            let len = r * batch * layer.inputs;
            let product = Product {
                m: batch,
                n: layer.inputs,
                k: layer.outputs,
            };
            let product = |delta, matrix, output| {
                ops::product::matmul::matmul(Layout::Nn, tile, r, product, delta, matrix, output)
            };
            ops.push(product(delta, weight, output));
            if let Some([q, matrix]) = through_mix {
                ops.push(product(q, matrix, scratch.skip));
                ops.push(ops::elementwise::add::add(len, scratch.skip, output));
            }
            if let Skip::Euclidean = skip {
                ops.push(ops::elementwise::add::add(len, delta, output));
            }
            if let Skip::BregmanNested { clamp } = skip {
                let (activation, q) = (self.model.layers[l].activation, scratch.skip);
                ops.push(ops::layer::mix_backward::mix_backward(
                    activation, len, clamp, z, delta, q,
                ));
                ops.push(ops::elementwise::add::add(len, q, output));
            }
            ops.push(ops::elementwise::apply_rho_slope::apply_rho_slope(
                self.activation_of_input(l),
                len,
                z,
                output,
            ));
            if let Skip::Bregman { gate, window } = skip {
                ops.push(ops::elementwise::apply_gate::apply_gate(
                    len,
                    window,
                    gate,
                    delta,
                    scratch.skip,
                ));
                ops.push(ops::elementwise::add::add(len, scratch.skip, output));
            }
        }
        let gradients = buffers
            .gradients
            .unwrap_or([scratch.weight_gradient, scratch.bias_gradient]);
        ops.push(self.weight_gradient(layer, tile, [delta, z], gradients[0]));
        let shape = [r, batch, layer.outputs];
        ops.push(ops::elementwise::bias_gradient::bias_gradient(
            shape,
            delta,
            gradients[1],
        ));
        if !self.clips() {
            ops.extend(self.stored_updates(layer, buffers, gradients));
        }
        self.store_mix_gradient(l, layer, through_mix, tile, ops);
    }

    /// The gradient in u = Mz, and M, if the skip goes through M.
    pub(super) fn through_mix(
        &self,
        l: usize,
        skip: Skip,
        ops: &mut Vec<Op>,
    ) -> Option<[BufferId; 2]> {
        let scratch = self.scratch.as_ref()?;
        let [r, batch] = self.rows();
        let delta = self.delta[l];
        match skip {
            Skip::Mix {
                kind: LayerKind::Bregman,
                u,
                matrix,
                clamp,
                ..
            } => {
                let layer = &self.model.layers[l];
                let len = r * batch * layer.shape.outputs;
                let activation = layer.activation;
                let q = scratch.q;
                ops.push(ops::layer::mix_backward::mix_backward(
                    activation, len, clamp, u, delta, q,
                ));
                Some([q, matrix])
            }
            Skip::Mix { matrix, .. } => Some([delta, matrix]),
            _ => None,
        }
    }

    /// gradient (R, out, in) = δᵀz.
    fn weight_gradient(
        &self,
        layer: &LayerShape,
        tile: Tile,
        [delta, z]: [BufferId; 2],
        gradient: BufferId,
    ) -> Op {
        let [r, batch] = self.rows();
        let product = Product {
            m: layer.outputs,
            n: layer.inputs,
            k: batch,
        };
        ops::product::matmul::matmul(Layout::Tn, tile, r, product, delta, z, gradient)
    }

    /// The gradient of M from that in u = Mz, and unless all gradients are stored first, its update.
    pub(super) fn store_mix_gradient(
        &self,
        l: usize,
        layer: &LayerShape,
        through_mix: Option<[BufferId; 2]>,
        tile: Tile,
        ops: &mut Vec<Op>,
    ) {
        let (Some([q, matrix]), Some(mix), Some(scratch)) =
            (through_mix, &self.layers[l].mix, &self.scratch)
        else {
            return;
        };
        let gradient = mix.gradient.unwrap_or(scratch.weight_gradient);
        ops.push(self.weight_gradient(layer, tile, [q, self.input(l)], gradient));
        if !self.clips() {
            ops.extend(self.stored_mix_update(layer, [gradient, matrix], mix.state));
        }
    }
}
