//! output += term.

use crate::gpu::op::{BufferId, Grid, Op, Permutation, params};
use crate::gpu::shader::Shader;
use crate::gpu::wgsl::{GRID, wgsl};

params! { len: u32 }

/// The kernel.
pub fn shader() -> Shader {
    Shader::new(wgsl!("elementwise/add"), [GRID])
}

/// The permutations that ship.
pub fn permutations() -> Vec<Permutation> {
    Params::permutations([shader()])
}

/// output += term.
pub fn add(len: usize, term: BufferId, output: BufferId) -> Op {
    let params = Params { len: len as u32 };
    Op::new(shader(), &params, Grid::Elements(len))
        .bind("term", term)
        .bind("output", output)
}
