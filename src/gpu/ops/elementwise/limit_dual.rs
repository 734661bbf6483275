//! Keeps a within ±DUAL_MAX.

use crate::activation::Activation;
use crate::gpu::op::{BufferId, Grid, Op, Permutation, params};
use crate::gpu::shader::Shader;
use crate::gpu::wgsl::{GRID, NUMBERS, wgsl};

params! { len: u32 }

/// The kernel for one activation.
pub fn shader(activation: &Activation) -> Shader {
    Shader::new(wgsl!("elementwise/limit_dual"), [GRID, NUMBERS]).with_activation(activation)
}

/// The permutations that ship.
pub fn permutations() -> Vec<Permutation> {
    Params::permutations(Activation::ALL.iter().map(shader))
}

/// Keeps a within ±DUAL_MAX.
pub fn limit_dual(activation: &Activation, len: usize, a: BufferId) -> Op {
    let params = Params { len: len as u32 };
    Op::new(shader(activation), &params, Grid::Elements(len)).bind("a", a)
}
