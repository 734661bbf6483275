//! The convolutions before the layers: features of a batch, and their gradients.
//!
//! A few images go through all blocks together, as one task: the next layer finds what the last one
//! wrote in the core's own cache, and a step hands work to other threads only twice.

use rayon::prelude::*;

use super::conv2d::{
    ConvGradient, columns_len, conv2d_backward_input, conv2d_backward_weight, conv2d_forward,
};
use super::max_pool2d::{max_pool2d_backward, max_pool2d_forward};
use crate::data::augment::Augmenting;
use crate::data::{Dataset, Inputs};
use crate::kernels::Isa;
use crate::kernels::dense::Loops;
use crate::nn::LayerParameters;
use crate::nn::cnn::{Block, Cnn, Conv, Dropout};
use crate::rng::{Purpose, Stream};

/// Number of images of a group. It is fixed, so that no sum depends on the number of threads.
const IMAGES: usize = 4;

/// A batch, and the value of each pixel 0…255.
#[derive(Clone, Copy)]
pub(super) struct Batch<'a> {
    pub data: &'a Dataset,
    pub pixel_values: &'a [f32; 256],
    /// In training with random changes of the images.
    pub augmenting: Option<Augmenting<'a>>,
    /// The samples.
    pub indices: &'a [u32],
}

/// The buffers of the convolutions, for the full batch; a short batch uses their beginning.
pub(super) struct Front {
    groups: Vec<Group>,
    /// f, (batch, features).
    pub features: Vec<f32>,
    /// dL/df, (batch, features), from which the backward pass starts.
    pub delta: Vec<f32>,
}

impl Front {
    pub(super) fn new(cnn: &Cnn, batch: usize) -> Self {
        let features = vec![0.0; batch * cnn.features()];
        let groups = 0..batch.div_ceil(IMAGES);
        Self {
            groups: groups.map(|_| Group::new(cnn)).collect(),
            delta: features.clone(),
            features,
        }
    }

    /// The features of a batch; `training` is the realization's seed and the step, for dropout.
    pub(super) fn forward(
        &mut self,
        cnn: &Cnn,
        parameters: &[LayerParameters<f32>],
        batch: Batch<'_>,
        training: Option<(u64, u64)>,
    ) {
        let loops = cnn.activation.loops.dense(Isa::widest());
        let len = IMAGES * cnn.features();
        let dropout = cnn.dropout.as_ref().zip(training);
        let masks = dropout.map(|(dropout, (seed, step))| Mask::new(dropout, seed, step));
        let features = self.features.par_chunks_mut(len);
        self.groups
            .par_iter_mut()
            .zip(batch.indices.par_chunks(IMAGES))
            .zip(features)
            .enumerate()
            .for_each(|(number, ((group, indices), features))| {
                let batch = Batch { indices, ..batch };
                let features = &mut features[..indices.len() * cnn.features()];
                group.forward(cnn, loops, parameters, batch, features);
                if let Some(mask) = &masks {
                    mask.draw(number * len, &mut group.factors[..features.len()]);
                    multiply(features, &group.factors);
                }
            });
    }

    /// The gradients of the convolutions' parameters from dL/df in `delta`, for [`Self::step`] or
    /// [`Self::gradient`].
    pub(super) fn backward(&mut self, cnn: &Cnn, parameters: &[LayerParameters<f32>], rows: usize) {
        let loops = cnn.activation.loops.dense(Isa::widest());
        let delta = &mut self.delta[..rows * cnn.features()];
        let at_work = &mut self.groups[..rows.div_ceil(IMAGES)];
        at_work
            .par_iter_mut()
            .zip(delta.par_chunks_mut(IMAGES * cnn.features()))
            .for_each(|(group, delta)| {
                if cnn.dropout.is_some() {
                    multiply(delta, &group.factors);
                }
                group.backward(cnn, loops, parameters, delta);
            });
    }

    /// parameters −= rate · gradient of the last batch of `rows` samples that went backward.
    pub(super) fn step(&self, parameters: &mut [LayerParameters<f32>], rows: usize, rate: f32) {
        let at_work = &self.groups[..rows.div_ceil(IMAGES)];
        for (number, p) in parameters.iter_mut().enumerate() {
            let gradients = || at_work.iter().map(|group| &group.blocks[number].gradient);
            add_all(&mut p.weight, gradients().map(|g| &g.weight), -rate);
            add_all(&mut p.bias, gradients().map(|g| &g.bias), -rate);
        }
    }

