//! The convolutional front-end: features of a batch, and the step of SGD below them.

use rayon::prelude::*;

use super::conv2d::{conv2d_backward, conv2d_forward};
use super::isa::Isa;
use super::max_pool2d::{max_pool2d_backward, max_pool2d_forward};
use crate::data::Dataset;
use crate::nn::LayerParameters;
use crate::nn::cnn::{Cnn, Dropout};
use crate::rng::{Purpose, Stream};

/// Buffers of the front-end, for the full batch; a short batch uses their first rows.
pub(super) struct Front {
    /// Images, (batch, channels, height, width).
    pub x: Vec<f32>,
    blocks: Vec<BlockBuffers>,
    /// What dropout multiplies the features by; empty without it.
    factors: Vec<f32>,
    /// f, (batch, features).
    pub features: Vec<f32>,
    /// dL/df, which the backward pass starts from.
    pub delta: Vec<f32>,
}

struct BlockBuffers {
    /// The convolution after the activation.
    active: Vec<f32>,
    /// The output, and where the pooling took it; empty without pooling.
    pooled: Vec<f32>,
    positions: Vec<u32>,
    /// dL/d of the convolution.
    delta: Vec<f32>,
    /// dL/d of the output; empty in the last block, whose output the features are.
    output_delta: Vec<f32>,
}

impl Front {
    pub(super) fn new(cnn: &Cnn, batch: usize) -> Self {
        let last = cnn.blocks.len() - 1;
        let blocks = cnn.blocks.iter().enumerate().map(|(number, block)| {
            let pooled = block.pool.map_or(0, |pool| batch * pool.outputs());
            let outputs = if number < last { block.outputs() } else { 0 };
            BlockBuffers {
                active: vec![0.0; batch * block.conv.outputs()],
                pooled: vec![0.0; pooled],
                positions: vec![0; pooled],
                delta: vec![0.0; batch * block.conv.outputs()],
                output_delta: vec![0.0; batch * outputs],
            }
        });
        let features = vec![0.0; batch * cnn.features()];
        Self {
            x: vec![0.0; batch * cnn.inputs()],
            blocks: blocks.collect(),
            factors: if cnn.dropout.is_some() {
                features.clone()
            } else {
                Vec::new()
            },
            delta: features.clone(),
            features,
        }
    }

    /// Takes samples `indices` of `data` in; `values` are those of their pixels.
    pub(super) fn gather(&mut self, values: &[f32; 256], data: &Dataset, indices: &[u32]) {
        let width = data.features();
        let rows = self.x.par_chunks_exact_mut(width).zip(indices);
        rows.for_each(|(row, &sample)| {
            let pixels = &data.pixels[sample as usize * width..][..width];
            for (value, &pixel) in row.iter_mut().zip(pixels) {
                *value = values[usize::from(pixel)];
            }
        });
    }

    /// The features of the first `rows` images; `training` is the realization and the step, if
    /// dropout is to act.
    pub(super) fn forward(
        &mut self,
        cnn: &Cnn,
        parameters: &[LayerParameters<f32>],
        rows: usize,
        training: Option<(usize, u32)>,
    ) {
        let act = cnn.activation.kernels.on(Isa::widest()).activate;
        for (number, (block, p)) in cnn.blocks.iter().zip(parameters).enumerate() {
            let conv = &block.conv;
            let (below, above) = self.blocks.split_at_mut(number);
            let x = input(&self.x, below, cnn);
            let buffers = &mut above[0];
            let active = &mut buffers.active[..rows * conv.outputs()];
            let x = &x[..rows * conv.inputs()];
            conv2d_forward(conv, x, &p.weight, &p.bias, act, active);
            if let Some(pool) = &block.pool {
                let len = rows * pool.outputs();
                let pooled = &mut buffers.pooled[..len];
                max_pool2d_forward(pool, active, pooled, &mut buffers.positions[..len]);
            }
        }
        let len = rows * cnn.features();
        let features = &mut self.features[..len];
        features.copy_from_slice(&input(&self.x, &self.blocks, cnn)[..len]);
        if let (Some(dropout), Some((r, step))) = (&cnn.dropout, training) {
            let factors = &mut self.factors[..len];
            draw(dropout, r, step, factors);
            multiply(features, factors);
        }
    }

