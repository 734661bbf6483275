//! Drops numbers at random, by the step's draw.

use crate::gpu::op::{BufferId, Grid, Op, Permutation, params};
use crate::gpu::shader::Shader;
use crate::gpu::wgsl::{GRID, RNG, STEP, wgsl};
use crate::nn::cnn::Dropout;
use crate::rng::Purpose;

params! {
    len: u32,
    row_len: u32,
    purpose: u32,
    probability: f32,
    kept: f32,
}

/// The kernel.
pub fn shader() -> Shader {
    Shader::new(wgsl!("elementwise/dropout"), [GRID, RNG, STEP])
}

/// The permutations that ship.
pub fn permutations() -> Vec<Permutation> {
    Params::permutations([shader()])
}

/// output (R, len) = input, each number dropped or scaled; a copy without `dropout`. `seeds` (R) has two
/// words for each realization, the lower one first.
pub fn dropout(
    dropout: Option<&Dropout>,
    [realizations, len]: [usize; 2],
    seeds: BufferId,
    input: BufferId,
    output: BufferId,
) -> Op {
    let probability = dropout.map_or(0.0, |dropout| dropout.probability);
    let params = Params {
        len: (realizations * len) as u32,
        row_len: len as u32,
        purpose: Purpose::Dropout as u32,
        probability,
        kept: 1.0 / (1.0 - probability),
    };
    Op::new(shader(), &params, Grid::Elements(realizations * len))
        .bind("seeds", seeds)
        .bind("input", input)
        .bind("output", output)
}
