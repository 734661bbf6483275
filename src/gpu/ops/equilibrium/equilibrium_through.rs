//! The part of dL/dV that goes through the scales D.

use crate::gpu::op::{BufferId, Grid, Op, Permutation, params};
use crate::gpu::shader::Shader;
use crate::gpu::wgsl::{ROW_SUM, wgsl};

params! { n: u32 }

/// The kernel.
pub fn shader() -> Shader {
    Shader::new(wgsl!("equilibrium/equilibrium_through"), [ROW_SUM])
}

/// The permutations that ship.
pub fn permutations() -> Vec<Permutation> {
    Params::permutations([shader()])
}

/// `through` (n) of `gradient` = dL/dW and `v` (n, n), with its `scales` (n).
pub fn equilibrium_through(
    n: usize,
    [gradient, v, scales]: [BufferId; 3],
    through: BufferId,
) -> Op {
    let params = Params { n: n as u32 };
    Op::new(shader(), &params, Grid::Workgroups(n))
        .bind("gradient", gradient)
        .bind("v", v)
        .bind("scales", scales)
        .bind("through", through)
}
