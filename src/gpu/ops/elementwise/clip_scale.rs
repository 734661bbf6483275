//! The factor of gradients with which their norm is at most the limit.

use crate::gpu::op::{BufferId, Grid, Op, Permutation, params};
use crate::gpu::shader::Shader;
use crate::gpu::wgsl::{ROW_SUM, wgsl};

params! { realizations: u32, parts: u32, norm: f32 }

/// The kernel.
pub fn shader() -> Shader {
    Shader::new(wgsl!("elementwise/clip_scale"), [ROW_SUM])
}

/// The permutations that ship.
pub fn permutations() -> Vec<Permutation> {
    Params::permutations([shader()])
}

/// Scales (R) from the sums of squares (R, parts).
pub fn clip_scale(
    [realizations, parts]: [usize; 2],
    norm: f32,
    squares: BufferId,
    scales: BufferId,
) -> Op {
    let params = Params {
        realizations: realizations as u32,
        parts: parts as u32,
        norm,
    };
    Op::new(shader(), &params, Grid::Workgroups(realizations))
        .bind("squares", squares)
        .bind("scales", scales)
}
