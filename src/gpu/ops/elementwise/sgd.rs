//! parameter −= learning_rate · gradient.

use crate::gpu::op::{BufferId, Grid, Op, Permutation, params};
use crate::gpu::shader::Shader;
use crate::gpu::wgsl::{GRID, wgsl};

params! { len: u32, learning_rate: f32 }

/// The kernel.
pub fn shader() -> Shader {
    Shader::new(wgsl!("elementwise/sgd"), [GRID])
}

/// The permutations that ship.
pub fn permutations() -> Vec<Permutation> {
    Params::permutations([shader()])
}

/// parameter −= learning_rate · gradient.
pub fn sgd(len: usize, learning_rate: f32, gradient: BufferId, parameter: BufferId) -> Op {
    let params = Params {
        len: len as u32,
        learning_rate,
    };
    Op::new(shader(), &params, Grid::Elements(len))
        .bind("gradient", gradient)
        .bind("parameter", parameter)
}