    /// A step of SGD from dL/df in `delta`: every input gradient is taken before the weights that it
    /// needs change.
    pub(super) fn backward(
        &mut self,
        cnn: &Cnn,
        parameters: &mut [LayerParameters<f32>],
        rows: usize,
        rate: f32,
    ) {
        let len = rows * cnn.features();
        if cnn.dropout.is_some() {
            multiply(&mut self.delta[..len], &self.factors[..len]);
        }
        let loops = cnn.activation.kernels.on(Isa::widest());
        for (number, block) in cnn.blocks.iter().enumerate().rev() {
            let conv = &block.conv;
            let (below, above) = self.blocks.split_at_mut(number);
            let buffers = &mut above[0];
            let len = rows * block.outputs();
            let output_delta = match number + 1 == cnn.blocks.len() {
                true => &self.delta[..len],
                false => &buffers.output_delta[..len],
            };
            let delta = &mut buffers.delta[..rows * conv.outputs()];
            match &block.pool {
                Some(pool) => {
                    max_pool2d_backward(pool, output_delta, &buffers.positions[..len], delta);
                }
                None => delta.copy_from_slice(output_delta),
            }
            let active = &buffers.active[..delta.len()];
            delta
                .par_chunks_mut(conv.outputs())
                .zip(active.par_chunks(conv.outputs()))
                .for_each(|(delta, z)| (loops.activate_backward)(delta, z));
            let inputs = rows * conv.inputs();
            let p = &mut parameters[number];
            let gradient = match below.split_last_mut() {
                None => conv2d_backward(conv, delta, &self.x[..inputs], &p.weight, None),
                Some((block_below, _)) => {
                    let x = match cnn.blocks[number - 1].pool {
                        Some(_) => &block_below.pooled[..inputs],
                        None => &block_below.active[..inputs],
                    };
                    let input_delta = Some(&mut block_below.output_delta[..inputs]);
                    conv2d_backward(conv, delta, x, &p.weight, input_delta)
                }
            };
            for (tensor, gradient) in [
                (&mut p.weight, gradient.weight),
                (&mut p.bias, gradient.bias),
            ] {
                let pairs = tensor.iter_mut().zip(gradient);
                pairs.for_each(|(p, gradient)| *p -= rate * gradient);
            }
        }
    }
}

/// The output of the last of `blocks`, or the images if there is none.
fn input<'a>(images: &'a [f32], blocks: &'a [BlockBuffers], cnn: &Cnn) -> &'a [f32] {
    match blocks.last() {
        None => images,
        Some(last) => match cnn.blocks[blocks.len() - 1].pool {
            Some(_) => &last.pooled,
            None => &last.active,
        },
    }
}

/// The factors of dropout in step `step` of realization `r`, (rows, features).
fn draw(dropout: &Dropout, r: usize, step: u32, factors: &mut [f32]) {
    const FACTORS_PER_TASK: usize = 1024;
    let seed = dropout.seed.wrapping_add(r as u64);
    let step = dropout.first_step.wrapping_add(step);
    let stream = Stream::new(seed, Purpose::Dropout, step);
    let kept = 1.0 / (1.0 - dropout.probability);
    let chunks = factors.par_chunks_mut(FACTORS_PER_TASK).enumerate();
    chunks.for_each(|(chunk, factors)| {
        let first = (chunk * FACTORS_PER_TASK) as u64;
        for (i, factor) in (first..).zip(factors) {
            let stays = stream.uniform(i) >= dropout.probability;
            *factor = if stays { kept } else { 0.0 };
        }
    });
}

fn multiply(values: &mut [f32], factors: &[f32]) {
    values.iter_mut().zip(factors).for_each(|(v, f)| *v *= f);
}
