//! output (R, rows, cols) += bias (R, cols).

use crate::gpu::op::{BufferId, Grid, Op, Permutation, params};
use crate::gpu::shader::Shader;
use crate::gpu::wgsl::{GRID, wgsl};

params! { len: u32, rows: u32, cols: u32 }

/// The kernel.
pub fn shader() -> Shader {
    Shader::new(wgsl!("elementwise/add_bias"), [GRID])
}

/// The permutations that ship.
pub fn permutations() -> Vec<Permutation> {
    Params::permutations([shader()])
}

/// output (R, rows, cols) += bias (R, cols).
pub fn add_bias([realizations, rows, cols]: [usize; 3], bias: BufferId, output: BufferId) -> Op {
    let len = realizations * rows * cols;
    let params = Params {
        len: len as u32,
        rows: rows as u32,
        cols: cols as u32,
    };
    Op::new(shader(), &params, Grid::Elements(len))
        .bind("bias", bias)
        .bind("output", output)
}
