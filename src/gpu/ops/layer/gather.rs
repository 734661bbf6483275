//! The batch of a step: z₀ (R, batch, features) from the data set's inputs.

use crate::gpu::op::{BufferId, Grid, Op, Permutation, params};
use crate::gpu::shader::{STORAGE, Shader};
use crate::gpu::wgsl::{BYTES, File, GRID, INPUT_NUMBERS, STEP, wgsl};

params! { batch: u32, features: u32, order_stride: u32, realizations: u32 }

/// The inputs of a data set.
#[derive(Clone, Copy, Debug)]
pub enum Source {
    /// Bytes.
    Bytes {
        /// (samples, features), four to a word.
        pixels: BufferId,
        /// The value of each byte, (256).
        pixel_values: BufferId,
    },
    /// Numbers, (samples, features).
    Numbers(BufferId),
}

impl Source {
    /// One of each, for kernels that depend only on the kind.
    pub(super) const ALL: [Self; 2] = [
        Self::Bytes {
            pixels: BufferId(0),
            pixel_values: BufferId(1),
        },
        Self::Numbers(BufferId(0)),
    ];

    /// The file that reads it.
    pub(super) fn file(self) -> File {
        match self {
            Self::Bytes { .. } => BYTES,
            Self::Numbers(_) => INPUT_NUMBERS,
        }
    }

    /// Binds its buffers.
    pub(super) fn bind(self, op: Op) -> Op {
        match self {
            Self::Bytes {
                pixels,
                pixel_values,
            } => op.bind("pixels", pixels).bind("pixel_values", pixel_values),
            Self::Numbers(numbers) => op.bind("numbers", numbers),
        }
    }
}

/// The kernel for one kind of source.
pub fn shader(source: Source) -> Shader {
    Shader::new(wgsl!("layer/gather"), [source.file(), GRID, STEP, STORAGE])
}

/// The permutations that ship.
pub fn permutations() -> Vec<Permutation> {
    Params::permutations(Source::ALL.map(shader))
}

/// Buffers of a gather.
#[derive(Clone, Copy, Debug)]
pub struct Operands {
    /// The inputs.
    pub source: Source,
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
    let op = Op::new(
        shader(operands.source),
        &params,
        Grid::Elements(realizations * batch * features),
    );
    let op = operands.source.bind(op);
    op.bind("order", operands.order)
        .bind("output", operands.output)
}
