//! Projects each row of a matrix onto the probability simplex.

use crate::gpu::op::{BufferId, Grid, Op, Permutation, params};
use crate::gpu::shader::{STORAGE, Shader};
use crate::gpu::wgsl::{NUMBERS, SIMPLEX, wgsl};

params! { rows: u32, cols: u32 }

/// The kernel.
pub fn shader() -> Shader {
    Shader::new(
        wgsl!("elementwise/project_simplex"),
        [SIMPLEX, STORAGE, NUMBERS],
    )
}

/// The permutations that ship.
pub fn permutations() -> Vec<Permutation> {
    Params::permutations([shader()])
}

/// Projects the rows of `matrix` (rows, cols), in place.
pub fn project_simplex(rows: usize, cols: usize, matrix: BufferId) -> Op {
    let params = Params {
        rows: rows as u32,
        cols: cols as u32,
    };
    Op::new(shader(), &params, Grid::Workgroups(rows)).bind("matrix", matrix)
}
