//! W = −cI + rK of V.

use super::params;
use crate::gpu::plan::{BufferId, Grid, Op};
use crate::gpu::shader::{GRID, Shader, wgsl};

params! { n: u32, center: f32, radius: f32 }

/// The kernel.
pub fn shader() -> Shader {
    Shader::new(wgsl!("equilibrium_weight"), [GRID])
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
