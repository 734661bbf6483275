//! The part of a plan that concerns small networks, which one workgroup trains.

use super::{Builder, LayerState, SplitPlan};
use crate::data::Dataset;
use crate::gpu::op::{BufferId, Op, Part, Step};
use crate::gpu::ops::layer::small_network::{self, Operands, Shape};
use crate::gpu::ops::loss::Objective;
use crate::kind::Storage;
use crate::nn::Layer;

/// Training steps of a network whose weights and activations fit into the memory of one workgroup.
///
/// Its hidden layers have one kind, form, activation and width, and no M; no convolutions are before them. It
/// trains by stochastic gradient descent, with or without momentum, on images that are not changed, with no
/// limit of the gradient's norm, in single precision.
#[derive(Clone, Debug)]
pub struct SmallSteps {
    /// The dispatch, of as many steps as its span says.
    pub op: Op,
    /// The bytes of workgroup memory that the kernel takes.
    pub memory_bytes: usize,
    pub(in crate::gpu) span: BufferId,
    pub(in crate::gpu) factors: BufferId,
    /// The parameters and the optimizer's state.
    pub(in crate::gpu) parts: Vec<Part>,
    /// Turns of all loops of an invocation in a step, and before and after the steps.
    pub(in crate::gpu) turns: [usize; 2],
}

impl Builder<'_> {
    /// The shape of the network, if it is small.
    fn small_shape(&self) -> Option<Shape> {
        let (model, options) = (self.model, &self.options);
        let recipe = &options.recipe;
        let allowed = options.small && options.fused && options.storage == Storage::F32;
        let plain = recipe.augmentation.is_none()
            && recipe.clip_norm.is_none()
            && small_network::UPDATES.contains(&self.update);
        let width = model.head.inputs;
        let alike = |layer: &Layer| !layer.shape.mix && layer.shape.outputs == width;
        if !(allowed && plain && model.cnn.is_none() && model.layers.iter().all(alike)) {
            return None;
        }
        Some(Shape {
            layer: *model.uniform()?,
            layers: model.layers.len(),
            inputs: model.inputs(),
            width,
            outputs: model.head.outputs,
            batch: recipe.batch_size,
        })
    }

    /// The steps on `data`, whose plan is `split`, if the network is small.
    pub(super) fn small_steps(&mut self, data: &Dataset, split: &SplitPlan) -> Option<SmallSteps> {
        let shape = self.small_shape()?;
        let memory_bytes = shape.memory_bytes()?;
        let [r, batch] = self.rows();
        let tensors: Vec<BufferId> = self.tensors().collect();
        let (parameters, mut parts) = self.joined("small network's parameters", &tensors);
        let states = self.layers.iter().map(|layer| layer.state);
        let states: Vec<BufferId> = states.filter_map(LayerState::joined).collect();
        let state = (!states.is_empty()).then(|| {
            let (state, more) = self.joined("small network's state", &states);
            parts.extend(more);
            state
        });
        let steps = split.samples.div_ceil(batch);
        let factors = self.zeros("small network's factors", steps);
        let span = self
            .specs
            .steps("small network's span", [Step::new(0, 1, 0)]);
        let operands = Operands {
            source: split.source,
            targets: split.targets,
            order: split.order,
            factors,
            parameters,
            metrics: split.metrics,
        };
        let objective = Objective::of(self.model.loss, data);
        let updating = self.updating(state);
        let sizes = [r, split.samples];
        Some(SmallSteps {
            op: small_network::small_network(&shape, sizes, objective, updating, operands),
            memory_bytes,
            span,
            factors,
            parts,
            turns: [shape.turns(), shape.turns_around()],
        })
    }

    /// A buffer with room for all of `buffers`, one after another.
    fn joined(&mut self, name: &str, buffers: &[BufferId]) -> (BufferId, Vec<Part>) {
        let sizes: Vec<u64> = buffers.iter().map(|id| self.specs.0[id.0].bytes).collect();
        let whole = self.zeros(name, sizes.iter().sum::<u64>() as usize / 4);
        let mut offset = 0;
        let parts = buffers.iter().zip(sizes).map(|(&own, bytes)| {
            offset += bytes;
            Part {
                own,
                whole,
                offset: offset - bytes,
                bytes,
            }
        });
        (whole, parts.collect())
    }
}
