//! The batch of a step: z₀ (R, batch, features) from the data set's bytes.

use crate::gpu::op::{BufferId, Grid, Op, Permutation, params};
use crate::gpu::shader::{STORAGE, Shader};
use crate::gpu::wgsl::{GRID, STEP, wgsl};

params! { batch: u32, features: u32, order_stride: u32, realizations: u32 }

/// The kernel.
pub fn shader() -> Shader {
    Shader::new(wgsl!("layer/gather"), [GRID, STEP, STORAGE])
}

/// The permutations that ship.
pub fn permutations() -> Vec<Permutation> {
    Params::permutations([shader()])
}

/// Buffers of a gather.
#[derive(Clone, Copy, Debug)]
pub struct Operands {
    /// Bytes (samples, features), four to a word.
    pub pixels: BufferId,
    /// The value of each byte, (256).
    pub pixel_values: BufferId,
    /// Sample indices, (R, samples), or (samples) for all realizations.
    pub order: BufferId,
    /// (R, batch, features).
    pub output: BufferId,
}

/// Fills the batch; realization r reads its order at r · `order_stride`.
pub fn gather(
    [realizations, batch, features]: [usize; 3],
    order_stride: usize,
    operands: Operands,
) -> Op {
    let params = Params {
        batch: batch as u32,
        features: features as u32,
        order_stride: order_stride as u32,
        realizations: realizations as u32,
    };
    Op::new(
        shader(),
        &params,
        Grid::Elements(realizations * batch * features),
    )
    .bind("pixels", operands.pixels)
    .bind("pixel_values", operands.pixel_values)
    .bind("order", operands.order)
    .bind("output", operands.output)
}
