//! parameter −= learning_rate · gradient.

use super::params;
use crate::gpu::plan::{BufferId, Grid, Op};
use crate::gpu::shader::{GRID, Shader, wgsl};

params! { len: u32, learning_rate: f32 }

/// The kernel.
pub fn shader() -> Shader {
    Shader::new(wgsl!("sgd"), [GRID])
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
