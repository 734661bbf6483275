//! V −= learning_rate · dL/dV.

use crate::gpu::op::{BufferId, Grid, Op, Permutation, params};
use crate::gpu::shader::Shader;
use crate::gpu::wgsl::{GRID, wgsl};

params! { n: u32, radius: f32, learning_rate: f32 }

/// The kernel.
pub fn shader() -> Shader {
    Shader::new(wgsl!("equilibrium/equilibrium_update"), [GRID])
}

/// The permutations that ship.
pub fn permutations() -> Vec<Permutation> {
    Params::permutations([shader()])
}

/// Updates `v` (n, n) by `gradient` = dL/dW (n, n), `scales` and `through`, (n) each.
pub fn equilibrium_update(
    n: usize,
    [radius, learning_rate]: [f32; 2],
    [gradient, scales, through]: [BufferId; 3],
    v: BufferId,
) -> Op {
    let params = Params {
        n: n as u32,
        radius,
        learning_rate,
    };
    Op::new(shader(), &params, Grid::Elements(n * n))
        .bind("gradient", gradient)
        .bind("scales", scales)
        .bind("through", through)
        .bind("v", v)
}
