//! Keeps a within ±DUAL_MAX.

use super::params;
use crate::activation::Activation;
use crate::gpu::plan::{BufferId, Grid, Op};
use crate::gpu::shader::{GRID, NUMBERS, Shader, wgsl};

params! { len: u32 }

/// The kernel for one activation.
pub fn shader(activation: &Activation) -> Shader {
    Shader::new(wgsl!("limit_dual"), [GRID, NUMBERS]).with_activation(activation)
}

/// Keeps a within ±DUAL_MAX.
pub fn limit_dual(activation: &Activation, len: usize, a: BufferId) -> Op {
    let params = Params { len: len as u32 };
    Op::new(shader(activation), &params, Grid::Elements(len)).bind("a", a)
}
