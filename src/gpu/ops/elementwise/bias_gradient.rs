//! gradient (R, cols) = Σ over the rows of delta (R, rows, cols).

use crate::gpu::op::{BufferId, Grid, Op, Permutation, params};
use crate::gpu::shader::Shader;
use crate::gpu::wgsl::{GRID, wgsl};

params! { len: u32, rows: u32, cols: u32 }

/// The kernel.
pub fn shader() -> Shader {
    Shader::new(wgsl!("elementwise/bias_gradient"), [GRID])
}

/// The permutations that ship.
pub fn permutations() -> Vec<Permutation> {
    Params::permutations([shader()])
}

/// gradient (R, cols) = Σ over the rows of delta (R, rows, cols).
pub fn bias_gradient(
    [realizations, rows, cols]: [usize; 3],
    delta: BufferId,
    gradient: BufferId,
) -> Op {
    let len = realizations * cols;
    let params = Params {
        len: len as u32,
        rows: rows as u32,
        cols: cols as u32,
    };
    Op::new(shader(), &params, Grid::Elements(len))
        .bind("delta", delta)
        .bind("gradient", gradient)
}
