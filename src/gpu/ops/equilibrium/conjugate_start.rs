//! Starts conjugate gradients on the units inside the range.

use crate::gpu::op::{BufferId, Grid, Op, Permutation, params};
use crate::gpu::shader::Shader;
use crate::gpu::wgsl::{ROW_SUM, wgsl};

params! { rows: u32, n: u32, tolerance: f32, negligible_square: f32 }

/// The kernel.
pub fn shader() -> Shader {
    Shader::new(wgsl!("equilibrium/conjugate_start"), [ROW_SUM])
}

/// The permutations that ship.
pub fn permutations() -> Vec<Permutation> {
    Params::permutations([shader()])
}

/// The state of conjugate gradients between steps.
#[derive(Clone, Copy, Debug)]
pub struct State {
    /// 1 for units inside the range, (rows, n).
    pub inside: BufferId,
    /// (rows, n).
    pub solution: BufferId,
    /// (rows, n).
    pub residual: BufferId,
    /// (rows, n).
    pub direction: BufferId,
    /// The square of the residual, and the square at which a row is done, (rows, 2).
    pub squares: BufferId,
}

/// Starts on the right-hand side `g` (rows, n); `tolerance` is relative to its norm, and a residual of
/// `negligible_square` is small enough in any case.
pub fn conjugate_start(
    [rows, n]: [usize; 2],
    [tolerance, negligible_square]: [f32; 2],
    g: BufferId,
    state: State,
) -> Op {
    let params = Params {
        rows: rows as u32,
        n: n as u32,
        tolerance,
        negligible_square,
    };
    Op::new(shader(), &params, Grid::Workgroups(rows))
        .bind("g", g)
        .bind("inside", state.inside)
        .bind("solution", state.solution)
        .bind("residual", state.residual)
        .bind("direction", state.direction)
        .bind("squares", state.squares)
}
