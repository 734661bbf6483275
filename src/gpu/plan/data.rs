//! The part of a plan that concerns the data: their buffers, evaluation, and the check of the parameters.

use super::{Builder, Convolutions, LayerBuffers, SplitPlan};
use crate::data::augment::Augmenter;
use crate::data::{Split, Splits};
use crate::error::Result;
use crate::gpu::op::{BufferId, Op, Step};
use crate::gpu::ops;
use crate::gpu::ops::layer::gather::Source;
use crate::gpu::ops::layer::layer_forward::Input;
use crate::gpu::ops::loss::Objective;

impl Builder<'_> {
    /// The plan for a split, and the dispatches that take the place of the first and the last ones in a training
    /// step: where training augments its images, and where the head goes on to δ of the last layer.
    pub(super) fn split(
        &mut self,
        split: Split,
        splits: &Splits,
    ) -> Result<(SplitPlan, [Option<Op>; 2])> {
        let data = splits.get(split);
        let [r, batch] = self.rows();
        let samples = data.len();
        let steps = samples.div_ceil(batch);
        let name = format!("{split:?}").to_lowercase();
        let specs = &mut self.specs;
        let source = specs.source(&name, data, self.pixel_values);
        let targets = specs.targets(&name, data);
        // Training visits the samples in each realization's own order, evaluation in file order.
        let order = format!("{name} order");
        let (order, order_stride) = match split {
            Split::Train => (specs.zeros(order, r * samples), samples),
            _ => {
                let file_order: Vec<u32> = (0..samples as u32).collect();
                (specs.values(order, &file_order), 0)
            }
        };
        let uniforms = specs.steps(format!("{name} steps"), Step::all(samples, batch));
        let metrics = specs.zeros(format!("{name} metrics"), 2 * steps * r * batch);

        let mut evaluate = Vec::new();
        let gathered = ops::layer::gather::Operands {
            source,
            order,
            output: self
                .convolutions
                .as_ref()
                .map_or(self.z[0], |convolutions| convolutions.images),
        };
        let augmentation = self.options.recipe.augmentation;
        let augmentation = augmentation.filter(|_| split == Split::Train);
        let mut augmented = None;
        if let (Some(augmentation), Source::Bytes { pixels, .. }) = (augmentation, source) {
            let augmenter = Augmenter::new(augmentation, data)?;
            let tables = ops::layer::augment::tables(&augmenter);
            let operands = ops::layer::augment::Operands {
                pixels,
                pixel_values: self.pixel_values,
                order,
                seeds: self.seeds,
                tables: self.specs.values("augmentation", &tables),
                output: gathered.output,
            };
            let shape = [r, batch, samples];
            augmented = Some(ops::layer::augment::augment(&augmenter, shape, operands));
        }
        let gathers_apart = self.gathers_apart();
        let on_the_way = self.convolutions.is_none()
            && self.layers[0].mix.is_none()
            && augmented.is_none()
            && !gathers_apart;
        let input = if self.options.fused && on_the_way {
            Input::Data {
                order_stride,
                operands: gathered,
            }
        } else {
            let shape = [r, batch, data.features()];
            evaluate.push(ops::layer::gather::gather(shape, order_stride, gathered));
            evaluate.extend(self.convolutions_forward(false));
            Input::Buffer(self.z[0])
        };
        for l in 0..self.model.layers.len() {
            let z = if l == 0 {
                input
            } else {
                Input::Buffer(self.input(l))
            };
            self.layer_forward(l, z, &mut evaluate);
        }
        let mut outputs = evaluate.clone();
        self.head_logits(&mut outputs);
        let objective = Objective::of(self.model.loss, data);
        let buffers = [targets, order, metrics];
        let mut training = Vec::new();
        self.head_and_loss(objective, order_stride, buffers, true, &mut training);
        let last = training.pop().filter(|_| self.head_goes_below());
        self.head_and_loss(objective, order_stride, buffers, false, &mut evaluate);
        let plan = SplitPlan {
            split,
            samples,
            source,
            targets,
            order,
            steps: uniforms,
            metrics,
            evaluate,
            outputs,
        };
        Ok((plan, [augmented, last]))
    }

    /// Whether the batch is gathered before the first layer even where that layer could: each of its tiles'
    /// columns looks all inputs up, which takes longer than one more dispatch where there are many columns.
    fn gathers_apart(&self) -> bool {
        const MANY_OUTPUTS: usize = 400_000;
        let [r, batch] = self.rows();
        r * batch * self.model.layers[0].shape.outputs >= MANY_OUTPUTS
    }

    /// The parameters, in canonical order.
    pub(super) fn tensors(&self) -> impl Iterator<Item = BufferId> {
        let convolutions = self.convolutions.iter().flat_map(Convolutions::tensors);
        convolutions.chain(self.layers.iter().flat_map(LayerBuffers::tensors))
    }

    pub(super) fn check_finite(&self, flags: BufferId) -> Vec<Op> {
        let r = self.options.realizations;
        self.tensors()
            .map(|tensor| {
                let len = self.specs.0[tensor.0].bytes as usize / 4;
                ops::elementwise::check_finite::check_finite(r, len, tensor, flags)
            })
            .collect()
    }
}
