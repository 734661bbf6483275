//! The batch of a training step with random changes of its images.

use crate::data::augment::Augmenter;
use crate::gpu::op::{BufferId, Grid, Op, Permutation, params};
use crate::gpu::shader::{STORAGE, Shader};
use crate::gpu::wgsl::{GRID, RNG, STEP, wgsl};
use crate::rng::Purpose;

params! {
    batch: u32,
    channels: u32,
    height: u32,
    width: u32,
    order_stride: u32,
    realizations: u32,
    steps_of_epoch: u32,
    draws: u32,
    noise_draws: u32,
    levels: u32,
    noises: u32,
    crop: u32,
    flip: u32,
    shift: u32,
    has_noise: u32,
    cutout: u32,
}

/// The kernel.
pub fn shader() -> Shader {
    Shader::new(wgsl!("layer/augment"), [GRID, RNG, STEP, STORAGE])
}

/// The permutations that ship.
pub fn permutations() -> Vec<Permutation> {
    Params::permutations([shader()])
}

/// The numbers of `tables`: cosine and sine of each angle, the reciprocal of each scale, each value of the
/// noise.
pub fn tables(augmenter: &Augmenter) -> Vec<i32> {
    let turns = augmenter.turns.as_flattened();
    [turns, &augmenter.reciprocals, &augmenter.noises].concat()
}

/// Buffers of an augmented batch.
#[derive(Clone, Copy, Debug)]
pub struct Operands {
    /// The images, four bytes to a word.
    pub pixels: BufferId,
    /// The value of each byte, (256).
    pub pixel_values: BufferId,
    /// Sample indices, (R, samples).
    pub order: BufferId,
    /// (R), two words each, the lower one first.
    pub seeds: BufferId,
    /// [`tables`].
    pub tables: BufferId,
    /// (R, batch, features).
    pub output: BufferId,
}

/// Fills the batch of a step, of an epoch of `samples` samples.
pub fn augment(
    augmenter: &Augmenter,
    [realizations, batch, samples]: [usize; 3],
    operands: Operands,
) -> Op {
    let [channels, height, width] = augmenter.shape;
    let augmentation = augmenter.augmentation;
    let params = Params {
        batch: batch as u32,
        channels: channels as u32,
        height: height as u32,
        width: width as u32,
        order_stride: samples as u32,
        realizations: realizations as u32,
        steps_of_epoch: samples.div_ceil(batch) as u32,
        draws: Purpose::Augment as u32,
        noise_draws: Purpose::Noise as u32,
        levels: augmenter.reciprocals.len() as u32,
        noises: augmenter.noises.len() as u32,
        crop: augmentation.crop,
        flip: augmentation.flip.into(),
        shift: augmentation.shift,
        has_noise: (augmentation.noise > 0.0).into(),
        cutout: augmentation.cutout,
    };
    let elements = realizations * batch * channels * height * width;
    Op::new(shader(), &params, Grid::Elements(elements))
        .bind("order", operands.order)
        .bind("seeds", operands.seeds)
        .bind("tables", operands.tables)
        .bind("pixels", operands.pixels)
        .bind("pixel_values", operands.pixel_values)
        .bind("output", operands.output)
}
