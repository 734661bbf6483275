//! W = −cI + rK of V.

use crate::gpu::op::{BufferId, Grid, Op, Permutation, params};
use crate::gpu::shader::Shader;
use crate::gpu::wgsl::{GRID, wgsl};

params! { n: u32, center: f32, radius: f32 }

/// The kernel.
pub fn shader() -> Shader {
    Shader::new(wgsl!("equilibrium/equilibrium_weight"), [GRID])
}

/// The permutations that ship.
pub fn permutations() -> Vec<Permutation> {
    Params::permutations([shader()])
}

/// `weight` (n, n) of `v` (n, n) and its `scales` (n).
pub fn equilibrium_weight(
    n: usize,
    [center, radius]: [f32; 2],
    [v, scales]: [BufferId; 2],
    weight: BufferId,
) -> Op {
    let params = Params {
        n: n as u32,
        center,
        radius,
    };
    Op::new(shader(), &params, Grid::Elements(n * n))
        .bind("v", v)
        .bind("scales", scales)
        .bind("weight", weight)
}
