//! A step of conjugate gradients on the units inside the range.

use super::conjugate_start::State;
use crate::gpu::op::{BufferId, Grid, Op, Permutation, params};
use crate::gpu::shader::Shader;
use crate::gpu::wgsl::{ROW_SUM, wgsl};

params! { rows: u32, n: u32 }

/// The kernel.
pub fn shader() -> Shader {
    Shader::new(wgsl!("equilibrium/conjugate_step"), [ROW_SUM])
}

/// The permutations that ship.
pub fn permutations() -> Vec<Permutation> {
    Params::permutations([shader()])
}

/// A step of each row that is not done yet; `image` is the direction times W, (rows, n).
pub fn conjugate_step([rows, n]: [usize; 2], image: BufferId, state: State) -> Op {
    let params = Params {
        rows: rows as u32,
        n: n as u32,
    };
    Op::new(shader(), &params, Grid::Workgroups(rows))
        .bind("image", image)
        .bind("inside", state.inside)
        .bind("solution", state.solution)
        .bind("residual", state.residual)
        .bind("direction", state.direction)
        .bind("squares", state.squares)
}