    /// Writes the gradient of the last batch of `rows` samples that went backward to `gradient`.
    pub(super) fn gradient(&self, gradient: &mut [LayerParameters<f32>], rows: usize) {
        for p in gradient.iter_mut() {
            p.weight.fill(0.0);
            p.bias.fill(0.0);
        }
        self.step(gradient, rows, -1.0);
    }
}

/// Adds `scale` times each of several gradients to `tensor`, in their order.
fn add_all<'a>(tensor: &mut [f32], gradients: impl Iterator<Item = &'a Vec<f32>>, scale: f32) {
    for gradient in gradients {
        let pairs = tensor.iter_mut().zip(gradient);
        pairs.for_each(|(p, gradient)| *p += scale * gradient);
    }
}

/// Some images of a batch, channel-major, (channels, images, height, width), so that all of them
/// share each product.
struct Group {
    x: Vec<f32>,
    blocks: Vec<BlockBuffers>,
    /// The factors of dropout, (images, features); empty without dropout.
    factors: Vec<f32>,
    /// The windows of the current convolution.
    columns: Vec<f32>,
    /// The bias of one filter, repeated for each pixel.
    bias: Vec<f32>,
}

struct BlockBuffers {
    /// The output of the activation; dL/d of the convolution's output.
    active: Vec<f32>,
    delta: Vec<f32>,
    /// With pooling: its output, and the positions of the pixels that it took; else empty.
    pooled: Vec<f32>,
    positions: Vec<u32>,
    /// dL/d of the block's output.
    output_delta: Vec<f32>,
    gradient: ConvGradient,
}

impl BlockBuffers {
    fn new(block: &Block) -> Self {
        let pooled = block.pool.map_or(0, |pool| IMAGES * pool.outputs());
        Self {
            active: vec![0.0; IMAGES * block.conv.outputs()],
            delta: vec![0.0; IMAGES * block.conv.outputs()],
            pooled: vec![0.0; pooled],
            positions: vec![0; pooled],
            output_delta: vec![0.0; IMAGES * block.outputs()],
            gradient: ConvGradient::new(&block.conv),
        }
    }

    fn output(&self) -> &[f32] {
        match self.pooled.is_empty() {
            true => &self.active,
            false => &self.pooled,
        }
    }
}

impl Group {
    fn new(cnn: &Cnn) -> Self {
        let most = |len: fn(&Conv) -> usize| {
            let convolutions = cnn.blocks.iter().map(|block| &block.conv);
            vec![0.0; convolutions.map(len).max().unwrap_or(0)]
        };
        let factors = cnn.dropout.map_or(0, |_| IMAGES * cnn.features());
        Self {
            x: vec![0.0; IMAGES * cnn.inputs()],
            blocks: cnn.blocks.iter().map(BlockBuffers::new).collect(),
            factors: vec![0.0; factors],
            columns: most(|conv| columns_len(conv, IMAGES)),
            bias: most(|conv| IMAGES * conv.outputs() / conv.filters),
        }
    }

    fn gather(&mut self, channels: usize, batch: Batch<'_>) {
        let width = batch.data.features();
        let (plane, images) = (width / channels, batch.indices.len());
        let mut augmented = vec![0; batch.augmenting.map_or(0, |_| width)];
        for (image, &sample) in batch.indices.iter().enumerate() {
            let first = sample as usize * width;
            if let (Some(augmenting), Inputs::Bytes(all)) = (batch.augmenting, &batch.data.inputs) {
                augmenting.apply(sample, &all[first..][..width], &mut augmented);
            }
            for channel in 0..channels {
                let x = &mut self.x[(channel * images + image) * plane..][..plane];
                let of_image = channel * plane..(channel + 1) * plane;
                let own = first + of_image.start..first + of_image.end;
                match &batch.data.inputs {
                    Inputs::Bytes(all) => {
                        let pixels = match batch.augmenting {
                            Some(_) => &augmented[of_image],
                            None => &all[own],
                        };
                        for (value, &pixel) in x.iter_mut().zip(pixels) {
                            *value = batch.pixel_values[usize::from(pixel)];
                        }
                    }
                    Inputs::Numbers(all) => x.copy_from_slice(&all[own]),
                }
            }
        }
    }

