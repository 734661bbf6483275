//! D^{−½} of V, by row.

use crate::gpu::op::{BufferId, Grid, Op, Permutation, params};
use crate::gpu::shader::Shader;
use crate::gpu::wgsl::{ROW_SUM, wgsl};

params! { n: u32 }

/// The kernel.
pub fn shader() -> Shader {
    Shader::new(wgsl!("equilibrium/equilibrium_scale"), [ROW_SUM])
}

/// The permutations that ship.
pub fn permutations() -> Vec<Permutation> {
    Params::permutations([shader()])
}

/// `scales` (n) of `v` (n, n).
pub fn equilibrium_scale(n: usize, v: BufferId, scales: BufferId) -> Op {
    let params = Params { n: n as u32 };
    Op::new(shader(), &params, Grid::Workgroups(n))
        .bind("v", v)
        .bind("scales", scales)
}
