//! The part of a plan that concerns updates from stored gradients.

use super::{Builder, LayerBuffers, TensorState};
use crate::gpu::op::{BufferId, Op};
use crate::gpu::ops::elementwise::clip_scale::clip_scale;
use crate::gpu::ops::elementwise::gradient_squares::{gradient_squares, parts};
use crate::gpu::ops::elementwise::optimizer_step::optimizer_step;
use crate::gpu::ops::elementwise::project_simplex::project_simplex;
use crate::nn::LayerShape;

impl Builder<'_> {
    /// Each layer with its buffers, the head last.
    fn layers_and_buffers(&self) -> impl Iterator<Item = (&LayerShape, &LayerBuffers)> {
        self.model.shapes().zip(&self.layers)
    }

    /// The gradients that are stored before any is used, with the length of each realization's.
    pub(super) fn stored_gradients(&self) -> impl Iterator<Item = (BufferId, usize)> {
        let convolutions = self.convolutions.iter().flat_map(|c| c.stored_gradients());
        let layers = self.layers_and_buffers().flat_map(|(layer, buffers)| {
            let matrix = layer.outputs * layer.inputs;
            let [weight, bias] = buffers.gradients.map_or([None; 2], |ids| ids.map(Some));
            let mix = buffers.mix.as_ref().and_then(|mix| mix.gradient);
            [(weight, matrix), (bias, layer.outputs), (mix, matrix)]
        });
        let found = layers.filter_map(|(id, len)| Some((id?, len)));
        convolutions.chain(found)
    }

    /// One tensor's update from the `parts` of its stored gradient, where each realization has `len` parameters.
    pub(super) fn optimizer_step(
        &self,
        [parts, len]: [usize; 2],
        state: Option<BufferId>,
        gradient: BufferId,
        parameter: BufferId,
    ) -> Op {
        let r = self.options.realizations;
        let operands = [gradient, self.scales];
        optimizer_step(
            [r, parts],
            r * len,
            self.updating(state),
            operands,
            parameter,
        )
    }

    /// The updates of a layer's weight and bias from their stored gradients.
    pub(super) fn stored_updates(
        &self,
        layer: &LayerShape,
        buffers: &LayerBuffers,
        [weight, bias]: [BufferId; 2],
    ) -> [Op; 2] {
        let [weight_state, bias_state] = buffers.state.apart();
        let [weight_len, bias_len] = [layer.outputs * layer.inputs, layer.outputs];
        let parts = buffers.gradient_parts;
        [
            self.optimizer_step([parts, weight_len], weight_state, weight, buffers.weight),
            self.optimizer_step([parts, bias_len], bias_state, bias, buffers.bias),
        ]
    }

    /// M's update from its stored gradient, and its projection.
    pub(super) fn stored_mix_update(
        &self,
        layer: &LayerShape,
        [gradient, matrix]: [BufferId; 2],
        state: Option<BufferId>,
    ) -> [Op; 2] {
        let rows = self.options.realizations * layer.outputs;
        let len = layer.outputs * layer.inputs;
        [
            self.optimizer_step([1, len], state, gradient, matrix),
            project_simplex(rows, layer.inputs, matrix),
        ]
    }

    /// From the stored gradients of all parameters: their norm, and the updates by the gradients scaled.
    pub(super) fn clipped_updates(&self, norm: f32, ops: &mut Vec<Op>) {
        let r = self.options.realizations;
        let gradients: Vec<_> = self.stored_gradients().collect();
        let all = gradients.iter().map(|&(_, len)| parts(len)).sum();
        let mut first = 0;
        for (gradient, len) in gradients {
            let place = [first, all];
            ops.push(gradient_squares([r, len], gradient, place, self.squares));
            first += parts(len);
        }
        ops.push(clip_scale([r, all], norm, self.squares, self.scales));
        for (layer, buffers) in self.layers_and_buffers() {
            if let Some(gradients) = buffers.gradients {
                ops.extend(self.stored_updates(layer, buffers, gradients));
            }
            if let Some(mix) = &buffers.mix
                && let Some(gradient) = mix.gradient
            {
                ops.extend(self.stored_mix_update(layer, [gradient, mix.matrix], mix.state));
            }
        }
        if let Some(convolutions) = &self.convolutions {
            ops.extend(convolutions.stored_updates(self));
        }
    }

    /// Where the state of each tensor is, in canonical order; empty if there is none.
    pub(super) fn states(&self) -> Vec<TensorState> {
        let convolutions = self.convolutions.iter().flat_map(|c| c.states());
        let layers = self.layers_and_buffers().flat_map(|(layer, buffers)| {
            let both = buffers.state.tensors(layer.inputs);
            let mix = buffers.mix.as_ref().and_then(|mix| {
                Some(TensorState {
                    buffer: mix.state?,
                    cols: layer.inputs,
                    stride: layer.inputs,
                    offset: 0,
                })
            });
            both.into_iter().flatten().chain(mix)
        });
        convolutions.chain(layers).collect()
    }
}