    /// The features of its images, (images, features), before dropout.
    fn forward(
        &mut self,
        cnn: &Cnn,
        loops: &Loops,
        parameters: &[LayerParameters<f32>],
        batch: Batch<'_>,
        features: &mut [f32],
    ) {
        let images = batch.indices.len();
        self.gather(cnn.blocks[0].conv.channels, batch);
        for (number, (block, p)) in cnn.blocks.iter().zip(parameters).enumerate() {
            let conv = &block.conv;
            let (below, above) = self.blocks.split_at_mut(number);
            let x = below.last().map_or(&self.x[..], BlockBuffers::output);
            let buffers = &mut above[0];
            let active = &mut buffers.active[..images * conv.outputs()];
            conv2d_forward(conv, images, x, &p.weight, &mut self.columns, active);
            let pixels = active.len() / conv.filters;
            let row = &mut self.bias[..pixels];
            for (active, &bias) in active.chunks_exact_mut(pixels).zip(&p.bias) {
                row.fill(bias);
                (loops.activate)(active, row);
            }
            if let Some(pool) = &block.pool {
                let len = images * pool.outputs();
                let (pooled, positions) = (&mut buffers.pooled, &mut buffers.positions);
                max_pool2d_forward(pool, active, &mut pooled[..len], &mut positions[..len]);
            }
        }
        let output = self.blocks.last().map_or(&self.x[..], BlockBuffers::output);
        let plane = cnn.features() / channels(cnn);
        for (image, features) in features.chunks_exact_mut(cnn.features()).enumerate() {
            for (channel, features) in features.chunks_exact_mut(plane).enumerate() {
                features.copy_from_slice(&output[(channel * images + image) * plane..][..plane]);
            }
        }
    }

    /// The gradients of the convolutions' parameters from `delta` = dL/df (images, features).
    fn backward(
        &mut self,
        cnn: &Cnn,
        loops: &Loops,
        parameters: &[LayerParameters<f32>],
        delta: &[f32],
    ) {
        let images = delta.len() / cnn.features();
        let plane = cnn.features() / channels(cnn);
        if let Some(last) = self.blocks.last_mut() {
            for (image, delta) in delta.chunks_exact(cnn.features()).enumerate() {
                for (channel, delta) in delta.chunks_exact(plane).enumerate() {
                    let first = (channel * images + image) * plane;
                    last.output_delta[first..][..plane].copy_from_slice(delta);
                }
            }
        }
        for (number, (block, p)) in cnn.blocks.iter().zip(parameters).enumerate().rev() {
            let conv = &block.conv;
            let (below, above) = self.blocks.split_at_mut(number);
            let buffers = &mut above[0];
            let len = images * block.outputs();
            let output_delta = &buffers.output_delta[..len];
            let delta = &mut buffers.delta[..images * conv.outputs()];
            match &block.pool {
                Some(pool) => {
                    max_pool2d_backward(pool, output_delta, &buffers.positions[..len], delta);
                }
                None => delta.copy_from_slice(output_delta),
            }
            (loops.activate_backward)(delta, &buffers.active[..delta.len()]);
            let x = below.last().map_or(&self.x[..], BlockBuffers::output);
            let (columns, gradient) = (&mut self.columns, &mut buffers.gradient);
            conv2d_backward_weight(conv, images, delta, x, columns, gradient);
            if let Some(below) = below.last_mut() {
                let input_delta = &mut below.output_delta[..images * conv.inputs()];
                conv2d_backward_input(conv, images, delta, &p.weight, columns, input_delta);
            }
        }
    }
}

/// Channels of the features.
fn channels(cnn: &Cnn) -> usize {
    cnn.blocks.last().map_or(1, |block| block.conv.filters)
}

/// Decides which features a step drops.
struct Mask {
    stream: Stream,
    probability: f32,
}

impl Mask {
    /// The mask of step `step` of the realization with `seed`.
    fn new(dropout: &Dropout, seed: u64, step: u64) -> Self {
        Self {
            stream: Stream::new(seed, Purpose::Dropout, step as u32),
            probability: dropout.probability,
        }
    }

    /// Draws the factors of the features of the batch from number `first` on.
    fn draw(&self, first: usize, factors: &mut [f32]) {
        let kept = 1.0 / (1.0 - self.probability);
        for (i, factor) in (first as u64..).zip(factors) {
            let stays = self.stream.uniform(i) >= self.probability;
            *factor = if stays { kept } else { 0.0 };
        }
    }
}

fn multiply(values: &mut [f32], factors: &[f32]) {
    values.iter_mut().zip(factors).for_each(|(v, f)| *v *= f);
}
